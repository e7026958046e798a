/* SPDX-License-Identifier: MIT */
/* Letters for pictures: capitals, digits and a few signs, where no font is at hand. */
#pragma once

#include <stdint.h>

#define LETTER_WIDTH 6 /* dots, with the gap to the next one */
#define LETTER_HEIGHT 7

/* LETTER_HEIGHT rows from the top; bit 4 is the left dot of five. What is not known is a box. */
const uint8_t *letter_rows(char letter);
