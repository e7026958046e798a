/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD: a capturepi that forgets to sync. What it is to forget stands in NOSYNC: "file"
 * (fsync of files), "folder" (fsync of folders), "line" (fdatasync), or several of them. A
 * power-cut lab that finds nothing wrong with it proves nothing.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool forgets(const char *what)
{
	const char *list = getenv("NOSYNC");

	return list && strstr(list, what);
}

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && forgets(S_ISDIR(st.st_mode) ? "folder" : "file"))
		return 0;
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return forgets("line") ? 0 : (int)syscall(SYS_fdatasync, fd);
}

/* Only a hint, but it starts the writing that a forgotten fsync would have waited for. */
int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags)
{
	return forgets("file") ? 0 : (int)syscall(SYS_sync_file_range, fd, offset, bytes, flags);
}
