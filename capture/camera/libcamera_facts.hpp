/* SPDX-License-Identifier: MIT */
/* What a completed request reports, in the terms of camera.h. For camera_libcamera.cpp only. */
#pragma once

#include <libcamera/libcamera.h>

#include "capture/camera/libcamera_buffer.hpp"

int64_t monotonic_ns();

/*
 * The sensor timestamp (frame start) as CLOCK_MONOTONIC; the present if there is none. It is
 * documented as CLOCK_BOOTTIME, on a Pi it is CLOCK_MONOTONIC. They differ by the time the machine
 * was suspended, and a timestamp is never in the future.
 */
int64_t sensor_ns(const Slot &slot);

int64_t frame_duration_ns(const Slot &slot); /* 0: not reported */

/* A picture worth having: complete, or complete but still of the start-up. */
bool picture_is_good(const libcamera::FrameBuffer &buffer);

/*
 * Fills flags and the facts; duration_ns only where the camera reports it. What no camera can be,
 * such as an exposure of 0 or a gain of NaN, counts as not reported. Its start_ns is `sensor_ns`
 * less the exposure.
 */
void frame_describe(const Slot &slot, int64_t sensor_ns, struct frame *frame);
