/* SPDX-License-Identifier: MIT */
/*
 * What both mains share: commands with their options, --help, settings, exit codes. A main is a
 * table of commands and `return cli_main(&program, argc, argv)`.
 *
 *   PROGRAM [--name NAME] [-c FILE] [-o SECTION.KEY=VALUE]... [-v] COMMAND [OPTION]... [OPERAND]...
 *
 * The general options may also follow the command. A program without a table of settings has no -c
 * and -o; one that runs only once for each user has no --name. Help goes to stdout and ends in 0.
 * An error is one line on stderr that names the thing and the next step, and never a usage dump.
 *
 * This is the edge of the program: these functions tell the person what is wrong and return an exit
 * code (0 or more), not a negative errno.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/util.h"
#include "common/base/when.h"
#include "common/settings/conf.h"

enum cli_exit {
	CLI_OK = 0, /* done, or nothing new */
	CLI_INTERNAL = 1, /* also: stdout cannot be written; `verify` found damage */
	CLI_USAGE = 2,
	CLI_TEMPFAIL = 75, /* unreachable or busy: try later */
	CLI_PROTOCOL = 76, /* protocol error or damaged data */
	CLI_REFUSED = 77, /* host key or login refused */
	CLI_SETTINGS = 78,
};

#define CLI_OVERRIDES_MAX 64
#define CLI_NAME_MAX 64 /* --name, NUL included; as a camera's */
#define CLI_OPTIONS_MAX 16 /* options of one command; each may be given once */

struct cli_option {
	const char *name; /* "from": --from */
	char letter; /* 'n': -n as well; 0: none; not c, v, h, V. o is not the general one then */
	const char *arg; /* "SEQ"; NULL: a flag */
	const char *help;
};

struct archive_head;
struct cli;

struct cli_command {
	const char *name;
	const char *operands; /* "USER@HOST[:PORT]" for the help; "" or NULL: none */
	const char *help; /* one line, at most 60 characters */
	int (*run)(struct cli *cli); /* returns an exit code */
	const struct cli_option *options; /* ends with a NULL name; NULL: none */
	int min_operands, max_operands;
};

struct cli_program {
	const char *name; /* "capturepi" */
	const char *summary; /* one line */
	const struct cli_command *commands; /* ends with a NULL name */
	const struct conf_table *table; /* NULL: it has no settings */
	size_t settings_size;
	/* Checks of more than one value; returns the number of complaints. May be NULL. */
	int (*check)(void *settings, conf_complain *complain, void *data);
	/*
	 * The defaults of another camera beside the first, the one that --name NAME means. Its
	 * settings are in NAME.conf, which must exist. NULL: there is only one, and no such option.
	 */
	void (*name_defaults)(void *settings, const char *name);
	/*
	 * Looks what of settings with mistakes must not be lost, though the last good ones, or
	 * those with the mistakes left out, are `used`. May be NULL.
	 */
	void (*fall_back)(const void *wrong, void *used);
	/*
	 * For cli_list() and cli_verify(): which archive is meant, by settings and operands.
	 * Returns an exit code.
	 */
	int (*archive)(struct cli *cli, const void *settings, char ret[static PATH_MAX]);
	/*
	 * For cli_verify(): the heads that are kept of the archive with that id, the oldest first,
	 * for free(). -errno. NULL: it keeps none.
	 */
	int (*heads)(const char *id, struct archive_head **ret, size_t *ret_n);
	bool copies; /* its archives are a puller's copies: gaps are no damage */
};

struct cli {
	const struct cli_program *program;
	const struct cli_command *command;
	int argc; /* operands, their number is within the command's bounds */
	char **argv;
	const char *name; /* --name; NULL: the first one */
	char call[CLI_NAME_MAX + 32]; /* "capturepi --name porch", for hints */
	char unit[CLI_NAME_MAX + 32]; /* "capturepi@porch": its service, as systemctl takes it */

	const char *file; /* -c; NULL: the usual one */

	bool wrong; /* the settings that were read last have mistakes */
	bool last_good; /* the last good ones hold instead */
	/*
	 * Set by program->archive(): the branch of its archive (archive_fork()); 0: the archive
	 * itself.
	 */
	unsigned branch;

	/* private to cli.c */
	const char *overrides[CLI_OVERRIDES_MAX];
	size_t n_overrides;
	const char *given[CLI_OPTIONS_MAX]; /* by index in the command's options; a flag is "" */
};

/*
 * Whether --name takes `name`: small letters, digits, - and _, beginning with a letter or digit. It
 * becomes part of unit and file names. The program's own name is none: PROGRAM.conf belongs to the
 * first camera.
 */
bool cli_name_ok(const char *program, const char *name);
#define CLI_NAME_RULE "small letters, digits, - and _, at most 63, a letter or digit in front"

/* Parses, runs the command, checks that stdout took everything. SIGPIPE is ignored from here on. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* Options of the command. The name must be in its table. */
bool cli_flag(const struct cli *cli, const char *name);
const char *cli_value(const struct cli *cli, const char *name); /* NULL: not given */
/*
 * The value as a setting of that type (a number, duration or size) within min..max; *ret stays as
 * it is if the option is not given. CLI_OK or CLI_USAGE.
 */
int cli_quantity(const struct cli *cli, const char *name, const struct conf_type *type, int64_t min,
	int64_t max, int64_t *ret);
/* The value as a number within min..max, `def` if not given. CLI_OK or CLI_USAGE. */
int cli_number(const struct cli *cli, const char *name, int64_t min, int64_t max, int64_t def,
	int64_t *ret);

/* The value as when_parse() has it; TIME_NONE if not given. CLI_OK or CLI_USAGE. */
int cli_time(const struct cli *cli, const char *name, enum when_edge edge, int64_t *ret_us);
/* --since and --until. Also CLI_USAGE where nothing can be between them. */
int cli_span(const struct cli *cli, int64_t *ret_since_us, int64_t *ret_until_us);

enum cli_strictness {
	CLI_LENIENT, /* warns of mistakes in the log, and takes the last good version */
	CLI_KEEP, /* for work: the same, and keeps a file without mistakes as the last good one */
	CLI_STRICT, /* for `check`: each complaint goes to stderr, and any is CLI_SETTINGS */
};

/*
 * Reads the settings: defaults, the file, the -o options, program->check(). A missing default file
 * is fine; a bad -o is CLI_SETTINGS even when lenient. May be called again to reload. The caller
 * frees.
 *
 * A file without mistakes that a service worked by (CLI_KEEP) is copied to the program's state
 * (conf_state_path()). The copy is used, whole, instead of a file that has a mistake, cannot be
 * read, is empty or ends within a line of the copy: so a slip loosens nothing (require_mount,
 * another archive). Without a copy, the file's good lines hold, and the defaults for the others;
 * but a -c FILE that cannot be read is CLI_SETTINGS, and so is, for work (CLI_KEEP), one with a
 * mistake. cli->wrong and cli->last_good tell which happened.
 */
int cli_settings(struct cli *cli, enum cli_strictness strictness, void **ret_settings);

/* The settings file in force, whether it is there or not. CLI_OK, or CLI_SETTINGS without $HOME. */
int cli_settings_path(const struct cli *cli, char ret[static PATH_MAX]);

/* "capturepi: ..." on stderr. */
void cli_error(const struct cli *cli, const char *fmt, ...) PRINTF(2, 3);
/* The same, followed by "; see `capturepi list --help`". Returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF(2, 3);

struct archive;
struct archive_options;
/* The archive that program->archive() names, for reading. CLI_OK or an exit code. */
int cli_open_archive(struct cli *cli, struct archive **ret);
/* The same with other options. Another writer is CLI_TEMPFAIL. */
int cli_open_archive_for(
	struct cli *cli, const struct archive_options *options, struct archive **ret);

/* Says why the archive cannot be opened, by the -errno of archive_open(). Returns the exit code. */
int cli_refuse_archive(const struct cli *cli, const char *path, int error);

/* Ready commands with their options. */
int cli_check(struct cli *cli); /* strict; prints the file's name if all is well */
int cli_dump(struct cli *cli); /* [--json] */
int cli_list(struct cli *cli); /* [--json] [-n COUNT] [--from SEQ] [--gaps] */
int cli_verify(struct cli
		*cli); /* [--json] [--quick] [--from SEQ] [--repair]; CLI_INTERNAL for findings */
int cli_head(struct cli *cli); /* [--json]: the last line's number and hash */
extern const struct cli_option cli_json_option[]; /* for commands with --json only: dump, status */
extern const struct cli_option cli_list_options[];
extern const struct cli_option cli_verify_options[];
