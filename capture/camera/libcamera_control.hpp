/* SPDX-License-Identifier: MIT */
/*
 * Controls of a libcamera camera by their names, in settings' text. Ids change from one libcamera
 * to the next, names do not. For camera_libcamera.cpp only.
 */
#pragma once

#include <optional>
#include <string>

#include <libcamera/libcamera.h>

/* A control that can be set, any case. Null: the camera has none of that name. */
const libcamera::ControlId *control_named(const libcamera::Camera &camera, const char *name);

/*
 * Element i of a value, or its first if it is shorter; none if it holds no number. A long double
 * holds every int64 (and every float) exactly on the machines that have cameras.
 */
std::optional<long double> control_number(const libcamera::ControlValue &value, size_t i = 0);

/*
 * Text to a value of the control's type: numbers with commas between them ("1.5,2.0",
 * "0,0,640,480"), yes/no, or one of libcamera's names where it has names. -EINVAL if it is no such
 * value or out of the camera's range; `error` then says what is allowed.
 */
int control_parse(const libcamera::ControlId &id, const libcamera::ControlInfo &range,
	const std::string &text, libcamera::ControlValue *ret, std::string &error);

/* A value as control_parse() reads it; "" where there is none, or where settings have no such. */
std::string control_text(const libcamera::ControlValue &value);

/* What values of the control look like: "a whole number", "2 numbers". */
std::string control_kind(const libcamera::ControlId &id);
