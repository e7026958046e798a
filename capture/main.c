/* SPDX-License-Identifier: MIT */
/* capturepi: the camera side. Parses, runs, and tells people what happened. */
#include <errno.h>
#include <string.h>

#include "capture/commands/aim.h"
#include "capture/commands/cameras.h"
#include "capture/commands/doctor.h"
#include "capture/commands/events.h"
#include "capture/commands/mask.h"
#include "capture/commands/rivals.h"
#include "capture/commands/serve.h"
#include "capture/commands/shot.h"
#include "capture/schedule/schedule.h"
#include "capture/service/service.h"
#include "capture/service/status.h"
#include "capture/settings/settings.h"
#include "capture/store/clock_correct.h"
#include "capture/store/store.h"
#include "common/archive/archive.h"
#include "common/archive/place.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/commands/cli.h"
#include "common/events/hook.h"
#include "common/events/metrics.h"

/* Tells why the archive cannot be opened; returns the exit code. */
static int tell_open_error(struct cli *cli, const char *path, int r)
{
	const char *fix = store_error_fix(r);

	if (r == -EWOULDBLOCK || r == -EBADMSG || r == -EPROTONOSUPPORT)
		return cli_refuse_archive(cli, path, r);
	if (r == -ENOENT) {
		cli_error(cli,
			"%s: no archive yet; start the service or take a first frame with "
			"`%s shot`",
			path, cli->call);
		return CLI_INTERNAL;
	}
	cli_error(cli, "%s: cannot open the archive: %s%s%s", path, store_error_text(r),
		*fix ? "; " : "", fix);
	return CLI_INTERNAL;
}

/* CLI_OK, or the exit code after having told why. */
static int open_archive(struct cli *cli, const struct capture_settings *settings,
	enum archive_mode mode, struct archive **ret)
{
	struct archive_options options = { .mode = mode };
	int r = mode == ARCHIVE_WRITE ? store_open_archive(&settings->archive, ret)
				      : archive_open(settings->archive.path, &options, ret);

	return r == 0 ? CLI_OK : tell_open_error(cli, settings->archive.path, r);
}

/*
 * For the service: a disk that is away, full or read-only does not keep it from starting.
 * `ret_error` says why there is no archive then.
 */
static int open_for_run(struct cli *cli, const struct capture_settings *settings,
	struct archive **ret, int *ret_error)
{
	int r = store_open_archive(&settings->archive, ret);

	*ret_error = r;
	if (r == 0)
		return CLI_OK;
	if (!place_is_away(r) && !store_is_full(r))
		return tell_open_error(cli, settings->archive.path, r);
	return CLI_OK; /* the service tells of it */
}

/* The settings for all but the service: what is wrong in them is warned of. */
static int load_settings(struct cli *cli, struct capture_settings **ret)
{
	void *settings = NULL;
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	*ret = settings;
	return r;
}

static void log_repairs(const struct archive_repairs *repairs)
{
	if (repairs->identity_restored)
		log_warning("archive.json was damaged or gone: written again from the journal");
	if (repairs->temps_removed || repairs->line_cut || repairs->lines_restored)
		log_notice("repaired after an unclean end: %u temporary files removed, %u journal "
			   "lines "
			   "restored%s",
			repairs->temps_removed, repairs->lines_restored,
			repairs->line_cut ? ", a torn line cut" : "");
}

static int reload_settings(void *data, struct capture_settings *ret)
{
	struct cli *cli = data;
	CLEANUP_FREE void *settings = NULL;

	if (cli_settings(cli, CLI_KEEP, &settings) != CLI_OK ||
		(cli->wrong && !((struct capture_settings *)settings)->mask.broken)) {
		log_warning("the settings of before hold");
		return -EINVAL;
	}
	memcpy(ret, settings, sizeof *ret);
	return 0;
}

static void report_frame(void *data, const struct record *frame)
{
	char line[LINE_MAX_BYTES + 1];

	(void)data;
	if (record_format(frame, line) > 0)
		text_print(stdout, "%.*s\n", (int)strcspn(line, "\n"), line);
	fflush(stdout);
}

/* The service over an archive, which it takes over, for `run` and `shot`. */
static int run_service(struct cli *cli, struct capture_settings *settings, struct archive *archive,
	int error, uint64_t frames, bool one_shot, struct record *ret_last)
{
	struct service_options options = {
		.settings = settings,
		.archive = archive,
		.archive_error = error,
		.clock = &clock_real,
		.reload = reload_settings,
		.reload_data = cli,
		.stored = !one_shot && cli_flag(cli, "report") ? report_frame : NULL,
		.frames_max = frames,
		.one_shot = one_shot,
	};
	char path[PATH_MAX];
	int r;

	if (cli_settings_path(cli, path) == CLI_OK)
		options.settings_path = path;
	if (archive)
		log_repairs(archive_repairs(archive));
	r = service_run(&options, ret_last);
	if (r == -ESHUTDOWN)
		cli_error(cli,
			"the camera does not recover in this process; ending, so that systemd "
			"starts a new one");
	else if (r == -ETIMEDOUT)
		cli_error(cli, "no frame from camera %s; see `capturepi cameras`",
			settings->camera.source);
	else if (r < 0)
		cli_error(cli, "cannot run: %s", strerror(-r));
	return r < 0 ? CLI_INTERNAL : CLI_OK;
}

static int run_command(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	struct archive *archive = NULL;
	struct record last;
	int64_t frames;
	int r = cli_number(cli, "frames", 1, INT64_MAX, 0, &frames), error = 0;

	if (r == CLI_OK)
		r = cli_settings(cli, CLI_KEEP, &settings);
	if (r == CLI_OK)
		r = open_for_run(cli, settings, &archive, &error);
	return r == CLI_OK
		? run_service(cli, settings, archive, error, (uint64_t)frames, false, &last)
		: r;
}

static int print_shot(struct cli *cli, const char *archive, const struct record *frame)
{
	struct frame_name name = record_name(frame);
	char path[FRAME_PATH_MAX], line[LINE_MAX_BYTES + 1];

	if (cli_flag(cli, "json")) {
		if (record_format(frame, line) < 0)
			return CLI_INTERNAL;
		text_print(stdout, "%.*s\n", (int)strcspn(line, "\n"), line);
		return CLI_OK;
	}
	if (frame_name_path(&name, path) < 0)
		return CLI_INTERNAL;
	printf("%s/%s\n", archive, path); /* ours, to the byte */
	return CLI_OK;
}

static int shot_by_service(struct cli *cli, const struct capture_settings *settings, pid_t pid)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame;
	int r = open_archive(cli, settings, ARCHIVE_READ, &archive);

	if (r != CLI_OK)
		return r;
	r = shot_from_service(archive, pid, &frame);
	if (r < 0) {
		cli_error(cli, "the running service (pid %d) stored no frame: %s; see `%s status`",
			(int)pid, r == -EIO ? "its camera fails" : strerror(-r), cli->call);
		return CLI_INTERNAL;
	}
	return print_shot(cli, settings->archive.path, &frame);
}

static int shot_command(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct record last;
	pid_t pid;
	int r = load_settings(cli, &settings);

	if (r != CLI_OK)
		return r;
	if (archive_writer_pid(settings->archive.path, &pid) == 0)
		return shot_by_service(cli, settings, pid);
	r = open_archive(cli, settings, ARCHIVE_WRITE, &archive);
	if (r == CLI_OK)
		r = run_service(cli, settings, TAKE_PTR(archive), 0, 0, true, &last);
	return r == CLI_OK ? print_shot(cli, settings->archive.path, &last) : r;
}

static int status_command(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	bool json = cli_flag(cli, "json");
	int r = load_settings(cli, &settings), code;

	if (r != CLI_OK)
		return r;
	if (cli->wrong && !json)
		text_print(stdout, "settings   have mistakes, see `%s check`; %s\n", cli->call,
			cli->last_good ? "the last good ones hold"
				       : "the defaults hold where they do");
	r = archive_open(settings->archive.path, &options, &archive);
	/* without it the disk may be away, and a service waits for it */
	code = status_print(archive, settings, cli->unit, json);
	return code < 0 ? tell_open_error(cli, settings->archive.path, r) : code;
}

/* For a slot of `at`, also tells which of its times it is. */
static void print_slot(
	const struct schedule_settings *schedule, int64_t slot_us, bool json, bool first)
{
	char utc[UTC_TEXT_MAX], local[UTC_TEXT_MAX], text[SCHEDULE_AT_TEXT_MAX];
	int i = schedule_at_of(schedule, slot_us);

	if (json)
		text_print(stdout, "%s\"%s\"", first ? "[" : ",", utc_format(slot_us, utc));
	else
		text_print(stdout, "%s  %s%s%s\n", utc_format_local(slot_us, local),
			utc_format(slot_us, utc), i >= 0 ? "  " : "",
			i >= 0 ? schedule_at_text(&schedule->at[i], text) : "");
}

/* Tells of days without sunrise or sunset. Returns from when on the next call goes on. */
static int64_t print_sunless(
	const struct schedule_settings *schedule, int64_t from_us, int64_t to_us)
{
	struct schedule_sunless days;

	while (schedule_sunless(schedule, from_us, to_us, &days)) {
		char first[UTC_TEXT_MAX], last[UTC_TEXT_MAX];

		text_print(stdout, "%.10s to %.10s  %s\n", utc_format_local(days.first_us, first),
			utc_format_local(days.last_us, last),
			days.up ? "polar day: the sun does not set, so no sunrise or sunset"
				: "polar night: the sun does not rise, so no sunrise or sunset");
		from_us = days.last_us + 1;
	}
	return from_us;
}

static int schedule_command(struct cli *cli)
{
	CLEANUP_FREE struct capture_settings *settings = NULL;
	bool json = cli_flag(cli, "json");
	int64_t slot = TIME_NONE, from, told, count, i;
	int r = cli_number(cli, "count", 1, 1000000, 10, &count);

	if (r == CLI_OK)
		r = cli_time(cli, "from", WHEN_FROM, &slot);
	if (slot == TIME_NONE)
		slot = clock_wall_us(&clock_real);
	if (r == CLI_OK)
		r = load_settings(cli, &settings);
	if (r != CLI_OK)
		return r;
	told = slot;
	for (i = 0; i < count; i++, slot++) {
		from = slot;
		slot = schedule_next(&settings->schedule, from);
		if (!json)
			told = print_sunless(&settings->schedule, told,
				slot == TIME_NONE ? from + SCHEDULE_HORIZON_US : slot);
		if (slot == TIME_NONE)
			break;
		print_slot(&settings->schedule, slot, json, i == 0);
	}
	if (json)
		text_print(stdout, "%s\n", i ? "]" : "[]");
	if (i == 0)
		cli_error(cli,
			"the schedule has no slot in the next 400 days; check [schedule] at, days, "
			"hours and daylight");
	return i ? CLI_OK : CLI_INTERNAL;
}

static int redate_command(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE struct capture_settings *settings = NULL;
	bool dry_run = cli_flag(cli, "dry-run");
	pid_t pid;
	int r = load_settings(cli, &settings);

	if (r != CLI_OK)
		return r;
	if (!dry_run && archive_writer_pid(settings->archive.path, &pid) == 0) {
		cli_error(cli,
			"the running service (pid %d) corrects frames by itself once the clock "
			"is known; for those of all boots before stop it first (systemctl --user "
			"stop %s)",
			(int)pid, cli->unit);
		return CLI_TEMPFAIL;
	}
	/* nothing to correct where there is no archive: none is made */
	r = open_archive(cli, settings, ARCHIVE_READ, &archive);
	if (r == CLI_OK && !dry_run) {
		archive_free(TAKE_PTR(archive));
		r = open_archive(cli, settings, ARCHIVE_WRITE, &archive);
	}
	if (r != CLI_OK)
		return r;
	if (!dry_run)
		log_repairs(archive_repairs(archive));
	return correction_command(cli, archive);
}

static void complain_of_rival(void *data, const struct doctor_finding *finding)
{
	if (finding->verdict == DOCTOR_FAIL)
		cli_error(data, "%s; %s", finding->text, finding->fix);
}

/* Also what no settings can tell alone: another service that wants the same. */
static int check_command(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	int r = cli_settings(cli, CLI_STRICT, &settings);

	if (r == CLI_OK && rivals_find(cli, settings, complain_of_rival, cli) > 0)
		r = CLI_SETTINGS;
	return r == CLI_OK ? cli_check(cli) : r;
}

static int serve_command(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE struct capture_settings *settings = NULL;
	const char *command = getenv("SSH_ORIGINAL_COMMAND"), *client = cli_value(cli, "client");
	struct serve_options options = {
		.in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, /* ours: the wire */
	};
	char request[REQUEST_LINE_MAX + 1] = "";
	size_t used = 0;
	int r;

	for (int i = 0; i < cli->argc && used < sizeof request; i++)
		used += (size_t)snprintf(
			request + used, sizeof request - used, "%s%s", i ? " " : "", cli->argv[i]);
	r = load_settings(cli, &settings);
	if (r == CLI_OK && serve_count(client ? client : "") == -EBUSY) {
		cli_error(cli, "as many connections of this client as may be, and none ends");
		return CLI_TEMPFAIL;
	}
	if (r == CLI_OK)
		r = open_archive(cli, settings, ARCHIVE_READ, &archive);
	if (r != CLI_OK)
		return r;
	options.archive = archive;
	options.schedule = &settings->schedule;
	options.first_request = cli->argc ? request : command ? serve_first_request(command) : NULL;
	r = serve_client(&options);
	return r == 0 || r == -EPIPE ? CLI_OK : r == -E2BIG ? CLI_PROTOCOL : CLI_INTERNAL;
}

static int aim_command(struct cli *cli)
{
	CLEANUP_FREE struct capture_settings *settings = NULL;
	int64_t seconds;
	int r = cli_number(cli, "seconds", 1, 600, 600, &seconds);

	if (r == CLI_OK)
		r = load_settings(cli, &settings);
	return r == CLI_OK ? aim_in_terminal(cli, settings, seconds) : r;
}

static int mask_command(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE struct capture_settings *settings = NULL;
	int r = load_settings(cli, &settings);

	if (r == CLI_OK)
		r = open_archive(cli, settings, ARCHIVE_READ, &archive);
	return r == CLI_OK ? mask_draw(cli, archive, &settings->mask) : r;
}

static int archive_of(struct cli *cli, const void *settings, char ret[static PATH_MAX])
{
	const struct capture_settings *s = settings;

	(void)cli;
	snprintf(ret, PATH_MAX, "%s", s->archive.path);
	return CLI_OK;
}

static int check_settings(void *settings, conf_complain *complain, void *data)
{
	return capture_settings_check(settings, complain, data);
}

static const struct cli_option run_options[] = {
	{ "frames", 'n', "COUNT", "end after so many frames" },
	{ "report", 0, NULL, "the line of each frame on stdout, once it is stored" },
	{ 0 },
};
static const struct cli_option mask_options[] = {
	{ "preview", 0, "FILE", "the newest picture with the mask as an outline, for you alone" },
	{ 0 },
};
static const struct cli_option aim_options[] = {
	{ "bell", 0, NULL, "the terminal's bell where it is about as sharp as it ever was" },
	{ "seconds", 0, "COUNT", "how long; 600, the most" },
	{ 0 },
};
static const struct cli_option schedule_options[] = {
	{ "from", 0, "TIME", "first instant, like 2026-11-20 or '2026-11-20 16:00'; now" },
	{ "count", 'n', "COUNT", "how many slots; 10" },
	{ "json", 0, NULL, "a JSON array of UTC times" },
	{ 0 },
};
static const struct cli_option serve_options_table[] = {
	{ "client", 0, "NAME", "the puller's name: at most 8 connections of one at a time" },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "run", "", "capture by the schedule until stopped: the service", run_command, run_options,
		0, 0 },
	{ "shot", "", "take one frame now", shot_command, cli_json_option, 0, 0 },
	{ "mask", "", "the privacy mask as an outline on the newest picture", mask_command,
		mask_options, 0, 0 },
	{ "aim", "", "how sharp the picture is, to aim and focus by", aim_command, aim_options, 0,
		0 },
	{ "status", "", "how capture is doing; exit 1 if it does not run", status_command,
		cli_json_option, 0, 0 },
	{ "metrics", "", "the same for Prometheus", capture_metrics_command, metrics_options, 0,
		0 },
	{ "hook", "", "run [hook] command for each new picture", capture_hook_command, hook_options,
		0, 0 },
	{ "list", "", "what the journal says, newest last", cli_list, cli_list_options, 0, 0 },
	{ "cameras", "", "the cameras that can be used", cameras_command, cameras_options, 0, 0 },
	{ "schedule", "", "the slots that `run` will take", schedule_command, schedule_options, 0,
		0 },
	{ "redate", "", "give frames of an unset clock their true time", redate_command,
		correction_command_options, 0, 0 },
	{ "check", "", "check the settings strictly", check_command, NULL, 0, 0 },
	{ "dump", "", "all settings with their help", cli_dump, cli_json_option, 0, 0 },
	{ "doctor", "", "check this machine; exit 1 if something needs mending", doctor_command,
		cli_json_option, 0, 0 },
	{ "head", "", "the number and hash of the journal's last line", cli_head, cli_json_option },
	{ "verify", "", "check every stored frame", cli_verify, cli_verify_options, 0, 0 },
	{ "serve", "[REQUEST WORD...]", "answer a puller on stdin and stdout", serve_command,
		serve_options_table, 0, 8 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "capturepi",
		.summary = "a camera picture on every slot of the clock, stored for good",
		.commands = commands,
		.table = &capture_settings_table,
		.settings_size = sizeof(struct capture_settings),
		.check = check_settings,
		.name_defaults = capture_settings_name,
		.fall_back = capture_settings_fall_back,
		.archive = archive_of,
	};

	return cli_main(&program, argc, argv);
}
