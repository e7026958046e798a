/* SPDX-License-Identifier: MIT */
/*
 * make_archives HOME: what the browser test looks at. ~/captures has two days with pictures of a
 * drawn sky: 2026-10-25, a day of 25 hours in Berlin, and the day before today with a gap of each
 * cause, ten covered pictures, a clock step and removed ones; and some of the last minutes.
 * pullpi.conf has 49 cameras: most with two pictures, one with a day of 23 hours, one silent since
 * yesterday, one empty, one without its disk.
 */
#include <stdio.h>
#include <sys/types.h>

#include <jpeglib.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "common/archive/archive.h"
#include "common/base/digest.h"
#include "common/base/utc.h"
#include "common/base/when.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define MINUTE_US (60 * US_PER_SEC)
#define WIDTH 320 /* of a picture; one that is looked at is drawn SCALE times as large */
#define HEIGHT 240
#define SCALE 3

static double hill(double x, int hue, double height, double wave)
{
	return HEIGHT * (1 - height) - wave * (sin(x / (2.3 * wave) + hue) + 0.5 * sin(x / wave));
}

static void draw_row(
	uint8_t row[static WIDTH * SCALE * 3], double y, double day, int hue, int scale)
{
	const double light = fmax(0.07, sin((day - 0.25) * 2 * M_PI) * 0.9 + 0.15);
	const double low = exp(-pow((light - 0.3) * 4, 2)); /* the red of dawn and dusk */
	const double sun_x = WIDTH * (day - 0.2) / 0.6, sun_y = HEIGHT * (0.8 - light * 0.6);

	for (int i = 0; i < WIDTH * scale; i++) {
		const double x = (double)i / scale, far = hill(x, 2 * hue, 0.34, 13);
		const double near = hill(x, hue, 0.2, 17), up = 1 - y / far;
		const double sun = exp(-(pow(x - sun_x, 2) + pow(y - sun_y, 2)) / 300);
		const double glow = exp(-up * 5) * (0.3 + low);
		double c[3] = { 66 + 40 * low, 125, 215 - 70 * low };

		c[0] += glow * 150 + sun * 230;
		c[1] += glow * 70 + sun * 200;
		c[2] += glow * (20 - 30 * low) + sun * 120;
		if (y > far)
			memcpy(c, (double[3]){ 78 + 30 * low, 106, 128 }, sizeof(c));
		if (y > near)
			memcpy(c,
				(double[3]){ 58 + hue % 40, 104 - 40 * (y - near) / HEIGHT,
					56 + hue % 50 },
				sizeof(c));
		for (int k = 0; k < 3; k++)
			row[3 * i + k] = (uint8_t)fmax(0, fmin(255, c[k] * fmin(1, light * 1.1)));
	}
}

static void draw(int64_t slot_us, int hue, int scale, uint8_t **ret, size_t *ret_bytes)
{
	const int64_t local_us = slot_us + utc_local_offset_s(slot_us) * US_PER_SEC;
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr error;
	unsigned long bytes = 0;
	uint8_t row[WIDTH * SCALE * 3], *rows = row;

	*ret = NULL;
	c.err = jpeg_std_error(&error);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, ret, &bytes);
	c.image_width = (JDIMENSION)(WIDTH * scale);
	c.image_height = (JDIMENSION)(HEIGHT * scale);
	c.input_components = 3;
	c.in_color_space = JCS_RGB;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 80, TRUE);
	jpeg_start_compress(&c, TRUE);
	for (int y = 0; y < HEIGHT * scale; y++) {
		draw_row(row, (double)y / scale,
			(double)(local_us % (1440 * MINUTE_US)) / (1440.0 * MINUTE_US), hue, scale);
		jpeg_write_scanlines(&c, &rows, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	*ret_bytes = bytes;
}

static void add_frame(struct archive *archive, int64_t slot_us, int hue, enum mark mark)
{
	const int64_t local_us = slot_us + utc_local_offset_s(slot_us) * US_PER_SEC;
	const int64_t quarter = local_us / (15 * MINUTE_US) % 96;
	const bool is_large = hue == 0 && (quarter == 48 || quarter == 40 || quarter == 64);
	struct record frame = record_new(RECORD_FRAME);
	static uint8_t *jpeg; /* of the quarter of an hour before */
	static size_t bytes;
	static int64_t drawn;

	if (drawn != slot_us / (15 * MINUTE_US) + 1000000 * hue) {
		free(jpeg);
		draw(slot_us, hue, is_large ? SCALE : 1, &jpeg, &bytes);
		drawn = slot_us / (15 * MINUTE_US) + 1000000 * hue;
	}
	frame.slot_us = slot_us;
	frame.late_us = 400 + slot_us / MINUTE_US % 900;
	frame.exposed_us = slot_us + frame.late_us;
	frame.up_ns = slot_us;
	frame.synced = true;
	frame.facts.exposure_us = 4000;
	frame.facts.gain = 1.6;
	frame.picture.mean = 0.5;
	frame.picture.mark = mark;
	strcpy(frame.boot, "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11");
	MUST(archive_publish(archive, &frame, jpeg, bytes) == 0);
}

static void add_miss(struct archive *archive, enum miss_cause cause, int64_t first_us, int n)
{
	struct record miss = record_new(RECORD_MISS);

	miss.cause = cause;
	miss.slot_us = first_us;
	miss.last_us = first_us + (n - 1) * MINUTE_US;
	miss.count = (uint64_t)n;
	strcpy(miss.text, "<script>alert('a hostile camera')</script>");
	MUST(archive_note(archive, &miss) == 0);
}

/* A whole day, with a gap of each cause if `gaps`. */
static void add_day(struct archive *archive, int64_t since_us, int64_t until_us, bool gaps)
{
	struct archive_pruned pruned;
	struct record step = record_new(RECORD_CLOCK);
	int n = 0;

	for (int64_t t = since_us; t < until_us; t += MINUTE_US, n++) {
		const int hour = n / 60, minute = n % 60;

		if (gaps && hour >= 3 && hour <= 7 && minute >= 20 && minute < 40) {
			if (minute == 20)
				add_miss(archive, (enum miss_cause)(hour - 3), t,
					hour == 7 ? 20 : 1);
			else if (hour != 7)
				add_miss(archive, (enum miss_cause)(hour - 3), t, 1);
			continue;
		}
		add_frame(archive, t, 0,
			gaps && hour == 3 && minute >= 40 && minute < 50 ? MARK_COVERED
									 : MARK_NONE);
	}
	if (!gaps)
		return;
	step.before_us = until_us - 7 * MINUTE_US;
	step.after_us = until_us;
	MUST(archive_note(archive, &step) == 0);
	MUST(archive_prune(archive, 1500 + 600, 1500 + 640, "space", &pruned) == 0);
}

static void add_date(struct archive *archive, const char *date, int64_t now_us, bool gaps)
{
	int64_t since_us, until_us;

	MUST(when_parse(date, WHEN_FROM, now_us, &since_us) == 0);
	MUST(when_parse(date, WHEN_TO, now_us, &until_us) == 0);
	add_day(archive, since_us, until_us, gaps);
}

static struct archive *open_new(const char *path, const char *camera)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = camera };
	struct archive *archive = NULL;
	struct stat st;

	if (stat(path, &st) == 0) {
		fprintf(stderr, "make_archives: %s is there already\n", path);
		exit(1);
	}
	MUST(archive_open(path, &options, &archive) == 0);
	return archive;
}

/* What capturepi says while it rests until tomorrow. */
static void make_status(const char *home, const char *archive, int64_t now_us)
{
	char path[300], hex[SHA256_HEX + 1], due[UTC_TEXT_MAX], next[UTC_TEXT_MAX];
	uint8_t sha256[SHA256_BYTES];
	FILE *f;

	MUST(digest_buffer(archive, strlen(archive), sha256) == 0);
	digest_hex(sha256, hex);
	snprintf(path, sizeof(path), "%s/run/capturepi", home);
	MUST(fs_make_folders(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/run/capturepi/status-%s.json", home, hex);
	f = fopen(path, "w");
	MUST(f);
	fprintf(f, "{\"due\":\"%s\",\"due_next\":\"%s\"}",
		utc_format(now_us - now_us % MINUTE_US, due),
		utc_format(now_us - now_us % MINUTE_US + 600 * MINUTE_US, next));
	fclose(f);
}

static void make_own(const char *home, int64_t now_us)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[200];

	snprintf(path, sizeof(path), "%s/captures", home);
	archive = open_new(path, "garden");
	make_status(home, path, now_us);
	add_date(archive, "2026-10-25", now_us, false);
	add_date(archive, "yesterday", now_us, true);
	for (int i = 9; i >= 0; i--)
		add_frame(archive, now_us - now_us % MINUTE_US - i * MINUTE_US, 0, MARK_NONE);
}

static void make_pulled(const char *home, int64_t now_us)
{
	static const char *const words[] = { "harbour", "glacier", "roof", "meadow", "bridge",
		"station", "orchard", "quarry", "tower", "valley" };
	char path[300];
	FILE *conf;

	snprintf(path, sizeof(path), "%s/.config/pullpi", home);
	MUST(fs_make_folders(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/.config/pullpi/pullpi.conf", home);
	conf = fopen(path, "w");
	MUST(conf);
	for (int i = 1; i < 50; i++) {
		const char *word = words[i % 10];
		const int64_t age_us = i == 7 ? 1440 * MINUTE_US : 0;

		fprintf(conf, "[camera %s-%02d]\nhost = 192.0.2.%d\n", word, i, i);
		snprintf(path, sizeof(path), "%s/pulled/%s-%02d", home, word, i);
		if (i == 8)
			continue;
		struct archive *archive = open_new(path, "x");

		if (i == 6)
			add_date(archive, "2026-03-29", now_us, false);
		for (int k = 1; k >= 0 && i != 9; k--)
			add_frame(archive, now_us - now_us % MINUTE_US - age_us - k * MINUTE_US,
				i * 7, MARK_NONE);
		archive_free(archive);
	}
	fclose(conf);
}

int main(int argc, char **argv)
{
	const int64_t now_us = clock_wall_us(&clock_real);

	MUST(argc == 2);
	make_own(argv[1], now_us);
	make_pulled(argv[1], now_us);
	return 0;
}
