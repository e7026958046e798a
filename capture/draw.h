/* SPDX-License-Identifier: MIT */
/*
 * Shapes and text drawn straight into YUV planes, for the test camera's picture. Everything is
 * clipped to the canvas. Round and slanted edges are smoothed along the row.
 */
#pragma once

#include "capture/camera.h"

struct canvas {
	enum pixel_format format;
	int width, height;
	bool turned; /* everything appears turned by 180 degrees */
	uint8_t *plane[3]; /* as in struct frame */
	size_t stride[3];
};

/* Full-range BT.601. */
struct colour {
	uint8_t y, u, v;
};

/* Red, green and blue from 0 to 1; more or less is cut. */
struct colour colour_rgb(double red, double green, double blue);

struct point {
	double x, y;
};

/* A corner included, the other not. */
struct rect {
	int x0, y0, x1, y1;
};

void draw_span(const struct canvas *canvas, int y, int x0, int x1, struct colour colour);
void draw_rect(const struct canvas *canvas, struct rect rect, struct colour colour);
/* The part of the disc that lies in `clip`. */
void draw_disc(const struct canvas *canvas, struct rect clip, struct point centre, double radius,
	struct colour colour);
/* A bar with square ends. */
void draw_line(const struct canvas *canvas, struct point from, struct point to, double width,
	struct colour colour);

/*
 * Text in a fixed 5x7 letter, each dot `scale` pixels; 6 x scale from letter to letter. It has
 * digits, capitals (small letters show as capitals) and ` -:./+#%,=_`; anything else is a box.
 */
#define LETTER_WIDTH 6
#define LETTER_HEIGHT 7
void draw_text(const struct canvas *canvas, int x, int y, int scale, struct colour colour,
	const char *text);
