/* SPDX-License-Identifier: MIT */
/*
 * The light by the sun. The table has stops below the noon's 100,000 lux, rounded from the usual
 * tables of natural illumination: 10,000 lux at 10 degrees, 500 at sunset, 3.5 at the end of civil
 * twilight.
 */
#include "capture/simcam/sky.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "capture/camera/camera.h"
#include "capture/schedule/sun.h"
#include "common/base/util.h"

double sky_light(double elevation)
{
	static const struct {
		double elevation, stops;
	} table[] = { { 60, 0 }, { 30, -0.7 }, { 10, -3.3 }, { 5, -4.5 }, { 0, -7.6 },
		{ -6, -14.8 }, { -9, -18 } };
	double part;

	if (!(elevation < table[0].elevation))
		return 1;
	for (size_t i = 1; i < ARRAY_SIZE(table); i++) {
		if (elevation < table[i].elevation)
			continue;
		part = (elevation - table[i].elevation) /
			(table[i - 1].elevation - table[i].elevation);
		return exp2(table[i].stops + part * (table[i - 1].stops - table[i].stops));
	}
	return CAMERA_LIGHT_NIGHT;
}

double sky_light_at(int64_t wall_us, double latitude, double longitude)
{
	bool placed = isfinite(latitude) && isfinite(longitude);

	return sky_light(sun_elevation(wall_us, placed ? latitude : 0, placed ? longitude : 0));
}
