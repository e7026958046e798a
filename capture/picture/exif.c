/* SPDX-License-Identifier: MIT */
/*
 * The EXIF block of a frame. libexif does the TIFF structure; the tags and their values are set one
 * by one rather than by exif_data_fix(), which fills in defaults of its own ("Unknown", a version
 * of 2.1) where nothing is known.
 *
 * All text is printable ASCII, as EXIF 2.32 wants it; other bytes become '?'.
 */
#include "capture/picture/exif.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <libexif/exif-data.h>
#include <libexif/exif-utils.h>

#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define ASCII_MAX 128 /* bytes of one text, NUL included */
#define YEAR_10000_US (INT64_C(253402300800) * US_PER_SEC)
#define AGREE_US                                                                                   \
	(US_PER_SEC / 2) /* so near to its slot an exposure counts as in the slot's second */
#define EXIF_ORDER EXIF_BYTE_ORDER_INTEL

struct exif_times {
	char local[20]; /* "2026:11:20 17:01:00" */
	char fraction[7]; /* "000412" */
	char offset[7]; /* "+01:00" */
};

static void exif_data_unrefp(ExifData **p)
{
	if (*p)
		exif_data_unref(*p);
}

/*
 * Adds an entry of `components` values with room for them and returns that room, which belongs to
 * the entry. NULL: out of memory.
 */
static unsigned char *exif_add(
	ExifData *data, ExifIfd ifd, ExifTag tag, ExifFormat format, unsigned long components)
{
	unsigned int bytes = (unsigned int)(components * exif_format_get_size(format));
	ExifMem *mem = exif_mem_new_default();
	ExifEntry *entry = mem ? exif_entry_new_mem(mem) : NULL;
	unsigned char *room = entry ? exif_mem_alloc(mem, bytes) : NULL;

	if (room) {
		entry->tag = tag;
		entry->format = format;
		entry->components = components;
		entry->data = room;
		entry->size = bytes;
		exif_content_add_entry(data->ifd[ifd], entry);
		if (entry->parent != data->ifd[ifd])
			room = NULL; /* the list could not grow; the entry frees it */
	}
	if (entry)
		exif_entry_unref(entry);
	if (mem)
		exif_mem_unref(mem);
	return room;
}

/* One entry of the block, in the form that its format has. */
struct exif_entry {
	int ifd; /* ExifIfd */
	ExifTag tag;
	int format; /* ExifFormat */
	const char *text; /* ASCII: NULL or "" is left out; UNDEFINED: four bytes */
	ExifLong value, below; /* a rational's numerator and denominator; value 0 is left out */
};

static int exif_add_entry(ExifData *data, const struct exif_entry *entry)
{
	bool ascii = entry->format == EXIF_FORMAT_ASCII;
	size_t length = ascii && entry->text ? strnlen(entry->text, ASCII_MAX - 1) : 0;
	unsigned char *room;

	if (ascii ? length == 0 : !entry->text && entry->value == 0)
		return 0;
	room = exif_add(data, (ExifIfd)entry->ifd, entry->tag, (ExifFormat)entry->format,
		ascii                 ? length + 1
			: entry->text ? 4
				      : 1);
	if (!room)
		return -ENOMEM;
	if (entry->format == EXIF_FORMAT_SHORT)
		exif_set_short(room, EXIF_ORDER, (ExifShort)entry->value);
	else if (entry->format == EXIF_FORMAT_LONG)
		exif_set_long(room, EXIF_ORDER, entry->value);
	else if (entry->format == EXIF_FORMAT_RATIONAL)
		exif_set_rational(room, EXIF_ORDER, (ExifRational){ entry->value, entry->below });
	else if (!ascii)
		memcpy(room, entry->text, 4);
	for (size_t i = 0; i < length; i++)
		room[i] = entry->text[i] >= ' ' && entry->text[i] <= '~'
			? (unsigned char)entry->text[i]
			: '?';
	if (ascii)
		room[length] = 0;
	return 0;
}

int64_t exif_time_us(int64_t slot_us, int64_t exposed_us)
{
	int64_t late_us = exposed_us - slot_us, within_us = slot_us % US_PER_SEC + late_us;

	if (late_us <= -AGREE_US || late_us >= AGREE_US)
		return exposed_us;
	if (within_us < 0)
		return exposed_us - within_us;
	return within_us < US_PER_SEC ? exposed_us : exposed_us - within_us + US_PER_SEC - 1;
}

/* Local time of an instant, as EXIF has it. */
static int exif_times_of(int64_t wall_us, struct exif_times *ret)
{
	struct utc_fields f;
	int offset_s, minutes;

	if (wall_us < 0 || wall_us >= YEAR_10000_US)
		return -EINVAL;
	offset_s = utc_local_offset_s(wall_us);
	minutes = abs(offset_s) / 60;
	utc_split(wall_us + offset_s * US_PER_SEC, &f);
	if (f.year < 1 || f.year > 9999)
		return -EINVAL;
	snprintf(ret->local, sizeof(ret->local), "%04u:%02u:%02u %02u:%02u:%02u",
		(unsigned)f.year % 10000, (unsigned)f.month % 100, (unsigned)f.day % 100,
		(unsigned)f.hour % 100, (unsigned)f.minute % 100, (unsigned)f.second % 100);
	snprintf(ret->fraction, sizeof(ret->fraction), "%06u", (unsigned)f.us % 1000000);
	snprintf(ret->offset, sizeof(ret->offset), "%c%02u:%02u", offset_s < 0 ? '-' : '+',
		(unsigned)minutes / 60 % 100, (unsigned)minutes % 60);
	return 0;
}

/* Microseconds as the shortest fraction of a second: 10000 is 1/100. */
static ExifRational exif_seconds(double us)
{
	/* beyond 4294 s the numerator of microseconds would overflow */
	uint64_t scale = us < 4e9 ? 1000000 : 1;
	uint64_t top = (uint64_t)llround(us * ((double)scale / 1e6)), a = top, b = scale;

	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return (ExifRational){ (ExifLong)(top / a), (ExifLong)(scale / a) };
}

static ExifRational exif_exposure(double us)
{
	/* half a microsecond up to a day; also false for NaN */
	return us >= 0.5 && us <= 86400e6 ? exif_seconds(us) : (ExifRational){ 0, 1 };
}

static ExifLong exif_iso(double gain)
{
	double iso = gain * 100;

	/* 65535 is EXIF's "that or more" */
	return iso >= 0.5 && isfinite(iso) ? (ExifLong)(iso > 65535 ? 65535 : lround(iso)) : 0;
}

/* In the order of tags, so that libexif saves the same bytes when it has read them. */
static int exif_add_all(
	ExifData *data, const struct exif_facts *facts, const struct exif_times *times)
{
	enum { MAIN = EXIF_IFD_0, EXIF = EXIF_IFD_EXIF };
	enum {
		TEXT = EXIF_FORMAT_ASCII,
		FOUR = EXIF_FORMAT_UNDEFINED,
		SHORT = EXIF_FORMAT_SHORT,
		LONG = EXIF_FORMAT_LONG,
		RATIO = EXIF_FORMAT_RATIONAL
	};
	ExifRational exposure = exif_exposure(facts->exposure_us);
	ExifLong width = (ExifLong)facts->width, height = (ExifLong)facts->height;
	const struct exif_entry entries[] = {
		{ MAIN, EXIF_TAG_MAKE, TEXT, facts->make },
		{ MAIN, EXIF_TAG_MODEL, TEXT, facts->model },
		{ MAIN, EXIF_TAG_ORIENTATION, SHORT, .value = 1 },
		{ MAIN, EXIF_TAG_X_RESOLUTION, RATIO, .value = 72, .below = 1 },
		{ MAIN, EXIF_TAG_Y_RESOLUTION, RATIO, .value = 72, .below = 1 },
		{ MAIN, EXIF_TAG_RESOLUTION_UNIT, SHORT, .value = 2 }, /* inch */
		{ MAIN, EXIF_TAG_SOFTWARE, TEXT, facts->software },
		{ MAIN, EXIF_TAG_DATE_TIME, TEXT, times->local },
		{ MAIN, EXIF_TAG_YCBCR_POSITIONING, SHORT, .value = 1 }, /* centred */
		{ EXIF, EXIF_TAG_EXPOSURE_TIME, RATIO, .value = exposure.numerator,
			.below = exposure.denominator },
		{ EXIF, EXIF_TAG_ISO_SPEED_RATINGS, SHORT, .value = exif_iso(facts->gain) },
		{ EXIF, EXIF_TAG_EXIF_VERSION, FOUR, "0232" },
		{ EXIF, EXIF_TAG_DATE_TIME_ORIGINAL, TEXT, times->local },
		{ EXIF, EXIF_TAG_DATE_TIME_DIGITIZED, TEXT, times->local },
		{ EXIF, EXIF_TAG_OFFSET_TIME, TEXT, times->offset },
		{ EXIF, EXIF_TAG_OFFSET_TIME_ORIGINAL, TEXT, times->offset },
		{ EXIF, EXIF_TAG_OFFSET_TIME_DIGITIZED, TEXT, times->offset },
		{ EXIF, EXIF_TAG_COMPONENTS_CONFIGURATION, FOUR, "\1\2\3" }, /* Y Cb Cr */
		{ EXIF, EXIF_TAG_SUB_SEC_TIME, TEXT, times->fraction },
		{ EXIF, EXIF_TAG_SUB_SEC_TIME_ORIGINAL, TEXT, times->fraction },
		{ EXIF, EXIF_TAG_SUB_SEC_TIME_DIGITIZED, TEXT, times->fraction },
		{ EXIF, EXIF_TAG_FLASH_PIX_VERSION, FOUR, "0100" },
		{ EXIF, EXIF_TAG_COLOR_SPACE, SHORT, .value = 1 }, /* sRGB */
		{ EXIF, EXIF_TAG_PIXEL_X_DIMENSION, LONG, .value = width },
		{ EXIF, EXIF_TAG_PIXEL_Y_DIMENSION, LONG, .value = height },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(entries); i++)
		r = exif_add_entry(data, &entries[i]);
	return r;
}

int exif_build(const struct exif_facts *facts, uint8_t **ret, size_t *ret_bytes)
{
	CLEANUP(exif_data_unrefp) ExifData *data = NULL;
	unsigned char *bytes = NULL;
	struct exif_times times;
	unsigned int size = 0;
	int r = exif_times_of(facts->time_us, &times);

	if (r < 0 || facts->width < 1 || facts->height < 1 || facts->width > PICTURE_SIDE_MAX ||
		facts->height > PICTURE_SIDE_MAX)
		return -EINVAL;
	data = exif_data_new();
	if (!data)
		return -ENOMEM;
	exif_data_set_byte_order(data, EXIF_ORDER);
	exif_data_set_data_type(data, EXIF_DATA_TYPE_COMPRESSED);
	r = exif_add_all(data, facts, &times);
	if (r < 0)
		return r;
	/* libexif's default allocator is malloc(): the caller may free() this */
	exif_data_save_data(data, &bytes, &size);
	if (!bytes || size == 0)
		return -ENOMEM;
	*ret = bytes;
	*ret_bytes = size;
	return 0;
}

/* The payload of the first EXIF segment. 1, 0 there is none, -EBADMSG. */
static int exif_find(uint8_t *jpeg, size_t bytes, uint8_t **ret, size_t *ret_bytes)
{
	static const char id[] = "Exif\0";
	size_t at = 2;

	if (bytes < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8)
		return -EBADMSG;
	/*
	 * segments: ff, marker, two bytes of length that count themselves; after ff da is the
	 * picture
	 */
	while (bytes - at >= 4 && jpeg[at] == 0xff && jpeg[at + 1] != 0xda) {
		size_t length = (size_t)jpeg[at + 2] << 8 | jpeg[at + 3];

		if (length < 2 || length > bytes - at - 2)
			return -EBADMSG;
		if (jpeg[at + 1] == 0xe1 && length >= 2 + sizeof(id) &&
			memcmp(jpeg + at + 4, id, sizeof(id)) == 0) {
			*ret = jpeg + at + 4;
			*ret_bytes = length - 2;
			return 1;
		}
		at += 2 + length;
	}
	return 0;
}

/* Writes each time that the block has. Returns how many that were. */
static int exif_replace_times(ExifData *data, const struct exif_times *times)
{
	static const struct {
		ExifTag tag;
		size_t text; /* in struct exif_times */
	} rows[] = {
		{ EXIF_TAG_DATE_TIME, offsetof(struct exif_times, local) },
		{ EXIF_TAG_DATE_TIME_ORIGINAL, offsetof(struct exif_times, local) },
		{ EXIF_TAG_DATE_TIME_DIGITIZED, offsetof(struct exif_times, local) },
		{ EXIF_TAG_SUB_SEC_TIME, offsetof(struct exif_times, fraction) },
		{ EXIF_TAG_SUB_SEC_TIME_ORIGINAL, offsetof(struct exif_times, fraction) },
		{ EXIF_TAG_SUB_SEC_TIME_DIGITIZED, offsetof(struct exif_times, fraction) },
		{ EXIF_TAG_OFFSET_TIME, offsetof(struct exif_times, offset) },
		{ EXIF_TAG_OFFSET_TIME_ORIGINAL, offsetof(struct exif_times, offset) },
		{ EXIF_TAG_OFFSET_TIME_DIGITIZED, offsetof(struct exif_times, offset) },
	};
	int found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *text = (const char *)times + rows[i].text;
		ExifEntry *entry = exif_data_get_entry(data, rows[i].tag);

		if (!entry || entry->format != EXIF_FORMAT_ASCII || entry->size != strlen(text) + 1)
			continue;
		memcpy(entry->data, text, entry->size);
		found++;
	}
	return found;
}

int exif_set_time(uint8_t *jpeg, size_t bytes, int64_t time_us)
{
	CLEANUP(exif_data_unrefp) ExifData *data = NULL;
	CLEANUP_FREE unsigned char *saved = NULL;
	struct exif_times times;
	uint8_t *block = NULL;
	size_t length = 0;
	unsigned int size = 0;
	int r = exif_times_of(time_us, &times), found;

	if (r == 0)
		r = exif_find(jpeg, bytes, &block, &length);
	if (r <= 0)
		return r;
	data = exif_data_new();
	if (!data)
		return -ENOMEM;
	/* nothing is put right by the way */
	exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
	exif_data_unset_option(data, EXIF_DATA_OPTION_IGNORE_UNKNOWN_TAGS);
	exif_data_load_data(data, block, (unsigned int)length);
	found = exif_replace_times(data, &times);
	if (found == 0)
		return -EBADMSG;
	exif_data_save_data(data, &saved, &size);
	if (!saved)
		return -ENOMEM;
	if (size != length) /* it has more than libexif reads */
		return -EBADMSG;
	memcpy(block, saved, length);
	return found;
}
