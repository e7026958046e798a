/* SPDX-License-Identifier: MIT */
/* The tunnel's settings, and the three things that its key is not to do. */
#include "capture/commands/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/settings/conf.h"

#define SSH_US (20 * US_PER_SEC)
#define SAID "capturepi-ran-a-command"

struct tunnel {
	char folder[PATH_MAX];
	char hub[256], hub_port[8], port[8];
};

static void tunnel_take(const char *line, const char *key, char *ret, size_t size)
{
	const size_t n = strlen(key);
	size_t length;

	if (strncmp(line, key, n) != 0 || line[n] != '=')
		return;
	line += n + 1;
	length = strcspn(line, " \t\r");
	length = length < size ? length : 0;
	memcpy(ret, line, length);
	ret[length] = '\0';
}

/* The file that the unit's EnvironmentFile= names. -ENOENT; -EBADMSG it lacks something. */
static int tunnel_read(struct tunnel *ret)
{
	struct tunnel tunnel = { .hub_port = "22" };
	CLEANUP_FREE char *text = NULL;
	char path[PATH_MAX + 32], *rest, *line;
	int r = conf_folder("XDG_CONFIG_HOME", ".config", tunnel.folder);

	if (r < 0)
		return r;
	snprintf(path, sizeof path, "%s/capturepi/tunnel", tunnel.folder);
	r = doctor_read_file(path, &text);
	if (r < 0)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		tunnel_take(line, "HUB", tunnel.hub, sizeof tunnel.hub);
		tunnel_take(line, "HUB_PORT", tunnel.hub_port, sizeof tunnel.hub_port);
		tunnel_take(line, "PORT", tunnel.port, sizeof tunnel.port);
	}
	if (!*tunnel.hub || *tunnel.hub == '-' || strtoul(tunnel.port, NULL, 10) == 0)
		return -EBADMSG;
	*ret = tunnel;
	return 0;
}

/* ssh with the key; `option` and `value` come before the hub, `command` after it; NULL: none. */
static int tunnel_try(const struct tunnel *tunnel, const char *option, const char *value,
	const char *command, struct child_result *ret)
{
	char known[PATH_MAX + 64], key[PATH_MAX + 32];
	const char *argv[32] = { "ssh", "-F", "none", "-T", "-o", "BatchMode=yes", "-o",
		"ConnectTimeout=10", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=no", "-o", "ExitOnForwardFailure=yes", "-o", known, "-i", key,
		"-p", tunnel->hub_port };
	size_t n = 22;

	snprintf(known, sizeof known, "UserKnownHostsFile=\"%s/capturepi/tunnel_known_hosts\"",
		tunnel->folder);
	snprintf(key, sizeof key, "%s/capturepi/tunnel_key", tunnel->folder);
	if (option) {
		argv[n++] = option;
		argv[n++] = value;
	}
	argv[n++] = tunnel->hub;
	argv[n++] = command;
	return child_run(argv, SSH_US, ret);
}

/* Its line in the hub's authorized_keys, as it must be. */
static struct doctor_finding tunnel_too_much(const struct tunnel *tunnel, const char *what)
{
	CLEANUP_FREE char *key = NULL;
	char path[PATH_MAX + 32];

	snprintf(path, sizeof path, "%s/capturepi/tunnel_key.pub", tunnel->folder);
	if (doctor_read_file(path, &key) == 0)
		key[strcspn(key, "\n")] = '\0';
	return doctor_find(DOCTOR_FAIL,
		"the tunnel's key %s on %s\nits line in authorized_keys there must be "
		"`restrict,port-forwarding,permitlisten=\"localhost:%s\",permitopen=\"localhost:%"
		"s\","
		"command=\"/bin/false\" %s`",
		what, tunnel->hub, tunnel->port, tunnel->port, key ? key : "KEY");
}

/* The last line of what ssh said. */
static struct doctor_finding tunnel_not_known(const struct tunnel *tunnel, char *said, int error)
{
	char *last = NULL;

	while (said && (last = strrchr(said, '\n')) && !last[1])
		*last = '\0';
	return doctor_find(DOCTOR_WARN,
		"what the tunnel's key may do on %s is not known: %s\n"
		"see BEHIND NAT in `man capturepi`",
		tunnel->hub,
		error < 0      ? strerror(-error)
			: last ? last + 1
			: said ? said
			       : "");
}

struct doctor_finding tunnel_examine(void)
{
	CLEANUP(child_result_clear)
	struct child_result ran = { 0 }, reached = { 0 }, opened = { 0 };
	char other[32];
	struct tunnel tunnel;
	int r = tunnel_read(&tunnel);

	if (r == -ENOENT)
		return (struct doctor_finding){ 0 };
	if (r < 0)
		return doctor_find(DOCTOR_FAIL,
			"~/.config/capturepi/tunnel has no HUB= and PORT=\n"
			"see BEHIND NAT in `man capturepi`");
	r = tunnel_try(&tunnel, NULL, NULL, "echo " SAID, &ran);
	if (r == 0 && strstr(ran.out, SAID))
		return tunnel_too_much(&tunnel, "runs commands");
	if (r < 0 || ran.code == 255)
		return tunnel_not_known(&tunnel, ran.err, r);
	snprintf(other, sizeof other, "localhost:%s", tunnel.hub_port);
	r = tunnel_try(&tunnel, "-W", other, NULL, &reached);
	if (r == 0 && strstr(reached.out, "SSH-"))
		return tunnel_too_much(&tunnel, "reaches any port");
	if (r == 0)
		r = tunnel_try(&tunnel, "-R", "localhost:0:localhost:9", "true", &opened);
	if (r == 0 && opened.code != 255)
		return tunnel_too_much(&tunnel, "opens any port");
	if (r < 0 || !strstr(opened.err, "remote port forwarding failed"))
		return tunnel_not_known(&tunnel, opened.err, r);
	return doctor_find(
		DOCTOR_OK, "the tunnel's key opens its port on %s, and nothing else", tunnel.hub);
}
