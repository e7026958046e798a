/* SPDX-License-Identifier: MIT */
/* Facts about a camera's machine, judged. */
#include "capture/doctor_checks.h"

#include <errno.h>
#include <string.h>

#include "capture/store.h"
#include "common/utc.h"

#define DUE_LATE 2 /* slots without a frame that are no accident */

struct doctor_finding doctor_groups(const struct doctor_groups *groups)
{
	if (!groups->needed)
		return doctor_find(DOCTOR_OK, "not needed here");
	if (!groups->exists)
		return doctor_fix(doctor_find(DOCTOR_WARN, "there is no group `video`"),
			"see that %s may read and write /dev/video* and /dev/media*", groups->user);
	if (!groups->in_database)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL, "%s is not in the group `video`", groups->user),
			"run `sudo usermod -aG video %s`, then `sudo systemctl restart user@%u`",
			groups->user, groups->uid);
	if (groups->manager_known && !groups->in_manager)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL,
				"%s is in the group `video`, but their manager was started before",
				groups->user),
			"run `sudo systemctl restart user@%u`, or restart the machine",
			groups->uid);
	return doctor_find(DOCTOR_OK, "%s is in the group `video`%s", groups->user,
		groups->manager_known ? ", and so is their manager" : "");
}

struct doctor_finding doctor_camera(const struct doctor_camera *camera)
{
	if (camera->running && *camera->error)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s is %s: %s", camera->model,
					  camera->state, camera->error),
			"look at `capturepi status` and the camera's cable");
	if (camera->running)
		return doctor_find(DOCTOR_OK, "%s is %s", camera->model, camera->state);
	if (strcmp(camera->source, "test") == 0)
		return doctor_find(DOCTOR_WARN, "the test camera is set: a drawn picture");
	if (camera->listed == -ENOSYS)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "built without libcamera"),
			"install libcamera-dev and build again, or set camera.source = test");
	if (camera->listed < 0)
		return doctor_find(
			DOCTOR_FAIL, "cannot list cameras: %s", strerror(-camera->listed));
	if (camera->listed == 0)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "no camera found"),
			"check its cable, camera_auto_detect in config.txt, and the group `video`");
	if (!camera->found)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL, "camera.source = %s is none of the %d found",
				camera->source, camera->listed),
			"choose one of `capturepi cameras`");
	return doctor_find(DOCTOR_OK, "%d found", camera->listed);
}

struct doctor_finding doctor_clock(bool synced)
{
	if (synced)
		return doctor_find(DOCTOR_OK, "synchronised");
	return doctor_fix(
		doctor_find(DOCTOR_WARN, "not synchronised: frames are dated anew once it is"),
		"look at `timedatectl` and the network");
}

struct doctor_finding doctor_store(int error, bool writable, const char *where, const char *path)
{
	const bool forbidden = error == -EACCES || error == -EPERM || error == -EROFS;
	struct doctor_finding finding;

	if (error == 0)
		return doctor_find(DOCTOR_OK, "the service stores frames");
	finding = doctor_find(
		DOCTOR_FAIL, "the service stores nothing: %s: %s", where, store_error_text(error));
	if (!writable || !forbidden)
		return doctor_fix(finding, "%s", store_error_fix(error));
	return doctor_fix(finding,
		"you may write there, its unit may not: `systemctl --user edit capturepi`, "
		"[Service], "
		"ReadWritePaths=%s",
		path);
}

struct doctor_finding doctor_memory(bool known, bool has_memory)
{
	if (!known)
		return doctor_find(DOCTOR_INFO, "no cgroups of version 2 here");
	if (has_memory)
		return doctor_find(DOCTOR_OK, "the memory cgroup is on");
	return doctor_fix(
		doctor_find(DOCTOR_WARN, "the memory cgroup is off: no unit's memory is limited"),
		"add cgroup_enable=memory to /boot/firmware/cmdline.txt");
}

struct doctor_finding doctor_newest(const struct doctor_newest *newest)
{
	char age[UTC_TEXT_MAX];

	if (newest->error < 0 && newest->error != -ENOENT)
		return doctor_find(DOCTOR_FAIL, "the archive cannot be read: %s",
			store_error_text(newest->error));
	if (newest->error == -ENOENT || !newest->has_frame)
		return doctor_fix(doctor_find(DOCTOR_WARN, "no frame yet"),
			"start the service, or try `capturepi shot`");
	if (newest->in_future)
		return doctor_fix(doctor_find(newest->synced ? DOCTOR_FAIL : DOCTOR_WARN,
					  "the newest frame is of the future: the clock was wrong "
					  "then or is now"),
			"see that the clock is synchronised");
	duration_format(newest->age_us, age);
	if (newest->due >= DUE_LATE)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s old: %llu slots since have no frame",
					  age, (unsigned long long)newest->due),
			"look at `capturepi status` and `capturepi list --gaps`");
	return doctor_find(DOCTOR_OK, "%s old, as the schedule has it", age);
}

static bool names_us(const char *text)
{
	return strstr(text, "capturepi") || strstr(text, "pullpi");
}

/* The program may be missing by now: then every pull is refused. */
struct doctor_finding doctor_key(const struct doctor_key *key, int program_error)
{
	if (!*key->command)
		return doctor_fix(doctor_find(DOCTOR_WARN,
					  "key %s may do anything here: it has no forced command",
					  key->comment),
			"pair again, or put restrict,command=\"capturepi serve\" in front of it");
	if (!strstr(key->command, " serve"))
		return doctor_fix(
			doctor_find(DOCTOR_WARN, "key %s runs `%s`", key->comment, key->command),
			"let it run `capturepi serve`: pair again");
	if (program_error == -ENODEV)
		return doctor_fix(doctor_find(DOCTOR_FAIL,
					  "key %s runs `%s`, and the settings of that camera are "
					  "gone",
					  key->comment, key->command),
			"pair again, or take its line out of ~/.ssh/authorized_keys");
	if (program_error < 0)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL, "key %s runs `%s`, which is not there: %s",
				key->comment, key->command, strerror(-program_error)),
			"pair again");
	if (!key->restricted)
		return doctor_fix(
			doctor_find(DOCTOR_WARN, "key %s may forward ports and more: no `restrict`",
				key->comment),
			"put `restrict,` in front of its line in ~/.ssh/authorized_keys");
	return doctor_find(
		DOCTOR_OK, "key %s may run `%s` and nothing else", key->comment, key->command);
}

/* The end of an option list: the first blank that is in no quotes. */
static size_t options_length(const char *line, size_t length)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < length && (quoted || (line[i] != ' ' && line[i] != '\t')); i++) {
		if (line[i] == '\\' && i + 1 < length && line[i + 1] == '"')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
	}
	return i;
}

static bool is_key_type(const char *word)
{
	return strncmp(word, "ssh-", 4) == 0 || strncmp(word, "ecdsa-", 6) == 0 ||
		strncmp(word, "sk-", 3) == 0;
}

/* What `restrict` took and the words behind it give back. */
static bool gives_back(const char *option)
{
	static const char *const words[] = { "pty", "port-forwarding", "agent-forwarding",
		"X11-forwarding", "user-rc" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(option, words[i]) == 0)
			return true;
	return false;
}

/* command="..." with \" within */
static void read_command(const char *value, char ret[static SERVE_COMMAND_MAX])
{
	size_t n = 0;

	for (const char *p = value + (*value == '"'); *p && *p != '"'; p++) {
		if (*p == '\\' && p[1] == '"')
			p++;
		if (n < SERVE_COMMAND_MAX - 1)
			ret[n++] = *p;
	}
	ret[n] = '\0';
}

static void read_options(char *options, struct doctor_key *key)
{
	bool quoted = false, more = true;
	char *start = options;

	for (char *p = options; more; p++) {
		more = *p;
		if (*p == '\\' && p[1] == '"') {
			p++;
			continue;
		}
		if (*p == '"')
			quoted = !quoted;
		if (*p && (quoted || *p != ','))
			continue;
		*p = '\0';
		if (strcasecmp(start, "restrict") == 0)
			key->restricted = true;
		else if (gives_back(start))
			key->restricted = false;
		else if (strncasecmp(start, "command=", strlen("command=")) == 0)
			read_command(start + strlen("command="), key->command);
		start = p + 1;
	}
}

int doctor_key_read(const char *line, size_t length, struct doctor_key *ret)
{
	struct doctor_key key = { 0 };
	CLEANUP_FREE char *text = strndup(line, length);
	char *rest, *type, *base64;
	size_t n;

	if (!text)
		return -ENOMEM;
	rest = text + strspn(text, " \t\r");
	if (!*rest || *rest == '#')
		return -ENOENT;
	if (!is_key_type(rest)) {
		n = options_length(rest, strlen(rest));
		if (!rest[n])
			return -EINVAL;
		rest[n] = '\0';
		read_options(rest, &key);
		rest += n + 1;
	}
	rest += strspn(rest, " \t");
	type = strsep(&rest, " \t");
	base64 = rest ? strsep(&rest, " \t\r") : NULL;
	if (!is_key_type(type) || !base64 || !*base64)
		return -EINVAL;
	snprintf(key.comment, sizeof key.comment, "%s", rest && *rest ? rest : type);
	key.comment[strcspn(key.comment, "\r")] = '\0';
	key.ours = names_us(key.command) || names_us(key.comment);
	*ret = key;
	return 0;
}

static const char *switch_text(int value)
{
	return value < 0 ? "not known" : value ? "on" : "off";
}

struct doctor_finding doctor_network(const struct doctor_network *network)
{
	const int idle = network->slow_start_after_idle;
	const bool bbr = strcmp(network->congestion, "bbr") == 0;
	const bool all = network->no_delay == 1 && idle == 0 && bbr;

	return doctor_fix(doctor_find(DOCTOR_INFO,
				  "NoDelay of ssh.socket %s, slow start after idle %s, BBR %s",
				  switch_text(network->no_delay), switch_text(idle),
				  *network->congestion ? switch_text(bbr) : "not known"),
		"%s", all ? "" : "`deploy/install --tune-network` sets what pulls quickest");
}
