/* SPDX-License-Identifier: MIT */
/* The archive: publishing, recovery, drafts; failing disks and planted names. */
#include "common/archive.h"

#include <json-c/json.h>
#include <sys/wait.h>

#include "tests/unit/archive_kit.h"

static const char *const first_name = KIT_DAY "/20261120T160100Z-00000001.jpg";

static int64_t newest_seq(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct record record;
	int r = archive_open(path, &options, &archive);

	if (r == 0)
		r = archive_newest(archive, &record);
	return r < 0 ? r : (int64_t)record.seq;
}

static const char *latest_target(const char *path)
{
	static char target[200];
	char link[100];
	ssize_t n;

	snprintf(link, sizeof(link), "%s/latest.jpg", path);
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return target;
}

static void publish_some(const char *path, int n)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < n; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
}

TEST(new_archive)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct json_object *json;
	char path[64], deep[100];

	test_make_folder(path);
	snprintf(deep, sizeof(deep), "%s/a/b//captures/", path);
	CHECK_INT(newest_seq(deep), -ENOENT);
	CHECK_INT(kit_open(deep, NULL, &archive), 0);
	CHECK_STR(archive_camera(archive), "garden");
	CHECK_STR(archive_path(archive), deep);
	CHECK_INT(strlen(archive_id(archive)), UUID_CHARS);
	CHECK_INT(archive_id(archive)[14], '4');
	json = json_tokener_parse(kit_read(deep, "archive.json"));
	CHECK_STR(json_object_to_json_string(json_object_object_get(json, "format")), "1");
	CHECK_STR(json_object_get_string(json_object_object_get(json, "id")), archive_id(archive));
	CHECK_STR(json_object_get_string(json_object_object_get(json, "camera")), "garden");
	json_object_put(json);
	CHECK_INT(archive_repairs(archive)->lines_restored, 0);
	CHECK_INT(kit_findings(deep), 0);
	CHECK_INT(newest_seq(deep), -ENOENT);
	test_remove_folder(path);
}

TEST(publish_and_read_back)
{
	CLEANUP(archive_freep) struct archive *archive = NULL, *reader = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct record frame, found, miss = kit_miss(KIT_SLOT + KIT_MINUTE);
	uint8_t jpeg[KIT_JPEG_BYTES], back[KIT_JPEG_BYTES + 1], sha256[SHA256_BYTES];
	char path[64];
	int fd = -1, hidden;

	test_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 7, &frame), 0);
	kit_jpeg(jpeg, 7);
	CHECK_INT(digest_buffer(jpeg, sizeof(jpeg), sha256), 0);
	CHECK_INT(frame.seq, 1);
	CHECK_INT(frame.bytes, KIT_JPEG_BYTES);
	CHECK_INT(memcmp(frame.sha256, sha256, sizeof(sha256)), 0);
	CHECK_STR(latest_target(path), first_name);
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 1);
	CHECK_INT(hidden, 0);
	CHECK_STR(kit_read(path, "journal/folder"), KIT_DAY "\n");

	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(miss.seq, 2);
	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(archive_newest(reader, &found), 0);
	CHECK_INT(found.seq, 1);
	CHECK_INT(found.exposed_us, frame.exposed_us);
	CHECK_INT(found.recovered, false);
	CHECK_INT(archive_open_frame(reader, &found, &fd), 0);
	CHECK_INT(fs_read_at(fd, back, sizeof(back), 0), KIT_JPEG_BYTES);
	CHECK_INT(memcmp(back, jpeg, sizeof(jpeg)), 0);
	close(fd);
	CHECK_INT(archive_find(reader, 2, &found), 0);
	CHECK_INT(found.type, RECORD_MISS);
	CHECK_INT(archive_find(reader, 3, &found), -ENOENT);
	CHECK_INT(archive_note(reader, &miss), -EROFS);
	CHECK_INT(kit_publish(reader, KIT_SLOT, 8, NULL), -EROFS);

	/* going on after a restart, on another day */
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 24 * 60 * KIT_MINUTE, 9, &frame), 0);
	CHECK_INT(frame.seq, 3);
	CHECK_STR(latest_target(path), "2026/11/21/20261121T160100Z-00000003.jpg");
	CHECK_INT(archive_newest(reader, &found), 0);
	CHECK_INT(found.seq, 3);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* The order of calls is what durability rests on: three syncs, each before what relies on it. */
TEST(calls_of_a_publish)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[64];

	test_make_folder(path);
	kit_fault_set(0, 0, 0);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_fault_set(0, 0, 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + KIT_MINUTE, 2, NULL), 0);
	/* temp: open write fsync close; rename, fsync folder; line, fdatasync; symlink, rename */
	CHECK_STR(kit_fault.log, "owscrswdlr");
	/* a new day: three levels made and synced, then journal/folder replaced */
	kit_fault_set(0, 0, 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 24 * 60 * KIT_MINUTE, 3, NULL), 0);
	CHECK_STR(kit_fault.log,
		"msomsomso"
		"oowscrs"
		"owscrswdlr");
	test_remove_folder(path);
}

TEST(refuses_what_is_no_jpeg)
{
	static uint8_t big[FRAME_BYTES_MAX + 1];
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "", 0 },
		{ "\xff\xd8\xff", 3 },
		{ "\xff\xd8\xff\xd8", 4 },
		{ "\xff\xd9\xff\xd9", 4 },
		{ "\xff\xd8 data", 7 },
		{ "\xff\xd8 data\xff\xd9\n", 10 },
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame = kit_frame(KIT_SLOT), before = frame;
	char path[64];

	test_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(archive_publish(archive, &frame, bad[i].bytes, bad[i].n), -EINVAL);
	memcpy(big, "\xff\xd8", 2);
	memcpy(big + sizeof(big) - 2, "\xff\xd9", 2);
	CHECK_INT(archive_publish(archive, &frame, big, sizeof(big)), -EFBIG);
	frame.slot_us = before.slot_us = -1;
	CHECK_INT(archive_publish(archive, &frame, "\xff\xd8\xff\xd9", 4), -ERANGE);
	CHECK_INT(memcmp(&frame, &before, sizeof(frame)), 0);
	frame = kit_frame(KIT_SLOT);
	CHECK_INT(archive_publish(archive, &frame, "\xff\xd8\xff\xd9", 4), 0);
	CHECK_INT(frame.seq, 1);
	CHECK_INT(archive_note(archive, &frame), -EINVAL);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(one_writer)
{
	CLEANUP(archive_freep) struct archive *archive = NULL, *second = NULL;
	char path[64];
	pid_t pid = 0;

	test_make_folder(path);
	CHECK_INT(archive_writer_pid(path, &pid), -ENOENT);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_open(path, NULL, &second), -EWOULDBLOCK);
	CHECK_INT(archive_writer_pid(path, &pid), 0);
	CHECK_INT(pid, getpid());
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(archive_writer_pid(path, &pid), -ESRCH);
	CHECK_INT(kit_open(path, NULL, &second), 0);
	test_remove_folder(path);
}

TEST(identity)
{
	static const struct {
		const char *text;
		const char *id;
		int r;
	} cases[] = {
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"camera\":\"x\"}\n", NULL, 0 },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"camera\":\"x\",\"new\":{}}\n", KIT_ID, 0 },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"camera\":\"x\"}\n",
			"ffffffff-7f60-4c1d-9a55-1f1f6f3b9f10", -EMEDIUMTYPE },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"camera\":\"x\"}\n", "7", -EINVAL },
		{ "", NULL, -EBADMSG },
		{ "{", NULL, -EBADMSG },
		{ "[]", NULL, -EBADMSG },
		{ "{\"format\":2,\"id\":\"" KIT_ID "\",\"camera\":\"x\"}\n", NULL, -EBADMSG },
		{ "{\"format\":1,\"id\":\"../../../../../../../../../../etc/pw\",\"camera\":\"x\"}",
			NULL, -EBADMSG },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"camera\":\"\"}\n", NULL, -EBADMSG },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"camera\":\"a\\nb\"}\n", NULL, -EBADMSG },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\"}\n", NULL, -EBADMSG },
		{ "{\"format\":1,\"camera\":\"x\"}\n", NULL, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct archive_options options = { .mode = ARCHIVE_WRITE, .id = cases[i].id };
		char path[64];

		test_make_folder(path);
		kit_write(path, "archive.json", cases[i].text, strlen(cases[i].text), 0);
		CHECK_INT(archive_open(path, &options, &archive), cases[i].r);
		CHECK_STR(kit_read(path, "archive.json"), cases[i].text);
		test_remove_folder(path);
	}
}

TEST(asked_for_id)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_WRITE, .id = KIT_ID, .camera = "a\nb" };
	char path[64], json[80];

	test_make_folder(path);
	CHECK_INT(archive_open(path, &options, &archive), -EINVAL);
	options.camera = "g\"\\\xc3\xa4";
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_STR(archive_id(archive), KIT_ID);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_STR(archive_camera(archive), options.camera);
	archive_freep(&archive);
	archive = NULL;
	/* a journal that has lost its archive.json is not given a new identity */
	snprintf(json, sizeof(json), "%s/archive.json", path);
	CHECK_INT(unlink(json), 0);
	CHECK_INT(kit_open(path, NULL, &archive), -EBADMSG);
	CHECK_INT(access(json, F_OK), -1);
	test_remove_folder(path);
}

/* Takes the last `n` lines off the journal. */
static void drop_lines(const char *path, int n)
{
	char segment[100];
	const char *text = kit_read(path, "journal/00000000.jsonl");
	size_t len = strlen(text);

	while (n-- > 0 && len > 0) {
		len--;
		while (len > 0 && text[len - 1] != '\n')
			len--;
	}
	snprintf(segment, sizeof(segment), "%s/journal/00000000.jsonl", path);
	CHECK_INT(truncate(segment, (off_t)len), 0);
}

TEST(lost_lines_are_restored)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record found, before;
	char path[64], latest[100];

	test_make_folder(path);
	publish_some(path, 5);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_find(archive, 4, &before), 0);
	archive_freep(&archive);
	archive = NULL;
	drop_lines(path, 3);
	kit_write(path, "journal/00000000.jsonl", "{\"seq\":3,\"sl", 12, O_APPEND);
	kit_write(path, KIT_DAY "/.20261120T160700Z-00000006.jpg.part", "abc", 3, 0);
	kit_write(path, KIT_DAY "/.somebody.part", "abc", 3, 0);
	kit_write(path, "journal/.folder.part", "abc", 3, 0);
	snprintf(latest, sizeof(latest), "%s/latest.jpg", path);
	CHECK_INT(unlink(latest), 0);
	kit_fault_set(0, 0, 0);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	/* the folder is synced before a line tells of a file in it */
	CHECK(strstr(kit_fault.log, "swdswdswd") != NULL);
	CHECK_INT(archive_repairs(archive)->lines_restored, 3);
	CHECK_INT(archive_repairs(archive)->temps_removed, 2);
	CHECK(archive_repairs(archive)->line_cut);
	CHECK_INT(archive_find(archive, 4, &found), 0);
	CHECK(found.recovered);
	CHECK(!found.synced);
	CHECK_INT(found.slot_us, before.slot_us);
	CHECK_INT(found.exposed_us, before.slot_us);
	CHECK_INT(memcmp(found.sha256, before.sha256, SHA256_BYTES), 0);
	CHECK_STR(latest_target(path), KIT_DAY "/20261120T160500Z-00000005.jpg");
	CHECK_INT(kit_publish(archive, KIT_SLOT + 6 * KIT_MINUTE, 6, &found), 0);
	CHECK_INT(found.seq, 6);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 0);
	CHECK_INT(archive_repairs(archive)->temps_removed, 0);
	CHECK(!archive_repairs(archive)->line_cut);
	test_remove_folder(path);
}

/* Only names, numbers and contents that our own writer leaves become lines. */
TEST(planted_files_are_not_restored)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[64], link[120];
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame;

	test_make_folder(path);
	publish_some(path, 2);
	kit_jpeg(jpeg, 9);
	/* incomplete: its number is not used again */
	kit_write(path, KIT_DAY "/20261120T160900Z-00000003.jpg", jpeg, 1000, 0);
	kit_write(path, KIT_DAY "/20261120T160900Z-00000099.txt", jpeg, sizeof(jpeg), 0);
	/* far away, another day, not our spelling */
	kit_write(path, KIT_DAY "/20261120T160900Z-999999999999.jpg", jpeg, sizeof(jpeg), 0);
	kit_write(path, KIT_DAY "/20261121T160900Z-00000005.jpg", jpeg, sizeof(jpeg), 0);
	kit_write(path, KIT_DAY "/20261120T160900Z-5.jpg", jpeg, sizeof(jpeg), 0);
	/* an old number again */
	kit_write(path, KIT_DAY "/20261120T160900Z-00000001.jpg", jpeg, sizeof(jpeg), 0);
	snprintf(link, sizeof(link), "%s/" KIT_DAY "/20261120T160900Z-00000004.jpg", path);
	CHECK_INT(symlink("20261120T160100Z-00000001.jpg", link), 0);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 6 * KIT_MINUTE, 6, &frame), 0);
	CHECK_INT(frame.seq, 5);
	test_remove_folder(path);
}

/* A copy's missing line is the camera's to tell. */
TEST(copy_makes_up_no_lines)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true };
	struct record found;
	char path[64];

	test_make_folder(path);
	publish_some(path, 2);
	drop_lines(path, 1);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 0);
	CHECK_INT(archive_find(archive, 2, &found), -ENOENT);
	CHECK_INT(archive_find(archive, 1, &found), 0);
	test_remove_folder(path);
}

/* How many calls opening for writing makes in an archive of so many days. */
static int calls_of_opening(int days)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < days; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * 24 * 60 * KIT_MINUTE, 1, NULL), 0);
	archive_freep(&archive);
	archive = NULL;
	kit_fault_set(0, 0, 0);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	test_remove_folder(path);
	return kit_fault.calls;
}

TEST(opening_does_not_grow_with_the_archive)
{
	CHECK_INT(calls_of_opening(50), calls_of_opening(2));
}

TEST(folder_moved_away)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[64], from[100], to[100];

	test_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	snprintf(from, sizeof(from), "%s/2026", path);
	snprintf(to, sizeof(to), "%s/.elsewhere", path);
	CHECK_INT(rename(from, to), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + KIT_MINUTE, 2, NULL), 0);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 1);
	test_remove_folder(from);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 2 * KIT_MINUTE, 3, NULL), 0);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 1);
	test_remove_folder(path);
}

/* What is to be published while a call fails. */
struct scenario {
	const char *name;
	bool reopen; /* the failing calls are those of archive_open() */
	int64_t slot_us;
};

static const struct scenario scenarios[] = {
	{ "steady", false, KIT_SLOT + KIT_MINUTE },
	{ "new day", false, KIT_SLOT + 24 * 60 * KIT_MINUTE },
	{ "first open", true, KIT_SLOT },
};

/* Runs one scenario with the faults set; returns whether a fault was met. */
static bool run_faulty(const struct scenario *s, int at, int count, int error)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	uint64_t want = s->reopen ? 1 : 2;
	int failures = test_failures;
	struct record frame;
	char path[64];
	bool met;
	int r = 0;

	kit_make_folder(path);
	kit_fault_set(s->reopen ? at : 0, count, error);
	r = kit_open(path, &kit_fs, &archive);
	if (!s->reopen) {
		CHECK_INT(r, 0);
		CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
		kit_fault_set(at, count, error);
		r = kit_publish(archive, s->slot_us, 2, NULL);
	}
	met = kit_fault.calls >= at;
	if (r < 0) {
		CHECK_INT(r, -error);
		CHECK_INT(kit_fault.calls >= at, true);
	}
	if (!s->reopen && r < 0 && count == 1) {
		CHECK_INT(newest_seq(path), 1);
		CHECK_INT(kit_findings(path), 0);
	}
	kit_fault_set(0, 0, 0);
	if (!archive)
		CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	if (r == 0 && !s->reopen)
		want++; /* the frame was stored in spite of the fault */
	CHECK_INT(kit_publish(archive, s->slot_us + KIT_MINUTE, 3, &frame), 0);
	CHECK_INT(frame.seq, want);
	CHECK_INT(newest_seq(path), (int64_t)want);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
	if (test_failures > failures)
		fprintf(stderr, "  %s: %s from call %d, %d times\n", s->name, strerror(error), at,
			count);
	return met;
}

TEST(every_call_fails_once)
{
	static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int at = 1;

			while (at < 100 && run_faulty(&scenarios[s], at, 1, errors[e]))
				at++;
			CHECK(at > 10 && at < 100);
		}
	}
}

/* The disk is gone from one call on: undoing fails too, and is made good when it is back. */
TEST(every_call_fails_from_there_on)
{
	static const int errors[] = { EIO, EROFS };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int at = 1;

			while (at < 100 && run_faulty(&scenarios[s], at, 1000, errors[e]))
				at++;
			CHECK(at > 10 && at < 100);
		}
	}
}

static ssize_t trickle_write(int fd, const void *data, size_t bytes)
{
	static int n;

	if (++n % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return write(fd, data, bytes < 100 ? bytes : 100);
}

/* A file system without RENAME_NOREPLACE */
static int plain_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	if (flags) {
		errno = EINVAL;
		return -1;
	}
	return renameat2(olddir, old, newdir, new, 0);
}

TEST(poor_file_system)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct fs_ops fs = fs_real;
	struct record frame;
	char path[64];

	fs.write = trickle_write;
	fs.renameat2 = plain_renameat2;
	kit_make_folder(path);
	CHECK_INT(kit_open(path, &fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", "mine", 4, 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + KIT_MINUTE, 2, NULL), -EEXIST);
	CHECK_STR(kit_read(path, KIT_DAY "/20261120T160200Z-00000002.jpg"), "mine");
	CHECK_INT(kit_publish(archive, KIT_SLOT + 2 * KIT_MINUTE, 2, &frame), 0);
	CHECK_INT(frame.seq, 2);
	test_remove_folder(path);
}

TEST(taken_name_is_not_overwritten)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int hidden = 9;
	char path[64];

	kit_make_folder(path);
	publish_some(path, 1);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", "mine", 4, 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + KIT_MINUTE, 2, NULL), -EEXIST);
	CHECK_STR(kit_read(path, KIT_DAY "/20261120T160200Z-00000002.jpg"), "mine");
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 2);
	CHECK_INT(hidden, 0);
	test_remove_folder(path);
}

/* A symlink planted in the place of each part: nothing behind it changes. */
TEST(planted_symlinks)
{
	static const struct {
		const char *name;
		bool folder; /* points at a folder, not a file */
		int open, publish;
	} cases[] = {
		{ "2026", true, 0, -ELOOP },
		{ "2026/11", true, 0, -ELOOP },
		{ "2026/11/20", true, 0, -ELOOP },
		{ KIT_DAY "/.20261120T160100Z-00000001.jpg.part", false, 0, 0 },
		{ KIT_DAY "/20261120T160100Z-00000001.jpg", false, 0, -EEXIST },
		{ "latest.jpg", false, 0, 0 },
		{ ".latest.jpg.part", false, 0, 0 },
		{ "archive.json", false, -ELOOP, 0 },
		{ ".archive.json.part", false, 0, 0 },
		{ ".writer", false, -ELOOP, 0 },
		{ "journal", true, -EBADMSG, 0 },
		{ "journal/00000000.jsonl", false, -EBADMSG, 0 },
		{ "journal/folder", false, -EBADMSG, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		char path[64], victim[64], link[150], target[100];

		kit_make_folder(path);
		kit_make_folder(victim);
		kit_write(victim, "file", "precious", 8, 0);
		snprintf(target, sizeof(target), "%s%s", victim, cases[i].folder ? "" : "/file");
		snprintf(link, sizeof(link), "%s/%s", path, cases[i].name);
		*strrchr(link, '/') = '\0';
		CHECK_INT(fs_make_folders(link, 0777), 0);
		snprintf(link, sizeof(link), "%s/%s", path, cases[i].name);
		CHECK_INT(symlink(target, link), 0);
		CHECK_INT(kit_open(path, NULL, &archive), cases[i].open);
		if (archive)
			CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), cases[i].publish);
		CHECK_STR(kit_read(victim, "file"), "precious");
		CHECK_INT(kit_count(victim, "", NULL), 1);
		if (test_failures)
			fprintf(stderr, "  case %s\n", cases[i].name);
		test_remove_folder(path);
		test_remove_folder(victim);
	}
}

/* The journal's own links, in an archive that is otherwise whole. */
TEST(planted_symlinks_in_a_whole_archive)
{
	static const struct {
		const char *name;
		int open;
	} cases[] = {
		{ "journal/00000000.jsonl", -ELOOP },
		{ "journal/folder", 0 },
		{ "journal/.folder.part", 0 },
		{ "latest.jpg", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		char path[64], victim[64], link[150], target[100];

		kit_make_folder(path);
		kit_make_folder(victim);
		publish_some(path, 1);
		kit_write(victim, "file", "../../../etc\n", 13, 0);
		snprintf(target, sizeof(target), "%s/file", victim);
		snprintf(link, sizeof(link), "%s/%s", path, cases[i].name);
		unlink(link);
		CHECK_INT(symlink(target, link), 0);
		CHECK_INT(kit_open(path, NULL, &archive), cases[i].open);
		if (archive) {
			CHECK_INT(
				kit_publish(archive, KIT_SLOT + 24 * 60 * KIT_MINUTE, 2, NULL), 0);
			CHECK_INT(kit_findings(path), 0);
		}
		CHECK_STR(kit_read(victim, "file"), "../../../etc\n");
		test_remove_folder(path);
		test_remove_folder(victim);
	}
}

TEST(open_frame_follows_nothing)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame;
	char path[64], file[120], folder[100], aside[100];
	int fd;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, &frame), 0);
	snprintf(file, sizeof(file), "%s/%s", path, first_name);
	snprintf(folder, sizeof(folder), "%s/2026/11", path);
	snprintf(aside, sizeof(aside), "%s/aside", path);
	frame.bytes++;
	CHECK_INT(archive_open_frame(archive, &frame, &fd), -EBADMSG);
	frame.bytes--;
	CHECK_INT(rename(folder, aside), 0);
	CHECK_INT(archive_open_frame(archive, &frame, &fd), -ENOENT);
	CHECK_INT(symlink("../aside", folder), 0);
	CHECK_INT(archive_open_frame(archive, &frame, &fd), -ELOOP);
	CHECK_INT(unlink(folder), 0);
	CHECK_INT(rename(aside, folder), 0);
	CHECK_INT(rename(file, aside), 0);
	CHECK_INT(archive_open_frame(archive, &frame, &fd), -ENOENT);
	CHECK_INT(symlink("../../../aside", file), 0);
	CHECK_INT(archive_open_frame(archive, &frame, &fd), -ELOOP);
	CHECK_INT(unlink(file), 0);
	CHECK_INT(mkfifo(file, 0644), 0);
	CHECK_INT(archive_open_frame(archive, &frame, &fd), -EBADMSG);
	test_remove_folder(path);
}

/* --- drafts --- */

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
	CLEANUP(archive_draft_freep) struct archive_draft *draft = NULL;
	int r = archive_draft_new(archive, frame, &draft);

	for (size_t done = 0; r == 0 && done < bytes; done += piece)
		r = archive_draft_write(
			draft, jpeg + done, bytes - done < piece ? bytes - done : piece);
	return r < 0 ? r : archive_draft_commit(draft);
}

TEST(drafts_land_in_any_order)
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
		CHECK_INT(newest_seq(path), i == 0 ? 5 : i < 3 ? 7 : 100001);
	}
	miss.seq = 8;
	CHECK_INT(archive_store_record(archive, &miss), 0);
	CHECK_INT(archive_store_record(archive, &miss), 0);
	CHECK_INT(archive_store_record(archive, &frame), -EINVAL);
	frame = kit_sent(5, KIT_SLOT + 5 * 400 * KIT_MINUTE, jpeg);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 1000), 0);
	CHECK(strstr(latest_target(path), "-00100001.jpg") != NULL);
	CHECK_INT(verify_archive(archive, &copy, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.lines, ARRAY_SIZE(order) + 1);
	CHECK_INT(totals.checked, ARRAY_SIZE(order));
	test_remove_folder(path);
}

TEST(damaged_drafts_leave_nothing)
{
	uint8_t jpeg[KIT_JPEG_BYTES + 1], tiny[4] = { 0xff, 0xd8, 0xff, 0xd8 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_draft *draft = NULL;
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
	CHECK_INT(archive_draft_new(archive, &bad, &draft), -EFBIG);
	bad.bytes = 3;
	CHECK_INT(archive_draft_new(archive, &bad, &draft), -EINVAL);
	bad = kit_miss(KIT_SLOT);
	bad.seq = 1;
	CHECK_INT(archive_draft_new(archive, &bad, &draft), -EINVAL);
	/* given up half-way; two of one number */
	CHECK_INT(archive_draft_new(archive, &frame, &draft), 0);
	CHECK_INT(archive_draft_write(draft, jpeg, 100), 0);
	CHECK_INT(bring(archive, &frame, jpeg, 3000, 999), -EBUSY);
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 0);
	CHECK_INT(hidden, 1);
	archive_draft_free(draft);
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 0);
	CHECK_INT(hidden, 0);
	CHECK_INT(newest_seq(path), -ENOENT);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg) - 1, 999), 0);
	CHECK_INT(newest_seq(path), 1);
	test_remove_folder(path);
}

TEST(drafts_and_names_that_exist)
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
	kit_write(path, first_name, jpeg, sizeof(jpeg), 0);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
	CHECK_INT(archive_find(archive, 1, &found), 0);
	CHECK_STR(latest_target(path), first_name);
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
	snprintf(file, sizeof(file), "%s/%s", path, first_name);
	CHECK_INT(unlink(file), 0);
	kit_sent(1, KIT_SLOT, jpeg);
	CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
	snprintf(file, sizeof(file), "%s/" KIT_DAY "/20261120T160200Z-00000002.jpg", path);
	CHECK_INT(unlink(file), 0);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* Two days at once, as where a fresh frame overtakes one of the backlog. */
TEST(drafts_side_by_side)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_draft *old = NULL, *fresh = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES], newer[KIT_JPEG_BYTES];
	struct record a, b;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(open_copy(path, NULL, &archive), 0);
	a = kit_sent(1, KIT_SLOT, jpeg);
	b = kit_sent(2, KIT_SLOT + 24 * 60 * KIT_MINUTE, newer);
	CHECK_INT(archive_draft_new(archive, &a, &old), 0);
	CHECK_INT(archive_draft_write(old, jpeg, 1000), 0);
	CHECK_INT(archive_draft_new(archive, &b, &fresh), 0);
	CHECK_INT(archive_draft_write(fresh, newer, sizeof(newer)), 0);
	CHECK_INT(archive_draft_commit(fresh), 0);
	CHECK_INT(archive_draft_commit(fresh), -EBADF);
	CHECK_INT(archive_draft_write(old, jpeg + 1000, sizeof(jpeg) - 1000), 0);
	CHECK_INT(archive_draft_commit(old), 0);
	CHECK_STR(kit_read(path, "journal/folder"), KIT_DAY "\n");
	CHECK_INT(newest_seq(path), 2);
	CHECK(strstr(latest_target(path), "-00000002.jpg") != NULL);
	archive_draft_free(old);
	archive_draft_free(fresh);
	CHECK_INT(kit_findings(path), 0);
	/* one that is open when the archive is closed goes with it */
	a = kit_sent(3, KIT_SLOT, jpeg);
	CHECK_INT(archive_draft_new(archive, &a, &old), 0);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(every_call_of_a_draft_fails)
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
				CHECK_INT(newest_seq(path), -ENOENT);
			CHECK_INT(kit_findings(path), 0);
			CHECK_INT(bring(archive, &frame, jpeg, sizeof(jpeg), 999), 0);
			CHECK_INT(newest_seq(path), 3);
			CHECK_INT(kit_findings(path), 0);
			test_remove_folder(path);
		}
		CHECK(!met);
	}
}
