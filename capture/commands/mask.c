/* SPDX-License-Identifier: MIT */
/* The mask as its owner has to see it: as an outline on what it is to hide. */
#include "capture/commands/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/thumbnail/pixels.h"

#define PREVIEW_QUALITY 85
#define LINE_SHARE 400 /* of the width: what a line is wide */

static void preview_dot(const struct pixels *to, double x, double y, int side, uint8_t shade)
{
	for (int dy = -side; dy <= side; dy++)
		for (int dx = -side; dx <= side; dx++) {
			const int px = (int)x + dx, py = (int)y + dy;

			if (px >= 0 && py >= 0 && px < to->width && py < to->height)
				to->data[3 * ((size_t)py * (size_t)to->width + (size_t)px)] = shade;
		}
}

static int preview_draw(const struct pixels *to, const char *text, int side, uint8_t shade)
{
	struct mask_point p[MASK_POINTS_MAX];
	const int n = mask_read_points(text, p);

	for (int i = 0; i < n; i++) {
		const struct mask_point a = p[i], b = p[(i + 1) % n];
		const double dx = (b.x - a.x) * to->width, dy = (b.y - a.y) * to->height;
		const int steps = (int)fmax(fabs(dx), fabs(dy)) + 1;

		for (int k = 0; k <= steps; k++)
			preview_dot(to, a.x * to->width + dx * k / steps,
				a.y * to->height + dy * k / steps, side, shade);
	}
	return n < 0 ? n : 0;
}

/* White lines with a black edge, which show on any ground. */
static int preview_draw_all(const struct pixels *to, const struct mask_setting *mask)
{
	const int side = to->width / LINE_SHARE + 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2 * mask->n; i++)
		r = preview_draw(to, mask->polygon[i % mask->n].points,
			i < mask->n ? side : side / 2, i < mask->n ? 0 : 255);
	return r;
}

/* Of the newest frame. */
static int preview_make(struct archive *archive, const struct mask_setting *mask,
	uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	CLEANUP_FREE uint8_t *jpeg = NULL;
	struct record newest;
	bool damaged;
	int r = mask->broken ? -EDOM : archive_newest(archive, &newest);

	if (r == 0)
		r = archive_read_frame(archive, &newest, &jpeg);
	if (r == 0)
		r = pixels_decode(
			jpeg, (size_t)newest.bytes, UINT_MAX, UINT_MAX, &pixels, &damaged);
	if (r == 0)
		r = preview_draw_all(&pixels, mask);
	return r < 0 ? r : pixels_encode(&pixels, PREVIEW_QUALITY, ret_jpeg, ret_bytes);
}

/* Writes the file, for its owner alone. */
static int preview_write(const char *path, const uint8_t *jpeg, size_t bytes)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, 0600) < 0)
		return -errno;
	return fs_write_all(&fs_real, fd, jpeg, bytes);
}

int mask_draw(struct cli *cli, struct archive *archive, const struct mask_setting *mask)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	const char *path = cli_value(cli, "preview");
	size_t bytes;
	int r;

	if (!path) {
		cli_error(cli, "say where to: `%s mask --preview FILE`", cli->call);
		return CLI_USAGE;
	}
	r = preview_make(archive, mask, &jpeg, &bytes);
	if (r == 0)
		r = preview_write(path, jpeg, bytes);
	if (r == -EDOM)
		cli_error(cli, "the mask has mistakes; see `%s check`", cli->call);
	else if (r == -ENOENT)
		cli_error(cli, "no picture to draw it on; take one with `%s shot`", cli->call);
	else if (r < 0)
		cli_error(cli, "%s: %s", path, strerror(-r));
	return r == -EDOM ? CLI_SETTINGS : r < 0 ? CLI_INTERNAL : CLI_OK;
}
