/* SPDX-License-Identifier: MIT */
/*
 * `verify`. A camera's archive has one writer, so a repair holds its lock from the start. A
 * puller's is checked beside its syncs and fetches, and only then is it repaired, in one turn of
 * its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/digest.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/commands/cli.h"
#include "common/upkeep/repair.h"
#include "common/upkeep/verify.h"

#define TURN_NS (60 * NS_PER_SEC) /* that a repair waits for its turn */

const struct cli_option cli_verify_options[] = {
	{ "json", 0, NULL, "one object per finding or note, then the totals" },
	{ "quick", 0, NULL, "names and sizes only, reads no picture" },
	{ "from", 0, "SEQ", "pictures from that number on; the ones before were read already" },
	{ "head", 0, "SEQ:SHA256", "what `head` printed then: tells whether a line changed since" },
	{ "repair", 0, NULL, "moves what is damaged to damaged/ in the archive, deletes nothing" },
	{ .name = NULL },
};

/* The signal that asked us to end, 0: none. A check of a large archive takes hours. */
static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
	stopped = signal;
}

struct report {
	bool json, terminal;
	unsigned branch; /* that is checked; 0: the archive itself */
	struct repair *repair; /* NULL: not wanted */
	int percent; /* that the terminal shows, -1: nothing yet */
};

static void print_finding_json(const struct report *report, const struct verify_finding *finding)
{
	struct json_object *object = json_object_new_object();

	/* scripts count findings */
	json_add_text(object, verify_is_note(finding->kind) ? "note" : "finding",
		verify_kind_name(finding->kind));
	if (finding->seq)
		json_add_number(object, "seq", (int64_t)finding->seq);
	if (*finding->path)
		json_add_text(object, "path", finding->path);
	json_add_number(object, "count", (int64_t)finding->count);
	if (finding->kind >= VERIFY_CHANGED && finding->kind <= VERIFY_FORKED)
		json_add_time(object, "since", finding->since_us);
	if (finding->error)
		json_add_text(object, "error", strerror(abs(finding->error)));
	if (report->branch)
		json_add_number(object, "branch", report->branch);
	json_print(object);
}

static void clear_progress(struct report *report)
{
	if (report->percent >= 0)
		fputs("\r\033[K", stderr);
	report->percent = -1;
}

static bool on_finding(void *data, const struct verify_finding *finding)
{
	struct report *report = data;
	char text[512];

	clear_progress(report);
	if (report->repair)
		repair_note(report->repair, finding);
	if (report->json)
		print_finding_json(report, finding);
	else if (report->branch)
		text_print(stdout, BRANCHES "/%u: %s\n", report->branch,
			verify_describe(finding, text, sizeof(text)));
	else
		text_print(stdout, "%s\n", verify_describe(finding, text, sizeof(text)));
	return !ferror(stdout);
}

static bool on_progress(void *data, uint64_t seq, uint64_t last, const struct verify_totals *totals)
{
	struct report *report = data;
	int percent = last ? (int)(seq * 100 / last) : 0;

	if (report->terminal && percent != report->percent) {
		fputs("\r", stderr);
		text_print(stderr, "%d %%, %" PRIu64 " frames right", percent, totals->checked);
		report->percent = percent;
	}
	return !stopped;
}

static void print_totals(const struct report *report, const struct verify_totals *totals)
{
	if (report->branch)
		text_print(stdout, BRANCHES "/%u: ", report->branch);
	text_print(stdout,
		"%" PRIu64 " lines, %" PRIu64 " frames: %" PRIu64 " files right (%" PRId64
		" bytes)",
		totals->lines, totals->frames, totals->checked, totals->bytes);
	if (totals->pruned)
		text_print(stdout, ", %" PRIu64 " pruned", totals->pruned);
	if (totals->deleted)
		text_print(stdout, ", %" PRIu64 " deleted", totals->deleted);
	if (totals->pending)
		text_print(stdout, ", %" PRIu64 " just being stored", totals->pending);
	if (totals->found[VERIFY_NOT_OURS])
		text_print(stdout, ", %" PRIu64 " names that are not ours",
			totals->found[VERIFY_NOT_OURS]);
	text_print(stdout, "; findings: %" PRIu64 "\n", totals->findings);
}

static void print_repairs(const struct repair_result *result)
{
	text_print(stdout,
		"repaired: %" PRIu64 " files moved%s%s, %" PRIu64
		" frames told of in the journal, %" PRIu64 " lines restored, %" PRIu64
		" segments written again; left: %" PRIu64 "\n",
		result->moved, *result->folder ? " to " : "", result->folder, result->told,
		result->restored, result->segments, result->left);
}

static void print_totals_json(const struct report *report, const struct verify_totals *totals,
	const struct repair_result *result)
{
	struct json_object *object = json_object_new_object();

	if (report->branch)
		json_add_number(object, "branch", report->branch);
	json_add_number(object, "lines", (int64_t)totals->lines);
	json_add_number(object, "frames", (int64_t)totals->frames);
	json_add_number(object, "checked", (int64_t)totals->checked);
	json_add_number(object, "bytes", totals->bytes);
	json_add_number(object, "pruned", (int64_t)totals->pruned);
	json_add_number(object, "deleted", (int64_t)totals->deleted);
	json_add_number(object, "pending", (int64_t)totals->pending);
	json_add_number(object, "not_ours", (int64_t)totals->found[VERIFY_NOT_OURS]);
	json_add_number(object, "findings", (int64_t)totals->findings);
	if (stopped)
		json_add_number(object, "next", (int64_t)totals->next);
	if (result) {
		json_add_number(object, "moved", (int64_t)result->moved);
		json_add_number(object, "told", (int64_t)result->told);
		json_add_number(object, "restored", (int64_t)result->restored);
		json_add_number(object, "segments", (int64_t)result->segments);
		json_add_number(object, "left", (int64_t)result->left);
		json_add_text(object, "folder", result->folder);
	}
	json_print(object);
}

/* SIGINT and SIGTERM end the check with all that is known so far. */
static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	stopped = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int open_for_check(struct cli *cli, bool repair, struct archive **ret)
{
	const struct archive_options write = { .mode = ARCHIVE_WRITE };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int r = cli_open_archive(cli, &archive); /* or a repair would make one */

	if (r != CLI_OK)
		return r;
	if (!repair || cli->program->copies) {
		*ret = TAKE_PTR(archive);
		return CLI_OK;
	}
	return cli_open_archive_for(cli, &write, ret);
}

/* Waits for its turn at a copy; the camera's lock is held already. */
static int carry_out(
	struct cli *cli, struct repair *repair, struct archive *checked, struct repair_result *ret)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.copy = true,
		.wait_until_ns = clock_mono_ns(&clock_real) + TURN_NS,
		.who = "repair" };
	CLEANUP(archive_freep) struct archive *copy = NULL;
	CLEANUP_FD int lock_fd = -1;
	int r = CLI_OK;

	if (cli->program->copies) {
		r = archive_lock_copy(checked, clock_mono_ns(&clock_real), &lock_fd);
		if (r < 0) {
			cli_error(cli, "%s: %s", archive_path(checked),
				r == -ETIMEDOUT ? "a sync of it is under way; try again later"
						: strerror(-r));
			return r == -ETIMEDOUT ? CLI_TEMPFAIL : CLI_INTERNAL;
		}
		r = cli_open_archive_for(cli, &options, &copy);
	}
	if (r != CLI_OK)
		return r;
	r = repair_carry_out(repair, copy ? copy : checked, &clock_real, ret);
	if (r < 0)
		cli_error(cli, "%s: cannot be repaired: %s", archive_path(checked), strerror(-r));
	else if (ret->error < 0)
		cli_error(cli, "%s: not all could be repaired: %s", archive_path(checked),
			strerror(-ret->error));
	return r < 0 ? CLI_INTERNAL : CLI_OK;
}

static int verify_conclude(struct cli *cli, const struct report *report, struct archive *archive,
	const struct verify_totals *totals)
{
	struct repair_result result = { 0 };
	int r = CLI_OK;

	if (report->repair)
		r = carry_out(cli, report->repair, archive, &result);
	if (report->json)
		print_totals_json(report, totals, report->repair ? &result : NULL);
	else
		print_totals(report, totals);
	if (report->repair && !report->json)
		print_repairs(&result);
	if (r != CLI_OK)
		return r;
	if (stopped) {
		cli_error(cli, "%s: ended early; go on with: --from %" PRIu64,
			archive_path(archive), totals->next);
		return CLI_TEMPFAIL;
	}
	return (report->repair ? result.left : totals->findings) ? CLI_INTERNAL : CLI_OK;
}

/* What is known from elsewhere of the archive itself: by the person, or else by the program. */
static int find_heads(
	struct cli *cli, const struct archive *archive, struct archive_head **ret, size_t *ret_n)
{
	const char *value = cli_value(cli, "head"), *colon = value ? strchr(value, ':') : NULL;
	struct archive_head head = { .time_us = TIME_NONE }, *heads;
	int r = 0;

	if (cli->branch > 0)
		return CLI_OK;
	if (!value) {
		r = cli->program->heads ? cli->program->heads(archive_id(archive), ret, ret_n) : 0;
		if (r < 0)
			cli_error(cli, "the heads that were kept cannot be read: %s", strerror(-r));
		return r < 0 ? CLI_INTERNAL : CLI_OK;
	}
	head.seq = strtoull(value, NULL, 10);
	if (!colon || strspn(value, "0123456789") != (size_t)(colon - value) || head.seq == 0 ||
		head.seq > SEQ_MAX ||
		digest_parse_hex(colon + 1, strlen(colon + 1), head.sha256) < 0)
		return cli_usage(cli, "--head %s: not SEQ:SHA256, as `head` prints it", value);
	heads = malloc(sizeof(*heads));
	if (!heads)
		return CLI_INTERNAL;
	*heads = head;
	*ret = heads;
	*ret_n = 1;
	return CLI_OK;
}

/* The archive, or the branch of it that cli->branch names. */
static int verify_one(struct cli *cli, int64_t from, struct archive **ret)
{
	CLEANUP_FREE struct archive_head *heads = NULL;
	CLEANUP(repair_freep) struct repair *repair = NULL;
	struct report report = {
		.json = cli_flag(cli, "json"), .percent = -1, .branch = cli->branch
	};
	struct verify_options options = {
		.copy = cli->program->copies,
		.skip_content = cli_flag(cli, "quick"),
		.finding = on_finding,
		.progress = on_progress,
		.data = &report,
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;
	int r = open_for_check(cli, cli_flag(cli, "repair"), &archive);

	if (r == CLI_OK && cli_flag(cli, "repair"))
		r = repair_new(&repair) < 0 ? CLI_INTERNAL : CLI_OK;
	if (r == CLI_OK)
		r = find_heads(cli, archive, &heads, &options.n_heads);
	if (r != CLI_OK)
		return r;
	options.heads = heads;
	report.terminal = isatty(STDERR_FILENO);
	report.repair = repair;
	options.from = (uint64_t)from;
	catch_signals();
	r = verify_archive(archive, &options, &totals);
	clear_progress(&report);
	if (r < 0 && !(r == -ECANCELED && stopped)) {
		cli_error(cli, "%s: cannot be checked to the end: %s", archive_path(archive),
			strerror(-r));
		return CLI_INTERNAL;
	}
	r = verify_conclude(cli, &report, archive, &totals);
	*ret = TAKE_PTR(archive);
	return r;
}

int cli_verify(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int64_t from = 0;
	int r = cli_number(cli, "from", 1, (int64_t)SEQ_MAX, 1, &from), of_branch;

	if (r == CLI_OK)
		r = verify_one(cli, from, &archive);
	if (!archive || cli->branch > 0)
		return r;
	while (!stopped && archive_branch(archive, &cli->branch)) {
		CLEANUP(archive_freep) struct archive *branch = NULL;

		of_branch = verify_one(cli, 1, &branch);
		r = r == CLI_OK ? of_branch : r;
	}
	return r;
}
