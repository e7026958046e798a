/* SPDX-License-Identifier: MIT */
/*
 * `pullpi unpair`: takes back what `pair` did, in the opposite order, and can be repeated: it
 * removes our line there, then the pinned host key, the peer state, the settings section and our
 * key here. The key goes last, because it alone tells which line over there is ours. Pictures stay.
 */
#include <errno.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/text.h"
#include "common/contact/peer_state.h"
#include "pull/pair/pair.h"
#include "pull/ssh/connect.h"
#include "pull/ssh/keys.h"

const struct cli_option unpair_options[] = {
	{ "identity", 'i', "FILE", "log in with this key to remove ours there" },
	{ "yes", 'y', NULL, "do not ask" },
	{ "force", 0, NULL, "here only: leave our line on the camera" },
	{ .name = NULL },
};

struct unpair {
	const struct cli *cli;
	const struct pull_settings *settings;
	struct camera_settings camera; /* the defaults, if there is no section */
	bool section, shared_key; /* shared: another section names the same key */
	struct endpoint endpoint;
	char *public_key; /* NULL: none can be read */
};

static void unpair_end(struct unpair *u)
{
	free(u->public_key);
}

/* Finds out whether there is anything of this camera. */
static int unpair_begin(struct unpair *u)
{
	const char *name = u->cli->argv[0];
	const struct camera_settings *camera = NULL;
	char error[PULL_ERROR_MAX];
	int r;

	if (!pull_camera_name_ok(name))
		return cli_usage(u->cli, "%s: not a camera's name", name);
	u->section = pair_camera(u->settings, name, &u->camera);
	r = endpoint_of(&u->camera, &u->endpoint);
	if (r < 0) {
		cli_error(u->cli, "no folder for keys: %s", strerror(-r));
		return CLI_SETTINGS;
	}
	u->shared_key = pull_key_is_used(u->settings, u->endpoint.key, u->camera.name);
	if (key_public(u->endpoint.key, &u->public_key, error, sizeof error) < 0)
		u->public_key = NULL;
	if (!u->section && !u->public_key && !peer_state_exists(name))
		return pull_choose_camera(u->cli, u->settings, name, &camera);
	return CLI_OK;
}

static int unpair_ask(const struct unpair *u)
{
	char question[PATH_MAX + 200];

	if (cli_flag(u->cli, "yes"))
		return CLI_OK;
	if (!isatty(STDIN_FILENO))
		return cli_usage(u->cli, "no terminal to ask on; say --yes");
	snprintf(question, sizeof question,
		"Remove the pairing with %s, here and there? Its pictures stay.", u->camera.name);
	if (pair_ask(question))
		return CLI_OK;
	cli_error(u->cli, "nothing was done");
	return CLI_REFUSED;
}

/* Tells the person which line stays on the camera. */
static void unpair_tell_line(const struct unpair *u)
{
	if (u->public_key) {
		fputs("The line of ~/.ssh/authorized_keys there that has this in it is still to "
		      "be deleted:\n",
			stderr);
		text_print(stderr, "%s\n", u->public_key);
	}
}

/* Our key may only run `serve`, so the person's own login removes the line, as it installed it. */
static int unpair_there(const struct unpair *u)
{
	const struct install install = {
		.endpoint = &u->endpoint,
		.identity = cli_value(u->cli, "identity"),
		.name = "",
		.public_key = u->public_key,
		.comment = "",
		.client = "none",
		.remove = true,
	};
	struct wire_greeting greeting;
	struct installed installed;
	char error[PULL_ERROR_MAX];
	int r = pair_try_key(&u->endpoint, &greeting, error, sizeof error), code;

	if (r == -EACCES) {
		fputs("The camera does not take our key any more\n", stderr);
		return CLI_OK;
	}
	code = connect_code(r);
	if (r == 0 || code == CLI_PROTOCOL) { /* the login works, whatever runs there */
		r = install_key(&install, &installed, error, sizeof error);
		code = connect_code(r);
	}
	if (code == CLI_OK)
		text_print(stderr, "%s our key %s ~/.ssh/authorized_keys there\n",
			installed.was_there ? "Removed" : "Did not find",
			installed.was_there ? "from" : "in");
	else
		cli_error(u->cli,
			"our key is still on the camera: %s; nothing was done here; try again, or "
			"leave it "
			"there with --force",
			error);
	return code;
}

/* Removes our key, but not one that the settings name, or that another section needs. */
static int unpair_key(const struct unpair *u)
{
	char public[PATH_MAX], next[PATH_MAX] = "";

	if (*u->camera.key || u->shared_key)
		return 0;
	if (snprintf(public, sizeof public, "%s.pub", u->endpoint.key) >= (int)sizeof public)
		return -ENAMETOOLONG;
	if ((unlink(public) < 0 && errno != ENOENT) ||
		(unlink(u->endpoint.key) < 0 && errno != ENOENT))
		return -errno;
	/* of a change of keys that did not end */
	if (pair_next_key(u->endpoint.key, next) == 0)
		(void)unlink(next);
	strncat(next, ".pub", sizeof next - strlen(next) - 1);
	(void)unlink(next);
	return 0;
}

static int unpair_here(const struct unpair *u)
{
	int r = pair_pin(u->cli, &u->endpoint, NULL);

	if (r != CLI_OK)
		return r;
	r = peer_state_forget(u->camera.name);
	if (r < 0)
		cli_error(u->cli, "%s: its last contact cannot be removed: %s", u->camera.name,
			strerror(-r));
	if (r == 0)
		r = pair_edit_settings(u->cli, u->camera.name, NULL, 0);
	if (r != CLI_OK)
		return r < 0 ? CLI_INTERNAL : r;
	r = unpair_key(u);
	if (r < 0)
		cli_error(u->cli, "%s: %s", u->endpoint.key, strerror(-r));
	return r < 0 ? CLI_INTERNAL : CLI_OK;
}

static void unpair_tell_rest(const struct unpair *u)
{
	char path[PATH_MAX];

	text_print(stdout, "%s: no longer paired", u->camera.name);
	if (pull_archive_path(&u->camera, path) == 0 && access(path, F_OK) == 0)
		text_print(stdout, "; its pictures stay in %s", path);
	if (*u->camera.key || u->shared_key)
		text_print(stdout, "; the key stays in %s", u->endpoint.key);
	fputs("; where it had timers: deploypi pull\n", stdout);
}

int command_unpair(struct cli *cli)
{
	CLEANUP(unpair_end) struct unpair u = { .cli = cli };
	CLEANUP_FREE void *settings = NULL;
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	u.settings = settings;
	if (r == CLI_OK)
		r = unpair_begin(&u);
	if (r == CLI_OK)
		r = unpair_ask(&u);
	if (r != CLI_OK)
		return r;
	/* a key that another section logs in with keeps its line */
	if (u.section && u.public_key && !u.shared_key && !cli_flag(cli, "force"))
		r = unpair_there(&u);
	else if (!u.shared_key)
		unpair_tell_line(&u);
	if (r == CLI_OK)
		r = unpair_here(&u);
	if (r == CLI_OK)
		unpair_tell_rest(&u);
	return r;
}
