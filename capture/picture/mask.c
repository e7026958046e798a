/* SPDX-License-Identifier: MIT */
/*
 * Polygons to blocks. A block is touched where an edge goes through it, or where it lies inside as
 * a whole, and then its centre does; so these two are looked for, in units of blocks.
 */
#include "capture/picture/mask.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capture/picture/jpeg.h"
#include "common/base/digest.h"
#include "common/base/util.h"

#define NEAR 1e-6 /* of a block: what rounding may cost */

static int read_share(const char **text, char end, double *ret)
{
	const size_t n = strspn(*text, "0123456789.");
	char *rest;

	if (n == 0)
		return -EINVAL;
	*ret = strtod(*text, &rest);
	if (rest != *text + n || !(*ret >= 0 && *ret <= 1) || (*rest && *rest != end))
		return -EINVAL;
	*text = rest;
	return 0;
}

int mask_read_points(const char *text, struct mask_point ret[static MASK_POINTS_MAX])
{
	int n = 0;

	while (*(text += strspn(text, " ")) && n < MASK_POINTS_MAX) {
		if (read_share(&text, ',', &ret[n].x) < 0 || *text++ != ',' ||
			read_share(&text, ' ', &ret[n].y) < 0)
			return -EINVAL;
		n++;
	}
	return *text || n < 3 ? -EINVAL : n;
}

void mask_hash(const struct mask_setting *setting, char ret[static MASK_HASH_CHARS + 1])
{
	uint8_t sha256[SHA256_BYTES];
	char text[MASK_POLYGONS_MAX * (CONF_VALUE_MAX + 1)], hex[SHA256_HEX + 1] = "";
	size_t used = 0;

	for (size_t i = 0; i < setting->n; i++)
		used += (size_t)snprintf(
			text + used, sizeof text - used, "%s\n", setting->polygon[i].points);
	/* an archive whose hashes cannot be calculated takes no frame anyway */
	if (setting->n && digest_buffer(text, used, sha256) == 0)
		digest_hex(sha256, hex);
	memcpy(ret, hex, MASK_HASH_CHARS);
	ret[MASK_HASH_CHARS] = '\0';
}

void mask_clear(struct mask *mask)
{
	free(mask->blocks);
	*mask = (struct mask){ 0 };
}

static int block_clamp(double value, int end)
{
	return value < 0 ? 0 : value >= end ? end - 1 : (int)value;
}

static void mask_mark(struct mask *m, int row, double from, double to)
{
	const int first = block_clamp(from - NEAR, m->columns),
		  last = block_clamp(to + NEAR, m->columns);

	memset(m->blocks + (size_t)row * (size_t)m->columns + first, true,
		(size_t)last - (size_t)first + 1);
}

/* The blocks that an edge goes through, row by row. */
static void mask_mark_edge(struct mask *m, struct mask_point a, struct mask_point b)
{
	const struct mask_point top = a.y < b.y ? a : b, low = a.y < b.y ? b : a;
	const double slope = low.y > top.y ? (low.x - top.x) / (low.y - top.y) : 0;
	const int first = block_clamp(top.y - NEAR, m->rows),
		  last = block_clamp(low.y + NEAR, m->rows);

	for (int row = first; row <= last; row++) {
		double x0 = row > top.y ? top.x + slope * (row - top.y) : top.x;
		double x1 = row + 1 < low.y ? top.x + slope * (row + 1 - top.y) : low.x;

		/* of an edge that only comes near to this row */
		x0 = fmin(fmax(x0, fmin(a.x, b.x)), fmax(a.x, b.x));
		x1 = fmin(fmax(x1, fmin(a.x, b.x)), fmax(a.x, b.x));
		mask_mark(m, row, fmin(x0, x1), fmax(x0, x1));
	}
}

/* Those of one row whose centres are inside: where the edges to the left do not cancel out. */
static void mask_mark_inside(
	struct mask *m, int row, const struct mask_point *points, int n, int *turns)
{
	const double y = row + 0.5;
	int winding = 0;

	memset(turns, 0, (size_t)(m->columns + 1) * sizeof *turns);
	for (int i = 0; i < n; i++) {
		const struct mask_point a = points[i], b = points[(i + 1) % n];
		double x;

		if ((a.y <= y) == (b.y <= y))
			continue;
		x = a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y);
		turns[block_clamp(x + 0.5, m->columns + 1)] += a.y <= y ? 1 : -1;
	}
	for (int i = 0; i < m->columns; i++) {
		winding += turns[i];
		if (winding)
			m->blocks[(size_t)row * (size_t)m->columns + (size_t)i] = true;
	}
}

static int mask_mark_polygon(struct mask *m, const char *text, int *turns)
{
	struct mask_point points[MASK_POINTS_MAX];
	const int n = mask_read_points(text, points);

	for (int i = 0; i < n; i++) {
		points[i].x *= (double)m->width / MASK_BLOCK;
		points[i].y *= (double)m->height / MASK_BLOCK;
	}
	for (int i = 0; i < n; i++)
		mask_mark_edge(m, points[i], points[(i + 1) % n]);
	for (int row = 0; n > 0 && row < m->rows; row++)
		mask_mark_inside(m, row, points, n, turns);
	return n < 0 ? n : 0;
}

int mask_find_blocks(struct mask *mask, const struct mask_setting *setting, int width, int height)
{
	CLEANUP(mask_clear) struct mask new = { .width = width, .height = height };
	CLEANUP_FREE int *turns = NULL;
	int r = 0;

	if (setting->broken)
		return -EDOM;
	mask_hash(setting, new.hash);
	if (mask->blocks && mask->width == width && mask->height == height &&
		strcmp(mask->hash, new.hash) == 0)
		return 0;
	new.columns = (width + MASK_BLOCK - 1) / MASK_BLOCK;
	new.rows = (height + MASK_BLOCK - 1) / MASK_BLOCK;
	new.blocks = calloc((size_t) new.columns *(size_t) new.rows, sizeof *new.blocks);
	turns = calloc((size_t) new.columns + 1, sizeof *turns);
	if (!new.blocks || !turns)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < setting->n; i++)
		r = mask_mark_polygon(&new, setting->polygon[i].points, turns);
	if (r < 0)
		return r;
	mask_clear(mask);
	*mask = new;
	new.blocks = NULL;
	return 0;
}

/* Blanks blocks [from, to) of a row of them in one plane, up to the picture's edge. */
static void plane_blank(const struct frame *frame, int plane, int row, int from, int to)
{
	const bool yuyv = frame->format == PIXEL_YUYV, nv12 = frame->format == PIXEL_NV12;
	const size_t half_width = ((size_t)frame->width + 1) / 2;
	const size_t bytes = yuyv ? 4 * half_width
		: plane == 0      ? (size_t)frame->width
		: nv12            ? 2 * half_width
				  : half_width;
	const size_t block = yuyv ? 2 * MASK_BLOCK : plane && !nv12 ? MASK_BLOCK / 2 : MASK_BLOCK;
	const int height = plane ? (frame->height + 1) / 2 : frame->height;
	const int lines = plane ? MASK_BLOCK / 2 : MASK_BLOCK;
	const size_t first = (size_t)from * block, end = (size_t)to * block;
	/* the frame is ours until it is released, for writing too */
	uint8_t *data = (uint8_t *)(uintptr_t)frame->plane[plane];

	for (int y = row * lines; y < (row + 1) * lines && y < height; y++)
		memset(data + (size_t)y * frame->stride[plane] + first, MASK_BLANK,
			(end < bytes ? end : bytes) - first);
}

static void row_blank(const struct frame *frame, const bool *blocks, int columns, int row)
{
	const int planes = frame->format == PIXEL_YUYV ? 1 : frame->format == PIXEL_NV12 ? 2 : 3;

	for (int from = 0, to; from < columns; from = to) {
		for (to = from + 1; to < columns && blocks[to] == blocks[from]; to++)
			continue;
		for (int i = 0; blocks[from] && i < planes; i++)
			plane_blank(frame, i, row, from, to);
	}
}

int mask_lay(struct mask *mask, const struct mask_setting *setting, struct frame *frame)
{
	int r;

	if (setting->n == 0 && !setting->broken)
		return 0;
	if (frame->format == PIXEL_MJPEG)
		return -EMEDIUMTYPE;
	if (!frame_fits(frame))
		return -EINVAL;
	r = mask_find_blocks(mask, setting, frame->width, frame->height);
	if (r < 0)
		return r;
	for (int row = 0; row < mask->rows; row++)
		row_blank(frame, mask->blocks + (size_t)row * (size_t)mask->columns, mask->columns,
			row);
	return 0;
}
