/* SPDX-License-Identifier: MIT */
/* A small JPEG, as far as its markers tell. */
#pragma once

#include <stdint.h>
#include <string.h>

#define KIT_PREVIEW_BYTES 200

__attribute__((unused)) static void kit_preview(
	uint8_t jpeg[static KIT_PREVIEW_BYTES], unsigned width, unsigned height)
{
	const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, (uint8_t)(height >> 8),
		(uint8_t)height, (uint8_t)(width >> 8), (uint8_t)width, 1, 1, 0x11, 0, 0xff, 0xda,
		0, 8, 1, 1, 0, 0, 63, 0 };

	memset(jpeg, 7, KIT_PREVIEW_BYTES);
	memcpy(jpeg, head, sizeof head);
	memcpy(jpeg + KIT_PREVIEW_BYTES - 2, "\xff\xd9", 2);
}
