/* SPDX-License-Identifier: MIT */
/* From a camera's settings to a connection. */
#include "pull/reach.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "pull/wait.h"

#define CONNECT_US (10 * US_PER_SEC)
#define LOGIN_US (15 * US_PER_SEC)

const char *reach_alias(const char *camera, char ret[static CAMERA_NAME_MAX])
{
	size_t i = 0;

	for (; camera[i] && i < CAMERA_NAME_MAX - 1; i++)
		ret[i] = (char)tolower((unsigned char)camera[i]);
	ret[i] = 0;
	return ret;
}

int reach_camera(const struct camera_settings *camera, struct reach *ret)
{
	int r = pull_state_path("known_hosts", ret->known_hosts);

	if (r == 0)
		r = pull_state_path("known_hosts_jump", ret->jump_known_hosts);
	if (r == 0)
		r = pull_key_path(camera, ret->key);
	if (r < 0)
		return r;
	ret->jump = (struct jump_options){
		.jump = camera->proxy_jump,
		.known_hosts = ret->jump_known_hosts,
		.key = ret->key,
	};
	ret->ssh = (struct ssh_options){
		.host = camera->host,
		.port = (int)camera->port,
		.user = *camera->user ? camera->user : NULL,
		.alias = reach_alias(camera->name, ret->alias),
		.known_hosts = ret->known_hosts,
		.key = ret->key,
		.jump = *camera->proxy_jump ? &ret->jump : NULL,
		.connect_timeout_us = CONNECT_US,
		.login_timeout_us = LOGIN_US,
		.deadline_ns = DEADLINE_NONE,
	};
	return 0;
}

const char *reach_pair_command(const struct camera_settings *camera, char *buf, size_t size)
{
	bool v6 = strchr(camera->host, ':') != NULL;
	const char *quote = strchr(camera->user, '\\') ? "'" : "";
	char port[24] = "";

	if (camera->port != 22)
		snprintf(port, sizeof port, ":%lld", (long long)camera->port);
	snprintf(buf, size, "pullpi pair %s%s%s%s%s%s%s%s --camera %s", quote, camera->user,
		*camera->user ? "@" : "", v6 ? "[" : "", camera->host, v6 ? "]" : "", port, quote,
		camera->name);
	return buf;
}
