/* SPDX-License-Identifier: MIT */
/* libcamera's metadata to the facts of a struct frame. */
#include "capture/libcamera_facts.hpp"

#include <cmath>
#include <optional>

#include <time.h>

#include "capture/libcamera_control.hpp"

using namespace libcamera;

namespace
{

constexpr int kFrameStartup = 3; /* FrameMetadata::FrameStartup, which has no name before 0.5.2 */
constexpr int kAeIdle = 0, kAeConverged = 2; /* AeState, the same in all versions */

/* The id of a control that a request may report; 0, which none has, if there is none of that name. */
unsigned id_of(const char *name)
{
	for (const auto &[number, id] : controls::controls)
		if (id->name() == name)
			return number;
	return 0;
}

std::optional<long double> fact(const ControlList &list, unsigned id)
{
	return id && list.contains(id) ? control_number(list.get(id)) : std::nullopt;
}

double fact_or_nan(const ControlList &list, unsigned id)
{
	return static_cast<double>(fact(list, id).value_or(NAN));
}

int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

} // namespace

void Facts::resolve()
{
	sensor_ = id_of("SensorTimestamp");
	exposure_ = id_of("ExposureTime");
	analogue_ = id_of("AnalogueGain");
	digital_ = id_of("DigitalGain");
	colour_ = id_of("ColourTemperature");
	lens_ = id_of("LensPosition");
	duration_ = id_of("FrameDuration");
	ae_locked_ = id_of("AeLocked");
	ae_state_ = id_of("AeState");
	awb_locked_ = id_of("AwbLocked");
}

/*
 * Documented as CLOCK_BOOTTIME, on a Pi it is CLOCK_MONOTONIC. They differ by the time the machine was
 * suspended, and a timestamp is never in the future.
 */
int64_t Facts::sensor_ns(Request &request, const FrameBuffer &buffer) const
{
	const int64_t mono = now_ns(CLOCK_MONOTONIC), suspended = now_ns(CLOCK_BOOTTIME) - mono;
	int64_t ns = static_cast<int64_t>(fact(request.metadata(), sensor_).value_or(0));

	if (ns == 0)
		ns = static_cast<int64_t>(buffer.metadata().timestamp);
	if (ns == 0)
		return mono;
	return ns > mono && ns <= mono + suspended ? ns - suspended : ns;
}

bool Facts::good(const FrameBuffer &buffer)
{
	const int status = buffer.metadata().status;

	return status == FrameMetadata::FrameSuccess || status == kFrameStartup;
}

unsigned Facts::flags(const ControlList &list, const FrameBuffer &buffer) const
{
	const auto locked = fact(list, ae_locked_), state = fact(list, ae_state_);
	const auto white = fact(list, awb_locked_);
	const bool exposed =
		locked ? *locked != 0 : state && (*state == kAeConverged || *state == kAeIdle);

	if (static_cast<int>(buffer.metadata().status) == kFrameStartup)
		return FRAME_STARTUP;
	return exposed && (!white || *white != 0) ? FRAME_CONVERGED : 0;
}

void Facts::describe(Request &request, const FrameBuffer &buffer, struct frame *frame) const
{
	const ControlList &list = request.metadata();
	const double digital = fact_or_nan(list, digital_);
	const double duration_us = fact_or_nan(list, duration_);

	frame->flags = flags(list, buffer);
	frame->exposure_us = fact_or_nan(list, exposure_);
	frame->gain = fact_or_nan(list, analogue_) * (std::isnan(digital) ? 1 : digital);
	frame->colour_temperature = fact_or_nan(list, colour_);
	frame->lens_position = fact_or_nan(list, lens_);
	if (duration_us > 0)
		frame->duration_ns = std::llround(duration_us * 1000);
	frame->start_ns = sensor_ns(request, buffer);
	if (frame->exposure_us > 0)
		frame->start_ns -= std::llround(frame->exposure_us * 1000);
}
