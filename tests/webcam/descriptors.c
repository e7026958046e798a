/* SPDX-License-Identifier: MIT */
/* What a webcam tells of itself: a camera terminal, and one bulk stream. */
#include <string.h>

#include "tests/webcam/webcam.h"

enum { DEVICE = 1, CONFIGURATION, STRING, INTERFACE, ENDPOINT, QUALIFIER, ASSOCIATION = 11 };
enum { VIDEO = 14, CONTROL = 1, STREAMING = 2 }; /* class and subclasses */
enum { CLASS_INTERFACE = 0x24 };
enum { VC_HEADER = 1, VC_INPUT = 2, VC_OUTPUT = 3 };
enum {
	VS_HEADER = 1,
	VS_UNCOMPRESSED = 4,
	VS_UNCOMPRESSED_FRAME = 5,
	VS_MJPEG = 6,
	VS_MJPEG_FRAME = 7,
	VS_COLOUR = 13
};

/* A descriptor in the making; what does not fit is counted only. */
struct text {
	uint8_t *data;
	size_t used, room;
};

static void put(struct text *t, const uint8_t *bytes, size_t n)
{
	if (t->used + n <= t->room)
		memcpy(t->data + t->used, bytes, n);
	t->used += n;
}

#define PUT(t, ...)                                                                                \
	put(t, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define LE16(x) (uint8_t)((x)&0xff), (uint8_t)((x) >> 8 & 0xff)
#define LE32(x) LE16(x), LE16((uint32_t)(x) >> 16)

size_t picture_bytes_max(enum format format, struct size size)
{
	size_t pixels = (size_t)size.width * size.height;

	return format == FORMAT_NV12 ? pixels * 3 / 2 : pixels * 2;
}

static uint32_t interval_of(const struct model *model)
{
	return 10000000 / model->fps; /* units of 100 ns */
}

static void put_frame(
	struct text *t, const struct model *model, enum format format, unsigned number)
{
	struct size size = model->sizes[number - 1];
	uint32_t bytes = (uint32_t)picture_bytes_max(format, size), bits = bytes * 8 * model->fps;

	PUT(t, 30, CLASS_INTERFACE, format == FORMAT_MJPEG ? VS_MJPEG_FRAME : VS_UNCOMPRESSED_FRAME,
		(uint8_t)number, 0, LE16(size.width), LE16(size.height), LE32(bits), LE32(bits),
		LE32(bytes), LE32(interval_of(model)), 1, LE32(interval_of(model)));
}

static void put_format(struct text *t, const struct model *model, unsigned number)
{
	static const char *const codes[] = { "YUY2", "NV12" };
	static const uint8_t guid[] = { 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71 };
	enum format format = model->formats[number - 1];
	uint8_t sizes = (uint8_t)model->n_sizes;

	if (format == FORMAT_MJPEG) {
		PUT(t, 11, CLASS_INTERFACE, VS_MJPEG, (uint8_t)number, sizes, 0, 1, 0, 0, 0, 0);
	} else {
		PUT(t, 27, CLASS_INTERFACE, VS_UNCOMPRESSED, (uint8_t)number, sizes);
		put(t, (const uint8_t *)codes[format], 4);
		put(t, guid, sizeof guid);
		PUT(t, format == FORMAT_YUYV ? 16 : 12, 1, 0, 0, 0, 0);
	}
	for (unsigned i = 1; i <= model->n_sizes; i++)
		put_frame(t, model, format, i);
	PUT(t, 6, CLASS_INTERFACE, VS_COLOUR, 1, 1, 4); /* BT.709 primaries, BT.601 matrix */
}

static void put_control_interface(struct text *t)
{
	PUT(t, 9, INTERFACE, 0, 0, 0, VIDEO, CONTROL, 0, 0);
	PUT(t, 13, CLASS_INTERFACE, VC_HEADER, LE16(0x0110), LE16(13 + 18 + 9), LE32(48000000), 1,
		1);
	PUT(t, 18, CLASS_INTERFACE, VC_INPUT, 1, LE16(0x0201), 0, 0, LE16(0), LE16(0), LE16(0), 3,
		0, 0, 0);
	PUT(t, 9, CLASS_INTERFACE, VC_OUTPUT, 2, LE16(0x0101), 0, 1, 0);
}

static void put_stream_interface(struct text *t, const struct model *model)
{
	size_t length_at;

	PUT(t, 9, INTERFACE, 1, 0, 1, VIDEO, STREAMING, 0, 0);
	length_at = t->used + 4;
	PUT(t, (uint8_t)(13 + model->n_formats), CLASS_INTERFACE, VS_HEADER,
		(uint8_t)model->n_formats, LE16(0), 0x81, 0, 2, 0, 0, 0, 1);
	for (unsigned i = 0; i < model->n_formats; i++)
		PUT(t, 0);
	for (unsigned i = 1; i <= model->n_formats; i++)
		put_format(t, model, i);
	if (t->used <= t->room)
		memcpy(t->data + length_at, (const uint8_t[]){ LE16(t->used - length_at + 4) }, 2);
	PUT(t, 7, ENDPOINT, 0x81, 2, LE16(512), 0);
}

static void put_configuration(struct text *t, const struct model *model)
{
	PUT(t, 9, CONFIGURATION, LE16(0), 2, 1, 0, 0x80, 250);
	PUT(t, 8, ASSOCIATION, 0, 2, VIDEO, 3, 0, 0);
	put_control_interface(t);
	put_stream_interface(t, model);
	if (t->used <= t->room)
		memcpy(t->data + 2, (const uint8_t[]){ LE16(t->used) }, 2);
}

static void put_string(struct text *t, const char *text)
{
	PUT(t, (uint8_t)(2 + 2 * strlen(text)), STRING);
	for (; *text; text++)
		PUT(t, (uint8_t)*text, 0);
}

int descriptor_get(
	const struct model *model, unsigned type, unsigned number, uint8_t *ret, size_t room)
{
	struct text t = { .data = ret, .room = room };

	if (type == DEVICE)
		PUT(&t, 18, DEVICE, LE16(0x0200), 0xef, 2, 1, 64, LE16(0x1d6b),
			LE16(model->product), LE16(0x0100), 1, 2, 0, 1);
	else if (type == QUALIFIER)
		PUT(&t, 10, QUALIFIER, LE16(0x0200), 0xef, 2, 1, 64, 1, 0);
	else if (type == CONFIGURATION)
		put_configuration(&t, model);
	else if (type == STRING && number == 0)
		PUT(&t, 4, STRING, LE16(0x0409)); /* English */
	else if (type == STRING)
		put_string(&t, number == 2 ? model->name : "tests");
	return t.used > 0 && t.used <= room ? (int)t.used : -1;
}

void probe_fill(
	const struct model *model, unsigned format, unsigned size, uint8_t ret[static PROBE_BYTES])
{
	struct text t = { .data = ret, .room = PROBE_BYTES };
	uint32_t bytes;

	format = format < 1 || format > model->n_formats ? 1 : format;
	size = size < 1 || size > model->n_sizes ? 1 : size;
	bytes = (uint32_t)picture_bytes_max(model->formats[format - 1], model->sizes[size - 1]);
	PUT(&t, LE16(1), (uint8_t)format, (uint8_t)size, LE32(interval_of(model)), LE16(0), LE16(0),
		LE16(0), LE16(0), LE16(0), LE32(bytes), LE32(PAYLOAD_BYTES), LE32(48000000), 0, 0,
		0, 0);
}
