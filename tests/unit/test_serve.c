/* SPDX-License-Identifier: MIT */
/*
 * The camera's end of the wire, driven as a client and as a person would, hostile input included.
 */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "capture/commands/serve.h"
#include "capture/picture/exif.h"
#include "common/wire/wire.h"

static const int64_t base = INT64_C(1795000000) * US_PER_SEC;

/* The C library's, unless the user's instances or watches are said to be used up. */
static int no_instance, no_watch;

int inotify_init1(int flags)
{
	errno = no_instance;
	return no_instance ? -1 : (int)syscall(SYS_inotify_init1, flags);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	errno = no_watch;
	return no_watch ? -1 : (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

struct fixture {
	char folder[64];
	struct archive *writer, *reader;
	bool empty; /* at first */
};

static size_t make_jpeg(uint8_t *jpeg, size_t bytes, int fill)
{
	memset(jpeg, fill, bytes);
	memcpy(jpeg, "\xff\xd8", 2);
	memcpy(jpeg + bytes - 2, "\xff\xd9", 2);
	return bytes;
}

static void publish(struct fixture *f, int i)
{
	struct record record = record_new(RECORD_FRAME);
	uint8_t jpeg[3000];

	record.slot_us = record.exposed_us = base + i * 60 * US_PER_SEC;
	record.late_us = 0;
	record.synced = true;
	CHECK_INT(
		archive_publish(f->writer, &record, jpeg, make_jpeg(jpeg, 1000 + (size_t)i, i)), 0);
}

/* Frames 1 and 2, a miss 3, frames 4 and 5. */
static void begin(struct fixture *f)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden" };
	struct record miss = record_new(RECORD_MISS);

	f->empty = false;
	test_make_folder(f->folder);
	CHECK_INT(archive_open(f->folder, &options, &f->writer), 0);
	publish(f, 1);
	publish(f, 2);
	miss.slot_us = miss.last_us = base + 3 * 60 * US_PER_SEC;
	miss.cause = MISS_CAMERA;
	CHECK_INT(archive_note(f->writer, &miss), 0);
	publish(f, 4);
	publish(f, 5);
	options.mode = ARCHIVE_READ;
	CHECK_INT(archive_open(f->folder, &options, &f->reader), 0);
}

static void end(struct fixture *f)
{
	archive_free(f->reader);
	archive_free(f->writer);
	test_remove_folder(f->folder);
}

/* Slots on whole minutes. */
static const struct schedule_settings minutes = { .every_us = 60 * US_PER_SEC, .days = 0x7f };

/* The greeting and the two slots around now, with no service running. */
static void check_greeting(const struct fixture *f, const char *line, size_t len)
{
	struct wire_greeting greeting = { 0 };
	const struct wire_schedule *slots = &greeting.schedule;

	CHECK_INT(wire_greeting_parse(line, len, &greeting), 0);
	CHECK_STR(greeting.camera, "garden");
	CHECK_INT(greeting.first, !f->empty);
	CHECK((greeting.last > 0) == !f->empty);
	CHECK(llabs(slots->now_us - clock_wall_us(&clock_real)) < 60 * US_PER_SEC);
	CHECK(slots->due_us % minutes.every_us == 0 && slots->due_us <= slots->now_us);
	CHECK(slots->next_us % minutes.every_us == 0 && slots->next_us > slots->now_us);
	CHECK(slots->next_us - slots->due_us <= 2 * minutes.every_us);
	CHECK_INT(slots->running, WIRE_STOPPED);
}

struct session {
	struct serve_options options;
	int result;
};

static void *session_run(void *data)
{
	struct session *s = data;

	s->result = serve_client(&s->options);
	close(s->options.out_fd);
	return NULL;
}

/* Everything the server says to `requests`, the greeting left out; its result in *ret. */
static size_t talk(struct fixture *f, const char *first, const void *requests, size_t bytes,
	char *buf, size_t size, int *ret)
{
	int up[2], down[2];
	struct session session;
	pthread_t thread;
	size_t n = 0;
	ssize_t got;
	char *greeting_end;

	CHECK(pipe2(up, O_CLOEXEC) == 0 && pipe2(down, O_CLOEXEC) == 0);
	session.options = (struct serve_options){ .archive = f->reader,
		.in_fd = up[0],
		.out_fd = down[1],
		.first_request = first,
		.schedule = &minutes };
	pthread_create(&thread, NULL, session_run, &session);
	CHECK(write(up[1], requests, bytes) == (ssize_t)bytes);
	close(up[1]);
	while (n < size - 1 && (got = read(down[0], buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	pthread_join(thread, NULL);
	close(up[0]);
	close(down[0]);
	*ret = session.result;
	buf[n] = 0;
	greeting_end = memchr(buf, '\n', n);
	if (!CHECK(greeting_end != NULL))
		return 0;
	check_greeting(f, buf, (size_t)(greeting_end - buf));
	n -= (size_t)(greeting_end + 1 - buf);
	memmove(buf, greeting_end + 1, n + 1);
	return n;
}

/* The answer begins with frame `seq` and its bytes from `offset`; returns what follows it. */
static char *check_frame(char *answer, uint64_t seq, size_t offset)
{
	char *line_end = strchr(answer, '\n');
	struct record record;
	uint8_t jpeg[3000];
	size_t bytes;

	if (!CHECK(line_end != NULL) ||
		!CHECK(record_parse(answer, (size_t)(line_end - answer), &record) == 0))
		return answer;
	CHECK_INT(record.seq, seq);
	CHECK_INT(record.type, RECORD_FRAME);
	bytes = make_jpeg(jpeg, (size_t)record.bytes, (int)(record.bytes - 1000));
	CHECK(memcmp(line_end + 1, jpeg + offset, bytes - offset) == 0);
	return line_end + 1 + (bytes - offset);
}

/* The facts of frame 6, which has a thumbnail, of frame 5, which has none, and of no others. */
TEST(previews)
{
	static const uint8_t thumb[] = { 0xff, 0xd8, 1, 2, 3, 0xff, 0xd9 };
	const struct exif_facts facts = { .time_us = base,
		.width = 64,
		.height = 48,
		.software = "capturepi",
		.thumb = thumb,
		.thumb_bytes = sizeof thumb };
	struct record record = record_new(RECORD_FRAME);
	static const char asked[] = "preview 6\npreview 5\npreview 3\npreview 99\npreview\n";
	uint8_t jpeg[4096] = { 0xff, 0xd8, 0xff, 0xe1 }, *block = NULL;
	struct fixture f;
	struct wire_reply reply;
	char buf[8192], *line;
	size_t bytes = 0;
	int r;

	begin(&f);
	CHECK_INT(exif_build(&facts, &block, &bytes), 0);
	jpeg[4] = (uint8_t)((bytes + 2) >> 8);
	jpeg[5] = (uint8_t)(bytes + 2);
	memcpy(jpeg + 6, block, bytes);
	memcpy(jpeg + 6 + bytes, "\xff\xda\0\2\xff\xd9", 6);
	free(block);
	record.slot_us = base + 6 * 60 * US_PER_SEC;
	CHECK_INT(archive_publish(f.writer, &record, jpeg, bytes + 12), 0);
	talk(&f, "", asked, sizeof asked - 1, buf, sizeof buf, &r);
	CHECK_INT(r, 0);
	line = strchr(buf, '\n');
	CHECK_INT(wire_reply_parse(buf, (size_t)(line - buf), &reply), 0);
	CHECK_INT(reply.type, WIRE_REPLY_PREVIEW);
	CHECK_INT(reply.record.seq, 6);
	CHECK_INT(reply.record.bytes, (int64_t)bytes + 12);
	CHECK_INT(reply.preview_bytes, sizeof thumb);
	CHECK(memcmp(line + 1, thumb, sizeof thumb) == 0);
	line += 1 + sizeof thumb;
	CHECK(strstr(line, ",\"preview\":0}\n{\"error\":\"unknown\"") != NULL);
	line = strstr(line, "unknown") + 7;
	CHECK(strstr(line, "unknown") && strstr(line, "preview takes a"));
	end(&f);
}

TEST(frames_and_ends)
{
	struct fixture f;
	char buf[65536], *rest;
	int r;

	begin(&f);
	talk(&f, "latest", "latest 5\nlatest 2\nframe 1\nframe 2 700\nframe 2 1002\n", 51, buf,
		sizeof buf, &r);
	CHECK_INT(r, 0);
	rest = check_frame(buf, 5, 0);
	CHECK(strncmp(rest, ".\n", 2) == 0);
	rest = check_frame(rest + 2, 5, 0);
	rest = check_frame(rest, 1, 0);
	rest = check_frame(rest, 2, 700);
	rest = check_frame(rest, 2, 1002);
	CHECK_STR(rest, "");
	end(&f);
}

TEST(lists_tell_misses_too)
{
	struct fixture f;
	char buf[65536];
	int r;

	begin(&f);
	talk(&f, NULL, "list 3 2\n", 9, buf, sizeof buf, &r);
	CHECK(strncmp(buf, "{\"seq\":3,", 9) == 0 && strstr(buf, "\"miss\":\"camera\""));
	CHECK(strstr(buf, "{\"seq\":4,") && !strstr(buf, "{\"seq\":5,"));
	CHECK(strcmp(buf + strlen(buf) - 3, "\n.\n") == 0);
	talk(&f, NULL, "list 6\n", 7, buf, sizeof buf, &r);
	CHECK_STR(buf, ".\n");
	end(&f);
}

TEST(bad_requests_are_answered_and_end_nothing)
{
	static const char *const bad[] = { "", "frame", "frame -1", "frame x", "frame 1 2 3",
		"FRAME 1", "frame 99999999999999999999", "latest 1 2", "../../etc/passwd",
		"frame 0x1", "wait 1", "wait 1 999999999", "\xff\xfe", "list 1 -5",
		"scp -f captures", "{\"frame\":1}" };
	struct fixture f;
	char buf[65536];
	int r;

	begin(&f);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char request[256];
		int n = snprintf(request, sizeof request, "%s\nstatus\n", bad[i]);

		talk(&f, NULL, request, (size_t)n, buf, sizeof buf, &r);
		CHECK_INT(r, 0);
		CHECK(strncmp(buf, "{\"error\":\"bad-request\"", 22) == 0);
		CHECK(strstr(buf, "\n{\"camera\":\"garden\",") != NULL);
	}
	talk(&f, NULL, "frame 1\0 2\nstatus\n", 18, buf, sizeof buf, &r);
	CHECK(strncmp(buf, "{\"error\":\"bad-request\"", 22) == 0);
	end(&f);
}

TEST(what_is_not_there)
{
	static const struct {
		const char *request, *error;
	} cases[] = {
		{ "frame 3", "unknown" }, /* a miss */
		{ "frame 6", "unknown" }, /* beyond the end */
		{ "frame 999999999999", "unknown" }, /* far beyond */
		{ "frame 4 5000", "bad-request" }, /* past the end of the file */
		{ "frame 1", "pruned" }, /* deleted below */
		{ "frame 2", "failed" }, /* cut short below */
	};
	struct fixture f;
	struct record record;
	char buf[65536], path[256], frame_path[FRAME_PATH_MAX], want[64];
	struct frame_name name;
	int r;

	begin(&f);
	for (uint64_t seq = 1; seq <= 2; seq++) {
		CHECK_INT(archive_find(f.reader, seq, &record), 0);
		name = record_name(&record);
		frame_name_path(&name, frame_path);
		snprintf(path, sizeof path, "%s/%s", f.folder, frame_path);
		CHECK_INT(seq == 1 ? unlink(path) : truncate(path, 100), 0);
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char request[64];
		int n = snprintf(request, sizeof request, "%s\n", cases[i].request);

		talk(&f, NULL, request, (size_t)n, buf, sizeof buf, &r);
		snprintf(want, sizeof want, "{\"error\":\"%s\"", cases[i].error);
		if (!CHECK(strncmp(buf, want, strlen(want)) == 0))
			fprintf(stderr, "  %s: %s", cases[i].request, buf);
	}
	end(&f);
}

TEST(a_line_without_end_is_refused)
{
	struct fixture f;
	char buf[65536], request[1000];
	int r;

	begin(&f);
	memset(request, 'a', sizeof request);
	talk(&f, NULL, request, sizeof request, buf, sizeof buf, &r);
	CHECK_INT(r, -E2BIG);
	CHECK(strncmp(buf, "{\"error\":\"bad-request\"", 22) == 0);
	request[sizeof request - 1] = 0;
	talk(&f, request, "", 0, buf, sizeof buf, &r);
	CHECK_INT(r, -E2BIG);
	end(&f);
}

TEST(the_newest_is_the_newest_that_is_there)
{
	struct fixture f;
	struct record record;
	char buf[65536], path[256], frame_path[FRAME_PATH_MAX];
	struct frame_name name;
	int r;

	begin(&f);
	CHECK_INT(archive_find(f.reader, 5, &record), 0);
	name = record_name(&record);
	frame_name_path(&name, frame_path);
	snprintf(path, sizeof path, "%s/%s", f.folder, frame_path);
	CHECK_INT(unlink(path), 0);
	talk(&f, NULL, "latest\n", 7, buf, sizeof buf, &r);
	CHECK_STR(check_frame(buf, 4, 0), "");
	talk(&f, NULL, "latest 4\n", 9, buf, sizeof buf, &r);
	CHECK_STR(buf, ".\n");
	end(&f);
}

/* Clients before 0.2.0 say what is safe with them; they have to go on, and nothing is written. */
TEST(an_old_clients_ack_changes_nothing)
{
	struct fixture f;
	char buf[65536], path[80];
	int r;

	begin(&f);
	talk(&f, "ack 3", "ack 4\nack 2\nack 999999999999\n", 29, buf, sizeof buf, &r);
	CHECK_STR(buf, ".\n.\n.\n.\n");
	CHECK_INT(r, 0);
	snprintf(path, sizeof path, "%s/acks", f.folder);
	CHECK_INT(access(path, F_OK), -1);
	end(&f);
}

static void note_miss(struct fixture *f)
{
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = miss.last_us = base + 5 * 60 * US_PER_SEC + 1;
	miss.cause = MISS_CAMERA;
	CHECK_INT(archive_note(f->writer, &miss), 0);
}

static void *publish_later(void *data)
{
	usleep(100000);
	note_miss(data);
	usleep(20000);
	publish(data, 7);
	return NULL;
}

static void waits_for(struct fixture *f, uint64_t after, uint64_t seq)
{
	char buf[65536], line[REQUEST_LINE_MAX];
	pthread_t thread;
	int r, n = snprintf(line, sizeof line, "wait %llu 20\n", (unsigned long long)after);

	pthread_create(&thread, NULL, publish_later, f);
	talk(f, NULL, line, (size_t)n, buf, sizeof buf, &r);
	CHECK_STR(check_frame(buf, seq, 0), "");
	pthread_join(thread, NULL);
}

TEST(wait_answers_when_a_frame_is_stored)
{
	struct fixture f;
	char buf[65536];
	int r;

	begin(&f);
	talk(&f, NULL, "wait 5 0\n", 9, buf, sizeof buf, &r);
	CHECK_STR(buf, ".\n");
	/* the newest of several, so that the client is live again at once */
	talk(&f, NULL, "wait 2 0\n", 9, buf, sizeof buf, &r);
	CHECK_STR(check_frame(buf, 5, 0), "");
	waits_for(&f, 5, 7);
	talk(&f, NULL, "wait 7 0\n", 9, buf, sizeof buf, &r);
	CHECK_STR(buf, ".\n");
	end(&f);
}

TEST(wait_without_inotify)
{
	static const struct {
		int instance, watch;
	} cases[] = { { EMFILE, 0 }, { ENFILE, 0 }, { ENOSYS, 0 }, { 0, ENOSPC }, { 0, ENOMEM } };
	struct fixture f;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(&f);
		no_instance = cases[i].instance;
		no_watch = cases[i].watch;
		waits_for(&f, 5, 7);
		no_instance = no_watch = 0;
		end(&f);
	}
}

TEST(wait_for_the_first_frame)
{
	struct fixture f = { .empty = true };
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden" };

	test_make_folder(f.folder);
	CHECK_INT(archive_open(f.folder, &options, &f.writer), 0);
	options.mode = ARCHIVE_READ;
	CHECK_INT(archive_open(f.folder, &options, &f.reader), 0);
	waits_for(&f, 0, 2);
	end(&f);
}

TEST(the_request_in_the_exec_string)
{
	static const char *const cases[][2] = {
		{ "capturepi serve latest 12", "latest 12" },
		{ "/usr/bin/capturepi serve latest", "latest" },
		{ "capturepi serve", "" },
		{ "  capturepi   serve   list 1", "list 1" },
		{ "latest 12", "latest 12" },
		{ "capturepi status", "capturepi status" },
		{ "mycapturepi serve latest", "mycapturepi serve latest" },
		{ "capturepi server", "capturepi server" },
		{ "", "" },
		{ "scp -f x; capturepi serve", "scp -f x; capturepi serve" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_STR(serve_first_request(cases[i][0]), cases[i][1]);
}

/* 12 of one client at once: 8 stay, those that came last; another client has places of its own. */
TEST(eight_processes_a_client)
{
	char folder[64];
	pid_t pids[12];
	int ready[2], living = 0;
	char byte;

	test_make_folder(folder);
	setenv("RUNTIME_DIRECTORY", folder, 1);
	CHECK_INT(pipe(ready), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			const int r = serve_count("thief");

			if (write(ready[1], "", 1) != 1 || r < 0)
				_exit(1);
			pause();
		}
		CHECK_INT(read(ready[0], &byte, 1), 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		const bool lives = waitpid(pids[i], NULL, WNOHANG) == 0;

		CHECK(lives == (i >= ARRAY_SIZE(pids) - SERVE_PROCESSES_MAX));
		living += lives;
	}
	CHECK_INT(living, SERVE_PROCESSES_MAX);
	CHECK_INT(serve_count("pullpi"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		if (waitpid(pids[i], NULL, WNOHANG) == 0) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	}
	unsetenv("RUNTIME_DIRECTORY");
	test_remove_folder(folder);
}
