/* SPDX-License-Identifier: MIT */
/*
 * `pullpi fetch`: picks the cameras, runs a session, tells people, programs and the log about it.
 */
#include "pull/commands/commands.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "pull/commands/all.h"
#include "pull/session/copy.h"
#include "pull/session/session.h"
#include "pull/ssh/wait.h"

#define TIMEOUT_DEFAULT_US (300 * US_PER_SEC)

const struct cli_option fetch_options[] = {
	{ "latest", 0, NULL, "the newest frame, whatever else is missing" },
	{ "all", 'a', NULL, "every camera of the settings" },
	{ "jobs", 'j', "N", "with --all: so many connected at once (4)" },
	{ "timeout", 't', "DURATION", "give up after that long (5min)" },
	{ "json", 0, NULL, "one JSON object a camera" },
	{ .name = NULL },
};

int choose_archive(struct cli *cli, const void *settings, char ret[static PATH_MAX])
{
	const struct camera_settings *camera = NULL;
	char name[CAMERA_NAME_MAX + 8] = "";
	char *slash;
	int r;

	/* CAMERA/N: an old branch of its history */
	if (cli->argc > 0)
		snprintf(name, sizeof name, "%s", cli->argv[0]);
	slash = strchr(name, '/');
	if (slash && sscanf(slash + 1, "%2u%c", &cli->branch, &(char){ 0 }) == 1)
		*slash = '\0';
	r = pull_choose_camera(cli, settings, cli->argc > 0 ? name : NULL, &camera);

	if (r != CLI_OK)
		return r;
	r = pull_archive_path(camera, ret);
	if (r < 0) {
		cli_error(cli, "%s: no folder for the archive: %s", camera->name, strerror(-r));
		return CLI_SETTINGS;
	}
	if (copy_check(camera, ret) != -ENOMEDIUM)
		return CLI_OK;
	cli_error(cli, "%s: the disk of the archive is not mounted", ret);
	return CLI_TEMPFAIL;
}

const char *describe_age(const struct record *frame, char *buf, size_t size)
{
	int64_t age_us = clock_wall_us(&clock_real) - record_taken_us(frame);
	char text[UTC_TEXT_MAX];

	if (age_us < 0)
		snprintf(buf, size, "taken at %s", utc_format_local(record_taken_us(frame), text));
	else if (age_us < 10 * US_PER_SEC)
		snprintf(buf, size, "taken %.1f s ago", (double)age_us / US_PER_SEC);
	else
		snprintf(buf, size, "taken %s ago", duration_format(age_us, text));
	return buf;
}

/* The log of a service gets one line for a frame, and none where nothing happened. */
static void fetch_print_person(
	const char *camera, const struct session_result *result, int64_t took_us)
{
	const char *file = strrchr(result->path, '/');
	char age[80];

	file = file ? file + 1 : result->path;
	if (!result->has_frame)
		text_print(stdout, "%s: the camera has no frame yet\n", camera);
	else if (result->frames == 0 && !log_is_journal())
		text_print(stdout, "%s: nothing new; the newest is %s, %s\n", camera, file,
			describe_age(&result->frame, age, sizeof age));
	else if (result->frames > 0)
		text_print(stdout, "%s: %s %lld KB, %s, in %.2f s\n", camera, file,
			(long long)(result->frame.bytes + 512) / 1024,
			describe_age(&result->frame, age, sizeof age),
			(double)took_us / US_PER_SEC);
	if (result->frames > 0 && !log_is_journal())
		puts(result->path); /* ours, to the byte */
}

void add_frame(struct json_object *o, const struct record *frame, const char *path)
{
	char hex[SHA256_HEX + 1];

	digest_hex(frame->sha256, hex);
	json_add_number(o, "seq", (int64_t)frame->seq);
	json_add_text(o, "path", path);
	json_add_number(o, "bytes", frame->bytes);
	json_add_text(o, "sha256", hex);
	json_add_time(o, "slot", frame->slot_us);
	json_add_time(o, "exposed", frame->exposed_us);
}

static void fetch_print_program(
	const char *camera, int code, const struct session_result *result, int64_t took_us)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "camera", camera);
	json_add_number(o, "code", code);
	if (code != CLI_OK)
		json_add_text(o, "error", result->error);
	json_add_bool(o, "stored", result->frames > 0);
	json_add_number(o, "took_us", took_us);
	add_fork(o, &result->fork);
	if (result->has_frame)
		add_frame(o, &result->frame, result->path);
	json_print(o);
}

/*
 * In the log of a service that runs every minute only a change is worth a line; a person who typed
 * the command is told each time.
 */
void report_failure(
	const struct cli *cli, const char *camera, int code, const char *error, bool changed)
{
	if (!log_is_journal())
		cli_error(cli, "%s: %s", camera, error);
	else if (!changed)
		log_debug("%s: %s", camera, error);
	else if (code == CLI_TEMPFAIL)
		log_warning("%s: %s", camera, error);
	else
		log_error("%s: %s", camera, error);
}

void report_warning(const struct cli *cli, const char *camera, const char *text)
{
	if (*text && log_is_journal())
		log_warning("%s: %s", camera, text);
	else if (*text)
		cli_error(cli, "%s: %s", camera, text);
}

void add_fork(struct json_object *o, const struct history_fork *fork)
{
	if (!*fork->text)
		return;
	json_add_number(o, "forked_after", (int64_t)fork->after);
	if (fork->branch > 0)
		json_add_number(o, "branch", fork->branch);
}

void report_result(
	const struct cli *cli, const char *camera, enum peer_side side, int code, const char *error)
{
	struct peer_outcome before;
	char since[UTC_TEXT_MAX];
	int r = peer_state_note(camera, &clock_real, side, code, error, &before);

	if (r < 0)
		log_warning_errno(r, "%s: the state folder cannot be written", camera);
	if (code != CLI_OK)
		report_failure(cli, camera, code, error, before.code != code);
	else if (before.code != CLI_OK && before.since_us != TIME_NONE)
		log_notice("%s: works again; it did not since %s", camera,
			utc_format_local(before.since_us, since));
}

void report_room(const struct cli *cli, const char *camera, uint64_t removed, int error)
{
	char text[PULL_ERROR_MAX] = "";

	if (removed > 0)
		log_info("%s: %llu old frames were removed here", camera,
			(unsigned long long)removed);
	if (error < 0)
		snprintf(text, sizeof text, "old frames cannot be removed: %s", strerror(-error));
	report_result(cli, camera, PEER_HERE, error < 0 ? CLI_INTERNAL : CLI_OK, text);
}

void report_seen(const char *camera, const struct sighting *sighting, int64_t rate)
{
	int r = sighting->seen_us != TIME_NONE ? peer_state_seen(camera, sighting, rate) : 0;

	if (r < 0)
		log_warning_errno(r, "%s: the state folder cannot be written", camera);
}

void report_session(
	const struct cli *cli, const char *camera, int code, const struct session_result *result)
{
	report_result(cli, camera, result->why == CONNECT_HERE ? PEER_HERE : PEER_CAMERA, code,
		result->error);
	report_seen(camera, &result->sighting, result->rate);
	if (result->head_error < 0)
		log_warning_errno(result->head_error, "%s: its head could not be kept", camera);
	if (result->why != CONNECT_HERE &&
		(result->frames > 0 || result->removed > 0 || result->room_error < 0))
		report_room(cli, camera, result->removed, result->room_error);
}

/* What is the same for every camera. */
struct fetching {
	const struct cli *cli;
	int64_t timeout_us;
};

static bool fetch_tell(void *data, enum session_event event, const struct session_result *result)
{
	(void)event;
	worker_connected(data, result->connected);
	return true;
}

static int fetch_one(void *data, const struct camera_settings *camera, struct worker *worker)
{
	const struct fetching *fetching = data;
	const struct cli *cli = fetching->cli;
	const struct session_options options = { .plan = PLAN_NEWEST,
		.camera = camera,
		.deadline_ns = deadline_in(fetching->timeout_us),
		.tell = fetch_tell,
		.data = worker };
	int64_t start_ns = clock_mono_ns(&clock_real), took_us;
	struct session_result result;
	int code = session_pull(&options, &result);

	took_us = (clock_mono_ns(&clock_real) - start_ns) / NS_PER_US;
	report_session(cli, camera->name, code, &result);
	report_warning(cli, camera->name, result.fork.text);
	if (cli_flag(cli, "json"))
		fetch_print_program(camera->name, code, &result, took_us);
	else if (code == CLI_OK)
		fetch_print_person(camera->name, &result, took_us);
	return code;
}

int command_each(struct cli *cli, struct all_options *all)
{
	CLEANUP_FREE void *settings = NULL;
	const struct camera_settings *camera = NULL;
	const char *name = cli->argc > 0 ? cli->argv[0] : NULL;
	int r;

	if (cli_flag(cli, "all") && name)
		return cli_usage(cli, "%s: --all is every camera, name none", name);
	r = all_jobs(cli, &all->jobs);
	if (r == CLI_OK)
		r = cli_settings(cli, CLI_KEEP, &settings);
	if (r != CLI_OK)
		return r;
	all->cli = cli;
	all->settings = settings;
	if (cli_flag(cli, "all") && all->settings->n_cameras > 0)
		return all_cameras(all);
	r = pull_choose_camera(cli, settings, name, &camera);
	return r != CLI_OK ? r : all->work(all->data, camera, NULL);
}

int command_fetch(struct cli *cli)
{
	struct fetching fetching = { .cli = cli, .timeout_us = TIMEOUT_DEFAULT_US };
	struct all_options all = { .work = fetch_one, .data = &fetching };
	int r;

	if (!cli_flag(cli, "latest"))
		return cli_usage(cli, "say what to fetch: --latest");
	r = cli_quantity(cli, "timeout", &conf_duration, 100000, 24 * 3600 * US_PER_SEC,
		&fetching.timeout_us);
	return r != CLI_OK ? r : command_each(cli, &all);
}
