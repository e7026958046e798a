/* SPDX-License-Identifier: MIT */
/*
 * Buffers come from a CMA heap where there is one: that suits every pipeline and is cached for the CPU
 * (V4L2's own buffers are not, which makes reading them ten times slower). Else from libcamera's
 * allocator. Else, for a pipeline without hardware, from ordinary memory.
 */
#include "capture/libcamera_buffer.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace libcamera;

namespace
{

/* `system` is left out: its memory is not contiguous, which most camera hardware needs. */
constexpr const char *kHeaps[] = { "vidbuf_cached", "linux,cma", "default_cma_region", "reserved" };

UniqueFD open_heap()
{
	for (const char *name : kHeaps) {
		int fd = open((std::string("/dev/dma_heap/") + name).c_str(), O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return UniqueFD(fd);
	}
	return UniqueFD();
}

/*
 * libcamera leaves a new buffer's metadata uninitialised, and `virtual` of 0.4 never fills it in: it then
 * has to read as a good picture without number and time.
 */
void clear_metadata(FrameBuffer &buffer)
{
	FrameMetadata &metadata = const_cast<FrameMetadata &>(buffer.metadata());

	metadata.status = FrameMetadata::FrameSuccess;
	metadata.sequence = 0;
	metadata.timestamp = 0;
}

/* A buffer from the heap, or from ordinary memory if heap is -1: a plane per colour, all in one fd. */
int make_buffer(Slot &slot, const Layout &layout, size_t bytes, int heap)
{
	struct dma_heap_allocation_data want = {};
	std::vector<FrameBuffer::Plane> planes;
	UniqueFD fd;

	want.len = bytes;
	want.fd_flags = O_RDWR | O_CLOEXEC;
	if (heap >= 0) {
		if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &want) < 0)
			return -errno;
		fd.reset(static_cast<int>(want.fd));
	} else {
		fd.reset(memfd_create("capturepi-frame", MFD_CLOEXEC));
		if (!fd.isValid() || ftruncate(fd.get(), static_cast<off_t>(bytes)) < 0)
			return -errno;
	}
	SharedFD shared(std::move(fd));
	for (size_t i = 0; i < 3 && layout.bytes[i]; i++) {
		planes.emplace_back();
		planes.back().fd = shared;
		planes.back().offset = static_cast<unsigned>(layout.offset[i]);
		planes.back().length = static_cast<unsigned>(layout.bytes[i]);
	}
	slot.own = std::make_unique<FrameBuffer>(planes);
	slot.buffer = slot.own.get();
	return 0;
}

int map_buffer(Slot &slot, const Layout &layout)
{
	const auto &planes = slot.buffer->planes();

	for (size_t i = 0; i < 3 && layout.bytes[i]; i++) {
		const bool one = planes.size() == 1; /* which then holds all colours */
		if (!one && i >= planes.size())
			return -EINVAL;
		const FrameBuffer::Plane &plane = planes[one ? 0 : i];
		Mapping &mapping = slot.mapping[i];
		size_t offset = one ? layout.offset[i] : 0;
		int fd = plane.fd.get();

		if (plane.offset != FrameBuffer::Plane::kInvalidOffset)
			offset += plane.offset;
		mapping.size = offset + layout.bytes[i];
		mapping.data = mmap(nullptr, mapping.size, PROT_READ, MAP_SHARED, fd, 0);
		if (mapping.data == MAP_FAILED)
			return -errno;
		slot.plane[i] = static_cast<const uint8_t *>(mapping.data) + offset;
		if (std::find(slot.fds.begin(), slot.fds.end(), fd) == slot.fds.end())
			slot.fds.push_back(fd);
	}
	return 0;
}

} // namespace

Layout::Layout(const StreamConfiguration &stream)
{
	const bool nv12 = stream.pixelFormat == formats::NV12;
	const size_t height = stream.size.height, half = (height + 1) / 2;

	format = nv12 ? PIXEL_NV12 : PIXEL_YUV420;
	stride[0] = stream.stride;
	stride[1] = nv12 ? stream.stride : stream.stride / 2;
	stride[2] = nv12 ? 0 : stride[1];
	for (size_t i = 0; i < 3; i++) {
		offset[i] = total;
		bytes[i] = stride[i] * (i ? half : height);
		total += bytes[i];
	}
}

/* The CPU's cache against the camera's writes. memfds do not know the call and need none. */
void Slot::sync(uint64_t flags) const
{
	struct dma_buf_sync sync = { flags | DMA_BUF_SYNC_READ };

	for (int fd : fds)
		while (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) < 0 &&
			(errno == EINTR || errno == EAGAIN))
			;
}

int Buffers::allocate(
	const std::shared_ptr<Camera> &camera, StreamConfiguration &stream, const Layout &layout)
{
	const size_t bytes = std::max<size_t>(stream.frameSize, layout.total);
	UniqueFD heap = open_heap();
	bool own = heap.isValid();
	int r;

	if (!own) {
		allocator_ = std::make_unique<FrameBufferAllocator>(camera);
		r = allocator_->allocate(stream.stream());
		/* ENOBUFS: `virtual`, and no dma-buf device. Any memory will do for it. */
		own = r == -ENOBUFS;
		if (r < 0 && !own)
			return r;
	}
	for (size_t i = 0; i < slots.size(); i++) {
		Slot &slot = slots[i];
		if (own) {
			r = make_buffer(slot, layout, bytes, heap.get());
			if (r < 0)
				return r;
		} else if (i < allocator_->buffers(stream.stream()).size()) {
			slot.buffer = allocator_->buffers(stream.stream())[i].get();
		} else {
			break;
		}
		clear_metadata(*slot.buffer);
		r = map_buffer(slot, layout);
		if (r < 0)
			return r;
		slot.request = camera->createRequest(i);
		if (!slot.request || slot.request->addBuffer(stream.stream(), slot.buffer) < 0)
			return -ENOMEM;
	}
	return slots[0].request ? 0 : -ENOMEM;
}

/* Requests before the buffers they name, buffers before their allocator. */
void Buffers::clear()
{
	for (Slot &slot : slots) {
		slot.request.reset();
		slot.own.reset();
	}
	allocator_.reset();
}
