/* SPDX-License-Identifier: MIT */
/* Takes pictures out of an archive. */
#include "view/export/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utc.h"
#include "view/export/csv.h"
#include "view/export/zip.h"
#include "view/take/output.h"
#include "view/take/take.h"

#define FACTS "facts.csv"

const struct cli_option export_options[] = {
	TAKE_OPTIONS,
	{ "copy", 0, NULL, "copies, which may be changed; else hard links" },
	{ "local-names", 0, NULL, "names by local time: 2026-11-24_17-01-00_00000123.jpg" },
	{ "output", 'o', "PATH", "a folder, a file NAME.zip, or - for a zip on stdout" },
	{ .name = NULL },
};

struct export
{
	const struct take *take;
	struct moments moments;
	bool local_names, copy;
	int folder; /* -1: into the zip */
	struct zip zip;
	FILE *facts;
	char *facts_text;
	size_t facts_bytes;
	size_t n, n_there, n_lost; /* written; there already; that cannot be read */
};

static void export_clear(struct export *e)
{
	moments_clear(&e->moments);
	zip_clear(&e->zip);
	fd_closep(&e->folder);
	file_closep(&e->facts);
	free(e->facts_text);
}

static int64_t local_us(int64_t wall_us)
{
	return wall_us + utc_local_offset_s(wall_us) * US_PER_SEC;
}

static int export_name(
	const struct export *e, const struct record *frame, char ret[static FRAME_NAME_MAX])
{
	struct frame_name name = record_name(frame);
	struct utc_fields f;

	if (!e->local_names)
		return frame_name_format(&name, ret);
	utc_split(local_us(frame->slot_us), &f);
	text_format(ret, FRAME_NAME_MAX, "%04d-%02d-%02d_%02d-%02d-%02d_%08" PRIu64 ".jpg", f.year,
		f.month, f.day, f.hour, f.minute, f.second, frame->seq);
	return 0;
}

/* -EEXIST it is there already, or something else of that name. */
static int export_link(struct export *e, const struct record *frame, const char *name)
{
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(e->take->archive, frame, &fd);

	return r < 0 ? r : fs_link(fd, e->folder, name);
}

static int export_frame(struct export *e, const struct record *frame, const char *name)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	int r;

	if (e->folder >= 0 && !e->copy)
		return export_link(e, frame, name);
	r = archive_read_frame(e->take->archive, frame, &jpeg);
	if (r < 0)
		return r;
	if (e->folder >= 0)
		return fs_make(&fs_real, e->folder, name, jpeg, (size_t)frame->bytes, 0666);
	return zip_add(&e->zip, name, local_us(frame->slot_us), jpeg, (size_t)frame->bytes);
}

/* What cannot be read of the archive is counted; what cannot be written is an error. */
static int export_moment(struct export *e, struct moment *moment)
{
	char name[FRAME_NAME_MAX] = "";
	struct record record;
	int r = archive_find(e->take->archive, moment->seq, &record);
	const bool known = r == 0;

	if (moment->state == SLOT_HELD) {
		if (known && record.type == RECORD_FRAME)
			r = export_name(e, &record, name);
		if (r == 0)
			r = export_frame(e, &record, name);
		if (r == -EEXIST)
			e->n_there++;
		else if (r == -ENOENT || r == -EBADMSG || r == -EIO || r == -ELOOP)
			e->n_lost++;
		else if (r < 0)
			return r;
		else
			e->n++;
		if (r < 0 && r != -EEXIST)
			*name = '\0';
	}
	csv_put_moment(e->facts, moment, known ? &record : NULL, name);
	return 0;
}

static int export_run(struct export *e)
{
	const int64_t now_us = local_us(clock_wall_us(&clock_real));
	int r = 0;

	e->facts = open_memstream(&e->facts_text, &e->facts_bytes);
	if (!e->facts)
		return -ENOMEM;
	csv_put_head(e->facts);
	for (size_t i = 0; i < e->moments.n && r == 0; i++)
		r = export_moment(e, &e->moments.list[i]);
	if (r == 0 && fflush(e->facts) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = e->folder >= 0 ? fs_replace(&fs_real, e->folder, FACTS, e->facts_text,
					     e->facts_bytes, 0666)
				   : zip_add(&e->zip, FACTS, now_us, e->facts_text, e->facts_bytes);
	if (r == 0 && e->folder < 0)
		r = zip_end(&e->zip);
	return r;
}

static int export_tell(const struct export *e, const char *path, int error)
{
	const struct cli *cli = e->take->cli;

	if (error == -EXDEV || error == -EPERM || error == -EOPNOTSUPP || error == -EMLINK)
		return cli_usage(cli,
			"%s: its file system takes no hard links of these pictures: use --copy",
			path);
	if (error < 0) {
		cli_error(cli, "%s: %s", path, strerror(-error));
		return CLI_INTERNAL;
	}
	if (e->n_there > 0)
		cli_error(cli, "%s: %zu files of these names were there and stay as they are", path,
			e->n_there);
	if (e->n_lost > 0)
		cli_error(cli, "%s: %zu pictures cannot be read; verify knows more",
			e->take->place->name, e->n_lost);
	if (strcmp(path, "-") != 0)
		text_print(stdout, "%s: %zu pictures, " FACTS "\n", path, e->n);
	return e->n_lost > 0 ? CLI_PROTOCOL : CLI_OK;
}

static int export_folder(struct export *e, const char *path)
{
	char inside[PATH_MAX];
	int r;

	if (fs_make_folders(path, 0777) < 0 ||
		(e->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		cli_error(e->take->cli, "%s: %s", path, strerror(errno));
		return CLI_USAGE;
	}
	snprintf(inside, sizeof(inside), "%s/", path);
	r = take_refuse_archive(e->take, inside);
	return r == CLI_OK ? export_tell(e, path, export_run(e)) : r;
}

static int export_zip(struct export *e, const char *path)
{
	CLEANUP(output_clear) struct output output = OUTPUT_NONE;
	const bool streams = strcmp(path, "-") == 0;
	int r = streams ? CLI_OK : take_refuse_archive(e->take, path);

	if (r != CLI_OK)
		return r;
	if (streams && isatty(STDOUT_FILENO))
		return cli_usage(e->take->cli, "-o -: a zip file is nothing for a terminal");
	r = streams ? 0 : output_open(path, &output);
	if (r == 0)
		r = zip_begin(streams ? STDOUT_FILENO : output.fd, &e->zip); /* ours: a zip */
	if (r == 0)
		r = export_run(e);
	if (r == 0 && !streams)
		r = output_commit(&output);
	return export_tell(e, path, r);
}

int command_export(struct cli *cli)
{
	CLEANUP(take_clear) struct take take = TAKE_NONE;
	CLEANUP(export_clear)
	struct export e = { .take = &take,
		.local_names = cli_flag(cli, "local-names"),
		.copy = cli_flag(cli, "copy"),
		.folder = -1,
		.zip.fd = -1 };
	const char *path = cli_value(cli, "output");
	const size_t n = path ? strlen(path) : 0;
	int r;

	if (!path)
		return cli_usage(cli, "where to: -o FOLDER, -o NAME.zip, or -o -");
	r = take_begin(cli, &take);
	if (r == CLI_OK)
		r = take_moments(&take, &e.moments);
	if (r != CLI_OK)
		return r;
	return strcmp(path, "-") == 0 || (n > 4 && strcmp(path + n - 4, ".zip") == 0)
		? export_zip(&e, path)
		: export_folder(&e, path);
}
