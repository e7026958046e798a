/* SPDX-License-Identifier: MIT */
/* The wire's lines: requests as machines and people write them, greeting, answers. */
#include "common/wire/wire.h"

#include "common/base/util.h"
#include "tests/test.h"

#define ID "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11"
#define NOW_US INT64_C(1795190460000412)
#define NOW "2026-11-20T16:01:00.000412Z"

static void check_request(const struct wire_request *got, const struct wire_request *want)
{
	CHECK_INT(got->verb, want->verb);
	CHECK_INT(got->seq, want->seq);
	CHECK_INT(got->offset, want->offset);
	CHECK_INT(got->count, want->count);
	CHECK_INT(got->seconds, want->seconds);
}

TEST(requests_there_and_back)
{
	static const struct {
		const char *line;
		struct wire_request request;
	} cases[] = {
		{ "latest\n", { WIRE_LATEST, 0, 0, LIST_COUNT_MAX, 0 } },
		{ "latest 41\n", { WIRE_LATEST, 41, 0, LIST_COUNT_MAX, 0 } },
		{ "frame 1\n", { WIRE_FRAME, 1, 0, LIST_COUNT_MAX, 0 } },
		{ "frame 999999999999 67108864\n",
			{ WIRE_FRAME, SEQ_MAX, FRAME_BYTES_MAX, LIST_COUNT_MAX, 0 } },
		{ "list 0\n", { WIRE_LIST, 0, 0, LIST_COUNT_MAX, 0 } },
		{ "list 7 100\n", { WIRE_LIST, 7, 0, 100, 0 } },
		{ "wait 0 0\n", { WIRE_WAIT, 0, 0, LIST_COUNT_MAX, 0 } },
		{ "wait 12 3600\n", { WIRE_WAIT, 12, 0, LIST_COUNT_MAX, 3600 } },
		{ "ack 0\n", { WIRE_ACK, 0, 0, LIST_COUNT_MAX, 0 } },
		{ "ack 12\n", { WIRE_ACK, 12, 0, LIST_COUNT_MAX, 0 } },
		{ "status\n", { WIRE_STATUS, 0, 0, LIST_COUNT_MAX, 0 } },
		{ "help\n", { WIRE_HELP, 0, 0, LIST_COUNT_MAX, 0 } },
		{ "preview 12\n", { WIRE_PREVIEW, 12, 0, LIST_COUNT_MAX, 0 } },
		{ "quit\n", { WIRE_QUIT, 0, 0, LIST_COUNT_MAX, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_request request = { 0 };
		const char *text = NULL;
		char line[REQUEST_LINE_MAX];

		CHECK_INT(wire_request_format(&cases[i].request, line), strlen(cases[i].line));
		CHECK_STR(line, cases[i].line);
		CHECK_INT(wire_request_parse(line, strlen(line) - 1, &request, &text), 0);
		check_request(&request, &cases[i].request);
		CHECK(text == NULL);
	}
}

TEST(requests_of_people)
{
	static const char *const cases[] = { "frame 12 34", "  frame\t12   34  ", "frame 12 34\r",
		"frame 12 34 \r", "frame 0000000000000000000000000012 034" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_request request = { 0 };
		const char *text = NULL;

		CHECK_INT(wire_request_parse(cases[i], strlen(cases[i]), &request, &text), 0);
		CHECK_INT(request.verb, WIRE_FRAME);
		CHECK_INT(request.seq, 12);
		CHECK_INT(request.offset, 34);
	}
}

TEST(refuses_requests)
{
	static const struct {
		const char *line, *part; /* of the sentence */
	} cases[] = {
		{ "", "empty" },
		{ " \t \r", "empty" },
		{ "latests", "No such request" },
		{ "Latest", "No such request" },
		{ "lat", "No such request" },
		{ ".", "No such request" },
		{ "latest 1 2", "latest takes a" },
		{ "frame", "frame takes a" },
		{ "frame 1 2 3", "frame takes a" },
		{ "list", "list takes a" },
		{ "wait 1", "wait takes a" },
		{ "wait", "wait takes a" },
		{ "ack", "ack takes a" },
		{ "ack 1 2", "ack takes a" },
		{ "status 1", "status takes nothing" },
		{ "preview", "preview takes a" },
		{ "preview 0", "preview takes a" },
		{ "preview 1 2", "preview takes a" },
		{ "quit now", "quit takes nothing" },
		{ "help frame", "help takes nothing" },
		{ "frame x", "decimal digits" },
		{ "frame -1", "decimal digits" },
		{ "frame +1", "decimal digits" },
		{ "frame 1.0", "decimal digits" },
		{ "frame 0x10", "decimal digits" },
		{ "frame 1,2", "decimal digits" },
		{ "frame 1e3", "decimal digits" },
		{ "frame 0", "from 1 to 999999999999" },
		{ "frame 1000000000000", "from 1 to 999999999999" },
		{ "frame 18446744073709551617", "from 1 to 999999999999" },
		{ "frame 99999999999999999999999999999999999999", "from 1 to 999999999999" },
		{ "frame 1 67108865", "67108864" },
		{ "latest 1000000000000", "from 0 to 999999999999" },
		{ "list 1 0", "from 1 to 1000000" },
		{ "list 1 1000001", "from 1 to 1000000" },
		{ "wait 1 3601", "3600" },
		{ "ack 1000000000000", "from 0 to 999999999999" },
		{ "frame 1\n", "plain ASCII" },
		{ "frame\r1", "plain ASCII" },
		{ "fr\xc3\xa4me 1", "plain ASCII" },
		{ "frame\xc2\xa0"
		  "1",
			"plain ASCII" },
		{ "\x1b[A", "plain ASCII" },
		{ "quit\x7f", "plain ASCII" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_request request = { .seq = 42 };
		const char *text = "";
		int r = wire_request_parse(cases[i].line, strlen(cases[i].line), &request, &text);

		if (!CHECK(r == -EINVAL && strstr(text, cases[i].part)))
			fprintf(stderr, "  for \"%s\": %s\n", cases[i].line, text);
		CHECK_INT(request.seq, 42);
	}
}

TEST(refuses_nul_and_long_requests)
{
	struct wire_request request;
	char line[REQUEST_LINE_MAX + 1];
	const char *text = "";

	CHECK_INT(wire_request_parse("quit\0", 5, &request, &text), -EINVAL);
	memset(line, ' ', sizeof(line));
	memcpy(line, "quit", 4);
	CHECK_INT(wire_request_parse(line, REQUEST_LINE_MAX - 1, &request, &text), 0);
	CHECK_INT(wire_request_parse(line, REQUEST_LINE_MAX, &request, &text), -EINVAL);
	CHECK_STR(text, "The line is too long.");
}

TEST(formats_no_bad_request)
{
	static const struct wire_request cases[] = {
		{ .verb = (enum wire_verb)99 },
		{ .verb = WIRE_FRAME, .seq = 0 },
		{ .verb = WIRE_FRAME, .seq = SEQ_MAX + 1 },
		{ .verb = WIRE_FRAME, .seq = 1, .offset = FRAME_BYTES_MAX + 1ull },
		{ .verb = WIRE_LATEST, .seq = UINT64_MAX },
		{ .verb = WIRE_LIST, .seq = 1, .count = 0 },
		{ .verb = WIRE_WAIT, .seq = 1, .seconds = WAIT_SECONDS_MAX + 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[REQUEST_LINE_MAX];

		CHECK_INT(wire_request_format(&cases[i], line), -EINVAL);
	}
}

TEST(greeting_there_and_back)
{
	const struct wire_greeting greeting = {
		.id = ID,
		.camera = "g\xc3\xa4rtchen \"1\"",
		.first = 1,
		.last = SEQ_MAX,
		.schedule = { NOW_US, TIME_NONE, TIME_NONE, TIME_NONE, WIRE_RUNNING_UNKNOWN },
	};
	struct wire_greeting back = { .first = 7 };
	char line[LINE_MAX_BYTES + 1];
	int n = wire_greeting_format(&greeting, line);

	CHECK_STR(line,
		"{\"capturepi\":1,\"id\":\"" ID "\",\"camera\":\"g\xc3\xa4rtchen \\\"1\\\"\","
		"\"first\":1,\"last\":999999999999,\"now\":\"" NOW "\"}\n");
	CHECK_INT(n, strlen(line));
	CHECK_INT(wire_greeting_parse(line, (size_t)n, &back), 0);
	CHECK_STR(back.id, greeting.id);
	CHECK_STR(back.camera, greeting.camera);
	CHECK_INT(back.first, 1);
	CHECK_INT(back.last, SEQ_MAX);
	CHECK_INT(back.schedule.now_us, NOW_US);
}

/* What makes no sense, or is of a type that it cannot have, was not said. */
TEST(schedules)
{
	static const struct {
		const char *said;
		struct wire_schedule want;
	} cases[] = {
		{ "", { NOW_US, TIME_NONE, TIME_NONE, TIME_NONE, WIRE_RUNNING_UNKNOWN } },
		{ ",\"due\":\"1970-01-01T00:00:01Z\",\"pending\":\"1970-01-01T00:00:02Z\","
		  "\"next\":\"9999-12-31T23:59:59Z\",\"running\":true",
			{ NOW_US, 1000000, 2000000, INT64_C(253402300799000000), WIRE_RUNNING } },
		{ ",\"due\":7,\"pending\":[],\"next\":\"soon\",\"running\":\"yes\"",
			{ NOW_US, TIME_NONE, TIME_NONE, TIME_NONE, WIRE_RUNNING_UNKNOWN } },
		{ ",\"due\":null,\"next\":\"10000-01-01T00:00:00Z\",\"running\":false",
			{ NOW_US, TIME_NONE, TIME_NONE, TIME_NONE, WIRE_STOPPED } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_greeting greeting, again;
		struct wire_reply reply;
		char line[LINE_MAX_BYTES + 1];
		int n = snprintf(line, sizeof line,
			"{\"capturepi\":1,\"id\":\"" ID "\",\"camera\":\"garden\",\"first\":1,"
			"\"last\":9,\"now\":\"" NOW "\"%s}",
			cases[i].said);

		CHECK_INT(wire_greeting_parse(line, (size_t)n, &greeting), 0);
		CHECK(memcmp(&greeting.schedule, &cases[i].want, sizeof cases[i].want) == 0);
		/* the answer to `status` has the same keys */
		CHECK_INT(wire_reply_parse(line, (size_t)n, &reply), 0);
		CHECK_INT(reply.type, WIRE_REPLY_STATUS);
		CHECK(memcmp(&reply.schedule, &cases[i].want, sizeof cases[i].want) == 0);
		n = wire_greeting_format(&greeting, line);
		CHECK_INT(wire_greeting_parse(line, (size_t)n, &again), 0);
		CHECK(memcmp(&again.schedule, &cases[i].want, sizeof cases[i].want) == 0);
	}
}

#define GREETING(version, id, camera, first, last, now)                                            \
	"{\"capturepi\":" version ",\"id\":" id ",\"camera\":" camera ",\"first\":" first          \
	",\"last\":" last ",\"now\":" now "}"
#define GOOD_ID "\"" ID "\""
#define GOOD_NOW "\"" NOW "\""

TEST(greetings)
{
	static const char x63[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	static const struct {
		const char *line;
		int r;
	} cases[] = {
		{ GREETING("1", GOOD_ID, "\"garden\"", "0", "0", GOOD_NOW), 0 },
		{ GREETING("1", GOOD_ID, "\"garden\",\"moon\":[{}]", "1", "9", GOOD_NOW), 0 },
		{ GREETING("2", GOOD_ID, "\"garden\"", "1", "9", GOOD_NOW), -EPROTONOSUPPORT },
		{ "{\"capturepi\":2}", -EPROTONOSUPPORT },
		{ GREETING("\"1\"", GOOD_ID, "\"garden\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1.0", GOOD_ID, "\"garden\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("-1", GOOD_ID, "\"garden\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", "\"../..\"", "\"garden\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", "null", "\"garden\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"a/b\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"a\\u001b[2Jb\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"a\\u0000b\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"a\xff\"", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "7", "1", "9", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"garden\"", "9", "1", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"garden\"", "-1", "1", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"garden\"", "1", "1000000000000", GOOD_NOW), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"garden\"", "1", "9", "\"yesterday\""), -EPROTO },
		{ GREETING("1", GOOD_ID, "\"garden\"", "1", "9", "1795190460"), -EPROTO },
		{ "{\"capturepi\":1}", -EPROTO },
		{ "{}", -EPROTO },
		{ "", -EPROTO },
		{ "SSH-2.0-OpenSSH_9.2p1", -EPROTO },
		{ "bash: capturepi: command not found", -EPROTO },
		{ "[1]", -EPROTO },
		{ "{\"error\":\"busy\"}", -EPROTO },
	};
	struct wire_greeting greeting;
	char line[LINE_MAX_BYTES * 2];
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		greeting.first = 42;
		if (!CHECK(wire_greeting_parse(cases[i].line, strlen(cases[i].line), &greeting) ==
			    cases[i].r))
			fprintf(stderr, "  for %s\n", cases[i].line);
		CHECK(cases[i].r == 0 || greeting.first == 42);
	}
	n = snprintf(line, sizeof(line), GREETING("1", GOOD_ID, "\"%s\"", "1", "9", GOOD_NOW), x63);
	CHECK_INT(wire_greeting_parse(line, (size_t)n, &greeting), 0);
	CHECK_STR(greeting.camera, x63);
	n = snprintf(
		line, sizeof(line), GREETING("1", GOOD_ID, "\"%sx\"", "1", "9", GOOD_NOW), x63);
	CHECK_INT(wire_greeting_parse(line, (size_t)n, &greeting), -EPROTO);
	memset(line, ' ', sizeof(line));
	CHECK_INT(wire_greeting_parse(line, sizeof(line), &greeting), -EPROTO);
}

TEST(errors_there_and_back)
{
	static const struct {
		enum wire_error error;
		const char *text, *line, *back;
	} cases[] = {
		{ WIRE_ERROR_PRUNED, NULL, "{\"error\":\"pruned\"}\n", "" },
		{ WIRE_ERROR_UNKNOWN, "", "{\"error\":\"unknown\"}\n", "" },
		{ WIRE_ERROR_BUSY, "a \"b\"", "{\"error\":\"busy\",\"text\":\"a \\\"b\\\"\"}\n",
			"a \"b\"" },
		{ WIRE_ERROR_BAD_REQUEST, "a\nb\x1b\xff",
			"{\"error\":\"bad-request\",\"text\":\"a?b??\"}\n", "a?b??" },
		{ WIRE_ERROR_FAILED, "x", "{\"error\":\"failed\",\"text\":\"x\"}\n", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_reply reply;
		char line[LINE_MAX_BYTES + 1];
		int n = wire_error_format(cases[i].error, cases[i].text, line);

		CHECK_STR(line, cases[i].line);
		CHECK_INT(n, strlen(line));
		CHECK_INT(wire_reply_parse(line, (size_t)n - 1, &reply), 0);
		CHECK_INT(reply.type, WIRE_REPLY_ERROR);
		CHECK_INT(reply.error, cases[i].error);
		CHECK_STR(reply.text, cases[i].back);
	}
}

TEST(replies)
{
	static const struct {
		const char *line;
		int r;
		enum wire_reply_type type;
	} cases[] = {
		{ ".", 0, WIRE_REPLY_END },
		{ ".\n", 0, WIRE_REPLY_END },
		{ "#", 0, WIRE_REPLY_COMMENT },
		{ "# latest [SEQ]", 0, WIRE_REPLY_COMMENT },
		{ "{\"seq\":9,\"slot\":\"" NOW "\",\"miss\":\"busy\"}", 0, WIRE_REPLY_RECORD },
		{ "{\"seq\":9}", 0, WIRE_REPLY_RECORD },
		{ "{\"seq\":9,\"preview\":0}", 0, WIRE_REPLY_PREVIEW },
		{ "{\"seq\":9,\"preview\":12288}", 0, WIRE_REPLY_PREVIEW },
		{ "{\"seq\":9,\"preview\":12289}", -EPROTO, 0 },
		{ "{\"seq\":9,\"preview\":-1}", -EPROTO, 0 },
		{ "{\"seq\":9,\"preview\":\"1\"}", -EPROTO, 0 },
		{ "{\"seq\":9,\"preview\":null}", -EPROTO, 0 },
		{ "{\"preview\":1}", -EPROTO, 0 },
		{ "{\"error\":\"eclipse\",\"text\":\"\\u001b\"}", 0, WIRE_REPLY_ERROR },
		{ "", -EPROTO, 0 },
		{ "\n", -EPROTO, 0 },
		{ "..", -EPROTO, 0 },
		{ ". ", -EPROTO, 0 },
		{ ".\r", -EPROTO, 0 },
		{ " .", -EPROTO, 0 },
		{ "{}", -EPROTO, 0 },
		{ "{\"error\":7}", -EPROTO, 0 },
		{ "{\"error\":null}", -EPROTO, 0 },
		{ "{\"error\":\"busy\",\"text\":7}", -EPROTO, 0 },
		{ "{\"error\":\"busy\"", -EPROTO, 0 },
		{ "{\"seq\":0}", -EPROTO, 0 },
		{ "{\"id\":\"" ID "\"}", -EPROTO, 0 },
		{ "{\"seq\":9,\"file\":\"../x\"}", -EPROTO, 0 },
		{ "\xff\xd8\xff\xe0", -EPROTO, 0 },
		{ "GIF89a", -EPROTO, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_reply reply = { .text = "untouched" };
		int r = wire_reply_parse(cases[i].line, strlen(cases[i].line), &reply);

		if (!CHECK(r == cases[i].r))
			fprintf(stderr, "  for %s\n", cases[i].line);
		if (r < 0)
			CHECK_STR(reply.text, "untouched");
		else
			CHECK_INT(reply.type, cases[i].type);
		if (r == 0 && reply.type == WIRE_REPLY_RECORD)
			CHECK_INT(reply.record.seq, 9);
		if (r == 0 && reply.type == WIRE_REPLY_ERROR) {
			CHECK_INT(reply.error, WIRE_ERROR_FAILED);
			CHECK_STR(reply.text, "?");
		}
	}
}

TEST(preview_there_and_back)
{
	struct record frame = record_new(RECORD_FRAME);
	char line[LINE_MAX_BYTES + 1];
	struct wire_reply reply;
	int n;

	frame.seq = 9;
	frame.slot_us = NOW_US;
	frame.bytes = 100;
	n = wire_preview_format(&frame, 1234, line);
	CHECK_INT(n, strlen(line));
	CHECK(strstr(line, ",\"preview\":1234}\n") != NULL);
	CHECK_INT(wire_reply_parse(line, (size_t)n, &reply), 0);
	CHECK_INT(reply.type, WIRE_REPLY_PREVIEW);
	CHECK_INT(reply.preview_bytes, 1234);
	CHECK_INT(reply.record.seq, 9);
	CHECK_INT(reply.record.bytes, 100);
}

TEST(long_replies)
{
	static char line[LINE_MAX_BYTES + 1];
	struct wire_reply reply;

	memset(line, '#', sizeof(line));
	CHECK_INT(wire_reply_parse(line, LINE_MAX_BYTES - 1, &reply), 0);
	CHECK_INT(wire_reply_parse(line, LINE_MAX_BYTES, &reply), -EPROTO);
}

/* The next line's hash is of the line that came: one that is written otherwise here says so. */
TEST(a_line_of_a_later_version)
{
	static const struct {
		const char *line;
		bool unchained;
	} lines[] = {
		{ "{\"seq\":1,\"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"busy\"}", false },
		{ "{\"seq\":1,\"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"busy\",\"mood\":1}",
			true },
		{ "{\"seq\":1, \"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"busy\"}", true },
		{ "{\"seq\":1,\"event\":\"rain\"}", true },
		{ "{\"seq\":1}", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct wire_reply reply;

		CHECK_INT(wire_reply_parse(lines[i].line, strlen(lines[i].line), &reply), 0);
		CHECK_INT(reply.record.unchained, lines[i].unchained);
	}
}
