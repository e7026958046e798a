/* SPDX-License-Identifier: MIT */
/*
 * A fake of systemd's Manager at the other end of a socketpair, in deploypi's own event loop: one
 * thread, and things happen in the order that a test says.
 */
#pragma once

#include <signal.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/systemd/userbus.h"
#include "deploy/manager.h"
#include "tests/test.h"
#include "tests/unit/bus_kit.h"

#define SOON_NS (5 * INT64_C(1000000))
#define LONG_NS (20 * NS_PER_SEC) /* against hangs; nothing takes that long */

struct fake_unit {
	const char *name, *load, *active, *sub, *result, *type;
	uint32_t restarts;
};

struct fake {
	struct manager manager;
	sd_bus *bus;

	/* the script */
	struct fake_unit units[4];
	const char *job_result; /* of each job; NULL: it does not end */
	const char *other_result; /* an older job of the same unit ends first, so */
	const char *malformed; /* the member that is answered with something else */
	const char *error_at, *error_name; /* the member that is answered with this error */
	const char *silent_at; /* the member that is not answered */
	const char *drop_at; /* the connection ends when this member is called, once */
	bool drop_after_job; /* the connection ends after the answer with the job */
	int refusals; /* so many connections fail first; -1: all */

	/* what happened */
	uint32_t last_job;
	unsigned connections, calls, starts;
};

static void fake_end_job(struct fake *fake, uint32_t id, const char *unit, const char *result)
{
	char path[64];

	snprintf(path, sizeof path, "/org/freedesktop/systemd1/job/%u", id);
	sd_bus_emit_signal(fake->bus, USERBUS_PATH, USERBUS_MANAGER, "JobRemoved", "uoss", id, path,
		unit, result);
}

static void fake_drop(struct fake *fake)
{
	if (!fake->bus)
		return;
	sd_bus_flush(fake->bus);
	sd_bus_detach_event(fake->bus);
	fake->bus = sd_bus_close_unref(fake->bus);
}

static struct fake_unit *fake_unit(struct fake *fake, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fake->units); i++)
		if (fake->units[i].name && strcmp(fake->units[i].name, name) == 0)
			return &fake->units[i];
	return NULL;
}

static void fake_answer_job(struct fake *fake, sd_bus_message *m)
{
	const char *unit, *mode;
	char path[64];
	uint32_t id = ++fake->last_job;

	fake->starts++;
	sd_bus_message_read(m, "ss", &unit, &mode);
	snprintf(path, sizeof path, "/org/freedesktop/systemd1/job/%u", id);
	sd_bus_reply_method_return(m, "o", path);
	if (fake->other_result)
		fake_end_job(fake, id + 1000, unit, fake->other_result);
	if (fake->drop_after_job) {
		fake->drop_after_job = false;
		fake_drop(fake);
	} else if (fake->job_result) {
		fake_end_job(fake, id, unit, fake->job_result);
	}
}

static void add(sd_bus_message *m, const char *name, const char *type, const void *value)
{
	if (!value)
		return;
	sd_bus_message_open_container(m, 'e', "sv");
	sd_bus_message_append(m, "s", name);
	sd_bus_message_open_container(m, 'v', type);
	sd_bus_message_append_basic(m, *type, value);
	sd_bus_message_close_container(m);
	sd_bus_message_close_container(m);
}

static void fake_answer_unit(struct fake *fake, sd_bus_message *m)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP_FREE char *name = NULL;
	struct fake_unit *u;

	sd_bus_path_decode(sd_bus_message_get_path(m), USERBUS_PATH "/unit", &name);
	u = name ? fake_unit(fake, name) : NULL;
	sd_bus_message_new_method_return(m, &reply);
	sd_bus_message_open_container(reply, 'a', "{sv}");
	add(reply, "LoadState", "s", u ? u->load ? u->load : "loaded" : "not-found");
	add(reply, "ActiveState", "s", u && u->active ? u->active : "inactive");
	add(reply, "SubState", "s", u && u->sub ? u->sub : "dead");
	add(reply, "Result", "s", u && u->result ? u->result : "success");
	add(reply, "Type", "s", u && u->type ? u->type : "notify");
	if (u)
		sd_bus_message_append(reply, "{sv}", "NRestarts", "u", u->restarts);
	sd_bus_message_close_container(reply);
	sd_bus_send(NULL, reply, NULL);
}

static bool is_at(const char *at, const char *member)
{
	return at && strcmp(at, member) == 0;
}

static int fake_call(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *member = sd_bus_message_get_member(m);
	struct fake *fake = data;

	(void)error;
	if (!sd_bus_message_is_method_call(m, NULL, NULL))
		return 0;
	fake->calls++;
	if (is_at(fake->drop_at, member)) {
		fake->drop_at = NULL;
		fake_drop(fake);
	} else if (is_at(fake->error_at, member)) {
		sd_bus_reply_method_errorf(m, fake->error_name, "no");
	} else if (is_at(fake->malformed, member)) {
		sd_bus_reply_method_return(m, "aas", 1, 1, "nonsense");
	} else if (is_at(fake->silent_at, member)) {
		return 1;
	} else if (strcmp(member, "GetAll") == 0) {
		fake_answer_unit(fake, m);
	} else if (strstr(member, "Unit") && !strstr(member, "Units")) {
		fake_answer_job(fake, m);
	} else {
		sd_bus_reply_method_return(m, NULL);
	}
	return 1;
}

/* The way to a connection. */
static int fake_connect(void *data, sd_bus **ret)
{
	struct fake *fake = data;
	int fds[2];

	if (fake->refusals != 0) {
		fake->refusals -= fake->refusals > 0;
		return -ECONNREFUSED;
	}
	fake_drop(fake);
	fake->connections++;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
		sd_bus_new(&fake->bus) < 0 || sd_bus_set_fd(fake->bus, fds[0], fds[0]) < 0 ||
		sd_bus_set_server(fake->bus, true, (sd_id128_t){ .bytes = { 1 } }) < 0 ||
		sd_bus_add_filter(fake->bus, NULL, fake_call, fake) < 0 ||
		sd_bus_start(fake->bus) < 0 ||
		sd_bus_attach_event(fake->bus, fake->manager.event, 0) < 0) {
		perror("fake manager");
		exit(1);
	}
	return userbus_open_fd(fds[1], ret);
}

static int64_t in_ns(int64_t ns)
{
	return clock_mono_ns(&clock_real) + ns;
}

/* Connected to the fake, whose script the test has written. */
__attribute__((unused)) static bool fake_begin(struct fake *fake)
{
	if (!CHECK(manager_init(&fake->manager) == 0))
		return false;
	fake->manager.open = fake_connect;
	fake->manager.data = fake;
	return CHECK(manager_connect(&fake->manager, in_ns(LONG_NS)) == 0);
}

static void fake_end(struct fake *fake)
{
	manager_clear(&fake->manager);
	fake_drop(fake);
}
