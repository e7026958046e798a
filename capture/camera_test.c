/* SPDX-License-Identifier: MIT */
/*
 * The test camera: the physics of test_sensor.c in real time, the picture of test_scene.c, the
 * faults of test_faults.c. It has no thread: the sensor's state is brought up to date at each call,
 * and a timerfd is set to when take() has something to say next. A frame is painted when it is
 * taken.
 *
 * Its controls are ExposureTime (microseconds), AnalogueGain, and TestLatency (frames, 1 to 8).
 *
 * The fault script, in full in test_faults.h: `freeze@30+5s, cancel@60, busy@open*3, gone@100+10s,
 * slowstop@200+20s, hangstop@12s, stale@60*3`: what happens, at which frame or after which time,
 * and for how long or how often.
 */
#include "capture/camera.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "capture/draw.h"
#include "capture/test_faults.h"
#include "capture/test_scene.h"
#include "capture/test_sensor.h"
#include "common/clock.h"
#include "common/util.h"

#define STRIDE_ALIGN 64 /* as the Pi's */

static const struct {
	const char *id;
	enum pixel_format format;
} models[] = { { "test", PIXEL_YUV420 }, { "test-nv12", PIXEL_NV12 } };

struct buffer {
	uint8_t *memory;
	bool held; /* by the consumer */
	struct painting painting;
};

struct test_camera {
	struct camera camera;
	struct camera_info info;
	struct scene *scene;
	bool turned;
	int timer_fd;

	pthread_mutex_t lock; /* for all below: release() comes from any thread */
	struct test_sensor sensor;
	struct faults *faults;
	bool frozen; /* a freeze was seen: what the sensor made in it is still to be thrown away */
	struct buffer buffer[CAMERA_BUFFERS];
	size_t stride[3], offset[3],
		bytes[3]; /* of the planes in a buffer; not changed after open */
};

static void test_close(struct camera *camera);

static void test_closep(struct test_camera **t)
{
	if (*t)
		test_close(&(*t)->camera);
}

static struct test_camera *test_of(const struct camera *camera)
{
	return (struct test_camera *)(uintptr_t)camera;
}

static int64_t now_ns(void)
{
	return clock_mono_ns(&clock_real);
}

static int held_buffers(const struct test_camera *t)
{
	int n = 0;

	for (int i = 0; i < CAMERA_BUFFERS; i++)
		n += t->buffer[i].held;
	return n;
}

/* Frames that a `stale` fault still keeps back; 0: none. */
static bool keeps_back(struct test_camera *t, const struct fault_state *state, int64_t now)
{
	int room = CAMERA_BUFFERS - held_buffers(t);

	return sensor_waiting(&t->sensor, now) < (state->stale < room ? state->stale : room);
}

/* Sets the timer to the moment when take() has something else to say than -EAGAIN. */
static void arm(struct test_camera *t)
{
	int64_t now = now_ns(), when = SENSOR_NEVER;
	struct itimerspec spec = { 0 };

	if (t->sensor.streaming) {
		struct fault_state state = faults_now(t->faults, now);

		t->frozen |= state.frozen;
		if (state.error)
			when = 1;
		else if (!state.frozen)
			when = keeps_back(t, &state, now) ? sensor_next_made_ns(&t->sensor)
							  : sensor_next_ns(&t->sensor);
		when = state.next_ns < when ? state.next_ns : when;
	}
	if (when < SENSOR_NEVER) { /* else all zero: off */
		when = when < 1 ? 1 : when;
		spec.it_value.tv_sec = when / NS_PER_SEC;
		spec.it_value.tv_nsec = when % NS_PER_SEC;
	}
	timerfd_settime(t->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int test_list(const struct camera_options *options,
	void (*each)(void *data, const char *id, const char *model), void *data)
{
	(void)options;
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		each(data, models[i].id, "test");
	return (int)ARRAY_SIZE(models);
}

PRINTF(4, 5) static int fail(int r, char *error, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, size, fmt, ap);
	va_end(ap);
	return r;
}

static int read_control(
	const char *name, const char *value, struct sensor_options *ret, char *error, size_t size)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || !isfinite(number) || number <= 0)
		return fail(
			-EINVAL, error, size, "control.%s = %s: not a number above 0", name, value);
	if (strcmp(name, "ExposureTime") == 0)
		ret->exposure_us = number;
	else if (strcmp(name, "AnalogueGain") == 0)
		ret->gain = number;
	else if (strcmp(name, "TestLatency") == 0 && number <= SENSOR_LATENCY_MAX)
		ret->latency_frames = (int)number;
	else
		return fail(-EINVAL, error, size,
			"control.%s = %s: the test camera has ExposureTime, AnalogueGain and "
			"TestLatency (1 to %d)",
			name, value, SENSOR_LATENCY_MAX);
	return 0;
}

static int make_sensor(
	struct test_camera *t, const struct camera_options *options, char *error, size_t size)
{
	int64_t midnight_us =
		clock_wall_us(&clock_real) / (86400 * US_PER_SEC) * (86400 * US_PER_SEC);
	struct sensor_options sensor = {
		.seed = options->seed,
		.width = options->width > 0 ? options->width : 1920,
		.height = options->height > 0 ? options->height : 1080,
		.fps = options->fps,
		.drift_ppm = options->drift_ppm,
		.midnight_ns = now_ns() - (clock_wall_us(&clock_real) - midnight_us) * NS_PER_US,
	};
	int r;

	for (size_t i = 0; i < options->n_controls; i++) {
		r = read_control(options->control_names[i], options->control_values[i], &sensor,
			error, size);
		if (r < 0)
			return r;
	}
	r = sensor_init(&t->sensor, &sensor);
	if (r < 0)
		return fail(r, error, size,
			"the test camera does 16 to %d pixels a side and drifts %.0f ppm at most",
			PICTURE_SIDE_MAX, SENSOR_DRIFT_MAX_PPM);
	t->info.width = sensor.width;
	t->info.height = sensor.height;
	t->info.frame_duration_min_ns = t->sensor.duration_min_ns;
	t->info.frame_duration_max_ns = SENSOR_DURATION_MAX_NS;
	t->info.can_steer = true;
	t->info.latency_frames = t->sensor.options.latency_frames;
	return 0;
}

static int make_buffers(struct test_camera *t)
{
	size_t wide = ((size_t)t->info.width + STRIDE_ALIGN - 1) / STRIDE_ALIGN * STRIDE_ALIGN;
	size_t half_height = ((size_t)t->info.height + 1) / 2, offset = 0;
	bool nv12 = t->info.format == PIXEL_NV12;

	for (int i = 0; i < (nv12 ? 2 : 3); i++) {
		t->stride[i] = i > 0 && !nv12 ? wide / 2 : wide;
		t->bytes[i] = t->stride[i] * (i ? half_height : (size_t)t->info.height);
		t->offset[i] = offset;
		offset += t->bytes[i];
	}
	for (int i = 0; i < CAMERA_BUFFERS; i++) {
		t->buffer[i].memory = calloc(1, offset);
		if (!t->buffer[i].memory)
			return -ENOMEM;
	}
	return 0;
}

static int choose_model(
	struct test_camera *t, const struct camera_options *options, char *error, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (options->id && strcmp(options->id, models[i].id) != 0)
			continue;
		snprintf(t->info.id, sizeof(t->info.id), "%s", models[i].id);
		snprintf(t->info.model, sizeof(t->info.model), "test");
		t->info.format = models[i].format;
		t->info.range = PIXEL_FULL_RANGE;
		return 0;
	}
	return fail(-ENODEV, error, size, "there is no test camera \"%s\": it is test or test-nv12",
		options->id);
}

static int test_open(
	const struct camera_options *options, struct camera **ret, char *error, size_t size)
{
	CLEANUP(test_closep) struct test_camera *t = calloc(1, sizeof(*t));
	char why[256] = "";
	int r;

	if (!t)
		return fail(-ENOMEM, error, size, "not enough memory");
	t->camera.ops = &camera_test_ops;
	t->timer_fd = -1;
	t->turned = options->rotation == 180;
	pthread_mutex_init(&t->lock, NULL);
	r = choose_model(t, options, error, size);
	if (r == 0)
		r = make_sensor(t, options, error, size);
	if (r < 0)
		return r;
	r = faults_get(options->faults ? options->faults : "", options->seed, now_ns(), &t->faults,
		why, sizeof(why));
	if (r < 0)
		return fail(r, error, size, "test.faults: %s", why);
	r = faults_at_open(t->faults, now_ns());
	if (r < 0)
		return fail(r, error, size, "the fault script says that the camera is %s",
			r == -EBUSY ? "busy" : "gone");
	t->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->timer_fd < 0)
		return fail(-errno, error, size, "no timer: %s", strerror(errno));
	r = make_buffers(t);
	if (r == 0)
		r = scene_new(t->info.width, t->info.height, t->info.id, &t->scene);
	if (r < 0)
		return fail(r, error, size, "not enough memory for %d pictures of %dx%d",
			CAMERA_BUFFERS, t->info.width, t->info.height);
	*ret = &t->camera;
	t = NULL;
	return 0;
}

static void test_close(struct camera *camera)
{
	struct test_camera *t = test_of(camera);

	if (!t)
		return;
	assert(held_buffers(t) == 0);
	faults_put(t->faults);
	scene_free(t->scene);
	for (int i = 0; i < CAMERA_BUFFERS; i++)
		free(t->buffer[i].memory);
	closep(&t->timer_fd);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static const struct camera_info *test_info(const struct camera *camera)
{
	return &test_of(camera)->info;
}

static int test_fd(const struct camera *camera)
{
	return test_of(camera)->timer_fd;
}

static int test_start(struct camera *camera)
{
	struct test_camera *t = test_of(camera);
	int r;

	pthread_mutex_lock(&t->lock);
	r = t->sensor.streaming ? -EIO : faults_at_start(t->faults, now_ns());
	if (r == 0) {
		sensor_start(&t->sensor, now_ns(), CAMERA_BUFFERS - held_buffers(t));
		arm(t);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* What slowstop and hangstop do; not under the lock, since release() must go on working. */
static void block(int64_t ns)
{
	struct timespec rest = { .tv_sec = ns / NS_PER_SEC, .tv_nsec = ns % NS_PER_SEC };

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

static int test_stop(struct camera *camera)
{
	struct test_camera *t = test_of(camera);
	int64_t block_ns = 0;

	pthread_mutex_lock(&t->lock);
	if (t->sensor.streaming)
		block_ns = faults_at_stop(t->faults, now_ns());
	sensor_stop(&t->sensor);
	arm(t);
	pthread_mutex_unlock(&t->lock);
	block(block_ns);
	return 0;
}

/* The next frame and a buffer for it, under the lock. */
static int next_frame(struct test_camera *t, struct sensor_frame *ret, struct buffer **ret_buffer)
{
	int64_t now = now_ns();
	struct fault_state state;
	int i = 0, r;

	if (!t->sensor.streaming)
		return -EAGAIN;
	state = faults_now(t->faults, now);
	if (state.error < 0)
		return state.error;
	if (state.frozen || t->frozen)
		sensor_skip(&t->sensor, now);
	t->frozen = state.frozen;
	if (state.frozen || keeps_back(t, &state, now))
		return -EAGAIN;
	r = sensor_take(&t->sensor, now, ret);
	if (r < 0)
		return r;
	while (t->buffer[i].held)
		i++;
	assert(i < CAMERA_BUFFERS); /* the sensor makes no frame without a request */
	t->buffer[i].held = true;
	faults_count_frame(t->faults);
	*ret_buffer = &t->buffer[i];
	return 0;
}

static void paint(struct test_camera *t, struct buffer *buffer, const struct sensor_frame *frame)
{
	struct canvas canvas = {
		.format = t->info.format,
		.width = t->info.width,
		.height = t->info.height,
		.turned = t->turned,
	};
	const struct scene_facts facts = {
		.wall_us = clock_wall_of_mono(&clock_real, frame->start_ns),
		.sequence = frame->sequence,
		.exposure_us = frame->exposure_us,
		.gain = frame->gain,
		.light = frame->light,
		.level = frame->level,
		.startup = frame->startup,
	};

	for (int i = 0; i < 3; i++) {
		canvas.plane[i] = t->bytes[i] ? buffer->memory + t->offset[i] : NULL;
		canvas.stride[i] = t->stride[i];
	}
	scene_paint(t->scene, &canvas, &buffer->painting, &facts);
}

static int test_take(struct camera *camera, struct frame *ret)
{
	struct test_camera *t = test_of(camera);
	struct sensor_frame frame;
	struct buffer *buffer = NULL;
	int r;

	pthread_mutex_lock(&t->lock);
	r = next_frame(t, &frame, &buffer);
	arm(t);
	pthread_mutex_unlock(&t->lock);
	if (r < 0)
		return r;
	paint(t, buffer, &frame);
	*ret = (struct frame){
		.format = t->info.format,
		.range = t->info.range,
		.width = t->info.width,
		.height = t->info.height,
		.flags = (frame.startup ? FRAME_STARTUP : 0u) |
			(frame.converged ? FRAME_CONVERGED : 0u),
		.sequence = frame.sequence,
		.start_ns = frame.start_ns,
		.duration_ns = frame.duration_ns,
		.exposure_us = frame.exposure_us,
		.gain = frame.gain,
		.colour_temperature = NAN,
		.lens_position = NAN,
		.opaque = buffer,
	};
	for (int i = 0; i < 3; i++) {
		ret->plane[i] = t->bytes[i] ? buffer->memory + t->offset[i] : NULL;
		ret->stride[i] = t->stride[i];
		ret->plane_bytes[i] = t->bytes[i];
	}
	return 0;
}

static void test_release(struct camera *camera, struct frame *frame)
{
	struct test_camera *t = test_of(camera);
	struct buffer *buffer = frame->opaque;

	pthread_mutex_lock(&t->lock);
	assert(buffer->held);
	buffer->held = false;
	sensor_request(&t->sensor, now_ns());
	arm(t);
	pthread_mutex_unlock(&t->lock);
}

static int test_set_frame_duration(struct camera *camera, int64_t ns, int frames)
{
	struct test_camera *t = test_of(camera);

	pthread_mutex_lock(&t->lock);
	sensor_set_duration(&t->sensor, ns, frames);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

const struct camera_ops camera_test_ops = {
	.name = "test",
	.list = test_list,
	.open = test_open,
	.info = test_info,
	.start = test_start,
	.stop = test_stop,
	.fd = test_fd,
	.take = test_take,
	.release = test_release,
	.set_frame_duration = test_set_frame_duration,
	.close = test_close,
};
