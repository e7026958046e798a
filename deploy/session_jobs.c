/* SPDX-License-Identifier: MIT */
/*
 * Waiting for jobs. A job is known by its number, never by its unit: an older job of the same unit may end
 * first. On one connection the answer to StartUnit comes before the signal that the job is removed; that
 * one is kept all the same, so that nothing depends on it.
 */
#include "deploy/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/userbus.h"
#include "common/util.h"
#include "deploy/session_private.h"

#define JOB_PATH USERBUS_PATH "/job/"

static struct job *find_job(struct session *s, uint32_t id)
{
	for (unsigned i = 0; i < s->n_jobs; i++)
		if (s->jobs[i].id == id && !s->jobs[i].ended)
			return &s->jobs[i];
	return NULL;
}

static void end_job(struct job *job, const char *result)
{
	text_clean(result, strlen(result), job->result, sizeof job->result);
	job->ended = true;
}

/* JobRemoved(u id, o job, s unit, s result). A signal of another form is nobody's job. */
static int on_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct session *s = data;
	const char *path, *unit, *result;
	struct job *job;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	job = find_job(s, id);
	if (!job) {
		job = &s->removed[s->n_removed++ % JOBS_REMEMBERED];
		job->id = id;
	}
	end_job(job, result);
	return 0;
}

/* PropertiesChanged(s interface, a{sv} changed, as others), of a unit with a job of ours. */
static int on_changed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	CLEANUP_FREE char *unit = NULL;
	struct session *s = data;
	const char *interface;

	(void)error;
	if (sd_bus_path_decode(sd_bus_message_get_path(m), USERBUS_PATH "/unit", &unit) <= 0 ||
		sd_bus_message_read_basic(m, 's', &interface) < 0)
		return 0;
	for (unsigned i = 0; i < s->n_jobs; i++) {
		if (s->jobs[i].seen && strcmp(s->jobs[i].unit, unit) == 0) {
			unit_state_update(m, s->jobs[i].seen);
			break;
		}
	}
	return 0;
}

int session_jobs_attach(struct session *s)
{
	int r = sd_bus_match_signal(s->bus, NULL, NULL, NULL, "org.freedesktop.DBus.Properties",
		"PropertiesChanged", on_changed, s);

	if (r < 0)
		return r;
	/* of another manager, perhaps: its numbers begin anew */
	memset(s->removed, 0, sizeof s->removed);
	return sd_bus_match_signal(
		s->bus, NULL, NULL, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", on_removed, s);
}

int session_jobs_look(struct session *s)
{
	for (unsigned i = 0; i < s->n_jobs; i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		struct job *job = &s->jobs[i];
		struct unit_state state;
		int r;

		if (job->ended)
			continue;
		r = session_unit(s, job->unit, &error, &state);
		if (r < 0)
			return r;
		if (!job->ended && state.job != job->id) /* the signal may have come meanwhile */
			end_job(job, JOB_LOST);
	}
	return 0;
}

static int parse_job_path(const char *path, uint32_t *ret)
{
	unsigned long long id;
	char *end;

	if (strncmp(path, JOB_PATH, strlen(JOB_PATH)) != 0)
		return -EBADMSG;
	path += strlen(JOB_PATH);
	if (*path < '1' || *path > '9' || strlen(path) > 10)
		return -EBADMSG;
	id = strtoull(path, &end, 10);
	if (*end || id > UINT32_MAX)
		return -EBADMSG;
	*ret = (uint32_t)id;
	return 0;
}

static void add_job(struct session *s, uint32_t id, struct job *job)
{
	job->id = id;
	job->ended = false;
	for (unsigned i = 0; i < JOBS_REMEMBERED; i++)
		if (s->removed[i].id == id)
			end_job(job, s->removed[i].result);
}

int session_job(struct session *s, const char *method, const char *unit, struct unit_state *seen,
	sd_bus_error *error)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct job *job = &s->jobs[s->n_jobs];
	const char *path;
	uint32_t id;
	int r;

	if (s->n_jobs == ARRAY_SIZE(s->jobs))
		return -ENOBUFS;
	/* from now on: changes may be told before the answer */
	*job = (struct job){ .ended = true, .seen = seen };
	snprintf(job->unit, sizeof job->unit, "%s", unit);
	s->n_jobs++;
	r = session_call(s, &(struct session_call){ .member = method }, error, &reply, "ss", unit,
		"replace");
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path) < 0 ? -EBADMSG : 0;
	if (r >= 0)
		r = parse_job_path(path, &id);
	if (r < 0)
		s->n_jobs--;
	else
		add_job(s, id, job);
	return r;
}

static bool all_ended(const struct session *s)
{
	for (unsigned i = 0; i < s->n_jobs; i++)
		if (!s->jobs[i].ended)
			return false;
	return true;
}

int session_jobs_wait(struct session *s, int64_t deadline_ns)
{
	while (!all_ended(s)) {
		int r = session_turn(s, deadline_ns);

		if (r == 1)
			return -ETIMEDOUT;
		if (r == -ECONNRESET)
			r = session_recover(s);
		if (r < 0)
			return r;
	}
	return 0;
}

const char *session_job_result(const struct session *s, const char *unit)
{
	for (unsigned i = 0; i < s->n_jobs; i++)
		if (s->jobs[i].ended && s->jobs[i].id && strcmp(s->jobs[i].unit, unit) == 0)
			return s->jobs[i].result;
	return NULL;
}

void session_jobs_clear(struct session *s)
{
	s->n_jobs = 0;
}
