/* SPDX-License-Identifier: MIT */
/*
 * deploypi sandbox: the generator, systemd.generator(7), that runs before the user's manager reads
 * its units. So a drop-in is right after each boot, reload and upgrade, whoever changed a setting.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/systemd/unit.h"
#include "deploy/commands.h"
#include "deploy/sandbox.h"
#include "deploy/setup.h"

const struct cli_option sandbox_options[] = { { 0 } };

#define PATH_HEAD "# By deploypi; made again at each reload.\n[Path]\nPathModified=\nPathModified="

static const char *const dump_words[] = { "dump", "--json", NULL };

/* `unit` starts a hook: it watches the archive where the settings have it elsewhere. */
static int generate_path(const char *generated, const char *unit, const struct sandbox_needs *needs)
{
	char folder[PATH_MAX + UNIT_NAME_MAX + 4], text[4 * PATH_MAX] = PATH_HEAD;
	size_t n = strlen(text);

	if (strcmp(needs->archive, needs->usual) == 0)
		return 0;
	for (const char *c = needs->archive; *c; c++)
		n += (size_t)snprintf(text + n, sizeof text - n, *c == '%' ? "%%%%" : "%c", *c);
	snprintf(text + n, sizeof text - n, "/journal\n");
	snprintf(folder, sizeof folder, "%s/%s.d", generated, unit);
	return drop_in_write(folder, "deploypi.conf", text);
}

static int generate_capture(struct deploy *deploy, const char *generated, const char *name)
{
	char unit[UNIT_NAME_MAX], usual[CLI_NAME_MAX + 16];
	const char *const units[] = { unit, NULL };
	struct json_object *dump = NULL;
	struct sandbox_needs needs;
	int r;

	deploy->name = name;
	snprintf(unit, sizeof unit, "capturepi%s%s.service", name ? "@" : "", name ? name : "");
	snprintf(usual, sizeof usual, "captures%s%s", name ? "-" : "", name ? name : "");
	r = setup_ask(deploy, "capturepi", dump_words, &dump);
	if (r == 0)
		r = sandbox_needs_of(deploy, usual, json_get_text(dump, "/archive/path"),
			json_get_text(dump, "/camera/tuning_file"), &needs);
	if (r == CLI_OK)
		r = sandbox_generate(generated, "capturepi", units, &needs);
	snprintf(unit, sizeof unit, "capturepi-new%s%s.path", name ? "@" : "", name ? name : "");
	if (r == CLI_OK)
		r = generate_path(generated, unit, &needs);
	json_object_put(dump);
	return r;
}

/* Each camera that has settings; the first one may do without. The first error of all. */
static int generate_captures(struct deploy *deploy, const char *generated)
{
	char path[PATH_MAX], name[NAME_MAX + 1], *end;
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int worst, r;

	if (setup_settings_path("capturepi", NULL, path) != CLI_OK)
		return -ENOENT;
	*strrchr(path, '/') = '\0';
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	worst = generate_capture(deploy, generated, NULL);
	while ((entry = readdir(dir))) {
		snprintf(name, sizeof name, "%s", entry->d_name);
		end = strrchr(name, '.');
		if (!end || strcmp(end, ".conf") != 0)
			continue;
		*end = '\0';
		r = cli_name_ok("capturepi", name) ? generate_capture(deploy, generated, name) : 0;
		worst = worst == 0 ? r : worst;
	}
	return worst;
}

static int generate_camera(
	struct deploy *deploy, const char *generated, const char *name, struct json_object *camera)
{
	char latest[UNIT_NAME_MAX], sync[UNIT_NAME_MAX], follow[UNIT_NAME_MAX];
	const char *const units[] = { latest, sync, follow, NULL };
	struct sandbox_needs needs;
	int r = sandbox_needs_of(deploy, "pulled", json_get_text(camera, "/archive"),
		json_get_text(camera, "/key"), &needs);

	snprintf(latest, sizeof latest, "pullpi-latest@%s.service", name);
	snprintf(sync, sizeof sync, "pullpi-sync@%s.service", name);
	snprintf(follow, sizeof follow, "pullpi-follow@%s.service", name);
	if (r != CLI_OK || !unit_name_ok(latest))
		return r;
	r = sandbox_generate(generated, "pullpi", units, &needs);
	snprintf(latest, sizeof latest, "pullpi-new@%s.path", name);
	return r == 0 ? generate_path(generated, latest, &needs) : r;
}

/* An archive that the unit does not see already. */
static void needs_add_read(struct sandbox_needs *needs, const char *path)
{
	static const char *const usual[] = { "captures", "pulled" };
	char folder[PATH_MAX];

	if (!*path)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		snprintf(folder, sizeof folder, "%s/%s", needs->home, usual[i]);
		if (fs_path_is_below(folder, path))
			return;
	}
	if (needs->n_reads < ARRAY_SIZE(needs->reads))
		needs->reads[needs->n_reads++] = path;
}

/* What pullpi-watch.service reads elsewhere: archives, certificates, a program in the home. */
static int generate_watch(
	const char *generated, struct json_object *dump, struct json_object *cameras)
{
	static const char *const units[] = { "pullpi-watch.service", NULL };
	struct sandbox_needs needs = { 0 };

	if (conf_home(needs.home) < 0)
		return -ENOENT;
	json_object_object_foreach(cameras, name, camera)
	{
		(void)name;
		needs_add_read(&needs, json_get_text(camera, "/archive"));
	}
	needs_add_read(&needs, json_get_text(dump, "/alarm/ca_file"));
	needs_add_read(&needs, json_get_text(dump, "/alarm/command"));
	return sandbox_generate(generated, "pullpi", units, &needs);
}

static int generate_pull(struct deploy *deploy, const char *generated)
{
	struct json_object *dump = NULL, *cameras;
	char settings[PATH_MAX];
	int worst;

	if (setup_settings_path("pullpi", NULL, settings) != CLI_OK || access(settings, F_OK) < 0)
		return 0;
	deploy->name = NULL;
	worst = setup_ask(deploy, "pullpi", dump_words, &dump);
	cameras = worst == 0 ? json_object_object_get(dump, "camera") : NULL;
	if (cameras) {
		json_object_object_foreach(cameras, name, camera)
		{
			int r = generate_camera(deploy, generated, name, camera);

			worst = worst == 0 ? r : worst;
		}
		if (worst == 0)
			worst = generate_watch(generated, dump, cameras);
	}
	json_object_put(dump);
	return worst;
}

static int note_film(void *data, const char *unit, const char *drop_in)
{
	bool *enabled = data;

	*enabled = *enabled || (!drop_in && strncmp(unit, "viewpi-film@", 12) == 0);
	return 0;
}

/* The folder of the films, which viewpi cannot make in its sandbox, where a timer is enabled. */
static int generate_films(const char *home)
{
	char folder[PATH_MAX];
	bool enabled = false;
	int r = userunits_walk(note_film, &enabled);

	if (r < 0 || !enabled)
		return r;
	snprintf(folder, sizeof folder, "%s/films", home);
	return fs_make_folders(folder, 0777);
}

/* The archives, which viewpi only reads. */
static int generate_view(struct deploy *deploy, const char *generated)
{
	static const char *const units[] = { "viewpi.service", "viewpi-film@.service", NULL };
	static const char *const words[] = { "archives", "--json", NULL };
	struct json_object *archives = NULL;
	struct sandbox_needs needs = { 0 };
	int r;

	deploy->name = NULL;
	if (conf_home(needs.home) < 0 || setup_ask(deploy, "viewpi", words, &archives) < 0)
		return -ENOENT;
	for (size_t i = 0; i < json_object_array_length(archives); i++)
		needs_add_read(
			&needs, json_get_text(json_object_array_get_idx(archives, i), "/archive"));
	r = sandbox_generate(generated, "viewpi", units, &needs);
	if (r == 0)
		r = generate_films(needs.home);
	json_object_put(archives);
	return r;
}

/* A program that is not installed has nothing to say. */
int command_sandbox(struct cli *cli)
{
	struct deploy deploy = { .report.cli = cli };
	int captures = generate_captures(&deploy, cli->argv[0]);
	int pull = generate_pull(&deploy, cli->argv[0]);
	int view = generate_view(&deploy, cli->argv[0]);
	int r = captures < 0 && captures != -ENOENT ? captures : pull;

	r = r < 0 && r != -ENOENT ? r : view;
	if (r >= 0 || r == -ENOENT)
		return r > 0 ? r : CLI_OK;
	cli_error(cli, "%s: %s", cli->argv[0], strerror(-r));
	return CLI_INTERNAL;
}
