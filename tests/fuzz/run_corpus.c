/* SPDX-License-Identifier: MIT */
/*
 * Feeds every file of the given folders to a fuzz target, for builds without libFuzzer: what once
 * was found stays found. A crash names the file. No files at all is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "common/base/fs.h"
#include "common/base/util.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 8192 /* what the fuzzers are given at most */

static char current[512];

static void on_crash(int signal)
{
	ssize_t n = write(STDERR_FILENO, current, strlen(current));

	(void)n;
	raise(signal); /* SA_RESETHAND: the default this time */
}

static int run_file(const char *folder, const char *name)
{
	CLEANUP_FREE char *data = NULL;
	size_t bytes;
	int r;

	snprintf(current, sizeof(current), "%s/%s", folder, name);
	r = fs_read_file(AT_FDCWD, current, INPUT_MAX, &data, &bytes);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", current, strerror(-r));
		return r;
	}
	strcat(current, ": crashed\n");
	LLVMFuzzerTestOneInput((const uint8_t *)data, bytes);
	return 0;
}

/* How many files there were, or -errno. */
static int run_folder(const char *folder)
{
	CLEANUP_DIR DIR *dir = opendir(folder);
	int count = 0;

	if (!dir) {
		int r = -errno;

		fprintf(stderr, "%s: %s\n", folder, strerror(-r));
		return r;
	}
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		if (run_file(folder, entry->d_name) < 0)
			return -EIO;
		count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };
	int total = 0;

	sigaction(SIGABRT, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	for (int i = 1; i < argc; i++) {
		int count = run_folder(argv[i]);

		if (count < 0)
			return 1;
		total += count;
	}
	printf("%d inputs\n", total);
	return total == 0;
}
