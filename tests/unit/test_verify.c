/* SPDX-License-Identifier: MIT */
/* verify: one kind of damage at a time in an archive of some frames, and what it says of it. */
#include "common/verify.h"

#include "tests/unit/archive_kit.h"

#define FRAMES 6

static const char *file_of(const char *path, int seq)
{
	static char file[120];

	snprintf(file, sizeof(file), "%s/" KIT_DAY "/20261120T16%02d00Z-%08d.jpg", path, seq, seq);
	return file;
}

/* Frames 1 to FRAMES, each in its minute. */
static void make_archive(char path[static 64])
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < FRAMES; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
}

static void damage_nothing(const char *path)
{
	(void)path;
}

static void damage_missing(const char *path)
{
	CHECK_INT(unlink(file_of(path, 2)), 0);
}

static void damage_size(const char *path)
{
	CHECK_INT(truncate(file_of(path, 2), 100), 0);
}

static void damage_symlink(const char *path)
{
	CHECK_INT(unlink(file_of(path, 2)), 0);
	CHECK_INT(symlink("20261120T160100Z-00000001.jpg", file_of(path, 2)), 0);
}

static void overwrite(const char *path, off_t offset)
{
	int fd = open(file_of(path, 2), O_WRONLY | O_CLOEXEC);

	CHECK_INT(pwrite(fd, "?", 1, offset), 1);
	close(fd);
}

static void damage_hash(const char *path)
{
	overwrite(path, 1500);
}

static void damage_markers(const char *path)
{
	overwrite(path, KIT_JPEG_BYTES - 1);
}

static void damage_no_line(const char *path)
{
	kit_write(path, KIT_DAY "/20261120T160900Z-00000007.jpg", "x", 1, 0);
}

static void damage_other_slot(const char *path)
{
	kit_write(path, KIT_DAY "/20261120T160900Z-00000002.jpg", "x", 1, 0);
}

static void damage_foreign(const char *path)
{
	kit_write(path, KIT_DAY "/picture.jpg", "x", 1, 0);
	kit_write(path, KIT_DAY "/20261121T160900Z-00000007.jpg", "x", 1, 0); /* wrong folder */
	kit_write(path, "2026/11/readme.txt", "x", 1, 0);
	kit_write(path, "notes\n.txt", "x", 1, 0);
	kit_write(path, "journal/0.jsonl", "x", 1, 0);
	kit_write(path, ".hidden", "x", 1, 0); /* nobody's business */
}

static void damage_folder_symlink(const char *path)
{
	char link[100];

	snprintf(link, sizeof(link), "%s/2027", path);
	CHECK_INT(symlink("2026", link), 0);
}

static void damage_temp(const char *path)
{
	kit_write(path, KIT_DAY "/.20261120T160900Z-00000007.jpg.part", "x", 1, 0);
	kit_write(path, "journal/.folder.part", "x", 1, 0);
}

static void damage_lines(const char *path)
{
	kit_write(path, "journal/00000000.jsonl", "garbage\n{}\n", 11, O_APPEND);
}

static void damage_fields(const char *path)
{
	const char line[] = "{\"seq\":7,\"slot\":\"yesterday\",\"miss\":\"camera\"}\n";

	kit_write(path, "journal/00000000.jsonl", line, sizeof(line) - 1, O_APPEND);
}

static void damage_torn(const char *path)
{
	kit_write(path, "journal/00000000.jsonl", "{\"seq\":7,\"sl", 12, O_APPEND);
}

static void damage_segment(const char *path)
{
	kit_write(path, "journal/00000001.jsonl", "{\"format\":1}\n", 13, 0);
}

static void append_miss(const char *path, uint64_t seq)
{
	struct record miss = kit_miss(KIT_SLOT);
	char line[LINE_MAX_BYTES + 1];
	int n;

	miss.seq = seq;
	n = record_format(&miss, line);
	kit_write(path, "journal/00000000.jsonl", line, (size_t)n, O_APPEND);
}

static void damage_duplicate(const char *path)
{
	append_miss(path, FRAMES);
}

static void damage_order(const char *path)
{
	append_miss(path, 9);
	append_miss(path, 8);
	append_miss(path, 7);
}

static void damage_gap(const char *path)
{
	append_miss(path, 10);
}

static void damage_gap_of_segments(const char *path)
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

static void damage_latest(const char *path)
{
	char link[100];

	snprintf(link, sizeof(link), "%s/latest.jpg", path);
	CHECK_INT(unlink(link), 0);
	CHECK_INT(symlink("../../etc/passwd", link), 0);
}

static const struct {
	const char *name;
	void (*damage)(const char *path);
	enum verify_kind kind;
	uint64_t found, of_copy; /* findings of that kind, as a camera's archive and as a copy */
	uint64_t all, all_of_copy; /* findings of every kind */
} cases[] = {
	{ "nothing", damage_nothing, VERIFY_MISSING, 0, 0, 0, 0 },
	{ "missing", damage_missing, VERIFY_MISSING, 1, 0, 1, 0 },
	{ "size", damage_size, VERIFY_SIZE, 1, 1, 1, 1 },
	{ "symlink", damage_symlink, VERIFY_SIZE, 1, 1, 1, 1 },
	{ "hash", damage_hash, VERIFY_HASH, 1, 1, 1, 1 },
	{ "markers", damage_markers, VERIFY_MARKERS, 1, 1, 1, 1 },
	{ "no line", damage_no_line, VERIFY_NO_LINE, 1, 1, 1, 1 },
	{ "other slot", damage_other_slot, VERIFY_NO_LINE, 1, 1, 1, 1 },
	{ "foreign", damage_foreign, VERIFY_FOREIGN, 5, 5, 5, 5 },
	{ "folder symlink", damage_folder_symlink, VERIFY_FOREIGN, 1, 1, 1, 1 },
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
};

struct seen {
	uint64_t findings, named, progress;
};

static bool see_finding(void *data, const struct verify_finding *finding)
{
	struct seen *seen = data;
	char text[256];

	seen->findings++;
	verify_describe(finding, text, sizeof(text));
	seen->named += strlen(text) > 10 && !strchr(text, '\n') &&
		strlen(verify_kind_name(finding->kind)) > 0;
	return true;
}

static bool see_progress(
	void *data, uint64_t seq, uint64_t last, const struct verify_totals *totals)
{
	struct seen *seen = data;

	seen->progress += seq <= last && totals->lines > 0;
	return true;
}

static void verify_once(const char *path, bool copy, struct verify_totals *ret)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct seen seen = { 0 };
	struct verify_options verify = {
		.copy = copy, .finding = see_finding, .progress = see_progress, .data = &seen
	};

	memset(ret, 0, sizeof(*ret));
	if (!CHECK(archive_open(path, &options, &archive) == 0))
		return;
	CHECK_INT(verify_archive(archive, &verify, ret), 0);
	CHECK_INT(seen.findings, ret->findings);
	CHECK_INT(seen.named, ret->findings);
	CHECK_INT(seen.progress, ret->lines);
}

TEST(each_damage_is_found)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct verify_totals totals;
		char path[64];

		make_archive(path);
		cases[i].damage(path);
		verify_once(path, false, &totals);
		CHECK_INT(totals.found[cases[i].kind], cases[i].found);
		CHECK_INT(totals.findings, cases[i].all);
		verify_once(path, true, &totals);
		CHECK_INT(totals.found[cases[i].kind], cases[i].of_copy);
		CHECK_INT(totals.findings, cases[i].all_of_copy);
		if (test_failures)
			fprintf(stderr, "  case %s\n", cases[i].name);
		test_remove_folder(path);
	}
}

TEST(totals)
{
	struct verify_totals totals;
	char path[64];

	make_archive(path);
	append_miss(path, FRAMES + 1);
	verify_once(path, false, &totals);
	CHECK_INT(totals.lines, FRAMES + 1);
	CHECK_INT(totals.frames, FRAMES);
	CHECK_INT(totals.checked, FRAMES);
	CHECK_INT(totals.bytes, FRAMES * KIT_JPEG_BYTES);
	damage_missing(path);
	verify_once(path, true, &totals);
	CHECK_INT(totals.deleted, 1);
	CHECK_INT(totals.checked, FRAMES - 1);
	test_remove_folder(path);
}

TEST(foreign_segment_in_the_middle)
{
	struct verify_totals totals;
	char path[64];

	make_archive(path);
	damage_gap_of_segments(path);
	damage_segment(path);
	verify_once(path, true, &totals);
	CHECK_INT(totals.found[VERIFY_SEGMENT], 1);
	CHECK_INT(totals.findings, 1);
	test_remove_folder(path);
}

TEST(pruned_frames_may_be_gone)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	static const uint64_t pruned[][2] = { { 1, 2 }, { 5, 5 }, { 2, 3 } };
	struct verify_totals totals;
	char path[64];

	make_archive(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pruned); i++) {
		struct record prune = record_new(RECORD_PRUNE);

		prune.first_seq = pruned[i][0];
		prune.last_seq = pruned[i][1];
		prune.count = pruned[i][1] - pruned[i][0] + 1;
		prune.bytes = 1;
		snprintf(prune.text, sizeof(prune.text), "space");
		CHECK_INT(archive_note(archive, &prune), 0);
		for (uint64_t seq = pruned[i][0]; seq <= pruned[i][1]; seq++)
			unlink(file_of(path, (int)seq));
	}
	verify_once(path, false, &totals);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.pruned, 4);
	CHECK_INT(unlink(file_of(path, 4)), 0);
	verify_once(path, false, &totals);
	CHECK_INT(totals.found[VERIFY_MISSING], 1);
	CHECK_INT(totals.findings, 1);
	test_remove_folder(path);
}

/* Beside a writer: what it is about to finish is no finding. */
TEST(live_writer)
{
	CLEANUP(archive_freep) struct archive *writer = NULL;
	struct verify_totals totals;
	char path[64];

	make_archive(path);
	CHECK_INT(kit_open(path, NULL, &writer), 0);
	damage_temp(path);
	damage_no_line(path);
	damage_torn(path);
	verify_once(path, false, &totals);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.pending, 1);
	damage_other_slot(path);
	verify_once(path, false, &totals);
	CHECK_INT(totals.found[VERIFY_NO_LINE], 1);
	CHECK_INT(totals.findings, 1);
	test_remove_folder(path);
}

static bool stop_finding(void *data, const struct verify_finding *finding)
{
	(void)data, (void)finding;
	return false;
}

static bool stop_progress(
	void *data, uint64_t seq, uint64_t last, const struct verify_totals *totals)
{
	(void)data, (void)last, (void)totals;
	return seq < 3;
}

TEST(can_be_cancelled)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_options by_finding = { .finding = stop_finding },
			      by_progress = { .progress = stop_progress };
	struct verify_totals totals;
	char path[64];

	make_archive(path);
	damage_latest(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0); /* repairs the link */
	damage_latest(path);
	CHECK_INT(verify_archive(archive, &by_finding, &totals), -ECANCELED);
	CHECK_INT(totals.lines, FRAMES);
	CHECK_INT(verify_archive(archive, &by_progress, &totals), -ECANCELED);
	CHECK_INT(totals.lines, 3);
	test_remove_folder(path);
}

TEST(names_and_sizes_only)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct verify_options quick = { .skip_content = true };
	struct verify_totals totals;
	char path[64];

	make_archive(path);
	damage_hash(path);
	CHECK_INT(unlink(file_of(path, 3)), 0);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(verify_archive(archive, &quick, &totals), 0);
	CHECK_INT(totals.found[VERIFY_MISSING], 1);
	CHECK_INT(totals.findings, 1);
	CHECK_INT(totals.checked, 0);
	test_remove_folder(path);
}
