/* SPDX-License-Identifier: MIT */
/*
 * The sun's elevation. Names and order of the steps are those of NOAA's spreadsheet, so that each
 * line can be compared with it. Sidereal time (Meeus 12.4) replaces its equation of time and hour
 * angle, which say the same with more terms.
 */
#include "capture/schedule/sun.h"

#include <math.h>
#include <stdbool.h>

#include "common/base/clock.h"

#define J2000_US (INT64_C(946728000) * US_PER_SEC) /* 2000-01-01 12:00 UTC */
#define US_PER_MIN (60 * US_PER_SEC)
#define US_PER_DAY (24 * 60 * US_PER_MIN)
#define US_PER_DEGREE 240e6 /* of the earth's turn */

static double to_radians(double degrees)
{
	return degrees * (M_PI / 180);
}

/* Radians: north of the equator, and west of the meridian. */
struct sun_place {
	double declination, hour_angle;
};

static struct sun_place sun_place_at(int64_t wall_us, double longitude)
{
	double days = (double)(wall_us - J2000_US) / (double)US_PER_DAY, t = days / 36525;
	double mean_longitude = fmod(280.46646 + t * (36000.76983 + t * 0.0003032), 360);
	double m = to_radians(fmod(357.52911 + t * (35999.05029 - t * 0.0001537), 360));
	double centre = sin(m) * (1.914602 - t * (0.004817 + t * 0.000014)) +
		sin(2 * m) * (0.019993 - t * 0.000101) + sin(3 * m) * 0.000289;
	double node = to_radians(125.04 - 1934.136 * t);
	double apparent = to_radians(mean_longitude + centre - 0.00569 - 0.00478 * sin(node));
	double obliquity = to_radians(23.4392911 - t * 0.0130042 + 0.00256 * cos(node));
	double ascension = atan2(cos(obliquity) * sin(apparent), cos(apparent));
	double sidereal = fmod(280.46061837 + 360.98564736629 * days, 360);

	return (struct sun_place){
		.declination = asin(sin(obliquity) * sin(apparent)),
		.hour_angle = to_radians(sidereal + longitude) - ascension,
	};
}

double sun_elevation(int64_t wall_us, double latitude, double longitude)
{
	struct sun_place sun = sun_place_at(wall_us, longitude);
	double sine = sin(to_radians(latitude)) * sin(sun.declination) +
		cos(to_radians(latitude)) * cos(sun.declination) * cos(sun.hour_angle);

	/* rounding may have gone past the zenith */
	return asin(fmax(-1, fmin(1, sine))) * (180 / M_PI);
}

/* ---- days ---- */

/* How far local mean solar time is ahead of UTC. */
static int64_t mean_offset_us(double longitude)
{
	return llround(longitude * US_PER_DEGREE);
}

int64_t sun_day_number(int64_t wall_us, double longitude)
{
	/* a day more, because division rounds up below 0 */
	return (wall_us + mean_offset_us(longitude) + US_PER_DAY) / US_PER_DAY - 1;
}

/* The sun is at most 17 minutes off its mean, and for that long it moves evenly. */
static int64_t noon_find(int64_t day, double longitude)
{
	int64_t mean_us = day * US_PER_DAY + US_PER_DAY / 2 - mean_offset_us(longitude);
	double west = remainder(sun_place_at(mean_us, longitude).hour_angle, 2 * M_PI);
	int64_t noon_us = mean_us - llround(west * (180 / M_PI) * US_PER_DEGREE);

	return (noon_us + US_PER_MIN / 2) / US_PER_MIN * US_PER_MIN;
}

/* From a whole minute with the sun up to one without it: the last minute with it. */
static int64_t horizon_find(int64_t up_us, int64_t down_us, double latitude, double longitude)
{
	while (up_us - down_us > US_PER_MIN || down_us - up_us > US_PER_MIN) {
		int64_t minutes = (down_us - up_us) / US_PER_MIN;
		int64_t middle_us = up_us + minutes / 2 * US_PER_MIN;

		if (sun_elevation(middle_us, latitude, longitude) >= SUN_HORIZON)
			up_us = middle_us;
		else
			down_us = middle_us;
	}
	return up_us;
}

struct sun_day sun_day_find(int64_t day, double latitude, double longitude)
{
	int64_t noon_us = noon_find(day, longitude);
	struct sun_day found = { noon_us, TIME_NONE, TIME_NONE };
	int64_t before_us = noon_us - US_PER_DAY / 2, after_us = noon_us + US_PER_DAY / 2;

	if (sun_elevation(noon_us, latitude, longitude) < SUN_HORIZON)
		return found;
	if (sun_elevation(before_us, latitude, longitude) < SUN_HORIZON)
		found.rise_us = horizon_find(noon_us, before_us, latitude, longitude);
	if (sun_elevation(after_us, latitude, longitude) < SUN_HORIZON)
		found.set_us = horizon_find(noon_us, after_us, latitude, longitude);
	return found;
}
