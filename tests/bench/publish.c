/* SPDX-License-Identifier: MIT */
/*
 * Frames per second of archive_publish() against a bare loop that makes the same system calls for
 * durability (write, fsync, rename, fsync of the folder, write and fdatasync of a line), in turns so
 * that both meet the same disk.
 *
 *   bench_publish [FOLDER [ROUNDS [FRAMES]]]      FOLDER is on the file system to be measured
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "common/archive.h"
#include "common/util.h"

#define FRAME_BYTES (500 * 1000)
#define ROUNDS_MAX 1000

struct bare {
	int folder_fd, journal_fd;
	uint64_t next;
};

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool bare_open(struct bare *bare, const char *path)
{
	char folder[200];

	snprintf(folder, sizeof(folder), "%s/bare/2026/11/20", path);
	if (fs_make_folders(folder, 0777) < 0)
		return false;
	bare->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bare->journal_fd = openat(bare->folder_fd, "../../../journal",
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	bare->next = 1;
	return bare->folder_fd >= 0 && bare->journal_fd >= 0;
}

static bool bare_store(struct bare *bare, const uint8_t *jpeg, const char *line, size_t line_bytes)
{
	char temp[80], name[64];
	bool ok;
	int fd;

	snprintf(name, sizeof(name), "20261120T160100Z-%08" PRIu64 ".jpg", bare->next++);
	snprintf(temp, sizeof(temp), ".%s.part", name);
	fd = openat(bare->folder_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	ok = write(fd, jpeg, FRAME_BYTES) == FRAME_BYTES && fsync(fd) == 0;
	return close(fd) == 0 && ok &&
		renameat2(bare->folder_fd, temp, bare->folder_fd, name, RENAME_NOREPLACE) == 0 &&
		fsync(bare->folder_fd) == 0 &&
		write(bare->journal_fd, line, line_bytes) == (ssize_t)line_bytes &&
		fdatasync(bare->journal_fd) == 0;
}

static bool archive_store(struct archive *archive, const uint8_t *jpeg, int n)
{
	struct record frame = record_new(RECORD_FRAME);

	frame.slot_us = frame.exposed_us = (INT64_C(1795132800) + n) * US_PER_SEC;
	frame.late_us = frame.up_ns = 0;
	return archive_publish(archive, &frame, jpeg, FRAME_BYTES) == 0;
}

/* Seconds of `frames` frames, negative where one failed. */
static double run(struct archive *archive, struct bare *bare, const uint8_t *jpeg, int frames)
{
	static int n;
	static char line[300];
	double start = now();

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < frames; i++) {
		if (archive ? !archive_store(archive, jpeg, n++)
			    : !bare_store(bare, jpeg, line, sizeof(line)))
			return -1;
	}
	return now() - start;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int bench(const char *path, int rounds, int frames)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_WRITE };
	static uint8_t jpeg[FRAME_BYTES];
	uint8_t sha256[SHA256_BYTES];
	double ours = 0, theirs = 0, hash, ratios[ROUNDS_MAX];
	uint64_t state = 1;
	struct bare bare;
	char folder[100];

	for (size_t i = 0; i < sizeof(jpeg); i++)
		jpeg[i] = (uint8_t)((state = state * UINT64_C(6364136223846793005) + 1) >> 56);
	memcpy(jpeg, "\xff\xd8", 2);
	memcpy(jpeg + sizeof(jpeg) - 2, "\xff\xd9", 2);
	digest_buffer(jpeg, sizeof(jpeg), sha256); /* libcrypto sets itself up in the first call */
	hash = now();
	for (int i = 0; i < 10; i++)
		digest_buffer(jpeg, sizeof(jpeg), sha256);
	hash = (now() - hash) / 10;
	snprintf(folder, sizeof(folder), "%s/archive", path);
	if (archive_open(folder, &options, &archive) < 0 || !bare_open(&bare, path))
		return -EIO;
	run(archive, NULL, jpeg, 3);
	run(NULL, &bare, jpeg, 3);
	for (int i = 0; i < rounds; i++) {
		double a, b;

		/* who goes first changes from round to round */
		if (i % 2)
			a = run(archive, NULL, jpeg, frames);
		b = run(NULL, &bare, jpeg, frames);
		if (i % 2 == 0)
			a = run(archive, NULL, jpeg, frames);
		if (a < 0 || b < 0)
			return -EIO;
		ours += a;
		theirs += b;
		ratios[i] = b / a;
	}
	qsort(ratios, (size_t)rounds, sizeof(*ratios), compare);
	printf("archive_publish %.1f frames/s, bare loop %.1f frames/s\n", rounds * frames / ours,
		rounds * frames / theirs);
	printf("ratio %.3f in all, %.3f in the middle one of %d rounds (goal 0.9)\n", theirs / ours,
		ratios[rounds / 2], rounds);
	printf("the SHA-256 of a frame takes %.2f ms, a frame %.2f ms\n", hash * 1e3,
		ours * 1e3 / rounds / frames);
	return 0;
}

int main(int argc, char **argv)
{
	const char *base = argc > 1 ? argv[1] : "/tmp";
	int rounds = argc > 2 ? atoi(argv[2]) : 21, frames = argc > 3 ? atoi(argv[3]) : 10, r;
	char path[80];

	snprintf(path, sizeof(path), "%.50s/bench-publish-XXXXXX", base);
	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	if (!mkdtemp(path) || rounds < 1 || frames < 1) {
		perror(path);
		return 1;
	}
	r = bench(path, rounds, frames);
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	return r < 0;
}
