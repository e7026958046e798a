/* SPDX-License-Identifier: MIT */
/* The sensor's and the lens's sub-devices. */
#include "pi.h"

#include <errno.h>
#include <linux/v4l2-subdev.h>
#include <string.h>

#include "control.h"

#define BORDER 8 /* pixels around those that are seen */
#define MOUNTING 180 /* degrees, as Raspberry Pi's overlays have it */

static int flip[2]; /* horizontal, vertical */
static bool hdr;

static void sensor_set(uint32_t id, int64_t value, const void *payload)
{
	(void)payload;
	switch (id) {
	case V4L2_CID_EXPOSURE:
		sensor_write(&pi.sensor, REGISTER_EXPOSURE, (int)value);
		break;
	case V4L2_CID_ANALOGUE_GAIN:
		sensor_write(&pi.sensor, REGISTER_GAIN, (int)value);
		break;
	case V4L2_CID_VBLANK:
		sensor_write(&pi.sensor, REGISTER_VBLANK, (int)value);
		break;
	case V4L2_CID_HBLANK:
		pi.sensor.hblank = (int)value;
		break;
	case V4L2_CID_HFLIP:
	case V4L2_CID_VFLIP:
		flip[id == V4L2_CID_VFLIP] = (int)value;
		pi_say("ask flip %d %d", flip[0], flip[1]);
		break;
	}
}

static int sensor_control(unsigned long request, void *data)
{
	const struct sensor *s = &pi.sensor;
	const struct sensor_model *m = s->model;
	const struct sensor_mode *mode = s->mode;
	int hblank = (int)(mode->line_pixels - mode->width);
	int hblank_max = m->line_max ? (int)(m->line_max - mode->width) : hblank;
	unsigned fixed = hblank == hblank_max ? V4L2_CTRL_FLAG_READ_ONLY : 0;
	int64_t rate = (int64_t)mode->pixel_rate;
	/* by id, which is the order in which they are listed */
	const struct control controls[] = {
		{ V4L2_CID_EXPOSURE, V4L2_CTRL_TYPE_INTEGER, 4, sensor_exposure_max(s), 1000, 0, 0,
			s->value[REGISTER_EXPOSURE] },
		{ V4L2_CID_HFLIP, V4L2_CTRL_TYPE_BOOLEAN, 0, 1, 0, 0, 0, flip[0] },
		{ V4L2_CID_VFLIP, V4L2_CTRL_TYPE_BOOLEAN, 0, 1, 0, 0, 0, flip[1] },
		{ V4L2_CID_CAMERA_ORIENTATION, V4L2_CTRL_TYPE_INTEGER, 0, 2, 2,
			V4L2_CTRL_FLAG_READ_ONLY, 0, 2 },
		{ V4L2_CID_CAMERA_SENSOR_ROTATION, V4L2_CTRL_TYPE_INTEGER, MOUNTING, MOUNTING,
			MOUNTING, V4L2_CTRL_FLAG_READ_ONLY, 0, MOUNTING },
		{ V4L2_CID_VBLANK, V4L2_CTRL_TYPE_INTEGER, mode->vblank_min,
			m->length_max - mode->height, mode->vblank_min, 0, 0,
			s->value[REGISTER_VBLANK] },
		{ V4L2_CID_HBLANK, V4L2_CTRL_TYPE_INTEGER, hblank, hblank_max, hblank, fixed, 0,
			s->hblank },
		{ V4L2_CID_ANALOGUE_GAIN, V4L2_CTRL_TYPE_INTEGER, m->gain_min, m->gain_max,
			m->gain_min, 0, 0, s->value[REGISTER_GAIN] },
		{ V4L2_CID_PIXEL_RATE, V4L2_CTRL_TYPE_INTEGER64, rate, rate, rate,
			V4L2_CTRL_FLAG_READ_ONLY, 0, rate },
	};

	return control_ioctl(
		controls, sizeof controls / sizeof *controls, request, data, sensor_set);
}

static int sensor_size(struct v4l2_subdev_frame_size_enum *size)
{
	unsigned first = hdr ? (unsigned)pi.sensor.model->hdr_mode : 0;
	unsigned last = hdr ? first : SENSOR_MODES_MAX - 1;
	const struct sensor_mode *mode = &pi.sensor.model->modes[first + size->index];

	if (first + size->index > last || !mode->width || size->code != pi.sensor.model->code)
		return -EINVAL;
	size->min_width = size->max_width = mode->width;
	size->min_height = size->max_height = mode->height;
	return 0;
}

static int sensor_format(struct v4l2_subdev_format *f, bool set)
{
	const struct sensor_model *model = pi.sensor.model;
	const struct sensor_mode *mode = pi.sensor.mode;

	for (int i = 0; set && i < SENSOR_MODES_MAX; i++)
		if (model->modes[i].width == f->format.width &&
			model->modes[i].height == f->format.height)
			mode = &model->modes[i];
	if (set && f->which == V4L2_SUBDEV_FORMAT_ACTIVE)
		sensor_set_mode(&pi.sensor, mode);
	f->format.width = mode->width;
	f->format.height = mode->height;
	f->format.code = model->code;
	f->format.field = V4L2_FIELD_NONE;
	f->format.colorspace = V4L2_COLORSPACE_RAW;
	f->format.ycbcr_enc = V4L2_YCBCR_ENC_601;
	f->format.quantization = V4L2_QUANTIZATION_FULL_RANGE;
	f->format.xfer_func = V4L2_XFER_FUNC_NONE;
	return 0;
}

static int sensor_selection(struct v4l2_subdev_selection *s)
{
	const struct sensor_mode *mode = pi.sensor.mode;
	const struct sensor_model *model = pi.sensor.model;

	if (s->target == V4L2_SEL_TGT_CROP)
		s->r = (struct v4l2_rect){ (int)(BORDER + mode->x), (int)(BORDER + mode->y),
			mode->crop_width, mode->crop_height };
	else
		s->r = (struct v4l2_rect){ BORDER, BORDER, model->width, model->height };
	return 0;
}

static int sensor_old_control(const struct v4l2_control *control)
{
	if (control->id != V4L2_CID_WIDE_DYNAMIC_RANGE || !pi.sensor.model->hdr_mode)
		return -EINVAL;
	hdr = control->value != 0;
	pi_say("ask hdr %d", hdr);
	return 0;
}

int sensor_ioctl(unsigned long request, void *data)
{
	if (machine_is_unplugged() && request == VIDIOC_S_EXT_CTRLS)
		return -EREMOTEIO;
	switch (request) {
	case VIDIOC_S_CTRL:
		return sensor_old_control(data);
	case VIDIOC_SUBDEV_QUERYCAP:
		memset(data, 0, sizeof(struct v4l2_subdev_capability));
		return 0;
	case VIDIOC_SUBDEV_ENUM_MBUS_CODE: {
		struct v4l2_subdev_mbus_code_enum *code = data;

		code->code = pi.sensor.model->code;
		return code->index ? -EINVAL : 0;
	}
	case VIDIOC_SUBDEV_ENUM_FRAME_SIZE:
		return sensor_size(data);
	case VIDIOC_SUBDEV_G_FMT:
	case VIDIOC_SUBDEV_S_FMT:
		return sensor_format(data, request == VIDIOC_SUBDEV_S_FMT);
	case VIDIOC_SUBDEV_G_SELECTION:
		return sensor_selection(data);
	default:
		return sensor_control(request, data);
	}
}

static void lens_set(uint32_t id, int64_t value, const void *payload)
{
	(void)id, (void)payload;
	if (value == pi.lens)
		return;
	pi.lens = (int)value;
	pi_say("ask lens %d", pi.lens);
}

int lens_ioctl(unsigned long request, void *data)
{
	const struct control focus = { V4L2_CID_FOCUS_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, 0, 1023, 0,
		0, 0, pi.lens };

	if (request == VIDIOC_SUBDEV_QUERYCAP) {
		memset(data, 0, sizeof(struct v4l2_subdev_capability));
		return 0;
	}
	return control_ioctl(&focus, 1, request, data, lens_set);
}
