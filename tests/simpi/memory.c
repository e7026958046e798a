/* SPDX-License-Identifier: MIT */
/*
 * The memory that a camera's buffers come from (CMA), as large as the scenario says. It is given
 * back as a dma-buf is: when the last file and the last mapping of it are gone. The kernel knows
 * when that is; so each time that some is wanted, what the process still has is counted.
 */
#include "pi.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "simpi-cma"
#define KEPT_MAX 256

struct kept {
	uint64_t inode[KEPT_MAX];
	size_t n;
	int64_t bytes;
};

static void kept_add(struct kept *kept, uint64_t inode, int64_t bytes)
{
	for (size_t i = 0; i < kept->n; i++)
		if (kept->inode[i] == inode)
			return;
	if (kept->n == KEPT_MAX)
		abort();
	kept->inode[kept->n++] = inode;
	kept->bytes += bytes;
}

static void kept_by_files(struct kept *kept)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char path[300], target[100] = "";
		struct stat st;

		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, NAME) &&
			fstat(atoi(entry->d_name), &st) == 0)
			kept_add(kept, st.st_ino, st.st_size);
	}
	if (folder)
		closedir(folder);
}

static void kept_by_mappings(struct kept *kept)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096];

	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long from, to, inode;

		if (strstr(line, NAME) &&
			sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &inode) == 3)
			kept_add(kept, inode, (int64_t)(to - from));
	}
	if (maps)
		fclose(maps);
}

int memory_take(size_t bytes, int *ret_fd)
{
	struct kept kept = { .n = 0 };
	int fd;

	if (pi.options.memory >= 0) {
		kept_by_files(&kept);
		kept_by_mappings(&kept);
		if (kept.bytes + (int64_t)bytes > pi.options.memory) {
			pi_say("memory refused %zu, %lld in use", bytes, (long long)kept.bytes);
			return -ENOMEM;
		}
	}
	fd = memfd_create(NAME, MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
