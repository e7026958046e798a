/* SPDX-License-Identifier: MIT */
/* What a simulated webcam has, what it calls itself on the bus, and what it shows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMATS_MAX 4
#define SIZES_MAX 4
#define PROBE_BYTES 34 /* of UVC 1.1 */
#define PAYLOAD_BYTES 16384 /* of a bulk transfer; Linux uses no larger ones */
#define PICTURES 8 /* that are shown in turn */

enum format { FORMAT_YUYV, FORMAT_NV12, FORMAT_MJPEG };

struct size {
	unsigned width, height;
};

struct model {
	const char *name; /* of the product; ASCII */
	unsigned product; /* USB product id */
	enum format formats[FORMATS_MAX];
	unsigned n_formats;
	struct size sizes[SIZES_MAX]; /* each format has all of them */
	unsigned n_sizes;
	unsigned fps;
	bool tables; /* its MJPEG has Huffman tables */
	unsigned damage; /* each MJPEG picture of this number, counted from 1, is cut; 0: none */
};

struct bytes {
	uint8_t *data;
	size_t used;
};

/* The largest picture, in bytes. */
size_t picture_bytes_max(enum format format, struct size size);

/* Draws picture `number`; its bytes are for free(). */
struct bytes picture_draw(
	const struct model *model, enum format format, struct size size, unsigned number);

/*
 * The descriptor of this type and number, `room` bytes at most; how long it is, -1: there is none.
 * Sources: USB 2.0 chapter 9, USB Video Class 1.1 chapter 3 and its payload documents.
 */
int descriptor_get(
	const struct model *model, unsigned type, unsigned number, uint8_t *ret, size_t room);

/* What the stream would be with these choices, both counted from 1 (UVC 1.1 table 4-75). */
void probe_fill(
	const struct model *model, unsigned format, unsigned size, uint8_t ret[static PROBE_BYTES]);
