/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: the entry, and a check that a fuzzer sees as a crash. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's entry: one input, always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/*
 * The input at the very end of a block of its size, so that a sanitizer sees a byte read too far.
 */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + (size == 0));

	MUST(copy);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}
