/* SPDX-License-Identifier: MIT */
/*
 * All that a client may send to `capturepi serve` in one session, with a small archive behind it:
 * the server comes to an end, what it says is what the wire knows and no more than what was asked
 * for, and the archive is as it was, byte for byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/commands/serve.h"
#include "common/base/util.h"
#include "common/wire/wire.h"
#include "tests/fuzz/fuzz.h"

#define FRAMES 4
#define FRAME_BYTES 8
#define ANSWER_MAX 4096 /* to one request: all lines of the archive, or the help */

static struct archive *reader;
static uint64_t archive_hash; /* of all that is there */
static char folder[] = "/dev/shm/capturepi-fuzz-XXXXXX";

static int take_away(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static uint64_t hash_now;

static void hash_add(const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < bytes; i++)
		hash_now = (hash_now ^ p[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

static int hash_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	char data[4096];
	ssize_t n = 0;
	int fd = flag == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	(void)ftw;
	hash_add(path, strlen(path));
	hash_add(&st->st_mtim, sizeof st->st_mtim);
	while (fd >= 0 && (n = read(fd, data, sizeof data)) > 0)
		hash_add(data, (size_t)n);
	if (fd >= 0)
		close(fd);
	return n < 0;
}

static uint64_t hash_archive(void)
{
	hash_now = UINT64_C(14695981039346656037);
	MUST(nftw(folder, hash_file, 16, FTW_PHYS) == 0);
	return hash_now;
}

static void end_archive(void)
{
	archive_free(reader);
	nftw(folder, take_away, 16, FTW_PHYS | FTW_DEPTH);
}

static void make_archive(void)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden" };
	struct record miss = record_new(RECORD_MISS);
	struct archive *writer;

	MUST(mkdtemp(folder) && archive_open(folder, &options, &writer) == 0);
	atexit(end_archive);
	for (int i = 1; i <= FRAMES; i++) {
		struct record frame = record_new(RECORD_FRAME);
		uint8_t jpeg[FRAME_BYTES] = { 0xff, 0xd8, 1, 2, 3, (uint8_t)i, 0xff, 0xd9 };

		frame.slot_us = INT64_C(1795000000) * US_PER_SEC + i * US_PER_SEC;
		MUST(archive_publish(writer, &frame, jpeg, sizeof jpeg) == 0);
	}
	miss.slot_us = miss.last_us = INT64_C(1795000009) * US_PER_SEC;
	MUST(archive_note(writer, &miss) == 0);
	archive_free(writer);
	options.mode = ARCHIVE_READ;
	MUST(archive_open(folder, &options, &reader) == 0);
	archive_hash = hash_archive();
}

/* A wait takes as long as it says: none of those here. */
static bool waits(const char *data, size_t size)
{
	while (size > 0) {
		const char *end = memchr(data, '\n', size), *text;
		size_t len = end ? (size_t)(end - data) : size;
		struct wire_request request;

		if (wire_request_parse(data, len, &request, &text) == 0 &&
			request.verb == WIRE_WAIT && request.seconds > 0)
			return true;
		len += end != NULL;
		data += len;
		size -= len;
	}
	return false;
}

static int memory_file(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Every line is one of the wire's, and a frame's bytes follow its record. */
static void check_answers(const char *p, size_t left)
{
	static const char status[] = "{\"camera\":\"garden\",\"archive\":";
	bool greeting = true;

	while (left > 0) {
		const char *end = memchr(p, '\n', left);
		size_t len = end ? (size_t)(end - p) : left;
		struct wire_greeting first;
		struct wire_reply reply;

		MUST(end);
		if (greeting)
			MUST(wire_greeting_parse(p, len, &first) == 0);
		else if (len < sizeof status || memcmp(p, status, sizeof status - 1) != 0)
			MUST(wire_reply_parse(p, len, &reply) == 0);
		greeting = false;
		p += len + 1;
		left -= len + 1;
		/* with all of its bytes, or from an offset, or as a line of a list */
		while (left > 0 && *p != '{' && *p != '.' && *p != '#') {
			p++;
			left--;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *requests = fuzz_copy(data, size);
	CLEANUP_FREE char *answers = NULL;
	static const struct schedule_settings schedule = { .days = 0x7f };
	struct serve_options options = { .schedule = &schedule };
	off_t n, most = 2 * ANSWER_MAX;
	int r;

	if (!reader)
		make_archive();
	if (waits(requests, size))
		return 0;
	options.archive = reader;
	options.in_fd = memory_file(requests, size);
	options.out_fd = memory_file("", 0);
	r = serve_client(&options);
	MUST(r == 0 || r == -E2BIG);
	n = lseek(options.out_fd, 0, SEEK_END);
	for (size_t i = 0; i < size; i++)
		most += requests[i] == '\n' ? ANSWER_MAX : 0;
	MUST(n > 0 && n < most);
	MUST(hash_archive() == archive_hash);
	answers = malloc((size_t)n);
	MUST(answers && pread(options.out_fd, answers, (size_t)n, 0) == n);
	check_answers(answers, (size_t)n);
	close(options.in_fd);
	close(options.out_fd);
	return 0;
}
