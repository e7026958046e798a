/* SPDX-License-Identifier: MIT */
/* A frame name or path: what parses is formatted to the very bytes it came as. */
#include "common/journal/name.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	char again[FRAME_PATH_MAX];
	struct frame_name name;

	if (frame_name_parse(text, size, &name) == 0) {
		MUST(frame_name_format(&name, again) == 0);
		MUST(strlen(again) == size && memcmp(again, text, size) == 0);
		MUST(!memchr(text, '/', size) && name.slot_us % 1000000 == 0);
	}
	if (frame_path_parse(text, size, &name) == 0) {
		MUST(frame_name_path(&name, again) == 0);
		MUST(strlen(again) == size && memcmp(again, text, size) == 0);
	}
	free(text);
	return 0;
}
