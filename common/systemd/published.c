/* SPDX-License-Identifier: MIT */
/* Finds the files that capturepi publishes, and reads them. */
#include "common/systemd/published.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/limits.h"
#include "common/base/util.h"
#include "common/systemd/userbus.h"

#define OLD_US (US_PER_SEC - US_PER_SEC / 10) /* a picture that is older shows a past */

int published_path(char ret[static PATH_MAX])
{
	const char *own = getenv("RUNTIME_DIRECTORY");
	char user[PATH_MAX];
	int n;

	if (own && *own == '/')
		n = snprintf(ret, PATH_MAX, "%s", own);
	else if (userbus_runtime(user) == 0)
		n = snprintf(ret, PATH_MAX, "%s/capturepi", user);
	else
		n = snprintf(ret, PATH_MAX, "/tmp/capturepi-%u", getuid());
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Ours alone: in /tmp somebody else could have made it first. */
int published_folder(bool create, int *ret_folder)
{
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX];
	struct stat st;
	int r = published_path(path);

	if (r < 0)
		return r;
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != getuid())
		return -EPERM;
	*ret_folder = TAKE_FD(fd);
	return 0;
}

int published_file(const char *archive, const char *kind, bool create, int *ret_folder,
	char ret_name[static PUBLISHED_NAME_MAX])
{
	char hex[SHA256_HEX + 1];
	uint8_t sha256[SHA256_BYTES];
	int r = digest_buffer(archive, strlen(archive), sha256);

	if (r < 0)
		return r;
	digest_hex(sha256, hex);
	snprintf(ret_name, PUBLISHED_NAME_MAX, "%s-%s%s", kind, hex,
		strcmp(kind, PUBLISHED_STATUS) == 0 ? ".json" : "");
	return published_folder(create, ret_folder);
}

struct json_object *published_status(const char *archive)
{
	CLEANUP_FD int folder = -1;
	CLEANUP_FREE char *text = NULL;
	char name[PUBLISHED_NAME_MAX];

	if (published_file(archive, PUBLISHED_STATUS, false, &folder, name) < 0 ||
		fs_read_file(folder, name, LINE_MAX_BYTES, &text, NULL) < 0)
		return NULL;
	return json_tokener_parse(text);
}

static int published_open(const char *archive, const char *kind)
{
	CLEANUP_FD int folder = -1;
	char name[PUBLISHED_NAME_MAX];
	int fd, r = published_file(archive, kind, false, &folder, name);

	if (r < 0)
		return r;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int published_aim(const char *archive, uint64_t after, int *ret_fd, struct json_object **ret_head)
{
	CLEANUP_FD int asked = published_open(archive, PUBLISHED_DOOR), fd = -1;
	char line[PUBLISHED_HEAD_BYTES + 1] = "";
	struct json_object *head;
	int64_t age_us;

	if (asked < 0)
		return asked;
	fd = published_open(archive, PUBLISHED_AIM);
	if (fd < 0 || fs_read_at(fd, line, PUBLISHED_HEAD_BYTES, 0) != PUBLISHED_HEAD_BYTES)
		return -EAGAIN;
	head = json_tokener_parse(line);
	age_us = clock_wall_us(&clock_real) - json_get_number(head, "/at");
	if (age_us < 0 || age_us > OLD_US || (uint64_t)json_get_number(head, "/n") == after) {
		json_object_put(head);
		return -EAGAIN;
	}
	*ret_fd = TAKE_FD(fd);
	*ret_head = head;
	return 0;
}
