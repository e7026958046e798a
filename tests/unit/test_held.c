/* SPDX-License-Identifier: MIT */
/* What is settled: ranges against a plain array, the state file against the journal; the credit. */
#include "pull/session/held.h"

#include "pull/session/room.h"
#include "pull/ssh/pace.h"
#include "tests/unit/archive_kit.h"

#define SPAN 200
#define DISK_BLOCKS 1000

static fsblkcnt_t disk_free = DISK_BLOCKS;

static int fake_statvfs(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){ .f_blocks = DISK_BLOCKS, .f_frsize = 4096, .f_bavail = disk_free };
	return 0;
}

static const struct camera_settings camera;
static struct room room = { .camera = &camera, .clock = &clock_real, .statvfs = fake_statvfs };

static void check_same(const struct ranges *ranges, const bool plain[static SPAN])
{
	uint64_t missing = 0, last = 0;

	for (uint64_t i = 1; i < SPAN; i++) {
		CHECK_INT(ranges_has(ranges, i), plain[i]);
		missing += !plain[i];
		last = plain[i] ? i : last;
	}
	CHECK_INT(ranges_missing(ranges, 1, SPAN - 1), missing);
	CHECK_INT(ranges_last(ranges), last);
	for (size_t i = 1; i < ranges->n; i++)
		CHECK(ranges->list[i].first > ranges->list[i - 1].last + 1);
}

/* The highest run that is not in it, number by number. */
static bool plain_gap(
	const bool plain[static SPAN], uint64_t first, uint64_t last, struct range *ret)
{
	while (last >= first && plain[last])
		last--;
	*ret = (struct range){ last, last };
	while (ret->first > first && !plain[ret->first - 1])
		ret->first--;
	return last >= first;
}

TEST(ranges_as_a_plain_array)
{
	uint64_t state = test_seed();

	for (int round = 0; round < 50; round++) {
		struct ranges ranges = { 0 };
		bool plain[SPAN] = { false };

		for (int i = 0; i < 40; i++) {
			uint64_t first = 1 + test_random(&state) % (SPAN - 1);
			uint64_t last = first + test_random(&state) % 8;
			struct range gap, want;
			uint64_t a, b, end;
			bool add = test_random(&state) % 3 > 0;

			last = last < SPAN ? last : SPAN - 1;
			CHECK_INT((add ? ranges_add : ranges_remove)(&ranges, first, last), 0);
			for (uint64_t k = first; k <= last; k++)
				plain[k] = add;
			check_same(&ranges, plain);
			a = 1 + test_random(&state) % (SPAN - 1);
			b = a + test_random(&state) % (SPAN - a);
			CHECK_INT(ranges_gap(&ranges, a, b, &gap), plain_gap(plain, a, b, &want));
			if (plain_gap(plain, a, b, &want)) {
				CHECK_INT(gap.first, want.first);
				CHECK_INT(gap.last, want.last);
			}
			for (end = a - 1; end + 1 < SPAN && plain[end + 1];)
				end++;
			CHECK_INT(ranges_prefix(&ranges, a), end);
		}
		ranges_clear(&ranges);
	}
}

TEST(gap_of_nothing)
{
	struct ranges ranges = { 0 };
	struct range gap;

	CHECK(!ranges_gap(&ranges, 1, 0, &gap));
	CHECK(ranges_gap(&ranges, 1, SEQ_MAX, &gap));
	CHECK_INT(gap.last, SEQ_MAX);
	CHECK_INT(ranges_missing(&ranges, 1, 0), 0);
}

static int open_copy(const char *path, struct archive **ret)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.camera = "garden",
		.id = KIT_ID,
		.copy = true,
		.wait_until_ns = 1,
		.who = "test" };

	return archive_open(path, &options, ret);
}

static void store_frame(struct archive *archive, uint64_t seq)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_sent(seq, KIT_SLOT + (int64_t)seq * KIT_MINUTE, jpeg);

	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof jpeg), 0);
	CHECK_INT(kit_commit(archive, partial), 0);
}

static void store_prune(struct archive *archive, uint64_t seq, uint64_t first, uint64_t last)
{
	struct record prune = record_new(RECORD_PRUNE);

	prune.seq = seq;
	prune.first_seq = first;
	prune.last_seq = last;
	prune.bytes = 1;
	snprintf(prune.text, sizeof prune.text, "age");
	CHECK_INT(archive_store_records(archive, &prune, 1), 0);
}

static void check_settled(const char *path, const char *want)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct held held = { 0 };
	char text[200] = "";
	size_t n = 0;

	CHECK_INT(
		archive_open(path, &(struct archive_options){ .mode = ARCHIVE_READ }, &archive), 0);
	CHECK_INT(held_load(archive, &held), 0);
	for (size_t i = 0; i < held.settled.n; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%llu-%llu ",
			(unsigned long long)held.settled.list[i].first,
			(unsigned long long)held.settled.list[i].last);
	CHECK_STR(text, want);
	held_clear(&held);
}

static void save(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct held held = { 0 };

	CHECK_INT(open_copy(path, &archive), 0);
	CHECK_INT(held_load(archive, &held), 0);
	CHECK_INT(held_save(&held, archive, &room), 0);
	held_clear(&held);
}

TEST(from_the_journal_and_from_the_file)
{
	static const char text[] =
		"settled 2 " KIT_ID "\nsegment 0 0\nclaimed 50 60\nrange 1 2\nrange 50 60\n"
		"range 200000 999999999999\nend\n";
	struct archive *archive = NULL;
	char folder[64];

	kit_make_folder(folder);
	CHECK_INT(open_copy(folder, &archive), 0);
	store_frame(archive, 9);
	store_frame(archive, 8);
	store_frame(archive, 100001);
	store_frame(archive, 3);
	check_settled(folder, "3-3 8-9 100001-100001 ");
	archive_free(archive);
	save(folder);
	CHECK(strstr(kit_read(folder, ".settled"), "range 8 9\n"));
	CHECK_INT(open_copy(folder, &archive), 0);
	store_frame(archive, 4);
	store_prune(archive, 20, 10, 15);
	archive_free(archive);
	check_settled(folder, "3-4 8-15 20-20 100001-100001 ");
	save(folder);
	check_settled(folder, "3-4 8-15 20-20 100001-100001 ");
	/* what the file says beyond the journal is believed, up to the journal's last line */
	kit_write(folder, ".settled", text, strlen(text), O_TRUNC);
	check_settled(folder, "1-4 8-15 20-20 50-60 100001-100001 ");
	test_remove_folder(folder);
}

/* A disk at its reserve keeps the file that it has; the next one waits for room. */
TEST(the_file_waits_for_room)
{
	struct archive *archive = NULL;
	char folder[64];

	kit_make_folder(folder);
	CHECK_INT(open_copy(folder, &archive), 0);
	store_frame(archive, 3);
	archive_free(archive);
	save(folder);
	CHECK_INT(open_copy(folder, &archive), 0);
	store_frame(archive, 4);
	archive_free(archive);
	disk_free = DISK_BLOCKS / 20;
	save(folder);
	CHECK(strstr(kit_read(folder, ".settled"), "range 3 3\n"));
	check_settled(folder, "3-4 ");
	disk_free++;
	save(folder);
	CHECK(strstr(kit_read(folder, ".settled"), "range 3 4\n"));
	disk_free = DISK_BLOCKS;
	test_remove_folder(folder);
}

/* A camera's word by turns: one range is settled, and that of others is as long as it likes. */
TEST(a_file_that_nobody_could_read)
{
	struct archive *archive = NULL;
	struct held held = { 0 };
	char folder[64];

	kit_make_folder(folder);
	CHECK_INT(open_copy(folder, &archive), 0);
	for (uint64_t seq = 1; seq <= 200002; seq += 2) {
		CHECK_INT(held_note_damaged(&held, seq), 0);
		CHECK_INT(held_claim(&held, seq + 1, seq + 1), 0);
	}
	CHECK_INT(held.settled.n, 1);
	CHECK_INT(held_save(&held, archive, &room), 0);
	CHECK(access(kit_path(folder, ".settled"), F_OK) < 0);
	held_clear(&held);
	archive_free(archive);
	test_remove_folder(folder);
}

/* A prune line that claims what is newer than itself. */
TEST(prune_lines_reach_back_only)
{
	struct held held = { 0 };
	struct record prune = record_new(RECORD_PRUNE);

	prune.seq = 20;
	prune.first_seq = 1;
	prune.last_seq = SEQ_MAX;
	CHECK_INT(held_note(&held, &prune), 0);
	CHECK_INT(held.settled.n, 1);
	CHECK_INT(held.settled.list[0].first, 20);
	held_clear(&held);
}

TEST(broken_files)
{
	static const char *const files[] = { "", "settled 2 " KIT_ID "\n",
		"settled 1 " KIT_ID "\nrange 1 500\nend\n",
		"settled 2 5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11\nrange 1 500\nend\n",
		"settled 2 " KIT_ID "\nrange 1 500\n", "settled 1 " KIT_ID "\nrange 500 1\nend\n",
		"settled 2 " KIT_ID "\nrange 5 9\nrange 1 2\nend\n",
		"settled 2 " KIT_ID "\nrange 1 9999999999999\nend\n",
		"settled 2 " KIT_ID "\nrange -1 9\nend\n",
		"settled 2 " KIT_ID "\nrange 1 9 9\nend\n",
		"settled 2 " KIT_ID "\nsegment 0 77\nrange 1 500\nend\n",
		"settled 2 " KIT_ID "\nsegment 0 999999\nrange 1 500\nend\n",
		"settled 2 " KIT_ID "\nhello\nend\n", "settled 1 " KIT_ID "\nend\nrange 1 2\n" };
	struct archive *archive = NULL;
	char folder[64];

	kit_make_folder(folder);
	CHECK_INT(open_copy(folder, &archive), 0);
	store_frame(archive, 3);
	archive_free(archive);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		kit_write(folder, ".settled", files[i], strlen(files[i]), O_TRUNC);
		check_settled(folder, "3-3 ");
	}
	test_remove_folder(folder);
}

/* A frame in three goes, by three processes as far as the archive can tell. */
TEST(a_partial_that_is_gone_on_with)
{
	struct partial *partial = NULL;
	struct archive *archive = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_sent(5, KIT_SLOT, jpeg);
	char folder[64];
	bool others;

	kit_make_folder(folder);
	for (int64_t offset = 0; offset < KIT_JPEG_BYTES; offset += 1000) {
		CHECK_INT(open_copy(folder, &archive), 0);
		CHECK_INT(partial_kept_bytes(archive, &frame), offset);
		CHECK_INT(partial_resume(archive, &frame, offset + 1, &partial), -ESTALE);
		CHECK_INT(partial_resume(archive, &frame, offset, &partial), 0);
		/* the bytes need no turn, the end does */
		archive_release(archive);
		CHECK_INT(partial_write(partial, jpeg + offset, 1000), 0);
		CHECK_INT(archive_retake(archive, 1, &others), 0);
		CHECK(!others);
		if (offset + 1000 == KIT_JPEG_BYTES)
			CHECK_INT(kit_commit(archive, partial), 0);
		partial_keep(partial);
		archive_free(archive);
	}
	CHECK_INT(open_copy(folder, &archive), 0);
	CHECK_INT(partial_kept_bytes(archive, &frame), 0);
	CHECK_INT(kit_count(folder, "2026/11/20", &(int){ 0 }), 1);
	CHECK_INT(kit_findings(folder), 0);
	archive_free(archive);
	test_remove_folder(folder);
}

TEST(a_rest_that_is_not_the_frame)
{
	struct partial *partial = NULL;
	struct archive *archive = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_sent(5, KIT_SLOT, jpeg);
	char folder[64];
	int hidden = -1;

	kit_make_folder(folder);
	CHECK_INT(open_copy(folder, &archive), 0);
	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, "nonsense", 8), 0);
	partial_keep(partial);
	CHECK_INT(partial_resume(archive, &frame, 8, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg + 8, sizeof jpeg - 8), 0);
	CHECK_INT(kit_commit(archive, partial), -EBADMSG);
	partial_keep(partial);
	CHECK_INT(partial_kept_bytes(archive, &frame), 0);
	/* another way to the same frame clears the rest away */
	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, 10), 0);
	partial_keep(partial);
	CHECK_INT(partial_kept_bytes(archive, &frame), 10);
	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof jpeg), 0);
	CHECK_INT(kit_commit(archive, partial), 0);
	partial_free(partial);
	CHECK_INT(kit_count(folder, "2026/11/20", &hidden), 1);
	CHECK_INT(hidden, 0);
	archive_free(archive);
	test_remove_folder(folder);
}

/* Two writers in turn: latest.jpg never goes back. */
TEST(turns_at_the_archive)
{
	struct archive *slow = NULL, *quick = NULL;
	char folder[64];
	bool others;

	kit_make_folder(folder);
	CHECK_INT(open_copy(folder, &slow), 0);
	store_frame(slow, 5);
	CHECK_INT(open_copy(folder, &quick), -ETIMEDOUT);
	archive_release(slow);
	CHECK_INT(open_copy(folder, &quick), 0);
	store_frame(quick, 9);
	CHECK_INT(archive_retake(slow, 1, &others), -ETIMEDOUT);
	archive_free(quick);
	CHECK_INT(archive_retake(slow, 1, &others), 0);
	CHECK(others);
	store_frame(slow, 4);
	CHECK(strstr(kit_latest(folder), "-00000009.jpg"));
	archive_free(slow);
	CHECK_INT(kit_newest(folder), 9);
	test_remove_folder(folder);
}

TEST(credit_follows_the_link)
{
	static const struct {
		int64_t rate, rtt_us, least, most;
	} cases[] = {
		{ 10000000, 200, 450000, 550000 }, /* what comes in 50 ms */
		{ 100000, 200, PACE_CREDIT_MIN, PACE_CREDIT_MIN },
		{ 2500000, 100000, 450000, 550000 }, /* 20 Mbit/s, 100 ms */
		{ 250000, 100000, 45000, 55000 }, /* 2 Mbit/s */
		{ 100000000, 500000, PACE_CREDIT_MAX, PACE_CREDIT_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pace pace;
		int64_t now_ns = 5 * NS_PER_SEC, before = 0;

		pace_init(&pace, 0, now_ns);
		before = pace_credit(&pace);
		CHECK(before >= PACE_CREDIT_MIN && before <= PACE_CREDIT_MAX);
		pace_answer(&pace, cases[i].rtt_us * 3);
		pace_answer(&pace, cases[i].rtt_us);
		pace_answer(&pace, cases[i].rtt_us * 2);
		for (int k = 0; k < 20; k++) {
			now_ns += NS_PER_SEC / 10;
			pace_received(&pace, cases[i].rate / 10, now_ns);
		}
		CHECK(pace_credit(&pace) >= cases[i].least);
		CHECK(pace_credit(&pace) <= cases[i].most);
		CHECK_INT(pace_wait_us(&pace, now_ns), 0);
	}
}

TEST(limit_is_an_average)
{
	struct pace pace;

	pace_init(&pace, 1000, NS_PER_SEC);
	CHECK_INT(pace_wait_us(&pace, NS_PER_SEC), 0);
	pace_requested(&pace, 500);
	CHECK(pace_wait_us(&pace, NS_PER_SEC) >= US_PER_SEC / 2);
	CHECK(pace_wait_us(&pace, NS_PER_SEC) <= US_PER_SEC / 2 + 1);
	CHECK_INT(pace_wait_us(&pace, 2 * NS_PER_SEC), 0);
	pace_restart(&pace, 2 * NS_PER_SEC);
	pace_requested(&pace, 10000);
	CHECK(pace_wait_us(&pace, 2 * NS_PER_SEC) > 9 * US_PER_SEC);
}
