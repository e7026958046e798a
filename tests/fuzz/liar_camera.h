/* SPDX-License-Identifier: MIT */
/*
 * The cameras of fuzz_liar.c: what is true of them, how the input makes one of them lie, and the
 * stream on which they speak. Time is made here, so that silence takes none.
 */
#pragma once

#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/digest.h"
#include "common/base/util.h"
#include "common/commands/cli.h"
#include "common/wire/wire.h"
#include "pull/session/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/stream_kit.h"

#define HOUR_US (INT64_C(3600) * US_PER_SEC)
#define DAY_US (24 * HOUR_US)
#define ANSWER_BYTES (1024 * 1024) /* of all answers on one connection */
#define PICTURE_BYTES 96
#define MEMORY_MAX (32L * 1024 * 1024)
#define FORKS_MAX 8
#define LAST_MAX 200 /* the lines of a camera that tells the truth */
#define LIAR_ID "0b5c6a3e-7f60-4c1d-9a55-1f1f6f3b9f10"

/* ---- the input: after its end all is true */

static struct {
	const uint8_t *data;
	size_t left;
} input;

/* ---- how many answers, acts of the owner, jumps of the clock; $FUZZ_STEPS are the most */

static uint64_t steps, steps_told;

static void steps_tell(void)
{
	steps_told = steps;
	if (getenv("FUZZ_STEPS"))
		fprintf(stderr, "steps: %llu\n", (unsigned long long)steps);
}

static void steps_count(void)
{
	const char *most = getenv("FUZZ_STEPS");

	if (!most || steps - steps_told < 100000)
		return;
	steps_tell();
	if (steps >= strtoull(most, NULL, 10))
		_exit(0);
}

static uint8_t input_next(void)
{
	if (input.left == 0)
		return 0;
	input.left--;
	return *input.data++;
}

/* ---- the clock; common/base/clock.c is made again over it */

static int64_t time_start_us, time_passed_ns, time_wall_moved_us;

static int64_t time_now_us(void)
{
	return time_start_us + time_wall_moved_us + time_passed_ns / NS_PER_US;
}

static int time_get(clockid_t id, struct timespec *ret)
{
	const int64_t ns = id == CLOCK_REALTIME ? time_now_us() * NS_PER_US
						: time_passed_ns + 1000 * NS_PER_SEC;

	time_passed_ns += NS_PER_US;
	*ret = (struct timespec){ ns / NS_PER_SEC, ns % NS_PER_SEC };
	return 0;
}

/* The next two stand before libc's own. */
static bool inside;

int nanosleep(const struct timespec *request, struct timespec *ret)
{
	(void)ret;
	time_passed_ns += request->tv_sec * NS_PER_SEC + request->tv_nsec;
	return 0;
}

/* A frame arrives by the clock that is made here, and nothing waits for a disk. */
int fsync(int fd)
{
	const int64_t us = time_now_us();
	const struct timespec now = { us / US_PER_SEC, us % US_PER_SEC * NS_PER_US };

	if (inside && syscall(SYS_gettid) == getpid())
		futimens(fd, (struct timespec[2]){ now, now });
	return 0;
}

/* ---- the truth */

struct camera {
	struct stream stream;
	const char *name;
	bool honest;
	uint64_t last;
	struct {
		uint64_t after;
		unsigned salt;
	} forks[FORKS_MAX]; /* the last one that a number is after tells of it */
	unsigned n_forks;
	/* this connection */
	char *out; /* ANSWER_BYTES */
	size_t len, pos;
	int end; /* what a read returns when all is said: 0, or -errno; 1: silence */
	unsigned answers;
};

static unsigned camera_salt(const struct camera *camera, uint64_t seq)
{
	unsigned salt = 0;

	for (unsigned i = 0; i < camera->n_forks; i++) {
		if (seq > camera->forks[i].after)
			salt = camera->forks[i].salt;
	}
	return salt;
}

/* The frame's picture was taken before the clock was set, and is there again under seq + 4. */
static bool camera_redates(const struct camera *camera, uint64_t seq)
{
	return seq % 16 == 2 && camera->last >= seq + 4 &&
		camera_salt(camera, seq) == camera_salt(camera, seq + 4);
}

static bool camera_is_frame(uint64_t seq)
{
	return seq % 8 != 5;
}

static void camera_picture(const struct camera *camera, uint64_t seq, uint8_t ret[PICTURE_BYTES])
{
	static const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xe1, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
		0xc0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0 };
	const bool again = seq % 16 == 6 && camera_redates(camera, seq - 4);
	const uint64_t picture = again ? seq - 4 : seq;

	memset(ret, 0x5a, PICTURE_BYTES);
	memcpy(ret, head, sizeof head);
	memcpy(ret + 6, &seq, sizeof seq);
	memcpy(ret + 40, &picture, sizeof picture);
	ret[50] = (uint8_t)camera_salt(camera, seq);
	ret[51] = (uint8_t)camera->name[0];
	ret[PICTURE_BYTES - 2] = 0xff;
	ret[PICTURE_BYTES - 1] = 0xd9;
}

static struct record camera_record(const struct camera *camera, uint64_t seq)
{
	struct record record = record_new(camera_is_frame(seq) ? RECORD_FRAME : RECORD_MISS);
	uint8_t picture[PICTURE_BYTES];

	record.seq = seq;
	record.slot_us = record.last_us = time_start_us - 3 * DAY_US +
		(int64_t)(seq % SEQ_JUMP_MAX) * 60 * US_PER_SEC +
		camera_salt(camera, seq) * US_PER_SEC;
	record.cause = MISS_CAMERA;
	if (record.type != RECORD_FRAME)
		return record;
	record.exposed_us = record.slot_us + 400;
	record.late_us = 400;
	record.bytes = PICTURE_BYTES;
	record.synced = seq % 16 != 2;
	memcpy(record.boot, LIAR_ID, sizeof record.boot);
	record.up_ns = (int64_t)(seq % SEQ_JUMP_MAX) * NS_PER_SEC;
	if (seq % 16 == 6 && camera_redates(camera, seq - 4)) {
		record.was = seq - 4;
		record.up_ns -= 4 * NS_PER_SEC;
	}
	camera_picture(camera, seq, picture);
	MUST(digest_buffer(picture, sizeof picture, record.sha256) == 0);
	return record;
}

/* ---- what it says */

static void say_bytes(struct camera *camera, const void *data, size_t bytes)
{
	if (bytes > ANSWER_BYTES - camera->len)
		bytes = ANSWER_BYTES - camera->len;
	if (bytes > 0)
		memcpy(camera->out + camera->len, data, bytes);
	camera->len += bytes;
}

static void say(struct camera *camera, const char *text)
{
	say_bytes(camera, text, strlen(text));
}

static void say_record(struct camera *camera, const struct record *record)
{
	char line[LINE_MAX_BYTES + 1];
	const int n = record_format(record, line);

	say_bytes(camera, line, n > 0 ? (size_t)n : 0);
}

static void say_error(struct camera *camera, enum wire_error error, const char *text)
{
	char line[LINE_MAX_BYTES + 1];
	const int n = wire_error_format(error, text, line);

	say_bytes(camera, line, n > 0 ? (size_t)n : 0);
}

static uint64_t lie_number(const struct camera *camera)
{
	const uint8_t how = input_next();

	switch (how % 6) {
	case 0:
		return camera->last + how / 6;
	case 1:
		return SEQ_MAX - how / 6;
	case 2:
		return SEQ_JUMP_MAX + camera->last - how / 6;
	case 3:
		return SEQ_JUMP_MAX * (how / 6);
	case 4:
		return (uint64_t)how * SEGMENT_LINES;
	default:
		return how / 6;
	}
}

/* Text that a terminal would obey. */
static const char *lie_text(void)
{
	static const char *const texts[] = { "\x1b]0;owned\x07", "\xc2\x9b[2J", "\xe2\x80\xae",
		"a\nWATCHDOG_USEC=1", "\xe2\x80\x8b", "\xff\xfe", "" };

	return texts[input_next() % ARRAY_SIZE(texts)];
}

static void lie_about_line(const struct camera *camera, struct record *record, uint8_t arg)
{
	const uint64_t seq = record->seq;
	static const enum record_type types[] = { RECORD_MISS, RECORD_CLOCK, RECORD_ZONE,
		RECORD_PRUNE, RECORD_OTHER };

	*record = record_new(types[arg % ARRAY_SIZE(types)]);
	record->seq = seq;
	record->slot_us = time_now_us();
	record->last_us = record->slot_us + input_next() * HOUR_US;
	record->count = record->type == RECORD_PRUNE || arg & 8 ? lie_number(camera) : 1;
	record->before_us = record->at_us = time_now_us();
	record->after_us = time_now_us() + arg * DAY_US;
	record->from_s = 3600;
	record->first_seq = input_next();
	record->last_seq = lie_number(camera);
	record->bytes = arg;
	snprintf(record->text, sizeof record->text, "%s", lie_text());
}

static void lie_about_record(const struct camera *camera, struct record *record)
{
	const uint8_t how = input_next(), arg = input_next();

	switch (how % 12) {
	case 0:
		record->seq += arg;
		break;
	case 1:
		record->seq = lie_number(camera);
		break;
	case 2:
		record->slot_us += (arg - 128) * DAY_US;
		break;
	case 3:
		record->slot_us += (arg - 128) * 365 * DAY_US;
		break;
	case 4:
		record->bytes = arg & 1 ? FRAME_BYTES_MAX - arg / 2 : arg;
		break;
	case 5:
		record->sha256[arg % SHA256_BYTES] ^= 1;
		break;
	case 6:
		record->was = arg % (camera->last + 1);
		break;
	case 7:
		record->synced = !record->synced;
		break;
	case 8:
		record->up_ns = (int64_t)arg * arg * DAY_US;
		break;
	case 9:
		record->recovered = record->shot = true;
		break;
	default:
		lie_about_line(camera, record, arg);
		break;
	}
}

/* ---- requests and answers */

static uint64_t camera_newest(const struct camera *camera)
{
	uint64_t seq = camera->last;

	while (seq > 0 && !camera_is_frame(seq))
		seq--;
	return seq;
}

static void answer_frame(struct camera *camera, uint64_t seq, uint64_t offset, bool lie)
{
	struct record record = camera_record(camera, seq);
	uint8_t picture[PICTURE_BYTES];

	if (seq == 0 || seq > camera->last || record.type != RECORD_FRAME ||
		offset > PICTURE_BYTES) {
		say_error(camera, WIRE_ERROR_UNKNOWN, "no such frame");
		return;
	}
	if (!lie && camera_redates(camera, seq)) {
		say_error(camera, WIRE_ERROR_PRUNED, "pruned: redated");
		return;
	}
	camera_picture(camera, seq, picture);
	if (lie && (input_next() & 1)) {
		picture[input_next() % PICTURE_BYTES] ^= input_next();
		if (input_next() & 1) /* a picture that is another one, and whole */
			MUST(digest_buffer(picture, sizeof picture, record.sha256) == 0);
	} else if (lie) {
		lie_about_record(camera, &record);
	}
	say_record(camera, &record);
	say_bytes(camera, picture + offset, PICTURE_BYTES - offset);
}

static void answer_list(struct camera *camera, uint64_t from, uint64_t count, bool lie)
{
	uint64_t at = lie ? from + input_next() % 32 : 0;

	for (uint64_t seq = from; seq <= camera->last && seq - from < count; seq++) {
		struct record record = camera_record(camera, seq);

		if (lie && seq == at) {
			lie_about_record(camera, &record);
			at += 1 + input_next();
			if (record.seq % 3 == 0)
				say_record(camera, &record);
		}
		say_record(camera, &record);
	}
	if (lie && from > camera->last) {
		struct record record = camera_record(camera, from);

		lie_about_record(camera, &record);
		say_record(camera, &record);
	}
	say(camera, ".\n");
}

static void answer_newest(struct camera *camera, const struct wire_request *request, bool lie)
{
	if (request->verb == WIRE_WAIT && camera_newest(camera) <= request->seq) {
		time_passed_ns += (int64_t)request->seconds * NS_PER_SEC;
		camera->last += camera->last < LAST_MAX;
	}
	if (camera_newest(camera) > request->seq || lie)
		answer_frame(camera, camera_newest(camera), 0, lie);
	else
		say(camera, ".\n");
}

static void answer_truly(struct camera *camera, const struct wire_request *request, bool lie)
{
	switch (request->verb) {
	case WIRE_LATEST:
	case WIRE_WAIT:
		answer_newest(camera, request, lie);
		break;
	case WIRE_FRAME:
		answer_frame(camera, request->seq, request->offset, lie);
		break;
	case WIRE_LIST:
		answer_list(camera, request->seq, request->count, lie);
		break;
	default:
		say_error(camera, WIRE_ERROR_BAD_REQUEST, "what?");
		break;
	}
}

/* Something that is no answer, or a truth that was cut or bent. */
static void answer_badly(
	struct camera *camera, const struct wire_request *request, uint8_t how, size_t start)
{
	static const int ends[] = { 0, -ECONNRESET, -EPIPE, 1 };
	size_t at;

	if (how % 3 == 0) {
		say_error(camera, (enum wire_error)(input_next() % (WIRE_ERROR_FAILED + 1)),
			lie_text());
		return;
	}
	answer_truly(camera, request, false);
	at = camera->len > start ? input_next() * 256U + input_next() : 0;
	at = camera->len > start ? start + at % (camera->len - start) : start;
	if (how % 3 == 1 && at < camera->len) {
		camera->out[at] = (char)input_next();
	} else {
		camera->len = at;
		camera->end = ends[input_next() % ARRAY_SIZE(ends)];
	}
}

static void camera_answer(struct camera *camera, const char *line, size_t len)
{
	const uint8_t how = camera->honest ? 0 : input_next();
	const size_t start = camera->len;
	struct wire_request request;
	const char *text;

	MUST(wire_request_parse(line, len, &request, &text) == 0);
	steps++;
	camera->answers++;
	if (how < 128)
		answer_truly(camera, &request, false);
	else if (how < 208)
		answer_truly(camera, &request, true);
	else
		answer_badly(camera, &request, how, start);
}

static void camera_greet(struct camera *camera)
{
	const uint8_t how = camera->honest ? 0 : input_next();
	struct wire_greeting greeting = { .first = camera->last > 0,
		.last = camera->last,
		.schedule = { time_now_us(), TIME_NONE, TIME_NONE, TIME_NONE, WIRE_RUNNING } };
	char line[LINE_MAX_BYTES + 1];
	int n;

	snprintf(greeting.id, sizeof greeting.id, "%s", LIAR_ID);
	snprintf(greeting.camera, sizeof greeting.camera, "%s", camera->name);
	if (how >= 208 && how % 5 == 0)
		greeting.id[3] = 'f';
	else if (how >= 208 && how % 5 == 1)
		greeting.last = lie_number(camera);
	else if (how >= 208 && how % 5 == 2)
		greeting.first = lie_number(camera);
	else if (how >= 208 && how % 5 == 3)
		snprintf(greeting.camera, sizeof greeting.camera, "%s", lie_text());
	else if (how >= 208)
		greeting.schedule = (struct wire_schedule){ time_now_us() + input_next() * DAY_US,
			time_now_us(), time_now_us(), time_now_us() + input_next(), WIRE_STOPPED };
	n = wire_greeting_format(&greeting, line);
	say_bytes(camera, line, n > 0 ? (size_t)n : 0);
	if (how == 255)
		say(camera, "\x1b]0;greeting\n");
}

/* ---- the stream */

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static long memory_now(void)
{
	const struct mallinfo2 info = mallinfo2();

	if (__sanitizer_get_current_allocated_bytes)
		return (long)__sanitizer_get_current_allocated_bytes();
	return (long)(info.uordblks + info.hblkhd);
}

static long memory_before;

static void memory_check(void)
{
	MUST(memory_now() - memory_before < MEMORY_MAX);
}

static ssize_t camera_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct camera *camera = (struct camera *)stream;
	size_t n = camera->len - camera->pos;

	memory_check();
	time_passed_ns += NS_PER_SEC / 1000;
	if (n == 0 && camera->end != 1)
		return camera->end;
	if (n == 0) {
		const int64_t now_ns = clock_mono_ns(&clock_real);

		if (deadline_ns == INT64_MAX)
			return 0;
		time_passed_ns += deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		return -ETIMEDOUT;
	}
	n = n < bytes ? n : bytes;
	memcpy(data, camera->out + camera->pos, n);
	camera->pos += n;
	return (ssize_t)n;
}

static int camera_write(struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	struct camera *camera = (struct camera *)stream;

	(void)deadline_ns;
	MUST(bytes > 0 && ((const char *)data)[bytes - 1] == '\n');
	if (camera->end == 1) /* else it is cut off, and hears nothing */
		camera_answer(camera, data, bytes - 1);
	return 0;
}

static const struct stream_ops camera_ops = { camera_read, camera_write, stream_shut_nothing,
	stream_no_error, stream_free_nothing };

static void camera_connect(struct camera *camera, const char *command)
{
	static const char serve[] = "capturepi serve";

	if (!camera->out)
		MUST((camera->out = malloc(ANSWER_BYTES)));
	camera->stream.ops = &camera_ops;
	camera->len = camera->pos = 0;
	camera->end = 1;
	time_passed_ns += NS_PER_SEC;
	camera_greet(camera);
	MUST(strncmp(command, serve, sizeof serve - 1) == 0);
	command += sizeof serve - 1;
	if (*command)
		camera_answer(camera, command + 1, strlen(command + 1));
}
