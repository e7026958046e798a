/* SPDX-License-Identifier: MIT */
/*
 * The `ffmpeg` program: takes a film's pictures through a pipe and writes H.264 that phones play,
 * High profile, level 4.0, 4:2:0, the index in front. It sees a descriptor and numbers of ours, and
 * no name of a file. Its memory is bounded by two threads and a short look ahead.
 */
#pragma once

#include <sys/types.h>

#include "common/base/limits.h"
#include "view/film/planes.h"

struct encoder {
	pid_t pid; /* 0: not running */
	int pipe, log; /* what it says; -1: none */
};
#define ENCODER_NONE                                                                               \
	{                                                                                          \
		.pipe = -1, .log = -1                                                              \
	}

/* Starts it; the film goes into `out`, which it opens again. -ENOENT there is no ffmpeg; -errno. */
int encoder_start(int width, int height, int fps, int out, struct encoder *ret);
/* -EPIPE it ended. */
int encoder_write(struct encoder *encoder, const struct planes *planes);
/* Lets it come to its end. -EIO it failed, and `why` has its last words. */
int encoder_finish(struct encoder *encoder, char why[static TEXT_MAX]);
/* Ends it, if it runs. */
void encoder_clear(struct encoder *encoder);

/*
 * Asks ffprobe whether `fd` is such a film of `frames` pictures. -EBADMSG it is not, and `why` says
 * what it is; -ENOENT there is no ffprobe; -errno.
 */
int encoder_probe(int fd, int width, int height, uint64_t frames, char why[static TEXT_MAX]);
