/* SPDX-License-Identifier: MIT */
/*
 * The simulated camera through the contract of camera.h, as a program uses it. It runs in real
 * time, so the tests wait for frames (up to 10 s before they call it a failure) but measure
 * nothing; the physics are tested in test_sensor.c. Each test has its own seed, since faults belong
 * to (script, seed).
 */
#include "tests/test.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>

#include "capture/camera/camera.h"
#include "capture/picture/jpeg.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define FAST_FPS 250

static const struct camera_ops *const ops = &simcam_ops;

static struct camera_options fast(uint64_t seed)
{
	return (struct camera_options){
		.width = 64, .height = 48, .fps = FAST_FPS, .seed = seed, .light = 1
	};
}

static struct camera *open_camera(const struct camera_options *options)
{
	struct camera *camera = NULL;
	char error[256] = "";
	int r = ops->open(options, &camera, error, sizeof(error));

	if (r < 0) {
		fprintf(stderr, "open: %d %s\n", r, error);
		CHECK_INT(r, 0);
		exit(1);
	}
	return camera;
}

static bool readable(const struct camera *camera, int timeout_ms)
{
	struct pollfd p = { .fd = camera->fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 && p.revents == POLLIN;
}

/* Waits until take() has something to say, and what that is. */
static int take(struct camera *camera, struct frame *ret)
{
	int r = -EAGAIN;

	for (int i = 0; i < 1000 && r == -EAGAIN; i++) {
		if (!CHECK(readable(camera, 10000)))
			return -EAGAIN;
		r = ops->take(camera, ret);
	}
	return r;
}

struct listed {
	int n;
	char ids[128];
};

static void on_listed(void *data, const char *id, const char *model)
{
	struct listed *l = data;

	l->n++;
	CHECK(model[0] != 0);
	snprintf(l->ids + strlen(l->ids), sizeof(l->ids) - strlen(l->ids), "%s ", id);
}

TEST(list)
{
	struct listed l = { 0 };

	CHECK_INT(ops->list(on_listed, &l), 2);
	CHECK_STR(l.ids, "test test-nv12 ");
}

TEST(bad_options)
{
	static const char *const names[] = { "ExposureTime" }, *const other[] = { "Brightness" };
	static const char *const latency[] = { "TestLatency" };
	static const char *const word[] = { "long" }, *const zero[] = { "0" },
				 *const nine[] = { "9" };
	static const struct {
		struct camera_options options;
		int want;
		const char *complaint;
	} cases[] = {
		{ { .id = "imx477" }, -ENODEV, "imx477" },
		{ { .width = 8, .height = 8 }, -EINVAL, "pixels" },
		{ { .width = 20000, .height = 8 }, -EINVAL, "pixels" },
		{ { .drift_ppm = 1e9 }, -EINVAL, "ppm" },
		{ { .faults = "breaks@3" }, -EINVAL, "breaks@3" },
		{ { .faults = "busy@open" }, -EBUSY, "busy" },
		{ { .faults = "gone@0+1000min" }, -ENODEV, "gone" },
		{ { .control_names = names, .control_values = word, .n_controls = 1 }, -EINVAL,
			"control.ExposureTime = long" },
		{ { .control_names = names, .control_values = zero, .n_controls = 1 }, -EINVAL,
			"above 0" },
		{ { .control_names = other, .control_values = nine, .n_controls = 1 }, -EINVAL,
			"AnalogueGain" },
		{ { .control_names = latency, .control_values = nine, .n_controls = 1 }, -EINVAL,
			"1 to 8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct camera_options options = cases[i].options;
		struct camera *camera = NULL;
		char error[256] = "";

		options.seed = 2;
		CHECK_INT(ops->open(&options, &camera, error, sizeof(error)), cases[i].want);
		CHECK(camera == NULL);
		if (!CHECK(strstr(error, cases[i].complaint) != NULL))
			fprintf(stderr, "  case %zu: %s\n", i, error);
	}
}

TEST(info)
{
	static const char *const names[] = { "TestLatency" }, *const values[] = { "3" };
	struct camera_options options = { .seed = 3, .light = 1 };
	struct camera *camera = open_camera(&options);

	CHECK_STR(camera->info.id, "test");
	CHECK_INT(camera->shape.width, 1920);
	CHECK_INT(camera->shape.height, 1080);
	CHECK_INT(camera->shape.format, PIXEL_YUV420);
	CHECK_INT(camera->info.latency_frames, 2);
	CHECK(camera->info.can_steer && camera->info.frame_duration_min_ns > 10000000);
	camera_close(camera);
	options = (struct camera_options){ .id = "test-nv12",
		.light = 1,
		.width = 99,
		.height = 77,
		.seed = 3,
		.control_names = names,
		.control_values = values,
		.n_controls = 1 };
	camera = open_camera(&options);
	CHECK_STR(camera->info.id, "test-nv12");
	CHECK_INT(camera->shape.format, PIXEL_NV12);
	CHECK_INT(camera->shape.width, 99);
	CHECK_INT(camera->info.latency_frames, 3);
	camera_close(camera);
	camera_close(NULL);
}

/* Frames come in order of exposure, in the past, marked as start-up first. */
TEST(frames)
{
	struct camera_options options = fast(4);
	int64_t opened = clock_mono_ns(&clock_real);
	struct camera *camera = open_camera(&options);
	struct frame f, last = { 0 };
	int fd = camera->fd;
	bool converged = false;

	CHECK(!readable(camera, 0));
	CHECK_INT(ops->take(camera, &f), -EAGAIN);
	CHECK_INT(ops->start(camera), 0);
	CHECK_INT(ops->start(camera), -EIO);
	for (int i = 0; i < 20 || (!converged && i < 60); i++, last = f) {
		CHECK_INT(take(camera, &f), 0);
		CHECK(f.start_ns > opened && f.start_ns < clock_mono_ns(&clock_real));
		CHECK(i == 0 || (f.start_ns > last.start_ns && f.sequence > last.sequence));
		CHECK(f.duration_ns > 3900000 && f.duration_ns < 4100000);
		CHECK(f.exposure_us > 0 && f.gain >= 1);
		/* by number, since a machine that stalls may lose frames */
		if (f.sequence != 7)
			CHECK_INT(!!(f.flags & FRAME_STARTUP), f.sequence < 7);
		converged |= !!(f.flags & FRAME_CONVERGED);
		CHECK_INT(f.width * 1000 + f.height, 64048);
		CHECK(f.stride[0] >= 64 && f.plane_bytes[0] >= f.stride[0] * 48);
		ops->release(camera, &f);
	}
	CHECK(converged);
	CHECK_INT(ops->stop(camera), 0);
	CHECK_INT(ops->stop(camera), 0);
	CHECK(!readable(camera, 0));
	CHECK_INT(ops->take(camera, &f), -EAGAIN);
	CHECK_INT(ops->start(camera), 0);
	CHECK_INT(take(camera, &f), 0);
	CHECK(!(f.flags & FRAME_STARTUP));
	CHECK_INT(camera->fd, fd);
	ops->release(camera, &f);
	camera_close(camera);
}

static void *release_all(void *data)
{
	void **arg = data;
	struct frame *held = arg[1];

	for (int i = 0; i < CAMERA_BUFFERS; i++)
		ops->release(arg[0], &held[i]);
	return NULL;
}

/*
 * With all buffers held there is silence; another thread gives them back, and the next frames are
 * old.
 */
TEST(holding_all_buffers)
{
	struct camera_options options = fast(5);
	struct camera *camera = open_camera(&options);
	struct frame held[CAMERA_BUFFERS], f;
	void *arg[2] = { camera, held };
	pthread_t thread;

	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < CAMERA_BUFFERS; i++) {
		CHECK_INT(take(camera, &held[i]), 0);
		for (int k = 0; k < i; k++)
			CHECK(held[k].plane[0] != held[i].plane[0]);
	}
	/* eight frame durations, so that some frames are lost */
	CHECK(!readable(camera, 32));
	CHECK_INT(ops->take(camera, &f), -EAGAIN);
	CHECK_INT(pthread_create(&thread, NULL, release_all, arg), 0);
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(take(camera, &f), 0);
		CHECK_INT(f.sequence, held[CAMERA_BUFFERS - 1].sequence + 1 + (uint64_t)i);
		ops->release(camera, &f);
	}
	CHECK_INT(take(camera, &f), 0);
	CHECK(f.sequence > held[CAMERA_BUFFERS - 1].sequence + 4);
	/* a held frame outlives the stream, and comes back in the next */
	CHECK_INT(ops->stop(camera), 0);
	CHECK(f.plane[0][0] > 0);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < CAMERA_BUFFERS - 1; i++)
		CHECK_INT(take(camera, &held[i]), 0);
	CHECK(!readable(camera, 20));
	ops->release(camera, &f);
	CHECK_INT(take(camera, &held[CAMERA_BUFFERS - 1]), 0);
	CHECK_INT(ops->stop(camera), 0);
	release_all(arg);
	camera_close(camera);
}

/* A fault makes the descriptor readable or silent, as take() has something to say or not. */
TEST(faults)
{
	struct camera_options options = fast(6);
	struct camera *camera;
	struct frame f;
	char error[256];

	options.faults = "busy@open, busy@start*2, cancel@3, freeze@5, gone@7, stale@9*3";
	CHECK_INT(ops->open(&options, &camera, error, sizeof(error)), -EBUSY);
	camera = open_camera(&options);
	CHECK_INT(ops->start(camera), -EBUSY);
	CHECK_INT(ops->start(camera), -EBUSY);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(take(camera, &f), 0);
		ops->release(camera, &f);
	}
	CHECK_INT(take(camera, &f), -ECANCELED);
	CHECK_INT(take(camera, &f), -ECANCELED);
	CHECK_INT(ops->stop(camera), 0);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(take(camera, &f), 0);
		ops->release(camera, &f);
	}
	CHECK(!readable(camera, 20));
	CHECK_INT(ops->take(camera, &f), -EAGAIN);
	CHECK(!readable(camera, 0));
	CHECK_INT(ops->stop(camera), 0);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(take(camera, &f), 0);
		ops->release(camera, &f);
	}
	CHECK_INT(take(camera, &f), -ENODEV);
	CHECK_INT(ops->stop(camera), 0);
	CHECK_INT(ops->start(camera), -ENODEV);
	camera_close(camera);
	camera = open_camera(&options);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(take(camera, &f), 0);
		ops->release(camera, &f);
	}
	/* three come at once: the newest of them has just been made */
	for (int i = 0; i < 3; i++) {
		CHECK_INT(i ? ops->take(camera, &f) : take(camera, &f), 0);
		CHECK(i == 2 || clock_mono_ns(&clock_real) - f.start_ns > 4000000);
		ops->release(camera, &f);
	}
	CHECK_INT(take(camera, &f), 0);
	ops->release(camera, &f);
	camera_close(camera);
}

/* An error wakes the owner at once, also when no frame can come because all buffers are held. */
TEST(errors_are_seen_without_a_frame)
{
	struct camera_options options = fast(10);
	struct frame held[CAMERA_BUFFERS], f;
	struct camera *camera;
	char script[32];

	snprintf(script, sizeof(script), "cancel@%d", CAMERA_BUFFERS);
	options.faults = script;
	camera = open_camera(&options);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < CAMERA_BUFFERS; i++)
		CHECK_INT(take(camera, &held[i]), 0);
	CHECK(readable(camera, 0));
	CHECK_INT(ops->take(camera, &f), -ECANCELED);
	for (int i = 0; i < CAMERA_BUFFERS; i++)
		ops->release(camera, &held[i]);
	camera_close(camera);
}

/*
 * What was made during a freeze is lost; frames kept back by `stale` cost no wake-ups but their
 * own.
 */
TEST(freeze_loses_frames_and_stale_does_not_spin)
{
	struct camera_options options = fast(11);
	uint64_t last = 0;
	struct camera *camera;
	struct frame f;
	int wakes = 0;

	options.faults = "freeze@3+40ms, stale@6*3";
	camera = open_camera(&options);
	CHECK_INT(ops->start(camera), 0);
	for (int i = 0; i < 6; i++) {
		CHECK_INT(take(camera, &f), 0);
		CHECK(i != 3 || f.sequence > last + 2);
		last = f.sequence;
		ops->release(camera, &f);
	}
	while (wakes < 1000 && readable(camera, 10000) && ops->take(camera, &f) == -EAGAIN)
		wakes++;
	CHECK(wakes < 10);
	ops->release(camera, &f);
	camera_close(camera);
}

static uint64_t sum_of(const struct frame *f, int plane)
{
	uint64_t sum = 0;
	int w = plane ? (f->width + 1) / 2 : f->width, h = plane ? (f->height + 1) / 2 : f->height;

	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			sum = sum * 31 + f->plane[plane][(size_t)y * f->stride[plane] + (size_t)x];
	return sum;
}

/* Whether there is white on dark, as only the text is, in 60 rows from `top`. */
static bool shows_text(const struct frame *f, int top)
{
	int white = 0, dark = 0;

	for (int y = top; y < top + 60; y++)
		for (int x = 0; x < f->width; x++) {
			int value = f->plane[0][(size_t)y * f->stride[0] + (size_t)x];

			white += value == 255;
			dark += value < 26;
		}
	return white > 100 && dark > 100;
}

/* The picture moves, has colour and contrast, fits its planes and makes a JPEG, in both formats. */
TEST(picture)
{
	static const char *const ids[] = { "test", "test-nv12" };
	struct jpeg_encoder *encoder = NULL;

	CHECK_INT(jpeg_encoder_new(90, &encoder), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids) * 2; i++) {
		struct camera_options options = { .id = ids[i % 2],
			.light = 1,
			.width = i & 2 ? 321 : 320,
			.height = i & 2 ? 241 : 240,
			.rotation = i & 2 ? 180 : 0,
			.fps = 60,
			.seed = 7 };
		struct camera *camera = open_camera(&options);
		uint64_t sums[3] = { 0 };
		const uint8_t *jpeg;
		size_t bytes = 0;
		struct frame f;

		CHECK_INT(ops->start(camera), 0);
		for (int k = 0; k < 3; k++) {
			CHECK_INT(take(camera, &f), 0);
			sums[k] = sum_of(&f, 0);
			if (k < 2)
				ops->release(camera, &f);
		}
		CHECK(sums[0] != sums[1] && sums[1] != sums[2]);
		CHECK(sum_of(&f, 1) != 0);
		/* the text is at the bottom, or at the top if turned */
		CHECK_INT(shows_text(&f, 0), options.rotation == 180);
		CHECK_INT(shows_text(&f, 180), options.rotation == 0);
		CHECK_INT(jpeg_encode(encoder, &f, NULL, 0, &jpeg, &bytes), 0);
		CHECK(bytes > 4000 && bytes < 60000);
		ops->release(camera, &f);
		camera_close(camera);
	}
	jpeg_encoder_free(encoder);
}

/* How far luma is from its mean, in the half without the text. */
static double contrast_of(const struct frame *f)
{
	const int n = f->width * (f->height / 2);
	double sum = 0, squares = 0;

	for (int i = 0; i < n; i++) {
		const double value =
			f->plane[0][(size_t)(i / f->width) * f->stride[0] + (size_t)(i % f->width)];

		sum += value;
		squares += value * value;
	}
	return sqrt(squares / n - sum / n * sum / n);
}

/* What happens to the view is in its pictures, and a frozen sensor's are the same to the byte. */
TEST(troubles)
{
	double clear = 0;

	for (int trouble = VIEW_NONE; trouble < VIEW_TROUBLES; trouble++) {
		struct camera_options options = { .light = 1,
			.width = 320,
			.height = 240,
			.fps = 60,
			.seed = 11,
			.trouble = (enum camera_trouble)trouble };
		struct camera *camera = open_camera(&options);
		const bool grows = trouble == VIEW_ICED || trouble == VIEW_DEFOCUSED;
		uint64_t sums[2] = { 0 };
		double contrast = 0;
		struct frame f;

		CHECK_INT(ops->start(camera), 0);
		for (int k = 0; k < 2; k++) {
			CHECK_INT(take(camera, &f), 0);
			sums[k] = sum_of(&f, 0);
			contrast = contrast_of(&f);
			ops->release(camera, &f);
		}
		CHECK((sums[0] == sums[1]) == (trouble == VIEW_FROZEN));
		if (trouble == VIEW_NONE)
			clear = contrast;
		/* what is whole at once; what grows for an hour has hardly begun */
		if (trouble == VIEW_COVERED || trouble == VIEW_FOG)
			CHECK(contrast < clear / 2);
		if (grows || trouble == VIEW_FROZEN)
			CHECK(fabs(contrast - clear) < clear / 4);
		camera_close(camera);
	}
}

TEST(steering_and_controls)
{
	static const char *const names[] = { "ExposureTime", "AnalogueGain" };
	static const char *const values[] = { "1500", "2.5" };
	struct camera_options options = fast(8);
	struct camera *camera;
	struct frame f;

	options.control_names = names;
	options.control_values = values;
	options.n_controls = 2;
	camera = open_camera(&options);
	CHECK_INT(ops->start(camera), 0);
	CHECK_INT(ops->set_frame_duration(camera, 6000000, 1000), 0);
	bool steered = false; /* a frame that a busy machine dropped makes the next one longer */
	for (int i = 0; i < 200 && !(steered && i >= 8); i++) {
		if (!CHECK(take(camera, &f) == 0))
			break;
		CHECK(fabs(f.exposure_us - 1500) < 30 && f.gain == 2.5);
		steered = llabs(f.duration_ns - 6000000) < 30000;
		ops->release(camera, &f);
	}
	CHECK(steered);
	camera_close(camera);
}

/* By source, as the settings name it. */
TEST(camera_open_by_source)
{
	static const struct {
		const char *source, *id; /* NULL: no test camera */
	} cases[] = { { "test", "test" }, { "test-nv12", "test-nv12" }, { "test-none", NULL } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct camera_options options = fast(9);
		struct camera *camera = NULL;
		char error[256] = "";
		int r = camera_open(cases[i].source, &options, &camera, error, sizeof(error));

		CHECK_INT(r, cases[i].id ? 0 : -ENODEV);
		if (r == 0)
			CHECK_STR(camera->info.id, cases[i].id);
		camera_close(camera);
	}
}
