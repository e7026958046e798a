/* SPDX-License-Identifier: MIT */
/*
 * What a writer repairs when it opens an archive after a crash. Only two folders can need it: the
 * one that journal/folder names, and the one of the newest frame line; so the work does not grow
 * with the archive.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* One day folder that is looked through. */
struct scan {
	struct archive *archive;
	uint64_t last; /* sequence number of the journal's last line */
	uint64_t highest; /* of the files */
	int fd;
	const char *folder;
	struct frame_name *found; /* files without a line */
	size_t n_found;
};

static void recover_remove_temp(struct archive *archive, int dirfd, const char *name)
{
	archive->repairs.temps_removed += archive->fs->unlinkat(dirfd, name, 0) == 0;
}

size_t archive_hidden_inner(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end + 1 && name[0] == '.' && strcmp(name + len - end, suffix) == 0
		? len - end - 1
		: 0;
}

static int recover_sweep_journal(struct archive *archive)
{
	const int fd = journal_folder_fd(archive->journal);
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int r = fs_list_folder(fd, ".", &dir);

	while (r == 0 && (entry = readdir(dir))) {
		if (archive_hidden_inner(entry->d_name, ".part"))
			recover_remove_temp(archive, fd, entry->d_name);
	}
	return r;
}

static int recover_see_file(struct scan *scan, const char *file)
{
	char own[FRAME_PATH_MAX];
	struct frame_name name, *grown;

	if (frame_name_parse(file, strlen(file), &name) < 0 || frame_name_folder(&name, own) < 0 ||
		strcmp(own, scan->folder) != 0)
		return 0;
	/* A number beyond one lost segment is no frame of ours. */
	if (name.seq <= scan->last || name.seq > scan->last + SEGMENT_LINES)
		return 0;
	if (name.seq > scan->highest)
		scan->highest = name.seq;
	/* More than that is for a repair; the numbers are not used again. */
	if (name.seq > scan->last + RESTORE_MAX || scan->n_found >= RESTORE_MAX)
		return 0;
	grown = reallocarray(scan->found, scan->n_found + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	scan->found = grown;
	grown[scan->n_found++] = name;
	return 0;
}

static int recover_scan(struct scan *scan)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int r = fs_list_folder(scan->fd, ".", &dir);

	while (r == 0 && (entry = readdir(dir))) {
		size_t inner = archive_hidden_inner(entry->d_name, ".part");
		struct frame_name name;

		if (inner == 0) /* of versions before 0.2.0 */
			inner = archive_hidden_inner(entry->d_name, ARCHIVE_KEPT_SUFFIX);
		if (inner == 0)
			r = recover_see_file(scan, entry->d_name);
		else if (frame_name_parse(entry->d_name + 1, inner, &name) == 0)
			recover_remove_temp(scan->archive, scan->fd, entry->d_name);
	}
	return r;
}

static int recover_read_folder(struct archive *archive)
{
	CLEANUP_FREE char *text = NULL;
	size_t bytes;
	int r = fs_read_file(journal_folder_fd(archive->journal), ARCHIVE_FOLDER_FILE,
		FRAME_PATH_MAX, &text, &bytes);

	if (r == -ENOMEM || r == -EIO)
		return r;
	/* not there, or no text of ours: it is written again with the next frame */
	if (r == 0 && bytes > 0 && text[bytes - 1] == '\n') {
		text[bytes - 1] = '\0';
		snprintf(archive->recorded, sizeof(archive->recorded), "%s", text);
	}
	return 0;
}

static int recover_by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct frame_name *)a)->seq, y = ((const struct frame_name *)b)->seq;

	return (x > y) - (x < y);
}

int archive_describe_file(
	const struct archive *archive, const struct frame_name *name, struct record *ret)
{
	struct record record = record_new(RECORD_FRAME);
	CLEANUP_FD int fd = -1;
	int64_t bytes;
	int r = archive_open_name(archive, name, &fd);

	if (r == 0)
		r = jpeg_check_file(fd, &record.bytes);
	if (r == 0)
		r = digest_fd(fd, record.sha256, &bytes);
	if (r < 0)
		return r == -ELOOP || r == -ENOENT ? -EBADMSG : r;
	record.seq = name->seq;
	record.slot_us = record.exposed_us = name->slot_us;
	record.late_us = 0;
	record.recovered = true;
	*ret = record;
	return 0;
}

/* A clock correction that was cut short gets its own line; of others only the file is left. */
static int recover_announced(struct archive *archive, struct record *record)
{
	struct record announced;
	int r = archive_announced(archive, &announced);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (announced.seq == record->seq && announced.bytes == record->bytes &&
		memcmp(announced.sha256, record->sha256, SHA256_BYTES) == 0 &&
		record_name(&announced).slot_us == record->slot_us)
		*record = announced;
	return 0;
}

/*
 * Of frames that were made visible together a power cut may have left the later ones: the numbers
 * between get lines that say nothing, so that the journal stays dense.
 */
static int recover_fill_gap(struct scan *scan, uint64_t end)
{
	while (scan->last + 1 < end) {
		struct record nothing = record_new(RECORD_OTHER);
		int r;

		nothing.seq = scan->last + 1;
		r = journal_append_record(scan->archive->journal, &nothing, false);
		if (r < 0)
			return r;
		scan->last++;
	}
	return 0;
}

static int recover_line(struct scan *scan, const struct frame_name *name)
{
	struct archive *archive = scan->archive;
	struct record record;
	int r = archive_describe_file(archive, name, &record);

	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	r = recover_announced(archive, &record);
	/* The crash may have come before the folder was on the disk. */
	if (r == 0)
		r = fs_sync_folder(archive->fs, scan->fd);
	if (r == 0)
		r = recover_fill_gap(scan, record.seq);
	if (r == 0)
		r = archive_append_record(archive, &record);
	if (r < 0)
		return r;
	archive->repairs.lines_restored++;
	scan->last = record.seq;
	archive_note_newest(archive, &record);
	return 0;
}

/*
 * Sweeps a day folder and gives its files their lines, in order of their numbers. A folder that is
 * gone, or never was one of ours, needs no repair; a symlink in its place is not followed.
 */
static int recover_folder(struct scan *scan, const char *folder)
{
	CLEANUP_FREE struct frame_name *found = NULL;
	CLEANUP_FD int fd = -1;
	int r = fs_open_folder(scan->archive->fs, scan->archive->root_fd, folder, false, &fd);

	if (r == -ENOENT || r == -ELOOP || r == -ENOTDIR || r == -EINVAL)
		return 0;
	scan->fd = fd;
	scan->folder = folder;
	scan->n_found = 0;
	if (r == 0)
		r = recover_scan(scan);
	found = TAKE_PTR(scan->found);
	if (r < 0 || scan->archive->copy || !found)
		return r;
	qsort(found, scan->n_found, sizeof(*found), recover_by_seq);
	for (size_t i = 0; r == 0 && i < scan->n_found; i++) {
		if (found[i].seq > scan->last)
			r = recover_line(scan, &found[i]);
	}
	return r;
}

static bool recover_latest_is_right(const struct archive *archive)
{
	return archive->has_newest && archive_latest_is_right(archive, &archive->newest);
}

static int recover_read_state(struct archive *archive)
{
	struct record newest;
	int r;

	archive->has_newest = false;
	archive->recorded[0] = '\0';
	r = recover_read_folder(archive);
	if (r == 0)
		r = archive_newest_there(archive, &newest);
	if (r == -ENOENT)
		r = archive_newest(archive, &newest);
	if (r == 0)
		archive_note_newest(archive, &newest);
	return r == -ENOENT ? 0 : r;
}

int archive_refresh(struct archive *archive)
{
	int r = recover_read_state(archive);

	archive->latest_ok = recover_latest_is_right(archive);
	return r;
}

int archive_forget(struct archive *archive)
{
	static const char *const stale[] = { ".settled", "journal/retention" };

	int r = 0, synced;

	for (size_t i = 0; i < ARRAY_SIZE(stale); i++) {
		if (archive->fs->unlinkat(archive->root_fd, stale[i], 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	synced = fs_sync_folder(archive->fs, archive->root_fd);
	return r < 0 ? r : synced;
}

int archive_recover(struct archive *archive)
{
	struct scan scan = { .archive = archive };
	char folder[FRAME_PATH_MAX] = "";
	int r;

	archive->repairs.line_cut = journal_was_cut(archive->journal);
	recover_remove_temp(archive, archive->root_fd, ".archive.json.part");
	recover_remove_temp(archive, archive->root_fd, ".latest.jpg.part");
	partial_tidy(archive, 0);
	r = recover_sweep_journal(archive);
	if (r == 0)
		r = recover_read_state(archive);
	if (r == 0)
		r = journal_last(archive->journal, &scan.last);
	/* a commit that failed has told that these frames are lost */
	if (r == 0)
		r = archive_finish_undone(archive, scan.last);
	scan.highest = scan.last;
	if (r == 0 && archive->has_newest)
		r = frame_name_folder(&archive->newest, folder);
	/* the older one first: the journal stays in order */
	if (r == 0 && *folder)
		r = recover_folder(&scan, folder);
	if (r == 0 && *archive->recorded && strcmp(archive->recorded, folder) != 0)
		r = recover_folder(&scan, archive->recorded);
	if (r == 0 && !archive->copy)
		r = journal_next(archive->journal, scan.highest, &archive->next_seq);
	if (r < 0)
		return r;
	archive->latest_ok = recover_latest_is_right(archive);
	archive_point_latest(archive);
	return archive->copy ? 0 : archive_finish_pruning(archive);
}
