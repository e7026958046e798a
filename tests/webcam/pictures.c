/* SPDX-License-Identifier: MIT */
/* A gradient with a bright bar that moves on from picture to picture; colour changes downwards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "tests/webcam/webcam.h"

/* Luma, Cb, Cr; 16 to 235 so that it is a colour in either range. */
static uint8_t sample_at(struct size size, unsigned number, unsigned x, unsigned y, int component)
{
	unsigned bar = number * size.width / PICTURES;

	if (component == 0)
		return (uint8_t)(x >= bar && x < bar + 16 ? 235 : 16 + x * 180 / size.width);
	return (uint8_t)(component == 1 ? 60 + y * 130 / size.height : 128);
}

static void draw_raw(enum format format, struct size size, unsigned number, uint8_t *out)
{
	size_t pixels = (size_t)size.width * size.height;

	for (unsigned y = 0; y < size.height; y++)
		for (unsigned x = 0; x < size.width; x++) {
			size_t at = (size_t)y * size.width + x;
			uint8_t luma = sample_at(size, number, x, y, 0);
			uint8_t chroma = sample_at(size, number, x, y, 1 + (int)(x % 2));

			if (format == FORMAT_YUYV) {
				out[2 * at] = luma;
				out[2 * at + 1] = chroma;
			} else {
				out[at] = luma;
				out[pixels + y / 2 * size.width + x] = chroma;
			}
		}
}

/* As webcams do: 4:2:2, a restart marker per row of MCUs, often without Huffman tables. */
static struct bytes draw_jpeg(const struct model *model, struct size size, unsigned number)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	unsigned long bytes = 0;
	unsigned char *out = NULL;
	uint8_t *line = malloc(3 * (size_t)size.width);

	if (!line)
		abort();
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &out, &bytes);
	c.image_width = size.width;
	c.image_height = size.height;
	c.input_components = 3;
	c.in_color_space = JCS_YCbCr;
	jpeg_set_defaults(&c);
	c.comp_info[0].v_samp_factor = 1;
	c.restart_in_rows = 1;
	c.write_JFIF_header = FALSE;
	jpeg_start_compress(&c, TRUE);
	jpeg_write_marker(&c, JPEG_APP0, (const uint8_t *)"AVI1\0\0\0\0\0\0\0\0\0\0", 14);
	while (c.next_scanline < c.image_height) {
		for (unsigned k = 0; k < 3 * size.width; k++)
			line[k] = sample_at(size, number, k / 3, c.next_scanline, (int)(k % 3));
		jpeg_write_scanlines(&c, &line, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	free(line);
	for (size_t at = 2; !model->tables && out[at + 1] != 0xda;) {
		size_t whole = 2 + (size_t)(out[at + 2] << 8 | out[at + 3]);

		if (out[at + 1] == 0xc4)
			memmove(out + at, out + at + whole, (bytes -= whole) - at);
		else
			at += whole;
	}
	return (struct bytes){ out, bytes };
}

struct bytes picture_draw(
	const struct model *model, enum format format, struct size size, unsigned number)
{
	struct bytes raw = { .used = picture_bytes_max(format, size) };

	if (format == FORMAT_MJPEG)
		return draw_jpeg(model, size, number);
	raw.data = malloc(raw.used);
	if (!raw.data)
		abort();
	draw_raw(format, size, number, raw.data);
	return raw;
}
