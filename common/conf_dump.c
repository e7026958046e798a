/* SPDX-License-Identifier: MIT */
/* Settings back out as text: the file that would set them, or JSON for a script. */
#include "common/conf.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

/* One section of the settings, or one instance of the named section. */
struct view {
	const struct conf_table *table;
	const char *section;
	const char *name; /* NULL: an unnamed section */
	const void *base;
};

typedef int visit_section(const struct view *view, void *data);

static bool is_first_of_section(const struct conf_table *table, size_t item)
{
	for (size_t i = 0; i < item; i++) {
		if (strcmp(table->items[i].section, table->items[item].section) == 0)
			return false;
	}
	return true;
}

static int visit_instances(
	const struct conf_table *table, void *settings, visit_section *visit, void *data)
{
	struct view view = { .table = table, .section = table->named_section };
	int r = 0;

	for (size_t i = 0; r >= 0; i++) {
		view.base = table->nth_instance(settings, i, &view.name);
		if (!view.base)
			break;
		r = visit(&view, data);
	}
	return r;
}

static int visit_sections(
	const struct conf_table *table, void *settings, visit_section *visit, void *data)
{
	int r = 0;

	for (size_t i = 0; i < table->n_items && r >= 0; i++) {
		struct view view = { table, table->items[i].section, NULL, settings };

		if (!is_first_of_section(table, i))
			continue;
		if (table->instance && strcmp(view.section, table->named_section) == 0)
			r = visit_instances(table, settings, visit, data);
		else
			r = visit(&view, data);
	}
	return r;
}

/* Where printers write; used again for each item. */
struct pad {
	FILE *out;
	char *text;
	size_t length;
};

static int pad_open(struct pad *pad)
{
	pad->out = open_memstream(&pad->text, &pad->length);
	return pad->out ? 0 : -errno;
}

static void pad_close(struct pad *pad)
{
	fclosep(&pad->out);
	free(pad->text);
}

/* The printer's text, valid until the next call; NULL where the row is left out. */
static int item_text(struct pad *pad, const struct conf_item *item, const void *base, char **ret)
{
	int r;

	rewind(pad->out);
	r = item->print(item, (const char *)base + item->offset, pad->out);
	if (r < 0)
		return r;
	fputc('\0', pad->out);
	if (fflush(pad->out) != 0)
		return -ENOMEM;
	*ret = r == 0 ? pad->text : NULL;
	return 0;
}

static int write_item(struct pad *pad, const struct conf_item *item, const void *base, FILE *out)
{
	char *text;
	int r;

	r = item_text(pad, item, base, &text);
	if (r < 0)
		return r;
	fprintf(out, "# %s (%s)\n", item->help, item->allowed);
	if (text && strcmp(item->key, "*") == 0)
		fputs(text, out);
	else if (text)
		fprintf(out, "%s =%s%s\n", item->key, *text ? " " : "", text);
	return 0;
}

struct writer {
	FILE *out;
	struct pad pad;
	bool any;
};

static int write_section(const struct view *view, void *data)
{
	struct writer *writer = data;
	int r = 0;

	fprintf(writer->out, "%s[%s%s%s]\n", writer->any ? "\n" : "", view->section,
		view->name ? " " : "", view->name ? view->name : "");
	writer->any = true;
	for (size_t i = 0; i < view->table->n_items && r >= 0; i++) {
		if (strcmp(view->table->items[i].section, view->section) == 0)
			r = write_item(
				&writer->pad, &view->table->items[i], view->base, writer->out);
	}
	return r;
}

int conf_dump(const struct conf_table *table, void *settings, FILE *out)
{
	struct writer writer = { .out = out };
	int r;

	r = pad_open(&writer.pad);
	if (r < 0)
		return r;
	r = visit_sections(table, settings, write_section, &writer);
	pad_close(&writer.pad);
	if (r < 0)
		return r;
	return ferror(out) ? -EIO : 0;
}

static void json_free(struct json_object **object)
{
	json_object_put(*object);
}

static int json_add(struct json_object *object, const char *key, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

/* The lines `key = value` of a section with free keys. */
static int json_add_lines(struct json_object *object, char *text)
{
	char *line, *rest = text;
	int r = 0;

	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		char *equals = strstr(line, " =");

		if (!equals)
			continue;
		*equals = '\0';
		equals += strlen(" =");
		r = json_add(object, line, json_object_new_string(equals + (*equals == ' ')));
	}
	return r;
}

static int json_add_item(
	struct json_object *object, struct pad *pad, const struct conf_item *item, const void *base)
{
	char *text;
	int r;

	r = item_text(pad, item, base, &text);
	if (r < 0 || !text)
		return r;
	if (strcmp(item->key, "*") == 0)
		return json_add_lines(object, text);
	return json_add(object, item->key, json_object_new_string(text));
}

/* The object `key` of `parent`, made if missing; stays the parent's. */
static struct json_object *json_child(struct json_object *parent, const char *key)
{
	struct json_object *child;

	if (json_object_object_get_ex(parent, key, &child))
		return child;
	child = json_object_new_object();
	return json_add(parent, key, child) < 0 ? NULL : child;
}

struct json_writer {
	struct json_object *root;
	struct pad pad;
};

static int json_section(const struct view *view, void *data)
{
	struct json_writer *writer = data;
	struct json_object *object = json_child(writer->root, view->section);
	int r = 0;

	if (object && view->name)
		object = json_child(object, view->name);
	if (!object)
		return -ENOMEM;
	for (size_t i = 0; i < view->table->n_items && r >= 0; i++) {
		if (strcmp(view->table->items[i].section, view->section) == 0)
			r = json_add_item(object, &writer->pad, &view->table->items[i], view->base);
	}
	return r;
}

int conf_dump_json(const struct conf_table *table, void *settings, FILE *out)
{
	struct json_object *root CLEANUP(json_free) = json_object_new_object();
	struct json_writer writer = { .root = root };
	const char *text;
	int r;

	if (!root)
		return -ENOMEM;
	r = pad_open(&writer.pad);
	if (r < 0)
		return r;
	r = visit_sections(table, settings, json_section, &writer);
	pad_close(&writer.pad);
	if (r < 0)
		return r;
	text = json_object_to_json_string_ext(
		root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	return ferror(out) ? -EIO : 0;
}
