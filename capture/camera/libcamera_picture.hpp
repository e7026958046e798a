/* SPDX-License-Identifier: MIT */
/* Which pictures a camera gives, out of which mode of its sensor. For libcamera_device.cpp only. */
#pragma once

#include <memory>

#include <libcamera/libcamera.h>

#include "capture/camera/camera.h"

/* By two controls that together only a Pi's cameras have, in all versions. */
bool picture_is_of_pi(const libcamera::Camera &camera);

/* Whether a size is the wanted one, but for what a pipeline aligns. */
bool picture_is_near(const libcamera::Size &size, const libcamera::Size &wanted);

/*
 * The best format that has this size, else the one that comes nearest to it. A webcam has each of
 * its formats in sizes of its own. False: there is no format that can be encoded.
 */
bool picture_settle(libcamera::CameraConfiguration &config, const libcamera::Size &wanted);

/*
 * A Pi chooses the sensor's mode by the size of the picture, and cuts a small one out of the middle
 * of the sensor. A raw stream of full size makes it use the whole view, as rpicam-still does; the
 * requests bring no buffers for it, so the pipeline uses its own. Null where that cannot be had.
 */
std::unique_ptr<libcamera::CameraConfiguration> picture_of_whole_view(
	libcamera::Camera &camera, const libcamera::Size &wanted, const camera_options &options);

/* As camera_info.memory_bytes, of a configuration that is valid. */
int64_t picture_memory(libcamera::Camera &camera, const libcamera::CameraConfiguration &config);

/* Of one that picture_settle() has chosen. */
pixel_format picture_format_of(const libcamera::PixelFormat &format);
