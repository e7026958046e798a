/* SPDX-License-Identifier: MIT */
/* The picture to aim by: its parts, its number, and that it shows what the planes show. */
#include "tests/test.h"

#include <json-c/json.h>
#include <limits.h>

#include "capture/picture/aim.h"
#include "capture/picture/mask.h"
#include "common/thumbnail/pixels.h"

#define WIDTH 1400
#define HEIGHT 600

static uint8_t data[2][2 * WIDTH * HEIGHT];

static struct frame frame_of(enum pixel_format format, int which)
{
	const size_t luma = WIDTH * HEIGHT;
	struct frame frame = { .format = format,
		.width = WIDTH,
		.height = HEIGHT,
		.lens_position = 1.5,
		.plane = { data[which], data[which] + luma, data[which] + luma + luma / 4 },
		.stride = { WIDTH, WIDTH / 2, WIDTH / 2 },
		.plane_bytes = { luma, luma / 4, luma / 4 } };

	if (format == PIXEL_YUYV)
		frame.stride[0] = 2 * WIDTH, frame.plane_bytes[0] = 2 * luma;
	if (format == PIXEL_NV12)
		frame.stride[1] = WIDTH, frame.plane_bytes[1] = luma / 2;
	if (format != PIXEL_YUV420)
		frame.plane[2] = NULL;
	if (format == PIXEL_YUYV)
		frame.plane[1] = NULL;
	return frame;
}

static int64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return CHECK(json_object_object_get_ex(o, key, &value)) ? json_object_get_int64(value) : 0;
}

static bool is_jpeg(const uint8_t *p, size_t n)
{
	return n > 4 && p[0] == 0xff && p[1] == 0xd8 && p[n - 2] == 0xff && p[n - 1] == 0xd9;
}

TEST(parts)
{
	CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *e = NULL;

	CHECK_INT(jpeg_encoder_new(AIM_QUALITY, &e), 0);
	for (int format = PIXEL_YUV420; format <= PIXEL_YUYV; format++) {
		struct frame frame = frame_of((enum pixel_format)format, 0);
		CLEANUP_FREE uint8_t *bytes = NULL;
		struct json_object *o;
		size_t n = 0, picture, centre;
		char head[257] = "";

		for (size_t i = 0; i < sizeof data[0]; i++)
			data[0][i] = (uint8_t)(i * 7 % 251);
		CHECK_INT(aim_make(e, &frame, INT64_C(1795190460412345), &bytes, &n), 0);
		if (!CHECK(n > 256))
			return;
		memcpy(head, bytes, 256);
		CHECK_INT(head[255], '\n');
		o = json_tokener_parse(head);
		CHECK_INT(number_of(o, "at"), INT64_C(1795190460412345));
		CHECK_INT(number_of(o, "width"), WIDTH);
		CHECK_INT(number_of(o, "centre_width"), AIM_CENTRE_SIDE);
		picture = (size_t)number_of(o, "picture");
		centre = (size_t)number_of(o, "centre");
		CHECK_INT(n, 256 + picture + centre);
		CHECK(is_jpeg(bytes + 256, picture) && is_jpeg(bytes + 256 + picture, centre));
		json_object_put(o);
	}
}

/* Two frames that differ below a mask alone are the same to whoever aims. */
TEST(masked)
{
	static const struct mask_setting setting = { .n = 1,
		.polygon[0].points = "0.3,0.2 0.8,0.3 0.5,0.9" };
	CLEANUP(mask_clear) struct mask mask = { 0 };
	uint64_t seed = test_seed();

	for (int format = PIXEL_YUV420; format <= PIXEL_YUYV; format++) {
		CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *e = NULL;
		uint8_t *out[2] = { NULL, NULL };
		size_t n[2] = { 0, 0 };

		CHECK_INT(jpeg_encoder_new(AIM_QUALITY, &e), 0);
		for (size_t i = 0; i < sizeof data[0]; i++)
			data[0][i] = data[1][i] = (uint8_t)test_random(&seed);
		for (int which = 0; which < 2; which++) {
			struct frame frame = frame_of((enum pixel_format)format, which);
			const size_t step = format == PIXEL_YUYV ? 2 : 1;

			/* in the middle of it */
			for (int x = 700; which && x < 740; x++)
				data[1][240 * frame.stride[0] + (size_t)x * step] ^= 0x55;
			CHECK_INT(mask_lay(&mask, &setting, &frame), 0);
			CHECK_INT(aim_make(e, &frame, 0, &out[which], &n[which]), 0);
		}
		CHECK(n[0] == n[1] && memcmp(out[0], out[1], n[0]) == 0);
		free(out[0]);
		free(out[1]);
	}
}

TEST(sharpness)
{
	struct frame frame = frame_of(PIXEL_YUV420, 0);
	double before = 1e9;

	memset(data[0], 0, sizeof data[0]);
	CHECK(aim_sharpness(&frame) < 1e-9);
	/* an edge that becomes ever softer; twice the light is as sharp */
	for (int soft = 1; soft < 64; soft *= 2) {
		double now, bright;

		for (int i = 0; i < WIDTH * HEIGHT; i++) {
			const int x = i % WIDTH - WIDTH / 2;

			data[0][i] = (uint8_t)(x < -soft ? 20
					: x > soft       ? 100
							 : 60 + 40 * x / soft);
		}
		now = aim_sharpness(&frame);
		CHECK(now < before);
		before = now;
		for (int i = 0; i < WIDTH * HEIGHT; i++)
			data[0][i] = (uint8_t)(2 * data[0][i]);
		bright = aim_sharpness(&frame);
		CHECK(bright > 0.99 * now && bright < 1.01 * now);
	}
	frame.format = PIXEL_MJPEG;
	CHECK(aim_sharpness(&frame) < 1e-9);
	frame.format = PIXEL_YUV420;
	frame.plane_bytes[0]--;
	CHECK(aim_sharpness(&frame) < 1e-9);
}

/* What was encoded comes back, of each subsampling; and nothing of what is no JPEG. */
TEST(decoded)
{
	CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *e = NULL;

	CHECK_INT(jpeg_encoder_new(95, &e), 0);
	for (int i = 0; i < 15; i++) {
		struct frame in = frame_of((enum pixel_format)(i % 3), 0);
		CLEANUP(pixels_clear) struct pixels out = { 0 };
		const size_t step = i % 3 == PIXEL_YUYV ? 2 : 1;
		const uint8_t *jpeg = NULL;
		size_t bytes = 0;
		bool damaged = true;
		int worst = 0;

		in.width = 1 + 37 * i;
		in.height = 300 - 19 * i;
		memset(data[0], 128, sizeof data[0]);
		for (int y = 0; y < in.height; y++)
			for (int x = 0; x < in.width; x++)
				data[0][(size_t)y * in.stride[0] + (size_t)x * step] =
					(uint8_t)(30 + x / 3 + y / 6);
		CHECK_INT(jpeg_encode(e, &in, NULL, 0, &jpeg, &bytes), 0);
		if (!CHECK(pixels_decode(jpeg, bytes, UINT_MAX, UINT_MAX, &out, &damaged) == 0))
			return;
		CHECK(out.width == in.width && out.height == in.height && !damaged);
		for (int k = 0; k < out.width * out.height; k++) {
			int off =
				abs(out.data[3 * k] - (30 + k % out.width / 3 + k / out.width / 6));

			worst = off > worst ? off : worst;
		}
		CHECK(worst <= 3);
		CHECK_INT(pixels_decode(jpeg, 20, 1, 1, &out, &damaged), -EBADMSG);
	}
}
