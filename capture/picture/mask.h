/* SPDX-License-Identifier: MIT */
/*
 * The privacy mask: what of the picture nobody is to see, such as a neighbour's window. It is laid
 * on the planes of a frame, in place, before anything reads them that is stored or shown: so the
 * JPEG, its thumbnail and each small copy have it without doing anything for it.
 *
 * A block of 16 x 16 pixels that a polygon touches is blanked as a whole. That is what JPEG codes
 * by itself (an MCU of 4:2:0, two of 4:2:2), so nothing of what was there shows as ringing beside
 * the edge either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "capture/camera/camera.h"
#include "common/base/limits.h"

#define MASK_POLYGONS_MAX 32
#define MASK_POINTS_MAX 64 /* of one polygon */
#define MASK_NAME_MAX 32
#define MASK_BLOCK 16 /* pixels */
#define MASK_BLANK 128 /* of all samples: a grey that is neither dark nor clipped */

struct mask_polygon {
	char name[MASK_NAME_MAX];
	char points[CONF_VALUE_MAX]; /* as mask_read_points() takes them */
};

/* As the settings have it; zeroed there is none. */
struct mask_setting {
	struct mask_polygon polygon[MASK_POLYGONS_MAX];
	size_t n;
	bool broken; /* a part of it is not known, so that no picture may be stored */
};

/* Shares of the stored picture, after flip, rotation and crop: 0, 0 is top left. */
struct mask_point {
	double x, y;
};

/*
 * Reads "0.1,0.2 0.3,0.2 0.3,0.4". Returns how many points it has; -EINVAL it is not 3 to
 * MASK_POINTS_MAX pairs of decimal numbers from 0 to 1.
 */
int mask_read_points(const char *text, struct mask_point ret[static MASK_POINTS_MAX]);

/*
 * Which mask it is: the first 64 bits of the SHA-256 of its polygons' points as written, each with
 * a newline. "": none.
 */
void mask_hash(const struct mask_setting *setting, char ret[static MASK_HASH_CHARS + 1]);

/* The blocks of one size of picture; zeroed it is empty. */
struct mask {
	char hash[MASK_HASH_CHARS + 1];
	int width, height; /* pixels */
	int columns, rows;
	bool *blocks; /* rows of columns: true is blank */
};
void mask_clear(struct mask *mask);

/*
 * Finds the blocks that the polygons touch, and keeps those that it has of the same setting and
 * size. Where a polygon crosses itself the inside is by the nonzero rule, which blanks more than
 * the other one. 0; -EDOM it is broken, -EINVAL a point cannot be read, -ENOMEM.
 */
int mask_find_blocks(struct mask *mask, const struct mask_setting *setting, int width, int height);

/*
 * Blanks the frame's planes. After an error nothing of the frame may be stored or shown: those of
 * mask_find_blocks(); -EMEDIUMTYPE MJPEG, which has no planes; -EINVAL planes too small for it.
 */
int mask_lay(struct mask *mask, const struct mask_setting *setting, struct frame *frame);
