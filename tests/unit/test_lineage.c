/* SPDX-License-Identifier: MIT */
/*
 * A camera that comes back with an older copy of its card, and gives numbers that are here to other
 * pictures: both histories are kept, apart and whole.
 */
#include "tests/unit/serve_kit.h"

#define COMMON 4 /* numbers of the card's copy */
#define FRAMES 8 /* numbers of the old history */
#define BLOCK 4096

static void copy(const char *from, const char *to)
{
	char command[400];

	snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", to, from, to);
	CHECK_INT(system(command), 0);
}

static const char *card(void)
{
	static char path[140];

	snprintf(path, sizeof path, "%s.copy", pair.camera);
	return path;
}

/* So many frames more on the camera; `history` makes them other pictures, taken at another time. */
static void take(int n, int history)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	static int64_t minute;

	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	for (int i = 0; i < n; i++, minute++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + (history * 1000 + minute) * KIT_MINUTE,
				  (uint64_t)(history * 1000 + minute), NULL),
			0);
}

/* "5-8: 4 files" of an archive in which nothing is wrong. */
static const char *describe(const char *path)
{
	static char text[100];
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	const struct verify_options options = { .copy = true, .finding = kit_print_finding };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals = { 0 };
	uint64_t first = 0, last = 0;

	if (archive_open(path, &read, &archive) < 0)
		return "none";
	CHECK_INT(verify_archive(archive, &options, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.frames, totals.checked + totals.pruned);
	CHECK_INT(journal_first(archive_journal(archive), &first), 0);
	CHECK_INT(journal_last(archive_journal(archive), &last), 0);
	snprintf(text, sizeof text, "%d-%d: %d files", (int)first, (int)last, (int)totals.checked);
	return text;
}

static const char *branch(unsigned number)
{
	static char path[600];

	snprintf(path, sizeof path, "%s/branches/%u", pair.settings.archive, number);
	return describe(path);
}

/* The lines and pictures of the camera, and no others. */
static void check_equal(void)
{
	CLEANUP(archive_freep) struct archive *there = NULL, *here = NULL;
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	struct record a, b;
	uint64_t last, ours;
	char text[100];

	CHECK_INT(archive_open(pair.camera, &read, &there), 0);
	CHECK_INT(archive_open(pair.settings.archive, &read, &here), 0);
	if (!there || !here)
		return;
	CHECK_INT(journal_last(archive_journal(there), &last), 0);
	CHECK_INT(journal_last(archive_journal(here), &ours), 0);
	CHECK_INT(ours, last);
	for (uint64_t seq = 1; seq <= last; seq++) {
		CHECK_INT(archive_find(there, seq, &a), 0);
		CHECK_INT(archive_find(here, seq, &b), 0);
		CHECK(a.slot_us == b.slot_us && memcmp(a.sha256, b.sha256, SHA256_BYTES) == 0);
	}
	snprintf(text, sizeof text, "1-%d: %d files", (int)last, (int)last);
	CHECK_STR(describe(pair.settings.archive), text);
	CHECK_STR(pair_gaps(), "");
}

/*
 * All of the old history is here, and a copy of the card from the middle of it is in the camera
 * again.
 */
static void begin(int taken_since)
{
	pair_begin();
	take(COMMON, 0);
	copy(pair.camera, card());
	take(FRAMES - COMMON, 1);
	CHECK_INT(pair_sync(), CLI_OK);
	copy(card(), pair.camera);
	if (taken_since)
		take(taken_since, 2);
}

TEST(sync_keeps_both)
{
	/*
	 * the numbers end where the copy does, before the old ones, with them, behind them, far
	 * behind
	 */
	static const int taken[] = { 0, 2, 4, 9, 700 };

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		begin(taken[i]);
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_INT(pair.result.fork.branch, 1);
		CHECK_INT(pair.result.fork.after, COMMON);
		CHECK_INT(pair.result.frames, taken[i]);
		CHECK(strstr(pair.result.fork.text, "branches/1"));
		CHECK_STR(branch(1), "5-8: 4 files");
		check_equal();
		/* from then on it is like any other */
		take(1, 2);
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_INT(pair.result.fork.branch, 0);
		CHECK_INT(pair.result.frames, 1);
		check_equal();
		CHECK_STR(branch(2), "none");
		if (test_failures)
			fprintf(stderr, "  %d taken since\n", taken[i]);
		pair_end();
	}
}

static int64_t files_bytes;

static int add_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)ftw;
	if (flag == FTW_D)
		files_bytes += BLOCK;
	else if (flag == FTW_F && !strstr(path, ".jpg"))
		files_bytes += (st->st_size + BLOCK - 1) / BLOCK * BLOCK;
	return 0;
}

/* What the branch takes of the disk, but for its pictures. */
static int64_t branch_bytes(void)
{
	char path[600];

	snprintf(path, sizeof path, "%s/branches/1", pair.settings.archive);
	files_bytes = 0;
	nftw(path, add_file, 16, FTW_PHYS);
	return files_bytes;
}

static void fork_costs(int days, int lines)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true };
	struct record miss = kit_miss(KIT_SLOT);
	struct archive *archive = NULL;
	int64_t cost = 0;
	unsigned number;

	pair_begin();
	take(COMMON, 0);
	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	memset(miss.text, 'x', 150);
	for (int i = 1; i <= days; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT - i * 24 * 60 * KIT_MINUTE,
				  (uint64_t)i + 100, NULL),
			0);
	for (int i = 0; i < lines; i++)
		CHECK_INT(archive_note(archive, &miss), 0);
	archive_free(TAKE_PTR(archive));
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(archive_open(pair.settings.archive, &options, &archive), 0);
	CHECK_INT(history_cost(archive, COMMON, &cost), 0);
	CHECK_INT(archive_fork(archive, COMMON, &number), 0);
	archive_free(archive);
	CHECK(branch_bytes() > lines * 200);
	CHECK(branch_bytes() <= cost);
	pair_end();
}

TEST(what_a_fork_costs)
{
	fork_costs(40, 1);
	fork_costs(1, 600);
}

/* Without room for the lines of the old history nothing moves; what is written counts. */
TEST(no_room_to_keep_both)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	struct archive *archive = NULL;
	int64_t cost = 0;

	for (int disk = 0; disk < 2; disk++) {
		begin(2);
		pair.settings.daily_bytes = disk ? 0 : 1000;
		pair.settings.reserve = disk ? INT64_MAX : 0;
		pair.settings.when_full = WHEN_FULL_STOP;
		CHECK_INT(pair_sync(), disk ? CLI_INTERNAL : CLI_PROTOCOL);
		CHECK(strstr(pair.result.error, disk ? "the disk is full" : "daily_bytes"));
		CHECK_STR(describe(pair.settings.archive), "1-8: 8 files");
		CHECK_STR(branch(1), "none");
		pair.settings.daily_bytes = pair.settings.reserve = 0;

		CHECK_INT(archive_open(pair.settings.archive, &read, &archive), 0);
		CHECK_INT(history_cost(archive, COMMON, &cost), 0);
		archive_free(TAKE_PTR(archive));
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_STR(branch(1), "5-8: 4 files");
		check_equal();
		CHECK(branch_bytes() <= cost);
		pair.settings.daily_bytes = cost;
		take(1, 2);
		CHECK_INT(pair_sync(), CLI_PROTOCOL);
		CHECK(strstr(pair.result.error, "daily_bytes"));
		pair_end();
	}
}

static bool see_kind(void *data, const struct verify_finding *finding)
{
	*(enum verify_kind *)data = finding->kind;
	CHECK_STR(finding->path, "branches/1");
	return true;
}

/* A head that was kept of the old history tells where that is, and that nothing is lost. */
TEST(a_head_of_the_old_history)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	enum verify_kind kind = VERIFY_KINDS;
	struct archive_head head;
	const struct verify_options options = {
		.copy = true, .heads = &head, .n_heads = 1, .finding = see_kind, .data = &kind
	};
	struct verify_totals totals;
	struct archive *archive = NULL;

	begin(9);
	CHECK_INT(archive_open(pair.settings.archive, &read, &archive), 0);
	CHECK_INT(archive_head(archive, &clock_real, &head), 0);
	archive_free(TAKE_PTR(archive));
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(archive_open(pair.settings.archive, &read, &archive), 0);
	CHECK_INT(verify_archive(archive, &options, &totals), 0);
	CHECK_INT(kind, VERIFY_BRANCH);
	CHECK_INT(totals.findings, 0);
	archive_free(archive);
	pair_end();
}

/* The line that is compared is a miss: it is not stored, nor counted, a second time. */
TEST(the_last_line_is_no_frame)
{
	struct record miss = kit_miss(KIT_SLOT);
	struct archive *archive = NULL;

	pair_begin();
	take(2, 0);
	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	CHECK_INT(archive_note(archive, &miss), 0);
	archive_free(archive);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.lines, 1);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.lines, 0);
	CHECK_STR(describe(pair.settings.archive), "1-3: 2 files");
	pair_end();
}

TEST(a_look_moves_nothing)
{
	begin(9);
	pair.options.dry_run = true;
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.found, 9);
	CHECK_INT(pair.result.fork.after, COMMON);
	CHECK_INT(pair.result.fork.branch, 0);
	CHECK(*pair.result.fork.text);
	CHECK_STR(describe(pair.settings.archive), "1-8: 8 files");
	CHECK_STR(branch(1), "none");
	pair_end();
}

TEST(again_and_again)
{
	char newer[160];

	begin(6);
	snprintf(newer, sizeof newer, "%s.newer", pair.camera);
	CHECK_INT(pair_sync(), CLI_OK);
	copy(pair.camera, newer);
	/* another fork within the new history */
	take(3, 3);
	CHECK_INT(pair_sync(), CLI_OK);
	copy(newer, pair.camera);
	take(1, 4);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.fork.after, COMMON + 6);
	CHECK_INT(pair.result.fork.branch, 2);
	check_equal();
	/* and one before the first */
	copy(card(), pair.camera);
	take(1, 5);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.fork.after, COMMON);
	CHECK_INT(pair.result.fork.branch, 3);
	check_equal();
	CHECK_STR(branch(1), "5-8: 4 files");
	CHECK_STR(branch(2), "11-13: 3 files");
	CHECK_STR(branch(3), "5-11: 7 files");
	pair_end();
}

/* Two cameras with copies of one card answer by turns: that ends, and in words. */
TEST(cards_that_were_cloned)
{
	char clone[160];
	int code = CLI_OK, rounds = 0;

	begin(2);
	snprintf(clone, sizeof clone, "%s.clone", pair.camera);
	copy(card(), clone);
	for (; code == CLI_OK && rounds < 100; rounds++) {
		char one[128];

		snprintf(one, sizeof one, "%s", pair.camera);
		take(1, 10 + rounds);
		code = pair_sync();
		snprintf(pair.camera, sizeof pair.camera, "%.127s", clone);
		snprintf(clone, sizeof clone, "%s", one);
	}
	CHECK_INT(code, CLI_PROTOCOL);
	CHECK(strstr(pair.result.error, "two machines"));
	CHECK_STR(branch(1), "5-8: 4 files");
	CHECK_STR(branch(BRANCHES_MAX + 1), "none");
	pair_end();
}

static int fetch(void)
{
	int code;

	pair.options.plan = PLAN_NEWEST;
	code = pair_sync();
	pair.options.plan = PLAN_BACKLOG;
	return code;
}

TEST(fetch_keeps_both)
{
	static const int taken[] = { 2, 4, 9 };

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		begin(taken[i]);
		CHECK_INT(fetch(), CLI_OK);
		CHECK_INT(pair.result.connections, 1);
		CHECK_INT(pair.result.fork.after, COMMON);
		CHECK_STR(branch(1), "5-8: 4 files");
		CHECK_INT(pair.result.frames, 1);
		CHECK_INT(pair.result.frame.seq, COMMON + taken[i]);
		CHECK_INT(fetch(), CLI_OK);
		CHECK_INT(pair.result.frames, 0);
		CHECK_INT(pair.result.fork.branch, 0);
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_INT(pair.result.frames, taken[i] - 1);
		check_equal();
		pair_end();
	}
}

/* A copy that only ever had the newest picture, with holes between. */
TEST(a_copy_with_holes)
{
	pair_begin();
	for (int i = 0; i < 12; i++) {
		take(40, 0);
		if (i == 8)
			copy(pair.camera, card());
		CHECK_INT(fetch(), CLI_OK);
	}
	copy(card(), pair.camera);
	take(300, 2);
	CHECK_INT(fetch(), CLI_OK);
	CHECK_INT(pair.result.fork.branch, 1);
	CHECK(pair.result.fork.after >= 360 && pair.result.fork.after < 400);
	CHECK_STR(branch(1), "400-480: 3 files");
	CHECK_STR(describe(pair.settings.archive), "40-660: 10 files");
	CHECK_INT(pair_sync(), CLI_OK);
	check_equal();
	pair_end();
}

static char events[16];

static bool tell(void *data, enum session_event event, const struct session_result *state)
{
	size_t n = strlen(events);

	(void)data;
	if (event != SESSION_ALIVE && n < sizeof events - 1)
		events[n] = "CF-LESK"[event];
	if (event == SESSION_FORKED)
		CHECK_INT(state->fork.after, COMMON);
	return event != SESSION_FRAME && event != SESSION_FAILED;
}

TEST(follow_keeps_both)
{
	begin(9);
	memset(events, 0, sizeof events);
	pair.options.plan = PLAN_FOLLOW;
	pair.options.tell = tell;
	session_pull(&pair.options, &pair.result);
	pair.options.plan = PLAN_BACKLOG;
	pair.options.tell = NULL;
	CHECK_STR(events, "KCF");
	CHECK_STR(branch(1), "5-8: 4 files");
	CHECK_INT(pair_sync(), CLI_OK);
	check_equal();
	pair_end();
}

/*
 * What was removed here by retention: each history knows of its own, and nothing of it comes again.
 */
TEST(what_was_removed_here)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true };
	struct archive_pruned pruned;
	struct archive *archive;

	begin(9);
	CHECK_INT(archive_open(pair.settings.archive, &options, &archive), 0);
	CHECK_INT(archive_prune(archive, 3, 6, "age", &pruned), 0);
	archive_free(archive);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 9);
	CHECK_STR(branch(1), "5-8: 2 files");
	CHECK_STR(describe(pair.settings.archive), "1-13: 11 files");
	pair_end();
}

/* Ended at each of its calls, the fork is carried to its end by whoever comes next. */
TEST(ended_in_the_middle)
{
	const struct fs_ops *ops = &kit_fs;
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true, .fs = ops };
	bool whole = false;
	unsigned number;

	for (int call = 1; !whole && CHECK(call < 1000); call++) {
		struct archive *archive = NULL;

		begin(9);
		kit_fault_set(0, 0, 0);
		CHECK_INT(archive_open(pair.settings.archive, &options, &archive), 0);
		kit_fault_set(call, 100000, EIO);
		whole = archive_fork(archive, COMMON, &number) == 0;
		archive_free(archive);
		kit_fault_set(0, 0, 0);
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_STR(branch(1), "5-8: 4 files");
		CHECK_STR(branch(2), "none");
		check_equal();
		if (test_failures) {
			fprintf(stderr, "  ended at call %d\n", call);
			whole = true;
		}
		pair_end();
	}
}

/* Lines that differ and are of one history all the same. */
TEST(lines_that_a_repair_wrote)
{
	struct record a = kit_frame(KIT_SLOT), b, miss = kit_miss(KIT_SLOT);

	a.bytes = 10;
	b = a;
	CHECK_INT(history_compare(&a, &b), 1);
	b.boot[0] = 0;
	b.up_ns = 0;
	b.exposed_us = b.slot_us;
	CHECK_INT(history_compare(&a, &b), 1);
	/* the same picture after other lines: the card was written again from an earlier one on */
	a.has_prev = b.has_prev = true;
	CHECK_INT(history_compare(&a, &b), 1);
	b.prev[31]++;
	CHECK_INT(history_compare(&a, &b), 0);
	b.has_prev = false; /* of a version that knew no chain */
	CHECK_INT(history_compare(&a, &b), 1);
	b.sha256[3]++;
	CHECK_INT(history_compare(&a, &b), 0);
	b.recovered = true;
	CHECK_INT(history_compare(&a, &b), -1);
	b = a;
	b.slot_us++;
	CHECK_INT(history_compare(&a, &b), 0);
	CHECK_INT(history_compare(&a, &miss), 0);
	b = record_new(RECORD_OTHER);
	CHECK_INT(history_compare(&a, &b), -1);
	CHECK_INT(history_compare(&b, &a), -1);
	b = miss;
	CHECK_INT(history_compare(&b, &miss), 1);
	b.last_us++;
	CHECK_INT(history_compare(&b, &miss), 0);
}

#define FAR_LINES 100
#define FAR_APART (SEQ_SPAN_MAX / 105)

static uint64_t far_seq(int i)
{
	return 1 + (uint64_t)i * FAR_APART;
}

/* A camera's journal with a few lines that are far apart; those from `same` on are other ones. */
static void write_far(int same)
{
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE, .camera = "garden", .id = KIT_ID, .copy = true
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;

	test_remove_folder(pair.camera);
	CHECK_INT(archive_open(pair.camera, &options, &archive), 0);
	for (int i = 0; i < FAR_LINES; i++) {
		struct record miss = kit_miss(KIT_SLOT + (i < same ? i : 1000 + i) * KIT_MINUTE);

		miss.seq = far_seq(i);
		CHECK_INT(archive_store_records(archive, &miss, 1), 0);
	}
}

/* It costs by its lines, not by its numbers: each of these syncs went over six billion of them. */
TEST(lines_far_apart)
{
	pair_begin();
	pair.options.deadline_ns = deadline_in(60 * US_PER_SEC);
	write_far(FAR_LINES);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK(!pair.result.out_of_time);
	CHECK_INT(pair.result.lines, FAR_LINES);
	CHECK_INT(pair.result.left, 0);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.lines, 0);
	write_far(60);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK(!pair.result.out_of_time);
	CHECK_INT(pair.result.fork.branch, 1);
	CHECK(pair.result.fork.after >= far_seq(59) && pair.result.fork.after < far_seq(60));
	CHECK_INT(pair.result.lines, FAR_LINES - 60);
	CHECK_INT(pair.result.left, 0);
	pair_end();
}

/* What a greeting may say of its numbers, of a camera that was never seen and of one that was. */
TEST(numbers_of_a_greeting)
{
	static const struct {
		uint64_t first, last, here, reach;
		int code;
	} cases[] = {
		{ 0, 0, 0, SEQ_MAX, CLI_OK }, /* nothing taken yet */
		{ 1, SEQ_SPAN_MAX, 0, SEQ_MAX, CLI_OK },
		{ 1, SEQ_SPAN_MAX + 1, 0, SEQ_MAX, CLI_PROTOCOL },
		{ SEQ_MAX - 9, SEQ_MAX, 0, SEQ_MAX, CLI_OK },
		{ 0, SEQ_MAX, 5, 5 + SEQ_JUMP_MAX, CLI_PROTOCOL },
		{ 1, 5 + SEQ_JUMP_MAX, 5, 5 + SEQ_JUMP_MAX, CLI_OK },
		{ 1, 6 + SEQ_JUMP_MAX, 5, 5 + SEQ_JUMP_MAX, CLI_PROTOCOL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct wire_greeting greeting = { .first = cases[i].first,
			.last = cases[i].last };
		const struct history_here here = {
			.path = "/a", .id = "", .last = cases[i].here, .reach = cases[i].reach
		};
		char error[PULL_ERROR_MAX] = "";

		CHECK_INT(history_check(&greeting, &here, error, sizeof error), cases[i].code);
		CHECK(!*error == (cases[i].code == CLI_OK));
	}
}
