/* SPDX-License-Identifier: MIT */
/* Enabling, and what errors of the session mean to the person. */
#include "deploy/units.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/clock.h"
#include "common/userbus.h"
#include "common/util.h"

/* The manager reads every unit file of the user again, and runs generators: systemctl waits as long. */
#define RELOAD_TIMEOUT_US (180 * INT64_C(1000000))
#define RELOAD_AGAIN_NS (2000 * INT64_C(1000000))

static int tell_interrupted(struct deploy *deploy, const char *step, const char *unit)
{
	report_failed(&deploy->report, 0, step, unit, "deploypi status",
		"%s; nothing waits any more, but what was begun goes on",
		session_signal(deploy->session) == SIGINT ? "interrupted" : "ended by a signal");
	return 128 + session_signal(deploy->session);
}

int units_tell_error(struct deploy *deploy, const char *step, const char *unit, int error,
	const sd_bus_error *bus_error)
{
	const struct report *report = &deploy->report;
	struct outcome outcome;

	if (error == -EINTR)
		return tell_interrupted(deploy, step, unit);
	if (bus_error && sd_bus_error_is_set(bus_error)) {
		outcome_refused(unit ? unit : "", bus_error->name,
			bus_error->message ? bus_error->message : "", &outcome);
		return report_failed(report,
			sd_bus_error_has_name(bus_error, SD_BUS_ERROR_ACCESS_DENIED) ? CLI_REFUSED
										     : CLI_INTERNAL,
			step, unit, *outcome.next ? outcome.next : NULL, "%s", outcome.text);
	}
	if (error == -ETIMEDOUT)
		return report_failed(report, CLI_TEMPFAIL, step, unit, deploy->again,
			"the user's manager does not answer");
	if (error == -ECONNRESET)
		return report_failed(report, CLI_TEMPFAIL, step, unit, deploy->again,
			"the user's manager hung up and did not come back");
	if (error == -EBADMSG)
		return report_failed(report, CLI_PROTOCOL, step, unit, NULL,
			"the manager answered something that this program does not understand");
	if (error == -EINVAL)
		return report_failed(report, CLI_USAGE, step, unit,
			"name it like capturepi.service", "that is not the name of a unit");
	return report_failed(report, CLI_INTERNAL, step, unit, NULL, "%s", strerror(-error));
}

int units_read(struct deploy *deploy, const char *step, const char *unit, struct unit_state *ret)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = session_unit(deploy->session, unit, &error, ret);

	return r < 0 ? units_tell_error(deploy, step, unit, r, &error) : CLI_OK;
}

/* The answer of both calls ends with a(sss): what was linked or unlinked. */
static int read_changes(sd_bus_message *reply, bool *ret_changed)
{
	int r = sd_bus_message_enter_container(reply, 'a', "(sss)");

	if (r < 0)
		return -EBADMSG;
	*ret_changed = sd_bus_message_at_end(reply, false) == 0;
	return 0;
}

/* sd_bus_message_append() counts its strings in the call; here they come from an array. */
static int call_with_names(struct session *session, const char *member, const char *const units[],
	size_t n, sd_bus_error *error, bool *ret_changed)
{
	const struct session_call call = { .member = member };
	const bool enable = strcmp(member, "EnableUnitFiles") == 0;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
		bool changed = false;
		int r, carries;

		if (enable)
			r = session_call(
				session, &call, error, &reply, "asbb", 1, units[i], false, false);
		else
			r = session_call(session, &call, error, &reply, "asb", 1, units[i], false);
		if (r >= 0 && enable)
			r = sd_bus_message_read(reply, "b", &carries) < 0 ? -EBADMSG : 0;
		if (r >= 0)
			r = read_changes(reply, &changed);
		if (r < 0)
			return r;
		any |= changed;
	}
	*ret_changed = any;
	return 0;
}

int units_reload_manager(struct deploy *deploy)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	const struct session_call reload = { .member = "Reload", .timeout_us = RELOAD_TIMEOUT_US };
	int r = session_call(deploy->session, &reload, &error, NULL, "");

	/* 253 and newer may be told to limit how often */
	if (r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_LIMITS_EXCEEDED)) {
		sd_bus_error_free(&error);
		r = session_sleep(deploy->session, clock_mono_ns(&clock_real) + RELOAD_AGAIN_NS);
		if (r >= 0)
			r = session_call(deploy->session, &reload, &error, NULL, "");
	}
	return r < 0 ? units_tell_error(deploy, "reload", NULL, r, &error) : CLI_OK;
}

int units_enable(struct deploy *deploy, const char *const units[], size_t n, bool *ret_changed)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	bool changed;

	/* one at a time, so that an error is of one unit */
	for (size_t i = 0; i < n; i++) {
		int r = call_with_names(
			deploy->session, "EnableUnitFiles", &units[i], 1, &error, &changed);

		if (r < 0)
			return units_tell_error(deploy, "enable", units[i], r, &error);
		report_ok(&deploy->report, "enable", units[i], "%s",
			changed ? "starts with the machine from now on"
				: "starts with the machine already");
		*ret_changed |= changed;
	}
	return units_reload_manager(deploy);
}

int units_disable(struct deploy *deploy, const char *const units[], size_t n, bool *ret_changed)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = call_with_names(deploy->session, "DisableUnitFiles", units, n, &error, ret_changed);

	if (r < 0)
		return units_tell_error(deploy, "disable", n == 1 ? units[0] : NULL, r, &error);
	return units_reload_manager(deploy);
}
