/* SPDX-License-Identifier: MIT */
/*
 * Journal lines to structs and back. The same lines are the wire's answers, so the parser trusts
 * nothing: a frame's `file` is only compared with the name that its own slot and number make.
 */
#include "common/journal/record.h"
#include "common/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/jsonline.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define ZONE_OFFSET_MAX_S INT64_C(93599) /* as POSIX has it: 24:59:59, and an hour of summer time */
#define LATE_MAX_US INT64_C(253402300800000000) /* no two times we can write are further apart */

static const char *const miss_causes[MISS_CAUSES + 1] = {
	[MISS_CAMERA] = "camera",
	[MISS_BUSY] = "busy",
	[MISS_DISK] = "disk",
	[MISS_CLOCK] = "clock",
	[MISS_DOWN] = "down",
};

/* What has no mark has no such key. */
static const char *const mark_words[MARKS + 1] = { "", "dark", "covered", "blurred", "moved",
	"frozen" };

const struct camera_facts camera_facts_none = { NAN, NAN, NAN, NAN, NAN, NAN, "" };

const struct picture_facts picture_facts_none = { NAN, NAN, NAN, NAN, NAN, MARK_NONE };

const char *miss_cause_name(enum miss_cause cause)
{
	return (unsigned)cause < MISS_CAUSES ? miss_causes[cause] : "unknown";
}

const char *mark_name(enum mark mark)
{
	return (unsigned)mark < MARKS ? mark_words[mark] : "";
}

enum mark mark_of_name(const char *name)
{
	for (unsigned i = 0; i < MARKS; i++)
		if (strcmp(mark_words[i], name) == 0)
			return (enum mark)i;
	return MARK_NONE;
}

struct record record_new(enum record_type type)
{
	return (struct record){
		.type = type,
		.slot_us = TIME_NONE,
		.exposed_us = TIME_NONE,
		.last_us = TIME_NONE,
		.before_us = TIME_NONE,
		.after_us = TIME_NONE,
		.count = 1,
		.facts = camera_facts_none,
		.picture = picture_facts_none,
	};
}

bool record_peek_slot(const char *line, size_t len, int64_t *ret_us)
{
	static const char key[] = ",\"slot\":\"";
	const char *text = memmem(line, len < 64 ? len : 64, key, sizeof key - 1), *end;

	if (!text)
		return false;
	text += sizeof key - 1;
	end = memchr(text, '"', (size_t)(line + len - text));
	/* a span has its end after the text, which may be long */
	return end && !memmem(end, (size_t)(line + len - end), "\"last\":", 7) &&
		utc_parse(text, (size_t)(end - text), ret_us) == 0;
}

enum mark record_peek_mark(const char *line, size_t len)
{
	static const char key[] = "\"mark\":\"";
	const char *word = memmem(line, len, key, sizeof key - 1);

	word = word ? word + sizeof key - 1 : NULL;
	for (unsigned i = 1; word && i < MARKS; i++) {
		const size_t n = strlen(mark_words[i]);

		if ((size_t)(line + len - word) > n && memcmp(word, mark_words[i], n) == 0 &&
			word[n] == '"')
			return (enum mark)i;
	}
	return MARK_NONE;
}

struct frame_name record_name(const struct record *frame)
{
	/* before 1970 nothing has a name, rounded or not */
	const int64_t part = frame->slot_us > 0 ? frame->slot_us % US_PER_SEC : 0;

	return (struct frame_name){ .slot_us = frame->slot_us - part, .seq = frame->seq };
}

int64_t record_taken_us(const struct record *frame)
{
	return frame->exposed_us == TIME_NONE ? frame->slot_us : frame->exposed_us;
}

/* ---- lines */

/* A record as its line has it: what the struct holds in another form stands beside it. */
struct record_line {
	struct record record;
	int word; /* of a miss its cause; of a clock line 0, for "step"; of a frame its mark */
	char file[FRAME_NAME_MAX], sha256[SHA256_HEX + 1], prev[SHA256_HEX + 1];
};

static const char *const clock_words[] = { "step", NULL };

#define AT(member) JSONLINE_FIELD(struct record_line, member)
#define SEQ_FIELD                                                                                  \
	{                                                                                          \
		"seq", JSONLINE_INT, AT(record.seq), JSONLINE_MUST, 1, SEQ_MAX, NULL               \
	}

/* The last keys of any line: journal_chain() counts on `prev` being the last one. */
#define CHAIN_FIELDS                                                                               \
	{ "unchained", JSONLINE_BOOL, AT(record.unchained) },                                      \
	{                                                                                          \
		"prev", JSONLINE_STRING, AT(prev)                                                  \
	}

static const struct jsonline_field frame_fields[] = {
	SEQ_FIELD,
	{ "slot", JSONLINE_TIME, AT(record.slot_us), JSONLINE_MUST },
	{ "exposed", JSONLINE_TIME, AT(record.exposed_us) },
	{ "file", JSONLINE_STRING, AT(file), JSONLINE_MUST },
	{ "bytes", JSONLINE_INT, AT(record.bytes), JSONLINE_MUST, FRAME_BYTES_MIN,
		FRAME_BYTES_MAX },
	{ "sha256", JSONLINE_STRING, AT(sha256), JSONLINE_MUST },
	{ "boot", JSONLINE_UUID, AT(record.boot) },
	{ "up_ns", JSONLINE_INT, AT(record.up_ns), 0, 0, UP_DAYS_MAX * 24 * 3600 * NS_PER_SEC },
	{ "synced", JSONLINE_BOOL, AT(record.synced), JSONLINE_SHOW },
	{ "late_us", JSONLINE_INT, AT(record.late_us), JSONLINE_SHOW, -LATE_MAX_US, LATE_MAX_US },
	{ "shot", JSONLINE_BOOL, AT(record.shot) },
	{ "recovered", JSONLINE_BOOL, AT(record.recovered) },
	{ "was", JSONLINE_INT, AT(record.was), 0, 1, SEQ_MAX },
	{ "exposure_us", JSONLINE_DOUBLE, AT(record.facts.exposure_us) },
	{ "gain", JSONLINE_DOUBLE, AT(record.facts.gain) },
	{ "colour_temperature", JSONLINE_DOUBLE, AT(record.facts.colour_temperature) },
	{ "red", JSONLINE_DOUBLE, AT(record.facts.red) },
	{ "blue", JSONLINE_DOUBLE, AT(record.facts.blue) },
	{ "lens_position", JSONLINE_DOUBLE, AT(record.facts.lens_position) },
	{ "focus", JSONLINE_TEXT, AT(record.facts.focus) },
	{ "mean", JSONLINE_DOUBLE, AT(record.picture.mean), 0, 0, 1 },
	{ "black", JSONLINE_DOUBLE, AT(record.picture.black), 0, 0, 1 },
	{ "white", JSONLINE_DOUBLE, AT(record.picture.white), 0, 0, 1 },
	{ "sharpness", JSONLINE_DOUBLE, AT(record.picture.sharpness), 0, 0, 1 },
	{ "moved", JSONLINE_DOUBLE, AT(record.picture.moved), 0, 0, 1 },
	/* a mark of a later version must not cost the frame */
	{ "mark", JSONLINE_WORD, AT(word), JSONLINE_LENIENT, .words = mark_words },
	{ "mask", JSONLINE_TEXT, AT(record.mask) },
	CHAIN_FIELDS,
};

static const struct jsonline_field miss_fields[] = {
	SEQ_FIELD,
	{ "slot", JSONLINE_TIME, AT(record.slot_us), JSONLINE_MUST },
	{ "miss", JSONLINE_WORD, AT(word), JSONLINE_MUST, .words = miss_causes },
	{ "last", JSONLINE_TIME, AT(record.last_us) },
	{ "count", JSONLINE_INT, AT(record.count), 0, 1, SEQ_MAX },
	{ "text", JSONLINE_TEXT, AT(record.text) },
	CHAIN_FIELDS,
};

static const struct jsonline_field clock_fields[] = {
	SEQ_FIELD,
	{ "clock", JSONLINE_WORD, AT(word), JSONLINE_MUST, .words = clock_words },
	{ "before", JSONLINE_TIME, AT(record.before_us), JSONLINE_MUST },
	{ "after", JSONLINE_TIME, AT(record.after_us), JSONLINE_MUST },
	CHAIN_FIELDS,
};

static const struct jsonline_field zone_fields[] = {
	SEQ_FIELD,
	{ "zone", JSONLINE_TEXT, AT(record.text), JSONLINE_MUST },
	{ "at", JSONLINE_TIME, AT(record.at_us), JSONLINE_MUST },
	{ "from_s", JSONLINE_INT, AT(record.from_s), JSONLINE_MUST, -ZONE_OFFSET_MAX_S,
		ZONE_OFFSET_MAX_S },
	{ "to_s", JSONLINE_INT, AT(record.to_s), JSONLINE_MUST, -ZONE_OFFSET_MAX_S,
		ZONE_OFFSET_MAX_S },
	CHAIN_FIELDS,
};

static const struct jsonline_field prune_fields[] = {
	SEQ_FIELD,
	{ "prune", JSONLINE_TEXT, AT(record.text), JSONLINE_MUST },
	{ "first_seq", JSONLINE_INT, AT(record.first_seq), JSONLINE_MUST, 1, SEQ_MAX },
	{ "last_seq", JSONLINE_INT, AT(record.last_seq), JSONLINE_MUST, 1, SEQ_MAX },
	{ "count", JSONLINE_INT, AT(record.count), JSONLINE_MUST, 1, SEQ_MAX },
	{ "bytes", JSONLINE_INT, AT(record.bytes), JSONLINE_MUST, 0, INT64_MAX },
	CHAIN_FIELDS,
};

/* What we do not know keeps its number, so that the lines stay dense. */
static const struct jsonline_field other_fields[] = { SEQ_FIELD, CHAIN_FIELDS };

static const struct record_kind {
	const char *key; /* that a line of this kind has */
	const struct jsonline_field *fields;
	size_t n;
} kinds[] = {
	[RECORD_FRAME] = { "file", frame_fields, ARRAY_SIZE(frame_fields) },
	[RECORD_MISS] = { "miss", miss_fields, ARRAY_SIZE(miss_fields) },
	[RECORD_CLOCK] = { "clock", clock_fields, ARRAY_SIZE(clock_fields) },
	[RECORD_ZONE] = { "zone", zone_fields, ARRAY_SIZE(zone_fields) },
	[RECORD_PRUNE] = { "prune", prune_fields, ARRAY_SIZE(prune_fields) },
	[RECORD_OTHER] = { NULL, other_fields, ARRAY_SIZE(other_fields) },
};

/* Whether so many slots can be between the first and the last one. */
static bool record_span_fits(const struct record *miss)
{
	return miss->last_us >= miss->slot_us &&
		miss->count <= (uint64_t)(miss->last_us - miss->slot_us) / EVERY_MIN_US + 1;
}

/* Whether the fields of a record agree with each other; each alone is in its range. */
static bool record_is_consistent(const struct record *r)
{
	switch (r->type) {
	case RECORD_FRAME:
		return r->was < r->seq && (unsigned)r->picture.mark < MARKS;
	case RECORD_MISS:
		return (unsigned)r->cause < MISS_CAUSES && record_span_fits(r);
	case RECORD_PRUNE:
		return *r->text && r->first_seq <= r->last_seq;
	default:
		return true;
	}
}

int record_format(const struct record *record, char ret_line[static LINE_MAX_BYTES + 1])
{
	struct record_line line = { .record = *record };
	struct record *r = &line.record;
	const struct frame_name name = record_name(record);

	if (r->type == RECORD_MISS && r->last_us == TIME_NONE)
		r->last_us = r->slot_us;
	if (!record_is_consistent(r))
		return -ERANGE;
	if (r->has_prev)
		digest_hex(r->prev, line.prev);
	if (r->type == RECORD_FRAME) {
		if (frame_name_format(&name, line.file) < 0)
			return -ERANGE;
		digest_hex(r->sha256, line.sha256);
		line.word = (int)r->picture.mark;
	}
	if (r->type == RECORD_MISS) {
		line.word = (int)r->cause;
		/* the range of one slot needs no words, but `down` always is a range */
		if (r->cause != MISS_DOWN && r->count == 1 && r->last_us == r->slot_us) {
			r->last_us = TIME_NONE;
			r->count = 0;
		}
	}
	return jsonline_format(kinds[r->type].fields, kinds[r->type].n, &line, ret_line);
}

/* The file's name must be the one that slot and seq make: it is checked, never used. */
static int record_complete_frame(struct record_line *line)
{
	struct record *record = &line->record;
	const struct frame_name name = record_name(record);
	char own[FRAME_NAME_MAX];

	if (frame_name_format(&name, own) < 0 || strcmp(own, line->file) != 0 ||
		digest_parse_hex(line->sha256, strlen(line->sha256), record->sha256) < 0)
		return -EINVAL;
	record->picture.mark = (enum mark)line->word;
	if (record->late_us == TIME_NONE)
		record->late_us =
			record->exposed_us == TIME_NONE ? 0 : record->exposed_us - record->slot_us;
	return 0;
}

/* A range has both its end and its count; one slot has neither. */
static int record_complete_miss(struct record_line *line)
{
	struct record *record = &line->record;

	if ((record->last_us == TIME_NONE) != (record->count == 0))
		return -EINVAL;
	if (record->count == 0) {
		record->last_us = record->slot_us;
		record->count = 1;
	}
	record->cause = (enum miss_cause)line->word;
	return 0;
}

static int record_read(struct json_object *object, enum record_type type, struct record *ret)
{
	struct record_line line = { .record = record_new(type) };
	int r;

	/* tells below whether the line has them */
	if (type == RECORD_FRAME)
		line.record.late_us = TIME_NONE;
	if (type == RECORD_MISS)
		line.record.count = 0;
	r = jsonline_read(object, kinds[type].fields, kinds[type].n, &line);
	if (r == 0 && *line.prev) {
		line.record.has_prev = true;
		r = digest_parse_hex(line.prev, strlen(line.prev), line.record.prev);
	}
	if (r == 0 && type == RECORD_FRAME)
		r = record_complete_frame(&line);
	if (r == 0 && type == RECORD_MISS)
		r = record_complete_miss(&line);
	if (r == 0 && !record_is_consistent(&line.record))
		r = -EINVAL;
	if (r == 0)
		*ret = line.record;
	return r;
}

int record_parse_object(struct json_object *object, struct record *ret)
{
	enum record_type type = RECORD_OTHER;
	int r;

	for (size_t i = 0; i < RECORD_OTHER; i++) {
		if (!jsonline_has(object, kinds[i].key))
			continue;
		if (type != RECORD_OTHER)
			return -EINVAL; /* two kinds at once */
		type = (enum record_type)i;
	}
	r = record_read(object, type, ret);
	/* a cause or a clock line of a later version */
	return r == -ENOTSUP ? record_read(object, RECORD_OTHER, ret) : r;
}

int record_parse(const char *line, size_t len, struct record *ret)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	int r = jsonline_parse(line, len, &object);

	return r < 0 ? r : record_parse_object(object, ret);
}

uint64_t record_peek_seq(const char *line, size_t len)
{
	static const char head[] = "{\"seq\":";
	uint64_t seq = 0;
	size_t i = strlen(head);

	if (len <= i || memcmp(line, head, i) != 0 || line[i] == '0')
		return 0;
	for (; i < len && line[i] >= '0' && line[i] <= '9'; i++) {
		seq = seq * 10 + (uint64_t)(line[i] - '0');
		if (seq > SEQ_MAX)
			return 0;
	}
	return i < len && (line[i] == ',' || line[i] == '}') ? seq : 0;
}
