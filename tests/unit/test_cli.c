/* SPDX-License-Identifier: MIT */
/* The command line of a small program with two settings: each run is a child of its own. */
#include "common/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/archive.h"
#include "common/log.h"
#include "tests/test.h"

struct settings {
	int64_t every;
	char path[CONF_VALUE_MAX];
};

static const struct conf_item items[] = {
	{
		.section = "s",
		.key = "every",
		.parse = conf_parse_duration,
		.print = conf_print_duration,
		.offset = offsetof(struct settings, every),
		.def = "1s",
		.min = 1,
		.max = INT64_MAX,
		.allowed = "a duration",
		.help = "How often",
	},
	{
		.section = "s",
		.key = "path",
		.parse = conf_parse_path,
		.print = conf_print_string,
		.offset = offsetof(struct settings, path),
		.def = "/none",
		.size = CONF_VALUE_MAX,
		.allowed = "a path",
		.help = "Where",
	},
};
static const struct conf_table table = { .items = items, .n_items = ARRAY_SIZE(items) };

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

/* Prints the settings as work would have them. */
static int work(struct cli *cli)
{
	CLEANUP_FREE void *data = NULL;
	const struct settings *settings;
	int r = cli_settings(cli, CLI_LENIENT, &data);

	if (r != CLI_OK)
		return r;
	settings = data;
	printf("%lld %s\n", (long long)settings->every, settings->path);
	return CLI_OK;
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
	{ "spill", "FILE", "print beside an open file", spill, NULL, 1, 1 },
	{ "later", "", "fail for now", tempfail, NULL, 0, 0 },
	{ "check", "", "check the settings", cli_check, NULL, 0, 0 },
	{ "dump", "", "print the settings", cli_dump, cli_json_option, 0, 0 },
	{ "list", "", "list lines", cli_list, cli_list_options, 0, 0 },
	{ "verify", "", "verify files", cli_verify, cli_verify_options, 0, 0 },
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

static int archive_of(struct cli *cli, const void *data, char ret[static PATH_MAX])
{
	const struct settings *settings = data;

	(void)cli;
	snprintf(ret, PATH_MAX, "%s", settings->path);
	return CLI_OK;
}

static struct cli_program program = {
	.name = "prog",
	.summary = "A program.",
	.commands = commands,
	.table = &table,
	.settings_size = sizeof(struct settings),
	.check = check_settings,
	.archive = archive_of,
};

static char folder[64], out[65536], err[8192];

static void make_home(void)
{
	test_make_folder(folder);
	setenv("XDG_CONFIG_HOME", folder, 1);
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

/* Runs "prog ARGS", words split at blanks; stdout goes to `to`, NULL: to `out`. Returns the exit code. */
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

static void write_settings(const char *name, const char *text)
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

TEST(bad_settings_warn_or_fail)
{
	make_home();
	write_settings("prog.conf", "[s]\nevery = x\npath = /p\n");
	CHECK_INT(run_plain("work"), 0);
	CHECK_STR(out, "1000000 /p\n");
	CHECK(strstr(err, "/prog/prog.conf:2: s.every = x: not a duration\n"));
	CHECK_INT(run_plain("check"), 78);
	CHECK_STR(err, "/prog/prog.conf:2: s.every = x: not a duration\n");
	CHECK_STR(out, "");
	write_settings("prog.conf", "[s]\nevery = 13us\n");
	CHECK_INT(run("work"), 0);
	CHECK(strstr(err, "s.every: 13 is no good\n"));
	CHECK_INT(run("check"), 78);
	CHECK_STR(err, "s.every: 13 is no good\n");
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
	CHECK_STR(out, "1000000 /none\n");
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
		"# Where (a path)\npath = /none\n");
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

#define SLOT0 INT64_C(1763654460000000) /* 2025-11-20T16:01:00Z */

static struct record new_frame(uint64_t seq)
{
	struct record frame = record_new(RECORD_FRAME);

	frame.seq = seq;
	frame.slot_us = SLOT0 + (int64_t)seq * 60000000;
	frame.exposed_us = frame.slot_us + 400;
	frame.late_us = 400;
	frame.up_ns = 1;
	return frame;
}

static struct record new_miss(uint64_t seq)
{
	struct record miss = record_new(RECORD_MISS);

	miss.seq = seq;
	miss.slot_us = miss.last_us = SLOT0 + (int64_t)seq * 60000000;
	miss.cause = MISS_BUSY;
	return miss;
}

/* An archive in the folder, and settings that point to it. */
static struct archive *new_archive(void)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE };
	char path[128], text[256];
	struct archive *archive = NULL;

	make_home();
	snprintf(path, sizeof(path), "%s/archive", folder);
	snprintf(text, sizeof(text), "[s]\npath = %s\n", path);
	write_settings("prog.conf", text);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	return archive;
}

/* The sequence numbers of `out`, which is JSON lines: "3 4 5"; an absent range as "6-9". */
static const char *numbers(void)
{
	static char text[4096];
	char *p = text;

	*p = '\0';
	for (const char *line = out; *line; line += strcspn(line, "\n") + 1) {
		unsigned long long first = 0, last = 0;

		p += sprintf(p, "%s", p == text ? "" : " ");
		if (sscanf(line, "{\"absent_first\":%llu,\"absent_last\":%llu", &first, &last) == 2)
			p += sprintf(p, "%llu-%llu", first, last);
		else if (sscanf(line, "{\"seq\":%llu", &first) == 1)
			p += sprintf(p, "%llu", first);
		else
			p += sprintf(p, "?");
	}
	return text;
}

struct list_case {
	const char *args, *want;
};

static void check_lists(const struct list_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(run(cases[i].args), 0);
		CHECK_STR(numbers(), cases[i].want);
		CHECK_STR(err, "");
	}
}

TEST(list_of_a_camera)
{
	static const struct list_case cases[] = {
		{ "list --json", "6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25" },
		{ "list --json -n 3", "23 24 25" },
		{ "list --json -n 24",
			"2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
			"24 25" },
		{ "list --json -n 100",
			"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
			"23 24 25" },
		{ "list --json --from 24", "24 25" },
		{ "list --json --from 3 -n 2", "3 4" },
		{ "list --json --from 26", "" },
		{ "list --json --gaps", "5 10 15 20 25" },
		{ "list --json --gaps -n 2", "20 25" },
		{ "list --json --gaps --from 6 -n 2", "10 15" },
	};
	struct archive *archive = new_archive();

	if (!archive)
		return;
	for (uint64_t seq = 1; seq <= 25; seq++) {
		struct record record = seq % 5 ? record_new(RECORD_CLOCK) : new_miss(seq);

		record.before_us = SLOT0;
		record.after_us = SLOT0 + 1;
		CHECK_INT(archive_note(archive, &record), 0);
	}
	archive_free(archive);
	check_lists(cases, ARRAY_SIZE(cases));
	CHECK_INT(run("list -n 2"), 0);
	CHECK(strncmp(out, "24  ", 4) == 0 && strstr(out, "\n25  "));
	CHECK(strstr(out, "missed"));
	CHECK_INT(run("list -n 0"), 2);
	CHECK_INT(run("list --from 1000000000000"), 2);
	test_remove_folder(folder);
}

/* A puller's journal is in the order of arrival and has holes; lists are by number all the same. */
TEST(list_of_a_copy)
{
	static const uint64_t arrival[] = { 100005, 100004, 30007, 100001, 99999, 99998, 30006,
		12 };
	static const struct list_case cases[] = {
		{ "list --json", "12 30006 30007 99998 99999 100001 100004 100005" },
		{ "list --json -n 3", "100001 100004 100005" },
		{ "list --json -n 5", "99998 99999 100001 100004 100005" },
		{ "list --json --from 30007", "30007 99998 99999 100001 100004 100005" },
		{ "list --json --from 30008 -n 1", "99998" },
		{ "list --json --gaps",
			"13-30005 30006 30008-99997 99998 100000-100000 "
			"100002-100003 100004" },
		{ "list --json --gaps --from 99999", "100000-100000 100002-100003 100004" },
		{ "list --json --gaps -n 2", "100002-100003 100004" },
	};
	struct archive *archive = new_archive();

	if (!archive)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(arrival); i++) {
		struct record record = new_miss(arrival[i]);

		if (arrival[i] % 2) {
			record = record_new(RECORD_CLOCK);
			record.seq = arrival[i];
			record.before_us = record.after_us = SLOT0;
		} else if (arrival[i] == 12) {
			record = record_new(RECORD_PRUNE);
			record.seq = 12;
			record.first_seq = record.last_seq = 1;
			snprintf(record.text, sizeof(record.text), "space");
		}
		CHECK_INT(archive_store_record(archive, &record), 0);
	}
	archive_free(archive);
	check_lists(cases, ARRAY_SIZE(cases));
	CHECK_INT(run("list --gaps -n 2"), 0);
	CHECK(strstr(out, "100002 to 100003 are not here (2)\n") == out);
	test_remove_folder(folder);
}

TEST(list_without_an_archive)
{
	struct archive *archive;

	make_home();
	CHECK_INT(run("list"), 1);
	CHECK_STR(err, "prog: /none: no archive there yet\n");
	test_remove_folder(folder);
	archive = new_archive();
	archive_free(archive);
	CHECK_INT(run("list"), 0);
	CHECK_STR(out, "");
	CHECK_INT(run("list --gaps"), 0);
	CHECK_STR(out, "");
	test_remove_folder(folder);
}

TEST(verify)
{
	static const uint8_t jpeg[] = { 0xff, 0xd8, 'x', 'y', 0xff, 0xd9 };
	char path[256], name[FRAME_PATH_MAX];
	struct archive *archive = new_archive();
	struct record frame = new_frame(0);
	struct frame_name parts;
	int fd;

	if (!archive)
		return;
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	archive_free(archive);
	CHECK_INT(run("verify"), 0);
	CHECK_STR(out, "1 lines, 1 frames: 1 files right (6 bytes); findings: 0\n");
	CHECK_STR(err, "");
	CHECK_INT(run("verify --json"), 0);
	CHECK(strstr(out, "\"checked\":1,\"bytes\":6,"));

	parts = record_name(&frame);
	CHECK(frame_name_path(&parts, name) >= 0);
	snprintf(path, sizeof(path), "%s/archive/%s", folder, name);
	chmod(path, 0600);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "z", 1, 2), 1);
	close(fd);
	CHECK_INT(run("verify --quick"), 0);
	CHECK_INT(run("verify"), 1);
	CHECK(strstr(out, "findings: 1\n"));
	CHECK_INT(run("verify --json"), 1);
	CHECK(strstr(out, "{\"finding\":\"hash\",\"seq\":1,") == out);
	CHECK(strstr(out, "\"findings\":1}\n"));
	test_remove_folder(folder);
}
