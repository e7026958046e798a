/* SPDX-License-Identifier: MIT */
/*
 * How the picture is to look, as settings have it in words, in libcamera's controls and
 * configuration. For libcamera_device.cpp only.
 */
#pragma once

#include <string>

#include <libcamera/libcamera.h>

#include "capture/camera/camera.h"

/* Turns and flips. Validates the configuration; false: the camera cannot do that. */
bool look_turn(libcamera::CameraConfiguration &config, const camera_options &options);

/*
 * Adds focus, denoise, exposure, libcamera's HDR and crop to the controls of a configured camera,
 * where `list` does not say otherwise already. `picture` is the size of the pictures. -EINVAL and a
 * sentence where the camera has nothing of the kind and settings ask for it.
 */
int look_add_controls(libcamera::Camera &camera, const camera_options &options,
	const libcamera::Size &picture, libcamera::ControlList &list, std::string &error);

/*
 * Switches the HDR that a sensor does by itself (the imx708), and returns whether there is one that
 * does. To be called before libcamera is started, which then finds other modes. `id` as in
 * camera_options.
 */
bool look_set_sensor_hdr(const char *id, bool on);
