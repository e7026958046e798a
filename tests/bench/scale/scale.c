/* SPDX-License-Identifier: MIT */
/*
 * For scale/run: makes archives of any size at once, and takes times.
 *
 *   scale make PATH FRAMES [copy]
 *           a frame a minute until today, all hard links to some small files; a copy's journal
 *           has its last 500 lines out of order
 *   scale open|newest|find|prune PATH ROUNDS
 *           milliseconds of one, the middle one of ROUNDS. prune: a day
 *   scale run ROUNDS COMMAND...
 *           milliseconds, and the most memory in KB, of a program that exits 0
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "common/archive/archive.h"
#include "common/base/util.h"
#include "common/upkeep/pruner.h"
#include "tests/unit/clock_kit.h"

#define ID "0b5c6a3e-7f60-4c1d-9a55-1f1f6f3b9f10"
#define JPEG_BYTES 1200
#define TAIL 500 /* lines of a copy that are out of order: sync sorts more than 1,000 */
#define LINKS_MAX 50000 /* ext4 has 65,000 names of a file at most */
#define MINUTE_US (60 * US_PER_SEC)
#define DAY_US (24 * 60 * MINUTE_US)
#define ROUNDS_MAX 1000

struct maker {
	int root_fd, folder_fd;
	uint64_t frames;
	bool copy;
	int64_t first_us;
	uint8_t jpeg[JPEG_BYTES], sha256[SHA256_BYTES];
	char folder[FRAME_PATH_MAX], source[FRAME_PATH_MAX];
	FILE *journal;
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct record frame_of(const struct maker *m, uint64_t seq)
{
	struct record frame = record_new(RECORD_FRAME);

	frame.seq = seq;
	frame.slot_us = m->first_us + (int64_t)(seq - 1) * MINUTE_US;
	frame.exposed_us = frame.slot_us + 412;
	frame.late_us = 412;
	frame.up_ns = (int64_t)seq * 60 * NS_PER_SEC;
	frame.synced = true;
	frame.bytes = JPEG_BYTES;
	memcpy(frame.boot, ID, sizeof(frame.boot));
	memcpy(frame.sha256, m->sha256, SHA256_BYTES);
	frame.facts = (struct camera_facts){ 10000, 1.5, 5200, 0.5 };
	return frame;
}

static int put_file(struct maker *m, const struct record *frame)
{
	struct frame_name name = record_name(frame);
	char folder[FRAME_PATH_MAX], path[FRAME_PATH_MAX];
	CLEANUP_FD int fd = -1;

	if (frame_name_folder(&name, folder) < 0 || frame_name_path(&name, path) < 0)
		return -ERANGE;
	if (strcmp(folder, m->folder) != 0) {
		char parent[FRAME_PATH_MAX];

		for (size_t n = 4; n <= 10; n += 3) {
			snprintf(parent, sizeof(parent), "%.*s", (int)n, folder);
			if (mkdirat(m->root_fd, parent, 0777) < 0 && errno != EEXIST)
				return -errno;
		}
		memcpy(m->folder, folder, sizeof(folder));
	}
	if (frame->seq % LINKS_MAX != 1)
		return linkat(m->root_fd, m->source, m->root_fd, path, 0) < 0 ? -errno : 0;
	memcpy(m->source, path, sizeof(path));
	fd = openat(m->root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, m->jpeg, JPEG_BYTES) != JPEG_BYTES)
		return -EIO;
	return 0;
}

static int put_text(const struct maker *m, const char *path, const char *text)
{
	CLEANUP_FD int fd =
		openat(m->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -EIO;
}

static int put_line(struct maker *m, uint64_t seq)
{
	struct record frame = frame_of(m, seq);
	char line[LINE_MAX_BYTES + 1], path[64];
	int n = record_format(&frame, line), fd;

	if (n < 0)
		return n;
	if (!m->journal) {
		snprintf(path, sizeof(path), "journal/%08" PRIu64 ".jsonl", seq / SEGMENT_LINES);
		fd = openat(m->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		m->journal = fd < 0 ? NULL : fdopen(fd, "w");
		if (!m->journal)
			return -errno;
		fprintf(m->journal, "{\"format\":1,\"id\":\"" ID "\",\"segment\":%" PRIu64 "}\n",
			seq / SEGMENT_LINES);
	}
	if (m->copy && seq == (m->frames - TAIL) / 2 * 2) {
		char text[32];

		snprintf(path, sizeof(path), "journal/%08" PRIu64 ".unsorted", seq / SEGMENT_LINES);
		snprintf(text, sizeof(text), "%ld\n", ftell(m->journal));
		if (put_text(m, path, text) < 0)
			return -EIO;
	}
	return fwrite(line, 1, (size_t)n, m->journal) == (size_t)n ? 0 : -EIO;
}

static int close_segment(struct maker *m)
{
	int r = m->journal && fclose(m->journal) != 0 ? -EIO : 0;

	m->journal = NULL;
	return r;
}

static int put_frames(struct maker *m)
{
	int r = 0;

	for (uint64_t seq = 1; r == 0 && seq <= m->frames; seq++) {
		struct record frame = frame_of(m, seq);
		/* 2 3 become 3 2 */
		uint64_t other = m->copy && seq >= (m->frames - TAIL) / 2 * 2 ? seq ^ 1 : seq;

		if (seq % SEGMENT_LINES == 0)
			r = close_segment(m);
		if (r == 0)
			r = put_file(m, &frame);
		if (r == 0)
			r = put_line(m, other == 0 || other > m->frames ? seq : other);
	}
	return r == 0 ? close_segment(m) : r;
}

/* What pullpi remembers of a copy (pull/session/held.h). */
static int put_settled(const struct maker *m)
{
	char path[64], text[4096];
	struct stat st;
	size_t n = (size_t)snprintf(text, sizeof(text), "settled 2 " ID "\n");

	for (uint64_t i = 0; i <= m->frames / SEGMENT_LINES; i++) {
		snprintf(path, sizeof(path), "journal/%08" PRIu64 ".jsonl", i);
		if (fstatat(m->root_fd, path, &st, 0) < 0 || n > sizeof(text) - 200)
			return -EINVAL;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "segment %" PRIu64 " %lld\n", i,
			(long long)st.st_size);
	}
	snprintf(text + n, sizeof(text) - n, "range 1 %" PRIu64 "\nend\n", m->frames);
	return put_text(m, ".settled", text);
}

/* As the last writer would have left it. */
static int put_rest(struct maker *m)
{
	struct record newest = frame_of(m, m->frames);
	struct frame_name name = record_name(&newest);
	char path[FRAME_PATH_MAX], text[256];
	int r = frame_name_path(&name, path);

	if (r == 0 && symlinkat(path, m->root_fd, "latest.jpg") < 0)
		r = -errno;
	snprintf(text, sizeof(text), "%s\n", m->folder);
	if (r == 0)
		r = put_text(m, "journal/folder", text);
	snprintf(text, sizeof(text),
		"{\"format\":1,\"next\":%" PRIu64 ",\"first\":1,\"gone\":0,\"bytes\":%" PRIu64
		",\"frames\":%" PRIu64 "}\n",
		m->frames + 1, m->frames * JPEG_BYTES, m->frames);
	if (r == 0)
		r = put_text(m, "journal/retention", text);
	return r == 0 && m->copy ? put_settled(m) : r;
}

static int make(const char *path, uint64_t frames, bool copy)
{
	struct archive_options options = {
		.mode = ARCHIVE_WRITE, .id = ID, .camera = "scale", .copy = copy
	};
	struct maker m = { .frames = frames, .copy = copy };
	struct archive *archive = NULL;
	int r = archive_open(path, &options, &archive);

	archive_free(archive);
	m.root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r < 0 || m.root_fd < 0)
		return r < 0 ? r : -errno;
	m.first_us = clock_wall_us(&clock_real);
	m.first_us -= m.first_us % DAY_US + (int64_t)frames * MINUTE_US;
	memset(m.jpeg, 'x', sizeof(m.jpeg));
	memcpy(m.jpeg, "\xff\xd8", 2);
	memcpy(m.jpeg + sizeof(m.jpeg) - 2, "\xff\xd9", 2);
	r = digest_buffer(m.jpeg, sizeof(m.jpeg), m.sha256);
	if (r == 0)
		r = put_frames(&m);
	if (r == 0)
		r = put_rest(&m);
	syncfs(m.root_fd);
	close(m.root_fd);
	return r;
}

/* ---- times */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle(double *ms, int n)
{
	qsort(ms, (size_t)n, sizeof(*ms), by_size);
	return ms[n / 2];
}

static int open_once(const char *path, const char *what)
{
	struct archive_options options = { .mode = strcmp(what, "open") == 0 ? ARCHIVE_WRITE
									     : ARCHIVE_READ };
	struct retention_settings settings = { .reserve = -5 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *pruner = NULL;
	struct record record;
	int r = archive_open(path, &options, &archive);

	if (r == 0 && options.mode == ARCHIVE_WRITE)
		return pruner_new(archive, &settings, &clock_real, &pruner);
	if (r == 0 && strcmp(what, "newest") == 0)
		return archive_newest(archive, &record);
	return r == 0 ? archive_find(archive, 500, &record) : r;
}

/* The oldest day goes, as if the clock had come so far. */
static int prune_once(
	struct archive *archive, struct pruner *pruner, struct clock_fake *clock, double *ret_ms)
{
	struct pruner_removed removed;
	struct record oldest;
	uint64_t n = 0;
	double start;
	int r = archive_find(archive, pruner_totals(pruner).first, &oldest);

	if (r < 0)
		return r;
	clock->wall_us = oldest.slot_us - oldest.slot_us % DAY_US + 2 * DAY_US;
	start = now_ms();
	do {
		r = pruner_make_room(pruner, JPEG_BYTES, &removed);
		n += removed.frames;
	} while (r == 0 && removed.frames > 0);
	*ret_ms = now_ms() - start;
	if (n == 0)
		return -ENODATA;
	*ret_ms *= 1440.0 / (double)n; /* the first day begins somewhere in it */
	return r;
}

static int prune(const char *path, int *rounds, double *ms)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE };
	struct retention_settings settings = { .keep_days = 1 };
	struct clock_fake clock = clock_fake(0);
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *pruner = NULL;
	int r = archive_open(path, &options, &archive);

	if (r == 0)
		r = pruner_new(archive, &settings, &clock.clock, &pruner);
	for (int i = 0; r == 0 && i < *rounds; i++) {
		r = prune_once(archive, pruner, &clock, &ms[i]);
		if (r == -ENODATA && i > 0) {
			*rounds = i; /* there are no more days */
			r = 0;
		}
	}
	return r;
}

static int measure(const char *what, const char *path, int rounds)
{
	double ms[ROUNDS_MAX];
	int r = 0;

	if (strcmp(what, "prune") == 0)
		r = prune(path, &rounds, ms);
	for (int i = 0; r == 0 && strcmp(what, "prune") != 0 && i < rounds; i++) {
		double start = now_ms();

		r = open_once(path, what);
		ms[i] = now_ms() - start;
	}
	if (r == 0)
		printf("%.3f\n", middle(ms, rounds));
	return r;
}

static int run(int rounds, char **argv)
{
	struct rusage usage;
	double ms[ROUNDS_MAX];
	long most = 0;
	int status;

	for (int i = 0; i < rounds; i++) {
		double start = now_ms();
		pid_t pid = fork();

		if (pid == 0) {
			int null = open("/dev/null", O_RDWR);

			dup2(null, STDIN_FILENO);
			dup2(null, STDOUT_FILENO);
			execvp(argv[0], argv);
			_exit(127);
		}
		if (wait4(pid, &status, 0, &usage) != pid)
			return -errno;
		ms[i] = now_ms() - start;
		most = usage.ru_maxrss > most ? usage.ru_maxrss : most;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			return -EPROTO;
	}
	printf("%.3f %ld\n", middle(ms, rounds), most);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 3 ? atoi(argv[strcmp(argv[1], "run") == 0 ? 2 : 3]) : 0, r;

	if (argc < 4 || rounds < 1) {
		fprintf(stderr, "scale: see the head of scale.c\n");
		return 2;
	}
	if (strcmp(argv[1], "make") == 0)
		r = make(argv[2], strtoull(argv[3], NULL, 10), argc > 4);
	else if (rounds > ROUNDS_MAX)
		r = -EINVAL;
	else if (strcmp(argv[1], "run") == 0)
		r = run(rounds, argv + 3);
	else
		r = measure(argv[1], argv[2], rounds);
	if (r < 0)
		fprintf(stderr, "scale %s %s: %s\n", argv[1], argv[2], strerror(-r));
	return r < 0;
}
