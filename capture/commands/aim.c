/* SPDX-License-Identifier: MIT */
/*
 * The terminal's side of aiming: asks a service, three times a second, for the line of its picture
 * for aiming (published.h). A bar over the whole width can be read from a ladder. Keys: q ends, r
 * begins the best again, l prints the setting that keeps the lens where it is.
 */
#include "capture/commands/aim.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "capture/service/service.h"
#include "capture/service/status.h"
#include "capture/store/store.h"
#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/systemd/published.h"

#define LOOK_MS 330
#define SILENT_US (15 * US_PER_SEC) /* without a picture: no service makes them */
#define NEAR_BEST 0.98

struct aim {
	uint64_t n; /* of the last picture */
	int64_t seen_us; /* when it came, monotonic */
	double sharpness, best, lens; /* lens: dioptres, -1: not told */
	bool rings; /* the terminal's bell near the best */
	bool rang;
};

static int64_t aim_now_us(void)
{
	return clock_mono_ns(&clock_real) / NS_PER_US;
}

static void aim_draw(struct aim *a)
{
	struct winsize size = { .ws_col = 80 };
	const double share = a->best > 0 ? a->sharpness / a->best : 0;
	char bar[512];
	int width, full;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	/* the numbers take 30 columns */
	width = size.ws_col < 40 ? 10 : size.ws_col > 500 ? 470 : size.ws_col - 30;
	full = (int)(share * width);
	memset(bar, '#', (size_t)full);
	memset(bar + full, '-', (size_t)(width - full));
	bar[width] = '\0';
	fputs("\r", stdout);
	text_print(
		stdout, "%s %6.1f, best %6.1f, %3.0f %% ", bar, a->sharpness, a->best, 100 * share);
	if (a->rings && share >= NEAR_BEST && !a->rang)
		fputs("\a", stdout);
	a->rang = share >= NEAR_BEST;
	fflush(stdout);
}

/* Asks for a picture, and takes the line of the newest one where that is new. */
static void aim_look(struct aim *a, const char *archive)
{
	CLEANUP_FD int fd = -1;
	struct json_object *o;

	if (published_aim(archive, a->n, &fd, &o) < 0)
		return;
	a->sharpness = json_object_get_double(json_get(o, "/sharpness"));
	a->lens = json_get(o, "/lens") ? json_object_get_double(json_get(o, "/lens")) : -1;
	a->best = a->sharpness > a->best ? a->sharpness : a->best;
	a->n = (uint64_t)json_get_number(o, "/n");
	a->seen_us = aim_now_us();
	aim_draw(a);
	json_object_put(o);
}

/* What a key asks for. False: to end. */
static bool aim_key(struct aim *a)
{
	char key = 0;

	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 3)
		return false;
	if (key == 'r')
		a->best = 0;
	if (key == 'l' && a->lens >= 0)
		text_print(stdout, "\n");
	if (key == 'l' && a->lens >= 0)
		text_print(stdout, "[camera] focus = %.2f\n", a->lens);
	return true;
}

static int aim_loop(struct cli *cli, struct aim *a, const char *archive, int keys, int64_t end_us)
{
	struct pollfd polled = { .fd = keys, .events = POLLIN };

	while (aim_now_us() < end_us) {
		aim_look(a, archive);
		if (aim_now_us() - a->seen_us > SILENT_US) {
			cli_error(cli, "no picture to aim by comes; see `%s status`", cli->call);
			return CLI_INTERNAL;
		}
		if (poll(&polled, 1, LOOK_MS) > 0 && !aim_key(a))
			break;
	}
	return CLI_OK;
}

static int aim_with_keys(struct cli *cli, const char *archive, int64_t seconds)
{
	struct aim a = { .seen_us = aim_now_us(), .rings = cli_flag(cli, "bell") };
	struct termios before, raw;
	const bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	int r;

	raw = before;
	if (terminal) {
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	r = aim_loop(cli, &a, archive, terminal ? STDIN_FILENO : -1,
		aim_now_us() + seconds * US_PER_SEC);
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	text_print(stdout, "\n");
	return r;
}

/* ---- a service for this alone */

static int file_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* In a process of its own: captures, a slot a day, until it is ended. What it has said stays. */
static noreturn void aim_serve(struct capture_settings *settings, int said)
{
	struct service_options options = { .settings = settings, .clock = &clock_real };
	struct record last;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(said, STDERR_FILENO); /* ours: what log_write() has cleaned goes there */
	r = store_open_archive(&settings->archive, &options.archive);
	if (r == 0)
		r = service_run(&options, &last);
	nftw(settings->archive.path, file_remove, 8, FTW_DEPTH | FTW_PHYS);
	_exit(r < 0);
}

/* The last line that the service said, where it made no picture. */
static void aim_tell(struct cli *cli, int said)
{
	char text[512];
	const off_t end = lseek(said, 0, SEEK_END);
	const off_t start = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
	const ssize_t n = fs_read_at(said, text, sizeof(text) - 1, start);

	text[n > 0 ? n : 0] = '\0';
	cli_error(cli, "%s", text_last_line(text));
}

static int aim_alone(struct cli *cli, struct capture_settings *settings, int64_t seconds)
{
	CLEANUP_FD int said = memfd_create("aim", MFD_CLOEXEC);
	char *path = settings->archive.path;
	pid_t service;
	int r;

	snprintf(path, sizeof(settings->archive.path), "/dev/shm/capturepi-aim-XXXXXX");
	if (said < 0 || !mkdtemp(path)) {
		cli_error(cli, "%s: %s", path, strerror(errno));
		return CLI_INTERNAL;
	}
	settings->archive.require_mount = false;
	settings->schedule = (struct schedule_settings){ .every_us = INT64_C(86400) * US_PER_SEC,
		.days = 0x7f,
		.latitude = settings->schedule.latitude,
		.longitude = settings->schedule.longitude };
	service = fork();
	if (service == 0)
		aim_serve(settings, said);
	r = service < 0 ? -errno : aim_with_keys(cli, path, seconds);
	if (service > 0) {
		kill(service, SIGTERM);
		child_wait(service);
	}
	if (r == CLI_INTERNAL)
		aim_tell(cli, said);
	return r < 0 ? CLI_INTERNAL : r;
}

int aim_in_terminal(struct cli *cli, struct capture_settings *settings, int64_t seconds)
{
	struct json_object *service = status_service(settings->archive.path);
	const bool runs = service != NULL;

	json_object_put(service);
	return runs ? aim_with_keys(cli, settings->archive.path, seconds)
		    : aim_alone(cli, settings, seconds);
}
