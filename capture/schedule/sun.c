/* SPDX-License-Identifier: MIT */
/*
 * The sun's elevation. Names and order of the steps are those of NOAA's spreadsheet, so that each
 * line can be compared with it. Sidereal time (Meeus 12.4) replaces its equation of time and hour
 * angle, which say the same with more terms.
 */
#include "capture/schedule/sun.h"

#include <math.h>

#include "common/base/clock.h"

#define J2000_US (INT64_C(946728000) * US_PER_SEC) /* 2000-01-01 12:00 UTC */
#define US_PER_DAY (86400.0 * 1e6)

static double to_radians(double degrees)
{
	return degrees * (M_PI / 180);
}

double sun_elevation(int64_t wall_us, double latitude, double longitude)
{
	double days = (double)(wall_us - J2000_US) / US_PER_DAY, t = days / 36525;
	double mean_longitude = fmod(280.46646 + t * (36000.76983 + t * 0.0003032), 360);
	double m = to_radians(fmod(357.52911 + t * (35999.05029 - t * 0.0001537), 360));
	double centre = sin(m) * (1.914602 - t * (0.004817 + t * 0.000014)) +
		sin(2 * m) * (0.019993 - t * 0.000101) + sin(3 * m) * 0.000289;
	double node = to_radians(125.04 - 1934.136 * t);
	double apparent = to_radians(mean_longitude + centre - 0.00569 - 0.00478 * sin(node));
	double obliquity = to_radians(23.4392911 - t * 0.0130042 + 0.00256 * cos(node));
	double declination = asin(sin(obliquity) * sin(apparent));
	double ascension = atan2(cos(obliquity) * sin(apparent), cos(apparent));
	double sidereal = fmod(280.46061837 + 360.98564736629 * days, 360);
	double hour_angle = to_radians(sidereal + longitude) - ascension;
	double sine = sin(to_radians(latitude)) * sin(declination) +
		cos(to_radians(latitude)) * cos(declination) * cos(hour_angle);

	/* rounding may have gone past the zenith */
	return asin(fmax(-1, fmin(1, sine))) * (180 / M_PI);
}
