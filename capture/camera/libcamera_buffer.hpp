/* SPDX-License-Identifier: MIT */
/* Memory for pictures, and the requests that fill it. For camera_libcamera.cpp only. */
#pragma once

#include <array>
#include <memory>
#include <vector>

#include <linux/dma-buf.h>
#include <sys/mman.h>

#include <libcamera/libcamera.h>

#include "capture/camera/camera.h"

/* Ends a mapping of that size. */
struct Unmap {
	size_t size = 0;

	void operator()(void *data) const
	{
		munmap(data, size);
	}
};

/* One picture's buffer, its request, and where it is. */
struct Slot {
	enum State { Idle, Queued, Ready, Held };

	State state = Idle;
	bool readable = false; /* its cache is between SYNC_START and SYNC_END */
	std::unique_ptr<libcamera::FrameBuffer> own; /* unless an allocator owns it */
	libcamera::FrameBuffer *buffer = nullptr;
	/* null: the camera gave fewer buffers. It goes before the buffer that it names. */
	std::unique_ptr<libcamera::Request> request;
	std::unique_ptr<void, Unmap> mapping[3];
	const uint8_t *plane[3] = {};
	std::vector<int> fds; /* the buffer's, each once */

	/* DMA_BUF_SYNC_START before the CPU reads, DMA_BUF_SYNC_END after it. */
	void sync_cache(uint64_t flags) const;
};

struct Buffers {
	/*
	 * Fills the slots: buffers mapped, requests made with the slot's number as cookie. `shape`
	 * has the strides and sizes of the planes. -ENOMEM and what the kernel says.
	 */
	int allocate_slots(const std::shared_ptr<libcamera::Camera> &camera,
		libcamera::StreamConfiguration &stream, const ::frame &shape);

	/* It outlives the slots, which have its buffers. */
	std::unique_ptr<libcamera::FrameBufferAllocator> allocator;
	std::array<Slot, CAMERA_BUFFERS> slots;
};
