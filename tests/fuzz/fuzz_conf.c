/* SPDX-License-Identifier: MIT */
/*
 * A settings file, through the tables of both programs: complaints are text for a terminal, and what
 * was taken is dumped, read back without a complaint and dumped to the same bytes.
 */
#include <sys/mman.h>

#include "common/conf.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"
#ifdef HAVE_CAPTURE
#include "capture/settings.h"
#endif
#ifdef HAVE_PULL
#include "pull/settings.h"
#endif

struct program {
	const struct conf_table *table;
	size_t bytes; /* of its settings */
};

static const struct program programs[] = {
#ifdef HAVE_CAPTURE
	{ &capture_settings_table, sizeof(struct capture_settings) },
#endif
#ifdef HAVE_PULL
	{ &pull_settings_table, sizeof(struct pull_settings) },
#endif
};

struct told {
	int all, of_dump; /* of_dump: those that a dumped file must not cause */
};

/* A camera without a host, which has no default, is the one thing that a dump cannot make good. */
static void count_complaint(void *data, const char *message)
{
	struct told *told = data;

	MUST(*message && text_is_plain(message, strlen(message)));
	told->all++;
	told->of_dump += !strstr(message, ".host = : ");
}

/* The bytes in a file without a name; /proc has one for it. */
static int hide_file(const void *data, size_t size, char path[static 32])
{
	int fd = memfd_create("settings", MFD_CLOEXEC);

	MUST(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

/* Loads the text into new settings. */
static struct told load(
	const struct program *program, const void *data, size_t size, void **ret_settings)
{
	char path[32];
	const int fd = hide_file(data, size, path);
	void *settings = calloc(1, program->bytes);
	struct told told = { 0 };
	int n;

	MUST(settings);
	conf_defaults(program->table, settings);
	n = conf_load(program->table, settings, path, count_complaint, &told);
	close(fd);
	MUST(n >= 0 && told.all == (n < CONF_COMPLAINTS_MAX ? n : CONF_COMPLAINTS_MAX));
	*ret_settings = settings;
	return told;
}

static void dump(const struct program *program, void *settings, char **ret, size_t *ret_size)
{
	FILE *out = open_memstream(ret, ret_size);

	MUST(out && conf_dump(program->table, settings, out) == 0 && fclose(out) == 0);
}

static void dump_json(const struct program *program, void *settings)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	MUST(out && conf_dump_json(program->table, settings, out) == 0 && fclose(out) == 0);
	MUST(size > 0);
}

static void check_file(const struct program *program, const uint8_t *data, size_t size)
{
	CLEANUP_FREE void *settings = NULL, *again = NULL;
	CLEANUP_FREE char *first = NULL, *second = NULL;
	size_t first_size, second_size;

	load(program, data, size, &settings);
	dump(program, settings, &first, &first_size);
	dump_json(program, settings);
	MUST(load(program, first, first_size, &again).of_dump == 0);
	dump(program, again, &second, &second_size);
	MUST(first_size == second_size && memcmp(first, second, first_size) == 0);
}

/* The same bytes as one `-o`. */
static void check_override(const struct program *program, const uint8_t *data, size_t size)
{
	CLEANUP_FREE void *settings = calloc(1, program->bytes);
	CLEANUP_FREE char *text = malloc(size + 1);
	struct told told = { 0 };
	int r;

	MUST(settings && text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	conf_defaults(program->table, settings);
	r = conf_override(program->table, settings, text, count_complaint, &told);
	MUST(r == 0 ? told.all == 0 : told.all > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	setenv("HOME", "/home/pi", 1);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		check_file(&programs[i], data, size);
		check_override(&programs[i], data, size);
	}
	return 0;
}
