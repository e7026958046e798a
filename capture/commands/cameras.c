/* SPDX-License-Identifier: MIT */
/*
 * Lists cameras, with --controls also their modes and controls, as text for people or as JSON. Both
 * are made of one JSON array, so that they cannot tell different things.
 */
#include "capture/commands/cameras.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <json-c/json.h>

#include "capture/camera/camera.h"
#include "capture/camera/control_help.h"
#include "common/base/json.h"
#include "common/base/text.h"

const struct cli_option cameras_options[] = {
	{ "controls", 0, NULL, "each camera's modes, and the controls that [control] can set" },
	{ "json", 0, NULL, "a JSON array" },
	{ 0 },
};

struct listing {
	const struct camera_ops *ops;
	struct json_object *cameras, *camera; /* all, and the one that is being described */
	bool describes;
	int errors;
};

/* ---- what the cameras say, as JSON ---- */

/* With so many digits after the point; nothing where it is not known. */
static void add_decimal(struct json_object *o, const char *key, double value, int digits)
{
	char text[64];

	if (!isfinite(value))
		return;
	snprintf(text, sizeof text, "%.*f", digits, value);
	json_object_object_add(o, key, json_object_new_double_s(value, text));
}

static void add_to(struct json_object *o, const char *array, struct json_object *item)
{
	json_object_array_add(json_object_object_get(o, array), item);
}

static void see_mode(void *data, const struct camera_mode *mode)
{
	struct listing *listing = data;
	struct json_object *o = json_object_new_object();

	json_add_number(o, "width", mode->width);
	json_add_number(o, "height", mode->height);
	json_add_text(o, "format", mode->format);
	add_decimal(o, "fps", mode->fps, 2);
	add_decimal(o, "view", mode->view, 2);
	add_to(listing->camera, "modes", o);
}

/* Item `number` of "off, fast, best"; "" where there is none. */
static void copy_choice(const char *choices, int number, char *ret, size_t size)
{
	const char *at = choices ? choices : "";

	for (; number > 0 && *at; number--) {
		at += strcspn(at, ",");
		at += strspn(at, ", ");
	}
	snprintf(ret, size, "%.*s", number == 0 ? (int)strcspn(at, ",") : 0, at);
}

static struct json_object *choices_new(
	const struct camera_control *control, const struct control_help *help)
{
	struct json_object *choices = json_object_new_array();

	for (size_t i = 0; i < control->n_choices; i++) {
		struct json_object *choice = json_object_new_object();
		char meaning[64];

		copy_choice(
			help ? help->choices : NULL, control->choices[i], meaning, sizeof meaning);
		json_add_number(choice, "value", control->choices[i]);
		if (*meaning)
			json_add_text(choice, "help", meaning);
		json_object_array_add(choices, choice);
	}
	return choices;
}

static void see_control(void *data, const struct camera_control *control)
{
	struct listing *listing = data;
	const struct control_help *help = control_help_find(control->name);
	const struct {
		const char *key, *text;
	} rows[] = {
		{ "name", control->name },
		{ "kind", control->kind },
		{ "min", control->min },
		{ "max", control->max },
		{ "default", control->def },
		{ "help", help ? help->text : NULL },
	};
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].text)
			json_add_text(o, rows[i].key, rows[i].text);
	if (control->n_choices > 0)
		json_object_object_add(o, "choices", choices_new(control, help));
	add_to(listing->camera, "controls", o);
}

static void describe_camera(struct listing *listing, const char *id)
{
	struct camera_listener listener = { see_mode, see_control, listing };
	struct json_object *o = listing->camera;
	int r;

	json_object_object_add(o, "modes", json_object_new_array());
	json_object_object_add(o, "controls", json_object_new_array());
	r = listing->ops->describe(id, &listener);
	if (r < 0)
		json_add_text(o, "error", strerror(-r));
	else
		json_add_bool(o, "in_use", r > 0);
	listing->errors += r < 0;
}

static void see_camera(void *data, const char *id, const char *model)
{
	struct listing *listing = data;

	listing->camera = json_object_new_object();
	json_add_text(listing->camera, "model", model);
	json_add_text(listing->camera, "id", id);
	if (listing->describes)
		describe_camera(listing, id);
	json_object_array_add(listing->cameras, listing->camera);
}

/* ---- the same for people ---- */

static const char *get_text(struct json_object *o, const char *key)
{
	struct json_object *member = json_object_object_get(o, key);

	return member ? json_object_get_string(member) : NULL;
}

static void print_mode(struct json_object *mode)
{
	const char *fps = get_text(mode, "fps");
	double view = json_object_get_double(json_object_object_get(mode, "view"));

	text_print(stdout, "    %5sx%-5s %-16s", get_text(mode, "width"), get_text(mode, "height"),
		get_text(mode, "format"));
	if (fps)
		text_print(stdout, "  up to %s frames a second", fps);
	if (view > 0)
		text_print(stdout, view > 0.995 ? ", the whole view" : ", %.0f %% of the view",
			view * 100);
	fputs("\n", stdout);
}

/* "0 off, 1 fast"; else "1 to 16". */
static void print_allowed(struct json_object *control)
{
	struct json_object *choices = json_object_object_get(control, "choices");
	const char *min = get_text(control, "min"), *max = get_text(control, "max");

	for (size_t i = 0; choices && i < json_object_array_length(choices); i++) {
		struct json_object *choice = json_object_array_get_idx(choices, i);
		const char *help = get_text(choice, "help");

		text_print(stdout, "%s%s%s%s", i ? ", " : "        ", get_text(choice, "value"),
			help ? " " : "", help ? help : "");
	}
	if (!choices)
		text_print(stdout, "        %s", get_text(control, "kind"));
	if (!choices && min && max && strcmp(min, "no") != 0)
		text_print(stdout, ", %s to %s", min, max);
	fputs("\n", stdout);
}

static void print_control(struct json_object *control)
{
	const char *def = get_text(control, "default"), *help = get_text(control, "help");

	text_print(stdout, "    %s%s%s\n", get_text(control, "name"), def ? " = " : "",
		def ? def : "");
	print_allowed(control);
	if (help)
		text_print(stdout, "        %s\n", help);
}

static void print_part(struct json_object *camera, const char *key, const char *title,
	void (*print)(struct json_object *item))
{
	struct json_object *items = json_object_object_get(camera, key);

	if (!items || json_object_array_length(items) == 0)
		return;
	text_print(stdout, "  %s\n", title);
	for (size_t i = 0; i < json_object_array_length(items); i++)
		print(json_object_array_get_idx(items, i));
}

static void print_camera(struct cli *cli, struct json_object *camera)
{
	const char *error = get_text(camera, "error");

	text_print(stdout, "%-20s %s\n", get_text(camera, "model"), get_text(camera, "id"));
	if (error)
		cli_error(cli, "%s: cannot be asked what it can do: %s", get_text(camera, "id"),
			error);
	if (json_object_get_boolean(json_object_object_get(camera, "in_use")))
		fputs("  in use: to see how fast its modes are, stop what uses it\n", stdout);
	print_part(camera, "modes", "modes: camera.width and camera.height choose among them",
		print_mode);
	print_part(camera, "controls",
		"controls: lines of the section [control], here with their defaults",
		print_control);
}

/* ---- both ---- */

static void list_cameras(struct cli *cli, struct listing *listing)
{
	static const char *const sources[] = { "auto", "test" };

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct camera_ops *ops = listing->ops = camera_ops_of(sources[i]);
		int n = ops ? ops->list(see_camera, listing) : 0;

		if (n < 0)
			cli_error(cli, "%s: cannot list cameras: %s", ops->name, strerror(-n));
		else if (n == 0 && i == 0)
			cli_error(cli,
				ops ? "no camera found; check its cable, and that you are in the "
				      "group `video`"
				    : "built without libcamera: there is only the test camera");
	}
}

int cameras_command(struct cli *cli)
{
	struct listing listing = {
		.cameras = json_object_new_array(),
		.describes = cli_flag(cli, "controls"),
	};

	list_cameras(cli, &listing);
	if (cli_flag(cli, "json")) {
		json_print(listing.cameras);
	} else {
		for (size_t i = 0; i < json_object_array_length(listing.cameras); i++)
			print_camera(cli, json_object_array_get_idx(listing.cameras, i));
		json_object_put(listing.cameras);
	}
	return listing.errors ? CLI_INTERNAL : CLI_OK;
}
