/* SPDX-License-Identifier: MIT */
/* The recovery ladder against a camera that fails by script, with a clock moved by hand. */
#include "tests/test.h"
#include "tests/unit/clock_kit.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/stream/supervisor.h"
#include "common/base/log.h"

/* One camera at a time; what the script says and what the supervisor did. */
static struct fake {
	struct camera camera;
	int open_error, start_error, take_result; /* take: 1 gives a frame */
	int memory; /* buffers that there is memory for, 0: enough for all */
	int buffers; /* asked for */
	unsigned passed_over;
	unsigned opens, starts, stops, closes, drains;
	bool streaming;
	unsigned stop_s; /* a stop takes so long */
} fake;

static int fake_start(struct camera *camera)
{
	(void)camera;
	fake.starts++;
	if (fake.memory && fake.buffers > fake.memory)
		return -ENOMEM;
	fake.streaming = fake.start_error == 0;
	return fake.start_error;
}

static int fake_stop(struct camera *camera)
{
	(void)camera;
	CHECK(fake.streaming);
	fake.stops++;
	sleep(fake.stop_s);
	fake.streaming = false;
	return 0;
}

static int fake_take(struct camera *camera, struct frame *ret)
{
	(void)camera;
	CHECK(fake.streaming);
	if (fake.take_result != 1)
		return fake.take_result;
	*ret = (struct frame){ .duration_ns = 100000000, .exposure_us = NAN };
	return 0;
}

static void fake_close(struct camera *camera)
{
	(void)camera;
	CHECK(!fake.streaming);
	fake.closes++;
}

static const struct camera_ops fake_ops = {
	.name = "fake",
	.start = fake_start,
	.stop = fake_stop,
	.take = fake_take,
	.close = fake_close,
};

static int fake_open(const char *source, const struct camera_options *options, struct camera **ret,
	char *error, size_t size)
{
	(void)source;
	fake.opens++;
	fake.buffers = options->buffers;
	fake.passed_over = options->passed_over;
	if (fake.open_error < 0) {
		snprintf(error, size, "scripted");
		return fake.open_error;
	}
	fake.camera.ops = &fake_ops;
	*ret = &fake.camera;
	return 0;
}

static void fake_drain(void *data)
{
	(void)data;
	fake.drains++;
}

static struct supervisor *begin_with(const char *source, struct clock_fake *clock, bool may_exit)
{
	static const struct camera_options options;
	struct supervisor_options o = { .source = source,
		.camera = &options,
		.clock = &clock->clock,
		.open = fake_open,
		.may_exit = may_exit,
		.drain = fake_drain };
	struct supervisor *s = NULL;

	fake = (struct fake){ .take_result = -EAGAIN };
	log_set_level(LOG_LEVEL_ERR);
	CHECK_INT(supervisor_new(&o, &s), 0);
	return s;
}

static struct supervisor *begin(struct clock_fake *clock, bool may_exit)
{
	return begin_with("fake", clock, may_exit);
}

/* Lets time pass in steps of 50 ms, taking frames as the service does. */
static int64_t pass(struct supervisor *s, struct clock_fake *clock, int64_t ms)
{
	struct frame frame;
	int64_t r = 0;

	for (int64_t t = 0; t < ms && r != -ESHUTDOWN; t += 50) {
		clock_fake_advance(clock, 50000);
		supervisor_take(s, &frame);
		r = supervisor_step(s);
	}
	return r;
}

TEST(starts_and_stops_as_wanted)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);

	CHECK_INT(supervisor_step(s), INT64_MAX);
	CHECK_INT(fake.opens, 0);
	supervisor_want(s, true);
	fake.take_result = 1;
	pass(s, &clock, 5000);
	CHECK_INT(fake.opens, 1);
	CHECK_INT(fake.starts, 1);
	supervisor_want(s, false);
	supervisor_step(s);
	CHECK_INT(fake.stops, 1);
	CHECK_INT(supervisor_facts(s)->state, CAMERA_IDLE);
	supervisor_want(s, true);
	pass(s, &clock, 100);
	CHECK_INT(fake.opens, 1); /* process, camera and buffers stay */
	CHECK_INT(fake.starts, 2);
	supervisor_free(s);
	CHECK_INT(fake.closes, 1);
	CHECK_INT(fake.drains, 1);
}

TEST(silence_restarts_then_reopens)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);

	supervisor_want(s, true);
	pass(s, &clock, 2200);
	CHECK_INT(supervisor_facts(s)->climbed[RUNG_RESTART], 1);
	CHECK_INT(fake.starts, 2);
	pass(s, &clock, 30000);
	CHECK_INT(supervisor_facts(s)->climbed[RUNG_RESTART], 2);
	CHECK(supervisor_facts(s)->climbed[RUNG_REOPEN] >= 2);
	CHECK_INT(fake.closes, supervisor_facts(s)->climbed[RUNG_REOPEN]);
	fake.take_result = 1;
	pass(s, &clock, 10000);
	CHECK_INT(supervisor_facts(s)->failures, 0);
	CHECK_STR(supervisor_facts(s)->text, "");
	supervisor_free(s);
}

TEST(a_slow_camera_is_not_silent)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);
	struct frame frame;

	supervisor_want(s, true);
	fake.take_result = 1;
	pass(s, &clock, 1000);
	fake.take_result = -EAGAIN;
	pass(s, &clock, 1900);
	CHECK_INT(supervisor_facts(s)->failures, 0);
	fake.take_result = 1;
	supervisor_take(s, &frame);
	CHECK_INT(supervisor_facts(s)->climbed[RUNG_RESTART], 0);
	supervisor_free(s);
}

TEST(a_broken_stream_is_restarted_at_once)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);

	supervisor_want(s, true);
	fake.take_result = 1;
	pass(s, &clock, 5000);
	fake.take_result = -ECANCELED;
	pass(s, &clock, 50);
	fake.take_result = 1;
	pass(s, &clock, 100);
	CHECK_INT(supervisor_facts(s)->state, CAMERA_STREAMING);
	CHECK_INT(supervisor_facts(s)->climbed[RUNG_RESTART], 1);
	CHECK_INT(fake.opens, 1);
	pass(s, &clock, 3000);
	CHECK_INT(supervisor_facts(s)->failures, 0);
	supervisor_free(s);
}

TEST(a_camera_that_is_gone_is_opened_again)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);

	supervisor_want(s, true);
	fake.take_result = 1;
	pass(s, &clock, 5000);
	fake.take_result = -ENODEV;
	fake.open_error = -ENODEV;
	pass(s, &clock, 60000);
	CHECK_INT(supervisor_facts(s)->state, CAMERA_CLOSED);
	CHECK_INT(fake.drains, 1);
	/* 0 + 1 + 2 + 5 + 5 ... s of back-off: no more tries than that in a minute */
	CHECK(fake.opens >= 12 && fake.opens <= 16);
	fake.open_error = 0;
	fake.take_result = 1;
	pass(s, &clock, 10000);
	CHECK_INT(supervisor_facts(s)->state, CAMERA_STREAMING);
	CHECK_INT(supervisor_facts(s)->failures, 0);
	supervisor_free(s);
}

TEST(one_frame_between_failures_is_no_recovery)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);
	struct frame frame;

	supervisor_want(s, true);
	for (int i = 0; i < 2400; i++) { /* two minutes: a frame, then a break, over and over */
		clock_fake_advance(&clock, 50000);
		fake.take_result = i % 2 ? -ECANCELED : 1;
		supervisor_take(s, &frame);
		supervisor_step(s);
	}
	CHECK(fake.starts <= 40);
	supervisor_free(s);
}

/* A Pi's driver may never come back from it: only a new process gets further. */
/* The thread sanitizer runs no signal handler in a child of fork(). */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !__has_feature(thread_sanitizer)
TEST(a_stop_that_hangs_ends_the_process)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	int64_t began_ns = clock_mono_ns(&clock_real), took_ns;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct supervisor *s = begin(&clock, true);

		log_set_level(LOG_LEVEL_ERR - 1);
		supervisor_want(s, true);
		supervisor_step(s);
		fake.stop_s = 20;
		supervisor_want(s, false);
		supervisor_step(s);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	took_ns = clock_mono_ns(&clock_real) - began_ns;
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK(took_ns >= CAMERA_STOP_SECONDS * NS_PER_SEC);
}
#endif

TEST(the_last_rung_asks_for_a_new_process)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, true);

	supervisor_want(s, true);
	fake.open_error = -EBUSY;
	CHECK(pass(s, &clock, 60000) != -ESHUTDOWN);
	CHECK_INT(pass(s, &clock, 600000), -ESHUTDOWN);
	CHECK_INT(supervisor_facts(s)->climbed[RUNG_EXIT] > 0, 1);
	CHECK(strstr(supervisor_facts(s)->text, "scripted") != NULL);
	supervisor_free(s);

	s = begin(&clock, false); /* nobody restarts us: goes on for ever */
	supervisor_want(s, true);
	fake.open_error = -EBUSY;
	CHECK(pass(s, &clock, 3600000) != -ESHUTDOWN);
	CHECK(fake.opens > 600 && fake.opens < 800);
	supervisor_free(s);
}

TEST(fewer_buffers_where_memory_is_short)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin(&clock, false);

	fake.memory = CAMERA_BUFFERS_MIN;
	fake.take_result = 1;
	supervisor_want(s, true);
	pass(s, &clock, 1000);
	CHECK_INT(supervisor_facts(s)->state, CAMERA_STREAMING);
	CHECK_INT(fake.opens, CAMERA_BUFFERS - CAMERA_BUFFERS_MIN + 1);
	CHECK_INT(supervisor_facts(s)->failures, 0);
	CHECK_INT(supervisor_facts(s)->climbed[RUNG_REOPEN], 0);

	/* which is remembered */
	fake.take_result = -ENODEV;
	pass(s, &clock, 50);
	fake.take_result = 1;
	pass(s, &clock, 1000);
	CHECK_INT(fake.buffers, CAMERA_BUFFERS_MIN);
	supervisor_free(s);

	/* too little even for those: a failure, in words */
	s = begin(&clock, false);
	fake.memory = CAMERA_BUFFERS_MIN - 1;
	supervisor_want(s, true);
	pass(s, &clock, 1000);
	CHECK(supervisor_facts(s)->failures > 0);
	CHECK(strstr(supervisor_facts(s)->text, "not enough memory") != NULL);
	supervisor_free(s);
}

TEST(auto_goes_on_to_the_next_camera)
{
	struct clock_fake clock = clock_fake(US_PER_SEC);
	struct supervisor *s = begin_with("auto", &clock, false);

	fake.open_error = -EIO;
	supervisor_want(s, true);
	pass(s, &clock, 500);
	CHECK_INT(fake.passed_over, 0);
	pass(s, &clock, 20000);
	CHECK(fake.passed_over > 0);

	/* one that has given frames is not left again */
	fake.open_error = 0;
	fake.take_result = 1;
	pass(s, &clock, 10000);
	CHECK_INT(supervisor_facts(s)->failures, 0);
	for (unsigned chosen = fake.passed_over, i = 0; i < 3; i++) {
		fake.take_result = -ENODEV;
		fake.open_error = -EIO;
		pass(s, &clock, 30000);
		CHECK_INT(fake.passed_over, chosen);
	}
	supervisor_free(s);

	s = begin(&clock, false); /* a camera that was named */
	fake.open_error = -EIO;
	supervisor_want(s, true);
	pass(s, &clock, 20000);
	CHECK_INT(fake.passed_over, 0);
	supervisor_free(s);
}
