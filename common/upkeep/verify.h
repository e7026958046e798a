/* SPDX-License-Identifier: MIT */
/*
 * Checks a whole archive: each frame line against its file (there, size, SHA-256, JPEG markers),
 * each file against the journal, and the journal itself. Only reads; may run beside a writer. Needs
 * 400 KB of memory for each journal segment that has frames with files: 4 bytes a number, and 104
 * bytes for each line of one segment.
 */
#pragma once

#include "common/archive/archive.h"

#define VERIFY_LOCAL "local/00000000.jsonl" /* of a copy; a repair moves it aside */

enum verify_kind {
	VERIFY_MISSING, /* a line's file is not there, and no prune line says why */
	VERIFY_SIZE, /* a file of another size, or not a regular file */
	VERIFY_HASH,
	VERIFY_MARKERS, /* does not begin with SOI or end with EOI */
	VERIFY_UNREADABLE, /* `error` says why: -EIO, -EACCES, ... */
	VERIFY_NO_LINE, /* a frame's file of which the journal knows nothing */
	VERIFY_FOREIGN, /* looks like ours in a wrong place: a frame of another day */
	VERIFY_TEMP, /* a left-over temp; opening for writing sweeps those of the newest folder */
	VERIFY_LINE, /* torn, damaged or foreign lines; `count` of them in `path` */
	VERIFY_SEGMENT, /* a journal segment that is another archive's or has no header */
	VERIFY_DUPLICATE, /* a sequence number that has a line already */
	VERIFY_ORDER, /* a segment is out of order without its NNNNNNNN.unsorted file */
	VERIFY_GAP, /* `count` sequence numbers from `seq` on have no line (camera's side) */
	VERIFY_LATEST, /* latest.jpg does not point at the newest frame */
	VERIFY_IDENTITY, /* archive.json is damaged or gone; opening for writing makes it again */
	/*
	 * The next three need no repair of ours: nobody can say what was there. `since_us`: it was
	 * as it should be until then at least.
	 */
	VERIFY_CHANGED, /* the line of `seq` is not the one that the next line, or a head, has */
	VERIFY_CUT, /* the lines end before `seq`, the one that a head has */
	VERIFY_FORKED, /* a head is of other lines than these, which fit each other */
	VERIFY_BRANCH, /* the same, and a branch has the head's line: reported, but no finding */
	VERIFY_UNCHAINED, /* a line that nothing vouches for, and says so: no finding either */
	VERIFY_NOT_OURS, /* Thumbs.db, a person's own folder: reported, but no finding */
	VERIFY_KINDS
};

struct verify_finding {
	enum verify_kind kind;
	uint64_t seq; /* 0 where there is none */
	uint64_t count; /* 1 but for LINE and GAP */
	int error; /* UNREADABLE */
	int64_t since_us; /* CHANGED, CUT, FORKED; TIME_NONE where it is not known */
	char path[FRAME_PATH_MAX]; /* within the archive; "" where there is none */
};

/* Whether a kind is only reported. */
bool verify_is_note(enum verify_kind kind);

struct verify_totals {
	uint64_t lines; /* of all kinds */
	uint64_t frames; /* frame lines */
	uint64_t checked; /* files that were read and are right */
	int64_t bytes; /* of those files */
	uint64_t pruned; /* frame lines whose file was pruned, as the journal says */
	uint64_t deleted; /* copy: frame lines without a file; a person may delete pictures there */
	uint64_t pending; /* files that a live writer is about to journal */
	uint64_t next; /* after an early end: pass this as `from` to continue */
	uint64_t found[VERIFY_KINDS];
	uint64_t findings; /* their sum without notes; 0: the archive is clean */
};

struct verify_options {
	bool copy; /* a puller's copy: gaps and deleted files are no findings */
	bool skip_content; /* looks at names and sizes, reads no file */
	/* What is known from elsewhere of its lines, the oldest first. */
	const struct archive_head *heads;
	size_t n_heads;
	uint64_t from; /* reads no file of a lower number either: those were checked before */
	/*
	 * Each returns whether to continue. The pointers are valid during the call only. NULL:
	 * none.
	 */
	bool (*finding)(void *data, const struct verify_finding *finding);
	/* After each frame line; `seq` of `last` gives the fraction. */
	bool (*progress)(
		void *data, uint64_t seq, uint64_t last, const struct verify_totals *totals);
	void *data;
};

/*
 * 0: everything was checked, whatever was found. -ECANCELED: a callback said so. -ENOMEM, -EIO, ...
 */
int verify_archive(
	struct archive *archive, const struct verify_options *options, struct verify_totals *ret);

/*
 * Checks one frame, with `content` to the last byte. 1: it is right; 0: `ret` says what is wrong.
 */
int verify_frame(struct archive *archive, const struct record *frame, bool content,
	struct verify_finding *ret);

/* "missing", "size", ... as scripts see it. */
const char *verify_kind_name(enum verify_kind kind);
/* One line for people. Returns `buf`. */
const char *verify_describe(const struct verify_finding *finding, char *buf, size_t size);
