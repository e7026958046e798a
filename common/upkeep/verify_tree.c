/* SPDX-License-Identifier: MIT */
/*
 * The tree's side of a check: every frame has its line, and what stands where the archive's own
 * things belong is one of them. What others put beside these is named and left alone.
 */
#include "common/upkeep/verify_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/archive/archive_private.h"
#include "common/base/text.h"

enum level { LEVEL_ROOT, LEVEL_YEAR, LEVEL_MONTH, LEVEL_DAY, LEVEL_JOURNAL };

static const struct verify_table *find_table(const struct verify *verify, uint64_t number)
{
	for (size_t i = 0; i < verify->n_tables; i++) {
		if (verify->tables[i]->number == number)
			return verify->tables[i];
	}
	return NULL;
}

static int report_path(struct verify *verify, enum verify_kind kind, const char *folder,
	const char *name, int error)
{
	struct verify_finding finding = { .kind = kind, .error = error };
	char path[FRAME_PATH_MAX + NAME_MAX + 2];

	/* A stranger's name may be longer than any of ours, and hold anything but a slash. */
	snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name);
	text_clean(path, strlen(path), finding.path, sizeof(finding.path));
	return verify_report(verify, finding);
}

/*
 * Whether the journal has the frame after all: its line may have come after its segment was read.
 */
static int look_again(struct verify *verify, const struct frame_name *name)
{
	struct record record;
	int r = archive_find(verify->archive, name->seq, &record);

	if (r == -ENOMEM || r == -EIO)
		return r;
	return r == 0 && record.type == RECORD_FRAME &&
		record_name(&record).slot_us == name->slot_us;
}

static int check_unknown(struct verify *verify, const struct frame_name *name, const char *path)
{
	struct verify_finding finding = { .kind = VERIFY_NO_LINE, .seq = name->seq };
	uint64_t last;
	int r = journal_last(verify->journal, &last);

	/* a writer may be between file and line */
	if (r == 0 && verify->writer_is_live && name->seq > last) {
		verify->totals.pending++;
		return 0;
	}
	if (r == 0)
		r = look_again(verify, name);
	if (r != 0)
		return r < 0 ? r : 0;
	snprintf(finding.path, sizeof(finding.path), "%s", path);
	return verify_report(verify, finding);
}

static bool is_one_of(const char *name, const char *const *list)
{
	while (*list && strcmp(name, *list) != 0)
		list++;
	return *list != NULL;
}

static int check_hidden(struct verify *verify, const char *folder, const char *name)
{
	static const char *const own[] = { ".writer", ".gate", ".sync", ".settled", ".partials",
		".previews", ".redated", ".room", NULL };
	struct frame_name frame;

	if (is_one_of(name, own) ||
		frame_name_parse(name + 1, archive_hidden_inner(name, ".rest"), &frame) == 0)
		return 0;
	if (!archive_hidden_inner(name, ".part"))
		return report_path(verify, VERIFY_NOT_OURS, folder, name, 0);
	return verify->writer_is_live ? 0 : report_path(verify, VERIFY_TEMP, folder, name, 0);
}

static bool is_segment(const char *suffix)
{
	return strcmp(suffix, ".jsonl") == 0 || strcmp(suffix, ".unsorted") == 0;
}

/*
 * A name that does not belong there. What looks like ours would be found nowhere but in its place.
 */
static int check_other(
	struct verify *verify, enum level level, const char *folder, const char *name)
{
	struct frame_name frame;
	bool looks_ours = level == LEVEL_JOURNAL
		? is_segment(strchrnul(name, '.'))
		: frame_name_parse(name, strlen(name), &frame) == 0;

	return report_path(verify, looks_ours ? VERIFY_FOREIGN : VERIFY_NOT_OURS, folder, name, 0);
}

static int check_file(struct verify *verify, const char *folder, const char *file)
{
	struct record as_record = record_new(RECORD_FRAME);
	const struct verify_table *table;
	char path[FRAME_PATH_MAX];
	struct frame_name name;

	if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path) ||
		frame_path_parse(path, strlen(path), &name) < 0)
		return check_other(verify, LEVEL_DAY, folder, file);
	as_record.slot_us = name.slot_us;
	as_record.seq = name.seq;
	table = find_table(verify, name.seq / SEGMENT_LINES);
	if (table && table->entries[name.seq % SEGMENT_LINES] == verify_entry(&as_record))
		return 0;
	return check_unknown(verify, &name, path);
}

static bool is_number(const char *name, size_t digits)
{
	return strspn(name, "0123456789") == digits && name[digits] == '\0';
}

static bool name_belongs(enum level level, const char *name)
{
	static const char *const of_root[] = { "archive.json", "latest.jpg", "journal", "acks",
		"local", "damaged", BRANCHES, NULL };
	static const char *const of_journal[] = { "folder", "redate", "ballast", "retention",
		"fork", "unsynced", "worth", NULL };

	if (level == LEVEL_ROOT)
		return is_one_of(name, of_root);
	return level == LEVEL_JOURNAL &&
		(is_one_of(name, of_journal) ||
			(strspn(name, "0123456789") == 8 && is_segment(name + 8)));
}

static int walk_folder(
	struct verify *verify, int parent_fd, const char *name, const char *path, enum level level);

static int check_entry(
	struct verify *verify, int fd, const char *folder, const char *name, enum level level)
{
	char path[FRAME_PATH_MAX];

	if (name[0] == '.')
		return check_hidden(verify, folder, name);
	if (level == LEVEL_DAY)
		return check_file(verify, folder, name);
	if (name_belongs(level, name))
		return 0;
	if (level == LEVEL_JOURNAL || !is_number(name, level == LEVEL_ROOT ? 4 : 2))
		return check_other(verify, level, folder, name);
	snprintf(path, sizeof(path), "%.20s%s%.20s", folder, *folder ? "/" : "", name);
	return walk_folder(verify, fd, name, path, level + 1);
}

static int walk_folder(
	struct verify *verify, int parent_fd, const char *name, const char *path, enum level level)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int r = fs_list_folder(parent_fd, name, &dir);

	if (r == -ENOTDIR || r == -ELOOP)
		return report_path(verify, VERIFY_FOREIGN, "", path, 0);
	if (r < 0)
		return r == -ENOENT ? 0 : report_path(verify, VERIFY_UNREADABLE, "", path, r);
	while (r == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = check_entry(verify, dirfd(dir), path, entry->d_name, level);
	}
	return r;
}

int verify_tree(struct verify *verify)
{
	int root_fd = verify->archive->root_fd;
	int r = walk_folder(verify, root_fd, ".", "", LEVEL_ROOT);

	return r < 0 ? r : walk_folder(verify, root_fd, "journal", "journal", LEVEL_JOURNAL);
}
