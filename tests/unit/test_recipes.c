/* SPDX-License-Identifier: MIT */
/*
 * The recipes of capturepi.conf(5) are read as the program reads a file of them: a setting, a value
 * or a control that is no more makes this fail.
 */
#include <ctype.h>
#include <fcntl.h>

#include "capture/camera/control_help.h"
#include "capture/settings/settings.h"
#include "common/base/fs.h"
#include "tests/test.h"

#define RECIPES 10

static void complain(void *data, const char *message)
{
	fprintf(stderr, "  %s: %s\n", (const char *)data, message);
}

/* A choice is one of its numbers: "0,1" has two. */
static int count_choices(const char *choices)
{
	int n = 1;

	for (; *choices; choices++)
		n += *choices == ',';
	return n;
}

static void check_controls(const struct capture_settings *settings)
{
	for (size_t i = 0; i < settings->n_controls; i++) {
		const struct control_setting *control = &settings->controls[i];
		const struct control_help *help = control_help_find(control->name);

		if (!CHECK(help != NULL))
			fprintf(stderr, "  no camera is known to have %s\n", control->name);
		else if (help->choices)
			CHECK(isdigit((unsigned char)*control->value) &&
				atoi(control->value) < count_choices(help->choices));
	}
}

/* A block as a settings file, by the parser of the file and by the checks of `capturepi check`. */
static void check_block(char *title, const char *text, size_t length)
{
	CLEANUP_FREE struct capture_settings *settings = calloc(1, sizeof *settings);
	CLEANUP_FREE struct capture_settings *defaults = calloc(1, sizeof *defaults);

	conf_defaults(&capture_settings_table, settings);
	conf_defaults(&capture_settings_table, defaults);
	CHECK_INT(conf_load_text(&capture_settings_table, settings, "recipe", text, length,
			  complain, title),
		0);
	CHECK_INT(capture_settings_check(settings, complain, title), 0);
	CHECK(memcmp(settings, defaults, sizeof *settings) != 0); /* it says something */
	check_controls(settings);
}

/* Up to the next line that begins with `end`. */
static char *line_find(char *text, const char *end)
{
	char *line;

	for (line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, end, strlen(end)) == 0)
			return line;
	return line;
}

static void check_recipe(char *text)
{
	char title[80], *block, *end;
	int blocks = 0;

	snprintf(title, sizeof title, "%.*s", (int)strcspn(text, "\n"), text);
	for (block = line_find(text, "```"); *block; block = line_find(end + 4, "```")) {
		block += strcspn(block, "\n") + 1;
		end = line_find(block, "```");
		if (!CHECK(*end))
			return;
		check_block(title, block, (size_t)(end - block));
		blocks++;
	}
	if (!CHECK(blocks > 0))
		fprintf(stderr, "  %s has no settings\n", title);
}

TEST(recipes_of_the_man_page)
{
	CLEANUP_FREE char *page = NULL;
	char *recipe, *next, *end;
	size_t bytes;
	int n = 0;

	setenv("HOME", "/home/pi", 1);
	if (!CHECK(fs_read_file(AT_FDCWD, SOURCE_ROOT "/capture/capturepi.conf.5.scd", 1 << 20,
			   &page, &bytes) == 0))
		return;
	recipe = line_find(page, "# RECIPES");
	if (!CHECK(*recipe))
		return;
	recipe += strlen("# RECIPES");
	end = line_find(recipe, "# ");
	*end = '\0';
	for (recipe = line_find(recipe, "## "); *recipe; recipe = next) {
		next = line_find(recipe + 3, "## ");
		if (*next)
			next[-1] = '\0';
		check_recipe(recipe + 3);
		n++;
	}
	CHECK_INT(n, RECIPES);
}
