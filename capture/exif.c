/* SPDX-License-Identifier: MIT */
/*
 * The EXIF block of a frame. libexif does the TIFF structure; the tags and their values are set one
 * by one rather than by exif_data_fix(), which fills in defaults of its own ("Unknown", a version
 * of 2.1) where nothing is known.
 *
 * All text is printable ASCII, as EXIF 2.32 wants it; other bytes become '?'.
 */
#include "capture/exif.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <libexif/exif-data.h>
#include <libexif/exif-utils.h>

#include "capture/exif_private.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/utc.h"
#include "common/util.h"

#define ASCII_MAX 128 /* bytes of one text, NUL included */
#define YEAR_10000_US (INT64_C(253402300800) * US_PER_SEC)
#define AGREE_US                                                                                   \
	(US_PER_SEC / 2) /* so near to its slot an exposure counts as in the slot's second */
#define EXIF_ORDER EXIF_BYTE_ORDER_INTEL

static void data_unrefp(ExifData **p)
{
	if (*p)
		exif_data_unref(*p);
}

/*
 * Adds an entry of `components` values with room for them and returns that room, which belongs to
 * the entry. NULL: out of memory.
 */
static unsigned char *add(
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

static int add_text(ExifData *data, ExifIfd ifd, ExifTag tag, const char *text)
{
	size_t length = text ? strnlen(text, ASCII_MAX - 1) : 0;
	unsigned char *room;

	if (length == 0)
		return 0;
	room = add(data, ifd, tag, EXIF_FORMAT_ASCII, length + 1);
	if (!room)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++)
		room[i] = text[i] >= ' ' && text[i] <= '~' ? (unsigned char)text[i] : '?';
	room[length] = 0;
	return 0;
}

/* Four bytes of type UNDEFINED: versions and the like. */
static int add_four(ExifData *data, ExifTag tag, const char four[4])
{
	unsigned char *room = add(data, EXIF_IFD_EXIF, tag, EXIF_FORMAT_UNDEFINED, 4);

	if (!room)
		return -ENOMEM;
	memcpy(room, four, 4);
	return 0;
}

static int add_short(ExifData *data, ExifIfd ifd, ExifTag tag, unsigned value)
{
	unsigned char *room = add(data, ifd, tag, EXIF_FORMAT_SHORT, 1);

	if (!room)
		return -ENOMEM;
	exif_set_short(room, EXIF_ORDER, (ExifShort)value);
	return 0;
}

static int add_long(ExifData *data, ExifTag tag, unsigned value)
{
	unsigned char *room = add(data, EXIF_IFD_EXIF, tag, EXIF_FORMAT_LONG, 1);

	if (!room)
		return -ENOMEM;
	exif_set_long(room, EXIF_ORDER, value);
	return 0;
}

static int add_rational(ExifData *data, ExifIfd ifd, ExifTag tag, ExifRational value)
{
	unsigned char *room = add(data, ifd, tag, EXIF_FORMAT_RATIONAL, 1);

	if (!room)
		return -ENOMEM;
	exif_set_rational(room, EXIF_ORDER, value);
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

/*
 * Local time of an instant. The zone's offset comes from the last six characters of its local text.
 */
int exif_times_of(int64_t wall_us, struct exif_times *ret)
{
	char text[UTC_TEXT_MAX];
	struct utc_fields f;
	int hours, minutes;
	char sign;
	size_t length;

	if (wall_us < 0 || wall_us >= YEAR_10000_US)
		return -EINVAL;
	utc_format_local(wall_us, text);
	length = strnlen(text, sizeof(text));
	if (length < 6 || sscanf(text + length - 6, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
		(sign != '+' && sign != '-'))
		return -EINVAL;
	utc_split(wall_us + (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60 * US_PER_SEC, &f);
	if (f.year < 1 || f.year > 9999)
		return -EINVAL;
	snprintf(ret->local, sizeof(ret->local), "%04u:%02u:%02u %02u:%02u:%02u",
		(unsigned)f.year % 10000, (unsigned)f.month % 100, (unsigned)f.day % 100,
		(unsigned)f.hour % 100, (unsigned)f.minute % 100, (unsigned)f.second % 100);
	snprintf(ret->fraction, sizeof(ret->fraction), "%06u", (unsigned)f.us % 1000000);
	snprintf(ret->offset, sizeof(ret->offset), "%s", text + length - 6);
	return 0;
}

static int add_times(ExifData *data, int64_t time_us)
{
	struct exif_times times;
	int r = exif_times_of(time_us, &times);
	const struct {
		ExifIfd ifd;
		ExifTag tag;
		const char *text;
	} rows[] = {
		{ EXIF_IFD_0, EXIF_TAG_DATE_TIME, times.local },
		{ EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_ORIGINAL, times.local },
		{ EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_DIGITIZED, times.local },
		{ EXIF_IFD_EXIF, EXIF_TAG_SUB_SEC_TIME, times.fraction },
		{ EXIF_IFD_EXIF, EXIF_TAG_SUB_SEC_TIME_ORIGINAL, times.fraction },
		{ EXIF_IFD_EXIF, EXIF_TAG_SUB_SEC_TIME_DIGITIZED, times.fraction },
		{ EXIF_IFD_EXIF, EXIF_TAG_OFFSET_TIME, times.offset },
		{ EXIF_IFD_EXIF, EXIF_TAG_OFFSET_TIME_ORIGINAL, times.offset },
		{ EXIF_IFD_EXIF, EXIF_TAG_OFFSET_TIME_DIGITIZED, times.offset },
	};

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
		r = add_text(data, rows[i].ifd, rows[i].tag, rows[i].text);
	return r;
}

/* Microseconds as the shortest fraction of a second: 10000 is 1/100. */
static ExifRational seconds_of(double us)
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

static int add_exposure(ExifData *data, const struct exif_facts *facts)
{
	double us = facts->exposure_us, iso = facts->gain * 100;
	int r = 0;

	/* half a microsecond up to a day; also false for NaN */
	if (us >= 0.5 && us <= 86400e6)
		r = add_rational(data, EXIF_IFD_EXIF, EXIF_TAG_EXPOSURE_TIME, seconds_of(us));
	/* 65535 is EXIF's "that or more" */
	if (r == 0 && iso >= 0.5 && isfinite(iso))
		r = add_short(data, EXIF_IFD_EXIF, EXIF_TAG_ISO_SPEED_RATINGS,
			iso > 65535 ? 65535 : (unsigned)lround(iso));
	return r;
}

/* The picture's shape, and what the standard demands of every file. */
static int add_picture(ExifData *data, const struct exif_facts *facts)
{
	const ExifRational dpi = { 72, 1 };
	int r = add_short(data, EXIF_IFD_0, EXIF_TAG_ORIENTATION, 1);

	if (r == 0)
		r = add_rational(data, EXIF_IFD_0, EXIF_TAG_X_RESOLUTION, dpi);
	if (r == 0)
		r = add_rational(data, EXIF_IFD_0, EXIF_TAG_Y_RESOLUTION, dpi);
	if (r == 0)
		r = add_short(data, EXIF_IFD_0, EXIF_TAG_RESOLUTION_UNIT, 2); /* inch */
	if (r == 0)
		r = add_short(data, EXIF_IFD_0, EXIF_TAG_YCBCR_POSITIONING, 1); /* centred */
	if (r == 0)
		r = add_four(data, EXIF_TAG_EXIF_VERSION, "0232");
	if (r == 0)
		r = add_four(data, EXIF_TAG_COMPONENTS_CONFIGURATION, "\1\2\3"); /* Y Cb Cr */
	if (r == 0)
		r = add_four(data, EXIF_TAG_FLASH_PIX_VERSION, "0100");
	if (r == 0)
		r = add_short(data, EXIF_IFD_EXIF, EXIF_TAG_COLOR_SPACE, 1); /* sRGB */
	if (r == 0)
		r = add_long(data, EXIF_TAG_PIXEL_X_DIMENSION, (unsigned)facts->width);
	if (r == 0)
		r = add_long(data, EXIF_TAG_PIXEL_Y_DIMENSION, (unsigned)facts->height);
	return r;
}

int exif_build(const struct exif_facts *facts, uint8_t **ret, size_t *ret_bytes)
{
	CLEANUP(data_unrefp) ExifData *data = NULL;
	unsigned char *bytes = NULL;
	unsigned int size = 0;
	int r;

	if (facts->width < 1 || facts->height < 1 || facts->width > PICTURE_SIDE_MAX ||
		facts->height > PICTURE_SIDE_MAX)
		return -EINVAL;
	data = exif_data_new();
	if (!data)
		return -ENOMEM;
	exif_data_set_byte_order(data, EXIF_ORDER);
	exif_data_set_data_type(data, EXIF_DATA_TYPE_COMPRESSED);
	r = add_times(data, facts->time_us);
	if (r == 0)
		r = add_picture(data, facts);
	if (r == 0)
		r = add_exposure(data, facts);
	if (r == 0)
		r = add_text(data, EXIF_IFD_0, EXIF_TAG_MAKE, facts->make);
	if (r == 0)
		r = add_text(data, EXIF_IFD_0, EXIF_TAG_MODEL, facts->model);
	if (r == 0)
		r = add_text(data, EXIF_IFD_0, EXIF_TAG_SOFTWARE, facts->software);
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
