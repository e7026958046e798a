/* SPDX-License-Identifier: MIT */
/* sd_notify(3), the part that pullpi needs. */
#include "pull/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char *socket_path(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	/* "@...": an abstract socket */
	return path && (*path == '/' || *path == '@') ? path : NULL;
}

bool notify_wanted(void)
{
	return socket_path() != NULL;
}

int notify(const char *fmt, ...)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = socket_path();
	size_t len = path ? strlen(path) : 0;
	CLEANUP_FD int fd = -1;
	char text[1024];
	va_list args;

	if (len == 0 || len >= sizeof address.sun_path)
		return -ENOENT;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = 0;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
		sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	return 0;
}
