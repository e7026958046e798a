/* SPDX-License-Identifier: MIT */
/*
 * Another time in a JPEG that is written already. libexif reads a block into objects and writes a new
 * one, so bytes would move; here nine texts of fixed length change in place and nothing else does.
 * The file is looked at as if a stranger had made it.
 */
#include "capture/exif.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libexif/exif-format.h>
#include <libexif/exif-tag.h>

#include "capture/exif_private.h"

#define TIFF_HEADER 8 /* bytes */
#define TIFF_ENTRY 12 /* bytes of an entry of a directory */
#define PATCHES_MAX 32 /* nine are expected */

/* A TIFF block from outside. Every offset in it is checked before it is used. */
struct tiff {
	uint8_t *data;
	size_t bytes;
	bool big_endian;
};

static unsigned tiff_short(const struct tiff *tiff, size_t at)
{
	const uint8_t *p = tiff->data + at;

	return tiff->big_endian ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static size_t tiff_long(const struct tiff *tiff, size_t at)
{
	size_t a = tiff_short(tiff, at), b = tiff_short(tiff, at + 2);

	return tiff->big_endian ? a << 16 | b : b << 16 | a;
}

/* Whether `n` bytes from `at` on are inside. */
static bool tiff_has(const struct tiff *tiff, size_t at, size_t n)
{
	return at <= tiff->bytes && n <= tiff->bytes - at;
}

/* What is to be written where, collected before anything is touched. */
struct patches {
	struct {
		uint8_t *at;
		const char *text;
		size_t length; /* without the NUL, which stays */
	} rows[PATCHES_MAX];
	int n;
};

static const char *text_of_tag(unsigned tag, const struct exif_times *times)
{
	switch (tag) {
	case EXIF_TAG_DATE_TIME:
	case EXIF_TAG_DATE_TIME_ORIGINAL:
	case EXIF_TAG_DATE_TIME_DIGITIZED:
		return times->local;
	case EXIF_TAG_SUB_SEC_TIME:
	case EXIF_TAG_SUB_SEC_TIME_ORIGINAL:
	case EXIF_TAG_SUB_SEC_TIME_DIGITIZED:
		return times->fraction;
	case EXIF_TAG_OFFSET_TIME:
	case EXIF_TAG_OFFSET_TIME_ORIGINAL:
	case EXIF_TAG_OFFSET_TIME_DIGITIZED:
		return times->offset;
	default:
		return NULL;
	}
}

/* One entry of a directory: tag, type, count, and the offset of a text longer than four bytes. */
static int see_entry(
	const struct tiff *tiff, size_t at, const struct exif_times *times, struct patches *patches)
{
	const char *text = text_of_tag(tiff_short(tiff, at), times);
	size_t length = text ? strlen(text) : 0, value = tiff_long(tiff, at + 8);

	if (!text || tiff_short(tiff, at + 2) != EXIF_FORMAT_ASCII ||
		tiff_long(tiff, at + 4) != length + 1)
		return 0;
	if (value < TIFF_HEADER || !tiff_has(tiff, value, length + 1) || patches->n == PATCHES_MAX)
		return -EBADMSG;
	patches->rows[patches->n].at = tiff->data + value;
	patches->rows[patches->n].text = text;
	patches->rows[patches->n++].length = length;
	return 0;
}

/* The directory at `at`; *ret_exif is where it says that the EXIF directory is. */
static int see_directory(const struct tiff *tiff, size_t at, const struct exif_times *times,
	struct patches *patches, size_t *ret_exif)
{
	size_t count;
	int r = 0;

	if (!tiff_has(tiff, at, 2))
		return -EBADMSG;
	count = tiff_short(tiff, at);
	if (!tiff_has(tiff, at + 2, count * TIFF_ENTRY))
		return -EBADMSG;
	for (at += 2; r == 0 && count > 0; count--, at += TIFF_ENTRY) {
		if (tiff_short(tiff, at) == EXIF_TAG_EXIF_IFD_POINTER)
			*ret_exif = tiff_long(tiff, at + 8);
		r = see_entry(tiff, at, times, patches);
	}
	return r;
}

static int see_tiff(struct tiff *tiff, const struct exif_times *times, struct patches *patches)
{
	size_t exif = 0, none = 0;
	int r;

	if (tiff->bytes < TIFF_HEADER ||
		(memcmp(tiff->data, "II", 2) != 0 && memcmp(tiff->data, "MM", 2) != 0))
		return -EBADMSG;
	tiff->big_endian = tiff->data[0] == 'M';
	if (tiff_short(tiff, 2) != 42)
		return -EBADMSG;
	r = see_directory(tiff, tiff_long(tiff, 4), times, patches, &exif);
	return r < 0 || exif == 0 ? r : see_directory(tiff, exif, times, patches, &none);
}

/* The TIFF block of the first EXIF segment. 1, 0 there is none, -EBADMSG. */
static int find_tiff(uint8_t *jpeg, size_t bytes, struct tiff *ret)
{
	static const char id[] = "Exif\0";
	size_t at = 2;

	if (bytes < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8)
		return -EBADMSG;
	/* segments: ff, marker, two bytes of length that count themselves; behind ff da is the picture */
	while (bytes - at >= 4 && jpeg[at] == 0xff && jpeg[at + 1] != 0xda) {
		size_t length = (size_t)jpeg[at + 2] << 8 | jpeg[at + 3];

		if (length < 2 || length > bytes - at - 2)
			return -EBADMSG;
		if (jpeg[at + 1] == 0xe1 && length >= 2 + sizeof(id) &&
			memcmp(jpeg + at + 4, id, sizeof(id)) == 0) {
			ret->data = jpeg + at + 4 + sizeof(id);
			ret->bytes = length - 2 - sizeof(id);
			return 1;
		}
		at += 2 + length;
	}
	return 0;
}

int exif_redate(uint8_t *jpeg, size_t bytes, int64_t time_us)
{
	struct patches patches = { .n = 0 };
	struct exif_times times;
	struct tiff tiff;
	int r = exif_times_of(time_us, &times);

	if (r < 0)
		return r;
	r = find_tiff(jpeg, bytes, &tiff);
	if (r > 0)
		r = see_tiff(&tiff, &times, &patches);
	if (r < 0)
		return r;
	for (int i = 0; i < patches.n; i++)
		memcpy(patches.rows[i].at, patches.rows[i].text, patches.rows[i].length);
	return patches.n;
}
