/* SPDX-License-Identifier: MIT */
/*
 * The ways a message leaves this machine: mail, ntfy, a POST of JSON, a command. Each call sends
 * one message, ends within CHANNEL_SECONDS, and follows no redirect. A certificate that does not
 * verify is an error. What goes wrong is told without the address beyond its host, and without any
 * secret.
 */
#pragma once

#include <stddef.h>

#include "pull/settings/settings.h"

#define CHANNEL_SECONDS 60
#define CHANNEL_REACH_SECONDS 15
#define CHANNEL_PICTURE_MAX (10 * 1024 * 1024) /* a larger picture is left out */

enum channel { CHANNEL_MAIL, CHANNEL_NTFY, CHANNEL_URL, CHANNEL_COMMAND, CHANNEL_PING, CHANNELS };
const char *channel_name(enum channel channel); /* "mail", "ntfy", "url", "command", "ping" */

/* What a settings file is no place for; an address replaces that of the settings. */
struct secrets {
	char mail_password[CONF_VALUE_MAX], ntfy_token[CONF_VALUE_MAX], url_token[CONF_VALUE_MAX];
	char ntfy[CONF_VALUE_MAX], url[CONF_VALUE_MAX], ping_url[CONF_VALUE_MAX];
};

/*
 * Reads the file `path`; no file is no secrets. -EPERM: others than its owner may read or write
 * it, or it is another user's; -EBADMSG: a mistake in line `ret_line`; -errno.
 */
int secrets_load(const char *path, struct secrets *ret, int *ret_line);

struct channel_message {
	const char *kind, *camera; /* "down"; "": of several cameras */
	const char *title, *text; /* plain; `text` may have several lines */
	const char *json; /* all of it, for CHANNEL_URL */
	const char *picture; /* path of the newest one; "": none */
};

struct channels {
	const struct alarm_settings *settings;
	const struct secrets *secrets;
};

/* The host that it leads to, or the program, without what may be a secret. */
void channel_host(const struct channels *channels, enum channel channel, char *ret, size_t size);
bool channel_is_set(const struct channels *channels, enum channel channel);
/* 0, or -EIO and a sentence in `error`. CHANNEL_PING takes no message. */
int channel_send(const struct channels *channels, enum channel channel,
	const struct channel_message *message, char *error, size_t size);
/*
 * Sends nothing: connects, with TLS and the login of mail, for CHANNEL_REACH_SECONDS at most; looks
 * whether the command can be run. Returns as channel_send().
 */
int channel_reach(const struct channels *channels, enum channel channel, char *error, size_t size);
