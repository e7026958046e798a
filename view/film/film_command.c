/* SPDX-License-Identifier: MIT */
/* The command line of films, and where each day's film is. */
#include "view/film/film_command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "view/film/film.h"
#include "view/take/output.h"
#include "view/take/take.h"

#define LATEST "latest.mp4"
#define SHOWN_EVERY_NS (NS_PER_SEC / 2)

const struct cli_option film_options_list[] = {
	TAKE_OPTIONS,
	{ "fps", 0, "N", "pictures a second; 25" },
	{ "height", 0, "PIXELS", "of the film, at most; 1080" },
	{ "stamp", 0, NULL, "write the local time into the picture" },
	{ "deflicker", 0, NULL, "take out what the camera's exposure jumps" },
	{ "output", 'o', "FILE", "else the film of a day, kept in ~/films/CAMERA" },
	{ .name = NULL },
};

/* ---- progress */

struct progress {
	bool terminal;
	int64_t begun_ns, shown_ns;
};

static void progress_clear(const struct progress *progress)
{
	if (progress->shown_ns)
		fputs("\r\033[K", stderr);
}

static bool signal_is_pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) || sigismember(&set, SIGHUP);
}

static bool progress_show(void *data, size_t done, size_t all)
{
	struct progress *p = data;
	const int64_t now_ns = clock_mono_ns(&clock_real);
	char left[UTC_TEXT_MAX];

	if (p->terminal && now_ns - p->shown_ns > SHOWN_EVERY_NS) {
		progress_clear(p);
		p->shown_ns = now_ns;
		text_print(stderr, "%zu of %zu pictures, %s left", done, all,
			duration_format((int64_t)((double)(now_ns - p->begun_ns) / 1000 *
						(double)(all - done) / (double)done),
				left));
	}
	return !signal_is_pending();
}

/* ---- making */

static int film_tell_error(const struct take *take, const struct film_report *report, int error)
{
	const struct cli *cli = take->cli;

	switch (error) {
	case -ENOENT:
		cli_error(cli, "films need the program ffmpeg: sudo apt install ffmpeg");
		return CLI_SETTINGS;
	case -ECANCELED:
		cli_error(cli, "%s: interrupted; nothing is left of the film", take->place->name);
		return CLI_TEMPFAIL;
	case -ENODATA:
		cli_error(cli, "%s: none of the pictures can be decoded", take->place->name);
		return CLI_PROTOCOL;
	case -ERANGE:
		return cli_usage(cli,
			"%s: pictures of this shape make no film of this --height and --fps",
			take->place->name);
	case -EIO:
		cli_error(cli, "ffmpeg failed: %s", report->why);
		return CLI_INTERNAL;
	case -EBADMSG:
		cli_error(cli, "ffmpeg made something else than was asked for: %s", report->why);
		return CLI_INTERNAL;
	default:
		cli_error(cli, "the film cannot be made: %s", strerror(-error));
		return CLI_INTERNAL;
	}
}

static void film_tell(const struct take *take, const char *path, const struct moments *moments,
	const struct film_options *options, const struct film_report *report)
{
	char length[UTC_TEXT_MAX];

	text_print(stdout, "%s: %zu pictures, %dx%d, %s\n", path, moments->n, report->width,
		report->height,
		duration_format((int64_t)moments->n * US_PER_SEC / options->fps, length));
	if (report->missing > 0)
		text_print(stdout, "  %zu are missing: the one before stands there, marked\n",
			report->missing);
	if (report->damaged > 0)
		text_print(stdout, "  %zu are damaged: the one before stands there, marked\n",
			report->damaged);
	for (size_t i = 0; i < report->damaged && i < FILM_DAMAGED_MAX; i++)
		cli_error(take->cli, "%s: picture %" PRIu64 " is damaged", take->place->name,
			report->first_damaged[i]);
}

static int film_write(const struct take *take, const char *path, struct film_options *options)
{
	CLEANUP(moments_clear) struct moments moments = { 0 };
	CLEANUP(output_clear) struct output output = OUTPUT_NONE;
	struct progress progress = { isatty(STDERR_FILENO), clock_mono_ns(&clock_real), 0 };
	struct film_report report;
	sigset_t signals;
	int r = take_refuse_archive(take, path);

	if (r == CLI_OK)
		r = take_moments(take, &moments);
	if (r != CLI_OK)
		return r;
	/* looked for after each picture, as a file may have to be removed */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	r = output_open(path, &output);
	if (r < 0) {
		cli_error(take->cli, "%s: %s", path, strerror(-r));
		return CLI_USAGE;
	}
	options->progress = progress_show;
	options->data = &progress;
	r = film_make(take->archive, &moments, options, output.fd, &report);
	progress_clear(&progress);
	if (r < 0)
		return film_tell_error(take, &report, signal_is_pending() ? -ECANCELED : r);
	r = output_commit(&output);
	if (r < 0) {
		cli_error(take->cli, "%s: %s", path, strerror(-r));
		return CLI_INTERNAL;
	}
	film_tell(take, path, &moments, options, &report);
	return CLI_OK;
}

/* ---- the film of a day */

/* The day that is meant, as "2026-11-24", and its span. */
static int take_choose_day(struct cli *cli, struct take *take, char ret_day[static UTC_TEXT_MAX])
{
	const int64_t now_us = clock_wall_us(&clock_real);
	struct selection *s = &take->selection;

	if (cli_value(cli, "until"))
		return cli_usage(cli, "--until makes it another film than a day's: say -o FILE");
	if (!cli_value(cli, "since") &&
		when_parse("yesterday", WHEN_FROM, now_us, &s->since_us) < 0)
		return CLI_INTERNAL;
	utc_format_local(s->since_us, ret_day);
	ret_day[10] = '\0';
	if (when_parse(ret_day, WHEN_FROM, now_us, &s->since_us) < 0 ||
		when_parse(ret_day, WHEN_TO, now_us, &s->until_us) < 0)
		return CLI_INTERNAL;
	if (s->until_us >= now_us)
		return cli_usage(
			cli, "%s is not over: say -o FILE for a film of what there is", ret_day);
	return CLI_OK;
}

/* latest.mp4 beside it; it stays where it is at a later one. -errno. */
static int latest_point(const char *folder, const char *name)
{
	CLEANUP_FD int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char now[NAME_MAX + 1];
	ssize_t n;

	if (dir < 0)
		return -errno;
	n = readlinkat(dir, LATEST, now, sizeof(now) - 1);
	now[n > 0 ? n : 0] = '\0';
	return strcmp(now, name) >= 0 ? 0 : fs_point(&fs_real, dir, name, LATEST, 0666);
}

static int film_write_day(struct cli *cli, struct take *take, struct film_options *options)
{
	const char *folder = take->place->films;
	char path[sizeof(take->place->films) + UTC_TEXT_MAX + 5], day[UTC_TEXT_MAX];
	int r = take_choose_day(cli, take, day);

	if (r != CLI_OK)
		return r;
	snprintf(path, sizeof(path), "%s/%s.mp4", folder, day);
	if (fs_make_folders(folder, 0777) < 0) {
		cli_error(cli, "%s: %s; see folder in [film] of viewpi.conf", folder,
			strerror(errno));
		return CLI_SETTINGS;
	}
	if (access(path, F_OK) == 0)
		text_print(stdout, "%s is there already\n", path);
	else
		r = film_write(take, path, options);
	if (r == CLI_OK && latest_point(folder, strrchr(path, '/') + 1) < 0)
		cli_error(cli, "%s/" LATEST ": %s", folder, strerror(errno));
	return r;
}

int command_film(struct cli *cli)
{
	CLEANUP(take_clear) struct take take = TAKE_NONE;
	struct film_options options = { .stamp = cli_flag(cli, "stamp"),
		.deflicker = cli_flag(cli, "deflicker") };
	const char *path = cli_value(cli, "output");
	int64_t fps = 25, height = 1080;
	int r = cli_number(cli, "fps", 1, FILM_FPS_MAX, 25, &fps);

	if (r == CLI_OK)
		r = cli_number(cli, "height", FILM_HEIGHT_MIN, FILM_HEIGHT_MAX, 1080, &height);
	if (r == CLI_OK)
		r = take_begin(cli, &take);
	if (r != CLI_OK)
		return r;
	options.fps = (int)fps;
	options.height = (int)height;
	return path ? film_write(&take, path, &options) : film_write_day(cli, &take, &options);
}
