/* SPDX-License-Identifier: MIT */
/* Status as Prometheus' text format: samples, labels, and the file that node_exporter reads. */
#include "common/events/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

#define LABEL_MAX (2 * UNIT_NAME_MAX)

const struct cli_option metrics_options[] = {
	{ "output", 'o', "FILE", "replace FILE, for node_exporter's textfile folder" },
	{ .name = NULL },
};

/* ---- samples */

/* In quotes only these two mean something; control characters do not come this far. */
static const char *label_escape(const char *text, char buf[static LABEL_MAX])
{
	size_t n = 0;

	for (; *text && n < LABEL_MAX - 2; text++) {
		if (strchr("\\\"", *text))
			buf[n++] = '\\';
		buf[n++] = *text;
	}
	buf[n] = '\0';
	return buf;
}

static void sample_write(const struct metric *row, struct json_object *object,
	const char *label_value, double value, FILE *out)
{
	char camera[LABEL_MAX], label[LABEL_MAX];
	bool named = json_get(object, "/camera") != NULL, more = row->label && label_value;

	label_escape(json_get_text(object, "/camera"), camera);
	label_escape(label_value ? label_value : "", label);
	text_print(out, "%s%s%s%s%s%s%s%s%s%s%s%s %.15g\n", row->name,
		row->suffix ? row->suffix : "", named || more ? "{" : "", named ? "camera=\"" : "",
		camera, named ? "\"" : "", named && more ? "," : "", more ? row->label : "",
		more ? "=\"" : "", label, more ? "\"" : "", named || more ? "}" : "", value);
}

static double member_number(const struct metric *row, struct json_object *member)
{
	const char *text = json_object_get_string(member);
	int64_t us;

	if (!json_object_is_type(member, json_type_string))
		return json_object_get_double(member) * (row->scale != 0 ? row->scale : 1);
	if (utc_parse(text, strlen(text), &us) == 0)
		return (double)us / 1e6;
	return *text != '\0';
}

static void row_write(const struct metric *row, struct json_object *object, FILE *out)
{
	struct json_object *member = json_get(object, row->pointer);

	if (!member) {
		if (row->zero && json_get(object, "/camera"))
			sample_write(row, object, row->value, 0, out);
	} else if (json_object_is_type(member, json_type_object)) {
		json_object_object_foreach(member, name, each)
			sample_write(row, object, name, member_number(row, each), out);
	} else {
		sample_write(row, object,
			row->label && !row->value ? json_object_get_string(member) : row->value,
			member_number(row, member), out);
	}
}

void metrics_write(const struct metric *rows, size_t n_rows, struct json_object *const objects[],
	size_t n_objects, FILE *out)
{
	static const char *const types[] = { "gauge", "counter", "summary" };

	for (size_t i = 0; i < n_rows; i++) {
		if (rows[i].help)
			text_print(out, "# HELP %s %s\n", rows[i].name, rows[i].help);
		if (rows[i].help)
			text_print(out, "# TYPE %s %s\n", rows[i].name, types[rows[i].type]);
		for (size_t j = 0; j < n_objects; j++)
			row_write(&rows[i], objects[j], out);
	}
}

/* ---- units */

/* The names of the services that the manager has loaded. */
static int units_ask(sd_bus *bus, const char *const patterns[], sd_bus_message **ret)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(
		bus, &call, USERBUS_SYSTEMD, USERBUS_PATH, USERBUS_MANAGER, "ListUnitsByPatterns");

	if (r >= 0)
		r = sd_bus_message_append_strv(call, (char *[]){ NULL });
	if (r >= 0)
		r = sd_bus_message_append_strv(call, (char **)patterns);
	if (r >= 0)
		r = sd_bus_call(bus, call, 0, NULL, ret);
	return r >= 0 ? sd_bus_message_enter_container(*ret, 'a', "(ssssssouso)") : r;
}

struct json_object *metrics_units(const char *const patterns[])
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct json_object *failed, *restarts, *o;
	const char *name;

	if (userbus_open(&bus) < 0 || units_ask(bus, patterns, &reply) < 0)
		return NULL;
	failed = json_object_new_object();
	restarts = json_object_new_object();
	while (sd_bus_message_enter_container(reply, 'r', "ssssssouso") > 0 &&
		sd_bus_message_read_basic(reply, 's', &name) > 0 &&
		sd_bus_message_skip(reply, "sssssouso") >= 0 &&
		sd_bus_message_exit_container(reply) >= 0) {
		struct unit_state unit;

		if (unit_state_read(bus, name, &unit) < 0 || strcmp(unit.load, "loaded") != 0)
			continue;
		json_add_bool(failed, unit.name, strcmp(unit.active, "failed") == 0);
		json_add_number(restarts, unit.name, unit.restarts);
	}
	o = json_object_new_object();
	json_object_object_add(o, "failed", failed);
	json_object_object_add(o, "restarts", restarts);
	return o;
}

/* ---- the command */

int metrics_command(struct cli *cli, const struct metric *rows, size_t n_rows,
	struct json_object *const objects[], size_t n_objects)
{
	CLEANUP_FREE char *text = NULL;
	const char *path = cli_value(cli, "output");
	size_t bytes;
	FILE *out = path ? open_memstream(&text, &bytes) : stdout; /* ours, and cleaned */
	int r = out ? 0 : -ENOMEM;

	if (r == 0)
		metrics_write(rows, n_rows, objects, n_objects, out);
	for (size_t i = 0; i < n_objects; i++)
		json_object_put(objects[i]);
	if (!path)
		return CLI_OK;
	if (r == 0)
		r = fclose(out) == 0 ? fs_replace_path(&fs_real, path, text, bytes, 0644) : -ENOMEM;
	if (r == 0)
		return CLI_OK;
	cli_error(cli, "%s cannot be written: %s", path, strerror(-r));
	return CLI_INTERNAL;
}
