/* SPDX-License-Identifier: MIT */
/* What a completed request reports; see libcamera_facts.hpp. */
#include "capture/camera/libcamera_facts.hpp"

#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include <time.h>

#include "capture/camera/libcamera_control.hpp"

using namespace libcamera;

namespace
{

constexpr int64_t kNsPerSecond = 1000000000;
constexpr double kTimeMaxUs = 1e9, kGainMax = 1e5; /* a camera that reports more errs */
constexpr double kKelvinMax = 1e6, kDioptresMax = 1e3;
constexpr int kFrameStartup = 3; /* FrameMetadata::FrameStartup, which has no name before 0.5.2 */
constexpr int kAfScanning = 1; /* AfState, the same in all versions */
constexpr int kAeIdle = 0, kAeConverged = 2; /* AeState, the same in all versions */

/*
 * A fact by its control's name: ids differ between versions, and not every version has every name.
 */
std::optional<long double> fact_read(const ControlList &list, const char *name, size_t i = 0)
{
	static const std::map<std::string, unsigned> ids = [] {
		std::map<std::string, unsigned> all;

		for (const auto &[number, id] : controls::controls)
			all[id->name()] = number;
		return all;
	}();
	const auto found = ids.find(name);

	return found != ids.end() && list.contains(found->second)
		? control_number(list.get(found->second), i)
		: std::nullopt;
}

/* One that makes sense only above 0 and up to `most`: what else a camera reports is not known. */
double fact_sane(const ControlList &list, const char *name, double most, size_t i = 0)
{
	const double fact = static_cast<double>(fact_read(list, name, i).value_or(NAN));

	return fact > 0 && fact <= most ? fact : NAN;
}

/* The words of AfState, which has the same numbers in all versions. */
const char *focus_of(const ControlList &list)
{
	static const char *const words[] = { "idle", "scanning", "focused", "failed" };
	const auto state = fact_read(list, "AfState");

	return state && *state >= 0 && *state < std::size(words)
		? words[static_cast<size_t>(*state)]
		: nullptr;
}

int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * kNsPerSecond + ts.tv_nsec;
}

unsigned flags_of(const ControlList &list, const FrameBuffer &buffer)
{
	const auto locked = fact_read(list, "AeLocked"), state = fact_read(list, "AeState");
	const auto white = fact_read(list, "AwbLocked"), focus = fact_read(list, "AfState");
	const bool exposed =
		locked ? *locked != 0 : state && (*state == kAeConverged || *state == kAeIdle);

	if (static_cast<int>(buffer.metadata().status) == kFrameStartup)
		return FRAME_STARTUP;
	return exposed && (!white || *white != 0) && (!focus || *focus != kAfScanning)
		? FRAME_CONVERGED
		: 0;
}

} // namespace

int64_t monotonic_ns()
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t sensor_ns(const Slot &slot)
{
	const int64_t mono = clock_ns(CLOCK_MONOTONIC), boot = clock_ns(CLOCK_BOOTTIME);
	int64_t ns = static_cast<int64_t>(
		fact_read(slot.request->metadata(), "SensorTimestamp").value_or(0));

	if (ns == 0)
		ns = static_cast<int64_t>(slot.buffer->metadata().timestamp);
	if (ns == 0)
		return mono;
	return ns > mono && ns <= boot ? ns - (boot - mono) : ns;
}

int64_t frame_duration_ns(const Slot &slot)
{
	const double us = fact_sane(slot.request->metadata(), "FrameDuration", kTimeMaxUs);

	return us > 0 ? std::llround(us * 1000) : 0;
}

bool picture_is_good(const FrameBuffer &buffer)
{
	const int status = buffer.metadata().status;

	return status == FrameMetadata::FrameSuccess || status == kFrameStartup;
}

void frame_describe(const Slot &slot, int64_t sensor_ns, struct frame *frame)
{
	const ControlList &list = slot.request->metadata();
	const double digital = fact_sane(list, "DigitalGain", kGainMax);
	const double lens = static_cast<double>(fact_read(list, "LensPosition").value_or(NAN));
	const int64_t duration_ns = frame_duration_ns(slot);

	frame->flags = flags_of(list, *slot.buffer);
	frame->exposure_us = fact_sane(list, "ExposureTime", kTimeMaxUs);
	frame->gain =
		fact_sane(list, "AnalogueGain", kGainMax) * (std::isnan(digital) ? 1 : digital);
	frame->colour_temperature = fact_sane(list, "ColourTemperature", kKelvinMax);
	frame->red = fact_sane(list, "ColourGains", kGainMax, 0);
	frame->blue = fact_sane(list, "ColourGains", kGainMax, 1);
	frame->lens_position = lens >= 0 && lens <= kDioptresMax ? lens : NAN;
	frame->focus = focus_of(list);
	if (duration_ns > 0)
		frame->duration_ns = duration_ns;
	frame->start_ns = sensor_ns;
	if (frame->exposure_us > 0)
		frame->start_ns -= std::llround(frame->exposure_us * 1000);
}
