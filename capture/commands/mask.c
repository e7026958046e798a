/* SPDX-License-Identifier: MIT */
/* The mask as its owner has to see it: as an outline on what it is to hide. */
#include "capture/commands/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/picture/decode.h"
#include "capture/picture/jpeg.h"
#include "common/base/fs.h"

#define PREVIEW_QUALITY 85
#define LINE_SHARE 400 /* of the width: what a line is wide */

/* The newest frame's file. */
static int preview_read(struct archive *archive, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	CLEANUP_FD int fd = -1;
	struct record newest;
	int r = archive_newest(archive, &newest);

	if (r == 0)
		r = archive_open_frame(archive, &newest, &fd);
	if (r < 0)
		return r;
	jpeg = malloc((size_t)newest.bytes);
	if (!jpeg)
		return -ENOMEM;
	if (fs_read_at(fd, jpeg, (size_t)newest.bytes, 0) != newest.bytes)
		return -EBADMSG;
	*ret_jpeg = TAKE_PTR(jpeg);
	*ret_bytes = (size_t)newest.bytes;
	return 0;
}

static void preview_dot(
	const struct frame *frame, uint8_t *luma, double x, double y, int side, uint8_t shade)
{
	for (int dy = -side; dy <= side; dy++)
		for (int dx = -side; dx <= side; dx++) {
			const int px = (int)x + dx, py = (int)y + dy;

			if (px >= 0 && py >= 0 && px < frame->width && py < frame->height)
				luma[(size_t)py * frame->stride[0] + (size_t)px] = shade;
		}
}

static int preview_draw(
	const struct frame *frame, uint8_t *luma, const char *text, int side, uint8_t shade)
{
	struct mask_point p[MASK_POINTS_MAX];
	const int n = mask_read_points(text, p);

	for (int i = 0; i < n; i++) {
		const struct mask_point a = p[i], b = p[(i + 1) % n];
		const double dx = (b.x - a.x) * frame->width, dy = (b.y - a.y) * frame->height;
		const int steps = (int)fmax(fabs(dx), fabs(dy)) + 1;

		for (int k = 0; k <= steps; k++)
			preview_dot(frame, luma, a.x * frame->width + dx * k / steps,
				a.y * frame->height + dy * k / steps, side, shade);
	}
	return n < 0 ? n : 0;
}

/* White lines with a black edge, which show on any ground. */
static int preview_draw_all(
	const struct frame *frame, uint8_t *luma, const struct mask_setting *mask)
{
	const int side = frame->width / LINE_SHARE + 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2 * mask->n; i++)
		r = preview_draw(frame, luma, mask->polygon[i % mask->n].points,
			i < mask->n ? side : side / 2, i < mask->n ? 0 : 255);
	return r;
}

static int preview_make(struct archive *archive, const struct mask_setting *mask,
	uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP(jpeg_encoder_freep) struct jpeg_encoder *encoder = NULL;
	CLEANUP_FREE uint8_t *jpeg = NULL, *samples = NULL;
	const uint8_t *encoded;
	struct frame frame;
	size_t bytes;
	int r = mask->broken ? -EDOM : preview_read(archive, &jpeg, &bytes);

	if (r == 0)
		r = jpeg_decode(jpeg, bytes, &frame, &samples);
	if (r == 0)
		r = preview_draw_all(&frame, samples, mask);
	if (r == 0)
		r = jpeg_encoder_new(PREVIEW_QUALITY, &encoder);
	if (r == 0)
		r = jpeg_encode(encoder, &frame, NULL, 0, &encoded, &bytes);
	if (r < 0)
		return r;
	*ret_jpeg = malloc(bytes);
	if (!*ret_jpeg)
		return -ENOMEM;
	memcpy(*ret_jpeg, encoded, bytes);
	*ret_bytes = bytes;
	return 0;
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
