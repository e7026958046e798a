/* SPDX-License-Identifier: MIT */
/* What the archive's tests share: small pictures, records, an fs_ops that fails on demand. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/archive/archive.h"
#include "common/archive/partial.h"
#include "common/base/utc.h"
#include "common/upkeep/verify.h"
#include "tests/test.h"

#define KIT_JPEG_BYTES 3000
#define KIT_SLOT (INT64_C(1795190460) * US_PER_SEC) /* 2026-11-20T16:01:00Z */
#define KIT_DAY "2026/11/20"
#define KIT_FIRST KIT_DAY "/20261120T160100Z-00000001.jpg"
#define KIT_ID "0b5c6a3e-7f60-4c1d-9a55-1f1f6f3b9f10"
#define KIT_MINUTE (60 * US_PER_SEC)

/* A new folder in memory where there is one: for tests that sync thousands of times. */
__attribute__((unused)) static void kit_make_folder(char path[static 64])
{
	snprintf(path, 64, "/dev/shm/capturepi-test-XXXXXX");
	if (!mkdtemp(path))
		test_make_folder(path);
}

/* A JPEG of 16 x 16 as far as its frame header; the bytes after that differ with `seed`. */
__attribute__((unused)) static void kit_jpeg(uint8_t jpeg[static KIT_JPEG_BYTES], uint64_t seed)
{
	static const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11,
		0 };
	uint64_t state = seed * 2 + 1;

	for (size_t i = 0; i < KIT_JPEG_BYTES; i++)
		jpeg[i] = (uint8_t)test_random(&state);
	memcpy(jpeg, head, sizeof head);
	jpeg[KIT_JPEG_BYTES - 2] = 0xff;
	jpeg[KIT_JPEG_BYTES - 1] = 0xd9;
}

__attribute__((unused)) static struct record kit_frame(int64_t slot_us)
{
	struct record frame = record_new(RECORD_FRAME);

	frame.slot_us = slot_us;
	frame.exposed_us = slot_us + 412;
	frame.late_us = 412;
	frame.synced = true;
	frame.up_ns = 1;
	memcpy(frame.boot, KIT_ID, sizeof(frame.boot));
	return frame;
}

__attribute__((unused)) static struct record kit_miss(int64_t slot_us)
{
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = miss.last_us = slot_us;
	miss.cause = MISS_CAMERA;
	return miss;
}

/* The record that a camera sends for the picture of `seed`, and the picture. */
__attribute__((unused)) static struct record kit_sent(
	uint64_t seq, int64_t slot_us, uint8_t jpeg[static KIT_JPEG_BYTES])
{
	struct record frame = kit_frame(slot_us);

	kit_jpeg(jpeg, seq);
	frame.seq = seq;
	frame.bytes = KIT_JPEG_BYTES;
	digest_buffer(jpeg, KIT_JPEG_BYTES, frame.sha256);
	return frame;
}

/* Publishes the picture of `seed` for that slot. */
__attribute__((unused)) static int kit_publish(
	struct archive *archive, int64_t slot_us, uint64_t seed, struct record *ret)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_frame(slot_us);
	int r;

	kit_jpeg(jpeg, seed);
	r = archive_publish(archive, &frame, jpeg, sizeof(jpeg));
	if (r == 0 && ret)
		*ret = frame;
	return r;
}

/* The same of a picture that is likely to be useless. */
__attribute__((unused)) static int kit_publish_marked(
	struct archive *archive, int64_t slot_us, enum mark mark)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_frame(slot_us);

	kit_jpeg(jpeg, (uint64_t)slot_us);
	frame.picture.mean = 0.5;
	frame.picture.mark = mark;
	return archive_publish(archive, &frame, jpeg, sizeof(jpeg));
}

/* Commits one partial of a puller's. */
__attribute__((unused)) static int kit_commit(struct archive *archive, struct partial *partial)
{
	int error = 1;

	CHECK_INT(archive_commit(archive, &partial, 1, &error), 1);
	return error;
}

/* Frames that a camera has staged, and what came of those that were committed last. */
struct kit_batch {
	struct partial *partials[BATCH_FRAMES_MAX];
	unsigned n;
	struct record done[BATCH_FRAMES_MAX];
	int errors[BATCH_FRAMES_MAX];
};

/* Stages the picture of `seed` for that slot. */
__attribute__((unused)) static int kit_stage(
	struct archive *archive, struct kit_batch *batch, int64_t slot_us, uint64_t seed)
{
	struct record frame = kit_frame(slot_us);
	uint8_t jpeg[KIT_JPEG_BYTES];
	int r;

	kit_jpeg(jpeg, seed);
	r = partial_stage(archive, &frame, jpeg, sizeof(jpeg), &batch->partials[batch->n]);
	batch->n += r == 0;
	return r;
}

/* Returns how many have an outcome. */
__attribute__((unused)) static unsigned kit_commit_batch(
	struct archive *archive, struct kit_batch *batch)
{
	unsigned n = archive_commit(archive, batch->partials, batch->n, batch->errors);

	for (unsigned i = 0; i < n; i++) {
		batch->done[i] = *partial_record(batch->partials[i]);
		partial_free(batch->partials[i]);
	}
	batch->n -= n;
	memmove(batch->partials, batch->partials + n, batch->n * sizeof(batch->partials[0]));
	return n;
}

__attribute__((unused)) static int kit_open(
	const char *path, const struct fs_ops *fs, struct archive **ret)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden", .fs = fs };

	return archive_open(path, &options, ret);
}

__attribute__((unused)) static int64_t kit_newest(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct record record;
	int r = archive_open(path, &options, &archive);

	if (r == 0)
		r = archive_newest(archive, &record);
	return r < 0 ? r : (int64_t)record.seq;
}

__attribute__((unused)) static const char *kit_latest(const char *path)
{
	static char target[200];
	char link[100];
	ssize_t n;

	snprintf(link, sizeof(link), "%s/latest.jpg", path);
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return target;
}

/* The first `n` frames of an archive, a minute apart. */
__attribute__((unused)) static void kit_publish_some(const char *path, int n)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < n; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
}

static bool kit_print_finding(void *data, const struct verify_finding *finding)
{
	char text[256];

	if (!data)
		fprintf(stderr, "  %s\n", verify_describe(finding, text, sizeof(text)));
	return true;
}

/* What verify says of the archive; a negative errno where it cannot be read. */
__attribute__((unused)) static int kit_verify(const char *path, struct verify_totals *ret)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct verify_options verify = { .finding = kit_print_finding };
	int r = archive_open(path, &options, &archive);

	return r < 0 ? r : verify_archive(archive, &verify, ret);
}

__attribute__((unused)) static uint64_t kit_findings(const char *path)
{
	struct verify_totals totals;
	int r = kit_verify(path, &totals);

	return r < 0 ? (uint64_t)1000 : totals.findings;
}

__attribute__((unused)) static void kit_write(
	const char *folder, const char *name, const void *data, size_t bytes, int flags)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	if (!CHECK(fd >= 0))
		return;
	CHECK(write(fd, data, bytes) == (ssize_t)bytes);
	close(fd);
}

/* Folder and name, in a buffer that lives until the next call. */
__attribute__((unused)) static const char *kit_path(const char *folder, const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* The file as text in a buffer that lives until the next call; "" where there is none. */
__attribute__((unused)) static const char *kit_read(const char *folder, const char *name)
{
	static char text[64 * 1024];
	char path[300];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* How many names a folder has, hidden ones apart; -1 where there is none. */
__attribute__((unused)) static int kit_count(const char *folder, const char *name, int *ret_hidden)
{
	int n = 0, hidden = 0;
	struct dirent *entry;
	char path[300];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			n++;
		else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			hidden++;
	}
	closedir(dir);
	if (ret_hidden)
		*ret_hidden = hidden;
	return n;
}

/*
 * fs_ops that log each call as a letter and fail some. The calls are counted from 1; `fail_at` and
 * `fail_count` choose those that fail. A failing write writes half first.
 */
static struct {
	int calls, fail_at, fail_count, error;
	char log[512];
} kit_fault;

static bool kit_call(char letter)
{
	int n = ++kit_fault.calls;

	if (n < (int)sizeof(kit_fault.log)) {
		kit_fault.log[n - 1] = letter;
		kit_fault.log[n] = '\0';
	}
	if (kit_fault.fail_at == 0 || n < kit_fault.fail_at ||
		n >= kit_fault.fail_at + kit_fault.fail_count)
		return true;
	errno = kit_fault.error;
	return false;
}

__attribute__((unused)) static void kit_fault_set(int fail_at, int fail_count, int error)
{
	memset(&kit_fault, 0, sizeof(kit_fault));
	kit_fault.fail_at = fail_at;
	kit_fault.fail_count = fail_count;
	kit_fault.error = error;
}

static int kit_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return kit_call('o') ? fs_real.openat(dirfd, path, flags, mode) : -1;
}
static ssize_t kit_write_op(int fd, const void *data, size_t bytes)
{
	if (kit_call('w'))
		return fs_real.write(fd, data, bytes);
	if (write(fd, data, bytes / 2) < 0)
		perror("write");
	errno = kit_fault.error;
	return -1;
}
static int kit_fsync(int fd)
{
	return kit_call('s') ? fs_real.fsync(fd) : -1;
}
static int kit_fdatasync(int fd)
{
	return kit_call('d') ? fs_real.fdatasync(fd) : -1;
}
/* close(2) closes even where it fails. */
static int kit_close(int fd)
{
	bool ok = kit_call('c');
	int r = fs_real.close(fd);

	errno = kit_fault.error;
	return ok ? r : -1;
}
static int kit_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	return kit_call('r') ? fs_real.renameat2(olddir, old, newdir, new, flags) : -1;
}
static int kit_unlinkat(int dirfd, const char *path, int flags)
{
	return kit_call('u') ? fs_real.unlinkat(dirfd, path, flags) : -1;
}
static int kit_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return kit_call('m') ? fs_real.mkdirat(dirfd, path, mode) : -1;
}
static int kit_symlinkat(const char *target, int dirfd, const char *path)
{
	return kit_call('l') ? fs_real.symlinkat(target, dirfd, path) : -1;
}
static int kit_ftruncate(int fd, off_t bytes)
{
	return kit_call('t') ? fs_real.ftruncate(fd, bytes) : -1;
}

__attribute__((unused)) static const struct fs_ops kit_fs = {
	.openat = kit_openat,
	.write = kit_write_op,
	.fsync = kit_fsync,
	.fdatasync = kit_fdatasync,
	.close = kit_close,
	.renameat2 = kit_renameat2,
	.unlinkat = kit_unlinkat,
	.mkdirat = kit_mkdirat,
	.symlinkat = kit_symlinkat,
	.ftruncate = kit_ftruncate,
};
