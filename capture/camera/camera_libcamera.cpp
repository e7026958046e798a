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
 * is queued. Its first frames, closer together than the camera's own limits allow, give it away;
 * from then on a timer queues one request per frame duration. A real sensor's frames may be that
 * close now and then: an interrupt was late, or a timestamp is wrong.
 */
#include "capture/camera/camera.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
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

#include "capture/camera/libcamera_buffer.hpp"
#include "capture/camera/libcamera_device.hpp"
#include "capture/camera/libcamera_facts.hpp"
#include "common/base/log.h"

using namespace libcamera;

namespace
{

constexpr int64_t kNsPerSecond = 1000000000;
constexpr int64_t kLeastGapNs = 1000000; /* between real frames, where the camera has no limits */
constexpr int kUnpacedFrames = 3; /* so many in a row come too soon if there is no sensor ... */
constexpr int kPacingFrames = 20; /* ... among the first so many */
constexpr int kBackwardFrames = 2; /* in a row: the clock of the timestamps was another one */
constexpr int kForeignFrames = 3; /* in a row: the timestamps are of another clock */
constexpr int64_t kAheadNs = kNsPerSecond; /* of the present a timestamp of our clock is not, */
constexpr int64_t kBehindNs = 10 * kNsPerSecond; /* nor so far behind the end of its frame */

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
	int read_frame(const ::frame *frame);
	int release_frame(::frame *frame);
	int set_frame_duration(int64_t ns, int frames);
	int set_exposure(const struct camera_exposure *exposure);

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
	int64_t date_frame(const Slot &slot);
	bool time_is_bad(int64_t sensor_ns);
	void hand_out(Slot &slot, int64_t sensor_ns, ::frame *ret);

	Device device_{ *this };
	Buffers buffers_;
	UniqueFD epoll_, event_, timer_;

	std::mutex lock_; /* for all below, and the slots' states */
	bool first_ = false; /* no request has been queued since the start */
	bool running_ = false, gone_ = false, broken_ = false;
	bool paced_ = true; /* by its sensor; false: by timer_ */
	uint64_t sequence_ = 0;
	int64_t last_sensor_ns_ = 0;
	int judged_ = 0; /* frames since the start, up to kPacingFrames */
	int soon_ = 0, backward_ = 0, foreign_ = 0; /* of the newest, so many in a row */
	int64_t forced_ns_ = 0; /* frame duration asked for */
	int forced_frames_ = -1; /* requests left with it; at 0 the next goes back to normal */
	int exposing_frames_ = 0; /* requests left that carry exposure_ */
	struct camera_exposure exposure_ = {};
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
		error = "no memory for " + stream.toString() + ", which takes about " +
			std::to_string(info.memory_bytes / 1000000) +
			" MB in all (see CmaFree in /proc/meminfo)";
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
	int r = device_.prepare_start();
	ControlList controls(*device_.controls);

	if (exposure_.exposure_ns > 0)
		device_.set_exposure(exposure_, controls);
	if (r >= 0)
		r = device_.camera->start(&controls);
	std::unique_lock<std::mutex> lock(lock_);

	if (r < 0)
		return r;
	running_ = true;
	sequence_ = 0;
	first_ = true;
	last_sensor_ns_ = 0;
	judged_ = soon_ = backward_ = foreign_ = 0;
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
	if (exposing_frames_ > 0) {
		exposing_frames_--;
		device_.set_exposure(exposure_, slot.request->controls());
	}
	if (device_.limits_id && forced_frames_ >= 0) {
		bool forced = forced_frames_-- > 0;

		slot.request->controls().set(device_.limits_id,
			forced ? duration_limits(forced_ns_, forced_ns_)
			       : device_.normal_limits(exposure_));
	}
	if (first_)
		device_.repeat_controls(slot.request->controls());
	first_ = false;
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

/*
 * The sensor timestamp; 0 where it cannot be, by our clock. A camera all of whose timestamps are so
 * has them from another clock: then it is the present, and the frames' phase is not known.
 */
int64_t LibcameraCamera::date_frame(const Slot &slot)
{
	const int64_t now = monotonic_ns(), ns = sensor_ns(slot);

	if (ns <= now + kAheadNs && ns >= now - kBehindNs - 2 * frame_duration_ns(slot)) {
		foreign_ = 0;
		return ns;
	}
	if (foreign_ < kForeignFrames && ++foreign_ == kForeignFrames) {
		log_warning("camera: its frames have the times of another clock; "
			    "they are dated by their arrival");
		info.can_steer = false;
		last_sensor_ns_ = 0;
	}
	return foreign_ < kForeignFrames ? 0 : now;
}

/*
 * Whether a frame has to be passed over for its time: it is before the one of the frame before it,
 * or it is of a pipeline that does not pace, which is noticed here.
 */
bool LibcameraCamera::time_is_bad(int64_t sensor_ns)
{
	const int64_t least = std::max(info.frame_duration_min_ns / 2, kLeastGapNs);
	const int64_t gap = last_sensor_ns_ == 0 ? least : sensor_ns - last_sensor_ns_;

	soon_ = gap < least ? soon_ + 1 : 0;
	backward_ = gap <= 0 ? backward_ + 1 : 0;
	if (paced_ && judged_ < kPacingFrames) {
		judged_++;
		if (soon_ >= kUnpacedFrames) {
			set_timer(device_.period_ns);
			paced_ = info.can_steer = false;
		}
	}
	if (paced_ ? backward_ > 0 && backward_ < kBackwardFrames : soon_ > 0)
		return true;
	last_sensor_ns_ = sensor_ns;
	return false;
}

int LibcameraCamera::take_frame(::frame *ret)
{
	std::lock_guard<std::mutex> lock(lock_);

	run_timer();
	while (!ready_.empty() && !gone_ && !broken_) {
		Slot &slot = *ready_.front();

		ready_.erase(ready_.begin());
		if (slot.request->status() == Request::RequestCancelled) {
			/* not queued again: it would be cancelled again at once */
			broken_ = true;
			continue;
		}
		const int64_t ns = picture_is_good(*slot.buffer) ? date_frame(slot) : 0;
		if (ns != 0 && !time_is_bad(ns)) {
			hand_out(slot, ns, ret);
			if (ready_.empty())
				clear_event();
			return 0;
		}
		put_back(slot);
	}
	if (!gone_ && !broken_)
		clear_event();
	return gone_ ? -ENODEV : broken_ ? -ECANCELED : -EAGAIN;
}

void LibcameraCamera::hand_out(Slot &slot, int64_t sensor_ns, ::frame *ret)
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
	frame_describe(slot, sensor_ns, ret);
	ret->opaque = &slot;
	slot.state = Slot::Held;
	ret->queued = static_cast<int>(std::count_if(buffers_.slots.begin(), buffers_.slots.end(),
		[](const Slot &s) { return s.state == Slot::Queued || s.state == Slot::Ready; }));
}

/* Most frames are never looked at, and a cache takes its time. */
int LibcameraCamera::read_frame(const ::frame *frame)
{
	Slot &slot = *static_cast<Slot *>(frame->opaque);

	if (!slot.readable)
		slot.sync_cache(DMA_BUF_SYNC_START);
	slot.readable = true;
	return 0;
}

int LibcameraCamera::release_frame(::frame *frame)
{
	Slot &slot = *static_cast<Slot *>(frame->opaque);

	if (slot.readable)
		slot.sync_cache(DMA_BUF_SYNC_END);
	slot.readable = false;
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
	if (frames <= 0 && exposure_.exposure_ns > 0 && exposure_.duration_ns > 0) {
		exposure_.duration_ns = forced_ns_;
	} else if (frames <= 0) {
		device_.min_ns = device_.max_ns = forced_ns_;
		device_.controls->set(device_.limits_id, duration_limits(forced_ns_, forced_ns_));
	}
	return 0;
}

/* libcamera before 0.5 loses what comes with a request whose frame it skips: on two of them. */
int LibcameraCamera::set_exposure(const struct camera_exposure *exposure)
{
	std::lock_guard<std::mutex> lock(lock_);

	if (info.exposure_max_ns == 0)
		return -EOPNOTSUPP;
	exposure_ = *exposure;
	exposure_.exposure_ns = exposure_.exposure_ns <= 0
		? 0
		: std::clamp(exposure_.exposure_ns, info.exposure_min_ns, info.exposure_max_ns);
	exposure_.gain = std::clamp(exposure_.gain, 1.0, std::max(info.gain_max, 1.0));
	exposing_frames_ = 2;
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
		int n = 0, r = shared_manager(nullptr, &manager);

		if (r < 0)
			return r;
		for (const auto &found : sorted_cameras(*manager)) {
			each(data, found->id().c_str(), model_of(*found).c_str());
			n++;
		}
		return n;
	});
}

int shim_describe(const char *id, const struct camera_listener *listener)
{
	return call_guarded([&] {
		std::shared_ptr<CameraManager> manager;
		int r = shared_manager(nullptr, &manager);
		std::shared_ptr<Camera> camera = r < 0 ? nullptr : manager->get(id);

		return r < 0 ? r : camera ? camera_describe(*camera, *listener) : -ENODEV;
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

void shim_read(struct camera *camera, const struct frame *frame)
{
	call_member<&LibcameraCamera::read_frame>(camera, frame);
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
	shim_describe,
	shim_open,
	call_member<&LibcameraCamera::start_stream>,
	call_member<&LibcameraCamera::stop_stream>,
	call_member<&LibcameraCamera::take_frame>,
	shim_read,
	shim_release,
	call_member<&LibcameraCamera::set_frame_duration>,
	call_member<&LibcameraCamera::set_exposure>,
	shim_close,
};
