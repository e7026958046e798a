/* SPDX-License-Identifier: MIT */
/* Contact sheets. */
#include <errno.h>
#include <string.h>

#include "common/base/text.h"
#include "view/export/export.h"
#include "view/take/output.h"
#include "view/take/take.h"
#include "view/thumb/sheet.h"

#define SIDE_MAX 65500 /* pixels of a JPEG */

const struct cli_option sheet_options[] = {
	TAKE_OPTIONS,
	{ "columns", 0, "N", "pictures in a row; 6" },
	{ "width", 0, "PIXELS", "of each picture; 240" },
	{ "output", 'o', "FILE.jpg", "where to" },
	{ .name = NULL },
};

static int sheet_write(const struct take *take, const struct moments *moments,
	const struct sheet_form *form, const char *path)
{
	CLEANUP_FREE struct slot *slots = calloc(moments->n, sizeof(*slots));
	CLEANUP(output_clear) struct output output = OUTPUT_NONE;
	CLEANUP_FREE uint8_t *jpeg = NULL;
	size_t bytes = 0;
	int r = slots ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < moments->n; i++)
		slots[i] = (struct slot){ .slot_us = moments->list[i].slot_us,
			.last_us = moments->list[i].slot_us,
			.seq = moments->list[i].seq,
			.count = 1,
			.state = moments->list[i].state };
	if (r == 0)
		r = output_open(path, &output);
	if (r == 0)
		r = sheet_draw(take->archive, form, slots, moments->n, "", &jpeg, &bytes);
	if (r == 0)
		r = fs_write_all(&fs_real, output.fd, jpeg, bytes);
	if (r == 0)
		r = output_commit(&output);
	if (r < 0) {
		cli_error(take->cli, "%s: %s", path, strerror(-r));
		return CLI_INTERNAL;
	}
	text_print(stdout, "%s: %zu pictures\n", path, moments->n);
	return CLI_OK;
}

int command_sheet(struct cli *cli)
{
	CLEANUP(take_clear) struct take take = TAKE_NONE;
	CLEANUP(moments_clear) struct moments moments = { 0 };
	const char *path = cli_value(cli, "output");
	int64_t columns = 6, width = 240;
	int r = cli_number(cli, "columns", 1, 100, 6, &columns);

	if (r == CLI_OK)
		r = cli_number(cli, "width", 40, 1920, 240, &width);
	if (r == CLI_OK && !path)
		r = cli_usage(cli, "where to: -o FILE.jpg");
	if (r == CLI_OK)
		r = take_begin(cli, &take);
	if (r == CLI_OK)
		r = take_refuse_archive(&take, path);
	if (r == CLI_OK)
		r = take_moments(&take, &moments);
	if (r != CLI_OK)
		return r;
	/* pictures may be as high as they are wide, and some more */
	if (columns * width > SIDE_MAX || ((int64_t)moments.n / columns + 1) * width > SIDE_MAX)
		return cli_usage(cli,
			"%zu pictures of %d pixels are more than a JPEG can hold: choose fewer "
			"with --every, or --columns and --width",
			moments.n, (int)width);
	return sheet_write(&take, &moments,
		&(struct sheet_form){ (int)columns, (int)width, 0, .captions = true }, path);
}
