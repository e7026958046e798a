/* SPDX-License-Identifier: MIT */
/*
 * Buffers come from a CMA heap where there is one: that suits every pipeline and is cached for the
 * CPU (V4L2's own buffers are not, which makes reading them ten times slower). Else from
 * libcamera's allocator. Else, for a pipeline without hardware, from ordinary memory.
 */
#include "capture/camera/libcamera_buffer.hpp"

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

UniqueFD heap_open()
{
	for (const char *name : kHeaps) {
		int fd = open((std::string("/dev/dma_heap/") + name).c_str(), O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return UniqueFD(fd);
	}
	return UniqueFD();
}

/*
 * libcamera leaves a new buffer's metadata uninitialised, and `virtual` of 0.4 never fills it in:
 * it then has to read as a good picture without number and time.
 */
void metadata_clear(FrameBuffer &buffer)
{
	FrameMetadata &metadata = const_cast<FrameMetadata &>(buffer.metadata());

	metadata.status = FrameMetadata::FrameSuccess;
	metadata.sequence = 0;
	metadata.timestamp = 0;
}

/*
 * A buffer from the heap, or from ordinary memory if heap is -1: a plane per colour, all in one fd.
 */
int buffer_make(Slot &slot, const ::frame &shape, size_t bytes, int heap)
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
	for (size_t i = 0, offset = 0; i < 3 && shape.plane_bytes[i];
		offset += shape.plane_bytes[i++]) {
		planes.emplace_back();
		planes.back().fd = shared;
		planes.back().offset = static_cast<unsigned>(offset);
		planes.back().length = static_cast<unsigned>(shape.plane_bytes[i]);
	}
	slot.own = std::make_unique<FrameBuffer>(planes);
	slot.buffer = slot.own.get();
	return 0;
}

int buffer_map(Slot &slot, const ::frame &shape)
{
	const auto &planes = slot.buffer->planes();
	const bool one = planes.size() == 1; /* which then holds all colours */

	for (size_t i = 0, start = 0; i < 3 && shape.plane_bytes[i];
		start += shape.plane_bytes[i++]) {
		if (!one && i >= planes.size())
			return -EINVAL;
		const FrameBuffer::Plane &plane = planes[one ? 0 : i];
		size_t offset = one ? start : 0;
		int fd = plane.fd.get();

		if (plane.offset != FrameBuffer::Plane::kInvalidOffset)
			offset += plane.offset;
		const size_t size = offset + shape.plane_bytes[i];
		void *data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (data == MAP_FAILED)
			return -errno;
		slot.mapping[i] = { data, Unmap{ size } };
		slot.plane[i] = static_cast<const uint8_t *>(data) + offset;
		if (std::find(slot.fds.begin(), slot.fds.end(), fd) == slot.fds.end())
			slot.fds.push_back(fd);
	}
	return 0;
}

} // namespace

/*
 * The CPU's cache against the camera's writes, and a mask's against the next picture. memfds do not
 * know the call and need none.
 */
void Slot::sync_cache(uint64_t flags) const
{
	struct dma_buf_sync sync = { flags | DMA_BUF_SYNC_RW };

	for (int fd : fds)
		while (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) < 0 &&
			(errno == EINTR || errno == EAGAIN))
			;
}

int Buffers::allocate_slots(
	const std::shared_ptr<Camera> &camera, StreamConfiguration &stream, const ::frame &shape)
{
	const size_t bytes = std::max<size_t>(stream.frameSize,
		shape.plane_bytes[0] + shape.plane_bytes[1] + shape.plane_bytes[2]);
	UniqueFD heap = heap_open();
	bool own = heap.isValid();
	int r;

	if (!own) {
		allocator = std::make_unique<FrameBufferAllocator>(camera);
		r = allocator->allocate(stream.stream());
		/* ENOBUFS: `virtual`, and no dma-buf device. Any memory will do for it. */
		own = r == -ENOBUFS;
		if (r < 0 && !own)
			return r;
	}
	/* a pipeline may take fewer than it was asked for, and fails on one more */
	const size_t count = std::clamp<size_t>(stream.bufferCount, 1, slots.size());
	for (size_t i = 0; i < count; i++) {
		Slot &slot = slots[i];
		if (own) {
			r = buffer_make(slot, shape, bytes, heap.get());
			if (r < 0)
				return r;
		} else if (i < allocator->buffers(stream.stream()).size()) {
			slot.buffer = allocator->buffers(stream.stream())[i].get();
		} else {
			break;
		}
		metadata_clear(*slot.buffer);
		r = buffer_map(slot, shape);
		if (r < 0)
			return r;
		slot.request = camera->createRequest(i);
		if (!slot.request || slot.request->addBuffer(stream.stream(), slot.buffer) < 0)
			return -ENOMEM;
	}
	return slots[0].request ? 0 : -ENOMEM;
}
