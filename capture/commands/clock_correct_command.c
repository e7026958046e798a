/* SPDX-License-Identifier: MIT */
/* What `redate` tells people and scripts. */
#include "capture/store/clock_correct.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"

const struct cli_option correction_command_options[] = {
	{ "dry-run", 0, NULL, "change nothing, tell what would be done" },
	{ "json", 0, NULL, "one object per frame, then the totals" },
	{ .name = NULL },
};

static void correction_tell_json(const struct record *before, const struct record *after, int error)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "was", (int64_t)before->seq);
	if (after && after->seq)
		json_add_number(o, "seq", (int64_t)after->seq);
	json_add_time(o, "before", before->exposed_us);
	if (after)
		json_add_time(o, "exposed", after->exposed_us);
	if (error < 0)
		json_add_text(o, "error", strerror(-error));
	json_print(o);
}

static void correction_report(
	void *data, const struct record *before, const struct record *after, int error)
{
	struct cli *cli = data;
	char from[UTC_TEXT_MAX], to[UTC_TEXT_MAX];

	if (cli_flag(cli, "json"))
		correction_tell_json(before, after, error);
	if (error < 0) {
		cli_error(cli, "frame %" PRIu64 " cannot be corrected: %s", before->seq,
			strerror(-error));
		return;
	}
	if (cli_flag(cli, "json"))
		return;
	utc_format_local(before->exposed_us, from);
	utc_format_local(after->exposed_us, to);
	if (after->seq)
		text_print(stdout, "%" PRIu64 " -> %" PRIu64 "  %s, was %s\n", before->seq,
			after->seq, to, from);
	else
		text_print(stdout, "%" PRIu64 "  %s, is %s\n", before->seq, to, from);
}

static void correction_print_totals(
	struct cli *cli, const struct correction_totals *totals, bool synced)
{
	if (cli_flag(cli, "json")) {
		struct json_object *o = json_object_new_object();

		json_add_number(o, "dated", (int64_t)totals->corrected);
		json_add_number(o, "right", (int64_t)totals->right);
		json_add_number(o, "unknown", (int64_t)totals->unknown);
		json_add_number(o, "failed", (int64_t)totals->failed);
		json_print(o);
		return;
	}
	text_print(stdout, "%" PRIu64 " frames %s their true time\n", totals->corrected,
		cli_flag(cli, "dry-run") ? "would get" : "got");
	if (totals->unknown)
		text_print(stdout,
			"%" PRIu64 " frames stay: the clock was not known while their boot ran%s\n",
			totals->unknown,
			synced ? "" : "; of this boot it is not known yet, see timedatectl");
}

int correction_command(struct cli *cli, struct archive *archive)
{
	CLEANUP(correction_freep) struct correction *correction = NULL;
	char boot[UUID_CHARS + 1] = "";
	bool synced = clock_synced(&clock_real) && clock_boot_id(boot) == 0;
	struct correction_options options = {
		.archive = archive,
		.boot = boot,
		.zero_us = synced ? clock_wall_of_up(&clock_real, 0) : TIME_NONE,
		.from = 1,
		.dry_run = cli_flag(cli, "dry-run"),
		.told = correction_report,
		.data = cli,
	};
	struct correction_totals totals;
	int r = correction_new(&options, &correction);

	while (r >= 0 && (r = correction_step(correction)) > 0)
		continue;
	if (r < 0) {
		cli_error(cli, "%s: not all frames were corrected: %s; run it again",
			archive_path(archive), strerror(-r));
		return CLI_INTERNAL;
	}
	totals = correction_totals(correction);
	correction_print_totals(cli, &totals, synced);
	return totals.failed ? CLI_INTERNAL : CLI_OK;
}
