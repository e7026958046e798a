/* SPDX-License-Identifier: MIT */
/* Sensors and their registers; see sensor.h. */
#include "sensor.h"

#include <stddef.h>
#include <string.h>

#define SRGGB10 0x300f
#define SRGGB12 0x3012
#define SBGGR10 0x3007

/*
 * Modes and limits: drivers/media/i2c/{imx219,imx477,imx708,ov5647,ov64a40}.c of Raspberry Pi's
 * kernel (rpi-6.12.y). Delays and the gap between exposure and frame length: libcamera 0.4,
 * src/ipa/rpi/cam_helper/cam_helper_*.cpp. Device tree: arch/arm/boot/dts/overlays.
 */
static const struct sensor_model models[] = {
	{ "imx219", "soc/i2c0mux/i2c@1/imx219@10", 3280, 2464, SRGGB10, 4, 0xffff, 0, 232, 2, 1, 2,
		3448, false, 0,
		{ { 3280, 2464, 3448, 182.4e6, 32, 0, 0, 3280, 2464 },
			{ 1640, 1232, 3448, 182.4e6, 32, 0, 0, 3280, 2464 },
			{ 1920, 1080, 3448, 182.4e6, 32, 680, 692, 1920, 1080 } } },
	{ "imx477", "soc/i2c0mux/i2c@1/imx477@1a", 4056, 3040, SRGGB12, 22, 0xffdc * 128, 0, 978, 2,
		2, 3, 0xfff0, false, 0,
		{ { 4056, 3040, 24000, 840e6, 460, 0, 0, 4056, 3040 },
			{ 2028, 1520, 12740, 840e6, 128, 0, 0, 4056, 3040 } } },
	{ "imx708", "soc/i2c0mux/i2c@1/imx708@1a", 4608, 2592, SRGGB10, 48, 0xffff * 128, 112, 960,
		2, 2, 3, 0, true, 1,
		{ { 4608, 2592, 15648, 595.2e6, 58, 0, 0, 4608, 2592 },
			{ 2304, 1296, 7824, 585.6e6, 40, 0, 0, 4608, 2592 } } },
	{ "ov5647", "soc/i2c0mux/i2c@1/ov5647@36", 2592, 1944, SBGGR10, 4, 32767, 16, 1023, 2, 2, 2,
		0, false, 0,
		{ { 2592, 1944, 2844, 87.5e6, 24, 0, 0, 2592, 1944 },
			{ 1296, 972, 1896, 81.6667e6, 24, 0, 0, 2592, 1944 } } },
	{ "ov64a40", "soc/i2c0mux/i2c@1/ov64a40@36", 9248, 6944, SBGGR10, 32, 0xffff, 128, 2047, 2,
		2, 2, 0, false, 0,
		{ { 9248, 6944, 20992, 300e6, 128, 0, 0, 9248, 6944 },
			{ 4624, 3472, 10880, 300e6, 128, 0, 0, 9248, 6944 },
			{ 2312, 1736, 6016, 300e6, 128, 0, 0, 9248, 6944 } } },
};

const struct sensor_model *sensor_model_find(const char *name)
{
	for (size_t i = 0; i < sizeof models / sizeof *models; i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

struct sensor sensor_new(const struct sensor_model *model)
{
	struct sensor s = { .model = model, .frame = -1 };

	s.value[REGISTER_EXPOSURE] = 1000;
	s.value[REGISTER_GAIN] = model->gain_min;
	sensor_set_mode(&s, &model->modes[0]);
	return s;
}

int sensor_exposure_max(const struct sensor *s)
{
	return (int)(s->mode->height + (unsigned)s->value[REGISTER_VBLANK] -
		s->model->exposure_gap);
}

void sensor_set_mode(struct sensor *s, const struct sensor_mode *mode)
{
	s->mode = mode;
	s->hblank = (int)(mode->line_pixels - mode->width);
	s->value[REGISTER_VBLANK] = (int)mode->vblank_min;
	if (s->value[REGISTER_EXPOSURE] > sensor_exposure_max(s))
		s->value[REGISTER_EXPOSURE] = sensor_exposure_max(s);
}

static void effect_from(struct sensor *s, enum sensor_register which, int64_t frame)
{
	for (int64_t i = frame; i < frame + SENSOR_RING / 2; i++)
		s->effect[which][i % SENSOR_RING] = s->value[which];
}

void sensor_start(struct sensor *s)
{
	s->frame = -1;
	for (int i = 0; i < SENSOR_REGISTERS; i++)
		effect_from(s, (enum sensor_register)i, 0);
}

void sensor_advance(struct sensor *s)
{
	int64_t last = ++s->frame + SENSOR_RING / 2 - 1;

	for (int i = 0; i < SENSOR_REGISTERS; i++)
		s->effect[i][last % SENSOR_RING] = s->value[i];
}

void sensor_write(struct sensor *s, enum sensor_register which, int value)
{
	const int delay[] = { s->model->delay_exposure, s->model->delay_gain,
		s->model->delay_vblank };

	s->value[which] = value;
	effect_from(s, which, s->frame < 0 ? 0 : s->frame + delay[which]);
	/* the driver shortens an exposure that no longer fits */
	if (which == REGISTER_VBLANK && s->value[REGISTER_EXPOSURE] > sensor_exposure_max(s))
		sensor_write(s, REGISTER_EXPOSURE, sensor_exposure_max(s));
}

int sensor_of_frame(const struct sensor *s, enum sensor_register which, int64_t frame)
{
	return s->effect[which][(frame < 0 ? 0 : frame) % SENSOR_RING];
}

double sensor_line_ns(const struct sensor *s)
{
	return (s->mode->width + (unsigned)s->hblank) / s->mode->pixel_rate * 1e9;
}

double sensor_gain(const struct sensor *s, int64_t frame)
{
	int code = sensor_of_frame(s, REGISTER_GAIN, frame);

	if (s->model->gain_max == 232) /* imx219 */
		return 256.0 / (256 - code);
	if (s->model->gain_max == 1023) /* ov5647 */
		return code / 16.0;
	if (s->model->gain_max == 2047) /* ov64a40 */
		return code / 128.0;
	return 1024.0 / (1024 - code);
}
