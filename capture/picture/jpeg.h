/* SPDX-License-Identifier: MIT */
/*
 * Frames to JPEG through libjpeg-turbo's raw-data interface: 4:2:0, from YUYV 4:2:2, baseline,
 * standard Huffman tables. A frame that is a JPEG already (MJPEG) is checked and copied (mjpeg.h).
 */
#pragma once

#include <stdbool.h>

#include "capture/camera/camera.h"
#include "common/base/util.h"

#define THUMB_BYTES_MAX (12 * 1024)

/* Whether the frame's planes, or the JPEG that it is, are as large as its size says. */
bool frame_fits(const struct frame *frame);

struct jpeg_encoder;

/* quality 1..100, of all but MJPEG. -ENOMEM. */
int jpeg_encoder_new(int quality, struct jpeg_encoder **ret);
void jpeg_encoder_free(struct jpeg_encoder *encoder);
DEFINE_CLEANUP(struct jpeg_encoder, jpeg_encoder_free)

/*
 * Encodes `frame` with `exif` (the "Exif\0\0..." payload of an APP1 segment; may be NULL) right
 * after SOI. *ret_jpeg belongs to the encoder and stays valid until the next call. -EINVAL a frame
 * whose planes are too small for its size, or EXIF over 65533 bytes; -EFBIG over FRAME_BYTES_MAX,
 * -EIO what libjpeg says; -EILSEQ an MJPEG frame that is damaged or of another size.
 */
int jpeg_encode(struct jpeg_encoder *encoder, const struct frame *frame, const void *exif,
	size_t exif_bytes, const uint8_t **ret_jpeg, size_t *ret_bytes);

/*
 * The frame's thumbnail for its EXIF (shrink.h): a JPEG without any APPn segment, in the best
 * quality that fits THUMB_BYTES_MAX. It is the encoder's until the next call. 1; 0 there is none:
 * the frame is small itself, or MJPEG, which would have to be decoded; errors as jpeg_encode().
 */
int jpeg_encode_thumb(struct jpeg_encoder *encoder, const struct frame *frame,
	const uint8_t **ret_jpeg, size_t *ret_bytes);

/* The small copy that the last jpeg_encode_thumb() made, until the next one; NULL: it made none. */
const struct frame *jpeg_small_frame(const struct jpeg_encoder *encoder);
