/* SPDX-License-Identifier: MIT */
/*
 * Compares a settings table with its man page, so that they cannot drift apart: each key stands
 * once in the section of its name as "*key* = default", and the page tells of no other.
 */
#pragma once

#include <fcntl.h>

#include "common/base/fs.h"
#include "common/settings/conf.h"
#include "tests/test.h"

/* The text below "## [SECTION]" or "## [SECTION NAME]" up to the next heading; the caller frees. */
static char *man_section(const char *page, const char *section)
{
	char heading[128];
	const char *start;

	snprintf(heading, sizeof(heading), "\n## [%s]\n", section);
	start = strstr(page, heading);
	if (!start) {
		snprintf(heading, sizeof(heading), "\n## [%s NAME]\n", section);
		start = strstr(page, heading);
	}
	if (!start)
		return NULL;
	start += strlen(heading);
	return strndup(start, (size_t)(strstr(start, "\n#") - start) + 1);
}

static void check_man_key(const char *text, const struct conf_item *item)
{
	const bool idle = strstr(item->help, "no effect yet");
	char line[256];
	const char *found;
	int n;

	n = snprintf(line, sizeof(line), "\n*%s* =%s%s", item->key,
		item->def && *item->def ? " " : "", item->def ? item->def : "");
	found = strstr(text, line);
	if (!CHECK(found && (found[n] == '\n' || strncmp(found + n, "++\n", 3) == 0)))
		fprintf(stderr, "  [%s] has no line \"%s\"\n", item->section, line + 1);
	else
		CHECK(!strstr(found + n, line));
	/* the entry ends with an empty line */
	if (found) {
		const char *note = strstr(found, "no effect yet"), *end = strstr(found, "\n\n");

		CHECK((note && (!end || note < end)) == idle);
	}
}

/* Every "*key* =" of the section must be in the table. */
static void check_man_has_no_other(
	const struct conf_table *table, const char *section, const char *text)
{
	for (const char *p = strstr(text, "\n*"); p; p = strstr(p + 1, "\n*")) {
		size_t length = strcspn(p + 2, "*\n");
		bool known = false;

		if (strncmp(p + 2 + length, "* =", 3) != 0)
			continue;
		for (size_t i = 0; i < table->n_items; i++)
			known |= strcmp(table->items[i].section, section) == 0 &&
				strlen(table->items[i].key) == length &&
				strncmp(table->items[i].key, p + 2, length) == 0;
		if (!CHECK(known))
			fprintf(stderr, "  [%s] of the page has %.*s, the table has not\n", section,
				(int)length, p + 2);
	}
}

static void check_man_page(const struct conf_table *table, const char *path)
{
	CLEANUP_FREE char *page = NULL;
	size_t bytes;
	int sections = 0;

	if (!CHECK(fs_read_file(AT_FDCWD, path, 1 << 20, &page, &bytes) == 0))
		return;
	for (size_t i = 0; i < table->n_items; i++) {
		const struct conf_item *item = &table->items[i];
		CLEANUP_FREE char *text = man_section(page, item->section);

		if (!CHECK(text != NULL))
			fprintf(stderr, "  the page has no [%s]\n", item->section);
		else if (strcmp(item->key, "*") != 0)
			check_man_key(text, item);
		if (text && (i == 0 || strcmp(item->section, table->items[i - 1].section) != 0)) {
			check_man_has_no_other(table, item->section, text);
			sections++;
		}
	}
	for (const char *p = strstr(page, "\n## ["); p; p = strstr(p + 1, "\n## ["))
		sections--;
	CHECK_INT(sections, 0);
}
