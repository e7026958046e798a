/* SPDX-License-Identifier: MIT */
/*
 * An archive of some frames, and one kind of damage at a time: what a check says, what a repair
 * leaves.
 */
#pragma once

#include "tests/unit/archive_kit.h"

#define FRAMES 6

__attribute__((unused)) static const char *file_of(const char *path, int seq)
{
	static char file[120];

	snprintf(file, sizeof(file), "%s/" KIT_DAY "/20261120T16%02d00Z-%08d.jpg", path, seq, seq);
	return file;
}

/* Frames 1 to FRAMES, each in its minute. */
__attribute__((unused)) static void make_archive(char path[static 64])
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < FRAMES; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
}

__attribute__((unused)) static void damage_nothing(const char *path)
{
	(void)path;
}

__attribute__((unused)) static void damage_missing(const char *path)
{
	CHECK_INT(unlink(file_of(path, 2)), 0);
}

__attribute__((unused)) static void damage_size(const char *path)
{
	CHECK_INT(truncate(file_of(path, 2), 100), 0);
}

__attribute__((unused)) static void damage_symlink(const char *path)
{
	CHECK_INT(unlink(file_of(path, 2)), 0);
	CHECK_INT(symlink("20261120T160100Z-00000001.jpg", file_of(path, 2)), 0);
}

__attribute__((unused)) static void overwrite(const char *path, off_t offset)
{
	int fd = open(file_of(path, 2), O_WRONLY | O_CLOEXEC);

	CHECK_INT(pwrite(fd, "?", 1, offset), 1);
	close(fd);
}

__attribute__((unused)) static void damage_hash(const char *path)
{
	overwrite(path, 1500);
}

__attribute__((unused)) static void damage_markers(const char *path)
{
	overwrite(path, KIT_JPEG_BYTES - 1);
}

__attribute__((unused)) static void damage_no_line(const char *path)
{
	kit_write(path, KIT_DAY "/20261120T160900Z-00000007.jpg", "x", 1, 0);
}

__attribute__((unused)) static void damage_other_slot(const char *path)
{
	kit_write(path, KIT_DAY "/20261120T160900Z-00000002.jpg", "x", 1, 0);
}

__attribute__((unused)) static void damage_foreign(const char *path)
{
	/* in wrong folders */
	kit_write(path, KIT_DAY "/20261121T160900Z-00000007.jpg", "x", 1, 0);
	kit_write(path, "20261120T160900Z-00000007.jpg", "x", 1, 0);
	kit_write(path, "journal/0.jsonl", "x", 1, 0);
	kit_write(path, "2028", "x", 1, 0);
}

/* What other programs and people leave in folders of pictures. */
__attribute__((unused)) static void damage_not_ours(const char *path)
{
	static const char *const folders[] = { "lost+found", "@eaDir", ".Trash-1000", "best of",
		"best of/2026", KIT_DAY "/@eaDir", "System Volume Information", "2026/spring" };
	static const char *const files[] = { "Thumbs.db", ".DS_Store", ".nomedia", "desktop.ini",
		"notes\n.txt", "2026/Thumbs.db", "2026/11/readme.txt", KIT_DAY "/Thumbs.db",
		KIT_DAY "/picture.jpg", KIT_DAY "/._20261120T160100Z-00000001.jpg",
		KIT_DAY "/20261120T160100Z-00000001 (1).jpg", "journal/Thumbs.db",
		"journal/.DS_Store", "journal/00000000.jsonl~",
		"best of/20261120T160100Z-00000001.jpg", "best of/2026/.x.part" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		CHECK_INT(mkdir(kit_path(path, folders[i]), 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		kit_write(path, files[i], "x", 1, 0);
}

__attribute__((unused)) static void damage_folder_symlink(const char *path)
{
	char link[100];

	snprintf(link, sizeof(link), "%s/2027", path);
	CHECK_INT(symlink("2026", link), 0);
}

__attribute__((unused)) static void damage_temp(const char *path)
{
	kit_write(path, KIT_DAY "/.20261120T160900Z-00000007.jpg.part", "x", 1, 0);
	kit_write(path, "journal/.folder.part", "x", 1, 0);
}

__attribute__((unused)) static void damage_lines(const char *path)
{
	kit_write(path, "journal/00000000.jsonl", "garbage\n{}\n", 11, O_APPEND);
}

__attribute__((unused)) static void damage_fields(const char *path)
{
	const char line[] = "{\"seq\":7,\"slot\":\"yesterday\",\"miss\":\"camera\"}\n";

	kit_write(path, "journal/00000000.jsonl", line, sizeof(line) - 1, O_APPEND);
}

__attribute__((unused)) static void damage_torn(const char *path)
{
	kit_write(path, "journal/00000000.jsonl", "{\"seq\":7,\"sl", 12, O_APPEND);
}

__attribute__((unused)) static void damage_segment(const char *path)
{
	kit_write(path, "journal/00000001.jsonl", "{\"format\":1}\n", 13, 0);
}

__attribute__((unused)) static void append_miss(const char *path, uint64_t seq)
{
	struct record miss = kit_miss(KIT_SLOT);
	char line[LINE_MAX_BYTES + 1];
	int n;

	miss.seq = seq;
	n = record_format(&miss, line);
	kit_write(path, "journal/00000000.jsonl", line, (size_t)n, O_APPEND);
}

__attribute__((unused)) static void damage_duplicate(const char *path)
{
	append_miss(path, FRAMES);
}

__attribute__((unused)) static void damage_order(const char *path)
{
	append_miss(path, 9);
	append_miss(path, 8);
	append_miss(path, 7);
}

__attribute__((unused)) static void damage_gap(const char *path)
{
	append_miss(path, 10);
}

__attribute__((unused)) static void damage_gap_of_segments(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record miss = kit_miss(KIT_SLOT);
	char line[LINE_MAX_BYTES + 1];
	int n;

	CHECK_INT(kit_open(path, NULL, &archive), 0);
	miss.seq = 3 * SEGMENT_LINES + 1;
	n = record_format(&miss, line);
	CHECK_INT(journal_append(archive_journal(archive), miss.seq, line, (size_t)n, true), 0);
}

__attribute__((unused)) static void damage_latest(const char *path)
{
	char link[100];

	snprintf(link, sizeof(link), "%s/latest.jpg", path);
	CHECK_INT(unlink(link), 0);
	CHECK_INT(symlink("../../etc/passwd", link), 0);
}

__attribute__((unused)) static void damage_identity(const char *path)
{
	kit_write(path, "archive.json", "{", 1, O_TRUNC);
}

static const struct {
	const char *name;
	void (*damage)(const char *path);
	enum verify_kind kind;
	uint64_t found, of_copy; /* findings of that kind, as a camera's archive and as a copy */
	uint64_t all, all_of_copy; /* findings of every kind */
	uint64_t left; /* that a repair leaves as they are */
} cases[] = {
	{ "nothing", damage_nothing, VERIFY_MISSING, 0, 0, 0, 0 },
	{ "missing", damage_missing, VERIFY_MISSING, 1, 0, 1, 0 },
	{ "size", damage_size, VERIFY_SIZE, 1, 1, 1, 1 },
	{ "symlink", damage_symlink, VERIFY_SIZE, 1, 1, 1, 1 },
	{ "hash", damage_hash, VERIFY_HASH, 1, 1, 1, 1 },
	{ "markers", damage_markers, VERIFY_MARKERS, 1, 1, 1, 1 },
	{ "no line", damage_no_line, VERIFY_NO_LINE, 1, 1, 1, 1 },
	{ "other slot", damage_other_slot, VERIFY_NO_LINE, 1, 1, 1, 1 },
	{ "foreign", damage_foreign, VERIFY_FOREIGN, 4, 4, 4, 4, 4 },
	/* all but what is within their folders */
	{ "not ours", damage_not_ours, VERIFY_NOT_OURS, 21, 21, 0, 0, 0 },
	{ "folder symlink", damage_folder_symlink, VERIFY_FOREIGN, 1, 1, 1, 1, 1 },
	{ "temp", damage_temp, VERIFY_TEMP, 2, 2, 2, 2 },
	{ "lines", damage_lines, VERIFY_LINE, 1, 1, 1, 1 },
	{ "fields", damage_fields, VERIFY_LINE, 1, 1, 1, 1 },
	{ "torn", damage_torn, VERIFY_LINE, 1, 1, 1, 1 },
	/* a second line of a number is out of order, too */
	{ "duplicate", damage_duplicate, VERIFY_DUPLICATE, 1, 1, 2, 2 },
	{ "order", damage_order, VERIFY_ORDER, 1, 1, 1, 1 },
	{ "gap", damage_gap, VERIFY_GAP, 1, 0, 1, 0 },
	{ "gap of segments", damage_gap_of_segments, VERIFY_GAP, 1, 0, 1, 0 },
	{ "latest", damage_latest, VERIFY_LATEST, 1, 1, 1, 1 },
	{ "identity", damage_identity, VERIFY_IDENTITY, 1, 1, 1, 1 },
};
