/* SPDX-License-Identifier: MIT */
/* Extended controls of a V4L2 device; see control.h. */
#include "control.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ID_MASK 0x0fffffff

static int control_query(const struct control *c, size_t n, struct v4l2_query_ext_ctrl *q)
{
	uint32_t id = q->id & ID_MASK;
	bool next = q->id & V4L2_CTRL_FLAG_NEXT_CTRL;

	for (size_t i = 0; i < n; i++) {
		if (next ? c[i].id <= id : c[i].id != id)
			continue;
		memset(q, 0, sizeof *q);
		q->id = c[i].id;
		q->type = c[i].type;
		q->minimum = c[i].min;
		q->maximum = c[i].max;
		q->default_value = c[i].fallback;
		q->step = 1;
		q->flags = c[i].flags;
		q->elems = c[i].payload ? c[i].payload : 1;
		q->elem_size = c[i].payload ? 1 : 4;
		q->nr_of_dims = c[i].payload > 1;
		q->dims[0] = c[i].payload;
		snprintf(q->name, sizeof q->name, "control %x", c[i].id);
		return 0;
	}
	return -EINVAL;
}

static const struct control *control_find(const struct control *c, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].id == id)
			return &c[i];
	return NULL;
}

static int64_t control_clamp(const struct control *c, int64_t value)
{
	return value < c->min ? c->min : value > c->max ? c->max : value;
}

int control_ioctl(const struct control *controls, size_t n, unsigned long request, void *data,
	void (*set)(uint32_t id, int64_t value, const void *payload))
{
	struct v4l2_ext_controls *list = data;

	if (request == VIDIOC_QUERY_EXT_CTRL)
		return control_query(controls, n, data);
	if (request != VIDIOC_G_EXT_CTRLS && request != VIDIOC_S_EXT_CTRLS)
		return -ENOTTY;
	for (uint32_t i = 0; i < list->count; i++) {
		struct v4l2_ext_control *x = &list->controls[i];
		const struct control *c = control_find(controls, n, x->id);

		if (!c) {
			list->error_idx = i;
			return -EINVAL;
		}
		if (c->payload && request == VIDIOC_S_EXT_CTRLS)
			set(c->id, 0, x->ptr);
		if (c->payload)
			continue;
		if (request == VIDIOC_S_EXT_CTRLS) {
			x->value = (int32_t)control_clamp(c, x->value);
			set(c->id, x->value, NULL);
		} else if (c->type == V4L2_CTRL_TYPE_INTEGER64) {
			x->value64 = c->value;
		} else {
			x->value = (int32_t)c->value;
		}
	}
	return 0;
}
