/* SPDX-License-Identifier: MIT */
/* Extended controls of a V4L2 device, from a table. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct control {
	uint32_t id, type;
	int64_t min, max, fallback;
	uint32_t flags;
	uint32_t payload; /* bytes of an array, 0: a number */
	int64_t value;
};

/*
 * VIDIOC_QUERY_EXT_CTRL, VIDIOC_G_EXT_CTRLS, VIDIOC_S_EXT_CTRLS. `set` is told of each control that
 * was set: a number within its limits, or a payload. -EINVAL: none of that id; -ENOTTY: another
 * request.
 */
int control_ioctl(const struct control *controls, size_t n, unsigned long request, void *data,
	void (*set)(uint32_t id, int64_t value, const void *payload));
