/* SPDX-License-Identifier: MIT */
/*
 * FORMAT.md tells of each key that a line has, each cause and each request, and the program knows
 * each of them.
 */
#include <fcntl.h>
#include <json-c/json.h>

#include "common/base/fs.h"
#include "common/journal/record.h"
#include "common/wire/wire.h"
#include "tests/test.h"

#define PAGE SOURCE_ROOT "/FORMAT.md"
#define SOME_US (INT64_C(1795000000) * US_PER_SEC)

static char *page_read(void)
{
	char *page = NULL;
	size_t bytes;

	CHECK_INT(fs_read_file(AT_FDCWD, PAGE, 1 << 20, &page, &bytes), 0);
	return page;
}

static bool page_has(const char *page, const char *word)
{
	char text[128];

	snprintf(text, sizeof(text), "`%s`", word);
	if (page && strstr(page, text))
		return true;
	fprintf(stderr, "  FORMAT.md has no %s\n", text);
	return false;
}

/* A record with all that its type can have. */
static struct record full_record(enum record_type type)
{
	struct record record = record_new(type);

	record.seq = 9;
	record.slot_us = record.exposed_us = record.before_us = record.after_us = record.at_us =
		SOME_US;
	record.last_us = SOME_US + US_PER_SEC;
	record.count = 2;
	record.bytes = 100;
	record.up_ns = 1;
	record.shot = record.recovered = true;
	record.was = 3;
	record.first_seq = record.last_seq = 4;
	record.facts = (struct camera_facts){ 1, 2, 3, 4 };
	record.picture = (struct picture_facts){ 1, 1, 1, 1, 1, MARK_DARK };
	snprintf(record.boot, sizeof(record.boot), "1e869fcb-b3fe-413b-8c08-33929389aece");
	snprintf(record.text, sizeof(record.text), "word");
	return record;
}

static void check_keys(const char *page, enum record_type type)
{
	const struct record record = full_record(type);
	char line[LINE_MAX_BYTES + 1];
	struct json_object *object;

	if (!CHECK(record_format(&record, line) > 0))
		return;
	object = json_tokener_parse(line);
	json_object_object_foreach(object, key, value)
	{
		(void)value;
		CHECK(page_has(page, key));
	}
	json_object_put(object);
}

TEST(each_key_of_a_line)
{
	CLEANUP_FREE char *page = page_read();

	for (enum record_type type = RECORD_FRAME; type < RECORD_OTHER; type++)
		check_keys(page, type);
}

TEST(each_cause_of_a_miss)
{
	CLEANUP_FREE char *page = page_read();

	for (enum miss_cause cause = 0; cause < MISS_CAUSES; cause++)
		CHECK(page_has(page, miss_cause_name(cause)));
}

/* The request of a row's first word, with as many numbers as it needs; -1 for none. */
static int request_of_row(const char *row)
{
	static const char *const samples[] = { "", " 1", " 1 1" };
	struct wire_request request;
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char line[64];
		int bytes = snprintf(
			line, sizeof(line), "%.*s%s", (int)strcspn(row, " `"), row, samples[i]);

		if (wire_request_parse(line, (size_t)bytes, &request, &text) == 0)
			return (int)request.verb;
	}
	fprintf(stderr, "  no request %.20s\n", row);
	return -1;
}

/* A row of the table of requests begins with "| `" and the request's word. */
TEST(each_request)
{
	CLEANUP_FREE char *page = page_read();
	const char *row = page ? strstr(page, "| request | answer |") : NULL;
	unsigned seen = 1u << WIRE_ACK; /* it stands below the table: it was a request */

	if (!CHECK(row != NULL))
		return;
	while ((row = strstr(row, "\n| `"))) {
		int verb = request_of_row(row += 4);

		CHECK(verb >= 0);
		seen |= verb >= 0 ? 1u << verb : 0;
	}
	CHECK_INT(seen, (1u << (WIRE_QUIT + 1)) - 1);
}
