/* SPDX-License-Identifier: MIT */
/*
 * Planes to JPEG, baseline, standard Huffman tables: 4:2:0, or 4:2:2 from YUYV, which has chroma in
 * each row. What a webcam has compressed already goes through mjpeg.c instead.
 *
 * libjpeg-turbo takes the picture in groups of 8 chroma rows and the luma rows that belong to them,
 * as row pointers, and reads whole blocks of 8 samples in up to 32 rows at a time, which is more
 * than the processor's prefetcher can follow. So each row is first copied from left to right into a
 * few rows of scratch, which stay in the cache. On the way its edge is repeated up to the end of
 * the last block, since what stands in the padding after a row is unknown (often the last frame but
 * one) and would bleed into the picture; NV12 and YUYV are split, and a limited-range frame (no Pi
 * pipeline makes one; webcams and libcamera's virtual one do) is expanded. Below the picture the
 * last row is repeated by its pointer.
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

#include "capture/picture/mjpeg.h"
#include "capture/picture/shrink.h"

#define LUMA_ROWS_MAX 16 /* a group: one row of 4:2:0 MCUs; one of 4:2:2 has 8 */
#define CHROMA_ROWS 8
#define EXIF_BYTES_MAX 65533 /* a marker segment counts its own two length bytes */
#define BUFFER_BYTES_MIN (256 * 1024)

/* One colour component of the frame in hand. */
struct component {
	const uint8_t *data; /* NULL: interleaved, split with the one before it */
	size_t stride;
	int width, height; /* samples */
	int group_rows;
	bool limited; /* to be expanded to the full range */
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
	struct frame small; /* what the last thumbnail was made of, and */
	uint8_t *small_samples; /* its planes; NULL: there is none */
	int thumb_quality; /* of the thumbnail in hand; 0: it is a whole picture */

	uint8_t *buffer; /* the JPEG; only grows */
	size_t capacity, used;

	uint8_t *scratch;
	size_t scratch_bytes;
	struct component component[3];
	uint8_t *mixed; /* scratch for the chroma of a row of YUYV */
	enum pixel_format format;
	uint8_t tables[MJPEG_TABLES_BYTES]; /* the standard Huffman tables as a DHT segment */
	const void *exif;
	size_t exif_bytes;
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
	c->raw_data_in = TRUE;
	c->dct_method = JDCT_ISLOW;
}

/* libjpeg's own standard tables, as a webcam that leaves them out means them. */
static void jpeg_save_tables(struct jpeg_encoder *e)
{
	uint8_t *p = e->tables;

	*p++ = 0xff;
	*p++ = 0xc4; /* DHT */
	*p++ = (MJPEG_TABLES_BYTES - 2) >> 8;
	*p++ = (MJPEG_TABLES_BYTES - 2) & 0xff;
	for (int i = 0; i < 4; i++) {
		const JHUFF_TBL *table =
			i & 1 ? e->cinfo.ac_huff_tbl_ptrs[i / 2] : e->cinfo.dc_huff_tbl_ptrs[i / 2];
		size_t values = i & 1 ? MJPEG_AC_VALUES : MJPEG_DC_VALUES;

		*p++ = (uint8_t)((i & 1) << 4 | i / 2);
		memcpy(p, table->bits + 1, 16);
		memcpy(p + 16, table->huffval, values);
		p += 16 + values;
	}
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
	r = grow_buffer(e);
	if (r < 0)
		return r;
	r = jpeg_guard(e, step_create);
	if (r < 0)
		return r;
	jpeg_save_tables(e);
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
	free(e->small_samples);
	free(e);
}

/*
 * Rows. In each loop over samples the inner one has a constant count, so that the compiler uses the
 * vector unit at -O2 too.
 */

enum { STEP = 32 };

/* Splits "UVUV..." into u and v. */
static void row_split(
	const uint8_t *restrict uv, uint8_t *restrict u, uint8_t *restrict v, size_t samples)
{
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

/* 16..235 of luma becomes 0..255: x 255 / 219, rounded. The product's upper half divides. */
static inline uint8_t luma_expand(uint8_t sample)
{
	uint8_t least = sample < 16 ? 16 : sample, most = least > 235 ? 235 : least;
	uint16_t scaled = (uint16_t)((most - 16) * 255 + 109);

	return (uint8_t)((uint16_t)((uint32_t)scaled * 1197 >> 16) >> 2);
}

/* 16..240 of chroma, with 128 in its middle: x 255 / 224. */
static inline uint8_t chroma_expand(uint8_t sample)
{
	uint8_t least = sample < 16 ? 16 : sample, most = least > 240 ? 240 : least;
	uint16_t scaled = (uint16_t)((most - 16) * 255 + 223) >> 5;

	return (uint8_t)((uint32_t)scaled * 9363 >> 16);
}

/* Whole steps: the row's scratch is a multiple of STEP long. */
static void row_expand(uint8_t *row, size_t samples, bool chroma)
{
	for (size_t done = 0; done < samples; done += STEP, row += STEP)
		if (chroma)
			for (int i = 0; i < STEP; i++)
				row[i] = chroma_expand(row[i]);
		else
			for (int i = 0; i < STEP; i++)
				row[i] = luma_expand(row[i]);
}

/* To the full range, then the last sample repeated up to the block's end. */
static void row_finish(const struct component *c, uint8_t *row, bool chroma)
{
	if (c->limited)
		row_expand(row, (size_t)c->width, chroma);
	memset(row + c->width, row[c->width - 1], c->scratch_stride - (size_t)c->width);
}

/* Row `y` of a component, and of those that are interleaved with it, into row `i` of scratch. */
static void jpeg_copy_row(struct jpeg_encoder *e, int index, int y, int i)
{
	struct component *c = &e->component[index];
	const uint8_t *source = c->data + (size_t)y * c->stride;
	uint8_t *row[3];

	for (int k = index; k < 3; k++)
		row[k] = e->component[k].scratch + (size_t)i * e->component[k].scratch_stride;
	if (e->format == PIXEL_YUYV) {
		size_t pairs = (size_t)e->component[1].width;

		row_split(source, row[0], e->mixed, 2 * pairs);
		row_split(e->mixed, row[1], row[2], pairs);
	} else if (e->format == PIXEL_NV12 && index == 1) {
		row_split(source, row[1], row[2], (size_t)c->width);
	} else {
		memcpy(row[index], source, (size_t)c->width);
	}
	do
		row_finish(&e->component[index], row[index], index > 0);
	while (++index < 3 && !e->component[index].data);
}

static void jpeg_fill_rows(struct jpeg_encoder *e, int index, int first, JSAMPROW *rows)
{
	struct component *c = &e->component[index];

	for (int i = 0; i < c->group_rows; i++) {
		int y = first + i;

		if (y >= c->height) { /* below the picture; first itself never is */
			rows[i] = rows[i - 1];
			continue;
		}
		rows[i] = c->scratch + (size_t)i * c->scratch_stride;
		if (c->data)
			jpeg_copy_row(e, index, y, i);
	}
}

static void step_encode(struct jpeg_encoder *e)
{
	struct jpeg_compress_struct *cinfo = &e->cinfo;
	JSAMPROW luma[LUMA_ROWS_MAX], blue[CHROMA_ROWS], red[CHROMA_ROWS];
	JSAMPARRAY planes[3] = { luma, blue, red };
	int group = e->component[0].group_rows;

	cinfo->comp_info[0].v_samp_factor = group / CHROMA_ROWS;
	cinfo->image_width = (JDIMENSION)e->component[0].width;
	cinfo->image_height = (JDIMENSION)e->component[0].height;
	cinfo->write_JFIF_header = e->exif == NULL && !e->thumb_quality;
	jpeg_set_quality(cinfo, e->thumb_quality ? e->thumb_quality : e->quality, TRUE);
	jpeg_start_compress(cinfo, TRUE);
	if (e->exif)
		jpeg_write_marker(cinfo, JPEG_APP0 + 1, e->exif, (unsigned)e->exif_bytes);
	while (cinfo->next_scanline < cinfo->image_height) {
		int y = (int)cinfo->next_scanline;

		jpeg_fill_rows(e, 0, y, luma);
		jpeg_fill_rows(e, 1, y * CHROMA_ROWS / group, blue);
		jpeg_fill_rows(e, 2, y * CHROMA_ROWS / group, red);
		jpeg_write_raw_data(cinfo, planes, (JDIMENSION)group);
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

bool frame_fits(const struct frame *frame)
{
	int width = frame->width, height = frame->height;
	int half_width = (width + 1) / 2, half_height = (height + 1) / 2;

	if (width < 1 || height < 1 || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX)
		return false;
	if (frame->format == PIXEL_MJPEG)
		return frame->plane[0];
	if (frame->format == PIXEL_YUYV)
		return plane_fits(frame, 0, height, 4 * (size_t)half_width);
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
	bool yuyv = frame->format == PIXEL_YUYV;
	int planes = yuyv ? 1 : frame->format == PIXEL_NV12 ? 2 : 3;

	e->format = frame->format;
	for (int i = 0; i < 3; i++) {
		struct component *c = &e->component[i];

		*c = (struct component){
			.data = i < planes ? frame->plane[i] : NULL,
			.stride = frame->stride[i],
			.width = i ? (frame->width + 1) / 2 : frame->width,
			.height = i && !yuyv ? (frame->height + 1) / 2 : frame->height,
			.group_rows = i || yuyv ? CHROMA_ROWS : LUMA_ROWS_MAX,
			.limited = frame->range == PIXEL_LIMITED_RANGE,
		};
		c->scratch_stride = ((size_t)c->width + STEP - 1) / STEP * STEP;
	}
}

/* Room for one group of each component; kept for the next frame. */
static int reserve_scratch(struct jpeg_encoder *e)
{
	size_t bytes = e->component[0].scratch_stride;
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
	e->mixed = p;
	return 0;
}

static int jpeg_pass_mjpeg(
	struct jpeg_encoder *e, const struct frame *frame, const void *exif, size_t exif_bytes)
{
	const struct mjpeg_extras extras = { exif, exif_bytes, e->tables };
	size_t bytes = frame->plane_bytes[0];
	int r = bytes > FRAME_BYTES_MAX ? -EFBIG : 0;

	while (r == 0 && e->capacity < mjpeg_room(bytes, &extras))
		r = grow_buffer(e);
	return r < 0 ? r : mjpeg_rewrite(frame, &extras, e->buffer, &e->used);
}

static int jpeg_encode_planes(
	struct jpeg_encoder *e, const struct frame *frame, const void *exif, size_t exif_bytes)
{
	int r;

	jpeg_describe(e, frame);
	r = reserve_scratch(e);
	if (r < 0)
		return r;
	e->exif = exif;
	e->exif_bytes = exif_bytes;
	r = jpeg_guard(e, step_encode);
	e->exif = NULL;
	if (r < 0)
		jpeg_abort_compress(&e->cinfo);
	return r;
}

int jpeg_encode(struct jpeg_encoder *e, const struct frame *frame, const void *exif,
	size_t exif_bytes, const uint8_t **ret_jpeg, size_t *ret_bytes)
{
	int r;

	if (!frame_fits(frame) || (exif && exif_bytes > EXIF_BYTES_MAX))
		return -EINVAL;
	r = frame->format == PIXEL_MJPEG ? jpeg_pass_mjpeg(e, frame, exif, exif_bytes)
					 : jpeg_encode_planes(e, frame, exif, exif_bytes);
	if (r < 0)
		return r;
	*ret_jpeg = e->buffer;
	*ret_bytes = e->used;
	return 0;
}

int jpeg_encode_thumb(struct jpeg_encoder *e, const struct frame *frame, const uint8_t **ret_jpeg,
	size_t *ret_bytes)
{
	static const int qualities[] = { 80, 60, 40, 20, 1 };
	int r = frame_fits(frame) ? 0 : -EINVAL;

	free(TAKE_PTR(e->small_samples));
	if (r == 0 && frame->format != PIXEL_MJPEG)
		r = frame_shrink(frame, SHRINK_SIDE, &e->small, &e->small_samples);
	if (r <= 0)
		return r;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(qualities); i++) {
		e->thumb_quality = qualities[i];
		r = jpeg_encode_planes(e, &e->small, NULL, 0);
		if (e->used <= THUMB_BYTES_MAX)
			break;
	}
	e->thumb_quality = 0;
	if (r < 0 || e->used > THUMB_BYTES_MAX)
		return r;
	*ret_jpeg = e->buffer;
	*ret_bytes = e->used;
	return 1;
}

const struct frame *jpeg_small_frame(const struct jpeg_encoder *e)
{
	return e->small_samples ? &e->small : NULL;
}
