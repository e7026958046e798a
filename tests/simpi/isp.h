/* SPDX-License-Identifier: MIT */
/*
 * What libcamera and the driver of the Pi's image signal processor (bcm2835-isp) say to each other,
 * in declarations of our own: Debian's kernel headers have none. Layout and numbers are those of
 * linux/bcm2835-isp.h and linux/v4l2-controls.h in Raspberry Pi's kernel (rpi-6.12.y).
 */
#pragma once

#include <linux/v4l2-controls.h>
#include <stdint.h>

#define ISP_CONTROL_FIRST (V4L2_CID_USER_BASE + 0x10e1) /* colour correction; then, one by one: */
#define ISP_CONTROL_CDN (ISP_CONTROL_FIRST + 8) /* colour denoise */

/* Bytes of each control's payload, from ISP_CONTROL_FIRST on. */
#define ISP_PAYLOADS                                                                               \
	{                                                                                          \
		88, 36, 12, 16, 136, 24, 28, 8, 8                                                  \
	}

struct isp_colour_denoise {
	uint32_t enabled, mode; /* 0 fast, 1 high quality */
};

enum { ISP_BINS = 128, ISP_AWB_REGIONS = 16 * 12, ISP_REGIONS = 16, ISP_FOCUS_REGIONS = 12 };

struct isp_region {
	uint32_t counted, not_counted;
	uint64_t red, green, blue; /* sums */
};

struct isp_statistics {
	uint32_t version, size;
	struct {
		uint32_t red[ISP_BINS], green[ISP_BINS], blue[ISP_BINS];
	} histogram[2];
	struct isp_region awb[ISP_AWB_REGIONS], floating[ISP_REGIONS], agc[ISP_REGIONS];
	struct {
		uint64_t contrast[2][2];
		uint32_t counted[2][2];
	} focus[ISP_FOCUS_REGIONS];
};
