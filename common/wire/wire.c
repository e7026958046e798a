/* SPDX-License-Identifier: MIT */
/*
 * The wire's lines to structs and back. Requests are read kindly (blanks, CR: a person may type
 * them) but exactly; whatever comes the other way is from a machine and is read strictly.
 */
#include "common/wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/jsonline.h"
#include "common/base/text.h"
#include "common/base/util.h"

#define ARGUMENTS_MAX 2
#define BLANKS " \t"

struct argument {
	size_t offset; /* in struct wire_request */
	uint64_t min, max, def; /* def: where it is not given */
};

struct verb {
	const char *word;
	size_t n_min, n_max; /* how many arguments */
	struct argument arguments[ARGUMENTS_MAX];
	const char *takes; /* the sentence for who gave it something else */
};

#define AT(member) offsetof(struct wire_request, member)
#define SEQ_TEXT " a sequence number from 0 to 999999999999"

static const struct verb verbs[] = {
	[WIRE_LATEST] = { "latest", 0, 1, { { AT(seq), 0, SEQ_MAX, 0 } },
		"latest takes" SEQ_TEXT " or nothing." },
	[WIRE_FRAME] = { "frame", 1, 2,
		{ { AT(seq), 1, SEQ_MAX, 0 }, { AT(offset), 0, FRAME_BYTES_MAX, 0 } },
		"frame takes a sequence number from 1 to 999999999999 and, if wanted, an offset of "
		"67108864 at most." },
	[WIRE_LIST] = { "list", 1, 2,
		{ { AT(seq), 0, SEQ_MAX, 0 }, { AT(count), 1, LIST_COUNT_MAX, LIST_COUNT_MAX } },
		"list takes" SEQ_TEXT " and, if wanted, a count from 1 to 1000000." },
	[WIRE_WAIT] = { "wait", 2, 2,
		{ { AT(seq), 0, SEQ_MAX, 0 }, { AT(seconds), 0, WAIT_SECONDS_MAX, 0 } },
		"wait takes" SEQ_TEXT " and 3600 seconds at most." },
	[WIRE_ACK] = { "ack", 1, 1, { { AT(seq), 0, SEQ_MAX, 0 } }, "ack takes" SEQ_TEXT "." },
	[WIRE_STATUS] = { .word = "status", .takes = "status takes nothing." },
	[WIRE_HELP] = { .word = "help", .takes = "help takes nothing." },
	[WIRE_QUIT] = { .word = "quit", .takes = "quit takes nothing." },
	[WIRE_PREVIEW] = { "preview", 1, 1, { { AT(seq), 1, SEQ_MAX, 0 } },
		"preview takes a sequence number from 1 to 999999999999." },
};

/* The sentences above have these numbers in words. */
_Static_assert(SEQ_MAX == UINT64_C(999999999999) && FRAME_BYTES_MAX == 67108864 &&
		LIST_COUNT_MAX == 1000000 && WAIT_SECONDS_MAX == 3600,
	"a sentence tells another limit");

/* What a person can say who typed something else. */
#define TRY "try latest, frame, preview, list, wait, status, help or quit"

static uint64_t *request_argument_at(struct wire_request *request, const struct argument *argument)
{
	return (uint64_t *)(void *)((char *)request + argument->offset);
}

/* The next word of the line, which it is cut off; NULL at the end. */
static char *request_next_word(char **line)
{
	char *word = *line + strspn(*line, BLANKS);
	size_t len = strcspn(word, BLANKS);

	if (len == 0)
		return NULL;
	*line = word + len + (word[len] != '\0');
	word[len] = '\0';
	return word;
}

/* Digits only; what is too long for the type is UINT64_MAX, past every limit. */
static bool request_read_number(const char *word, uint64_t *ret)
{
	uint64_t number = 0;

	for (const char *p = word; *p; p++) {
		const uint64_t digit = (uint64_t)(unsigned char)*p - '0';

		if (digit > 9)
			return false;
		number = number > (UINT64_MAX - 9) / 10 ? UINT64_MAX : number * 10 + digit;
	}
	*ret = number;
	return true;
}

/* The arguments that follow the verb. NULL, or what is wrong with them. */
static const char *request_read_arguments(
	char *line, const struct verb *verb, struct wire_request *request)
{
	size_t n = 0;

	for (char *word = request_next_word(&line); word; word = request_next_word(&line), n++) {
		const struct argument *argument = &verb->arguments[n];
		uint64_t number;

		if (n == verb->n_max)
			return verb->takes;
		if (!request_read_number(word, &number))
			return "A number is decimal digits, without a sign.";
		if (number < argument->min || number > argument->max)
			return verb->takes;
		*request_argument_at(request, argument) = number;
	}
	return n < verb->n_min ? verb->takes : NULL;
}

static struct wire_request request_new(enum wire_verb verb)
{
	struct wire_request request = { .verb = verb, .count = LIST_COUNT_MAX };

	for (size_t i = 0; i < verbs[verb].n_max; i++)
		*request_argument_at(&request, &verbs[verb].arguments[i]) =
			verbs[verb].arguments[i].def;
	return request;
}

/* NULL, or what is wrong with the line. */
static const char *request_read(char *line, struct wire_request *ret)
{
	const char *word = request_next_word(&line), *wrong;

	if (!word)
		return "The line is empty; " TRY ".";
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct wire_request request = request_new((enum wire_verb)i);

		if (strcmp(word, verbs[i].word) != 0)
			continue;
		wrong = request_read_arguments(line, &verbs[i], &request);
		if (!wrong)
			*ret = request;
		return wrong;
	}
	return "No such request; " TRY ".";
}

int wire_request_parse(
	const char *line, size_t len, struct wire_request *ret, const char **ret_text)
{
	char text[REQUEST_LINE_MAX];
	const char *wrong = NULL;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len >= sizeof(text))
		wrong = "The line is too long.";
	for (size_t i = 0; !wrong && i < len; i++) {
		if ((line[i] < ' ' && line[i] != '\t') || line[i] > '~')
			wrong = "A request is plain ASCII; " TRY ".";
		text[i] = line[i];
	}
	if (!wrong) {
		text[len] = '\0';
		wrong = request_read(text, ret);
	}
	if (!wrong)
		return 0;
	*ret_text = wrong;
	return -EINVAL;
}

int wire_request_format(const struct wire_request *request, char ret[static REQUEST_LINE_MAX])
{
	struct wire_request copy = *request;
	const struct verb *verb;
	size_t n_given;
	int n;

	if ((size_t)request->verb >= ARRAY_SIZE(verbs))
		return -EINVAL;
	verb = &verbs[request->verb];
	n_given = verb->n_max;
	/* the last ones are left out where they are what is meant anyway */
	while (n_given > verb->n_min &&
		*request_argument_at(&copy, &verb->arguments[n_given - 1]) ==
			verb->arguments[n_given - 1].def)
		n_given--;
	n = snprintf(ret, REQUEST_LINE_MAX, "%s", verb->word);
	for (size_t i = 0; i < n_given; i++) {
		const uint64_t number = *request_argument_at(&copy, &verb->arguments[i]);

		if (number < verb->arguments[i].min || number > verb->arguments[i].max)
			return -EINVAL;
		n += snprintf(ret + n, REQUEST_LINE_MAX - (size_t)n, " %" PRIu64, number);
	}
	return n + snprintf(ret + n, REQUEST_LINE_MAX - (size_t)n, "\n");
}

const struct wire_schedule wire_schedule_none = {
	.now_us = TIME_NONE, .due_us = TIME_NONE, .pending_us = TIME_NONE, .next_us = TIME_NONE
};

/* A camera's name as settings allow it. */
static bool camera_name_is_valid(const char *name, size_t len)
{
	return len > 0 && len < CAMERA_NAME_MAX && text_is_plain(name, len) && !strchr(name, '/');
}

/* What a greeting says. A status line has its schedule: the keys from "now" on. */
struct greeting_line {
	int64_t version;
	struct wire_greeting greeting;
	bool running;
};

#define GREETING_AT(member) JSONLINE_FIELD(struct greeting_line, member)
#define GREETING_NOW 5
#define GREETING_RUNNING 9

static const struct jsonline_field greeting_fields[] = {
	{ "capturepi", JSONLINE_INT, GREETING_AT(version), JSONLINE_MUST, 0, INT64_MAX },
	{ "id", JSONLINE_UUID, GREETING_AT(greeting.id), JSONLINE_MUST },
	{ "camera", JSONLINE_STRING, GREETING_AT(greeting.camera), JSONLINE_MUST },
	{ "first", JSONLINE_INT, GREETING_AT(greeting.first), JSONLINE_MUST, 0, SEQ_MAX },
	{ "last", JSONLINE_INT, GREETING_AT(greeting.last), JSONLINE_MUST, 0, SEQ_MAX },
	[GREETING_NOW] = { "now", JSONLINE_TIME, GREETING_AT(greeting.schedule.now_us),
		JSONLINE_MUST },
	/* nothing that a camera says of its schedule is worth losing its pictures for */
	{ "due", JSONLINE_TIME, GREETING_AT(greeting.schedule.due_us), JSONLINE_LENIENT },
	{ "pending", JSONLINE_TIME, GREETING_AT(greeting.schedule.pending_us), JSONLINE_LENIENT },
	{ "next", JSONLINE_TIME, GREETING_AT(greeting.schedule.next_us), JSONLINE_LENIENT },
	[GREETING_RUNNING] = { "running", JSONLINE_BOOL, GREETING_AT(running), JSONLINE_SHOW },
};

int wire_greeting_format(const struct wire_greeting *greeting, char ret[static LINE_MAX_BYTES + 1])
{
	const struct greeting_line line = {
		.version = WIRE_VERSION,
		.greeting = *greeting,
		.running = greeting->schedule.running == WIRE_RUNNING,
	};
	const bool is_known = greeting->schedule.running != WIRE_RUNNING_UNKNOWN;

	return jsonline_format(greeting_fields, GREETING_RUNNING + is_known, &line, ret);
}

/* Reads the keys from the one with number `from` on. */
static int greeting_read(struct json_object *object, size_t from, struct greeting_line *ret)
{
	*ret = (struct greeting_line){ .version = -1, .greeting.schedule = wire_schedule_none };
	if (jsonline_has(object, "running") &&
		jsonline_read(object, &greeting_fields[GREETING_RUNNING], 1, ret) == 0)
		ret->greeting.schedule.running = ret->running ? WIRE_RUNNING : WIRE_STOPPED;
	return jsonline_read(object, greeting_fields + from, GREETING_RUNNING - from, ret);
}

int wire_greeting_parse(const char *line, size_t len, struct wire_greeting *ret)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	struct greeting_line read;
	struct wire_greeting *greeting = &read.greeting;
	int r = jsonline_parse(line, len, &object);

	if (r < 0)
		return r == -ENOMEM ? r : -EPROTO;
	r = greeting_read(object, 0, &read);
	if (read.version >= 0 && read.version != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	if (r < 0 || greeting->first > greeting->last ||
		!camera_name_is_valid(greeting->camera, strlen(greeting->camera)))
		return -EPROTO;
	text_clean(greeting->camera, strlen(greeting->camera), greeting->camera,
		sizeof(greeting->camera));
	*ret = *greeting;
	return 0;
}

static const char *const error_words[] = {
	[WIRE_ERROR_PRUNED] = "pruned",
	[WIRE_ERROR_UNKNOWN] = "unknown",
	[WIRE_ERROR_BUSY] = "busy",
	[WIRE_ERROR_BAD_REQUEST] = "bad-request",
	[WIRE_ERROR_FAILED] = "failed",
	NULL,
};

struct error_line {
	int error;
	char text[TEXT_MAX];
};

static const struct jsonline_field error_fields[] = {
	{ "error", JSONLINE_WORD, JSONLINE_FIELD(struct error_line, error), JSONLINE_MUST,
		.words = error_words },
	{ "text", JSONLINE_TEXT, JSONLINE_FIELD(struct error_line, text) },
};

int wire_error_format(enum wire_error error, const char *text, char ret[static LINE_MAX_BYTES + 1])
{
	struct error_line line = { .error = WIRE_ERROR_FAILED };

	if ((size_t)error < WIRE_ERROR_FAILED)
		line.error = (int)error;
	if (text)
		text_clean(text, strlen(text), line.text, sizeof(line.text));
	return jsonline_format(error_fields, ARRAY_SIZE(error_fields), &line, ret);
}

static const struct jsonline_field preview_fields[] = {
	{ "preview", JSONLINE_INT, JSONLINE_FIELD(struct wire_reply, preview_bytes), JSONLINE_MUST,
		0, PREVIEW_BYTES_MAX },
};

int wire_preview_format(
	const struct record *frame, size_t bytes, char ret[static LINE_MAX_BYTES + 1])
{
	int n = record_format(frame, ret), more;
	size_t room;

	if (n < 0)
		return n;
	/* in the place of the record's last brace and newline */
	room = (size_t)(LINE_MAX_BYTES + 1 - (n - 2));
	more = snprintf(ret + n - 2, room, ",\"preview\":%zu}\n", bytes);
	return (size_t)more < room ? n - 2 + more : -E2BIG;
}

/* What an answer says: the object of a line. -EINVAL. */
static int reply_read(struct json_object *object, struct wire_reply *reply)
{
	struct error_line error = { .error = WIRE_ERROR_FAILED };
	struct greeting_line status;
	int r;

	if (jsonline_has(object, "error")) {
		r = jsonline_read(object, error_fields, ARRAY_SIZE(error_fields), &error);
		reply->type = WIRE_REPLY_ERROR;
		reply->error = (enum wire_error)error.error;
		memcpy(reply->text, error.text, sizeof(error.text));
		return r == -ENOTSUP ? 0 : r;
	}
	if (jsonline_has(object, "seq") || !jsonline_has(object, "id")) {
		reply->type = WIRE_REPLY_RECORD;
		r = record_parse_object(object, &reply->record);
		if (r < 0 || !jsonline_has(object, "preview"))
			return r;
		reply->type = WIRE_REPLY_PREVIEW;
		return jsonline_read(object, preview_fields, ARRAY_SIZE(preview_fields), reply);
	}
	r = greeting_read(object, GREETING_NOW, &status);
	reply->type = WIRE_REPLY_STATUS;
	reply->schedule = status.greeting.schedule;
	return r;
}

/*
 * Marks a record whose own line is not the one that came: it has keys or forms of a later version,
 * and the line after it has the hash of that one.
 */
static void reply_check_line(const char *line, size_t len, struct record *record)
{
	char own[LINE_MAX_BYTES + 1];
	const int n = record_format(record, own);

	if (n != (int)len + 1 || memcmp(own, line, len) != 0)
		record->unchained = true;
}

int wire_reply_parse(const char *line, size_t len, struct wire_reply *ret)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	struct wire_reply reply = { .record = record_new(RECORD_OTHER) };
	int r;

	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len >= LINE_MAX_BYTES)
		return -EPROTO;
	if (len > 0 && line[0] == '#') {
		reply.type = WIRE_REPLY_COMMENT;
	} else if (len == 1 && line[0] == '.') {
		reply.type = WIRE_REPLY_END;
	} else {
		r = jsonline_parse(line, len, &object);
		if (r < 0)
			return r == -ENOMEM ? r : -EPROTO;
		r = reply_read(object, &reply);
		if (r < 0)
			return -EPROTO;
		if (reply.type == WIRE_REPLY_RECORD)
			reply_check_line(line, len, &reply.record);
	}
	*ret = reply;
	return 0;
}
