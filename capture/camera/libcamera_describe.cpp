/* SPDX-License-Identifier: MIT */
/*
 * What a libcamera camera can do: its sensor's modes and its controls, for people who write
 * settings. The rate and the view of a mode are known only once the camera is configured for it, so
 * this acquires the camera for a moment, as `rpicam-hello --list-cameras` does.
 */
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "capture/camera/libcamera_control.hpp"
#include "capture/camera/libcamera_device.hpp"

using namespace libcamera;

namespace
{

constexpr size_t kModesMax = 100;

struct Mode {
	PixelFormat format;
	Size size;
	double fps = NAN;
	double area = NAN; /* of the sensor, in its pixels */
};

/* The modes of the sensor; of a camera that has no raw pictures, the pictures that it has. */
std::unique_ptr<CameraConfiguration> configuration_for_modes(Camera &camera)
{
	for (StreamRole role : { StreamRole::Raw, StreamRole::StillCapture }) {
		std::unique_ptr<CameraConfiguration> config =
			camera.generateConfiguration({ role });

		if (config && config->size() == 1 &&
			!config->at(0).formats().pixelformats().empty())
			return config;
	}
	return nullptr;
}

/* Rate and view of the mode, by configuring the camera for it. */
void mode_measure(Camera &camera, CameraConfiguration &config, Mode &mode)
{
	StreamConfiguration &stream = config.at(0);

	stream.pixelFormat = mode.format;
	stream.size = mode.size;
	stream.stride = 0;
	if (config.validate() == CameraConfiguration::Invalid ||
		stream.pixelFormat != mode.format || stream.size != mode.size ||
		camera.configure(&config) < 0)
		return;
	const ControlId *limits = control_named(camera, "FrameDurationLimits");
	const long double least_us =
		limits ? control_number(camera.controls().at(limits->id()).min()).value_or(0) : 0;
	const auto crop = camera.properties().get(properties::ScalerCropMaximum);

	if (least_us > 0)
		mode.fps = static_cast<double>(1e6L / least_us);
	if (crop && crop->width > 0 && crop->height > 0)
		mode.area = static_cast<double>(crop->width) * crop->height;
}

std::vector<Mode> modes_find(Camera &camera, bool acquired)
{
	std::unique_ptr<CameraConfiguration> config = configuration_for_modes(camera);
	std::vector<Mode> modes;

	if (!config)
		return modes;
	const StreamFormats formats = config->at(0).formats();
	for (const PixelFormat &format : formats.pixelformats())
		for (const Size &size : formats.sizes(format))
			if (modes.size() < kModesMax)
				modes.push_back({ format, size });
	for (Mode &mode : modes)
		if (acquired)
			mode_measure(camera, *config, mode);
	std::stable_sort(modes.begin(), modes.end(),
		[](const Mode &a, const Mode &b) { return a.size < b.size; });
	return modes;
}

void modes_tell(const std::vector<Mode> &modes, const camera_listener &listener)
{
	double widest = 0;

	for (const Mode &mode : modes)
		widest = std::fmax(widest, mode.area);
	for (const Mode &mode : modes) {
		const std::string format = mode.format.toString();
		const camera_mode told = { static_cast<int>(mode.size.width),
			static_cast<int>(mode.size.height), format.c_str(), mode.fps,
			mode.area / widest };

		listener.mode(listener.data, &told);
	}
}

/* The numbers that a control chooses from; none where it is no choice between numbers. */
std::vector<int> choices_of(const ControlInfo &range)
{
	std::vector<int> choices;

	for (const ControlValue &value : range.values())
		if (value.type() == ControlTypeInteger32 && !value.isArray())
			choices.push_back(value.get<int32_t>());
	return choices;
}

void controls_tell(const Camera &camera, const camera_listener &listener)
{
	std::vector<std::pair<const ControlId *, const ControlInfo *>> sorted;
	const auto text_or_null = [](const std::string &text) {
		return text.empty() ? nullptr : text.c_str();
	};

	for (const auto &[id, range] : camera.controls())
		sorted.emplace_back(id, &range);
	std::sort(sorted.begin(), sorted.end(),
		[](const auto &a, const auto &b) { return a.first->name() < b.first->name(); });
	for (const auto &[id, range] : sorted) {
		const std::string kind = control_kind(*id), min = control_text(range->min()),
				  max = control_text(range->max()),
				  def = control_text(range->def());
		const std::vector<int> choices = choices_of(*range);
		const camera_control told = { id->name().c_str(), kind.c_str(), text_or_null(min),
			text_or_null(max), text_or_null(def), choices.data(), choices.size() };

		listener.control(listener.data, &told);
	}
}

/* The mode that pictures are taken in where settings say nothing: its ranges are told. */
void still_configure(Camera &camera)
{
	std::unique_ptr<CameraConfiguration> config =
		camera.generateConfiguration({ StreamRole::StillCapture });

	if (config && !config->empty() && config->validate() != CameraConfiguration::Invalid)
		camera.configure(config.get());
}

/* The camera, acquired if nobody else has it, for as long as this lives. */
class Acquired
{
public:
	explicit Acquired(Camera &camera) : is_ours(camera.acquire() >= 0), camera_(camera)
	{
	}
	Acquired(const Acquired &) = delete;
	Acquired &operator=(const Acquired &) = delete;
	~Acquired()
	{
		if (is_ours)
			camera_.release();
	}

	const bool is_ours;

private:
	Camera &camera_;
};

} // namespace

int camera_describe(Camera &camera, const camera_listener &listener)
{
	Acquired acquired(camera);

	modes_tell(modes_find(camera, acquired.is_ours), listener);
	if (acquired.is_ours)
		still_configure(camera);
	controls_tell(camera, listener);
	return acquired.is_ours ? 0 : 1;
}
