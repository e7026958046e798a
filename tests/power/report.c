/* SPDX-License-Identifier: MIT */
/*
 * power_report PORT [DISK]: hands each line of stdin out of the machine at once. A line goes into
 * the last block of DISK, past the page cache and without a flush, so that the log of the disk's
 * writes shows what had been reported by then; and to PORT, a virtio port whose other end is a file
 * of the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/limits.h"
#include "common/base/util.h"
#include "tests/power/mark.h"

static int mark(int disk, void *block, const char *line)
{
	off_t end = lseek(disk, 0, SEEK_END);

	memset(block, 0, MARK_BYTES);
	snprintf(block, MARK_BYTES, MARK_TEXT "%s", line);
	if (end < MARK_BYTES || pwrite(disk, block, MARK_BYTES, end - MARK_BYTES) != MARK_BYTES)
		return -errno;
	return 0;
}

static int report(int port, int disk, void *block)
{
	char line[LINE_MAX_BYTES + 1];

	while (fgets(line, sizeof(line), stdin)) {
		size_t length = strlen(line);
		int r = disk >= 0 ? mark(disk, block, line) : 0;

		if (r < 0)
			return r;
		if (write(port, line, length) != (ssize_t)length)
			return -errno;
	}
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP_FD int port = argc > 1 ? open(argv[1], O_WRONLY | O_CLOEXEC) : -1;
	CLEANUP_FD int disk = argc > 2 ? open(argv[2], O_RDWR | O_DIRECT | O_CLOEXEC) : -1;
	CLEANUP_FREE void *block = aligned_alloc(MARK_BYTES, MARK_BYTES);
	int r;

	if (port < 0 || !block || (argc > 2 && disk < 0)) {
		perror("power_report");
		return 1;
	}
	r = report(port, disk, block);
	if (r < 0)
		fprintf(stderr, "power_report: %s\n", strerror(-r));
	return r < 0;
}
