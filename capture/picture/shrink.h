/* SPDX-License-Identifier: MIT */
/*
 * A small picture of a frame's planes, as they are: what was blanked in them is blank in it too.
 */
#pragma once

#include "capture/camera/camera.h"

#define SHRINK_SIDE 240 /* pixels of a thumbnail's longer side */

/*
 * Makes a YUV420 frame of the frame's shape and range, whose longer side has `side` pixels. Each
 * sample is the mean of those that it stands for: of all columns, and of a few rows that are
 * equally far apart, since reading every row of 12 megapixels takes longer than encoding the
 * result. `ret_samples`, for free(), are its planes. The frame must not be MJPEG, and its planes as
 * large as its size says.
 *
 * 1; 0 the frame is small already; -ENOMEM.
 */
int frame_shrink(const struct frame *frame, int side, struct frame *ret, uint8_t **ret_samples);
