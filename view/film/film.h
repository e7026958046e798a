/* SPDX-License-Identifier: MIT */
/*
 * Films: each moment is one picture of it. A moment without a picture, or with one that cannot be
 * decoded, shows the one before it, marked with the reason. One picture after the other is in
 * memory, with --deflicker those of DEFLICKER_REACH moments too, at the film's size.
 */
#pragma once

#include "view/facts/moments.h"
#include "view/film/encoder.h"

#define FILM_FPS_MAX 60
#define FILM_HEIGHT_MIN 144
#define FILM_HEIGHT_MAX 2160
#define FILM_DAMAGED_MAX 20 /* numbers that are kept */

struct film_options {
	int fps, height;
	bool stamp, deflicker;
	/* Called for each picture; false ends the work, with -ECANCELED. */
	bool (*progress)(void *data, size_t done, size_t all);
	void *data;
};

struct film_report {
	int width, height;
	size_t missing; /* moments without a picture */
	size_t damaged; /* whose picture could not be decoded whole */
	uint64_t first_damaged[FILM_DAMAGED_MAX];
	char why[TEXT_MAX]; /* what ffmpeg or the probe said, with the errors of encoder.h */
};

/*
 * Makes the film into the empty file `out` and checks it. -ENODATA none of the pictures can be
 * decoded; -ENOENT there is no ffmpeg; -EIO it failed; -EBADMSG what it made is no such film;
 * -ERANGE there is no film of that shape; -ECANCELED; -ENOMEM.
 */
int film_make(struct archive *archive, const struct moments *moments,
	const struct film_options *options, int out, struct film_report *ret);
