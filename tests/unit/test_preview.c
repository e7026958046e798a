/* SPDX-License-Identifier: MIT */
/* Previews: what is taken for one, and the folder of them. */
#include "common/archive/preview.h"
#include "tests/unit/archive_kit.h"
#include "tests/unit/preview_kit.h"

TEST(what_is_good)
{
	static const struct {
		size_t at; /* where the byte changes */
		uint8_t byte;
	} broken[] = {
		{ 1, 0xd9 }, /* no SOI */
		{ 2, 0 }, /* no marker */
		{ 5, 7 }, /* a frame header that is too short */
		{ 4, 0xff }, /* and one that is longer than all */
		{ 7, 3 }, /* too high */
		{ 9, 0xff }, /* too wide */
		{ 8, 0 }, /* no height */
		{ 10, 0 }, /* no width */
		{ 3, 0xc4 }, /* a table in the frame header's place */
		{ 16, 0xc2 }, /* two frame headers */
		{ 16, 0xe1 }, /* no scan */
		{ KIT_PREVIEW_BYTES - 1, 0 }, /* no EOI */
	};
	uint8_t jpeg[KIT_PREVIEW_BYTES], large[PREVIEW_BYTES_MAX + 1];

	kit_preview(jpeg, PREVIEW_SIDE_MAX, 1);
	CHECK(preview_is_good(jpeg, sizeof jpeg));
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		kit_preview(jpeg, 16, 16);
		jpeg[broken[i].at] = broken[i].byte;
		if (!CHECK(!preview_is_good(jpeg, sizeof jpeg)))
			fprintf(stderr, "  byte %zu\n", broken[i].at);
	}
	kit_preview(jpeg, 16, 16);
	for (size_t n = 0; n < sizeof jpeg; n++)
		CHECK(!preview_is_good(jpeg, n));
	memset(large, 7, sizeof large);
	memcpy(large, jpeg, 100);
	memcpy(large + PREVIEW_BYTES_MAX - 2, "\xff\xd9", 2);
	CHECK(preview_is_good(large, PREVIEW_BYTES_MAX));
	memcpy(large + PREVIEW_BYTES_MAX - 1, "\xff\xd9", 2);
	CHECK(!preview_is_good(large, PREVIEW_BYTES_MAX + 1));
}

static size_t count_previews(const struct archive *archive)
{
	CLEANUP(previews_clear) struct previews previews = { 0 };

	CHECK_INT(previews_list(archive, &previews), 0);
	for (size_t i = 1; i < previews.n; i++)
		CHECK(previews.list[i - 1].seq < previews.list[i].seq);
	CHECK_INT(previews.bytes, (int64_t)previews.n * 4096);
	return previews.n;
}

TEST(folder)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(previews_clear) struct previews left = { 0 };
	uint8_t jpeg[KIT_PREVIEW_BYTES], *read = NULL;
	char folder[64], path[128];
	size_t bytes = 0;

	kit_make_folder(folder);
	CHECK_INT(kit_open(folder, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_preview(jpeg, 16, 16);
	CHECK_INT(count_previews(archive), 0);
	for (uint64_t seq = 1; seq <= 10; seq++) {
		const struct frame_name name = { KIT_SLOT + (int64_t)seq * KIT_MINUTE, seq };

		CHECK_INT(preview_store(archive, &name, jpeg, sizeof jpeg), 0);
		CHECK_INT(preview_store(archive, &name, jpeg, sizeof jpeg), 0);
		CHECK_INT(preview_store(archive, &name, jpeg, 100), -EBADMSG);
	}
	CHECK_INT(
		preview_store(archive, &(struct frame_name){ -1, 9 }, jpeg, sizeof jpeg), -ERANGE);
	CHECK_INT(count_previews(archive), 10);
	CHECK_INT(preview_read(archive, 5, &read, &bytes), 0);
	CHECK(bytes == sizeof jpeg && memcmp(read, jpeg, bytes) == 0);
	free(read);
	CHECK_INT(preview_read(archive, 11, &read, &bytes), -ENOENT);
	/* what a crash or somebody else left */
	snprintf(path, sizeof path, "%s/.previews", folder);
	kit_write(path, ".20261120T160200Z-00000001.jpg.part", "x", 1, O_CREAT);
	kit_write(path, "20261120T160300Z-00000002.jpg", "xxx", 3, O_TRUNC);
	kit_write(path, "notes.txt", "x", 1, O_CREAT);
	CHECK_INT(preview_read(archive, 2, &read, &bytes), -EBADMSG);
	/* frame 1 is here; of the others the newest stay */
	CHECK_INT(previews_tidy(archive, 6, &left), 0);
	CHECK_INT(left.n, 6);
	CHECK_INT(left.list[0].seq, 5);
	preview_remove(archive, &left.list[0]);
	CHECK_INT(count_previews(archive), 5);
	snprintf(path, sizeof path, "%s/.previews/.20261120T160200Z-00000001.jpg.part", folder);
	CHECK_INT(access(path, F_OK), -1);
	test_remove_folder(folder);
}

/* A link in the folder's place leads nowhere. */
TEST(planted_link)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(previews_clear) struct previews previews = { 0 };
	const struct frame_name name = { KIT_SLOT, 1 };
	uint8_t jpeg[KIT_PREVIEW_BYTES];
	char folder[64], path[128];

	kit_make_folder(folder);
	CHECK_INT(kit_open(folder, NULL, &archive), 0);
	kit_preview(jpeg, 16, 16);
	snprintf(path, sizeof path, "%s/.previews", folder);
	CHECK_INT(symlink("journal", path), 0);
	CHECK(preview_store(archive, &name, jpeg, sizeof jpeg) < 0);
	CHECK(previews_list(archive, &previews) < 0);
	test_remove_folder(folder);
}
