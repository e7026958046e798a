/* SPDX-License-Identifier: MIT */
/*
 * Encodes drawn planes and reads them back with libjpeg's own decoder. Planes end at an unmapped
 * page, so a read past them, also one by libjpeg's assembly, ends the program.
 */
#include "tests/test.h"

#include <math.h>
#include <sys/mman.h>

#include <jpeglib.h>

#include "capture/picture/jpeg.h"
#include "capture/picture/shrink.h"

#define SIDE_MAX 128

struct plane {
	uint8_t *map, *data;
	size_t map_bytes;
};

struct picture {
	struct frame frame;
	struct plane plane[3];
};

struct decoded {
	int width, height, components;
	int chroma_height;
	uint8_t plane[3][SIDE_MAX * SIDE_MAX]; /* rows of SIDE_MAX */
};

/* A plane whose last byte is the last one that may be read. */
static struct plane plane_at_edge(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
	struct plane p = { .map_bytes = whole + page };

	p.map = mmap(NULL, p.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p.map == MAP_FAILED || mprotect(p.map + whole, page, PROT_NONE) < 0)
		abort();
	p.data = p.map + whole - bytes;
	return p;
}

/* What sample (x, y) of component i is: smooth, so that JPEG keeps it. */
static int value_of(int i, int x, int y)
{
	static const int base[3] = { 120, 100, 150 };

	return base[i] + (int)(50 * sin((x + 3 * i) * 0.09) + 40 * cos((y - 2 * i) * 0.07));
}

/* The limited-range value that expands to `full`. */
static int limited(int i, int full)
{
	return (int)lround(i ? 128 + (full - 128) * 224 / 255.0 : 16 + full * 219 / 255.0);
}

/* The component that byte `k` of a row of plane `i` belongs to, and which sample of it that is. */
static int sample_of(enum pixel_format format, int i, int k, int *ret_x)
{
	if (format == PIXEL_YUYV) {
		*ret_x = k % 2 ? k / 4 : k / 2;
		return k % 2 ? 1 + k / 2 % 2 : 0;
	}
	*ret_x = i && format == PIXEL_NV12 ? k / 2 : k;
	return i && format == PIXEL_NV12 ? 1 + k % 2 : i;
}

static struct picture draw(int width, int height, enum pixel_format format, enum pixel_range range,
	size_t padding, uint8_t garbage)
{
	struct picture p = {
		.frame = { .format = format, .range = range, .width = width, .height = height }
	};
	int planes = format == PIXEL_YUYV ? 1 : format == PIXEL_NV12 ? 2 : 3;

	for (int i = 0; i < planes; i++) {
		int half = (width + 1) / 2, h = i ? (height + 1) / 2 : height;
		size_t row = (size_t)(planes == 1 ? 4 * half
				: i == 0          ? width
				: planes == 2     ? 2 * half
						  : half);
		size_t stride = row + padding, bytes = (size_t)(h - 1) * stride + row;

		p.plane[i] = plane_at_edge(bytes);
		memset(p.plane[i].data, garbage, bytes);
		for (int y = 0; y < h; y++)
			for (size_t k = 0; k < row; k++) {
				int x, c = sample_of(format, i, (int)k, &x);
				int v = value_of(c, x, y);

				p.plane[i].data[(size_t)y * stride + k] =
					(uint8_t)(range == PIXEL_LIMITED_RANGE ? limited(c, v) : v);
			}
		p.frame.plane[i] = p.plane[i].data;
		p.frame.stride[i] = stride;
		p.frame.plane_bytes[i] = bytes;
	}
	return p;
}

static void free_picture(struct picture *p)
{
	for (int i = 0; i < 3; i++)
		if (p->plane[i].map)
			munmap(p->plane[i].map, p->plane[i].map_bytes);
}

/* The planes as they are stored, not upsampled. */
static void decode(const uint8_t *jpeg, size_t bytes, struct decoded *ret)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	uint8_t row[3][16][SIDE_MAX + 16];
	JSAMPROW rows[3][16];
	JSAMPARRAY planes[3] = { rows[0], rows[1], rows[2] };

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 16; k++)
			rows[i][k] = row[i][k];
	c.err = jpeg_std_error(
		&errors); /* a damaged file ends the test program, which is red too */
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	c.raw_data_out = TRUE;
	jpeg_start_decompress(&c);
	ret->width = (int)c.output_width;
	ret->height = (int)c.output_height;
	ret->components = c.num_components;
	ret->chroma_height =
		(ret->height + c.comp_info[0].v_samp_factor - 1) / c.comp_info[0].v_samp_factor;
	CHECK_INT(c.comp_info[0].h_samp_factor, 2);
	CHECK_INT(c.jpeg_color_space, JCS_YCbCr);
	while (c.output_scanline < c.output_height) {
		size_t y = c.output_scanline, group = 8 * (size_t)c.comp_info[0].v_samp_factor;

		jpeg_read_raw_data(&c, planes, (JDIMENSION)group);
		for (size_t k = 0; k < group && y + k < SIDE_MAX; k++)
			memcpy(ret->plane[0] + (y + k) * SIDE_MAX, row[0][k], SIDE_MAX);
		y = y * 8 / group;
		for (size_t k = 0; k < 8 && y + k < SIDE_MAX; k++)
			for (int i = 1; i < 3; i++)
				memcpy(ret->plane[i] + (y + k) * SIDE_MAX, row[i][k], SIDE_MAX);
	}
	jpeg_finish_decompress(&c);
	CHECK_INT(errors.num_warnings, 0);
	jpeg_destroy_decompress(&c);
}

static int worst_difference(const struct decoded *d, int i)
{
	int w = i ? (d->width + 1) / 2 : d->width, h = i ? d->chroma_height : d->height, worst = 0;

	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			int off = abs(d->plane[i][y * SIDE_MAX + x] - value_of(i, x, y));

			worst = off > worst ? off : worst;
		}
	return worst;
}

static const struct {
	int width, height;
} sizes[] = { { 1, 1 }, { 2, 2 }, { 3, 5 }, { 8, 8 }, { 7, 9 }, { 16, 16 }, { 15, 17 }, { 17, 15 },
	{ 24, 24 }, { 40, 8 }, { 33, 31 }, { 56, 50 }, { 64, 48 }, { 65, 49 }, { 127, 3 },
	{ 120, 90 } };

/*
 * Every size in each format and range, with and without padding, comes back as it was drawn; of
 * YUYV each row of chroma.
 */
TEST(round_trip)
{
	struct jpeg_encoder *e = NULL;
	struct decoded *d = malloc(sizeof(*d));
	const uint8_t *jpeg;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(100, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * 12; i++) {
		int width = sizes[i / 12].width, height = sizes[i / 12].height;
		enum pixel_format format = (enum pixel_format)(i % 3);
		enum pixel_range range = i % 12 < 6 ? PIXEL_LIMITED_RANGE : PIXEL_FULL_RANGE;
		struct picture p = draw(width, height, format, range, i & 1 ? 21 : 0, 0xee);

		bytes = 0;
		CHECK_INT(jpeg_encode(e, &p.frame, NULL, 0, &jpeg, &bytes), 0);
		if (CHECK(bytes > 4)) {
			CHECK_INT(jpeg[bytes - 2] << 8 | jpeg[bytes - 1], 0xffd9);
			decode(jpeg, bytes, d);
			CHECK_INT(d->width, width);
			CHECK_INT(d->height, height);
			CHECK_INT(
				d->chroma_height, format == PIXEL_YUYV ? height : (height + 1) / 2);
			/* 1 from the DCT, and 1 that limited range cannot hold */
			for (int c = 0; c < 3; c++)
				if (!CHECK(worst_difference(d, c) <= 2))
					fprintf(stderr, "  %dx%d case %zu plane %d: off by %d\n",
						width, height, i % 12, c, worst_difference(d, c));
		}
		free_picture(&p);
	}
	jpeg_encoder_free(e);
	free(d);
}

/* Each value of limited range becomes the nearest one of full range; what is outside is cut. */
TEST(limited_range)
{
	struct picture p = draw(16, 16, PIXEL_YUV420, PIXEL_LIMITED_RANGE, 0, 0);
	struct decoded *d = malloc(sizeof(*d));
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(100, &e), 0);
	for (int i = 0; i < 2 * 256; i++) {
		int plane = i / 256, value = i % 256;
		long want = plane ? 128 + lround((value - 128) * 255 / 224.0)
				  : lround((value - 16) * 255 / 219.0);

		for (int k = 0; k < 3; k++)
			memset(p.plane[k].data, k == plane ? value : 128, p.frame.plane_bytes[k]);
		CHECK_INT(jpeg_encode(e, &p.frame, NULL, 0, &jpeg, &bytes), 0);
		decode(jpeg, bytes, d);
		CHECK_INT(d->plane[plane][0], want < 0 ? 0 : want > 255 ? 255 : want);
	}
	jpeg_encoder_free(e);
	free_picture(&p);
	free(d);
}

static size_t encode_copy(
	struct jpeg_encoder *e, const struct frame *frame, uint8_t *copy, size_t max)
{
	const uint8_t *jpeg = NULL;
	size_t bytes = 0;

	CHECK_INT(jpeg_encode(e, frame, NULL, 0, &jpeg, &bytes), 0);
	if (!CHECK(bytes > 0 && bytes <= max))
		return 0;
	memcpy(copy, jpeg, bytes);
	return bytes;
}

/* The mean of each component of a JPEG, in full range. */
static void decode_mean(const uint8_t *jpeg, size_t bytes, int ret_size[2], double ret[3])
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	uint8_t row[3 * SHRINK_SIDE], *rows = row;

	c.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_save_markers(&c, JPEG_APP0, 0xffff);
	jpeg_read_header(&c, TRUE);
	CHECK(c.marker_list == NULL);
	c.out_color_space = JCS_YCbCr;
	if (!CHECK(c.image_width <= SHRINK_SIDE && c.image_height <= SHRINK_SIDE))
		exit(1);
	jpeg_start_decompress(&c);
	ret_size[0] = (int)c.output_width;
	ret_size[1] = (int)c.output_height;
	ret[0] = ret[1] = ret[2] = 0;
	while (c.output_scanline < c.output_height) {
		jpeg_read_scanlines(&c, &rows, 1);
		for (int i = 0; i < 3 * ret_size[0]; i++)
			ret[i % 3] += (double)row[i] / (ret_size[0] * ret_size[1]);
	}
	jpeg_finish_decompress(&c);
	CHECK_INT(errors.num_warnings, 0);
	jpeg_destroy_decompress(&c);
}

static double mean_of(int component, int width, int height)
{
	double sum = 0;

	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			sum += value_of(component, x, y);
	return sum / (width * height);
}

/* It decodes, has the picture's shape and colours, and no segment that EXIF does not want. */
TEST(thumb)
{
	static const struct {
		int width, height, want_width, want_height;
	} shapes[] = { { 640, 480, 240, 180 }, { 1296, 972, 240, 180 }, { 641, 361, 240, 135 },
		{ 300, 500, 144, 240 }, { 241, 241, 240, 240 }, { 4000, 3, 240, 1 } };
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(shapes) * 6; i++) {
		const int width = shapes[i / 6].width, height = shapes[i / 6].height;
		struct picture p = draw(width, height, (enum pixel_format)(i % 3),
			i % 6 < 3 ? PIXEL_LIMITED_RANGE : PIXEL_FULL_RANGE, i & 1 ? 21 : 0, 0xee);
		double mean[3];
		int size[2];

		CHECK_INT(jpeg_encode_thumb(e, &p.frame, &jpeg, &bytes), 1);
		CHECK(bytes <= THUMB_BYTES_MAX);
		decode_mean(jpeg, bytes, size, mean);
		CHECK_INT(size[0], shapes[i / 6].want_width);
		CHECK_INT(size[1], shapes[i / 6].want_height);
		for (int k = 0; k < 3; k++) {
			const int w = k ? (width + 1) / 2 : width;
			const int h = k && i % 3 != PIXEL_YUYV ? (height + 1) / 2 : height;

			/* few rows are read, and of 3 there is no mean */
			if (!CHECK(fabs(mean[k] - mean_of(k, w, h)) < (height > 3 ? 3 : 12)))
				fprintf(stderr, "  %dx%d case %zu component %d: %.1f, not %.1f\n",
					width, height, i % 6, k, mean[k], mean_of(k, w, h));
		}
		free_picture(&p);
	}
	jpeg_encoder_free(e);
}

/* Each part of the picture is in its place. */
TEST(thumb_corners)
{
	struct picture p = draw(960, 720, PIXEL_YUV420, PIXEL_FULL_RANGE, 0, 0);
	uint8_t *luma = p.plane[0].data;
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	struct jpeg_encoder *e = NULL;
	uint8_t row[3 * SHRINK_SIDE], *rows = row;
	const uint8_t *jpeg;
	size_t bytes;

	for (int y = 0; y < 720; y++)
		for (int x = 0; x < 960; x++)
			luma[y * 960 + x] =
				(uint8_t)(20 + (x < 480 ? 0 : 60) + (y < 360 ? 0 : 120));
	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	CHECK_INT(jpeg_encode_thumb(e, &p.frame, &jpeg, &bytes), 1);
	c.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = JCS_YCbCr;
	jpeg_start_decompress(&c);
	for (int y = 0; y < 180; y++) {
		jpeg_read_scanlines(&c, &rows, 1);
		if (y % 90 < 10 || y % 90 >= 80)
			continue;
		CHECK(abs(row[3 * 40] - (y < 90 ? 20 : 140)) <= 2);
		CHECK(abs(row[3 * 200] - (y < 90 ? 80 : 200)) <= 2);
	}
	jpeg_destroy_decompress(&c);
	jpeg_encoder_free(e);
	free_picture(&p);
}

/* What cannot be compressed becomes worse and not larger; what is small already has none. */
TEST(thumb_fits)
{
	struct picture noise =
		draw(SHRINK_SIDE + 1, SHRINK_SIDE + 1, PIXEL_YUYV, PIXEL_FULL_RANGE, 0, 0);
	struct picture small = draw(SHRINK_SIDE, 64, PIXEL_NV12, PIXEL_FULL_RANGE, 0, 0);
	struct jpeg_encoder *e = NULL;
	uint32_t seed = 1;
	const uint8_t *jpeg = NULL;
	uint8_t *before;
	size_t bytes = 0, whole;
	double mean[3];
	int size[2];

	for (size_t i = 0; i < noise.frame.plane_bytes[0]; i++) {
		seed = seed * 1664525 + 1013904223;
		noise.plane[0].data[i] = (uint8_t)(seed >> 24);
	}
	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	CHECK_INT(jpeg_encode(e, &noise.frame, NULL, 0, &jpeg, &whole), 0);
	before = malloc(whole);
	memcpy(before, jpeg, whole);
	CHECK_INT(jpeg_encode_thumb(e, &noise.frame, &jpeg, &bytes), 1);
	CHECK(bytes <= THUMB_BYTES_MAX && bytes > THUMB_BYTES_MAX / 8);
	decode_mean(jpeg, bytes, size, mean);
	CHECK(fabs(mean[0] - 127) < 8);
	/* the next picture has its own quality again */
	CHECK_INT(jpeg_encode(e, &noise.frame, NULL, 0, &jpeg, &bytes), 0);
	CHECK(bytes == whole && memcmp(before, jpeg, whole) == 0);
	bytes = 77;
	CHECK_INT(jpeg_encode_thumb(e, &small.frame, &jpeg, &bytes), 0);
	CHECK_INT(bytes, 77);
	small.frame.plane_bytes[1]--;
	CHECK_INT(jpeg_encode_thumb(e, &small.frame, &jpeg, &bytes), -EINVAL);
	free(before);
	jpeg_encoder_free(e);
	free_picture(&noise);
	free_picture(&small);
}

/* What stands behind the rows does not show, and NV12 and YUV420 give the same file. */
TEST(padding_and_format_do_not_show)
{
	struct jpeg_encoder *e = NULL;
	static uint8_t file[3][65536];

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct picture p[3] = {
			draw(sizes[i].width, sizes[i].height, PIXEL_YUV420, PIXEL_FULL_RANGE, 30,
				0),
			draw(sizes[i].width, sizes[i].height, PIXEL_YUV420, PIXEL_FULL_RANGE, 7,
				0xff),
			draw(sizes[i].width, sizes[i].height, PIXEL_NV12, PIXEL_FULL_RANGE, 64,
				0x55),
		};
		size_t bytes[3];

		for (int k = 0; k < 3; k++) {
			bytes[k] = encode_copy(e, &p[k].frame, file[k], sizeof(file[k]));
			free_picture(&p[k]);
			CHECK_INT(bytes[k], bytes[0]);
			CHECK(memcmp(file[k], file[0], bytes[0]) == 0);
		}
	}
	jpeg_encoder_free(e);
}

/*
 * What is missing to whole blocks is the edge repeated: a picture of 25x27 and one of 32x32 that
 * has its edges repeated by hand give the same file but for the size that it tells.
 */
TEST(edges_are_repeated)
{
	struct picture small = draw(25, 27, PIXEL_YUV420, PIXEL_FULL_RANGE, 0, 0);
	struct picture large = draw(32, 32, PIXEL_YUV420, PIXEL_FULL_RANGE, 0, 0);
	struct jpeg_encoder *e = NULL;
	static uint8_t file[2][16384];
	size_t bytes[2], differ = 0;

	for (int i = 0; i < 3; i++)
		for (size_t y = 0; y < (i ? 16 : 32); y++)
			for (size_t x = 0; x < (i ? 16 : 32); x++) {
				size_t w = i ? 13 : 25, h = i ? 14 : 27;

				large.plane[i].data[y * (i ? 16 : 32) + x] =
					small.plane[i].data[(y < h ? y : h - 1) * w +
						(x < w ? x : w - 1)];
			}
	CHECK_INT(jpeg_encoder_new(60, &e), 0);
	bytes[0] = encode_copy(e, &small.frame, file[0], sizeof(file[0]));
	bytes[1] = encode_copy(e, &large.frame, file[1], sizeof(file[1]));
	CHECK_INT(bytes[0], bytes[1]);
	for (size_t i = 0; i < bytes[0] && i < bytes[1]; i++)
		differ += file[0][i] != file[1][i];
	CHECK_INT(differ, 2); /* the low bytes of height and width */
	jpeg_encoder_free(e);
	free_picture(&small);
	free_picture(&large);
}

/* EXIF stands directly behind SOI, in place of the JFIF header. */
TEST(exif_comes_first)
{
	static const char payload[] = "Exif\0\0II*\0 not looked into";
	static uint8_t big[65534];
	struct picture p = draw(32, 16, PIXEL_YUV420, PIXEL_FULL_RANGE, 0, 0);
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg = NULL;
	size_t bytes = 0;

	CHECK_INT(jpeg_encoder_new(90, &e), 0);
	CHECK_INT(jpeg_encode(e, &p.frame, payload, sizeof(payload), &jpeg, &bytes), 0);
	CHECK(memcmp(jpeg, "\xff\xd8\xff\xe1", 4) == 0);
	CHECK_INT(jpeg[4] << 8 | jpeg[5], sizeof(payload) + 2);
	CHECK(memcmp(jpeg + 6, payload, sizeof(payload)) == 0);
	CHECK_INT(jpeg[6 + sizeof(payload)] << 8 | jpeg[7 + sizeof(payload)], 0xffdb);
	CHECK_INT(jpeg_encode(e, &p.frame, NULL, 0, &jpeg, &bytes), 0);
	CHECK(memcmp(jpeg, "\xff\xd8\xff\xe0\0\x10JFIF", 10) == 0);
	CHECK_INT(jpeg_encode(e, &p.frame, big, 65533, &jpeg, &bytes), 0);
	CHECK_INT(jpeg_encode(e, &p.frame, big, 65534, &jpeg, &bytes), -EINVAL);
	jpeg_encoder_free(e);
	free_picture(&p);
}

TEST(small_planes_are_refused)
{
	const struct {
		const char *what;
		int plane;
		size_t stride, bytes; /* SIZE_MAX: as it was */
		int width, height; /* 0: as it was */
		bool none;
		int want;
	} cases[] = {
		{ "as drawn", 0, SIZE_MAX, SIZE_MAX, 0, 0, false, 0 },
		{ "one byte of luma is missing", 0, SIZE_MAX, 40 * 30 - 1, 0, 0, false, -EINVAL },
		{ "luma rows overlap", 0, 39, SIZE_MAX, 0, 0, false, -EINVAL },
		{ "stride 0", 0, 0, SIZE_MAX, 0, 0, false, -EINVAL },
		{ "huge stride", 0, SIZE_MAX / 2, SIZE_MAX - 1, 0, 0, false, -EINVAL },
		{ "one byte of chroma is missing", 1, SIZE_MAX, 20 * 15 - 1, 0, 0, false, -EINVAL },
		{ "empty plane", 2, SIZE_MAX, 0, 0, 0, false, -EINVAL },
		{ "no plane", 2, SIZE_MAX, SIZE_MAX, 0, 0, true, -EINVAL },
		{ "width 0", 0, SIZE_MAX, SIZE_MAX, -1, 0, false, -EINVAL },
		{ "height below 0", 0, SIZE_MAX, SIZE_MAX, 0, -5, false, -EINVAL },
		{ "too wide", 0, SIZE_MAX, SIZE_MAX, PICTURE_SIDE_MAX + 1, 0, false, -EINVAL },
		{ "one row more", 0, SIZE_MAX, SIZE_MAX, 0, 31, false, -EINVAL },
	};
	struct picture yuyv = draw(39, 30, PIXEL_YUYV, PIXEL_FULL_RANGE, 0, 0);
	struct picture p = draw(40, 30, PIXEL_YUV420, PIXEL_FULL_RANGE, 0, 0);
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(90, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct frame f = p.frame;

		if (cases[i].stride != SIZE_MAX)
			f.stride[cases[i].plane] = cases[i].stride;
		if (cases[i].bytes != SIZE_MAX)
			f.plane_bytes[cases[i].plane] = cases[i].bytes;
		if (cases[i].none)
			f.plane[cases[i].plane] = NULL;
		f.width = cases[i].width ? cases[i].width : f.width;
		f.height = cases[i].height ? cases[i].height : f.height;
		if (!CHECK(jpeg_encode(e, &f, NULL, 0, &jpeg, &bytes) == cases[i].want))
			fprintf(stderr, "  %s\n", cases[i].what);
	}
	CHECK_INT(jpeg_encode(e, &yuyv.frame, NULL, 0, &jpeg, &bytes), 0);
	yuyv.frame.plane_bytes[0]--;
	CHECK_INT(jpeg_encode(e, &yuyv.frame, NULL, 0, &jpeg, &bytes), -EINVAL);
	free_picture(&yuyv);
	jpeg_encoder_free(e);
	free_picture(&p);
}

/* One encoder serves pictures of all sizes; one that outgrows the buffer comes out whole. */
TEST(one_encoder_for_many_frames)
{
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg = NULL, *again = NULL;
	size_t bytes = 0, side = 900, last = 0;
	uint8_t *noise = malloc(side * side * 2);
	uint64_t seed = 7;
	struct frame f = { .format = PIXEL_YUV420,
		.width = (int)side,
		.height = (int)side,
		.plane = { noise, noise, noise },
		.stride = { side, side / 2, side / 2 },
		.plane_bytes = { side * side, side * side / 4, side * side / 4 } };
	struct picture small = draw(33, 31, PIXEL_NV12, PIXEL_FULL_RANGE, 5, 0);

	for (size_t i = 0; i < side * side * 2; i++)
		noise[i] = (uint8_t)(test_random(&seed) >> 40);
	CHECK_INT(jpeg_encoder_new(100, &e), 0);
	for (int round = 0; round < 3; round++) {
		CHECK_INT(jpeg_encode(e, &small.frame, NULL, 0, &jpeg, &bytes), 0);
		CHECK_INT(jpeg_encode(e, &f, NULL, 0, &jpeg, &bytes), 0);
		CHECK(bytes > 512 * 1024); /* more than the first buffers hold */
		CHECK(bytes == last || round == 0);
		CHECK(memcmp(jpeg + bytes - 2, "\xff\xd9", 2) == 0);
		/* nothing grows once it has been large enough */
		CHECK(round == 0 || jpeg == again);
		again = jpeg;
		last = bytes;
	}
	jpeg_encoder_free(e);
	jpeg_encoder_free(NULL);
	free_picture(&small);
	free(noise);
}

TEST(quality_counts)
{
	struct picture p = draw(120, 90, PIXEL_YUV420, PIXEL_FULL_RANGE, 0, 0);
	size_t last = 0;

	for (int quality = 10; quality <= 100; quality += 30) {
		struct jpeg_encoder *e = NULL;
		const uint8_t *jpeg;
		size_t bytes = 0;

		CHECK_INT(jpeg_encoder_new(quality, &e), 0);
		CHECK_INT(jpeg_encode(e, &p.frame, NULL, 0, &jpeg, &bytes), 0);
		CHECK(bytes > last);
		last = bytes;
		jpeg_encoder_free(e);
	}
	free_picture(&p);
}
