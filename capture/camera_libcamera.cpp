/* SPDX-License-Identifier: MIT */
/*
 * Real cameras through libcamera, 0.0.3 to 0.7 from one source, behind the C vtable of camera.h. What
 * differs between versions is found out by name (controls) or by the compiler (members), so there is
 * no #if on a version. No libcamera type and no exception leaves the libcamera_* files and this one.
 *
 * Threads: libcamera calls completed() and disconnected() from its own thread; they put the buffer's
 * number into a list and write an eventfd, and that is all. The owner's thread reads the metadata in
 * take(). Two locks: `queueing_` orders giving requests to libcamera against start and stop and is
 * never taken by libcamera's thread; `state_` guards the list and the slots' states and is never held
 * across a call into libcamera, because a request may complete before queueRequest() returns.
 *
 * A pipeline without a sensor behind it (libcamera's `virtual`) completes a request the moment it is
 * queued. Two frames closer together than the camera's own limits allow give it away; from then on a
 * timer queues one request per frame duration.
 */
#include "capture/camera.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <libcamera/libcamera.h>

#include "capture/libcamera_buffer.hpp"
#include "capture/libcamera_device.hpp"
#include "capture/libcamera_facts.hpp"

using namespace libcamera;

namespace
{

constexpr int64_t kNsPerSecond = 1000000000;
constexpr int64_t kLeastGapNs = 1000000; /* between real frames, where the camera has no limits */

class LibcameraCamera : public ::camera
{
public:
	LibcameraCamera();
	~LibcameraCamera();

	int open(const camera_options &options, std::string &error);
	int start();
	int stop();
	int take(::frame *ret);
	void release(const ::frame &frame);
	int set_frame_duration(int64_t ns, int frames);

	Device device;
	UniqueFD epoll;

private:
	int open_events();
	int queue(Slot &slot);
	void set_paced(bool paced);
	void tick();
	bool too_soon(int64_t sensor_ns);
	int next_ready(Slot **ret);
	void put_back(Slot &slot);
	void hand_out(Slot &slot, ::frame *ret);
	void completed(Request *request);
	void disconnected();
	void wake();

	Buffers buffers_;
	UniqueFD event_, timer_;
	Facts facts_;
	uint64_t sequence_ = 0;
	int64_t last_sensor_ns_ = 0;

	std::mutex queueing_;
	bool running_ = false, paced_ = true;
	int64_t steer_ns_ = 0;
	int steer_frames_ = -1; /* requests left to steer; at 0 the next goes back to normal */

	std::mutex state_;
	std::vector<size_t> ready_; /* slots in the order they were completed */
	bool gone_ = false, broken_ = false;
};

LibcameraCamera::LibcameraCamera()
{
	ops = &camera_libcamera_ops;
	ready_.reserve(CAMERA_BUFFERS);
}

/* libcamera wants this order: stop, no more signals, requests, buffers, then the device. */
LibcameraCamera::~LibcameraCamera()
{
	if (!device.camera)
		return;
	stop();
	device.camera->requestCompleted.disconnect(this);
	device.camera->disconnected.disconnect(this);
	buffers_.clear();
}

int LibcameraCamera::open(const camera_options &options, std::string &error)
{
	int r = device.open(options, error);

	if (r >= 0)
		r = open_events();
	if (r < 0)
		return r;
	facts_.resolve();
	device.camera->requestCompleted.connect(this, &LibcameraCamera::completed);
	device.camera->disconnected.connect(this, &LibcameraCamera::disconnected);
	StreamConfiguration &stream = device.config->at(0);
	r = buffers_.allocate(device.camera, stream, device.layout);
	if (r < 0)
		error = "no memory for " + stream.toString() + " (see CmaFree in /proc/meminfo)";
	return r;
}

int LibcameraCamera::open_events()
{
	struct epoll_event event = {};

	event.events = EPOLLIN;
	epoll.reset(epoll_create1(EPOLL_CLOEXEC));
	event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event_.get(), &event) < 0 ||
		epoll_ctl(epoll.get(), EPOLL_CTL_ADD, timer_.get(), &event) < 0)
		return -errno;
	return 0;
}

int LibcameraCamera::start()
{
	std::unique_lock<std::mutex> lock(queueing_);
	int r = device.camera->start(device.controls.get());

	if (r < 0)
		return r;
	running_ = true;
	sequence_ = 0;
	last_sensor_ns_ = 0;
	steer_frames_ = -1;
	set_paced(paced_);
	for (Slot &slot : buffers_.slots)
		if (paced_ && r >= 0 && slot.request && slot.state == Slot::Idle)
			r = queue(slot);
	lock.unlock();
	if (r < 0)
		stop();
	return r;
}

int LibcameraCamera::stop()
{
	struct itimerspec off = {};
	uint64_t count;

	{
		std::lock_guard<std::mutex> lock(queueing_);
		if (!running_)
			return 0;
		running_ = false;
		timerfd_settime(timer_.get(), 0, &off, nullptr);
	}
	int r = device.camera->stop();

	std::lock_guard<std::mutex> lock(state_);
	for (Slot &slot : buffers_.slots)
		if (slot.state != Slot::Held)
			slot.state = Slot::Idle;
	ready_.clear();
	broken_ = false;
	if (!gone_ && read(event_.get(), &count, sizeof count) < 0 && errno != EAGAIN)
		return -errno;
	return r;
}

/* Gives a slot's request to libcamera. The caller holds queueing_. */
int LibcameraCamera::queue(Slot &slot)
{
	slot.request->reuse(Request::ReuseBuffers);
	if (device.limits_id && steer_frames_ >= 0) {
		bool steer = steer_frames_-- > 0;
		slot.request->controls().set(device.limits_id,
			duration_limits(steer ? steer_ns_ : device.min_ns,
				steer ? steer_ns_ : device.max_ns));
	}
	{
		std::lock_guard<std::mutex> lock(state_);
		slot.state = Slot::Queued;
	}
	int r = device.camera->queueRequest(slot.request.get());
	if (r < 0) {
		std::lock_guard<std::mutex> lock(state_);
		slot.state = Slot::Idle;
		broken_ = true;
		wake();
	}
	return r;
}

/* The timer runs where the pipeline does not pace. The caller holds queueing_. */
void LibcameraCamera::set_paced(bool paced)
{
	struct itimerspec when = {};

	paced_ = paced;
	if (paced)
		return;
	device.info.can_steer = false;
	when.it_interval.tv_sec = device.period_ns / kNsPerSecond;
	when.it_interval.tv_nsec = device.period_ns % kNsPerSecond;
	when.it_value = when.it_interval;
	timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void LibcameraCamera::tick()
{
	uint64_t count;

	if (read(timer_.get(), &count, sizeof count) < 0)
		return;
	std::lock_guard<std::mutex> lock(queueing_);
	for (Slot &slot : buffers_.slots) {
		std::unique_lock<std::mutex> state(state_);
		if (!running_ || broken_ || !slot.request || slot.state != Slot::Idle)
			continue;
		state.unlock();
		queue(slot);
		break;
	}
}

/* The next completed slot, now the caller's. */
int LibcameraCamera::next_ready(Slot **ret)
{
	std::lock_guard<std::mutex> lock(state_);
	const bool nothing = ready_.empty() || gone_ || broken_;
	uint64_t count;

	if ((nothing || ready_.size() == 1) && read(event_.get(), &count, sizeof count) < 0 &&
		errno != EAGAIN)
		return -errno;
	if (nothing)
		return gone_ ? -ENODEV : broken_ ? -ECANCELED : -EAGAIN;
	*ret = &buffers_.slots[ready_.front()];
	ready_.erase(ready_.begin());
	if ((*ret)->request->status() == Request::RequestCancelled) {
		broken_ = true; /* and not queued again: it would be cancelled again at once */
		return -ECANCELED;
	}
	return 0;
}

/* A slot whose picture nobody wants. */
void LibcameraCamera::put_back(Slot &slot)
{
	std::lock_guard<std::mutex> lock(queueing_);

	{
		std::lock_guard<std::mutex> state(state_);
		slot.state = Slot::Idle;
	}
	if (running_ && paced_)
		queue(slot);
}

bool LibcameraCamera::too_soon(int64_t sensor_ns)
{
	const int64_t least = std::max(device.info.frame_duration_min_ns / 2, kLeastGapNs);

	if (last_sensor_ns_ == 0 || sensor_ns - last_sensor_ns_ >= least) {
		last_sensor_ns_ = sensor_ns;
		return false;
	}
	std::lock_guard<std::mutex> lock(queueing_);
	if (paced_)
		set_paced(false);
	return true;
}

int LibcameraCamera::take(::frame *ret)
{
	Slot *slot = nullptr;
	int r;

	tick();
	while ((r = next_ready(&slot)) >= 0) {
		if (Facts::good(*slot->buffer) &&
			!too_soon(facts_.sensor_ns(*slot->request, *slot->buffer))) {
			hand_out(*slot, ret);
			return 0;
		}
		put_back(*slot);
	}
	return r;
}

void LibcameraCamera::hand_out(Slot &slot, ::frame *ret)
{
	const uint64_t sequence = slot.buffer->metadata().sequence;
	const size_t index = static_cast<size_t>(&slot - &buffers_.slots[0]);

	*ret = {};
	for (size_t i = 0; i < 3; i++) {
		ret->plane[i] = slot.plane[i];
		ret->stride[i] = device.layout.stride[i];
		ret->plane_bytes[i] = device.layout.bytes[i];
	}
	ret->format = device.info.format;
	ret->range = device.info.range;
	ret->width = device.info.width;
	ret->height = device.info.height;
	/* `virtual` of 0.4 counts nothing */
	ret->sequence = sequence_ = std::max(sequence, sequence_ + 1);
	ret->duration_ns = paced_ ? 0 : device.period_ns;
	facts_.describe(*slot.request, *slot.buffer, ret);
	slot.sync(DMA_BUF_SYNC_START);

	std::lock_guard<std::mutex> lock(state_);
	slot.state = Slot::Held;
	slot.uses++;
	ret->opaque = reinterpret_cast<void *>(slot.uses * CAMERA_BUFFERS + index);
}

void LibcameraCamera::release(const ::frame &frame)
{
	const auto token = reinterpret_cast<uintptr_t>(frame.opaque);
	Slot &slot = buffers_.slots[token % CAMERA_BUFFERS];
	std::lock_guard<std::mutex> lock(queueing_);

	{
		std::lock_guard<std::mutex> state(state_);
		if (slot.state != Slot::Held || slot.uses != token / CAMERA_BUFFERS)
			return;
		slot.sync(DMA_BUF_SYNC_END);
		slot.state = Slot::Idle;
		if (!running_ || !paced_ || broken_ || gone_)
			return;
	}
	queue(slot);
}

int LibcameraCamera::set_frame_duration(int64_t ns, int frames)
{
	std::lock_guard<std::mutex> lock(queueing_);

	if (!device.info.can_steer)
		return -EOPNOTSUPP;
	steer_ns_ = std::clamp(
		ns, device.info.frame_duration_min_ns, device.info.frame_duration_max_ns);
	steer_frames_ = std::max(frames, 0);
	if (frames <= 0) {
		device.min_ns = device.max_ns = steer_ns_;
		device.controls->set(device.limits_id, duration_limits(steer_ns_, steer_ns_));
	}
	return 0;
}

/* In libcamera's thread. */
void LibcameraCamera::completed(Request *request)
{
	std::lock_guard<std::mutex> lock(state_);

	buffers_.slots[request->cookie()].state = Slot::Ready;
	ready_.push_back(request->cookie());
	wake();
}

/* In libcamera's thread. */
void LibcameraCamera::disconnected()
{
	std::lock_guard<std::mutex> lock(state_);

	gone_ = true;
	wake();
}

void LibcameraCamera::wake()
{
	const uint64_t one = 1;

	while (write(event_.get(), &one, sizeof one) < 0 && errno == EINTR)
		;
}

/* Nothing that C++ throws may reach the C that called. */
template <typename Function> int guarded(Function function) noexcept
{
	try {
		return function();
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	} catch (...) {
		return -EIO;
	}
}

LibcameraCamera *of(struct camera *camera)
{
	return static_cast<LibcameraCamera *>(camera);
}

int shim_list(const struct camera_options *,
	void (*each)(void *data, const char *id, const char *model), void *data)
{
	return guarded([&] {
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
	return guarded([&] {
		auto opened = std::make_unique<LibcameraCamera>();
		std::string text;
		int r = opened->open(*options, text);

		if (r >= 0)
			*ret = opened.release();
		else
			snprintf(error, size, "%s", text.empty() ? strerror(-r) : text.c_str());
		return r;
	});
}

const struct camera_info *shim_info(const struct camera *camera)
{
	return &static_cast<const LibcameraCamera *>(camera)->device.info;
}

int shim_start(struct camera *camera)
{
	return guarded([&] { return of(camera)->start(); });
}

int shim_stop(struct camera *camera)
{
	return guarded([&] { return of(camera)->stop(); });
}

int shim_fd(const struct camera *camera)
{
	return static_cast<const LibcameraCamera *>(camera)->epoll.get();
}

int shim_take(struct camera *camera, struct frame *ret)
{
	return guarded([&] { return of(camera)->take(ret); });
}

void shim_release(struct camera *camera, struct frame *frame)
{
	guarded([&] { return of(camera)->release(*frame), 0; });
}

int shim_set_frame_duration(struct camera *camera, int64_t ns, int frames)
{
	return guarded([&] { return of(camera)->set_frame_duration(ns, frames); });
}

void shim_close(struct camera *camera)
{
	guarded([&] { return delete of(camera), 0; });
}

} // namespace

/* In the order of camera.h: C++17 has no designated initialisers. */
extern "C" const struct camera_ops camera_libcamera_ops = {
	"libcamera",
	shim_list,
	shim_open,
	shim_info,
	shim_start,
	shim_stop,
	shim_fd,
	shim_take,
	shim_release,
	shim_set_frame_duration,
	shim_close,
};
