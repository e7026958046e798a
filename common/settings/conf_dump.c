/* SPDX-License-Identifier: MIT */
/*
 * Settings back out: as one tree for scripts, and as the file that would set them, from that tree.
 */
#include "common/settings/conf.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

static void json_free(struct json_object **object)
{
	json_object_put(*object);
}

static int json_add(struct json_object *object, const char *key, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(object, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

/* The object `key` of `parent`, made if missing; it stays the parent's. NULL: out of memory. */
static struct json_object *json_child(struct json_object *parent, const char *key)
{
	struct json_object *child;

	if (json_object_object_get_ex(parent, key, &child))
		return child;
	child = json_object_new_object();
	return json_add(parent, key, child) < 0 ? NULL : child;
}

/* The lines `key = value` of a section with free keys. */
static int json_add_lines(struct json_object *object, char *text)
{
	char *line, *rest = text;
	int r = 0;

	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		char *equals = strstr(line, " = ");

		if (!equals)
			continue;
		*equals = '\0';
		r = json_add(object, line, json_object_new_string(equals + 3)); /* ours */
	}
	return r;
}

static int json_add_item(struct json_object *object, const struct conf_item *item, const void *base)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int r;

	if (!object || !out) {
		file_closep(&out);
		return -ENOMEM;
	}
	r = item->type->print(item, (const char *)base + item->offset, out);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	if (strcmp(item->key, "*") == 0)
		return json_add_lines(object, text);
	return json_add(object, item->key, json_object_new_string(text)); /* ours */
}

/* The item of all instances of the named section. */
static int json_add_named(struct json_object *root, const struct conf_table *table,
	const struct conf_item *item, void *settings)
{
	const char *name;
	void *base;
	int r = 0;

	for (size_t i = 0; r >= 0 && (base = table->nth_instance(settings, i, &name)); i++) {
		struct json_object *section = json_child(root, item->section);

		r = json_add_item(section ? json_child(section, name) : NULL, item, base);
	}
	return r;
}

/* {"section":{"key":"value"}}, of named sections {"section":{"name":{"key":"value"}}}. */
static int conf_tree(const struct conf_table *table, void *settings, struct json_object **ret)
{
	struct json_object *root CLEANUP(json_free) = json_object_new_object();
	int r = root ? 0 : -ENOMEM;

	for (size_t i = 0; i < table->n_items && r >= 0; i++) {
		const struct conf_item *item = &table->items[i];

		if (table->instance && strcmp(item->section, table->named_section) == 0)
			r = json_add_named(root, table, item, settings);
		else
			r = json_add_item(json_child(root, item->section), item, settings);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(root);
	return 0;
}

static void line_write(const char *key, struct json_object *value, FILE *out)
{
	const char *text = json_object_get_string(value);

	fprintf(out, "%s =%s%s\n", key, *text ? " " : "", text);
}

/* The lines of one section below its heading, each with its help. */
static void section_write(
	const struct conf_table *table, const char *section, struct json_object *values, FILE *out)
{
	for (size_t i = 0; i < table->n_items; i++) {
		const struct conf_item *item = &table->items[i];

		if (strcmp(item->section, section) != 0)
			continue;
		fprintf(out, "# %s (", item->help);
		conf_describe(item, out);
		fputs(")\n", out);
		if (strcmp(item->key, "*") != 0) {
			line_write(item->key, json_object_object_get(values, item->key), out);
			continue;
		}
		json_object_object_foreach(values, key, value) line_write(key, value, out);
	}
}

int conf_dump(const struct conf_table *table, void *settings, FILE *out)
{
	struct json_object *root CLEANUP(json_free) = NULL;
	const char *blank = "";
	int r = conf_tree(table, settings, &root);

	if (r < 0)
		return r;
	json_object_object_foreach(root, section, values)
	{
		if (!table->instance || strcmp(section, table->named_section) != 0) {
			fprintf(out, "%s[%s]\n", blank, section);
			section_write(table, section, values, out);
			blank = "\n";
			continue;
		}
		json_object_object_foreach(values, name, own)
		{
			fprintf(out, "%s[%s %s]\n", blank, section, name);
			section_write(table, section, own, out);
			blank = "\n";
		}
	}
	return ferror(out) ? -EIO : 0;
}

int conf_dump_json(const struct conf_table *table, void *settings, FILE *out)
{
	struct json_object *root CLEANUP(json_free) = NULL;
	const char *text;
	int r = conf_tree(table, settings, &root);

	if (r < 0)
		return r;
	text = json_object_to_json_string_ext(
		root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	return ferror(out) ? -EIO : 0;
}

bool conf_sections_equal(
	const struct conf_table *table, void *a, void *b, const char *const *sections)
{
	struct json_object *one CLEANUP(json_free) = NULL, *other CLEANUP(json_free) = NULL;

	if (conf_tree(table, a, &one) < 0 || conf_tree(table, b, &other) < 0)
		return false;
	for (; *sections; sections++)
		if (!json_object_equal(json_object_object_get(one, *sections),
			    json_object_object_get(other, *sections)))
			return false;
	return true;
}
