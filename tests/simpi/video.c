/* SPDX-License-Identifier: MIT */
/* The video devices of the receiver and the ISP: formats, buffers, streams, controls. */
#include "pi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "isp.h"

#define STATISTICS v4l2_fourcc('B', 'S', 'T', 'A')

static const uint32_t raw_formats[] = { V4L2_PIX_FMT_SRGGB10P, V4L2_PIX_FMT_SRGGB10,
	V4L2_PIX_FMT_SRGGB12P, V4L2_PIX_FMT_SRGGB12, V4L2_PIX_FMT_SBGGR10P, V4L2_PIX_FMT_SBGGR10 };
static const uint32_t picture_formats[] = { V4L2_PIX_FMT_YUV420, V4L2_PIX_FMT_NV12,
	V4L2_PIX_FMT_RGB24, V4L2_PIX_FMT_BGR24 };

static bool node_is_raw(const struct pi_node *node)
{
	return node == &pi.node[NODE_UNICAM] || node == &pi.node[NODE_ISP_IN];
}

static bool node_is_statistics(const struct pi_node *node)
{
	return node == &pi.node[NODE_ISP_STATS];
}

static size_t node_formats(const struct pi_node *node, const uint32_t **ret)
{
	*ret = node_is_raw(node) ? raw_formats : picture_formats;
	return node_is_raw(node) ? sizeof raw_formats / sizeof *raw_formats
				 : sizeof picture_formats / sizeof *picture_formats;
}

static unsigned align(unsigned n, unsigned to)
{
	return (n + to - 1) / to * to;
}

static unsigned row_bytes(uint32_t format, unsigned width)
{
	switch (format) {
	case V4L2_PIX_FMT_YUV420:
		return align(width, 64);
	case V4L2_PIX_FMT_NV12:
		return align(width, 32);
	case V4L2_PIX_FMT_RGB24:
	case V4L2_PIX_FMT_BGR24:
		return align(width, 32) * 3;
	case V4L2_PIX_FMT_SRGGB10P:
	case V4L2_PIX_FMT_SBGGR10P:
		return align(width * 5 / 4, 32);
	case V4L2_PIX_FMT_SRGGB12P:
		return align(width * 3 / 2, 32);
	default:
		return align(width * 2, 32);
	}
}

static int video_capability(const struct pi_node *node, struct v4l2_capability *c)
{
	memset(c, 0, sizeof *c);
	snprintf((char *)c->driver, sizeof c->driver, "%s",
		node == &pi.node[NODE_UNICAM] ? "unicam" : "bcm2835-isp");
	snprintf((char *)c->card, sizeof c->card, "%s", node->entity);
	snprintf((char *)c->bus_info, sizeof c->bus_info, "platform:simpi");
	c->version = 6 << 16 | 12 << 8;
	c->device_caps = node->caps | V4L2_CAP_STREAMING;
	c->capabilities = c->device_caps | V4L2_CAP_DEVICE_CAPS;
	return 0;
}

static int video_list_format(const struct pi_node *node, struct v4l2_fmtdesc *f)
{
	const uint32_t *formats;
	size_t n = node_formats(node, &formats);

	if (f->index >= (node_is_statistics(node) ? 1 : n))
		return -EINVAL;
	f->pixelformat = node_is_statistics(node) ? STATISTICS : formats[f->index];
	return 0;
}

static int video_format(struct pi_node *node, struct v4l2_format *f, bool keep)
{
	struct v4l2_pix_format *p = &f->fmt.pix;
	const uint32_t *formats;
	size_t n = node_formats(node, &formats);
	bool known = false;
	unsigned row;

	if (node_is_statistics(node)) {
		f->fmt.meta.dataformat = STATISTICS;
		f->fmt.meta.buffersize = sizeof(struct isp_statistics);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		known |= formats[i] == p->pixelformat;
	if (!known)
		p->pixelformat = formats[0];
	p->width = p->width < 64 ? 64 : p->width;
	p->height = p->height < 64 ? 64 : p->height;
	row = row_bytes(p->pixelformat, p->width);
	if (p->bytesperline < row || node_is_raw(node))
		p->bytesperline = row;
	p->sizeimage = p->bytesperline * p->height;
	if (p->pixelformat == V4L2_PIX_FMT_YUV420 || p->pixelformat == V4L2_PIX_FMT_NV12)
		p->sizeimage = p->sizeimage / 2 * 3;
	p->field = V4L2_FIELD_NONE;
	if (keep)
		node->format = *p;
	return 0;
}

static void video_free(struct pi_node *node)
{
	for (unsigned i = 0; i < node->n_buffers; i++)
		if (node->memory == V4L2_MEMORY_MMAP && node->buffer[i].fd >= 0)
			close(node->buffer[i].fd);
	node->n_buffers = 0;
}

static int video_request(struct pi_node *node, struct v4l2_requestbuffers *b)
{
	size_t length =
		node_is_statistics(node) ? sizeof(struct isp_statistics) : node->format.sizeimage;
	int r = 0;

	video_free(node);
	node->memory = b->memory;
	for (; r == 0 && node->n_buffers < b->count; node->n_buffers++) {
		struct pi_buffer *one = &node->buffer[node->n_buffers];

		*one = (struct pi_buffer){ .fd = -1, .length = length };
		if (b->memory == V4L2_MEMORY_MMAP)
			r = memory_take(length, &one->fd);
	}
	if (r < 0)
		video_free(node);
	else if (b->count)
		pi_say("buffers %s %u of %zu", node->entity, b->count, length);
	return r;
}

static int video_queue(struct pi_node *node, const struct v4l2_buffer *b)
{
	struct pi_buffer *one = &node->buffer[b->index];
	struct stat st;

	if (b->index >= node->n_buffers)
		return -EINVAL;
	if (node->memory == V4L2_MEMORY_DMABUF) {
		if (fstat(b->m.fd, &st) < 0 || st.st_size < (off_t)one->length)
			return -EINVAL;
		one->fd = b->m.fd;
	}
	if (node == &pi.node[NODE_ISP_IN])
		one->stamp_ns = b->timestamp.tv_sec * NS_PER_S + b->timestamp.tv_usec * 1000;
	queue_push(&node->queued, (int)b->index);
	pthread_cond_broadcast(&pi.changed);
	return 0;
}

static int video_fetch(struct pi_node *node, struct v4l2_buffer *b)
{
	struct pi_buffer *one;
	int64_t waited_ns;

	if (!queue_length(&node->done))
		return -EAGAIN;
	b->index = (unsigned)queue_pop(&node->done);
	node_notify(node);
	one = &node->buffer[b->index];
	waited_ns = pi_now_ns() - one->done_ns;
	if (waited_ns > pi.now.fetch_ns)
		pi.now.fetch_ns = waited_ns;
	b->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
	b->sequence = one->sequence;
	b->bytesused = one->used;
	b->length = (unsigned)one->length;
	b->timestamp.tv_sec = one->stamp_ns / NS_PER_S;
	b->timestamp.tv_usec = one->stamp_ns % NS_PER_S / 1000;
	return 0;
}

static int video_start(struct pi_node *node)
{
	if (node == &pi.node[NODE_UNICAM] && machine_is_unplugged())
		return -EREMOTEIO;
	node->streaming = true;
	node->sequence = 0;
	if (node == &pi.node[NODE_UNICAM])
		machine_start_sensor();
	pthread_cond_broadcast(&pi.changed);
	return 0;
}

static int video_stop(struct pi_node *node)
{
	if (pi.options.hang_ms && node == &pi.node[NODE_ISP_OUT] && !pi.now.hung) {
		pi.now.hung = true;
		pi_say("fault hang");
		usleep((unsigned)pi.options.hang_ms * 1000);
	}
	node->streaming = false;
	node->queued = node->done = (struct pi_queue){ .head = 0 };
	node->event_head = node->event_tail = 0;
	node_notify(node);
	if (node == &pi.node[NODE_UNICAM])
		machine_stop_sensor();
	if (node == &pi.node[NODE_ISP_IN])
		pi.now.isp_ns = 0;
	return 0;
}

static int video_event(struct pi_node *node, struct v4l2_event *event)
{
	if (node->event_head == node->event_tail)
		return -ENOENT;
	memset(event, 0, sizeof *event);
	event->type = V4L2_EVENT_FRAME_SYNC;
	event->u.frame_sync.frame_sequence = node->event[node->event_head++ % 64];
	node_notify(node);
	return 0;
}

static int video_buffer(struct pi_node *node, unsigned long request, void *data)
{
	struct v4l2_buffer *b = data;
	struct v4l2_exportbuffer *e = data;

	switch (request) {
	case VIDIOC_REQBUFS:
		return video_request(node, data);
	case VIDIOC_QUERYBUF:
		if (b->index >= node->n_buffers)
			return -EINVAL;
		b->length = (unsigned)node->buffer[b->index].length;
		return 0;
	case VIDIOC_EXPBUF:
		if (e->index >= node->n_buffers)
			return -EINVAL;
		e->fd = fcntl(node->buffer[e->index].fd, F_DUPFD_CLOEXEC, 3);
		return e->fd < 0 ? -errno : 0;
	case VIDIOC_QBUF:
		return video_queue(node, data);
	case VIDIOC_DQBUF:
		return video_fetch(node, data);
	default:
		return -ENOTTY;
	}
}

/* Of what the ISP is told, what a person can see in the picture. */
static void isp_set(uint32_t id, int64_t value, const void *payload)
{
	static struct isp_colour_denoise before = { 0, 0 };
	struct isp_colour_denoise now;

	(void)value;
	if (id != ISP_CONTROL_CDN)
		return;
	memcpy(&now, payload, sizeof now);
	if (memcmp(&now, &before, sizeof now) != 0)
		pi_say("ask denoise %s", !now.enabled ? "off" : now.mode ? "high" : "fast");
	before = now;
}

static int isp_control(unsigned long request, void *data)
{
	static const uint32_t payloads[] = ISP_PAYLOADS;
	struct control controls[3 + sizeof payloads / sizeof *payloads];
	size_t n = 0;

	controls[n++] = (struct control){ V4L2_CID_RED_BALANCE, V4L2_CTRL_TYPE_INTEGER, 1, 65535,
		1000, 0, 0, 1000 };
	controls[n++] = (struct control){ V4L2_CID_BLUE_BALANCE, V4L2_CTRL_TYPE_INTEGER, 1, 65535,
		1000, 0, 0, 1000 };
	for (uint32_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
		controls[n++] = (struct control){ ISP_CONTROL_FIRST + i, V4L2_CTRL_TYPE_U8, 0, 255,
			0, V4L2_CTRL_FLAG_HAS_PAYLOAD, payloads[i], 0 };
	controls[n++] = (struct control){ V4L2_CID_DIGITAL_GAIN, V4L2_CTRL_TYPE_INTEGER, 1, 65535,
		1000, 0, 0, 1000 };
	return control_ioctl(controls, n, request, data, isp_set);
}

static int video_crop(struct pi_node *node, struct v4l2_selection *s, bool set)
{
	static struct v4l2_rect before;

	if (!set) {
		s->r = (struct v4l2_rect){ 0, 0, node->format.width, node->format.height };
		return 0;
	}
	s->r.width = s->r.width < 64 ? 64 : s->r.width;
	s->r.height = s->r.height < 64 ? 64 : s->r.height;
	if (memcmp(&before, &s->r, sizeof before) != 0)
		pi_say("ask crop %d %d %u %u", s->r.left, s->r.top, s->r.width, s->r.height);
	before = s->r;
	return 0;
}

int video_ioctl(struct pi_node *node, unsigned long request, void *data)
{
	struct v4l2_frmsizeenum *size = data;

	switch (request) {
	case VIDIOC_QUERYCAP:
		return video_capability(node, data);
	case VIDIOC_ENUM_FMT:
		return video_list_format(node, data);
	case VIDIOC_ENUM_FRAMESIZES:
		if (size->index)
			return -EINVAL;
		size->type = V4L2_FRMSIZE_TYPE_STEPWISE;
		size->stepwise = (struct v4l2_frmsize_stepwise){ 64, 16384, 2, 64, 16384, 2 };
		return 0;
	case VIDIOC_G_FMT:
		((struct v4l2_format *)data)->fmt.pix = node->format;
		return node_is_statistics(node) ? video_format(node, data, false) : 0;
	case VIDIOC_TRY_FMT:
	case VIDIOC_S_FMT:
		return video_format(node, data, request == VIDIOC_S_FMT);
	case VIDIOC_G_SELECTION:
	case VIDIOC_S_SELECTION:
		return video_crop(node, data, request == VIDIOC_S_SELECTION);
	case VIDIOC_STREAMON:
		return video_start(node);
	case VIDIOC_STREAMOFF:
		return video_stop(node);
	case VIDIOC_SUBSCRIBE_EVENT:
	case VIDIOC_UNSUBSCRIBE_EVENT:
		node->subscribed = request == VIDIOC_SUBSCRIBE_EVENT;
		return 0;
	case VIDIOC_DQEVENT:
		return video_event(node, data);
	case VIDIOC_QUERY_EXT_CTRL:
	case VIDIOC_G_EXT_CTRLS:
	case VIDIOC_S_EXT_CTRLS:
		return node == &pi.node[NODE_ISP_IN] ? isp_control(request, data) : -EINVAL;
	default:
		return video_buffer(node, request, data);
	}
}
