/* SPDX-License-Identifier: MIT */
/* The connection, calls, jobs and signals of a conversation. */
#include "deploy/manager.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/systemd/userbus.h"

#define CONNECT_PAUSE_NS (50 * INT64_C(1000000))

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct manager *m = data;

	(void)source;
	if (!m->signal)
		m->signal = (int)info->ssi_signo;
	return 0;
}

int manager_init(struct manager *m)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t blocked;
	int r;

	*m = (struct manager){ .call_us = MANAGER_CALL_US };
	sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&blocked, signals[i]);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
		return -errno;
	r = sd_event_new(&m->event);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_event_add_signal(m->event, NULL, signals[i], on_signal, m);
	return r < 0 ? r : 0;
}

static void manager_disconnect(struct manager *m)
{
	if (m->bus)
		sd_bus_detach_event(m->bus);
	m->bus = sd_bus_close_unref(m->bus);
}

void manager_clear(struct manager *m)
{
	manager_disconnect(m);
	m->event = sd_event_unref(m->event);
}

/* One turn of the loop. 0; 1 the deadline has passed; -EINTR; -ECONNRESET; other -errno. */
static int manager_turn(struct manager *m, int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_mono_ns(&clock_real);
	int r;

	if (m->signal) /* for good: the next call does not wait either */
		return -EINTR;
	/* even with no time left, what is already there is taken */
	r = sd_event_run(m->event, left_ns > 0 ? (uint64_t)(left_ns + 999) / 1000 : 0);
	if (m->signal)
		return -EINTR;
	if (m->bus && sd_bus_is_open(m->bus) <= 0)
		return -ECONNRESET;
	if (r < 0)
		return r;
	return r == 0 && clock_mono_ns(&clock_real) >= deadline_ns;
}

int manager_sleep(struct manager *m, int64_t deadline_ns)
{
	int r;

	do
		r = manager_turn(m, deadline_ns);
	while (r == 0);
	return r < 0 ? r : 0;
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	sd_bus_message **ret = data;

	(void)error;
	*ret = sd_bus_message_ref(reply);
	return 0;
}

static int manager_send(
	struct manager *m, sd_bus_message *call, sd_bus_error *error, sd_bus_message **ret)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	int r = sd_bus_call_async(m->bus, &slot, call, on_reply, &reply, (uint64_t)m->call_us);

	while (r >= 0 && !reply)
		r = manager_turn(m, INT64_MAX);
	if (sd_bus_is_open(m->bus) <= 0 && r != -EINTR)
		return -ECONNRESET; /* the reply, too, is sd-bus's own about the loss */
	if (r < 0)
		return r;
	if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY))
		return -ETIMEDOUT;
	if (sd_bus_message_is_method_error(reply, NULL)) {
		sd_bus_error_copy(error, sd_bus_message_get_error(reply));
		return -EREMOTEIO;
	}
	if (ret)
		*ret = TAKE_PTR(reply);
	return 0;
}

int manager_call(struct manager *m, const char *member, sd_bus_error *error, sd_bus_message **ret,
	const char *types, ...)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	va_list values;
	int r = sd_bus_message_new_method_call(
		m->bus, &call, USERBUS_SYSTEMD, USERBUS_PATH, USERBUS_MANAGER, member);

	va_start(values, types);
	if (r >= 0 && *types)
		r = sd_bus_message_appendv(call, types, values);
	va_end(values);
	return r < 0 ? r : manager_send(m, call, error, ret);
}

int manager_read_unit(
	struct manager *m, const char *unit, sd_bus_error *error, struct unit_state *ret)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP_FREE char *path = NULL;
	int r = unit_path(unit, &path);

	if (r >= 0)
		r = sd_bus_message_new_method_call(m->bus, &call, USERBUS_SYSTEMD, path,
			"org.freedesktop.DBus.Properties", "GetAll");
	if (r >= 0)
		r = sd_bus_message_append(call, "s", "");
	if (r >= 0)
		r = manager_send(m, call, error, &reply);
	return r < 0 ? r : unit_state_parse(reply, unit, ret);
}

/* JobRemoved(u id, o job, s unit, s result). A signal of another form is nobody's job. */
static int on_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct manager *manager = data;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	for (struct manager_job *job = manager->jobs; job; job = job->next)
		if (strcmp(job->path, path) == 0)
			text_clean(result, strlen(result), job->result, sizeof job->result);
	return 0;
}

/* PropertiesChanged(s interface, a{sv} changed, as others), of a unit with a job of ours. */
static int on_changed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	CLEANUP_FREE char *unit = NULL;
	struct manager *manager = data;
	const char *interface;

	(void)error;
	if (sd_bus_path_decode(sd_bus_message_get_path(m), USERBUS_PATH "/unit", &unit) <= 0 ||
		sd_bus_message_read_basic(m, 's', &interface) < 0)
		return 0;
	for (struct manager_job *job = manager->jobs; job; job = job->next) {
		if (strcmp(job->unit, unit) == 0) {
			unit_state_update(m, &job->state);
			break;
		}
	}
	return 0;
}

/* The first call, too, shows whether there is somebody: the log-in comes before it. */
static int manager_connect_once(struct manager *m)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = m->open ? m->open(m->data, &m->bus) : userbus_open(&m->bus);

	if (r < 0)
		return r;
	r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_match_signal(m->bus, NULL, NULL, NULL, "org.freedesktop.DBus.Properties",
			"PropertiesChanged", on_changed, m);
	if (r >= 0)
		r = sd_bus_match_signal(m->bus, NULL, NULL, USERBUS_PATH, USERBUS_MANAGER,
			"JobRemoved", on_removed, m);
	if (r >= 0)
		r = manager_call(m, "Subscribe", &error, NULL, "");
	if (r < 0 && r != -EREMOTEIO) /* that it is subscribed already */
		manager_disconnect(m);
	return r == -EREMOTEIO ? 0 : r;
}

int manager_connect(struct manager *m, int64_t deadline_ns)
{
	for (;;) {
		int r = manager_connect_once(m);

		if (r >= 0 || r == -EPERM || r == -EINTR)
			return r < 0 ? r : 0;
		if (clock_mono_ns(&clock_real) >= deadline_ns)
			return -ETIMEDOUT;
		r = manager_sleep(m, clock_mono_ns(&clock_real) + CONNECT_PAUSE_NS);
		if (r < 0)
			return r;
	}
}

int manager_queue_job(
	struct manager *m, const char *method, struct manager_job *job, sd_bus_error *error)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *path;
	int r;

	*job->path = *job->result = '\0';
	/* from now on: changes may be told before the answer */
	job->next = m->jobs;
	m->jobs = job;
	r = manager_call(m, method, error, &reply, "ss", job->unit, "replace");
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path) < 0 ? -EBADMSG : 0;
	if (r < 0)
		m->jobs = job->next;
	else /* the manager answers before the job ends, and this before the next message is read */
		snprintf(job->path, sizeof job->path, "%s", path);
	return r;
}

static bool manager_has_jobs(const struct manager *m)
{
	for (const struct manager_job *job = m->jobs; job; job = job->next)
		if (!*job->result)
			return true;
	return false;
}

int manager_wait_jobs(struct manager *m, int64_t deadline_ns)
{
	while (manager_has_jobs(m)) {
		int r = manager_turn(m, deadline_ns);

		if (r != 0)
			return r < 0 ? r : -ETIMEDOUT;
	}
	return 0;
}

void manager_forget_jobs(struct manager *m)
{
	m->jobs = NULL;
}
