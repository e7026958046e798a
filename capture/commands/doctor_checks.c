/* SPDX-License-Identifier: MIT */
/* Facts about a camera's machine, judged. */
#include <errno.h>
#include <string.h>

#include "capture/camera/camera.h"
#include "capture/commands/doctor.h"
#include "capture/store/store.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utc.h"

#define DUE_LATE 2 /* slots without a frame that are no accident */

struct doctor_finding doctor_camera(const char *model, const char *state, const char *error)
{
	if (*error)
		return doctor_find(DOCTOR_FAIL,
			"%s is %s: %s\nlook at `capturepi status` and the camera's cable", model,
			state, error);
	return doctor_find(DOCTOR_OK, "%s is %s", model, state);
}

struct doctor_finding doctor_cameras(const char *source, int listed, bool found)
{
	if (strcmp(source, "test") == 0)
		return doctor_find(
			DOCTOR_WARN, "the simulated camera is set: its pictures are drawn");
	if (listed == -ENOSYS)
		return doctor_find(DOCTOR_FAIL,
			"built without libcamera\n"
			"install libcamera-dev and build again, or set camera.source = test");
	if (listed < 0)
		return doctor_find(DOCTOR_FAIL, "cannot list cameras: %s", strerror(-listed));
	if (listed == 0)
		return doctor_find(DOCTOR_FAIL,
			"no camera found\n"
			"check its cable, camera_auto_detect in config.txt, and the group `video`");
	if (!found)
		return doctor_find(DOCTOR_FAIL,
			"camera.source = %s is none of the %d found\n"
			"choose one of `capturepi cameras`",
			source, listed);
	return doctor_find(DOCTOR_OK, "%d found", listed);
}

struct doctor_finding doctor_camera_trial(const struct doctor_trial *t)
{
	char memory[128] = "";

	if (*t->error)
		return doctor_find(DOCTOR_FAIL,
			"it was tried: %s\n"
			"check its cable, and what else uses it; see capturepi.conf(5), [camera]",
			t->error);
	if (t->bytes > 0 && t->free >= 0)
		snprintf(memory, sizeof memory,
			"; that takes about %lld MB of memory (CMA), "
			"of %lld MB that are free",
			(long long)(t->bytes / 1000000), (long long)(t->free / 1000000));
	if (t->buffers < CAMERA_BUFFERS)
		return doctor_find(DOCTOR_WARN,
			"%s gives pictures of %dx%d, but there is memory for only %d of %d at a "
			"time%s\nmake camera.width and camera.height smaller, or CMA larger",
			t->model, t->width, t->height, t->buffers, CAMERA_BUFFERS, memory);
	return doctor_find(
		DOCTOR_OK, "%s gives pictures of %dx%d%s", t->model, t->width, t->height, memory);
}

struct doctor_finding doctor_clock(bool synced)
{
	if (synced)
		return doctor_find(DOCTOR_OK, "synchronised");
	return doctor_find(DOCTOR_WARN,
		"not synchronised: frames get their true time once it is\n"
		"look at `timedatectl` and the network");
}

struct doctor_finding doctor_store(int error, bool writable, const char *where)
{
	const bool forbidden = error == -EACCES || error == -EPERM || error == -EROFS;

	if (error == 0)
		return doctor_find(DOCTOR_OK, "the service stores frames");
	if (writable && forbidden)
		return doctor_find(DOCTOR_FAIL,
			"the service stores nothing: %s: %s\n"
			"you may write there, its unit does not see it: `deploypi capture` opens "
			"it to what the settings name",
			where, store_error_text(error));
	return doctor_find(DOCTOR_FAIL, "the service stores nothing: %s: %s\n%s", where,
		store_error_text(error), store_error_fix(error));
}

struct doctor_finding doctor_memory(const char *controllers)
{
	if (!controllers)
		return doctor_find(DOCTOR_INFO, "no cgroups of version 2 here");
	if (strstr(controllers, "memory"))
		return doctor_find(DOCTOR_OK, "the memory cgroup is on");
	return doctor_find(DOCTOR_WARN,
		"the memory cgroup is off: no unit's memory is limited\n"
		"add cgroup_enable=memory to /boot/firmware/cmdline.txt");
}

struct doctor_finding doctor_newest(
	int error, const struct record *frame, int64_t now_us, uint64_t due, bool synced)
{
	char age[UTC_TEXT_MAX];

	if (error < 0 && error != -ENOENT)
		return doctor_find(
			DOCTOR_FAIL, "the archive cannot be read: %s", store_error_text(error));
	if (!frame)
		return doctor_find(
			DOCTOR_WARN, "no frame yet\nstart the service, or try `capturepi shot`");
	if (frame->slot_us > now_us + US_PER_SEC) /* the one of this moment may be on its way */
		return doctor_find(synced ? DOCTOR_FAIL : DOCTOR_WARN,
			"the newest frame is from the future: the clock was wrong then, or is now\n"
			"see that the clock is synchronised");
	duration_format(now_us - record_taken_us(frame), age);
	if (due >= DUE_LATE)
		return doctor_find(DOCTOR_FAIL,
			"%s old: %llu slots since have no frame\n"
			"look at `capturepi status` and `capturepi list --gaps`",
			age, (unsigned long long)due);
	return doctor_find(DOCTOR_OK, "%s old, as the schedule has it", age);
}

struct doctor_finding doctor_key(const struct doctor_key *key, int command_error)
{
	if (!*key->command)
		return doctor_find(DOCTOR_WARN,
			"key %s may do anything here: it has no forced command\n"
			"pair again, or put restrict,command=\"capturepi serve\" in front of it",
			key->comment);
	if (!strstr(key->command, " serve"))
		return doctor_find(DOCTOR_WARN,
			"key %s runs `%s`\nlet it run `capturepi serve`: pair again", key->comment,
			key->command);
	if (command_error == -ENODEV)
		return doctor_find(DOCTOR_FAIL,
			"key %s runs `%s`, and the settings of that camera are gone\n"
			"pair again, or take its line out of ~/.ssh/authorized_keys",
			key->comment, key->command);
	if (command_error < 0) /* every pull is refused */
		return doctor_find(DOCTOR_FAIL,
			"key %s runs `%s`, which is not there: %s\npair again", key->comment,
			key->command, strerror(-command_error));
	if (!key->restricted)
		return doctor_find(DOCTOR_WARN,
			"key %s may forward ports and more: no `restrict`\n"
			"put `restrict,` in front of its line in ~/.ssh/authorized_keys",
			key->comment);
	return doctor_find(
		DOCTOR_OK, "key %s may run `%s` and nothing else", key->comment, key->command);
}

static bool key_is_type(const char *word)
{
	return strncmp(word, "ssh-", 4) == 0 || strncmp(word, "ecdsa-", 6) == 0 ||
		strncmp(word, "sk-", 3) == 0;
}

static bool key_names_us(const char *text)
{
	return strstr(text, "capturepi") || strstr(text, "pullpi");
}

/* What `restrict` took, the words after it give back. */
static void key_take_option(struct doctor_key *key, const char *option)
{
	static const char *const allowed[] = { "pty", "port-forwarding", "agent-forwarding",
		"X11-forwarding", "user-rc" };

	if (strcasecmp(option, "restrict") == 0)
		key->restricted = true;
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (strcasecmp(option, allowed[i]) == 0)
			key->restricted = false;
	if (strncasecmp(option, "command=", strlen("command=")) == 0)
		text_clean(option + strlen("command="), strlen(option + strlen("command=")),
			key->command, sizeof key->command);
}

/* Reads the options, up to the first blank that is in no quotes, and returns what is after them. */
static char *key_read_options(struct doctor_key *key, char *p)
{
	while (*p && *p != ' ' && *p != '\t') {
		char option[SERVE_COMMAND_MAX + sizeof "command="];
		bool quoted = false;
		size_t n = 0;

		for (; *p && (quoted || !strchr(", \t", *p)); p++) {
			const bool escaped = *p == '\\' && p[1] == '"';

			if (*p == '"') {
				quoted = !quoted;
				continue;
			}
			p += escaped;
			if (n < sizeof option - 1)
				option[n++] = *p;
		}
		option[n] = '\0';
		key_take_option(key, option);
		p += *p == ',';
	}
	return p;
}

int doctor_key_read(const char *line, size_t length, struct doctor_key *ret)
{
	CLEANUP_FREE char *text = strndup(line, length);
	struct doctor_key key = { 0 };
	char *rest, *type, *base64;

	if (!text)
		return -ENOMEM;
	text[strcspn(text, "\r")] = '\0';
	rest = text + strspn(text, " \t");
	if (!*rest || *rest == '#')
		return -ENOENT;
	if (!key_is_type(rest))
		rest = key_read_options(&key, rest);
	rest += strspn(rest, " \t");
	type = strsep(&rest, " \t");
	base64 = rest ? strsep(&rest, " \t") : NULL;
	if (!key_is_type(type) || !base64 || !*base64)
		return -EINVAL;
	snprintf(key.comment, sizeof key.comment, "%s", rest && *rest ? rest : type);
	key.ours = key_names_us(key.command) || key_names_us(key.comment);
	*ret = key;
	return 0;
}

static const char *switch_text(int value)
{
	return value < 0 ? "not known" : value ? "on" : "off";
}

struct doctor_finding doctor_network(int no_delay, int slow_start_after_idle, int bbr)
{
	const bool all = no_delay == 1 && slow_start_after_idle == 0 && bbr == 1;

	return doctor_find(DOCTOR_INFO,
		"NoDelay of ssh.socket %s, slow start after idle %s, BBR %s%s",
		switch_text(no_delay), switch_text(slow_start_after_idle), switch_text(bbr),
		all ? "" : "\n`deploy/install --tune-network` sets what pulls quickest");
}
