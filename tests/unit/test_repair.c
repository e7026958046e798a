/* SPDX-License-Identifier: MIT */
/* Repairs: after one the check has nothing more to say, and no file that was there is gone. */
#include "common/upkeep/repair.h"

#include "common/archive/archive_private.h"
#include "tests/unit/clock_kit.h"
#include "tests/unit/damage_kit.h"

#define FILES_MAX 100

/* The files of an archive that hold anything of worth, by what does not change when they move. */
static struct {
	ino_t list[FILES_MAX];
	size_t n;
} files;

static int see_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	const char *name = path + ftw->base;

	if (flag == FTW_F && name[0] != '.' && strcmp(name, "folder") != 0 &&
		strcmp(name, "ballast") != 0 && files.n < FILES_MAX)
		files.list[files.n++] = st->st_ino;
	return 0;
}

static void list_files(const char *path)
{
	files.n = 0;
	CHECK_INT(nftw(path, see_file, 16, FTW_PHYS), 0);
	CHECK(files.n < FILES_MAX);
}

/* How many of the files before are not there now. */
static size_t count_gone(const ino_t *before, size_t n)
{
	size_t gone = 0;

	for (size_t i = 0; i < n; i++) {
		bool there = false;

		for (size_t j = 0; j < files.n; j++)
			there = there || files.list[j] == before[i];
		gone += !there;
	}
	return gone;
}

static bool note_finding(void *data, const struct verify_finding *finding)
{
	if (data)
		repair_note(data, finding);
	return true;
}

static struct archive *open_for(const char *path, enum archive_mode mode, bool copy)
{
	struct archive_options options = { .mode = mode, .copy = copy };
	struct archive *archive = NULL;

	CHECK_INT(archive_open(path, &options, &archive), 0);
	return archive;
}

/* What a check finds; `repair` may take note of it. */
static uint64_t check(struct archive *archive, bool copy, struct repair *repair)
{
	struct verify_options options = { .copy = copy, .finding = note_finding, .data = repair };
	struct verify_totals totals = { 0 };

	CHECK_INT(verify_archive(archive, &options, &totals), 0);
	return totals.findings;
}

/* As the two programs do it: a copy is checked without a lock. */
static struct repair_result repair_archive(const char *path, bool copy)
{
	struct clock_fake fake = clock_fake(KIT_SLOT + 5);
	CLEANUP(repair_freep) struct repair *repair = NULL;
	struct archive *archive = open_for(path, copy ? ARCHIVE_READ : ARCHIVE_WRITE, copy);
	struct repair_result result = { 0 };

	CHECK_INT(repair_new(&repair), 0);
	check(archive, copy, repair);
	if (copy) {
		archive_free(archive);
		archive = open_for(path, ARCHIVE_WRITE, copy);
	}
	CHECK_INT(repair_carry_out(repair, archive, &fake.clock, &result), 0);
	archive_free(archive);
	return result;
}

static void repair_case(size_t i, bool copy)
{
	struct repair_result result;
	struct archive *archive;
	ino_t before[FILES_MAX];
	char path[64];
	size_t n;

	make_archive(path);
	cases[i].damage(path);
	list_files(path);
	n = files.n;
	memcpy(before, files.list, sizeof(before));
	result = repair_archive(path, copy);
	CHECK_INT(result.left, cases[i].left);
	CHECK_INT(result.error, 0);
	list_files(path);
	CHECK_INT(count_gone(before, n), 0);
	archive = open_for(path, ARCHIVE_READ, copy);
	CHECK_INT(check(archive, copy, NULL), cases[i].left);
	archive_free(archive);
	/* and goes on */
	archive = open_for(path, ARCHIVE_WRITE, copy);
	if (archive && !copy)
		CHECK_INT(kit_publish(archive, KIT_SLOT + 3600 * US_PER_SEC, 77, NULL), 0);
	archive_free(archive);
	archive = open_for(path, ARCHIVE_READ, copy);
	CHECK_INT(check(archive, copy, NULL), cases[i].left);
	archive_free(archive);
	if (test_failures)
		fprintf(stderr, "  case %s, %s\n", cases[i].name, copy ? "copy" : "camera");
	test_remove_folder(path);
}

TEST(each_damage_of_a_camera)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		repair_case(i, false);
}

TEST(each_damage_of_a_copy)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		repair_case(i, true);
}

#define DAMAGED "damaged/20261120T160100Z"

TEST(the_camera_tells_of_it)
{
	struct repair_result result;
	struct archive *archive;
	struct record line;
	char path[64];

	make_archive(path);
	damage_hash(path);
	CHECK_INT(unlink(file_of(path, 4)), 0);
	result = repair_archive(path, false);
	CHECK_STR(result.folder, DAMAGED);
	CHECK_INT(result.moved, 1);
	CHECK_INT(result.told, 2);
	CHECK_INT(result.segments, 0);
	CHECK_INT(kit_count(path, DAMAGED "/" KIT_DAY, NULL), 1);
	archive = open_for(path, ARCHIVE_WRITE, false);
	CHECK_INT(archive_find(archive, FRAMES + 1, &line), 0);
	CHECK_INT(line.type, RECORD_PRUNE);
	CHECK_STR(line.text, PRUNE_DAMAGED);
	CHECK(line.first_seq == 2 && line.last_seq == 2 && line.count == 1);
	CHECK_INT(archive_find(archive, FRAMES + 2, &line), 0);
	CHECK_STR(line.text, PRUNE_LOST);
	CHECK_INT(line.first_seq, 4);
	archive_free(archive);
	/*
	 * a good copy that somebody puts back stays, although the journal's last line tells of it
	 */
	kit_write(path, KIT_DAY "/20261120T160400Z-00000004.jpg", "x", 1, 0);
	archive = open_for(path, ARCHIVE_WRITE, false);
	archive_free(archive);
	CHECK_INT(access(file_of(path, 4), F_OK), 0);
	test_remove_folder(path);
}

/* It is fetched again: the line is gone, and what a sync remembers as well. */
TEST(a_copy_forgets_it)
{
	struct repair_result result;
	struct journal *local;
	struct archive *archive;
	struct record line;
	char path[64];

	make_archive(path);
	damage_hash(path);
	damage_markers(path);
	kit_write(path, ".settled", "x", 1, 0);
	result = repair_archive(path, true);
	CHECK_INT(result.moved, 1);
	CHECK_INT(result.segments, 1);
	CHECK_INT(kit_count(path, DAMAGED "/journal", NULL), 1);
	archive = open_for(path, ARCHIVE_WRITE, true);
	CHECK_INT(archive_find(archive, 2, &line), -ENOENT);
	CHECK_INT(archive_find(archive, 3, &line), 0);
	CHECK_INT(archive_local(archive, &local), 0);
	CHECK_INT(journal_find(local, 1, &line), 0);
	CHECK_STR(line.text, PRUNE_DAMAGED);
	CHECK_INT(line.first_seq, 2);
	CHECK_INT(archive_last_removal(archive, &line), -ENOENT);
	archive_free(archive);
	CHECK_STR(kit_read(path, ".settled"), "");
	test_remove_folder(path);
}

/* A journal that is all garbage but for its header: each frame gets a line again from its file. */
TEST(lines_come_back)
{
	struct repair_result result;
	char path[64], *text;
	struct archive *archive;
	struct record line;

	make_archive(path);
	text = strdup(kit_read(path, "journal/00000000.jsonl"));
	for (char *p = strchr(text, '\n') + 1; *p; p++) {
		if (*p == ':' && strncmp(p - 5, "\"seq\"", 5) == 0 && p[1] <= '4')
			*p = '?';
	}
	kit_write(path, "journal/00000000.jsonl", text, strlen(text), O_TRUNC);
	free(text);
	result = repair_archive(path, false);
	CHECK_INT(result.restored, 4);
	CHECK_INT(result.left, 0);
	archive = open_for(path, ARCHIVE_READ, false);
	CHECK_INT(check(archive, false, NULL), 0);
	CHECK_INT(archive_find(archive, 2, &line), 0);
	CHECK(line.type == RECORD_FRAME && line.recovered && line.bytes == KIT_JPEG_BYTES);
	archive_free(archive);
	test_remove_folder(path);
}

/* Each call of a repair fails once: nothing is lost, and the next one does the rest. */
TEST(a_disk_that_fails)
{
	for (int at = 1, failed = 1; failed && at < 200; at++) {
		struct archive_options options = { .mode = ARCHIVE_WRITE, .fs = &kit_fs };
		struct clock_fake fake = clock_fake(KIT_SLOT + 5);
		CLEANUP(repair_freep) struct repair *repair = NULL;
		struct repair_result result = { 0 };
		struct archive *archive = NULL;
		ino_t before[FILES_MAX];
		char path[64];
		size_t n;

		make_archive(path);
		damage_hash(path);
		damage_gap(path);
		list_files(path);
		n = files.n;
		memcpy(before, files.list, sizeof(before));
		kit_fault_set(0, 0, 0);
		CHECK_INT(archive_open(path, &options, &archive), 0);
		CHECK_INT(repair_new(&repair), 0);
		check(archive, false, repair);
		kit_fault_set(at, 1, EIO);
		repair_carry_out(repair, archive, &fake.clock, &result);
		failed = kit_fault.calls >= at;
		archive_free(archive);
		kit_fault_set(0, 0, 0);
		list_files(path);
		CHECK_INT(count_gone(before, n), 0);
		repair_archive(path, false);
		archive = open_for(path, ARCHIVE_READ, false);
		CHECK_INT(check(archive, false, NULL), 0);
		archive_free(archive);
		list_files(path);
		CHECK_INT(count_gone(before, n), 0);
		if (test_failures)
			fprintf(stderr, "  call %d\n", at);
		test_remove_folder(path);
		CHECK(failed || at > 10);
	}
}

/* ---- each file of ours but the pictures, as a failing card leaves it */

#define OWN_MAX 32

static struct {
	char list[OWN_MAX][100]; /* below the archive */
	size_t n, root_length;
} own;

static int own_see(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	if ((flag == FTW_F || flag == FTW_SL) && strncmp(path + ftw->base, "2026", 4) != 0 &&
		own.n < OWN_MAX)
		snprintf(own.list[own.n++], sizeof(own.list[0]), "%s", path + own.root_length + 1);
	return 0;
}

static void hurt_empty(const char *file, off_t bytes)
{
	(void)bytes;
	CHECK_INT(truncate(file, 0), 0);
}

static void hurt_cut(const char *file, off_t bytes)
{
	CHECK_INT(truncate(file, bytes / 2), 0);
}

/* A block that was never written reads as zeros. */
static void hurt_zeros(const char *file, off_t bytes)
{
	CHECK_INT(truncate(file, 0), 0);
	CHECK_INT(truncate(file, bytes), 0);
}

static void hurt_start(const char *file, off_t bytes)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	(void)bytes;
	CHECK_INT(pwrite(fd, "\xff\xfe{]\0\x1b", 6, 0), 6);
	close(fd);
}

static void hurt_noise(const char *file, off_t bytes)
{
	(void)bytes;
	CHECK_INT(truncate(file, 0), 0);
	kit_write("/", file + 1, "\xff\xfe{]\n\0\x1b[2J{}\n", 13, 0);
}

static void hurt_missing(const char *file, off_t bytes)
{
	(void)bytes;
	CHECK_INT(unlink(file), 0);
}

static const struct {
	const char *name;
	void (*hurt)(const char *file, off_t bytes);
} hurts[] = {
	{ "empty", hurt_empty },
	{ "cut", hurt_cut },
	{ "zeros", hurt_zeros },
	{ "start", hurt_start },
	{ "noise", hurt_noise },
	{ "missing", hurt_missing },
};

static void own_make(char path[static 64], bool copy)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = copy };
	const struct archive_pruned pruned = { .count = 1 };
	CLEANUP(archive_freep) struct archive *archive = NULL;

	make_archive(path);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(archive_ballast_make(archive), 0);
	kit_write(path, "journal/retention", "{\"format\":1}\n", 13, 0);
	if (copy)
		CHECK_INT(archive_note_pruned(archive, 1, 1, PRUNE_LOST, &pruned), 0);
	if (copy)
		kit_write(path, ".settled", "settled 1 x\nend\n", 16, 0);
}

/*
 * Opens, goes on under the same id with numbers that were never used, and is right after a repair.
 */
static void own_case(const char *name, size_t hurt, bool copy)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = copy, .camera = "shed" };
	char path[64], file[200], target[100], id[UUID_CHARS + 1];
	struct archive *archive;
	struct record frame = { 0 };
	struct stat st;

	own_make(path, copy);
	archive = open_for(path, ARCHIVE_READ, copy);
	snprintf(id, sizeof(id), "%s", archive_id(archive));
	archive_free(archive);
	snprintf(file, sizeof(file), "%s/%s", path, name);
	if (readlink(file, target, sizeof(target)) > 0) { /* what it leads to is another case */
		CHECK_INT(unlink(file), 0);
		kit_write(path, name, target, 20, 0);
	}
	CHECK_INT(stat(file, &st), 0);
	hurts[hurt].hurt(file, st.st_size);
	archive_free(open_for(path, ARCHIVE_READ, copy));
	CHECK_INT(archive_open(path, &options, &archive), 0);
	if (archive && !copy) {
		CHECK_INT(kit_publish(archive, KIT_SLOT + 3600 * US_PER_SEC, 77, &frame), 0);
		CHECK(frame.seq > FRAMES);
		CHECK_STR(archive_camera(archive), "shed");
	}
	archive_free(archive);
	CHECK_INT(repair_archive(path, copy).left, 0);
	archive = open_for(path, ARCHIVE_READ, copy);
	CHECK_STR(archive_id(archive), id);
	CHECK_INT(check(archive, copy, NULL), 0);
	archive_free(archive);
	if (test_failures)
		fprintf(stderr, "  %s, %s, %s\n", name, hurts[hurt].name, copy ? "copy" : "camera");
	test_remove_folder(path);
}

static void own_walk(bool copy)
{
	char path[64];

	own_make(path, copy);
	own.n = 0;
	own.root_length = strlen(path);
	CHECK_INT(nftw(path, own_see, 16, FTW_PHYS), 0);
	CHECK(own.n >= 7 && own.n < OWN_MAX);
	test_remove_folder(path);
	for (size_t i = 0; i < own.n; i++) {
		for (size_t hurt = 0; hurt < ARRAY_SIZE(hurts); hurt++)
			own_case(own.list[i], hurt, copy);
	}
}

TEST(each_file_of_a_camera)
{
	own_walk(false);
}

TEST(each_file_of_a_copy)
{
	own_walk(true);
}

static void check_latest(const char *path, bool copy, int seq)
{
	char latest[96], target[96] = "";
	struct archive *archive;

	snprintf(latest, sizeof latest, "%s/latest.jpg", path);
	for (int opened = 0; opened < 2; opened++) {
		ssize_t n = readlink(latest, target, sizeof target - 1);

		target[n < 0 ? 0 : n] = '\0';
		CHECK_STR(target, file_of(path, seq) + strlen(path) + 1);
		archive = open_for(path, ARCHIVE_WRITE, copy);
		archive_free(archive);
	}
	archive = open_for(path, ARCHIVE_READ, copy);
	CHECK_INT(check(archive, copy, NULL), 0);
	archive_free(archive);
}

/* The newest frame goes aside: latest.jpg then leads to the newest that is whole, and stays so. */
TEST(latest_leads_to_what_is_whole)
{
	for (int copy = 0; copy < 2; copy++) {
		char path[64];

		make_archive(path);
		kit_write(path, file_of(path, FRAMES) + strlen(path) + 1, "xx", 2, 0);
		repair_archive(path, copy);
		check_latest(path, copy, FRAMES - 1);
		test_remove_folder(path);
	}
}

/* The line of the newest frame is damaged, and written again: latest.jpg leads to it again. */
TEST(latest_leads_to_what_has_its_line_again)
{
	for (int copy = 0; copy < 2; copy++) {
		const char *name = "journal/00000000.jsonl";
		char path[64], journal[8192], *line;

		make_archive(path);
		snprintf(journal, sizeof journal, "%s", kit_read(path, name));
		line = strstr(journal, "{\"seq\":6");
		CHECK(line);
		*strstr(line, ":\"20261120T160600Z") = '?';
		kit_write(path, name, journal, strlen(journal), O_TRUNC);
		repair_archive(path, copy);
		check_latest(path, copy, FRAMES);
		test_remove_folder(path);
	}
}
