/* SPDX-License-Identifier: MIT */
/* The newest frame of the archive is another one when a frame is stored: its name has slot and number. */
#include "deploy/first_frame.h"

#include <errno.h>
#include <string.h>

#include "common/archive.h"
#include "common/child.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/name.h"
#include "common/utc.h"
#include "deploy/setup.h"

#define LOOK_NS (200 * INT64_C(1000000))
#define LOOK_AT_UNIT_TURNS 10
#define GRACE_US (20 * US_PER_SEC) /* a camera that opens slowly, a slot that is missed */

static int newest(const char *path, struct frame_name *ret, char ret_path[static FRAME_PATH_MAX])
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame;
	int r = archive_open(path, &(struct archive_options){ .mode = ARCHIVE_READ }, &archive);

	if (r == 0)
		r = archive_newest(archive, &frame);
	if (r < 0)
		return r;
	*ret = record_name(&frame);
	return frame_name_path(ret, ret_path);
}

static int64_t duration_setting(struct json_object *dump, const char *section, const char *key)
{
	const struct conf_item item = { .type = &conf_duration, .max = INT64_MAX };
	int64_t us = 0;

	conf_parse(&item, setup_setting(dump, section, key), &us);
	return us;
}

/* How long ago the last slot may be: `every`, or as capturepi.conf(5) has it where that is "auto". */
static int64_t interval_setting(struct json_object *dump)
{
	int64_t every_us = duration_setting(dump, "schedule", "every");

	if (every_us > 0)
		return every_us;
	return strcmp(setup_setting(dump, "schedule", "at"), "none") == 0
		? 60 * US_PER_SEC
		: INT64_C(24) * 3600 * US_PER_SEC;
}

void first_frame_note(struct json_object *dump, struct first_frame *ret)
{
	struct frame_name name;
	char path[FRAME_PATH_MAX];

	*ret = (struct first_frame){
		.every_us = interval_setting(dump),
		.wait_for_clock_us = duration_setting(dump, "schedule", "wait_for_clock"),
	};
	snprintf(ret->archive, sizeof ret->archive, "%s", setup_setting(dump, "archive", "path"));
	if (newest(ret->archive, &name, path) == 0) {
		ret->before = name.seq;
		ret->before_slot_us = name.slot_us;
	}
}

/* When the next slot is; TIME_NONE where the schedule has none, or cannot be asked. */
static int64_t next_slot_us(struct deploy *deploy)
{
	static const char *const words[] = { "schedule", "-n", "1", "--json", NULL };
	struct child_result child = { 0 };
	struct json_object *slots = NULL, *slot;
	int64_t us = TIME_NONE;

	if (setup_ask(deploy, "capturepi", words, &child) < 0)
		return TIME_NONE;
	slots = json_tokener_parse(child.out);
	slot = json_object_is_type(slots, json_type_array) ? json_object_array_get_idx(slots, 0)
							   : NULL;
	if (json_object_is_type(slot, json_type_string) &&
		utc_parse(json_object_get_string(slot), strlen(json_object_get_string(slot)), &us) <
			0)
		us = TIME_NONE;
	json_object_put(slots);
	child_result_clear(&child);
	return us;
}

/* What the camera itself says, as `capturepi status` has it; "" if nothing. */
static void camera_error(struct deploy *deploy, char *ret, size_t size)
{
	static const char *const words[] = { "status", "--json", NULL };
	struct child_result child = { 0 };
	struct json_object *status = NULL, *service = NULL, *camera = NULL;
	const char *state, *error;

	*ret = '\0';
	if (setup_ask(deploy, "capturepi", words, &child) < 0)
		return;
	status = json_tokener_parse(child.out);
	if (json_object_is_type(status, json_type_object))
		json_object_object_get_ex(status, "service", &service);
	if (json_object_is_type(service, json_type_object))
		json_object_object_get_ex(service, "camera", &camera);
	if (json_object_is_type(camera, json_type_object)) {
		state = setup_setting(service, "camera", "state");
		error = setup_setting(service, "camera", "error");
		snprintf(ret, size, "; the camera: %s%s%s", state, *error ? ", " : "", error);
	}
	json_object_put(status);
	child_result_clear(&child);
}

static void tell_frame(struct deploy *deploy, const struct first_frame *frame,
	const struct frame_name *name, const char *path, int64_t begun_ns)
{
	char time[UTC_TEXT_MAX];
	int64_t took_ns = clock_mono_ns(&clock_real) - begun_ns;

	if (name->seq == frame->before)
		report_ok(&deploy->report, "frame", NULL, "the newest is %s/%s, of %s",
			frame->archive, path, utc_format_local(name->slot_us, time));
	else
		report_ok(&deploy->report, "frame", NULL,
			"%s/%s is stored, %lld.%lld s after this began", frame->archive, path,
			(long long)(took_ns / NS_PER_SEC),
			(long long)(took_ns % NS_PER_SEC / (NS_PER_SEC / 10)));
}

static int tell_none(
	struct deploy *deploy, const struct first_frame *frame, const char *unit, int64_t since_us)
{
	char camera[TEXT_MAX * 2], next[REPORT_TEXT_MAX];
	struct unitlog log;

	camera_error(deploy, camera, sizeof camera);
	snprintf(next, sizeof next,
		"the service goes on trying; see `capturepi%s%s status`, `capturepi cameras`",
		deploy->name ? " --name " : "", deploy->name ? deploy->name : "");
	unitlog_read(unit, since_us, &log);
	report_step(&deploy->report,
		&(struct step){
			.name = "frame",
			.unit = unit,
			.result = STEP_FAILED,
			.next = next,
			.log = &log,
		},
		"it runs, but no frame came to %s though one was due%s", frame->archive, camera);
	return CLI_TEMPFAIL;
}

/* The service may end, or begin anew, while its frame is waited for. */
static int look_at_service(
	struct deploy *deploy, const struct unit_state *service, int64_t since_us)
{
	struct unit_state now;
	struct unitlog log;
	struct outcome outcome;
	int r = units_read(deploy, "frame", service->name, &now);

	if (r != CLI_OK)
		return r;
	outcome_judge(UNIT_START, "done", service, &now, NULL, &outcome);
	if (outcome.kind == OUTCOME_OK)
		return CLI_OK;
	unitlog_read(service->name, since_us, &log);
	report_step(&deploy->report,
		&(struct step){
			.name = "frame",
			.unit = service->name,
			.result = STEP_FAILED,
			.next = *outcome.next ? outcome.next : deploy->again,
			.log = &log,
		},
		"before its first frame: %s", outcome.text);
	return CLI_INTERNAL;
}

static int wait_until(struct deploy *deploy, const struct first_frame *frame,
	const struct unit_state *service, int64_t deadline_ns, int64_t begun_ns)
{
	int64_t since_us = clock_wall_us(&clock_real);
	struct frame_name name;
	char path[FRAME_PATH_MAX];

	for (unsigned turn = 1;; turn++) {
		int r;

		if (newest(frame->archive, &name, path) == 0 && name.seq != frame->before) {
			tell_frame(deploy, frame, &name, path, begun_ns);
			return CLI_OK;
		}
		if (clock_mono_ns(&clock_real) >= deadline_ns)
			return tell_none(deploy, frame, service->name, since_us);
		r = session_sleep(deploy->session, clock_mono_ns(&clock_real) + LOOK_NS);
		if (r < 0)
			return units_tell_error(deploy, "frame", service->name, r, NULL);
		r = turn % LOOK_AT_UNIT_TURNS == 0 ? look_at_service(deploy, service, since_us)
						   : CLI_OK;
		if (r != CLI_OK)
			return r;
	}
}

int first_frame_wait(struct deploy *deploy, const struct first_frame *frame,
	const struct unit_state *service, bool started, int64_t wait_us, int64_t begun_ns)
{
	int64_t now_us = clock_wall_us(&clock_real), due_us = next_slot_us(deploy), left_us;
	char time[UTC_TEXT_MAX];
	struct frame_name name;
	char path[FRAME_PATH_MAX];

	if (!started && newest(frame->archive, &name, path) == 0 &&
		name.slot_us >= now_us - frame->every_us - GRACE_US) {
		tell_frame(deploy, frame, &name, path, begun_ns);
		return CLI_OK;
	}
	left_us = due_us == TIME_NONE ? INT64_MAX : due_us - now_us;
	if (due_us != TIME_NONE && !clock_synced(&clock_real))
		left_us += frame->wait_for_clock_us;
	if (left_us > wait_us) {
		if (due_us == TIME_NONE)
			report_ok(&deploy->report, "frame", NULL,
				"the schedule has no next slot that could be waited for");
		else
			report_ok(&deploy->report, "frame", NULL,
				"the first is due at %s, and not waited for; `capturepi%s%s shot` "
				"takes one now",
				utc_format_local(due_us, time), deploy->name ? " --name " : "",
				deploy->name ? deploy->name : "");
		return CLI_OK;
	}
	if (!deploy->report.json && left_us > 2 * US_PER_SEC)
		printf("%-9s waiting for the slot of %s\n", "frame",
			utc_format_local(due_us, time));
	fflush(stdout);
	return wait_until(deploy, frame, service,
		clock_mono_ns(&clock_real) + (left_us + GRACE_US) * 1000, begun_ns);
}
