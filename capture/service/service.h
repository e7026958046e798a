/* SPDX-License-Identifier: MIT */
/*
 * `capturepi run`: the service. One sd-event loop keeps time, talks to the camera and accounts for
 * every slot; a writer thread encodes and stores.
 *
 * Notifies systemd: READY=1 after the first attempt to open the camera, STATUS= one line per
 * outcome, WATCHDOG=1 only while there is progress, STOPPING=1. SIGTERM and SIGINT finish the slot
 * in hand, SIGHUP reads the settings again, SIGUSR1 takes one frame outside the schedule.
 */
#pragma once

#include "capture/settings/settings.h"
#include "common/archive/archive.h"
#include "common/base/clock.h"

struct service_options {
	struct capture_settings *settings; /* changed in place by `reload` */
	struct archive *archive; /* open for writing, taken over; NULL: it cannot be opened yet, */
	int archive_error; /* by this */
	const struct clock *clock;
	const char *settings_path; /* the file they come from; NULL: not told in the status */
	/*
	 * Reads the settings again into `ret`; 0, or -errno to keep the old ones (it has told why).
	 */
	int (*reload)(void *data, struct capture_settings *ret);
	void *reload_data;
	/*
	 * After each frame that is stored, durably; on the loop, so it must not block for long.
	 * NULL: none.
	 */
	void (*stored)(void *data, const struct record *frame);
	void *stored_data;
	uint64_t frames_max; /* ends by itself after so many frames; 0: never */
	int64_t zone_look_us; /* how often the time zone is looked at; 0, outside of tests: 20 s */
	int call_seconds; /* see supervisor_options; 0 outside of tests */
	bool one_shot; /* takes one frame outside the schedule and ends */
};

/*
 * Runs until a signal. 0; -ESHUTDOWN the camera needs a new process; -ETIMEDOUT no one-shot frame
 * in 30 s; other -errno cannot start. *ret_last is the last frame stored, seq 0 if there was none.
 */
int service_run(const struct service_options *options, struct record *ret_last);
