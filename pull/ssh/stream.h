/* SPDX-License-Identifier: MIT */
/*
 * A byte stream with deadlines, which the wire client speaks over: an SSH exec channel (ssh.c),
 * and others in tests.
 *
 * Deadlines are absolute CLOCK_MONOTONIC nanoseconds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/util.h"

struct stream;

struct stream_ops {
	/* 1 byte or more, 0 at the end of the stream, -ETIMEDOUT, -EPIPE, -ECONNRESET, -EINTR. */
	ssize_t (*read)(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns);
	/* Writes all of it, or -errno. */
	int (*write)(struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns);
	/* Ends the requests: the server ends after its last answer. */
	int (*shutdown_write)(struct stream *stream);
	/*
	 * What went wrong, one sentence for a person; "" if there is nothing more than the errno.
	 */
	const char *(*error)(const struct stream *stream);
	/* Never blocks, whatever the peer does. */
	void (*free)(struct stream *stream);
	/* Bytes on the link so far, both ways, with all headers; NULL: not known. */
	int64_t (*carried)(const struct stream *stream);
};

/* Each implementation's struct starts with this. */
struct stream {
	const struct stream_ops *ops;
};

static inline void stream_free(struct stream *stream)
{
	if (stream)
		stream->ops->free(stream);
}
DEFINE_CLEANUP(struct stream, stream_free)
