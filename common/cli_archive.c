/* SPDX-License-Identifier: MIT */
/* Opening the archive that a command is about. */
#include <errno.h>
#include <string.h>

#include "common/archive.h"
#include "common/cli.h"

static int refuse_writer(const struct cli *cli, const char *path)
{
	pid_t pid = 0;

	archive_writer_pid(path, &pid);
	cli_error(cli, "%s: process %d is writing it; %s", path, (int)pid,
		cli->program->copies ? "try again later"
				     : "stop it first: systemctl --user stop capturepi");
	return CLI_TEMPFAIL;
}

static int open_archive(const struct cli *cli, const char *path,
	const struct archive_options *options, struct archive **ret)
{
	int r = archive_open(path, options, ret);

	if (r == 0)
		return CLI_OK;
	if (r == -EWOULDBLOCK || r == -ETIMEDOUT)
		return refuse_writer(cli, path);
	if (r == -EBADMSG) {
		cli_error(cli, "%s: archive.json or the journal is damaged or not ours", path);
		return CLI_PROTOCOL;
	}
	if (r == -ENOENT)
		cli_error(cli, "%s: no archive there yet", path);
	else if (r == -EPROTONOSUPPORT)
		cli_error(cli, "%s: made by a later version of %s", path, cli->program->name);
	else
		cli_error(cli, "%s: %s", path, strerror(-r));
	return CLI_INTERNAL;
}

int cli_open_archive(struct cli *cli, struct archive **ret)
{
	const struct archive_options options = { .mode = ARCHIVE_READ };

	return cli_open_archive_for(cli, &options, ret);
}

int cli_open_archive_for(
	struct cli *cli, const struct archive_options *options, struct archive **ret)
{
	CLEANUP_FREE void *settings = NULL;
	char path[PATH_MAX] = "";
	size_t n;
	int r;

	r = cli_settings(cli, CLI_LENIENT, &settings);
	if (r == CLI_OK)
		r = cli->program->archive(cli, settings, path);
	n = strlen(path);
	if (r == CLI_OK && cli->branch > 0)
		snprintf(path + n, sizeof(path) - n, "/" BRANCHES "/%u", cli->branch);
	return r == CLI_OK ? open_archive(cli, path, options, ret) : r;
}
