/* SPDX-License-Identifier: MIT */
/*
 * Flicker is what the camera does, not the light: each picture is exposed a bit differently. How a
 * picture differs from the mean of those around it is taken out, as far as its exposure time and
 * gain differ from theirs in the same direction: so a cloud stays, and a step of the exposure goes.
 * Of a picture without these facts all of the difference is taken out.
 */
#pragma once

#include <stddef.h>

#define DEFLICKER_REACH 6 /* pictures on each side */

struct brightness {
	double luma; /* the mean of a picture, 0 to 255; NaN: there is no picture */
	double exposure; /* time x gain, any unit; NaN or 0: not known */
};

/* What the luma of picture `i` of `n` is to be multiplied by: 0.5 to 2. */
double deflicker_gain(const struct brightness *list, size_t n, size_t i);
