/* SPDX-License-Identifier: MIT */
/*
 * Clock correction, over real archives: what is there afterwards, and that it may be cut short
 * anywhere.
 */
#include "tests/unit/correction_kit.h"

#define WRONG (-400 * 24 * 3600 * S)

static bool all_of_them(const struct story *s, const struct picture *p)
{
	(void)s, (void)p;
	return true;
}

static bool none_of_them(const struct story *s, const struct picture *p)
{
	(void)s, (void)p;
	return false;
}

static bool of_this_boot(const struct story *s, const struct picture *p)
{
	return p->boot == s->boot;
}

static uint64_t last_line(struct story *s)
{
	uint64_t seq = 0;

	CHECK_INT(journal_last(archive_journal(s->archive), &seq), 0);
	return seq;
}

/* A boot without a clock, then it is set. */
static void tell_simple(struct story *s, const struct fs_ops *fs)
{
	story_begin(s, fs);
	s->wrong_us = WRONG;
	story_frames(s, 2);
	story_miss(s);
	story_frames(s, 2);
	story_set_clock(s, 0, true);
	story_frames(s, 3);
}

TEST(frames_of_this_boot)
{
	struct correction_totals totals = { 0 };
	struct correction_options options;
	struct record dated, prune, old;
	struct story s;
	char latest[200];

	tell_simple(&s, NULL);
	snprintf(latest, sizeof latest, "%s", kit_latest(s.path));
	options = story_options(&s);
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.corrected, 4);
	CHECK_INT(totals.right + totals.unknown + totals.failed, 0);
	CHECK_INT(story_check(&s, all_of_them), 4);
	/* an old picture with a new number is not the newest */
	CHECK_STR(kit_latest(s.path), latest);
	CHECK_INT(archive_find(s.archive, 10, &dated), 0);
	CHECK_INT(archive_find(s.archive, 11, &prune), 0);
	CHECK_INT(archive_find(s.archive, 1, &old), 0);
	CHECK_INT(dated.was, 1);
	CHECK_INT(dated.synced, true);
	CHECK_INT(dated.up_ns, old.up_ns);
	CHECK_INT(prune.type, RECORD_PRUNE);
	CHECK_STR(prune.text, "redated");
	CHECK_INT(prune.first_seq, 1);
	CHECK_INT(prune.last_seq, 1);
	CHECK_INT(prune.count, 1);
	CHECK_INT(last_line(&s), 17);
	/* again: nothing */
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.corrected + totals.failed, 0);
	CHECK_INT(last_line(&s), 17);
	/* the day of the wrong clock is gone with its last frame */
	CHECK_INT(kit_count(s.path, "2025", NULL), -1);
	story_end(&s);
}

TEST(latest_is_dated_with_the_newest)
{
	struct correction_options options;
	struct record newest;
	struct story s;
	struct frame_name name;
	char path[FRAME_PATH_MAX];

	story_begin(&s, NULL);
	s.wrong_us = WRONG;
	story_frames(&s, 3);
	options = story_options(&s);
	CHECK_INT(correction_run(&options, 0, NULL), 0);
	CHECK_INT(story_check(&s, all_of_them), 3);
	CHECK_INT(archive_newest(s.archive, &newest), 0);
	CHECK_INT(newest.was, 3);
	name = record_name(&newest);
	CHECK_INT(frame_name_path(&name, path), 0);
	CHECK_STR(kit_latest(s.path), path);
	story_end(&s);
}

TEST(right_clocks_stay)
{
	struct correction_options options;
	struct correction_totals totals = { 0 };
	struct story s;

	story_begin(&s, NULL);
	s.wrong_us = CORRECTION_MIN_US - 1;
	story_frames(&s, 2);
	s.wrong_us = -CORRECTION_MIN_US + 1;
	story_frames(&s, 2);
	options = story_options(&s);
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.right, 4);
	CHECK_INT(story_check(&s, none_of_them), 0);
	/* nothing is known: neither this boot's time nor an anchor */
	s.wrong_us = 0;
	options.zero_us = TIME_NONE;
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.unknown, 4);
	story_end(&s);
}

TEST(empty_archive)
{
	struct correction_options options;
	struct story s;

	story_begin(&s, NULL);
	options = story_options(&s);
	CHECK_INT(correction_run(&options, 0, NULL), 0);
	story_miss(&s);
	CHECK_INT(correction_run(&options, 0, NULL), 0);
	CHECK_INT(last_line(&s), 1);
	story_end(&s);
}

/* Boot 0 has no anchor; boot 1 has one, and was cut short; boot 2 has its own time. */
static void tell_boots(struct story *s)
{
	struct correction_options options;

	story_begin(s, NULL);
	s->wrong_us = WRONG;
	story_frames(s, 3);
	story_reboot(s, 5000 * S);
	story_frames(s, 6);
	story_set_clock(s, 0, true);
	options = story_options(s);
	/* two of six, and the third one only published */
	for (int steps = 1; last_line(s) < 15; steps++)
		CHECK(correction_run(&options, steps, NULL) >= 0);
	story_reboot(s, WRONG);
}

static bool but_the_first_boot(const struct story *s, const struct picture *p)
{
	(void)s;
	return p->boot > 0;
}

TEST(boots_before)
{
	for (int frames = 0; frames < 3; frames++) {
		struct correction_options options;
		struct correction_totals totals = { 0 };
		struct story s;

		tell_boots(&s);
		story_frames(&s, frames);
		if (frames)
			story_set_clock(&s, 0, true);
		options = story_options(&s);
		CHECK_INT(correction_run(&options, 0, &totals), 0);
		CHECK_INT(story_check(&s, but_the_first_boot), 6 + frames);
		CHECK_INT(totals.unknown, 3);
		CHECK_INT(correction_run(&options, 0, &totals), 0);
		CHECK_INT(totals.corrected, 0);
		story_end(&s);
	}
}

/* Cut short while the boot before was at work on the one before that. */
TEST(boots_before_each_other)
{
	struct correction_options options;
	struct story s;

	story_begin(&s, NULL);
	for (int i = 0; i < 2; i++) {
		s.wrong_us = WRONG;
		story_frames(&s, 4);
		story_set_clock(&s, 0, true);
		story_frames(&s, 1);
		if (i == 0)
			story_reboot(&s, WRONG);
	}
	options = story_options(&s);
	for (int steps = 1; last_line(&s) < 16; steps++)
		CHECK(correction_run(&options, steps, NULL) >= 0);
	story_check(&s, NULL);
	story_reboot(&s, WRONG);
	options = story_options(&s);
	CHECK_INT(correction_run(&options, 0, NULL), 0);
	CHECK_INT(story_check(&s, all_of_them), 8);
	story_end(&s);
}

/*
 * A clock that was known and is not any more, in the middle of a boot; what is before `from` is not
 * looked at.
 */
TEST(another_place)
{
	struct correction_options options;
	struct correction_totals totals = { 0 };
	struct story s;

	story_begin(&s, NULL);
	s.synced = true;
	story_frames(&s, 5);
	story_set_clock(&s, 7200 * S, false);
	story_frames(&s, 2);
	story_set_clock(&s, 0, true);
	options = story_options(&s);
	options.from = 8;
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.corrected, 1);
	options.from = 7;
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.corrected, 1);
	CHECK_INT(story_check(&s, of_this_boot), 2);
	story_end(&s);
}

/* Stopped after any number of steps, then another process goes on. */
TEST(cut_short_anywhere)
{
	int r = 1, steps;

	for (steps = 1; r > 0; steps++) {
		struct correction_options options;
		struct correction_totals totals = { 0 };
		struct story s;

		tell_simple(&s, NULL);
		options = story_options(&s);
		r = correction_run(&options, steps, NULL);
		story_reopen(&s, NULL);
		CHECK_INT(kit_findings(s.path), 0);
		options = story_options(&s);
		CHECK_INT(correction_run(&options, 0, &totals), 0);
		CHECK_INT(totals.failed, 0);
		CHECK_INT(story_check(&s, all_of_them), 4);
		CHECK_INT(last_line(&s), 17);
		story_end(&s);
	}
	CHECK_INT(r, 0);
	CHECK(steps > 5);
}

/* Any call of the disk fails once: the step is done again, by this process or by the next one. */
TEST(a_failing_disk)
{
	bool met = true;

	for (int at = 1; met; at++) {
		for (int again = 0; again < 2; again++) {
			CLEANUP(correction_freep) struct correction *correction = NULL;
			struct correction_options options;
			struct story s;
			int r = 1, errors = 0;

			kit_fault_set(0, 0, 0);
			tell_simple(&s, &kit_fs);
			options = story_options(&s);
			CHECK_INT(correction_new(&options, &correction), 0);
			kit_fault_set(at, 1, ENOSPC);
			while (r != 0 && errors < 2) {
				r = correction_step(correction);
				errors += r < 0;
				CHECK(r >= 0 || r == -ENOSPC);
				if (r < 0 && again)
					break;
			}
			CHECK(errors < 2);
			met = kit_fault.calls >= at;
			kit_fault_set(0, 0, 0);
			correction_free(TAKE_PTR(correction));
			story_reopen(&s, NULL);
			options = story_options(&s);
			CHECK_INT(correction_run(&options, 0, NULL), 0);
			CHECK_INT(story_check(&s, all_of_them), 4);
			if (test_failures)
				fprintf(stderr, "  call %d\n", at);
			story_end(&s);
		}
		if (test_failures)
			break;
	}
}

struct tale {
	int told, errors;
	uint64_t last_before;
};

static void on_told(void *data, const struct record *before, const struct record *after, int error)
{
	struct tale *tale = data;

	tale->told++;
	tale->errors += error != 0;
	CHECK(before->seq > tale->last_before);
	tale->last_before = before->seq;
	CHECK((after == NULL) == (error != 0));
	if (after)
		CHECK_INT(after->was, before->seq);
}

TEST(dry_run)
{
	CLEANUP(archive_freep) struct archive *reader = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct correction_options options;
	struct correction_totals totals = { 0 };
	struct tale tale = { 0 };
	struct story s;

	tell_simple(&s, NULL);
	CHECK_INT(archive_open(s.path, &read, &reader), 0);
	options = story_options(&s);
	options.archive = reader;
	options.dry_run = true;
	options.told = on_told;
	options.data = &tale;
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.corrected, 4);
	CHECK_INT(tale.told, 4);
	CHECK_INT(last_line(&s), 9);
	CHECK_INT(kit_findings(s.path), 0);
	story_end(&s);
}

static const char *file_of(struct story *s, uint64_t seq)
{
	struct frame_name name;
	char path[FRAME_PATH_MAX];
	struct record frame;

	CHECK_INT(archive_find(s->archive, seq, &frame), 0);
	name = record_name(&frame);
	CHECK_INT(frame_name_path(&name, path), 0);
	return kit_path(s->path, path);
}

/*
 * A damaged file stays as it is, and is no reason not to go on; so does one that somebody deleted.
 */
TEST(damaged_files)
{
	struct correction_options options;
	struct correction_totals totals = { 0 };
	struct tale tale = { 0 };
	struct verify_totals verify;
	struct story s;

	tell_simple(&s, NULL);
	kit_write("", file_of(&s, 1), "\xff\xd8+", 3, 0);
	CHECK_INT(unlink(file_of(&s, 2)), 0);
	CHECK_INT(truncate(file_of(&s, 4), 100), 0);
	options = story_options(&s);
	options.told = on_told;
	options.data = &tale;
	CHECK_INT(correction_run(&options, 0, &totals), 0);
	CHECK_INT(totals.corrected, 1);
	CHECK_INT(totals.failed, 2);
	CHECK_INT(tale.told, 3);
	CHECK_INT(tale.errors, 2);
	CHECK_INT(kit_verify(s.path, &verify), 0);
	CHECK_INT(verify.found[VERIFY_HASH], 1);
	CHECK_INT(verify.found[VERIFY_SIZE], 1);
	CHECK_INT(verify.found[VERIFY_MISSING], 1);
	CHECK_INT(verify.findings, 3);
	story_end(&s);
}

/* The first mark counts, and a damaged one costs nothing but time. */
TEST(the_mark)
{
	uint64_t from = 99;
	struct story s;

	story_begin(&s, NULL);
	CHECK_INT(correction_marked(s.archive, &from), -ENOENT);
	CHECK_INT(correction_mark(s.archive, 7), 0);
	CHECK_INT(correction_mark(s.archive, 12), 0);
	CHECK_INT(correction_marked(s.archive, &from), 0);
	CHECK_INT(from, 7);
	CHECK_INT(kit_findings(s.path), 0);
	for (size_t bytes = 0; bytes < 100; bytes += 50) {
		char text[100];

		memset(text, 'x', sizeof text);
		CHECK_INT(unlink(kit_path(s.path, "journal/unsynced")), 0);
		kit_write(s.path, "journal/unsynced", text, bytes, 0);
		CHECK_INT(correction_marked(s.archive, &from), 0);
		CHECK_INT(from, 1);
	}
	correction_unmark(s.archive);
	CHECK_INT(correction_marked(s.archive, &from), -ENOENT);
	story_end(&s);
}

/* Any story: what has an anchor gets its true time, each picture is there once. */
static bool has_anchor(const struct story *s, const struct picture *p)
{
	bool anchor = p->boot == s->boot || llabs(p->told_us - p->true_us) < CORRECTION_MIN_US;

	for (uint32_t i = 0; i < s->n; i++)
		anchor |= s->pictures[i].boot == p->boot && s->pictures[i].synced;
	return anchor;
}

static void tell_random(struct story *s, uint64_t *random)
{
	story_begin(s, NULL);
	s->wrong_us = WRONG;
	for (int i = 0; i < 60; i++) {
		uint64_t what = test_random(random) % 20;

		if (what < 14)
			story_frames(s, (int)(test_random(random) % 4));
		else if (what < 16)
			story_miss(s);
		else if (what < 18 && s->synced)
			story_set_clock(s, (int64_t)(test_random(random) % 9000) * S, false);
		else if (what < 19)
			story_set_clock(s, 0, true);
		else if (s->boot + 1 < BOOTS_MAX)
			story_reboot(s, test_random(random) % 2 ? WRONG : 4000 * S);
	}
}

TEST(any_story)
{
	uint64_t random = test_seed() | 1;

	for (int i = 0; i < 40 && !test_failures; i++) {
		struct correction_options options;
		struct story s;
		int r = 1;

		tell_random(&s, &random);
		while (r > 0) {
			options = story_options(&s);
			r = correction_run(&options, 1 + (int)(test_random(&random) % 300), NULL);
			if (test_random(&random) % 2)
				story_reopen(&s, NULL);
		}
		CHECK_INT(r, 0);
		story_check(&s, has_anchor);
		story_end(&s);
	}
}
