/* SPDX-License-Identifier: MIT */
/*
 * Clock correction: frames that were taken before the wall clock was known get their true time once
 * it is.
 *
 * CLOCK_BOOTTIME runs on whatever the wall clock shows, and each frame has its reading (up_ns) and
 * its boot id. So one pair of both clocks tells the true time of all frames of a boot. Of the boot
 * that runs, the pair is measured; of another one, a frame taken with a known clock is the pair,
 * its anchor.
 *
 * The same picture is published again under the next number, with the right slot, exposure time and
 * EXIF, and with "was"; then the old one is pruned ("redated"). So nothing is renamed under a
 * puller's feet, and the journal tells it all. Frames are taken oldest first, and a frame whose
 * file is gone was corrected already: there is nothing to remember between two runs but where to
 * begin, which is the mark. A frame that is less than CORRECTION_MIN_US wrong stays as it is: its
 * clock was right and only not known to be.
 */
#pragma once

#include "common/archive/archive.h"
#include "common/base/clock.h"
#include "common/base/util.h"
#include "common/commands/cli.h"

#define CORRECTION_MIN_US US_PER_SEC

/* The plan, pure: it is shown the journal's records in order. */
struct correction_plan {
	char boot[UUID_CHARS + 1]; /* whose time is known without an anchor, or "" */
	int64_t zero_us; /* its wall time when CLOCK_BOOTTIME was 0; TIME_NONE: not known */
	char anchored[UUID_CHARS + 1]; /* the boot whose anchor was met or asked for last */
	int64_t anchor_us; /* the same of that; TIME_NONE: it has none */
};

enum correction_verdict {
	CORRECTION_PASS, /* no frame, or one of a known clock, or corrected already */
	CORRECTION_RIGHT, /* its clock was not known, but was right */
	CORRECTION_UNKNOWN, /* its boot has no anchor */
	CORRECTION_ASK, /* no anchor before it: look for one, then correction_answer() */
	CORRECTION_DUE, /* all its times are to be moved by *ret_delta_us */
};

enum correction_verdict correction_judge(
	struct correction_plan *plan, const struct record *record, int64_t *ret_delta_us);
/* The first anchor after the frame that ASK was said of, TIME_NONE: none. Then judge it again. */
void correction_answer(struct correction_plan *plan, const struct record *frame, int64_t zero_us);
/* Whether the record is an anchor for that boot. */
bool correction_anchor(const struct record *record, const char *boot, int64_t *ret_zero_us);
/* The frame with its times moved; its number, size and hash are those of publishing it. */
struct record correction_moved(const struct record *frame, int64_t delta_us);

/*
 * The mark, journal/unsynced: no frame before that number waits for its time. correction_mark()
 * sets it to `seq`, durably, unless it is set; to be called before a frame of an unknown clock is
 * stored.
 */
int correction_mark(struct archive *archive, uint64_t seq);
/* -ENOENT: no frame waits. Of a damaged mark 1. */
int correction_marked(struct archive *archive, uint64_t *ret_seq);
void correction_unmark(struct archive *archive);

/* The work, one small piece at a time, so that it can be done between frames. */
struct correction_options {
	struct archive *archive; /* open for writing; for a dry run reading does */
	const char *boot; /* the boot that runs, copied */
	int64_t zero_us; /* its wall time at CLOCK_BOOTTIME 0, or TIME_NONE */
	uint64_t from; /* the first line to look at */
	bool dry_run;
	/*
	 * What became of a frame; may be NULL. In a dry run `after` has no number; where `error` is
	 * not 0 there is no `after` and the frame stays as it is.
	 */
	void (*told)(
		void *data, const struct record *before, const struct record *after, int error);
	void *data;
};

struct correction_totals {
	uint64_t corrected, right, unknown, failed; /* frames */
};

struct correction;

int correction_new(const struct correction_options *options, struct correction **ret);
void correction_free(struct correction *correction);
DEFINE_CLEANUP(struct correction, correction_free)

/*
 * The next piece: some lines of the journal, or one frame. 1 there is more, 0 all is done; -errno
 * this piece failed and can be tried again after a while. -EPERM: the old file of a frame cannot be
 * removed.
 */
int correction_step(struct correction *correction);
struct correction_totals correction_totals(const struct correction *correction);

/*
 * `capturepi redate`: the same by hand, of the whole archive, with a line for each frame. `archive`
 * is open for writing, in a dry run for reading. Options of `cli`: --dry-run, --json. Returns an
 * exit code; CLI_INTERNAL where a frame could not be corrected, told on stderr.
 */
int correction_command(struct cli *cli, struct archive *archive);
extern const struct cli_option correction_command_options[];
