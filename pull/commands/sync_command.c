/* SPDX-License-Identifier: MIT */
/*
 * `pullpi sync`: options, progress on a terminal, and what was done for people, programs, the log.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "pull/commands/all.h"
#include "pull/commands/commands.h"
#include "pull/session/session.h"
#include "pull/ssh/wait.h"

#define SILENCE_US (600 * US_PER_SEC)
#define PLAIN_NS (30 * NS_PER_SEC) /* between two lines where there is no terminal */

const struct cli_option sync_options[] = {
	{ "all", 'a', NULL, "every camera of the settings" },
	{ "jobs", 'j', "N", "with --all: so many connected at once (4)" },
	{ "since", 0, "TIME",
		"only frames from then on: 2026-11-20, yesterday, ...T16:01:00Z, 7d" },
	{ "max-time", 't', "DURATION", "stop after that long; the rest comes next time" },
	{ "max-silence", 0, "DURATION",
		"give up after so long without a byte (10min; with --max-time: never)" },
	{ "limit-rate", 0, "SIZE", "bytes a second at most, instead of limit_rate" },
	{ "previews", 0, NULL, "small pictures of all that is missing first" },
	{ "dry-run", 0, NULL, "only tell what would be fetched" },
	{ "json", 0, NULL, "one JSON object a camera" },
	{ .name = NULL },
};

struct telling {
	const char *camera;
	int64_t start_ns, last_ns;
	bool terminal, line; /* there is an unfinished line on it */
	struct worker *worker; /* NULL: this camera alone */
};

/* "1.4 MB" */
static const char *size_text(double bytes, char *buf, size_t size)
{
	static const char *const units[] = { "bytes", "KB", "MB", "GB", "TB" };
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		bytes /= 1024;
	snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return buf;
}

/* What is left may be frames or other lines: a frame's time is the best guess for each. */
static void sync_describe_progress(const struct telling *telling,
	const struct session_result *result, int64_t now_ns, char *buf, size_t size)
{
	double seconds = (double)(now_ns - telling->start_ns) / NS_PER_SEC;
	char done[40], rate[40], left[UTC_TEXT_MAX] = "-";

	if (result->frames > 0)
		duration_format((int64_t)(seconds / (double)result->frames * (double)result->left *
					US_PER_SEC),
			left);
	snprintf(buf, size, "%s: %" PRIu64 " frames, %s, %s/s, %" PRIu64 " to go, about %s",
		telling->camera, result->frames,
		size_text((double)result->bytes, done, sizeof done),
		size_text(seconds > 0 ? (double)result->bytes / seconds : 0, rate, sizeof rate),
		result->left, left);
}

/* A wider line would leave a part of itself behind each time it is written again. */
static int terminal_width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1
									       : 79;
}

static void sync_tell_progress(struct telling *telling, const struct session_result *result)
{
	int64_t now_ns = clock_mono_ns(&clock_real);
	char text[256];

	if (!telling->terminal && now_ns - telling->last_ns < PLAIN_NS)
		return;
	telling->last_ns = now_ns;
	sync_describe_progress(telling, result, now_ns, text, sizeof text);
	if (telling->terminal) {
		fputs("\r\033[K", stderr);
		text_print(stderr, "%.*s", terminal_width(), text);
	} else {
		log_info("%s", text);
	}
	telling->line = telling->terminal;
}

static void sync_end_line(struct telling *telling)
{
	if (telling->line)
		fputs("\r\033[K", stderr);
	telling->line = false;
}

static void sync_print_dry_run(const char *camera, const struct session_result *result)
{
	char size[40];

	text_print(stdout, "%s: %" PRIu64 " frames would be fetched, %s\n", camera, result->found,
		size_text((double)result->found_bytes, size, sizeof size));
}

/* The log of a service gets a line where something came. */
static void sync_print_person(
	const char *camera, const struct session_result *result, int64_t took_us)
{
	const bool damaged = result->damaged_new > 0 || !log_is_journal();
	const double seconds = (double)took_us / US_PER_SEC, bytes = (double)result->bytes;
	const struct {
		uint64_t n;
		const char *what;
	} others[] = {
		{ result->previews, "previews" },
		{ result->lines, "other lines" },
		{ result->gone, "are not on the camera any more" },
		{ damaged ? result->damaged : 0, "are damaged on the camera" },
		{ result->redated, "now under their true time" },
	};
	char size[40], rate[40], next[UTC_TEXT_MAX], more[240] = "";
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (others[i].n > 0)
			n += (size_t)snprintf(more + n, sizeof more - n, ", %" PRIu64 " %s",
				others[i].n, others[i].what);
	}
	if (result->out_of_time)
		snprintf(more + n, sizeof more - n, "; time is over, %" PRIu64 " to go",
			result->left);
	else if (result->budget_us > 0)
		snprintf(more + n, sizeof more - n,
			"; the budget has more from %s on, %" PRIu64 " to go",
			utc_format_local(result->budget_us, next), result->left);
	if (result->frames > 0 || *more)
		text_print(stdout, "%s: %" PRIu64 " frames, %s in %.1f s, %s/s%s\n", camera,
			result->frames, size_text(bytes, size, sizeof size), seconds,
			size_text(seconds > 0 ? bytes / seconds : 0, rate, sizeof rate), more);
	else if (!log_is_journal())
		text_print(stdout, "%s: nothing new\n", camera);
}

static void sync_print_program(
	const char *camera, int code, const struct session_result *result, int64_t took_us)
{
	struct json_object *o = json_object_new_object();
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "frames", result->frames },
		{ "bytes", (uint64_t)result->bytes },
		{ "resumed", result->resumed },
		{ "previews", result->previews },
		{ "lines", result->lines },
		{ "gone", result->gone },
		{ "redated", result->redated },
		{ "damaged", result->damaged },
		{ "bad", result->bad },
		{ "removed", result->removed },
		{ "left", result->left },
		{ "found", result->found },
		{ "found_bytes", (uint64_t)result->found_bytes },
		{ "connections", result->connections },
		{ "camera_last", result->sighting.last },
		{ "took_us", (uint64_t)took_us },
	};

	json_add_text(o, "camera", camera);
	json_add_number(o, "code", code);
	if (code != CLI_OK)
		json_add_text(o, "error", result->error);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_add_number(o, numbers[i].key, (int64_t)numbers[i].value);
	add_fork(o, &result->fork);
	json_add_bool(o, "out_of_time", result->out_of_time);
	if (result->budget_us > 0)
		json_add_time(o, "budget_next", result->budget_us);
	json_print(o);
}

/* Once for each: the gap stays known. */
static void sync_report_damage(
	const struct cli *cli, const char *camera, const struct session_result *result)
{
	char text[PULL_ERROR_MAX + 48] = "";

	if (result->damaged_new > 1)
		snprintf(text, sizeof text, "%s (and %" PRIu64 " more)", result->damage,
			result->damaged_new - 1);
	report_warning(cli, camera, *text ? text : result->damage);
}

static bool sync_tell(void *data, enum session_event event, const struct session_result *result)
{
	struct telling *telling = data;

	worker_connected(telling->worker, result->connected);
	if (event == SESSION_ALIVE)
		sync_tell_progress(telling, result);
	return true;
}

/* What is the same for every camera. */
struct syncing {
	const struct cli *cli;
	struct session_options options;
	int64_t max_time_us; /* 0: none */
};

static void sync_report(const struct cli *cli, const char *camera, int code, bool dry_run,
	const struct session_result *result)
{
	if (dry_run) { /* who only looked did not bring what is due */
		if (code != CLI_OK)
			cli_error(cli, "%s: %s", camera, result->error);
		return;
	}
	report_session(cli, camera, code, result);
}

static int sync_one(void *data, const struct camera_settings *camera, struct worker *worker)
{
	const struct syncing *syncing = data;
	const struct cli *cli = syncing->cli;
	struct session_options options = syncing->options;
	int64_t start_ns = clock_mono_ns(&clock_real), took_us;
	/* several on one terminal tell by whole lines */
	struct telling telling = { .camera = camera->name,
		.start_ns = start_ns,
		.last_ns = start_ns,
		.terminal = !worker && isatty(STDERR_FILENO) && !log_is_journal(),
		.worker = worker };
	struct session_result result;
	int code;

	options.plan = PLAN_BACKLOG;
	options.camera = camera;
	options.deadline_ns =
		syncing->max_time_us ? deadline_in(syncing->max_time_us) : DEADLINE_NONE;
	if (options.limit_rate < 0)
		options.limit_rate = camera->limit_rate;
	options.previews = options.previews || camera->previews;
	options.tell = sync_tell;
	options.data = &telling;
	code = session_pull(&options, &result);
	sync_end_line(&telling);
	took_us = (clock_mono_ns(&clock_real) - start_ns) / NS_PER_US;
	sync_report(cli, camera->name, code, options.dry_run, &result);
	sync_report_damage(cli, camera->name, &result);
	report_warning(cli, camera->name, result.fork.text);
	if (cli_flag(cli, "json"))
		sync_print_program(camera->name, code, &result, took_us);
	else if (code == CLI_OK && options.dry_run)
		sync_print_dry_run(camera->name, &result);
	else if (code == CLI_OK || result.frames > 0)
		sync_print_person(camera->name, &result, took_us);
	return code;
}

int command_sync(struct cli *cli)
{
	struct syncing syncing = { .cli = cli,
		.options = { .dry_run = cli_flag(cli, "dry-run"),
			.previews = cli_flag(cli, "previews"),
			.limit_rate = -1 } };
	struct all_options all = { .work = sync_one, .data = &syncing };
	const int64_t week_us = 7 * 24 * 3600 * US_PER_SEC;
	int r = cli_time(cli, "since", WHEN_FROM, &syncing.options.since_us);

	if (r == CLI_OK)
		r = cli_quantity(
			cli, "max-time", &conf_duration, 100000, week_us, &syncing.max_time_us);
	syncing.options.silent_max_us = syncing.max_time_us > 0 ? 0 : SILENCE_US;
	if (r == CLI_OK)
		r = cli_quantity(cli, "max-silence", &conf_duration, 100000, week_us,
			&syncing.options.silent_max_us);
	if (r == CLI_OK)
		r = cli_quantity(
			cli, "limit-rate", &conf_size, 0, INT64_MAX, &syncing.options.limit_rate);
	return r != CLI_OK ? r : command_each(cli, &all);
}
