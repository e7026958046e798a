/* SPDX-License-Identifier: MIT */
/*
 * Frames that a webcam has compressed itself (MJPEG): each is nearly a JPEG file. It is checked and
 * copied with our EXIF in place of what the webcam says of itself; nothing is decoded, so it costs
 * hardly more than the copy.
 *
 * Sources: ITU T.81 annex B (markers), USB Video Class 1.5, MJPEG payload 1.5 section 3 (baseline,
 * one scan; the Huffman tables may be left out, then they are those of T.81 annex K.3).
 */
#pragma once

#include "capture/camera/camera.h"

#define MJPEG_DC_VALUES 12
#define MJPEG_AC_VALUES 162
/* A DHT segment with the four standard tables, its marker included. */
#define MJPEG_TABLES_BYTES (4 + 4 * 17 + 2 * (MJPEG_DC_VALUES + MJPEG_AC_VALUES))

/* What is put into a frame. */
struct mjpeg_extras {
	const void *exif; /* the payload of an APP1 segment; NULL: none */
	size_t exif_bytes; /* at most 65533 */
	const uint8_t *tables; /* MJPEG_TABLES_BYTES, for a frame without Huffman tables */
};

/* How large the file may become that mjpeg_rewrite() makes of a frame of so many bytes. */
size_t mjpeg_room(size_t bytes, const struct mjpeg_extras *extras);

/*
 * Writes the frame to `out`, which has mjpeg_room() bytes: SOI, the EXIF, tables, frame header,
 * scan, EOI. The webcam's own APPn segments (but APP14, which tells how colours are coded) and
 * comments are left out, as is what stands after EOI.
 *
 * -EILSEQ: it is not a whole baseline JPEG of the frame's width and height that a decoder would
 * take. Beyond the headers that means that the scan ends with EOI and that no restart marker is
 * missing; what stands between those is not decoded.
 */
int mjpeg_rewrite(const struct frame *frame, const struct mjpeg_extras *extras, uint8_t *out,
	size_t *ret_bytes);
