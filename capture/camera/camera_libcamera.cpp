/* SPDX-License-Identifier: MIT */
/*
 * Real cameras through libcamera, 0.0.3 to 0.7 from one source, behind the C vtable of camera.h.
 * What differs between versions is found out by name (controls) or by the compiler (members), so
 * there is no #if on a version. No libcamera type and no exception leaves the libcamera_* files and
 * this one.
 *
 * Threads: libcamera calls on_completed() and on_disconnected() from its own thread; they note it
 * and write an eventfd, and that is all. The owner's thread reads the metadata in take(). One lock
 * guards all that changes while streaming. It is not held across start() and stop() of libcamera's
 * camera, which wait for libcamera's thread; queueRequest() does not, so it is called under the
 * lock.
 *
 * A pipeline without a sensor behind it (libcamera's `virtual`) completes a request the moment it
 * is queued. Two frames closer together than the camera's own limits allow give it away; from then
 * on a timer queues one request per frame duration.
 */
#include "capture/camera/camera.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <libcamera/libcamera.h>

#include "capture/camera/libcamera_buffer.hpp"
#include "capture/camera/libcamera_control.hpp"
#include "capture/camera/libcamera_device.hpp"

using namespace libcamera;

namespace
{

constexpr int64_t kNsPerSecond = 1000000000;
constexpr int64_t kLeastGapNs = 1000000; /* between real frames, where the camera has no limits */
constexpr int kFrameStartup = 3; /* FrameMetadata::FrameStartup, which has no name before 0.5.2 */
constexpr int kAeIdle = 0, kAeConverged = 2; /* AeState, the same in all versions */

/* ---- what a completed request reports ---- */

/*
 * A fact by its control's name: ids differ between versions, and not every version has every name.
 */
std::optional<long double> fact_read(const ControlList &list, const char *name)
{
	static const std::map<std::string, unsigned> ids = [] {
		std::map<std::string, unsigned> all;

		for (const auto &[number, id] : controls::controls)
			all[id->name()] = number;
		return all;
	}();
	const auto found = ids.find(name);

	return found != ids.end() && list.contains(found->second)
		? control_number(list.get(found->second))
		: std::nullopt;
}

double fact_or_nan(const ControlList &list, const char *name)
{
	return static_cast<double>(fact_read(list, name).value_or(NAN));
}

int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * kNsPerSecond + ts.tv_nsec;
}

/*
 * The sensor timestamp (frame start) as CLOCK_MONOTONIC; the present if there is none. It is
 * documented as CLOCK_BOOTTIME, on a Pi it is CLOCK_MONOTONIC. They differ by the time the machine
 * was suspended, and a timestamp is never in the future.
 */
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

/* A picture worth having: complete, or complete but still of the start-up. */
bool picture_is_good(const FrameBuffer &buffer)
{
	const int status = buffer.metadata().status;

	return status == FrameMetadata::FrameSuccess || status == kFrameStartup;
}

unsigned flags_of(const ControlList &list, const FrameBuffer &buffer)
{
	const auto locked = fact_read(list, "AeLocked"), state = fact_read(list, "AeState");
	const auto white = fact_read(list, "AwbLocked");
	const bool exposed =
		locked ? *locked != 0 : state && (*state == kAeConverged || *state == kAeIdle);

	if (static_cast<int>(buffer.metadata().status) == kFrameStartup)
		return FRAME_STARTUP;
	return exposed && (!white || *white != 0) ? FRAME_CONVERGED : 0;
}

/* Fills start_ns, flags and the facts; duration_ns only where the camera reports it. */
void frame_describe(const Slot &slot, struct frame *frame)
{
	const ControlList &list = slot.request->metadata();
	const double digital = fact_or_nan(list, "DigitalGain");
	const double duration_us = fact_or_nan(list, "FrameDuration");

	frame->flags = flags_of(list, *slot.buffer);
	frame->exposure_us = fact_or_nan(list, "ExposureTime");
	frame->gain = fact_or_nan(list, "AnalogueGain") * (std::isnan(digital) ? 1 : digital);
	frame->colour_temperature = fact_or_nan(list, "ColourTemperature");
	frame->lens_position = fact_or_nan(list, "LensPosition");
	if (duration_us > 0)
		frame->duration_ns = std::llround(duration_us * 1000);
	frame->start_ns = sensor_ns(slot);
	if (frame->exposure_us > 0)
		frame->start_ns -= std::llround(frame->exposure_us * 1000);
}

/* ---- the camera ---- */

class LibcameraCamera : public ::camera
{
public:
	LibcameraCamera();
	~LibcameraCamera();

	int open_camera(const camera_options &options, std::string &error);
	int start_stream();
	int stop_stream();
	int take_frame(::frame *ret);
	int release_frame(::frame *frame);
	int set_frame_duration(int64_t ns, int frames);

private:
	int open_events();
	void set_timer(int64_t period_ns);
	void clear_event();
	void wake_owner();
	void on_completed(Request *request);
	void on_disconnected();

	/* for these the caller holds lock_ */
	int queue_slot(Slot &slot);
	void put_back(Slot &slot);
	void run_timer();
	bool is_too_soon(int64_t sensor_ns);
	void hand_out(Slot &slot, ::frame *ret);

	Device device_{ *this };
	Buffers buffers_;
	UniqueFD epoll_, event_, timer_;

	std::mutex lock_; /* for all below, and the slots' states */
	bool running_ = false, gone_ = false, broken_ = false;
	bool paced_ = true; /* by its sensor; false: by timer_ */
	uint64_t sequence_ = 0;
	int64_t last_sensor_ns_ = 0;
	int64_t forced_ns_ = 0; /* frame duration asked for */
	int forced_frames_ = -1; /* requests left with it; at 0 the next goes back to normal */
	std::vector<Slot *> ready_; /* in the order they were completed */
};

LibcameraCamera::LibcameraCamera()
{
	ops = &camera_libcamera_ops;
	ready_.reserve(CAMERA_BUFFERS);
}

LibcameraCamera::~LibcameraCamera()
{
	if (!device_.camera)
		return;
	stop_stream();
	device_.camera->requestCompleted.disconnect(this);
	device_.camera->disconnected.disconnect(this);
}

int LibcameraCamera::open_camera(const camera_options &options, std::string &error)
{
	int r = device_.open_device(options, error);

	if (r >= 0)
		r = open_events();
	if (r < 0)
		return r;
	device_.camera->requestCompleted.connect(this, &LibcameraCamera::on_completed);
	device_.camera->disconnected.connect(this, &LibcameraCamera::on_disconnected);
	StreamConfiguration &stream = device_.config->at(0);
	r = buffers_.allocate_slots(device_.camera, stream, shape);
	if (r < 0)
		error = "no memory for " + stream.toString() + " (see CmaFree in /proc/meminfo)";
	return r;
}

int LibcameraCamera::open_events()
{
	struct epoll_event event = {};

	event.events = EPOLLIN;
	epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
	event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event_.get(), &event) < 0 ||
		epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) < 0)
		return -errno;
	fd = epoll_.get();
	return 0;
}

/* 0: off. */
void LibcameraCamera::set_timer(int64_t period_ns)
{
	struct itimerspec when = {};

	when.it_interval.tv_sec = period_ns / kNsPerSecond;
	when.it_interval.tv_nsec = period_ns % kNsPerSecond;
	when.it_value = when.it_interval;
	timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void LibcameraCamera::wake_owner()
{
	const uint64_t one = 1;

	while (write(event_.get(), &one, sizeof one) < 0 && errno == EINTR)
		;
}

void LibcameraCamera::clear_event()
{
	uint64_t count;

	while (read(event_.get(), &count, sizeof count) < 0 && errno == EINTR)
		;
}

int LibcameraCamera::start_stream()
{
	int r = device_.camera->start(device_.controls.get());
	std::unique_lock<std::mutex> lock(lock_);

	if (r < 0)
		return r;
	running_ = true;
	sequence_ = 0;
	last_sensor_ns_ = 0;
	forced_frames_ = -1;
	if (!paced_)
		set_timer(device_.period_ns);
	for (Slot &slot : buffers_.slots)
		if (paced_ && r >= 0 && slot.request && slot.state == Slot::Idle)
			r = queue_slot(slot);
	lock.unlock();
	if (r < 0)
		stop_stream();
	return r;
}

int LibcameraCamera::stop_stream()
{
	std::unique_lock<std::mutex> lock(lock_);

	if (!running_)
		return 0;
	running_ = false;
	set_timer(0);
	lock.unlock();
	int r = device_.camera->stop();
	lock.lock();
	for (Slot &slot : buffers_.slots)
		if (slot.state != Slot::Held)
			slot.state = Slot::Idle;
	ready_.clear();
	broken_ = false;
	if (!gone_)
		clear_event();
	return r;
}

/* Gives a slot's request to libcamera. */
int LibcameraCamera::queue_slot(Slot &slot)
{
	slot.request->reuse(Request::ReuseBuffers);
	if (device_.limits_id && forced_frames_ >= 0) {
		bool forced = forced_frames_-- > 0;

		slot.request->controls().set(device_.limits_id,
			duration_limits(forced ? forced_ns_ : device_.min_ns,
				forced ? forced_ns_ : device_.max_ns));
	}
	slot.state = Slot::Queued;
	int r = device_.camera->queueRequest(slot.request.get());
	if (r < 0) {
		slot.state = Slot::Idle;
		broken_ = true;
		wake_owner();
	}
	return r;
}

void LibcameraCamera::put_back(Slot &slot)
{
	slot.state = Slot::Idle;
	if (running_ && paced_ && !broken_ && !gone_)
		queue_slot(slot);
}

/* Where the pipeline does not pace, each tick of the timer queues one request. */
void LibcameraCamera::run_timer()
{
	uint64_t count;

	if (read(timer_.get(), &count, sizeof count) < 0 || !running_ || broken_)
		return;
	for (Slot &slot : buffers_.slots)
		if (slot.request && slot.state == Slot::Idle) {
			queue_slot(slot);
			return;
		}
}

/* Notices a pipeline that does not pace. */
bool LibcameraCamera::is_too_soon(int64_t sensor_ns)
{
	const int64_t least = std::max(info.frame_duration_min_ns / 2, kLeastGapNs);

	if (last_sensor_ns_ == 0 || sensor_ns - last_sensor_ns_ >= least) {
		last_sensor_ns_ = sensor_ns;
		return false;
	}
	if (paced_)
		set_timer(device_.period_ns);
	paced_ = info.can_steer = false;
	return true;
}

int LibcameraCamera::take_frame(::frame *ret)
{
	std::unique_lock<std::mutex> lock(lock_);

	run_timer();
	while (!ready_.empty() && !gone_ && !broken_) {
		Slot &slot = *ready_.front();

		ready_.erase(ready_.begin());
		if (slot.request->status() == Request::RequestCancelled) {
			/* not queued again: it would be cancelled again at once */
			broken_ = true;
		} else if (picture_is_good(*slot.buffer) && !is_too_soon(sensor_ns(slot))) {
			hand_out(slot, ret);
			if (ready_.empty())
				clear_event();
			lock.unlock();
			slot.sync_cache(DMA_BUF_SYNC_START);
			return 0;
		} else {
			put_back(slot);
		}
	}
	if (!gone_ && !broken_)
		clear_event();
	return gone_ ? -ENODEV : broken_ ? -ECANCELED : -EAGAIN;
}

void LibcameraCamera::hand_out(Slot &slot, ::frame *ret)
{
	const uint64_t sequence = slot.buffer->metadata().sequence;

	*ret = shape;
	std::copy(std::begin(slot.plane), std::end(slot.plane), ret->plane);
	if (shape.format == PIXEL_MJPEG) {
		const auto &planes = slot.buffer->metadata().planes();

		ret->plane_bytes[0] = planes.empty()
			? 0
			: std::min<size_t>(planes[0].bytesused, shape.plane_bytes[0]);
	}
	/* `virtual` of 0.4 counts nothing */
	ret->sequence = sequence_ = std::max(sequence, sequence_ + 1);
	ret->duration_ns = paced_ ? 0 : device_.period_ns;
	frame_describe(slot, ret);
	ret->opaque = &slot;
	slot.state = Slot::Held;
}

int LibcameraCamera::release_frame(::frame *frame)
{
	Slot &slot = *static_cast<Slot *>(frame->opaque);

	slot.sync_cache(DMA_BUF_SYNC_END);
	std::lock_guard<std::mutex> lock(lock_);
	put_back(slot);
	return 0;
}

int LibcameraCamera::set_frame_duration(int64_t ns, int frames)
{
	std::lock_guard<std::mutex> lock(lock_);

	if (!info.can_steer)
		return -EOPNOTSUPP;
	forced_ns_ = std::clamp(ns, info.frame_duration_min_ns, info.frame_duration_max_ns);
	forced_frames_ = std::max(frames, 0);
	if (frames <= 0) {
		device_.min_ns = device_.max_ns = forced_ns_;
		device_.controls->set(device_.limits_id, duration_limits(forced_ns_, forced_ns_));
	}
	return 0;
}

/* In libcamera's thread. */
void LibcameraCamera::on_completed(Request *request)
{
	std::lock_guard<std::mutex> lock(lock_);
	Slot &slot = buffers_.slots[request->cookie()];

	slot.state = Slot::Ready;
	ready_.push_back(&slot);
	wake_owner();
}

/* In libcamera's thread. */
void LibcameraCamera::on_disconnected()
{
	std::lock_guard<std::mutex> lock(lock_);

	gone_ = true;
	wake_owner();
}

/* ---- the C vtable ---- */

/* Nothing that C++ throws may reach the C that called. */
template <typename Function> int call_guarded(Function function) noexcept
{
	try {
		return function();
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	} catch (...) {
		return -EIO;
	}
}

/* A member function as an entry of the vtable. */
template <auto member, typename... Arguments>
int call_member(struct camera *camera, Arguments... arguments) noexcept
{
	return call_guarded(
		[&] { return (static_cast<LibcameraCamera *>(camera)->*member)(arguments...); });
}

int shim_list(void (*each)(void *data, const char *id, const char *model), void *data)
{
	return call_guarded([&] {
		std::shared_ptr<CameraManager> manager;
		int n = 0, r = shared_manager(&manager);

		if (r < 0)
			return r;
		for (const auto &found : sorted_cameras(*manager)) {
			each(data, found->id().c_str(), model_of(*found).c_str());
			n++;
		}
		return n;
	});
}

int shim_open(const struct camera_options *options, struct camera **ret, char *error, size_t size)
{
	return call_guarded([&] {
		auto opened = std::make_unique<LibcameraCamera>();
		std::string text;
		int r = opened->open_camera(*options, text);

		if (r >= 0)
			*ret = opened.release();
		else
			snprintf(error, size, "%s", text.empty() ? strerror(-r) : text.c_str());
		return r;
	});
}

void shim_release(struct camera *camera, struct frame *frame)
{
	call_member<&LibcameraCamera::release_frame>(camera, frame);
}

void shim_close(struct camera *camera)
{
	delete static_cast<LibcameraCamera *>(camera);
}

} // namespace

/* In the order of camera.h: C++17 has no designated initialisers. */
extern "C" const struct camera_ops camera_libcamera_ops = {
	"libcamera",
	shim_list,
	shim_open,
	call_member<&LibcameraCamera::start_stream>,
	call_member<&LibcameraCamera::stop_stream>,
	call_member<&LibcameraCamera::take_frame>,
	shim_release,
	call_member<&LibcameraCamera::set_frame_duration>,
	shim_close,
};
