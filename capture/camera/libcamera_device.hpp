/* SPDX-License-Identifier: MIT */
/* A camera of libcamera's, found, acquired and configured. For camera_libcamera.cpp only. */
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <libcamera/libcamera.h>

#include "capture/camera/camera.h"

/*
 * libcamera ends the process when a second CameraManager is made: all users share one. Of a Pi's
 * camera it is made with this tuning file, null for the sensor's own.
 */
int shared_manager(const char *tuning_file, std::shared_ptr<libcamera::CameraManager> *ret);

std::vector<std::shared_ptr<libcamera::Camera>> sorted_cameras(libcamera::CameraManager &manager);
std::string model_of(const libcamera::Camera &camera);

/* As camera_ops.describe(). */
int camera_describe(libcamera::Camera &camera, const camera_listener &listener);

/* The value of FrameDurationLimits. */
libcamera::ControlValue duration_limits(int64_t min_ns, int64_t max_ns);

class Device
{
public:
	/* `base` has its info and shape filled by open_device(). */
	explicit Device(::camera &base) : base_(base)
	{
	}
	Device(const Device &) = delete;
	Device &operator=(const Device &) = delete;
	~Device();

	/* The errors of camera_ops.open; `error` is one sentence where there is more to say. */
	int open_device(const camera_options &options, std::string &error);

	/* Before each start of the stream. 0, -errno. */
	int prepare_start();

	/*
	 * Adds what was set at the start to a request: webcams of libcamera before 0.5 take it
	 * from there only.
	 */
	void repeat_controls(libcamera::ControlList &list) const;

	std::shared_ptr<libcamera::CameraManager> manager; /* outlives all below */
	std::shared_ptr<libcamera::Camera> camera;
	std::unique_ptr<libcamera::CameraConfiguration> config;
	std::unique_ptr<libcamera::ControlList> controls; /* for each start */

	/*
	 * Adds what has the frames exposed like that. The white balance is left alone where the
	 * settings have fixed it.
	 */
	void set_exposure(const camera_exposure &exposure, libcamera::ControlList &ret) const;
	/* FrameDurationLimits of normal running with that exposure. */
	libcamera::ControlValue normal_limits(const camera_exposure &exposure) const;

	unsigned limits_id = 0; /* of FrameDurationLimits, 0 where there is none */
	int64_t min_ns = 0, max_ns = 0; /* its normal values */
	int64_t period_ns = 0; /* between frames, for a pipeline that does not pace */

private:
	int find_camera(const camera_options &options, std::string &error);
	int acquire_camera(std::string &error);
	int configure_stream(const camera_options &options, std::string &error);
	int set_control(const char *name, const char *text, std::string &error);
	void set_durations(const camera_options &options);
	white_balance white_balance_of() const;
	void describe_exposure();
	void set_number(libcamera::ControlList &list, const char *name, double value) const;
	void describe_stream(const libcamera::StreamConfiguration &stream);

	::camera &base_;
	bool acquired_ = false;
	bool started_ = false; /* once */
	bool sensor_hdr_ = false; /* HDR is done by the sensor */
};
