/* SPDX-License-Identifier: MIT */
/* What libcamera reports of a finished request, read by name. For camera_libcamera.cpp only. */
#pragma once

#include <libcamera/libcamera.h>

#include "capture/camera.h"

class Facts
{
public:
	/* Looks the names up; ids differ between versions, and not every version has every name. */
	void resolve();

	/*
	 * The sensor timestamp (frame start) as CLOCK_MONOTONIC nanoseconds; the present if there is
	 * none.
	 */
	int64_t sensor_ns(libcamera::Request &request, const libcamera::FrameBuffer &buffer) const;

	/* Fills start_ns, duration_ns (left alone if not reported), flags, exposure_us, gain ... */
	void describe(libcamera::Request &request, const libcamera::FrameBuffer &buffer,
		struct frame *frame) const;

	/* A picture worth having: complete, or complete but still of the start-up. */
	static bool good(const libcamera::FrameBuffer &buffer);

private:
	unsigned flags(
		const libcamera::ControlList &list, const libcamera::FrameBuffer &buffer) const;

	unsigned sensor_ = 0, exposure_ = 0, analogue_ = 0, digital_ = 0, colour_ = 0, lens_ = 0;
	unsigned duration_ = 0, ae_locked_ = 0, ae_state_ = 0, awb_locked_ = 0;
};
