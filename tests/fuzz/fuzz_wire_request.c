/* SPDX-License-Identifier: MIT */
/* A request line: what parses is formatted and parses to the same; what does not has a sentence. */
#include "common/wire/wire.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const struct wire_request *request)
{
	struct wire_request again;
	const char *text = NULL;
	char line[REQUEST_LINE_MAX];
	int n = wire_request_format(request, line);

	MUST(n > 1 && n < REQUEST_LINE_MAX && line[n - 1] == '\n' && !line[n]);
	MUST(wire_request_parse(line, (size_t)n - 1, &again, &text) == 0);
	MUST(again.verb == request->verb && again.seq == request->seq &&
		again.offset == request->offset && again.count == request->count &&
		again.seconds == request->seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_copy(data, size);
	struct wire_request request;
	const char *text = NULL;

	if (wire_request_parse(line, size, &request, &text) == 0)
		check_again(&request);
	else
		MUST(text && *text && text[strlen(text) - 1] == '.');
	free(line);
	return 0;
}
