/* SPDX-License-Identifier: MIT */
/*
 * How much light there is in the open, by the height of the sun: the simulated camera's day and
 * night.
 */
#pragma once

#include <stdint.h>

/*
 * The light under a clear sky with the sun that many degrees above the horizon, from
 * CAMERA_LIGHT_NIGHT to 1 (the sun at 60 degrees or more).
 */
double sky_light(double elevation);

/* The same at `wall_us` in a place; NaN: on the equator, in Greenwich. */
double sky_light_at(int64_t wall_us, double latitude, double longitude);
