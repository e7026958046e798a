/* SPDX-License-Identifier: MIT */
/*
 * What the libcamera shim does with a camera that paces itself, as real ones do: facts, steering,
 * frames that are not to be had, streams that break. The sensor is played by hand (sensor.h) on a
 * camera of virtual.yaml, so no test waits for anything. Run by tests/virtual/run.
 */
#include "tests/test.h"

#include <math.h>
#include <poll.h>

#include "capture/camera/camera.h"
#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/virtual/sensor.h"

#define FRAME_NS INT64_C(33333000)

static int64_t now;
static unsigned sequence;

static struct camera *start_with(const struct camera_options *options)
{
	struct camera *camera = NULL;
	char error[200] = "";

	now = clock_mono_ns(&clock_real) - 100 * FRAME_NS;
	sequence = 0;
	if (!CHECK(camera_libcamera_ops.open(options, &camera, error, sizeof error) == 0))
		fprintf(stderr, "%s\n", error);
	else if (CHECK(camera->ops->start(camera) == 0))
		CHECK_INT(played_waiting(), PIPELINE_BUFFERS);
	return camera;
}

static struct camera *start(double fps)
{
	return start_with(&(struct camera_options){ .id = "bars", .fps = fps });
}

/* The next frame, a frame duration after the last one. */
static void finish(enum sensor_result result)
{
	struct sensor_facts facts = { .result = result };

	now += FRAME_NS;
	facts.timestamp_ns = now;
	facts.sequence = sequence++;
	played_finish(&facts);
}

static bool readable(struct camera *camera)
{
	struct pollfd p = { .fd = camera->fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static int take(struct camera *camera, struct frame *ret)
{
	return camera->ops->take(camera, ret);
}

TEST(facts_are_translated)
{
	struct sensor_facts facts = { .sequence = 7,
		.exposure_us = 10000,
		.colour_temperature = 5200,
		.duration_us = 33333,
		.analogue_gain = 2,
		.digital_gain = 1.5f,
		.lens_position = 3,
		.red = 2.5f,
		.blue = 1.5f,
		.focus = 3,
		.converged = 1 };
	struct camera *camera = start(30);
	struct frame frame;

	if (!camera)
		return;
	CHECK(!readable(camera));
	CHECK_INT(take(camera, &frame), -EAGAIN);
	facts.timestamp_ns = now;
	played_finish(&facts);
	CHECK(readable(camera));
	CHECK_INT(take(camera, &frame), 0);
	CHECK(!readable(camera));
	CHECK_INT(frame.start_ns, now - 10000 * 1000);
	CHECK_INT(frame.duration_ns, 33333000);
	CHECK_INT(frame.sequence, 7);
	CHECK_INT(frame.flags, FRAME_CONVERGED);
	CHECK_INT(frame.exposure_us, 10000);
	CHECK(fabs(frame.gain - 3) < 1e-6);
	CHECK_INT(frame.colour_temperature, 5200);
	CHECK_INT(frame.lens_position, 3);
	CHECK(frame.red == 2.5 && frame.blue == 1.5);
	CHECK_STR(frame.focus, "focused");
	camera->ops->release(camera, &frame);

	/* and what is not reported is not made up */
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), 0);
	CHECK_INT(frame.start_ns, now);
	CHECK_INT(frame.duration_ns, 0);
	CHECK_INT(frame.flags, 0);
	CHECK(isnan(frame.exposure_us) && isnan(frame.gain) && isnan(frame.colour_temperature) &&
		isnan(frame.lens_position) && isnan(frame.red) && isnan(frame.blue));
	CHECK(!frame.focus);
	camera->ops->release(camera, &frame);
	camera_close(camera);
}

/* A state that no libcamera has yet, or that is none, is no word. */
TEST(focus_has_words)
{
	static const char *const words[] = { "idle", "scanning", "focused", "failed", NULL };
	struct camera *camera = start(0);

	for (int i = 0; camera && i < (int)ARRAY_SIZE(words); i++) {
		struct sensor_facts facts = { .focus = i + 1 };
		struct frame frame;

		now += FRAME_NS;
		facts.timestamp_ns = now;
		played_finish(&facts);
		CHECK_INT(take(camera, &frame), 0);
		CHECK(words[i] ? frame.focus && strcmp(frame.focus, words[i]) == 0 : !frame.focus);
		camera->ops->release(camera, &frame);
	}
	camera_close(camera);
}

TEST(flags_say_whether_exposure_is_settled)
{
	static const struct {
		enum sensor_result result;
		int converged;
		unsigned flags;
	} cases[] = { { SENSOR_STARTUP, 0, FRAME_STARTUP }, { SENSOR_STARTUP, 1, FRAME_STARTUP },
		{ SENSOR_GOOD, -1, 0 }, { SENSOR_GOOD, 1, FRAME_CONVERGED },
		{ SENSOR_GOOD, 0, 0 } };
	struct camera *camera = start(0);

	for (size_t i = 0; camera && i < ARRAY_SIZE(cases); i++) {
		struct sensor_facts facts = { .result = cases[i].result,
			.converged = cases[i].converged };
		struct frame frame;

		now += FRAME_NS;
		facts.timestamp_ns = now;
		played_finish(&facts);
		CHECK_INT(take(camera, &frame), 0);
		CHECK_INT(frame.flags, cases[i].flags);
		camera->ops->release(camera, &frame);
	}
	camera_close(camera);
}

TEST(frames_come_in_order_and_go_back)
{
	struct camera *camera = start(30);
	struct frame frame[PIPELINE_BUFFERS];

	if (!camera)
		return;
	for (int i = 0; i < PIPELINE_BUFFERS; i++)
		finish(SENSOR_GOOD);
	CHECK_INT(played_waiting(), 0);
	for (int i = 0; i < PIPELINE_BUFFERS; i++) {
		CHECK(readable(camera));
		CHECK_INT(take(camera, &frame[i]), 0);
		CHECK(i == 0 || frame[i].start_ns == frame[i - 1].start_ns + FRAME_NS);
	}
	CHECK(!readable(camera));
	for (int i = 0; i < PIPELINE_BUFFERS; i++) {
		camera->ops->release(camera, &frame[i]);
		CHECK_INT(played_waiting(), i + 1); /* at once, no timer */
	}
	CHECK(camera->info.can_steer);
	camera_close(camera);
}

TEST(bad_frames_are_queued_again_unseen)
{
	struct camera *camera = start(30);
	struct frame frame;

	if (!camera)
		return;
	finish(SENSOR_ERROR);
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), 0);
	CHECK_INT(frame.start_ns, now);
	CHECK_INT(played_waiting(), PIPELINE_BUFFERS - 1);
	finish(SENSOR_ERROR);
	CHECK_INT(take(camera, &frame), -EAGAIN);
	CHECK_INT(played_waiting(), PIPELINE_BUFFERS - 1);
	camera_close(camera);
}

TEST(a_cancelled_request_breaks_the_stream_until_restart)
{
	struct camera *camera = start(30);
	struct frame frame, held;

	if (!camera)
		return;
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &held), 0);
	finish(SENSOR_CANCELLED);
	CHECK(readable(camera));
	CHECK_INT(take(camera, &frame), -ECANCELED);
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), -ECANCELED);
	camera->ops->release(camera, &held); /* not queued: it would be cancelled at once */
	CHECK_INT(played_waiting(), PIPELINE_BUFFERS - 3);
	CHECK_INT(camera->ops->stop(camera), 0);
	CHECK_INT(take(camera, &frame), -EAGAIN);
	CHECK(!readable(camera));
	CHECK_INT(camera->ops->start(camera), 0);
	CHECK_INT(played_waiting(), PIPELINE_BUFFERS);
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), 0);
	camera_close(camera);
}

TEST(a_refused_request_breaks_the_stream)
{
	struct camera *camera = start(30);
	struct frame frame;

	if (!camera)
		return;
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), 0);
	played_refuse(-EACCES);
	camera->ops->release(camera, &frame);
	CHECK(readable(camera));
	CHECK_INT(take(camera, &frame), -ECANCELED);
	CHECK_INT(camera->ops->stop(camera), 0);
	played_refuse(-EIO);
	CHECK_INT(camera->ops->start(camera), -EIO);
	CHECK_INT(played_waiting(), 0);
	CHECK_INT(camera->ops->start(camera), 0);
	CHECK_INT(played_waiting(), PIPELINE_BUFFERS);
	camera_close(camera);
}

TEST(an_unplugged_camera_is_gone)
{
	struct camera *camera = start(30);
	struct frame frame;

	if (!camera)
		return;
	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), 0);
	played_unplug();
	CHECK(readable(camera));
	camera->ops->release(camera, &frame);
	CHECK_INT(take(camera, &frame), -ENODEV);
	CHECK_INT(camera->ops->stop(camera), 0);
	CHECK_INT(take(camera, &frame), -ENODEV);
	camera_close(camera);
}

static void check_limits(int64_t min_us, int64_t max_us)
{
	int64_t min = 0, max = 0;

	if (CHECK(played_limits(&min, &max))) {
		CHECK_INT(min, min_us);
		CHECK_INT(max, max_us);
	}
}

/* One frame through the camera: a request comes back. */
static void turn(struct camera *camera)
{
	struct frame frame;

	finish(SENSOR_GOOD);
	CHECK_INT(take(camera, &frame), 0);
	camera->ops->release(camera, &frame);
}

TEST(steering_lasts_for_the_frames_asked_for)
{
	struct camera *camera = start(20);
	int64_t min, max;

	if (!camera)
		return;
	turn(camera);
	CHECK(!played_limits(&min, &max)); /* the normal limits came with start() */
	CHECK_INT(camera->ops->set_frame_duration(camera, 60 * 1000 * 1000, 2), 0);
	turn(camera);
	check_limits(60000, 60000);
	turn(camera);
	check_limits(60000, 60000);
	turn(camera);
	check_limits(50000, 50000);
	turn(camera);
	CHECK(!played_limits(&min, &max));

	/* outside the camera's limits: clamped (virtual.yaml has 1 to 60 frames a second) */
	CHECK_INT(camera->ops->set_frame_duration(camera, 1, 1), 0);
	turn(camera);
	check_limits(camera->info.frame_duration_min_ns / 1000,
		camera->info.frame_duration_min_ns / 1000);
	CHECK_INT(camera->ops->set_frame_duration(camera, INT64_MAX, 0), 0); /* for good */
	turn(camera);
	check_limits(1000000, 1000000);
	turn(camera);
	CHECK(!played_limits(&min, &max));
	camera_close(camera);
}

/* Webcams of libcamera before 0.5 pass over what comes with the start of the stream. */
TEST(controls_come_with_the_first_request_too)
{
	const char *names[] = { "FaceDetectMode" }, *values[] = { "0" };
	const struct camera_options options = { .id = "bars",
		.fps = 20,
		.control_names = names,
		.control_values = values,
		.n_controls = 1 };
	struct camera *camera = start_with(&options);

	if (!camera)
		return;
	CHECK_INT(played_with("FaceDetectMode"), 1);
	turn(camera);
	CHECK_INT(played_with("FaceDetectMode"), 0);
	CHECK_INT(camera->ops->stop(camera), 0);
	CHECK_INT(camera->ops->start(camera), 0);
	CHECK_INT(played_with("FaceDetectMode"), 1);
	/* the frame duration is steered by itself */
	CHECK_INT(played_with("FrameDurationLimits"), 0);
	camera_close(camera);
}

TEST(a_suspended_machine_does_not_shift_the_exposure)
{
	/* a timestamp of CLOCK_MONOTONIC stays as it is, to the nanosecond */
	struct camera *camera = start(30);
	struct sensor_facts facts = { .timestamp_ns = clock_mono_ns(&clock_real) - 12345 };
	struct frame frame;

	if (!camera)
		return;
	played_finish(&facts);
	CHECK_INT(take(camera, &frame), 0);
	CHECK_INT(frame.start_ns, facts.timestamp_ns);
	camera->ops->release(camera, &frame);
	camera_close(camera);
}
