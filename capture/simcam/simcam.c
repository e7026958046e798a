/* SPDX-License-Identifier: MIT */
/*
 * The simulated camera: the physics of sensor.c in real time, the picture of scene.c, the faults of
 * faults.c. It has no thread: each call brings the sensor's state up to date, and a timerfd is set
 * to when take() has something to say next. A frame is painted when it is taken.
 *
 * Its controls are ExposureTime (microseconds), AnalogueGain, and TestLatency (frames, 1 to 8).
 */
#include "capture/camera/camera.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "capture/simcam/faults.h"
#include "capture/simcam/scene.h"
#include "capture/simcam/sensor.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define STRIDE_ALIGN 64 /* as the Pi's */

static const struct {
	const char *id;
	enum pixel_format format;
} models[] = { { "test", PIXEL_YUV420 }, { "test-nv12", PIXEL_NV12 } };

struct buffer {
	struct canvas canvas; /* its planes are one after the other, in memory of their own */
	bool held; /* by the consumer */
};

struct simcam {
	struct camera camera;
	char *error; /* where open() says what is wrong, error_bytes */
	size_t error_bytes;

	pthread_mutex_t lock; /* for all below: release() comes from any thread */
	struct sensor sensor;
	struct faults *faults;
	bool frozen; /* a freeze was seen: what the sensor made in it is still to be thrown away */
	struct buffer buffer[CAMERA_BUFFERS];
};

static void simcam_close(struct camera *camera);

static void simcam_freep(struct simcam **t)
{
	if (*t)
		simcam_close(&(*t)->camera);
}

static struct simcam *simcam_of(const struct camera *camera)
{
	return (struct simcam *)(uintptr_t)camera;
}

static int64_t now_ns(void)
{
	return clock_mono_ns(&clock_real);
}

static int count_held(const struct simcam *t)
{
	int n = 0;

	for (int i = 0; i < CAMERA_BUFFERS; i++)
		n += t->buffer[i].held;
	return n;
}

/* Whether a `stale` fault still holds back what is there. */
static bool is_stale(struct simcam *t, const struct fault_state *state, int64_t now)
{
	int room = CAMERA_BUFFERS - count_held(t);

	return sensor_waiting(&t->sensor, now) < (state->stale < room ? state->stale : room);
}

/* Sets the timer to the moment when take() has something else to say than -EAGAIN. */
static void arm_timer(struct simcam *t)
{
	int64_t now = now_ns(), when = SENSOR_NEVER;
	struct itimerspec spec = { 0 };

	if (t->sensor.streaming) {
		struct fault_state state = faults_now(t->faults, now);

		t->frozen |= state.frozen;
		if (state.error)
			when = 1;
		else if (!state.frozen)
			when = is_stale(t, &state, now) ? sensor_next_made_ns(&t->sensor)
							: sensor_next_ns(&t->sensor);
		when = state.next_ns < when ? state.next_ns : when;
	}
	if (when < SENSOR_NEVER) { /* else all zero: off */
		when = when < 1 ? 1 : when;
		spec.it_value.tv_sec = when / NS_PER_SEC;
		spec.it_value.tv_nsec = when % NS_PER_SEC;
	}
	timerfd_settime(t->camera.fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int simcam_list(void (*each)(void *data, const char *id, const char *model), void *data)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		each(data, models[i].id, "test");
	return (int)ARRAY_SIZE(models);
}

/* ---- opening ---- */

PRINTF(3, 4) static int fail_with(struct simcam *t, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->error, t->error_bytes, fmt, ap);
	va_end(ap);
	return r;
}

/* Its index. */
static int choose_model(struct simcam *t, const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (id && strcmp(id, models[i].id) != 0)
			continue;
		snprintf(t->camera.info.id, sizeof t->camera.info.id, "%s", models[i].id);
		snprintf(t->camera.info.model, sizeof t->camera.info.model, "test");
		return (int)i;
	}
	return fail_with(t, -ENODEV, "there is no test camera \"%s\": it is test or test-nv12", id);
}

static int read_control(
	struct simcam *t, const char *name, const char *value, struct sensor_options *ret)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || !isfinite(number) || number <= 0)
		return fail_with(t, -EINVAL, "control.%s = %s: not a number above 0", name, value);
	if (strcmp(name, "ExposureTime") == 0)
		ret->exposure_us = number;
	else if (strcmp(name, "AnalogueGain") == 0)
		ret->gain = number;
	else if (strcmp(name, "TestLatency") == 0 && number <= SENSOR_LATENCY_MAX)
		ret->latency_frames = (int)number;
	else
		return fail_with(t, -EINVAL,
			"control.%s = %s: the test camera has ExposureTime, AnalogueGain and "
			"TestLatency (1 to %d)",
			name, value, SENSOR_LATENCY_MAX);
	return 0;
}

static int make_sensor(
	struct simcam *t, const struct camera_options *options, enum pixel_format format)
{
	struct sensor_options sensor = {
		.seed = options->seed,
		.width = options->width > 0 ? options->width : 1920,
		.height = options->height > 0 ? options->height : 1080,
		.fps = options->fps,
		.drift_ppm = options->drift_ppm,
		.midnight_ns = now_ns() - clock_wall_us(&clock_real) * NS_PER_US,
	};
	int r = 0;

	for (size_t i = 0; i < options->n_controls && r == 0; i++)
		r = read_control(t, options->control_names[i], options->control_values[i], &sensor);
	if (r < 0)
		return r;
	r = sensor_init(&t->sensor, &sensor);
	if (r < 0)
		return fail_with(t, r,
			"the test camera does 16 to %d pixels a side and drifts %.0f ppm at most",
			PICTURE_SIDE_MAX, SENSOR_DRIFT_MAX_PPM);
	camera_set_shape(&t->camera, format, PIXEL_FULL_RANGE, sensor.width, sensor.height,
		((size_t)sensor.width + STRIDE_ALIGN - 1) / STRIDE_ALIGN * STRIDE_ALIGN);
	t->camera.info.frame_duration_min_ns = t->sensor.duration_min_ns;
	t->camera.info.frame_duration_max_ns = SENSOR_DURATION_MAX_NS;
	t->camera.info.can_steer = true;
	t->camera.info.latency_frames = t->sensor.options.latency_frames;
	return 0;
}

static int begin_faults(struct simcam *t, const struct camera_options *options)
{
	char why[256] = "";
	int r = faults_get(options->faults ? options->faults : "", options->seed, now_ns(),
		&t->faults, why, sizeof why);

	if (r < 0)
		return fail_with(t, r, "test.faults: %s", why);
	r = faults_at_call(t->faults, FAULT_OPEN, now_ns());
	if (r < 0)
		return fail_with(t, r, "the fault script says that the camera is %s",
			r == -EBUSY ? "busy" : "gone");
	return 0;
}

static int make_buffers(struct simcam *t, bool turned)
{
	const struct frame *shape = &t->camera.shape;
	const size_t *bytes = shape->plane_bytes;

	for (int i = 0; i < CAMERA_BUFFERS; i++) {
		struct canvas *canvas = &t->buffer[i].canvas;
		uint8_t *memory = calloc(1, bytes[0] + bytes[1] + bytes[2]);

		if (!memory)
			return fail_with(t, -ENOMEM, "not enough memory for %d pictures of %dx%d",
				CAMERA_BUFFERS, shape->width, shape->height);
		*canvas = (struct canvas){
			.format = shape->format,
			.width = shape->width,
			.height = shape->height,
			.turned = turned,
			.plane = { memory, memory + bytes[0], memory + bytes[0] + bytes[1] },
		};
		memcpy(canvas->stride, shape->stride, sizeof canvas->stride);
	}
	return 0;
}

static int simcam_open(
	const struct camera_options *options, struct camera **ret, char *error, size_t size)
{
	CLEANUP(simcam_freep) struct simcam *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return -ENOMEM;
	t->camera.ops = &simcam_ops;
	t->error = error;
	t->error_bytes = size;
	pthread_mutex_init(&t->lock, NULL);
	t->camera.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = t->camera.fd < 0 ? -errno : choose_model(t, options->id);
	if (r >= 0)
		r = make_sensor(t, options, models[r].format);
	if (r >= 0)
		r = begin_faults(t, options);
	if (r >= 0)
		r = make_buffers(t, options->rotation == 180);
	if (r < 0)
		return r;
	*ret = &TAKE_PTR(t)->camera;
	return 0;
}

static void simcam_close(struct camera *camera)
{
	struct simcam *t = simcam_of(camera);

	assert(count_held(t) == 0);
	faults_put(t->faults);
	for (int i = 0; i < CAMERA_BUFFERS; i++)
		free(t->buffer[i].canvas.plane[0]);
	fd_closep(&t->camera.fd);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- streaming ---- */

static int simcam_start(struct camera *camera)
{
	struct simcam *t = simcam_of(camera);
	int r;

	pthread_mutex_lock(&t->lock);
	r = t->sensor.streaming ? -EIO : faults_at_call(t->faults, FAULT_START, now_ns());
	if (r == 0) {
		sensor_start(&t->sensor, now_ns(), CAMERA_BUFFERS - count_held(t));
		arm_timer(t);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

static int simcam_stop(struct camera *camera)
{
	struct simcam *t = simcam_of(camera);
	int64_t block_ns = 0;
	struct timespec rest;

	pthread_mutex_lock(&t->lock);
	if (t->sensor.streaming)
		block_ns = faults_at_stop(t->faults, now_ns());
	sensor_stop(&t->sensor);
	arm_timer(t);
	pthread_mutex_unlock(&t->lock);
	/* slowstop and hangstop; not under the lock, since release() must go on working */
	rest = (struct timespec){ block_ns / NS_PER_SEC, block_ns % NS_PER_SEC };
	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
	return 0;
}

/* The next frame and a buffer for it, under the lock. */
static int next_frame(struct simcam *t, struct sensor_frame *ret, struct buffer **ret_buffer)
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
	if (state.frozen || is_stale(t, &state, now))
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

static int simcam_take(struct camera *camera, struct frame *ret)
{
	struct simcam *t = simcam_of(camera);
	struct sensor_frame frame;
	struct buffer *buffer = NULL;
	int r;

	pthread_mutex_lock(&t->lock);
	r = next_frame(t, &frame, &buffer);
	arm_timer(t);
	pthread_mutex_unlock(&t->lock);
	if (r < 0)
		return r;
	scene_paint(&buffer->canvas, t->camera.info.id,
		clock_wall_of_mono(&clock_real, frame.start_ns), &frame);
	*ret = t->camera.shape;
	ret->flags =
		(frame.startup ? FRAME_STARTUP : 0u) | (frame.converged ? FRAME_CONVERGED : 0u);
	ret->sequence = frame.sequence;
	ret->start_ns = frame.start_ns;
	ret->duration_ns = frame.duration_ns;
	ret->exposure_us = frame.exposure_us;
	ret->gain = frame.gain;
	ret->opaque = buffer;
	for (int i = 0; i < 3; i++)
		ret->plane[i] = ret->plane_bytes[i] ? buffer->canvas.plane[i] : NULL;
	return 0;
}

static void simcam_release(struct camera *camera, struct frame *frame)
{
	struct simcam *t = simcam_of(camera);
	struct buffer *buffer = frame->opaque;

	pthread_mutex_lock(&t->lock);
	assert(buffer->held);
	buffer->held = false;
	sensor_request(&t->sensor, now_ns());
	arm_timer(t);
	pthread_mutex_unlock(&t->lock);
}

static int simcam_set_frame_duration(struct camera *camera, int64_t ns, int frames)
{
	struct simcam *t = simcam_of(camera);

	pthread_mutex_lock(&t->lock);
	sensor_set_duration(&t->sensor, ns, frames);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

const struct camera_ops simcam_ops = {
	.name = "test",
	.list = simcam_list,
	.open = simcam_open,
	.start = simcam_start,
	.stop = simcam_stop,
	.take = simcam_take,
	.release = simcam_release,
	.set_frame_duration = simcam_set_frame_duration,
	.close = simcam_close,
};
