/* SPDX-License-Identifier: MIT */
/*
 * The service with slots ten times as close as a schedule allows, to see in minutes what a day does
 * to its memory: soak FOLDER FRAMES [EVERY_MS]. The test camera at 320x240; ends by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/service/service.h"

int main(int argc, char **argv)
{
	struct capture_settings settings = { 0 };
	struct archive_options open = { .mode = ARCHIVE_WRITE, .camera = "soak" };
	struct service_options options = { .settings = &settings, .clock = &clock_real };
	long long every_ms = argc == 4 ? strtoll(argv[3], NULL, 10) : 10;
	struct record last;
	int r;

	if (argc < 3 || every_ms < 1) {
		fprintf(stderr, "usage: soak FOLDER FRAMES [EVERY_MS]\n");
		return 2;
	}
	conf_defaults(&capture_settings_table, &settings);
	snprintf(settings.archive.path, sizeof settings.archive.path, "%s", argv[1]);
	snprintf(settings.camera.source, sizeof settings.camera.source, "test");
	settings.test.light = LIGHT_NOON;
	settings.camera.width = 320;
	settings.camera.height = 240;
	settings.camera.fps = 1000.0 / (double)every_ms;
	settings.schedule.every_us = every_ms * 1000;
	options.frames_max = strtoull(argv[2], NULL, 10);
	r = archive_open(argv[1], &open, &options.archive);
	if (r == 0)
		r = service_run(&options, &last);
	if (r < 0)
		fprintf(stderr, "soak: %s\n", strerror(-r));
	return r < 0;
}
