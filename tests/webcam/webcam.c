/* SPDX-License-Identifier: MIT */
/*
 * A USB webcam in a process: speaks the usbredir protocol to the device `usb-redir` of QEMU, whose
 * machine then sees a high-speed USB Video Class device with one bulk stream.
 *
 *   webcam [-f FORMAT,...] [-s WxH,...] [-r FPS] [-n NAME] [-p PRODUCT-ID] [-t] [-d N] SOCKET
 *
 * FORMAT is yuyv, nv12 or mjpeg; -t: MJPEG has Huffman tables; -d N: each N-th picture of MJPEG is
 * cut off. It is plugged in while it is connected: ending it unplugs it. SIGUSR1 makes the stream
 * stall, and go on. Its story is on stderr.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <usbredirparser.h>

#include "tests/webcam/webcam.h"

#define REQUESTS_MAX 64 /* bulk transfers that the machine waits for */
#define STREAM_ENDPOINT 0x81

struct request {
	uint64_t id;
	size_t bytes;
};

struct webcam {
	struct model model;
	struct usbredirparser *parser;
	int fd, timer, signals;

	uint8_t probe[PROBE_BYTES], commit[PROBE_BYTES];
	struct bytes pictures[PICTURES]; /* of the stream that was committed */
	struct request requests[REQUESTS_MAX];
	unsigned n_requests;
	bool sending, stalled;
	unsigned number; /* of the picture in hand */
	size_t sent; /* of its bytes */
};

/* ---- the stream ---- */

static struct bytes picture_in_hand(const struct webcam *w)
{
	struct bytes picture = w->pictures[w->number % PICTURES];
	bool mjpeg = w->model.formats[w->commit[2] - 1] == FORMAT_MJPEG;

	if (mjpeg && w->model.damage && (w->number + 1) % w->model.damage == 0)
		picture.used /= 2;
	return picture;
}

static void stream_begin(struct webcam *w)
{
	enum format format = w->model.formats[w->commit[2] - 1];
	struct size size = w->model.sizes[w->commit[3] - 1];

	for (unsigned i = 0; i < PICTURES; i++) {
		free(w->pictures[i].data);
		w->pictures[i] = picture_draw(&w->model, format, size, i);
	}
	w->sending = false;
	fprintf(stderr, "%s: stream of format %d, %ux%u\n", w->model.name, format, size.width,
		size.height);
}

static void request_drop(struct webcam *w, unsigned i)
{
	memmove(w->requests + i, w->requests + i + 1, (--w->n_requests - i) * sizeof *w->requests);
}

/* Payloads of the picture in hand (UVC 1.1, 2.4.3.3) into the transfers that are waited for. */
static void stream_send(struct webcam *w)
{
	while (w->sending && w->n_requests > 0) {
		struct usb_redir_bulk_packet_header header = { .endpoint = STREAM_ENDPOINT };
		struct bytes picture = picture_in_hand(w);
		size_t room = w->requests[0].bytes, n = picture.used - w->sent;
		uint8_t payload[PAYLOAD_BYTES];

		room = room < sizeof payload ? room : sizeof payload;
		n = n < room - 2 ? n : room - 2;
		w->sending = w->sent + n < picture.used;
		payload[0] = 2;
		payload[1] = (uint8_t)(0x80 | (w->number & 1) | (w->sending ? 0 : 2));
		memcpy(payload + 2, picture.data + w->sent, n);
		header.length = (uint16_t)(n + 2);
		header.length_high = (uint16_t)((n + 2) >> 16);
		usbredirparser_send_bulk_packet(
			w->parser, w->requests[0].id, &header, payload, (int)n + 2);
		request_drop(w, 0);
		w->sent += n;
		w->number += !w->sending;
	}
}

static void stream_tick(struct webcam *w)
{
	uint64_t count;

	if (read(w->timer, &count, sizeof count) < 0 || w->stalled || w->sending ||
		w->n_requests == 0 || !w->pictures[0].data)
		return;
	w->sending = true;
	w->sent = 0;
	stream_send(w);
}

/* ---- control requests ---- */

/* Requests of the class to the stream interface (UVC 1.1, 4.3.1). -1: stall. */
static int control_probe(struct webcam *w, const struct usb_redir_control_packet_header *c,
	const uint8_t *data, int bytes, uint8_t *ret)
{
	enum {
		SET_CUR = 0x01,
		GET_CUR = 0x81,
		GET_MIN,
		GET_MAX,
		GET_RES,
		GET_LEN,
		GET_INFO,
		GET_DEF
	};
	uint8_t *current = c->value >> 8 == 1 ? w->probe : w->commit;

	switch (c->request) {
	case SET_CUR:
		if (bytes < 4)
			return -1;
		probe_fill(&w->model, data[2], data[3], current);
		if (current == w->commit)
			stream_begin(w);
		return 0;
	case GET_CUR:
		memcpy(ret, current, PROBE_BYTES);
		return PROBE_BYTES;
	case GET_MIN:
	case GET_MAX:
	case GET_DEF:
		probe_fill(&w->model, w->probe[2], w->probe[3], ret);
		return PROBE_BYTES;
	case GET_LEN:
		memcpy(ret, (const uint8_t[]){ PROBE_BYTES, 0 }, 2);
		return 2;
	case GET_INFO:
		ret[0] = 3; /* can be got and set */
		return 1;
	default:
		return -1;
	}
}

/* How many bytes of answer; -1: stall. */
static int control_answer(struct webcam *w, const struct usb_redir_control_packet_header *c,
	const uint8_t *data, int bytes, uint8_t *ret, size_t room)
{
	enum { GET_STATUS = 0, CLEAR_FEATURE = 1, GET_DESCRIPTOR = 6 };
	enum { OF_DEVICE = 0x80, TO_ENDPOINT = 0x02, OF_CLASS_INTERFACE = 0x21, IN = 0x80 };

	if (c->requesttype == OF_DEVICE && c->request == GET_DESCRIPTOR)
		return descriptor_get(&w->model, c->value >> 8, c->value & 0xff, ret, room);
	if (c->request == GET_STATUS && (c->requesttype & 0xe0) == IN) {
		ret[0] = ret[1] = 0;
		return 2;
	}
	if (c->requesttype == TO_ENDPOINT && c->request == CLEAR_FEATURE) {
		w->sending = false; /* so Linux ends a bulk stream */
		return 0;
	}
	if ((c->requesttype & ~IN) == OF_CLASS_INTERFACE && (c->index & 0xff) == 1)
		return control_probe(w, c, data, bytes, ret);
	return -1;
}

static void on_control(void *priv, uint64_t id, struct usb_redir_control_packet_header *c,
	uint8_t *data, int bytes)
{
	struct usb_redir_control_packet_header answer = *c;
	struct webcam *w = priv;
	uint8_t out[4096];
	int n = control_answer(w, c, data, bytes, out, sizeof out);
	bool in = c->requesttype & 0x80;

	n = n > c->length ? c->length : n;
	answer.status = n < 0 ? usb_redir_stall : usb_redir_success;
	answer.length = (uint16_t)(n < 0 ? 0 : in ? n : c->length);
	in = in && n > 0;
	usbredirparser_send_control_packet(w->parser, id, &answer, in ? out : NULL, in ? n : 0);
	if (data)
		usbredirparser_free_packet_data(w->parser, data);
}

/* ---- the other packets of usbredir ---- */

static void on_bulk(
	void *priv, uint64_t id, struct usb_redir_bulk_packet_header *b, uint8_t *data, int bytes)
{
	struct webcam *w = priv;

	(void)bytes;
	if (data)
		usbredirparser_free_packet_data(w->parser, data);
	if (w->n_requests == REQUESTS_MAX) {
		fprintf(stderr, "%s: too many transfers\n", w->model.name);
		return;
	}
	w->requests[w->n_requests++] =
		(struct request){ .id = id, .bytes = b->length | (size_t)b->length_high << 16 };
	stream_send(w);
}

static void on_cancel(void *priv, uint64_t id)
{
	struct usb_redir_bulk_packet_header header = { .endpoint = STREAM_ENDPOINT,
		.status = usb_redir_cancelled };
	struct webcam *w = priv;

	for (unsigned i = 0; i < w->n_requests; i++)
		if (w->requests[i].id == id) {
			request_drop(w, i);
			usbredirparser_send_bulk_packet(w->parser, id, &header, NULL, 0);
			return;
		}
}

static void send_infos(struct webcam *w)
{
	struct usb_redir_interface_info_header interfaces = { .interface_count = 2,
		.interface = { 0, 1 },
		.interface_class = { 14, 14 },
		.interface_subclass = { 1, 2 } };
	struct usb_redir_ep_info_header endpoints = { 0 };
	enum { STREAM_INDEX = 16 + 1 }; /* IN endpoints come after the 16 of OUT */

	memset(endpoints.type, usb_redir_type_invalid, sizeof endpoints.type);
	endpoints.type[0] = endpoints.type[16] = usb_redir_type_control;
	endpoints.max_packet_size[0] = endpoints.max_packet_size[16] = 64;
	endpoints.type[STREAM_INDEX] = usb_redir_type_bulk;
	endpoints.interface[STREAM_INDEX] = 1;
	endpoints.max_packet_size[STREAM_INDEX] = 512;
	usbredirparser_send_interface_info(w->parser, &interfaces);
	usbredirparser_send_ep_info(w->parser, &endpoints);
}

static void on_hello(void *priv, struct usb_redir_hello_header *hello)
{
	struct usb_redir_device_connect_header connect = { .speed = usb_redir_speed_high,
		.device_class = 0xef,
		.device_subclass = 2,
		.device_protocol = 1,
		.vendor_id = 0x1d6b,
		.device_version_bcd = 0x0100 };
	struct webcam *w = priv;

	(void)hello;
	connect.product_id = (uint16_t)w->model.product;
	send_infos(w);
	usbredirparser_send_device_connect(w->parser, &connect);
}

static void on_reset(void *priv)
{
	struct webcam *w = priv;

	w->n_requests = 0;
	w->sending = false;
}

static void on_set_configuration(
	void *priv, uint64_t id, struct usb_redir_set_configuration_header *c)
{
	struct usb_redir_configuration_status_header status = { usb_redir_success,
		c->configuration };
	struct webcam *w = priv;

	send_infos(w);
	usbredirparser_send_configuration_status(w->parser, id, &status);
}

static void on_get_configuration(void *priv, uint64_t id)
{
	struct usb_redir_configuration_status_header status = { usb_redir_success, 1 };
	struct webcam *w = priv;

	usbredirparser_send_configuration_status(w->parser, id, &status);
}

static void on_set_alternate(void *priv, uint64_t id, struct usb_redir_set_alt_setting_header *a)
{
	struct usb_redir_alt_setting_status_header status = { usb_redir_success, a->interface,
		a->alt };
	struct webcam *w = priv;

	send_infos(w);
	usbredirparser_send_alt_setting_status(w->parser, id, &status);
}

static void on_get_alternate(void *priv, uint64_t id, struct usb_redir_get_alt_setting_header *a)
{
	struct usb_redir_alt_setting_status_header status = { usb_redir_success, a->interface, 0 };
	struct webcam *w = priv;

	usbredirparser_send_alt_setting_status(w->parser, id, &status);
}

static void on_nothing(void *priv)
{
	(void)priv;
}

static void on_filter(void *priv, struct usbredirfilter_rule *rules, int n)
{
	(void)priv, (void)n;
	free(rules);
}

static void on_log(void *priv, int level, const char *text)
{
	const struct webcam *w = priv;

	if (level <= usbredirparser_warning)
		fprintf(stderr, "%s: %s\n", w->model.name, text);
}

static int on_read(void *priv, uint8_t *data, int bytes)
{
	struct webcam *w = priv;
	ssize_t n = read(w->fd, data, (size_t)bytes);

	if (n == 0)
		exit(0); /* the machine is gone */
	return n < 0 && errno != EAGAIN ? -1 : n < 0 ? 0 : (int)n;
}

static int on_write(void *priv, uint8_t *data, int bytes)
{
	struct webcam *w = priv;
	ssize_t n = write(w->fd, data, (size_t)bytes);

	return n < 0 && errno != EAGAIN ? -1 : n < 0 ? 0 : (int)n;
}

/* ---- the program ---- */

static int webcam_connect(struct webcam *w, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return connect(w->fd, (const struct sockaddr *)&address, sizeof address);
}

static void webcam_plug(struct webcam *w)
{
	uint32_t caps[USB_REDIR_CAPS_SIZE] = { 0 };
	struct usbredirparser *p = usbredirparser_create();

	if (!p)
		abort();
	w->parser = p;
	p->priv = w;
	p->log_func = on_log;
	p->read_func = on_read;
	p->write_func = on_write;
	p->hello_func = on_hello;
	p->reset_func = on_reset;
	p->set_configuration_func = on_set_configuration;
	p->get_configuration_func = on_get_configuration;
	p->set_alt_setting_func = on_set_alternate;
	p->get_alt_setting_func = on_get_alternate;
	p->cancel_data_packet_func = on_cancel;
	p->control_packet_func = on_control;
	p->bulk_packet_func = on_bulk;
	p->filter_reject_func = on_nothing;
	p->filter_filter_func = on_filter;
	p->device_disconnect_ack_func = on_nothing;
	usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_ep_info_max_packet_size);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_32bits_bulk_length);
	usbredirparser_init(p, "webcam", caps, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
}

static void webcam_take_signal(struct webcam *w)
{
	struct signalfd_siginfo info;

	if (read(w->signals, &info, sizeof info) != (ssize_t)sizeof info)
		return;
	w->stalled = !w->stalled;
	fprintf(stderr, "%s: %s\n", w->model.name, w->stalled ? "stalls" : "goes on");
}

static int webcam_run(struct webcam *w)
{
	struct pollfd fds[] = { { w->fd, 0, 0 }, { w->timer, POLLIN, 0 },
		{ w->signals, POLLIN, 0 } };

	for (;;) {
		fds[0].events =
			POLLIN | (usbredirparser_has_data_to_write(w->parser) ? POLLOUT : 0);
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return 1;
		if (fds[0].revents & (POLLIN | POLLHUP) &&
			usbredirparser_do_read(w->parser) == usbredirparser_read_io_error)
			return 1;
		if (fds[1].revents)
			stream_tick(w);
		if (fds[2].revents)
			webcam_take_signal(w);
		if (usbredirparser_has_data_to_write(w->parser) &&
			usbredirparser_do_write(w->parser) < 0)
			return 1;
	}
}

static bool format_add(struct model *model, const char *word)
{
	static const char *const words[] = { "yuyv", "nv12", "mjpeg" };

	for (unsigned i = 0; i < 3 && model->n_formats < FORMATS_MAX; i++)
		if (strcmp(word, words[i]) == 0) {
			model->formats[model->n_formats++] = (enum format)i;
			return true;
		}
	return false;
}

static bool size_add(struct model *model, const char *word)
{
	struct size *size = &model->sizes[model->n_sizes];

	if (model->n_sizes == SIZES_MAX || sscanf(word, "%ux%u", &size->width, &size->height) != 2)
		return false;
	model->n_sizes++;
	return true;
}

static bool list_parse(
	struct model *model, char *list, bool (*add)(struct model *model, const char *word))
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		if (!add(model, word))
			return false;
	return true;
}

static bool options_parse(struct model *model, int argc, char **argv)
{
	bool good = true;
	int c;

	while (good && (c = getopt(argc, argv, "f:s:r:n:p:td:")) >= 0) {
		if (c == 'f')
			good = list_parse(model, optarg, format_add);
		else if (c == 's')
			good = list_parse(model, optarg, size_add);
		else if (c == 'r')
			model->fps = (unsigned)atoi(optarg);
		else if (c == 'n')
			model->name = optarg;
		else if (c == 'p')
			model->product = (unsigned)strtoul(optarg, NULL, 16);
		else if (c == 't')
			model->tables = true;
		else if (c == 'd')
			model->damage = (unsigned)atoi(optarg);
		else
			good = false;
	}
	return good && model->n_formats && model->n_sizes && model->fps && optind == argc - 1;
}

int main(int argc, char **argv)
{
	struct webcam w = { .model = { .name = "Webcam", .product = 0x0102, .fps = 10 } };
	struct itimerspec every = { 0 };
	sigset_t set;

	if (!options_parse(&w.model, argc, argv)) {
		fprintf(stderr,
			"usage: webcam -f FORMAT,... -s WxH,... [-r FPS] [-n NAME]"
			" [-p PRODUCT-ID] [-t] [-d N] SOCKET\n");
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	every.it_interval.tv_sec = w.model.fps == 1;
	every.it_interval.tv_nsec = w.model.fps == 1 ? 0 : 1000000000L / w.model.fps;
	every.it_value = every.it_interval;
	timerfd_settime(w.timer, 0, &every, NULL);
	probe_fill(&w.model, 1, 1, w.probe);
	probe_fill(&w.model, 1, 1, w.commit);
	if (webcam_connect(&w, argv[optind]) < 0) {
		perror(argv[optind]);
		return 1;
	}
	webcam_plug(&w);
	return webcam_run(&w);
}
