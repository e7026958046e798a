/* SPDX-License-Identifier: MIT */
/* The thread that begins frames, ends them, and does the ISP's work, each when it is due. */
#include "pi.h"

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_FRAME_NS (30 * NS_PER_S / 1000) /* from STREAMON on */

int64_t pi_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t wall_us(int64_t mono_ns)
{
	struct timespec t;
	int64_t ahead_ns;

	clock_gettime(CLOCK_REALTIME, &t);
	ahead_ns = t.tv_sec * NS_PER_S + t.tv_nsec - pi_now_ns();
	return (mono_ns + ahead_ns) / 1000;
}

static int64_t frame_length_ns(int64_t frame)
{
	const struct sensor *s = &pi.sensor;
	int lines = (int)s->mode->height + sensor_of_frame(s, REGISTER_VBLANK, frame);

	return llround(lines * sensor_line_ns(s) * (1 + pi.options.drift_ppm * 1e-6));
}

void machine_start_sensor(void)
{
	sensor_start(&pi.sensor);
	pi.now.exact_ns = (double)(pi_now_ns() + FIRST_FRAME_NS + frame_length_ns(0));
	pi.now.frame_ns = (int64_t)pi.now.exact_ns;
	pi.now.end_ns = 0;
	pi.now.receiving = -1;
	pi_say("start %ux%u", pi.sensor.mode->width, pi.sensor.mode->height);
}

void machine_stop_sensor(void)
{
	pi.now.frame_ns = pi.now.end_ns = 0;
	pi.now.receiving = -1;
	pi_say("stop");
}

bool machine_is_unplugged(void)
{
	return pi.now.back_ns > pi_now_ns();
}

static void node_done(struct pi_node *node, int index)
{
	node->buffer[index].done_ns = pi_now_ns();
	queue_push(&node->done, index);
	node_notify(node);
}

static bool happens_at(int64_t *when, int64_t frame)
{
	if (*when < 0 || frame < *when)
		return false;
	*when = -1;
	return true;
}

/* What goes wrong with this frame; false: it does not come. */
static bool fault_play(int64_t frame, int64_t *stamp_ns)
{
	struct pi_options *o = &pi.options;

	if (happens_at(&o->late_frame, frame)) {
		*stamp_ns += o->late_ms * (NS_PER_S / 1000);
		pi_say("fault stamp %lld ms", (long long)o->late_ms);
	}
	if (happens_at(&o->gone_frame, frame)) {
		pi.now.back_ns = pi_now_ns() + o->gone_s * NS_PER_S;
		pi_say("fault gone");
		return false;
	}
	if (happens_at(&o->stall_frame, frame)) {
		pi_say("fault stall");
		return false;
	}
	return true;
}

static void frame_say(int64_t frame, int64_t start_ns)
{
	const struct sensor *s = &pi.sensor;
	double exposure_us =
		sensor_of_frame(s, REGISTER_EXPOSURE, frame) * sensor_line_ns(s) / 1000;

	pi_say("frame %lld %lld %.0f %.2f %lld %lld %lld %u", (long long)frame,
		(long long)(wall_us(start_ns) - llround(exposure_us)), exposure_us,
		sensor_gain(s, frame), (long long)(frame_length_ns(frame) / 1000),
		(long long)(pi.now.behind_ns / 1000), (long long)(pi.now.fetch_ns / 1000),
		pi.now.lost);
	pi.now.behind_ns = pi.now.fetch_ns = 0;
	pi.now.lost = 0;
}

static void frame_begin(void)
{
	struct pi_node *node = &pi.node[NODE_UNICAM];
	int64_t start_ns = pi.now.frame_ns, stamp_ns, frame;

	sensor_advance(&pi.sensor);
	frame = pi.sensor.frame;
	stamp_ns = start_ns + llround((double)random() / RAND_MAX * pi.options.jitter_us * 1000) +
		pi.options.ahead_s * NS_PER_S;
	pi.now.receiving = -1;
	if (!fault_play(frame, &stamp_ns)) {
		pi.now.frame_ns = 0;
		return;
	}
	if (!pi.options.drop_every || frame % pi.options.drop_every) {
		if (queue_length(&node->queued))
			pi.now.receiving = queue_pop(&node->queued);
		else
			pi.now.lost++;
	}
	if (pi.now.receiving >= 0)
		node->buffer[pi.now.receiving].stamp_ns = stamp_ns;
	pi.now.stamp_ns[frame % SENSOR_RING] = stamp_ns;
	frame_say(frame, start_ns);
	if (node->subscribed) {
		node->event[node->event_tail++ % 64] = (unsigned)frame;
		node_notify(node);
	}
	pi.now.end_ns = start_ns + llround(pi.sensor.mode->height * sensor_line_ns(&pi.sensor));
	pi.now.exact_ns += (double)frame_length_ns(frame + 1);
	pi.now.frame_ns = (int64_t)pi.now.exact_ns;
}

static void frame_end(void)
{
	struct pi_node *node = &pi.node[NODE_UNICAM];

	pi.now.end_ns = 0;
	if (pi.now.receiving < 0)
		return;
	node->buffer[pi.now.receiving].sequence = (unsigned)pi.sensor.frame;
	node->buffer[pi.now.receiving].used = node->format.sizeimage;
	node_done(node, pi.now.receiving);
	pi.now.receiving = -1;
}

/* The frame that a raw buffer is of: the driver copies its time, in microseconds. */
static int64_t frame_of_stamp(int64_t stamp_ns)
{
	for (int64_t f = pi.sensor.frame; f >= 0 && f > pi.sensor.frame - SENSOR_RING / 2; f--)
		if (pi.now.stamp_ns[f % SENSOR_RING] / 1000 == stamp_ns / 1000)
			return f;
	return pi.sensor.frame;
}

/* A job takes one buffer of each stream; none begins before all have one. */
static void isp_begin(void)
{
	const struct pi_node *in = &pi.node[NODE_ISP_IN];

	if (pi.now.isp_ns || !in->streaming || !queue_length(&in->queued))
		return;
	for (int i = NODE_ISP_OUT; i < NODES; i++)
		if (pi.node[i].streaming && !queue_length(&pi.node[i].queued))
			return;
	pi.now.stamp_frame =
		frame_of_stamp(in->buffer[in->queued.index[in->queued.head % 64]].stamp_ns);
	pi.now.isp_ns = pi_now_ns() +
		llround(pi.sensor.mode->width * pi.sensor.mode->height / pi.options.isp_pixels_us *
			1000);
}

static void isp_end(void)
{
	struct pi_node *in = &pi.node[NODE_ISP_IN];
	int index = queue_pop(&in->queued);

	pi.now.isp_ns = 0;
	for (int i = NODE_ISP_OUT; i < NODES; i++) {
		struct pi_node *node = &pi.node[i];
		struct pi_buffer *b;
		int out;

		if (!node->streaming || !queue_length(&node->queued))
			continue;
		out = queue_pop(&node->queued);
		b = &node->buffer[out];
		b->stamp_ns = in->buffer[index].stamp_ns;
		b->sequence = node->sequence++;
		b->used = (unsigned)b->length;
		if (i == NODE_ISP_STATS)
			picture_measure(b, pi.now.stamp_frame);
		else
			picture_fill(node, b, pi.now.stamp_frame);
		node_done(node, out);
	}
	in->buffer[index].sequence = in->sequence++;
	node_done(in, index);
}

static bool is_due(int64_t when_ns, int64_t now_ns, int64_t *next_ns)
{
	if (when_ns == 0)
		return false;
	if (when_ns > now_ns) {
		*next_ns = when_ns < *next_ns ? when_ns : *next_ns;
		return false;
	}
	if (now_ns - when_ns > pi.now.behind_ns)
		pi.now.behind_ns = now_ns - when_ns;
	return true;
}

static void *machine_run(void *data)
{
	(void)data;
	pthread_mutex_lock(&pi.lock);
	for (;;) {
		int64_t now_ns = pi_now_ns(), next_ns = now_ns + NS_PER_S;
		struct timespec until;

		isp_begin();
		if (is_due(pi.now.end_ns, now_ns, &next_ns)) {
			frame_end();
		} else if (is_due(pi.now.frame_ns, now_ns, &next_ns)) {
			frame_begin();
		} else if (is_due(pi.now.isp_ns, now_ns, &next_ns)) {
			isp_end();
		} else {
			until = (struct timespec){ next_ns / NS_PER_S, next_ns % NS_PER_S };
			pthread_cond_timedwait(&pi.changed, &pi.lock, &until);
		}
	}
	return NULL;
}

void machine_begin(void)
{
	/* the sensor comes before the program, where threads may have priorities at all */
	const struct sched_param priority = { .sched_priority = 10 };
	pthread_condattr_t attributes;
	pthread_t thread;
	sigset_t all, before;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&pi.changed, &attributes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_create(&thread, NULL, machine_run, NULL);
	pthread_setschedparam(thread, SCHED_RR, &priority);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
