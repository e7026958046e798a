/* SPDX-License-Identifier: MIT */
/*
 * The simulated camera: the physics of sensor.c in real time, the picture of scene.c, the faults of
 * faults.c. It has no thread: each call brings the sensor's state up to date, and a timerfd is set
 * to when take() has something to say next. A frame is painted when it is taken.
 *
 * Its controls are those of control_rows.
 * Its light is that of the options, or of the sun over their place.
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
#include "capture/simcam/sky.h"
#include "capture/simcam/trouble.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define STRIDE_ALIGN 64 /* as the Pi's */
#define DEFAULT_WIDTH 1920
#define AHEAD_NS (3600 * NS_PER_SEC) /* of the fault of that name */
#define DEFAULT_HEIGHT 1080
#define LENS_MAX 10 /* dioptres */
#define LENS_SHARP 2 /* where its scene is: half a metre away */
#define LENS_SOFT 2.0 /* as far from there nothing is sharp any more */

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
	double light, latitude, longitude; /* as in the options */
	enum camera_trouble trouble;
	double dioptres; /* where the lens is; NaN: it focuses by itself, and does not tell */
	int64_t born_ns; /* when it began */
	uint8_t *repeated; /* the picture that a frozen sensor gives, NULL: none yet */

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

/* ---- controls and modes ---- */

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

static const struct camera_control control_rows[] = {
	{ .name = "AnalogueGain", .kind = "a number above 0" },
	{ .name = "ExposureTime", .kind = "a number of microseconds above 0" },
	{ .name = "TestLatency",
		.kind = "a whole number",
		.min = "1",
		.max = TEXT_OF(SENSOR_LATENCY_MAX),
		.def = TEXT_OF(SENSOR_LATENCY) },
};

/* The same for all test cameras: any size, at the rate that its pixels allow. */
static int simcam_describe(const char *id, const struct camera_listener *listener)
{
	static const struct {
		int width, height;
	} sizes[] = { { 640, 480 }, { DEFAULT_WIDTH, DEFAULT_HEIGHT }, { 4056, 3040 } };

	(void)id;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct sensor_options options = { .width = sizes[i].width,
			.height = sizes[i].height };
		struct sensor sensor;

		if (sensor_init(&sensor, &options) < 0)
			continue;
		listener->mode(listener->data,
			&(struct camera_mode){ sizes[i].width, sizes[i].height, "drawn",
				(double)NS_PER_SEC / (double)sensor.duration_min_ns, 1 });
	}
	for (size_t i = 0; i < ARRAY_SIZE(control_rows); i++)
		listener->control(listener->data, &control_rows[i]);
	return 0;
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

/* By the clock as it is: one that is set moves the sun. */
static double light_now(void *data, int64_t ns)
{
	const struct simcam *t = data;

	return t->light > 0
		? t->light
		: sky_light_at(clock_wall_of_mono(&clock_real, ns), t->latitude, t->longitude);
}

static int make_sensor(
	struct simcam *t, const struct camera_options *options, enum pixel_format format)
{
	struct sensor_options sensor = {
		.seed = options->seed,
		.width = options->width > 0 ? options->width : DEFAULT_WIDTH,
		.height = options->height > 0 ? options->height : DEFAULT_HEIGHT,
		.fps = options->fps,
		.drift_ppm = options->drift_ppm,
		.compensation = options->compensation,
		.light = light_now,
		.light_data = t,
	};
	int r = 0;

	if (options->focus == FOCUS_FIXED && options->dioptres > LENS_MAX)
		return fail_with(t, -ERANGE,
			"camera.focus = %g: this camera's lens goes to %d dioptres",
			options->dioptres, LENS_MAX);
	t->dioptres = options->focus == FOCUS_FIXED ? options->dioptres : (double)NAN;
	t->light = options->light;
	t->trouble = options->trouble;
	t->born_ns = now_ns();
	t->latitude = options->latitude;
	t->longitude = options->longitude;
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
	t->camera.info.frame_duration_ns = t->sensor.duration_open_ns;
	t->camera.info.can_steer = true;
	t->camera.info.latency_frames = t->sensor.options.latency_frames;
	if (sensor.exposure_us <= 0 && sensor.gain <= 0) {
		t->camera.info.exposure_min_ns = t->sensor.line_ns;
		t->camera.info.exposure_max_ns = SENSOR_DURATION_MAX_NS;
		t->camera.info.gain_max = SENSOR_GAIN_MAX;
	}
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
	free(t->repeated);
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
	if (state.ahead)
		ret->start_ns += AHEAD_NS;
	faults_count_frame(t->faults);
	*ret_buffer = &t->buffer[i];
	return 0;
}

/* Paints the scene and what happens to it: the picture before again, where there is no memory. */
static void simcam_paint(struct simcam *t, struct canvas *canvas, const struct sensor_frame *frame)
{
	const size_t *bytes = t->camera.shape.plane_bytes;
	const size_t all = bytes[0] + bytes[1] + bytes[2];
	const bool grows = t->trouble == VIEW_ICED || t->trouble == VIEW_DEFOCUSED;
	const double hours = (double)(frame->start_ns - t->born_ns) / (3600.0 * NS_PER_SEC);

	if (t->repeated) {
		memcpy(canvas->plane[0], t->repeated, all);
		return;
	}
	scene_paint(
		canvas, t->camera.info.id, clock_wall_of_mono(&clock_real, frame->start_ns), frame);
	if (t->dioptres >= 0)
		trouble_do(canvas, VIEW_DEFOCUSED, fabs(t->dioptres - LENS_SHARP) / LENS_SOFT,
			frame->sequence);
	trouble_do(canvas, t->trouble, grows ? hours : 1, frame->sequence);
	if (t->trouble == VIEW_FROZEN)
		t->repeated = malloc(all);
	if (t->repeated)
		memcpy(t->repeated, canvas->plane[0], all);
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
	simcam_paint(t, &buffer->canvas, &frame);
	*ret = t->camera.shape;
	ret->flags =
		(frame.startup ? FRAME_STARTUP : 0u) | (frame.converged ? FRAME_CONVERGED : 0u);
	ret->sequence = frame.sequence;
	ret->start_ns = frame.start_ns;
	ret->duration_ns = frame.duration_ns;
	ret->exposure_us = frame.exposure_us;
	ret->gain = frame.gain;
	ret->lens_position = t->dioptres;
	ret->red = frame.red;
	ret->blue = frame.blue;
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

static int simcam_set_exposure(struct camera *camera, const struct camera_exposure *exposure)
{
	struct simcam *t = simcam_of(camera);

	if (t->camera.info.exposure_max_ns == 0)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&t->lock);
	sensor_set_exposure(&t->sensor, exposure);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

const struct camera_ops simcam_ops = {
	.name = "test",
	.list = simcam_list,
	.describe = simcam_describe,
	.open = simcam_open,
	.start = simcam_start,
	.stop = simcam_stop,
	.take = simcam_take,
	.release = simcam_release,
	.set_frame_duration = simcam_set_frame_duration,
	.set_exposure = simcam_set_exposure,
	.close = simcam_close,
};
