/* SPDX-License-Identifier: MIT */
/*
 * The physics of a camera sensor and its pipeline, without a clock, a thread or a picture: every
 * call is told what time it is. simcam.c lets it run in real time; a test of the phase lock or of
 * the schedule lets a day pass in a loop:
 *
 *	sensor_start(&s, now, CAMERA_BUFFERS);
 *	for (;;) {
 *		now = sensor_next_ns(&s);
 *		sensor_take(&s, now, &frame);
 *		sensor_set_duration(&s, ...);
 *		sensor_request(&s, now);
 *	}
 *
 * What it models, after the Raspberry Pi pipelines:
 *  - A frame's first row is read out at its frame start; its exposure ends there. Frame starts are
 *    a frame duration apart, in whole lines of the sensor's own clock, which drifts. The phase is
 *    random at each start. Reported times have interrupt jitter of a few microseconds.
 *  - A control shows in the latency_frames-th frame made after the call. The duration of a frame is
 *    the time from the frame start before it, as its exposure has to fit. (At a latency of 1 that
 *    start has been: then the next frame is moved.)
 *  - The first start has 7 or 8 start-up frames while the exposure converges; a later start has
 *    none.
 *  - The exposure follows the light by the table of a Pi's tuning files (imx219.json, exposure mode
 *    "normal"): in turns the exposure and the gain rise, up to 66.7 ms and 8, and no further; nor
 *    does it expose longer than the normal frame duration allows. What is darker stays dark.
 *  - The white balance follows what it sees; in the dark that is noise, and it wanders.
 *  - An exposure can be set from outside, with the gain, the frame duration and a held white
 *    balance.
 *  - Without a request (all buffers held) three frames are kept, later ones are lost, and the
 *    exposure control stands still; the next requests get the kept frames, old as they are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "common/base/limits.h"

#define SENSOR_KEPT 3 /* frames kept while there is no request */
#define SENSOR_LATENCY 2
#define SENSOR_LATENCY_MAX 8
#define SENSOR_DRIFT_MAX_PPM 10000.0
#define SENSOR_DURATION_MAX_NS INT64_C(200000000000)
#define SENSOR_EXPOSURE_AUTO_MAX_NS INT64_C(66666000) /* of its own exposure control */
#define SENSOR_GAIN_AUTO_MAX 8.0
#define SENSOR_GAIN_MAX 16.0
#define SENSOR_NEVER INT64_MAX

struct sensor_options {
	uint64_t seed;
	int width, height;
	double fps; /* 0: 30, or less for large pictures */
	double drift_ppm; /* of the sensor's clock; positive: its frames are too long */
	int latency_frames; /* 1..SENSOR_LATENCY_MAX; 0: SENSOR_LATENCY */
	double exposure_us, gain; /* 0: automatic */
	double compensation; /* stops that its own exposure control makes pictures brighter */
	double (*light)(void *data, int64_t ns); /* of the scene at that time; NULL: always 1 */
	void *light_data;
};

struct sensor_frame {
	uint64_t sequence; /* frames made since start; gaps are frames that were lost */
	int64_t start_ns; /* start of exposure of the first row, as reported */
	int64_t ready_ns; /* when the picture is there */
	int64_t duration_ns; /* from the frame start before, by the sensor's clock */
	double exposure_us, gain;
	double light; /* of the scene: 1 at noon */
	double level; /* exposure against the right one: 1 is well exposed */
	double red, blue; /* gains of the white balance */
	bool startup, converged;
};

/* What a request asks for. */
struct sensor_controls {
	int64_t duration_ns, exposure_ns;
	double gain, red, blue;
};

struct sensor {
	struct sensor_options options;
	int64_t duration_min_ns, duration_normal_ns, line_ns, readout_ns;
	int64_t duration_open_ns; /* the normal one of the options */
	uint64_t random;

	bool streaming, ever_started;
	int requests; /* buffers queued */
	uint64_t sequence; /* of the next frame */
	int64_t frame_start_ns; /* of the next frame, true time */
	int64_t latency_ns; /* of the next frame, from frame start to ready */

	struct sensor_controls line[SENSOR_LATENCY_MAX]; /* by request number */
	int64_t forced_ns;
	int forced_frames;
	struct camera_exposure set; /* from outside */
	double product_ns; /* exposure x gain that the exposure control has come to */
	double red, blue; /* what the white balance has come to */
	int startup_left, settled_frames;

	/* in order of exposure: n_done that have filled a request, then those that wait for one */
	struct sensor_frame made[CAMERA_BUFFERS + SENSOR_KEPT];
	int n_made, n_done;
};

/* -EINVAL: a size, latency or drift that it cannot do. */
int sensor_init(struct sensor *sensor, const struct sensor_options *options);

/* The stream begins at `now_ns` with `requests` buffers queued, CAMERA_BUFFERS at most. */
void sensor_start(struct sensor *sensor, int64_t now_ns, int requests);
/* What was not taken is lost. */
void sensor_stop(struct sensor *sensor);

/* One more buffer. */
void sensor_request(struct sensor *sensor, int64_t now_ns);
/* The oldest finished frame. -EAGAIN. */
int sensor_take(struct sensor *sensor, int64_t now_ns, struct sensor_frame *ret);
/* How many frames sensor_take() has by now; when the sensor makes the next one, taken or not. */
int sensor_waiting(struct sensor *sensor, int64_t now_ns);
int64_t sensor_next_made_ns(const struct sensor *sensor);
/* When sensor_take() succeeds next, if nothing else is done; SENSOR_NEVER. */
int64_t sensor_next_ns(const struct sensor *sensor);
/* Frames that are ready by `now_ns` are lost, as if the pipeline stood still. */
void sensor_skip(struct sensor *sensor, int64_t now_ns);

/* As camera_ops.set_frame_duration and .set_exposure. */
void sensor_set_duration(struct sensor *sensor, int64_t ns, int frames);
void sensor_set_exposure(struct sensor *sensor, const struct camera_exposure *exposure);

/* The bare sensor, without requests and queues: makes the next frame of a started sensor. */
void sensor_step(struct sensor *sensor, struct sensor_frame *ret);
