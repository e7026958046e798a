/* SPDX-License-Identifier: MIT */
/* viewpi: shows the pictures of this machine's archives. The commands; their work is elsewhere. */
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/commands/cli.h"
#include "view/export/export.h"
#include "view/film/film_command.h"
#include "view/settings/places.h"
#include "view/settings/settings.h"
#include "view/web/server.h"
#include "view/web/site.h"

static int command_archives(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	CLEANUP_FREE struct places *places = NULL;
	struct json_object *list = json_object_new_array();
	const bool json = cli_flag(cli, "json");
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	if (r == CLI_OK && places_find(settings, &places) < 0)
		r = CLI_INTERNAL;
	for (size_t i = 0; r == CLI_OK && i < places->n; i++) {
		const struct place *place = &places->list[i];
		struct json_object *o = json_object_new_object();

		json_add_text(o, "name", place->name);
		json_add_text(o, "archive", place->path);
		json_object_array_add(list, o);
		if (!json)
			text_print(stdout, "%-20s %s\n", place->name, place->path);
	}
	if (r == CLI_OK && json)
		json_print(list);
	else
		json_object_put(list);
	return r;
}

static const struct cli_command commands[] = {
	{ "web", "", "serve the pages to browsers", command_web, web_options },
	{ "film", "CAMERA", "make a film of a day, or of any time", command_film, film_options_list,
		1, 1 },
	{ "sheet", "CAMERA", "draw a contact sheet with the times", command_sheet, sheet_options, 1,
		1 },
	{ "export", "CAMERA", "take pictures out: a folder, or a zip file", command_export,
		export_options, 1, 1 },
	{ "site", "DIR [CAMERA]...", "write the pages of some days as files", command_site,
		site_options, 1, CONF_CAMERAS_MAX },
	{ "archives", "", "print where the archives are that it shows", command_archives,
		cli_json_option },
	{ "check", "", "check the settings", cli_check },
	{ "dump", "", "print the settings in force", cli_dump, cli_json_option },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "viewpi",
		.summary = "Shows the pictures of capturepi and pullpi.",
		.commands = commands,
		.table = &view_settings_table,
		.settings_size = sizeof(struct view_settings),
	};

	return cli_main(&program, argc, argv);
}
