/* SPDX-License-Identifier: MIT */
/* `cameras`, of the simulated camera: what is told of it can be set, and text and JSON agree. */
#include "capture/commands/cameras.h"

#include <math.h>
#include <string.h>

#include <json-c/json.h>

#include "capture/camera/camera.h"
#include "capture/camera/control_help.h"
#include "tests/unit/cli_kit.h"

static const struct cli_command commands[] = {
	{ "cameras", "", "the cameras", cameras_command, cameras_options, 0, 0 },
	{ 0 },
};
static const struct cli_program program = { CLI_KIT_PROGRAM(commands) };

/* Without --controls it is what scripts have read since 0.1. */
TEST(list)
{
	make_home();
	CHECK_INT(run("cameras"), 0);
	CHECK(strstr(out, "test                 test\n"));
	CHECK(strstr(out, "test                 test-nv12\n"));
	CHECK(!strstr(out, "controls"));
	CHECK_INT(run("cameras --json"), 0);
	CHECK(strstr(out,
		"{\"model\":\"test\",\"id\":\"test\"},{\"model\":\"test\","
		"\"id\":\"test-nv12\"}]\n"));
}

TEST(text_of_controls)
{
	make_home();
	CHECK_INT(run("cameras --controls"), 0);
	CHECK(strstr(out,
		"     1920x1080  drawn             up to 59.32 frames a second, the whole "
		"view\n"));
	CHECK(strstr(out,
		"    TestLatency = 2\n        a whole number, 1 to 8\n        test camera: "
		"frames until a control shows\n"));
}

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *found = json_object_object_get(o, key);

	CHECK(found != NULL);
	return found;
}

struct opening {
	int n_controls, n_modes;
};

static void open_with(const char *name, const char *value, int want)
{
	struct camera_options options = { .width = 64,
		.height = 48,
		.control_names = &name,
		.control_values = &value,
		.n_controls = 1 };
	struct camera *camera = NULL;
	char error[256] = "";
	int r = simcam_ops.open(&options, &camera, error, sizeof error);

	CHECK_INT(r, want);
	if (r != want)
		fprintf(stderr, "  %s = %s: %s\n", name, value, error);
	if (r == 0)
		camera_close(camera);
}

/* A control that is told can be set to its default and its limits, and to nothing beyond. */
static void set_control(void *data, const struct camera_control *control)
{
	struct opening *opening = data;

	opening->n_controls++;
	CHECK(control_help_find(control->name) != NULL);
	open_with(control->name, control->def ? control->def : "1", 0);
	if (control->max) {
		char beyond[32];

		snprintf(beyond, sizeof beyond, "%g", strtod(control->max, NULL) + 1);
		open_with(control->name, control->max, 0);
		open_with(control->name, beyond, -EINVAL);
	}
}

static void see_mode(void *data, const struct camera_mode *mode)
{
	struct opening *opening = data;

	opening->n_modes++;
	CHECK(mode->width > 0 && mode->height > 0 && mode->fps > 0 && isfinite(mode->fps));
}

TEST(what_is_told_can_be_set)
{
	struct opening opening = { 0 };
	struct camera_listener listener = { see_mode, set_control, &opening };

	CHECK_INT(simcam_ops.describe("test", &listener), 0);
	CHECK(opening.n_controls >= 3);
	CHECK(opening.n_modes >= 3);
}

TEST(json_of_controls)
{
	struct json_object *cameras;
	size_t seen = 0;

	make_home();
	CHECK_INT(run("cameras --controls --json"), 0);
	cameras = json_tokener_parse(out);
	if (!CHECK(cameras && json_object_is_type(cameras, json_type_array)))
		return;
	for (size_t i = 0; i < json_object_array_length(cameras); i++) {
		struct json_object *camera = json_object_array_get_idx(cameras, i), *controls;

		if (strncmp(json_object_get_string(member(camera, "id")), "test", 4) != 0)
			continue;
		seen++;
		CHECK(!json_object_get_boolean(member(camera, "in_use")));
		CHECK(json_object_array_length(member(camera, "modes")) >= 3);
		controls = member(camera, "controls");
		for (size_t j = 0; j < json_object_array_length(controls); j++) {
			struct json_object *control = json_object_array_get_idx(controls, j);

			CHECK(member(control, "kind") && member(control, "help"));
		}
	}
	CHECK_INT(seen, 2);
	json_object_put(cameras);
}

TEST(help_is_found_in_any_case)
{
	CHECK(control_help_find("LensPosition") != NULL);
	CHECK(control_help_find("lensposition") == control_help_find("LensPosition"));
	CHECK(control_help_find("Lens") == NULL);
	CHECK(control_help_find("") == NULL);
}
