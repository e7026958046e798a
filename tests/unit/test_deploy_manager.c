/* SPDX-License-Identifier: MIT */
/*
 * Calls and jobs against a fake manager: every end of a job, and a connection that is lost at any
 * point.
 */
#include "tests/unit/manager_kit.h"

#define UNIT "capturepi.service"

static int start(struct fake *fake, struct manager_job *job)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	*job = (struct manager_job){ .unit = UNIT };
	r = manager_queue_job(&fake->manager, "StartUnit", job, &error);
	sd_bus_error_free(&error);
	return r;
}

static int wait_jobs(struct fake *fake)
{
	return manager_wait_jobs(&fake->manager, in_ns(LONG_NS));
}

TEST(every_result_is_handed_on)
{
	static const char *const results[] = { "done", "failed", "canceled", "timeout",
		"dependency", "skipped", "assert", "collected", "once", "unsupported", "invalid",
		"frozen", "something-new" };

	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		struct fake fake = { .job_result = results[i] };
		struct manager_job job;

		if (fake_begin(&fake) && CHECK(start(&fake, &job) == 0) &&
			CHECK(wait_jobs(&fake) == 0))
			CHECK_STR(job.result, results[i]);
		fake_end(&fake);
	}
}

TEST(a_result_from_outside_is_cleaned)
{
	struct fake fake = { .job_result = "do\nne\x1b[2J and much more than any word of systemd" };
	struct manager_job job;

	if (fake_begin(&fake) && CHECK(start(&fake, &job) == 0) && CHECK(wait_jobs(&fake) == 0)) {
		CHECK_INT(strlen(job.result), UNIT_WORD_MAX - 1);
		CHECK(strncmp(job.result, "do?ne?[2J", 9) == 0);
	}
	fake_end(&fake);
}

TEST(another_job_of_the_unit_is_not_ours)
{
	struct fake fake = { .other_result = "done", .job_result = "failed" };
	struct fake waiting = { .other_result = "done" };
	struct manager_job job;

	if (fake_begin(&fake) && CHECK(start(&fake, &job) == 0) && CHECK(wait_jobs(&fake) == 0))
		CHECK_STR(job.result, "failed");
	fake_end(&fake);
	if (fake_begin(&waiting) && CHECK(start(&waiting, &job) == 0)) {
		CHECK_INT(manager_wait_jobs(&waiting.manager, in_ns(50 * SOON_NS)), -ETIMEDOUT);
		CHECK_STR(job.result, "");
	}
	fake_end(&waiting);
}

static int end_both(sd_event_source *source, uint64_t us, void *data)
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
	struct manager_job a = { .unit = "a.service" }, b = { .unit = "b.service" };
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (!fake_begin(&fake))
		return;
	CHECK_INT(manager_queue_job(&fake.manager, "StartUnit", &a, &error), 0);
	CHECK_INT(manager_queue_job(&fake.manager, "RestartUnit", &b, &error), 0);
	sd_event_add_time_relative(
		fake.manager.event, NULL, CLOCK_MONOTONIC, 20000, 0, end_both, &fake);
	CHECK_INT(wait_jobs(&fake), 0);
	CHECK_STR(a.result, "failed");
	CHECK_STR(b.result, "done");
	manager_forget_jobs(&fake.manager);
	CHECK_INT(wait_jobs(&fake), 0);
	fake_end(&fake);
}

/* Whatever was under way, the caller learns of it, and nothing is tried again. */
TEST(a_connection_that_is_lost)
{
	struct fake in_job = { .drop_after_job = true }, in_call = { .drop_at = "StartUnit" };
	struct fake in_read = { .drop_at = "GetAll" };
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct unit_state state;
	struct manager_job job;

	if (fake_begin(&in_job) && CHECK(start(&in_job, &job) == 0)) {
		CHECK_INT(wait_jobs(&in_job), -ECONNRESET);
		CHECK_STR(job.result, "");
		/* and it is no better the next time */
		CHECK_INT(manager_sleep(&in_job.manager, in_ns(LONG_NS)), -ECONNRESET);
		CHECK_INT(start(&in_job, &job), -ECONNRESET);
		CHECK_INT(in_job.connections, 1);
		CHECK_INT(in_job.starts, 1);
	}
	fake_end(&in_job);
	if (fake_begin(&in_call))
		CHECK_INT(start(&in_call, &job), -ECONNRESET);
	fake_end(&in_call);
	if (fake_begin(&in_read))
		CHECK_INT(manager_read_unit(&in_read.manager, UNIT, &error, &state), -ECONNRESET);
	CHECK(!sd_bus_error_is_set(&error));
	fake_end(&in_read);
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

	if (CHECK(manager_init(&fake.manager) == 0)) {
		fake.manager.open = fake_connect;
		fake.manager.data = &fake;
		CHECK_INT(manager_connect(&fake.manager, in_ns(20 * SOON_NS)), -ETIMEDOUT);
	}
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

TEST(answers_of_another_form)
{
	struct fake fake = { .malformed = "StartUnit" };
	struct fake unit = { .malformed = "GetAll" };
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct unit_state state;
	struct manager_job job;

	if (fake_begin(&fake)) {
		CHECK_INT(start(&fake, &job), -EBADMSG);
		CHECK_INT(wait_jobs(&fake), 0); /* there is none */
	}
	fake_end(&fake);
	if (fake_begin(&unit))
		CHECK_INT(manager_read_unit(&unit.manager, UNIT, &error, &state), -EBADMSG);
	fake_end(&unit);
}

static int send_nonsense(sd_event_source *source, uint64_t us, void *data)
{
	struct fake *fake = data;

	(void)source, (void)us;
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", "s", "done");
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", NULL);
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", "uos", 1,
		"/org/freedesktop/systemd1/job/1", UNIT);
	for (uint32_t i = 100; i < 400; i++)
		fake_end_job(fake, i, UNIT, "done");
	fake_end_job(fake, 1, UNIT, "canceled");
	return 0;
}

TEST(signals_of_another_form_and_of_others)
{
	struct fake fake = { 0 };
	struct manager_job job;

	if (!fake_begin(&fake) || !CHECK(start(&fake, &job) == 0))
		return;
	sd_event_add_time_relative(
		fake.manager.event, NULL, CLOCK_MONOTONIC, 10000, 0, send_nonsense, &fake);
	if (CHECK(wait_jobs(&fake) == 0))
		CHECK_STR(job.result, "canceled");
	fake_end(&fake);
}

TEST(errors_keep_their_names)
{
	struct fake fake = { .error_at = "StartUnit",
		.error_name = "org.freedesktop.systemd1.NoSuchUnit" };
	struct fake odd = { .error_at = "StartUnit", .error_name = "System.Error.ECONNRESET" };
	struct manager_job job = { .unit = UNIT };
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (fake_begin(&fake)) {
		CHECK_INT(manager_queue_job(&fake.manager, "StartUnit", &job, &error), -EREMOTEIO);
		CHECK_STR(error.name, "org.freedesktop.systemd1.NoSuchUnit");
		CHECK_STR(error.message, "no");
	}
	sd_bus_error_free(&error);
	fake_end(&fake);
	/* the manager's word for something is not a lost connection */
	if (fake_begin(&odd))
		CHECK_INT(manager_queue_job(&odd.manager, "StartUnit", &job, &error), -EREMOTEIO);
	sd_bus_error_free(&error);
	fake_end(&odd);
}

TEST(a_call_that_is_not_answered)
{
	struct fake fake = { .silent_at = "Reload" };
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (fake_begin(&fake)) {
		fake.manager.call_us = 50000;
		CHECK_INT(manager_call(&fake.manager, "Reload", &error, NULL, ""), -ETIMEDOUT);
		CHECK(!sd_bus_error_is_set(&error));
	}
	fake_end(&fake);
}

TEST(ctrl_c_ends_the_waiting_only)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct fake fake = { 0 };
		struct manager_job job;

		if (fake_begin(&fake) && CHECK(start(&fake, &job) == 0)) {
			CHECK_INT(fake.manager.signal, 0);
			kill(getpid(), signals[i]);
			CHECK_INT(wait_jobs(&fake), -EINTR);
			CHECK_INT(fake.manager.signal, signals[i]);
			CHECK_INT(manager_sleep(&fake.manager, in_ns(LONG_NS)), -EINTR);
		}
		fake_end(&fake);
	}
}

TEST(ctrl_c_while_the_manager_is_away)
{
	struct fake fake = { .refusals = -1 };

	if (CHECK(manager_init(&fake.manager) == 0)) {
		fake.manager.open = fake_connect;
		fake.manager.data = &fake;
		kill(getpid(), SIGINT);
		CHECK_INT(manager_connect(&fake.manager, in_ns(LONG_NS)), -EINTR);
	}
	fake_end(&fake);
}

TEST(units_are_read)
{
	struct fake fake = {
		.units = { { UNIT, "loaded", "failed", "failed", "exit-code", "notify", 3 } }
	};
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct manager *m = &fake.manager;
	struct unit_state state;

	if (fake_begin(&fake) && CHECK(manager_read_unit(m, UNIT, &error, &state) == 0)) {
		CHECK_STR(state.name, UNIT);
		CHECK_STR(state.active, "failed");
		CHECK_STR(state.result, "exit-code");
		CHECK_INT(state.restarts, 3);
		CHECK(state.condition_ok);
		CHECK_INT(manager_read_unit(m, "other.service", &error, &state), 0);
		CHECK_STR(state.load, "not-found");
		CHECK_INT(manager_read_unit(m, "not a unit", &error, &state), -EINVAL);
	}
	fake_end(&fake);
}
