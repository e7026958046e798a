/* SPDX-License-Identifier: MIT */
/* `pullpi pair --from FILE`: a line for each camera. It may be repeated until all are paired. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "pull/pair/pair.h"

#define BLANKS " \t\r"

int pair_line_parse(char *line, struct pair_request *ret)
{
	const char *words[4] = { NULL };
	char *rest = line;
	size_t n = 0;

	for (char *word; (word = strsep(&rest, BLANKS));) {
		if (*word == '#')
			break;
		if (!*word)
			continue;
		if (n == ARRAY_SIZE(words))
			return -EINVAL;
		words[n++] = word;
	}
	if (n == 0)
		return 0;
	/* a fingerprint may stand in the remote name's place */
	if (n == 3 && strncmp(words[2], "SHA256:", 7) == 0) {
		words[3] = words[2];
		words[2] = NULL;
	}
	if (n == 1 || (words[3] && strncmp(words[3], "SHA256:", 7) != 0))
		return -EINVAL;
	*ret = (struct pair_request){ words[0], words[1], words[2], words[3] };
	if (ret->remote_name && strcmp(ret->remote_name, "-") == 0)
		ret->remote_name = NULL;
	return 1;
}

void pair_print_program(const char *name, int code, const struct wire_greeting *greeting)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "camera", name ? name : "");
	json_add_number(o, "code", code);
	if (code == CLI_OK) {
		json_add_text(o, "remote_camera", greeting->camera);
		json_add_text(o, "archive_id", greeting->id);
	}
	json_print(o);
}

struct many {
	struct cli *cli;
	const char *path;
	unsigned lines, paired, failed;
	int code;
};

static int many_pair(struct many *many, char *text)
{
	struct pair_request request = { .name = text };
	struct wire_greeting greeting;
	int r = pair_line_parse(text, &request);

	if (r == 0)
		return CLI_OK;
	if (r > 0)
		text_print(stderr, "%s:%u: %s, %s\n", many->path, many->lines, request.name,
			request.destination);
	else
		cli_error(many->cli,
			"%s:%u: not NAME [USER@]HOST[:PORT] [REMOTE-NAME|-] [SHA256:...]",
			many->path, many->lines);
	r = r > 0 ? pair_one(many->cli, &request, &greeting) : CLI_USAGE;
	if (cli_flag(many->cli, "json"))
		pair_print_program(request.name, r, &greeting);
	many->paired += r == CLI_OK;
	many->failed += r != CLI_OK;
	return r;
}

int pair_many(struct cli *cli, const char *path)
{
	static const char *const alone[] = { "camera", "remote-name", "fingerprint", "serve" };
	struct many many = { .cli = cli, .path = path, .code = CLI_OK };
	CLEANUP_FREE char *text = NULL;
	char *rest, *line;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
		if (cli_value(cli, alone[i]))
			return cli_usage(cli, "--from FILE: --%s is of one camera", alone[i]);
	}
	if (cli->argc > 0 || cli_flag(cli, "rotate") || cli_flag(cli, "print"))
		return cli_usage(cli, "--from FILE has all that is to be paired");
	r = fs_read_file(AT_FDCWD, path, CONF_CAMERAS_MAX * PAIR_LINE_MAX, &text, NULL);
	if (r < 0)
		return cli_usage(cli, "%s: %s", path, strerror(-r));
	for (rest = text; (line = strsep(&rest, "\n"));) {
		many.lines++;
		r = many_pair(&many, line);
		if (r != CLI_OK)
			many.code = many.code == CLI_OK || many.code == r ? r : CLI_INTERNAL;
	}
	if (!cli_flag(cli, "json"))
		text_print(stdout, "%u of %u cameras are paired%s\n", many.paired,
			many.paired + many.failed,
			many.failed ? "; run it again for the others" : "");
	return many.code;
}
