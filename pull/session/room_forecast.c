/* SPDX-License-Identifier: MIT */
/* What the cameras on a disk make in a day, and when they will have filled it. */
#include <errno.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/archive/place.h"
#include "common/base/utc.h"
#include "pull/session/copy.h"
#include "pull/session/room.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define BLOCK_BYTES 4096
#define RATE_US (14 * DAY_US) /* the newest frames by which the rate is judged */
#define RATE_LINES_LOG2 20 /* and no more lines of the journal */

static bool camera_device(const struct camera_settings *camera, dev_t *ret)
{
	char path[PATH_MAX], at[PATH_MAX];
	struct stat st;

	if (pull_archive_path(camera, path) < 0 || place_nearest(path, &st, at) < 0)
		return false;
	*ret = st.st_dev;
	return true;
}

/* How many frames come in a day, by the newest ones; 0: not known. */
static double archive_frames_per_day(struct archive *archive, const struct record *newest)
{
	for (int log2 = RATE_LINES_LOG2; log2 >= 0; log2--) {
		const uint64_t back = UINT64_C(1) << log2;
		struct record older;

		if (newest->seq <= back || archive_find(archive, newest->seq - back, &older) < 0 ||
			older.type != RECORD_FRAME || older.slot_us >= newest->slot_us ||
			newest->slot_us - older.slot_us > RATE_US)
			continue;
		return (double)back * (double)DAY_US / (double)(newest->slot_us - older.slot_us);
	}
	return 0;
}

void room_learn(struct room *room, struct archive *archive)
{
	const struct pull_settings *all = room->camera->all;
	struct record newest;
	struct stat st;
	dev_t other;

	unsigned number = 0;

	room->sharers = 1;
	room->n_branches = 0;
	while (archive_branch(archive, &number))
		room->n_branches++;
	for (size_t i = 0; all && i < all->n_cameras; i++) {
		if (&all->cameras[i] != room->camera && fstat(archive_root_fd(archive), &st) == 0 &&
			camera_device(&all->cameras[i], &other) && other == st.st_dev)
			room->sharers++;
	}
	if (archive_newest(archive, &newest) < 0)
		return;
	room->frame_bytes = newest.bytes;
	room->folder_day = retention_day(newest.slot_us);
	room->segment = newest.seq / SEGMENT_LINES;
	room->frames_per_day = archive_frames_per_day(archive, &newest);
	if (room->frames_per_day < room->claimed_per_day)
		room->frames_per_day = room->claimed_per_day;
}

/* What an archive grows by in a day, in bytes; 0: not known, or nothing. */
static double archive_growth(const struct camera_settings *camera, struct archive *archive)
{
	uint64_t first = 0, last = 0;
	struct record newest;
	double rate, held;

	if (archive_newest(archive, &newest) < 0)
		return 0;
	rate = archive_frames_per_day(archive, &newest);
	journal_first(archive_journal(archive), &first);
	journal_last(archive_journal(archive), &last);
	held = (double)(last - first + 1);
	/* so many days are here: as many go as come */
	if (camera->keep_days > 0 && held >= rate * (double)camera->keep_days)
		return 0;
	return rate * (double)(newest.bytes + BLOCK_BYTES);
}

/* The same of all archives on the disk. */
static double disk_growth(
	const struct camera_settings *camera, struct archive *archive, dev_t device)
{
	const struct pull_settings *all = camera->all;
	double sum = archive_growth(camera, archive);
	dev_t other;

	for (size_t i = 0; all && i < all->n_cameras; i++) {
		const struct archive_options options = { .mode = ARCHIVE_READ };
		CLEANUP(archive_freep) struct archive *theirs = NULL;
		const struct camera_settings *next = &all->cameras[i];
		char path[PATH_MAX];

		if (next != camera && camera_device(next, &other) && other == device &&
			pull_archive_path(next, path) == 0 &&
			copy_open(next, path, &options, &theirs) == 0)
			sum += archive_growth(next, theirs);
	}
	return sum;
}

int room_look(const struct camera_settings *camera, struct archive *archive,
	const struct clock *clock, struct room_view *ret)
{
	struct room room = { .camera = camera, .clock = clock };
	struct room_view view = { .full_us = TIME_NONE };
	struct stat st;
	double growth, days;

	if (fstat(archive_root_fd(archive), &st) < 0)
		return -errno;
	view.verdict = room_check(&room, archive, &view.facts);
	if (room.error < 0)
		return room.error;
	view.room_bytes = room_above_reserve(camera, &view.facts);
	growth = disk_growth(camera, archive, st.st_dev);
	days = growth > 0 ? (double)view.room_bytes / growth : 0;
	if (growth > 0 && days < 36500)
		view.full_us = clock_wall_us(clock) + (int64_t)(days * (double)DAY_US);
	*ret = view;
	return 0;
}

const char *room_describe_view(const struct camera_settings *camera, const struct room_view *view,
	int64_t now_us, char *buf, size_t size)
{
	const bool large = view->room_bytes >= 1000000000;
	char day[UTC_TEXT_MAX];
	int n;

	if (view->verdict != ROOM_FREE)
		return room_describe(view->verdict, camera, &view->facts, buf, size);
	n = snprintf(buf, size, "%.1f %s above the reserve",
		(double)view->room_bytes / (large ? 1e9 : 1e6), large ? "GB" : "MB");
	if (view->full_us != TIME_NONE && n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, "; full about %.10s, in %.0f days%s",
			utc_format_local(view->full_us, day),
			(double)(view->full_us - now_us) / (double)DAY_US,
			room_removes(camera) ? ", then the oldest frames go" : "");
	return buf;
}
