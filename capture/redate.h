/* SPDX-License-Identifier: MIT */
/*
 * Dating anew: frames that were taken before the wall clock was known get their true time once it is.
 *
 * CLOCK_BOOTTIME runs on whatever the wall clock shows, and each frame has its reading (up_ns) and its
 * boot id. So one pair of both clocks tells the true time of all frames of a boot. Of the boot that
 * runs, the pair is measured; of another one, a frame taken with a known clock is the pair.
 *
 * The same picture is published again under the next number, with the right slot, exposure time and
 * EXIF, and with "was"; then the old one is pruned ("redated"). So nothing is renamed under a puller's
 * feet, and the journal tells it all. A frame that is less than REDATE_MIN_US wrong stays as it is: its
 * clock was right and only not known to be.
 */
#pragma once

#include "common/archive.h"
#include "common/clock.h"
#include "common/util.h"

#define REDATE_MIN_US US_PER_SEC

/*
 * The plan, pure: it is shown the journal's records in order. Frames of one boot without a known clock
 * in between are a run; the anchor of a run is the nearest frame of its boot with a known clock behind
 * it, else the nearest one before it.
 */
struct redate_plan {
	char boot[UUID_CHARS + 1]; /* whose time is known without an anchor */
	int64_t zero_us; /* its wall time when CLOCK_BOOTTIME was 0; TIME_NONE: not known */
	bool running;
	char run_boot[UUID_CHARS + 1];
	int64_t run_zero_us; /* TIME_NONE: nobody knows */
	char anchor_boot[UUID_CHARS + 1]; /* of the last frame with a known clock, "": none yet */
	int64_t anchor_zero_us;
};

enum redate_verdict {
	REDATE_PASS, /* no frame, or one that cannot be or was dated anew */
	REDATE_KNOWN, /* its clock was known */
	REDATE_RIGHT, /* it was not, but was right */
	REDATE_UNKNOWN, /* its boot has no anchor */
	REDATE_ASK, /* a run begins: look for its anchor, then redate_answer() */
	REDATE_DATE, /* all its times are to be moved by *ret_delta_us */
};

/* `boot` may be "", `zero_us` TIME_NONE. */
struct redate_plan redate_plan_new(const char *boot, int64_t zero_us);
enum redate_verdict redate_see(
	struct redate_plan *plan, const struct record *record, int64_t *ret_delta_us);
/* The anchor behind the frame that ASK was said of, TIME_NONE: none; then the frame is shown again. */
void redate_answer(struct redate_plan *plan, int64_t zero_us);
/* Whether the record is an anchor for that boot. */
bool redate_anchor(const struct record *record, const char *boot, int64_t *ret_zero_us);
/* The frame with its times moved; its number, size and hash are those of publishing it. */
struct record redate_moved(const struct record *frame, int64_t delta_us);

/* The wall time of this machine when its CLOCK_BOOTTIME was 0. */
int64_t redate_zero(const struct clock *clock);

/*
 * The work, one small piece at a time, so that it can be done between frames. It begins with the
 * first frames of `boot` and of the boot before it (whose dating may have been cut short) and goes on
 * as long as their clock was not known; `from` is another such place of `boot`. It reads no more of
 * the journal than these frames and what a search by halves needs.
 */
struct redate_options {
	struct archive *archive; /* open for writing; for a dry run reading does */
	const char *boot; /* this boot, copied */
	int64_t zero_us; /* redate_zero(), or TIME_NONE */
	uint64_t from; /* 0: no other place */
	bool all; /* the whole journal, every boot */
	bool dry_run;
	/*
	 * What became of a frame; may be NULL. In a dry run `after` has no number; where `error` is not 0
	 * there is no `after` and the frame stays as it is.
	 */
	void (*told)(
		void *data, const struct record *before, const struct record *after, int error);
	void *data;
};

struct redate_totals {
	uint64_t dated, right, unknown, failed; /* frames */
};

struct redate;

int redate_new(const struct redate_options *options, struct redate **ret);
void redate_free(struct redate *redate);
DEFINE_CLEANUP(struct redate, redate_free)

/*
 * The next piece: some lines of the journal, or one frame read, published or pruned. 1 there is more,
 * 0 all is done; -errno this piece failed and can be tried again: -EBUSY soon, others (-ENOSPC, -EIO,
 * ...) after a while.
 */
int redate_step(struct redate *redate);
struct redate_totals redate_totals(const struct redate *redate);
