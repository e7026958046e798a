/* SPDX-License-Identifier: MIT */
/* How frames become pictures: masked first, then encoded. For one thread. */
#pragma once

#include "capture/camera/camera.h"
#include "capture/picture/mask.h"
#include "common/journal/record.h"

/* How frames become files. */
struct writer_pictures {
	int quality; /* JPEG quality 1..100 */
	bool gps; /* EXIF tells this place, in degrees north and east */
	double latitude, longitude;
	struct mask_setting mask;
};

struct jpeg_encoder;
/* What is kept from frame to frame; zeroed it is empty. */
struct pictures {
	struct jpeg_encoder *encoder, *aim_encoder;
	int quality; /* of `encoder` */
	struct mask mask;
};
void pictures_clear(struct pictures *pictures);

/*
 * Makes the JPEG of a frame, which stays as it is until the next call. `record` tells when it was
 * taken, and gets the mask's hash. -errno, for store_error_text().
 */
int pictures_encode(struct pictures *pictures, const struct writer_pictures *how,
	struct camera *camera, struct frame *frame, struct record *record, const uint8_t **ret_jpeg,
	size_t *ret_bytes);

/* What aim_make() makes of it, masked, for free(). */
int pictures_aim(struct pictures *pictures, const struct mask_setting *mask, struct camera *camera,
	struct frame *frame, uint8_t **ret, size_t *ret_bytes);
