/* SPDX-License-Identifier: MIT */
/* The trivial program that a systemd timer starts: adds the time of its main() to a file. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec now;
	char line[32];
	int fd, n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (argc != 2)
		return 2;
	fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	n = snprintf(line, sizeof line, "%lld%06ld\n", (long long)now.tv_sec, now.tv_nsec / 1000);
	return fd < 0 || write(fd, line, (size_t)n) != n;
}
