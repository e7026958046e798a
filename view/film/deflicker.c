/* SPDX-License-Identifier: MIT */
/* Flicker, as numbers. */
#include "view/film/deflicker.h"

#include <math.h>

#define GAMMA 2.2 /* from light to luma */
#define STEPS_MAX 1.0 /* stops of luma that are corrected at most */

/* In stops of luma; NaN: not known. */
static double brightness_of_luma(const struct brightness *b)
{
	return b->luma > 0 ? log2(b->luma) : (double)NAN;
}

static double brightness_of_exposure(const struct brightness *b)
{
	return b->exposure > 0 ? log2(b->exposure) / GAMMA : (double)NAN;
}

/* By how much picture `i` differs from the mean around it; NaN: it is not known. */
static double difference_get(const struct brightness *list, size_t n, size_t i,
	double value_of(const struct brightness *b))
{
	const size_t first = i > DEFLICKER_REACH ? i - DEFLICKER_REACH : 0;
	double sum = 0;
	int count = 0;

	for (size_t k = first; k < n && k <= i + DEFLICKER_REACH; k++) {
		const double value = value_of(&list[k]);

		if (isnan(value))
			continue;
		sum += value;
		count++;
	}
	return count > 0 ? value_of(&list[i]) - sum / count : (double)NAN;
}

double deflicker_gain(const struct brightness *list, size_t n, size_t i)
{
	const double seen = difference_get(list, n, i, brightness_of_luma);
	const double made = difference_get(list, n, i, brightness_of_exposure);
	double steps = seen;

	if (isnan(seen))
		return 1;
	if (!isnan(made)) {
		if (seen * made <= 0)
			return 1;
		steps = fabs(made) < fabs(seen) ? made : seen;
	}
	return exp2(-fmax(-STEPS_MAX, fmin(steps, STEPS_MAX)));
}
