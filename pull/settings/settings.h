/* SPDX-License-Identifier: MIT */
/* The settings of pullpi: one section [camera NAME] per camera. See pullpi.conf(5). */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/settings/conf.h"

struct camera_settings {
	char name[CAMERA_NAME_MAX]; /* letters, digits, '-', '_', '.'; no leading '.' or '-' */
	char host[256];
	int64_t port;
	char user[64];
	char remote_name[CAMERA_NAME_MAX]; /* capturepi's --name there; "": its first camera */
	char key[CONF_VALUE_MAX]; /* private key; "": id_ed25519-NAME in the state folder */
	char archive[CONF_VALUE_MAX]; /* "" is ~/pulled/NAME */
	int64_t stale_after_us; /* 0: auto, by the camera's schedule */
	int64_t limit_rate; /* bytes per second, 0: none */
	char proxy_jump[256];
	int64_t keep_days, reserve;
	bool require_mount;
};

/* 450 KB: for the heap, zeroed. */
struct pull_settings {
	struct camera_settings cameras[CONF_CAMERAS_MAX];
	size_t n_cameras;
};

struct destination {
	char user[sizeof(((struct camera_settings *)NULL)->user)]; /* "": not given */
	char host[sizeof(((struct camera_settings *)NULL)->host)];
	int port;
};

/*
 * Reads "[USER@]HOST[:PORT]", an IPv6 address in brackets where a port follows; the last '@' ends
 * the user. Takes the same words as the settings host, user and port. -EINVAL also for what could
 * be mistaken for an option.
 */
int destination_parse(const char *text, struct destination *ret);

extern const struct conf_table pull_settings_table;

/*
 * Checks that need more than one value, of a struct pull_settings; complains like conf_load().
 * Returns the number of complaints. Fits cli_program.check.
 */
int pull_settings_check(void *settings, conf_complain *complain, void *data);

/* Whether both archives are one folder, however it is written: by links, "..", two mounts. */
bool pull_same_archive(const struct camera_settings *a, const struct camera_settings *b);

/* NULL if there is no such camera. */
const struct camera_settings *pull_camera(const struct pull_settings *settings, const char *name);

/* Whether `name` may name a camera: it becomes a folder and a file name. */
bool pull_camera_name_ok(const char *name);

/* Where things are. -ENAMETOOLONG, -ENOENT without $HOME. */
int pull_archive_path(const struct camera_settings *camera, char ret[static PATH_MAX]);
int pull_key_path(const struct camera_settings *camera, char ret[static PATH_MAX]);
/* Whether another camera than `name` (NULL: any) logs in with the key of that path. */
bool pull_key_is_used(const struct pull_settings *settings, const char *key, const char *name);
/* `file` in $STATE_DIRECTORY, else $XDG_STATE_HOME/pullpi, else ~/.local/state/pullpi. */
int pull_state_path(const char *file, char ret[static PATH_MAX]);

struct cli;

/*
 * The camera that is meant: the one named, or the only one where `name` is NULL. CLI_OK, or an exit
 * code after having told why.
 */
int pull_choose_camera(const struct cli *cli, const struct pull_settings *settings,
	const char *name, const struct camera_settings **ret);
