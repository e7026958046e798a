/* SPDX-License-Identifier: MIT */
/*
 * A Raspberry Pi's camera within the process that uses it: the receiver (unicam), the image signal
 * processor (bcm2835-isp), a sensor, a lens, and the memory for pictures. preload.c puts it where
 * the program looks for devices; libcamera, its `rpi/vc4` pipeline and its IPA are Debian's own.
 *
 * Time is real. A thread of its own (machine.c) begins each frame when it is due, and stamps it
 * with the time that was due: what the machine's load delays is the delivery, never the sensor.
 *
 * SIMPI in the environment has words `key=value`; pi_options below says which, and metadata.cpp.
 * SIMPI_ROOT is a folder with the /dev and /sys of a Pi, SIMPI_LOG the file for what the camera did
 * and was asked.
 */
#pragma once

#include <linux/videodev2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sensor.h"

#define NS_PER_S INT64_C(1000000000)

struct pi_options {
	const struct sensor_model *sensor; /* sensor=imx219 */
	double scene; /* light: 1 / (microseconds that fill a pixel at gain 1) */
	double stops_a_minute; /* the light goes up and down by that, within 3 stops */
	double distance; /* dioptres at which the lens sees sharply */
	double isp_pixels_us; /* pixels a microsecond that the ISP can do */
	double drift_ppm, jitter_us; /* of the sensor's clock, of the interrupt's time */
	int64_t memory; /* bytes of CMA; < 0: enough */
	int64_t late_frame, late_ms; /* this frame's interrupt is late; < 0: a time in the past */
	int64_t ahead_s; /* all times are of a clock that is so far ahead */
	int64_t drop_every; /* each such frame is lost on its way */
	int64_t stall_frame; /* from then on the sensor is silent, until it is started again */
	int64_t gone_frame, gone_s; /* it is unplugged, for so long */
	int64_t hang_ms; /* the first STREAMOFF of the ISP takes so long */
};

struct pi_buffer {
	int fd;
	size_t length;
	int64_t stamp_ns, done_ns; /* exposure; when the program could have fetched it */
	unsigned sequence, used;
};

struct pi_queue {
	int index[64];
	unsigned head, tail;
};

/* A video device. */
struct pi_node {
	const char *path, *entity;
	unsigned minor, type, caps;
	struct v4l2_pix_format format;
	struct pi_buffer buffer[32];
	unsigned n_buffers, memory;
	struct pi_queue queued, done;
	unsigned sequence;
	unsigned event[64], event_head, event_tail; /* numbers of frames that began */
	bool streaming, subscribed;
	int fd; /* an eventfd that is readable while there is something to fetch, -1: closed */
};

enum pi_nodes { NODE_UNICAM, NODE_ISP_IN, NODE_ISP_OUT, NODE_ISP_SMALL, NODE_ISP_STATS, NODES };

enum { MINOR_SENSOR = 100, MINOR_LENS = 101 };

struct pi {
	struct pi_options options;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t changed;
	struct sensor sensor;
	struct pi_node node[NODES];
	int lens; /* 0 far .. 1023 near */
	struct {
		int64_t frame_ns, end_ns, isp_ns; /* next of each, 0: none */
		double exact_ns; /* of frame_ns */
		int receiving; /* buffer of the frame that is read out, -1 */
		int64_t stamp_ns[SENSOR_RING]; /* by frame */
		int64_t stamp_frame; /* that the ISP works on */
		int64_t behind_ns, fetch_ns; /* worst since the last line of the log */
		unsigned lost; /* frames without a buffer since then */
		int64_t back_ns; /* unplugged until then */
		bool hung;
	} now;
};

extern struct pi pi;

int64_t pi_now_ns(void);
void pi_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline unsigned queue_length(const struct pi_queue *q)
{
	return q->tail - q->head;
}

static inline void queue_push(struct pi_queue *q, int index)
{
	q->index[q->tail++ % 64] = index;
}

static inline int queue_pop(struct pi_queue *q)
{
	return q->index[q->head++ % 64];
}

/* Makes the node's fd readable or not. */
void node_notify(struct pi_node *node);

/* machine.c: what happens without being asked. */
void machine_begin(void);
void machine_start_sensor(void);
void machine_stop_sensor(void);
bool machine_is_unplugged(void);

/* memory.c: 0 and a new file, or -ENOMEM. */
int memory_take(size_t bytes, int *ret_fd);

/* picture.c: what the ISP writes for a frame. */
void picture_fill(const struct pi_node *node, const struct pi_buffer *buffer, int64_t frame);
void picture_measure(const struct pi_buffer *buffer, int64_t frame);

/* These have the semantics of ioctl(2), with -errno for an error. The caller holds the lock. */
int media_ioctl(bool isp, unsigned long request, void *data);
int sensor_ioctl(unsigned long request, void *data);
int lens_ioctl(unsigned long request, void *data);
int video_ioctl(struct pi_node *node, unsigned long request, void *data);
