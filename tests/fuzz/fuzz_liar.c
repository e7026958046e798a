/* SPDX-License-Identifier: MIT */
/*
 * A camera that reacts and lies, an honest one on the same disk, and the owner of both. An input is
 * what happens, byte by byte: who is pulled from and how, what the camera answers to each request
 * (liar_camera.h), what the owner sets, forgets, repairs or loses, and how time goes by. After each
 * step what is held is what was held, but for what the owner let go; at the end the camera tells
 * the truth again, and all of it is here.
 */
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/fuzz/liar_camera.h"
#include "tests/fuzz/liar_held.h"

/* The clocks of the machine, over the time that is made here. */
#define clock_gettime time_get
#include "common/base/clock.c" /* NOLINT */
#undef clock_gettime

#include "common/upkeep/repair.h"
#include "pull/session/history.h"
#include "pull/session/room.h"
#include "pull/ssh/wait.h"

#define ACTS_MAX 48 /* of the owner, of an input */
#define SESSION_US (120 * US_PER_SEC)
#define ANSWERS_MAX 20000 /* in a session of that time */
#define PASSED_MAX_US (26 * DAY_US) /* REDATED_DAYS is more */
#define DISK_BLOCKS (INT64_C(1) << 28)
#define DAY_SLACK 24 /* blocks: folders, memory aids, and the one partial */
#define FORK_SLACK 16 /* the folders and files of a branch */

static struct {
	char folder[64];
	struct pull_settings *all;
	struct camera_settings *settings[2]; /* the liar's, the honest one's */
	struct camera cameras[2];
	int64_t free_blocks; /* without what is stored; 0: a disk without end */
	bool synced;
	bool hurt; /* the liar's archive was damaged on the disk, and not repaired */
	bool removed; /* retention removed some of the liar's frames */
	int turn; /* who is pulled from */
	int64_t day, day_blocks; /* that a day has brought for the liar, */
	int64_t day_slack; /* and may bring beyond daily_bytes */
	int acts;
} world;

static struct snapshot seen[2][2]; /* of each camera, before and after */

/* Stands before libc's own. */
int fstatvfs(int fd, struct statvfs *ret)
{
	int64_t used = 0;

	(void)fd;
	for (int i = 0; world.free_blocks > 0 && i < 2; i++) {
		static struct snapshot now;

		snapshot_take(world.settings[i]->archive, &now, &seen[i][0]);
		used += now.blocks;
	}
	*ret = (struct statvfs){ .f_frsize = BLOCK, .f_files = 1 << 20, .f_favail = 1 << 19 };
	ret->f_blocks = (fsblkcnt_t)(world.free_blocks > 0 ? world.free_blocks * 2 : DISK_BLOCKS);
	if (world.free_blocks == 0)
		ret->f_bavail = DISK_BLOCKS / 2;
	else if (world.free_blocks > used)
		ret->f_bavail = (fsblkcnt_t)(world.free_blocks - used);
	return 0;
}

static bool clock_is_synced(const struct clock *clock)
{
	(void)clock;
	return world.synced;
}

static struct clock world_clock;

/* ---- what must be */

/*
 * Days are whole ones, and the line of a frame says whether its time is known. What is kept of an
 * older history, in branches/N, goes by its age like the others.
 */
static bool file_is_old(const struct camera_settings *camera, const struct file *file)
{
	const struct archive_options options = { .mode = ARCHIVE_READ, .copy = true };
	const int64_t before_us =
		retention_day(time_now_us() - camera->keep_days * DAY_US) * DAY_US;
	CLEANUP(archive_freep) struct archive *archive = NULL;
	const char *path = file->path, *end;
	char folder[2 * PATH_MAX];
	struct frame_name name;
	struct record line;

	if (strncmp(path, "branches/", 9) == 0 && (end = strchr(path + 9, '/')))
		path = end + 1;
	snprintf(folder, sizeof(folder), "%s/%.*s", camera->archive, (int)(path - file->path),
		file->path);
	if (camera->keep_days == 0 || !world.synced ||
		frame_path_parse(path, strlen(path), &name) < 0)
		return false;
	if (name.slot_us < before_us)
		return true;
	return archive_open(folder, &options, &archive) == 0 &&
		archive_find(archive, name.seq, &line) == 0 && !line.synced;
}

/* Whether the owner let it go. */
static bool file_may_go(const struct camera_settings *camera, const struct file *file)
{
	const bool remove = camera->when_full == WHEN_FULL_REMOVE ||
		(camera->when_full == WHEN_FULL_AUTO && camera->reserve != 0);

	if (file_is_old(camera, file))
		return true;
	return remove && file->path[0] >= '0' && file->path[0] <= '9' &&
		(camera->keep_at_least_us == 0 ||
			(world.synced &&
				file->arrived_us < time_now_us() - camera->keep_at_least_us));
}

/* What was held is held, here or aside. `most`: files that were removed, it is said. */
static void check_held(int i, uint64_t most)
{
	struct snapshot *before = &seen[i][0], *after = &seen[i][1];
	uint64_t gone = 0;

	snapshot_take(world.settings[i]->archive, after, before);
	for (size_t k = 0; k < before->n; k++) {
		const struct file *file = &before->files[k];

		if (snapshot_has(after, file->hash))
			continue;
		if (!file_may_go(world.settings[i], file))
			fprintf(stderr, "%s/%s is gone, it came %lld s ago\n",
				world.settings[i]->name, file->path,
				(long long)(time_now_us() - file->arrived_us) / 1000000);
		MUST(file_may_go(world.settings[i], file));
		gone++;
	}
	MUST(gone <= most);
	memcpy(before->files, after->files, after->n * sizeof *after->files);
	before->n = after->n;
	before->blocks = after->blocks;
}

/* Nobody was at this archive. */
static void check_untouched(int i)
{
	struct snapshot *before = &seen[i][0], *after = &seen[i][1];

	snapshot_take(world.settings[i]->archive, after, before);
	MUST(before->n == after->n && before->blocks == after->blocks);
	for (size_t k = 0; k < before->n; k++) {
		const struct file *file = snapshot_find(after, before->files[k].path);

		MUST(file && file->hash == before->files[k].hash &&
			file->arrived_us == before->files[k].arrived_us);
	}
}

/* Each frame that the camera has is here. */
static void check_complete(int i)
{
	const struct camera *camera = &world.cameras[i];
	uint8_t picture[PICTURE_BYTES];

	for (uint64_t seq = 1; seq <= camera->last; seq++) {
		uint64_t hash;

		if (!camera_is_frame(seq) || camera_redates(camera, seq))
			continue;
		camera_picture(camera, seq, picture);
		hash = hash_add(HASH_START, picture, sizeof picture);
		if (!snapshot_has(&seen[i][0], hash))
			fprintf(stderr, "%s: frame %llu did not come\n", camera->name,
				(unsigned long long)seq);
		MUST(snapshot_has(&seen[i][0], hash));
	}
}

/* A day costs what the owner allows. */
static void check_day(int64_t blocks_before, bool forked)
{
	const int64_t most = world.settings[0]->daily_bytes / BLOCK;
	const int64_t day = retention_day(time_now_us());

	if (day != world.day)
		world.day_blocks = world.day_slack = 0;
	world.day = day;
	world.day_slack += forked ? FORK_SLACK : 0;
	if (seen[0][0].blocks > blocks_before)
		world.day_blocks += seen[0][0].blocks - blocks_before;
	if (most > 0 && world.day_blocks > most + DAY_SLACK + world.day_slack)
		fprintf(stderr, "%lld blocks came in a day\n", (long long)world.day_blocks);
	MUST(most == 0 || world.day_blocks <= most + DAY_SLACK + world.day_slack);
}

/* ---- a session */

static int connect_camera(const struct camera_settings *settings, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	struct camera *camera = &world.cameras[world.turn];

	(void)settings, (void)deadline_ns;
	*ret_why = CONNECT_SILENT;
	if (!camera->honest && input_next() > 250) {
		time_passed_ns += NS_PER_SEC;
		snprintf(error, size, "nobody there");
		return CLI_TEMPFAIL;
	}
	camera_connect(camera, command);
	*ret_why = CONNECT_DONE;
	*ret_stream = &camera->stream;
	return CLI_OK;
}

static bool told(void *data, enum session_event event, const struct session_result *result)
{
	int *left = data;

	(void)event;
	check_text(result->error);
	return --*left > 0;
}

static int pull(int i, enum session_plan plan, struct session_result *ret)
{
	int left = plan == PLAN_FOLLOW ? 1 + input_next() % 16 : 1000000, code;
	const struct session_options options = { .plan = plan,
		.camera = world.settings[i],
		.since_us = TIME_NONE,
		.deadline_ns = deadline_in(SESSION_US),
		.silent_max_us = SESSION_US,
		.tell = told,
		.data = &left,
		.clock = &world_clock,
		.connect = connect_camera };

	world.turn = i;
	world.cameras[i].answers = 0;
	code = session_pull(&options, ret);
	MUST(plan == PLAN_FOLLOW || deadline_left_us(options.deadline_ns + 30 * NS_PER_SEC) > 0);
	MUST(world.cameras[i].answers < ANSWERS_MAX);
	if (code != CLI_OK && plan != PLAN_FOLLOW && !*ret->error)
		fprintf(stderr, "code %d, plan %d, over without a word\n", code, plan);
	MUST(code == CLI_OK || plan == PLAN_FOLLOW || *ret->error);
	check_text(ret->error);
	check_text(ret->damage);
	check_text(ret->fork.text);
	return code;
}

static int act_pull(int i, enum session_plan plan)
{
	struct session_result result;
	const int64_t blocks = seen[i][0].blocks;
	const int code = pull(i, plan, &result);

	if (getenv("FUZZ_TELL"))
		fprintf(stderr,
			"%s, plan %d: %d %s; %llu frames, %llu lines, %llu removed, %llu redated\n",
			world.settings[i]->name, plan, code, result.error,
			(unsigned long long)result.frames, (unsigned long long)result.lines,
			(unsigned long long)result.removed, (unsigned long long)result.redated);
	check_held(i, result.removed);
	check_untouched(!i);
	if (i == 1 || !world.hurt)
		check_archive(world.settings[i]->archive);
	if (i == 0) {
		world.removed = world.removed || result.removed > 0;
		check_day(blocks, result.fork.branch > 0);
	} else if (world.free_blocks == 0 && plan == PLAN_BACKLOG) {
		MUST(code == CLI_OK && result.left == 0);
		check_complete(i);
	}
	return code;
}

/* ---- the owner, the disk, the clock */

static void act_set(void)
{
	struct camera_settings *camera = world.settings[0];
	const uint8_t what = input_next(), value = input_next();

	switch (what % 7) {
	case 0:
		camera->keep_days = value & 1 ? 1 + value / 8 : 0;
		break;
	case 1:
		camera->when_full = value % 3;
		break;
	case 2:
		camera->keep_at_least_us = value % 4 * 4 * DAY_US;
		break;
	case 3:
		camera->max_bytes = value & 1 ? value * 16 * PICTURE_BYTES : 0;
		break;
	case 4:
		camera->max_frames = value & 1 ? value : 0;
		break;
	case 5:
		camera->daily_bytes = value & 1 ? value / 4 * 2 * BLOCK + BLOCK : 0;
		world.day_blocks = world.day_slack = 0;
		break;
	default:
		camera->reserve = value & 1 ? -(1 + value / 8) : 0;
		break;
	}
}

/* The kernel's own times stay as they are: a month is not gone through. */
static void act_time(void)
{
	static const int64_t jumps_us[] = { 60 * US_PER_SEC, HOUR_US, DAY_US, 3 * DAY_US,
		8 * DAY_US };
	const uint8_t how = input_next();

	world.synced = how < 224;
	if (how % 8 >= ARRAY_SIZE(jumps_us))
		time_wall_moved_us -= how % 8 == 5 ? HOUR_US : DAY_US;
	else if (time_passed_ns / NS_PER_US + jumps_us[how % 8] < PASSED_MAX_US)
		time_passed_ns += jumps_us[how % 8] * NS_PER_US;
}

static int open_copy(struct archive **ret, int *ret_lock_fd)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.copy = true,
		.wait_until_ns = deadline_in(US_PER_SEC),
		.who = "owner" };
	int r = archive_open(world.settings[0]->archive, &options, ret);

	return r < 0 ? r : archive_lock_copy(*ret, deadline_in(US_PER_SEC), ret_lock_fd);
}

/* As `pullpi forget garden --from SEQ`. */
static int act_forget(uint64_t from)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FD int lock_fd = -1;
	unsigned branch;
	uint64_t last;
	int r = open_copy(&archive, &lock_fd);

	if (r == 0)
		r = journal_last(archive_journal(archive), &last);
	if (r == 0 && from > 0 && last >= from)
		r = history_cut(archive, from - 1, &branch);
	MUST(r == 0 || r == -ENOENT || r == -EMLINK || world.hurt);
	check_held(0, 0);
	return r;
}

static bool note(void *data, const struct verify_finding *finding)
{
	repair_note(data, finding);
	return true;
}

static void act_repair(void)
{
	CLEANUP(repair_freep) struct repair *repair = NULL;
	struct verify_options verify = { .copy = true, .finding = note };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FD int lock_fd = -1;
	struct repair_result result;
	struct verify_totals totals;
	int r = open_copy(&archive, &lock_fd);

	/* where a byte made the journal one of another archive only a person can tell */
	if (r == -ENOENT || (r == -EBADMSG && world.hurt))
		return;
	MUST(r == 0 && repair_new(&repair) == 0);
	verify.data = repair;
	MUST(verify_archive(archive, &verify, &totals) == 0);
	MUST(repair_carry_out(repair, archive, &clock_real, &result) == 0);
	archive_free(TAKE_PTR(archive));
	fd_closep(&lock_fd);
	lock_fd = -1;
	world.hurt = world.hurt && result.left > 0;
	check_held(0, 0);
	if (!world.hurt)
		check_archive(world.settings[0]->archive);
}

/* The disk, or a person with an editor. */
static void act_damage(void)
{
	static const char *const aids[] = { ".settled", ".room", "journal/retention",
		"journal/00000000.jsonl", "local/00000000.jsonl" };
	const uint8_t how = input_next(), which = input_next();
	const char *root = world.settings[0]->archive;
	const struct snapshot *held = &seen[0][0];
	char path[PATH_MAX];
	int fd;

	if (how % 4 < 2 && held->n > 0)
		snprintf(path, sizeof path, "%s/%s", root, held->files[which % held->n].path);
	else
		snprintf(path, sizeof path, "%s/%s", root, aids[which % ARRAY_SIZE(aids)]);
	if (how % 4 == 1 || (how % 4 == 2 && which % ARRAY_SIZE(aids) < 3)) {
		unlink(path);
		world.hurt = world.hurt || how % 4 == 1; /* latest.jpg may point to it */
	} else if ((fd = open(path, O_RDWR | O_CLOEXEC)) >= 0) {
		const off_t end = lseek(fd, 0, SEEK_END);
		const char garbage = (char)input_next();

		MUST(pwrite(fd, &garbage, 1, end > 0 ? (how / 4 * 7) % end : 0) >= 0);
		close(fd);
		world.hurt = true;
	}
	snapshot_take(world.settings[0]->archive, &seen[0][0], NULL);
}

static void act_change_camera(struct camera *camera)
{
	const uint8_t how = input_next();

	if (how < 160) {
		camera->last += 1 + how % 32;
	} else if (camera->n_forks < FORKS_MAX && camera->last > 0) {
		/* an older copy of its card */
		camera->last = how % camera->last;
		camera->forks[camera->n_forks].after = camera->last;
		camera->forks[camera->n_forks].salt = camera->n_forks + 1;
		camera->n_forks++;
		camera->last += 3;
	}
	if (camera->last > LAST_MAX)
		camera->last = LAST_MAX;
}

static void act_disk(void)
{
	const uint8_t blocks = input_next();

	world.free_blocks = blocks & 1 ? 64 + blocks * 4 : 0;
}

static void act(void)
{
	const uint8_t what = input_next();

	steps++;
	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		act_pull(0, PLAN_BACKLOG);
		break;
	case 4:
	case 5:
		act_pull(0, PLAN_NEWEST);
		break;
	case 6:
		act_pull(0, PLAN_FOLLOW);
		break;
	case 7:
		act_pull(1, what & 16 ? PLAN_NEWEST : PLAN_BACKLOG);
		break;
	case 8:
	case 9:
		act_change_camera(&world.cameras[0]);
		break;
	case 10:
		world.cameras[1].last += world.cameras[1].last < LAST_MAX;
		break;
	case 11:
		act_time();
		break;
	case 12:
		act_set();
		break;
	case 13:
		act_forget(input_next());
		break;
	case 14:
		if (what & 16)
			act_damage();
		else
			act_repair();
		break;
	default:
		act_disk();
		break;
	}
}

/* ---- the beginning and the end */

static struct camera_settings *add_camera(int i, const char *name)
{
	struct camera_settings *settings = &world.all->cameras[world.all->n_cameras++];

	snprintf(settings->name, sizeof settings->name, "%s", name);
	snprintf(settings->archive, sizeof settings->archive, "%s/%s", world.folder, name);
	settings->keep_at_least_us = 12 * DAY_US;
	settings->all = world.all;
	world.cameras[i].name = settings->name;
	return settings;
}

static void world_begin(void)
{
	void *out[2] = { world.cameras[0].out, world.cameras[1].out };
	struct pull_settings *all = world.all;

	memset(&world, 0, sizeof world);
	for (int i = 0; i < 2; i++) {
		world.cameras[i].out = out[i];
		seen[i][0].n = 0;
		seen[i][0].blocks = 0;
	}
	snprintf(world.folder, sizeof world.folder, "/dev/shm/capturepi-fuzz-XXXXXX");
	MUST(mkdtemp(world.folder));
	MUST((world.all = all ? all : malloc(sizeof *all)));
	memset(world.all, 0, sizeof *world.all);
	world.settings[0] = add_camera(0, "garden");
	world.settings[1] = add_camera(1, "porch");
	world.cameras[0].last = world.cameras[1].last = 8;
	world.cameras[1].honest = world.synced = true;
	time_passed_ns = time_wall_moved_us = 0;
	world_clock = clock_real;
	world_clock.synced = clock_is_synced;
}

static bool is_of_camera(void)
{
	const struct archive_options options = { .mode = ARCHIVE_READ, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;

	return archive_open(world.settings[0]->archive, &options, &archive) < 0 ||
		strcmp(archive_id(archive), LIAR_ID) == 0;
}

/* Whatever a lie did, the owner mends it without losing anything. */
static void world_mend(void)
{
	struct camera_settings *camera = world.settings[0];
	const bool hurt = world.hurt;

	act_repair();
	camera->keep_days = camera->max_bytes = camera->max_frames = camera->daily_bytes = 0;
	camera->reserve = 0;
	camera->when_full = WHEN_FULL_STOP;
	world.free_blocks = 0;
	world.synced = true;
	time_wall_moved_us = 0;
	time_passed_ns += 2 * DAY_US * NS_PER_US;
	act_pull(1, PLAN_BACKLOG);
	/* an archive that a stranger began is the owner's to move */
	if (act_forget(1) == -EMLINK || hurt || world.removed || !is_of_camera())
		return;
	world.cameras[0].honest = true;
	MUST(act_pull(0, PLAN_BACKLOG) == CLI_OK);
	check_complete(0);
}

static int take_away(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

/* Nothing is kept of a person who runs this, and each run has the same time of day. */
__attribute__((constructor)) static void begin(void)
{
	setenv("XDG_STATE_HOME", "/dev/null", 1);
	unsetenv("STATE_DIRECTORY");
	atexit(steps_tell);
	/* tables that are mostly not used come as empty pages, not as bytes to be cleared */
	mallopt(M_MMAP_THRESHOLD, 65536);
	time_start_us = (int64_t)time(NULL) * US_PER_SEC / DAY_US * DAY_US + DAY_US / 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *copy = fuzz_copy(data, size);

	input.data = (const uint8_t *)copy;
	input.left = size;
	inside = true;
	world_begin();
	memory_before = memory_now();
	while (input.left > 0 && world.acts++ < ACTS_MAX)
		act();
	check_words(world.settings[0]->archive);
	world_mend();
	nftw(world.folder, take_away, 16, FTW_PHYS | FTW_DEPTH);
	inside = false;
	steps_count();
	return 0;
}
