/* SPDX-License-Identifier: MIT */
/* Small pictures: out of the EXIF, made where there is none, drawn into sheets, and kept. */
#include "common/archive/preview.h"
#include "tests/unit/archive_kit.h"
#include "view/thumb/sheet.h"
#include "view/thumb/thumb.h"

#include <jpeglib.h>
#include <libexif/exif-data.h>

static char cache[80];
static struct archive *archive;

struct file {
	unsigned char *data;
	unsigned long bytes;
};

static const uint8_t red[3] = { 80, 100, 220 }, blue[3] = { 60, 200, 110 },
		     grey[3] = { 90, 128, 128 };

/*
 * A picture of one colour, of a camera that has none if it is `grey`, with `exif` (an APP1 payload)
 * in it.
 */
static struct file draw(unsigned width, unsigned height, const uint8_t colour[3],
	const uint8_t *exif, unsigned exif_bytes)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	struct file file = { 0 };
	uint8_t *row = malloc(3 * (size_t)width);

	for (size_t i = 0; i < 3 * (size_t)width; i++)
		row[i] = colour[i % 3];
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &file.data, &file.bytes);
	c.image_width = width;
	c.image_height = height;
	c.input_components = 3;
	c.in_color_space = JCS_YCbCr;
	jpeg_set_defaults(&c);
	if (colour == grey)
		jpeg_set_colorspace(&c, JCS_GRAYSCALE);
	c.write_JFIF_header = FALSE;
	jpeg_start_compress(&c, TRUE);
	if (exif)
		jpeg_write_marker(&c, JPEG_APP0 + 1, exif, exif_bytes);
	while (c.next_scanline < height)
		jpeg_write_scanlines(&c, &row, 1);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	free(row);
	return file;
}

/* A picture in red with a thumbnail in blue. */
static struct file draw_with_thumb(void)
{
	struct file thumb = draw(240, 180, blue, NULL, 0), file;
	ExifData *exif = exif_data_new();
	unsigned char *block = NULL;
	unsigned bytes = 0;

	exif->data = thumb.data;
	exif->size = (unsigned)thumb.bytes;
	exif_data_save_data(exif, &block, &bytes);
	exif_data_unref(exif);
	file = draw(960, 720, red, block, bytes);
	free(block);
	return file;
}

/* Publishes the picture, which is freed; returns its record. */
static struct record publish(struct file file)
{
	static int minute;
	struct record frame;

	if (!archive) {
		const struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "g" };
		char folder[64];

		kit_make_folder(folder);
		snprintf(cache, sizeof(cache), "%s/cache", folder);
		setenv("XDG_CACHE_HOME", cache, 1);
		strcat(folder, "/a");
		CHECK_INT(archive_open(folder, &options, &archive), 0);
	}
	frame = kit_frame(KIT_SLOT + minute++ * KIT_MINUTE);
	CHECK_INT(archive_publish(archive, &frame, file.data, file.bytes), 0);
	free(file.data);
	return frame;
}

static void check_colour(const struct pixels *p, int x, int y, const uint8_t want[3])
{
	for (int i = 0; i < 3; i++)
		CHECK(abs(p->data[(y * p->width + x) * 3 + i] - want[i]) <= 3);
}

TEST(from_exif)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	CLEANUP_FREE uint8_t *jpeg = NULL;
	const struct record frame = publish(draw_with_thumb());
	size_t bytes = 0;

	CHECK_INT(thumb_decode(archive, frame.seq, 120, &pixels), 0);
	CHECK_INT(pixels.width, 120);
	CHECK_INT(pixels.height, 90);
	check_colour(&pixels, 60, 45, blue);
	pixels_clear(&pixels);
	CHECK_INT(thumb_jpeg(archive, &frame, &jpeg, &bytes), 0);
	CHECK(bytes < 12 * 1024 && jpeg[0] == 0xff && jpeg[1] == 0xd8);
	CHECK_INT(access(cache, F_OK), -1); /* nothing to keep */
}

TEST(made)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	CLEANUP_FREE uint8_t *jpeg = NULL, *again = NULL;
	const struct record frame = publish(draw(960, 720, red, NULL, 0));
	char key[CACHE_KEY_MAX];
	size_t bytes = 0, bytes2 = 0;
	int64_t kept = 0;
	int fd = -1;

	CHECK_INT(thumb_decode(archive, frame.seq, 120, &pixels), 0);
	CHECK_INT(pixels.width, 120);
	check_colour(&pixels, 60, 45, red);
	CHECK_INT(thumb_jpeg(archive, &frame, &jpeg, &bytes), 0);
	cache_key(archive, "thumb", &frame.seq, 1, key);
	CHECK_INT(cache_open(key, &fd, &kept), 0);
	close(fd);
	CHECK_INT(kept, bytes);
	CHECK_INT(thumb_jpeg(archive, &frame, &again, &bytes2), 0);
	CHECK(bytes2 == bytes && memcmp(jpeg, again, bytes) == 0);
}

/* The preview of a frame that is not here, until it is. */
TEST(coming)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	struct file small = draw(240, 180, blue, NULL, 0);
	const struct record frame = publish(draw(960, 720, red, NULL, 0));
	struct frame_name name = record_name(&frame);

	name.seq = frame.seq + 1;
	CHECK_INT(thumb_decode(archive, name.seq, 120, &pixels), -ENOENT);
	for (int i = 0; i < 2; i++, name.seq--)
		CHECK_INT(preview_store(archive, &name, small.data, small.bytes), 0);
	free(small.data);
	CHECK_INT(thumb_decode(archive, frame.seq + 1, 120, &pixels), 0);
	check_colour(&pixels, 60, 45, blue);
	pixels_clear(&pixels);
	CHECK_INT(thumb_decode(archive, frame.seq, 120, &pixels), 0);
	check_colour(&pixels, 60, 45, red);
}

TEST(without_colours)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	const struct record frame = publish(draw(961, 720, grey, NULL, 0));

	CHECK_INT(thumb_decode(archive, frame.seq, 120, &pixels), 0);
	for (int x = 0; x < pixels.width; x++)
		check_colour(&pixels, x, pixels.height - 1, grey);
}

/*
 * Whatever a camera sends: offsets that lead out of the block, a thumbnail that is none, a picture
 * that says it has 65,535 x 65,535 pixels, or 128 million in sides that each could be. No more
 * memory than for others.
 */
TEST(hostile)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	struct record frame;
	struct file file = draw_with_thumb();
	uint64_t seed = 1;

	for (int i = 0; i < 200; i++) {
		CLEANUP_FREE uint8_t *jpeg = NULL;
		struct file damaged = { malloc(file.bytes), file.bytes };
		size_t bytes;

		memcpy(damaged.data, file.data, file.bytes);
		for (int k = 0; k <= i % 4; k++)
			damaged.data[12 + test_random(&seed) % 100] = (uint8_t)test_random(&seed);
		frame = publish(damaged);
		thumb_decode(archive, frame.seq, 120, &pixels);
		CHECK(pixels.width <= 960 && pixels.height <= 720);
		pixels_clear(&pixels);
		if (thumb_jpeg(archive, &frame, &jpeg, &bytes) == 0)
			CHECK(bytes < 64 * 1024);
	}
	free(file.data);
	for (int i = 0; i < 2; i++) {
		static const char sides[2][4] = { "\xff\xff\xff\xff", "\x40\x00\x1e\x85" };
		uint8_t *header;

		file = draw(64, 48, red, NULL, 0);
		header = memmem(file.data, file.bytes, "\xff\xc0", 2);
		CHECK(header);
		memcpy(header + 5, sides[i], 4);
		frame = publish(file);
		CHECK_INT(thumb_decode(archive, frame.seq, 120, &pixels), -EBADMSG);
		CHECK(!pixels.data);
	}
}

/* Cells in their order, grey where nothing can be decoded; kept only if all could be read. */
TEST(sheets)
{
	const struct record frames[] = { publish(draw(640, 480, red, NULL, 0)),
		publish(draw_with_thumb()) };
	struct slot slots[25] = { { .seq = frames[0].seq }, { .seq = 99999, .state = SLOT_HELD } };
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	char key[CACHE_KEY_MAX], other[CACHE_KEY_MAX];
	uint8_t *jpeg = NULL;
	size_t bytes = 0;
	int64_t kept = 0;
	bool damaged;
	int fd = -1;

	for (size_t i = 2; i < ARRAY_SIZE(slots); i++)
		slots[i].seq = frames[1].seq;
	sheet_key(archive, &sheet_pictures, slots, 25, key);
	CHECK_INT(sheet_draw(archive, &sheet_pictures, slots, 25, key, &jpeg, &bytes), 0);
	CHECK_INT(cache_open(key, &fd, &kept), -ENOENT); /* a frame was not there */
	CHECK_INT(pixels_decode(jpeg, bytes, 2400, 180, &pixels, &damaged), 0);
	CHECK_INT(pixels.width, 2400);
	CHECK_INT(pixels.height, 180);
	check_colour(&pixels, 60, 45, red);
	check_colour(&pixels, 180, 45, (const uint8_t[]){ 128, 128, 128 });
	check_colour(&pixels, 300, 45, blue);
	check_colour(&pixels, 4 * 120 + 60, 135, blue);
	check_colour(&pixels, 5 * 120 + 60, 135, (const uint8_t[]){ 128, 128, 128 });
	free(jpeg);

	slots[1].seq = frames[1].seq;
	sheet_key(archive, &sheet_pictures, slots, 25, other);
	CHECK(strcmp(key, other) != 0);
	CHECK_INT(sheet_draw(archive, &sheet_pictures, slots, 25, other, &jpeg, &bytes), 0);
	CHECK_INT(cache_open(other, &fd, &kept), 0);
	CHECK_INT(kept, bytes);
	close(fd);
	free(jpeg);
	sheet_key(archive, &sheet_pictures, slots, 24, key);
	CHECK(strcmp(key, other) != 0);
}

/* Of what somebody else put there nothing is taken but a whole JPEG in a regular file. */
TEST(cache_is_not_trusted)
{
	static const char key[] = "0123456789abcdef0123456789abcdef";
	static const uint8_t jpeg[] = { 0xff, 0xd8, 1, 2, 0xff, 0xd9 };
	char folder[100], name[CACHE_KEY_MAX + 8], elsewhere[120];
	int64_t bytes = 0;
	int fd = -1;

	publish(draw(8, 8, red, NULL, 0));
	snprintf(folder, sizeof(folder), "%s/viewpi", cache);
	snprintf(name, sizeof(name), "%s.jpg", key);
	cache_store(key, jpeg, sizeof(jpeg));
	CHECK_INT(cache_open(key, &fd, &bytes), 0);
	CHECK_INT(bytes, sizeof(jpeg));
	close(fd);
	kit_write(folder, name, "\xff\xd8\0\0", 4, O_TRUNC);
	CHECK_INT(cache_open(key, &fd, &bytes), -ENOENT);
	cache_store(key, jpeg, sizeof(jpeg));
	CHECK_INT(cache_open(key, &fd, &bytes), 0);
	close(fd);
	kit_write(cache, "elsewhere", jpeg, sizeof(jpeg), O_TRUNC);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", cache);
	for (size_t i = 0; i < 2; i++) {
		char path[200];

		snprintf(path, sizeof(path), "%s/%s", folder, name);
		CHECK_INT(unlink(path), 0);
		CHECK_INT(i ? mkfifo(path, 0600) : symlink(elsewhere, path), 0);
		CHECK(cache_open(key, &fd, &bytes) < 0);
	}
	CHECK_INT(cache_open("../../../../../etc/passwd", &fd, &bytes), -ENOENT);
	CHECK_INT(cache_open("", &fd, &bytes), -ENOENT);
	cache_store("../outside", jpeg, sizeof(jpeg));
	cache_store("", jpeg, sizeof(jpeg));
}

/* The oldest go, and only ours. */
TEST(cache_is_bounded)
{
	char folder[100], path[200], key[CACHE_KEY_MAX];
	struct stat st;
	int n = 0;

	publish(draw(8, 8, red, NULL, 0));
	snprintf(folder, sizeof(folder), "%s/viewpi", cache);
	fs_make_folders(folder, 0700);
	for (int i = 0; i <= 40; i++) {
		struct timespec times[2] = { { 0 }, { .tv_sec = 1000000 + i } };
		int fd;

		snprintf(path, sizeof(path), i < 40 ? "%s/f%031d.jpg" : "%s/mine.txt", folder, i);
		fd = open(path, O_CREAT | O_RDWR, 0600);
		CHECK_INT(ftruncate(fd, 8 * 1024 * 1024), 0);
		CHECK_INT(futimens(fd, times), 0);
		close(fd);
	}
	snprintf(key, sizeof(key), "0%031d", 7);
	cache_store(key, "\xff\xd8\xff\xd9", 4);
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "%s/f%031d.jpg", folder, i);
		n += access(path, F_OK) == 0;
		CHECK(access(path, F_OK) != 0 || i >= 16);
	}
	CHECK(n == 23 || n == 24); /* of 8 MiB: three quarters of 256 MiB, and what was there */
	snprintf(path, sizeof(path), "%s/mine.txt", folder);
	CHECK_INT(stat(path, &st), 0);
}
