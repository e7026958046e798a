/* SPDX-License-Identifier: MIT */
/* A journal line: what parses is formatted, parses again, and is formatted to the same bytes. */
#include <math.h>

#include "common/journal/record.h"
#include "tests/fuzz/fuzz.h"

static void check_frame(const struct record *record)
{
	struct frame_name name = record_name(record);
	char file[FRAME_NAME_MAX];

	MUST(frame_name_format(&name, file) == 0);
	MUST(record->bytes >= FRAME_BYTES_MIN && record->bytes <= FRAME_BYTES_MAX);
	MUST(record->up_ns >= 0);
	MUST(record->was < record->seq);
	MUST(!isinf(record->facts.gain) && !isinf(record->facts.exposure_us));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_copy(data, size);
	char first[LINE_MAX_BYTES + 1], second[LINE_MAX_BYTES + 1], text[400];
	const uint64_t peeked = record_peek_seq(line, size);
	struct record record, again;
	int n;

	if (record_parse(line, size, &record) == 0) {
		MUST(record.seq >= 1 && record.seq <= SEQ_MAX);
		MUST(record.slot_us >= 0 || record.slot_us == TIME_NONE);
		if (record.type == RECORD_FRAME)
			check_frame(&record);
		MUST(record_describe(&record, text, sizeof(text)) == text);
		n = record_format(&record, first);
		MUST(n > 0 && n <= LINE_MAX_BYTES && first[n - 1] == '\n' && !first[n]);
		MUST(record_peek_seq(first, (size_t)n) == record.seq);
		MUST(record_parse(first, (size_t)n, &again) == 0);
		MUST(again.type == record.type && again.seq == record.seq);
		MUST(record_format(&again, second) == n && memcmp(first, second, (size_t)n) == 0);
	}
	MUST(peeked <= SEQ_MAX);
	free(line);
	return 0;
}
