/* SPDX-License-Identifier: MIT */
/*
 * `pullpi list`: the journal's lines, as capturepi lists its own, or with --gaps what is missing.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/text.h"
#include "common/contact/peer_state.h"
#include "pull/commands/commands.h"
#include "pull/session/gaps.h"

#define SHOWN_MAX 10000 /* the last so many are kept in memory */

struct gap_list {
	bool json;
	int64_t since_us, until_us; /* TIME_NONE: any */
	uint64_t limit, count; /* how many to show, 0: all; how many there were */
	struct gap *ring; /* the last `limit` of them; NULL: shown at once */
};

static void print_program(const struct gap *gap)
{
	struct json_object *o = json_object_new_object();
	bool exact = gap->cause < MISS_CAUSES;

	json_add_text(o, "cause", gap_cause_name(gap->cause));
	if (*gap->why)
		json_add_text(o, "why", gap->why);
	json_add_number(o, "count", (int64_t)gap->count);
	json_add_time(o, exact ? "first" : "after", gap->first_us);
	json_add_time(o, exact ? "last" : "before", gap->last_us);
	json_add_number(o, "first_seq", (int64_t)gap->first_seq);
	json_add_number(o, "last_seq", (int64_t)gap->last_seq);
	json_print(o);
}

static void print_gap(const struct gap_list *list, const struct gap *gap)
{
	char text[512];

	if (list->json)
		print_program(gap);
	else
		text_print(stdout, "%s\n", gap_describe(gap, text, sizeof text));
}

static int take_gap(void *data, const struct gap *gap)
{
	struct gap_list *list = data;

	/* an end that is not known may be within */
	if ((gap->last_us != TIME_NONE && gap->last_us < list->since_us) ||
		(list->until_us != TIME_NONE && gap->first_us > list->until_us))
		return 0;
	if (list->ring)
		list->ring[list->count % list->limit] = *gap;
	else if (list->limit == 0 || list->count < list->limit)
		print_gap(list, gap);
	list->count++;
	return ferror(stdout) ? -EIO : 0;
}

static void print_ring(const struct gap_list *list)
{
	uint64_t from = list->count > list->limit ? list->count - list->limit : 0;

	for (uint64_t i = from; i < list->count; i++)
		print_gap(list, &list->ring[i % list->limit]);
}

/* Lists all gaps, or the newest COUNT; with --from, the first COUNT from there on. */
static int list_gaps(struct cli *cli)
{
	struct gap_list list = { .json = cli_flag(cli, "json") };
	struct peer_state peer;
	struct gaps_options options = {
		.peer = &peer, .since_us = TIME_NONE, .gap = take_gap, .data = &list
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE struct gap *ring = NULL;
	CLEANUP_FREE void *settings = NULL;
	const struct camera_settings *camera;
	int64_t from, limit;
	int r = cli_number(cli, "from", 1, (int64_t)SEQ_MAX, 0, &from);

	if (r == CLI_OK)
		r = cli_number(cli, "count", 1, from ? INT64_MAX : SHOWN_MAX, 0, &limit);
	if (r == CLI_OK)
		r = cli_span(cli, &list.since_us, &list.until_us);
	if (r == CLI_OK)
		r = cli_settings(cli, CLI_LENIENT, &settings);
	if (r == CLI_OK)
		r = pull_choose_camera(cli, settings, cli->argc > 0 ? cli->argv[0] : NULL, &camera);
	if (r == CLI_OK)
		r = cli_open_archive(cli, &archive);
	if (r != CLI_OK)
		return r;
	list.limit = (uint64_t)limit;
	if (limit && !from)
		list.ring = ring = calloc((size_t)limit, sizeof *ring);
	options.from = (uint64_t)from;
	peer_state_load(camera->name, &peer);
	r = limit && !from && !ring ? -ENOMEM : gaps_walk(archive, &options, NULL);
	if (r == 0 && ring)
		print_ring(&list);
	if (r == 0 || ferror(stdout))
		return CLI_OK;
	cli_error(cli, "%s: the journal cannot be read: %s", archive_path(archive), strerror(-r));
	return CLI_INTERNAL;
}

int command_list(struct cli *cli)
{
	return cli_flag(cli, "gaps") ? list_gaps(cli) : cli_list(cli);
}
