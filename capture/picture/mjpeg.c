/* SPDX-License-Identifier: MIT */
/*
 * Checks and copies in one pass: the headers segment by segment, then the scan in one piece, whose
 * markers are looked for in the copy. A webcam's buffer may be slow to read, so each byte of it is
 * read once.
 */
#include "capture/picture/mjpeg.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DAMAGED (-EILSEQ)
#define COMPONENTS_MAX 3
#define TABLES_MAX 4 /* of each kind that a baseline decoder holds, and one reserve */
#define MCU_BLOCKS_MAX 10
#define BLOCK 8

/* Markers, T.81 table B.1. */
enum {
	SOF0 = 0xc0,
	DHT = 0xc4,
	RST0 = 0xd0,
	RST7 = 0xd7,
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	DQT = 0xdb,
	DRI = 0xdd,
	APP0 = 0xe0,
	APP1 = 0xe1,
	APP14 = 0xee,
	APP15 = 0xef,
	COM = 0xfe,
};

struct mjpeg {
	const uint8_t *data, *end; /* what is left of the frame */
	uint8_t *out; /* where to write next */
	int width, height; /* wanted */

	int components; /* 0: no frame header yet */
	uint8_t id[COMPONENTS_MAX];
	unsigned quantizers_used, quantizers; /* bits by table number: asked for, there */
	unsigned huffman; /* the same; DC tables from bit 0, AC tables from bit TABLES_MAX */
	uint32_t mcus,
		restart; /* MCUs in the picture; between restart markers, 0: there are none */
};

/* A marker and what follows it; `payload` without the two bytes of length. */
struct segment {
	const uint8_t *start, *payload;
	size_t bytes; /* of the payload */
	uint8_t marker;
};

static unsigned u16_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void mjpeg_copy(struct mjpeg *m, const void *data, size_t bytes)
{
	memcpy(m->out, data, bytes);
	m->out += bytes;
}

static int mjpeg_next(struct mjpeg *m, struct segment *ret)
{
	const uint8_t *p = m->data;

	while (m->end - p >= 2 && p[0] == 0xff && p[1] == 0xff) /* fill bytes */
		p++;
	if (m->end - p < 4 || p[0] != 0xff || u16_at(p + 2) < 2 || u16_at(p + 2) > m->end - p - 2)
		return DAMAGED;
	*ret = (struct segment){
		.start = p, .payload = p + 4, .bytes = u16_at(p + 2) - 2, .marker = p[1]
	};
	m->data = ret->payload + ret->bytes;
	return 0;
}

/* ---- one segment each ---- */

static int mjpeg_check_quantizers(struct mjpeg *m, const struct segment *s)
{
	size_t at = 0;

	while (at < s->bytes) {
		unsigned precision = s->payload[at] >> 4, number = s->payload[at] & 0xf;

		if (precision > 1 || number >= TABLES_MAX)
			return DAMAGED;
		m->quantizers |= 1u << number;
		at += 1 + 64 * (1 + precision);
	}
	return at == s->bytes ? 0 : DAMAGED;
}

/*
 * One Huffman table at `p`. Its size; DAMAGED where there is no code of that shape (T.81 annex C),
 * or a symbol that a baseline decoder does not have.
 */
static int huffman_check(const uint8_t *p, size_t bytes)
{
	unsigned values = 0, code = 0, ac;

	if (bytes < 17 || p[0] >> 4 > 1 || (p[0] & 0xf) >= TABLES_MAX)
		return DAMAGED;
	ac = p[0] >> 4;
	for (unsigned length = 1; length <= 16; length++) {
		values += p[length];
		code += p[length];
		if (p[length] && code >= 1u << length) /* all ones is no code */
			return DAMAGED;
		code *= 2;
	}
	if (values == 0 || values > 256 || values > bytes - 17)
		return DAMAGED;
	for (unsigned i = 0; !ac && i < values; i++)
		if (p[17 + i] > 15)
			return DAMAGED;
	return (int)(17 + values);
}

static int mjpeg_check_huffman(struct mjpeg *m, const struct segment *s)
{
	size_t at = 0;

	while (at < s->bytes) {
		const uint8_t *p = s->payload + at;
		int size = huffman_check(p, s->bytes - at);

		if (size < 0)
			return size;
		m->huffman |= 1u << ((p[0] & 0xf) + (p[0] >> 4) * TABLES_MAX);
		at += (size_t)size;
	}
	return 0;
}

/* 1, 2 or 4: others cannot be scaled to one another. */
static bool is_sampling(unsigned factor)
{
	return factor == 1 || factor == 2 || factor == 4;
}

static int mjpeg_check_components(struct mjpeg *m, const uint8_t *p)
{
	unsigned widest = 1, highest = 1, blocks = 0;

	for (int i = 0; i < m->components; i++, p += 3) {
		unsigned across = p[1] >> 4, down = p[1] & 0xf;

		m->id[i] = p[0];
		if (!is_sampling(across) || !is_sampling(down) || p[2] >= TABLES_MAX ||
			memchr(m->id, p[0], (size_t)i))
			return DAMAGED;
		m->quantizers_used |= 1u << p[2];
		widest = across > widest ? across : widest;
		highest = down > highest ? down : highest;
		blocks += across * down;
	}
	if (m->components == 1) /* its blocks are the MCUs */
		widest = highest = 1;
	else if (blocks > MCU_BLOCKS_MAX)
		return DAMAGED;
	widest *= BLOCK;
	highest *= BLOCK;
	m->mcus = (((unsigned)m->width + widest - 1) / widest) *
		(((unsigned)m->height + highest - 1) / highest);
	return 0;
}

static int mjpeg_check_frame(struct mjpeg *m, const struct segment *s)
{
	const uint8_t *p = s->payload;

	if (m->components || s->bytes < 6 || p[0] != 8 || (int)u16_at(p + 1) != m->height ||
		(int)u16_at(p + 3) != m->width || (p[5] != 1 && p[5] != COMPONENTS_MAX) ||
		s->bytes != 6 + 3 * (size_t)p[5])
		return DAMAGED;
	m->components = p[5];
	return mjpeg_check_components(m, p + 6);
}

static int mjpeg_check_restart(struct mjpeg *m, const struct segment *s)
{
	if (s->bytes != 2)
		return DAMAGED;
	m->restart = u16_at(s->payload);
	return 0;
}

/* Adds the standard tables where the frame has none. */
static int mjpeg_check_scan(struct mjpeg *m, const struct segment *s, const uint8_t *tables)
{
	const uint8_t *p = s->payload + 1;
	unsigned wanted = 0;

	if (!m->components || s->bytes != 4 + 2 * (size_t)m->components ||
		s->payload[0] != m->components || m->quantizers_used & ~m->quantizers)
		return DAMAGED;
	for (int i = 0; i < m->components; i++, p += 2) {
		if (p[0] != m->id[i] || p[1] >> 4 >= TABLES_MAX || (p[1] & 0xf) >= TABLES_MAX)
			return DAMAGED;
		wanted |= 1u << (p[1] >> 4) | 1u << ((p[1] & 0xf) + TABLES_MAX);
	}
	if (p[0] != 0 || p[1] != 63 || p[2] != 0) /* else it is of a progressive picture */
		return DAMAGED;
	if (m->huffman == 0) {
		mjpeg_copy(m, tables, MJPEG_TABLES_BYTES);
		m->huffman = 0x33; /* 0 and 1 of each kind */
	}
	return wanted & ~m->huffman ? DAMAGED : 0;
}

/* ---- the whole ---- */

/* What the webcam says of itself, and nothing of the picture. */
static bool segment_is_talk(const struct segment *s)
{
	return s->marker == COM || (s->marker >= APP0 && s->marker <= APP15 && s->marker != APP14);
}

static int mjpeg_check_segment(struct mjpeg *m, const struct segment *s, const uint8_t *tables)
{
	switch (s->marker) {
	case DQT:
		return mjpeg_check_quantizers(m, s);
	case DHT:
		return mjpeg_check_huffman(m, s);
	case SOF0:
		return mjpeg_check_frame(m, s);
	case DRI:
		return mjpeg_check_restart(m, s);
	case SOS:
		return mjpeg_check_scan(m, s, tables);
	case APP14:
		return 0;
	default:
		return DAMAGED;
	}
}

/* Everything up to the scan. */
static int mjpeg_copy_headers(struct mjpeg *m, const uint8_t *tables)
{
	struct segment s;
	int r;

	do {
		r = mjpeg_next(m, &s);
		if (r < 0 || segment_is_talk(&s))
			continue;
		r = mjpeg_check_segment(m, &s, tables);
		if (r == 0)
			mjpeg_copy(m, s.start, s.bytes + 4);
	} while (r == 0 && s.marker != SOS);
	return r;
}

/* The rest, up to EOI. */
static int mjpeg_copy_scan(struct mjpeg *m)
{
	size_t bytes = (size_t)(m->end - m->data);
	const uint8_t *p = m->out, *end = p + bytes;
	uint32_t restarts = 0, wanted = m->restart ? (m->mcus - 1) / m->restart : 0;

	mjpeg_copy(m, m->data, bytes);
	while ((p = memchr(p, 0xff, (size_t)(end - p))) && end - p >= 2) {
		if (p[1] == EOI) {
			m->out -= end - (p + 2);
			return restarts < wanted ? DAMAGED : 0;
		}
		if (p[1] >= RST0 && p[1] <= RST7) {
			if (!m->restart || p[1] != RST0 + restarts % 8)
				return DAMAGED;
			restarts++;
		} else if (p[1] != 0 && p[1] != 0xff) {
			return DAMAGED;
		}
		p += p[1] == 0xff ? 1 : 2;
	}
	return DAMAGED; /* cut off */
}

size_t mjpeg_room(size_t bytes, const struct mjpeg_extras *extras)
{
	return bytes + 4 + extras->exif_bytes + MJPEG_TABLES_BYTES;
}

int mjpeg_rewrite(const struct frame *frame, const struct mjpeg_extras *extras, uint8_t *out,
	size_t *ret_bytes)
{
	size_t length = extras->exif_bytes + 2;
	const uint8_t soi[] = { 0xff, SOI };
	const uint8_t app1[] = { 0xff, APP1, (uint8_t)(length >> 8), (uint8_t)length };
	struct mjpeg m = {
		.data = frame->plane[0] + sizeof soi,
		.end = frame->plane[0] + frame->plane_bytes[0],
		.out = out,
		.width = frame->width,
		.height = frame->height,
	};
	int r;

	if (frame->plane_bytes[0] < sizeof soi || memcmp(frame->plane[0], soi, sizeof soi) != 0)
		return DAMAGED;
	mjpeg_copy(&m, soi, sizeof soi);
	if (extras->exif) {
		mjpeg_copy(&m, app1, sizeof app1);
		mjpeg_copy(&m, extras->exif, extras->exif_bytes);
	}
	r = mjpeg_copy_headers(&m, extras->tables);
	if (r == 0)
		r = mjpeg_copy_scan(&m);
	if (r < 0)
		return r;
	*ret_bytes = (size_t)(m.out - out);
	return 0;
}
