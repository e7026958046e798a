/* SPDX-License-Identifier: MIT */
/*
 * The server of the wire. It answers one request after the other, in order. What a client sends
 * ahead waits in the stream's own buffers, so there is no queue of ours to limit.
 *
 * A client that neither reads nor sends must not hold a process for ever: alarm(2) with its default
 * action ends it. There is nothing to clean up in a process that only reads.
 */
#include "capture/commands/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>

#include "capture/service/status.h"
#include "common/base/json.h"
#include "common/systemd/published.h"
#include "common/thumbnail/thumbnail.h"

#define STALL_SECONDS 300 /* a write that makes no progress */
#define IDLE_SECONDS (2 * 3600) /* no request */
#define LOOK_MS 30000 /* beside inotify: file systems that other machines write do not report */
#define LOOK_BLIND_MS 1000 /* without it: a read at the end of one file */
#define WALK_BACK_MAX 1000 /* files that are not there or damaged, passed over to find the newest */

struct server {
	const struct serve_options *options;
	struct archive *archive;
	FILE *in;
};

static int send_all(struct server *s, const void *data, size_t bytes)
{
	const char *p = data;

	while (bytes) {
		size_t piece = bytes < WIRE_PIECE_BYTES ? bytes : WIRE_PIECE_BYTES;
		ssize_t n;

		alarm(STALL_SECONDS);
		n = write(s->options->out_fd, p, piece);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
		}
	}
	alarm(0);
	return 0;
}

static int send_text(struct server *s, const char *text)
{
	return send_all(s, text, strlen(text));
}

static int send_end(struct server *s)
{
	return send_text(s, ".\n");
}

static int send_error(struct server *s, enum wire_error error, const char *text)
{
	char line[LINE_MAX_BYTES + 1];
	int n = wire_error_format(error, text, line);

	return n < 0 ? n : send_all(s, line, (size_t)n);
}

static int send_greeting(struct server *s)
{
	struct wire_greeting greeting = { .schedule = wire_schedule_none };
	struct journal *journal = archive_journal(s->archive);
	char line[LINE_MAX_BYTES + 1];
	int n;

	snprintf(greeting.id, sizeof greeting.id, "%s", archive_id(s->archive));
	snprintf(greeting.camera, sizeof greeting.camera, "%s", archive_camera(s->archive));
	greeting.schedule.now_us = clock_wall_us(&clock_real);
	if (s->options->schedule)
		greeting.schedule = status_schedule(
			archive_path(s->archive), s->options->schedule, greeting.schedule.now_us);
	n = journal_first(journal, &greeting.first);
	if (n == 0)
		n = journal_last(journal, &greeting.last);
	if (n == 0)
		n = wire_greeting_format(&greeting, line);
	return n < 0 ? n : send_all(s, line, (size_t)n);
}

/* The bytes of an open frame file; from here on a failure cannot be answered in order any more. */
static int send_file(struct server *s, int fd, int64_t offset, int64_t bytes)
{
	char piece[WIRE_PIECE_BYTES];

	while (offset < bytes) {
		int64_t left = bytes - offset;
		ssize_t n = fs_read_at(fd, piece,
			left < (int64_t)sizeof piece ? (size_t)left : sizeof piece, offset);
		int r;

		if (n <= 0)
			return -EBADMSG;
		r = send_all(s, piece, (size_t)n);
		if (r < 0)
			return r;
		offset += n;
	}
	return 0;
}

/* 0: the file holds what was journalled. -EBADMSG, and what keeps it from being read. */
static int check_frame(struct server *s, const struct record *frame)
{
	uint8_t sha256[SHA256_BYTES];
	CLEANUP_FD int fd = -1;
	int64_t bytes;
	int r = archive_open_frame(s->archive, frame, &fd);

	if (r == 0)
		r = digest_fd(fd, sha256, &bytes);
	if (r < 0)
		return r;
	return memcmp(sha256, frame->sha256, SHA256_BYTES) == 0 ? 0 : -EBADMSG;
}

static int refuse_frame(struct server *s, int error)
{
	char text[TEXT_MAX];

	if (error == -ENOENT)
		return send_error(s, WIRE_ERROR_PRUNED, "the frame is not stored any more");
	snprintf(text, sizeof(text), "the frame's file %s%s",
		error == -EBADMSG ? "is damaged" : "cannot be read: ",
		error == -EBADMSG ? "" : strerror(-error));
	return send_error(s, WIRE_ERROR_FAILED, text);
}

static int send_frame(struct server *s, const struct record *frame, uint64_t offset)
{
	char line[LINE_MAX_BYTES + 1];
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(s->archive, frame, &fd);

	/* whoever wants no byte of it asks whether it is whole */
	if (r == 0 && offset == (uint64_t)frame->bytes)
		r = check_frame(s, frame);
	if (r < 0)
		return refuse_frame(s, r);
	if (offset > (uint64_t)frame->bytes)
		return send_error(
			s, WIRE_ERROR_BAD_REQUEST, "the offset is past the end of the frame");
	posix_fadvise(fd, (off_t)offset, 0, POSIX_FADV_SEQUENTIAL);
	r = record_format(frame, line);
	if (r >= 0)
		r = send_all(s, line, (size_t)r);
	return r < 0 ? r : send_file(s, fd, (int64_t)offset, frame->bytes);
}

/*
 * Finds the newest frame whose file is whole: a person may have deleted the last ones, or edited
 * them.
 */
static int newest_present(struct server *s, uint64_t newer_than, struct record *ret)
{
	struct record frame;
	int r = archive_newest(s->archive, &frame);

	for (int i = 0; r == 0 && i < WALK_BACK_MAX && frame.seq > newer_than; i++) {
		if (frame.type == RECORD_FRAME && check_frame(s, &frame) == 0) {
			*ret = frame;
			return 0;
		}
		if (frame.seq <= 1)
			break;
		r = archive_find(s->archive, frame.seq - 1, &frame);
	}
	return r < 0 && r != -ENOENT ? r : -ENOENT;
}

/* The facts, and the thumbnail where the frame has one that is small. */
static int send_preview(struct server *s, const struct record *frame)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	char line[LINE_MAX_BYTES + 1];
	CLEANUP_FD int fd = -1;
	size_t bytes = 0;
	int r = archive_open_frame(s->archive, frame, &fd);

	if (r < 0)
		return refuse_frame(s, r);
	if (thumbnail_read(fd, &jpeg, &bytes) < 0 || bytes > PREVIEW_BYTES_MAX)
		bytes = 0;
	r = wire_preview_format(frame, bytes, line);
	if (r < 0)
		return send_error(s, WIRE_ERROR_FAILED, "its line is too long");
	r = send_all(s, line, (size_t)r);
	return r < 0 ? r : send_all(s, jpeg, bytes);
}

static int serve_frame(struct server *s, const struct wire_request *request)
{
	struct record frame;
	int r = archive_find(s->archive, request->seq, &frame);

	if (r < 0 && r != -ENOENT)
		return send_error(s, WIRE_ERROR_FAILED, "the journal cannot be read");
	if (r < 0 || frame.type != RECORD_FRAME)
		return send_error(s, WIRE_ERROR_UNKNOWN, "there is no frame of that number");
	return request->verb == WIRE_PREVIEW ? send_preview(s, &frame)
					     : send_frame(s, &frame, request->offset);
}

static int serve_list(struct server *s, const struct wire_request *request)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	size_t len = 0;
	uint64_t seq;
	int r = journal_seek(archive_journal(s->archive), request->seq, &cursor);

	if (r < 0)
		return send_error(s, WIRE_ERROR_FAILED, "the journal cannot be read");
	for (uint64_t i = 0; i < request->count; i++) {
		struct record record;

		r = journal_cursor_next(cursor, &line, &len, &seq);
		if (r <= 0)
			break;
		/* what is no record would only make the client give up */
		if (record_parse(line, len, &record) < 0)
			continue;
		r = send_all(s, line, len);
		if (r == 0)
			r = send_text(s, "\n");
		if (r < 0)
			return r;
	}
	return send_end(s);
}

static bool client_gone(struct server *s)
{
	struct pollfd out = { .fd = s->options->out_fd };

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP | POLLNVAL);
}

/*
 * Waits for a change in the journal folder, the time to look at it, the client's end, or the
 * deadline.
 */
static int wait_change(struct server *s, int inotify_fd, int64_t left_ms)
{
	const int64_t look_ms = inotify_fd < 0 ? LOOK_BLIND_MS : LOOK_MS;
	struct pollfd fds[2] = { { .fd = inotify_fd, .events = POLLIN },
		{ .fd = s->options->out_fd } };
	char events[4096];

	if (poll(fds, 2, (int)(left_ms < look_ms ? left_ms : look_ms)) < 0 && errno != EINTR)
		return -errno;
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		return -EPIPE;
	while (read(inotify_fd, events, sizeof events) > 0)
		continue;
	return 0;
}

/* -1 where the user has no instance or watch left (fs.inotify.*), or the kernel none at all. */
static int watch_journal(struct server *s)
{
	CLEANUP_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d/journal", archive_root_fd(s->archive));
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* Whether a frame was journalled since the cursor was here last: 1, 0 none, -errno. */
static int frames_since(struct journal_cursor *cursor)
{
	const char *line;
	size_t len = 0;
	uint64_t seq;
	int r, any = 0;

	while ((r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		struct record record;

		if (record_parse(line, len, &record) == 0 && record.type == RECORD_FRAME)
			any = 1;
	}
	return r < 0 ? r : any;
}

/*
 * Finds the newest frame as soon as it is newer than the request's: `latest` looks once, `wait`
 * until its time is over. The journal is searched once; after that only what is appended to it is
 * read.
 */
static int find_newer(struct server *s, const struct wire_request *request, struct record *ret)
{
	int64_t end_ns = clock_mono_ns(&clock_real) + (int64_t)request->seconds * NS_PER_SEC;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	/* first: what comes from here on is seen */
	CLEANUP_FD int fd = request->seconds > 0 ? watch_journal(s) : -1;
	uint64_t last = 0;
	int r = journal_last(archive_journal(s->archive), &last), any = 1;

	if (r == 0)
		r = journal_seek(archive_journal(s->archive), last + 1, &cursor);
	if (r < 0)
		return r;
	for (;;) {
		int64_t left_ms;

		r = any ? newest_present(s, request->seq, ret) : -ENOENT;
		if (r != -ENOENT)
			return r;
		left_ms = (end_ns - clock_mono_ns(&clock_real)) / 1000000;
		if (left_ms <= 0)
			return -ENOENT;
		r = wait_change(s, fd, left_ms);
		any = r < 0 ? r : frames_since(cursor);
		if (any < 0)
			return any;
	}
}

static int serve_newest(struct server *s, const struct wire_request *request)
{
	struct record frame;
	int r = find_newer(s, request, &frame);

	if (r == -EPIPE)
		return r;
	if (r == -ENOENT)
		return send_end(s);
	return r < 0 ? send_error(s, WIRE_ERROR_FAILED, "the journal cannot be read")
		     : send_frame(s, &frame, 0);
}

static int serve_status(struct server *s)
{
	struct json_object *o;
	char line[LINE_MAX_BYTES + 1];
	int n = sizeof line;

	if (s->options->schedule) {
		o = status_object(s->archive, s->options->schedule);
		n = snprintf(line, sizeof line, "%s\n", json_text(o));
		json_object_put(o);
	}
	if (n >= (int)sizeof line)
		return send_error(s, WIRE_ERROR_FAILED, "the status cannot be read");
	return send_all(s, line, (size_t)n);
}

static int serve_help(struct server *s)
{
	return send_text(s,
		"# latest [SEQ]        the newest frame: a line of JSON, then its bytes\n"
		"# frame SEQ [OFFSET]  one frame\n"
		"# preview SEQ         its facts and its thumbnail\n"
		"# list FROM [COUNT]   journal lines\n"
		"# wait SEQ SECONDS    latest SEQ, as soon as there is one\n"
		"# status              health as JSON\n"
		"# quit\n"
		".\n");
}

static int serve_request(struct server *s, const struct wire_request *request)
{
	switch (request->verb) {
	case WIRE_LATEST:
	case WIRE_WAIT:
		return serve_newest(s, request);
	case WIRE_FRAME:
	case WIRE_PREVIEW:
		return serve_frame(s, request);
	case WIRE_LIST:
		return serve_list(s, request);
	case WIRE_ACK:
		return send_end(s);
	case WIRE_STATUS:
		return serve_status(s);
	case WIRE_HELP:
		return serve_help(s);
	case WIRE_QUIT:
		break;
	}
	return 1;
}

/* 1 ends the session. */
static int serve_line(struct server *s, const char *line, size_t len)
{
	struct wire_request request;
	const char *text = "";
	int r = wire_request_parse(line, len, &request, &text);

	return r < 0 ? send_error(s, WIRE_ERROR_BAD_REQUEST, text) : serve_request(s, &request);
}

static int refuse_line(struct server *s)
{
	send_error(s, WIRE_ERROR_BAD_REQUEST, "the request line is too long");
	return -E2BIG;
}

/* The length of the next line, without its newline; -ENODATA at the end of input; -errno. */
static int read_line(struct server *s, char line[static REQUEST_LINE_MAX])
{
	int n = 0, c;

	alarm(IDLE_SECONDS);
	while ((c = getc(s->in)) != EOF && c != '\n' && n < REQUEST_LINE_MAX)
		line[n++] = (char)c;
	alarm(0);
	if (n == REQUEST_LINE_MAX)
		return refuse_line(s);
	if (ferror(s->in))
		return -EIO;
	return c == EOF && n == 0 ? -ENODATA : n;
}

static int serve_requests(struct server *s)
{
	char line[REQUEST_LINE_MAX];
	int r;

	do {
		int n = read_line(s, line);

		if (n < 0)
			return n;
		r = serve_line(s, line, (size_t)n);
		if (r == 0 && client_gone(s))
			r = -EPIPE;
	} while (r == 0);
	return r;
}

int serve_client(const struct serve_options *options)
{
	CLEANUP_FILE FILE *in = fdopen(dup(options->in_fd), "r");
	struct server s = { .options = options, .archive = options->archive, .in = in };
	const char *first = options->first_request;
	int r = in ? send_greeting(&s) : -errno;

	if (r == 0 && first && *first)
		r = strlen(first) < REQUEST_LINE_MAX ? serve_line(&s, first, strlen(first))
						     : refuse_line(&s);
	if (r == 0)
		r = serve_requests(&s);
	return r == -ENODATA || r > 0 ? 0 : r;
}

/* ---- how many serve one client ---- */

/* Byte N of the file is locked by the process that has the place N: the kernel knows its pid. */
static int slot_lock(int fd, int place, int command, pid_t *ret_pid)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place, .l_len = 1
	};

	if (fcntl(fd, command, &lock) < 0)
		return -errno;
	*ret_pid = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
	return 0;
}

/* Ends the process that has the place, if it still has it. */
static void slot_end(int fd, int place)
{
	pid_t pid = 0, again = 0;
	CLEANUP_FD int pidfd = -1;

	if (slot_lock(fd, place, F_GETLK, &pid) < 0 || pid <= 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* the process of the fd has it: its number was not used again before */
	if (pidfd >= 0 && slot_lock(fd, place, F_GETLK, &again) == 0 && again == pid)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
}

/* Takes the place whose process began first from it. */
static int slot_take_over(int fd, const int64_t *began_ns, int *ret_place)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	pid_t pid;
	int oldest = 0;

	for (int i = 1; i < SERVE_PROCESSES_MAX; i++)
		if (began_ns[i] < began_ns[oldest])
			oldest = i;
	slot_end(fd, oldest);
	for (int i = 0; i < 100; i++) {
		if (slot_lock(fd, oldest, F_SETLK, &pid) == 0) {
			*ret_place = oldest;
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

int serve_count(const char *client)
{
	CLEANUP_FD int folder = -1, fd = -1;
	int64_t began_ns[SERVE_PROCESSES_MAX] = { 0 };
	char name[SHA256_HEX + 16] = "serve-", hex[SHA256_HEX + 1];
	uint8_t sha256[SHA256_BYTES];
	int place = 0, r = digest_buffer(client, strlen(client), sha256);
	pid_t pid;

	if (r == 0)
		r = published_folder(true, &folder);
	if (r < 0)
		return r;
	digest_hex(sha256, hex);
	strcat(name, hex);
	fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (place < SERVE_PROCESSES_MAX && slot_lock(fd, place, F_SETLK, &pid) < 0)
		place++;
	if (place == SERVE_PROCESSES_MAX) {
		if (fs_read_at(fd, began_ns, sizeof began_ns, 0) < 0)
			return -errno;
		r = slot_take_over(fd, began_ns, &place);
	}
	if (r < 0)
		return r;
	began_ns[0] = clock_mono_ns(&clock_real);
	if (pwrite(fd, began_ns, sizeof *began_ns, place * (off_t)sizeof *began_ns) < 0)
		errno = 0; /* a full /run: then another one goes first */
	fd = -1; /* stays open: closing it would give the place up */
	return 0;
}

/* ---- the request of a forced command ---- */

static const char *next_word(const char *p, size_t *ret_len)
{
	p += strspn(p, " \t");
	*ret_len = strcspn(p, " \t");
	return p;
}

const char *serve_first_request(const char *command)
{
	static const char program[] = "capturepi";
	size_t len = 0;
	const char *word = next_word(command, &len);
	size_t name = sizeof program - 1;

	if (len < name || strncmp(word + len - name, program, name) != 0 ||
		(len > name && word[len - name - 1] != '/'))
		return command;
	word = next_word(word + len, &len);
	if (len != 5 || strncmp(word, "serve", 5) != 0)
		return command;
	return next_word(word + len, &len);
}
