/* SPDX-License-Identifier: MIT */
/* The archive on a failing disk, on a poor file system, and among planted names. */
#include "common/archive/archive.h"

#include "tests/unit/archive_kit.h"

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
		CHECK_INT(kit_newest(path), 1);
		CHECK_INT(kit_findings(path), 0);
	}
	kit_fault_set(0, 0, 0);
	if (!archive)
		CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	if (r == 0 && !s->reopen)
		want++; /* the frame was stored in spite of the fault */
	CHECK_INT(kit_publish(archive, s->slot_us + KIT_MINUTE, 3, &frame), 0);
	CHECK_INT(frame.seq, want);
	CHECK_INT(kit_newest(path), (int64_t)want);
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

/* vfat, exFAT */
static int no_symlinkat(const char *target, int dirfd, const char *path)
{
	(void)target, (void)dirfd, (void)path;
	errno = EPERM;
	return -1;
}

/* A server of SMB that has no symlinks, as the Linux client finds it. */
static int empty_symlinkat(const char *target, int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	(void)target;
	return fd < 0 ? -1 : close(fd);
}

static int file_fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fsync(fd);
	errno = EINVAL;
	return -1;
}

static struct fs_ops poor_fs(bool smb)
{
	struct fs_ops fs = fs_real;

	fs.write = trickle_write;
	fs.renameat2 = plain_renameat2;
	fs.symlinkat = smb ? empty_symlinkat : no_symlinkat;
	fs.fsync = file_fsync;
	return fs;
}

TEST(poor_file_system)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct fs_ops fs = poor_fs(false);
	struct record frame;
	char path[64];

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

static bool latest_is(const char *path, uint64_t seed)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct stat st;

	kit_jpeg(jpeg, seed);
	return lstat(kit_path(path, "latest.jpg"), &st) == 0 && S_ISREG(st.st_mode) &&
		st.st_size == KIT_JPEG_BYTES &&
		memcmp(kit_read(path, "latest.jpg"), jpeg, sizeof(jpeg)) == 0;
}

/* latest.jpg is a copy of the newest picture then, and all that looks at it knows that. */
TEST(no_symlinks)
{
	for (int smb = 0; smb < 2; smb++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct archive_options copy = { .mode = ARCHIVE_WRITE, .copy = true };
		struct kit_batch batch = { 0 };
		struct fs_ops fs = poor_fs(smb);
		uint8_t jpeg[KIT_JPEG_BYTES];
		char path[64];
		int hidden = 9;

		kit_make_folder(path);
		CHECK_INT(kit_open(path, &fs, &archive), 0);
		CHECK_INT(archive_ballast_make(archive), 0);
		CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
		CHECK(latest_is(path, 1));
		CHECK_INT(kit_publish(archive, KIT_SLOT + KIT_MINUTE, 2, NULL), 0);
		CHECK(latest_is(path, 2));
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + 2 * KIT_MINUTE, 3), 0);
		CHECK_INT(kit_commit_batch(archive, &batch), 1);
		CHECK(latest_is(path, 3));
		archive_free(TAKE_PTR(archive));
		kit_count(path, "", &hidden);
		CHECK_INT(hidden, 1); /* .writer */
		CHECK_INT(kit_findings(path), 0);
		/* an older picture, a part of it, nothing: found, and put right */
		for (int damage = 0; damage < 3; damage++) {
			kit_jpeg(jpeg, 1);
			kit_write(path, "latest.jpg", jpeg, damage ? 0 : sizeof(jpeg), O_TRUNC);
			if (damage == 1)
				kit_write(path, "latest.jpg", jpeg, 100, O_TRUNC);
			CHECK_INT(kit_findings(path), 1);
			copy.fs = &fs;
			CHECK_INT(archive_open(path, &copy, &archive), 0);
			archive_free(TAKE_PTR(archive));
			CHECK(latest_is(path, 3));
			CHECK_INT(kit_findings(path), 0);
		}
		/* on a better disk it is a link again with the next frame */
		CHECK_INT(kit_open(path, NULL, &archive), 0);
		CHECK(latest_is(path, 3));
		CHECK_INT(kit_publish(archive, KIT_SLOT + 4 * KIT_MINUTE, 4, NULL), 0);
		CHECK_STR(kit_latest(path), KIT_DAY "/20261120T160500Z-00000004.jpg");
		test_remove_folder(path);
	}
}

/*
 * The disk goes away at call `at`, and comes back with what it had; whether the frame was refused.
 */
static bool lose_frame(int at)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_undone undone = { .n = 0 };
	const struct archive_options again = { .mode = ARCHIVE_WRITE, .undone = &undone };
	struct record frame;
	char path[64];
	int r;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_fault_set(at, 1000, EIO);
	r = kit_publish(archive, KIT_SLOT + KIT_MINUTE, 2, NULL);
	undone = archive_undone(archive);
	archive_freep(&archive);
	archive = NULL;
	kit_fault_set(0, 0, 0);
	CHECK_INT(archive_open(path, &again, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 2 * KIT_MINUTE, 3, &frame), 0);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_newest(path), (int64_t)frame.seq);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
	return r < 0;
}

/* Its slot has a miss by then: the file that could not be removed is no frame that a crash left. */
TEST(a_frame_told_as_lost_stays_lost)
{
	int at = 1;

	while (lose_frame(at))
		at++;
	CHECK(at > 5);
}

TEST(taken_name_is_not_overwritten)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int hidden = 9;
	char path[64];

	kit_make_folder(path);
	kit_publish_some(path, 1);
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
		{ "journal", true, -ELOOP, 0 },
		{ "journal/00000000.jsonl", false, -ELOOP, 0 },
		{ "journal/folder", false, 0, 0 },
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
		kit_publish_some(path, 1);
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
	snprintf(file, sizeof(file), "%s/%s", path, KIT_FIRST);
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
