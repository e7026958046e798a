/* SPDX-License-Identifier: MIT */
/*
 * Drawing into YUV 4:2:0. All shapes end up as spans of a row: luma for each pixel, chroma for each
 * second row. A chroma sample belongs to the span that covers its even pixel.
 */
#include "capture/draw.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "common/util.h"

static uint8_t to_byte(double value)
{
	return (uint8_t)lround(fmin(fmax(value, 0), 255));
}

struct colour colour_rgb(double red, double green, double blue)
{
	double r = fmin(fmax(red, 0), 1) * 255, g = fmin(fmax(green, 0), 1) * 255;
	double b = fmin(fmax(blue, 0), 1) * 255, y = 0.299 * r + 0.587 * g + 0.114 * b;

	return (struct colour){
		.y = to_byte(y),
		.u = to_byte(128 + (b - y) * 0.564),
		.v = to_byte(128 + (r - y) * 0.713),
	};
}

static void chroma_span(const struct canvas *c, int y, int x0, int x1, struct colour colour)
{
	size_t from = (size_t)(x0 + 1) / 2, to = (size_t)(x1 + 1) / 2;
	uint8_t *u = c->plane[1] + (size_t)(y / 2) * c->stride[1];

	if (y % 2 || from >= to)
		return;
	if (c->format == PIXEL_YUV420) {
		memset(u + from, colour.u, to - from);
		memset(c->plane[2] + (size_t)(y / 2) * c->stride[2] + from, colour.v, to - from);
		return;
	}
	for (size_t i = from; i < to; i++) {
		u[2 * i] = colour.u;
		u[2 * i + 1] = colour.v;
	}
}

void draw_span(const struct canvas *c, int y, int x0, int x1, struct colour colour)
{
	if (x0 < 0)
		x0 = 0;
	if (x1 > c->width)
		x1 = c->width;
	if (y < 0 || y >= c->height || x0 >= x1)
		return;
	if (c->turned) {
		int left = c->width - x1;

		x1 = c->width - x0;
		x0 = left;
		y = c->height - 1 - y;
	}
	memset(c->plane[0] + (size_t)y * c->stride[0] + x0, colour.y, (size_t)(x1 - x0));
	chroma_span(c, y, x0, x1, colour);
}

void draw_rect(const struct canvas *c, struct rect rect, struct colour colour)
{
	for (int y = rect.y0 < 0 ? 0 : rect.y0; y < rect.y1 && y < c->height; y++)
		draw_span(c, y, rect.x0, rect.x1, colour);
}

/* Mixes the colour's luma into one pixel. */
static void blend(const struct canvas *c, int x, int y, double cover, struct colour colour)
{
	uint8_t *p;

	if (x < 0 || x >= c->width || y < 0 || y >= c->height)
		return;
	if (c->turned) {
		x = c->width - 1 - x;
		y = c->height - 1 - y;
	}
	p = c->plane[0] + (size_t)y * c->stride[0] + x;
	*p = to_byte(*p + cover * (colour.y - *p));
}

/* A span whose ends lie within pixels. */
static void soft_span(const struct canvas *c, int y, double from, double to, struct colour colour)
{
	double low = ceil(from), high = floor(to);

	if (to <= from || to < 0 || from > c->width)
		return;
	if (low > high) { /* within one pixel */
		blend(c, (int)high, y, to - from, colour);
		return;
	}
	if (low - from > 0.02)
		blend(c, (int)low - 1, y, low - from, colour);
	if (to - high > 0.02)
		blend(c, (int)high, y, to - high, colour);
	draw_span(c, y, (int)low, (int)high, colour);
}

void draw_disc(const struct canvas *c, struct rect clip, struct point centre, double radius,
	struct colour colour)
{
	int y0 = (int)floor(centre.y - radius), y1 = (int)ceil(centre.y + radius);

	if (y0 < clip.y0)
		y0 = clip.y0;
	if (y1 > clip.y1)
		y1 = clip.y1;
	for (int y = y0; y < y1; y++) {
		double dy = y + 0.5 - centre.y, square = radius * radius - dy * dy;
		double half = square > 0 ? sqrt(square) : 0;

		soft_span(c, y, fmax(centre.x - half, clip.x0), fmin(centre.x + half, clip.x1),
			colour);
	}
}

/* Where the row at height y crosses the edge from a to b; widens the span. */
static void cross(struct point a, struct point b, double y, double *from, double *to)
{
	double x;

	if ((a.y > y) == (b.y > y))
		return;
	x = a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
	*from = fmin(*from, x);
	*to = fmax(*to, x);
}

void draw_line(const struct canvas *c, struct point from, struct point to, double width,
	struct colour colour)
{
	double dx = to.x - from.x, dy = to.y - from.y, length = hypot(dx, dy);
	double nx = length > 0 ? -dy / length * width / 2 : 0;
	double ny = length > 0 ? dx / length * width / 2 : 0;
	const struct point corner[4] = {
		{ from.x + nx, from.y + ny },
		{ to.x + nx, to.y + ny },
		{ to.x - nx, to.y - ny },
		{ from.x - nx, from.y - ny },
	};
	double top = fmin(from.y, to.y) - fabs(ny), bottom = fmax(from.y, to.y) + fabs(ny);

	for (int y = (int)fmax(floor(top), 0); y < bottom && y < c->height; y++) {
		double left = INFINITY, right = -INFINITY;

		for (int i = 0; i < 4; i++)
			cross(corner[i], corner[(i + 1) % 4], y + 0.5, &left, &right);
		if (left < right)
			soft_span(c, y, left, right, colour);
	}
}

/* Seven rows from the top; bit 4 is the left dot. */
static const struct {
	char letter;
	uint8_t row[LETTER_HEIGHT];
} font[] = {
	{ ' ', { 0, 0, 0, 0, 0, 0, 0 } },
	{ '-', { 0, 0, 0, 0x1f, 0, 0, 0 } },
	{ ':', { 0, 0x0c, 0x0c, 0, 0x0c, 0x0c, 0 } },
	{ '.', { 0, 0, 0, 0, 0, 0x0c, 0x0c } },
	{ ',', { 0, 0, 0, 0, 0x0c, 0x04, 0x08 } },
	{ '/', { 0x01, 0x01, 0x02, 0x04, 0x08, 0x10, 0x10 } },
	{ '+', { 0, 0x04, 0x04, 0x1f, 0x04, 0x04, 0 } },
	{ '#', { 0x0a, 0x0a, 0x1f, 0x0a, 0x1f, 0x0a, 0x0a } },
	{ '%', { 0x18, 0x19, 0x02, 0x04, 0x08, 0x13, 0x03 } },
	{ '=', { 0, 0, 0x1f, 0, 0x1f, 0, 0 } },
	{ '_', { 0, 0, 0, 0, 0, 0, 0x1f } },
	{ '0', { 0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e } },
	{ '1', { 0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e } },
	{ '2', { 0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f } },
	{ '3', { 0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e } },
	{ '4', { 0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02 } },
	{ '5', { 0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e } },
	{ '6', { 0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e } },
	{ '7', { 0x1f, 0x01, 0x02, 0x04, 0x04, 0x08, 0x08 } },
	{ '8', { 0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e } },
	{ '9', { 0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c } },
	{ 'A', { 0x04, 0x0a, 0x11, 0x11, 0x1f, 0x11, 0x11 } },
	{ 'B', { 0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e } },
	{ 'C', { 0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e } },
	{ 'D', { 0x1c, 0x12, 0x11, 0x11, 0x11, 0x12, 0x1c } },
	{ 'E', { 0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f } },
	{ 'F', { 0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10 } },
	{ 'G', { 0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f } },
	{ 'H', { 0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11 } },
	{ 'I', { 0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e } },
	{ 'J', { 0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c } },
	{ 'K', { 0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11 } },
	{ 'L', { 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f } },
	{ 'M', { 0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11 } },
	{ 'N', { 0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11 } },
	{ 'O', { 0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e } },
	{ 'P', { 0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10 } },
	{ 'Q', { 0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d } },
	{ 'R', { 0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11 } },
	{ 'S', { 0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e } },
	{ 'T', { 0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04 } },
	{ 'U', { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e } },
	{ 'V', { 0x11, 0x11, 0x11, 0x11, 0x0a, 0x0a, 0x04 } },
	{ 'W', { 0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11 } },
	{ 'X', { 0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11 } },
	{ 'Y', { 0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04 } },
	{ 'Z', { 0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f } },
};

static const uint8_t *letter_rows(char letter)
{
	static const uint8_t box[LETTER_HEIGHT] = { 0x1f, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1f };
	char capital = (char)toupper((unsigned char)letter);

	for (size_t i = 0; i < ARRAY_SIZE(font); i++)
		if (font[i].letter == capital)
			return font[i].row;
	return box;
}

static void draw_letter(const struct canvas *c, int x, int y, int scale, struct colour colour,
	const uint8_t rows[LETTER_HEIGHT])
{
	for (int row = 0; row < LETTER_HEIGHT; row++)
		for (int dot = 0, end; dot < 5; dot = end) {
			bool set = rows[row] & (0x10 >> dot);

			for (end = dot + 1; end < 5 && !!(rows[row] & (0x10 >> end)) == set; end++)
				;
			if (set)
				draw_rect(c,
					(struct rect){ x + dot * scale, y + row * scale,
						x + end * scale, y + (row + 1) * scale },
					colour);
		}
}

void draw_text(
	const struct canvas *c, int x, int y, int scale, struct colour colour, const char *text)
{
	for (; *text && x < c->width; text++, x += LETTER_WIDTH * scale)
		draw_letter(c, x, y, scale, colour, letter_rows(*text));
}
