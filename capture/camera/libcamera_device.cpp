/* SPDX-License-Identifier: MIT */
/* Which camera, which pictures, which controls: all that is settled before the first frame. */
#include "capture/camera/libcamera_device.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <ostream>
#include <streambuf>

#include "capture/camera/libcamera_control.hpp"
#include "common/base/log.h"
#include "common/base/text.h"

using namespace libcamera;

namespace
{

constexpr int64_t kNsPerSecond = 1000000000;
constexpr double kUnpacedFps = 10; /* of a pipeline that does not pace, where no fps is set */
constexpr int32_t kManual = 1; /* of ExposureTimeMode and AnalogueGainMode */

/* Pixels by which a pipeline may align the size that was asked for. */
constexpr int kSizeSlack = 32;

/*
 * Up to three requests are ahead in the queue; a sensor shows a new frame length 2 or 3 frames
 * later.
 */
constexpr int kLatencyFrames = CAMERA_BUFFERS - 1 + 3;

/* It has no buffer, so a line comes in one piece, in whatever thread. */
class DebugLog : public std::streambuf
{
protected:
	std::streamsize xsputn(const char *text, std::streamsize n) override
	{
		int length = static_cast<int>(n);

		while (length > 0 && text[length - 1] == '\n')
			length--;
		if (length > 0)
			log_debug("libcamera: %.*s", length, text);
		return n;
	}
	int_type overflow(int_type c) override
	{
		return traits_type::not_eof(c);
	}
};

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

bool is_near(const Size &a, const Size &b)
{
	const auto distance = [](unsigned x, unsigned y) {
		return std::max(x, y) - std::min(x, y);
	};

	return distance(a.width, b.width) <= kSizeSlack &&
		distance(a.height, b.height) <= kSizeSlack;
}

/* Turns the picture by 180 degrees: `orientation` from 0.2 on, `transform` before. */
template <typename Configuration>
auto picture_turn(Configuration &c, int) -> decltype(c.orientation, bool())
{
	c.orientation = decltype(c.orientation)::Rotate180;
	return c.validate() != CameraConfiguration::Invalid &&
		c.orientation == decltype(c.orientation)::Rotate180;
}

template <typename Configuration> bool picture_turn(Configuration &c, long)
{
	c.transform = Transform::HVFlip;
	return c.validate() != CameraConfiguration::Invalid && c.transform == Transform::HVFlip;
}

/* Asks for pictures of that size in that format. False: the camera has none in it. */
bool format_ask(CameraConfiguration &config, const PixelFormat &format, const Size &wanted)
{
	StreamConfiguration &stream = config.at(0);

	stream.pixelFormat = format;
	stream.size = wanted;
	stream.stride = 0; /* the pipeline's choice for this size */
	stream.bufferCount = CAMERA_BUFFERS;
	stream.colorSpace = ColorSpace::Sycc;
	return config.validate() != CameraConfiguration::Invalid && stream.pixelFormat == format;
}

/*
 * The best format that has this size, else the one that comes nearest to it. A webcam has each of
 * its formats in sizes of its own. False: there is no format that can be encoded.
 */
bool format_settle(CameraConfiguration &config, const Size &wanted)
{
	PixelFormat nearest;
	Size size;

	for (const auto &format : kFormats) {
		if (!format_ask(config, format.theirs, wanted))
			continue;
		if (is_near(config.at(0).size, wanted))
			return true;
		if (size < config.at(0).size) {
			nearest = format.theirs;
			size = config.at(0).size;
		}
	}
	return nearest.isValid() && format_ask(config, nearest, wanted);
}

/*
 * A Pi chooses the sensor's mode by the size of the picture, and cuts a small one out of the middle
 * of the sensor. A raw stream of full size makes it use the whole view, as rpicam-still does; the
 * requests bring no buffers for it, so the pipeline uses its own. Null where that cannot be had.
 */
std::unique_ptr<CameraConfiguration> view_whole(Camera &camera, const Size &wanted)
{
	/* together these are a Pi's, in all versions */
	if (!control_named(camera, "NoiseReductionMode") || !control_named(camera, "ScalerCrop"))
		return nullptr;
	std::unique_ptr<CameraConfiguration> config =
		camera.generateConfiguration({ StreamRole::StillCapture, StreamRole::Raw });
	if (!config || config->size() != 2)
		return nullptr;
	const Size full = config->at(1).size;
	config->at(1).bufferCount = 1; /* the fewer here, the more the pipeline has for itself */
	if (!format_settle(*config, wanted) || config->size() != 2 || config->at(1).size != full)
		return nullptr;
	return config;
}

} // namespace

/*
 * libcamera tells its life on stderr, amid what people and scripts read; here it is for the debug
 * log. Set before main(): it is read at libcamera's first line, when other threads may be reading
 * the environment.
 */
__attribute__((constructor)) static void log_quieten()
{
	setenv("LIBCAMERA_LOG_LEVELS", "*:INFO", 0);
}

/* libcamera, whose threads write whole lines, goes on with it to the end of the process. */
static void log_divert()
{
	static std::ostream *stream;

	if (getenv("LIBCAMERA_LOG_FILE"))
		return;
	stream = new std::ostream(new DebugLog);
	logSetStream(stream);
}

int shared_manager(std::shared_ptr<CameraManager> *ret)
{
	static std::mutex mutex;
	static std::weak_ptr<CameraManager> current;
	std::lock_guard<std::mutex> lock(mutex);
	std::shared_ptr<CameraManager> manager = current.lock();

	static std::once_flag diverted;

	std::call_once(diverted, log_divert);
	if (!manager) {
		manager = std::make_shared<CameraManager>();
		int r = manager->start();
		if (r < 0)
			return r;
		current = manager;
	}
	*ret = std::move(manager);
	return 0;
}

std::vector<std::shared_ptr<Camera>> sorted_cameras(CameraManager &manager)
{
	std::vector<std::shared_ptr<Camera>> cameras = manager.cameras();

	std::sort(cameras.begin(), cameras.end(),
		[](const auto &a, const auto &b) { return a->id() < b->id(); });
	return cameras;
}

/* A USB camera says what it likes in its descriptors. */
std::string model_of(const Camera &camera)
{
	const std::string said(camera.properties().get(properties::Model).value_or("?"));
	char model[sizeof camera_info::model];

	text_clean(said.c_str(), said.length(), model, sizeof model);
	return model;
}

ControlValue duration_limits(int64_t min_ns, int64_t max_ns)
{
	const int64_t us[] = { min_ns / 1000, max_ns / 1000 };

	return ControlValue(Span<const int64_t>(us, 2));
}

Device::~Device()
{
	config.reset();
	if (acquired_)
		camera->release();
}

int Device::open_device(const camera_options &options, std::string &error)
{
	int r = find_camera(options.id, error);

	if (r >= 0)
		r = acquire_camera(error);
	if (r >= 0)
		r = configure_stream(options, error);
	if (r < 0)
		return r;
	controls = std::make_unique<ControlList>(camera->controls());
	for (size_t i = 0; r >= 0 && i < options.n_controls; i++)
		r = set_control(options.control_names[i], options.control_values[i], error);
	if (r >= 0)
		set_durations(options.fps);
	return r;
}

int Device::acquire_camera(std::string &error)
{
	int r = camera->acquire();

	acquired_ = r >= 0;
	if (r == -EBUSY)
		error = camera->id() + " is in use: stop PipeWire, rpicam or what else uses it";
	else if (r < 0)
		error = camera->id() + " cannot be acquired";
	return r;
}

int Device::find_camera(const char *id, std::string &error)
{
	std::string known;
	int r = shared_manager(&manager);

	if (r < 0) {
		error = "libcamera cannot be started";
		return r;
	}
	for (const auto &found : sorted_cameras(*manager)) {
		if (!camera && (!id || found->id() == id || model_of(*found) == id))
			camera = found;
		known += (known.empty() ? "" : ", ") + found->id();
	}
	if (camera)
		return 0;
	if (known.empty())
		error = "libcamera finds no camera; check its cable, and that this user is in "
			"group video";
	else
		error = "no camera has the id or model " + std::string(id) +
			"; there are: " + known;
	return -ENODEV;
}

int Device::configure_stream(const camera_options &options, std::string &error)
{
	config = camera->generateConfiguration({ StreamRole::StillCapture });
	if (!config || config->empty()) {
		error = camera->id() + " does not take still pictures";
		return -EINVAL;
	}
	const Size full = config->at(0).size;
	const Size wanted(options.width ? unsigned(options.width) : full.width,
		options.height ? unsigned(options.height) : full.height);

	if (wanted != full) {
		std::unique_ptr<CameraConfiguration> whole = view_whole(*camera, wanted);
		if (whole)
			config = std::move(whole);
	}
	StreamConfiguration &stream = config->at(0);

	if (!format_settle(*config, wanted))
		error = camera->id() + " has pictures neither in YUV nor in MJPEG, only in " +
			stream.pixelFormat.toString();
	else if (!is_near(stream.size, wanted))
		error = camera->id() + " cannot do " + wanted.toString() + "; the nearest is " +
			stream.size.toString();
	else if (options.rotation != 0 && (options.rotation != 180 || !picture_turn(*config, 0)))
		error = camera->id() + " cannot turn its picture by " +
			std::to_string(options.rotation) + " degrees";
	if (!error.empty())
		return -EINVAL;
	int r = camera->configure(config.get());
	if (r < 0) {
		error = camera->id() + " cannot be configured for " + stream.toString();
		return r;
	}
	describe_stream(stream);
	return 0;
}

int Device::set_control(const char *name, const char *text, std::string &error)
{
	const ControlId *id = control_named(*camera, name);
	ControlValue value;

	if (!id) {
		error = "control." + std::string(name) + " is not one of this camera's:";
		for (const auto &entry : camera->controls())
			error += " " + entry.first->name();
		return -EINVAL;
	}
	if (id->name() == "FrameDurationLimits") {
		error = "control.FrameDurationLimits: set camera.fps instead";
		return -EINVAL;
	}
	int r = control_parse(*id, camera->controls().at(id->id()), text, &value, error);
	if (r < 0)
		return r;
	controls->set(id->id(), value);
	/* from 0.5 on these two count only in manual mode, which older versions do not have */
	if (id->name() == "ExposureTime" || id->name() == "AnalogueGain") {
		const ControlId *mode = control_named(*camera, (id->name() + "Mode").c_str());
		if (mode)
			controls->set(mode->id(), ControlValue(kManual));
	}
	return 0;
}

/* The frame durations of normal running. A long exposure that was asked for may stretch them. */
void Device::set_durations(double fps)
{
	const ControlId *id = control_named(*camera, "FrameDurationLimits");
	const ControlId *exposure = control_named(*camera, "ExposureTime");
	int64_t period = fps > 0 ? std::llround(kNsPerSecond / fps) : 0, exposure_ns = 0;

	period_ns = period ? period : std::llround(kNsPerSecond / kUnpacedFps);
	if (!id)
		return;
	const ControlInfo &range = camera->controls().at(id->id());
	const int64_t min = std::llround(control_number(range.min()).value_or(0) * 1000);
	const int64_t max = std::llround(control_number(range.max()).value_or(0) * 1000);

	if (min <= 0 || max < min)
		return;
	if (exposure && controls->contains(exposure->id()))
		exposure_ns = std::llround(*control_number(controls->get(exposure->id())) * 1000);
	period_ns = std::max(period_ns, min);
	limits_id = id->id();
	base_.info.frame_duration_min_ns = min;
	base_.info.frame_duration_max_ns = max;
	base_.info.can_steer = true;
	min_ns = std::clamp(period, min, max);
	max_ns = std::clamp(exposure_ns + exposure_ns / 10, min_ns, max);
	controls->set(limits_id, duration_limits(min_ns, max_ns));
}

void Device::describe_stream(const StreamConfiguration &stream)
{
	/* `virtual` of 0.4 leaves it unset: then it is video's, limited */
	bool full_range = stream.colorSpace && stream.colorSpace->range == ColorSpace::Range::Full;
	pixel_format format = PIXEL_YUV420;

	for (const auto &known : kFormats)
		if (known.theirs == stream.pixelFormat)
			format = known.ours;
	camera_set_shape(&base_, format, full_range ? PIXEL_FULL_RANGE : PIXEL_LIMITED_RANGE,
		static_cast<int>(stream.size.width), static_cast<int>(stream.size.height),
		format == PIXEL_MJPEG ? stream.frameSize : stream.stride);
	snprintf(base_.info.id, sizeof base_.info.id, "%s", camera->id().c_str());
	snprintf(base_.info.model, sizeof base_.info.model, "%s", model_of(*camera).c_str());
	base_.info.latency_frames = kLatencyFrames;
}
