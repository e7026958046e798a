/* SPDX-License-Identifier: MIT */
/* Opening the archive that a command is about, and telling its head. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/commands/cli.h"

int cli_refuse_archive(const struct cli *cli, const char *path, int error)
{
	const struct cli_program *program = cli->program;
	pid_t pid = 0;

	switch (-error) {
	case EWOULDBLOCK:
	case ETIMEDOUT:
		archive_writer_pid(path, &pid);
		cli_error(cli, "%s: process %d is writing it; %s%s", path, (int)pid,
			program->copies ? "try again later"
					: "stop it first: systemctl --user stop ",
			program->copies ? "" : cli->unit);
		return CLI_TEMPFAIL;
	case EBADMSG:
		cli_error(cli,
			"%s: archive.json or the journal is damaged or of another archive; move "
			"the folder aside, nothing in it was changed",
			path);
		return CLI_PROTOCOL;
	case ENOENT:
		cli_error(cli, "%s: no archive there yet", path);
		return CLI_INTERNAL;
	case EPROTONOSUPPORT:
		cli_error(cli, "%s: made by a later version of %s", path, program->name);
		return CLI_INTERNAL;
	default:
		cli_error(cli, "%s: %s", path, strerror(-error));
		return CLI_INTERNAL;
	}
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
	if (r != CLI_OK)
		return r;
	r = archive_open(path, options, ret);
	return r < 0 ? cli_refuse_archive(cli, path, r) : CLI_OK;
}

int cli_head(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char hex[SHA256_HEX + 1], time[UTC_TEXT_MAX];
	struct archive_head head;
	struct json_object *o;
	int r = cli_open_archive(cli, &archive);

	if (r != CLI_OK)
		return r;
	r = archive_head(archive, &clock_real, &head);
	if (r < 0) {
		cli_error(cli, "%s: %s", archive_path(archive),
			r == -ENOENT ? "the journal has no line yet" : strerror(-r));
		return CLI_INTERNAL;
	}
	digest_hex(head.sha256, hex);
	if (!cli_flag(cli, "json")) {
		text_print(stdout, "%" PRIu64 ":%s  %s\n", head.seq, hex,
			utc_format(head.time_us, time));
		return CLI_OK;
	}
	o = json_object_new_object();
	json_add_text(o, "id", archive_id(archive));
	json_add_text(o, "camera", archive_camera(archive));
	json_add_number(o, "seq", (int64_t)head.seq);
	json_add_text(o, "sha256", hex);
	json_add_time(o, "time", head.time_us);
	json_print(o);
	return CLI_OK;
}
