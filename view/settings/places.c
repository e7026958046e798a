/* SPDX-License-Identifier: MIT */
/* Finds the archives of this machine. */
#include "view/settings/places.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/text.h"

/* Percent-encodes all but RFC 3986's unreserved characters. */
static void place_encode(const char *name, char *ret)
{
	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || strchr("-_.~", *c))
			*ret++ = (char)*c;
		else
			ret += snprintf(ret, 4, "%%%02X", *c);
	}
	*ret = '\0';
}

const struct place *places_get(const struct places *places, const char *name)
{
	for (size_t i = 0; i < places->n; i++) {
		if (strcmp(places->list[i].name, name) == 0)
			return &places->list[i];
	}
	return NULL;
}

/* One archive has one place, the first that named it; so has one name. */
static void places_add(struct places *places, const char *name, const char *path, bool copy,
	int64_t stale_after_us)
{
	struct place *place = &places->list[places->n];

	for (size_t i = 0; i < places->n; i++) {
		if (strcmp(places->list[i].path, path) == 0)
			return;
	}
	if (places->n == ARRAY_SIZE(places->list) || !*name || !*path)
		return;
	*place = (struct place){ .copy = copy, .stale_after_us = stale_after_us };
	text_clean(name, strlen(name), place->name, sizeof(place->name));
	/* "." and ".." are no segments of a path, and neither is a name that begins like them */
	if (*place->name == '.')
		*place->name = '_';
	for (char *c = place->name; *c; c++)
		*c = *c == '/' ? '_' : *c;
	if (places_get(places, place->name))
		return;
	snprintf(place->path, sizeof(place->path), "%s", path);
	place_encode(place->name, place->url);
	places->n++;
}

/* This machine's own: it is called what its archive.json says, and after its folder without one. */
static void places_add_own(struct places *places, const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	const char *folder = strrchr(path, '/');
	int r = archive_open(path, &options, &archive);

	if (r == 0 && !places_get(places, archive_camera(archive)))
		places_add(places, archive_camera(archive), path, false, 0);
	else if (r != -ENOENT)
		places_add(places, folder ? folder + 1 : path, path, false, 0);
}

static void places_add_cameras(
	struct places *places, const struct view_settings *settings, bool copy)
{
	char home[CONF_VALUE_MAX], path[2 * CONF_VALUE_MAX];

	if (conf_home(home) < 0)
		*home = '\0';
	for (size_t i = 0; i < settings->n_cameras; i++) {
		const struct view_camera *camera = &settings->cameras[i];

		snprintf(path, sizeof(path), "%s%s%s", *camera->archive ? camera->archive : home,
			*camera->archive ? "" : "/pulled/", *camera->archive ? "" : camera->name);
		if (strlen(path) < CONF_VALUE_MAX)
			places_add(places, camera->name, path, copy, camera->stale_after_us);
	}
}

/* Another program's settings, as far as this table knows them. -ENOMEM. */
static int settings_borrow(const char *program, struct view_settings **ret)
{
	struct view_settings *settings = calloc(1, sizeof(*settings));
	char folder[PATH_MAX], path[2 * PATH_MAX];

	if (!settings)
		return -ENOMEM;
	conf_defaults(&view_settings_table, settings);
	if (conf_folder("XDG_CONFIG_HOME", ".config", folder) == 0) {
		snprintf(path, sizeof(path), "%s/%s/%s.conf", folder, program, program);
		conf_load(&view_settings_table, settings, path, NULL, NULL);
	}
	*ret = settings;
	return 0;
}

static int place_compare(const void *left, const void *right)
{
	return strcmp(((const struct place *)left)->name, ((const struct place *)right)->name);
}

int places_find(const struct view_settings *settings, struct places **ret)
{
	CLEANUP_FREE struct view_settings *capture = NULL, *pull = NULL;
	struct places *places = calloc(1, sizeof(*places));
	char home[CONF_VALUE_MAX], pattern[CONF_VALUE_MAX + 16];
	glob_t more = { 0 };

	if (!places || settings_borrow("capturepi", &capture) < 0 ||
		settings_borrow("pullpi", &pull) < 0) {
		free(places);
		return -ENOMEM;
	}
	places_add_cameras(places, settings, false);
	places_add_cameras(places, pull, true);
	places_add_own(places, settings->captures);
	places_add_own(places, capture->captures);
	if (conf_home(home) == 0) {
		snprintf(pattern, sizeof(pattern), "%s/captures-*", home);
		glob(pattern, GLOB_ONLYDIR, NULL, &more);
		for (size_t i = 0; i < more.gl_pathc; i++)
			places_add_own(places, more.gl_pathv[i]);
		globfree(&more);
	}
	for (size_t i = 0; i < places->n; i++)
		snprintf(places->list[i].films, sizeof(places->list[i].films), "%s/%s",
			settings->films, places->list[i].name);
	qsort(places->list, places->n, sizeof(places->list[0]), place_compare);
	*ret = places;
	return 0;
}

static bool place_has(const struct place *place, const char *name)
{
	char path[CONF_VALUE_MAX + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", place->path, name);
	return lstat(path, &st) == 0;
}

int place_open(const struct place *place, struct archive **ret)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	const struct archive_options options = { .mode = ARCHIVE_READ };
	uint64_t last = 0;
	int r = archive_open(place->path, &options, &archive);

	if (r == -ENOENT && place_has(place, "archive.json"))
		return -EBADMSG;
	if (r == 0)
		r = journal_last(archive_journal(archive), &last);
	if (r == 0 && last == 0 && place_has(place, "latest.jpg"))
		r = -EBADMSG;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(archive);
	return 0;
}

int place_open_film(const struct place *place, const char *day, int *ret_fd)
{
	char path[sizeof(place->films) + 32];
	CLEANUP_FD int fd = -1;
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s.mp4", place->films, day);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

const char *place_trouble(int error)
{
	switch (error) {
	case -ENOENT:
		return "There is no archive in its folder: nothing was stored yet, it was moved, "
		       "or "
		       "its disk is not mounted.";
	case -EACCES:
	case -EPERM:
		return "This user may not read the archive.";
	case -EBADMSG:
		return "The archive is damaged: archive.json and the journal do not agree; "
		       "`verify` says more.";
	case -EPROTONOSUPPORT:
		return "A later version made this archive; update this machine.";
	default:
		return strerror(-error);
	}
}
