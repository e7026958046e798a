/* SPDX-License-Identifier: MIT */
/*
 * Frames per second of archive_publish() against a bare loop that makes the same system calls for
 * durability (write, fsync, rename, fsync of the folder, write and fdatasync of a line), and
 * against one that moves a symlink to the newest frame as well, in turns so that all meet the same
 * disk.
 *
 *   bench_publish [FOLDER [ROUNDS [FRAMES]]]      FOLDER is on the file system to be measured
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "common/archive/archive.h"
#include "common/base/util.h"

#define FRAME_BYTES (500 * 1000)
#define ROUNDS_MAX 1000

struct bare {
	int folder_fd, journal_fd;
	uint64_t next;
	bool link; /* moves latest.jpg as well */
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

static bool bare_open(struct bare *bare, const char *path, const char *name)
{
	char folder[200];

	snprintf(folder, sizeof(folder), "%s/%s/2026/11/20", path, name);
	if (fs_make_folders(folder, 0777) < 0)
		return false;
	bare->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bare->journal_fd = openat(bare->folder_fd, "../../../journal",
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	bare->next = 1;
	return bare->folder_fd >= 0 && bare->journal_fd >= 0;
}

static bool bare_link(const struct bare *bare, const char *name)
{
	char target[80];

	snprintf(target, sizeof(target), "2026/11/20/%s", name);
	return symlinkat(target, bare->folder_fd, "../../../.latest") == 0 &&
		renameat(bare->folder_fd, "../../../.latest", bare->folder_fd,
			"../../../latest.jpg") == 0;
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
		fdatasync(bare->journal_fd) == 0 && (!bare->link || bare_link(bare, name));
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

enum { OURS, BARE, LINK, KINDS };

struct bench {
	struct archive *archive;
	struct bare bare, link;
	uint8_t jpeg[FRAME_BYTES];
	double total[KINDS], ratios[KINDS][ROUNDS_MAX];
};

static int bench_open(struct bench *b, const char *path)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE };
	uint64_t state = 1;
	char folder[100];

	for (size_t i = 0; i < sizeof(b->jpeg); i++)
		b->jpeg[i] = (uint8_t)((state = state * UINT64_C(6364136223846793005) + 1) >> 56);
	memcpy(b->jpeg, "\xff\xd8", 2);
	memcpy(b->jpeg + sizeof(b->jpeg) - 2, "\xff\xd9", 2);
	snprintf(folder, sizeof(folder), "%s/archive", path);
	b->link.link = true;
	return archive_open(folder, &options, &b->archive) < 0 ||
			!bare_open(&b->bare, path, "bare") || !bare_open(&b->link, path, "link")
		? -EIO
		: 0;
}

/* Each kind once; who goes first changes from round to round. */
static int bench_round(struct bench *b, int round, int frames)
{
	double seconds[KINDS];

	for (int i = 0; i < KINDS; i++) {
		int kind = (i + round) % KINDS;

		seconds[kind] = kind == OURS ? run(b->archive, NULL, b->jpeg, frames)
			: kind == BARE       ? run(NULL, &b->bare, b->jpeg, frames)
					     : run(NULL, &b->link, b->jpeg, frames);
		if (seconds[kind] < 0)
			return -EIO;
	}
	for (int kind = 0; kind < KINDS; kind++) {
		b->total[kind] += seconds[kind];
		b->ratios[kind][round] = seconds[kind] / seconds[OURS];
	}
	return 0;
}

static void print_ratio(struct bench *b, int kind, const char *name, int rounds, int frames)
{
	qsort(b->ratios[kind], (size_t)rounds, sizeof(double), compare);
	printf("%s: %.1f frames/s; ratio %.3f in all, %.3f in the middle one of %d rounds\n", name,
		rounds * frames / b->total[kind], b->total[kind] / b->total[OURS],
		b->ratios[kind][rounds / 2], rounds);
}

static void print_hash(const struct bench *b)
{
	uint8_t sha256[SHA256_BYTES];
	double start;

	digest_buffer(b->jpeg, sizeof(b->jpeg), sha256); /* libcrypto sets itself up */
	start = now();
	for (int i = 0; i < 10; i++)
		digest_buffer(b->jpeg, sizeof(b->jpeg), sha256);
	printf("the SHA-256 of a frame takes %.2f ms\n", (now() - start) * 100);
}

static int bench(const char *path, int rounds, int frames)
{
	static struct bench b;
	int r = bench_open(&b, path);

	/* the first frames make folders and caches */
	if (r == 0)
		r = bench_round(&b, 0, 3);
	memset(b.total, 0, sizeof(b.total));
	for (int i = 0; r == 0 && i < rounds; i++)
		r = bench_round(&b, i, frames);
	if (r == 0) {
		printf("archive_publish: %.1f frames/s, %.2f ms each\n",
			rounds * frames / b.total[OURS], b.total[OURS] * 1e3 / rounds / frames);
		print_ratio(&b, BARE, "bare loop", rounds, frames);
		print_ratio(&b, LINK, "bare loop with latest.jpg", rounds, frames);
		print_hash(&b);
	}
	archive_free(b.archive);
	return r;
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
