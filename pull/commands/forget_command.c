/* SPDX-License-Identifier: MIT */
/*
 * `pullpi forget CAMERA --from SEQ`: for a camera that lied, or was somebody else for a while. What
 * came from a number on goes to a branch, whole; what the camera claimed is forgotten; the next
 * sync asks for everything from there on.
 */
#include <errno.h>
#include <string.h>

#include "common/base/text.h"
#include "pull/commands/commands.h"
#include "pull/session/copy.h"
#include "pull/session/history.h"
#include "pull/ssh/wait.h"

#define FORGET_US (30 * US_PER_SEC) /* others that write have their turn first */

const struct cli_option forget_options[] = {
	{ "from", 0, "SEQ", "the first number that is not believed" },
	{ .name = NULL },
};

/* 1: something was moved to the branch; 0: nothing was here; or -errno. */
static int forget_lines(struct archive *archive, uint64_t from, unsigned *ret_branch)
{
	CLEANUP_FD int lock_fd = -1;
	uint64_t last;
	int r = archive_lock_copy(archive, deadline_in(FORGET_US), &lock_fd);

	if (r == 0)
		r = journal_last(archive_journal(archive), &last);
	if (r < 0 || last < from)
		return r;
	r = history_cut(archive, from - 1, ret_branch);
	return r < 0 ? r : 1;
}

int command_forget(struct cli *cli)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.copy = true,
		.wait_until_ns = deadline_in(FORGET_US),
		.who = "forget" };
	const struct camera_settings *camera = NULL;
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE void *settings = NULL;
	char path[PATH_MAX], error[PULL_ERROR_MAX];
	unsigned branch = 0;
	int64_t from = 0;
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	if (r == CLI_OK)
		r = cli_number(cli, "from", 1, SEQ_MAX, 0, &from);
	if (r == CLI_OK && from == 0)
		return cli_usage(cli, "forget needs --from SEQ");
	if (r == CLI_OK)
		r = pull_choose_camera(cli, settings, cli->argv[0], &camera);
	if (r != CLI_OK)
		return r;
	r = pull_archive_path(camera, path);
	if (r == 0)
		r = copy_check(camera, path);
	if (r == 0 && access(path, F_OK) < 0)
		r = -errno;
	if (r == 0)
		r = copy_open(camera, path, &options, &archive);
	if (r == 0)
		r = forget_lines(archive, (uint64_t)from, &branch);
	if (r < 0) {
		r = copy_open_failed(r, path, camera->name, error, sizeof error);
		cli_error(cli, "%s", error);
		return r;
	}
	if (r == 0)
		text_print(stdout, "%s: nothing is here from number %lld on\n", camera->name,
			(long long)from);
	else
		text_print(stdout,
			"%s: what was here from number %lld on is kept in %s/" BRANCHES
			"/%u; the next sync asks for it again\n",
			camera->name, (long long)from, path, branch);
	return CLI_OK;
}
