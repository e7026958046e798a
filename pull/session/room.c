/* SPDX-License-Identifier: MIT */
/*
 * Judges whether there is room, keeps .room, and removes what the settings let go: in each turn of
 * a sync; otherwise where there is no room, and after a commit for keep_days.
 */
#include "pull/session/room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/jsonline.h"
#include "common/base/limits.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define GB (INT64_C(1) << 30)
#define RESERVE_AUTO (-5) /* percent */
#define BLOCK_BYTES 4096
#define LINE_BYTES 512 /* of a frame's line */
#define LEVELS 3 /* folders of a day */
#define GENEROUS 4 /* times what a schedule makes */
#define BUDGET_LEAST_BYTES (4 * GB)
#define AHEAD 16 /* frames that room is made for at once, */
#define AHEAD_PART 16 /* but no more than this part of what is stored */
#define STEPS_MAX 8 /* of removing, for one frame */
#define LEDGER_FILE ".room"
#define LEDGER_MAX 512

/* ---- the judgement */

bool room_removes(const struct camera_settings *camera)
{
	return camera->when_full == WHEN_FULL_REMOVE ||
		(camera->when_full == WHEN_FULL_AUTO && camera->reserve != 0);
}

int64_t room_reserve(const struct camera_settings *camera)
{
	return camera->reserve ? camera->reserve : RESERVE_AUTO;
}

static int64_t room_reserve_inodes(const struct camera_settings *camera, int64_t inodes)
{
	const int64_t reserve = room_reserve(camera);

	return retention_reserve(reserve > 0 ? INODES_RESERVED : reserve, inodes);
}

enum room_verdict room_judge(const struct camera_settings *camera, const struct room_facts *facts)
{
	const bool paid = room_removes(camera) && facts->credit_bytes >= facts->bytes &&
		facts->free_bytes - facts->bytes >= BALLAST_BYTES;
	const int64_t reserve = retention_reserve(room_reserve(camera), facts->disk_bytes);

	if (facts->disk_bytes > 0 && !paid && facts->free_bytes - facts->bytes < reserve)
		return ROOM_DISK;
	if (facts->disk_inodes > 0 && !paid &&
		facts->free_inodes - facts->frames <
			room_reserve_inodes(camera, facts->disk_inodes))
		return ROOM_INODES;
	if (facts->used_bytes + facts->pending_bytes + facts->bytes > facts->budget_bytes)
		return ROOM_DAY;
	if (camera->max_bytes > 0 && facts->frames > 0 &&
		facts->stored_bytes + facts->pending_bytes + facts->bytes > camera->max_bytes)
		return ROOM_BYTES;
	if (camera->max_frames > 0 && facts->frames > 0 &&
		facts->stored_frames + facts->pending_frames + facts->frames > camera->max_frames)
		return ROOM_FRAMES;
	return ROOM_FREE;
}

int64_t room_budget(const struct camera_settings *camera, double frames_per_day,
	int64_t frame_bytes, int64_t room_bytes, unsigned sharers)
{
	const int64_t share = room_bytes > 0 ? room_bytes / (sharers > 0 ? sharers : 1) : 0;
	const double day = frames_per_day * (double)frame_bytes * GENEROUS;
	double most = day * ROOM_CATCH_UP_DAYS;
	int64_t budget;

	if (camera->daily_bytes > 0)
		return camera->daily_bytes;
	most = most > BUDGET_LEAST_BYTES ? most : BUDGET_LEAST_BYTES;
	budget = day > 0 && most < (double)share ? (int64_t)most : share;
	/* on a full disk its own old frames go for them */
	if (room_removes(camera) && budget < GB)
		budget = GB;
	if (room_removes(camera) && (double)budget < day)
		budget = day < (double)(INT64_MAX / 2) ? (int64_t)day : INT64_MAX / 2;
	return budget;
}

const char *room_verdict_name(enum room_verdict verdict)
{
	static const char *const names[ROOM_VERDICTS] = { "free", "disk", "inodes", "max_bytes",
		"max_frames", "daily_bytes" };

	return names[verdict];
}

const char *room_describe(enum room_verdict verdict, const struct camera_settings *camera,
	const struct room_facts *facts, char *buf, size_t size)
{
	const char *kept = room_removes(camera)
		? "; no frame is old enough to be removed (keep_at_least)"
		: "";
	const double mb = 1e6;

	*buf = '\0';
	if (verdict == ROOM_DISK)
		snprintf(buf, size,
			"the disk is full, nothing is stored: %.1f MB are free, and %.1f MB are to "
			"stay free (reserve)%s; make room there",
			(double)facts->free_bytes / mb,
			(double)retention_reserve(room_reserve(camera), facts->disk_bytes) / mb,
			kept);
	else if (verdict == ROOM_INODES)
		snprintf(buf, size,
			"the disk is full, nothing is stored: %lld inodes are free, and %lld are "
			"to "
			"stay free (reserve)%s; make room there",
			(long long)facts->free_inodes,
			(long long)room_reserve_inodes(camera, facts->disk_inodes), kept);
	else if (verdict == ROOM_BYTES)
		snprintf(buf, size,
			"nothing is stored: %.1f MB of this camera are here, and max_bytes is "
			"%.1f MB%s; set it higher, or remove pictures",
			(double)facts->stored_bytes / mb, (double)camera->max_bytes / mb, kept);
	else if (verdict == ROOM_FRAMES)
		snprintf(buf, size,
			"nothing is stored: %lld frames of this camera are here, and max_frames is "
			"%lld%s; set it higher, or remove pictures",
			(long long)facts->stored_frames, (long long)camera->max_frames, kept);
	else if (verdict == ROOM_DAY)
		snprintf(buf, size,
			"nothing more is stored today: %.1f MB came, and daily_bytes allows %.1f "
			"MB a day; look whether the camera is what it was, or set daily_bytes",
			(double)facts->used_bytes / mb, (double)facts->budget_bytes / mb);
	return buf;
}

/* ---- .room */

#define AT(member) JSONLINE_FIELD(struct room_ledger, member)

static const struct jsonline_field ledger_fields[] = {
	{ "day", JSONLINE_INT, AT(day), JSONLINE_MUST, 0, INT64_MAX },
	{ "used", JSONLINE_INT, AT(used_bytes), JSONLINE_MUST, 0, INT64_MAX },
	{ "room", JSONLINE_INT, AT(room_bytes), JSONLINE_MUST, 0, INT64_MAX },
	{ "credit", JSONLINE_INT, AT(credit_bytes), JSONLINE_MUST, INT64_MIN, INT64_MAX },
	{ "reach", JSONLINE_INT, AT(reach), 0, 0, SEQ_MAX },
	{ "branches", JSONLINE_INT, AT(branches), 0, 0, BRANCHES_MAX },
	{ "bytes", JSONLINE_INT, AT(stored_bytes), JSONLINE_MUST, 0, INT64_MAX },
	{ "frames", JSONLINE_INT, AT(stored_frames), JSONLINE_MUST, 0, INT64_MAX },
	{ "counted", JSONLINE_BOOL, AT(counted), JSONLINE_MUST, 0, 0 },
};

/* One that makes no sense is none: what is stored is counted again. */
static void ledger_read(const struct archive *archive, struct room_ledger *ret)
{
	CLEANUP_FREE char *text = NULL;
	struct room_ledger ledger = { 0 };
	size_t bytes;

	if (fs_read_file(archive_root_fd(archive), LEDGER_FILE, LEDGER_MAX, &text, &bytes) < 0 ||
		jsonline_parse_fields(
			text, bytes, ledger_fields, ARRAY_SIZE(ledger_fields), &ledger) < 0)
		ledger = (struct room_ledger){ 0 };
	*ret = ledger;
}

/* Without a sync: a power cut forgets some seconds of one day, and no camera can make one. */
static int ledger_write(const struct archive *archive, const struct room_ledger *ledger)
{
	CLEANUP_FD int fd = -1;
	char text[LINE_MAX_BYTES + 1];
	int n = jsonline_format(ledger_fields, ARRAY_SIZE(ledger_fields), ledger, text);

	if (n < 0)
		return n;
	fd = openat(archive_root_fd(archive), LEDGER_FILE,
		O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* ---- the facts */

void room_note_error(struct room *room, int r)
{
	if (r < 0 && room->error == 0)
		room->error = r;
}

static int64_t amount_of(uint64_t count, uint64_t size)
{
	return size > 0 && count > INT64_MAX / size ? INT64_MAX : (int64_t)(count * size);
}

int64_t room_above_reserve(const struct camera_settings *camera, const struct room_facts *facts)
{
	const int64_t reserve = retention_reserve(room_reserve(camera), facts->disk_bytes);

	if (facts->disk_bytes == 0)
		return INT64_MAX / 2;
	return facts->free_bytes > reserve ? facts->free_bytes - reserve : 0;
}

/* Reads .room and the disk. */
static int room_gather(struct room *room, struct archive *archive, struct room_facts *ret)
{
	const int64_t day = retention_day(clock_wall_us(room->clock));
	struct room_ledger *ledger = &room->ledger;
	struct record newest;
	struct statvfs st;
	int64_t above;

	if ((room->statvfs ? room->statvfs : fstatvfs)(archive_root_fd(archive), &st) < 0)
		return -errno;
	*ret = (struct room_facts){
		.disk_bytes = amount_of(st.f_blocks, st.f_frsize),
		.free_bytes = amount_of(st.f_bavail, st.f_frsize),
		.disk_inodes = amount_of(st.f_files, 1),
		.free_inodes = amount_of(st.f_favail, 1),
	};
	ledger_read(archive, ledger);
	if (room->sharers == 0)
		room_learn(room, archive);
	above = room_above_reserve(room->camera, ret);
	if (ledger->day != day) {
		ledger->day = day;
		ledger->used_bytes = ledger->room_bytes = 0;
		ledger->reach = 0;
	}
	if (ledger->reach == 0 && room->reach_day == day)
		ledger->reach = room->reach;
	/* somebody may make room while the day goes on */
	if (above > ledger->room_bytes)
		ledger->room_bytes = above;
	if (ledger->branches != room->n_branches)
		ledger->counted = false;
	ledger->branches = room->n_branches;
	if (!ledger->counted && room->n_branches == 0 &&
		archive_newest(archive, &newest) == -ENOENT)
		ledger->counted = true;
	if (room->pruner)
		room_count(room, ledger);
	ret->stored_bytes = ledger->stored_bytes;
	ret->stored_frames = ledger->stored_frames;
	ret->pending_bytes = room->pending_bytes;
	ret->pending_frames = room->pending_frames;
	ret->used_bytes = ledger->used_bytes;
	ret->credit_bytes = ledger->credit_bytes;
	ret->budget_bytes = room_budget(room->camera, room->frames_per_day, room->frame_bytes,
		ledger->room_bytes, room->sharers);
	return 0;
}

/* ---- costs */

/* What a file of so many bytes takes, with its line. */
static int64_t file_cost(int64_t bytes)
{
	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES + LINE_BYTES;
}

int64_t room_cost(const struct room *room, const struct record *frame)
{
	return file_cost(frame->bytes) +
		(retention_day(frame->slot_us) != room->folder_day ? LEVELS * BLOCK_BYTES : 0) +
		(frame->seq / SEGMENT_LINES != room->segment ? BLOCK_BYTES : 0);
}

int64_t room_cost_lines(const struct room *room, const struct record *lines, size_t n)
{
	uint64_t segment = room->segment;
	int64_t cost = 0;

	for (size_t i = 0; i < n; i++) {
		cost += LINE_BYTES;
		if (lines[i].seq / SEGMENT_LINES != segment)
			cost += BLOCK_BYTES;
		segment = lines[i].seq / SEGMENT_LINES;
	}
	return cost;
}

/* ---- numbers */

uint64_t room_reach(
	struct room *room, const struct archive *archive, uint64_t last, int64_t away_us)
{
	const uint64_t since = away_us > 0 ? (uint64_t)(away_us / EVERY_MIN_US) : 0;
	const int64_t day = retention_day(clock_wall_us(room->clock));
	struct room_ledger ledger = { 0 };

	if (!archive || last == 0)
		return SEQ_MAX;
	ledger_read(archive, &ledger);
	if (ledger.reach >= last && ledger.day == day)
		room->reach = ledger.reach;
	else
		room->reach = last + SEQ_JUMP_MAX + since;
	if (room->reach > SEQ_MAX)
		room->reach = SEQ_MAX;
	room->reach_day = day;
	return room->reach;
}

/* ---- removing */

/*
 * Removes some frames, for so many bytes that come, and for some more, so that not each frame has a
 * prune line of its own. Returns how many went.
 */
static uint64_t room_remove(struct room *room, struct archive *archive, int64_t bytes)
{
	const int64_t part = room->ledger.stored_bytes / AHEAD_PART;
	const int64_t ahead = bytes * AHEAD < part ? bytes * AHEAD : part;
	struct pruner_removed removed;

	if (room->ledger.credit_bytes >= bytes)
		bytes = 0;
	else if (bytes < ahead)
		bytes = ahead;
	removed = room_remove_oldest(room, archive, bytes);
	room->removed += removed.frames;
	if (removed.why == RETENTION_SPACE || removed.why == RETENTION_INODES)
		room->ledger.credit_bytes += removed.bytes;
	if (removed.frames > 0)
		room_note_error(room, ledger_write(archive, &room->ledger));
	return removed.frames;
}

/* Removes frames until there is room, or nothing more may go. */
static enum room_verdict room_make(
	struct room *room, struct archive *archive, struct room_facts *facts)
{
	const int64_t bytes = facts->bytes, frames = facts->frames;
	enum room_verdict verdict = ROOM_FREE;

	for (int i = 0; i <= STEPS_MAX; i++) {
		if (room_gather(room, archive, facts) < 0)
			break;
		facts->bytes = bytes;
		facts->frames = frames;
		verdict = room_judge(room->camera, facts);
		/* once in any case: keep_days may want it */
		if (i > 0 && verdict == ROOM_FREE)
			break;
		if (room_remove(room, archive, bytes) == 0)
			break;
	}
	return verdict;
}

enum room_verdict room_admit(struct room *room, struct archive *archive, const struct record *frame,
	int64_t bytes, struct room_facts *ret)
{
	CLEANUP_FD int lock_fd = -1;
	enum room_verdict verdict;
	struct room_facts facts;
	bool missing;
	int r = room_gather(room, archive, &facts);

	if (r < 0) {
		room_note_error(room, r);
		return ROOM_FREE; /* the write itself tells */
	}
	facts.bytes = bytes + (frame ? room_cost(room, frame) : 0);
	facts.frames = frame ? 1 : 0;
	verdict = room_judge(room->camera, &facts);
	missing = !room->ledger.counted &&
		(room->camera->max_bytes > 0 || room->camera->max_frames > 0);
	if (room->pruner && verdict != ROOM_DAY) {
		verdict = room_make(room, archive, &facts);
	} else if (missing || (verdict != ROOM_FREE && verdict != ROOM_DAY)) {
		if (room_needs_pruner(room->camera) &&
			archive_lock_copy(archive, 0, &lock_fd) == 0) {
			room_open(room, archive);
			if (room->pruner)
				verdict = room_make(room, archive, &facts);
			if (missing)
				room_note_error(room, ledger_write(archive, &room->ledger));
			room_close(room);
		}
	}
	if (ret)
		*ret = facts;
	return verdict;
}

/* ---- what comes */

void room_charge(
	struct room *room, struct archive *archive, int64_t cost, int64_t bytes, int64_t frames)
{
	struct room_facts facts;

	if (room_gather(room, archive, &facts) < 0)
		return;
	room->ledger.used_bytes += cost;
	if (room_removes(room->camera) && room_above_reserve(room->camera, &facts) < cost)
		room->ledger.credit_bytes -= cost;
	room->ledger.stored_bytes += bytes;
	room->ledger.stored_frames += frames;
	room_note_error(room, ledger_write(archive, &room->ledger));
}

enum room_verdict room_check(struct room *room, struct archive *archive, struct room_facts *ret)
{
	const int r = room_gather(room, archive, ret);

	if (r < 0) {
		room_note_error(room, r);
		return ROOM_FREE;
	}
	ret->bytes = file_cost(room->frame_bytes);
	ret->frames = 1;
	return room_removes(room->camera) ? ROOM_FREE : room_judge(room->camera, ret);
}

/* Where frames go for what comes the disk is at its reserve all the time. */
bool room_fits(struct room *room, struct archive *archive, int64_t bytes)
{
	struct room_facts facts;
	const int r = room_gather(room, archive, &facts);

	room_note_error(room, r);
	if (r < 0 || facts.disk_bytes == 0)
		return true;
	return facts.free_bytes - bytes >=
		(room_removes(room->camera)
				? BALLAST_BYTES
				: retention_reserve(room_reserve(room->camera), facts.disk_bytes));
}

void room_tidy(struct room *room, struct archive *archive)
{
	CLEANUP_FD int lock_fd = -1;
	uint64_t end, before;
	int r;

	room->error = 0;
	if (room->camera->keep_days == 0)
		return;
	r = archive_lock_copy(archive, 0, &lock_fd);
	if (r == -ETIMEDOUT)
		return;
	room_note_error(room, r);
	if (r == 0)
		room_open(room, archive);
	end = room->removed + ROOM_FRAMES_MAX;
	do {
		before = room->removed;
		if (room->pruner)
			room_remove(room, archive, 0);
	} while (room->removed > before && room->removed < end);
	room_close(room);
}

int64_t room_since(const struct camera_settings *camera, const struct clock *clock)
{
	if (camera->keep_days == 0 || !clock_synced(clock))
		return TIME_NONE;
	return retention_day(clock_wall_us(clock) - camera->keep_days * DAY_US) * DAY_US;
}
