/* SPDX-License-Identifier: MIT */
/*
 * One line for people about a record: local time, then what it is, in columns where it is a frame.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"
#include "common/journal/record.h"

#define SHORT_TEXT 32

static const char *describe_bytes(int64_t bytes, char buf[static SHORT_TEXT])
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	int64_t size = bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(buf, SHORT_TEXT, "%" PRId64 " B", bytes);
		return buf;
	}
	while (size >= INT64_C(1024) * 1024 && unit + 1 < ARRAY_SIZE(units)) {
		size /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(buf, SHORT_TEXT, "%" PRId64 " KB", (size + 512) / 1024);
	else
		snprintf(buf, SHORT_TEXT, "%.1f %s", (double)size / 1024, units[unit]);
	return buf;
}

/* "+0.4 ms", "-12.3 s", "+3 min" */
static const char *describe_shift(int64_t us, char buf[static SHORT_TEXT])
{
	char text[UTC_TEXT_MAX];

	if (us > -US_PER_SEC && us < US_PER_SEC)
		snprintf(buf, SHORT_TEXT, "%+.1f ms", (double)us / 1000);
	else if (us > -60 * US_PER_SEC && us < 60 * US_PER_SEC)
		snprintf(buf, SHORT_TEXT, "%+.1f s", (double)us / US_PER_SEC);
	else
		snprintf(buf, SHORT_TEXT, "%s%.30s", us < 0 ? "" : "+", duration_format(us, text));
	return buf;
}

static void describe_frame(const struct record *frame, char *buf, size_t size)
{
	const struct frame_name name = record_name(frame);
	char time[UTC_TEXT_MAX], file[FRAME_NAME_MAX], bytes[SHORT_TEXT], late[SHORT_TEXT];
	char was[SHORT_TEXT + 16] = "";

	if (frame_name_format(&name, file) < 0)
		snprintf(file, sizeof(file), "-");
	if (frame->was)
		snprintf(was, sizeof(was), "  clock correction of %" PRIu64, frame->was);
	snprintf(buf, size, "%" PRIu64 "  %s  %s  %s  %s%s%s%s%s%s%s", frame->seq,
		utc_format_local(frame->slot_us, time), file, describe_bytes(frame->bytes, bytes),
		frame->exposed_us == TIME_NONE ? "lateness not known"
					       : describe_shift(frame->late_us, late),
		frame->synced ? "" : "  clock not set", frame->shot ? "  shot" : "",
		frame->recovered ? "  recovered" : "", *mark_name(frame->picture.mark) ? "  " : "",
		mark_name(frame->picture.mark), was);
}

const char *miss_cause_text(enum miss_cause cause)
{
	static const char *const words[MISS_CAUSES] = {
		[MISS_CAMERA] = "the camera gave no picture",
		[MISS_BUSY] = "the frame before was still being stored",
		[MISS_DISK] = "it could not be stored",
		[MISS_CLOCK] = "the clock was set past it",
		[MISS_DOWN] = "the service was not running",
	};

	return (unsigned)cause < MISS_CAUSES ? words[cause] : "unknown";
}

static void describe_miss(const struct record *miss, char *buf, size_t size)
{
	const char *why = miss_cause_text(miss->cause);
	char first[UTC_TEXT_MAX], last[UTC_TEXT_MAX], text[TEXT_MAX];

	text_clean(miss->text, strnlen(miss->text, sizeof(miss->text)), text, sizeof(text));
	if (miss->count == 1)
		snprintf(buf, size, "%" PRIu64 "  %s  missed: %s%s%s", miss->seq,
			utc_format_local(miss->slot_us, first), why, *text ? ": " : "", text);
	else
		snprintf(buf, size, "%" PRIu64 "  %s  missed %" PRIu64 " until %s: %s%s%s",
			miss->seq, utc_format_local(miss->slot_us, first), miss->count,
			utc_format_local(miss->last_us, last), why, *text ? ": " : "", text);
}

static void describe_clock(const struct record *step, char *buf, size_t size)
{
	const bool known = step->before_us != TIME_NONE && step->after_us != TIME_NONE;
	char before[UTC_TEXT_MAX], after[UTC_TEXT_MAX], shift[SHORT_TEXT] = "?";

	snprintf(buf, size, "%" PRIu64 "  %s  the clock was set, from %s (%s)", step->seq,
		utc_format_local(step->after_us, after), utc_format_local(step->before_us, before),
		known ? describe_shift(step->after_us - step->before_us, shift) : shift);
}

/* "+05:30" */
static const char *describe_offset(int64_t offset_s, char buf[static SHORT_TEXT])
{
	int minutes = (int)(offset_s < 0 ? -offset_s : offset_s) / 60;

	snprintf(buf, SHORT_TEXT, "%c%02d:%02d", offset_s < 0 ? '-' : '+', minutes / 60,
		minutes % 60);
	return buf;
}

static void describe_zone(const struct record *zone, char *buf, size_t size)
{
	char at[UTC_TEXT_MAX], name[TEXT_MAX], from[SHORT_TEXT], to[SHORT_TEXT];
	bool moved = zone->from_s != zone->to_s;

	text_clean(zone->text, strnlen(zone->text, sizeof(zone->text)), name, sizeof(name));
	snprintf(buf, size, "%" PRIu64 "  %s  the time zone or its rules changed: now %s, %s%s%s",
		zone->seq, utc_format_local(zone->at_us, at), *name ? name : "one without a name",
		describe_offset(zone->to_s, to), moved ? ", before it was " : "",
		moved ? describe_offset(zone->from_s, from) : "");
}

static void describe_prune(const struct record *prune, char *buf, size_t size)
{
	char bytes[SHORT_TEXT], why[TEXT_MAX];

	text_clean(prune->text, strnlen(prune->text, sizeof(prune->text)), why, sizeof(why));
	if (strcmp(why, "redated") == 0 && prune->first_seq == prune->last_seq) {
		snprintf(buf, size,
			"%" PRIu64 "  frame %" PRIu64 " has a new number: clock correction",
			prune->seq, prune->first_seq);
		return;
	}
	snprintf(buf, size,
		"%" PRIu64 "  removed %" PRIu64 " of the frames %" PRIu64 " to %" PRIu64
		", %s, for %s",
		prune->seq, prune->count, prune->first_seq, prune->last_seq,
		describe_bytes(prune->bytes, bytes), why);
}

const char *record_describe(const struct record *record, char *buf, size_t size)
{
	switch (record->type) {
	case RECORD_FRAME:
		describe_frame(record, buf, size);
		break;
	case RECORD_MISS:
		describe_miss(record, buf, size);
		break;
	case RECORD_CLOCK:
		describe_clock(record, buf, size);
		break;
	case RECORD_ZONE:
		describe_zone(record, buf, size);
		break;
	case RECORD_PRUNE:
		describe_prune(record, buf, size);
		break;
	default:
		snprintf(buf, size, "%" PRIu64 "  a line of a kind that this version does not know",
			record->seq);
		break;
	}
	return buf;
}
