/* SPDX-License-Identifier: MIT */
/*
 * The tree's side of a check: every frame has its line, and what stands where the archive's own things
 * belong is one of them. What others put beside these is named and left alone.
 */
#include "common/verify_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/archive_private.h"
#include "common/text.h"

#define DEPTH 3 /* year, month, day */

void verify_free(struct verify *verify)
{
	if (!verify)
		return;
	for (int i = 0; i < VERIFY_TABLES; i++)
		free(verify->tables[i]);
	free(verify->pruned);
	free(verify);
}

struct table *verify_new_table(struct verify *verify, uint64_t number)
{
	int oldest = 0;

	for (int i = 0; i < VERIFY_TABLES; i++) {
		struct table *table = verify->tables[i];

		if (!table) {
			oldest = i;
			break;
		}
		if (table->used < verify->tables[oldest]->used)
			oldest = i;
	}
	if (!verify->tables[oldest])
		verify->tables[oldest] = calloc(1, sizeof(struct table));
	if (verify->tables[oldest]) {
		verify->tables[oldest]->number = number;
		verify->tables[oldest]->used = ++verify->calls;
	}
	return verify->tables[oldest];
}

static int get_table(struct verify *verify, uint64_t number, struct table **ret)
{
	for (int i = 0; i < VERIFY_TABLES; i++) {
		struct table *table = verify->tables[i];

		if (table && table->number == number) {
			table->used = ++verify->calls;
			*ret = table;
			return 0;
		}
	}
	*ret = verify_new_table(verify, number);
	return *ret ? verify_scan_segment(verify, *ret, false) : -ENOMEM;
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

/* A file without a line, after a second look: a writer may have been between file and line. */
static int check_unknown(struct verify *verify, const struct frame_name *name, const char *path)
{
	struct verify_finding finding = { .kind = VERIFY_NO_LINE, .seq = name->seq };
	struct record record;
	uint64_t last;
	int r;

	if (verify->writer_is_live) {
		r = journal_last(verify->journal, &last);
		if (r == 0 && name->seq > last) {
			verify->totals.pending++;
			return 0;
		}
		if (r == 0)
			r = archive_find(verify->archive, name->seq, &record);
		if (r == 0 && record.type == RECORD_FRAME &&
			record_name(&record).slot_us == name->slot_us)
			return 0;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	snprintf(finding.path, sizeof(finding.path), "%s", path);
	return verify_report(verify, finding);
}

static bool is_own_hidden(const char *name)
{
	static const char *const own[] = { ".writer", ".gate", ".sync", ".settled" };
	struct frame_name frame;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (strcmp(name, own[i]) == 0)
			return true;
	}
	return frame_name_parse(name + 1, archive_hidden_inner(name, ".rest"), &frame) == 0;
}

static int check_hidden(struct verify *verify, const char *folder, const char *name)
{
	if (is_own_hidden(name))
		return 0;
	if (!archive_hidden_inner(name, ".part"))
		return report_path(verify, VERIFY_NOT_OURS, folder, name, 0);
	return verify->writer_is_live ? 0 : report_path(verify, VERIFY_TEMP, folder, name, 0);
}

/* A name that is none of the archive's. A picture's would be found nowhere but in its day. */
static int check_other(struct verify *verify, const char *folder, const char *name)
{
	struct frame_name frame;

	return report_path(verify,
		frame_name_parse(name, strlen(name), &frame) == 0 ? VERIFY_FOREIGN
								  : VERIFY_NOT_OURS,
		folder, name, 0);
}

static int check_file(struct verify *verify, const char *folder, const char *file)
{
	struct record as_record = record_new(RECORD_FRAME);
	char path[FRAME_PATH_MAX];
	struct frame_name name;
	struct table *table;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path) ||
		frame_path_parse(path, strlen(path), &name) < 0)
		return check_other(verify, folder, file);
	r = get_table(verify, name.seq / SEGMENT_LINES, &table);
	if (r < 0)
		return r;
	as_record.slot_us = name.slot_us;
	as_record.seq = name.seq;
	if (table->entries[name.seq % SEGMENT_LINES] == table_entry(&as_record))
		return 0;
	return check_unknown(verify, &name, path);
}

static bool is_number(const char *name, size_t digits)
{
	return strlen(name) == digits && strspn(name, "0123456789") == digits;
}

static bool belongs_in_root(const char *name)
{
	return strcmp(name, "archive.json") == 0 || strcmp(name, "latest.jpg") == 0 ||
		strcmp(name, "journal") == 0 || strcmp(name, "acks") == 0 ||
		strcmp(name, "local") == 0 || strcmp(name, "damaged") == 0 ||
		strcmp(name, BRANCHES) == 0;
}

static int walk(
	struct verify *verify, int parent_fd, const char *name, const char *path, int depth);

static int check_entry(
	struct verify *verify, int fd, const char *folder, const char *name, int depth)
{
	char path[FRAME_PATH_MAX];

	if (name[0] == '.')
		return check_hidden(verify, folder, name);
	if (depth == DEPTH)
		return check_file(verify, folder, name);
	if (depth == 0 && belongs_in_root(name))
		return 0;
	if (!is_number(name, depth == 0 ? 4 : 2))
		return check_other(verify, folder, name);
	snprintf(path, sizeof(path), "%.20s%s%.20s", folder, *folder ? "/" : "", name);
	return walk(verify, fd, name, path, depth + 1);
}

static int open_list(int parent_fd, const char *name, DIR **ret)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (!*ret) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

static int walk(struct verify *verify, int parent_fd, const char *name, const char *path, int depth)
{
	struct dirent *entry;
	DIR *dir = NULL;
	int r = open_list(parent_fd, name, &dir);

	if (r == -ENOTDIR || r == -ELOOP)
		return report_path(verify, VERIFY_FOREIGN, "", path, 0);
	if (r < 0)
		return r == -ENOENT ? 0 : report_path(verify, VERIFY_UNREADABLE, "", path, r);
	while (r == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = check_entry(verify, dirfd(dir), path, entry->d_name, depth);
	}
	closedir(dir);
	return r;
}

static bool is_segment(const char *suffix)
{
	return strcmp(suffix, ".jsonl") == 0 || strcmp(suffix, ".unsorted") == 0;
}

static bool belongs_in_journal(const char *name)
{
	const char *dot = strchr(name, '.');
	size_t digits = strspn(name, "0123456789");

	if (strcmp(name, "folder") == 0 || strcmp(name, "redate") == 0 ||
		strcmp(name, "ballast") == 0 || strcmp(name, "retention") == 0 ||
		strcmp(name, "fork") == 0)
		return true;
	return dot && digits == 8 && dot == name + digits && is_segment(dot);
}

static int walk_journal(struct verify *verify)
{
	struct dirent *entry;
	DIR *dir = NULL;
	int r = open_list(archive_root_fd(verify->archive), "journal", &dir);

	if (r < 0)
		return r;
	while (r == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (name[0] == '.')
			r = check_hidden(verify, "journal", name);
		else if (!belongs_in_journal(name))
			r = report_path(verify,
				is_segment(strchrnul(name, '.')) ? VERIFY_FOREIGN : VERIFY_NOT_OURS,
				"journal", name, 0);
	}
	closedir(dir);
	return r;
}

int verify_tree(struct verify *verify)
{
	int r = walk(verify, archive_root_fd(verify->archive), ".", "", 0);

	return r < 0 ? r : walk_journal(verify);
}
