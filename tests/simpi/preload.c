/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD: puts the simulated camera of pi.h in the place of the machine's media, video and
 * sub-devices and dma heaps, and a folder in the place of the files of /sys and /proc that tell of
 * them. Without SIMPI_ROOT in the environment it does nothing.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pi.h"

#define FDS_MAX 4096
#define POLLS_MAX 512
#define PATH_BYTES 4096

#define VIDEO(type_, caps_) .type = V4L2_BUF_TYPE_##type_, .caps = V4L2_CAP_##caps_
#define ISP_ENTITY "bcm2835-isp0-"

struct pi pi = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.node = {
		{ "/dev/video0", "unicam-image", 0, VIDEO(VIDEO_CAPTURE, VIDEO_CAPTURE) },
		{ "/dev/video13", ISP_ENTITY "output0", 13, VIDEO(VIDEO_OUTPUT, VIDEO_OUTPUT) },
		{ "/dev/video14", ISP_ENTITY "capture1", 14, VIDEO(VIDEO_CAPTURE, VIDEO_CAPTURE) },
		{ "/dev/video15", ISP_ENTITY "capture2", 15, VIDEO(VIDEO_CAPTURE, VIDEO_CAPTURE) },
		{ "/dev/video16", ISP_ENTITY "capture3", 16, VIDEO(META_CAPTURE, META_CAPTURE) },
	},
};

enum kind { KIND_OTHER, KIND_RECEIVER, KIND_ISP, KIND_SENSOR, KIND_LENS, KIND_VIDEO, KIND_HEAP };

static struct {
	enum kind kind;
	struct pi_node *node;
} files[FDS_MAX];
static char root[PATH_BYTES / 2]; /* "": nothing is simulated */
static FILE *log_file;

/* The C library's own function of that name. */
#define REAL(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&name) real;                                                     \
		if (!real)                                                                         \
			real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                         \
		real;                                                                              \
	})

void pi_say(const char *format, ...)
{
	va_list arguments;

	if (!log_file)
		return;
	fprintf(log_file, "%.6f ", (double)pi_now_ns() / (double)NS_PER_S);
	va_start(arguments, format);
	vfprintf(log_file, format, arguments);
	va_end(arguments);
	fputc('\n', log_file);
	fflush(log_file);
}

void node_notify(struct pi_node *node)
{
	bool something = queue_length(&node->done) || node->event_tail != node->event_head;
	uint64_t count = 1;

	if (node->fd < 0)
		return;
	if (something ? write(node->fd, &count, sizeof count) < 0
		      : read(node->fd, &count, sizeof count) < 0)
		return; /* it was so before */
}

/* ---- files ---- */

static const char *path_map(const char *path, char *buffer)
{
	static const char *const ours[] = { "/sys/bus/media", "/sys/subsystem/media",
		"/sys/class/media",
		"/sys/dev/char/81:", "/sys/firmware/devicetree/base/soc/i2c0mux",
		"/sys/devices/platform/simpi", "/dev/media", "/dev/video", "/dev/v4l-subdev",
		"/dev/dma_heap", "/proc/meminfo" };

	for (size_t i = 0; path && *root && i < sizeof ours / sizeof *ours; i++)
		if (strncmp(path, ours[i], strlen(ours[i])) == 0) {
			snprintf(buffer, PATH_BYTES, "%s%s", root, path);
			return buffer;
		}
	return path;
}

static enum kind path_kind(const char *path, struct pi_node **ret_node)
{
	static const struct {
		const char *path;
		enum kind kind;
	} devices[] = { { "/dev/media0", KIND_RECEIVER }, { "/dev/media1", KIND_ISP },
		{ "/dev/v4l-subdev0", KIND_SENSOR }, { "/dev/v4l-subdev1", KIND_LENS },
		{ "/dev/dma_heap/linux,cma", KIND_HEAP } };

	for (int i = 0; i < NODES; i++)
		if (strcmp(path, pi.node[i].path) == 0) {
			*ret_node = &pi.node[i];
			return KIND_VIDEO;
		}
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		if (strcmp(path, devices[i].path) == 0)
			return devices[i].kind;
	return KIND_OTHER;
}

/* A device's fd, or -1 with errno; -2: it is none of ours. */
static int device_open(const char *path)
{
	struct pi_node *node = NULL;
	char buffer[PATH_BYTES];
	enum kind kind;
	int fd;

	if (!path || !*root || strncmp(path, "/dev/", 5) != 0)
		return -2;
	kind = path_kind(path, &node);
	if (kind == KIND_OTHER)
		return -2;
	/* a media device is locked by whoever uses it, so it has to be a file */
	if (kind == KIND_RECEIVER || kind == KIND_ISP)
		fd = REAL(open)(path_map(path, buffer), O_RDWR | O_CLOEXEC);
	else
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0 || fd >= FDS_MAX)
		return -1;
	pthread_mutex_lock(&pi.lock);
	files[fd].kind = kind;
	files[fd].node = node;
	if (node)
		node->fd = fd;
	pthread_mutex_unlock(&pi.lock);
	return fd;
}

int open(const char *path, int flags, ...)
{
	char buffer[PATH_BYTES];
	va_list arguments;
	mode_t mode;
	int fd = device_open(path);

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return fd != -2 ? fd : REAL(open)(path_map(path, buffer), flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return open(path, flags, mode);
}

/* libcamera opens its devices with openat(2) itself. */
long syscall(long number, ...)
{
	char buffer[PATH_BYTES];
	va_list arguments;
	long a[6];
	int fd;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (number == SYS_openat && (int)a[0] == AT_FDCWD) {
		fd = device_open((const char *)a[1]);
		if (fd != -2)
			return fd;
		a[1] = (long)path_map((const char *)a[1], buffer);
	}
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX && files[fd].kind) {
		pthread_mutex_lock(&pi.lock);
		if (files[fd].node && files[fd].node->fd == fd)
			files[fd].node->fd = -1;
		files[fd].kind = KIND_OTHER;
		files[fd].node = NULL;
		pthread_mutex_unlock(&pi.lock);
	}
	return REAL(close)(fd);
}

FILE *fopen(const char *path, const char *mode)
{
	char buffer[PATH_BYTES];

	return REAL(fopen)(path_map(path, buffer), mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

DIR *opendir(const char *path)
{
	char buffer[PATH_BYTES];

	return REAL(opendir)(path_map(path, buffer));
}

int access(const char *path, int mode)
{
	char buffer[PATH_BYTES];

	return REAL(access)(path_map(path, buffer), mode);
}

/* What stands for a device in the folder is an ordinary file. */
int stat(const char *restrict path, struct stat *restrict ret)
{
	struct pi_node *node = NULL;
	char buffer[PATH_BYTES];
	int r = REAL(stat)(path_map(path, buffer), ret);
	enum kind kind = *root ? path_kind(path, &node) : KIND_OTHER;
	unsigned minor_number = node ? node->minor : kind == KIND_LENS ? MINOR_LENS : MINOR_SENSOR;

	if (r == 0 && (kind == KIND_VIDEO || kind == KIND_SENSOR || kind == KIND_LENS)) {
		ret->st_mode = S_IFCHR | 0660;
		ret->st_rdev = makedev(81, minor_number);
	}
	return r;
}

int stat64(const char *restrict path, struct stat64 *restrict ret)
{
	return stat(path, (struct stat *)ret); /* the same on arm64 */
}

char *realpath(const char *restrict path, char *restrict ret)
{
	char buffer[PATH_BYTES];
	char *real = REAL(realpath)(path_map(path, buffer), ret);
	size_t n = strlen(root);

	if (real && n && strncmp(real, root, n) == 0)
		memmove(real, real + n, strlen(real + n) + 1);
	return real;
}

/* libcamera then looks for devices in /sys by itself. */
struct udev *udev_new(void);
struct udev *udev_new(void)
{
	return NULL;
}

/* ---- what is said to them ---- */

static int heap_ioctl(unsigned long request, struct dma_heap_allocation_data *data)
{
	int fd, r;

	if (request != DMA_HEAP_IOCTL_ALLOC)
		return -ENOTTY;
	r = memory_take(data->len, &fd);
	if (r == 0)
		data->fd = (unsigned)fd;
	return r;
}

static int device_ioctl(int fd, unsigned long request, void *data)
{
	int r;

	pthread_mutex_lock(&pi.lock);
	switch (files[fd].kind) {
	case KIND_RECEIVER:
	case KIND_ISP:
		r = media_ioctl(files[fd].kind == KIND_ISP, request, data);
		break;
	case KIND_SENSOR:
		r = sensor_ioctl(request, data);
		break;
	case KIND_LENS:
		r = lens_ioctl(request, data);
		break;
	case KIND_VIDEO:
		r = video_ioctl(files[fd].node, request, data);
		break;
	default:
		r = heap_ioctl(request, data);
	}
	pthread_mutex_unlock(&pi.lock);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *data;

	va_start(arguments, request);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (fd >= 0 && fd < FDS_MAX && files[fd].kind)
		return device_ioctl(fd, request, data);
	if (*root && request == DMA_BUF_IOCTL_SYNC && data &&
		!(((struct dma_buf_sync *)data)->flags & DMA_BUF_SYNC_END))
		pi_say("sync");
	if (*root &&
		(request == DMA_BUF_IOCTL_SYNC || request == DMA_BUF_SET_NAME_A ||
			request == DMA_BUF_SET_NAME_B))
		return 0;
	return REAL(ioctl)(fd, request, data);
}

static struct pi_node *polled_node(const struct pollfd *p)
{
	return p->fd >= 0 && p->fd < FDS_MAX ? files[p->fd].node : NULL;
}

/* An eventfd says POLLIN for whatever there is: here it becomes what a video device says. */
int ppoll(struct pollfd *polled, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct pollfd copy[POLLS_MAX];
	int r = 0;

	if (n > POLLS_MAX)
		abort();
	for (nfds_t i = 0; i < n; i++) {
		copy[i] = polled[i];
		if (polled_node(&polled[i]))
			copy[i].events = POLLIN;
	}
	if (REAL(ppoll)(copy, n, timeout, mask) < 0)
		return -1;
	pthread_mutex_lock(&pi.lock);
	for (nfds_t i = 0; i < n; i++) {
		const struct pi_node *node = polled_node(&polled[i]);

		polled[i].revents = copy[i].revents;
		if (node)
			polled[i].revents = (short)(polled[i].events &
				((queue_length(&node->done) ? POLLIN | POLLOUT : 0) |
					(node->event_head != node->event_tail ? POLLPRI : 0)));
		r += polled[i].revents != 0;
	}
	pthread_mutex_unlock(&pi.lock);
	return r;
}

/* ---- at the start ---- */

static void option_set(struct pi_options *o, const char *key, const char *value)
{
	const struct {
		const char *key;
		double *number;
		int64_t *count;
	} options[] = {
		{ "scene", &o->scene, NULL },
		{ "stops", &o->stops_a_minute, NULL },
		{ "distance", &o->distance, NULL },
		{ "isp", &o->isp_pixels_us, NULL },
		{ "ppm", &o->drift_ppm, NULL },
		{ "jitter", &o->jitter_us, NULL },
		{ "memory", NULL, &o->memory },
		{ "late_frame", NULL, &o->late_frame },
		{ "late_ms", NULL, &o->late_ms },
		{ "ahead_s", NULL, &o->ahead_s },
		{ "drop", NULL, &o->drop_every },
		{ "stall", NULL, &o->stall_frame },
		{ "gone_frame", NULL, &o->gone_frame },
		{ "gone_s", NULL, &o->gone_s },
		{ "hang_ms", NULL, &o->hang_ms },
	};

	if (strcmp(key, "sensor") == 0)
		o->sensor = sensor_model_find(value);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (strcmp(key, options[i].key) == 0) {
			if (options[i].number)
				*options[i].number = strtod(value, NULL);
			else
				*options[i].count = strtoll(value, NULL, 10);
		}
}

static struct pi_options options_read(char *text)
{
	struct pi_options o = {
		.sensor = sensor_model_find("imx219"),
		.scene = 1 / 40000.0,
		.distance = 3,
		.isp_pixels_us = 400,
		.drift_ppm = 40,
		.jitter_us = 15,
		.memory = -1,
		.late_frame = -1,
		.stall_frame = -1,
		.gone_frame = -1,
	};
	char *rest = text;

	for (char *word; (word = strtok_r(rest, " ", &rest));) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = 0;
		option_set(&o, word, value);
	}
	return o;
}

__attribute__((constructor)) static void simpi_begin(void)
{
	const char *folder = getenv("SIMPI_ROOT"), *log = getenv("SIMPI_LOG");
	const char *words = getenv("SIMPI");
	char text[500];

	if (!folder)
		return;
	snprintf(text, sizeof text, "%s", words ? words : "");
	pi.options = options_read(text);
	if (!pi.options.sensor) {
		fprintf(stderr, "SIMPI names no sensor that is known\n");
		abort();
	}
	log_file = log ? fopen(log, "ae") : NULL;
	pi.sensor = sensor_new(pi.options.sensor);
	pi.now.receiving = -1;
	for (int i = 0; i < NODES; i++) {
		struct v4l2_format f = { .fmt.pix = { .width = 640, .height = 480 } };

		pi.node[i].fd = -1;
		video_ioctl(&pi.node[i], VIDIOC_S_FMT, &f);
		pi.node[i].format.colorspace =
			i < NODE_ISP_OUT ? V4L2_COLORSPACE_RAW : V4L2_COLORSPACE_JPEG;
	}
	pi.node[NODE_UNICAM].caps |= V4L2_CAP_IO_MC;
	machine_begin();
	snprintf(root, sizeof root, "%s", folder);
}
