/* SPDX-License-Identifier: MIT */
/* A JPEG back into the planes of a frame. */
#pragma once

#include "capture/camera/camera.h"

/*
 * Decodes it to YUV420 of the full range. `ret_samples`, for free(), are its planes. -EBADMSG it is
 * no JPEG in colour, or too large; -ENOMEM.
 */
int jpeg_decode(const uint8_t *jpeg, size_t bytes, struct frame *ret, uint8_t **ret_samples);
