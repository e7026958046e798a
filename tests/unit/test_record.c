/* SPDX-License-Identifier: MIT */
/* Journal lines: each kind there and back, all that must be refused, the text for people. */
#include "common/journal/record.h"

#include <locale.h>
#include <math.h>

#include "common/base/util.h"
#include "tests/test.h"

#define SLOT_US INT64_C(1795190460000000) /* 2026-11-20T16:01:00Z */
#define BOOT "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11"
#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SLOT "\"slot\":\"2026-11-20T16:01:00Z\""
#define FILE_OF_123 "\"file\":\"20261120T160100Z-00000123.jpg\""
#define FRAME_123                                                                                  \
	"{\"seq\":123," SLOT ",\"exposed\":\"2026-11-20T16:01:00.000412Z\"," FILE_OF_123           \
	",\"bytes\":524288,\"sha256\":\"" SHA "\""

static struct record frame_123(void)
{
	struct record frame = record_new(RECORD_FRAME);

	frame.seq = 123;
	frame.slot_us = SLOT_US;
	frame.exposed_us = SLOT_US + 412;
	frame.bytes = 524288;
	digest_buffer("abc", 3, frame.sha256);
	snprintf(frame.boot, sizeof(frame.boot), BOOT);
	frame.up_ns = INT64_C(3600000000412);
	frame.late_us = 412;
	frame.synced = true;
	return frame;
}

static void check_same(const struct record *got, const struct record *want)
{
	CHECK_INT(got->type, want->type);
	CHECK_INT(got->seq, want->seq);
	CHECK_INT(got->slot_us, want->slot_us);
	CHECK_INT(got->exposed_us, want->exposed_us);
	CHECK_INT(got->bytes, want->bytes);
	CHECK(memcmp(got->sha256, want->sha256, SHA256_BYTES) == 0);
	CHECK_STR(got->boot, want->boot);
	CHECK_INT(got->up_ns, want->up_ns);
	CHECK_INT(got->late_us, want->late_us);
	CHECK_INT(got->synced, want->synced);
	CHECK_INT(got->shot, want->shot);
	CHECK_INT(got->recovered, want->recovered);
	CHECK_INT(got->was, want->was);
	/* bit by bit, NaN too */
	CHECK(memcmp(&got->facts, &want->facts, offsetof(struct camera_facts, focus)) == 0);
	CHECK_STR(got->facts.focus, want->facts.focus);
	CHECK(memcmp(&got->picture, &want->picture, offsetof(struct picture_facts, mark)) == 0);
	CHECK_INT(got->picture.mark, want->picture.mark);
	CHECK_INT(got->cause, want->cause);
	CHECK_INT(got->last_us, want->last_us);
	CHECK_INT(got->count, want->count);
	CHECK_STR(got->text, want->text);
	CHECK_INT(got->before_us, want->before_us);
	CHECK_INT(got->after_us, want->after_us);
	CHECK_INT(got->first_seq, want->first_seq);
	CHECK_INT(got->last_seq, want->last_seq);
}

/* The record is written as that text, and the text is read as that record, newline or not. */
static void check_both_ways(const struct record *record, const char *text)
{
	char line[LINE_MAX_BYTES + 1];
	struct record back = { .seq = 1 };
	int n = record_format(record, line);

	CHECK_STR(line, text);
	CHECK_INT(n, strlen(text));
	CHECK_INT(record_parse(text, strlen(text), &back), 0);
	check_same(&back, record);
	back = (struct record){ .seq = 1 };
	CHECK_INT(record_parse(text, strlen(text) - 1, &back), 0);
	check_same(&back, record);
	CHECK_INT(record_peek_seq(text, strlen(text)), record->seq);
}

TEST(frames)
{
	struct record frame = frame_123();

	check_both_ways(&frame,
		FRAME_123 ",\"boot\":\"" BOOT "\",\"up_ns\":3600000000412,\"synced\":true,"
			  "\"late_us\":412}\n");

	frame.facts = (struct camera_facts){ 33333.5, 1.25, 5500, 2.5, 1.5, 0, "focused" };
	check_both_ways(&frame,
		FRAME_123
		",\"boot\":\"" BOOT "\",\"up_ns\":3600000000412,\"synced\":true,"
		"\"late_us\":412,\"exposure_us\":33333.5,\"gain\":1.25,"
		"\"colour_temperature\":5500,\"red\":2.5,\"blue\":1.5,\"lens_position\":0,"
		"\"focus\":\"focused\"}\n");

	frame.facts = camera_facts_none;
	frame.picture = (struct picture_facts){ 0.25, 0, 1, 0.5, 0.03, MARK_MOVED };
	check_both_ways(&frame,
		FRAME_123 ",\"boot\":\"" BOOT "\",\"up_ns\":3600000000412,\"synced\":true,"
			  "\"late_us\":412,\"mean\":0.25,\"black\":0,\"white\":1,"
			  "\"sharpness\":0.5,\"moved\":0.03,\"mark\":\"moved\"}\n");

	frame.picture = picture_facts_none;
	frame.synced = false;
	frame.shot = frame.recovered = true;
	frame.boot[0] = '\0';
	frame.up_ns = 0;
	frame.late_us = -7;
	check_both_ways(&frame,
		FRAME_123 ",\"synced\":false,\"late_us\":-7,\"shot\":true,\"recovered\":true}\n");
	CHECK_INT(record_order(&frame), 123);

	frame.shot = frame.recovered = false;
	frame.was = 122;
	check_both_ways(&frame, FRAME_123 ",\"synced\":false,\"late_us\":-7,\"was\":122}\n");
	CHECK_INT(record_order(&frame), 122);
}

TEST(frame_names_floor_the_slot)
{
	struct record frame = frame_123();
	struct frame_name name;
	char line[LINE_MAX_BYTES + 1];
	struct record back;

	frame.slot_us += 900000;
	name = record_name(&frame);
	CHECK_INT(name.slot_us, SLOT_US);
	CHECK_INT(name.seq, 123);
	CHECK(record_format(&frame, line) > 0);
	CHECK(strstr(line, "\"slot\":\"2026-11-20T16:01:00.900000Z\"") != NULL);
	CHECK(strstr(line, FILE_OF_123) != NULL);
	CHECK_INT(record_parse(line, strlen(line), &back), 0);
	CHECK_INT(back.slot_us, SLOT_US + 900000);
}

TEST(misses)
{
	struct record miss = record_new(RECORD_MISS);

	miss.seq = 124;
	miss.slot_us = miss.last_us = SLOT_US;
	for (int cause = 0; cause < MISS_DOWN; cause++) {
		char text[200];

		miss.cause = (enum miss_cause)cause;
		snprintf(text, sizeof(text), "{\"seq\":124," SLOT ",\"miss\":\"%s\"}\n",
			miss_cause_name(miss.cause));
		check_both_ways(&miss, text);
	}

	snprintf(miss.text, sizeof(miss.text), "no \"frame\" for 5 s \\ \xc3\xbc");
	miss.cause = MISS_CAMERA;
	check_both_ways(&miss,
		"{\"seq\":124," SLOT ",\"miss\":\"camera\","
		"\"text\":\"no \\\"frame\\\" for 5 s \\\\ \xc3\xbc\"}\n");

	miss.text[0] = '\0';
	miss.cause = MISS_DOWN;
	check_both_ways(&miss,
		"{\"seq\":124," SLOT ",\"miss\":\"down\",\"last\":\"2026-11-20T16:01:00Z\","
		"\"count\":1}\n");
	miss.cause = MISS_CLOCK;
	miss.last_us += 600 * US_PER_SEC;
	miss.count = 11;
	check_both_ways(&miss,
		"{\"seq\":124," SLOT ",\"miss\":\"clock\",\"last\":\"2026-11-20T16:11:00Z\","
		"\"count\":11}\n");
}

TEST(clock_steps_prunes_and_others)
{
	struct record step = record_new(RECORD_CLOCK), prune = record_new(RECORD_PRUNE),
		      other = record_new(RECORD_OTHER);

	step.seq = 125;
	step.before_us = SLOT_US;
	step.after_us = 0;
	check_both_ways(&step,
		"{\"seq\":125,\"clock\":\"step\",\"before\":\"2026-11-20T16:01:00Z\","
		"\"after\":\"1970-01-01T00:00:00Z\"}\n");

	prune.seq = SEQ_MAX;
	prune.first_seq = 1;
	prune.last_seq = 20;
	prune.count = 18;
	prune.bytes = INT64_C(1) << 40;
	snprintf(prune.text, sizeof(prune.text), "space");
	check_both_ways(&prune,
		"{\"seq\":999999999999,\"prune\":\"space\",\"first_seq\":1,\"last_seq\":20,"
		"\"count\":18,\"bytes\":1099511627776}\n");

	other.seq = 127;
	check_both_ways(&other, "{\"seq\":127}\n");
}

TEST(parses_what_others_write)
{
	static const struct {
		const char *line;
		enum record_type type;
	} cases[] = {
		/* unknown keys, another order, blanks, escapes */
		{ "{\"seq\":9,\"weather\":{\"wind\":[1,2,{\"gust\":null}]}," SLOT
		  ",\"miss\":\"busy\"}",
			RECORD_MISS },
		{ "{ \"miss\" : \"busy\" , " SLOT " , \"seq\" : 9 }", RECORD_MISS },
		{ "{\"seq\":9," SLOT ",\"miss\":\"\\u0062usy\"}", RECORD_MISS },
		/* of a key that comes twice the last one counts */
		{ "{\"seq\":8,\"seq\":9," SLOT ",\"miss\":\"busy\"}", RECORD_MISS },
		/* kinds of a later version */
		{ "{\"seq\":9,\"miss\":\"eclipse\"}", RECORD_OTHER },
		{ "{\"seq\":9,\"clock\":\"leap\"}", RECORD_OTHER },
		{ "{\"seq\":9,\"hello\":\"world\"}", RECORD_OTHER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct record record = { 0 };

		if (!CHECK(record_parse(cases[i].line, strlen(cases[i].line), &record) == 0))
			fprintf(stderr, "  for %s\n", cases[i].line);
		CHECK_INT(record.type, cases[i].type);
		CHECK_INT(record.seq, 9);
	}
}

TEST(parses_sparse_frames)
{
	static const char line[] =
		"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":4,\"sha256\":\"" SHA "\"}";
	static const char late[] = FRAME_123 "}";
	struct record record;

	CHECK_INT(record_parse(line, strlen(line), &record), 0);
	CHECK(record.exposed_us == TIME_NONE && record_taken_us(&record) == record.slot_us);
	CHECK(!record.synced && isnan(record.facts.gain));
	CHECK_INT(record.late_us, 0);
	CHECK_INT(record_parse(late, strlen(late), &record), 0);
	CHECK_INT(record.late_us, 412);
}

#define MISS(text) "{\"seq\":9," SLOT ",\"miss\":\"down\"," text "}"
#define PRUNE(why, first, last, count, bytes)                                                      \
	"{\"seq\":9,\"prune\":" why ",\"first_seq\":" first ",\"last_seq\":" last                  \
	",\"count\":" count ",\"bytes\":" bytes "}"

static const char *const refused[] = {
	/* not one JSON object */
	"",
	"\n",
	"{",
	"}",
	"{}",
	"[]",
	"null",
	"seq",
	"{\"seq\":9",
	"{\"seq\":9}}",
	"{\"seq\":9}\n\n",
	"{\"seq\":9} {\"seq\":10}",
	"{\"seq\":9,}",
	"{seq:9}",
	"{\"seq\":9}/**/",
	"/**/{\"seq\":9}",
	" {\"seq\":9}",
	"{\"seq\":9} ",
	"{\"seq\":9,\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
	"{\"seq\":9,\"a\":\"\xff\"}",
	"{\"seq\":9,\"a\":\"\xc0\xaf\"}",
	"{\"seq\":9,\"a\":\"\t\"}",
	"{\"seq\":9,\"a\":\"\x1b\"}",
	"{\"format\":1,\"id\":\"" BOOT "\",\"segment\":0}",
	/* seq */
	"{\"seq\":0}",
	"{\"seq\":-1}",
	"{\"seq\":1e3}",
	"{\"seq\":9.0}",
	"{\"seq\":\"9\"}",
	"{\"seq\":null}",
	"{\"seq\":true}",
	"{\"seq\":[9]}",
	"{\"seq\":1000000000000}",
	"{\"seq\":18446744073709551625}",
	"{\"seq\":99999999999999999999999999}",
	/* two kinds at once */
	FRAME_123 ",\"miss\":\"busy\"}",
	"{\"seq\":9," SLOT ",\"miss\":\"busy\",\"clock\":\"step\"}",
	/* frames: a file that is not the name of its own slot and seq */
	"{\"seq\":124," SLOT "," FILE_OF_123 ",\"bytes\":4,\"sha256\":\"" SHA "\"}",
	"{\"seq\":123,\"slot\":\"2026-11-20T16:02:00Z\"," FILE_OF_123
	",\"bytes\":4,\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT ",\"file\":\"../../.ssh/authorized_keys\",\"bytes\":4,"
	"\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT ",\"file\":\"2026/11/20/20261120T160100Z-00000123.jpg\",\"bytes\":4,"
	"\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT ",\"file\":\"20261120T160100Z-00000123.jpg\\u0000\",\"bytes\":4,"
	"\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT ",\"file\":null,\"bytes\":4,\"sha256\":\"" SHA "\"}",
	/* frames: a field that is missing, of another type, out of range */
	"{\"seq\":123," FILE_OF_123 ",\"bytes\":4,\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":4}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":3,\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":67108865,\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":-4,\"sha256\":\"" SHA "\"}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":4,\"sha256\":\"ba7816\"}",
	"{\"seq\":123," SLOT "," FILE_OF_123 ",\"bytes\":4,\"sha256\":7}",
	FRAME_123 ",\"exposed\":\"2026-11-20T16:01:60Z\"}",
	FRAME_123 ",\"exposed\":1795190460}",
	FRAME_123 ",\"boot\":\"../../etc/passwd\"}",
	FRAME_123 ",\"up_ns\":-1}",
	FRAME_123 ",\"up_ns\":9223372036854775807}", /* 292 years */
	FRAME_123 ",\"synced\":1}",
	FRAME_123 ",\"synced\":\"true\"}",
	FRAME_123 ",\"late_us\":0.5}",
	FRAME_123 ",\"mean\":-0.1}",
	FRAME_123 ",\"black\":1.5}",
	FRAME_123 ",\"white\":1e300}",
	FRAME_123 ",\"sharpness\":\"0\"}",
	FRAME_123 ",\"moved\":-1}",
	FRAME_123 ",\"late_us\":253402300800000001}",
	FRAME_123 ",\"late_us\":-9223372036854775808}",
	FRAME_123 ",\"shot\":null}",
	FRAME_123 ",\"recovered\":{}}",
	FRAME_123 ",\"was\":0}",
	FRAME_123 ",\"was\":123}",
	FRAME_123 ",\"was\":\"7\"}",
	FRAME_123 ",\"gain\":\"1\"}",
	FRAME_123 ",\"gain\":1e999}",
	FRAME_123 ",\"gain\":NaN}",
	FRAME_123 ",\"gain\":Infinity}",
	FRAME_123 ",\"lens_position\":true}",
	FRAME_123 ",\"focus\":2}",
	/* misses */
	"{\"seq\":9,\"miss\":\"busy\"}",
	"{\"seq\":9,\"miss\":7," SLOT "}",
	"{\"seq\":9,\"slot\":\"1969-12-31T23:59:59Z\",\"miss\":\"busy\"}",
	MISS("\"last\":\"2026-11-20T16:01:00Z\""), /* a range has both */
	MISS("\"count\":2"),
	/* a slot each 0.1 s at most */
	MISS("\"last\":\"2026-11-20T16:02:00Z\",\"count\":602"),
	MISS("\"last\":\"2026-11-20T16:01:00Z\",\"count\":2"),
	MISS("\"last\":\"2026-11-20T16:00:59Z\",\"count\":2"),
	MISS("\"last\":\"2026-11-20T16:02:00Z\",\"count\":0"),
	MISS("\"text\":7"),
	MISS("\"text\":\"a\\u0000b\""),
	/* clock steps and prunes */
	"{\"seq\":9,\"clock\":\"step\",\"before\":\"2026-11-20T16:01:00Z\"}",
	"{\"seq\":9,\"clock\":\"step\",\"after\":\"2026-11-20T16:01:00Z\"}",
	"{\"seq\":9,\"clock\":1}",
	"{\"seq\":9,\"zone\":\"x\",\"at\":\"2026-11-20T16:01:00Z\",\"from_s\":0}",
	"{\"seq\":9,\"zone\":\"x\",\"from_s\":0,\"to_s\":0}",
	"{\"seq\":9,\"zone\":7,\"at\":\"2026-11-20T16:01:00Z\",\"from_s\":0,\"to_s\":0}",
	"{\"seq\":9,\"zone\":\"x\",\"at\":\"2026-11-20T16:01:00Z\",\"from_s\":0,\"to_s\":100000}",
	PRUNE("\"\"", "1", "2", "2", "0"),
	PRUNE("1", "1", "2", "2", "0"),
	PRUNE("\"age\"", "2", "1", "2", "0"),
	PRUNE("\"age\"", "0", "1", "2", "0"),
	PRUNE("\"age\"", "1", "2", "0", "0"),
	PRUNE("\"age\"", "1", "2", "2", "-1"),
	PRUNE("\"age\"", "1", "2", "2", "1.5"),
	"{\"seq\":9,\"prune\":\"age\"}",
};

TEST(refuses)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct record record = { .seq = 42 };

		if (!CHECK(record_parse(refused[i], strlen(refused[i]), &record) == -EINVAL))
			fprintf(stderr, "  for %s\n", refused[i]);
		CHECK_INT(record.seq, 42);
	}
	CHECK(record_parse("{\"seq\":9}\0", 10, &(struct record){ 0 }) == -EINVAL);
	CHECK(record_parse("{\"seq\":9\0}", 10, &(struct record){ 0 }) == -EINVAL);
}

/* Every line that is cut short is refused, and so is each with a byte of it broken. */
TEST(refuses_torn_lines)
{
	static const char line[] = FRAME_123 ",\"synced\":true,\"late_us\":412}";
	struct record record;

	for (size_t len = 0; len < strlen(line); len++)
		CHECK_INT(record_parse(line, len, &record), -EINVAL);
	CHECK_INT(record_parse(line, strlen(line), &record), 0);
	for (size_t i = 0; i < strlen(line); i++) {
		char torn[sizeof(line)];

		memcpy(torn, line, sizeof(line));
		torn[i] = '\0';
		CHECK_INT(record_parse(torn, strlen(line), &record), -EINVAL);
	}
}

TEST(refuses_long_lines)
{
	static char line[2 * LINE_MAX_BYTES];
	struct record record;
	size_t len;

	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"seq\":9,", 9);
	len = LINE_MAX_BYTES - 1; /* the longest there is without its newline */
	memcpy(line + len - 6, "\"a\":1}", 6);
	CHECK_INT(record_parse(line, len, &record), 0);
	line[len] = '\n';
	CHECK_INT(record_parse(line, len + 1, &record), 0);
	line[len] = ' ';
	CHECK_INT(record_parse(line, len + 1, &record), -E2BIG);
	CHECK_INT(record_parse(line, sizeof(line), &record), -E2BIG);
}

TEST(refuses_to_format)
{
	const struct record good = frame_123();
	struct record bad[13];
	char line[LINE_MAX_BYTES + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].seq = 0;
	bad[1].seq = SEQ_MAX + 1;
	bad[2].slot_us = TIME_NONE;
	bad[3].slot_us = -1;
	bad[4].exposed_us = INT64_MAX;
	bad[5].bytes = 0;
	bad[6].bytes = FRAME_BYTES_MAX + INT64_C(1);
	bad[7].up_ns = -1;
	bad[8].late_us = TIME_NONE;
	snprintf(bad[9].boot, sizeof(bad[9].boot), "nonsense");
	bad[10] = record_new(RECORD_MISS);
	bad[10].seq = 1;
	bad[11] = record_new(RECORD_PRUNE);
	bad[11].seq = bad[11].first_seq = bad[11].last_seq = 1;
	bad[12].was = bad[12].seq;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!CHECK(record_format(&bad[i], line) == -ERANGE))
			fprintf(stderr, "  for %zu\n", i);
	}
	CHECK(record_format(&good, line) > 0);
}

/* Text is cleaned on its way out and on its way in, and cut before a character. */
TEST(cleans_text)
{
	struct record miss = record_new(RECORD_MISS), back;
	static const char dirty[] = "{\"seq\":9," SLOT ",\"miss\":\"camera\","
				    "\"text\":\"a\\u001b[31m\\nb\\u009b\\ud800\"}";
	char line[LINE_MAX_BYTES + 1], longer[LINE_MAX_BYTES];

	miss.seq = 9;
	miss.slot_us = miss.last_us = SLOT_US;
	snprintf(miss.text, sizeof(miss.text), "a\x1b[31m\n\xff");
	CHECK(record_format(&miss, line) > 0);
	CHECK(strstr(line, "\"text\":\"a?[31m??\"}\n") != NULL);

	CHECK_INT(record_parse(dirty, strlen(dirty), &back), 0);
	CHECK_STR(back.text, "a?[31m?b?\xef\xbf\xbd");

	snprintf(longer, sizeof(longer),
		"{\"seq\":9," SLOT ",\"miss\":\"disk\",\"text\":\"%0*d%s\"}", TEXT_MAX - 2, 0,
		"\xc3\xbc\xc3\xbc");
	CHECK_INT(record_parse(longer, strlen(longer), &back), 0);
	CHECK_INT(strlen(back.text), TEXT_MAX - 2);

	/* the worst text still fits */
	memset(miss.text, '"', sizeof(miss.text) - 1);
	miss.text[sizeof(miss.text) - 1] = '\0';
	CHECK(record_format(&miss, line) > 0);
	CHECK_INT(record_parse(line, strlen(line), &back), 0);
	CHECK_STR(back.text, miss.text);
}

TEST(numbers_of_the_camera)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0.1, "\"gain\":0.1}" },
		{ 1234567, "\"gain\":1.23457e+06}" },
		{ -2.5e-7, "\"gain\":-2.5e-07}" },
		{ 100000, "\"gain\":100000}" },
		{ NAN, "\"late_us\":412}" },
		{ INFINITY, "\"late_us\":412}" },
		{ -INFINITY, "\"late_us\":412}" },
	};
	struct record frame = frame_123(), back;
	char line[LINE_MAX_BYTES + 1];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		frame.facts.gain = cases[i].value;
		CHECK(record_format(&frame, line) > 0);
		CHECK(strstr(line, cases[i].text) != NULL);
		CHECK_INT(record_parse(line, strlen(line), &back), 0);
	}
}

/* Where a locale with a decimal comma is installed, lines are the same in it. */
TEST(no_locale_shows)
{
	static const char *const locales[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
		"ps_AF.UTF-8" };
	struct record frame = frame_123(), back;
	char line[LINE_MAX_BYTES + 1];

	frame.facts.gain = 1.5;
	for (size_t i = 0; i < ARRAY_SIZE(locales); i++) {
		if (!setlocale(LC_ALL, locales[i]))
			continue;
		CHECK(record_format(&frame, line) > 0);
		CHECK(strstr(line, "\"gain\":1.5}") != NULL);
		CHECK_INT(record_parse(line, strlen(line), &back), 0);
		CHECK(back.facts.gain == 1.5);
	}
	setlocale(LC_ALL, "C");
}

TEST(describes_for_people)
{
	struct record frame = frame_123(), miss = record_new(RECORD_MISS),
		      step = record_new(RECORD_CLOCK), prune = record_new(RECORD_PRUNE),
		      other = record_new(RECORD_OTHER);
	char buf[400];

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	CHECK_STR(record_describe(&frame, buf, sizeof(buf)),
		"123  2026-11-20 17:01:00 +01:00  20261120T160100Z-00000123.jpg  512 KB  +0.4 ms");
	frame.synced = false;
	frame.shot = frame.recovered = true;
	frame.bytes = 2621440;
	frame.late_us = -2500000;
	CHECK_STR(record_describe(&frame, buf, sizeof(buf)),
		"123  2026-11-20 17:01:00 +01:00  20261120T160100Z-00000123.jpg  2.5 MB  -2.5 s"
		"  clock not set  shot  recovered");
	frame.synced = true;
	frame.shot = frame.recovered = false;
	frame.was = 9;
	CHECK(strstr(record_describe(&frame, buf, sizeof(buf)), "  clock correction of 9") != NULL);

	miss.seq = 124;
	miss.slot_us = miss.last_us = SLOT_US;
	miss.cause = MISS_CAMERA;
	snprintf(miss.text, sizeof(miss.text), "no frame\x1b for 5 s");
	CHECK_STR(record_describe(&miss, buf, sizeof(buf)),
		"124  2026-11-20 17:01:00 +01:00  missed: the camera gave no picture: "
		"no frame? for 5 s");
	miss.cause = MISS_DOWN;
	miss.text[0] = '\0';
	miss.last_us += 600 * US_PER_SEC;
	miss.count = 11;
	CHECK_STR(record_describe(&miss, buf, sizeof(buf)),
		"124  2026-11-20 17:01:00 +01:00  missed 11 until 2026-11-20 17:11:00 +01:00: "
		"the service was not running");

	step.seq = 125;
	step.before_us = SLOT_US;
	step.after_us = SLOT_US + 200 * US_PER_SEC;
	CHECK_STR(record_describe(&step, buf, sizeof(buf)),
		"125  2026-11-20 17:04:20 +01:00  the clock was set, from "
		"2026-11-20 17:01:00 +01:00 (+3 min)");

	prune.seq = 126;
	prune.first_seq = 1;
	prune.last_seq = 20;
	prune.count = 18;
	prune.bytes = 1000;
	snprintf(prune.text, sizeof(prune.text), "space");
	CHECK_STR(record_describe(&prune, buf, sizeof(buf)),
		"126  removed 18 of the frames 1 to 20, 1000 B, for space");
	prune.first_seq = prune.last_seq;
	snprintf(prune.text, sizeof(prune.text), "redated");
	CHECK(strstr(
		record_describe(&prune, buf, sizeof(buf)), "has a new number: clock correction"));

	other.seq = 127;
	CHECK_STR(record_describe(&other, buf, sizeof(buf)),
		"127  a line of a kind that this version does not know");
	CHECK_STR(record_describe(&frame, buf, 4), "123");
}
