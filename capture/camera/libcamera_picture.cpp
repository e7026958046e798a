/* SPDX-License-Identifier: MIT */
/* Sizes, formats and modes, tried one by one; see libcamera_picture.hpp. */
#include "capture/camera/libcamera_picture.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "capture/camera/libcamera_control.hpp"

using namespace libcamera;

namespace
{

/* Pixels by which a pipeline may align the size that was asked for. */
constexpr int kSizeSlack = 32;
constexpr int kViewSlack = 32; /* by which views differ that are the same to people */
/* Pixels from which a raw picture is too much for a Pi's memory: those of 64 MP cameras. */
constexpr unsigned kLargeMode = 16000000;

/*
 * What libcamera's pipeline for a Pi before the 5 allocates beside our pictures, out of the same
 * memory: raw pictures, of which a raw stream counts as one, one more of ours, and small ones
 * (pipeline/rpi/vc4/vc4.cpp, prepareBuffers(); the same from 0.1 to 0.7).
 */
constexpr int64_t kRawPictures = 4;
constexpr int64_t kSmallPicturesBytes = 2000000;

/* What the encoder takes, the best first: an MJPEG has lost something in the camera already. */
constexpr struct {
	PixelFormat theirs;
	pixel_format ours;
} kFormats[] = {
	{ formats::YUV420, PIXEL_YUV420 },
	{ formats::NV12, PIXEL_NV12 },
	{ formats::YUYV, PIXEL_YUYV },
	{ formats::MJPEG, PIXEL_MJPEG },
};

/* Asks for pictures of that size in that format. False: the camera has none in it. */
bool format_ask(CameraConfiguration &config, const PixelFormat &format, const Size &wanted)
{
	StreamConfiguration &stream = config.at(0);

	stream.pixelFormat = format;
	stream.size = wanted;
	stream.stride = 0; /* the pipeline's choice for this size */
	stream.colorSpace = ColorSpace::Sycc;
	return config.validate() != CameraConfiguration::Invalid && stream.pixelFormat == format;
}

/* A sensor's mode, by the size of its raw pictures, for pictures of that size. */
bool mode_ask(CameraConfiguration &config, const Size &mode, const Size &wanted)
{
	config.at(1).size = mode;
	return picture_settle(config, wanted) && config.size() == 2 && config.at(1).size == mode;
}

/* Of a configured camera: what the sensor sees. */
Rectangle view_of(Camera &camera)
{
	return camera.properties().get(properties::ScalerCropMaximum).value_or(Rectangle());
}

bool is_same_view(const Rectangle &a, const Rectangle &b)
{
	return std::abs(a.x - b.x) <= kViewSlack && std::abs(a.y - b.y) <= kViewSlack &&
		std::abs(int(a.width) - int(b.width)) <= kViewSlack &&
		std::abs(int(a.height) - int(b.height)) <= kViewSlack;
}

/*
 * The smallest mode with the view of the full one that is large enough for the pictures: its raw
 * pictures take less memory. What a mode sees is known once the camera is configured for it.
 */
Size mode_small(Camera &camera, CameraConfiguration &config, const Size &full, const Size &wanted)
{
	std::vector<Size> sizes = config.at(1).formats().sizes(config.at(1).pixelFormat);

	if (!mode_ask(config, full, wanted) || camera.configure(&config) < 0)
		return full;
	const Rectangle view = view_of(camera);

	std::sort(sizes.begin(), sizes.end());
	for (const Size &size : sizes) {
		if (size.width < wanted.width || size.height < wanted.height || !(size < full))
			continue;
		if (mode_ask(config, size, wanted) && camera.configure(&config) == 0 &&
			is_same_view(view_of(camera), view))
			return size;
	}
	return full;
}

} // namespace

bool picture_is_near(const Size &a, const Size &b)
{
	const auto distance = [](unsigned x, unsigned y) {
		return std::max(x, y) - std::min(x, y);
	};

	return distance(a.width, b.width) <= kSizeSlack &&
		distance(a.height, b.height) <= kSizeSlack;
}

bool picture_is_of_pi(const Camera &camera)
{
	return control_named(camera, "NoiseReductionMode") && control_named(camera, "ScalerCrop");
}

bool picture_settle(CameraConfiguration &config, const Size &wanted)
{
	PixelFormat nearest;
	Size size;

	for (const auto &format : kFormats) {
		if (!format_ask(config, format.theirs, wanted))
			continue;
		if (picture_is_near(config.at(0).size, wanted))
			return true;
		if (size < config.at(0).size) {
			nearest = format.theirs;
			size = config.at(0).size;
		}
	}
	return nearest.isValid() && format_ask(config, nearest, wanted);
}

std::unique_ptr<CameraConfiguration> picture_of_whole_view(
	Camera &camera, const Size &wanted, const camera_options &options)
{
	if (!picture_is_of_pi(camera))
		return nullptr;
	std::unique_ptr<CameraConfiguration> config =
		camera.generateConfiguration({ StreamRole::StillCapture, StreamRole::Raw });
	if (!config || config->size() != 2)
		return nullptr;
	const Size full = config->at(1).size;
	const bool spare = options.buffers > 0 && options.buffers < CAMERA_BUFFERS;
	config->at(1).bufferCount = 1; /* the fewer here, the more the pipeline has for itself */
	const Size mode = spare || full.width * full.height > kLargeMode
		? mode_small(camera, *config, full, wanted)
		: full;
	return mode_ask(*config, mode, wanted) ? std::move(config) : nullptr;
}

int64_t picture_memory(Camera &camera, const CameraConfiguration &config)
{
	const StreamConfiguration &stream = config.at(0);
	std::unique_ptr<CameraConfiguration> other;
	const StreamConfiguration *raw = config.size() == 2 ? &config.at(1) : nullptr;
	const int64_t own = std::min<int64_t>(stream.bufferCount, CAMERA_BUFFERS);

	if (!picture_is_of_pi(camera))
		return 0;
	if (!raw) {
		other = camera.generateConfiguration({ StreamRole::StillCapture, StreamRole::Raw });
		if (!other || other->size() != 2 ||
			other->validate() == CameraConfiguration::Invalid)
			return 0;
		raw = &other->at(1);
	}
	/* the Pi 5 packs otherwise, and its camera needs no contiguous memory */
	if (raw->pixelFormat.toString().find("_CSI2P") == std::string::npos)
		return 0;
	return raw->frameSize * (other ? kRawPictures : kRawPictures - 1) +
		stream.frameSize * (own + 1) + kSmallPicturesBytes;
}

pixel_format picture_format_of(const PixelFormat &format)
{
	for (const auto &known : kFormats)
		if (known.theirs == format)
			return known.ours;
	return PIXEL_YUV420;
}
