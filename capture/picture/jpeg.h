/* SPDX-License-Identifier: MIT */
/*
 * Frames to JPEG through libjpeg-turbo's raw-data interface: 4:2:0, from YUYV 4:2:2, baseline,
 * standard Huffman tables. A frame that is a JPEG already (MJPEG) is checked and copied (mjpeg.h).
 */
#pragma once

#include "capture/camera/camera.h"
#include "common/base/util.h"

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
