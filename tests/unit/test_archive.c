/* SPDX-License-Identifier: MIT */
/* The archive: publishing, identity, the lock, recovery. */
#include "common/archive/archive.h"

#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "tests/unit/archive_kit.h"

TEST(new_archive)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct json_object *json;
	char path[64], deep[100];

	test_make_folder(path);
	snprintf(deep, sizeof(deep), "%s/a/b//captures/", path);
	CHECK_INT(kit_newest(deep), -ENOENT);
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
	CHECK_INT(kit_newest(deep), -ENOENT);
	test_remove_folder(path);
}

/* The settings name the camera: the archive takes the new name and stays the one it is. */
TEST(renamed)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "porch" };
	char path[64], id[UUID_CHARS + 1];

	test_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	snprintf(id, sizeof id, "%s", archive_id(archive));
	archive_free(TAKE_PTR(archive));
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_STR(archive_camera(archive), "porch");
	CHECK_STR(archive_id(archive), id);
	archive_free(TAKE_PTR(archive));
	options = (struct archive_options){ .mode = ARCHIVE_READ, .camera = "attic" };
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_STR(archive_camera(archive), "porch");
	archive_free(TAKE_PTR(archive));
	/* a name that is none keeps nobody out */
	options = (struct archive_options){ .mode = ARCHIVE_WRITE, .camera = "a\nb" };
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_STR(archive_camera(archive), "porch");
	CHECK_INT(kit_findings(path), 0);
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
	CHECK_STR(kit_latest(path), KIT_FIRST);
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
	CHECK_STR(kit_latest(path), "2026/11/21/20261121T160100Z-00000003.jpg");
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
		"owscrs"
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
		{ "{", NULL, -EBADMSG },
		{ "[]", NULL, -EBADMSG },
		{ "{\"format\":2,\"id\":\"" KIT_ID "\",\"camera\":\"x\"}\n", NULL,
			-EPROTONOSUPPORT },
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

#define OTHER_HEADER                                                                               \
	"{\"format\":1,\"id\":\"ffffffff-7f60-4c1d-9a55-1f1f6f3b9f10\",\"segment\":1}\n"

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
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	archive_freep(&archive);
	archive = NULL;
	/* a journal that has lost its archive.json is not given a new identity */
	snprintf(json, sizeof(json), "%s/archive.json", path);
	CHECK_INT(unlink(json), 0);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_STR(archive_id(archive), KIT_ID);
	archive_freep(&archive);
	archive = NULL;
	/* what stood in it is kept, and two histories in one journal are not mixed */
	kit_write(path, "archive.json", "not ours", 8, O_TRUNC);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_STR(kit_read(path, "damaged/archive.json"), "not ours");
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(unlink(json), 0);
	kit_write(path, "journal/00000001.jsonl", OTHER_HEADER, strlen(OTHER_HEADER), 0);
	CHECK_INT(kit_open(path, NULL, &archive), -EBADMSG);
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
	kit_publish_some(path, 5);
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
	CHECK_STR(kit_latest(path), KIT_DAY "/20261120T160500Z-00000005.jpg");
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
	kit_publish_some(path, 2);
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
	kit_publish_some(path, 2);
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

/*
 * A clock a year back, and then right again: numbers and names go on, and the newest is what came
 * last.
 */
TEST(a_clock_a_year_back)
{
	const int64_t year = 365 * 24 * 60 * KIT_MINUTE;
	static const int years[] = { 0, -1, -1, 0, 0, 1, 0 };
	struct archive *archive = NULL;
	struct record frame;
	char path[64];

	kit_make_folder(path);
	for (size_t i = 0; i < ARRAY_SIZE(years); i++) {
		/* the same slots again and again, and a start in between */
		CHECK_INT(kit_open(path, NULL, &archive), 0);
		CHECK_INT(kit_publish(archive, KIT_SLOT + years[i] * year, i, &frame), 0);
		CHECK_INT(frame.seq, i + 1);
		archive_free(archive);
		CHECK_INT(kit_newest(path), (int64_t)i + 1);
	}
	CHECK_INT(kit_findings(path), 0);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 4);
	CHECK_INT(kit_count(path, "2025/11/20", NULL), 2);
	CHECK_STR(kit_latest(path), KIT_DAY "/20261120T160100Z-00000007.jpg");
	test_remove_folder(path);
}

static mode_t mode_of(const char *path, const char *name)
{
	char full[PATH_MAX];
	struct stat st = { 0 };

	snprintf(full, sizeof(full), "%s/%s", path, name);
	CHECK_INT(stat(full, &st), 0);
	return st.st_mode & 0777;
}

/* Opens it, stores a frame of the minute, and closes it. */
static void store_one(const char *path, mode_t access, int minute)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .access = access };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame = kit_frame(KIT_SLOT + minute * KIT_MINUTE);
	uint8_t jpeg[KIT_JPEG_BYTES];

	kit_jpeg(jpeg, (uint64_t)minute);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
}

TEST(what_is_new_is_private_and_what_was_open_stays_so)
{
	static const struct {
		bool old; /* made by version 0.1, with a folder of 0755 */
		mode_t access, folder, file;
	} cases[] = {
		{ false, 0, 0700, 0600 },
		{ false, 0750, 0750, 0640 },
		{ false, 0755, 0755, 0644 },
		{ true, 0, 0755, 0644 },
		{ true, 0700, 0700, 0600 },
	};
	static const char *const locks[] = { ".writer", ".gate" };
	const mode_t before = umask(022);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[64], lock[96];

		umask(022);
		test_make_folder(path);
		chmod(path, 0755);
		if (cases[i].old)
			store_one(path, 0755, 0);
		for (size_t k = 0; cases[i].old && k < ARRAY_SIZE(locks); k++) {
			snprintf(lock, sizeof(lock), "%s/%s", path, locks[k]);
			close(open(lock, O_CREAT | O_RDWR, 0644));
			chmod(lock, 0644);
		}
		store_one(path, cases[i].access, cases[i].old);
		CHECK_INT(mode_of(path, ""), cases[i].folder);
		CHECK_INT(mode_of(path, "latest.jpg"), cases[i].file);
		CHECK_INT(mode_of(path, ".writer"), 0600);
		if (!cases[i].old) {
			CHECK_INT(mode_of(path, KIT_DAY), cases[i].folder);
			CHECK_INT(mode_of(path, KIT_FIRST), cases[i].file);
			CHECK_INT(mode_of(path, "journal"), cases[i].folder);
			CHECK_INT(mode_of(path, "journal/00000000.jsonl"), cases[i].file);
			CHECK_INT(mode_of(path, "archive.json"), cases[i].file);
		}
		test_remove_folder(path);
	}
	umask(before);
}

/* A stranger's lock, and in the file the number of a process that is none of the writer's. */
TEST(a_stale_pid_is_nobody)
{
	char path[64], lock[96], text[16];
	pid_t child, pid = 0;
	int fd;

	test_make_folder(path);
	snprintf(lock, sizeof(lock), "%s/.writer", path);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	snprintf(text, sizeof(text), "%d\n", (int)child);
	CHECK_INT(write(fd, text, strlen(text)), (long long)strlen(text));
	CHECK_INT(flock(fd, LOCK_EX), 0);
	CHECK_INT(archive_writer_pid(path, &pid), -ESRCH);
	CHECK_INT(pid, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
	test_remove_folder(path);
}
