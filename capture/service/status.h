/* SPDX-License-Identifier: MIT */
/*
 * What the running service tells other processes: a small JSON file, which is in memory
 * (common/systemd/published.h), so it may be written for every frame.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "capture/settings/settings.h"
#include "common/archive/archive.h"
#include "common/wire/wire.h"

struct json_object; /* of json-c */

/*
 * Writes the file of the archive at `path`, which need not exist yet. After -errno the service goes
 * on without it.
 */
int status_publish(const char *path, const char *json);
/*
 * The same for the picture to aim by (capture/picture/aim.h), in aim-HASH; any thread. It is made
 * while somebody asks, which is to open ask-HASH; status_door() makes that file and tells its path.
 */
int status_publish_aim(const char *path, const void *bytes, size_t n);
int status_door(const char *path, char ret[static PATH_MAX]);
/* Removes them when the service ends. */
void status_withdraw(const char *path);

/*
 * What the service published that runs on the archive at `path` or waits for it, to be freed with
 * json_object_put(); NULL: none runs.
 */
struct json_object *status_service(const char *path);

/* The facts of an archive open for reading, with what status_service() returns as "service". */
struct json_object *status_object(
	struct archive *archive, const struct schedule_settings *schedule);

/*
 * What pullers are told of the slots at `now_us`: the plan of the service that runs on the archive
 * at `path`; if none runs, what the settings say.
 */
struct wire_schedule status_schedule(
	const char *path, const struct schedule_settings *settings, int64_t now_us);

/* When the settings file was last changed, wall time; 0: there is none. */
int64_t status_settings_us(const char *path);

/*
 * Whether the settings file has changed since the running service read it, by what that published.
 * *ret_ago_us: how long ago; TIME_NONE: not known.
 */
bool status_settings_changed(struct json_object *service, int64_t *ret_ago_us);

/*
 * `capturepi status`: prints that for people, or with `json` as one line. `unit` is the service's
 * unit. `archive` is NULL if it cannot be opened; then only a service that waits for it can tell
 * something. Returns the exit code; -ENOENT: there was nothing to print.
 */
int status_print(struct archive *archive, const struct capture_settings *settings, const char *unit,
	bool json);
