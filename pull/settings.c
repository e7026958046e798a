/* SPDX-License-Identifier: MIT */
/* The settings table of pullpi: one section per camera, and where a camera's things are. */
#include "pull/settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cli.h"
#include "common/clock.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_made_of(const char *text, const char *bytes)
{
	return text[strspn(text, bytes)] == '\0';
}

#define HOST_BYTES LETTERS DIGITS ".-_:%"
#define USER_BYTES LETTERS DIGITS ".-_@\\"

/* A leading '-' would be an option to whatever program reads the text next. */
static int take_word(const char *start, size_t len, const char *bytes, char *ret, size_t size)
{
	if (len == 0 || len >= size || *start == '-' || strspn(start, bytes) < len)
		return -EINVAL;
	memcpy(ret, start, len);
	ret[len] = '\0';
	return 0;
}

int destination_parse(const char *text, struct destination *ret)
{
	const struct conf_item item = { .min = 1, .max = 65535 };
	struct destination d = { .port = 22 };
	const char *at = strrchr(text, '@'), *host = at ? at + 1 : text, *end, *port = NULL;
	int64_t number = d.port;
	int r = 0;

	if (at)
		r = take_word(text, (size_t)(at - text), USER_BYTES, d.user, sizeof(d.user));
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		port = end[1] ? end + 2 : NULL;
	} else {
		end = strchr(host, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL; /* an IPv6 address without a port */
		port = end ? end + 1 : NULL;
		end = end ? end : host + strlen(host);
	}
	if (r == 0)
		r = take_word(host, (size_t)(end - host), HOST_BYTES, d.host, sizeof(d.host));
	if (r == 0 && port)
		r = is_made_of(port, DIGITS) ? conf_parse_int(&item, "port", port, &number)
					     : -EINVAL;
	if (r < 0)
		return -EINVAL;
	d.port = (int)number;
	*ret = d;
	return 0;
}

static int parse_host(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	(void)key;
	return take_word(value, strlen(value), HOST_BYTES, dest, item->size);
}

static int parse_user(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (!*value)
		return conf_parse_string(item, key, value, dest);
	return take_word(value, strlen(value), USER_BYTES, dest, item->size);
}

static int parse_proxy(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	struct destination way;

	return *value && destination_parse(value, &way) < 0
		? -EINVAL
		: conf_parse_string(item, key, value, dest);
}

static int parse_remote_name(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	return *value && !cli_name_ok("capturepi", value)
		? -EINVAL
		: conf_parse_string(item, key, value, dest);
}

static int parse_optional_path(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (!*value)
		return conf_parse_string(item, key, value, dest);
	return conf_parse_path(item, key, value, dest);
}

static int parse_stale_after(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (strcmp(value, "auto") != 0)
		return conf_parse_duration(item, key, value, dest);
	*(int64_t *)dest = 0;
	return 0;
}

static int print_stale_after(const struct conf_item *item, const void *dest, FILE *out)
{
	if (*(const int64_t *)dest != 0)
		return conf_print_duration(item, dest, out);
	fputs("auto", out);
	return 0;
}

#define AT(member) offsetof(struct camera_settings, member)
#define SIZE_OF(member) sizeof(((struct camera_settings *)NULL)->member)

static const struct conf_item items[] = {
	{
		.section = "camera",
		.key = "host",
		.parse = parse_host,
		.print = conf_print_string,
		.offset = AT(host),
		.allowed = "a host name or an address",
		.help = "Where the camera is: name or address of the CapturePi",
		.size = SIZE_OF(host),
	},
	{
		.section = "camera",
		.key = "port",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(port),
		.def = "22",
		.allowed = "a number from 1 to 65535",
		.help = "TCP port of its SSH server",
		.min = 1,
		.max = 65535,
	},
	{
		.section = "camera",
		.key = "user",
		.parse = parse_user,
		.print = conf_print_string,
		.offset = AT(user),
		.def = "",
		.allowed = "a login name",
		.help = "Who capturepi runs as over there; empty: who pullpi runs as here",
		.size = SIZE_OF(user),
	},
	{
		.section = "camera",
		.key = "remote_name",
		.parse = parse_remote_name,
		.print = conf_print_string,
		.offset = AT(remote_name),
		.def = "",
		.allowed = CLI_NAME_RULE,
		.help = "Which camera over there, as pair was told: --name of capturepi; empty: "
			"the first",
		.size = SIZE_OF(remote_name),
	},
	{
		.section = "camera",
		.key = "key",
		.parse = parse_optional_path,
		.print = conf_print_string,
		.offset = AT(key),
		.def = "",
		.allowed = "an absolute path or ~/..., at most 511 bytes",
		.help = "Private key; empty: id_ed25519-NAME in the state folder, as pair makes it",
		.size = SIZE_OF(key),
	},
	{
		.section = "camera",
		.key = "archive",
		.parse = parse_optional_path,
		.print = conf_print_string,
		.offset = AT(archive),
		.def = "",
		.allowed = "an absolute path or ~/..., at most 511 bytes",
		.help = "Folder for this camera's frames; empty: ~/pulled/NAME",
		.size = SIZE_OF(archive),
	},
	{
		.section = "camera",
		.key = "stale_after",
		.parse = parse_stale_after,
		.print = print_stale_after,
		.offset = AT(stale_after_us),
		.def = "auto",
		.allowed = "auto, or a duration from 1s to 365d",
		.help = "Age of the newest frame that is stale; auto: when one that is due is "
			"missing",
		.min = US_PER_SEC,
		.max = INT64_C(365) * 24 * 3600 * US_PER_SEC,
	},
	{
		.section = "camera",
		.key = "limit_rate",
		.parse = conf_parse_size,
		.print = conf_print_size,
		.offset = AT(limit_rate),
		.def = "0",
		.allowed = "a size such as 500K or 2M",
		.help = "Bytes a second that sync asks for at most; 0: no limit",
		.min = 0,
		.max = INT64_MAX,
	},
	{
		.section = "camera",
		.key = "proxy_jump",
		.parse = parse_proxy,
		.print = conf_print_string,
		.offset = AT(proxy_jump),
		.def = "",
		.allowed = "[USER@]HOST[:PORT]",
		.help = "SSH host to go through; empty: none",
		.size = SIZE_OF(proxy_jump),
	},
	{
		.section = "camera",
		.key = "keep_days",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(keep_days),
		.def = "0",
		.allowed = "a number of days from 0 to 36500",
		.help = "Frames of days that ended longer ago are removed here; 0: no limit",
		.min = 0,
		.max = 36500,
	},
	{
		.section = "camera",
		.key = "reserve",
		.parse = conf_parse_size,
		.print = conf_print_size,
		.offset = AT(reserve),
		.def = "5%",
		.allowed = "a size such as 500M or 2G, or 0% to 90%",
		.help = "Space and inodes of the file system that stay free here; 0: no frame goes",
		.min = -90,
		.max = INT64_MAX,
	},
	{
		.section = "camera",
		.key = "require_mount",
		.parse = conf_parse_bool,
		.print = conf_print_bool,
		.offset = AT(require_mount),
		.def = "no",
		.allowed = "yes or no",
		.help = "Store only if the archive is on another file system than /: the disk is "
			"there",
	},
};

bool pull_camera_name_ok(const char *name)
{
	return *name && *name != '.' && *name != '-' && strlen(name) < CAMERA_NAME_MAX &&
		is_made_of(name, LETTERS DIGITS "-_.");
}

static void *instance(void *data, const char *name)
{
	struct pull_settings *settings = data;
	struct camera_settings *camera = NULL;

	for (size_t i = 0; i < settings->n_cameras; i++) {
		if (strcmp(settings->cameras[i].name, name) == 0)
			return &settings->cameras[i];
	}
	if (!pull_camera_name_ok(name)) {
		errno = EINVAL;
		return NULL;
	}
	if (settings->n_cameras == ARRAY_SIZE(settings->cameras)) {
		errno = ENOSPC;
		return NULL;
	}
	camera = &settings->cameras[settings->n_cameras++];
	*camera = (struct camera_settings){ 0 };
	snprintf(camera->name, sizeof(camera->name), "%s", name);
	conf_instance_defaults(&pull_settings_table, camera);
	return camera;
}

static void *nth_instance(void *data, size_t i, const char **ret_name)
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
	.instance = instance,
	.nth_instance = nth_instance,
};

static void PRINTF(3, 4) tell(conf_complain *complain, void *data, const char *fmt, ...)
{
	char message[2 * PATH_MAX];
	va_list ap;

	if (!complain)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	complain(data, message);
}

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

	if (pull_archive_path(camera, path) < 0) {
		tell(complain, data, "camera.%s.archive: no home folder is known; set it",
			camera->name);
		return 1;
	}
	for (size_t i = 0; i < index; i++) {
		if (pull_same_archive(&settings->cameras[i], camera)) {
			tell(complain, data, "camera.%s.archive: %s is that of camera %s already",
				camera->name, path, settings->cameras[i].name);
			return 1;
		}
	}
	return 0;
}

int pull_settings_check(void *data, conf_complain *complain, void *complain_data)
{
	const struct pull_settings *settings = data;
	int count = 0;

	for (size_t i = 0; i < settings->n_cameras; i++) {
		const struct camera_settings *camera = &settings->cameras[i];

		if (!*camera->host) {
			tell(complain, complain_data, "camera.%s.host: is not set", camera->name);
			count++;
		}
		count += check_archive(settings, i, complain, complain_data);
	}
	return count;
}

const struct camera_settings *pull_camera(const struct pull_settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->n_cameras; i++) {
		if (strcmp(settings->cameras[i].name, name) == 0)
			return &settings->cameras[i];
	}
	return NULL;
}

static int PRINTF(2, 3) write_path(char ret[static PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(ret, PATH_MAX, fmt, ap);
	va_end(ap);
	return r >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int pull_archive_path(const struct camera_settings *camera, char ret[static PATH_MAX])
{
	char home[CONF_VALUE_MAX];
	int r;

	if (*camera->archive)
		return write_path(ret, "%s", camera->archive);
	r = conf_home(home);
	return r < 0 ? r : write_path(ret, "%s/pulled/%s", home, camera->name);
}

int pull_key_path(const struct camera_settings *camera, char ret[static PATH_MAX])
{
	char file[sizeof("id_ed25519-") + CAMERA_NAME_MAX];

	if (*camera->key)
		return write_path(ret, "%s", camera->key);
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
