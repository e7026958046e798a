/* SPDX-License-Identifier: MIT */
/*
 * The libcamera shim on libcamera's `virtual` pipeline: the two cameras of virtual.yaml, one shows
 * the photographs of photos/ in turn, the other bars. Run by tests/virtual/run, where that file is
 * installed.
 */
#include "tests/test.h"

#include <dirent.h>
#include <poll.h>

#include "capture/camera/camera.h"
#include "capture/picture/jpeg.h"
#include "common/base/clock.h"
#include "tests/virtual/grid.h"
#include "tests/virtual/sensor.h"

#define PHOTOS 2

static const char *const photos[PHOTOS] = {
	SOURCE_ROOT "/tests/virtual/photos/1-coast.jpg",
	SOURCE_ROOT "/tests/virtual/photos/2-garden.jpg",
};

static struct camera *open_or_fail(const struct camera_options *options)
{
	struct camera *camera = NULL;
	char error[400] = "";
	int r = camera_libcamera_ops.open(options, &camera, error, sizeof error);

	if (r < 0)
		fprintf(stderr, "open: %d %s\n", r, error);
	CHECK_INT(r, 0);
	return camera;
}

/* Waits for a frame, 3 s at most, like an event loop would. */
static int take(struct camera *camera, struct frame *ret)
{
	struct pollfd p = { .fd = camera->fd, .events = POLLIN };
	int64_t end = clock_mono_ns(&clock_real) + 3 * NS_PER_SEC;

	for (;;) {
		int r = camera->ops->take(camera, ret);
		if (r != -EAGAIN)
			return r;
		if (clock_mono_ns(&clock_real) > end)
			return -ETIMEDOUT;
		poll(&p, 1, 100);
	}
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static long resident_kb(void)
{
	CLEANUP_FILE FILE *f = fopen("/proc/self/statm", "re");
	long size = 0, resident = 0;

	if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
		return -1;
	return resident * sysconf(_SC_PAGESIZE) / 1024;
}

struct listed {
	int n;
	char id[4][64], model[4][64];
};

static void remember(void *data, const char *id, const char *model)
{
	struct listed *l = data;

	if (l->n < 4) {
		snprintf(l->id[l->n], sizeof l->id[0], "%s", id);
		snprintf(l->model[l->n], sizeof l->model[0], "%s", model);
	}
	l->n++;
}

TEST(list_is_sorted_and_has_models)
{
	struct listed l = { 0 };

	CHECK_INT(camera_libcamera_ops.list(remember, &l), 2);
	CHECK_INT(l.n, 2);
	CHECK_STR(l.id[0], "Virtual bars");
	CHECK_STR(l.id[1], "Virtual photos");
	CHECK_STR(l.model[0], "bars");
	CHECK_STR(l.model[1], "photos");
}

struct described {
	int modes, controls;
	bool limits; /* FrameDurationLimits, with what it may be */
	double fps;
};

static void see_mode(void *data, const struct camera_mode *mode)
{
	struct described *d = data;

	d->modes++;
	CHECK(mode->width > 0 && mode->height > 0 && *mode->format);
	if (mode->fps > d->fps)
		d->fps = mode->fps;
}

static void see_control(void *data, const struct camera_control *control)
{
	struct described *d = data;

	d->controls++;
	CHECK(*control->name && *control->kind);
	d->limits |=
		strcmp(control->name, "FrameDurationLimits") == 0 && control->min && control->max;
}

/* And afterwards the camera is free again. */
TEST(describe_tells_modes_and_controls)
{
	struct described d = { 0 };
	struct camera_listener listener = { see_mode, see_control, &d };

	for (int i = 0; i < 2; i++)
		CHECK_INT(camera_libcamera_ops.describe("Virtual bars", &listener), 0);
	CHECK(d.modes >= 2 && d.controls >= 4);
	CHECK(d.limits);
	CHECK(d.fps > 1 && d.fps < 10000);
	CHECK_INT(camera_libcamera_ops.describe("nobody", &listener), -ENODEV);
}

TEST(open_refuses_with_a_reason)
{
	static const struct {
		struct camera_options options;
		const char *control, *value;
		int error;
		const char *text; /* part of the sentence */
	} cases[] = {
		{ { .id = "nobody" }, NULL, NULL, -ENODEV, "Virtual bars, Virtual photos" },
		{ { .width = 12345, .height = 678 }, NULL, NULL, -EINVAL, "nearest" },
		{ { .rotation = 90 }, NULL, NULL, -EINVAL, "90 degrees" },
		{ { 0 }, "ExposureTime", "10000", -EINVAL, "FaceDetectMode" },
		{ { 0 }, "FaceDetectMode", "7", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "-1", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "0.5", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "0,0", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "99999999999999999999", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "nan", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "", -EINVAL, "allowed is 0" },
		{ { 0 }, "FaceDetectMode", "banana", -EINVAL, "allowed is 0" },
		{ { 0 }, "FrameDurationLimits", "100,200", -EINVAL, "camera.fps" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct camera_options options = cases[i].options;
		struct camera *camera = NULL;
		char error[400] = "";

		options.n_controls = cases[i].control ? 1 : 0;
		options.control_names = &cases[i].control;
		options.control_values = &cases[i].value;
		CHECK_INT(camera_libcamera_ops.open(&options, &camera, error, sizeof error),
			cases[i].error);
		if (!CHECK(strstr(error, cases[i].text)))
			fprintf(stderr, "case %zu says \"%s\"\n", i, error);
		CHECK(!camera);
		camera_close(camera);
	}
}

TEST(a_short_error_buffer_is_respected)
{
	struct camera_options options = { .id = "nobody" };
	struct camera *camera = NULL;
	char error[8] = "1234567";

	CHECK_INT(camera_libcamera_ops.open(&options, &camera, error, 4), -ENODEV);
	CHECK_INT(strlen(error), 3);
	CHECK_STR(error + 4, "567");
}

TEST(controls_are_found_by_name_in_any_case)
{
	const char *names[] = { "facedetectmode" }, *values[] = { " 0 " };
	struct camera_options options = {
		.control_names = names, .control_values = values, .n_controls = 1
	};

	camera_close(open_or_fail(&options));
}

/* Takes frames until both photographs were seen, each as the JPEG that would be stored. */
static void check_photos(int width, int height)
{
	struct camera_options options = {
		.id = "photos", .width = width, .height = height, .fps = 50
	};
	CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *encoder = NULL;
	struct camera *camera = open_or_fail(&options);
	struct grid want[PHOTOS], got;
	bool seen[PHOTOS] = { false };
	int64_t before = clock_mono_ns(&clock_real);
	uint64_t sequence = 0;

	if (!camera)
		return;
	CHECK(grid_of_file(photos[0], &want[0]) && grid_of_file(photos[1], &want[1]));
	CHECK_INT(jpeg_encoder_new(90, &encoder), 0);
	CHECK_INT(camera->ops->start(camera), 0);
	for (int i = 0; i < 24 && !(seen[0] && seen[1]); i++) {
		struct frame frame;
		const uint8_t *jpeg = NULL;
		size_t bytes = 0;

		if (!CHECK(take(camera, &frame) == 0))
			break;
		CHECK_INT(frame.width, camera->shape.width);
		CHECK_INT(frame.format, PIXEL_NV12);
		CHECK(frame.start_ns >= before && frame.start_ns <= clock_mono_ns(&clock_real));
		CHECK(frame.sequence > sequence);
		CHECK(frame.exposure_us != frame.exposure_us);
		sequence = frame.sequence;
		CHECK_INT(jpeg_encode(encoder, &frame, NULL, 0, &jpeg, &bytes), 0);
		camera->ops->release(camera, &frame);
		if (!CHECK(jpeg && grid_read(jpeg, bytes, &got)))
			break;
		CHECK_INT(got.width, width ? width : 1280);
		CHECK_INT(got.height, height ? height : 720);
		for (int p = 0; p < PHOTOS; p++) {
			double near = grid_difference(&got, &want[p]);
			double far = grid_difference(&got, &want[!p]);
			if (near > far)
				continue;
			if (!seen[p])
				printf("%dx%d shows photo %d: difference %.1f, to the other %.1f\n",
					got.width, got.height, p + 1, near, far);
			CHECK(near < GRID_SAME && far > GRID_OTHER);
			seen[p] = true;
		}
	}
	CHECK(seen[0] && seen[1]);
	CHECK_INT(camera->ops->stop(camera), 0);
	camera_close(camera);
}

TEST(pictures_are_the_photographs)
{
	check_photos(0, 0);
	check_photos(640, 360);
}

TEST(an_unpaced_pipeline_is_paced)
{
	static const struct {
		double fps;
		int64_t period_ns;
	} cases[] = { { 0, NS_PER_SEC / 10 }, { 40, NS_PER_SEC / 40 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct camera_options options = { .id = "Virtual bars", .fps = cases[i].fps };
		struct camera *camera = open_or_fail(&options);
		struct frame frame;
		int64_t longest_ns = 0;
		int turns = 0;

		if (!camera)
			return;
		CHECK_INT(camera->ops->start(camera), 0);
		/* ten frames, as after a pause of a busy machine some come at once */
		for (int round = 0; round < 8 && longest_ns < 8 * cases[i].period_ns; round++) {
			int64_t first = 0;

			for (int n = 0; n < 12; n++) {
				if (!CHECK(take(camera, &frame) == 0))
					break;
				first = n == 1 ? frame.start_ns : first;
				camera->ops->release(camera, &frame);
			}
			if (frame.start_ns - first > longest_ns)
				longest_ns = frame.start_ns - first;
		}
		CHECK(longest_ns >= 8 * cases[i].period_ns);
		CHECK_INT(frame.duration_ns, cases[i].period_ns);
		CHECK(!camera->info.can_steer);
		CHECK_INT(camera->ops->set_frame_duration(camera, NS_PER_SEC, 1), -EOPNOTSUPP);
		/* and an event loop sleeps in between: two turns a frame, and no more */
		for (int64_t end = clock_mono_ns(&clock_real) + NS_PER_SEC;
			clock_mono_ns(&clock_real) < end; turns++) {
			struct pollfd p = { .fd = camera->fd, .events = POLLIN };
			poll(&p, 1, 1000);
			if (camera->ops->take(camera, &frame) == 0)
				camera->ops->release(camera, &frame);
		}
		printf("%d turns of the loop in a second\n", turns);
		CHECK(turns <= 3 * (int)(NS_PER_SEC / cases[i].period_ns));
		camera_close(camera);
	}
}

TEST(nothing_leaks_over_300_starts)
{
	struct camera_options options = { .id = "bars", .fps = 1000 };
	struct camera *camera = open_or_fail(&options);
	int fds = 0;
	long resident = 0;

	if (!camera)
		return;
	for (int i = 0; i < 300; i++) {
		struct frame frame;

		if (i == 100) {
			fds = count_fds();
			resident = resident_kb();
		}
		CHECK_INT(camera->ops->start(camera), 0);
		if (!CHECK(take(camera, &frame) == 0))
			break;
		camera->ops->release(camera, &frame);
		CHECK_INT(camera->ops->stop(camera), 0);
	}
	CHECK_INT(count_fds(), fds);
	printf("resident: %ld kB more after 200 starts\n", resident_kb() - resident);
	CHECK(resident_kb() - resident < 1024);
	camera_close(camera);
}

TEST(nothing_leaks_over_60_opens)
{
	struct camera_options options = { .id = "photos" };
	int fds = 0;
	long resident = 0;

	for (int i = 0; i < 60; i++) {
		struct camera *camera = open_or_fail(&options);
		struct frame frame;

		if (!camera)
			return;
		CHECK_INT(camera->ops->start(camera), 0);
		CHECK_INT(take(camera, &frame), 0);
		camera->ops->release(camera, &frame);
		camera_close(camera); /* while it streams */
		if (i == 20) {
			fds = count_fds();
			resident = resident_kb();
		}
	}
	CHECK_INT(count_fds(), fds);
	printf("resident: %ld kB more after 40 opens\n", resident_kb() - resident);
	CHECK(resident_kb() - resident < 4096);
}

TEST(held_frames_outlive_a_stop)
{
	struct camera_options options = { .id = "bars", .fps = 100 };
	struct camera *camera = open_or_fail(&options);
	struct frame held[PIPELINE_BUFFERS], late;
	uint8_t pixel;

	if (!camera)
		return;
	CHECK_INT(camera->ops->start(camera), 0);
	for (int i = 0; i < PIPELINE_BUFFERS; i++)
		CHECK_INT(take(camera, &held[i]), 0);
	CHECK_INT(camera->ops->take(camera, &late), -EAGAIN); /* all buffers are out */
	pixel = held[0].plane[0][1000];
	CHECK_INT(camera->ops->stop(camera), 0);
	CHECK_INT(camera->ops->stop(camera), 0);
	CHECK_INT(held[0].plane[0][1000], pixel);
	CHECK_INT(camera->ops->start(camera), 0);
	for (int i = 0; i < PIPELINE_BUFFERS; i++)
		camera->ops->release(camera, &held[i]);
	CHECK_INT(take(camera, &late), 0);
	for (int i = 0; i < 2 * PIPELINE_BUFFERS; i++) {
		struct frame frame;
		CHECK_INT(take(camera, &frame), 0);
		CHECK(frame.plane[0] != late.plane[0]);
		camera->ops->release(camera, &frame);
	}
	camera->ops->release(camera, &late);
	camera_close(camera);
}

TEST(two_cameras_at_once_but_none_twice)
{
	struct camera_options bars = { .id = "bars" }, photo = { .id = "photos" };
	struct camera *a = open_or_fail(&bars), *b = open_or_fail(&photo), *again = NULL;
	struct listed l = { 0 };
	struct frame frame;
	char error[160] = "";

	if (!a || !b)
		return;
	CHECK_INT(camera_libcamera_ops.open(&bars, &again, error, sizeof error), -EBUSY);
	CHECK(strstr(error, "in use"));
	CHECK_INT(camera_libcamera_ops.list(remember, &l), 2);
	CHECK_INT(a->ops->start(a), 0);
	CHECK_INT(b->ops->start(b), 0);
	CHECK_INT(take(a, &frame), 0);
	a->ops->release(a, &frame);
	CHECK_INT(take(b, &frame), 0);
	camera_close(a);
	b->ops->release(b, &frame);
	camera_close(b);
}
