/* SPDX-License-Identifier: MIT */
/*
 * One journal line as a struct. A line is one JSON object, `seq` first, written without spaces:
 *
 *   frame   {"seq":123,"slot":"...Z","exposed":"...Z","file":"20261120T160100Z-00000123.jpg",
 *            "bytes":N,"sha256":"<64 hex>","boot":"<uuid>","up_ns":N,"synced":true,"late_us":N,
 *            and what the camera reported: "exposure_us","gain","colour_temperature",
 *            "red","blue","lens_position","focus"; what its picture shows: "mean","black",
 *            "white","sharpness","moved","mark"};
 *            "mask":"<16 hex>" where parts of the picture were blanked
 *           a clock correction, of a frame taken before the clock was set: "was":N, its old number
 *   miss    {"seq":124,"slot":"...Z","miss":"camera","text":"..."}
 *           a range has "last":"...Z","count":N as well; `down` always is one
 *   clock   {"seq":125,"clock":"step","before":"...Z","after":"...Z"}
 *   zone    {"seq":126,"zone":"Asia/Tokyo","at":"...Z","from_s":3600,"to_s":32400}
 *           local times are by that zone from then on; its seconds ahead of UTC, before and after
 *   prune   {"seq":127,"prune":"space","first_seq":N,"last_seq":N,"count":N,"bytes":N}
 *
 * Any line may end with "prev":"<64 hex>", the SHA-256 of the line before it, and with
 * "unchained":true where the line after it does not vouch for it: a repair wrote it again, or the
 * program that received it did not know all of its keys.
 *
 * Sequence numbers are dense: every line has the number after the one before it, and a frame is
 * named with its line's number. So one cursor tells a reader all that happened, misses included.
 * Keys that are not known are passed over; a line of no known kind is RECORD_OTHER.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/limits.h"
#include "common/journal/name.h"

enum record_type {
	RECORD_FRAME,
	RECORD_MISS,
	RECORD_CLOCK,
	RECORD_ZONE,
	RECORD_PRUNE,
	RECORD_OTHER
};

enum miss_cause { MISS_CAMERA, MISS_BUSY, MISS_DISK, MISS_CLOCK, MISS_DOWN, MISS_CAUSES };

#define FOCUS_WORD_MAX 16

/* What the camera reported for a frame; a field it did not report is NaN. */
struct camera_facts {
	double exposure_us;
	double gain; /* analogue x digital; 1.0 is ISO 100 */
	double colour_temperature; /* kelvin */
	double red, blue; /* gains of the white balance */
	double lens_position; /* dioptres */
	char focus[FOCUS_WORD_MAX]; /* of autofocus: "focused"; "": not reported */
};

extern const struct camera_facts camera_facts_none;

/* What makes a picture useless. It is a hint: nothing is ever removed because of it. */
enum mark { MARK_NONE, MARK_DARK, MARK_COVERED, MARK_BLURRED, MARK_MOVED, MARK_FROZEN, MARKS };

/* What was measured of a frame's picture, each from 0 to 1; NaN: it was not. */
struct picture_facts {
	double mean; /* of all samples of luma */
	double black, white; /* shares of the picture without detail: all dark, all bright */
	double sharpness; /* fine detail for each piece of coarse detail; 0 where it has none */
	double moved; /* against what the camera showed before, in widths of the picture */
	enum mark mark;
};

extern const struct picture_facts picture_facts_none;

struct record {
	enum record_type type;
	uint64_t seq;
	bool unchained;
	bool has_prev;
	uint8_t prev[SHA256_BYTES]; /* as read; the journal that makes the chain sets its own */

	/* frame, miss */
	int64_t slot_us; /* the scheduled instant */

	/* frame */
	int64_t exposed_us; /* start of exposure of the first row */
	int64_t bytes;
	uint8_t sha256[SHA256_BYTES];
	char boot[UUID_CHARS + 1]; /* boot id, "" where not known */
	int64_t up_ns; /* CLOCK_BOOTTIME at `exposed_us` */
	int64_t late_us; /* exposed - slot */
	bool synced; /* the wall clock was known good */
	bool shot; /* taken on demand: no slot of the schedule */
	bool recovered; /* line written again at start-up, from the file */
	uint64_t was; /* of a clock correction: the number before it; 0: none */
	struct camera_facts facts;
	struct picture_facts picture;
	char mask[MASK_HASH_CHARS + 1]; /* of the privacy mask that was laid on it; "": none */

	/* miss */
	enum miss_cause cause;
	int64_t last_us; /* last slot of a range; equals slot_us for one */
	uint64_t count; /* slots in the range, 1 for one */
	char text[TEXT_MAX];

	/* clock */
	int64_t before_us, after_us;

	/* zone; `text` is its name, "" where not known */
	int64_t at_us;
	int64_t from_s, to_s;

	/* prune; `bytes` is shared with frame, `text` is why (space, inodes, age, size, redated) */
	uint64_t first_seq, last_seq;
};

/* A record of that type with nothing known: times TIME_NONE, facts NaN, count 1. */
struct record record_new(enum record_type type);

/*
 * The line with its newline and a NUL; returns its length. -ERANGE for a field that has no
 * text (a time outside 1970..9999), -E2BIG over LINE_MAX_BYTES, -ENOMEM.
 */
int record_format(const struct record *record, char ret_line[static LINE_MAX_BYTES + 1]);

/*
 * Reads one line of `len` bytes, with or without its newline. Strict: -EINVAL for what is not one
 * JSON object in UTF-8, has a field of the wrong type, out of range, or a `file` that is not the
 * name of its own slot and seq; -E2BIG over LINE_MAX_BYTES. `ret` is untouched on failure.
 */
int record_parse(const char *line, size_t len, struct record *ret);

/* The same from a line that jsonline_parse() read. */
struct json_object;
int record_parse_object(struct json_object *object, struct record *ret);

/* The sequence number of a line from its first bytes, without parsing it; 0 if it shows none. */
uint64_t record_peek_seq(const char *line, size_t len);

/*
 * The slot of a frame's line or of a single miss, without parsing it. False: it has none, or looks
 * different.
 */
bool record_peek_slot(const char *line, size_t len, int64_t *ret_us);

/* The mark of what looks like a frame's line, without parsing it. */
enum mark record_peek_mark(const char *line, size_t len);

struct frame_name record_name(const struct record *frame);

/* When a frame was taken: its exposure, or its slot where the line does not know that. */
int64_t record_taken_us(const struct record *frame);

/* Orders frames by when they were taken: a clock correction keeps the place of its old number. */
static inline uint64_t record_order(const struct record *frame)
{
	return frame->was ? frame->was : frame->seq;
}

const char *miss_cause_name(enum miss_cause cause);
const char *mark_name(enum mark mark); /* "" for none */
enum mark mark_of_name(const char *name); /* MARK_NONE for one that is not known */
/* The same in words: "the camera gave no picture" */
const char *miss_cause_text(enum miss_cause cause);

/* One line for people: local time, file or cause, size, lateness. Returns `buf`. */
const char *record_describe(const struct record *record, char *buf, size_t size);
