/* SPDX-License-Identifier: MIT */
/* Settings' words for the picture in libcamera's terms; see libcamera_look.hpp. */
#include "capture/camera/libcamera_look.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "capture/camera/libcamera_control.hpp"

using namespace libcamera;

namespace
{

/* Of AfMode, AfTrigger and NoiseReductionMode, the same in all versions. */
constexpr int32_t kAfManual = 0, kAfAuto = 1, kAfContinuous = 2, kAfStart = 0;
constexpr int32_t kFlickerManual = 1; /* of AeFlickerMode, too */
constexpr int32_t kDenoiseFast = 1, kDenoiseHigh = 2;
constexpr int32_t kHdrSingleExposure = 3; /* of HdrMode */
constexpr int kSubdevices = 32;

/* Whether it could be set: the camera has it, and allows this value. */
bool number_add(Camera &camera, ControlList &list, const char *name, int32_t value)
{
	const ControlId *id = control_named(camera, name);
	std::string ignored;
	ControlValue parsed;

	if (!id ||
		control_parse(*id, camera.controls().at(id->id()), std::to_string(value), &parsed,
			ignored) < 0)
		return false;
	list.set(id->id(), parsed);
	return true;
}

bool list_has(Camera &camera, const ControlList &list, const char *name)
{
	const ControlId *id = control_named(camera, name);

	return id && list.contains(id->id());
}

/*
 * libcamera leaves a lens that moves at one metre. Continuous focus is what its own programs use;
 * a lens that does not move has no such control.
 */
int focus_add(Camera &camera, const camera_options &options, ControlList &list, std::string &error)
{
	const ControlId *lens = control_named(camera, "LensPosition");

	if (list_has(camera, list, "AfMode") || list_has(camera, list, "LensPosition"))
		return 0;
	if (options.focus == FOCUS_AUTO) {
		number_add(camera, list, "AfMode", kAfContinuous);
		return 0;
	}
	if (options.focus == FOCUS_ONCE) {
		if (number_add(camera, list, "AfMode", kAfAuto) &&
			number_add(camera, list, "AfTrigger", kAfStart))
			return 0;
		error = "camera.focus = once: this camera has no autofocus";
		return -EINVAL;
	}
	if (!lens || !number_add(camera, list, "AfMode", kAfManual)) {
		error = "camera.focus: the lens of this camera does not move";
		return -EINVAL;
	}
	const ControlInfo &range = camera.controls().at(lens->id());
	const double most = static_cast<double>(control_number(range.max()).value_or(0));
	if (options.dioptres > most) {
		char text[120];
		snprintf(text, sizeof text,
			"camera.focus = %g: this camera's lens goes to %g dioptres",
			options.dioptres, most);
		error = text;
		return -EINVAL;
	}
	list.set(lens->id(), ControlValue(static_cast<float>(options.dioptres)));
	return 0;
}

/* On a Pi before the 5 no denoise is the default; libcamera's programs ask for these two. */
void denoise_add(Camera &camera, const camera_options &options, ControlList &list)
{
	if (!list_has(camera, list, "NoiseReductionMode"))
		number_add(camera, list, "NoiseReductionMode",
			options.stills ? kDenoiseHigh : kDenoiseFast);
}

/* What of these a camera's own exposure control does not know, ours does, where it has it. */
void exposure_add(Camera &camera, const camera_options &options, ControlList &list)
{
	const ControlId *value = control_named(camera, "ExposureValue");

	if (options.compensation != 0 && value && !list.contains(value->id()))
		list.set(value->id(), ControlValue(static_cast<float>(options.compensation)));
	if (options.metering != METERING_CENTRE && !list_has(camera, list, "AeMeteringMode"))
		number_add(camera, list, "AeMeteringMode", options.metering);
	if (options.flicker_hz > 0 && !list_has(camera, list, "AeFlickerMode") &&
		number_add(camera, list, "AeFlickerPeriod", 500000 / options.flicker_hz))
		number_add(camera, list, "AeFlickerMode", kFlickerManual);
}

/* As much of the share as has the picture's proportions, about the share's middle. */
Rectangle crop_of(const double *share, const Rectangle &view, const Size &picture)
{
	double width = share[2] * view.width, height = share[3] * view.height;
	const double x = view.x + share[0] * view.width, y = view.y + share[1] * view.height;
	const double ratio = static_cast<double>(picture.width) / picture.height;
	const double fit_width = std::min(width, height * ratio);
	const double fit_height = std::min(height, width / ratio);

	return Rectangle(static_cast<int>(std::lround(x + (width - fit_width) / 2)),
		static_cast<int>(std::lround(y + (height - fit_height) / 2)),
		static_cast<unsigned>(std::lround(fit_width)),
		static_cast<unsigned>(std::lround(fit_height)));
}

int crop_add(Camera &camera, const camera_options &options, const Size &picture, ControlList &list,
	std::string &error)
{
	const ControlId *id = control_named(camera, "ScalerCrop");
	const auto view = camera.properties().get(properties::ScalerCropMaximum);

	if (options.crop[2] <= 0 || list_has(camera, list, "ScalerCrop"))
		return 0;
	if (!id || !view || view->isNull()) {
		error = "camera.crop: this camera cannot crop";
		return -EINVAL;
	}
	list.set(id->id(), ControlValue(crop_of(options.crop, *view, picture)));
	return 0;
}

/* Whether a sub-device is that of a camera with this id, which is its path in the device tree. */
bool subdevice_is_of(const std::string &path, const char *id)
{
	struct stat st = {};

	if (!id || id[0] != '/')
		return true; /* any, or by its model */
	if (stat(path.c_str(), &st) < 0)
		return false;
	const std::string node = "/sys/dev/char/" + std::to_string(major(st.st_rdev)) + ":" +
		std::to_string(minor(st.st_rdev)) + "/device/of_node";
	const std::unique_ptr<char, decltype(&free)> real(realpath(node.c_str(), nullptr), &free);

	return real && std::string("/sys/firmware/devicetree") + id == real.get();
}

/* Mirrors the picture from left to right, from top to bottom, or both: `orientation` from 0.2 on */
template <typename Configuration>
auto turn_set(Configuration &c, bool across, bool down, int) -> decltype(c.orientation, bool())
{
	using Orientation = decltype(c.orientation);
	const Orientation wanted = across && down ? Orientation::Rotate180
		: across                          ? Orientation::Rotate0Mirror
						  : Orientation::Rotate180Mirror;

	c.orientation = wanted;
	return c.validate() != CameraConfiguration::Invalid && c.orientation == wanted;
}

/* and `transform` before */
template <typename Configuration> bool turn_set(Configuration &c, bool across, bool down, long)
{
	const Transform wanted = across && down ? Transform::HVFlip
		: across                        ? Transform::HFlip
						: Transform::VFlip;

	c.transform = wanted;
	return c.validate() != CameraConfiguration::Invalid && c.transform == wanted;
}

} // namespace

bool look_turn(CameraConfiguration &config, const camera_options &options)
{
	const bool turn = options.rotation == 180;
	const bool across = (options.flip & FLIP_HORIZONTAL) != 0;
	const bool down = (options.flip & FLIP_VERTICAL) != 0;

	if (options.rotation != 0 && !turn)
		return false;
	/* half a turn is both flips */
	return (across == turn && down == turn) ||
		turn_set(config, across != turn, down != turn, 0);
}

int look_add_controls(Camera &camera, const camera_options &options, const Size &picture,
	ControlList &list, std::string &error)
{
	int r = focus_add(camera, options, list, error);

	if (r < 0)
		return r;
	denoise_add(camera, options, list);
	exposure_add(camera, options, list);
	if (options.hdr && !list_has(camera, list, "HdrMode") &&
		!number_add(camera, list, "HdrMode", kHdrSingleExposure)) {
		error = "camera.hdr: this camera has none";
		return -EINVAL;
	}
	return crop_add(camera, options, picture, list, error);
}

bool look_set_sensor_hdr(const char *id, bool on)
{
	struct v4l2_control control = {};
	bool found = false;

	control.id = V4L2_CID_WIDE_DYNAMIC_RANGE;
	control.value = on;
	for (int i = 0; i < kSubdevices; i++) {
		const std::string path = "/dev/v4l-subdev" + std::to_string(i);
		const UniqueFD fd(open(path.c_str(), O_RDWR | O_CLOEXEC));

		found |= fd.isValid() && subdevice_is_of(path, id) &&
			ioctl(fd.get(), VIDIOC_S_CTRL, &control) == 0;
	}
	return found;
}
