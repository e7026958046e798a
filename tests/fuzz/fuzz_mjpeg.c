/* SPDX-License-Identifier: MIT */
/*
 * A webcam's frame of 48x32: what passes begins with SOI and our EXIF, ends with EOI, stays within
 * its room, and libjpeg decodes it to its end.
 */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#include "capture/picture/mjpeg.h"
#include "tests/fuzz/fuzz.h"

#define WIDTH 48
#define HEIGHT 32

static const char exif[] = "Exif\0\0II*\0";

static jmp_buf refused;

static void on_fatal(j_common_ptr cinfo)
{
	longjmp(refused, cinfo->err->msg_code == JERR_OUT_OF_MEMORY ? 2 : 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
	(void)cinfo, (void)level;
}

/* A file that ends in the middle of a table of ours would show as a warning here. */
static void decode(const uint8_t *jpeg, size_t bytes)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	uint8_t line[WIDTH * 4];
	JSAMPROW row = line;

	c.err = jpeg_std_error(&errors);
	errors.error_exit = on_fatal;
	errors.emit_message = on_message;
	jpeg_create_decompress(&c);
	switch (setjmp(refused)) {
	case 0:
		jpeg_mem_src(&c, jpeg, bytes);
		jpeg_read_header(&c, TRUE);
		MUST(c.image_width == WIDTH && c.image_height == HEIGHT);
		jpeg_start_decompress(&c);
		while (c.output_scanline < c.output_height)
			jpeg_read_scanlines(&c, &row, 1);
		jpeg_finish_decompress(&c);
		break;
	case 1:
		MUST(!"it passed, and no decoder takes it");
	}
	jpeg_destroy_decompress(&c);
}

/* As the encoder makes it from libjpeg's tables; any valid segment of the size will do. */
static void make_tables(uint8_t ret[static MJPEG_TABLES_BYTES])
{
	static const uint8_t dc[16] = { 0, 1, 5, 1, 1, 1, 1, 1, 1 };
	static const uint8_t ac[16] = { 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125 };
	uint8_t *p = ret + 4;

	memcpy(ret, "\xff\xc4\x01\xa2", 4);
	for (int i = 0; i < 4; i++) {
		int values = i & 1 ? MJPEG_AC_VALUES : MJPEG_DC_VALUES;

		*p++ = (uint8_t)((i & 1) << 4 | i / 2);
		memcpy(p, i & 1 ? ac : dc, 16);
		p += 16;
		for (int k = 0; k < values; k++)
			*p++ = (uint8_t)k;
	}
	MUST(p == ret + MJPEG_TABLES_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t tables[MJPEG_TABLES_BYTES], *copy = (uint8_t *)fuzz_copy(data, size), *out;
	const struct mjpeg_extras extras = { exif, sizeof exif, tables };
	const struct frame frame = { .format = PIXEL_MJPEG,
		.width = WIDTH,
		.height = HEIGHT,
		.plane = { copy },
		.plane_bytes = { size } };
	size_t bytes = 0;
	int r;

	make_tables(tables);
	out = (uint8_t *)malloc(mjpeg_room(size, &extras));
	MUST(out);
	r = mjpeg_rewrite(&frame, &extras, out, &bytes);
	MUST(r <= 0);
	if (r == 0) {
		MUST(bytes <= mjpeg_room(size, &extras));
		MUST(memcmp(out, "\xff\xd8\xff\xe1", 4) == 0);
		MUST(memcmp(out + 6, exif, sizeof exif) == 0);
		MUST(memcmp(out + bytes - 2, "\xff\xd9", 2) == 0);
		decode(out, bytes);
	}
	free(out);
	free(copy);
	return 0;
}
