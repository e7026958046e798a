/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of libcamera's Camera::queueRequest() and Camera::stop() in the program that
 * links it: the linker prefers a program's own definition to a library's.
 */
#include "tests/virtual/sensor.h"

#include <deque>

#include <dlfcn.h>

#include <libcamera/libcamera.h>

#include "capture/camera/libcamera_control.hpp"

using namespace libcamera;

namespace
{

struct {
	Camera *camera;
	std::deque<Request *> waiting;
	int refusal;
	bool has_limits;
	int64_t limits_us[2];
} sensor;

/* Request::status_ is private; an explicit instantiation may name it. */
Request::Status &status_of(Request &request);
template <Request::Status Request::*member> struct Access {
	friend Request::Status &status_of(Request &request)
	{
		return request.*member;
	}
};
template struct Access<&Request::status_>;

/* Sets a fact of that name; false if this libcamera has none. */
bool report(Request &request, const char *name, const ControlValue &value)
{
	for (const auto &[number, id] : controls::controls)
		if (id->name() == name) {
			const_cast<ControlList &>(request.metadata()).set(number, value);
			return true;
		}
	return false;
}

template <typename T> void report_unless_0(Request &request, const char *name, T value)
{
	if (value != T(0))
		report(request, name, ControlValue(value));
}

void finish(Request &request, const sensor_facts &facts)
{
	FrameBuffer *buffer = request.buffers().begin()->second;
	auto &metadata = const_cast<FrameMetadata &>(buffer->metadata());
	static const int statuses[] = { 0, 3, FrameMetadata::FrameError,
		FrameMetadata::FrameCancelled };

	metadata.status = static_cast<FrameMetadata::Status>(statuses[facts.result]);
	metadata.sequence = facts.sequence;
	metadata.timestamp = 0;
	report_unless_0(request, "SensorTimestamp", facts.timestamp_ns);
	report_unless_0(request, "ExposureTime", facts.exposure_us);
	report_unless_0(request, "ColourTemperature", facts.colour_temperature);
	report_unless_0(request, "FrameDuration", facts.duration_us);
	report_unless_0(request, "AnalogueGain", facts.analogue_gain);
	report_unless_0(request, "DigitalGain", facts.digital_gain);
	report_unless_0(request, "LensPosition", facts.lens_position);
	const float gains[] = { facts.red, facts.blue };
	if (facts.red > 0)
		report(request, "ColourGains", ControlValue(Span<const float>(gains, 2)));
	if (facts.focus)
		report(request, "AfState", ControlValue(int32_t(facts.focus - 1)));
	const bool converged = facts.converged > 0;
	if (facts.converged && !report(request, "AeLocked", ControlValue(converged)))
		report(request, "AeState", ControlValue(int32_t(converged ? 2 : 1)));
	status_of(request) = facts.result == SENSOR_CANCELLED ? Request::RequestCancelled
							      : Request::RequestComplete;
	sensor.camera->requestCompleted.emit(&request);
}

} // namespace

namespace libcamera
{

int Camera::queueRequest(Request *request)
{
	int refusal = sensor.refusal;

	sensor.refusal = 0;
	if (refusal)
		return refusal;
	sensor.camera = this;
	sensor.waiting.push_back(request);
	sensor.has_limits = false;
	for (const auto &[id, value] : request->controls()) {
		if (controls::controls.at(id)->name() != "FrameDurationLimits")
			continue;
		sensor.has_limits = true;
		for (size_t i = 0; i < 2; i++)
			sensor.limits_us[i] =
				static_cast<int64_t>(control_number(value, i).value_or(-1));
	}
	return 0;
}

int Camera::stop()
{
	auto real = reinterpret_cast<int (*)(Camera *)>(
		dlsym(RTLD_NEXT, "_ZN9libcamera6Camera4stopEv"));
	sensor_facts cancelled = {};

	cancelled.result = SENSOR_CANCELLED;
	while (!sensor.waiting.empty())
		played_finish(&cancelled);
	return real(this);
}

} // namespace libcamera

int played_waiting(void)
{
	return static_cast<int>(sensor.waiting.size());
}

void played_finish(const struct sensor_facts *facts)
{
	Request *request = sensor.waiting.front();

	sensor.waiting.pop_front();
	finish(*request, *facts);
}

bool played_limits(int64_t *ret_min_us, int64_t *ret_max_us)
{
	*ret_min_us = sensor.limits_us[0];
	*ret_max_us = sensor.limits_us[1];
	return sensor.has_limits;
}

int played_with(const char *name)
{
	int n = 0;

	for (Request *request : sensor.waiting)
		for (const auto &control : request->controls())
			n += controls::controls.at(control.first)->name() == name;
	return n;
}

void played_refuse(int error)
{
	sensor.refusal = error;
}

void played_unplug(void)
{
	sensor.camera->disconnected.emit();
}
