/* SPDX-License-Identifier: MIT */
/* Finds a camera's files, and names it on a command line. */
#include "pull/ssh/endpoint.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int endpoint_of(const struct camera_settings *camera, struct endpoint *ret)
{
	int r = pull_state_path("known_hosts", ret->known_hosts);

	if (r == 0)
		r = pull_state_path("known_hosts_jump", ret->jump_known_hosts);
	if (r == 0)
		r = pull_key_path(camera, ret->key);
	if (r < 0)
		return r;
	ret->camera = camera;
	snprintf(ret->alias, sizeof ret->alias, "%s", camera->name);
	for (char *p = ret->alias; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

const char *endpoint_pair_command(const struct camera_settings *camera, char *buf, size_t size)
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
