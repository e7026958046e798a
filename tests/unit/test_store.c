/* SPDX-License-Identifier: MIT */
/* Storing while the disk fails, is full, is away and comes back. */
#include "capture/store/store.h"

#include "common/archive/place.h"

#include "tests/unit/archive_kit.h"
#include "tests/unit/clock_kit.h"

#define DAY (24 * 60 * KIT_MINUTE)

static struct clock_fake fake;

/* What became of the frames, by slot in minutes from KIT_SLOT on. */
static struct {
	int n, stored, failed, error;
	uint64_t last_seq;
	int64_t last_slot_us;
} told;

static void note_outcome(const struct record *record, int error)
{
	told.n++;
	if (error == 0) {
		told.stored++;
		CHECK(record->seq > told.last_seq);
		CHECK(record->slot_us > told.last_slot_us);
		CHECK_INT(record->bytes, KIT_JPEG_BYTES);
		told.last_seq = record->seq;
		told.last_slot_us = record->slot_us;
	} else {
		told.failed++;
		told.error = error;
	}
}

static unsigned staged;

static struct store_options new_options(const char *path, const struct fs_ops *fs)
{
	struct store_options options = {
		.settings = { .camera = "garden", .retention = { .reserve = 1 } },
		.clock = &fake.clock,
		.fs = fs,
		.root = path, /* so the archive is on no disk of its own */
	};

	snprintf(options.settings.path, sizeof(options.settings.path), "%s/archive", path);
	fake = clock_fake(KIT_SLOT + DAY);
	staged = 0;
	memset(&told, 0, sizeof(told));
	told.last_slot_us = INT64_MIN;
	return options;
}

/* Commits all that is staged, whatever comes of it. */
static void commit(struct store *store)
{
	struct store_outcome outcomes[BATCH_FRAMES_MAX];

	while (staged > 0) {
		unsigned done = store_commit(store, staged, outcomes);

		CHECK(done > 0 && done <= staged);
		for (unsigned i = 0; i < done; i++)
			note_outcome(&outcomes[i].record, outcomes[i].error);
		staged -= done;
	}
}

static void put_staged(struct store *store, int minute)
{
	static uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_frame(KIT_SLOT + minute * KIT_MINUTE);
	int r;

	store_ready(store);
	kit_jpeg(jpeg, (uint64_t)minute);
	r = store_stage(store, &frame, jpeg, sizeof(jpeg));
	if (r < 0)
		note_outcome(&frame, r);
	else
		staged++;
}

static void put(struct store *store, int minute, bool batch)
{
	put_staged(store, minute);
	if (!batch)
		commit(store);
}

static void pass(int seconds)
{
	clock_fake_advance(&fake, seconds * US_PER_SEC);
}

static uint64_t findings(const char *path)
{
	char archive[80];

	snprintf(archive, sizeof(archive), "%.60s/archive", path);
	return kit_findings(archive);
}

TEST(an_archive_that_comes_later)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	struct record miss = kit_miss(KIT_SLOT + 2 * KIT_MINUTE);
	char path[64], inner[120];

	kit_make_folder(path);
	options = new_options(path, NULL);
	/* a file is where the folder has to be */
	snprintf(inner, sizeof(inner), "%s/archive", path);
	kit_write(path, "archive", "x", 1, 0);
	CHECK_INT(store_new(&options, &store), 0);
	put(store, 1, false);
	CHECK_INT(told.failed, 1);
	CHECK_INT(store_note(store, &miss), -ENOTDIR);
	CHECK(!store_facts(store).open);
	CHECK_STR(store_facts(store).id, "");
	CHECK_INT(unlink(inner), 0);
	/* not tried again at once */
	put(store, 3, false);
	CHECK_INT(told.failed, 2);
	pass(2);
	put(store, 4, false);
	CHECK_INT(told.stored, 1);
	CHECK(store_facts(store).open && store_facts(store).error == 0);
	CHECK_INT(strlen(store_facts(store).id), UUID_CHARS);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* Publishes with one failing call, for every call: the second write stores the frame. */
static bool run_once(int at, int error, bool batch)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	int failures = test_failures;
	char path[64];
	bool met;

	kit_make_folder(path);
	options = new_options(path, &kit_fs);
	kit_fault_set(0, 0, 0);
	CHECK_INT(store_new(&options, &store), 0);
	for (int minute = 1; minute <= 3; minute++)
		put(store, minute, batch);
	commit(store);
	CHECK_INT(told.stored, 3);
	kit_fault_set(at, 1, error);
	put(store, 4, batch);
	met = kit_fault.calls >= at;
	kit_fault_set(0, 0, 0);
	pass(20);
	put(store, 5, batch);
	commit(store);
	CHECK_INT(told.n, 5);
	CHECK_INT(told.stored, 5);
	store_free(TAKE_PTR(store));
	CHECK_INT(findings(path), 0);
	if (test_failures > failures)
		fprintf(stderr, "  %s at call %d%s\n", strerror(error), at, batch ? ", batch" : "");
	test_remove_folder(path);
	return met;
}

TEST(one_failing_call_costs_no_frame)
{
	static const int errors[] = { EIO, EROFS, ENOSPC, EDQUOT, ENODEV, ESTALE };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		for (int batch = 0; batch < 2; batch++) {
			int at = 1;

			while (at < 100 && run_once(at, errors[e], batch))
				at++;
			CHECK(at > (batch ? 2 : 5) && at < 100);
		}
	}
}

/* Everything fails from one call on, for some frames; then the disk is back. */
static bool run_outage(int at, int error, bool batch)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	struct record miss = kit_miss(KIT_SLOT + 8 * KIT_MINUTE);
	int failures = test_failures, stored;
	char path[64];
	bool met;

	kit_make_folder(path);
	options = new_options(path, &kit_fs);
	kit_fault_set(0, 0, 0);
	CHECK_INT(store_new(&options, &store), 0);
	for (int minute = 1; minute <= 3; minute++)
		put(store, minute, batch);
	kit_fault_set(at, 1 << 20, error);
	for (int minute = 4; minute <= 7; minute++) {
		put(store, minute, batch);
		pass(1);
	}
	commit(store);
	met = kit_fault.calls >= at;
	CHECK_INT(told.n, 7);
	/* at the very end only latest.jpg may have failed */
	met = met && told.failed > 0;
	CHECK(!met || told.error == -error || told.error == -ENODEV);
	CHECK(!met || store_note(store, &miss) < 0);
	stored = told.stored;
	kit_fault_set(0, 0, 0);
	pass(20);
	CHECK_INT(store_note(store, &miss), 0);
	put(store, 9, batch);
	commit(store);
	CHECK_INT(told.stored, stored + 1);
	CHECK_INT(store_facts(store).error, 0);
	store_free(TAKE_PTR(store));
	CHECK_INT(findings(path), 0);
	if (test_failures > failures)
		fprintf(stderr, "  %s from call %d%s\n", strerror(error), at,
			batch ? ", batch" : "");
	test_remove_folder(path);
	return met;
}

TEST(storing_comes_back_by_itself)
{
	static const int errors[] = { EIO, EROFS, ENOSPC, EDQUOT, ENODEV };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		for (int batch = 0; batch < 2; batch++) {
			int at = 1;

			while (at < 100 && run_outage(at, errors[e], batch))
				at++;
			CHECK(at > 5);
		}
	}
}

TEST(a_folder_that_is_moved_away)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	char path[64], from[80], to[80], first_id[UUID_CHARS + 1];

	for (int batch = 0; batch < 2; batch++) {
		kit_make_folder(path);
		options = new_options(path, NULL);
		snprintf(from, sizeof(from), "%.60s/archive", path);
		snprintf(to, sizeof(to), "%.60s/moved", path);
		CHECK_INT(store_new(&options, &store), 0);
		put(store, 1, batch);
		memcpy(first_id, store_facts(store).id, sizeof(first_id));
		CHECK_INT(rename(from, to), 0);
		told.last_seq = 0; /* another archive begins */
		put(store, 2, batch);
		commit(store);
		CHECK_INT(told.n, 2);
		CHECK(strcmp(first_id, store_facts(store).id) != 0);
		/* and back */
		test_remove_folder(from);
		CHECK_INT(rename(to, from), 0);
		told.last_seq = 0;
		put(store, 3, batch);
		commit(store);
		CHECK_STR(store_facts(store).id, first_id);
		CHECK_INT(told.n, 3);
		/* of a batch that was not committed the frame is told as lost */
		CHECK_INT(told.failed, batch ? 1 : 0);
		store_free(TAKE_PTR(store));
		CHECK_INT(findings(path), 0);
		test_remove_folder(path);
	}
}

/* Many frames share their syncs; two days do not. */
TEST(batches)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	struct record miss = kit_miss(KIT_SLOT + 4 * KIT_MINUTE);
	char path[64];

	kit_make_folder(path);
	options = new_options(path, NULL);
	CHECK_INT(store_new(&options, &store), 0);
	put_staged(store, 1);
	put_staged(store, 2);
	CHECK_INT(told.n, 0);
	/* a line, and then those that were staged before it */
	CHECK_INT(store_note(store, &miss), 0);
	CHECK_INT(miss.seq, 1);
	commit(store);
	CHECK_INT(told.stored, 2);
	CHECK_INT(told.last_seq, 3);
	for (int i = 0; i < BATCH_FRAMES_MAX; i++)
		put_staged(store, 24 * 60 - 5 + i);
	CHECK_INT(told.n, 2);
	put_staged(store, 24 * 60 + 100);
	CHECK_INT(told.error, -EBUSY);
	commit(store);
	CHECK_INT(told.stored, 2 + BATCH_FRAMES_MAX);
	CHECK_INT(told.failed, 1);
	/* what is staged at the end is discarded */
	put_staged(store, 24 * 60 + 101);
	store_free(TAKE_PTR(store));
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* A frame that was taken before the clock was known, and whose batch is written after that. */
TEST(a_staged_frame_gets_its_true_time)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	struct record frame = kit_frame(KIT_SLOT);
	struct correction_totals totals = { 0 };
	static uint8_t jpeg[KIT_JPEG_BYTES];
	uint64_t from;
	char path[64];
	int r;

	kit_make_folder(path);
	options = new_options(path, NULL);
	CHECK_INT(store_new(&options, &store), 0);
	CHECK_INT(store_ready(store), 0);
	CHECK_INT(store_correct(store, KIT_ID, 0, &totals), 0);
	kit_jpeg(jpeg, 1);
	frame.synced = false;
	frame.up_ns = 100 * NS_PER_SEC;
	CHECK_INT(store_stage(store, &frame, jpeg, sizeof(jpeg)), 0);
	staged++;
	CHECK_INT(correction_marked(store_archive(store), &from), 0);
	CHECK_INT(from, 1);
	CHECK_INT(store_correct(store, KIT_ID, KIT_SLOT, &totals), -EBUSY);
	commit(store);
	CHECK_INT(told.stored, 1);
	while ((r = store_correct(store, KIT_ID, KIT_SLOT, &totals)) > 0)
		continue;
	CHECK_INT(r, 0);
	CHECK_INT(totals.corrected, 1);
	CHECK_INT(correction_marked(store_archive(store), &from), -ENOENT);
	store_free(TAKE_PTR(store));
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

TEST(room_is_made_between_frames)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	char path[64];

	kit_make_folder(path);
	options = new_options(path, NULL);
	options.settings.retention.max_bytes = 20 * KIT_JPEG_BYTES;
	CHECK_INT(store_new(&options, &store), 0);
	for (int minute = 0; minute < 100; minute++) {
		put(store, minute, false);
		store_tidy(store, minute % 9 == 0);
		CHECK(store_facts(store).stored.frames <= 20 + 9);
	}
	store_tidy(store, true);
	CHECK(store_facts(store).stored.frames >= 15);
	CHECK(store_facts(store).removed.frames >= 80 - 9);
	store_free(TAKE_PTR(store));
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* Where there is no space to hold for the journal, frames are not given the last of it either. */
TEST(ballast_before_frames)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	char path[64], ballast[100];

	kit_make_folder(path);
	options = new_options(path, &kit_fs);
	options.settings.retention.reserve = 0;
	kit_fault_set(0, 0, 0);
	CHECK_INT(store_new(&options, &store), 0);
	put(store, 1, false);
	snprintf(ballast, sizeof(ballast), "%s/archive/journal/ballast", path);
	CHECK_INT(access(ballast, F_OK), 0);
	CHECK_INT(archive_ballast_release(store_archive(store)), 0);
	kit_fault_set(1, 1, ENOSPC); /* making it again */
	put(store, 2, false);
	CHECK_INT(told.failed, 1);
	CHECK_INT(told.error, -ENOSPC);
	put(store, 3, false);
	CHECK_INT(told.stored, 2);
	CHECK_INT(access(ballast, F_OK), 0);
	store_free(TAKE_PTR(store));
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* The archive was on a disk of its own: where that is gone, none is made in its place. */
TEST(a_disk_that_is_unplugged)
{
	struct store_options options;
	CLEANUP(store_freep) struct store *store = NULL;
	struct archive_options open = { .mode = ARCHIVE_WRITE };
	char path[64], memory[64], target[100], id[UUID_CHARS + 1];

	snprintf(memory, sizeof(memory), "/dev/shm/capturepi-test-XXXXXX");
	if (!mkdtemp(memory)) {
		printf("skipped: no /dev/shm\n");
		return;
	}
	/* a link stands for the mount: path/archive -> memory/archive */
	test_make_folder(path);
	options = new_options(path, NULL);
	snprintf(target, sizeof(target), "%s/archive", memory);
	CHECK_INT(archive_open(target, &open, &options.archive), 0);
	memcpy(id, archive_id(options.archive), sizeof(id));
	archive_free(options.archive);
	CHECK_INT(symlink(target, options.settings.path), 0);
	CHECK_INT(archive_open(options.settings.path, &open, &options.archive), 0);
	CHECK_INT(store_new(&options, &store), 0);
	put(store, 1, false);
	CHECK_INT(told.stored, 1);
	CHECK_INT(unlink(options.settings.path), 0);
	for (int i = 2; i < 5; i++) {
		put(store, i, false);
		pass(20);
	}
	CHECK_INT(told.failed, 3);
	CHECK_INT(told.error, -ENOMEDIUM);
	CHECK_INT(access(options.settings.path, F_OK), -1);
	CHECK_INT(symlink(target, options.settings.path), 0);
	put(store, 5, false);
	CHECK_INT(told.stored, 2);
	CHECK_STR(store_facts(store).id, id);
	store_free(TAKE_PTR(store));
	test_remove_folder(path);
	test_remove_folder(memory);
}

TEST(last_outcomes)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record miss = kit_miss(KIT_SLOT), clock = record_new(RECORD_CLOCK), shot;
	uint8_t jpeg[KIT_JPEG_BYTES];
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK(store_last_outcome(archive) == TIME_NONE);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	CHECK_INT(store_last_outcome(archive), KIT_SLOT);
	shot = kit_frame(KIT_SLOT + KIT_MINUTE / 2);
	shot.shot = true;
	kit_jpeg(jpeg, 2);
	CHECK_INT(archive_publish(archive, &shot, jpeg, sizeof(jpeg)), 0);
	clock.before_us = clock.after_us = KIT_SLOT;
	CHECK_INT(archive_note(archive, &clock), 0);
	CHECK_INT(store_last_outcome(archive), KIT_SLOT);
	miss.last_us = KIT_SLOT + 5 * KIT_MINUTE;
	miss.count = 6;
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(store_last_outcome(archive), KIT_SLOT + 5 * KIT_MINUTE);
	test_remove_folder(path);
}

/*
 * The day's folder cannot be written, and all else can: the archive can be opened again and again,
 * but nothing is stored, and it is one trouble until a frame is.
 */
TEST(a_folder_that_takes_no_frame_is_one_trouble)
{
	static const char *const parts[] = { "archive/2026/11/20", "archive/2026/11",
		"archive/2026" };
	static const int batches[] = { 0, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(parts) * ARRAY_SIZE(batches); i++) {
		const char *part = parts[i / ARRAY_SIZE(batches)];
		CLEANUP(store_freep) struct store *store = NULL;
		bool batch = batches[i % ARRAY_SIZE(batches)];
		struct record miss = kit_miss(KIT_SLOT);
		struct store_options options;
		char path[64], folder[PATH_MAX];

		kit_make_folder(path);
		options = new_options(path, NULL);
		CHECK_INT(store_new(&options, &store), 0);
		CHECK(store_ready(store) == 0);
		/* a file is where the folder has to be; root may write everywhere else */
		snprintf(folder, sizeof folder, "%s/%.*s", path, (int)(strrchr(part, '/') - part),
			part);
		CHECK_INT(fs_make_folders(folder, 0777), 0);
		kit_write(path, part, "x", 1, 0);
		for (int minute = 1; minute <= 5; minute++) {
			put(store, minute, batch);
			CHECK_INT(store_facts(store).error, -ENOTDIR);
			CHECK_STR(store_facts(store).where, kit_path(path, part));
			pass(60);
			commit(store);
			CHECK_INT(store_ready(store), 0);
			CHECK_INT(store_note(store, &miss), 0);
			CHECK_INT(store_facts(store).error, -ENOTDIR);
		}
		CHECK_INT(told.failed, 5);
		CHECK_INT(unlink(kit_path(path, part)), 0);
		put(store, 6, batch);
		CHECK_INT(store_facts(store).error, batch ? -ENOTDIR : 0);
		commit(store);
		CHECK_INT(store_facts(store).error, 0);
		CHECK_INT(told.stored, 1);
		store_free(TAKE_PTR(store));
		CHECK_INT(findings(path), 0);
		test_remove_folder(path);
	}
}

/* What stands in the way is named. */
TEST(what_cannot_be_written)
{
	static const struct {
		const char *file; /* a file that is there, below the folder */
		const char *archive;
		int error;
		const char *where;
	} cases[] = {
		{ "other", "archive", 0, "archive" },
		{ "archive", "archive", -ENOTDIR, "archive" },
		{ "a", "a/archive", -ENOTDIR, "a/archive" },
		{ "archive/journal", "archive", -ENOTDIR, "archive/journal" },
		{ "archive/2026/11/20", "archive", -ENOTDIR, "archive/2026/11/20" },
		{ "archive/2026/11/21", "archive", 0, "archive" },
		{ "archive/.writer", "archive", 0, "archive" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *slash = strrchr(cases[i].file, '/');
		char path[64], folder[PATH_MAX], where[PATH_MAX];

		kit_make_folder(path);
		snprintf(folder, sizeof folder, "%s/%.*s", path,
			slash ? (int)(slash - cases[i].file) : 0, cases[i].file);
		CHECK_INT(fs_make_folders(folder, 0777), 0);
		kit_write(path, cases[i].file, "x", 1, 0);
		snprintf(folder, sizeof folder, "%s/%s", path, cases[i].archive);
		CHECK_INT(store_find_unwritable(folder, KIT_SLOT, where), cases[i].error);
		CHECK_STR(where, kit_path(path, cases[i].where));
		test_remove_folder(path);
	}
}

TEST(error_texts)
{
	static const int errors[] = { ENOSPC, EDQUOT, EROFS, EIO, ENOMEDIUM, ENODEV, EWOULDBLOCK,
		EBADMSG, ENOMEM, ENOTDIR, EACCES, EPERM, ENOLCK };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		CHECK(strlen(store_error_text(-errors[i])) > 8);
		CHECK(!place_is_away(-errors[i]) || !store_is_full(-errors[i]));
	}
	CHECK(place_is_away(-EIO) && place_is_away(-ENOMEDIUM) && !place_is_away(-ENOMEM));
	CHECK(!place_is_away(0) && !store_is_full(0) && store_is_full(-EDQUOT));
}
