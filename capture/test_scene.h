/* SPDX-License-Identifier: MIT */
/*
 * What the test camera looks at: hills under a sky that follows the hour, a clock, a ball on its
 * way, colour bars, and the exposure's time and number to read. Only what moved is drawn again.
 */
#pragma once

#include "capture/draw.h"
#include "common/util.h"

struct scene;

/* -ENOMEM. `name` is shown; it must outlive the scene. */
int scene_new(int width, int height, const char *name, struct scene **ret);
void scene_free(struct scene *scene);
DEFINE_CLEANUP(struct scene, scene_free)

struct scene_facts {
	int64_t wall_us; /* the exposure's */
	uint64_t sequence;
	double exposure_us, gain;
	double light, level; /* as in struct sensor_frame */
	bool startup;
};

/* What a canvas shows; zero it for a new one. */
struct painting {
	bool painted;
	int64_t background; /* which one */
	struct rect ball;
};

/* Makes the canvas, which shows `painting`, show the scene as it is at `facts`. */
void scene_paint(struct scene *scene, const struct canvas *canvas, struct painting *painting,
	const struct scene_facts *facts);
