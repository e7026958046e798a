/* SPDX-License-Identifier: MIT */
/*
 * Frames of a webcam, made with libjpeg as webcams make them and then damaged, and what becomes of
 * them. Frames end at an unmapped page, so a read past them ends the program.
 */
#include "tests/test.h"

#include <setjmp.h>
#include <sys/mman.h>

#include <jpeglib.h>

#include "capture/picture/jpeg.h"

#define WIDTH 96
#define HEIGHT 64
#define BYTES_MAX (256 * 1024)

static const char exif[] = "Exif\0\0II*\0 not looked into";

/* How a webcam makes its frames. */
struct kind {
	const char *name;
	int components, across, down; /* sampling of luma */
	unsigned restart; /* MCUs between restart markers */
	bool tables; /* has Huffman tables */
	bool own_tables; /* other than the standard ones */
	const char *talk; /* in an APP0 and an APP4 segment and a comment */
};

static const struct kind kinds[] = {
	{ "4:2:2", 3, 2, 1, 0, true, false, "AVI1" },
	{ "4:2:0 with tables of its own", 3, 2, 2, 0, true, true, NULL },
	{ "4:2:2 without tables", 3, 2, 1, 0, false, false, NULL },
	{ "4:2:2 without tables, with restarts", 3, 2, 1, 6, false, false, "AVI1" },
	{ "4:4:4 with a restart per MCU", 3, 1, 1, 1, true, false, NULL },
	{ "4:1:1", 3, 4, 1, 0, true, false, NULL },
	{ "grey", 1, 1, 1, 4, true, false, "JFIF" },
};

struct bytes {
	uint8_t data[BYTES_MAX];
	size_t used;
};

static uint8_t value_of(int x, int y, int i)
{
	return (uint8_t)(x * (3 + i) + y * (2 - i) + (x * y) % 17);
}

/* All DHT segments out. */
static void drop_tables(struct bytes *b)
{
	size_t at = 2;

	while (b->data[at + 1] != 0xda) {
		size_t whole = 2 + (size_t)(b->data[at + 2] << 8 | b->data[at + 3]);

		if (b->data[at + 1] != 0xc4) {
			at += whole;
			continue;
		}
		memmove(b->data + at, b->data + at + whole, b->used - at - whole);
		b->used -= whole;
	}
}

static void make_frame(const struct kind *kind, int width, int height, struct bytes *ret)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	unsigned long bytes = BYTES_MAX;
	unsigned char *out = ret->data;
	JSAMPLE *line = calloc((size_t)width, 3);

	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &out, &bytes);
	c.image_width = (JDIMENSION)width;
	c.image_height = (JDIMENSION)height;
	c.input_components = kind->components;
	c.in_color_space = kind->components == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
	jpeg_set_defaults(&c);
	c.comp_info[0].h_samp_factor = kind->across;
	c.comp_info[0].v_samp_factor = kind->down;
	c.restart_interval = kind->restart;
	c.optimize_coding = kind->own_tables;
	c.write_JFIF_header = FALSE;
	jpeg_start_compress(&c, TRUE);
	for (int i = 0; kind->talk && i < 3; i++) {
		static const int markers[] = { JPEG_APP0, JPEG_APP0 + 4, JPEG_COM };

		jpeg_write_marker(&c, markers[i], (const uint8_t *)kind->talk, 4);
	}
	while (c.next_scanline < c.image_height) {
		for (int k = 0; k < width * kind->components; k++)
			line[k] = value_of(
				k / kind->components, (int)c.next_scanline, k % kind->components);
		jpeg_write_scanlines(&c, &line, 1);
	}
	jpeg_finish_compress(&c);
	CHECK(out == ret->data);
	ret->used = bytes;
	jpeg_destroy_compress(&c);
	free(line);
	if (!kind->tables)
		drop_tables(ret);
}

/* jpeg_encode() of a frame of these bytes that says it has this size. */
static int pass(struct jpeg_encoder *e, const void *data, size_t used, int width, int height,
	const uint8_t **ret, size_t *ret_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (used + page - 1) / page * page;
	uint8_t *map = mmap(
		NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct frame frame = {
		.format = PIXEL_MJPEG,
		.width = width,
		.height = height,
		.plane = { map + whole - used },
		.plane_bytes = { used },
	};
	int r;

	if (map == MAP_FAILED || mprotect(map + whole, page, PROT_NONE) < 0)
		abort();
	memcpy(map + whole - used, data, used);
	r = jpeg_encode(e, &frame, exif, sizeof exif, ret, ret_bytes);
	munmap(map, whole + page);
	return r;
}

/* The picture's samples, not upsampled to RGB; as many bytes as `ret` holds. False: warnings. */
static bool decode(const uint8_t *jpeg, size_t bytes, uint8_t *ret)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	bool whole;

	c.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = c.jpeg_color_space;
	jpeg_start_decompress(&c);
	while (c.output_scanline < c.output_height) {
		JSAMPROW row = ret + c.output_scanline * c.output_width * 3;

		jpeg_read_scanlines(&c, &row, 1);
	}
	jpeg_finish_decompress(&c);
	whole = errors.num_warnings == 0;
	jpeg_destroy_decompress(&c);
	return whole;
}

/* What a webcam makes comes through with our EXIF in front, and shows what the webcam saw. */
TEST(each_kind_passes)
{
	static uint8_t want[WIDTH * HEIGHT * 3], got[WIDTH * HEIGHT * 3];
	static struct bytes frame;
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg = NULL;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind whole = kinds[i];
		size_t bytes = 0;

		whole.tables = true;
		make_frame(&whole, WIDTH, HEIGHT, &frame);
		CHECK(decode(frame.data, frame.used, want));
		make_frame(&kinds[i], WIDTH, HEIGHT, &frame);
		if (!CHECK(pass(e, frame.data, frame.used, WIDTH, HEIGHT, &jpeg, &bytes) == 0)) {
			fprintf(stderr, "  %s\n", kinds[i].name);
			continue;
		}
		CHECK(memcmp(jpeg, "\xff\xd8\xff\xe1", 4) == 0);
		CHECK(memcmp(jpeg + 6, exif, sizeof exif) == 0);
		CHECK(memcmp(jpeg + bytes - 2, "\xff\xd9", 2) == 0);
		CHECK(!memmem(jpeg, bytes, "AVI1", 4) && !memmem(jpeg, bytes, "JFIF", 4));
		/* libjpeg-turbo would do without tables; other decoders do not */
		CHECK(memmem(jpeg, bytes, "\xff\xc4", 2) != NULL);
		CHECK(decode(jpeg, bytes, got));
		CHECK(memcmp(got, want, sizeof got) == 0);
	}
	jpeg_encoder_free(e);
}

/* Bytes after EOI, as drivers that deliver whole buffers leave them, and fill bytes are dropped. */
TEST(padding_is_dropped)
{
	static struct bytes frame;
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg = NULL;
	size_t plain = 0, bytes = 0;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	make_frame(&kinds[0], WIDTH, HEIGHT, &frame);
	CHECK_INT(pass(e, frame.data, frame.used, WIDTH, HEIGHT, &jpeg, &plain), 0);
	CHECK_INT(pass(e, frame.data, frame.used + 5000, WIDTH, HEIGHT, &jpeg, &bytes), 0);
	CHECK_INT(bytes, plain);
	memmove(frame.data + 4, frame.data + 2, frame.used - 2);
	frame.data[2] = frame.data[3] = 0xff;
	CHECK_INT(pass(e, frame.data, frame.used + 2, WIDTH, HEIGHT, &jpeg, &bytes), 0);
	CHECK_INT(bytes, plain);
	jpeg_encoder_free(e);
}

/* A frame that ends early, at whatever byte, is none. */
TEST(cut_frames_are_refused)
{
	static struct bytes frame;
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		make_frame(&kinds[i], WIDTH, HEIGHT, &frame);
		for (size_t n = 0; n < frame.used; n += n < 700 ? 1 : 97)
			if (!CHECK(pass(e, frame.data, n, WIDTH, HEIGHT, &jpeg, &bytes) == -EILSEQ))
				fprintf(stderr, "  %s: %zu bytes\n", kinds[i].name, n);
	}
	jpeg_encoder_free(e);
}

/* Where the marker is first. */
static size_t marker_at(const struct bytes *b, uint8_t marker)
{
	const uint8_t wanted[] = { 0xff, marker };
	const uint8_t *p = memmem(b->data, b->used, wanted, 2);

	return p ? (size_t)(p - b->data) : 0;
}

TEST(damaged_frames_are_refused)
{
	static const struct {
		const char *what;
		uint8_t marker; /* the first one of these; then */
		size_t offset; /* so many bytes after its 0xff */
		uint8_t value; /* becomes that */
	} cases[] = {
		{ "no SOI", 0xd8, 1, 0xd9 },
		{ "another width", 0xc0, 8, WIDTH + 1 },
		{ "another height", 0xc0, 6, HEIGHT - 1 },
		{ "12 bits", 0xc0, 4, 12 },
		{ "progressive", 0xc0, 1, 0xc2 },
		{ "arithmetic coding", 0xc0, 1, 0xc9 },
		{ "two components", 0xc0, 9, 2 },
		{ "no frame header", 0xc0, 1, 0xe3 },
		{ "sampling of 3", 0xc0, 11, 0x31 },
		{ "sampling of 0", 0xc0, 11, 0x20 },
		{ "two components of one name", 0xc0, 13, 1 },
		{ "a quantizer that is not there", 0xc0, 12, 3 },
		{ "quantizer 4", 0xdb, 4, 4 },
		{ "quantizer of 24 bits", 0xdb, 4, 0x20 },
		{ "quantizers longer than their segment", 0xdb, 3, 66 },
		{ "a segment of no length", 0xdb, 3, 0 },
		{ "a segment beyond the end", 0xdb, 2, 0xff },
		{ "Huffman table 4", 0xc4, 4, 4 },
		{ "Huffman table of class 2", 0xc4, 4, 0x20 },
		{ "a Huffman table whose values do not end with it", 0xc4, 5, 2 },
		{ "more Huffman values than the segment has", 0xc4, 12, 200 },
		{ "a DC symbol of 16 bits", 0xc4, 21, 16 },
		{ "a Huffman table that is not there", 0xda, 6, 0x20 },
		{ "a scan of two components", 0xda, 4, 2 },
		{ "a scan of an unknown component", 0xda, 5, 9 },
		{ "a part of a progressive scan", 0xda, 12, 62 },
		{ "a refining scan", 0xda, 13, 1 },
		{ "restarts out of order", 0xd1, 1, 0xd2 },
		{ "a restart lost", 0xd1, 1, 0 },
		{ "a header in the scan", 0xd1, 1, 0xc0 },
		{ "the end in the middle", 0xd1, 1, 0xd9 },
	};
	static const struct kind kind = { "", 3, 2, 1, 6, true, false, NULL };
	static struct bytes frame;
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t at;

		make_frame(&kind, WIDTH, HEIGHT, &frame);
		CHECK_INT(pass(e, frame.data, frame.used, WIDTH, HEIGHT, &jpeg, &bytes), 0);
		at = marker_at(&frame, cases[i].marker) + cases[i].offset;
		CHECK(at > 0 && frame.data[at] != cases[i].value);
		frame.data[at] = cases[i].value;
		if (!CHECK(pass(e, frame.data, frame.used, WIDTH, HEIGHT, &jpeg, &bytes) ==
			    -EILSEQ))
			fprintf(stderr, "  %s\n", cases[i].what);
	}
	CHECK_INT(pass(e, frame.data, frame.used, WIDTH, 0, &jpeg, &bytes), -EINVAL);
	jpeg_encoder_free(e);
}

/* As many values as before, but more short codes than there can be. */
TEST(huffman_codes_that_do_not_fit_are_refused)
{
	static struct bytes frame;
	struct jpeg_encoder *e = NULL;
	const uint8_t *jpeg;
	uint8_t *lengths;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	make_frame(&kinds[0], WIDTH, HEIGHT, &frame);
	lengths = frame.data + marker_at(&frame, 0xc4) + 5;
	CHECK(lengths[0] == 0 && lengths[2] == 5); /* the standard table of DC */
	lengths[0] += 3;
	lengths[2] -= 3;
	CHECK_INT(pass(e, frame.data, frame.used, WIDTH, HEIGHT, &jpeg, &bytes), -EILSEQ);
	jpeg_encoder_free(e);
}

static jmp_buf refused;

static void on_fatal(j_common_ptr cinfo)
{
	(void)cinfo;
	longjmp(refused, 1);
}

static void on_talk(j_common_ptr cinfo, int level)
{
	(void)cinfo, (void)level;
}

/* Whatever passes, a decoder takes to its end, warnings or not. */
static bool decoder_takes(const uint8_t *jpeg, size_t bytes)
{
	static uint8_t line[WIDTH * 4];
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	JSAMPROW row = line;

	c.err = jpeg_std_error(&errors);
	errors.error_exit = on_fatal;
	errors.emit_message = on_talk;
	jpeg_create_decompress(&c);
	if (setjmp(refused)) {
		jpeg_destroy_decompress(&c);
		return false;
	}
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	jpeg_start_decompress(&c);
	while (c.output_scanline < c.output_height)
		jpeg_read_scanlines(&c, &row, 1);
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
	return true;
}

TEST(what_passes_decodes)
{
	static struct bytes frame, broken;
	struct jpeg_encoder *e = NULL;
	uint64_t seed = test_seed();
	const uint8_t *jpeg;
	unsigned passed = 0;
	size_t bytes;

	CHECK_INT(jpeg_encoder_new(85, &e), 0);
	for (int i = 0; i < 20000; i++) {
		if (i % 1000 == 0)
			make_frame(&kinds[(size_t)i / 1000 % ARRAY_SIZE(kinds)], WIDTH, HEIGHT,
				&frame);
		memcpy(broken.data, frame.data, frame.used);
		for (uint64_t n = 1 + test_random(&seed) % 3; n > 0; n--) {
			size_t at = test_random(&seed) % 4 ? test_random(&seed) % 650
							   : test_random(&seed) % frame.used;

			broken.data[at % frame.used] = (uint8_t)test_random(&seed);
		}
		if (pass(e, broken.data, frame.used, WIDTH, HEIGHT, &jpeg, &bytes) < 0)
			continue;
		passed++;
		CHECK(bytes <= frame.used + sizeof exif + 4 + 420);
		CHECK(decoder_takes(jpeg, bytes));
	}
	CHECK(passed > 1000);
	jpeg_encoder_free(e);
}
