/* SPDX-License-Identifier: MIT */
/*
 * The whole service in a child process on the test camera: real time, a second or two each. What is
 * checked is the accounting: from the first slot to the last each has exactly one outcome.
 */
#include "tests/unit/zone_kit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "capture/service/service.h"
#include "common/base/fs.h"
#include "common/base/log.h"

#define EVERY_US 100000

static struct capture_settings *settings_new(const char *folder)
{
	struct capture_settings *s = calloc(1, sizeof *s);

	conf_defaults(&capture_settings_table, s);
	snprintf(s->archive.path, sizeof s->archive.path, "%s", folder);
	snprintf(s->camera.source, sizeof s->camera.source, "test");
	s->schedule.every_us = EVERY_US;
	s->camera.width = 320;
	s->camera.height = 240;
	s->camera.fps = 30;
	s->test.light = LIGHT_NOON;
	return s;
}

static int slower(void *data, struct capture_settings *ret)
{
	(void)data;
	ret->schedule.every_us *= 2;
	return 0;
}

static const char *current_folder;
static int (*change)(void *data, struct capture_settings *ret) = slower;

static int reload(void *data, struct capture_settings *ret)
{
	CLEANUP_FREE struct capture_settings *fresh = settings_new(current_folder);

	*ret = *fresh;
	return change(data, ret);
}

/* A byte per frame into .told; by then a reader finds its line. */
static void tell(void *data, const struct record *frame)
{
	const struct capture_settings *settings = data;
	struct archive_options open_to_read = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX + 8];
	struct record found;

	snprintf(path, sizeof path, "%s/.told", settings->archive.path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (archive_open(settings->archive.path, &open_to_read, &archive) == 0 &&
		archive_find(archive, frame->seq, &found) == 0 &&
		memcmp(found.sha256, frame->sha256, SHA256_BYTES) == 0)
		CHECK_INT(write(fd, "+", 1), 1);
}

/* The machine's clocks, ten minutes later for each byte in the folder's file `.later`. */
static int64_t later_ns(void)
{
	char path[PATH_MAX + 8];
	struct stat st;

	snprintf(path, sizeof path, "%s/.later", current_folder);
	return stat(path, &st) < 0 ? 0 : st.st_size * 600 * NS_PER_SEC;
}

static int64_t later_wall_us(const struct clock *clock)
{
	return clock_real.wall_us(clock) + later_ns() / NS_PER_US;
}

static int64_t later_mono_ns(const struct clock *clock)
{
	return clock_real.mono_ns(clock) + later_ns();
}

static int64_t later_up_ns(const struct clock *clock)
{
	return clock_real.up_ns(clock) + later_ns();
}

static pid_t start(struct capture_settings *settings, bool one_shot)
{
	struct clock clock = clock_real;
	sigset_t block, before;
	pid_t pid;

	current_folder = settings->archive.path;
	clock.wall_us = later_wall_us;
	clock.mono_ns = later_mono_ns;
	clock.up_ns = later_up_ns;
	setenv("RUNTIME_DIRECTORY", settings->archive.path, 1);
	fflush(NULL);
	/* a signal that comes before the service is ready waits for it */
	sigemptyset(&block);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &before);
	pid = fork();
	if (pid == 0) {
		struct archive_options open = { .mode = ARCHIVE_WRITE };
		struct service_options options = { .settings = settings,
			.clock = &clock,
			.reload = reload,
			.stored = tell,
			.stored_data = settings,
			.zone_look_us = US_PER_SEC / 10,
			.one_shot = one_shot };
		struct archive *archive = NULL;
		struct record last;
		int r;

		log_set_level(LOG_LEVEL_ERR);
		r = archive_open(settings->archive.path, &open, &archive);
		options.archive = archive;
		if (r == 0)
			r = service_run(&options, &last);
		_exit(-r & 0x7f);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int stop(pid_t pid, int number)
{
	int status;

	kill(pid, number);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct sums {
	uint64_t frames, shots, missed[MISS_CAUSES], slots;
	int64_t first_us, last_us;
};

/* Adds up the journal, and checks that no slot has two outcomes and none is left out. */
static struct sums add_up(const char *folder, int64_t every_us)
{
	struct archive_options open = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct sums sums = { .first_us = TIME_NONE };
	const char *line;
	size_t len;
	uint64_t seq;

	if (!CHECK(archive_open(folder, &open, &archive) == 0) ||
		!CHECK(journal_seek(archive_journal(archive), 1, &cursor) == 0))
		return sums;
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		struct record r;

		if (!CHECK(record_parse(line, len, &r) == 0))
			continue;
		if (r.type == RECORD_FRAME && r.shot) {
			sums.shots++;
			continue;
		}
		if (r.type != RECORD_FRAME && r.type != RECORD_MISS)
			continue;
		if (sums.first_us == TIME_NONE)
			sums.first_us = r.slot_us;
		else if (every_us)
			CHECK_INT(r.slot_us, sums.last_us + every_us);
		sums.last_us = r.type == RECORD_FRAME ? r.slot_us : r.last_us;
		sums.slots += r.count;
		if (r.type == RECORD_FRAME)
			sums.frames++;
		else
			sums.missed[r.cause] += r.count;
		CHECK_INT(r.slot_us % EVERY_US % 50000, 0);
	}
	return sums;
}

static uint64_t missed(const struct sums *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		sum += s->missed[i];
	return sum;
}

TEST(every_slot_has_its_line)
{
	char folder[64];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct sums sums;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	pid = start(settings, false);
	usleep(800000);
	CHECK_INT(stop(pid, SIGTERM), 0);
	usleep(250000); /* nobody is there */
	pid = start(settings, false);
	usleep(450000);
	CHECK_INT(stop(pid, SIGKILL), -SIGKILL);
	pid = start(settings, false);
	usleep(450000);
	CHECK_INT(stop(pid, SIGINT), 0);
	sums = add_up(folder, EVERY_US);
	CHECK(sums.frames > 5);
	CHECK(sums.missed[MISS_DOWN] >= 2);
	CHECK_INT(sums.frames + missed(&sums), sums.slots);
	CHECK_INT((sums.last_us - sums.first_us) / EVERY_US + 1, sums.slots);
	test_remove_folder(folder);
}

/* What the journal tells of a service whose camera has faults: each slot has its outcome. */
static struct sums play_faults(const char *faults)
{
	char folder[64];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct sums sums;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	snprintf(settings->test.faults, sizeof settings->test.faults, "%s", faults);
	pid = start(settings, false);
	usleep(1800000);
	CHECK_INT(stop(pid, SIGTERM), 0);
	sums = add_up(folder, EVERY_US);
	CHECK(sums.frames > 8);
	CHECK_INT((sums.last_us - sums.first_us) / EVERY_US + 1, sums.slots);
	test_remove_folder(folder);
	return sums;
}

TEST(a_frozen_camera_is_restarted_and_its_slots_are_missed)
{
	play_faults("cancel@20f");
}

/* Frames that say that they begin in an hour: the slots until then are not theirs to close. */
TEST(a_frame_from_the_future_closes_no_slot)
{
	CHECK(play_faults("ahead@20*3").slots < 30);
}

TEST(settings_are_read_again)
{
	char folder[64];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct sums sums;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	pid = start(settings, false);
	usleep(600000);
	kill(pid, SIGHUP);
	usleep(1000000);
	CHECK_INT(stop(pid, SIGTERM), 0);
	sums = add_up(folder, 0);
	/* ten slots a second before, half as many after */
	CHECK((sums.last_us - sums.first_us) / EVERY_US > (int64_t)sums.slots);
	test_remove_folder(folder);
}

/* Hours that begin three hours from now. */
static void later_today(struct capture_settings *settings)
{
	int hour = (int)(clock_wall_us(&clock_real) / US_PER_SEC / 3600 % 24);

	settings->schedule.hours[0] =
		(struct hours_window){ (hour + 3) % 24 * 60, (hour + 4) % 24 * 60 };
	settings->schedule.n_hours = 1;
}

static int all_day(void *data, struct capture_settings *ret)
{
	(void)data;
	ret->schedule.every_us = EVERY_US;
	return 0;
}

static int all_day_resting(void *data, struct capture_settings *ret)
{
	ret->camera.standby = STANDBY_STOP;
	return all_day(data, ret);
}

/* Waits until the folder's archive has so many outcomes of slots. */
static bool has_slots(const char *folder, uint64_t n)
{
	struct archive_options open = { .mode = ARCHIVE_READ };

	for (int i = 0; i < 200; i++, usleep(100000)) {
		CLEANUP(archive_freep) struct archive *archive = NULL;

		/* on a busy machine the service has not made it yet */
		if (archive_open(folder, &open, &archive) == 0 && add_up(folder, 0).slots >= n)
			return true;
	}
	return false;
}

/* The slots of the new schedule are taken from now on, not from the next slot of the old one on. */
TEST(an_earlier_schedule_holds_at_once)
{
	static int (*const changes[])(
		void *data, struct capture_settings *ret) = { all_day, all_day_resting };

	setenv("TZ", "UTC0", 1);
	for (int i = 0; i < 4; i++) {
		char folder[64];
		CLEANUP_FREE struct capture_settings *settings = NULL;
		int64_t reloaded_us;
		struct sums sums;
		pid_t pid;

		test_make_folder(folder);
		settings = settings_new(folder);
		settings->camera.standby = i % 2 ? STANDBY_STOP : STANDBY_AUTO;
		if (i < 2)
			later_today(settings);
		else
			settings->schedule.every_us = EVERY_MAX_US;
		change = changes[i % 2];
		pid = start(settings, false);
		usleep(300000);
		reloaded_us = clock_wall_us(&clock_real);
		kill(pid, SIGHUP);
		CHECK(has_slots(folder, 5));
		CHECK_INT(stop(pid, SIGTERM), 0);
		sums = add_up(folder, EVERY_US);
		CHECK(sums.first_us >= reloaded_us - EVERY_US);
		CHECK(sums.first_us < reloaded_us + 60 * US_PER_SEC);
		CHECK_INT((sums.last_us - sums.first_us) / EVERY_US + 1, sums.slots);
		test_remove_folder(folder);
	}
	change = slower;
}

static bool read_zone_line(const char *folder, struct record *ret)
{
	struct archive_options open = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	uint64_t last = 0;

	if (archive_open(folder, &open, &archive) < 0 ||
		journal_last(archive_journal(archive), &last) < 0)
		return false;
	for (uint64_t seq = last; seq > 0; seq--)
		if (journal_find(archive_journal(archive), seq, ret) == 0 &&
			ret->type == RECORD_ZONE)
			return true;
	return false;
}

/* Whether the EXIF of the newest picture has such an offset from UTC. */
static bool newest_has_offset(const char *folder, const char *offset)
{
	CLEANUP_FREE char *text = NULL;
	size_t bytes = 0;
	CLEANUP_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char target[FRAME_PATH_MAX] = "";

	return readlinkat(fd, "latest.jpg", target, sizeof target - 1) > 0 &&
		fs_read_file(fd, target, FRAME_BYTES_MAX, &text, &bytes) == 0 &&
		memmem(text, bytes, offset, strlen(offset));
}

/* Hours that are shut by the old zone and open by the new one: slots come once that is noticed. */
TEST(another_zone_is_noticed)
{
	char folder[64], zone[80], tz[96];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct record line;
	int hour, tokyo;
	pid_t pid;

	test_make_folder(folder);
	snprintf(zone, sizeof zone, "%s/.zone", folder);
	snprintf(tz, sizeof tz, ":%s", zone);
	zone_write(zone, "UTC0", 1700000000);
	setenv("TZ", tz, 1);
	settings = settings_new(folder);
	hour = (int)(clock_wall_us(&clock_real) / US_PER_SEC / 3600 % 24);
	tokyo = (hour + 9) % 24;
	settings->schedule.hours[0] =
		(struct hours_window){ (tokyo + 23) % 24 * 60, (tokyo + 4) % 24 * 60 };
	settings->schedule.n_hours = 1;
	pid = start(settings, false);
	usleep(300000);
	zone_write(zone, "JST-9", 1700000000);
	CHECK(has_slots(folder, 15));
	CHECK_INT(stop(pid, SIGTERM), 0);
	CHECK(add_up(folder, EVERY_US).frames > 0);
	if (CHECK(read_zone_line(folder, &line))) {
		CHECK_INT(line.from_s, 0);
		CHECK_INT(line.to_s, 9 * 3600);
	}
	CHECK(newest_has_offset(folder, "+09:00"));
	setenv("TZ", "UTC0", 1);
	test_remove_folder(folder);
}

TEST(one_shot)
{
	char folder[64];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct sums sums;
	int status;

	test_make_folder(folder);
	settings = settings_new(folder);
	waitpid(start(settings, true), &status, 0);
	CHECK_INT(status, 0);
	sums = add_up(folder, 0);
	CHECK_INT(sums.shots, 1);
	CHECK_INT(sums.slots, 0);
	test_remove_folder(folder);
}

TEST(each_stored_frame_is_told)
{
	char folder[64], path[PATH_MAX];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	struct stat told;
	struct sums sums;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	pid = start(settings, false);
	usleep(900000);
	CHECK_INT(stop(pid, SIGTERM), 0);
	sums = add_up(folder, EVERY_US);
	snprintf(path, sizeof path, "%s/.told", folder);
	CHECK(sums.frames > 0 && stat(path, &told) == 0);
	CHECK_INT(told.st_size, sums.frames);
	test_remove_folder(folder);
}

/* A manager that wants to hear of the service each 200 ms, on the socket that is returned. */
static int watch(const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s/.notify", folder);
	CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "200000", 1);
	unsetenv("WATCHDOG_PID");
	return fd;
}

static void watch_no_more(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

/* How often the watchdog was fed: up to `enough` times, and no longer than wait_ms in all. */
static int fed(int fd, int enough, int64_t wait_ms)
{
	int64_t until_ms = clock_real.mono_ns(&clock_real) / 1000000 + wait_ms, now_ms;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char text[1024];
	int n = 0;

	while (n < enough && (now_ms = clock_real.mono_ns(&clock_real) / 1000000) < until_ms &&
		poll(&poll_fd, 1, (int)(until_ms - now_ms)) > 0) {
		ssize_t len = recv(fd, text, sizeof text - 1, 0);

		text[len < 0 ? 0 : len] = '\0';
		n += strstr(text, "WATCHDOG=1") != NULL;
	}
	return n;
}

TEST(the_watchdog_is_fed_as_long_as_the_service_runs)
{
	char folder[64];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	CLEANUP_FD int fd = -1;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	fd = watch(folder);
	pid = start(settings, false);
	CHECK_INT(fed(fd, 8, 20000), 8);
	stop(pid, SIGKILL); /* nobody reads what it says any more */
	watch_no_more();
	test_remove_folder(folder);
}

TEST(the_watchdog_is_let_go_after_minutes_without_a_frame)
{
	char folder[64], path[PATH_MAX];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	CLEANUP_FD int fd = -1, later = -1;
	int jumps = 0;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	snprintf(settings->test.faults, sizeof settings->test.faults, "gone@0+600min");
	fd = watch(folder);
	pid = start(settings, false);
	CHECK_INT(fed(fd, 8, 20000), 8);
	snprintf(path, sizeof path, "%s/.later", folder);
	later = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	while (jumps < 5 && fed(fd, 3, 1000) == 3)
		jumps += (int)write(later, "+", 1);
	CHECK(jumps > 0 && jumps < 5);
	stop(pid, SIGKILL); /* nobody reads what it says any more */
	watch_no_more();
	test_remove_folder(folder);
}

/* How many frames from slot `from_us` on were exposed for less than that, or with less gain. */
static int count_short(const char *folder, int64_t from_us, double exposure_us, double gain)
{
	struct archive_options open = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	size_t len;
	uint64_t seq;
	int n = 0;

	if (!CHECK(archive_open(folder, &open, &archive) == 0) ||
		!CHECK(journal_seek(archive_journal(archive), 1, &cursor) == 0))
		return 0;
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		struct record r;

		if (record_parse(line, len, &r) == 0 && r.type == RECORD_FRAME &&
			r.slot_us >= from_us)
			n += r.facts.exposure_us < exposure_us || r.facts.gain < gain;
	}
	return n;
}

/*
 * At ten pictures a second an exposure of the night is as long as leaves each slot its frame, and a
 * restart in the night goes on with it at the first picture.
 */
TEST(a_night_costs_no_slot)
{
	char folder[64];
	CLEANUP_FREE struct capture_settings *settings = NULL;
	int64_t dark_us, again_us;
	struct sums sums;
	pid_t pid;

	test_make_folder(folder);
	settings = settings_new(folder);
	settings->test.light = LIGHT_NIGHT;
	settings->camera.fps = 0;
	pid = start(settings, false);
	usleep(2500000);
	dark_us = clock_wall_us(&clock_real);
	usleep(1000000);
	CHECK_INT(stop(pid, SIGTERM), 0);
	CHECK_INT(count_short(folder, dark_us, 47000, 16), 0);
	again_us = clock_wall_us(&clock_real);
	pid = start(settings, false);
	usleep(1200000);
	CHECK_INT(stop(pid, SIGTERM), 0);
	CHECK_INT(count_short(folder, again_us, 47000, 16), 0);
	sums = add_up(folder, EVERY_US);
	CHECK(sums.missed[MISS_CAMERA] <= 12); /* of both starts */
	CHECK(sums.frames >= 30);
	test_remove_folder(folder);
}
