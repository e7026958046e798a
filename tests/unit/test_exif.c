/* SPDX-License-Identifier: MIT */
/* Builds EXIF blocks and reads them back with libexif's parser. */
#include "tests/test.h"

#include <math.h>

#include <libexif/exif-data.h>
#include <libexif/exif-utils.h>

#include "capture/picture/exif.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define WINTER_US (INT64_C(1795190460) * US_PER_SEC) /* 2026-11-20T16:01:00Z */
#define SUMMER_US (INT64_C(1782000000) * US_PER_SEC) /* 2026-06-21T00:00:00Z */

static const struct exif_facts plain = {
	.time_us = WINTER_US + 412345,
	.exposure_us = 10000,
	.gain = 1.5,
	.white_balance = WHITE_AUTO,
	.colour_temperature = 5230,
	.red = 2.31,
	.blue = 1.72,
	.lens_position = 1.02,
	.focus = "focused",
	.latitude = 48.137154,
	.longitude = -11.575400,
	.make = "Raspberry Pi",
	.model = "imx477",
	.software = "capturepi 0.1",
	.width = 4056,
	.height = 3040,
};

/* The block read back; it is freed. */
static ExifData *build(const struct exif_facts *facts)
{
	uint8_t *block = NULL;
	size_t bytes = 0;
	ExifData *data;

	CHECK_INT(exif_build(facts, &block, &bytes), 0);
	if (!CHECK(block != NULL && bytes > 6 && bytes < 4096))
		exit(1);
	CHECK(memcmp(block, "Exif\0\0", 6) == 0);
	data = exif_data_new();
	exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
	exif_data_unset_option(data, EXIF_DATA_OPTION_IGNORE_UNKNOWN_TAGS);
	exif_data_load_data(data, block, (unsigned)bytes);
	free(block);
	return data;
}

/* The raw text of an ASCII tag, "-" if it is not there. */
static const char *text_of(ExifData *data, ExifIfd ifd, int tag)
{
	ExifEntry *e = exif_content_get_entry(data->ifd[ifd], (ExifTag)tag);

	if (!e)
		return "-";
	CHECK_INT(e->format, EXIF_FORMAT_ASCII);
	CHECK(e->size == e->components && e->size > 0 && e->data[e->size - 1] == 0);
	return (const char *)e->data;
}

static long number_of(ExifData *data, ExifIfd ifd, int tag)
{
	ExifEntry *e = exif_content_get_entry(data->ifd[ifd], (ExifTag)tag);
	ExifByteOrder order = exif_data_get_byte_order(data);

	if (!e)
		return -1;
	return e->format == EXIF_FORMAT_SHORT ? exif_get_short(e->data, order)
					      : (long)exif_get_long(e->data, order);
}

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

TEST(times)
{
	/* POSIX zones: they need no tzdata */
	static const struct {
		const char *zone;
		int64_t wall_us;
		const char *local, *fraction, *offset;
	} cases[] = {
		{ "UTC0", WINTER_US + 412345, "2026:11:20 16:01:00", "412345", "+00:00" },
		{ "UTC0", WINTER_US, "2026:11:20 16:01:00", "000000", "+00:00" },
		{ "UTC0", WINTER_US + 7, "2026:11:20 16:01:00", "000007", "+00:00" },
		{ "UTC0", WINTER_US + 999999, "2026:11:20 16:01:00", "999999", "+00:00" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", WINTER_US, "2026:11:20 17:01:00", "000000",
			"+01:00" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", SUMMER_US, "2026:06:21 02:00:00", "000000",
			"+02:00" },
		{ "IST-5:30", SUMMER_US - 1, "2026:06:21 05:29:59", "999999", "+05:30" },
		{ "<-0930>9:30", SUMMER_US, "2026:06:20 14:30:00", "000000", "-09:30" },
		{ "<-0030>0:30", SUMMER_US, "2026:06:20 23:30:00", "000000", "-00:30" },
		{ "UTC0", 0, "1970:01:01 00:00:00", "000000", "+00:00" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exif_facts facts = plain;
		ExifData *data;

		use_zone(cases[i].zone);
		facts.time_us = cases[i].wall_us;
		data = build(&facts);
		/* the numbers stand in the standard; libexif's names have changed */
		CHECK_STR(text_of(data, EXIF_IFD_0, 0x0132), cases[i].local);
		CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9003), cases[i].local);
		CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9004), cases[i].local);
		for (int k = 0; k < 3; k++) {
			CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9290 + k), cases[i].fraction);
			CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9010 + k), cases[i].offset);
		}
		exif_data_unref(data);
	}
	use_zone("UTC0");
}

/* The second in the file's name is that of the slot: what is shown must be in it. */
TEST(name_and_exif_agree)
{
	static const struct {
		int64_t slot_us, late_us;
		const char *local, *fraction;
	} cases[] = {
		{ WINTER_US, 0, "2026:11:20 16:01:00", "000000" },
		{ WINTER_US, 412, "2026:11:20 16:01:00", "000412" },
		{ WINTER_US, -1, "2026:11:20 16:01:00", "000000" },
		{ WINTER_US, -400, "2026:11:20 16:01:00", "000000" },
		{ WINTER_US, -16667, "2026:11:20 16:01:00", "000000" }, /* half of a frame of 30 */
		{ WINTER_US, -499999, "2026:11:20 16:01:00", "000000" },
		/* nearer to the second before than to its own */
		{ WINTER_US, -500000, "2026:11:20 16:00:59", "500000" },
		{ WINTER_US, -9 * US_PER_SEC, "2026:11:20 16:00:51", "000000" },
		{ WINTER_US, 9 * US_PER_SEC, "2026:11:20 16:01:09", "000000" },
		/* slots within a second */
		{ WINTER_US + 500000, -400, "2026:11:20 16:01:00", "499600" },
		{ WINTER_US + 900000, 40000, "2026:11:20 16:01:00", "940000" },
		{ WINTER_US + 900000, 100000, "2026:11:20 16:01:00", "999999" },
		{ WINTER_US + 900000, 499999, "2026:11:20 16:01:00", "999999" },
		{ WINTER_US + 900000, 500000, "2026:11:20 16:01:01", "400000" },
		{ WINTER_US + 100000, -100001, "2026:11:20 16:01:00", "000000" },
		{ 0, -400, "1970:01:01 00:00:00", "000000" },
	};

	use_zone("UTC0");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exif_facts facts = plain;
		ExifData *data;

		facts.time_us = exif_time_us(cases[i].slot_us, cases[i].slot_us + cases[i].late_us);
		data = build(&facts);
		CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9003), cases[i].local);
		CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9291), cases[i].fraction);
		exif_data_unref(data);
	}
}

TEST(exposure_and_gain)
{
	static const struct {
		double exposure_us, gain;
		long top, bottom, iso; /* -1: not there */
	} cases[] = {
		{ 10000, 1, 1, 100, 100 },
		{ 33333, 15.984, 33333, 1000000, 1598 },
		{ 250000, 0.996, 1, 4, 100 },
		{ 1e6, 2, 1, 1, 200 },
		{ 1.5e6, 655.3, 3, 2, 65530 },
		{ 3999e6, 655.34, 3999, 1, 65534 },
		{ 5000e6, 1e9, 5000, 1, 65535 },
		{ 4999999999, 1, 5000, 1, 100 }, /* too long for microseconds */
		{ 9999.7, 1, 1, 100, 100 },
		{ 86400e6, 0.01, 86400, 1, 1 },
		{ 1, 0.001, 1, 1000000, -1 },
		{ 0.4, 0, -1, 0, -1 },
		{ 0, -1, -1, 0, -1 },
		{ -5, -INFINITY, -1, 0, -1 },
		{ INFINITY, INFINITY, -1, 0, -1 },
		{ 1e300, NAN, -1, 0, -1 },
		{ NAN, NAN, -1, 0, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exif_facts facts = plain;
		ExifData *data;
		ExifEntry *e;

		facts.exposure_us = cases[i].exposure_us;
		facts.gain = cases[i].gain;
		data = build(&facts);
		e = exif_content_get_entry(data->ifd[EXIF_IFD_EXIF], EXIF_TAG_EXPOSURE_TIME);
		CHECK_INT(e ? 1 : -1, cases[i].top < 0 ? -1 : 1);
		if (e) {
			ExifRational r = exif_get_rational(e->data, exif_data_get_byte_order(data));

			CHECK_INT(e->format, EXIF_FORMAT_RATIONAL);
			CHECK_INT(r.numerator, cases[i].top);
			CHECK_INT(r.denominator, cases[i].bottom);
		}
		CHECK_INT(number_of(data, EXIF_IFD_EXIF, 0x8827), cases[i].iso);
		exif_data_unref(data);
	}
}

static ExifRational rational_of(ExifData *data, ExifIfd ifd, int tag, int i)
{
	ExifEntry *e = exif_content_get_entry(data->ifd[ifd], (ExifTag)tag);

	if (!e)
		return (ExifRational){ 0, 0 };
	CHECK_INT(e->format, EXIF_FORMAT_RATIONAL);
	CHECK(e->components > (unsigned)i);
	return exif_get_rational(e->data + 8 * i, exif_data_get_byte_order(data));
}

/* Degrees, minutes, seconds as decimal degrees. */
static double angle_of(ExifData *data, int tag)
{
	double degrees = 0, unit = 1;

	for (int i = 0; i < 3; i++, unit /= 60) {
		ExifRational r = rational_of(data, EXIF_IFD_GPS, tag, i);

		CHECK(r.denominator > 0);
		CHECK(i == 0 || r.numerator < 60 * r.denominator);
		degrees += unit * r.numerator / r.denominator;
	}
	return degrees;
}

TEST(place)
{
	static const struct {
		double latitude, longitude;
		const char *north, *east; /* "-": no GPS tags */
	} cases[] = {
		{ 48.137154, 11.5754, "N", "E" },
		{ -33.8567844, 151.2152967, "S", "E" },
		{ 40.6892494, -74.0445004, "N", "W" },
		{ 90, 180, "N", "E" },
		{ -90, -180, "S", "W" },
		{ 0, 0, "N", "E" },
		{ 9.99999999999, 59.99999999999, "N", "E" }, /* carries into the minutes */
		{ NAN, NAN, "-", "-" },
		{ 48, NAN, "-", "-" },
		{ NAN, 11, "-", "-" },
		{ 90.1, 0, "-", "-" },
		{ 0, INFINITY, "-", "-" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exif_facts facts = plain;
		ExifData *data;

		facts.latitude = cases[i].latitude;
		facts.longitude = cases[i].longitude;
		data = build(&facts);
		CHECK_STR(text_of(data, EXIF_IFD_GPS, 1), cases[i].north);
		CHECK_STR(text_of(data, EXIF_IFD_GPS, 3), cases[i].east);
		CHECK_INT(data->ifd[EXIF_IFD_GPS]->count, *cases[i].north == '-' ? 0 : 6);
		if (*cases[i].north != '-') {
			ExifEntry *version =
				exif_content_get_entry(data->ifd[EXIF_IFD_GPS], (ExifTag)0);

			CHECK(version && memcmp(version->data, "\2\3\0\0", 4) == 0);
			CHECK(fabs(angle_of(data, 2) - fabs(facts.latitude)) < 2e-8);
			CHECK(fabs(angle_of(data, 4) - fabs(facts.longitude)) < 2e-8);
		}
		exif_data_unref(data);
	}
}

/* The text of UserComment without its code, "-" if it is not there. */
static const char *comment_of(ExifData *data)
{
	static char text[256];
	ExifEntry *e = exif_content_get_entry(data->ifd[EXIF_IFD_EXIF], EXIF_TAG_USER_COMMENT);

	if (!e)
		return "-";
	CHECK_INT(e->format, EXIF_FORMAT_UNDEFINED);
	CHECK(e->size > 8 && memcmp(e->data, "ASCII\0\0\0", 8) == 0);
	snprintf(text, sizeof text, "%.*s", (int)e->size - 8, (const char *)e->data + 8);
	CHECK_INT(strlen(text), e->size - 8);
	return text;
}

TEST(lens_and_white_balance)
{
	static const struct {
		enum white_balance white_balance;
		double kelvin, red, blue, lens;
		const char *focus;
		long white, top, bottom; /* -1 and 0/0: not there */
		const char *comment;
	} cases[] = {
		{ WHITE_AUTO, 5230, 2.31, 1.72, 1.02, "focused", 0, 1000, 1020,
			"ColourTemperature=5230 ColourGains=2.31,1.72 LensPosition=1.02 "
			"Focus=focused" },
		{ WHITE_FIXED, NAN, NAN, NAN, 0, NULL, 1, 0xffffffff, 1, "LensPosition=0" },
		{ WHITE_UNKNOWN, NAN, NAN, NAN, NAN, NULL, -1, 0, 0, "-" },
		{ WHITE_UNKNOWN, NAN, NAN, NAN, NAN, "scanning", -1, 0, 0, "Focus=scanning" },
		{ WHITE_AUTO, NAN, 1, NAN, 32, "", 0, 1000, 32000, "LensPosition=32" },
		{ WHITE_AUTO, NAN, NAN, 1, 1000, NULL, 0, 1000, 1000000, "LensPosition=1000" },
		/* what makes no sense is left out */
		{ WHITE_AUTO, -1, -1, 1, -1, NULL, 0, 0, 0, "-" },
		{ WHITE_AUTO, INFINITY, 1, INFINITY, INFINITY, NULL, 0, 0, 0, "-" },
		{ WHITE_AUTO, 1e300, 1e300, 1e300, 1e300, "failed", 0, 0, 0, "Focus=failed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exif_facts facts = plain;
		ExifRational distance;
		ExifData *data;

		facts.white_balance = cases[i].white_balance;
		facts.colour_temperature = cases[i].kelvin;
		facts.red = cases[i].red;
		facts.blue = cases[i].blue;
		facts.lens_position = cases[i].lens;
		facts.focus = cases[i].focus;
		data = build(&facts);
		CHECK_INT(number_of(data, EXIF_IFD_EXIF, 0xa403), cases[i].white);
		distance = rational_of(data, EXIF_IFD_EXIF, EXIF_TAG_SUBJECT_DISTANCE, 0);
		CHECK_INT(distance.numerator, cases[i].top);
		CHECK_INT(distance.denominator, cases[i].bottom);
		CHECK_STR(comment_of(data), cases[i].comment);
		exif_data_unref(data);
	}
}

TEST(texts)
{
	char longest[400], cut[128];
	struct exif_facts facts = plain;
	ExifData *data;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	memset(cut, 'x', sizeof(cut) - 1);
	cut[sizeof(cut) - 1] = 0;
	data = build(&facts);
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x010f), "Raspberry Pi");
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0110), "imx477");
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0131), "capturepi 0.1");
	exif_data_unref(data);
	facts.make = longest;
	facts.model = "a\tb\n\xc3\xa4\x7f%n";
	facts.software = "";
	data = build(&facts);
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x010f), cut);
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0110), "a?b????%n");
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0131), "-");
	exif_data_unref(data);
	facts.make = facts.model = facts.software = NULL;
	data = build(&facts);
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x010f), "-");
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0110), "-");
	exif_data_unref(data);
}

TEST(picture)
{
	ExifData *data = build(&plain);
	ExifEntry *version =
		exif_content_get_entry(data->ifd[EXIF_IFD_EXIF], EXIF_TAG_EXIF_VERSION);

	CHECK_INT(number_of(data, EXIF_IFD_EXIF, 0xa002), 4056);
	CHECK_INT(number_of(data, EXIF_IFD_EXIF, 0xa003), 3040);
	CHECK_INT(number_of(data, EXIF_IFD_EXIF, 0xa001), 1);
	CHECK_INT(number_of(data, EXIF_IFD_0, 0x0112), 1);
	CHECK(version && version->size == 4 && memcmp(version->data, "0232", 4) == 0);
	exif_data_unref(data);
}

TEST(nonsense_is_refused)
{
	static const struct {
		int width, height;
		int64_t time_us;
	} cases[] = {
		{ 0, 10, WINTER_US },
		{ 10, -1, WINTER_US },
		{ PICTURE_SIDE_MAX + 1, 10, WINTER_US },
		{ 10, 10, TIME_NONE },
		{ 10, 10, -1 },
		{ 10, 10, INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exif_facts facts = plain;
		uint8_t *block = NULL;
		size_t bytes = 77;

		facts.width = cases[i].width;
		facts.height = cases[i].height;
		facts.time_us = cases[i].time_us;
		CHECK_INT(exif_build(&facts, &block, &bytes), -EINVAL);
		CHECK(block == NULL && bytes == 77);
	}
}

/* A JPEG of nothing but its markers around the block. */
static size_t wrap(const struct exif_facts *facts, uint8_t *jpeg)
{
	static const uint8_t app0[] = { 0xff, 0xd8, 0xff, 0xe0, 0, 4, 'J', 'F' };
	static const uint8_t rest[] = { 0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9 };
	uint8_t *block = NULL;
	size_t bytes = 0, n = sizeof(app0);

	CHECK_INT(exif_build(facts, &block, &bytes), 0);
	memcpy(jpeg, app0, n);
	jpeg[n] = 0xff;
	jpeg[n + 1] = 0xe1;
	jpeg[n + 2] = (uint8_t)((bytes + 2) >> 8);
	jpeg[n + 3] = (uint8_t)(bytes + 2);
	memcpy(jpeg + n + 4, block, bytes);
	memcpy(jpeg + n + 4 + bytes, rest, sizeof(rest));
	free(block);
	return n + 4 + bytes + sizeof(rest);
}

/* The same file as one that was made with that time at once. */
TEST(another_time)
{
	static const int64_t times[] = { WINTER_US, WINTER_US + 412345, SUMMER_US - 1, 0 };

	use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct exif_facts facts = plain;
		uint8_t got[4096], want[4096];
		size_t bytes;

		facts.time_us = INT64_C(1234567890123456);
		bytes = wrap(&facts, got);
		facts.time_us = times[i];
		CHECK_INT(wrap(&facts, want), bytes);
		CHECK_INT(exif_set_time(got, bytes, times[i]), 9);
		CHECK_INT(memcmp(got, want, bytes), 0);
	}
	use_zone("UTC0");
}

/* What libexif makes of a file that got another time. */
TEST(another_time_as_libexif_reads_it)
{
	uint8_t jpeg[4096];
	size_t bytes = wrap(&plain, jpeg);
	ExifData *data;

	CHECK_INT(exif_set_time(jpeg, bytes, SUMMER_US + 7), 9);
	data = exif_data_new_from_data(jpeg, (unsigned)bytes);
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0132), "2026:06:21 00:00:00");
	CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9003), "2026:06:21 00:00:00");
	CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9291), "000007");
	CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9011), "+00:00");
	CHECK_STR(text_of(data, EXIF_IFD_0, 0x0110), "imx477");
	CHECK_INT(number_of(data, EXIF_IFD_EXIF, 0xa002), 4056);
	exif_data_unref(data);
}

/* A block in the other byte order, with libexif as its writer. */
TEST(another_time_big_endian)
{
	uint8_t jpeg[4096], *block = NULL;
	size_t bytes = wrap(&plain, jpeg);
	ExifData *data = exif_data_new_from_data(jpeg, (unsigned)bytes);
	unsigned size = 0;

	exif_data_set_byte_order(data, EXIF_BYTE_ORDER_MOTOROLA);
	exif_data_save_data(data, &block, &size);
	exif_data_unref(data);
	memcpy(jpeg + 12, block, size);
	free(block);
	jpeg[10] = (uint8_t)((size + 2) >> 8);
	jpeg[11] = (uint8_t)(size + 2);
	bytes = 12 + size;
	CHECK(memcmp(jpeg + 12, "Exif\0\0MM", 8) == 0);
	CHECK_INT(exif_set_time(jpeg, bytes, SUMMER_US), 9);
	data = exif_data_new_from_data(jpeg, (unsigned)bytes);
	CHECK_STR(text_of(data, EXIF_IFD_EXIF, 0x9003), "2026:06:21 00:00:00");
	exif_data_unref(data);
}

/* The thumbnail is where readers look for it, and another time leaves it as it is. */
TEST(thumb)
{
	static uint8_t thumb[12 * 1024], jpeg[sizeof(thumb) + 4096], want[sizeof(jpeg)];
	struct exif_facts facts = plain;
	ExifData *data;
	size_t bytes;

	for (size_t i = 0; i < sizeof(thumb); i++)
		thumb[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(thumb, "\xff\xd8\xff\xdb", 4);
	memcpy(thumb + sizeof(thumb) - 2, "\xff\xd9", 2);
	for (size_t n = sizeof(thumb) - 1; n <= sizeof(thumb); n++) {
		facts.thumb = thumb;
		facts.thumb_bytes = n;
		facts.time_us = WINTER_US;
		bytes = wrap(&facts, jpeg);
		data = exif_data_new_from_data(jpeg, (unsigned)bytes);
		CHECK_INT(data->size, n);
		CHECK(data->size == n && memcmp(data->data, thumb, n) == 0);
		CHECK_INT(number_of(data, EXIF_IFD_1, 0x0103), 6);
		CHECK_STR(text_of(data, EXIF_IFD_0, 0x0110), "imx477");
		exif_data_unref(data);
		facts.time_us = SUMMER_US + 7;
		CHECK_INT(wrap(&facts, want), bytes);
		CHECK_INT(exif_set_time(jpeg, bytes, SUMMER_US + 7), 9);
		CHECK_INT(memcmp(jpeg, want, bytes), 0);
	}
}

TEST(no_time_to_change)
{
	static const struct {
		const char *bytes;
		size_t n;
		int want;
	} cases[] = {
		{ "\xff\xd8\xff\xd9", 4, 0 },
		{ "\xff\xd8\xff\xda\0\2..\xff\xd9", 10, 0 },
		{ "\xff\xd8\xff\xe1\0\6XMP\0\xff\xd9", 12, 0 },
		{ "\xff\xd8\xff\xe1\0\x08"
		  "Exif\0\0\xff\xd9",
			14, -EBADMSG },
		{ "\xff\xd8\xff\xe1\0\x01....", 10, -EBADMSG },
		{ "\xff\xd8\xff\xe1\xff\xff....", 10, -EBADMSG },
		{ "GIF8", 4, -EBADMSG },
		{ "\xff\xd8", 2, -EBADMSG },
		{ "", 0, -EBADMSG },
	};
	uint8_t jpeg[4096];
	size_t bytes = wrap(&plain, jpeg);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *copy = malloc(cases[i].n + 1);

		memcpy(copy, cases[i].bytes, cases[i].n);
		CHECK_INT(exif_set_time(copy, cases[i].n, WINTER_US), cases[i].want);
		CHECK_INT(memcmp(copy, cases[i].bytes, cases[i].n), 0);
		free(copy);
	}
	CHECK_INT(exif_set_time(jpeg, bytes, -1), -EINVAL);
	CHECK_INT(exif_set_time(jpeg, bytes, TIME_NONE), -EINVAL);
}

/* Each byte of the block broken in turn: never a byte outside the block changes, nor its length. */
TEST(broken_blocks)
{
	uint8_t jpeg[4096];
	size_t bytes = wrap(&plain, jpeg), block = 12;
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	int refused = 0;

	for (size_t at = 2; at < bytes - 9; at++) {
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			/* at the end of its memory, for the address sanitizer */
			uint8_t *copy = malloc(bytes);
			int r;

			memcpy(copy, jpeg, bytes);
			copy[at] = values[i];
			r = exif_set_time(copy, bytes, SUMMER_US);
			refused += r < 0;
			CHECK(r == -EBADMSG || (r >= 0 && r <= 9));
			CHECK(at < block || memcmp(copy, jpeg, block) == 0);
			CHECK(memcmp(copy + bytes - 9, jpeg + bytes - 9, 9) == 0);
			if (r < 0) {
				copy[at] = jpeg[at];
				CHECK(memcmp(copy, jpeg, bytes) == 0);
			}
			free(copy);
		}
	}
	CHECK(refused > 20);
	/* cut short */
	for (size_t n = 0; n < bytes; n++) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, jpeg, n);
		CHECK(exif_set_time(copy, n, SUMMER_US) <= 9);
		free(copy);
	}
}
