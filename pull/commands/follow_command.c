/* SPDX-License-Identifier: MIT */
/*
 * `pullpi follow`: what happens, told to people, programs, the log and the service manager. A state
 * is told when it begins, not at each try; a connection that was lost and made up for at once is no
 * news.
 */
#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/zone.h"
#include "common/systemd/userbus.h"
#include "pull/commands/commands.h"
#include "pull/session/session.h"
#include "pull/ssh/wait.h"

#define NOTE_NS (60 * NS_PER_SEC) /* the last contact is written down so often */
#define WATCHDOG_NS NS_PER_SEC

struct telling {
	const struct cli *cli;
	const struct camera_settings *camera;
	bool ready; /* said so */
	bool failing; /* told of it, with these: */
	int code;
	enum connect_why why;
	int64_t noted_ns, fed_ns;
	uint64_t removed; /* told of so many */
	struct zone zone; /* that local times are by */
};

static void follow_print_frame(const struct telling *t, const struct session_result *result)
{
	const char *file = strrchr(result->path, '/');
	char age[80];

	if (cli_flag(t->cli, "json")) {
		struct json_object *o = json_object_new_object();

		json_add_text(o, "camera", t->camera->name);
		add_frame(o, &result->frame, result->path);
		json_print(o);
	} else if (!log_is_journal()) {
		text_print(stdout, "%s: %s %lld KB, %s\n", t->camera->name,
			file ? file + 1 : result->path,
			(long long)(result->frame.bytes + 512) / 1024,
			describe_age(&result->frame, age, sizeof age));
	}
	fflush(stdout);
}

/* Writes down that the camera is there, now and then. */
static void follow_note_contact(struct telling *t)
{
	int64_t now_ns = clock_mono_ns(&clock_real);
	struct peer_outcome before;

	if (now_ns - t->noted_ns < NOTE_NS)
		return;
	t->noted_ns = now_ns;
	if (zone_has_changed(&t->zone))
		(void)zone_read_again(&t->zone, clock_wall_us(&clock_real));
	peer_state_note(t->camera->name, &clock_real, PEER_CAMERA, CLI_OK, "", &before);
}

static void follow_report_success(struct telling *t)
{
	report_result(t->cli, t->camera->name, PEER_CAMERA, CLI_OK, "");
	t->noted_ns = clock_mono_ns(&clock_real);
	t->failing = false;
}

static void follow_report_failure(struct telling *t, const struct session_result *result)
{
	bool changed = !t->failing || t->code != result->code || t->why != result->why;
	struct peer_outcome before;

	peer_state_note(t->camera->name, &clock_real,
		result->why == CONNECT_HERE ? PEER_HERE : PEER_CAMERA, result->code, result->error,
		&before);
	/* the service was started again in an outage that the log knows of */
	if (log_is_journal() && !t->failing && before.code == result->code)
		changed = false;
	if (changed)
		report_failure(t->cli, t->camera->name, result->code, result->error, true);
	else
		log_debug("%s: %s", t->camera->name, result->error);
	t->failing = true;
	t->code = result->code;
	t->why = result->why;
}

static void follow_tell_manager(
	struct telling *t, enum session_event event, const struct session_result *result)
{
	int64_t now_ns = clock_mono_ns(&clock_real);
	const char *file = strrchr(result->path, '/');

	bool alive = event == SESSION_ALIVE || event == SESSION_SEEN;

	if (alive && now_ns - t->fed_ns < WATCHDOG_NS)
		return;
	t->fed_ns = now_ns;
	sd_notify(0, "WATCHDOG=1");
	if (event == SESSION_FAILED)
		notify_status(
			"%.400s%s", result->error, result->connected ? "" : "; it is tried again");
	else if (event == SESSION_LOST)
		notify_status("connecting again");
	else if (!alive)
		notify_status("connected, %llu frames so far%s%s",
			(unsigned long long)result->frames, file ? ", the last: " : "",
			file ? file + 1 : "");
	/* the first try has an outcome: that is all that can be promised of a camera */
	if (!t->ready && !alive)
		t->ready = sd_notify(0, "READY=1") > 0;
}

static bool follow_tell(void *data, enum session_event event, const struct session_result *result)
{
	struct telling *t = data;

	switch (event) {
	case SESSION_CONNECTED:
		if (t->failing && t->why == CONNECT_HERE) /* that ends with a frame */
			follow_note_contact(t);
		else
			follow_report_success(t);
		report_seen(t->camera->name, &result->sighting, 0);
		break;
	case SESSION_SEEN:
		report_seen(t->camera->name, &result->sighting, 0);
		break;
	case SESSION_FRAME:
		if (t->failing && t->why == CONNECT_HERE)
			report_result(t->cli, t->camera->name, PEER_HERE, CLI_OK, "");
		if (t->failing)
			follow_report_success(t);
		follow_print_frame(t, result);
		follow_note_contact(t);
		report_room(
			t->cli, t->camera->name, result->removed - t->removed, result->room_error);
		t->removed = result->removed;
		break;
	case SESSION_FORKED:
		report_warning(t->cli, t->camera->name, result->fork.text);
		break;
	case SESSION_ALIVE:
		if (result->connected)
			follow_note_contact(t);
		break;
	case SESSION_FAILED:
		follow_report_failure(t, result);
		break;
	case SESSION_LOST:
	default:
		log_debug("%s: %s", t->camera->name, result->error);
		break;
	}
	follow_tell_manager(t, event, result);
	return !ferror(stdout);
}

int command_follow(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	const struct camera_settings *camera = NULL;
	struct telling telling = { .cli = cli };
	struct session_options options = { .plan = PLAN_FOLLOW,
		.deadline_ns = DEADLINE_NONE,
		.tell = follow_tell,
		.data = &telling };
	struct session_result result;
	int r = cli_settings(cli, CLI_KEEP, &settings);

	if (r == CLI_OK)
		r = pull_choose_camera(cli, settings, cli->argc > 0 ? cli->argv[0] : NULL, &camera);
	if (r != CLI_OK)
		return r;
	telling.camera = camera;
	zone_begin(&telling.zone);
	options.camera = camera;
	session_pull(&options, &result);
	return CLI_INTERNAL; /* stdout is closed */
}
