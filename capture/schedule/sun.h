/* SPDX-License-Identifier: MIT */
/*
 * Where the sun is: a pure function of time and place.
 *
 * The formulas are those of the NOAA Solar Calculator (gml.noaa.gov/grad/solcalc, "Calculation
 * Details"), which come from Jean Meeus, "Astronomical Algorithms", 2nd edition, chapters 22 and
 * 25. They are right to 0.02 degrees from 1900 to 2100, far less than refraction varies near the
 * horizon. libnova has the same theory to the arc second, but not every image has libnova. Nothing
 * fails at the poles: sunrise is searched for by elevation, and may be absent.
 */
#pragma once

#include <stdint.h>

/* Elevation at sunrise and sunset as in an almanac: the sun's upper edge, with refraction. */
#define SUN_HORIZON (-0.833)

/* The elevation changes by at most so many degrees a minute: the earth's turn and its orbit. */
#define SUN_SPEED_MAX (361.5 / 1440)

/*
 * Degrees of the sun's centre above the true horizon at `wall_us`, without refraction, seen from
 * `latitude` degrees north and `longitude` degrees east. Sunrise and sunset as in an almanac, with
 * refraction and the sun's radius, are at -0.833. Always a number from -90 to 90.
 */
double sun_elevation(int64_t wall_us, double latitude, double longitude);

/*
 * A day by the sun is the 24 hours around its noon, when the sun crosses the meridian. Days count
 * from 1970. The clocks' zone plays no part, so each day has one noon and at most one sunrise and
 * one sunset; polar days and nights have none.
 *
 * All are whole minutes: noon is the nearest one, sunrise the first and sunset the last one with
 * the sun up, so a window of daylight contains both. They are right to a minute where people live;
 * near the poles the sun is so slow that refraction alone shifts them by many.
 */
struct sun_day {
	int64_t noon_us;
	int64_t rise_us, set_us; /* TIME_NONE: it does not come */
};
struct sun_day sun_day_find(int64_t day, double latitude, double longitude);

/* The day by the sun in which `wall_us` is, at that longitude; edges are right to 17 minutes. */
int64_t sun_day_number(int64_t wall_us, double longitude);
