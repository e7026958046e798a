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

/* Of a lens that moves: all the time, once when the stream starts, or to `dioptres` only. */
enum camera_focus { FOCUS_AUTO, FOCUS_ONCE, FOCUS_FIXED };

enum camera_flip { FLIP_NONE, FLIP_HORIZONTAL, FLIP_VERTICAL }; /* bits */

enum camera_metering {
	METERING_CENTRE,
	METERING_SPOT,
	METERING_MATRIX
}; /* as libcamera has them */

/* Of the simulated camera's scene, where 1 is noon. */
#define CAMERA_LIGHT_DUSK 0x1p-9 /* the sun has just set: its own exposure control still copes */
#define CAMERA_LIGHT_NIGHT 0x1p-18 /* the darkest there is: a town's sky */

/* What happens to the view of the simulated camera (capture/simcam/trouble.h). */
enum camera_trouble {
	VIEW_NONE,
	VIEW_COVERED, /* a bag, a hand, a leaf */
	VIEW_ICED, /* frost grows on the glass for an hour */
	VIEW_DEFOCUSED, /* the lens shrinks in the cold, for an hour */
	VIEW_TURNED, /* by 2 degrees, around its axis and to the side */
	VIEW_SPIDER, /* sits on the lens */
	VIEW_SNOW,
	VIEW_FOG,
	VIEW_HEADLIGHTS,
	VIEW_FROZEN, /* the sensor repeats its picture */
	VIEW_TROUBLES
};
extern const char *const camera_trouble_words[]; /* for a setting; NULL-terminated */

struct camera_options {
	const char *id; /* id or model as `capturepi cameras` prints it; NULL: the best */
	unsigned passed_over; /* with NULL: so many of the best have been tried in vain */
	int buffers; /* pictures there is memory for; 0: CAMERA_BUFFERS, the most */
	int width, height; /* pixels; 0: the sensor's full size */
	double fps; /* 0: as fast as is good for the slots, see camera_open_duration_ns() */
	int64_t interval_ns; /* from slot to slot, 0: not known */
	int rotation; /* 0 or 180, done by the sensor where it can */
	int flip; /* enum camera_flip, after the rotation */
	enum camera_focus focus;
	double dioptres; /* 1 / metres, 0: far away */
	double crop[4]; /* shares of the view: x, y, width, height; width 0: the whole view */
	bool hdr; /* more range from dark to bright, where the sensor or libcamera has that */
	bool stills; /* pictures are few: quality counts more than frames a second */
	double compensation; /* stops brighter, for the camera's own exposure control */
	int flicker_hz; /* of lamps; 0: none */
	enum camera_metering metering;
	const char *tuning_file; /* of a Pi's camera; NULL or "": the sensor's own */
	const char *const *control_names; /* n_controls names and values as written in settings */
	const char *const *control_values;
	size_t n_controls;
	/* the simulated camera only */
	uint64_t seed;
	double drift_ppm; /* of the sensor clock */
	double light; /* of the scene, 1 at noon; 0: by the clock, of the place below */
	double latitude, longitude; /* degrees; NaN: on the equator, in Greenwich */
	enum camera_trouble trouble;
	const char *faults; /* script, see simcam/faults.h; NULL or "": none */
};

enum white_balance { WHITE_UNKNOWN, WHITE_AUTO, WHITE_FIXED };

/* What open() ended up with. */
struct camera_info {
	char id[256];
	char model[64];
	int64_t frame_duration_min_ns, frame_duration_max_ns; /* 0: the camera does not tell */
	int64_t frame_duration_ns; /* the normal one as opened, 0: the camera does not tell */
	bool can_steer; /* set_frame_duration() has an effect; may become false in take() */
	int latency_frames; /* from a control to its frame, all buffers queued */
	/* About what streaming takes of the memory of camera_memory_free(), 0: not known. */
	int64_t memory_bytes;
	enum white_balance white_balance;
	/* what set_exposure() can do; exposure_max_ns 0: nothing, or settings fixed the exposure */
	int64_t exposure_min_ns, exposure_max_ns;
	double gain_max;
};

/* An exposure that is set from outside, in place of the camera's own control. */
struct camera_exposure {
	int64_t exposure_ns; /* 0: the camera's own control again, and the rest counts no more */
	double gain;
	int64_t duration_ns; /* the normal frame duration from now on; 0: the one of open() */
	double red, blue; /* gains that hold the white balance; 0: the camera's own */
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
	int queued; /* requests after its own that are under way: an order goes with the next one */
	/*
	 * Start of exposure of the first row, CLOCK_MONOTONIC nanoseconds: the sensor timestamp
	 * (frame start = end of the first row's exposure) less the exposure time, where the camera
	 * reports it.
	 */
	int64_t start_ns;
	int64_t duration_ns; /* frame duration in force, 0 if not reported */
	double exposure_us, gain, colour_temperature, lens_position; /* NaN if not reported */
	double red, blue; /* gains of the white balance, NaN if not reported */
	/* "idle", "scanning", "focused" or "failed"; NULL if not reported */
	const char *focus;
	void *opaque; /* the implementation's */
};

/* Each implementation's struct starts with this. All but what is noted stays as open() left it. */
struct camera {
	const struct camera_ops *ops;
	struct camera_info info;
	struct frame shape; /* what all its frames have in common: format, range, sizes, strides */
	int fd; /* readable when take() would return something else than -EAGAIN */
};

/* What a sensor can do, or which pictures a camera has that tells no modes of its sensor. */
struct camera_mode {
	int width, height;
	const char *format; /* in the camera's word: "SRGGB10_CSI2P" */
	double fps; /* frames a second at most; NaN: not known */
	double view; /* how much of the sensor's area it shows, 0 to 1; NaN: not known */
};

/* A control that the section [control] can set; texts are as settings write the values. */
struct camera_control {
	const char *name;
	const char *kind; /* "a whole number", "4 numbers: x,y,width,height" */
	const char *min, *max, *def; /* NULL: not told */
	const int *choices; /* n_choices numbers that are allowed; none: all from min to max */
	size_t n_choices;
};

/* Where describe() tells what it finds, which lives as long as the call. */
struct camera_listener {
	void (*mode)(void *data, const struct camera_mode *mode);
	void (*control)(void *data, const struct camera_control *control);
	void *data;
};

struct camera_ops {
	const char *name; /* "libcamera", "test" */

	/*
	 * Calls `each` for every camera found, the best first: those on a cable of the board's
	 * before those on USB, then by id. Returns their number or -errno.
	 */
	int (*list)(void (*each)(void *data, const char *id, const char *model), void *data);

	/*
	 * Tells the modes and the controls of a camera of that list. Takes no picture, but changes
	 * the camera's mode, unless another process has the camera: then it returns 1, and the
	 * modes' rates and views are not known. Else 0, -ENODEV, -EIO.
	 */
	int (*describe)(const char *id, const struct camera_listener *listener);

	/*
	 * Opens, configures and allocates. -ENODEV no such camera, -EBUSY another process has it,
	 * -ENOMEM no buffers, -EINVAL a size or control it cannot do. On failure `error` (size
	 * bytes) has one sentence for a person.
	 */
	int (*open)(const struct camera_options *options, struct camera **ret, char *error,
		size_t size);

	/* Starts the stream. -EBUSY, -EIO, -ENODEV; -ENOMEM: it may start with fewer buffers. */
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

	/*
	 * Has to be called before the first look at a frame's pixels: the CPU's cache may be older.
	 * Any thread. NULL: the pixels can be read as they are.
	 */
	void (*read)(struct camera *camera, const struct frame *frame);

	/* Gives a frame's buffer back; any thread, also after stop(). */
	void (*release)(struct camera *camera, struct frame *frame);

	/*
	 * Asks for frame durations of `ns` from the next request on, for `frames` requests, then
	 * the normal one again; frames 0 makes it the normal one. The effect is there after
	 * info.latency_frames. Clamped to the sensor's limits. -EOPNOTSUPP where it cannot.
	 */
	int (*set_frame_duration)(struct camera *camera, int64_t ns, int frames);

	/*
	 * Exposes the frames from the next request on like that, and those after each start. The
	 * effect is there after info.latency_frames. Values beyond the sensor's limits are clamped.
	 * -EOPNOTSUPP where info says that it cannot.
	 */
	int (*set_exposure)(struct camera *camera, const struct camera_exposure *exposure);

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

/*
 * The shortest frame duration from `least_ns` on of which `interval_ns` is a multiple: then frames
 * that are on one slot are on all, and need not be moved from slot to slot. `least_ns` where the
 * interval is shorter than that, or 0, or so long that the clocks' drift counts for more.
 */
int64_t camera_fit_duration_ns(int64_t least_ns, int64_t interval_ns);

/*
 * The frame duration that serves best where none is asked for, of a sensor whose shortest is
 * `least_ns`: near that, with room to make single frames shorter, but no more than 30 frames a
 * second. More serve nothing here, and libcamera before 0.5 runs its control algorithms no more
 * often: it loses what comes with a request in between.
 */
int64_t camera_open_duration_ns(int64_t least_ns, int64_t interval_ns);

/*
 * Free bytes of the contiguous memory (CMA) that a Pi's camera needs for its pictures; -ENOENT
 * where there is no such memory.
 */
int64_t camera_memory_free(void);

/* The implementation that serves `source`, NULL if it is not built in. */
const struct camera_ops *camera_ops_of(const char *source);

/* camera_ops.read, where there is one. */
static inline void camera_read(struct camera *camera, const struct frame *frame)
{
	if (camera->ops->read)
		camera->ops->read(camera, frame);
}

static inline void camera_close(struct camera *camera)
{
	if (camera)
		camera->ops->close(camera);
}

#ifdef __cplusplus
}
#endif
