/* SPDX-License-Identifier: MIT */
/* Turns a camera's settings into a stream, and errors into exit codes. */
#include "pull/ssh/connect.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/commands/cli.h"
#include "pull/ssh/wait.h"

int endpoint_of(const struct camera_settings *camera, struct endpoint *ret)
{
	int r = pull_state_path("known_hosts", ret->known_hosts);

	if (r == 0)
		r = pull_state_path("known_hosts_jump", ret->jump_known_hosts);
	if (r == 0)
		r = pull_key_path(camera, ret->key);
	if (r < 0)
		return r;
	snprintf(ret->alias, sizeof ret->alias, "%s", camera->name);
	for (char *p = ret->alias; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	ret->ssh = (struct ssh_options){
		.host = camera->host,
		.port = (int)camera->port,
		.user = *camera->user ? camera->user : NULL,
		.alias = ret->alias,
		.known_hosts = ret->known_hosts,
		.key = ret->key,
		.jump = *camera->proxy_jump ? camera->proxy_jump : NULL,
		.jump_known_hosts = ret->jump_known_hosts,
		.deadline_ns = DEADLINE_NONE,
	};
	return 0;
}

const char *endpoint_pair_command(const struct camera_settings *camera, char *buf, size_t size)
{
	bool v6 = strchr(camera->host, ':') != NULL;
	const char *quote = strchr(camera->user, '\\') ? "'" : "";
	char port[24] = "";

	if (camera->port != 22)
		snprintf(port, sizeof port, ":%lld", (long long)camera->port);
	snprintf(buf, size, "pullpi pair %s%s%s%s%s%s%s%s --camera %s", quote, camera->user,
		*camera->user ? "@" : "", v6 ? "[" : "", camera->host, v6 ? "]" : "", port, quote,
		camera->name);
	return buf;
}

int connect_code(int error)
{
	switch (-error) {
	case 0:
		return CLI_OK;
	case EKEYREJECTED:
	case ENOKEY:
	case EACCES:
	case EPERM:
		return CLI_REFUSED;
	case EPROTO:
	case EPROTONOSUPPORT:
	case EBADMSG:
		return CLI_PROTOCOL;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOSYS:
		return CLI_INTERNAL;
	default: /* the many ways in which a network is not there */
		return CLI_TEMPFAIL;
	}
}

int connect_code_of_transfer(int error)
{
	switch (-error) {
	case EPROTO:
	case EPROTONOSUPPORT:
	case EBADMSG:
	case EEXIST:
	case ELOOP:
	case EINVAL:
	case EFBIG:
		return CLI_PROTOCOL;
	case ETIMEDOUT:
	case ECONNRESET:
	case EPIPE:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
		return CLI_TEMPFAIL;
	default:
		return CLI_INTERNAL;
	}
}

static enum connect_why why_of(int error)
{
	switch (-error) {
	case EBUSY: /* by sshd, before the login */
	case ECONNRESET: /* in the login */
	case EPIPE:
		return CONNECT_ANSWERED;
	default:
		switch (connect_code(error)) {
		case CLI_INTERNAL:
			return CONNECT_HERE;
		case CLI_TEMPFAIL:
			return CONNECT_SILENT;
		default:
			return CONNECT_ANSWERED;
		}
	}
}

int connect_try(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, enum connect_why *ret_why, char *error, size_t size)
{
	struct endpoint endpoint;
	char pair[512];
	int r = endpoint_of(camera, &endpoint), code;
	size_t n;

	if (r < 0) {
		*ret_why = CONNECT_HERE;
		snprintf(error, size, "no folder for keys: %s", strerror(-r));
		return CLI_SETTINGS;
	}
	endpoint.ssh.command = command;
	endpoint.ssh.deadline_ns = deadline_ns;
	r = ssh_stream_open(&endpoint.ssh, ret_stream, error, size);
	*ret_why = r == 0 ? CONNECT_DONE : why_of(r);
	if (r == 0)
		return CLI_OK;
	code = connect_code(r);
	n = strlen(error);
	if (code == CLI_REFUSED)
		snprintf(error + n, size - n, "; to pair it again: %s",
			endpoint_pair_command(camera, pair, sizeof pair));
	return code;
}
