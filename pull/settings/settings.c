/* SPDX-License-Identifier: MIT */
/* The settings table of pullpi: one section per camera, and where a camera's things are. */
#include "pull/settings/settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/commands/cli.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_made_of(const char *text, const char *bytes)
{
	return text[strspn(text, bytes)] == '\0';
}

#define HOST_BYTES LETTERS DIGITS ".-_:%"
#define USER_BYTES LETTERS DIGITS ".-_@\\"

/* A leading '-' would be an option to whatever program reads the text next. */
static bool is_word(const char *text, size_t len, const char *bytes)
{
	return len > 0 && *text != '-' && strspn(text, bytes) >= len;
}

static int word_take(const char *text, size_t len, const char *bytes, char *ret, size_t size)
{
	if (len >= size || !is_word(text, len, bytes))
		return -EINVAL;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

int destination_parse(const char *text, struct destination *ret)
{
	const struct conf_item item = { .type = &conf_int, .min = 1, .max = 65535 };
	const char *at = strrchr(text, '@'), *host = at ? at + 1 : text, *end, *port = NULL;
	struct destination d = { .port = 22 };
	int64_t number = d.port;

	if (at && word_take(text, (size_t)(at - text), USER_BYTES, d.user, sizeof(d.user)) < 0)
		return -EINVAL;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		port = end[1] ? end + 2 : NULL;
	} else {
		end = host + strcspn(host, ":");
		if (*end && !strchr(end + 1, ':'))
			port = end + 1;
		else
			end = host + strlen(host); /* an IPv6 address without a port */
	}
	if (word_take(host, (size_t)(end - host), HOST_BYTES, d.host, sizeof(d.host)) < 0)
		return -EINVAL;
	if (port && (!is_made_of(port, DIGITS) || conf_parse(&item, port, &number) < 0))
		return -EINVAL;
	d.port = (int)number;
	*ret = d;
	return 0;
}

static bool is_host(const char *value)
{
	return is_word(value, strlen(value), HOST_BYTES);
}

static bool is_user(const char *value)
{
	return is_word(value, strlen(value), USER_BYTES);
}

static bool is_destination(const char *value)
{
	struct destination ignored;

	return destination_parse(value, &ignored) == 0;
}

static bool is_remote_name(const char *value)
{
	return cli_name_ok("capturepi", value);
}

#define PER_MONTH "/month"

/* A size and "/month"; 0 needs none. */
static int budget_parse(const struct conf_item *item, const char *value, void *dest)
{
	const size_t length = strlen(value), end = strlen(PER_MONTH);
	const bool monthly = length > end && strcmp(value + length - end, PER_MONTH) == 0;
	char size[64];
	int64_t bytes;
	int r;

	if (length >= sizeof(size))
		return -EINVAL;
	snprintf(size, sizeof(size), "%.*s", (int)(monthly ? length - end : length), value);
	r = conf_size.parse(item, size, &bytes);
	if (r < 0 || (!monthly && bytes != 0))
		return r < 0 ? r : -EINVAL;
	*(int64_t *)dest = bytes;
	return 0;
}

static int budget_print(const struct conf_item *item, const void *dest, FILE *out)
{
	const int r = conf_size.print(item, dest, out);

	if (r == 0 && *(const int64_t *)dest != 0)
		fputs(PER_MONTH, out);
	return r;
}

static const struct conf_type budget_type = { .parse = budget_parse, .print = budget_print };

static bool is_mail_server(const char *value)
{
	return (strncmp(value, "smtp://", 7) == 0 || strncmp(value, "smtps://", 8) == 0) &&
		!strchr(value, '@');
}

/* A password before an '@' would be shown by `dump`. */
static bool is_web_address(const char *value)
{
	return (strncmp(value, "https://", 8) == 0 || strncmp(value, "http://", 7) == 0) &&
		!strchr(value, '@') && !strchr(value, ' ');
}

static bool is_mail_address(const char *value)
{
	const char *at = strchr(value, '@');

	return at && at != value && at[1] && !strpbrk(value, "<>\"");
}

static int minute_parse(const char *value)
{
	int hour, minute, end = 0;

	if (strlen(value) != 5 || sscanf(value, "%2d:%2d%n", &hour, &minute, &end) != 2 ||
		end != 5 || hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return -1;
	return hour * 60 + minute;
}

static bool is_time_of_day(const char *value)
{
	return minute_parse(value) >= 0;
}

int pull_summary_minute(const struct alarm_settings *alarm)
{
	return minute_parse(alarm->summary);
}

#define FIELD(member) CONF_FIELD(struct camera_settings, member)
#define ALARM(member) CONF_FIELD(struct pull_settings, alarm.member)
#define WEB_ADDRESS                                                                                \
	.unset = "", .accepts = is_web_address,                                                    \
	.allowed = "an address that begins with https:// or http://, without a user in it"

static const char *const when_full_words[] = { "auto", "stop", "remove", NULL };

static const struct conf_item items[] = {
	{ "camera", "host", &conf_string, FIELD(host), NULL,
		"Where the camera is: name or address of the CapturePi", .accepts = is_host,
		.allowed = "a host name or an address" },
	{ "camera", "port", &conf_int, FIELD(port), "22", "TCP port of its SSH server", .min = 1,
		.max = 65535 },
	{ "camera", "user", &conf_string, FIELD(user), "",
		"The user that capturepi runs as there; empty: the one who runs pullpi",
		.unset = "", .accepts = is_user, .allowed = "a login name" },
	{ "camera", "remote_name", &conf_string, FIELD(remote_name), "",
		"Which camera of several there: the NAME of capturepi --name; empty: the first",
		.unset = "", .accepts = is_remote_name, .allowed = CLI_NAME_RULE },
	{ "camera", "key", &conf_path, FIELD(key), "",
		"Private key; empty: id_ed25519-NAME in the state folder, as pair makes it",
		.unset = "" },
	{ "camera", "archive", &conf_path, FIELD(archive), "",
		"Folder for this camera's frames; empty: ~/pulled/NAME", .unset = "" },
	{ "camera", "archive_mode", &conf_word, FIELD(access), "keep",
		"Who else on this machine reads the pictures: private: nobody (0700), group: the "
		"folder's group (0750), public: everybody (0755); keep: as the folder has it, and "
		"private when it is new",
		.words = fs_access_words },
	{ "camera", "stale_after", &conf_duration, FIELD(stale_after_us), "auto",
		"Age from which the newest frame is stale; auto: stale when a frame that is due "
		"is missing",
		.min = US_PER_SEC, .max = INT64_C(365) * 24 * 3600 * US_PER_SEC, .unset = "auto" },
	{ "camera", "limit_rate", &conf_size, FIELD(limit_rate), "0",
		"Bytes a second that sync asks for at most; 0: no limit", .max = INT64_MAX },
	{ "camera", "budget", &budget_type, FIELD(budget), "0",
		"Bytes of a calendar month that all of pullpi keeps to, spread over it; the newest "
		"picture and previews come at once and count; 0: no limit",
		.max = INT64_C(1) << 50, .allowed = "a size a month such as 2G/month, or 0" },
	{ "camera", "heartbeat", &conf_duration, FIELD(heartbeat_us), "auto",
		"How far apart the signs of life of follow are, and so how late it notices a dead "
		"link; auto: 4s, with a budget 60s",
		.min = US_PER_SEC, .max = 300 * US_PER_SEC, .unset = "auto" },
	{ "camera", "previews", &conf_bool, FIELD(previews), "no",
		"sync brings the thumbnails of what is missing before any picture, as viewpi shows "
		"them until the pictures are here" },
	{ "camera", "proxy_jump", &conf_string, FIELD(proxy_jump), "",
		"SSH host to go through; empty: none", .unset = "", .accepts = is_destination,
		.allowed = "[USER@]HOST[:PORT]" },
	{ "camera", "keep_days", &conf_int, FIELD(keep_days), "0",
		"Frames are removed here this many days after their day (UTC) ended; 0: no limit",
		.max = 36500 },
	{ "camera", "reserve", &conf_size, FIELD(reserve), "auto",
		"Space and inodes of the file system that stay free here; auto: 5%", .min = -90,
		.max = INT64_MAX, .unset = "auto" },
	{ "camera", "when_full", &conf_word, FIELD(when_full), "auto",
		"At reserve, max_bytes and max_frames: stop storing, or remove the oldest frames; "
		"auto: stop, but remove where reserve is set",
		.words = when_full_words },
	{ "camera", "keep_at_least", &conf_duration, FIELD(keep_at_least_us), "30d",
		"No frame that came here less than that ago is removed to make room",
		.max = INT64_C(36500) * 24 * 3600 * US_PER_SEC },
	{ "camera", "max_bytes", &conf_size, FIELD(max_bytes), "0",
		"Size of this camera's frames here; 0: no limit", .max = INT64_MAX },
	{ "camera", "max_frames", &conf_int, FIELD(max_frames), "0",
		"Number of this camera's frames here; 0: no limit", .max = INT64_MAX },
	{ "camera", "daily_bytes", &conf_size, FIELD(daily_bytes), "auto",
		"Most that is stored of this camera in a day (UTC); auto: by its schedule and the "
		"free space",
		.max = INT64_MAX, .unset = "auto" },
	{ "camera", "require_mount", &conf_bool, FIELD(require_mount), "no",
		"Store only while the archive is on another file system than /: the disk is "
		"there" },
	HOOK_ITEMS(struct pull_settings, hook),
	{ "alarm", "after", &conf_duration, ALARM(after_us), "10min",
		"How long a trouble lasts before it is told, and is gone before it is over",
		.min = 60 * US_PER_SEC, .max = INT64_C(24) * 3600 * US_PER_SEC },
	{ "alarm", "summary", &conf_string, ALARM(summary), "",
		"Local time of a daily summary; empty: none", .unset = "",
		.accepts = is_time_of_day, .allowed = "a time of day such as 08:00" },
	{ "alarm", "mail_server", &conf_string, ALARM(mail_server), "",
		"Server that takes mail, always by TLS; empty: no mail", .unset = "",
		.accepts = is_mail_server,
		.allowed = "smtps://HOST[:PORT] or smtp://HOST[:PORT], without a user in it" },
	{ "alarm", "mail_user", &conf_string, ALARM(mail_user), "",
		"Its login; the password is mail_password of the file secrets", .unset = "" },
	{ "alarm", "mail_from", &conf_string, ALARM(mail_from), "", "Address of the sender",
		.unset = "", .accepts = is_mail_address, .allowed = "an address: NAME@HOST" },
	{ "alarm", "mail_to", &conf_string, ALARM(mail_to), "",
		"Addresses that mail goes to, with commas between them", .unset = "" },
	{ "alarm", "ntfy", &conf_string, ALARM(ntfy), "", "Address of an ntfy topic; empty: none",
		WEB_ADDRESS },
	{ "alarm", "url", &conf_string, ALARM(url), "",
		"Address that gets each message as JSON by POST; empty: none", WEB_ADDRESS },
	{ "alarm", "command", &conf_path, ALARM(command), "",
		"Program that gets each message; empty: none", .unset = "" },
	{ "alarm", "ping_url", &conf_string, ALARM(ping_url), "",
		"Address that is asked every two minutes while all is well; empty: none",
		WEB_ADDRESS },
	{ "alarm", "ca_file", &conf_path, ALARM(ca_file), "",
		"Certificates that servers are checked by; empty: the system's", .unset = "" },
};

bool pull_camera_name_ok(const char *name)
{
	return *name && *name != '.' && *name != '-' && strlen(name) < CAMERA_NAME_MAX &&
		is_made_of(name, LETTERS DIGITS "-_.");
}

static struct camera_settings *find_camera(struct pull_settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->n_cameras; i++) {
		if (strcmp(settings->cameras[i].name, name) == 0)
			return &settings->cameras[i];
	}
	return NULL;
}

/* The camera `name` of the settings, made with the defaults if it is new. */
static void *camera_instance(void *data, const char *name)
{
	struct pull_settings *settings = data;
	struct camera_settings *camera = find_camera(settings, name);

	if (camera)
		return camera;
	if (!pull_camera_name_ok(name) || settings->n_cameras == ARRAY_SIZE(settings->cameras)) {
		errno = pull_camera_name_ok(name) ? ENOSPC : EINVAL;
		return NULL;
	}
	camera = &settings->cameras[settings->n_cameras++];
	*camera = (struct camera_settings){ 0 };
	snprintf(camera->name, sizeof(camera->name), "%s", name);
	camera->all = settings;
	conf_instance_defaults(&pull_settings_table, camera);
	return camera;
}

static void *camera_nth(void *data, size_t i, const char **ret_name)
{
	struct pull_settings *settings = data;

	if (i >= settings->n_cameras)
		return NULL;
	*ret_name = settings->cameras[i].name;
	return &settings->cameras[i];
}

const struct conf_table pull_settings_table = {
	.items = items,
	.n_items = ARRAY_SIZE(items),
	.named_section = "camera",
	.named_allowed = "a camera: letters, digits, - _ . and no - or . in front, at most 63",
	.instance = camera_instance,
	.nth_instance = camera_nth,
};

/* The folder's name without links, "." and ".."; its last parts need not be there. -errno. */
static int real_folder(const char *path, char ret[static PATH_MAX])
{
	char head[PATH_MAX];
	size_t len = strlen(path), used;

	if (snprintf(head, sizeof(head), "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	while (!realpath(head, ret)) {
		while (len > 0 && head[len - 1] != '/')
			len--;
		if (len == 0)
			return -ENOENT;
		head[len > 1 ? --len : len] = '\0';
	}
	used = strlen(ret);
	for (const char *p = path + len; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (used > 1 && ret[--used] != '/')
				continue;
			ret[used] = '\0';
		} else if (n > 0 && !(n == 1 && *p == '.')) {
			if (used + 1 + n >= PATH_MAX)
				return -ENAMETOOLONG;
			used += (size_t)snprintf(ret + used, PATH_MAX - used, "%s%.*s",
				used > 1 ? "/" : "", (int)n, p);
		}
		p += n + (p[n] == '/');
	}
	return 0;
}

bool pull_same_archive(const struct camera_settings *a, const struct camera_settings *b)
{
	char path[PATH_MAX], own[PATH_MAX], other[PATH_MAX];
	struct stat one, two;

	if (pull_archive_path(a, path) < 0 || real_folder(path, own) < 0 ||
		pull_archive_path(b, path) < 0 || real_folder(path, other) < 0)
		return false;
	if (strcmp(own, other) == 0)
		return true;
	/* mounted in two places */
	return stat(own, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev &&
		one.st_ino == two.st_ino;
}

/* Two cameras in one archive would be two histories in one journal. */
static int check_archive(
	const struct pull_settings *settings, size_t index, conf_complain *complain, void *data)
{
	const struct camera_settings *camera = &settings->cameras[index];
	char path[PATH_MAX];

	if (pull_archive_path(camera, path) < 0)
		return conf_tell(complain, data,
			"camera.%s.archive: no home folder is known; set it", camera->name);
	for (size_t i = 0; i < index; i++) {
		if (pull_same_archive(&settings->cameras[i], camera))
			return conf_tell(complain, data,
				"camera.%s.archive: %s is that of camera %s already", camera->name,
				path, settings->cameras[i].name);
	}
	return 0;
}

int pull_settings_check(void *data, conf_complain *complain, void *complain_data)
{
	const struct pull_settings *settings = data;
	int count = 0;

	if (*settings->alarm.mail_server &&
		(!*settings->alarm.mail_from || !is_mail_address(settings->alarm.mail_to)))
		count += conf_tell(complain, complain_data,
			"alarm.mail_server: needs mail_from and mail_to as well");
	for (size_t i = 0; i < settings->n_cameras; i++) {
		const struct camera_settings *camera = &settings->cameras[i];

		if (!*camera->host)
			count += conf_tell(complain, complain_data, "camera.%s.host: is not set",
				camera->name);
		count += check_archive(settings, i, complain, complain_data);
	}
	return count;
}

const struct camera_settings *pull_camera(const struct pull_settings *settings, const char *name)
{
	return find_camera((struct pull_settings *)settings, name);
}

int64_t pull_heartbeat_us(const struct camera_settings *camera)
{
	if (camera->heartbeat_us > 0)
		return camera->heartbeat_us;
	return (camera->budget > 0 ? 60 : 4) * US_PER_SEC;
}

int pull_archive_path(const struct camera_settings *camera, char ret[static PATH_MAX])
{
	char home[CONF_VALUE_MAX];
	int r;

	if (*camera->archive) {
		strcpy(ret, camera->archive);
		return 0;
	}
	r = conf_home(home);
	if (r < 0)
		return r;
	return snprintf(ret, PATH_MAX, "%s/pulled/%s", home, camera->name) < PATH_MAX
		? 0
		: -ENAMETOOLONG;
}

int pull_key_path(const struct camera_settings *camera, char ret[static PATH_MAX])
{
	char file[sizeof("id_ed25519-") + CAMERA_NAME_MAX];

	if (*camera->key) {
		strcpy(ret, camera->key);
		return 0;
	}
	snprintf(file, sizeof(file), "id_ed25519-%s", camera->name);
	return pull_state_path(file, ret);
}

bool pull_key_is_used(const struct pull_settings *settings, const char *key, const char *name)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < settings->n_cameras; i++) {
		const struct camera_settings *camera = &settings->cameras[i];

		if ((!name || strcmp(camera->name, name) != 0) &&
			pull_key_path(camera, path) == 0 && strcmp(path, key) == 0)
			return true;
	}
	return false;
}

int pull_state_path(const char *file, char ret[static PATH_MAX])
{
	return conf_state_path("pullpi", file, ret);
}

/* "garden, gate, roof" */
static void cameras_describe(const struct pull_settings *settings, char *buf, size_t size)
{
	size_t n = 0;

	*buf = 0;
	for (size_t i = 0; i < settings->n_cameras && n < size - 1; i++)
		n += (size_t)snprintf(
			buf + n, size - n, "%s%s", i ? ", " : "", settings->cameras[i].name);
}

int pull_choose_camera(const struct cli *cli, const struct pull_settings *settings,
	const char *name, const struct camera_settings **ret)
{
	char names[256];

	if (settings->n_cameras == 0) {
		cli_error(cli,
			"no camera is paired yet; begin with: pullpi pair USER@HOST --camera NAME");
		return CLI_SETTINGS;
	}
	cameras_describe(settings, names, sizeof names);
	if (!name && settings->n_cameras > 1)
		return cli_usage(cli, "there are several cameras, name one: %s", names);
	*ret = name ? pull_camera(settings, name) : &settings->cameras[0];
	if (*ret)
		return CLI_OK;
	cli_error(cli, "%s: no such camera; there is: %s", name, names);
	return CLI_SETTINGS;
}
