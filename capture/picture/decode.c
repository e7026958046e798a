/* SPDX-License-Identifier: MIT */
/* Decodes row by row, whatever the subsampling; each second row and column has chroma to keep. */
#include "capture/picture/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "common/base/limits.h"
#include "common/base/util.h"

struct decoder {
	struct jpeg_decompress_struct cinfo;
	struct jpeg_error_mgr errors;
	jmp_buf back;
	struct frame frame;
	uint8_t *samples, *row;
};

static void decoder_fail(j_common_ptr common)
{
	struct decoder *d = common->client_data;

	longjmp(d->back, 1);
}

static void decoder_listen(j_common_ptr common, int level)
{
	(void)common, (void)level;
}

/* Planes for the picture that the head tells of. */
static int decoder_make_room(struct decoder *d)
{
	const size_t width = d->cinfo.image_width, height = d->cinfo.image_height;
	const size_t half = (width + 1) / 2, rows = (height + 1) / 2;

	if (width < 1 || height < 1 || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX)
		return -EBADMSG;
	d->samples = malloc(width * height + 2 * half * rows);
	d->row = malloc(3 * width);
	if (!d->samples || !d->row)
		return -ENOMEM;
	d->frame = (struct frame){ .format = PIXEL_YUV420,
		.width = (int)width,
		.height = (int)height,
		.plane = { d->samples, d->samples + width * height,
			d->samples + width * height + half * rows },
		.stride = { width, half, half },
		.plane_bytes = { width * height, half * rows, half * rows } };
	return 0;
}

static void decoder_keep_row(struct decoder *d, size_t y)
{
	const size_t width = (size_t)d->frame.width, half = d->frame.stride[1];
	uint8_t *luma = d->samples + y * width;
	uint8_t *blue = d->samples + d->frame.plane_bytes[0] + y / 2 * half;
	uint8_t *red = blue + d->frame.plane_bytes[1];

	for (size_t x = 0; x < width; x++)
		luma[x] = d->row[3 * x];
	for (size_t x = 0; y % 2 == 0 && x < half; x++) {
		blue[x] = d->row[6 * x + 1];
		red[x] = d->row[6 * x + 2];
	}
}

static int decoder_run(struct decoder *d, const uint8_t *jpeg, size_t bytes)
{
	int r;

	if (setjmp(d->back))
		return -EBADMSG;
	jpeg_create_decompress(&d->cinfo);
	jpeg_mem_src(&d->cinfo, jpeg, bytes);
	jpeg_read_header(&d->cinfo, TRUE);
	d->cinfo.out_color_space = JCS_YCbCr;
	r = decoder_make_room(d);
	if (r < 0)
		return r;
	jpeg_start_decompress(&d->cinfo);
	while (d->cinfo.output_scanline < d->cinfo.output_height) {
		const size_t y = d->cinfo.output_scanline;

		jpeg_read_scanlines(&d->cinfo, &d->row, 1);
		decoder_keep_row(d, y);
	}
	return 0;
}

int jpeg_decode(const uint8_t *jpeg, size_t bytes, struct frame *ret, uint8_t **ret_samples)
{
	CLEANUP_FREE struct decoder *d = calloc(1, sizeof *d);
	int r;

	if (!d)
		return -ENOMEM;
	d->cinfo.err = jpeg_std_error(&d->errors);
	d->cinfo.client_data = d;
	d->errors.error_exit = decoder_fail;
	d->errors.emit_message = decoder_listen;
	r = decoder_run(d, jpeg, bytes);
	jpeg_destroy_decompress(&d->cinfo);
	free(d->row);
	if (r < 0) {
		free(d->samples);
		return r;
	}
	*ret = d->frame;
	*ret_samples = d->samples;
	return 0;
}
