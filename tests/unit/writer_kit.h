/* SPDX-License-Identifier: MIT */
/* A camera that only counts what comes back, and small frames of it for a writer. */
#pragma once

#include <math.h>

#include "capture/store/writer.h"

#define W 64
#define H 48

static uint8_t pixels[W * H * 3 / 2];
static int released;

static void fake_release(struct camera *camera, struct frame *frame)
{
	(void)camera, (void)frame;
	__atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
}

static const struct camera_ops fake_ops = { .release = fake_release };
static struct camera fake_camera = { .ops = &fake_ops, .info.model = "fake" };

static struct frame fake_frame(void)
{
	return (struct frame){ .plane = { pixels, pixels + W * H, pixels + W * H * 5 / 4 },
		.stride = { W, W / 2, W / 2 },
		.plane_bytes = { W * H, W * H / 4, W * H / 4 },
		.width = W,
		.height = H,
		.exposure_us = NAN,
		.gain = NAN };
}

static int submit_record(struct writer *w, const struct record *record)
{
	struct frame frame = fake_frame();

	return writer_submit(w, &fake_camera, &frame, record);
}
