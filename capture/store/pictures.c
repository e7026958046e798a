/* SPDX-License-Identifier: MIT */
/* Frames to pictures: the camera's planes are masked before anything else reads them. */
#include "capture/store/pictures.h"

#include <errno.h>
#include <math.h>

#include "capture/picture/aim.h"
#include "capture/picture/exif.h"
#include "capture/picture/jpeg.h"
#include "common/base/clock.h"
#include "common/base/util.h"

void pictures_clear(struct pictures *p)
{
	jpeg_encoder_free(p->encoder);
	jpeg_encoder_free(p->aim_encoder);
	mask_clear(&p->mask);
	*p = (struct pictures){ 0 };
}

/* The encoder of that quality. */
static int pictures_get_encoder(struct pictures *p, int quality)
{
	if (p->encoder && p->quality == quality)
		return 0;
	jpeg_encoder_free(TAKE_PTR(p->encoder));
	p->quality = quality;
	return jpeg_encoder_new(quality, &p->encoder);
}

int pictures_encode(struct pictures *p, const struct writer_pictures *how, struct camera *camera,
	struct frame *frame, struct record *record, const uint8_t **ret_jpeg, size_t *ret_bytes)
{
	struct exif_facts facts = {
		.time_us = exif_time_us(record->slot_us, record->exposed_us),
		.exposure_us = frame->exposure_us,
		.gain = frame->gain,
		.white_balance = camera->info.white_balance,
		.colour_temperature = frame->colour_temperature,
		.red = frame->red,
		.blue = frame->blue,
		.lens_position = frame->lens_position,
		.focus = frame->focus,
		.latitude = how->gps ? how->latitude : NAN,
		.longitude = how->gps ? how->longitude : NAN,
		.make = "capturepi",
		.model = camera->info.model,
		.software = "capturepi " CAPTUREPI_VERSION,
		.width = frame->width,
		.height = frame->height,
	};
	CLEANUP_FREE uint8_t *exif = NULL;
	size_t exif_bytes = 0;
	int r;

	camera_read(camera, frame);
	/* before all else: what reads the pixels from here on may be kept */
	r = mask_lay(&p->mask, &how->mask, frame);
	if (r == 0)
		r = pictures_get_encoder(p, how->quality);
	if (r < 0)
		return r;
	mask_hash(&how->mask, record->mask);
	/* a picture without a thumbnail is better than none */
	jpeg_encode_thumb(p->encoder, frame, &facts.thumb, &facts.thumb_bytes);
	r = exif_build(&facts, &exif, &exif_bytes);
	return r < 0 ? r : jpeg_encode(p->encoder, frame, exif, exif_bytes, ret_jpeg, ret_bytes);
}

int pictures_aim(struct pictures *p, const struct mask_setting *mask, struct camera *camera,
	struct frame *frame, uint8_t **ret, size_t *ret_bytes)
{
	int r;

	camera_read(camera, frame);
	r = mask_lay(&p->mask, mask, frame);
	if (r == 0 && !p->aim_encoder)
		r = jpeg_encoder_new(AIM_QUALITY, &p->aim_encoder);
	return r < 0 ? r
		     : aim_make(p->aim_encoder, frame, clock_wall_us(&clock_real), ret, ret_bytes);
}
