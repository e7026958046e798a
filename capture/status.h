/* SPDX-License-Identifier: MIT */
/*
 * What the running service tells other processes: a small JSON file in the runtime folder
 * ($RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/capturepi, else /run/user/UID/capturepi, else
 * /tmp/capturepi-UID), named after the archive's path, since several services share the folder. It is in memory
 * (tmpfs), so it may be written for every frame.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "capture/settings.h"
#include "common/archive.h"
#include "common/wire.h"

/* Replaces the file of the archive at `path`, which need not be there yet. -errno; go on without it. */
int status_publish(const char *path, const char *json);
/* Removes it at the end of the service. */
void status_withdraw(const char *path);

/*
 * One JSON object: the archive's facts, and under "service" what the running service published, or
 * null when none runs. Its length or -errno; -E2BIG where it does not fit. `archive` open for reading.
 */
int status_json(
	struct archive *archive, const struct schedule_settings *schedule, char *buf, size_t size);

/*
 * What pullers are told of the slots at `now_us`: by the plan of the service that runs over the archive at
 * `path`; where none runs, by the settings.
 */
struct wire_schedule status_schedule(
	const char *path, const struct schedule_settings *settings, int64_t now_us);

/* When the settings file was changed last, microseconds; 0: there is none. */
int64_t status_settings_us(const char *path);

/*
 * Whether that file is another than the running service read, by what it published, an object of
 * json-c; ret_ago_us: for how long, TIME_NONE where that is not known.
 */
struct json_object;
bool status_settings_changed(struct json_object *service, int64_t *ret_ago_us);

/* `capturepi status`: the same for people; `unit` is what would run it. Returns the exit code. */
int status_print(struct archive *archive, const struct capture_settings *settings, const char *unit,
	bool json);

/*
 * What a service published that cannot open its archive, which is at `path`, as status_json() has it under
 * "service". Its length; -ENOENT there is none, -E2BIG.
 */
int status_waiting_json(const char *path, char *buf, size_t size);

/*
 * status_print() of that: what a service that waits for its archive published. -1: none does, and
 * nothing was printed.
 */
int status_print_waiting(const char *path, bool json);
