/* SPDX-License-Identifier: MIT */
/* Makes files that are visible when they are complete. */
#include "view/take/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void output_clear(struct output *output)
{
	if (*output->temp)
		unlinkat(output->folder, output->temp, 0);
	fd_closep(&output->fd);
	fd_closep(&output->folder);
	*output = (struct output)OUTPUT_NONE;
}

/*
 * What is there already must be a file, as it makes room: a device such as /dev/null, or what
 * /dev/stdout leads to, would be gone for everybody. A symlink stays, and the file that it names is
 * replaced; one that leads nowhere is replaced itself.
 */
static int output_follow(const char **path, char real[PATH_MAX])
{
	struct stat st;

	if (stat(*path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	if (!realpath(*path, real))
		return -errno;
	*path = real;
	return 0;
}

int output_open(const char *path, struct output *ret)
{
	CLEANUP(output_clear) struct output output = OUTPUT_NONE;
	char folder[PATH_MAX] = ".", real[PATH_MAX];
	int r = output_follow(&path, real);
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (r < 0)
		return r;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EISDIR;
	if (strlen(name) > NAME_MAX || (slash && slash - path >= PATH_MAX))
		return -ENAMETOOLONG;
	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			path);
	strcpy(output.name, name);
	output.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (output.folder < 0)
		return -errno;
	output.fd = openat(output.folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (output.fd < 0 && !fs_is_unsupported(-errno) && errno != EISDIR && errno != ENOENT)
		return -errno;
	if (output.fd < 0) {
		snprintf(output.temp, sizeof(output.temp), ".%.200s.%d.part", name, getpid());
		output.fd = fs_open_new(&fs_real, output.folder, output.temp, 0666);
		if (output.fd < 0)
			return output.fd;
	}
	*ret = output;
	output = (struct output)OUTPUT_NONE;
	return 0;
}

int output_commit(struct output *output)
{
	int r = fsync(output->fd) < 0 ? -errno : 0;

	if (r == 0 && !*output->temp) {
		snprintf(output->temp, sizeof(output->temp), ".%.200s.%d.part", output->name,
			getpid());
		unlinkat(output->folder, output->temp, 0);
		r = fs_link(output->fd, output->folder, output->temp);
	}
	if (r == 0 && renameat(output->folder, output->temp, output->folder, output->name) < 0)
		r = -errno;
	if (r == 0) {
		*output->temp = '\0';
		r = fs_sync_folder(&fs_real, output->folder);
	}
	return r;
}
