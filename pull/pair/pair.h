/* SPDX-License-Identifier: MIT */
/*
 * What pairing is made of: edits of known_hosts and of the settings (pair_text.c), the key that
 * is installed on the camera (pair_remote.c), and what `pair` and `unpair` share (pair.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/commands/cli.h"
#include "common/wire/wire.h"
#include "pull/settings/settings.h"
#include "pull/ssh/connect.h"
#include "pull/ssh/endpoint.h"

#define SETTINGS_MAX 16 /* that settings_set_camera() takes */

/* The "TYPE BASE64" that known_hosts `text` has for `alias`, for free(). -ENOENT, -ENOMEM. */
int known_hosts_find(const char *text, const char *alias, char **ret_key);
/* Replaces the lines of `alias` by one with `key` (NULL: by none). `ret` is for free(). -ENOMEM. */
int known_hosts_replace(const char *text, const char *alias, const char *key, char **ret);

struct setting {
	const char *key, *value;
	bool only_if_there; /* the value is the default: change a line, but make none */
};

/*
 * Puts these settings into [camera NAME] of the settings file `text`: replaces the values of
 * existing lines, adds missing lines to the section, and a missing section to the end. Everything
 * else stays as it is, comments after a value too. `ret` is for free(). -ENOMEM.
 */
int settings_set_camera(const char *text, const char *name, const struct setting *settings,
	size_t n_settings, char **ret);

/*
 * Takes [camera NAME] out of `text`. Comments before the section stay, and so do those after its
 * last setting, which may belong to the next one. `ret` is for free(). -ENOMEM.
 */
int settings_drop_camera(const char *text, const char *name, char **ret);

/*
 * Whether `serve` can stand as the forced command in authorized_keys: printable, no '"' and no
 * '\'.
 */
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
	/* the public key before this one: its line goes, and those with our name; NULL: none */
	const char *replaces;
};

struct installed {
	bool was_there; /* a line with this key, or the one before */
	unsigned older; /* lines of other keys with our comment; with `replaces`, they are gone */
	char serve[SERVE_COMMAND_MAX]; /* what the key may run */
};

/*
 * Puts the key into ~/.ssh/authorized_keys on the camera, or takes it out, with the system's ssh
 * and the person's own logins. The file is replaced as a whole, under a lock if flock(1) is
 * there, and again if an editor without that lock changed it meanwhile. 0. -EACCES ssh could not
 * log in (it has said why on stderr), -ENOSYS ssh cannot be run here, -EPROTONOSUPPORT no
 * capturepi there, -EPROTO the shell there did not do what it was told; connect_code() knows
 * them. `error` gets one sentence.
 */
int install_key(const struct install *install, struct installed *ret, char *error, size_t size);

/* Fills in the settings of that camera, or the defaults. Returns whether it has a section. */
bool pair_camera(
	const struct pull_settings *settings, const char *name, struct camera_settings *ret);
/* Where the key is made that will replace `key`. -ENAMETOOLONG. */
int pair_next_key(const char *key, char ret[static PATH_MAX]);
/* Asks the person on the terminal; true: yes. */
bool pair_ask(const char *question);
/*
 * Connects with our key, up to the greeting. 0, or an error of ssh.h or client.h with a sentence.
 */
int pair_try_key(
	const struct endpoint *endpoint, struct wire_greeting *ret, char *error, size_t size);
/* Makes `key` (NULL: none) the pinned host key. Returns an exit code, and has said what failed. */
int pair_pin(const struct cli *cli, const struct endpoint *endpoint, const char *key);
/* Puts these settings into the section of `camera`; NULL: removes the section. As pair_pin(). */
int pair_edit_settings(const struct cli *cli, const char *camera, const struct setting *settings,
	size_t n_settings);

/* A camera to pair; NULL: not said. */
struct pair_request {
	const char *name; /* here */
	const char *destination; /* [USER@]HOST[:PORT]; of --rotate the name */
	const char *remote_name, *fingerprint;
};
/* An exit code, after having told why; `ret` is filled in where it is CLI_OK, but for --print. */
int pair_one(struct cli *cli, const struct pair_request *request, struct wire_greeting *ret);
/* How it ended, as --json has it. */
void pair_print_program(const char *name, int code, const struct wire_greeting *greeting);

#define PAIR_LINE_MAX 1024
/*
 * Reads a line of `pair --from`, which it cuts into words. 1; 0: there is nothing in it; -EINVAL.
 */
int pair_line_parse(char *line, struct pair_request *ret);
/*
 * Pairs the cameras of a file, one after the other, whatever becomes of each. The exit code of all
 * that failed, or CLI_INTERNAL where these differ.
 */
int pair_many(struct cli *cli, const char *path);

/* The commands `pair` and `unpair`, and their options. */
int command_pair(struct cli *cli);
int command_unpair(struct cli *cli);
extern const struct cli_option pair_options[], unpair_options[];
