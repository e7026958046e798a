/* SPDX-License-Identifier: MIT */
/* verify: one kind of damage at a time in an archive of some frames, and what it says of it. */
#include "common/upkeep/verify.h"

#include "tests/unit/damage_kit.h"

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
	CHECK_INT(seen.findings, ret->findings + ret->found[VERIFY_NOT_OURS]);
	CHECK_INT(seen.named, seen.findings);
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
