/* SPDX-License-Identifier: MIT */
/* `verify`, and opening the archive that a command is about. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "common/archive.h"
#include "common/cli.h"
#include "common/verify.h"

static int open_archive(const struct cli *cli, const char *path, struct archive **ret)
{
	struct archive_options options = { .mode = ARCHIVE_READ };
	int r = archive_open(path, &options, ret);

	if (r == 0)
		return CLI_OK;
	if (r == -EBADMSG) {
		cli_error(cli, "%s: archive.json or the journal is damaged or not ours", path);
		return CLI_PROTOCOL;
	}
	if (r == -ENOENT)
		cli_error(cli, "%s: no archive there yet", path);
	else
		cli_error(cli, "%s: %s", path, strerror(-r));
	return CLI_INTERNAL;
}

int cli_open_archive(struct cli *cli, struct archive **ret)
{
	CLEANUP_FREE void *settings = NULL;
	char path[PATH_MAX];
	int r;

	r = cli_settings(cli, CLI_LENIENT, &settings);
	if (r == CLI_OK)
		r = cli->program->archive(cli, settings, path);
	return r == CLI_OK ? open_archive(cli, path, ret) : r;
}

const struct cli_option cli_verify_options[] = {
	{ "json", 0, NULL, "one object per finding, then the totals" },
	{ "quick", 0, NULL, "names and sizes only, reads no picture" },
	{ .name = NULL },
};

struct report {
	bool json, terminal;
	int percent; /* that the terminal shows, -1: nothing yet */
};

static void print_json(struct json_object *object)
{
	const char *text = object ? json_object_to_json_string_ext(object,
					    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
				  : NULL;

	if (text)
		puts(text);
	json_object_put(object);
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)number));
}

static void print_finding_json(const struct verify_finding *finding)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(
		object, "finding", json_object_new_string(verify_kind_name(finding->kind)));
	if (finding->seq)
		add_number(object, "seq", finding->seq);
	if (*finding->path)
		json_object_object_add(object, "path", json_object_new_string(finding->path));
	add_number(object, "count", finding->count);
	if (finding->error)
		json_object_object_add(
			object, "error", json_object_new_string(strerror(abs(finding->error))));
	print_json(object);
}

static void clear_progress(struct report *report)
{
	if (report->percent >= 0)
		fprintf(stderr, "\r\033[K");
	report->percent = -1;
}

static bool on_finding(void *data, const struct verify_finding *finding)
{
	struct report *report = data;
	char text[512];

	clear_progress(report);
	if (report->json)
		print_finding_json(finding);
	else
		puts(verify_describe(finding, text, sizeof(text)));
	return !ferror(stdout);
}

static bool on_progress(void *data, uint64_t seq, uint64_t last, const struct verify_totals *totals)
{
	struct report *report = data;
	int percent = last ? (int)(seq * 100 / last) : 0;

	if (report->terminal && percent != report->percent) {
		fprintf(stderr, "\r%d %%, %" PRIu64 " frames right", percent, totals->checked);
		report->percent = percent;
	}
	return true;
}

static void print_totals(const struct verify_totals *totals)
{
	printf("%" PRIu64 " lines, %" PRIu64 " frames: %" PRIu64 " files right (%" PRId64 " bytes)",
		totals->lines, totals->frames, totals->checked, totals->bytes);
	if (totals->pruned)
		printf(", %" PRIu64 " pruned", totals->pruned);
	if (totals->deleted)
		printf(", %" PRIu64 " deleted", totals->deleted);
	if (totals->pending)
		printf(", %" PRIu64 " just being stored", totals->pending);
	printf("; findings: %" PRIu64 "\n", totals->findings);
}

static void print_totals_json(const struct verify_totals *totals)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "lines", totals->lines);
	add_number(object, "frames", totals->frames);
	add_number(object, "checked", totals->checked);
	add_number(object, "bytes", (uint64_t)totals->bytes);
	add_number(object, "pruned", totals->pruned);
	add_number(object, "deleted", totals->deleted);
	add_number(object, "pending", totals->pending);
	add_number(object, "findings", totals->findings);
	print_json(object);
}

int cli_verify(struct cli *cli)
{
	struct report report = { .json = cli_flag(cli, "json"), .percent = -1 };
	struct verify_options options = {
		.copy = cli->program->copies,
		.skip_content = cli_flag(cli, "quick"),
		.finding = on_finding,
		.progress = on_progress,
		.data = &report,
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;
	int r;

	report.terminal = isatty(STDERR_FILENO);
	r = cli_open_archive(cli, &archive);
	if (r != CLI_OK)
		return r;
	r = verify_archive(archive, &options, &totals);
	clear_progress(&report);
	if (r < 0) {
		cli_error(cli, "%s: cannot be checked to the end: %s", archive_path(archive),
			strerror(-r));
		return CLI_INTERNAL;
	}
	if (report.json)
		print_totals_json(&totals);
	else
		print_totals(&totals);
	return totals.findings ? CLI_INTERNAL : CLI_OK;
}
