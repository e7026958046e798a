/* SPDX-License-Identifier: MIT */
/* Memory for pictures, and the requests that fill it. For camera_libcamera.cpp only. */
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <linux/dma-buf.h>
#include <sys/mman.h>

#include <libcamera/libcamera.h>

#include "capture/camera.h"

/* Where the colours are in one buffer. */
struct Layout {
	pixel_format format = PIXEL_YUV420;
	size_t stride[3] = {}, bytes[3] = {}, offset[3] = {};
	size_t total = 0;

	Layout() = default;
	explicit Layout(const libcamera::StreamConfiguration &stream);
};

struct Mapping {
	void *data = MAP_FAILED;
	size_t size = 0;

	Mapping() = default;
	Mapping(const Mapping &) = delete;
	Mapping &operator=(const Mapping &) = delete;
	~Mapping()
	{
		if (data != MAP_FAILED)
			munmap(data, size);
	}
};

/* One picture's buffer, its request, and where it is. */
struct Slot {
	enum State { Idle, Queued, Ready, Held };

	State state = Idle;
	uintptr_t uses = 0; /* times it was handed out: tells a second release from the first */
	std::unique_ptr<libcamera::FrameBuffer> own; /* unless an allocator owns it */
	libcamera::FrameBuffer *buffer = nullptr;
	std::unique_ptr<libcamera::Request> request; /* null: the camera gave fewer buffers */
	Mapping mapping[3];
	const uint8_t *plane[3] = {};
	std::vector<int> fds; /* the buffer's, each once */

	/* DMA_BUF_SYNC_START before the CPU reads, DMA_BUF_SYNC_END after it. */
	void sync(uint64_t flags) const;
};

class Buffers
{
public:
	/*
	 * Fills the slots: buffers mapped, requests made with the slot's number as cookie. -ENOMEM and
	 * what the kernel says. Kept until clear().
	 */
	int allocate(const std::shared_ptr<libcamera::Camera> &camera,
		libcamera::StreamConfiguration &stream, const Layout &layout);
	void clear();

	std::array<Slot, CAMERA_BUFFERS> slots;

private:
	std::unique_ptr<libcamera::FrameBufferAllocator> allocator_;
};
