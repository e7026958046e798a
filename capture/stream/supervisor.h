/* SPDX-License-Identifier: MIT */
/*
 * Keeps a camera going: opens it, starts and stops the stream as wanted, notices when it fails, and
 * climbs the recovery ladder:
 *
 *   restart    stop and start the stream
 *   reopen     close the camera with its buffers (and libcamera's manager), open it again
 *   exit       ask the caller to end the process, so that systemd starts a new one
 *
 * Memory that is too short for all buffers is no failure at once: the camera is opened again with
 * fewer. Where the source is `auto`, a camera that never gave a frame stands back for the next one
 * from the third failure on.
 *
 * A failure is: open or start refused, the stream broken (-ECANCELED), the camera gone (-ENODEV),
 * or no frame for max(2 s, 6 frame durations + exposure). Between tries it backs off (0, 1, 2, then
 * 5 s: a camera that comes back is used within 10 s). Two seconds of frames, or a stop that was
 * wanted after a frame, start the ladder from the bottom again. It never gives up.
 *
 * Camera calls can hang for ever. A timer runs during each of them: when one does not return in
 * CAMERA_CALL_SECONDS (stop, which waits for nothing but a picture in the works: in
 * CAMERA_STOP_SECONDS), its signal (SIGALRM) says so in the log and aborts the process, so that
 * systemd starts a new one. Nothing less would do: a thread in there holds the camera.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "capture/stream/settling.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define CAMERA_CALL_SECONDS 30
#define CAMERA_STOP_SECONDS 5

enum camera_rung { RUNG_RESTART, RUNG_REOPEN, RUNG_EXIT, RUNGS };

enum camera_state { CAMERA_CLOSED, CAMERA_IDLE, CAMERA_STREAMING };

struct supervisor_options {
	const char *source; /* setting camera.source */
	const struct camera_options *camera; /* must outlive the supervisor */
	const struct clock *clock;
	/* camera_open(), or what a test puts in its place; NULL: camera_open() */
	int (*open)(const char *source, const struct camera_options *options, struct camera **ret,
		char *error, size_t size);
	int call_seconds; /* a call may take so long, a stop no longer than above; 0: as above */
	bool may_exit; /* somebody restarts us: the ladder has its last rung */
	/* Called before a camera is closed: frames in other threads must be released in it. */
	void (*drain)(void *data);
	void *drain_data;
};

struct supervisor_facts {
	enum camera_state state;
	unsigned failures; /* since the last frame */
	uint64_t climbed[RUNGS];
	uint64_t starts; /* of the stream: the sensor's phase is new with each */
	int64_t frame_duration_ns; /* of the last frame that reported one */
	int buffers; /* that there has been memory for */
	int64_t memory_free; /* before the camera was opened, see camera_memory_free() */
	struct settling settling; /* how long its exposure takes to settle */
	char text[256]; /* the last failure, a sentence for people; "" while all is well */
};

struct supervisor;

int supervisor_new(const struct supervisor_options *options, struct supervisor **ret);
void supervisor_free(struct supervisor *supervisor);
DEFINE_CLEANUP(struct supervisor, supervisor_free)

/* Whether the stream is wanted from now on. Takes effect in the next step. */
void supervisor_want(struct supervisor *supervisor, bool streaming);

/* Frames will last so long: silence is no failure before. 0: as long as they did. */
void supervisor_expect(struct supervisor *supervisor, int64_t duration_ns);

/*
 * Does what is due: open, start, stop, recover. Returns when it wants to be called again at the
 * latest (CLOCK_MONOTONIC ns), INT64_MAX for never; -ESHUTDOWN the caller should exit non-zero.
 */
int64_t supervisor_step(struct supervisor *supervisor);

/* 0 and a frame, -EAGAIN none. Failures are counted and handled by the next step. */
int supervisor_take(struct supervisor *supervisor, struct frame *ret);
void supervisor_release(struct supervisor *supervisor, struct frame *frame);

/* NULL while closed. The caller watches its fd, and lets go of it in drain(). */
struct camera *supervisor_camera(struct supervisor *supervisor);
const struct supervisor_facts *supervisor_facts(const struct supervisor *supervisor);
