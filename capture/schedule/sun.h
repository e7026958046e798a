/* SPDX-License-Identifier: MIT */
/*
 * Where the sun is: a pure function of time and place.
 *
 * The formulas of the NOAA Solar Calculator (gml.noaa.gov/grad/solcalc, "Calculation Details"),
 * which are those of Jean Meeus, "Astronomical Algorithms", 2nd edition, chapters 22 and 25, in low
 * accuracy: better than 0.02 degrees from 1900 to 2100, far less than the refraction near the
 * horizon varies. libnova has the same theory to the arc second; forty lines are less to carry than
 * a library that not every image has, and they have no special case that could fail at the poles:
 * an elevation is asked for, never the hour of a sunrise that may not exist.
 */
#pragma once

#include <stdint.h>

/* The elevation never changes faster: the earth's turn and the sun's own way, degrees a minute. */
#define SUN_SPEED_MAX (361.5 / 1440)

/*
 * Degrees of the sun's centre above the true horizon at `wall_us`, without refraction, seen from
 * `latitude` degrees north and `longitude` degrees east. Sunrise and sunset as in an almanac, with
 * refraction and the sun's radius, are at -0.833. Always a number from -90 to 90.
 */
double sun_elevation(int64_t wall_us, double latitude, double longitude);
