/* SPDX-License-Identifier: MIT */
/*
 * Scripted faults of the simulated camera: which calls fail, from when, for how long. Nothing here
 * sleeps or reads a clock; simcam.c asks before each call what the script says.
 *
 *	script  = fault { "," fault }            blanks around the comma are fine
 *	fault   = kind "@" when [ "+" duration ] [ "*" count ]
 *	when    = N or N"f"                      once N frames were taken
 *	        | duration                       that long after the first open
 *	        | "open" | "start"               at these calls, from the first one on (busy only)
 *	duration = N"ms" | N"s" | N"min"
 *
 *	freeze@30+5s       no frames, and no error either; without a duration until stop and start
 *	cancel@60          take() is -ECANCELED until stop and start; with a duration every stream
 *	                   that is started in that time breaks again
 *	busy@open*3        open() is -EBUSY three times; busy@start*2 the same for start();
 *	busy@100+5s        both, in that time
 *	gone@100+10s       take() and start() are -ENODEV until close and open; in that time open()
 *	                   is too
 *	slowstop@200+20s   the first stop() from then on blocks that long (with *3 the first three)
 *	hangstop@200       the first stop() from then on never returns
 *	stale@60*3         the next three frames are held back and come at once, old
 *	ahead@60*3         the next three frames say that they begin an hour later than they do
 *
 * Numbers count over all that happens to the camera, through close and open, because a fault is the
 * hardware's: a recovery that reopens the camera must find it as broken as it left it. So the state
 * belongs to the process, which has one such camera. Another script or seed is another camera.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULTS_MAX 16 /* in one script */
#define FAULT_SCRIPT_BYTES_MAX 512

struct faults;

/*
 * Plugs the camera in: its script's state is new, or as it was left by the last faults_put() of the
 * same script and seed. -EINVAL not a script, -EBUSY this process has the camera open; `error` is a
 * sentence. "" is a script without faults.
 */
int faults_get(const char *script, uint64_t seed, int64_t now_ns, struct faults **ret, char *error,
	size_t size);
/* Gives it back; its state stays. NULL is fine. */
void faults_put(struct faults *faults);

/* What the call returns: 0, -EBUSY, -ENODEV. Each time it is asked counts as a call. */
enum fault_call { FAULT_OPEN, FAULT_START };
int faults_at_call(struct faults *faults, enum fault_call call, int64_t now_ns);

/* How long stop() blocks: 0 not at all, INT64_MAX for ever. */
int64_t faults_at_stop(struct faults *faults, int64_t now_ns);

/* What a stream does now. */
struct fault_state {
	int error; /* 0, -ECANCELED, -ENODEV */
	bool frozen;
	int stale; /* frames to hold back until this many are there; 0: none */
	bool ahead; /* the next frame's time is an hour later */
	int64_t next_ns; /* when to look again though nothing was taken; INT64_MAX */
};
struct fault_state faults_now(struct faults *faults, int64_t now_ns);

/* One frame was taken. */
void faults_count_frame(struct faults *faults);
