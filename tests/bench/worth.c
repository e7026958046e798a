/* SPDX-License-Identifier: MIT */
/*
 * A month of weather before three cameras, and what capture/worth says of it: each trouble is
 * played again and again by day (a frozen sensor also by night) and has to be told within three
 * pictures; frost and cold take an hour, so they have to be told within three pictures after it.
 * Honest pictures make false events. A white wall has no shape to tell by, so only a frozen sensor
 * is counted there.
 *
 *   worth [SEEDS [FIRST [WIDTH [MINUTES [JPEG...]]]]]
 *
 * 3 seeds from 1 on, each a month of every camera; 480 pixels, a picture every 10 minutes; cameras
 * before these photographs in place of the painted ones.
 *
 * WORTH_SAY=1 prints each honest picture with a mark and each trouble that is not told.
 * Exit 1: a trouble is told in less than 95 % of the cases, or over one false event a month.
 */
#include "tests/unit/month_kit.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/base/fs.h"
#include "common/thumbnail/pixels.h"

#define ONE_IN_MINUTES 240 /* each trouble is played about so often */

/* Luma in the size of a camera's picture; the photograph's own shape is not kept. NULL. */
static uint8_t *photo_read(const char *path, int width, int height)
{
	CLEANUP_FREE char *jpeg = NULL;
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	uint8_t *luma = malloc((size_t)(width * height));
	size_t bytes;
	bool damaged;

	if (fs_read_file(AT_FDCWD, path, 64 << 20, &jpeg, &bytes) < 0 ||
		pixels_decode((const uint8_t *)jpeg, bytes, (unsigned)width, (unsigned)height,
			&pixels, &damaged) < 0)
		return NULL;
	for (int i = 0; i < width * height; i++) {
		const int x = i % width * pixels.width / width;
		const int y = i / width * pixels.height / height;

		luma[i] = pixels.data[3 * (y * pixels.width + x)];
	}
	return luma;
}

/* A month of one camera. */
static void put_month(enum place place, const uint8_t *photo, uint64_t seed, int width, int minutes,
	struct month_result *all)
{
	struct month m = { .place = place,
		.photo = photo,
		.width = width,
		.height = width * 3 / 4,
		.days = 30,
		.every_us = minutes * INT64_C(60) * US_PER_SEC,
		.seed = (uint64_t)place + 10 * seed };
	struct month_result r = { .pictures = 0 };

	month_run(&m, 3, minutes > ONE_IN_MINUTES ? 1 : ONE_IN_MINUTES / minutes, &r,
		getenv("WORTH_SAY") != NULL);
	printf("seed %2d %-10s  %5d pictures ", (int)seed, place_names[place], r.pictures);
	for (int i = 1; i < MARKS; i++) {
		printf("  %s %d", mark_name((enum mark)i), r.events[i]);
		all->events[i] += r.events[i];
	}
	printf("\n");
	fflush(stdout);
	all->pictures += r.pictures;
	for (int i = 0; i < WEATHERS; i++) {
		all->honest[i].pictures += r.honest[i].pictures;
		all->honest[i].marked += r.honest[i].marked;
		all->honest[i].events += r.honest[i].events;
	}
	for (int i = 0; i < VIEW_TROUBLES; i++) {
		if (place == PLACE_WALL && i != VIEW_FROZEN)
			continue;
		all->trouble[i].played += r.trouble[i].played;
		all->trouble[i].told += r.trouble[i].told;
		all->trouble[i].right += r.trouble[i].right;
	}
}

/* True where the bounds hold. */
static bool put_sum(const struct month_result *all, int months)
{
	int events = 0;
	bool good = true;

	printf("\n%-12s %8s %8s %8s\n", "honest", "pictures", "marked", "events");
	for (int i = 0; i < WEATHERS; i++) {
		printf("%-12s %8d %8d %8d\n", weather_names[i], all->honest[i].pictures,
			all->honest[i].marked, all->honest[i].events);
		events += all->honest[i].events;
	}
	printf("%.2f false events a month\n\n%-12s %8s %8s %7s  by the mark that fits\n",
		(double)events / months, "trouble", "played", "told", "");
	for (int i = 0; i < VIEW_TROUBLES; i++) {
		if (all->trouble[i].played == 0)
			continue;
		printf("%-12s %8d %8d %6.1f%%  %d\n", camera_trouble_words[i],
			all->trouble[i].played, all->trouble[i].told,
			100.0 * all->trouble[i].told / all->trouble[i].played,
			all->trouble[i].right);
		good &= all->trouble[i].told >= all->trouble[i].played * 0.95;
	}
	return good && events <= months;
}

int main(int argc, char **argv)
{
	const int seeds = argc > 1 ? atoi(argv[1]) : 3, first = argc > 2 ? atoi(argv[2]) : 1;
	const int width = argc > 3 ? atoi(argv[3]) : 480, minutes = argc > 4 ? atoi(argv[4]) : 10;
	struct month_result all = { .pictures = 0 };

	int cameras = argc > 5 ? argc - 5 : PLACES;

	if (seeds < 1 || first < 0 || width < 240 || width > 1024 || minutes < 1) {
		fprintf(stderr, "usage: worth [SEEDS [FIRST [WIDTH [MINUTES [JPEG...]]]]]\n");
		return 2;
	}
	printf("false events by mark\n");
	for (int i = 0; i < cameras; i++) {
		CLEANUP_FREE uint8_t *photo =
			argc > 5 ? photo_read(argv[5 + i], width, width * 3 / 4) : NULL;

		if (argc > 5 && !photo) {
			fprintf(stderr, "worth: %s: cannot be read\n", argv[5 + i]);
			return 2;
		}
		for (int seed = first; seed < first + seeds; seed++)
			put_month(photo ? PLACE_PHOTO : (enum place)i, photo, (uint64_t)seed, width,
				minutes, &all);
	}
	return put_sum(&all, seeds * cameras) ? 0 : 1;
}
