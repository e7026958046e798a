/* SPDX-License-Identifier: MIT */
/* Decodes and encodes JPEGs with libjpeg. */
#include "common/thumbnail/pixels.h"

#include <errno.h>
/* libjpeg's header wants these before it */
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>

#include "common/base/limits.h"

#define SCAN_PIXELS_MAX (4 * 1000 * 1000) /* of a JPEG in several scans, which wait in memory */

/* An error goes to `back`, nothing is printed. */
struct jpeg_trouble {
	struct jpeg_error_mgr base;
	jmp_buf back;
	bool damaged;
};

void pixels_clear(struct pixels *pixels)
{
	free(pixels->data);
	*pixels = (struct pixels){ 0 };
}

static void trouble_exit(j_common_ptr common)
{
	longjmp(((struct jpeg_trouble *)common->err)->back, 1);
}

/* Of libjpeg's warnings those that cost pixels: webcams put bytes between markers, which do not. */
static void trouble_message(j_common_ptr common, int level)
{
	const int code = common->err->msg_code;

	if (level < 0 &&
		(code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF || code == JWRN_HUFF_BAD_CODE))
		((struct jpeg_trouble *)common->err)->damaged = true;
}

static struct jpeg_error_mgr *trouble_begin(struct jpeg_trouble *trouble)
{
	jpeg_std_error(&trouble->base);
	trouble->base.error_exit = trouble_exit;
	trouble->base.emit_message = trouble_message;
	trouble->damaged = false;
	return &trouble->base;
}

/* In eighths. Those in between take longer than the next larger one. */
static unsigned decode_scale(
	const struct jpeg_decompress_struct *c, unsigned width, unsigned height)
{
	unsigned eighths = 1;

	while (eighths < 8 &&
		(c->image_width * eighths / 8 < width || c->image_height * eighths / 8 < height))
		eighths *= 2;
	return eighths;
}

static bool decode_is_wanted(const struct jpeg_decompress_struct *c)
{
	return jpeg_is_sane(c->image_width, c->image_height) &&
		(!c->progressive_mode ||
			(uint64_t)c->image_width * c->image_height <= SCAN_PIXELS_MAX);
}

/* A grey row, at its start, becomes one of YCbCr. */
static void row_colour(uint8_t *row, unsigned width)
{
	for (unsigned x = width; x-- > 0;) {
		row[3 * x] = row[x];
		row[3 * x + 1] = row[3 * x + 2] = 128;
	}
}

int pixels_decode(const uint8_t *jpeg, size_t bytes, unsigned width, unsigned height,
	struct pixels *ret, bool *ret_damaged)
{
	struct jpeg_decompress_struct c;
	struct jpeg_trouble trouble;
	uint8_t *volatile data = NULL;

	c.err = trouble_begin(&trouble);
	if (setjmp(trouble.back)) {
		jpeg_destroy_decompress(&c);
		free(data);
		return -EBADMSG;
	}
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	/* libjpeg itself makes no YCbCr of grey, which is what a camera without colours has */
	c.out_color_space = c.num_components == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
	c.scale_num = decode_scale(&c, width, height);
	c.scale_denom = 8;
	c.dct_method = JDCT_IFAST;
	c.do_fancy_upsampling = FALSE;
	if (decode_is_wanted(&c) && jpeg_start_decompress(&c)) {
		data = malloc((size_t)c.output_width * c.output_height * 3);
		while (data && c.output_scanline < c.output_height) {
			uint8_t *row = data + (size_t)c.output_scanline * c.output_width * 3;

			jpeg_read_scanlines(&c, &row, 1);
			if (c.out_color_space == JCS_GRAYSCALE)
				row_colour(row, c.output_width);
		}
	}
	if (data) {
		*ret = (struct pixels){ data, (int)c.output_width, (int)c.output_height };
		*ret_damaged = trouble.damaged;
	}
	jpeg_destroy_decompress(&c);
	return data ? 0 : -EBADMSG;
}

int pixels_measure(const uint8_t *jpeg, size_t bytes, int *ret_width, int *ret_height)
{
	struct jpeg_decompress_struct c;
	struct jpeg_trouble trouble;
	bool wanted;

	c.err = trouble_begin(&trouble);
	if (setjmp(trouble.back)) {
		jpeg_destroy_decompress(&c);
		return -EBADMSG;
	}
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	wanted = decode_is_wanted(&c);
	if (wanted) {
		*ret_width = (int)c.image_width;
		*ret_height = (int)c.image_height;
	}
	jpeg_destroy_decompress(&c);
	return wanted ? 0 : -EBADMSG;
}

int rows_encode(int width, int height, int quality, uint8_t *(*row)(void *data, int y), void *data,
	uint8_t **ret_jpeg, size_t *ret_bytes)
{
	struct jpeg_compress_struct c;
	struct jpeg_trouble trouble;
	unsigned char *jpeg = NULL;
	unsigned long bytes = 0;

	c.err = trouble_begin(&trouble);
	if (setjmp(trouble.back)) {
		jpeg_destroy_compress(&c);
		free(jpeg);
		return -EIO;
	}
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &jpeg, &bytes);
	c.image_width = (JDIMENSION)width;
	c.image_height = (JDIMENSION)height;
	c.input_components = 3;
	c.in_color_space = JCS_YCbCr;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, quality, TRUE);
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		uint8_t *line = row(data, (int)c.next_scanline);

		jpeg_write_scanlines(&c, &line, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	*ret_jpeg = jpeg;
	*ret_bytes = bytes;
	return 0;
}

static uint8_t *pixels_row(void *data, int y)
{
	const struct pixels *pixels = data;

	return pixels->data + (size_t)y * (size_t)pixels->width * 3;
}

int pixels_encode(const struct pixels *pixels, int quality, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	return rows_encode(pixels->width, pixels->height, quality, pixels_row, (void *)pixels,
		ret_jpeg, ret_bytes);
}
