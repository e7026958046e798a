/* SPDX-License-Identifier: MIT */
/*
 * The privacy mask: random polygons on random frames, against a plain search for what each touches.
 * Two frames that differ in there alone must end up as the same bytes, in the planes, the JPEG and
 * the thumbnail: then nothing of the difference is left in any of them.
 */
#include "tests/test.h"

#include <math.h>

#include "capture/picture/jpeg.h"
#include "capture/picture/mask.h"

#define SIDE_MAX 420
#define STEPS 3000 /* looked at along an edge: nearer than a pixel */

struct picture {
	struct frame frame;
	size_t row[3]; /* bytes without padding */
	uint8_t data[3][2 * SIDE_MAX * SIDE_MAX];
};

struct oracle {
	struct mask_point points[MASK_POLYGONS_MAX][MASK_POINTS_MAX];
	int n[MASK_POLYGONS_MAX];
	size_t polygons;
	bool touched[SIDE_MAX / MASK_BLOCK + 1][SIDE_MAX / MASK_BLOCK + 1];
	bool pixel[SIDE_MAX][SIDE_MAX]; /* its centre is inside */
};

static uint64_t seed;

static int pick(int from, int to)
{
	return from + (int)(test_random(&seed) % (uint64_t)(to - from + 1));
}

static void picture_shape(struct picture *p, enum pixel_format format, int width, int height)
{
	const size_t half = ((size_t)width + 1) / 2, pad = (size_t)pick(0, 20);
	const size_t row[3] = { format == PIXEL_YUYV ? 4 * half : (size_t)width,
		format == PIXEL_NV12 ? 2 * half : half, half };

	p->frame = (struct frame){ .format = format, .width = width, .height = height };
	for (int i = 0; i < (format == PIXEL_YUYV ? 1 : format == PIXEL_NV12 ? 2 : 3); i++) {
		p->row[i] = row[i];
		p->frame.plane[i] = p->data[i];
		p->frame.stride[i] = row[i] + pad;
		p->frame.plane_bytes[i] =
			p->frame.stride[i] * (size_t)(i ? (height + 1) / 2 : height);
	}
}

/* A bowtie crosses itself, a star turns twice: the nonzero rule has the middle of both kinds. */
static void draw_polygon(struct oracle *o, struct mask_setting *setting)
{
	struct mask_polygon *polygon = &setting->polygon[setting->n++];
	struct mask_point *points = o->points[o->polygons];
	const int n = pick(3, 8), small = pick(0, 2);
	const double x = pick(0, 1000) / 1e3, y = pick(0, 1000) / 1e3;
	size_t used = 0;

	snprintf(polygon->name, sizeof polygon->name, "p%zu", setting->n);
	for (int i = 0; i < n; i++) {
		points[i].x = small ? fmin(x + pick(0, 40) / 1e3, 1) : pick(0, 1000) / 1e3;
		points[i].y = small ? fmin(y + pick(0, 40) / 1e3, 1) : pick(0, 1000) / 1e3;
		used += (size_t)snprintf(polygon->points + used, sizeof polygon->points - used,
			"%s%.3f,%.3f", i ? " " : "", points[i].x, points[i].y);
	}
	o->n[o->polygons++] = n;
}

static bool is_inside(const struct mask_point *p, int n, double x, double y)
{
	double turned = 0;

	for (int i = 0; i < n; i++) {
		const double ax = p[i].x - x, ay = p[i].y - y;
		const double bx = p[(i + 1) % n].x - x, by = p[(i + 1) % n].y - y;

		turned += atan2(ax * by - ay * bx, ax * bx + ay * by);
	}
	return fabs(turned) > 3;
}

static void oracle_touch(struct oracle *o, const struct frame *frame, double x, double y)
{
	const int column = (int)(fmin(x * frame->width, frame->width - 1e-9) / MASK_BLOCK);
	const int row = (int)(fmin(y * frame->height, frame->height - 1e-9) / MASK_BLOCK);

	o->touched[row][column] = true;
}

static void oracle_look(struct oracle *o, const struct frame *frame)
{
	for (size_t k = 0; k < o->polygons; k++) {
		const struct mask_point *p = o->points[k];

		for (int i = 0; i < o->n[k]; i++)
			for (int s = 0; s <= STEPS; s++) {
				const struct mask_point a = p[i], b = p[(i + 1) % o->n[k]];

				oracle_touch(o, frame, a.x + (b.x - a.x) * s / STEPS,
					a.y + (b.y - a.y) * s / STEPS);
			}
		for (int y = 0; y < frame->height; y++)
			for (int x = 0; x < frame->width; x++) {
				const double sx = (x + 0.5) / frame->width;
				const double sy = (y + 0.5) / frame->height;

				if (!is_inside(p, o->n[k], sx, sy))
					continue;
				o->pixel[y][x] = true;
				oracle_touch(o, frame, sx, sy);
			}
	}
}

/* Whether the sample at that byte belongs to a block that is touched. */
static bool is_secret(const struct oracle *o, enum pixel_format format, int plane, int y, int k)
{
	const int x = format == PIXEL_YUYV ? k / 4 * 2
		: plane == 0               ? k
		: format == PIXEL_NV12     ? k / 2 * 2
					   : k * 2;

	return o->touched[(plane ? 2 * y : y) / MASK_BLOCK][x / MASK_BLOCK];
}

/* `a` is noise; `b` the same, but for other noise where it is secret. */
static void fill_planes(struct picture *a, struct picture *b, const struct oracle *o)
{
	for (int i = 0; i < 3 && a->frame.plane[i]; i++)
		for (size_t at = 0; at < a->frame.plane_bytes[i]; at++) {
			const int y = (int)(at / a->frame.stride[i]);
			const int k = (int)(at % a->frame.stride[i]);
			const uint64_t noise = test_random(&seed);

			a->data[i][at] = b->data[i][at] = (uint8_t)noise;
			if (k < (int)a->row[i] && is_secret(o, a->frame.format, i, y, k))
				b->data[i][at] = (uint8_t)(noise >> 8);
		}
}

/* What is kept of both, byte by byte. */
static void compare_outputs(struct picture *a, struct picture *b)
{
	CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *e1 = NULL, *e2 = NULL;
	const uint8_t *one = NULL, *two = NULL;
	size_t bytes1 = 0, bytes2 = 0;

	CHECK_INT(jpeg_encoder_new(85, &e1), 0);
	CHECK_INT(jpeg_encoder_new(85, &e2), 0);
	CHECK_INT(jpeg_encode(e1, &a->frame, NULL, 0, &one, &bytes1), 0);
	CHECK_INT(jpeg_encode(e2, &b->frame, NULL, 0, &two, &bytes2), 0);
	CHECK(bytes1 == bytes2 && memcmp(one, two, bytes1) == 0);
	CHECK_INT(jpeg_encode_thumb(e1, &a->frame, &one, &bytes1), 1);
	CHECK_INT(jpeg_encode_thumb(e2, &b->frame, &two, &bytes2), 1);
	CHECK(bytes1 == bytes2 && memcmp(one, two, bytes1) == 0);
}

/* Each pixel inside is blank, and what is blank is at most a block away from what is touched. */
static void check_luma(const struct picture *p, const struct mask *mask, const struct oracle *o)
{
	const int step = p->frame.format == PIXEL_YUYV ? 2 : 1;

	for (int y = 0; y < p->frame.height; y++)
		for (int x = 0; x < p->frame.width; x++)
			if (o->pixel[y][x] &&
				!CHECK(p->data[0][(size_t)y * p->frame.stride[0] +
					       (size_t)(step * x)] == MASK_BLANK))
				return;
	for (int i = 0; i < mask->rows * mask->columns; i++) {
		const int row = i / mask->columns, column = i % mask->columns;
		bool near = !mask->blocks[i];

		for (int k = 0; k < 9; k++) {
			const int y = row + k / 3 - 1, x = column + k % 3 - 1;

			near |= y >= 0 && x >= 0 && y < mask->rows && x < mask->columns &&
				o->touched[y][x];
		}
		CHECK(near);
	}
}

static void play_round(int round)
{
	CLEANUP_FREE struct picture *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
	CLEANUP_FREE struct oracle *o = calloc(1, sizeof *o);
	CLEANUP_FREE struct mask_setting *setting = calloc(1, sizeof *setting);
	CLEANUP(mask_clear) struct mask mask = { 0 };
	const int width = pick(242, SIDE_MAX), height = pick(1, 250), polygons = pick(1, 3);

	picture_shape(a, (enum pixel_format)(round % 3), width, height);
	*b = *a;
	for (int i = 0; i < 3; i++)
		b->frame.plane[i] = a->frame.plane[i] ? b->data[i] : NULL;
	for (int i = 0; i < polygons; i++)
		draw_polygon(o, setting);
	oracle_look(o, &a->frame);
	fill_planes(a, b, o);
	CHECK_INT(mask_lay(&mask, setting, &a->frame), 0);
	CHECK_INT(mask_lay(&mask, setting, &b->frame), 0);
	for (int i = 0; i < 3 && a->frame.plane[i]; i++)
		CHECK(memcmp(a->data[i], b->data[i], a->frame.plane_bytes[i]) == 0);
	check_luma(a, &mask, o);
	compare_outputs(a, b);
}

TEST(nothing_is_left)
{
	seed = test_seed();
	for (int round = 0; round < 24; round++)
		play_round(round);
}

TEST(points)
{
	static const struct {
		const char *text;
		int n;
	} texts[] = { { "0,0 1,0 1,1", 3 }, { "0.1,0.2 .3,0.2  0.3,0.4 ", 3 },
		{ "0,0 1,1 1,0 0,1", 4 }, { "", -EINVAL }, { "0,0 1,0", -EINVAL },
		{ "0,0 1,0 1", -EINVAL }, { "0,0 1,0 1,", -EINVAL }, { "0,0 1,0 1,1.001", -EINVAL },
		{ "0,0 1,0 -0.1,1", -EINVAL }, { "0,0 1,0 nan,1", -EINVAL },
		{ "0,0 1,0 inf,1", -EINVAL }, { "0,0 1,0 0x1,1", -EINVAL },
		{ "0,0 1,0 1e0,1", -EINVAL }, { "0,0 1,0 1,1;", -EINVAL },
		{ "0,0 1,0 0.1.2,1", -EINVAL }, { "0,0 1,0 .,1", -EINVAL },
		{ "polygon 0,0 1,0 1,1", -EINVAL }, { "0,0,1,0 1,1 1,0", -EINVAL } };
	struct mask_point points[MASK_POINTS_MAX];
	CLEANUP_FREE char *many = calloc(10000, 4);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!CHECK(mask_read_points(texts[i].text, points) == texts[i].n))
			fprintf(stderr, "  %s\n", texts[i].text);
	for (int i = 0; i < 10000; i++)
		memcpy(many + 4 * i, "0,1 ", 4);
	many[39999] = '\0';
	CHECK_INT(mask_read_points(many, points), -EINVAL);
	many[4 * MASK_POINTS_MAX] = '\0';
	CHECK_INT(mask_read_points(many, points), MASK_POINTS_MAX);
}

/* Lines and points have no inside, and blank what they touch all the same. */
TEST(thin)
{
	struct mask_setting setting = { .n = 1, .polygon[0].points = "0.5,0.1 0.5,0.9 0.5,0.5" };
	CLEANUP(mask_clear) struct mask mask = { 0 };

	CHECK_INT(mask_find_blocks(&mask, &setting, 480, 160), 0);
	for (int row = 0; row < 10; row++)
		CHECK_INT(mask.blocks[row * mask.columns + 15], row >= 1 || row == 0);
	snprintf(setting.polygon[0].points, CONF_VALUE_MAX, "1,1 1,1 1,1");
	CHECK_INT(mask_find_blocks(&mask, &setting, 1, 1), 0);
	CHECK(mask.blocks[0]);
	snprintf(setting.polygon[0].points, CONF_VALUE_MAX, "0,0 1,0 1,1 0,1");
	CHECK_INT(mask_find_blocks(&mask, &setting, 4056, 3040), 0);
	for (int i = 0; i < mask.rows * mask.columns; i++)
		CHECK(mask.blocks[i]);
}

TEST(refused)
{
	static uint8_t data[64 * 48 * 2];
	struct frame frame = { .format = PIXEL_YUYV,
		.width = 64,
		.height = 48,
		.plane = { data },
		.stride = { 128 },
		.plane_bytes = { sizeof data } };
	struct mask_setting setting = { 0 };
	CLEANUP(mask_clear) struct mask mask = { 0 };

	CHECK_INT(mask_lay(&mask, &setting, &frame), 0);
	CHECK_INT(data[0], 0);
	setting.broken = true;
	CHECK_INT(mask_lay(&mask, &setting, &frame), -EDOM);
	setting = (struct mask_setting){ .n = 1, .polygon[0].points = "0,0 1,0" };
	CHECK_INT(mask_lay(&mask, &setting, &frame), -EINVAL);
	snprintf(setting.polygon[0].points, CONF_VALUE_MAX, "0,0 1,0 1,1");
	frame.plane_bytes[0]--;
	CHECK_INT(mask_lay(&mask, &setting, &frame), -EINVAL);
	frame.plane_bytes[0]++;
	frame.format = PIXEL_MJPEG;
	CHECK_INT(mask_lay(&mask, &setting, &frame), -EMEDIUMTYPE);
	CHECK_INT(data[0], 0);
	frame.format = PIXEL_YUYV;
	CHECK_INT(mask_lay(&mask, &setting, &frame), 0);
	CHECK_INT(data[0], MASK_BLANK);
}
