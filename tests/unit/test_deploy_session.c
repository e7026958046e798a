/* SPDX-License-Identifier: MIT */
/* Calls and jobs against a fake manager: every end of a job, and a connection that is lost at any point. */
#include "tests/unit/manager_kit.h"

#define UNIT "capturepi.service"

static int start(struct fake *fake)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = session_job(fake->session, "StartUnit", UNIT, NULL, &error);

	sd_bus_error_free(&error);
	return r;
}

TEST(every_result_is_handed_on)
{
	static const char *const results[] = { "done", "failed", "canceled", "timeout",
		"dependency", "skipped", "assert", "collected", "once", "unsupported", "invalid",
		"frozen", "something-new" };

	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		struct fake fake = { .job_result = results[i] };

		if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
			CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0))
			CHECK_STR(session_job_result(fake.session, UNIT), results[i]);
		fake_end(&fake);
	}
}

TEST(a_result_from_outside_is_cleaned)
{
	struct fake fake = { .job_result = "do\nne\x1b[2J and much more than any word of systemd" };
	const char *result;

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0)) {
		result = session_job_result(fake.session, UNIT);
		CHECK_INT(strlen(result), UNIT_WORD_MAX - 1);
		CHECK(strncmp(result, "do?ne?[2J", 9) == 0);
	}
	fake_end(&fake);
}

TEST(a_signal_before_the_answer_counts)
{
	struct fake fake = { .job_result = "failed", .signal_first = true };

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0))
		CHECK_STR(session_job_result(fake.session, UNIT), "failed");
	fake_end(&fake);
}

TEST(another_job_of_the_unit_is_not_ours)
{
	struct fake fake = { .other_result = "done", .job_result = "failed" };
	struct fake waiting = { .other_result = "done" };

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0))
		CHECK_STR(session_job_result(fake.session, UNIT), "failed");
	fake_end(&fake);
	if (fake_begin(&waiting) && CHECK(start(&waiting) == 0)) {
		CHECK_INT(session_jobs_wait(waiting.session, in_ns(50 * SOON_NS)), -ETIMEDOUT);
		CHECK(session_job_result(waiting.session, UNIT) == NULL);
	}
	fake_end(&waiting);
}

static int late(sd_event_source *source, uint64_t us, void *data)
{
	struct fake *fake = data;

	(void)source, (void)us;
	fake_end_job(fake, 2, "b.service", "done");
	fake_end_job(fake, 1, "a.service", "failed");
	return 0;
}

TEST(several_jobs_in_any_order)
{
	struct fake fake = { 0 };
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (!fake_begin(&fake))
		return;
	CHECK_INT(session_job(fake.session, "StartUnit", "a.service", NULL, &error), 0);
	CHECK_INT(session_job(fake.session, "RestartUnit", "b.service", NULL, &error), 0);
	sd_event_add_time_relative(
		fake.session->event, NULL, CLOCK_MONOTONIC, 20000, 0, late, &fake);
	CHECK_INT(session_jobs_wait(fake.session, in_ns(LONG_NS)), 0);
	CHECK_STR(session_job_result(fake.session, "a.service"), "failed");
	CHECK_STR(session_job_result(fake.session, "b.service"), "done");
	session_jobs_clear(fake.session);
	CHECK(session_job_result(fake.session, "a.service") == NULL);
	fake_end(&fake);
}

TEST(too_many_jobs)
{
	struct fake fake = { .job_result = "done" };
	int i = 0;

	if (!fake_begin(&fake))
		return;
	while (i < UNITS_MAX && start(&fake) == 0)
		i++;
	CHECK_INT(i, UNITS_MAX);
	CHECK_INT(start(&fake), -ENOBUFS);
	CHECK_INT(session_jobs_wait(fake.session, in_ns(LONG_NS)), 0);
	fake_end(&fake);
}

/* The manager executes itself anew while the job is there: it lives on, and its end is heard. */
TEST(connection_lost_while_the_job_goes_on)
{
	struct fake fake = {
		.units = { { .name = UNIT, .active = "activating" } },
		.job_result = "failed",
		.job_stays = true,
		.drop_after_job = true,
	};

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0)) {
		CHECK_STR(session_job_result(fake.session, UNIT), "failed");
		CHECK_INT(fake.connections, 2);
	}
	fake_end(&fake);
}

TEST(connection_lost_and_the_job_is_over)
{
	struct fake fake = {
		.units = { { .name = UNIT, .active = "active" } },
		.drop_after_job = true,
		.refusals = 0,
	};

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0)) {
		CHECK_STR(session_job_result(fake.session, UNIT), JOB_LOST);
		CHECK_INT(fake.starts, 1);
	}
	fake_end(&fake);
}

TEST(a_call_that_was_cut_off_is_made_again)
{
	struct fake fake = { .job_result = "done", .drop_at = "StartUnit" };

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0)) {
		CHECK_STR(session_job_result(fake.session, UNIT), "done");
		CHECK_INT(fake.connections, 2);
	}
	fake_end(&fake);
}

/* Lost again while it asks what became of the job. */
TEST(connection_lost_twice)
{
	struct fake fake = {
		.units = { { .name = UNIT, .active = "active" } },
		.drop_after_job = true,
		.drop_at = "GetAll",
	};

	if (fake_begin(&fake) && CHECK(start(&fake) == 0) &&
		CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0)) {
		CHECK_STR(session_job_result(fake.session, UNIT), JOB_LOST);
		CHECK_INT(fake.connections, 3);
	}
	fake_end(&fake);
}

TEST(a_connection_that_does_not_come_back)
{
	struct fake fake = { .drop_after_job = true };

	if (fake_begin(&fake) && CHECK(start(&fake) == 0)) {
		fake.refusals = -1;
		CHECK_INT(session_jobs_wait(fake.session, in_ns(LONG_NS)), -ECONNRESET);
		/* and it is no worse the next time */
		CHECK_INT(start(&fake), -ECONNRESET);
		fake.refusals = 0;
		CHECK_INT(start(&fake), 0);
	}
	fake_end(&fake);
}

TEST(a_manager_that_is_not_there_yet)
{
	struct fake fake = { .refusals = 3 };

	if (fake_begin(&fake))
		CHECK_INT(fake.connections, 1);
	fake_end(&fake);
}

TEST(a_manager_that_never_comes)
{
	struct fake fake = { .refusals = -1 };
	const struct session_options options = { .connect = fake_connect, .data = &fake };

	if (CHECK(session_new(&options, &fake.session) == 0))
		CHECK_INT(session_connect(fake.session, in_ns(20 * SOON_NS)), -ETIMEDOUT);
	fake_end(&fake);
}

/* The log-in works and then it hangs up: as a manager that is about to end. */
TEST(a_manager_that_hangs_up_at_first)
{
	struct fake fake = { .drop_at = "Subscribe" };

	if (fake_begin(&fake))
		CHECK_INT(fake.connections, 2);
	fake_end(&fake);
}

TEST(answers_that_are_no_jobs)
{
	static const char *const paths[] = { "/", "/org/freedesktop/systemd1/job",
		"/org/freedesktop/systemd1/job/0", "/org/freedesktop/systemd1/job/4294967296",
		"/org/freedesktop/systemd1/job/99999999999", "/org/freedesktop/systemd1/job/12x",
		"/org/freedesktop/systemd1/unit/1", "/org/freedesktop/systemd1/job/1/2" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct fake fake = { .job_path = paths[i], .job_result = "done" };

		if (fake_begin(&fake))
			CHECK_INT(start(&fake), -EBADMSG);
		fake_end(&fake);
	}
}

TEST(answers_of_another_form)
{
	struct fake fake = { .malformed = "StartUnit" };
	struct fake unit = { .malformed = "GetAll" };
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct unit_state state;

	if (fake_begin(&fake))
		CHECK_INT(start(&fake), -EBADMSG);
	fake_end(&fake);
	if (fake_begin(&unit))
		CHECK_INT(session_unit(unit.session, UNIT, &error, &state), -EBADMSG);
	fake_end(&unit);
}

static int nonsense(sd_event_source *source, uint64_t us, void *data)
{
	struct fake *fake = data;

	(void)source, (void)us;
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", "s", "done");
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", NULL);
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", "uos", 1,
		"/org/freedesktop/systemd1/job/1", UNIT);
	for (uint32_t i = 100; i < 400; i++) /* more than are remembered */
		fake_end_job(fake, i, UNIT, "done");
	fake_end_job(fake, 1, UNIT, "canceled");
	return 0;
}

TEST(signals_of_another_form_and_of_others)
{
	struct fake fake = { 0 };

	if (!fake_begin(&fake) || !CHECK(start(&fake) == 0))
		return;
	sd_event_add_time_relative(
		fake.session->event, NULL, CLOCK_MONOTONIC, 10000, 0, nonsense, &fake);
	if (CHECK(session_jobs_wait(fake.session, in_ns(LONG_NS)) == 0))
		CHECK_STR(session_job_result(fake.session, UNIT), "canceled");
	fake_end(&fake);
}

TEST(errors_keep_their_names)
{
	struct fake fake = { .error_at = "StartUnit",
		.error_name = "org.freedesktop.systemd1.NoSuchUnit" };
	struct fake odd = { .error_at = "StartUnit", .error_name = "System.Error.ECONNRESET" };
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (fake_begin(&fake)) {
		CHECK(session_job(fake.session, "StartUnit", UNIT, NULL, &error) < 0);
		CHECK_STR(error.name, "org.freedesktop.systemd1.NoSuchUnit");
		CHECK_STR(error.message, "no");
	}
	sd_bus_error_free(&error);
	fake_end(&fake);
	/* the manager's word for something is not a lost connection */
	if (fake_begin(&odd)) {
		CHECK_INT(session_job(odd.session, "StartUnit", UNIT, NULL, &error), -EIO);
		CHECK_INT(odd.connections, 1);
	}
	sd_bus_error_free(&error);
	fake_end(&odd);
}

TEST(a_call_that_is_not_answered)
{
	struct fake fake = { .silent_at = "Reload" };
	const struct session_call call = { .member = "Reload", .timeout_us = 50000 };
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (fake_begin(&fake))
		CHECK_INT(session_call(fake.session, &call, &error, NULL, ""), -ETIMEDOUT);
	fake_end(&fake);
}

TEST(ctrl_c_ends_the_waiting_only)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct fake fake = { 0 };

		if (fake_begin(&fake) && CHECK(start(&fake) == 0)) {
			CHECK_INT(session_signal(fake.session), 0);
			kill(getpid(), signals[i]);
			CHECK_INT(session_jobs_wait(fake.session, in_ns(LONG_NS)), -EINTR);
			CHECK_INT(session_signal(fake.session), signals[i]);
			CHECK_INT(session_sleep(fake.session, in_ns(LONG_NS)), -EINTR);
		}
		fake_end(&fake);
	}
}

TEST(ctrl_c_while_the_manager_is_away)
{
	struct fake fake = { .drop_after_job = true };

	if (fake_begin(&fake) && CHECK(start(&fake) == 0)) {
		fake.refusals = -1;
		kill(getpid(), SIGINT);
		CHECK_INT(session_jobs_wait(fake.session, in_ns(LONG_NS)), -EINTR);
	}
	fake_end(&fake);
}

TEST(units_are_read)
{
	struct fake fake = {
		.units = { { UNIT, "loaded", "failed", "failed", "exit-code", "notify", 7, 3 } }
	};
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct unit_state state;

	if (fake_begin(&fake) && CHECK(session_unit(fake.session, UNIT, &error, &state) == 0)) {
		CHECK_STR(state.name, UNIT);
		CHECK_STR(state.active, "failed");
		CHECK_STR(state.result, "exit-code");
		CHECK_INT(state.job, 7);
		CHECK_INT(state.restarts, 3);
		CHECK(state.condition_ok);
		CHECK_INT(session_unit(fake.session, "other.service", &error, &state), 0);
		CHECK_STR(state.load, "not-found");
		CHECK_INT(session_unit(fake.session, "not a unit", &error, &state), -EINVAL);
	}
	fake_end(&fake);
}
