/* SPDX-License-Identifier: MIT */
#include "capture/worth/align.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (2 * CELL) /* samples of a side; there is one at each cell */
#define BLOCKS_MAX (CELLS_SIDE * CELLS_SIDE)
#define REACH 6 /* samples that a block is looked for, each way */
#define SHAPE_MIN 4.0 /* root mean square of a block's samples that have a shape */
#define ALIKE 0.5 /* correlation of a block that is where it was, */
#define ALIKE_ELSEWHERE 0.6 /* and of one that is elsewhere */
#define ALIKE_SURE 0.8 /* where most are not seen */
#define BELIEVED_PART 0.12 /* of the blocks seen that must agree on where, */
#define BELIEVED_MIN 4 /* at least so many, and */
#define MOVED_PART 0.15 /* of all to say that they have moved: fog has shapes of its own */
#define NEARBY 2.0 /* samples that they may differ before it is known how far it has turned, */
#define AGREE 1.0 /* samples that two of them may differ */

#define CLIP 2.0 /* times the root mean square of the reference */
#define SEEN_MIN 0.25 /* of the shape that a block had */
#define STRONGEST 0.85 /* of the blocks are weaker than the strong ones */
#define DARKER 0.5 /* of the light that a block had, where something hangs before it */
#define SHARP_MIN 0.05 /* a block is sharp, that has so much fine detail, */
#define FINE_MIN 0.3 /* and would have such edges now: more than noise has by chance */
#define COARSE_MIN 0.05 /* the same of coarse ones; */
#define DOUBTS 4 /* both by so much more than noise makes of them */

struct vector {
	double x, y;
};

struct block {
	int x, y; /* its first sample */
	bool still, found;
	double alike; /* the correlation where it is */
	double strength; /* of its shape now, 1: as it was */
	struct vector at; /* how far from where it was */
};

#define SUMS_SIDE (MAP_SIDE + 1)

/* A map, and of each of its places the squares of all samples above and left of it. */
struct squared {
	const struct map *map;
	int sum[SUMS_SIDE * SUMS_SIDE];
};

struct pair {
	struct squared was, now;
	struct squared clipped; /* now, without what is far stronger than all that was */
};

static void map_square(const struct map *map, struct squared *ret)
{
	const int w = map->width;

	ret->map = map;
	memset(ret->sum, 0, sizeof(ret->sum));
	for (int y = 0; y < map->height; y++)
		for (int x = 0, row = 0; x < w; x++) {
			row += map->sample[y * w + x] * map->sample[y * w + x];
			ret->sum[(y + 1) * SUMS_SIDE + x + 1] =
				ret->sum[y * SUMS_SIDE + x + 1] + row;
		}
}

/* The squares of `w` columns and `h` rows, added up. */
static int squares_of(const struct squared *s, int x, int y, int w, int h)
{
	const int *top = s->sum + y * SUMS_SIDE + x, *end = top + h * SUMS_SIDE;

	return end[w] - end[0] - top[w] + top[0];
}

/* Flakes are far stronger than the shapes behind them: they count as much as strong shapes do. */
static void map_clip(const struct squared *was, const struct map *map, struct map *ret)
{
	const double squares = squares_of(was, 0, 0, map->width, map->height);
	const int most =
		(int)fmin(CLIP * sqrt(squares / (double)(map->width * map->height)), INT8_MAX);

	*ret = *map;
	for (int i = 0; i < map->width * map->height; i++)
		ret->sample[i] = (int8_t)(map->sample[i] < -most ? -most
				: map->sample[i] > most          ? most
								 : map->sample[i]);
}

/* The products of two rows, added up. The usual length is known to the compiler, to be fast. */
static int rows_product(const int8_t *a, const int8_t *b, int n)
{
	int sum = 0;

	if (n == BLOCK)
		for (int x = 0; x < BLOCK; x++)
			sum += a[x] * b[x];
	else
		for (int x = 0; x < n; x++)
			sum += a[x] * b[x];
	return sum;
}

/* The correlation of a block with what is (dx, dy) from it in the picture; -1 where that ends. */
static double block_compare(const struct pair *p, const struct block *b, int dx, int dy)
{
	const int w = p->now.map->width, h = p->now.map->height;
	const int x0 = b->x + dx < 0 ? -dx : b->x, y0 = b->y + dy < 0 ? -dy : b->y;
	const int x1 = b->x + BLOCK + dx > w ? w - dx : b->x + BLOCK;
	const int y1 = b->y + BLOCK + dy > h ? h - dy : b->y + BLOCK;
	int ab = 0, aa, bb;

	if (x1 - x0 < BLOCK / 2 || y1 - y0 < BLOCK / 2)
		return -1;
	aa = squares_of(&p->was, x0, y0, x1 - x0, y1 - y0);
	bb = squares_of(&p->clipped, x0 + dx, y0 + dy, x1 - x0, y1 - y0);
	if (aa <= 0 || bb <= 0)
		return -1;
	for (int y = y0; y < y1; y++)
		ab += rows_product(p->was.map->sample + y * w + x0,
			p->clipped.map->sample + (y + dy) * w + x0 + dx, x1 - x0);
	return ab / sqrt((double)aa * bb);
}

static double block_shape(const struct squared *s, const struct block *b)
{
	return sqrt(squares_of(s, b->x, b->y, BLOCK, BLOCK) / (double)(BLOCK * BLOCK));
}

static double block_luma(const struct map *map, const struct block *b)
{
	int sum = 0;

	for (int y = b->y; y < b->y + BLOCK; y++)
		for (int x = b->x; x < b->x + BLOCK; x++)
			sum += map->luma[y * map->width + x];
	return sum / (double)(BLOCK * BLOCK);
}

/* Between samples: where a parabola through three values has its top. */
static double parabola_top(double before, double top, double after)
{
	const double bend = before - 2 * top + after;

	if (before < -1 || after < -1)
		return 0; /* not looked at */
	return bend < 0 ? 0.5 * (before - after) / bend : 0;
}

/* What is known of a block at each place around, with a border; UNKNOWN: nothing yet. */
#define UNKNOWN (-2.0)
#define SEARCH_SIDE (2 * REACH + 3)

struct search {
	double alike[SEARCH_SIDE][SEARCH_SIDE];
	int x, y; /* of the best */
};

static double *search_at(struct search *s, int x, int y)
{
	return &s->alike[y + REACH + 1][x + REACH + 1];
}

/* All places up to `reach` away. */
static void block_look(const struct pair *p, const struct block *b, struct search *s, int reach)
{
	for (int y = -reach; y <= reach; y++)
		for (int x = -reach; x <= reach; x++) {
			if (*search_at(s, x, y) == UNKNOWN)
				*search_at(s, x, y) = block_compare(p, b, x, y);
			if (*search_at(s, x, y) > *search_at(s, s->x, s->y)) {
				s->x = x;
				s->y = y;
			}
		}
}

/* Looks near it first, and further away if it is not there. */
static void block_search(const struct pair *p, struct block *b)
{
	struct search s = { .x = 0 };
	double best;

	for (int i = 0; i < SEARCH_SIDE * SEARCH_SIDE; i++)
		s.alike[i / SEARCH_SIDE][i % SEARCH_SIDE] = UNKNOWN;
	block_look(p, b, &s, 1);
	if (*search_at(&s, s.x, s.y) < ALIKE || s.x != 0 || s.y != 0) {
		block_look(p, b, &s, REACH);
	}
	best = *search_at(&s, s.x, s.y);
	b->still = *search_at(&s, 0, 0) >= ALIKE;
	b->alike = best;
	b->found = b->still || best >= ALIKE_ELSEWHERE;
	b->at = (struct vector){ s.x, s.y };
	b->at.x += parabola_top(*search_at(&s, s.x - 1, s.y), best, *search_at(&s, s.x + 1, s.y));
	b->at.y += parabola_top(*search_at(&s, s.x, s.y - 1), best, *search_at(&s, s.x, s.y + 1));
}

static int compare_doubles(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double doubles_median(double *list, int n)
{
	qsort(list, (size_t)n, sizeof(*list), compare_doubles);
	return n % 2 ? list[n / 2] : (list[n / 2 - 1] + list[n / 2]) / 2;
}

/* The shift of all, then the turn that is left, each the median of what the blocks say. */
struct turn {
	struct vector shift;
	double angle;
	int n, sure; /* blocks that agree; those very much alike */
};

static struct vector block_arm(const struct block *b, const struct map *map)
{
	return (struct vector){ b->x + (BLOCK - map->width) / 2.0,
		b->y + (BLOCK - map->height) / 2.0 };
}

static double block_differs(const struct block *b, struct vector at)
{
	return hypot(b->at.x - at.x, b->at.y - at.y);
}

/* Where most say that it is, so that those found by chance do not count. */
static struct vector blocks_vote(const struct block *blocks, int n)
{
	struct vector best = { 0 };
	int most = 0;

	for (int i = 0; i < n; i++) {
		int votes = 0;

		for (int k = 0; k < n && blocks[i].found; k++)
			votes += blocks[k].found &&
				block_differs(&blocks[k], blocks[i].at) <= NEARBY;
		if (votes > most) {
			most = votes;
			best = blocks[i].at;
		}
	}
	return best;
}

static struct turn blocks_turn(const struct block *blocks, int n, const struct map *map)
{
	double x[BLOCKS_MAX], y[BLOCKS_MAX], angle[BLOCKS_MAX];
	struct turn turn = { 0 };
	const struct vector around = blocks_vote(blocks, n);
	int m = 0;

	for (int i = 0; i < n; i++)
		if (blocks[i].found && block_differs(&blocks[i], around) <= NEARBY) {
			x[m] = blocks[i].at.x;
			y[m++] = blocks[i].at.y;
		}
	if (m == 0)
		return turn;
	turn.shift = (struct vector){ doubles_median(x, m), doubles_median(y, m) };
	m = 0;
	for (int i = 0; i < n; i++) {
		const struct vector arm = block_arm(&blocks[i], map);
		const double square = arm.x * arm.x + arm.y * arm.y;

		if (blocks[i].found && square > BLOCK * BLOCK &&
			block_differs(&blocks[i], around) <= NEARBY)
			angle[m++] = (arm.x * (blocks[i].at.y - turn.shift.y) -
					     arm.y * (blocks[i].at.x - turn.shift.x)) /
				square;
	}
	turn.angle = m >= 4 ? doubles_median(angle, m) : 0;
	for (int i = 0; i < n; i++) {
		const struct vector arm = block_arm(&blocks[i], map);
		const double dx = blocks[i].at.x - turn.shift.x + turn.angle * arm.y;
		const double dy = blocks[i].at.y - turn.shift.y - turn.angle * arm.x;

		turn.n += blocks[i].found && hypot(dx, dy) <= AGREE;
		turn.sure += blocks[i].alike >= ALIKE_SURE && hypot(dx, dy) <= AGREE;
	}
	return turn;
}

/* The edges of a block's four cells. */
static struct cell block_cell(const struct cell cell[CELLS_SIDE][CELLS_SIDE], const struct block *b)
{
	struct cell sum = { 0 };

	for (int i = 0; i < 4; i++) {
		const struct cell *c = &cell[b->y / CELL + i / 2][b->x / CELL + i % 2];

		sum.fine += c->fine / 4;
		sum.coarse += c->coarse / 4;
		sum.fine_doubt += c->fine_doubt / 4;
		sum.coarse_doubt += c->coarse_doubt / 4;
	}
	return sum;
}

/*
 * What is left of a block's fine detail, against its coarse detail as it was. Where blur is so
 * strong that none would show: of its coarse detail, against its shape. Fog takes all three. The
 * shadows of clouds are shapes, so where fine detail shows it alone counts. NaN: neither would
 * show.
 */
static double block_sharp(
	const struct block *b, const struct reference *reference, const struct sight *now)
{
	const struct cell was = block_cell(reference->cell, b), is = block_cell(now->cell, b);
	const double before = cell_sharpness(was, now->smaller);
	const double after = cell_sharpness(is, now->smaller);
	const double coarse = (double)was.coarse * b->strength * b->strength;
	const double fine = was.coarse > 0 ? (double)(is.coarse * was.fine / was.coarse) : 0;
	double left = NAN;

	if (before >= SHARP_MIN && fine >= fmax(FINE_MIN, DOUBTS * (double)is.fine_doubt))
		left = after / before;
	else if (coarse >= fmax(COARSE_MIN, DOUBTS * (double)is.coarse_doubt))
		left = sqrt(fmax((double)is.coarse, 0) / coarse);
	return left;
}

/* The median of that over the blocks found. */
static double blocks_sharp(const struct block *blocks, int n, const struct reference *reference,
	const struct sight *now)
{
	double list[BLOCKS_MAX];
	int m = 0;

	for (int i = 0; i < n; i++) {
		list[m] = blocks[i].found ? block_sharp(&blocks[i], reference, now) : NAN;
		m += !isnan(list[m]);
	}
	return m >= BELIEVED_MIN ? doubles_median(list, m) : NAN;
}

static void block_judge(const struct pair *p, struct block *b, double shape, struct alignment *a)
{
	const double now = block_shape(&p->now, b);

	block_search(p, b);
	b->strength = now / shape;
	a->seen += b->strength >= SEEN_MIN;
	a->still += b->still;
	a->dark += (!b->still || b->strength < SEEN_MIN) &&
		block_luma(p->now.map, b) < DARKER * block_luma(p->was.map, b);
}

static double blocks_shape(const struct block *blocks, int n)
{
	double list[BLOCKS_MAX];

	for (int i = 0; i < n; i++)
		list[i] = blocks[i].strength;
	if (n == 0)
		return 0;
	qsort(list, (size_t)n, sizeof(*list), compare_doubles);
	return list[(int)(STRONGEST * (n - 1))];
}

struct alignment sight_align(const struct reference *reference, const struct sight *now)
{
	struct pair pair;
	struct alignment a = { .moved = NAN, .sharp = NAN };
	struct block blocks[BLOCKS_MAX];
	struct turn turn;
	struct map clipped;
	double side, moved;
	bool weak;

	map_square(&reference->map, &pair.was);
	map_square(&now->map, &pair.now);
	map_clip(&pair.was, &now->map, &clipped);
	map_square(&clipped, &pair.clipped);
	for (int y = 0; y + BLOCK <= now->map.height; y += CELL)
		for (int x = 0; x + BLOCK <= now->map.width; x += CELL) {
			struct block b = { .x = x, .y = y };
			const double shape = block_shape(&pair.was, &b);

			if (shape < SHAPE_MIN)
				continue;
			block_judge(&pair, &b, shape, &a);
			blocks[a.blocks++] = b;
		}
	a.shape = blocks_shape(blocks, a.blocks);
	turn = blocks_turn(blocks, a.blocks, &now->map);
	if (turn.n < BELIEVED_MIN || turn.n < BELIEVED_PART * a.seen)
		return a;
	a.found = turn.n;
	a.sharp = blocks_sharp(blocks, a.blocks, reference, now);
	side = now->map.width / 2.0 * turn.angle;
	moved = sqrt(turn.shift.x * turn.shift.x + turn.shift.y * turn.shift.y + side * side) /
		now->map.width;
	weak = turn.n < MOVED_PART * a.blocks || (a.seen * 2 < a.blocks && turn.sure * 2 < turn.n);
	if (!weak ||
		(moved >= MOVED_SURE && turn.n >= (isnan(a.sharp) ? 1 : ELSEWHERE_PART) * a.still))
		a.moved = moved;
	return a;
}
