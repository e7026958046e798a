/* SPDX-License-Identifier: MIT */
/*
 * What a writer repairs when it opens an archive after a crash. Only two folders can need it: the
 * one that journal/folder names, and the one of the newest frame line; so the work does not grow
 * with the archive.
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct found {
	struct frame_name name;
	int folder; /* index in scan.folders */
};

struct scan {
	struct archive *archive;
	uint64_t last; /* sequence number of the journal's last line */
	uint64_t highest; /* of the files */
	char folders[2][FRAME_PATH_MAX];
	int folder_fds[2];
	int n_folders;
	struct found *found;
	size_t n_found;
};

static void scan_clear(struct scan *scan)
{
	for (int i = 0; i < scan->n_folders; i++)
		closep(&scan->folder_fds[i]);
	free(scan->found);
}

static void remove_temp(struct archive *archive, int dirfd, const char *name)
{
	archive->repairs.temps_removed += archive_remove_name(archive, dirfd, name, true);
}

size_t archive_hidden_inner(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end + 1 && name[0] == '.' && strcmp(name + len - end, suffix) == 0
		? len - end - 1
		: 0;
}

static int sweep_journal(struct archive *archive)
{
	CLEANUP_DIR DIR *dir = NULL;
	CLEANUP_FD int fd = -1;
	struct dirent *entry;
	int r;

	r = fs_open_folder(archive->fs, archive->root_fd, "journal", false, &fd);
	if (r == 0)
		r = fs_list_folder(fd, ".", &dir);
	if (r < 0)
		return r;
	while ((entry = readdir(dir))) {
		if (archive_hidden_inner(entry->d_name, ".part"))
			remove_temp(archive, fd, entry->d_name);
	}
	return 0;
}

static int see_file(struct scan *scan, int folder, const char *file)
{
	struct found found = { .folder = folder };
	char own[FRAME_PATH_MAX];
	struct found *grown;

	if (frame_name_parse(file, strlen(file), &found.name) < 0 ||
		frame_name_folder(&found.name, own) < 0 || strcmp(own, scan->folders[folder]) != 0)
		return 0;
	/* A number beyond one lost segment is no frame of ours. */
	if (found.name.seq <= scan->last || found.name.seq > scan->last + SEGMENT_LINES)
		return 0;
	if (found.name.seq > scan->highest)
		scan->highest = found.name.seq;
	/* More than that is for a repair; the numbers are not used again. */
	if (found.name.seq > scan->last + RESTORE_MAX || scan->n_found >= RESTORE_MAX)
		return 0;
	grown = reallocarray(scan->found, scan->n_found + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	scan->found = grown;
	grown[scan->n_found++] = found;
	return 0;
}

static int scan_folder(struct scan *scan, int folder)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int fd = scan->folder_fds[folder], r = fs_list_folder(fd, ".", &dir);

	while (r == 0 && (entry = readdir(dir))) {
		size_t inner = archive_hidden_inner(entry->d_name, ".part");
		struct frame_name name;

		if (inner == 0)
			r = see_file(scan, folder, entry->d_name);
		else if (frame_name_parse(entry->d_name + 1, inner, &name) == 0)
			remove_temp(scan->archive, fd, entry->d_name);
	}
	return r;
}

/* A folder that is gone needs no repair; a symlink in its place is not followed. */
static int add_folder(struct scan *scan, const char *folder)
{
	int fd, r;

	if (scan->n_folders > 0 && strcmp(scan->folders[0], folder) == 0)
		return 0;
	r = fs_open_folder(scan->archive->fs, scan->archive->root_fd, folder, false, &fd);
	if (r == -ENOENT || r == -ELOOP || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return r;
	snprintf(scan->folders[scan->n_folders], FRAME_PATH_MAX, "%s", folder);
	scan->folder_fds[scan->n_folders] = fd;
	return scan_folder(scan, scan->n_folders++);
}

/* "2026/11/20" and a newline; anything else counts as no folder. */
static bool folder_is_valid(const char *text, size_t bytes)
{
	static const char form[] = "dddd/dd/dd\n";

	if (bytes != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';

		if (form[i] == 'd' ? !digit : text[i] != form[i])
			return false;
	}
	return true;
}

static int read_recorded_folder(struct archive *archive)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FD int fd = -1;
	size_t bytes;
	int r;

	r = fs_open_folder(archive->fs, archive->root_fd, "journal", false, &fd);
	if (r < 0)
		return r;
	r = fs_read_file(fd, ARCHIVE_FOLDER_FILE, FRAME_PATH_MAX, &text, &bytes);
	if (r == -ENOMEM || r == -EIO)
		return r;
	if (r < 0 || !folder_is_valid(text, bytes))
		return 0; /* not there, or no text of ours: it is written anew with the next frame */
	text[bytes - 1] = '\0';
	snprintf(archive->recorded, sizeof(archive->recorded), "%s", text);
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct found *)a)->name.seq, y = ((const struct found *)b)->name.seq;

	return (x > y) - (x < y);
}

int archive_describe_file(int folder_fd, const struct frame_name *name, struct record *ret)
{
	struct record record = record_new(RECORD_FRAME);
	char file[FRAME_NAME_MAX];
	CLEANUP_FD int fd = -1;
	int64_t bytes;
	int r;

	r = frame_name_format(name, file);
	if (r < 0)
		return r;
	fd = openat(folder_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ELOOP || errno == ENOENT ? -EBADMSG : -errno;
	r = jpeg_check_file(fd, &record.bytes);
	if (r == 0)
		r = digest_fd(fd, record.sha256, &bytes);
	if (r < 0)
		return r;
	record.seq = name->seq;
	record.slot_us = record.exposed_us = name->slot_us;
	record.late_us = 0;
	record.recovered = true;
	*ret = record;
	return 0;
}

/* A frame that was being dated anew gets its own line; of others only the file is left. */
static int use_announced(struct archive *archive, struct record *record)
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
static int fill_gap(struct scan *scan, uint64_t end)
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

static int restore_line(struct scan *scan, const struct found *found)
{
	struct archive *archive = scan->archive;
	int fd = scan->folder_fds[found->folder], r;
	struct record record;

	r = archive_describe_file(fd, &found->name, &record);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	r = use_announced(archive, &record);
	/* The crash may have come before the folder was on the disk. */
	if (r == 0)
		r = fs_sync_folder(archive->fs, fd);
	if (r == 0)
		r = fill_gap(scan, record.seq);
	if (r == 0)
		r = archive_append_record(archive, &record);
	if (r < 0)
		return r;
	archive->repairs.lines_restored++;
	scan->last = record.seq;
	archive_note_newest(archive, &record);
	return 0;
}

/* In order of their numbers, so that the journal stays in order. */
static int restore_lines(struct scan *scan)
{
	if (scan->n_found == 0)
		return 0;
	qsort(scan->found, scan->n_found, sizeof(*scan->found), by_seq);
	for (size_t i = 0; i < scan->n_found; i++) {
		int r = 0;

		if (scan->found[i].name.seq > scan->last)
			r = restore_line(scan, &scan->found[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool latest_is_right(const struct archive *archive)
{
	return archive->has_newest && archive_latest_is_right(archive->root_fd, &archive->newest);
}

static int find_newest(struct archive *archive)
{
	struct record newest;
	int r = journal_newest_frame(archive->journal, &newest);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	archive_note_newest(archive, &newest);
	return 0;
}

int archive_refresh(struct archive *archive)
{
	int r;

	archive->has_newest = false;
	archive->recorded[0] = '\0';
	r = read_recorded_folder(archive);
	if (r == 0)
		r = find_newest(archive);
	archive->latest_ok = latest_is_right(archive);
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
	CLEANUP(scan_clear) struct scan scan = { .archive = archive };
	char folder[FRAME_PATH_MAX];
	int r;

	archive->repairs.line_cut = journal_was_cut(archive->journal);
	remove_temp(archive, archive->root_fd, ".archive.json.part");
	remove_temp(archive, archive->root_fd, ".latest.jpg.part");
	r = sweep_journal(archive);
	if (r == 0)
		r = read_recorded_folder(archive);
	if (r == 0)
		r = journal_last(archive->journal, &scan.last);
	if (r == 0)
		r = find_newest(archive);
	scan.highest = scan.last;
	if (r == 0 && archive->recorded[0])
		r = add_folder(&scan, archive->recorded);
	if (r == 0 && archive->has_newest)
		r = frame_name_folder(&archive->newest, folder);
	if (r == 0 && archive->has_newest)
		r = add_folder(&scan, folder);
	if (r == 0 && !archive->copy)
		r = restore_lines(&scan);
	if (r < 0)
		return r;
	if (!archive->copy)
		r = journal_next(archive->journal, scan.highest, &archive->next_seq);
	if (r < 0)
		return r;
	archive->latest_ok = latest_is_right(archive);
	archive_point_latest(archive);
	return archive->copy ? 0 : archive_finish_pruning(archive);
}
