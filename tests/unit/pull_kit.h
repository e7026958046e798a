/* SPDX-License-Identifier: MIT */
/*
 * What pullpi's tests share: a peer that says what it was told to, in pieces, and then ends
 * somehow.
 */
#pragma once

#include "common/wire/wire.h"
#include "pull/ssh/stream.h"
#include "pull/ssh/wait.h"
#include "tests/unit/archive_kit.h"
#include "tests/unit/stream_kit.h"

/* What memory may grow by in a test; a sanitizer keeps what was freed. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define KIT_MEMORY_KB(kb) (1024L * 1024)
#else
#define KIT_MEMORY_KB(kb) (kb)
#endif

/* Nothing is kept of a person who runs the tests, and nothing of his is read. */
__attribute__((constructor)) static void kit_without_state(void)
{
	setenv("XDG_STATE_HOME", "/dev/null", 1);
	unsetenv("STATE_DIRECTORY");
}

struct peer {
	struct stream stream;
	char *data; /* what it says, a memory stream until peer_start() */
	size_t len, pos;
	FILE *out;
	size_t piece; /* bytes a read at most */
	void (*between)(void); /* called once, before the first read from `between_at` on */
	size_t between_at;
	int end; /* what reads return behind the last byte: 0 or -errno */
	const char *complaint; /* stream error() */
	char written[512]; /* what the client said */
	size_t n_written;
	bool write_ended;
};

static ssize_t peer_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct peer *peer = (struct peer *)stream;
	size_t n = peer->len - peer->pos;

	(void)deadline_ns;
	if (peer->between && peer->pos >= peer->between_at) {
		void (*between)(void) = peer->between;

		peer->between = NULL;
		between();
	}
	if (n == 0)
		return peer->end;
	n = n < bytes ? n : bytes;
	n = n < peer->piece ? n : peer->piece;
	memcpy(data, peer->data + peer->pos, n);
	peer->pos += n;
	return (ssize_t)n;
}

static int peer_write(struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	struct peer *peer = (struct peer *)stream;

	(void)deadline_ns;
	if (bytes >= sizeof peer->written - peer->n_written)
		return -EPIPE;
	memcpy(peer->written + peer->n_written, data, bytes);
	peer->n_written += bytes;
	return 0;
}

static int peer_shutdown(struct stream *stream)
{
	((struct peer *)stream)->write_ended = true;
	return 0;
}

static const char *peer_error(const struct stream *stream)
{
	return ((const struct peer *)stream)->complaint;
}

static int64_t peer_carried(const struct stream *stream)
{
	const struct peer *peer = (const struct peer *)stream;

	return (int64_t)(peer->pos + peer->n_written);
}

/* Empty; say things to peer->out, then peer_start(). */
__attribute__((unused)) static void peer_init(struct peer *peer)
{
	static const struct stream_ops ops = { peer_read, peer_write, peer_shutdown, peer_error,
		stream_free_nothing, peer_carried };

	*peer = (struct peer){ .stream = { &ops }, .piece = SIZE_MAX, .complaint = "" };
	peer->out = open_memstream(&peer->data, &peer->len);
}

__attribute__((unused)) static struct stream *peer_start(struct peer *peer)
{
	fclose(peer->out);
	peer->out = NULL;
	return &peer->stream;
}

__attribute__((unused)) static void peer_end(struct peer *peer)
{
	free(peer->data);
}

__attribute__((unused)) static void say_greeting(struct peer *peer, const char *id, uint64_t last)
{
	struct wire_greeting greeting = {
		.camera = "garden",
		.first = last ? 1 : 0,
		.last = last,
		.schedule = { KIT_SLOT, TIME_NONE, TIME_NONE, TIME_NONE, WIRE_RUNNING_UNKNOWN },
	};
	char line[LINE_MAX_BYTES + 1];

	snprintf(greeting.id, sizeof greeting.id, "%s", id);
	CHECK(wire_greeting_format(&greeting, line) > 0);
	fputs(line, peer->out);
}

/* The record of frame `seq` with its bytes, size and hash right. */
__attribute__((unused)) static struct record wire_frame(
	uint64_t seq, uint8_t jpeg[static KIT_JPEG_BYTES])
{
	struct record frame = kit_frame(KIT_SLOT + (int64_t)seq * KIT_MINUTE);

	kit_jpeg(jpeg, seq);
	frame.seq = seq;
	frame.bytes = KIT_JPEG_BYTES;
	CHECK_INT(digest_buffer(jpeg, KIT_JPEG_BYTES, frame.sha256), 0);
	return frame;
}

__attribute__((unused)) static void say_record(struct peer *peer, const struct record *record)
{
	char line[LINE_MAX_BYTES + 1];

	CHECK(record_format(record, line) > 0);
	fputs(line, peer->out);
}

/* A frame's record, and its bytes from..to. */
__attribute__((unused)) static void say_part(
	struct peer *peer, uint64_t seq, size_t from, size_t to)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	say_record(peer, &frame);
	fwrite(jpeg + from, 1, to - from, peer->out);
}

__attribute__((unused)) static void say_frame(struct peer *peer, uint64_t seq)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	say_record(peer, &frame);
	fwrite(jpeg, 1, sizeof jpeg, peer->out);
}

static int kit_files, kit_parts;

static int count_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	size_t len = strlen(path);

	(void)st, (void)ftw;
	if (flag == FTW_F && len > 4 && strcmp(path + len - 4, ".jpg") == 0)
		kit_files++;
	if (len > 5 && strcmp(path + len - 5, ".part") == 0)
		kit_parts++;
	return 0;
}

/* The pictures below a folder, -1 if a temp was left. */
__attribute__((unused)) static int count_frames(const char *path)
{
	kit_files = kit_parts = 0;
	nftw(path, count_file, 16, FTW_PHYS);
	return kit_parts ? -1 : kit_files;
}
