/* SPDX-License-Identifier: MIT */
/*
 * The parts of `pullpi pair` that only turn text into text, and the one that talks to the camera's
 * login shell. The command itself is pair.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/cli.h"
#include "common/wire.h"
#include "pull/connect.h"
#include "pull/settings.h"

#define SETTINGS_MAX 16 /* that settings_set_camera() takes */

/* The "TYPE BASE64" that known_hosts `text` has for `alias`, for free(). -ENOENT, -ENOMEM. */
int known_hosts_find(const char *text, const char *alias, char **ret_key);
/* `text` with the lines of `alias` replaced by one with `key` (NULL: by none); all else as it is. -ENOMEM. */
int known_hosts_replace(const char *text, const char *alias, const char *key, char **ret);

struct setting {
	const char *key, *value;
	bool only_if_there; /* the value is the default: change a line, but make none */
};

/*
 * The settings file `text` with these settings in [camera NAME]: values of existing lines are
 * replaced, missing lines are added to the section, a missing section to the end. Everything else,
 * comments behind a value too, stays as it is. -ENOMEM.
 */
int settings_set_camera(const char *text, const char *name, const struct setting *settings,
	size_t n_settings, char **ret);

/*
 * `text` without [camera NAME]. Comments before the section stay, and so do those after its last setting, which may be
 * of the next one. -ENOMEM.
 */
int settings_drop_camera(const char *text, const char *name, char **ret);

/* Whether `serve` can stand as the forced command in authorized_keys: printable, no '"' and no '\'. */
bool serve_command_ok(const char *serve);

struct install {
	const struct endpoint *endpoint;
	const char *identity; /* ssh -i; NULL: what ssh finds by itself */
	const char *serve; /* NULL: capturepi is looked for over there */
	const char *public_key; /* "ssh-ed25519 AAAA..." */
	const char *comment;
	const char *name; /* capturepi's --name over there; "": the first camera */
	const char *client; /* our name in `capturepi serve --client`; named like a camera */
	bool remove; /* take the key out instead; `serve` and `comment` are not used */
	bool may_ask; /* there is a terminal to ask for a password on */
};

/*
 * Puts the key into ~/.ssh/authorized_keys over there, or takes it out, with the system's ssh and its own logins. The
 * file is replaced as a whole, under a lock where flock(1) is there.
 * 0, `replaced` telling whether the key was in the file already. -EACCES ssh could not log in (it has
 * told why on stderr), -ENOSYS ssh cannot be run here, -EPROTONOSUPPORT no capturepi there, -EPROTO the shell
 * there did not do what it was told; connect_code() knows them. `error` gets one sentence.
 */
int install_key(const struct install *install, bool *ret_replaced,
	char ret_serve[static SERVE_COMMAND_MAX], char *error, size_t size);

/* The settings of that camera, or the defaults of one; whether it has a section. */
bool pair_camera(
	const struct pull_settings *settings, const char *name, struct camera_settings *ret);
/* Asks the person on the terminal; true: yes. */
bool pair_ask(const char *question);
/* A real connection with our key, up to the greeting. 0, or the errors of ssh.h and client.h with a sentence. */
int pair_try_key(
	const struct endpoint *endpoint, struct wire_greeting *ret, char *error, size_t size);
/* Makes `key` (NULL: none) the pinned host key of the camera. An exit code; what failed was said. */
int pair_pin(const struct cli *cli, const struct endpoint *endpoint, const char *key);
/* Puts these settings into the section of `camera`; NULL: takes the section away. As pair_pin(). */
int pair_edit_settings(const struct cli *cli, const char *camera, const struct setting *settings,
	size_t n_settings);
