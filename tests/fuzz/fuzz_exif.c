/* SPDX-License-Identifier: MIT */
/*
 * A JPEG that gets another time: a refused one is as it was, and the markers around the EXIF stay.
 */
#include "capture/picture/exif.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *jpeg = (uint8_t *)fuzz_copy(data, size);
	int first = exif_set_time(jpeg, size, INT64_C(1795190460412345)), again;
	size_t changed = 0;

	MUST(first <= 9);
	for (size_t i = 0; i < size; i++) {
		MUST(jpeg[i] == data[i] || i >= 12);
		changed += jpeg[i] != data[i];
	}
	MUST(first > 0 || changed == 0);
	again = exif_set_time(jpeg, size, INT64_C(1795190460412345));
	MUST(again <= 9);
	free(jpeg);
	return 0;
}
