/* SPDX-License-Identifier: MIT */
/*
 * resembles PICTURE PHOTO...: prints which photo the picture shows, counted from 1; exit 1 if none.
 */
#include "tests/virtual/grid.h"

int main(int argc, char **argv)
{
	struct grid picture, photo;
	int best = 0;
	double least = GRID_SAME;

	if (argc < 3 || !grid_of_file(argv[1], &picture))
		return 2;
	for (int i = 2; i < argc; i++) {
		double difference;

		if (!grid_of_file(argv[i], &photo))
			return 2;
		difference = grid_difference(&picture, &photo);
		if (difference >= least)
			continue;
		least = difference;
		best = i - 1;
	}
	printf("%d\n", best);
	return best == 0;
}
