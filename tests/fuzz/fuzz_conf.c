/* SPDX-License-Identifier: MIT */
/*
 * A settings file, through the tables of both programs: complaints are text for a terminal, and
 * what was taken is dumped, read back without a complaint and dumped to the same bytes.
 */
#include "common/base/text.h"
#include "common/base/util.h"
#include "common/settings/conf.h"
#include "tests/fuzz/fuzz.h"
#ifdef HAVE_CAPTURE
#include "capture/settings/settings.h"
#endif
#ifdef HAVE_PULL
#include "pull/settings/settings.h"
#endif

/*
 * Settings are blocks of their own, so that a sanitizer sees a value that is too long. They are
 * large: made once, and made new by copying, or for one with named sections by forgetting those and
 * setting the others again.
 */
struct program {
	const struct conf_table *table;
	size_t bytes; /* of its settings */
	void (*forget)(void *settings);
	void *defaults, *settings, *again;
	char *dumped; /* the last dump that was read back */
	size_t dumped_size;
};

#ifdef HAVE_PULL
static void forget_cameras(void *settings)
{
	((struct pull_settings *)settings)->n_cameras = 0;
	conf_defaults(&pull_settings_table, settings);
}
#endif

static struct program programs[] = {
#ifdef HAVE_CAPTURE
	{ .table = &capture_settings_table, .bytes = sizeof(struct capture_settings) },
#endif
#ifdef HAVE_PULL
	{ .table = &pull_settings_table,
		.bytes = sizeof(struct pull_settings),
		.forget = forget_cameras },
#endif
};

static void reset(const struct program *program, void *settings)
{
	if (program->forget)
		program->forget(settings);
	else
		memcpy(settings, program->defaults, program->bytes);
}

static bool is_changed(const struct program *program)
{
	const char *name;

	if (program->forget)
		return program->table->nth_instance(program->settings, 0, &name);
	return memcmp(program->settings, program->defaults, program->bytes) != 0;
}

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

/* New settings in `settings`, from the text. */
static struct told load(
	const struct program *program, void *settings, const char *text, size_t size)
{
	struct told told = { 0 };
	int n;

	reset(program, settings);
	n = conf_load_text(program->table, settings, "a.conf", text, size, count_complaint, &told);
	MUST(n >= 0 && told.all == (n < CONF_COMPLAINTS_MAX ? n : CONF_COMPLAINTS_MAX));
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

/* What was dumped is read back without a complaint and dumped to the same bytes. */
static void check_dump(struct program *program, const char *text, size_t size)
{
	CLEANUP_FREE char *again = NULL;
	size_t again_size;

	MUST(load(program, program->again, text, size).of_dump == 0);
	dump(program, program->again, &again, &again_size);
	MUST(again_size == size && memcmp(again, text, size) == 0);
}

/*
 * Nothing is dumped that was just dumped: the settings as they come, and the same as the last time.
 */
static void check_file(struct program *program, const char *text, size_t size)
{
	CLEANUP_FREE char *dumped = NULL;
	size_t dumped_size;

	load(program, program->settings, text, size);
	if (program->dumped && !is_changed(program))
		return;
	dump(program, program->settings, &dumped, &dumped_size);
	if (program->dumped && dumped_size == program->dumped_size &&
		memcmp(dumped, program->dumped, dumped_size) == 0)
		return;
	dump_json(program, program->settings);
	check_dump(program, dumped, dumped_size);
	free(program->dumped);
	program->dumped = TAKE_PTR(dumped);
	program->dumped_size = dumped_size;
}

/* The same bytes as one `-o`. */
static void check_override(const struct program *program, const char *bytes, size_t size)
{
	CLEANUP_FREE char *text = malloc(size + 1);
	struct told told = { 0 };
	int r;

	MUST(text);
	memcpy(text, bytes, size);
	text[size] = '\0';
	reset(program, program->settings);
	r = conf_override(program->table, program->settings, text, count_complaint, &told);
	MUST(r == 0 ? told.all == 0 : told.all > 0);
}

static void prepare(struct program *program)
{
	if (program->settings)
		return;
	setenv("HOME", "/home/pi", 1);
	program->defaults = calloc(1, program->bytes);
	program->settings = calloc(1, program->bytes);
	program->again = calloc(1, program->bytes);
	MUST(program->defaults && program->settings && program->again);
	conf_defaults(program->table, program->defaults);
	check_file(program, "", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = fuzz_copy(data, size);

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		prepare(&programs[i]);
		check_file(&programs[i], text, size);
		check_override(&programs[i], text, size);
	}
	return 0;
}
