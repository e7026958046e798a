/* SPDX-License-Identifier: MIT */
/* Frames that arrive in pieces: any order, damaged, twice, side by side, on a failing disk. */
#include "common/archive/archive.h"

#include "tests/unit/archive_kit.h"

static int open_copy(const char *path, const struct fs_ops *fs, struct archive **ret)
{
	struct archive_options options = {
		.mode = ARCHIVE_WRITE, .camera = "garden", .id = KIT_ID, .copy = true, .fs = fs
	};

	return archive_open(path, &options, ret);
}

/* Brings the frame in pieces of `piece` bytes. */
static int bring(struct archive *archive, const struct record *frame, const uint8_t *jpeg,
	size_t bytes, size_t piece)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	int r = partial_resume(archive, frame, 0, &partial);

	for (size_t done = 0; r == 0 && done < bytes; done += piece)
		r = partial_write(
			partial, jpeg + done, bytes - done < piece ? bytes - done : piece);
	return r < 0 ? r : kit_commit(archive, partial);
}

TEST(partials_land_in_any_order)
{
	static const uint64_t order[] = { 5, 7, 3, 100001, 4, 6 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_options copy = { .copy = true, .finding = kit_print_finding };
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame, found, miss = kit_miss(KIT_SLOT);
	struct verify_totals totals;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		frame = kit_sent(order[i], KIT_SLOT + (int64_t)order[i] * 400 * KIT_MINUTE, jpeg);
		CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), i ? i * 500 : 1), 0);
		CHECK_INT(archive_find(archive, order[i], &found), 0);
		CHECK_INT(found.exposed_us, frame.exposed_us);
		CHECK_INT(kit_newest(path), i == 0 ? 5 : i < 3 ? 7 : 100001);
	}
	miss.seq = 8;
	CHECK_INT(archive_store_records(archive, &miss, 1), 0);
	CHECK_INT(archive_store_records(archive, &miss, 1), 0);
	CHECK_INT(archive_store_records(archive, &frame, 1), -EINVAL);
	frame = kit_sent(5, KIT_SLOT + 5 * 400 * KIT_MINUTE, jpeg);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 1000), 0);
	CHECK(strstr(kit_latest(path), "-00100001.jpg") != NULL);
	CHECK_INT(verify_archive(archive, &copy, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.lines, ARRAY_SIZE(order) + 1);
	CHECK_INT(totals.checked, ARRAY_SIZE(order));
	test_remove_folder(path);
}

TEST(damaged_partials_leave_nothing)
{
	uint8_t jpeg[KIT_JPEG_BYTES + 1], tiny[4] = { 0xff, 0xd8, 0xff, 0xd8 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct partial *partial = NULL;
	struct record frame, bad;
	int hidden = 9;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	frame = kit_sent(1, KIT_SLOT, jpeg);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg) - 2, 999), -EBADMSG);
	CHECK_INT(bring(archive, &frame, jpeg, 0, 999), -EBADMSG);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), -EFBIG);
	jpeg[1500] ^= 1;
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg) - 1, 999), -EBADMSG);
	jpeg[1500] ^= 1;
	bad = frame;
	bad.bytes = sizeof(tiny);
	CHECK_INT(digest_buffer(tiny, sizeof(tiny), bad.sha256), 0);
	CHECK_INT(bring(archive, &bad, tiny, sizeof(tiny), 1), -EBADMSG);
	bad.bytes = FRAME_BYTES_MAX + 1;
	CHECK_INT(partial_resume(archive, &bad, 0, &partial), -EFBIG);
	bad.bytes = 3;
	CHECK_INT(partial_resume(archive, &bad, 0, &partial), -EINVAL);
	bad = kit_miss(KIT_SLOT);
	bad.seq = 1;
	CHECK_INT(partial_resume(archive, &bad, 0, &partial), -EINVAL);
	/* given up half-way; two of one number */
	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, 100), 0);
	CHECK_INT(bring(archive, &frame, jpeg, 3000, 999), -EBUSY);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), -1);
	CHECK_INT(kit_count(path, ".partials", &hidden), 0);
	CHECK_INT(hidden, 1);
	partial_free(partial);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), -1);
	CHECK_INT(kit_count(path, ".partials", &hidden), 0);
	CHECK_INT(hidden, 0);
	CHECK_INT(kit_newest(path), -ENOENT);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg) - 1, 999), 0);
	CHECK_INT(kit_newest(path), 1);
	test_remove_folder(path);
}

TEST(partials_and_names_that_exist)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame, other, found;
	char path[64], file[120];
	int hidden = 9;

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	frame = kit_sent(1, KIT_SLOT, jpeg);
	/* the file is there, its line is not: a crash came between */
	snprintf(file, sizeof(file), "%s/" KIT_DAY, path);
	CHECK_INT(fs_make_folders(file, 0777), 0);
	kit_write(path, KIT_FIRST, jpeg, sizeof(jpeg), 0);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
	CHECK_INT(archive_find(archive, 1, &found), 0);
	CHECK_STR(kit_latest(path), KIT_FIRST);
	/* once more: no second line */
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
	CHECK_INT(kit_findings(path), 0);
	/* another picture of that number, by another name and by the same one */
	other = kit_sent(1, KIT_SLOT + KIT_MINUTE, jpeg);
	CHECK_INT(bring(archive, &other, jpeg, sizeof(jpeg), 999), -EEXIST);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", "mine", 4, 0);
	other = kit_sent(2, KIT_SLOT + KIT_MINUTE, jpeg);
	CHECK_INT(bring(archive, &other, jpeg, sizeof(jpeg), 999), -EEXIST);
	CHECK_STR(kit_read(path, KIT_DAY "/20261120T160200Z-00000002.jpg"), "mine");
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 2);
	CHECK_INT(hidden, 0);
	/* deleted by hand and asked for again: the file returns, the line stays one */
	snprintf(file, sizeof(file), "%s/%s", path, KIT_FIRST);
	CHECK_INT(unlink(file), 0);
	kit_sent(1, KIT_SLOT, jpeg);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
	snprintf(file, sizeof(file), "%s/" KIT_DAY "/20261120T160200Z-00000002.jpg", path);
	CHECK_INT(unlink(file), 0);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* Two days at once, as where a fresh frame overtakes one of the backlog. */
TEST(partials_side_by_side)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct partial *old = NULL, *fresh = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES], newer[KIT_JPEG_BYTES];
	struct record a, b;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	a = kit_sent(1, KIT_SLOT, jpeg);
	b = kit_sent(2, KIT_SLOT + 24 * 60 * KIT_MINUTE, newer);
	CHECK_INT(partial_resume(archive, &a, 0, &old), 0);
	CHECK_INT(partial_write(old, jpeg, 1000), 0);
	CHECK_INT(partial_resume(archive, &b, 0, &fresh), 0);
	CHECK_INT(partial_write(fresh, newer, sizeof(newer)), 0);
	CHECK_INT(kit_commit(archive, fresh), 0);
	CHECK_INT(kit_commit(archive, fresh), -EBADF);
	CHECK_INT(partial_write(old, jpeg + 1000, sizeof(jpeg) - 1000), 0);
	CHECK_INT(kit_commit(archive, old), 0);
	CHECK_STR(kit_read(path, "journal/folder"), KIT_DAY "\n");
	CHECK_INT(kit_newest(path), 2);
	CHECK(strstr(kit_latest(path), "-00000002.jpg") != NULL);
	partial_free(old);
	partial_free(fresh);
	CHECK_INT(kit_findings(path), 0);
	/* one that is open when the archive is closed goes with it */
	a = kit_sent(3, KIT_SLOT, jpeg);
	CHECK_INT(partial_resume(archive, &a, 0, &old), 0);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(every_call_of_a_partial_fails)
{
	static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		bool met = true;

		for (int at = 1; met && at < 100; at++) {
			CLEANUP(archive_freep) struct archive *archive = NULL;
			uint8_t jpeg[KIT_JPEG_BYTES];
			struct record frame;
			char path[64];
			int r;

			kit_make_folder(path);
			CHECK_INT(open_copy(path, &kit_fs, &archive), 0);
			frame = kit_sent(3, KIT_SLOT, jpeg);
			kit_fault_set(at, 1, errors[e]);
			r = bring(archive, &frame, jpeg, sizeof(jpeg), 999);
			met = kit_fault.calls >= at;
			CHECK(r == 0 || r == -errors[e]);
			kit_fault_set(0, 0, 0);
			if (r < 0)
				CHECK_INT(kit_newest(path), -ENOENT);
			CHECK_INT(kit_findings(path), 0);
			CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
			CHECK_INT(kit_newest(path), 3);
			CHECK_INT(kit_findings(path), 0);
			test_remove_folder(path);
		}
		CHECK(!met);
	}
}

/* All bytes of a frame that is not committed yet. */
static struct partial *filled(
	struct archive *archive, const struct record *frame, const uint8_t *jpeg, int *ret)
{
	struct partial *partial = NULL;

	*ret = partial_resume(archive, frame, 0, &partial);
	if (*ret == 0)
		*ret = partial_write(partial, jpeg, KIT_JPEG_BYTES);
	if (*ret == 0)
		*ret = partial_check(partial);
	return partial;
}

/* Of two days and two segments, newest first; one is held already, one has another's name. */
TEST(partials_together)
{
	static const uint64_t order[] = { 100002, 100001, 100000, 99999, 12, 7, 9, 8, 10 };
	static const uint64_t held = 9, taken = 10;
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct partial *partials[ARRAY_SIZE(order)];
	int errors[ARRAY_SIZE(order)], r, hidden = 9;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame, found;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	frame = kit_sent(held, KIT_SLOT + (int64_t)held * KIT_MINUTE, jpeg);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
	kit_write(path, KIT_DAY "/20261120T161100Z-00000010.jpg", "mine", 4, 0);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		int64_t minute = order[i] < 12 ? (int64_t)order[i] : 24 * 60;

		frame = kit_sent(order[i], KIT_SLOT + minute * KIT_MINUTE, jpeg);
		partials[i] = filled(archive, &frame, jpeg, &r);
		CHECK_INT(r, 0);
	}
	CHECK_INT(kit_newest(path), 9);
	archive_commit(archive, partials, ARRAY_SIZE(order), errors);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		CHECK_INT(errors[i], order[i] == taken ? -EEXIST : 0);
		CHECK_INT(archive_find(archive, order[i], &found), order[i] == taken ? -ENOENT : 0);
		partial_free(partials[i]);
	}
	CHECK_INT(kit_newest(path), 100002);
	CHECK(strstr(kit_latest(path), "-00100002.jpg") != NULL);
	CHECK_STR(kit_read(path, KIT_DAY "/20261120T161100Z-00000010.jpg"), "mine");
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 4);
	CHECK_INT(hidden, 0);
	test_remove_folder(path);
}

TEST(partials_that_are_wrong_never_get_together)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct partial *partial;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame;
	int r, error = 9;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	frame = kit_sent(1, KIT_SLOT, jpeg);
	jpeg[1500] ^= 1;
	partial = filled(archive, &frame, jpeg, &r);
	CHECK_INT(r, -EBADMSG);
	archive_commit(archive, &partial, 1, &error);
	CHECK_INT(error, -EBADF);
	partial_free(partial);
	/* nor one that nobody has checked */
	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	archive_commit(archive, &partial, 1, &error);
	CHECK_INT(error, -EBADMSG);
	partial_free(partial);
	CHECK_INT(kit_newest(path), -ENOENT);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(every_call_of_partials_together_fails)
{
	bool met = true;

	for (int at = 1; met && at < 200; at++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct partial *partials[3];
		uint8_t jpegs[3][KIT_JPEG_BYTES];
		struct record frames[3], found;
		int errors[3], r, hidden = 0, stored = 0;
		char path[64];

		kit_make_folder(path);
		CHECK_INT(open_copy(path, &kit_fs, &archive), 0);
		for (int i = 0; i < 3; i++) {
			frames[i] = kit_sent(
				(uint64_t)(3 - i), KIT_SLOT + (3 - i) * KIT_MINUTE, jpegs[i]);
			partials[i] = filled(archive, &frames[i], jpegs[i], &r);
			CHECK_INT(r, 0);
		}
		kit_fault_set(at, 1, EIO);
		archive_commit(archive, partials, 3, errors);
		met = kit_fault.calls >= at;
		kit_fault_set(0, 0, 0);
		for (int i = 0; i < 3; i++) {
			partial_free(partials[i]);
			CHECK(errors[i] == 0 || errors[i] == -EIO);
			stored += errors[i] == 0;
			CHECK_INT(archive_find(archive, frames[i].seq, &found),
				errors[i] == 0 ? 0 : -ENOENT);
		}
		CHECK_INT(kit_count(path, KIT_DAY, &hidden), stored);
		CHECK_INT(hidden, 0);
		for (int i = 0; i < 3; i++)
			CHECK_INT(bring(archive, &frames[i], jpegs[i], sizeof(jpegs[i]), 999), 0);
		CHECK_INT(kit_newest(path), 3);
		CHECK_INT(kit_findings(path), 0);
		test_remove_folder(path);
	}
	CHECK(!met);
}

/* In a copy too an old picture with a new number is not the newest one. */
TEST(dated_frames_arrive)
{
	static const struct {
		uint64_t seq, was, newest;
	} frames[] = {
		{ 10, 0, 10 },
		{ 30, 10, 30 },
		{ 31, 3, 30 },
		{ 20, 0, 20 },
		{ 40, 20, 40 },
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true };
	char path[64];

	kit_make_folder(path);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct partial *partial = NULL;
		uint8_t jpeg[KIT_JPEG_BYTES];
		char number[20];
		struct record frame = kit_sent(
			frames[i].seq, KIT_SLOT + (int64_t)frames[i].seq * KIT_MINUTE, jpeg);

		frame.was = frames[i].was;
		CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
		CHECK_INT(partial_write(partial, jpeg, sizeof(jpeg)), 0);
		CHECK_INT(kit_commit(archive, partial), 0);
		partial_free(partial);
		CHECK_INT(kit_newest(path), frames[i].newest);
		snprintf(number, sizeof(number), "-%08d.jpg", (int)frames[i].newest);
		CHECK(strstr(kit_latest(path), number) != NULL);
	}
	/* where its file is gone: no corrected one with a high number, which is older */
	archive_free(TAKE_PTR(archive));
	CHECK_INT(unlink(kit_path(path, kit_latest(path))), 0);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK(strstr(kit_latest(path), "-00000020.jpg") != NULL);
	test_remove_folder(path);
}

static int count_kept(const char *path)
{
	int hidden = 0;

	kit_count(path, ".partials", &hidden);
	return hidden;
}

/* Each visit begins a frame of another day, and ends before its last byte. */
TEST(frames_that_are_begun_and_never_end)
{
	const struct timespec old[2] = { { .tv_sec = time(NULL) - (PARTIAL_DAYS + 1) * 86400 },
		{ .tv_sec = time(NULL) - (PARTIAL_DAYS + 1) * 86400 } };
	struct partial *partial = NULL, *busy = NULL;
	struct archive *archive, *other;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct frame_name name = { 0 };
	struct record frame;
	int64_t bytes = 0;
	char path[64], file[160];

	kit_make_folder(path);
	for (uint64_t seq = 1; seq <= 25; seq++) {
		CHECK_INT(open_copy(path, NULL, &archive), 0);
		frame = kit_sent(seq, KIT_SLOT + (int64_t)seq * 1440 * KIT_MINUTE, jpeg);
		CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
		CHECK_INT(partial_write(partial, jpeg, sizeof jpeg - 1), 0);
		partial_keep(partial);
		CHECK(count_kept(path) <= 2);
		archive_free(archive);
	}
	/* nothing else is left of them, and the last one is found, whatever its day is */
	CHECK_INT(kit_count(path, "2026", NULL), -1);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	CHECK_INT(count_kept(path), 1);
	CHECK_INT(partial_find_kept(archive, 0, &name, &bytes), 1);
	CHECK_INT(name.seq, 25);
	CHECK_INT(bytes, KIT_JPEG_BYTES - 1);
	/* one that somebody receives stays, the one that is gone on with too */
	CHECK_INT(partial_resume(archive, &frame, bytes, &busy), 0);
	archive_release(archive);
	for (uint64_t seq = 26; seq <= 29; seq++) {
		const struct archive_options options = {
			.mode = ARCHIVE_WRITE, .copy = true, .wait_until_ns = 1
		};

		CHECK_INT(archive_open(path, &options, &other), 0);
		frame = kit_sent(seq, KIT_SLOT, jpeg);
		CHECK_INT(partial_resume(other, &frame, 0, &partial), 0);
		partial_keep(partial);
		archive_free(other);
	}
	CHECK_INT(count_kept(path), 3);
	partial_keep(busy);
	archive_free(archive);
	/* and with time all go */
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	CHECK_INT(count_kept(path), 1);
	CHECK_INT(partial_find_kept(archive, 0, &name, &bytes), 1);
	snprintf(file, sizeof file, "%s/.partials/.", path);
	CHECK_INT(frame_name_format(&name, file + strlen(file)), 0);
	snprintf(file + strlen(file), sizeof file - strlen(file), ".rest");
	CHECK_INT(utimensat(AT_FDCWD, file, old, 0), 0);
	archive_free(archive);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	CHECK_INT(count_kept(path), 0);
	archive_free(archive);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}
