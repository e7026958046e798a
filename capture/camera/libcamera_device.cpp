/* SPDX-License-Identifier: MIT */
/* Which camera, which pictures, which controls: all that is settled before the first frame. */
#include "capture/camera/libcamera_device.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <ostream>
#include <streambuf>

#include <unistd.h>

#include "capture/camera/libcamera_control.hpp"
#include "capture/camera/libcamera_look.hpp"
#include "capture/camera/libcamera_picture.hpp"
#include "common/base/log.h"
#include "common/base/text.h"

using namespace libcamera;

namespace
{

constexpr int64_t kNsPerSecond = 1000000000;
/* Before 0.5 libcamera looks at what comes with a request no more often. */
constexpr int64_t kLookNs = 30000000;
constexpr double kUnpacedFps = 10; /* of a pipeline that does not pace, where no fps is set */
constexpr int32_t kAuto = 0, kManual = 1; /* of ExposureTimeMode and AnalogueGainMode */

/*
 * From the newest request to the frame that shows what comes with the next one: with libcamera 0.4
 * on a Pi, measured. Some of Sony's sensors take a frame more (src/ipa/rpi/cam_helper).
 */
constexpr int kSensorLatency = 6;
constexpr const char *kSlowSensors[] = { "imx378", "imx477", "imx500", "imx519", "imx708" };

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

int shared_manager(const char *tuning_file, std::shared_ptr<CameraManager> *ret)
{
	static std::mutex mutex;
	static std::weak_ptr<CameraManager> current;
	std::lock_guard<std::mutex> lock(mutex);
	std::shared_ptr<CameraManager> manager = current.lock();

	static std::once_flag diverted;

	std::call_once(diverted, log_divert);
	if (!manager) {
		/* read while the manager finds its cameras, when it has no thread yet */
		if (tuning_file)
			setenv("LIBCAMERA_RPI_TUNING_FILE", tuning_file, 1);
		manager = std::make_shared<CameraManager>();
		int r = manager->start();
		if (r < 0)
			return r;
		current = manager;
	}
	*ret = std::move(manager);
	return 0;
}

/* Ids are paths in the device tree, which has the USB host on the way to a webcam. */
static bool is_usb(const std::string &id)
{
	return id.find("/usb") != std::string::npos;
}

std::vector<std::shared_ptr<Camera>> sorted_cameras(CameraManager &manager)
{
	std::vector<std::shared_ptr<Camera>> cameras = manager.cameras();

	std::sort(cameras.begin(), cameras.end(), [](const auto &a, const auto &b) {
		const bool usb_a = is_usb(a->id()), usb_b = is_usb(b->id());
		return usb_a != usb_b ? usb_b : a->id() < b->id();
	});
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
	camera_options look = options;
	int r = find_camera(options, error);

	look.hdr = options.hdr && !sensor_hdr_;
	if (r >= 0)
		r = acquire_camera(error);
	if (r >= 0)
		r = configure_stream(options, error);
	if (r < 0)
		return r;
	controls = std::make_unique<ControlList>(camera->controls());
	for (size_t i = 0; r >= 0 && i < options.n_controls; i++)
		r = set_control(options.control_names[i], options.control_values[i], error);
	if (r >= 0 && look.hdr && base_.info.memory_bytes > 0) {
		/* libcamera takes the control and does nothing */
		error = "camera.hdr: on a Pi before the 5 only the sensor of the Camera Module 3 "
			"has it";
		r = -EINVAL;
	}
	if (r >= 0)
		r = look_add_controls(*camera, look, config->at(0).size, *controls, error);
	if (r >= 0)
		set_durations(options);
	if (r < 0)
		return r;
	base_.info.white_balance = white_balance_of();
	describe_exposure();
	return 0;
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

int Device::find_camera(const camera_options &options, std::string &error)
{
	const char *const id = options.id;
	std::string known;
	const char *const tuning =
		options.tuning_file && *options.tuning_file ? options.tuning_file : nullptr;
	int r = tuning && access(tuning, R_OK) < 0 ? -errno : 0;

	if (r < 0) {
		error = std::string("camera.tuning_file: ") + tuning + ": " + strerror(-r);
		return r;
	}
	sensor_hdr_ = look_set_sensor_hdr(id, options.hdr);
	r = shared_manager(tuning, &manager);
	if (r < 0) {
		error = "libcamera cannot be started";
		return r;
	}
	const auto cameras = sorted_cameras(*manager);
	if (!id && !cameras.empty())
		camera = cameras[options.passed_over % cameras.size()];
	for (const auto &found : cameras) {
		if (id && !camera && (found->id() == id || model_of(*found) == id))
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
		std::unique_ptr<CameraConfiguration> whole =
			picture_of_whole_view(*camera, wanted, options);
		if (whole)
			config = std::move(whole);
	}
	StreamConfiguration &stream = config->at(0);

	stream.bufferCount =
		static_cast<unsigned>(options.buffers ? options.buffers : CAMERA_BUFFERS);
	if (!picture_settle(*config, wanted))
		error = camera->id() + " has pictures neither in YUV nor in MJPEG, only in " +
			stream.pixelFormat.toString();
	else if (!picture_is_near(stream.size, wanted))
		error = camera->id() + " cannot do " + wanted.toString() + "; the nearest is " +
			stream.size.toString();
	else if (!look_turn(*config, options))
		error = camera->id() + " cannot turn its picture by " +
			std::to_string(options.rotation) + " degrees and flip it as asked";
	if (!error.empty())
		return -EINVAL;
	int r = camera->configure(config.get());
	if (r < 0) {
		error = camera->id() + " cannot be configured for " + stream.toString();
		return r;
	}
	describe_stream(stream);
	base_.info.memory_bytes = picture_memory(*camera, *config);
	base_.info.latency_frames =
		std::min(static_cast<int>(stream.bufferCount), CAMERA_BUFFERS) - 1 + kSensorLatency;
	for (const char *slow : kSlowSensors)
		base_.info.latency_frames += strncmp(base_.info.model, slow, strlen(slow)) == 0;
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

/*
 * A Pi's pipeline (0.4, src/libcamera/pipeline/rpi/common/rpi_stream.cpp) keeps what requests
 * without a raw buffer were waiting for when the stream stopped, and then waits for that for ever:
 * no frame comes after the second start. To be configured again clears it.
 */
int Device::prepare_start()
{
	const bool again = started_ && config->size() > 1;

	started_ = true;
	return again ? camera->configure(config.get()) : 0;
}

void Device::repeat_controls(ControlList &list) const
{
	for (const auto &[id, value] : *controls)
		if (id != limits_id && !picture_is_of_pi(*camera))
			list.set(id, value);
}

/* The frame durations of normal running. A long exposure that was asked for may stretch them. */
void Device::set_durations(const camera_options &options)
{
	const ControlId *id = control_named(*camera, "FrameDurationLimits");
	const ControlId *exposure = control_named(*camera, "ExposureTime");
	const double fps = options.fps;
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
	int64_t least = min; /* that an order makes a frame */
	if (!period) {
		period = camera_open_duration_ns(min, options.interval_ns);
		least = std::max(min, std::min(period, kLookNs));
	}
	period_ns = std::max(period_ns, min);
	limits_id = id->id();
	base_.info.frame_duration_min_ns = least;
	base_.info.frame_duration_max_ns = max;
	base_.info.can_steer = true;
	min_ns = std::clamp(period, min, max);
	base_.info.frame_duration_ns = min_ns;
	max_ns = std::clamp(exposure_ns + exposure_ns / 10, min_ns, max);
	controls->set(limits_id, duration_limits(min_ns, max_ns));
}

/* By the controls that settings fix. */
white_balance Device::white_balance_of() const
{
	const ControlId *automatic = control_named(*camera, "AwbEnable");

	for (const char *name : { "ColourGains", "ColourTemperature" }) {
		const ControlId *id = control_named(*camera, name);

		if (id && controls->contains(id->id()))
			return WHITE_FIXED;
	}
	if (!automatic)
		return WHITE_UNKNOWN;
	return controls->contains(automatic->id()) &&
			control_number(controls->get(automatic->id())).value_or(1) == 0
		? WHITE_FIXED
		: WHITE_AUTO;
}

/* What set_exposure() can do: nothing where the settings have fixed the exposure. */
void Device::describe_exposure()
{
	static const char *const fixing[] = { "ExposureTime", "AnalogueGain", "AeEnable",
		"ExposureTimeMode", "AnalogueGainMode" };
	const ControlId *exposure = control_named(*camera, "ExposureTime");
	const ControlId *gain = control_named(*camera, "AnalogueGain");

	for (const char *name : fixing) {
		const ControlId *id = control_named(*camera, name);
		if (id && controls->contains(id->id()))
			return;
	}
	if (!exposure || !gain || !limits_id)
		return;
	const ControlInfo &range = camera->controls().at(exposure->id());
	const double least = static_cast<double>(control_number(range.min()).value_or(0));
	const double most = static_cast<double>(control_number(range.max()).value_or(0));

	if (most < 1 || most < least)
		return;
	base_.info.exposure_min_ns = std::llround(std::max(least, 1.0) * 1000);
	base_.info.exposure_max_ns = std::llround(std::min(most, 1e9) * 1000);
	base_.info.gain_max = static_cast<double>(
		control_number(camera->controls().at(gain->id()).max()).value_or(1));
}

/* A control that this version of libcamera and this camera may not have. */
void Device::set_number(ControlList &list, const char *name, double value) const
{
	const ControlId *id = control_named(*camera, name);

	if (!id)
		return;
	if (id->type() == ControlTypeFloat)
		list.set(id->id(), ControlValue(static_cast<float>(value)));
	else if (id->type() == ControlTypeBool)
		list.set(id->id(), ControlValue(value != 0));
	else
		list.set(id->id(), ControlValue(static_cast<int32_t>(std::lround(value))));
}

ControlValue Device::normal_limits(const camera_exposure &exposure) const
{
	if (exposure.exposure_ns <= 0 || exposure.duration_ns <= 0)
		return duration_limits(min_ns, max_ns);
	const int64_t ns = std::clamp(exposure.duration_ns, base_.info.frame_duration_min_ns,
		base_.info.frame_duration_max_ns);
	return duration_limits(ns, ns);
}

void Device::set_exposure(const camera_exposure &exposure, ControlList &ret) const
{
	const bool manual = exposure.exposure_ns > 0, held = manual && exposure.red > 0;
	const ControlId *white = control_named(*camera, "ColourGains");

	/* before 0.5 there are no modes, and a value of 0 is the automatic one */
	set_number(ret, "ExposureTimeMode", manual ? kManual : kAuto);
	set_number(ret, "AnalogueGainMode", manual ? kManual : kAuto);
	if (manual || !control_named(*camera, "ExposureTimeMode")) {
		set_number(ret, "ExposureTime",
			manual ? static_cast<double>(exposure.exposure_ns) / 1000 : 0);
		set_number(ret, "AnalogueGain", manual ? exposure.gain : 0);
	}
	ret.set(limits_id, normal_limits(exposure));
	if (base_.info.white_balance != WHITE_AUTO)
		return;
	set_number(ret, "AwbEnable", !held);
	if (held && white) {
		const float gains[] = { static_cast<float>(exposure.red),
			static_cast<float>(exposure.blue) };
		ret.set(white->id(), ControlValue(Span<const float>(gains, 2)));
	}
}

void Device::describe_stream(const StreamConfiguration &stream)
{
	/* `virtual` of 0.4 leaves it unset: then it is video's, limited */
	bool full_range = stream.colorSpace && stream.colorSpace->range == ColorSpace::Range::Full;
	const pixel_format format = picture_format_of(stream.pixelFormat);

	camera_set_shape(&base_, format, full_range ? PIXEL_FULL_RANGE : PIXEL_LIMITED_RANGE,
		static_cast<int>(stream.size.width), static_cast<int>(stream.size.height),
		format == PIXEL_MJPEG ? stream.frameSize : stream.stride);
	snprintf(base_.info.id, sizeof base_.info.id, "%s", camera->id().c_str());
	snprintf(base_.info.model, sizeof base_.info.model, "%s", model_of(*camera).c_str());
}
