/* SPDX-License-Identifier: MIT */
/*
 * For tests of the command line: a program with two settings, each run a child of its own. The test
 * defines `program`, made with CLI_KIT_PROGRAM of its commands.
 */
#pragma once

#include "common/commands/cli.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/test.h"

struct settings {
	int64_t every;
	char path[CONF_VALUE_MAX];
};

static const struct conf_item items[] = {
	{ "s", "every", &conf_duration, CONF_FIELD(struct settings, every), "1s", "How often",
		.min = 1, .max = INT64_MAX },
	{ "s", "path", &conf_path, CONF_FIELD(struct settings, path), "/none", "Where" },
};
static const struct conf_table table = { .items = items, .n_items = ARRAY_SIZE(items) };

__attribute__((unused)) static int archive_of(
	struct cli *cli, const void *data, char ret[static PATH_MAX])
{
	const struct settings *settings = data;

	(void)cli;
	snprintf(ret, PATH_MAX, "%s", settings->path);
	return CLI_OK;
}

#define CLI_KIT_PROGRAM(table_of_commands)                                                         \
	.name = "prog", .summary = "A program.", .commands = (table_of_commands), .table = &table, \
	.settings_size = sizeof(struct settings), .archive = archive_of

static const struct cli_program program;

static char folder[64], out[65536], err[8192];

static void make_home(void)
{
	char state[80];

	test_make_folder(folder);
	setenv("XDG_CONFIG_HOME", folder, 1);
	snprintf(state, sizeof state, "%s/state", folder);
	setenv("XDG_STATE_HOME", state, 1);
	unsetenv("STATE_DIRECTORY");
}

static void read_back(const char *name, char *text, size_t size)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void redirect(int fd, const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(file, fd);
	close(file);
}

/*
 * Runs "prog ARGS", words split at blanks; stdout goes to `to`, NULL: to `out`. Returns the exit
 * code.
 */
static int run_to(const char *to, const char *args)
{
	char path[128], words[2048], *argv[256], *word, *rest = words;
	int argc = 0, status = 0;
	pid_t pid;

	snprintf(words, sizeof(words), "prog %s", args);
	while ((word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	argv[argc] = NULL;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		snprintf(path, sizeof(path), "%s/err", folder);
		redirect(STDERR_FILENO, path);
		snprintf(path, sizeof(path), "%s/out", folder);
		redirect(STDOUT_FILENO, to ? to : path);
		setvbuf(stdout, NULL, _IOFBF, BUFSIZ); /* as a program has it, not a test */
		_exit(cli_main(&program, argc, argv));
	}
	waitpid(pid, &status, 0);
	read_back("err", err, sizeof(err));
	if (!to)
		read_back("out", out, sizeof(out));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *args)
{
	return run_to(NULL, args);
}

__attribute__((unused)) static void write_settings(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/prog", folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/prog/%s", folder, name);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}
