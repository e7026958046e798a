/* SPDX-License-Identifier: MIT */
/*
 * The wire client: lines and frames out of one buffer. The peer may be broken, hostile, or a login
 * shell that greets; whatever it sends ends in a struct or in an error that says what it was.
 */
#include "pull/ssh/client.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "pull/ssh/wait.h"

struct client {
	struct stream *stream;
	struct client_options options;
	struct wire_greeting greeting;
	char *data;
	size_t start, end; /* of what was received and not used yet */
	bool ended;
	int64_t waited_ns; /* for the answer under way, since it last made progress */
	size_t came; /* in that time */
	size_t passed; /* bytes before the greeting */
	char preamble[60]; /* how they begin */
	char error[400];
};

static int client_fail(struct client *client, int r, const char *fmt, ...) PRINTF(3, 4);
static int client_fail(struct client *client, int r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text_vformat(client->error, sizeof client->error, fmt, args);
	va_end(args);
	return r;
}

static int stream_failed(struct client *client, int r, const char *what)
{
	const char *why = client->stream->ops->error(client->stream);

	if (r == -ETIMEDOUT)
		return client_fail(client, r, "%s: no answer in time", what);
	return client_fail(client, r, "%s: %s", what, *why ? why : strerror(-r));
}

/* An answer begins, or makes progress. */
static void note_progress(struct client *client)
{
	client->waited_ns = 0;
	client->came = 0;
}

static int64_t next_deadline(const struct client *client)
{
	return deadline_min(deadline_in(client->options.idle_us - client->waited_ns / NS_PER_US),
		client->options.deadline_ns);
}

/*
 * Reads more bytes into the buffer: their number, 0 at the end of the stream. What is in it is at
 * most a line, or at the front already, so moving it there is cheap. Only the time in here counts
 * against the peer: what else this side waits for is not its fault.
 */
static ssize_t client_fill_until(struct client *client, int64_t deadline_ns)
{
	int64_t start_ns;
	ssize_t n;

	assert(client->end - client->start < CLIENT_BUFFER_BYTES);
	memmove(client->data, client->data + client->start, client->end - client->start);
	client->end -= client->start;
	client->start = 0;
	if (deadline_left_us(deadline_ns) == 0)
		return -ETIMEDOUT; /* even if the peer keeps on sending */
	start_ns = clock_mono_ns(&clock_real);
	n = client->stream->ops->read(client->stream, client->data + client->end,
		CLIENT_BUFFER_BYTES - client->end, deadline_ns);
	client->waited_ns += clock_mono_ns(&clock_real) - start_ns;
	if (n > 0) {
		client->end += (size_t)n;
		client->came += (size_t)n;
	}
	if (client->came >= PROGRESS_BYTES)
		note_progress(client);
	client->ended = n == 0;
	return n;
}

static ssize_t client_fill(struct client *client)
{
	return client_fill_until(client, next_deadline(client));
}

/* The stream ended where a line was due. The remote command's last words say why. */
static int no_line(struct client *client, const char *what)
{
	const char *why = client->stream->ops->error(client->stream);
	bool within = client->end > client->start;

	return client_fail(client, -EPROTO, "%s: the other side ended %s%s%s", what,
		within ? "in the middle of a line" : "without a word", *why ? ": " : "", why);
}

/* Reads the next line without its newline; it stays valid until the next call. */
static int read_line(struct client *client, const char *what, const char **ret, size_t *ret_len)
{
	size_t looked_at = 0;

	for (;;) {
		char *line = client->data + client->start;
		size_t have = client->end - client->start;
		char *newline = memchr(line + looked_at, '\n', have - looked_at);
		ssize_t n;

		if (newline && newline - line < LINE_MAX_BYTES) {
			*ret = line;
			*ret_len = (size_t)(newline - line);
			client->start += *ret_len + 1;
			return 0;
		}
		if (newline || have >= LINE_MAX_BYTES)
			return client_fail(client, -EPROTO, "%s: a line of more than %d bytes",
				what, LINE_MAX_BYTES);
		looked_at = have;
		n = client_fill(client);
		if (n == 0)
			return no_line(client, what);
		if (n < 0)
			return stream_failed(client, (int)n, what);
	}
}

/* How a greeting begins: wire_greeting_format() writes the version first. */
static const char greeting_start[] = "{\"capturepi\":";

/* Keeps the first line of what came before the greeting. */
static void note_preamble(struct client *client, size_t len)
{
	const char *text = client->data, *end = text + len, *newline;

	client->passed = len;
	while (text < end && strchr(" \t\r\n", *text))
		text++;
	newline = memchr(text, '\n', (size_t)(end - text));
	end = newline ? newline : end;
	while (end > text && strchr(" \t\r", end[-1]))
		end--;
	text_clean(text, (size_t)(end - text), client->preamble, sizeof client->preamble);
}

static int not_capturepi(struct client *client)
{
	const char *why = client->stream->ops->error(client->stream);

	note_preamble(client, client->end);
	return client_fail(client, -EPROTO, "not capturepi: it says \"%s\"%s%s", client->preamble,
		*why ? "; " : "", why);
}

/*
 * Fills the buffer until the line of the greeting is in it, and whatever comes before: sshd runs
 * a forced command through the login shell, whose start-up files may print anything. Returns the
 * length of the line.
 */
static ssize_t find_greeting(struct client *client, size_t *ret_start)
{
	const size_t part = sizeof greeting_start - 2; /* its beginning may end the buffer */
	size_t at = 0;

	for (;;) {
		char *start = memmem(client->data + at, client->end - at, greeting_start, part + 1);
		char *newline;
		ssize_t n;

		if (start)
			at = (size_t)(start - client->data);
		else if (client->end > at + part)
			at = client->end - part;
		newline = start ? memchr(start, '\n', client->end - at) : NULL;
		if (newline) {
			*ret_start = at;
			return newline - start;
		}
		if (at > PREAMBLE_BYTES_MAX || (start && client->end - at >= LINE_MAX_BYTES))
			return not_capturepi(client);
		n = client_fill(client);
		if (n < 0)
			return stream_failed(client, (int)n, "greeting");
		if (n > 0)
			continue;
		client->start = start ? at : client->end;
		note_preamble(client, client->start);
		return *client->preamble ? not_capturepi(client) : no_line(client, "greeting");
	}
}

static int read_greeting(struct client *client)
{
	size_t start = 0;
	ssize_t len = find_greeting(client, &start);
	char *line = client->data + start, text[60];
	int r;

	if (len < 0)
		return (int)len;
	note_preamble(client, start);
	client->start = start + (size_t)len + 1;
	r = wire_greeting_parse(line, (size_t)len, &client->greeting);
	if (r == 0)
		return 0;
	text_clean(line, (size_t)len, text, sizeof text);
	return r == -EPROTONOSUPPORT
		? client_fail(client, r,
			  "capturepi there speaks another version of the protocol (\"%s\"): "
			  "install the same version on both machines",
			  text)
		: client_fail(client, -EPROTO, "not capturepi: it says \"%s\"", text);
}

int client_new(struct stream *stream, const struct client_options *options, struct client **ret,
	char *error, size_t size)
{
	CLEANUP(client_freep) struct client *client = calloc(1, sizeof *client);
	int r;

	if (client)
		client->data = malloc(CLIENT_BUFFER_BYTES);
	if (!client || !client->data) {
		snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	client->stream = stream;
	client->options = *options;
	r = read_greeting(client);
	if (r < 0) {
		snprintf(error, size, "%s", client->error);
		return r;
	}
	if (client->preamble[0])
		log_debug(
			"%zu bytes before the greeting: \"%s\"", client->passed, client->preamble);
	*ret = TAKE_PTR(client);
	return 0;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	free(client->data);
	free(client);
}

const struct wire_greeting *client_greeting(const struct client *client)
{
	return &client->greeting;
}

const char *client_error(const struct client *client)
{
	return client->error;
}

const char *client_preamble(const struct client *client)
{
	return client->preamble;
}

bool client_ended(const struct client *client)
{
	return client->ended;
}

int client_send(struct client *client, const struct wire_request *request)
{
	char line[REQUEST_LINE_MAX];
	int n = wire_request_format(request, line), r;

	if (n < 0)
		return client_fail(client, n, "request: %s", strerror(-n));
	r = client->stream->ops->write(client->stream, line, (size_t)n, next_deadline(client));
	return r < 0 ? stream_failed(client, r, "request") : 0;
}

int client_reply(struct client *client, struct wire_reply *ret)
{
	note_progress(client);
	for (unsigned comments = 0; comments < COMMENTS_MAX; comments++) {
		struct wire_reply reply;
		const char *line = "";
		size_t len = 0;
		int r = read_line(client, "answer", &line, &len);

		if (r < 0)
			return r;
		r = wire_reply_parse(line, len, &reply);
		if (r < 0) {
			char text[60];

			text_clean(line, len, text, sizeof text);
			return client_fail(
				client, -EPROTO, "an answer that makes no sense: \"%s\"", text);
		}
		if (reply.type == WIRE_REPLY_COMMENT)
			continue;
		*ret = reply;
		return 0;
	}
	return client_fail(
		client, -EPROTO, "more than %d comments instead of an answer", COMMENTS_MAX);
}

int client_wait(struct client *client, int64_t deadline_ns)
{
	ssize_t n = client->end > client->start
		? 1
		: client_fill_until(client, deadline_min(deadline_ns, next_deadline(client)));

	if (n == -ETIMEDOUT)
		return 0;
	return n < 0 ? (int)n : 1;
}

ssize_t client_bytes(struct client *client, size_t most, const char **ret_data)
{
	size_t n = client->end - client->start;

	if (n == 0) {
		ssize_t got = client_fill(client);

		if (got < 0)
			return stream_failed(client, (int)got, "frame");
		if (got == 0)
			return client_fail(
				client, -EPROTO, "the stream ended in the middle of a frame");
		n = (size_t)got;
	}
	n = n < most ? n : most;
	*ret_data = client->data + client->start;
	client->start += n;
	return (ssize_t)n;
}
