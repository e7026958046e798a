/* SPDX-License-Identifier: MIT */
/*
 * A camera behind a vtable. Two implementations ship: `libcamera` (camera_libcamera.cpp with its
 * helpers libcamera_*, the only C++) and `test` (simcam/: a simulated sensor with the physics of a
 * real one, a drawn scene, and scripted faults). This header is plain C that a C++ compiler reads
 * too.
 *
 * Threads: one thread owns a camera and calls everything but release(), which any thread may call.
 * An implementation may have threads of its own; it hands frames over through a queue and makes the
 * camera's fd readable.
 *
 * Life: open -> start -> (take, release)* -> stop -> start ... -> close. Buffers are allocated in
 * open and kept until close. While started the camera streams by itself: a released frame's buffer
 * is queued again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"

#ifdef __cplusplus
extern "C" {
#endif

enum pixel_format {
	PIXEL_YUV420, /* planes Y, U, V; chroma halved both ways */
	PIXEL_NV12, /* planes Y, UV interleaved */
	PIXEL_YUYV, /* one plane Y U Y V; chroma halved from left to right only */
	PIXEL_MJPEG, /* one plane that holds a JPEG of plane_bytes[0] bytes; it has no stride */
};

/* The range of the YUV values. JPEG (JFIF) expects full range BT.601 ("sYCC"). */
enum pixel_range { PIXEL_FULL_RANGE, PIXEL_LIMITED_RANGE };

struct camera_options {
	const char *id; /* id or model as `capturepi cameras` prints it; NULL: the first */
	int width, height; /* pixels; 0: the sensor's full size */
	double fps; /* 0: as fast as the sensor goes at this size */
	int rotation; /* 0 or 180, done by the sensor where it can */
	const char *const *control_names; /* n_controls names and values as written in settings */
	const char *const *control_values;
	size_t n_controls;
	/* the simulated camera only */
	uint64_t seed;
	double drift_ppm; /* of the sensor clock */
	const char *faults; /* script, see simcam/faults.h; NULL or "": none */
};

/* What open() ended up with. */
struct camera_info {
	char id[256];
	char model[64];
	int64_t frame_duration_min_ns, frame_duration_max_ns; /* 0: the camera does not tell */
	bool can_steer; /* set_frame_duration() has an effect; may become false in take() */
	int latency_frames; /* from setting a control to the frame that shows it, at most */
};

enum frame_flags {
	FRAME_STARTUP = 1 << 0, /* exposure and white balance have not converged yet */
	FRAME_CONVERGED = 1 << 1, /* the camera says that they have; not every camera can tell */
};

/* One picture. Owned by the camera until camera_release(). */
struct frame {
	const uint8_t *plane[3];
	size_t stride[3]; /* bytes from row to row */
	size_t plane_bytes[3]; /* readable bytes of each plane; of MJPEG those of this frame */
	enum pixel_format format;
	enum pixel_range range;
	int width, height;
	unsigned flags;
	uint64_t sequence; /* the camera's count since start; gaps are dropped frames */
	/*
	 * Start of exposure of the first row, CLOCK_MONOTONIC nanoseconds: the sensor timestamp
	 * (frame start = end of the first row's exposure) less the exposure time, where the camera
	 * reports it.
	 */
	int64_t start_ns;
	int64_t duration_ns; /* frame duration in force, 0 if not reported */
	double exposure_us, gain, colour_temperature, lens_position; /* NaN if not reported */
	void *opaque; /* the implementation's */
};

/* Each implementation's struct starts with this. All but what is noted stays as open() left it. */
struct camera {
	const struct camera_ops *ops;
	struct camera_info info;
	struct frame shape; /* what all its frames have in common: format, range, sizes, strides */
	int fd; /* readable when take() would return something else than -EAGAIN */
};

struct camera_ops {
	const char *name; /* "libcamera", "test" */

	/*
	 * Calls `each` for every camera found, sorted by id. Returns their number or -errno.
	 */
	int (*list)(void (*each)(void *data, const char *id, const char *model), void *data);

	/*
	 * Opens, configures and allocates. -ENODEV no such camera, -EBUSY another process has it,
	 * -ENOMEM no buffers, -EINVAL a size or control it cannot do. On failure `error` (size
	 * bytes) has one sentence for a person.
	 */
	int (*open)(const struct camera_options *options, struct camera **ret, char *error,
		size_t size);

	/* Starts the stream. -EBUSY, -EIO, -ENODEV. */
	int (*start)(struct camera *camera);

	/*
	 * Stops it. Frames that are still held stay readable until they are released. May block
	 * (real drivers do hang here): the caller has a deadline.
	 */
	int (*stop)(struct camera *camera);

	/*
	 * The next frame in order of exposure. -EAGAIN none yet; -ECANCELED the stream broke (stop
	 * and start again); -ENODEV the camera is gone (close it).
	 */
	int (*take)(struct camera *camera, struct frame *ret);

	/* Gives a frame's buffer back; any thread, also after stop(). */
	void (*release)(struct camera *camera, struct frame *frame);

	/*
	 * Asks for frame durations of `ns` from the next request on, for `frames` requests, then
	 * the normal one again; frames 0 makes it the normal one. The effect is there after
	 * info.latency_frames. Clamped to the sensor's limits. -EOPNOTSUPP where it cannot.
	 */
	int (*set_frame_duration)(struct camera *camera, int64_t ns, int frames);

	/* All frames must have been released. NULL is fine. */
	void (*close)(struct camera *camera);
};

extern const struct camera_ops simcam_ops;
#ifdef HAVE_LIBCAMERA
extern const struct camera_ops camera_libcamera_ops;
#endif

/*
 * Opens by the setting camera.source: "test", "auto" (the first libcamera camera, else -ENODEV), or
 * a libcamera id or model. Built without libcamera only "test" opens; the rest is -ENODEV with the
 * reason.
 */
int camera_open(const char *source, const struct camera_options *options, struct camera **ret,
	char *error, size_t size);

/*
 * For implementations: fills `shape` for pictures of this size whose rows of the first plane are
 * `stride` bytes apart. The planes follow one another, each with its whole rows. For MJPEG `stride`
 * is the size of the whole buffer.
 */
void camera_set_shape(struct camera *camera, enum pixel_format format, enum pixel_range range,
	int width, int height, size_t stride);

/* The implementation that serves `source`, NULL if it is not built in. */
const struct camera_ops *camera_ops_of(const char *source);

static inline void camera_close(struct camera *camera)
{
	if (camera)
		camera->ops->close(camera);
}

#ifdef __cplusplus
}
#endif
