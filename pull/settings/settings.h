/* SPDX-License-Identifier: MIT */
/* The settings of pullpi: one section [camera NAME] per camera. See pullpi.conf(5). */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/events/hook.h"
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
	int64_t budget; /* bytes a month, 0: none */
	int64_t heartbeat_us; /* 0: auto; ask pull_heartbeat_us() */
	bool previews;
	char proxy_jump[256];
	int64_t keep_days;
	int64_t reserve; /* 0: auto */
	int when_full; /* enum when_full */
	int64_t keep_at_least_us, max_bytes, max_frames, daily_bytes; /* 0: no limit; auto */
	int access; /* enum fs_access */
	bool require_mount;
	const struct pull_settings *all; /* with the other cameras; NULL: there are none */
};

/* How `pullpi watch` tells of troubles. */
struct alarm_settings {
	int64_t after_us; /* how long a trouble lasts before it is told */
	char summary[8]; /* "08:00", local time; "": none */
	char mail_server[CONF_VALUE_MAX], mail_user[CONF_VALUE_MAX];
	char mail_from[CONF_VALUE_MAX], mail_to[CONF_VALUE_MAX]; /* several: "a@x, b@y" */
	char ntfy[CONF_VALUE_MAX], url[CONF_VALUE_MAX], ping_url[CONF_VALUE_MAX];
	char command[CONF_VALUE_MAX], ca_file[CONF_VALUE_MAX]; /* paths */
};

/* What happens where reserve, max_bytes or max_frames is reached. */
enum when_full {
	WHEN_FULL_AUTO, /* as REMOVE where a reserve is set, which older versions took for that */
	WHEN_FULL_STOP,
	WHEN_FULL_REMOVE,
};

/* 450 KB and more: for the heap, zeroed. */
struct pull_settings {
	struct camera_settings cameras[CONF_CAMERAS_MAX];
	size_t n_cameras;
	struct hook_settings hook;
	struct alarm_settings alarm;
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

/* The minute of the day of alarm.summary; -1: none is wanted. */
int pull_summary_minute(const struct alarm_settings *alarm);

/* Whether `name` may name a camera: it becomes a folder and a file name. */
bool pull_camera_name_ok(const char *name);

/* How far apart the signs of life of `follow` are. */
int64_t pull_heartbeat_us(const struct camera_settings *camera);

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
