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
};

/* The sentences above have these numbers in words. */
_Static_assert(SEQ_MAX == UINT64_C(999999999999) && FRAME_BYTES_MAX == 67108864 &&
		LIST_COUNT_MAX == 1000000 && WAIT_SECONDS_MAX == 3600,
	"a sentence tells another limit");

/* What a person can say who typed something else. */
#define TRY "try latest, frame, list, wait, status, help or quit"

static uint64_t *argument_at(struct wire_request *request, const struct argument *argument)
{
	return (uint64_t *)(void *)((char *)request + argument->offset);
}

/* The next word of the line, which it is cut off; NULL at the end. */
static char *next_word(char **line)
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
static bool read_number(const char *word, uint64_t *ret)
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
static const char *read_arguments(char *line, const struct verb *verb, struct wire_request *request)
{
	size_t n = 0;

	for (char *word = next_word(&line); word; word = next_word(&line), n++) {
		const struct argument *argument = &verb->arguments[n];
		uint64_t number;

		if (n == verb->n_max)
			return verb->takes;
		if (!read_number(word, &number))
			return "A number is decimal digits, without a sign.";
		if (number < argument->min || number > argument->max)
			return verb->takes;
		*argument_at(request, argument) = number;
	}
	return n < verb->n_min ? verb->takes : NULL;
}

static struct wire_request new_request(enum wire_verb verb)
{
	struct wire_request request = { .verb = verb, .count = LIST_COUNT_MAX };

	for (size_t i = 0; i < verbs[verb].n_max; i++)
		*argument_at(&request, &verbs[verb].arguments[i]) = verbs[verb].arguments[i].def;
	return request;
}

/* NULL, or what is wrong with the line. */
static const char *read_request(char *line, struct wire_request *ret)
{
	const char *word = next_word(&line), *wrong;

	if (!word)
		return "The line is empty; " TRY ".";
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct wire_request request = new_request((enum wire_verb)i);

		if (strcmp(word, verbs[i].word) != 0)
			continue;
		wrong = read_arguments(line, &verbs[i], &request);
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
		wrong = read_request(text, ret);
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
		*argument_at(&copy, &verb->arguments[n_given - 1]) ==
			verb->arguments[n_given - 1].def)
		n_given--;
	n = snprintf(ret, REQUEST_LINE_MAX, "%s", verb->word);
	for (size_t i = 0; i < n_given; i++) {
		const uint64_t number = *argument_at(&copy, &verb->arguments[i]);

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
static bool is_camera_name(const char *name, size_t len)
{
	return len > 0 && len < CAMERA_NAME_MAX && text_is_plain(name, len) && !strchr(name, '/');
}

int wire_greeting_format(const struct wire_greeting *greeting, char ret[static LINE_MAX_BYTES + 1])
{
	const struct wire_schedule *schedule = &greeting->schedule;
	struct jsonline line = jsonline_begin(ret);

	jsonline_add_int(&line, "capturepi", WIRE_VERSION);
	jsonline_add_string(&line, "id", greeting->id);
	jsonline_add_string(&line, "camera", greeting->camera);
	jsonline_add_int(&line, "first", (int64_t)greeting->first);
	jsonline_add_int(&line, "last", (int64_t)greeting->last);
	jsonline_add_time(&line, "now", schedule->now_us);
	if (schedule->due_us != TIME_NONE)
		jsonline_add_time(&line, "due", schedule->due_us);
	if (schedule->pending_us != TIME_NONE)
		jsonline_add_time(&line, "pending", schedule->pending_us);
	if (schedule->next_us != TIME_NONE)
		jsonline_add_time(&line, "next", schedule->next_us);
	if (schedule->running != WIRE_RUNNING_UNKNOWN)
		jsonline_add_bool(&line, "running", schedule->running == WIRE_RUNNING);
	return jsonline_end(&line);
}

/* Nothing that a camera says of its schedule is worth losing its pictures for. */
static struct wire_schedule get_schedule(struct json_object *object)
{
	struct wire_schedule schedule = wire_schedule_none;
	bool running;

	jsonline_get_time(object, "now", &schedule.now_us);
	jsonline_get_time(object, "due", &schedule.due_us);
	jsonline_get_time(object, "pending", &schedule.pending_us);
	jsonline_get_time(object, "next", &schedule.next_us);
	if (jsonline_get_bool(object, "running", &running) > 0)
		schedule.running = running ? WIRE_RUNNING : WIRE_STOPPED;
	return schedule;
}

/* As the getters of jsonline.h: 1, or 0 or -EINVAL where it is none. */
static int get_seq(struct json_object *object, const char *key, uint64_t *ret)
{
	int64_t number;
	int r = jsonline_get_int(object, key, 0, (int64_t)SEQ_MAX, &number);

	if (r > 0)
		*ret = (uint64_t)number;
	return r;
}

static int get_greeting(struct json_object *object, struct wire_greeting *ret)
{
	const char *id, *camera;
	size_t id_len, camera_len;

	if (jsonline_get_string(object, "id", &id, &id_len) <= 0 || !text_is_uuid(id, id_len) ||
		jsonline_get_string(object, "camera", &camera, &camera_len) <= 0 ||
		!is_camera_name(camera, camera_len) || get_seq(object, "first", &ret->first) <= 0 ||
		get_seq(object, "last", &ret->last) <= 0 || ret->first > ret->last)
		return -EPROTO;
	ret->schedule = get_schedule(object);
	if (ret->schedule.now_us == TIME_NONE)
		return -EPROTO;
	memcpy(ret->id, id, id_len + 1);
	text_clean(camera, camera_len, ret->camera, sizeof(ret->camera));
	return 0;
}

int wire_greeting_parse(const char *line, size_t len, struct wire_greeting *ret)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	struct wire_greeting greeting = { 0 };
	int64_t version;
	int r = jsonline_parse(line, len, &object);

	if (r < 0)
		return r == -ENOMEM ? r : -EPROTO;
	if (jsonline_get_int(object, "capturepi", 0, INT64_MAX, &version) <= 0)
		return -EPROTO;
	if (version != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	r = get_greeting(object, &greeting);
	if (r == 0)
		*ret = greeting;
	return r;
}

static const char *const error_words[] = {
	[WIRE_ERROR_PRUNED] = "pruned",
	[WIRE_ERROR_UNKNOWN] = "unknown",
	[WIRE_ERROR_BUSY] = "busy",
	[WIRE_ERROR_BAD_REQUEST] = "bad-request",
	[WIRE_ERROR_FAILED] = "failed",
};

int wire_error_format(enum wire_error error, const char *text, char ret[static LINE_MAX_BYTES + 1])
{
	struct jsonline line = jsonline_begin(ret);
	const size_t i = (size_t)error < ARRAY_SIZE(error_words) ? error : WIRE_ERROR_FAILED;

	jsonline_add_string(&line, "error", error_words[i]);
	if (text && *text)
		jsonline_add_string(&line, "text", text);
	return jsonline_end(&line);
}

static int parse_error(struct json_object *object, struct wire_reply *reply)
{
	const char *word;
	size_t len;

	if (jsonline_get_string(object, "error", &word, &len) <= 0 ||
		jsonline_get_text(object, "text", reply->text, sizeof(reply->text)) < 0)
		return -EPROTO;
	reply->type = WIRE_REPLY_ERROR;
	reply->error = WIRE_ERROR_FAILED;
	for (size_t i = 0; i < ARRAY_SIZE(error_words); i++) {
		if (strcmp(error_words[i], word) == 0)
			reply->error = (enum wire_error)i;
	}
	return 0;
}

static int parse_object(struct json_object *object, struct wire_reply *reply)
{
	if (jsonline_has(object, "error"))
		return parse_error(object, reply);
	if (jsonline_has(object, "seq") || !jsonline_has(object, "id")) {
		reply->type = WIRE_REPLY_RECORD;
		return record_parse_object(object, &reply->record);
	}
	reply->type = WIRE_REPLY_STATUS;
	reply->schedule = get_schedule(object);
	return reply->schedule.now_us == TIME_NONE ? -EPROTO : 0;
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
		r = parse_object(object, &reply);
		if (r < 0)
			return -EPROTO;
	}
	*ret = reply;
	return 0;
}
