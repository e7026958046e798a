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

static const char *const miss_causes[MISS_CAUSES] = {
	[MISS_CAMERA] = "camera",
	[MISS_BUSY] = "busy",
	[MISS_DISK] = "disk",
	[MISS_CLOCK] = "clock",
	[MISS_DOWN] = "down",
};

const struct camera_facts camera_facts_none = { NAN, NAN, NAN, NAN };

const char *miss_cause_name(enum miss_cause cause)
{
	return (unsigned)cause < MISS_CAUSES ? miss_causes[cause] : "unknown";
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

struct frame_name record_name(const struct record *frame)
{
	/* before 1970 nothing has a name, rounded or not */
	const int64_t part = frame->slot_us > 0 ? frame->slot_us % US_PER_SEC : 0;

	return (struct frame_name){ .slot_us = frame->slot_us - part, .seq = frame->seq };
}

static void record_add_frame(struct jsonline *line, const struct record *record)
{
	const struct frame_name name = record_name(record);
	const struct camera_facts *facts = &record->facts;
	char file[FRAME_NAME_MAX], hex[SHA256_HEX + 1];
	int r = frame_name_format(&name, file);

	if (r < 0) {
		line->error = r;
		return;
	}
	digest_hex(record->sha256, hex);
	jsonline_add_time(line, "slot", record->slot_us);
	if (record->exposed_us != TIME_NONE)
		jsonline_add_time(line, "exposed", record->exposed_us);
	jsonline_add_string(line, "file", file);
	jsonline_add_int(line, "bytes", record->bytes);
	jsonline_add_string(line, "sha256", hex);
	if (*record->boot)
		jsonline_add_string(line, "boot", record->boot);
	if (record->up_ns > 0)
		jsonline_add_int(line, "up_ns", record->up_ns);
	jsonline_add_bool(line, "synced", record->synced);
	jsonline_add_int(line, "late_us", record->late_us);
	if (record->shot)
		jsonline_add_bool(line, "shot", true);
	if (record->recovered)
		jsonline_add_bool(line, "recovered", true);
	if (record->was)
		jsonline_add_int(line, "was", (int64_t)record->was);
	jsonline_add_double(line, "exposure_us", facts->exposure_us);
	jsonline_add_double(line, "gain", facts->gain);
	jsonline_add_double(line, "colour_temperature", facts->colour_temperature);
	jsonline_add_double(line, "lens_position", facts->lens_position);
}

static bool record_is_span(const struct record *miss)
{
	return miss->cause == MISS_DOWN || miss->count != 1 ||
		(miss->last_us != TIME_NONE && miss->last_us != miss->slot_us);
}

static void record_add_miss(struct jsonline *line, const struct record *record)
{
	jsonline_add_time(line, "slot", record->slot_us);
	jsonline_add_string(line, "miss", miss_cause_name(record->cause));
	if (record_is_span(record)) {
		jsonline_add_time(line, "last",
			record->last_us == TIME_NONE ? record->slot_us : record->last_us);
		jsonline_add_int(line, "count", (int64_t)record->count);
	}
	if (*record->text)
		jsonline_add_string(line, "text", record->text);
}

static void record_add_clock(struct jsonline *line, const struct record *record)
{
	jsonline_add_string(line, "clock", "step");
	jsonline_add_time(line, "before", record->before_us);
	jsonline_add_time(line, "after", record->after_us);
}

static void record_add_zone(struct jsonline *line, const struct record *record)
{
	jsonline_add_string(line, "zone", record->text);
	jsonline_add_time(line, "at", record->at_us);
	jsonline_add_int(line, "from_s", record->from_s);
	jsonline_add_int(line, "to_s", record->to_s);
}

static void record_add_prune(struct jsonline *line, const struct record *record)
{
	jsonline_add_string(line, "prune", record->text);
	jsonline_add_int(line, "first_seq", (int64_t)record->first_seq);
	jsonline_add_int(line, "last_seq", (int64_t)record->last_seq);
	jsonline_add_int(line, "count", (int64_t)record->count);
	jsonline_add_int(line, "bytes", record->bytes);
}

static bool record_is_seq(uint64_t seq)
{
	return seq >= 1 && seq <= SEQ_MAX;
}

static bool record_is_offset(int64_t offset_s)
{
	return offset_s >= -ZONE_OFFSET_MAX_S && offset_s <= ZONE_OFFSET_MAX_S;
}

/* Whether the fields have values that record_parse() takes back. Times are checked when written. */
static bool record_is_in_range(const struct record *r)
{
	if (!record_is_seq(r->seq))
		return false;
	switch (r->type) {
	case RECORD_FRAME:
		return r->bytes >= FRAME_BYTES_MIN && r->bytes <= FRAME_BYTES_MAX &&
			r->up_ns >= 0 && r->late_us >= -LATE_MAX_US && r->late_us <= LATE_MAX_US &&
			r->was < r->seq &&
			(!*r->boot || text_is_uuid(r->boot, strnlen(r->boot, sizeof(r->boot))));
	case RECORD_MISS:
		return (unsigned)r->cause < MISS_CAUSES && record_is_seq(r->count) &&
			(r->last_us == TIME_NONE || r->last_us >= r->slot_us);
	case RECORD_ZONE:
		return record_is_offset(r->from_s) && record_is_offset(r->to_s);
	case RECORD_PRUNE:
		return *r->text && record_is_seq(r->first_seq) && record_is_seq(r->last_seq) &&
			r->first_seq <= r->last_seq && record_is_seq(r->count) && r->bytes >= 0;
	default:
		return true;
	}
}

int record_format(const struct record *record, char ret_line[static LINE_MAX_BYTES + 1])
{
	struct jsonline line = jsonline_begin(ret_line);

	if (!record_is_in_range(record))
		return -ERANGE;
	jsonline_add_int(&line, "seq", (int64_t)record->seq);
	switch (record->type) {
	case RECORD_FRAME:
		record_add_frame(&line, record);
		break;
	case RECORD_MISS:
		record_add_miss(&line, record);
		break;
	case RECORD_CLOCK:
		record_add_clock(&line, record);
		break;
	case RECORD_ZONE:
		record_add_zone(&line, record);
		break;
	case RECORD_PRUNE:
		record_add_prune(&line, record);
		break;
	case RECORD_OTHER: /* what we do not know keeps its number, so that the lines stay dense */
		break;
	}
	return jsonline_end(&line);
}

/* The getters' 1, 0 and -EINVAL for a key that must be there. */
static int record_require(int r)
{
	return r == 0 ? -EINVAL : r;
}

static int record_get_count(struct json_object *object, const char *key, uint64_t *ret)
{
	int64_t number;
	int r = jsonline_get_int(object, key, 1, (int64_t)SEQ_MAX, &number);

	if (r > 0)
		*ret = (uint64_t)number;
	return r;
}

static int record_get_sha256(struct json_object *object, uint8_t ret[static SHA256_BYTES])
{
	const char *hex;
	size_t len;
	int r = jsonline_get_string(object, "sha256", &hex, &len);

	return r <= 0 ? r : digest_parse_hex(hex, len, ret) < 0 ? -EINVAL : 1;
}

static int record_get_boot(struct json_object *object, char ret[static UUID_CHARS + 1])
{
	const char *boot;
	size_t len;
	int r = jsonline_get_string(object, "boot", &boot, &len);

	if (r <= 0)
		return r;
	if (!text_is_uuid(boot, len))
		return -EINVAL;
	memcpy(ret, boot, len + 1);
	return 1;
}

/* The file's name must be the one that slot and seq make: it is checked, never used. */
static int record_check_file(struct json_object *object, const struct record *record)
{
	const struct frame_name name = record_name(record);
	char own[FRAME_NAME_MAX];
	const char *file;
	size_t len;
	int r = record_require(jsonline_get_string(object, "file", &file, &len));

	if (r < 0)
		return r;
	return frame_name_format(&name, own) < 0 || strcmp(own, file) != 0 ? -EINVAL : 1;
}

static int record_get_facts(struct json_object *object, struct camera_facts *ret)
{
	const struct {
		const char *key;
		double *value;
	} facts[] = {
		{ "exposure_us", &ret->exposure_us },
		{ "gain", &ret->gain },
		{ "colour_temperature", &ret->colour_temperature },
		{ "lens_position", &ret->lens_position },
	};

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		if (jsonline_get_double(object, facts[i].key, facts[i].value) < 0)
			return -EINVAL;
	}
	return 1;
}

static int record_parse_frame(struct json_object *object, struct record *record)
{
	if (record_require(jsonline_get_time(object, "slot", &record->slot_us)) < 0 ||
		jsonline_get_time(object, "exposed", &record->exposed_us) < 0 ||
		record_check_file(object, record) < 0 ||
		record_require(jsonline_get_int(
			object, "bytes", FRAME_BYTES_MIN, FRAME_BYTES_MAX, &record->bytes)) < 0 ||
		record_require(record_get_sha256(object, record->sha256)) < 0)
		return -EINVAL;
	if (record->exposed_us != TIME_NONE)
		record->late_us = record->exposed_us - record->slot_us;
	if (record_get_boot(object, record->boot) < 0 ||
		jsonline_get_int(object, "up_ns", 0, INT64_MAX, &record->up_ns) < 0 ||
		jsonline_get_bool(object, "synced", &record->synced) < 0 ||
		jsonline_get_int(object, "late_us", -LATE_MAX_US, LATE_MAX_US, &record->late_us) <
			0 ||
		jsonline_get_bool(object, "shot", &record->shot) < 0 ||
		jsonline_get_bool(object, "recovered", &record->recovered) < 0 ||
		record_get_count(object, "was", &record->was) < 0 || record->was >= record->seq)
		return -EINVAL;
	return record_get_facts(object, &record->facts);
}

static int record_parse_miss(struct json_object *object, struct record *record)
{
	const char *word;
	size_t len, cause = 0;
	int last, count;

	if (record_require(jsonline_get_string(object, "miss", &word, &len)) < 0)
		return -EINVAL;
	while (cause < MISS_CAUSES && strcmp(miss_causes[cause], word) != 0)
		cause++;
	if (cause == MISS_CAUSES) {
		record->type = RECORD_OTHER;
		return 1;
	}
	record->cause = (enum miss_cause)cause;

	if (record_require(jsonline_get_time(object, "slot", &record->slot_us)) < 0)
		return -EINVAL;
	record->last_us = record->slot_us;
	last = jsonline_get_time(object, "last", &record->last_us);
	count = record_get_count(object, "count", &record->count);
	if (last < 0 || count != last || record->last_us < record->slot_us)
		return -EINVAL;
	return jsonline_get_text(object, "text", record->text, sizeof(record->text));
}

static int record_parse_clock(struct json_object *object, struct record *record)
{
	const char *word;
	size_t len;

	if (record_require(jsonline_get_string(object, "clock", &word, &len)) < 0)
		return -EINVAL;
	if (strcmp(word, "step") != 0) {
		record->type = RECORD_OTHER;
		return 1;
	}
	if (record_require(jsonline_get_time(object, "before", &record->before_us)) < 0 ||
		record_require(jsonline_get_time(object, "after", &record->after_us)) < 0)
		return -EINVAL;
	return 1;
}

static int record_parse_zone(struct json_object *object, struct record *record)
{
	if (record_require(jsonline_get_text(object, "zone", record->text, sizeof(record->text))) <
			0 ||
		record_require(jsonline_get_time(object, "at", &record->at_us)) < 0 ||
		record_require(jsonline_get_int(object, "from_s", -ZONE_OFFSET_MAX_S,
			ZONE_OFFSET_MAX_S, &record->from_s)) < 0 ||
		record_require(jsonline_get_int(
			object, "to_s", -ZONE_OFFSET_MAX_S, ZONE_OFFSET_MAX_S, &record->to_s)) < 0)
		return -EINVAL;
	return 1;
}

static int record_parse_prune(struct json_object *object, struct record *record)
{
	if (record_require(jsonline_get_text(object, "prune", record->text, sizeof(record->text))) <
			0 ||
		!*record->text ||
		record_require(record_get_count(object, "first_seq", &record->first_seq)) < 0 ||
		record_require(record_get_count(object, "last_seq", &record->last_seq)) < 0 ||
		record->first_seq > record->last_seq ||
		record_require(record_get_count(object, "count", &record->count)) < 0 ||
		record_require(jsonline_get_int(object, "bytes", 0, INT64_MAX, &record->bytes)) < 0)
		return -EINVAL;
	return 1;
}

int record_parse_object(struct json_object *object, struct record *ret)
{
	static const struct {
		const char *key; /* that a line of this kind has */
		enum record_type type;
		int (*parse)(struct json_object *object, struct record *record);
	} kinds[] = {
		{ "file", RECORD_FRAME, record_parse_frame },
		{ "miss", RECORD_MISS, record_parse_miss },
		{ "clock", RECORD_CLOCK, record_parse_clock },
		{ "zone", RECORD_ZONE, record_parse_zone },
		{ "prune", RECORD_PRUNE, record_parse_prune },
	};
	struct record record = record_new(RECORD_OTHER);
	int found = -1;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!jsonline_has(object, kinds[i].key))
			continue;
		if (found >= 0)
			return -EINVAL; /* two kinds at once */
		found = (int)i;
	}
	if (found >= 0)
		record = record_new(kinds[found].type);
	if (record_require(record_get_count(object, "seq", &record.seq)) < 0 ||
		(found >= 0 && kinds[found].parse(object, &record) < 0))
		return -EINVAL;
	*ret = record;
	return 0;
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
