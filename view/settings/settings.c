/* SPDX-License-Identifier: MIT */
/* The settings table of viewpi. */
#include "view/settings/settings.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"

#define FIELD(member) CONF_FIELD(struct view_settings, member)

static const struct conf_item items[] = {
	{ "archive", "path", &conf_path, FIELD(captures), "~/captures",
		"The archive of this machine's own camera; passed over where there is none" },
	{ "web", "zone", &conf_string, FIELD(zone), "",
		"Time zone of the pages, such as Europe/Berlin; empty: the machine's",
		.unset = "" },
	{ "web", "linger", &conf_duration, FIELD(linger_us), "5min",
		"Where systemd holds the socket, the process ends after so long without a request",
		.min = US_PER_SEC, .max = INT64_C(24) * 3600 * US_PER_SEC },
	{ "film", "folder", &conf_path, FIELD(films), "~/films",
		"Where each day's film is put, in a folder for each camera" },
	{ "camera", "archive", &conf_path, CONF_FIELD(struct view_camera, archive), "",
		"Folder of this camera's archive; empty: ~/pulled/NAME", .unset = "" },
	{ "camera", "stale_after", &conf_duration, CONF_FIELD(struct view_camera, stale_after_us),
		"auto",
		"Age from which its newest picture is stale; auto: when one that is due is missing",
		.min = US_PER_SEC, .max = INT64_C(365) * 24 * 3600 * US_PER_SEC, .unset = "auto" },
};

/* The camera `name` of the settings, made with the defaults if it is new. */
static void *camera_instance(void *data, const char *name)
{
	struct view_settings *settings = data;
	struct view_camera *camera;

	for (size_t i = 0; i < settings->n_cameras; i++) {
		if (strcmp(settings->cameras[i].name, name) == 0)
			return &settings->cameras[i];
	}
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) >= CAMERA_NAME_MAX ||
		settings->n_cameras == ARRAY_SIZE(settings->cameras)) {
		errno = settings->n_cameras == ARRAY_SIZE(settings->cameras) ? ENOSPC : EINVAL;
		return NULL;
	}
	camera = &settings->cameras[settings->n_cameras++];
	*camera = (struct view_camera){ 0 };
	snprintf(camera->name, sizeof(camera->name), "%s", name);
	conf_instance_defaults(&view_settings_table, camera);
	return camera;
}

static void *camera_nth(void *data, size_t i, const char **ret_name)
{
	struct view_settings *settings = data;

	if (i >= settings->n_cameras)
		return NULL;
	*ret_name = settings->cameras[i].name;
	return &settings->cameras[i];
}

const struct conf_table view_settings_table = {
	.items = items,
	.n_items = ARRAY_SIZE(items),
	.named_section = "camera",
	.named_allowed = "a camera: no / and no . in front, at most 63 bytes",
	.instance = camera_instance,
	.nth_instance = camera_nth,
};

void view_settings_use_zone(const struct view_settings *settings)
{
	if (*settings->zone)
		setenv("TZ", settings->zone, 1);
	tzset();
}
