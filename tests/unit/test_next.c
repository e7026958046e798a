/* SPDX-License-Identifier: MIT */
/* When the next picture is due, by what capturepi and pullpi left for others to read. */
#include "common/base/digest.h"
#include "tests/unit/archive_kit.h"
#include "tests/unit/clock_kit.h"
#include "view/facts/next.h"

static struct place place;
static struct archive *archive;

static int64_t now(int minutes)
{
	return KIT_SLOT + minutes * KIT_MINUTE;
}

/* Ten pictures, the last one of minute 9. */
static void make_place(bool copy)
{
	const struct archive_options options = { .mode = ARCHIVE_READ };

	place = (struct place){ .name = "garden", .copy = copy };
	test_make_folder(place.path);
	setenv("XDG_RUNTIME_DIR", place.path, 1);
	setenv("XDG_STATE_HOME", place.path, 1);
	kit_publish_some(place.path, 10);
	CHECK_INT(archive_open(place.path, &options, &archive), 0);
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "%.64s/%s", place.path, folder);
	CHECK_INT(fs_make_folders(path, 0700), 0);
	kit_write(path, name, text, strlen(text), O_TRUNC);
}

static struct next_picture next_at(int64_t now_us)
{
	struct next_picture next;

	const struct clock_fake clock = clock_fake(now_us);

	next_read(&place, archive, &clock.clock, &next);
	return next;
}

/* Nobody tells: the distance of the newest two. */
TEST(distance)
{
	make_place(false);
	CHECK_INT(next_at(now(10)).slot_us, now(10));
	CHECK_STR(next_at(now(11)).trouble, "");
	CHECK_STR(next_at(now(14)).trouble, "the next picture is missing: it was due 4 min ago");
	archive_free(archive);
}

/* The night of this machine's own camera, by its service's word. */
TEST(own_night)
{
	char name[SHA256_HEX + 32], hex[SHA256_HEX + 1];
	uint8_t sha256[SHA256_BYTES];

	make_place(false);
	CHECK_INT(digest_buffer(place.path, strlen(place.path), sha256), 0);
	digest_hex(sha256, hex);
	snprintf(name, sizeof(name), "status-%s.json", hex);
	write_file("capturepi", name,
		"{\"due\":\"2026-11-20T16:10:00Z\",\"due_next\":\"2026-11-21T05:00:00Z\"}");
	CHECK_INT(next_at(now(14)).slot_us, KIT_SLOT + 779 * KIT_MINUTE);
	CHECK_STR(next_at(now(14)).trouble, "");
	CHECK_STR(
		next_at(now(779 + 5)).trouble, "the next picture is missing: it was due 5 min ago");
	/* it took none in the slot that was due */
	write_file("capturepi", name,
		"{\"due\":\"2026-11-20T16:12:00Z\",\"due_next\":\"2026-11-21T05:00:00Z\"}");
	CHECK_INT(next_at(now(14)).slot_us, now(11));
	CHECK(*next_at(now(14)).trouble);
	archive_free(archive);
}

/* A camera that was asked at minute 12 and has no slot before the morning. */
TEST(copy_night)
{
	make_place(true);
	write_file("pullpi", "contact-garden.json",
		"{\"last_try\":\"2026-11-20T16:13:00Z\",\"last_ok\":\"2026-11-20T16:13:00Z\","
		"\"seen\":\"2026-11-20T16:13:00Z\",\"camera_now\":\"2026-11-20T16:13:00Z\","
		"\"camera_due\":\"2026-11-20T16:10:00Z\","
		"\"camera_next\":\"2026-11-21T05:00:00Z\",\"camera_running\":true,"
		"\"gaps_us\":[600000000,600000000]}");
	CHECK_INT(next_at(now(60)).slot_us, KIT_SLOT + 779 * KIT_MINUTE);
	CHECK_STR(next_at(now(60)).trouble, "");
	CHECK(next_at(now(60)).missed_us > KIT_SLOT + 779 * KIT_MINUTE);
	CHECK(next_at(now(60)).missed_us < KIT_SLOT + 820 * KIT_MINUTE);
	/* the settings of pullpi go by the age alone */
	place.stale_after_us = 45 * KIT_MINUTE;
	CHECK_STR(next_at(now(9 + 45)).trouble, "");
	CHECK_INT(next_at(now(9 + 45)).missed_us, now(9 + 45));
	CHECK(*next_at(now(9 + 46)).trouble);
	place.stale_after_us = 0;
	/* by the age alone it would have been missed: the next try failed, after its slot */
	write_file("pullpi", "contact-garden.json",
		"{\"last_try\":\"2026-11-20T16:13:00Z\",\"last_ok\":\"2026-11-20T16:03:00Z\","
		"\"code\":75,\"error\":\"no route to host\"}");
	CHECK(strstr(next_at(now(60)).trouble, "the last try failed: no route to host") != NULL);
	archive_free(archive);
}
