/* SPDX-License-Identifier: MIT */
/* Draws sheets, one row of cells after the other. */
#include "view/thumb/sheet.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "common/base/utc.h"
#include "view/thumb/caption.h"
#include "view/thumb/thumb.h"

#define QUALITY 70

const struct sheet_form sheet_pictures = { SHEET_COLUMNS, 120, 0 };

struct sheet {
	struct sheet_form form;
	struct archive *archive;
	const struct slot *slots;
	size_t n;
	struct pixels first; /* the first slot's picture, if it could be decoded */
	uint8_t *row; /* of cells */
	int width;
	bool has_all; /* what the archive has is drawn, as far as it is a picture */
};

/* Whether there is a picture. */
static bool cell_decode(struct sheet *sheet, const struct slot *slot, struct pixels *ret)
{
	int r;

	if (!slot_is_seen(slot->state))
		return false;
	r = thumb_decode(sheet->archive, slot->seq, (unsigned)sheet->form.cell_width, ret);
	/* one that is damaged stays so; another error may pass */
	if (r < 0 && r != -EBADMSG)
		sheet->has_all = false;
	return r == 0;
}

/* Each pixel of the cell is the mean of those that it stands for. */
static void cell_draw(struct sheet *sheet, size_t column, const struct pixels *p)
{
	const bool flat = sheet->form.flat;

	for (int y = 0; y < sheet->form.cell_height; y++) {
		const int top = flat ? 0 : y * p->height / sheet->form.cell_height;
		const int end = flat ? p->height : (y + 1) * p->height / sheet->form.cell_height;
		uint8_t *to = sheet->row +
			((size_t)y * (size_t)sheet->width +
				column * (size_t)sheet->form.cell_width) *
				3;

		for (int x = 0; x < sheet->form.cell_width; x++, to += 3) {
			const int left = flat ? 0 : x * p->width / sheet->form.cell_width;
			const int right =
				flat ? p->width : (x + 1) * p->width / sheet->form.cell_width;
			unsigned sum[3] = { 0 }, n = 0;

			for (int sy = top; sy < (end > top ? end : top + 1); sy++) {
				for (int sx = left; sx < (right > left ? right : left + 1); sx++) {
					const uint8_t *from = p->data +
						((size_t)sy * (size_t)p->width + (size_t)sx) * 3;

					sum[0] += from[0];
					sum[1] += from[1];
					sum[2] += from[2];
					n++;
				}
			}
			to[0] = (uint8_t)(sum[0] / n);
			to[1] = (uint8_t)(sum[1] / n);
			to[2] = (uint8_t)(sum[2] / n);
		}
	}
}

static void cell_caption(struct sheet *sheet, size_t column, const struct slot *slot)
{
	const int width = sheet->form.cell_width, height = sheet->form.cell_height;
	const int scale = width / 200 < 1 ? 1 : width / 200;
	const struct luma luma = { sheet->row + 3 * column * (size_t)width, 3,
		3 * (size_t)sheet->width, width - 1, height - 1 };
	char time[UTC_TEXT_MAX];

	utc_format_local(slot->slot_us, time);
	time[16] = '\0'; /* the minute is enough */
	caption_draw(&luma, 0, height - caption_height(scale), scale, time);
	if (slot->state != SLOT_HELD)
		caption_draw(&luma, 0, 0, scale, slot_state_name(slot->state));
}

/* Draws the row of cells that begins with the slot `from`. */
static void sheet_draw_row(struct sheet *sheet, size_t from)
{
	const size_t columns = (size_t)sheet->form.columns;
	const size_t left = sheet->n - from, n = left < columns ? left : columns;
	const struct slot *slots = sheet->slots + from;

	memset(sheet->row, 128, (size_t)sheet->width * (size_t)sheet->form.cell_height * 3);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(pixels_clear) struct pixels pixels = { 0 };

		if (from + i == 0 && sheet->first.data)
			cell_draw(sheet, 0, &sheet->first);
		else if (cell_decode(sheet, &slots[i], &pixels))
			cell_draw(sheet, i, &pixels);
		if (sheet->form.captions)
			cell_caption(sheet, i, &slots[i]);
	}
}

static uint8_t *sheet_row(void *data, int y)
{
	struct sheet *sheet = data;
	const int line = y % sheet->form.cell_height;

	if (line == 0)
		sheet_draw_row(
			sheet, (size_t)(y / sheet->form.cell_height) * (size_t)sheet->form.columns);
	return sheet->row + (size_t)line * (size_t)sheet->width * 3;
}

static void sheet_clear(struct sheet *sheet)
{
	pixels_clear(&sheet->first);
	free(sheet->row);
}

static int sheet_draw_locked(struct archive *archive, const struct sheet_form *form,
	const struct slot *slots, size_t n, uint8_t **ret_jpeg, size_t *ret_bytes,
	bool *ret_has_all)
{
	CLEANUP(sheet_clear)
	struct sheet sheet = { .form = *form,
		.archive = archive,
		.slots = slots,
		.n = n,
		.width = form->columns * form->cell_width,
		.has_all = true };
	struct sheet_form *f = &sheet.form;
	bool has_first;
	int r;

	if (n == 0)
		return -ENOENT;
	has_first = cell_decode(&sheet, &slots[0], &sheet.first);
	if (f->cell_height == 0) {
		const struct pixels *p = &sheet.first;
		const int height = has_first ? f->cell_width * p->height / p->width : 0;

		f->cell_height = height < f->cell_width / 4 || height > 4 * f->cell_width
			? f->cell_width * 3 / 4
			: height;
	}
	sheet.row = malloc((size_t)sheet.width * (size_t)f->cell_height * 3);
	if (!sheet.row)
		return -ENOMEM;
	r = rows_encode(sheet.width, ((int)n + f->columns - 1) / f->columns * f->cell_height,
		QUALITY, sheet_row, &sheet, ret_jpeg, ret_bytes);
	*ret_has_all = sheet.has_all;
	return r;
}

void sheet_key(const struct archive *archive, const struct sheet_form *form,
	const struct slot *slots, size_t n, char ret[static CACHE_KEY_MAX])
{
	CLEANUP_FREE uint64_t *numbers = calloc(n + 1, sizeof(*numbers));
	char kind[64];

	*ret = '\0';
	if (!numbers)
		return;
	for (size_t i = 0; i < n; i++)
		numbers[i] = slot_is_seen(slots[i].state) ? slots[i].seq : 0;
	snprintf(kind, sizeof(kind), "sheet %d %d %d %d", form->columns, form->cell_width,
		form->cell_height, form->flat);
	cache_key(archive, kind, numbers, n, ret);
}

int sheet_draw(struct archive *archive, const struct sheet_form *form, const struct slot *slots,
	size_t n, const char *key, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	/* one after the other, whatever a browser asks for at once: memory stays free */
	static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	bool has_all = false;
	int r;

	pthread_mutex_lock(&turn);
	r = sheet_draw_locked(archive, form, slots, n, ret_jpeg, ret_bytes, &has_all);
	pthread_mutex_unlock(&turn);
	if (r == 0 && has_all)
		cache_store(key, *ret_jpeg, *ret_bytes);
	return r;
}
