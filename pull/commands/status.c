/* SPDX-License-Identifier: MIT */
/*
 * `pullpi status`: what is here of each camera and how old it is, what is missing, and when the
 * camera last answered. It reads files only and asks no camera.
 */
#include <errno.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/spread.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/when.h"
#include "common/contact/due.h"
#include "common/contact/peer_state.h"
#include "common/events/hook.h"
#include "common/journal/mark.h"
#include "pull/commands/commands.h"
#include "pull/session/copy.h"
#include "pull/session/gaps.h"
#include "pull/session/room.h"
#include "pull/ssh/pace.h"

#define FULL_MAX 4 /* of more cameras each has one line */
#define GAPS_US (24 * 3600 * US_PER_SEC) /* older ones are for `list --gaps` */

struct camera_status {
	const struct camera_settings *camera;
	char archive[PATH_MAX];
	int error; /* of the archive; -ENOENT: nothing was fetched yet */
	struct record newest;
	bool has_newest;
	char path[PATH_MAX];
	uint64_t first, last;
	int64_t age_us; /* of the newest, by its slot */
	struct peer_state peer;
	struct due_facts facts;
	struct due due;
	unsigned branches[BRANCHES_MAX], n_branches; /* older histories that were kept */
	struct mark_run marks; /* of the newest pictures here */
	bool has_gaps; /* the next two are known */
	uint64_t behind; /* how many numbers of the camera's journal are not settled here */
	uint64_t gaps[GAP_CAUSES]; /* of the last 24 h, by cause */
	uint64_t taken; /* slots of the last 24 h with a picture */
	struct spread late; /* of these */
	bool has_room; /* the next one is known */
	struct room_view room;
	bool has_budget; /* the next two are known */
	struct pace_month month;
	int64_t done_us; /* when all that is missing will be here; INT64_MAX: never */
	struct json_object *hook; /* hook_object(); what shows it frees it */
};

static int add_gap(void *data, const struct gap *gap)
{
	struct camera_status *s = data;

	s->gaps[gap->cause] += gap->count;
	return 0;
}

static void add_taken(void *data, int64_t late_us)
{
	struct camera_status *s = data;

	s->taken++;
	if (late_us != TIME_NONE)
		spread_add(&s->late, late_us);
}

static int status_read_archive(struct camera_status *s)
{
	const struct gaps_options gaps = { .peer = &s->peer,
		.since_us = clock_wall_us(&clock_real) - GAPS_US,
		.gap = add_gap,
		.taken = add_taken,
		.data = s };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int r = pull_archive_path(s->camera, s->archive);

	if (r == 0)
		r = copy_open(s->camera, s->archive,
			&(struct archive_options){ .mode = ARCHIVE_READ }, &archive);
	if (r < 0)
		return r;
	journal_first(archive_journal(archive), &s->first);
	journal_last(archive_journal(archive), &s->last);
	mark_run_read(archive_journal(archive), &s->marks);
	s->has_newest = archive_newest(archive, &s->newest) == 0;
	if (s->has_newest)
		copy_frame_path(archive, &s->newest, s->path);
	for (unsigned n = 0; archive_branch(archive, &n);)
		s->branches[s->n_branches++] = n;
	s->facts = due_read(archive, &s->peer, s->camera->stale_after_us, &clock_real);
	s->has_gaps = gaps_walk(archive, &gaps, &s->behind) == 0;
	s->hook = hook_object("pullpi", archive);
	s->has_room = room_look(s->camera, archive, &clock_real, &s->room) == 0;
	return 0;
}

/* What is missing counts as so many frames like the newest. */
static void status_read_budget(struct camera_status *s)
{
	const struct peer_spending *spending = &s->peer.spending;
	const int64_t now_us = clock_wall_us(&clock_real);
	struct pace_month *month = &s->month;
	const double missing = (double)s->behind * (s->has_newest ? (double)s->newest.bytes : 0);

	*month = (struct pace_month){ .bytes = s->camera->budget };
	if (month->bytes == 0 || when_month(now_us, &month->from_us, &month->to_us) < 0)
		return;
	s->has_budget = true;
	if (spending->month_us >= month->from_us) {
		month->used = spending->bytes;
		month->exempt = spending->exempt;
	}
	s->done_us =
		missing < 1e18 ? pace_month_done_us(month, (int64_t)missing, now_us) : INT64_MAX;
}

static void status_read(const struct camera_settings *camera, struct camera_status *ret)
{
	*ret = (struct camera_status){ .camera = camera };
	peer_state_load(camera->name, &ret->peer);
	ret->facts = due_read(NULL, &ret->peer, camera->stale_after_us, &clock_real);
	ret->error = status_read_archive(ret);
	if (ret->has_newest)
		ret->age_us = clock_wall_us(&clock_real) - ret->newest.slot_us;
	ret->due = due_judge(&ret->facts);
	status_read_budget(ret);
}

static const char *status_contact_word(int code)
{
	switch (code) {
	case CLI_OK:
		return "good";
	case CLI_TEMPFAIL:
		return "not reached";
	case CLI_REFUSED:
		return "refused";
	default:
		return "failing";
	}
}

/* "3 camera, 120 down" */
static const char *describe_gaps(const struct camera_status *s, char *buf, size_t size)
{
	size_t n = 0;

	snprintf(buf, size, "none");
	for (unsigned i = 0; i < GAP_CAUSES && n < size; i++) {
		if (s->gaps[i] > 0)
			n += (size_t)snprintf(buf + n, size - n, "%s%llu %s", n ? ", " : "",
				(unsigned long long)s->gaps[i], gap_cause_name(i));
	}
	return buf;
}

static void print_gaps(const struct camera_status *s)
{
	char text[256], time[UTC_TEXT_MAX];

	if (s->behind > 0 && s->peer.last == 0)
		text_print(stdout, "behind     %llu numbers in between are not here\n",
			(unsigned long long)s->behind);
	else if (s->behind > 0)
		text_print(stdout,
			"behind     %llu lines of the camera's journal are not here; it was at "
			"%llu on %s\n",
			(unsigned long long)s->behind, (unsigned long long)s->peer.last,
			utc_format_local(s->peer.last_ok_us, time));
	text_print(stdout, "gaps       in 24 h: %s\n", describe_gaps(s, text, sizeof text));
}

static void status_print_contact(const struct peer_state *peer)
{
	char time[UTC_TEXT_MAX];

	if (peer->last_try_us == TIME_NONE) {
		fputs("contact    never\n", stdout);
		return;
	}
	text_print(stdout, "contact    %s, last try %s", status_contact_word(peer->camera.code),
		utc_format_local(peer->last_try_us, time));
	text_print(stdout, ", last success %s\n",
		peer->last_ok_us == TIME_NONE ? "never" : utc_format_local(peer->last_ok_us, time));
	if (peer->camera.code != CLI_OK)
		text_print(stdout, "error      since %s: %s\n",
			utc_format_local(peer->camera.since_us, time), peer->camera.error);
}

static void print_budget(const struct camera_status *s)
{
	const double mb = 1e6;
	char time[UTC_TEXT_MAX];

	text_print(stdout, "budget     %.1f of %.1f MB of this month", (double)s->month.used / mb,
		(double)s->month.bytes / mb);
	if (s->has_gaps && s->behind > 0 && s->done_us == INT64_MAX)
		fputs("; the newest pictures alone take it all, the rest never comes", stdout);
	else if (s->has_gaps && s->behind > 0)
		text_print(
			stdout, "; the rest is here about %s", utc_format_local(s->done_us, time));
	fputs("\n", stdout);
}

static const char *archive_error(const struct camera_status *s)
{
	return s->error == -ENOMEDIUM ? "its disk is not mounted" : strerror(-s->error);
}

static void print_person(const struct camera_status *s, bool more)
{
	char age[UTC_TEXT_MAX], text[PULL_ERROR_MAX + 256];

	if (more)
		fputs("\n", stdout);
	text_print(stdout, "camera     %s (%s%s%s port %lld)\n", s->camera->name, s->camera->user,
		*s->camera->user ? "@" : "", s->camera->host, (long long)s->camera->port);
	text_print(stdout, "archive    %s", s->archive);
	if (s->error == -ENOENT)
		fputs(" (nothing fetched yet)\n", stdout);
	else if (s->error < 0)
		text_print(stdout, " (cannot be read: %s)\n", archive_error(s));
	else
		text_print(stdout, " (journal lines %llu to %llu)\n", (unsigned long long)s->first,
			(unsigned long long)s->last);
	if (s->has_newest)
		text_print(stdout, "newest     %s, %s%s\n", s->path,
			s->age_us >= 0 ? duration_format(s->age_us, age) : "in the future",
			s->age_us >= 0 ? " ago" : "");
	for (unsigned i = 0; i < s->n_branches; i++)
		text_print(stdout,
			"old        %s/" BRANCHES "/%u, the camera has another history since\n",
			s->archive, s->branches[i]);
	text_print(stdout, "state      %s\n", due_describe(&s->due, &s->facts, text, sizeof text));
	if (*due_describe_clock(&s->due, text, sizeof text))
		text_print(stdout, "clock      %s\n", text);
	if (mark_event(&s->marks))
		text_print(stdout, "pictures   %s, since %s\n", mark_text(s->marks.mark),
			utc_format_local(s->marks.since_us, age));
	if (s->has_gaps)
		print_gaps(s);
	if (s->has_room)
		text_print(stdout, "room       %s\n",
			room_describe_view(s->camera, &s->room, clock_wall_us(&clock_real), text,
				sizeof text));
	if (s->has_budget)
		print_budget(s);
	status_print_contact(&s->peer);
	if (s->peer.here.code != CLI_OK)
		text_print(stdout, "here       since %s: %s\n",
			utc_format_local(s->peer.here.since_us, age), s->peer.here.error);
	if (s->peer.rate > 0)
		text_print(stdout, "link       %.1f KB/s in the last pull\n",
			(double)s->peer.rate / 1024);
	hook_print(s->hook);
	json_object_put(s->hook);
}

static struct json_object *peer_state_object(const struct peer_state *peer)
{
	struct json_object *o = json_object_new_object();

	json_add_time(o, "last_try", peer->last_try_us);
	json_add_time(o, "last_ok", peer->last_ok_us);
	json_add_time(o, "since", peer->camera.since_us);
	if (peer->last_try_us != TIME_NONE) {
		json_add_bool(o, "reachable", peer->camera.code == CLI_OK);
		json_add_number(o, "code", peer->camera.code);
	}
	if (peer->camera.error[0])
		json_add_text(o, "error", peer->camera.error);
	if (peer->here.code != CLI_OK) {
		json_add_text(o, "here_error", peer->here.error);
		json_add_time(o, "here_since", peer->here.since_us);
	}
	if (peer->last > 0)
		json_add_number(o, "camera_last", (int64_t)peer->last);
	if (peer->rate > 0)
		json_add_number(o, "rate", peer->rate);
	return o;
}

static void add_archive(struct json_object *o, const struct camera_status *s)
{
	struct json_object *branches = json_object_new_array(), *gaps;

	json_add_number(o, "first", (int64_t)s->first);
	json_add_number(o, "last", (int64_t)s->last);
	if (s->has_newest) {
		json_add_number(o, "newest_seq", (int64_t)s->newest.seq);
		json_add_text(o, "newest", s->path);
		json_add_time(o, "newest_slot", s->newest.slot_us);
		json_add_number(o, "newest_age_s", s->age_us / US_PER_SEC);
		json_add_text(o, "newest_mark", mark_name(s->newest.picture.mark));
	}
	if (mark_event(&s->marks))
		mark_run_json(o, &s->marks);
	for (unsigned i = 0; i < s->n_branches; i++)
		json_object_array_add(branches, json_object_new_int64(s->branches[i]));
	json_object_object_add(o, "branches", branches);
	if (!s->has_gaps)
		return;
	gaps = json_object_new_object();
	for (unsigned i = 0; i < GAP_CAUSES; i++)
		json_add_number(gaps, gap_cause_name(i), (int64_t)s->gaps[i]);
	json_add_number(o, "behind", (int64_t)s->behind);
	json_object_object_add(o, "gaps_24h", gaps);
	json_add_number(o, "taken_24h", (int64_t)s->taken);
	if (s->late.samples > 0)
		json_object_object_add(o, "late_us", spread_object(&s->late));
}

static struct json_object *room_object(const struct room_view *room)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "state", room_verdict_name(room->verdict));
	json_add_number(o, "bytes", room->room_bytes);
	json_add_time(o, "full", room->full_us);
	json_add_number(o, "today", room->facts.used_bytes);
	json_add_number(o, "daily_bytes", room->facts.budget_bytes);
	return o;
}

static struct json_object *budget_object(const struct camera_status *s)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "bytes", s->month.bytes);
	json_add_number(o, "used", s->month.used);
	json_add_number(o, "exempt", s->month.exempt);
	json_add_time(o, "month", s->month.from_us);
	json_add_time(o, "done", s->done_us == INT64_MAX ? TIME_NONE : s->done_us);
	return o;
}

static struct json_object *status_object(const struct camera_status *s)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "camera", s->camera->name);
	json_add_text(o, "archive", s->archive);
	if (s->error < 0 && s->error != -ENOENT)
		json_add_text(o, "archive_error", archive_error(s));
	json_add_bool(o, "stale", s->due.state != DUE_HERE);
	json_add_text(o, "state", due_state_name(s->due.state));
	json_add_time(o, s->due.state == DUE_HERE ? "next" : "missing", s->due.slot_us);
	if (s->due.ahead_us != 0)
		json_add_number(o, "camera_ahead_s", s->due.ahead_us / US_PER_SEC);
	if (s->due.set_back)
		json_add_bool(o, "clock_set_back", true);
	add_archive(o, s);
	if (s->has_room)
		json_object_object_add(o, "room", room_object(&s->room));
	if (s->has_budget)
		json_object_object_add(o, "budget", budget_object(s));
	json_object_object_add(o, "contact", peer_state_object(&s->peer));
	json_object_object_add(o, "hook", s->hook);
	return o;
}

struct json_object *camera_status_object(const struct camera_settings *camera)
{
	struct camera_status status;

	status_read(camera, &status);
	return status_object(&status);
}

/* There is no room, or this machine failed for another reason, which does not pass by itself. */
static bool status_cannot_store(const struct camera_status *s)
{
	return s->room.verdict != ROOM_FREE ||
		(s->peer.here.code != CLI_OK && s->peer.here.code != CLI_TEMPFAIL);
}

/* Of many cameras one line each, so that fifty fit on a screen. */
static void print_row(const struct camera_status *s, bool first)
{
	char age[UTC_TEXT_MAX] = "-";

	if (first)
		fputs("CAMERA               STATE          NEWEST       BEHIND  CONTACT\n", stdout);
	if (s->has_newest)
		duration_format(s->age_us, age);
	text_print(stdout, "%-20s %-14s %-12s %6llu  %s%s\n", s->camera->name,
		due_state_name(s->due.state), age, (unsigned long long)s->behind,
		s->peer.last_try_us == TIME_NONE ? "never"
						 : status_contact_word(s->peer.camera.code),
		status_cannot_store(s) ? ", cannot store" : "");
}

/*
 * Shows one camera or, without a name, all, one object a line with --json. Exit 1 if one is stale,
 * or its pictures cannot be stored here.
 */
int command_status(struct cli *cli)
{
	CLEANUP_FREE void *data = NULL;
	const struct camera_settings *only = NULL;
	const struct pull_settings *settings;
	int r = cli_settings(cli, CLI_LENIENT, &data), worst = CLI_OK, n = 0;

	settings = data;
	if (r == CLI_OK && (cli->argc > 0 || settings->n_cameras == 0))
		r = pull_choose_camera(cli, settings, cli->argc > 0 ? cli->argv[0] : NULL, &only);
	if (r != CLI_OK)
		return r;
	for (size_t i = 0; i < settings->n_cameras; i++) {
		struct camera_status status;

		if (only && only != &settings->cameras[i])
			continue;
		status_read(&settings->cameras[i], &status);
		if (status.due.state != DUE_HERE || status_cannot_store(&status))
			worst = CLI_INTERNAL;
		if (cli_flag(cli, "json"))
			json_print(status_object(&status));
		else if (!only && settings->n_cameras > FULL_MAX)
			print_row(&status, n++ == 0);
		else
			print_person(&status, n++ > 0);
	}
	return worst;
}
