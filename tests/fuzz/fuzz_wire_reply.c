/* SPDX-License-Identifier: MIT */
/* What a server may say: a greeting or an answer line, there and back; texts are safe to print. */
#include "common/base/text.h"
#include "common/wire/wire.h"
#include "tests/fuzz/fuzz.h"

static void check_greeting(const struct wire_greeting *greeting)
{
	char line[LINE_MAX_BYTES + 1];
	struct wire_greeting again;
	int n = wire_greeting_format(greeting, line);

	MUST(text_is_plain(greeting->camera, strlen(greeting->camera)));
	MUST(n > 0 && wire_greeting_parse(line, (size_t)n, &again) == 0);
	MUST(strcmp(again.id, greeting->id) == 0 && strcmp(again.camera, greeting->camera) == 0);
	MUST(again.first == greeting->first && again.last == greeting->last &&
		again.schedule.now_us == greeting->schedule.now_us &&
		again.schedule.due_us == greeting->schedule.due_us &&
		again.schedule.pending_us == greeting->schedule.pending_us &&
		again.schedule.next_us == greeting->schedule.next_us &&
		again.schedule.running == greeting->schedule.running);
}

static void check_reply(const struct wire_reply *reply)
{
	char line[LINE_MAX_BYTES + 1];
	struct wire_reply again;
	int n;

	MUST(text_is_plain(reply->text, strlen(reply->text)));
	if (reply->type == WIRE_REPLY_RECORD) {
		MUST(text_is_plain(reply->record.text, strlen(reply->record.text)));
		n = record_format(&reply->record, line);
	} else if (reply->type == WIRE_REPLY_PREVIEW) {
		MUST(reply->preview_bytes >= 0 && reply->preview_bytes <= PREVIEW_BYTES_MAX);
		return;
	} else if (reply->type == WIRE_REPLY_ERROR) {
		n = wire_error_format(reply->error, reply->text, line);
	} else {
		return;
	}
	MUST(n > 0 && wire_reply_parse(line, (size_t)n, &again) == 0);
	MUST(again.type == reply->type && strcmp(again.text, reply->text) == 0);
	MUST(reply->type != WIRE_REPLY_ERROR || again.error == reply->error);
	MUST(reply->type != WIRE_REPLY_RECORD || again.record.seq == reply->record.seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_copy(data, size);
	struct wire_greeting greeting;
	struct wire_reply reply;

	if (wire_greeting_parse(line, size, &greeting) == 0)
		check_greeting(&greeting);
	if (wire_reply_parse(line, size, &reply) == 0)
		check_reply(&reply);
	free(line);
	return 0;
}
