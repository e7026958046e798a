/* SPDX-License-Identifier: MIT */
/*
 * `capturepi run`: the service. One sd-event loop keeps time, talks to the camera and gives every
 * slot an outcome; the writer's thread encodes and stores.
 *
 * It notifies systemd: READY=1 after the first attempt to open the camera, STATUS= with one line
 * for people, WATCHDOG=1 only while there is progress, STOPPING=1. SIGTERM and SIGINT end it after
 * the slot in hand, SIGHUP makes it read the settings again, SIGUSR1 takes one frame outside the
 * schedule (a shot).
 */
#pragma once

#include "capture/settings/settings.h"
#include "common/archive/archive.h"
#include "common/base/clock.h"

struct service_options {
	struct capture_settings *settings; /* changed in place by `reload` */
	struct archive *archive; /* open for writing, taken over; NULL: not open yet, */
	int archive_error; /* because of this */
	const struct clock *clock;
	const char *settings_path; /* their file, for the status; NULL: not told there */
	/*
	 * Reads the settings again into `ret`. 0; -errno, after a log line, keeps the old ones.
	 */
	int (*reload)(void *data, struct capture_settings *ret);
	void *reload_data;
	/*
	 * Called after each frame that is stored and durable, on the loop: it must not block.
	 * NULL: nobody is told.
	 */
	void (*stored)(void *data, const struct record *frame);
	void *stored_data;
	uint64_t frames_max; /* ends after so many frames; 0: never */
	int64_t zone_look_us; /* in tests: how often to look at the time zone; 0: each 20 s */
	int call_seconds; /* in tests: see supervisor_options; 0 */
	bool one_shot; /* takes one shot, no slots, and ends */
};

/*
 * Runs until a signal ends it. 0; -ESHUTDOWN: the camera needs a new process; -ETIMEDOUT: a
 * one-shot run got no frame in 30 s, or in 16 s from a camera that fails; other -errno: it cannot
 * start. *ret_last is the last frame that was stored, seq 0 if there was none.
 */
int service_run(const struct service_options *options, struct record *ret_last);
