/* SPDX-License-Identifier: MIT */
/* The connection, calls and signals of a session. */
#include "deploy/session.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "common/clock.h"
#include "common/userbus.h"
#include "common/util.h"
#include "deploy/session_private.h"

#define CONNECT_PAUSE_NS (50 * INT64_C(1000000))

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct session *s = data;

	(void)source;
	if (!s->signal)
		s->signal = (int)info->ssi_signo;
	return 0;
}

static int connect_default(void *data, sd_bus **ret)
{
	(void)data;
	return userbus_open(ret);
}

int session_new(const struct session_options *options, struct session **ret)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	CLEANUP(session_freep) struct session *s = calloc(1, sizeof *s);
	sigset_t blocked;
	int r;

	if (!s)
		return -ENOMEM;
	if (options)
		s->options = *options;
	if (!s->options.connect)
		s->options.connect = connect_default;
	if (!s->options.reconnect_us)
		s->options.reconnect_us = SESSION_RECONNECT_US;
	sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&blocked, signals[i]);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
		return -errno;
	r = sd_event_new(&s->event);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_event_add_signal(s->event, NULL, signals[i], on_signal, s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static void disconnect(struct session *s)
{
	if (!s->bus)
		return;
	sd_bus_detach_event(s->bus);
	s->bus = sd_bus_close_unref(s->bus);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	disconnect(session);
	sd_event_unref(session->event);
	free(session);
}

int session_signal(const struct session *session)
{
	return session->signal;
}

int session_turn(struct session *s, int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_mono_ns(&clock_real);
	int r;

	if (s->signal) /* for good: whoever is called next need not wait for anything */
		return -EINTR;
	/* even with no time left, what is already there is taken */
	r = sd_event_run(s->event, left_ns > 0 ? (uint64_t)(left_ns + 999) / 1000 : 0);
	if (s->signal)
		return -EINTR;
	if (s->bus && sd_bus_is_open(s->bus) <= 0) {
		disconnect(s);
		return -ECONNRESET;
	}
	if (r < 0)
		return r;
	return r == 0 && clock_mono_ns(&clock_real) >= deadline_ns;
}

/* The first call, too, shows whether there is somebody: the log-in comes before it. */
static int connect_once(struct session *s)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	const struct session_call subscribe = { .member = "Subscribe" };
	int r = s->options.connect(s->options.data, &s->bus);

	if (r < 0)
		return r;
	r = sd_bus_attach_event(s->bus, s->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = session_jobs_attach(s);
	if (r >= 0)
		r = session_call(s, &subscribe, &error, NULL, "");
	if (r < 0 && !sd_bus_error_has_name(&error, "org.freedesktop.systemd1.AlreadySubscribed")) {
		disconnect(s);
		return r;
	}
	return 0;
}

/* No manager yet, or one that is about to come or go. */
static bool may_pass(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENOTCONN:
	case -EPIPE:
	case -EAGAIN: /* the backlog of its socket is full */
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int session_connect(struct session *s, int64_t deadline_ns)
{
	const bool nested = s->recovering;
	int r, slept;

	s->recovering = true; /* a loss within is ours to handle */
	while ((r = connect_once(s)) < 0 && may_pass(r)) {
		if (clock_mono_ns(&clock_real) >= deadline_ns) {
			r = -ETIMEDOUT;
			break;
		}
		slept = session_sleep(s, clock_mono_ns(&clock_real) + CONNECT_PAUSE_NS);
		if (slept < 0) {
			r = slept;
			break;
		}
	}
	s->recovering = nested;
	return r;
}

int session_recover(struct session *s)
{
	int64_t deadline_ns = clock_mono_ns(&clock_real) + s->options.reconnect_us * 1000;
	int r;

	if (s->recovering)
		return -ECONNRESET;
	s->recovering = true;
	do {
		r = session_connect(s, deadline_ns);
		if (r >= 0)
			r = session_jobs_look(s);
	} while (r == -ECONNRESET && clock_mono_ns(&clock_real) < deadline_ns);
	s->recovering = false;
	return r == -EINTR || r >= 0 ? r : -ECONNRESET;
}

int session_sleep(struct session *s, int64_t deadline_ns)
{
	int r;

	while ((r = session_turn(s, deadline_ns)) != 1) {
		if (r == -ECONNRESET)
			r = s->recovering ? 0 : session_recover(s);
		if (r < 0)
			return r;
	}
	return 0;
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	sd_bus_message **ret = data;

	(void)error;
	*ret = sd_bus_message_ref(reply);
	return 0;
}

static int call_once(struct session *s, const struct session_call *call, sd_bus_error *error,
	sd_bus_message **ret, const char *types, va_list values)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	int64_t timeout_us = call->timeout_us ? call->timeout_us : SESSION_CALL_US;
	int64_t deadline_ns = clock_mono_ns(&clock_real) + timeout_us * 1000;
	int r;

	if (!s->bus)
		return -ECONNRESET;
	r = sd_bus_message_new_method_call(s->bus, &m, USERBUS_SYSTEMD,
		call->path ? call->path : USERBUS_PATH,
		call->interface ? call->interface : USERBUS_MANAGER, call->member);
	if (r >= 0 && *types)
		r = sd_bus_message_appendv(m, types, values);
	/* its own time-out is later than ours, so that one of them decides */
	if (r >= 0)
		r = sd_bus_call_async(s->bus, &slot, m, on_reply, &reply, (uint64_t)timeout_us * 2);
	if (r < 0)
		return may_pass(r) ? -ECONNRESET : r;
	while (!reply) {
		r = session_turn(s, deadline_ns);
		if (r != 0 && !(reply && r != -EINTR))
			return r == 1 ? -ETIMEDOUT : r;
	}
	if (!s->bus) /* then the reply is sd-bus's own, about the loss */
		return -ECONNRESET;
	if (sd_bus_message_is_method_error(reply, NULL)) {
		sd_bus_error_copy(error, sd_bus_message_get_error(reply));
		r = sd_bus_message_get_errno(reply);
		/* the manager's word, not what happened to us */
		return r <= 0 || r == EINTR || r == ECONNRESET ? -EIO : -r;
	}
	if (ret)
		*ret = TAKE_PTR(reply);
	return 0;
}

int session_call(struct session *s, const struct session_call *call, sd_bus_error *error,
	sd_bus_message **ret, const char *types, ...)
{
	int r = -ECONNRESET;

	for (int attempt = 0; attempt < 3 && r == -ECONNRESET; attempt++) {
		va_list values;

		if (attempt > 0 || (!s->bus && !s->recovering)) {
			int recovered = session_recover(s);

			if (recovered < 0)
				return recovered;
		}
		va_start(values, types);
		r = call_once(s, call, error, ret, types, values);
		va_end(values);
	}
	return r;
}

int session_unit(struct session *s, const char *unit, sd_bus_error *error, struct unit_state *ret)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP_FREE char *path = NULL;
	int r = unit_path(unit, &path);

	if (r >= 0)
		r = session_call(s,
			&(struct session_call){
				.path = path,
				.interface = "org.freedesktop.DBus.Properties",
				.member = "GetAll",
			},
			error, &reply, "s", "");
	return r < 0 ? r : unit_state_parse(reply, unit, ret);
}
