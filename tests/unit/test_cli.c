/* SPDX-License-Identifier: MIT */
/* The command line of a small program with two settings: each run is a child of its own. */
#include <signal.h>

#include "tests/unit/cli_kit.h"

static const struct cli_option show_options[] = {
	{ "number", 'n', "N", "a number from 1 to 9" },
	{ "flag", 0, NULL, "a flag" },
	{ .name = NULL },
};

/* Prints what it was given, so that a test can see it. */
static int show(struct cli *cli)
{
	int64_t number;
	int r = cli_number(cli, "number", 1, 9, 5, &number);

	if (r != CLI_OK)
		return r;
	printf("%lld %d", (long long)number, cli_flag(cli, "flag"));
	for (int i = 0; i < cli->argc; i++)
		printf(" <%s>", cli->argv[i]);
	printf("\n");
	return CLI_OK;
}

static int print_settings(struct cli *cli, enum cli_strictness strictness)
{
	CLEANUP_FREE void *data = NULL;
	const struct settings *settings;
	int r = cli_settings(cli, strictness, &data);

	if (r != CLI_OK)
		return r;
	settings = data;
	printf("%lld %s%s\n", (long long)settings->every, settings->path,
		cli->last_good       ? " last good"
			: cli->wrong ? " wrong"
				     : "");
	return CLI_OK;
}

/* Prints the settings as a command that looks would have them. */
static int work(struct cli *cli)
{
	return print_settings(cli, CLI_LENIENT);
}

/* The same as a service. */
static int keep(struct cli *cli)
{
	return print_settings(cli, CLI_KEEP);
}

/* Prints while a file is open for writing. */
static int spill(struct cli *cli)
{
	CLEANUP_FD int fd = open(cli->argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	printf("not for the file\n");
	fflush(stdout);
	return fd < 0 ? CLI_INTERNAL : CLI_OK;
}

static int tempfail(struct cli *cli)
{
	printf("%lu\n", (unsigned long)cli->n_overrides);
	cli_error(cli, "later%c", 7);
	return CLI_TEMPFAIL;
}

static const struct cli_command commands[] = {
	{ "show", "A [B]", "show what was given", show, show_options, 1, 2 },
	{ "work", "", "show settings", work, NULL, 0, 0 },
	{ "keep", "", "keep settings", keep, NULL, 0, 0 },
	{ "spill", "FILE", "print beside an open file", spill, NULL, 1, 1 },
	{ "later", "", "fail for now", tempfail, NULL, 0, 0 },
	{ "check", "", "check the settings", cli_check, NULL, 0, 0 },
	{ "dump", "", "print the settings", cli_dump, cli_json_option, 0, 0 },
	{ .name = NULL },
};

static int check_settings(void *data, conf_complain *complain, void *complain_data)
{
	const struct settings *settings = data;

	if (settings->every != 13)
		return 0;
	complain(complain_data, "s.every: 13 is no good");
	return 1;
}

static void name_defaults(void *data, const char *name)
{
	struct settings *settings = data;

	snprintf(settings->path, sizeof settings->path, "/none-%s", name);
}

static const struct cli_program program = {
	CLI_KIT_PROGRAM(commands),
	.check = check_settings,
	.name_defaults = name_defaults,
};

static const struct {
	const char *args;
	int code;
	const char *out, *err;
} runs[] = {
	{ "show a", 0, "5 0 <a>\n", "" },
	{ "show a b --flag -n 3", 0, "3 1 <a> <b>\n", "" },
	{ "show --number=9 a", 0, "9 0 <a>\n", "" },
	{ "show -n 3 -n 4 -- -a", 0, "4 0 <-a>\n", "" },
	{ "-o s.every=2s later -o s.every=3s", 75, "2\n", "prog: later?\n" },
	{ "--version", 0, "prog " CAPTUREPI_VERSION "\n", "" },
	{ "show -V", 0, "prog " CAPTUREPI_VERSION "\n", "" },
	{ "", 2, "", "prog: a command is missing; see `prog --help`\n" },
	{ "shwo", 2, "", "prog: shwo: unknown command; did you mean `show`?; see `prog --help`\n" },
	{ "nonsense", 2, "", "prog: nonsense: unknown command; see `prog --help`\n" },
	{ "show", 2, "",
		"prog: show: something is missing: prog show A [B]; see `prog show --help`\n" },
	{ "show a b c", 2, "", "prog: c: too much for `show`; see `prog show --help`\n" },
	{ "show a -n", 2, "", "prog: -n: needs a value; see `prog show --help`\n" },
	{ "show a --number", 2, "", "prog: --number: needs a value; see `prog show --help`\n" },
	{ "show a -n x", 2, "",
		"prog: --number x: not a number from 1 to 9; see `prog show --help`\n" },
	{ "show a -n 10", 2, "",
		"prog: --number 10: not a number from 1 to 9; see `prog show --help`\n" },
	{ "show a --flag=1", 2, "", "prog: --flag=1: takes no value; see `prog show --help`\n" },
	{ "show a --flga", 2, "",
		"prog: --flga: unknown option; did you mean --flag?; see `prog show --help`\n" },
	{ "show a -x", 2, "", "prog: -x: unknown option; see `prog show --help`\n" },
	{ "-x show a", 2, "", "prog: -x: unknown option; see `prog --help`\n" },
	{ "-c", 2, "", "prog: -c: needs a value; see `prog --help`\n" },
	{ "show \x1b[2J a b", 2, "", "prog: b: too much for `show`; see `prog show --help`\n" },
};

TEST(command_lines)
{
	make_home();
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		CHECK_INT(run(runs[i].args), runs[i].code);
		CHECK_STR(out, runs[i].out);
		CHECK_STR(err, runs[i].err);
	}
	test_remove_folder(folder);
}

TEST(too_many_overrides)
{
	char args[1024] = "later", *p = args + strlen(args);

	make_home();
	for (int i = 0; i < CLI_OVERRIDES_MAX; i++)
		p = stpcpy(p, " -oa=b");
	CHECK_INT(run(args), 75);
	CHECK_STR(out, "64\n");
	stpcpy(p, " -oa=b");
	CHECK_INT(run(args), 2);
	CHECK_STR(err, "prog: -o: at most 64 are taken; see `prog later --help`\n");
	test_remove_folder(folder);
}

/* 80 columns; less where "prog" stands for the longer name of a real program, up to three times */
static void check_columns(const char *text)
{
	char line[256];

	for (const char *p = text; *p; p += strcspn(p, "\n") + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
		if (!CHECK(strlen(line) <= (strstr(line, "prog") ? 65 : 80)))
			fprintf(stderr, "  %s\n", line);
	}
}

TEST(help)
{
	char args[64];

	make_home();
	CHECK_INT(run("-h"), 0);
	CHECK(strstr(out, "Usage: prog [OPTION]... COMMAND [OPTION]... [OPERAND]...\n") == out);
	CHECK(strstr(out, "\n  show         show what was given\n"));
	check_columns(out);
	CHECK_STR(err, "");
	for (const struct cli_command *c = commands; c->name; c++) {
		snprintf(args, sizeof(args), "%s --help", c->name);
		CHECK_INT(run(args), 0);
		CHECK(strstr(out, "Usage: prog ") == out);
		check_columns(out);
	}
	CHECK_INT(run("show --help"), 0);
	CHECK(strstr(out, "\n  -n, --number N         a number from 1 to 9\n"));
	CHECK(strstr(out, "\n      --flag             a flag\n"));
	test_remove_folder(folder);
}

/* The same with the folder's name taken out of `err` and `out`. */
static int run_plain(const char *args)
{
	int code = run(args);
	char *texts[] = { out, err }, *found;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		while ((found = strstr(texts[i], folder)))
			memmove(found, found + strlen(folder), strlen(found + strlen(folder)) + 1);
	}
	return code;
}

TEST(settings_files)
{
	char args[128];

	make_home();
	CHECK_INT(run("work"), 0);
	CHECK_STR(out, "1000000 /none\n");
	CHECK_INT(run_plain("check"), 0);
	CHECK_STR(out, "/prog/prog.conf: not there; the defaults hold\n");
	CHECK_INT(run("check -c /nowhere/x"), 78);
	CHECK_STR(err, "prog: /nowhere/x: No such file or directory; give another file with -c\n");
	CHECK_INT(run("work -c /nowhere/x"), 78);

	write_settings("prog.conf", "[s]\nevery = 2s\n");
	write_settings("other.conf", "[s]\nevery = 3s\n");
	CHECK_INT(run("work"), 0);
	CHECK_STR(out, "2000000 /none\n");
	CHECK_INT(run_plain("check"), 0);
	CHECK_STR(out, "/prog/prog.conf: all settings are right\n");
	snprintf(args, sizeof(args), "work -c %s/prog/other.conf", folder);
	CHECK_INT(run(args), 0);
	CHECK_STR(out, "3000000 /none\n");
	CHECK_INT(run("-o s.every=4s work -o s.path=/p"), 0);
	CHECK_STR(out, "4000000 /p\n");
	CHECK_INT(run("work -o s.evry=4s"), 78);
	CHECK_STR(err, "-o s.evry: unknown key; did you mean `every`?\n");
	test_remove_folder(folder);
}

/*
 * Another one beside the first: settings of its own, which must be there, over defaults of its own.
 */
TEST(names)
{
	static const char *const bad[] = { "../x", "@", "a/b", "Porch", "porch.service",
		"porch.conf", "-porch", "_", ".", "gart\xc3\xa4n", "a%b", "a\\b", "prog",
		"a123456789012345678901234567890123456789012345678901234567890123" };
	char args[128];

	make_home();
	write_settings("prog.conf", "[s]\nevery = 2s\n");
	write_settings("porch.conf", "[s]\nevery = 3s\n");
	write_settings("2-nd_one.conf", "[s]\npath = /p\n");
	CHECK_INT(run("work"), 0);
	CHECK_STR(out, "2000000 /none\n");
	CHECK_INT(run("--name porch work"), 0);
	CHECK_STR(out, "3000000 /none-porch\n");
	CHECK_INT(run("work --name=2-nd_one"), 0);
	CHECK_STR(out, "1000000 /p\n");
	CHECK_INT(run_plain("--name attic work"), 78);
	CHECK_STR(err, "prog: no camera attic: its settings would be in /prog/attic.conf\n");
	CHECK_INT(run_plain("--name attic check"), 78);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(args, sizeof args, "--name=%s work", bad[i]);
		CHECK_INT(run(args), 2);
		if (!CHECK(strstr(err, "not a name: small letters, digits, - and _, at most 63")))
			fprintf(stderr, "  %s: %s\n", bad[i], err);
	}
	CHECK_INT(run("--name= work"), 2);
	CHECK_INT(run("work --name"), 2);
	CHECK_STR(err, "prog: --name: needs a value; see `prog work --help`\n");
	CHECK(!cli_name_ok("prog", "a b"));
	CHECK(cli_name_ok("prog", &bad[ARRAY_SIZE(bad) - 1][1])); /* 63 */
	test_remove_folder(folder);
}

TEST(bad_settings_warn_or_fail)
{
	char args[128];

	make_home();
	write_settings("prog.conf", "[s]\nevery = x\npath = /p\n");
	CHECK_INT(run_plain("work"), 0);
	CHECK_STR(out, "1000000 /p wrong\n");
	CHECK(strstr(err, "/prog/prog.conf:2: s.every = x: not a duration\n"));
	CHECK_INT(run_plain("check"), 78);
	CHECK_STR(err, "/prog/prog.conf:2: s.every = x: not a duration\n");
	CHECK_STR(out, "");
	/*
	 * work by a file that was named, and is wrong, would be work by a mixture with the defaults
	 */
	snprintf(args, sizeof(args), "keep -c %s/prog/prog.conf", folder);
	CHECK_INT(run(args), 78);
	CHECK_STR(out, "");
	CHECK_INT(run("keep"), 0);
	write_settings("prog.conf", "[s]\nevery = 13us\n");
	CHECK_INT(run("work"), 0);
	CHECK(strstr(err, "s.every: 13 is no good\n"));
	CHECK_INT(run("check"), 78);
	CHECK_STR(err, "s.every: 13 is no good\n");
	test_remove_folder(folder);
}

/*
 * A start with wrong settings goes by the last good ones, whole; never by a mixture with the
 * defaults.
 */
TEST(the_last_good_settings_hold)
{
	static const char good[] = "[s]\nevery = 2s\npath = /disk/one\n# end\n";
	static const struct {
		const char *text; /* NULL: a folder is there; "-": nothing is */
		const char *out;
	} cases[] = {
		{ "[s]\nevery = x\npath = /other\n", "2000000 /disk/one last good\n" },
		{ "[s]\nevery = 60\n", "2000000 /disk/one last good\n" },
		{ "every = 5s\npath = /other\n", "2000000 /disk/one last good\n" },
		{ "[t]\nevery = 5s\n", "2000000 /disk/one last good\n" },
		{ "[s]\nevry = 5s\n", "2000000 /disk/one last good\n" },
		{ "", "2000000 /disk/one last good\n" },
		{ "[s]\nevery = 2s\npath = /di", "2000000 /disk/one last good\n" },
		{ "[s]\nevery = 2s\npath = /disk/one\n# e", "2000000 /disk/one last good\n" },
		{ "[s]\nevery = 2s\npath", "2000000 /disk/one last good\n" },
		{ "[s]\nevery = 13us\n", "2000000 /disk/one last good\n" }, /* check() */
		{ "\xff\xfe\x01\n", "2000000 /disk/one last good\n" },
		{ NULL, "2000000 /disk/one last good\n" },
		/* these are meant: all of it, its first lines, nothing but a comment, no file */
		{ "[s]\nevery = 2s\npath = /disk/one\n# end\n", "2000000 /disk/one\n" },
		{ "[s]\nevery = 2s\n", "2000000 /none\n" },
		{ "[s]\nevery = 2s\npath = /disk/one", "2000000 /disk/one\n" },
		{ "# nothing\n", "1000000 /none\n" },
		{ "-", "1000000 /none\n" },
	};
	char path[128], other[128], args[160];

	make_home();
	snprintf(path, sizeof path, "%s/prog/prog.conf", folder);
	snprintf(other, sizeof other, "%s/prog/other.conf", folder);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;
		bool wrong = strstr(cases[i].out, "last good");

		remove(path);
		write_settings("prog.conf", good);
		CHECK_INT(run("keep"), 0);
		CHECK_STR(out, "2000000 /disk/one\n");
		remove(path);
		if (!text)
			CHECK_INT(mkdir(path, 0700), 0);
		else if (strcmp(text, "-") != 0)
			write_settings("prog.conf", text);
		CHECK_INT(run("check"), wrong ? 78 : 0);
		/* those that look and the service see the same, again and again */
		CHECK_INT(run("work"), 0);
		CHECK_STR(out, cases[i].out);
		CHECK(!wrong || strstr(err, "the last good settings hold"));
		CHECK_INT(run("keep"), 0);
		CHECK_STR(out, cases[i].out);
		CHECK_INT(run("-o s.every=4s keep"), 0);
		CHECK(strncmp(out, "4000000 ", 8) == 0);
	}
	/* each file has its own, and one that is named may go */
	remove(path);
	write_settings("prog.conf", good);
	write_settings("other.conf", "[s]\nevery = 7s\n");
	snprintf(args, sizeof args, "keep -c %s", other);
	CHECK_INT(run(args), 0);
	CHECK_INT(remove(other), 0);
	CHECK_INT(run(args), 0);
	CHECK_STR(out, "7000000 /none last good\n");
	CHECK_INT(run("keep"), 0);
	CHECK_STR(out, "2000000 /disk/one\n");
	test_remove_folder(folder);
}

/* Nothing was good yet, or the copy cannot be written: what is right in the file holds. */
TEST(no_last_good_settings)
{
	char path[128];

	make_home();
	write_settings("prog.conf", "[s]\nevery = x\npath = /p\n");
	CHECK_INT(run("keep"), 0);
	CHECK_STR(out, "1000000 /p wrong\n");
	write_settings("prog.conf", "");
	CHECK_INT(run("keep"), 0);
	CHECK_STR(out, "1000000 /none\n");
	snprintf(path, sizeof path, "%s/state", folder);
	test_remove_folder(path);
	CHECK_INT(symlink("/nowhere/at/all", path), 0);
	write_settings("prog.conf", "[s]\nevery = 2s\n");
	CHECK_INT(run("keep"), 0);
	CHECK_STR(out, "2000000 /none\n");
	test_remove_folder(folder);
}

TEST(unreadable_default_file)
{
	char path[128];

	make_home();
	write_settings("x", "");
	snprintf(path, sizeof(path), "%s/prog/prog.conf", folder);
	mkdir(path, 0700);
	CHECK_INT(run("work"), 0);
	CHECK_STR(out, "1000000 /none wrong\n");
	CHECK(strstr(err, "Is a directory; going on with the defaults\n"));
	CHECK_INT(run("check"), 78);
	test_remove_folder(folder);
}

TEST(dump)
{
	make_home();
	CHECK_INT(run("dump -o s.every=90s"), 0);
	CHECK_STR(out,
		"[s]\n# How often (a duration)\nevery = 1min 30s\n"
		"# Where (an absolute path or ~/..., at most 511 bytes)\npath = /none\n");
	CHECK_INT(run("dump --json"), 0);
	CHECK(strstr(out, "\"path\":\"/none\""));
	test_remove_folder(folder);
}

TEST(stdout_that_takes_nothing)
{
	make_home();
	CHECK_INT(run_to("/dev/full", "show a"), 1);
	CHECK_STR(err, "prog: stdout cannot be written: No space left on device\n");
	CHECK_INT(run_to("/dev/full", "--help"), 1);
	CHECK_INT(run_to("/dev/full", "later"), 75);
	test_remove_folder(folder);
}

/* what is printed must not end up in the file that would have got the number of stdout */
TEST(closed_stdout)
{
	char path[128], *argv[] = { (char[]){ "prog" }, (char[]){ "spill" }, path, NULL };
	int status = 0;
	pid_t pid;

	make_home();
	snprintf(path, sizeof(path), "%s/file", folder);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		_exit(cli_main(&program, 3, argv));
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == CLI_INTERNAL);
	read_back("file", out, sizeof(out));
	CHECK_STR(out, "");
	test_remove_folder(folder);
}

TEST(reader_that_went_away)
{
	char *argv[] = { (char[]){ "prog" }, (char[]){ "dump" }, NULL }, path[128];
	int status = 0, fds[2];
	pid_t pid;

	make_home();
	CHECK_INT(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		snprintf(path, sizeof(path), "%s/err", folder);
		redirect(STDERR_FILENO, path);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		_exit(cli_main(&program, 2, argv));
	}
	close(fds[0]);
	close(fds[1]);
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	read_back("err", err, sizeof(err));
	CHECK_STR(err, "");
	test_remove_folder(folder);
}
