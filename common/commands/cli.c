/* SPDX-License-Identifier: MIT */
/*
 * The command line: general options, then a command with its own options and operands, by
 * getopt_long. getopt's own messages are off, because ours name the next step.
 */
#include "common/commands/cli.h"
#include "common/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/text.h"

#define OPTION_BASE 256 /* getopt_long's value of the long form of option 0 */
#define NEXT_OPTION (-1) /* what is left of the command line is still to be read */

/* The first is of programs with name_defaults(), the next two of those with settings. */
static const struct cli_option general_options[] = {
	{ "name", 0, "NAME", "another camera beside the first, of NAME.conf" },
	{ NULL, 'c', "FILE", "read settings from FILE" },
	{ NULL, 'o', "SECTION.KEY=VALUE", "set one setting; may be repeated" },
	{ NULL, 'v', NULL, "log more" },
	{ "help", 'h', NULL, "show this" },
	{ "version", 'V', NULL, "show the version" },
	{ .help = NULL },
};

static const struct cli_option *general_options_of(const struct cli_program *program)
{
	return general_options + (program->name_defaults ? 0 : program->table ? 1 : 3);
}

/*
 * The options that may come next, and what getopt_long gets of them. The command's own are first:
 * its -o is not the general one.
 */
struct grammar {
	const struct cli_option *options[ARRAY_SIZE(general_options) + CLI_OPTIONS_MAX];
	size_t n, n_command;
	char letters[2 + 2 * (ARRAY_SIZE(general_options) + CLI_OPTIONS_MAX) + 1];
	struct option longs[ARRAY_SIZE(general_options) + CLI_OPTIONS_MAX + 1];
};

bool cli_name_ok(const char *program, const char *name)
{
	static const char front[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	return *name && strchr(front, *name) && strlen(name) < CLI_NAME_MAX &&
		name[strspn(name, "-_abcdefghijklmnopqrstuvwxyz0123456789")] == '\0' &&
		strcmp(name, program) != 0;
}

static void PRINTF(2, 0)
	message_print(const struct cli *cli, const char *fmt, va_list ap, bool hint)
{
	char text[1024];

	text_vformat(text, sizeof(text), fmt, ap);
	if (!hint)
		text_print(stderr, "%s: %s\n", cli->program->name, text);
	else
		text_print(stderr, "%s: %s; see `%s%s%s --help`\n", cli->program->name, text,
			cli->program->name, cli->command ? " " : "",
			cli->command ? cli->command->name : "");
}

void cli_error(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message_print(cli, fmt, ap, false);
	va_end(ap);
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message_print(cli, fmt, ap, true);
	va_end(ap);
	return CLI_USAGE;
}

static int option_index(const struct cli *cli, const char *name)
{
	const struct cli_option *options = cli->command->options;

	for (int i = 0; options && options[i].name; i++) {
		if (strcmp(options[i].name, name) == 0)
			return i;
	}
	return -1;
}

const char *cli_value(const struct cli *cli, const char *name)
{
	int i = option_index(cli, name);

	assert(i >= 0);
	return cli->given[i];
}

bool cli_flag(const struct cli *cli, const char *name)
{
	return cli_value(cli, name) != NULL;
}

int cli_quantity(const struct cli *cli, const char *name, const struct conf_type *type, int64_t min,
	int64_t max, int64_t *ret)
{
	const struct conf_item item = { .type = type, .min = min, .max = max };
	const char *text = cli_value(cli, name);
	char refusal[CONF_REFUSAL_MAX];
	int r = text ? conf_parse(&item, text, ret) : 0;

	if (r < 0)
		return cli_usage(
			cli, "--%s %s: %s", name, text, conf_refusal(&item, text, r, refusal));
	return CLI_OK;
}

int cli_number(const struct cli *cli, const char *name, int64_t min, int64_t max, int64_t def,
	int64_t *ret)
{
	int64_t number = def;
	int r = cli_quantity(cli, name, &conf_int, min, max, &number);

	if (r == CLI_OK)
		*ret = number;
	return r;
}

int cli_time(const struct cli *cli, const char *name, enum when_edge edge, int64_t *ret_us)
{
	const char *text = cli_value(cli, name);

	*ret_us = TIME_NONE;
	if (!text || when_parse(text, edge, clock_wall_us(&clock_real), ret_us) == 0)
		return CLI_OK;
	return cli_usage(cli, "--%s %s: not " WHEN_GRAMMAR, name, text);
}

int cli_span(const struct cli *cli, int64_t *ret_since_us, int64_t *ret_until_us)
{
	int r = cli_time(cli, "since", WHEN_FROM, ret_since_us);

	if (r == CLI_OK)
		r = cli_time(cli, "until", WHEN_TO, ret_until_us);
	if (r == CLI_OK && *ret_until_us != TIME_NONE && *ret_since_us > *ret_until_us)
		return cli_usage(cli, "--since %s is after --until %s", cli_value(cli, "since"),
			cli_value(cli, "until"));
	return r;
}

static void print_options(const struct cli_option *options)
{
	for (; options && options->help; options++) {
		char left[64];
		bool both = options->name && options->letter;

		snprintf(left, sizeof(left), "%s%.*s%s%s%s%s%s", options->letter ? "-" : "    ",
			options->letter ? 1 : 0, &options->letter, both ? ", " : "",
			options->name ? "--" : "", options->name ? options->name : "",
			options->arg ? " " : "", options->arg ? options->arg : "");
		text_print(stdout, "  %-22s %s\n", left, options->help);
	}
}

static void print_command_help(const struct cli_program *program, const struct cli_command *command)
{
	bool operands = command->operands && *command->operands;

	text_print(stdout, "Usage: %s %s [OPTION]...%s%s\n\n", program->name, command->name,
		operands ? " " : "", operands ? command->operands : "");
	text_print(stdout, "%s\n\n", command->help);
	print_options(command->options);
	print_options(general_options_of(program));
}

static void print_help(const struct cli_program *program)
{
	text_print(stdout, "Usage: %s [OPTION]... COMMAND [OPTION]... [OPERAND]...\n\n",
		program->name);
	text_print(stdout, "%s\n\n", program->summary);
	for (const struct cli_command *c = program->commands; c->name; c++)
		text_print(stdout, "  %-12s %s\n", c->name, c->help);
	fputs("\n", stdout);
	print_options(general_options_of(program));
	fputs("\n", stdout);
	text_print(stdout, "See also `%s COMMAND --help`, %s(1)", program->name, program->name);
	if (program->table)
		text_print(stdout, ", %s.conf(5)", program->name);
	fputs(".\n", stdout);
}

static void grammar_add(struct grammar *g, const struct cli_option *option)
{
	char *letter = g->letters + strlen(g->letters);
	struct option *end = g->longs;

	while (end->name)
		end++;
	for (; option && option->help; option++) {
		assert(g->n < ARRAY_SIZE(g->options));
		if (option->name)
			*end++ = (struct option){ option->name,
				option->arg ? required_argument : no_argument, NULL,
				OPTION_BASE + (int)g->n };
		if (option->letter)
			*letter++ = option->letter;
		if (option->letter && option->arg)
			*letter++ = ':';
		g->options[g->n++] = option;
	}
}

/* getopt said '?' or ':' about argv[optind - 1] or the letter `optopt`. */
static int tell_bad_option(const struct cli *cli, int answer, char **argv)
{
	const char *word = argv[optind - 1];
	const struct cli_option *options = cli->command ? cli->command->options : NULL;
	char letter[3] = { '-', (char)optopt, '\0' };

	if (strncmp(word, "--", 2) != 0 || (optopt > 0 && optopt < OPTION_BASE))
		word = letter;
	if (answer == ':')
		return cli_usage(cli, "%s: needs a value", word);
	if (optopt >= OPTION_BASE)
		return cli_usage(cli, "%s: takes no value", word);
	for (; options && options->name; options++) {
		if (word != letter && conf_is_near(word + 2, options->name))
			return cli_usage(
				cli, "%s: unknown option; did you mean --%s?", word, options->name);
	}
	return cli_usage(cli, "%s: unknown option", word);
}

static int take_name(struct cli *cli, const char *name)
{
	const char *program = cli->program->name;

	if (!cli_name_ok(program, name))
		return cli_usage(
			cli, "--name %s: not a name: " CLI_NAME_RULE ", and not %s", name, program);
	cli->name = name;
	snprintf(cli->call, sizeof cli->call, "%s --name %s", program, name);
	snprintf(cli->unit, sizeof cli->unit, "%s@%s", program, name);
	return NEXT_OPTION;
}

static int take_general(struct cli *cli, const struct cli_option *option)
{
	switch (option->letter) {
	case 'c':
		cli->file = optarg;
		return NEXT_OPTION;
	case 'o':
		if (cli->n_overrides == ARRAY_SIZE(cli->overrides))
			return cli_usage(cli, "-o: at most %d are taken", CLI_OVERRIDES_MAX);
		cli->overrides[cli->n_overrides++] = optarg;
		return NEXT_OPTION;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		return NEXT_OPTION;
	case 'h':
		if (cli->command)
			print_command_help(cli->program, cli->command);
		else
			print_help(cli->program);
		return CLI_OK;
	case 'V':
		text_print(stdout, "%s %s\n", cli->program->name, CAPTUREPI_VERSION);
		return CLI_OK;
	default:
		return take_name(cli, optarg);
	}
}

/* Takes the option that getopt answered with. NEXT_OPTION, or an exit code. */
static int take_option(struct cli *cli, const struct grammar *g, int answer)
{
	size_t i = answer >= OPTION_BASE ? (size_t)(answer - OPTION_BASE) : 0;

	while (answer < OPTION_BASE && g->options[i]->letter != answer)
		i++;
	if (i >= g->n_command)
		return take_general(cli, g->options[i]);
	cli->given[i] = optarg ? optarg : "";
	return NEXT_OPTION;
}

/*
 * Takes options; `optind` is left at the first operand. Before the command is known, that ends the
 * options. NEXT_OPTION, or an exit code; help and version are answered here.
 */
static int take_options(struct cli *cli, int argc, char **argv)
{
	struct grammar g = { .n = 0 };
	int answer, r = NEXT_OPTION;

	strcpy(g.letters, cli->command ? ":" : "+:");
	if (cli->command)
		grammar_add(&g, cli->command->options);
	g.n_command = g.n;
	grammar_add(&g, general_options_of(cli->program));
	opterr = 0;
	optind = 0; /* glibc: from the beginning */
	while (r == NEXT_OPTION &&
		(answer = getopt_long(argc, argv, g.letters, g.longs, NULL)) != -1)
		r = answer == '?' || answer == ':' ? tell_bad_option(cli, answer, argv)
						   : take_option(cli, &g, answer);
	return r;
}

static int find_command(struct cli *cli, const char *name)
{
	for (const struct cli_command *c = cli->program->commands; c->name; c++) {
		if (strcmp(c->name, name) == 0) {
			cli->command = c;
			return CLI_OK;
		}
	}
	for (const struct cli_command *c = cli->program->commands; c->name; c++) {
		if (conf_is_near(name, c->name))
			return cli_usage(
				cli, "%s: unknown command; did you mean `%s`?", name, c->name);
	}
	return cli_usage(cli, "%s: unknown command", name);
}

static int check_operands(const struct cli *cli)
{
	if (cli->argc < cli->command->min_operands)
		return cli_usage(cli, "%s: something is missing: %s %s %s", cli->command->name,
			cli->program->name, cli->command->name, cli->command->operands);
	if (cli->argc > cli->command->max_operands)
		return cli_usage(cli, "%s: too much for `%s`",
			cli->argv[cli->command->max_operands], cli->command->name);
	return CLI_OK;
}

static int parse_and_run(struct cli *cli, int argc, char **argv)
{
	int r = take_options(cli, argc, argv);

	if (r != NEXT_OPTION)
		return r;
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return cli_usage(cli, "a command is missing");
	r = find_command(cli, argv[0]);
	if (r != CLI_OK)
		return r;
	r = take_options(cli, argc, argv);
	if (r != NEXT_OPTION)
		return r;
	cli->argc = argc - optind;
	cli->argv = argv + optind;
	r = check_operands(cli);
	return r != CLI_OK ? r : cli->command->run(cli);
}

/*
 * A closed stdin, stdout or stderr would be the number of the next file that is opened, and text
 * for a person would end up in it. What is put there instead cannot be written, so that it is
 * noticed.
 */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO); /* ours: a number */
	if (fd > STDERR_FILENO) /* ours: a number */
		close(fd);
}

/* Whether stdout took all of it. Whoever read through a pipe and went away knows that it did. */
static bool finish_stdout(const struct cli *cli)
{
	struct pollfd reader = { .fd = STDOUT_FILENO, .events = POLLOUT }; /* ours */
	bool failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return true;
	if (errno == EPIPE || (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR)))
		return false;
	/* of an earlier failure only this much is known */
	cli_error(cli, "stdout cannot be written: %s",
		errno ? strerror(errno) : "the output is not complete");
	return false;
}

int cli_main(const struct cli_program *program, int argc, char **argv)
{
	struct cli cli = { .program = program };
	int code;

	snprintf(cli.call, sizeof cli.call, "%s", program->name);
	snprintf(cli.unit, sizeof cli.unit, "%s", program->name);
	fill_standard_fds();
	signal(SIGPIPE, SIG_IGN);
	code = parse_and_run(&cli, argc, argv);
	return finish_stdout(&cli) || code != CLI_OK ? code : CLI_INTERNAL;
}
