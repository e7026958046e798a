/* SPDX-License-Identifier: MIT */
/*
 * What the running service tells other processes: a small JSON file in the runtime folder
 * ($RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/capturepi, else /run/user/UID/capturepi, else
 * /tmp/capturepi-UID), named after the archive's path, since several services share the folder. It
 * is in memory (tmpfs), so it may be written for every frame.
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
 * Replaces the file of the archive at `path`, which need not be there yet. -errno; go on without
 * it.
 */
int status_publish(const char *path, const char *json);
/* Removes it at the end of the service. */
void status_withdraw(const char *path);

/*
 * What a service published that runs over the archive at `path` or waits for it, as an object of
 * json-c; NULL where none runs.
 */
struct json_object *status_service(const char *path);

/*
 * The facts of an archive that is open for reading, and under "service" what status_service() has,
 * or null.
 */
struct json_object *status_object(
	struct archive *archive, const struct schedule_settings *schedule);

/*
 * What pullers are told of the slots at `now_us`: by the plan of the service that runs over the
 * archive at `path`; where none runs, by the settings.
 */
struct wire_schedule status_schedule(
	const char *path, const struct schedule_settings *settings, int64_t now_us);

/* When the settings file was changed last, microseconds; 0: there is none. */
int64_t status_settings_us(const char *path);

/*
 * Whether that file is another than the one that the running service read, by what it published.
 * *ret_ago_us: for how long, TIME_NONE where that is not known.
 */
bool status_settings_changed(struct json_object *service, int64_t *ret_ago_us);

/*
 * `capturepi status`: the same for people, or with `json` as one line; `unit` is what would run the
 * service. `archive` NULL: it cannot be opened, and only a service that waits for it has something
 * to tell. Returns the exit code, or -ENOENT where there is nothing to tell and nothing was
 * printed.
 */
int status_print(struct archive *archive, const struct capture_settings *settings, const char *unit,
	bool json);
