/* SPDX-License-Identifier: MIT */
/*
 * Planes to JPEG, 4:2:0, baseline, standard Huffman tables.
 *
 * libjpeg-turbo takes the picture in groups of 16 luma and 8 chroma rows, as row pointers, and
 * reads whole blocks of 8 samples in up to 32 rows at a time, which is more than the processor's
 * prefetcher can follow. So each row is first copied from left to right into a few rows of scratch,
 * which stay in the cache. On the way its edge is repeated up to the end of the last block, since
 * what stands in the padding after a row is unknown (often the last frame but one) and would bleed
 * into the picture; NV12 chroma is split, and a limited-range frame (no Pi pipeline makes one;
 * libcamera's virtual one does) goes through a table. Below the picture the last row is repeated by
 * its pointer.
 *
 * With EXIF there is no JFIF header: each of the two standards wants to come first after SOI, and
 * readers look for EXIF there.
 */
#include "capture/picture/jpeg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define BLOCK 8 /* samples of a block's side */
#define LUMA_ROWS 16 /* a group: one row of 4:2:0 MCUs */
#define CHROMA_ROWS 8
#define EXIF_BYTES_MAX 65533 /* a marker segment counts its own two length bytes */
#define BUFFER_BYTES_MIN (256 * 1024)

/* One colour component of the frame in hand. */
struct component {
	const uint8_t *data; /* NULL: interleaved, split by its neighbour */
	size_t stride;
	int width, height; /* samples */
	int group_rows;
	const uint8_t *table; /* range conversion; NULL: none */
	uint8_t *scratch; /* group_rows rows of scratch_stride */
	size_t scratch_stride;
};

struct jpeg_encoder {
	struct jpeg_compress_struct cinfo;
	struct jpeg_error_mgr errors;
	struct jpeg_destination_mgr destination;
	jmp_buf escape;
	int error; /* why it escaped */
	int quality;

	uint8_t *buffer; /* the JPEG; only grows */
	size_t capacity, used;

	uint8_t *scratch;
	size_t scratch_bytes;
	struct component component[3];
	bool interleaved;
	const void *exif;
	size_t exif_bytes;
	uint8_t expand_luma[256], expand_chroma[256];
};

/* libjpeg's callbacks */

static void on_error(j_common_ptr cinfo)
{
	struct jpeg_encoder *e = cinfo->client_data;

	if (e->error == 0)
		e->error = cinfo->err->msg_code == JERR_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	longjmp(e->escape, 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
	(void)cinfo, (void)level;
}

static int grow_buffer(struct jpeg_encoder *e)
{
	size_t wanted = e->capacity ? e->capacity * 2 : BUFFER_BYTES_MIN;
	uint8_t *grown;

	if (e->capacity >= FRAME_BYTES_MAX)
		return -EFBIG;
	if (wanted > FRAME_BYTES_MAX)
		wanted = FRAME_BYTES_MAX;
	grown = realloc(e->buffer, wanted);
	if (!grown)
		return -ENOMEM;
	e->buffer = grown;
	e->capacity = wanted;
	return 0;
}

static void on_start(j_compress_ptr cinfo)
{
	struct jpeg_encoder *e = cinfo->client_data;

	e->destination.next_output_byte = e->buffer;
	e->destination.free_in_buffer = e->capacity;
}

static boolean on_full(j_compress_ptr cinfo)
{
	struct jpeg_encoder *e = cinfo->client_data;
	size_t full =
		e->capacity; /* libjpeg does not update the pointers: the whole buffer is used */
	int r = grow_buffer(e);

	if (r < 0) {
		e->error = r;
		longjmp(e->escape, 1);
	}
	e->destination.next_output_byte = e->buffer + full;
	e->destination.free_in_buffer = e->capacity - full;
	return TRUE;
}

static void on_end(j_compress_ptr cinfo)
{
	struct jpeg_encoder *e = cinfo->client_data;

	e->used = e->capacity - e->destination.free_in_buffer;
}

/* Runs `step` with libjpeg's errors caught: the only setjmp, so that no local is ever clobbered. */
static int jpeg_guard(struct jpeg_encoder *e, void (*step)(struct jpeg_encoder *))
{
	e->error = 0;
	if (setjmp(e->escape) == 0)
		step(e);
	return e->error;
}

static void step_create(struct jpeg_encoder *e)
{
	struct jpeg_compress_struct *c = &e->cinfo;

	jpeg_create_compress(c);
	c->client_data = e;
	c->dest = &e->destination;
	c->in_color_space = JCS_YCbCr;
	c->input_components = 3;
	jpeg_set_defaults(c); /* YCbCr, 4:2:0 */
	jpeg_set_quality(c, e->quality, TRUE);
	c->raw_data_in = TRUE;
	c->dct_method = JDCT_ISLOW;
}

int jpeg_encoder_new(int quality, struct jpeg_encoder **ret)
{
	CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->quality = quality;
	e->cinfo.err = jpeg_std_error(&e->errors);
	e->cinfo.client_data = e;
	e->errors.error_exit = on_error;
	e->errors.emit_message = on_message;
	e->destination.init_destination = on_start;
	e->destination.empty_output_buffer = on_full;
	e->destination.term_destination = on_end;
	for (int i = 0; i < 256; i++) {
		int luma = ((i - 16) * 255 + 109) / 219;
		int chroma = 128 + ((i - 128) * 255 + (i < 128 ? -112 : 112)) / 224;

		e->expand_luma[i] = luma < 0 ? 0 : luma > 255 ? 255 : luma;
		e->expand_chroma[i] = chroma < 0 ? 0 : chroma > 255 ? 255 : chroma;
	}
	r = grow_buffer(e);
	if (r < 0)
		return r;
	r = jpeg_guard(e, step_create);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

void jpeg_encoder_free(struct jpeg_encoder *e)
{
	if (!e)
		return;
	jpeg_destroy((j_common_ptr)&e->cinfo); /* fine on one that was never created */
	free(e->buffer);
	free(e->scratch);
	free(e);
}

/* rows */

/*
 * Splits "UVUV..." into u and v. The inner loop's constant count lets the compiler use the vector
 * unit (ld2 on ARM) at -O2.
 */
static void row_split(
	const uint8_t *restrict uv, uint8_t *restrict u, uint8_t *restrict v, size_t samples)
{
	enum { STEP = 32 };
	size_t done = 0;

	for (; done + STEP <= samples; done += STEP, uv += 2 * STEP, u += STEP, v += STEP)
		for (int i = 0; i < STEP; i++) {
			u[i] = uv[2 * i];
			v[i] = uv[2 * i + 1];
		}
	for (size_t i = 0; i < samples - done; i++) {
		u[i] = uv[2 * i];
		v[i] = uv[2 * i + 1];
	}
}

/* Range conversion where asked for, then the last sample repeated up to the block's end. */
static void row_finish(const struct component *c, uint8_t *row)
{
	if (c->table)
		for (int i = 0; i < c->width; i++)
			row[i] = c->table[row[i]];
	memset(row + c->width, row[c->width - 1], c->scratch_stride - (size_t)c->width);
}

static void jpeg_fill_rows(struct jpeg_encoder *e, int index, int first, JSAMPROW *rows)
{
	struct component *c = &e->component[index];

	for (int i = 0; i < c->group_rows; i++) {
		int y = first + i;
		uint8_t *row = c->scratch + (size_t)i * c->scratch_stride;
		const uint8_t *source;

		if (y >= c->height) { /* below the picture; first itself never is */
			rows[i] = rows[i - 1];
			continue;
		}
		rows[i] = row;
		if (!c->data)
			continue;
		source = c->data + (size_t)y * c->stride;
		if (index == 1 && e->interleaved) {
			struct component *v = &e->component[2];
			uint8_t *v_row = v->scratch + (size_t)i * v->scratch_stride;

			row_split(source, row, v_row, (size_t)c->width);
			row_finish(v, v_row);
		} else {
			memcpy(row, source, (size_t)c->width);
		}
		row_finish(c, row);
	}
}

static void step_encode(struct jpeg_encoder *e)
{
	struct jpeg_compress_struct *cinfo = &e->cinfo;
	JSAMPROW luma[LUMA_ROWS], blue[CHROMA_ROWS], red[CHROMA_ROWS];
	JSAMPARRAY planes[3] = { luma, blue, red };

	cinfo->image_width = (JDIMENSION)e->component[0].width;
	cinfo->image_height = (JDIMENSION)e->component[0].height;
	cinfo->write_JFIF_header = e->exif == NULL;
	jpeg_start_compress(cinfo, TRUE);
	if (e->exif)
		jpeg_write_marker(cinfo, JPEG_APP0 + 1, e->exif, (unsigned)e->exif_bytes);
	while (cinfo->next_scanline < cinfo->image_height) {
		int y = (int)cinfo->next_scanline;

		jpeg_fill_rows(e, 0, y, luma);
		jpeg_fill_rows(e, 1, y / 2, blue);
		jpeg_fill_rows(e, 2, y / 2, red);
		jpeg_write_raw_data(cinfo, planes, LUMA_ROWS);
	}
	jpeg_finish_compress(cinfo);
}

/* the frame */

/* Whether plane `i` of the frame holds `rows` rows of `bytes` bytes. */
static bool plane_fits(const struct frame *frame, int i, int rows, size_t bytes)
{
	size_t size = frame->plane_bytes[i], stride = frame->stride[i];

	if (!frame->plane[i] || stride < bytes || size < bytes)
		return false;
	return (size_t)(rows - 1) <= (size - bytes) / stride;
}

static bool frame_fits(const struct frame *frame)
{
	int width = frame->width, height = frame->height;
	int half_width = (width + 1) / 2, half_height = (height + 1) / 2;

	if (width < 1 || height < 1 || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX)
		return false;
	if (!plane_fits(frame, 0, height, (size_t)width))
		return false;
	if (frame->format == PIXEL_NV12)
		return plane_fits(frame, 1, half_height, 2 * (size_t)half_width);
	return frame->format == PIXEL_YUV420 &&
		plane_fits(frame, 1, half_height, (size_t)half_width) &&
		plane_fits(frame, 2, half_height, (size_t)half_width);
}

static void jpeg_describe(struct jpeg_encoder *e, const struct frame *frame)
{
	bool limited = frame->range == PIXEL_LIMITED_RANGE;

	e->interleaved = frame->format == PIXEL_NV12;
	for (int i = 0; i < 3; i++) {
		struct component *c = &e->component[i];
		bool split = i > 0 && e->interleaved;

		*c = (struct component){
			.data = split && i == 2 ? NULL : frame->plane[i],
			.stride = frame->stride[i],
			.width = i ? (frame->width + 1) / 2 : frame->width,
			.height = i ? (frame->height + 1) / 2 : frame->height,
			.group_rows = i ? CHROMA_ROWS : LUMA_ROWS,
			.table = limited ? (i ? e->expand_chroma : e->expand_luma) : NULL,
		};
		c->scratch_stride = ((size_t)c->width + BLOCK - 1) / BLOCK * BLOCK;
	}
}

/* Room for one group of each component; kept for the next frame. */
static int reserve_scratch(struct jpeg_encoder *e)
{
	size_t bytes = 0;
	uint8_t *p;

	for (int i = 0; i < 3; i++)
		bytes += e->component[i].scratch_stride * (size_t)e->component[i].group_rows;
	if (bytes > e->scratch_bytes) {
		free(e->scratch);
		e->scratch_bytes = 0;
		e->scratch = malloc(bytes);
		if (!e->scratch)
			return -ENOMEM;
		e->scratch_bytes = bytes;
	}
	p = e->scratch;
	for (int i = 0; i < 3; i++) {
		e->component[i].scratch = p;
		p += e->component[i].scratch_stride * (size_t)e->component[i].group_rows;
	}
	return 0;
}

int jpeg_encode(struct jpeg_encoder *e, const struct frame *frame, const void *exif,
	size_t exif_bytes, const uint8_t **ret_jpeg, size_t *ret_bytes)
{
	int r;

	if (!frame_fits(frame) || (exif && exif_bytes > EXIF_BYTES_MAX))
		return -EINVAL;
	jpeg_describe(e, frame);
	r = reserve_scratch(e);
	if (r < 0)
		return r;
	e->exif = exif;
	e->exif_bytes = exif_bytes;
	r = jpeg_guard(e, step_encode);
	e->exif = NULL;
	if (r < 0) {
		jpeg_abort_compress(&e->cinfo);
		return r;
	}
	*ret_jpeg = e->buffer;
	*ret_bytes = e->used;
	return 0;
}
