/* SPDX-License-Identifier: MIT */
/*
 * What a person sees who aims and focuses the camera: the whole picture made small, its centre as
 * sharp as it is, and how sharp that is as a number. It is made of planes that have their mask.
 */
#pragma once

#include "capture/camera/camera.h"
#include "capture/picture/jpeg.h"

#define AIM_SIDE 1280 /* pixels of the longer side of the whole */
#define AIM_CENTRE_SIDE 480 /* of the centre, at most */
#define AIM_QUALITY 75

/*
 * How sharp the picture is: the root of the mean square of differences between near pixels of luma,
 * in percent of their mean, so that the light of the scene does not count. It grows until the focus
 * is best; between scenes it does not compare. 0: MJPEG, or planes too small.
 */
double aim_sharpness(const struct frame *frame);

/*
 * One line of JSON, then the two JPEGs whose lengths it tells as "picture" and "centre", for
 * free(). `now_us`: wall time, "at" in it. -EMEDIUMTYPE MJPEG; errors as jpeg_encode().
 */
int aim_make(struct jpeg_encoder *encoder, const struct frame *frame, int64_t now_us, uint8_t **ret,
	size_t *ret_bytes);
