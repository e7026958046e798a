/* SPDX-License-Identifier: MIT */
/* Asks the service for a picture to aim by. */
#include "view/facts/aim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/systemd/userbus.h"

#define OLD_US (US_PER_SEC - US_PER_SEC / 10) /* what is older shows a past */
#define HEAD_BYTES 256

static int aim_file(const char *archive, const char *kind, int *ret_fd)
{
	char folder[PATH_MAX], path[2 * PATH_MAX], name[PUBLISHED_NAME_MAX];
	int r = userbus_runtime(folder);

	if (r == 0)
		r = published_name(archive, kind, name);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/capturepi/%s", folder, name);
	*ret_fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

int aim_open(const char *archive, uint64_t after, int *ret_fd, int64_t *ret_bytes)
{
	CLEANUP_FD int asked = -1, fd = -1;
	char head[HEAD_BYTES + 1] = "";
	struct json_object *o;
	int64_t age_us, n;
	struct stat st;
	int r = aim_file(archive, PUBLISHED_DOOR, &asked);

	if (r < 0)
		return r;
	if (aim_file(archive, PUBLISHED_AIM, &fd) < 0 || fstat(fd, &st) < 0 ||
		!S_ISREG(st.st_mode) || fs_read_at(fd, head, HEAD_BYTES, 0) != HEAD_BYTES)
		return -EAGAIN;
	o = json_tokener_parse(head);
	age_us = clock_wall_us(&clock_real) - json_get_number(o, "/at");
	n = json_get_number(o, "/n");
	json_object_put(o);
	if (age_us < 0 || age_us > OLD_US || (uint64_t)n == after)
		return -EAGAIN;
	*ret_fd = TAKE_FD(fd);
	*ret_bytes = st.st_size;
	return 0;
}
