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
#define EXIF_INFINITE 0xffffffffu
#define DIOPTRES_MAX 1000 /* a millimetre: no lens is nearer */
#define SECOND_PARTS 10000
#define COMMENT_CODE 8 /* bytes in front of the text that say how it is written */
#define COMMENT_MAX 160

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
	const char *text; /* ASCII: NULL or "" is left out; UNDEFINED and BYTE: `bytes` of them */
	unsigned bytes; /* 0: left out */
	ExifLong value, below; /* a rational's numerator and denominator; value 0 is left out */
	bool zero; /* but for this one, where 0 says something */
	const ExifRational *angle; /* degrees, minutes, seconds in place of `value` */
};

/* How many values it has, 0: it is left out. */
static unsigned long exif_components(const struct exif_entry *entry)
{
	if (entry->format == EXIF_FORMAT_ASCII)
		return entry->text && *entry->text ? strnlen(entry->text, ASCII_MAX - 1) + 1 : 0;
	if (entry->format == EXIF_FORMAT_UNDEFINED || entry->format == EXIF_FORMAT_BYTE)
		return entry->bytes;
	return entry->angle ? 3 : entry->value != 0 || entry->zero;
}

static void exif_copy_text(unsigned char *room, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		room[i] = text[i] >= ' ' && text[i] <= '~' ? (unsigned char)text[i] : '?';
	room[length] = 0;
}

static int exif_add_entry(ExifData *data, const struct exif_entry *entry)
{
	unsigned long components = exif_components(entry);
	unsigned char *room;

	if (components == 0)
		return 0;
	room = exif_add(
		data, (ExifIfd)entry->ifd, entry->tag, (ExifFormat)entry->format, components);
	if (!room)
		return -ENOMEM;
	if (entry->format == EXIF_FORMAT_SHORT)
		exif_set_short(room, EXIF_ORDER, (ExifShort)entry->value);
	else if (entry->format == EXIF_FORMAT_LONG)
		exif_set_long(room, EXIF_ORDER, entry->value);
	else if (entry->format == EXIF_FORMAT_ASCII)
		exif_copy_text(room, entry->text, components - 1);
	else if (entry->angle)
		for (unsigned long i = 0; i < components; i++)
			exif_set_rational(room + 8 * i, EXIF_ORDER, entry->angle[i]);
	else if (entry->format == EXIF_FORMAT_RATIONAL)
		exif_set_rational(room, EXIF_ORDER, (ExifRational){ entry->value, entry->below });
	else
		memcpy(room, entry->text, entry->bytes);
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

/* Metres to what is in focus; beyond a kilometre it is infinity, as EXIF writes it. */
static ExifRational exif_distance(double dioptres)
{
	if (!(dioptres >= 0 && dioptres <= DIOPTRES_MAX))
		return (ExifRational){ 0, 1 };
	if (dioptres < 0.001)
		return (ExifRational){ EXIF_INFINITE, 1 };
	return (ExifRational){ 1000, (ExifLong)lround(dioptres * 1000) };
}

/* Degrees, minutes and seconds, these to a ten thousandth: 3 mm on the ground. */
static void exif_angle(double degrees, ExifRational ret[static 3])
{
	int64_t parts = llround(fabs(degrees) * 3600 * SECOND_PARTS);

	ret[0] = (ExifRational){ (ExifLong)(parts / (3600 * SECOND_PARTS)), 1 };
	ret[1] = (ExifRational){ (ExifLong)(parts / (60 * SECOND_PARTS) % 60), 1 };
	ret[2] = (ExifRational){ (ExifLong)(parts % (60 * SECOND_PARTS)), SECOND_PARTS };
}

static bool exif_has_place(const struct exif_facts *facts)
{
	return fabs(facts->latitude) <= 90 && fabs(facts->longitude) <= 180;
}

/* Adds " NAME=VALUE" to a comment, "NAME=A,B" where `b` is a number. */
static void comment_add(char comment[static COMMENT_MAX], const char *name, double a, double b)
{
	size_t used = strlen(comment + COMMENT_CODE) + COMMENT_CODE;

	/* whoever reads such a thing as 1e300 dioptres learns nothing */
	if (!(a >= 0 && a < 1e6) || !(isnan(b) || (b >= 0 && b < 1e6)))
		return;
	snprintf(comment + used, COMMENT_MAX - used, isnan(b) ? "%s%s=%.6g" : "%s%s=%.6g,%.6g",
		used > COMMENT_CODE ? " " : "", name, a, b);
}

/* The bytes of a UserComment: its code, then text without a NUL. How many, 0: nothing is known. */
static unsigned comment_make(const struct exif_facts *facts, char ret[static COMMENT_MAX])
{
	static const char code[COMMENT_CODE] = "ASCII";
	size_t used;

	memset(ret, 0, COMMENT_MAX);
	memcpy(ret, code, sizeof code);
	comment_add(ret, "ColourTemperature", facts->colour_temperature, NAN);
	comment_add(ret, "ColourGains", isnan(facts->blue) ? NAN : facts->red, facts->blue);
	comment_add(ret, "LensPosition", facts->lens_position, NAN);
	used = strlen(ret + COMMENT_CODE) + COMMENT_CODE;
	if (facts->focus && *facts->focus)
		snprintf(ret + used, COMMENT_MAX - used, "%sFocus=%s",
			used > COMMENT_CODE ? " " : "", facts->focus);
	used = strlen(ret + COMMENT_CODE);
	return used ? (unsigned)(used + COMMENT_CODE) : 0;
}

static int exif_add_table(ExifData *data, const struct exif_entry *entries, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = exif_add_entry(data, &entries[i]);
	return r;
}

/* Where the camera is, as its settings say: it has no receiver, so there is no time by GPS. */
static int exif_add_place(ExifData *data, const struct exif_facts *facts)
{
	enum { GPS = EXIF_IFD_GPS };
	ExifRational latitude[3], longitude[3];
	const struct exif_entry entries[] = {
		{ GPS, (ExifTag)EXIF_TAG_GPS_VERSION_ID, EXIF_FORMAT_BYTE, "\2\3\0", 4 },
		{ GPS, (ExifTag)EXIF_TAG_GPS_LATITUDE_REF, EXIF_FORMAT_ASCII,
			facts->latitude < 0 ? "S" : "N" },
		{ GPS, (ExifTag)EXIF_TAG_GPS_LATITUDE, EXIF_FORMAT_RATIONAL, .angle = latitude },
		{ GPS, (ExifTag)EXIF_TAG_GPS_LONGITUDE_REF, EXIF_FORMAT_ASCII,
			facts->longitude < 0 ? "W" : "E" },
		{ GPS, (ExifTag)EXIF_TAG_GPS_LONGITUDE, EXIF_FORMAT_RATIONAL, .angle = longitude },
		{ GPS, (ExifTag)EXIF_TAG_GPS_MAP_DATUM, EXIF_FORMAT_ASCII, "WGS-84" },
	};

	if (!exif_has_place(facts))
		return 0;
	exif_angle(facts->latitude, latitude);
	exif_angle(facts->longitude, longitude);
	return exif_add_table(data, entries, ARRAY_SIZE(entries));
}

/* Where the thumbnail is and how long, libexif adds itself. */
static int exif_add_thumb(ExifData *data, const struct exif_facts *facts)
{
	enum { THUMB = EXIF_IFD_1 };
	static const struct exif_entry entries[] = {
		{ THUMB, EXIF_TAG_COMPRESSION, EXIF_FORMAT_SHORT, .value = 6 }, /* JPEG */
		{ THUMB, EXIF_TAG_X_RESOLUTION, EXIF_FORMAT_RATIONAL, .value = 72, .below = 1 },
		{ THUMB, EXIF_TAG_Y_RESOLUTION, EXIF_FORMAT_RATIONAL, .value = 72, .below = 1 },
		{ THUMB, EXIF_TAG_RESOLUTION_UNIT, EXIF_FORMAT_SHORT, .value = 2 },
	};

	if (facts->thumb_bytes == 0)
		return 0;
	data->data = malloc(facts->thumb_bytes);
	if (!data->data)
		return -ENOMEM;
	memcpy(data->data, facts->thumb, facts->thumb_bytes);
	data->size = (unsigned)facts->thumb_bytes;
	return exif_add_table(data, entries, ARRAY_SIZE(entries));
}

/* In the order of tags, so that libexif saves the same bytes when it has read them. */
static int exif_add_all(
	ExifData *data, const struct exif_facts *facts, const struct exif_times *times)
{
	enum { MAIN = EXIF_IFD_0, EXIF = EXIF_IFD_EXIF };
	enum {
		TEXT = EXIF_FORMAT_ASCII,
		BYTES = EXIF_FORMAT_UNDEFINED,
		SHORT = EXIF_FORMAT_SHORT,
		LONG = EXIF_FORMAT_LONG,
		RATIO = EXIF_FORMAT_RATIONAL
	};
	ExifRational exposure = exif_exposure(facts->exposure_us);
	ExifRational distance = exif_distance(facts->lens_position);
	ExifLong width = (ExifLong)facts->width, height = (ExifLong)facts->height;
	char comment[COMMENT_MAX];
	unsigned comment_bytes = comment_make(facts, comment);
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
		{ EXIF, EXIF_TAG_EXIF_VERSION, BYTES, "0232", 4 },
		{ EXIF, EXIF_TAG_DATE_TIME_ORIGINAL, TEXT, times->local },
		{ EXIF, EXIF_TAG_DATE_TIME_DIGITIZED, TEXT, times->local },
		{ EXIF, EXIF_TAG_OFFSET_TIME, TEXT, times->offset },
		{ EXIF, EXIF_TAG_OFFSET_TIME_ORIGINAL, TEXT, times->offset },
		{ EXIF, EXIF_TAG_OFFSET_TIME_DIGITIZED, TEXT, times->offset },
		{ EXIF, EXIF_TAG_COMPONENTS_CONFIGURATION, BYTES, "\1\2\3", 4 }, /* Y Cb Cr */
		{ EXIF, EXIF_TAG_SUBJECT_DISTANCE, RATIO, .value = distance.numerator,
			.below = distance.denominator },
		{ EXIF, EXIF_TAG_USER_COMMENT, BYTES, comment, comment_bytes },
		{ EXIF, EXIF_TAG_SUB_SEC_TIME, TEXT, times->fraction },
		{ EXIF, EXIF_TAG_SUB_SEC_TIME_ORIGINAL, TEXT, times->fraction },
		{ EXIF, EXIF_TAG_SUB_SEC_TIME_DIGITIZED, TEXT, times->fraction },
		{ EXIF, EXIF_TAG_FLASH_PIX_VERSION, BYTES, "0100", 4 },
		{ EXIF, EXIF_TAG_COLOR_SPACE, SHORT, .value = 1 }, /* sRGB */
		{ EXIF, EXIF_TAG_PIXEL_X_DIMENSION, LONG, .value = width },
		{ EXIF, EXIF_TAG_PIXEL_Y_DIMENSION, LONG, .value = height },
		{ EXIF, EXIF_TAG_WHITE_BALANCE, SHORT, .value = facts->white_balance == WHITE_FIXED,
			.zero = facts->white_balance == WHITE_AUTO },
	};
	int r = exif_add_table(data, entries, ARRAY_SIZE(entries));

	if (r == 0)
		r = exif_add_place(data, facts);
	return r < 0 ? r : exif_add_thumb(data, facts);
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
