/* SPDX-License-Identifier: MIT */
/*
 * Where the sun is: a pure function of time and place.
 *
 * The formulas are those of the NOAA Solar Calculator (gml.noaa.gov/grad/solcalc, "Calculation
 * Details"), which come from Jean Meeus, "Astronomical Algorithms", 2nd edition, chapters 22 and
 * 25. They are right to 0.02 degrees from 1900 to 2100, far less than refraction varies near the
 * horizon. libnova has the same theory to the arc second, but not every image has libnova, and here
 * nothing can fail at the poles: it computes an elevation, never the hour of a sunrise.
 */
#pragma once

#include <stdint.h>

/* The elevation changes by at most so many degrees a minute: the earth's turn and its orbit. */
#define SUN_SPEED_MAX (361.5 / 1440)

/*
 * Degrees of the sun's centre above the true horizon at `wall_us`, without refraction, seen from
 * `latitude` degrees north and `longitude` degrees east. Sunrise and sunset as in an almanac, with
 * refraction and the sun's radius, are at -0.833. Always a number from -90 to 90.
 */
double sun_elevation(int64_t wall_us, double latitude, double longitude);
