/* SPDX-License-Identifier: MIT */
/*
 * Watches a puller's folder while a test tortures it: no picture may be seen that is not whole.
 *
 *   watch FOLDER ARCHIVE
 *
 * Each picture that appears anywhere below FOLDER is at once compared with the one of the same day
 * and name in ARCHIVE, the camera's. A fault is one that differs, that is written to under its
 * visible name, or that goes again. Prints `ready`, then a line for each fault; SIGTERM ends it
 * with a last line `N pictures appeared, N faults`, exit code 1 if there was any.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/digest.h"
#include "common/base/limits.h"
#include "common/base/util.h"

#define FOLDERS_MAX 1024
#define PATH_BYTES 512
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_DELETE | IN_MOVED_FROM)

static struct {
	int fd;
	const char *archive;
	char *folders[FOLDERS_MAX]; /* by watch descriptor */
	void *seen; /* tree of paths */
	unsigned appeared, faults;
} watch;

static volatile sig_atomic_t is_over;

static void on_signal(int signal)
{
	(void)signal;
	is_over = 1;
}

static void fault(const char *path, const char *what)
{
	printf("%s: %s\n", path, what);
	watch.faults++;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_picture(const char *name)
{
	size_t len = strlen(name);

	return name[0] == '2' && len > 4 && strcmp(name + len - 4, ".jpg") == 0;
}

/* The year, month, day and name at the end of a path. */
static const char *dated(const char *path)
{
	const char *p = path + strlen(path);

	for (int slashes = 0; p > path; p--) {
		slashes += p[-1] == '/';
		if (slashes == 4)
			break;
	}
	return p;
}

static int digest_path(const char *path, uint8_t sha256[static SHA256_BYTES])
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int64_t bytes;

	return fd < 0 ? -errno : digest_fd(fd, sha256, &bytes);
}

static void appear(const char *path)
{
	uint8_t here[SHA256_BYTES], there[SHA256_BYTES];
	char original[PATH_BYTES];

	if (!tfind(path, &watch.seen, compare_paths)) {
		tsearch(strdup(path), &watch.seen, compare_paths);
		watch.appeared++;
	}
	snprintf(original, sizeof original, "%s/%s", watch.archive, dated(path));
	if (digest_path(path, here) < 0)
		fault(path, "cannot be read");
	else if (digest_path(original, there) < 0)
		fault(path, "the camera has no such picture");
	else if (memcmp(here, there, SHA256_BYTES) != 0)
		fault(path, "is not what the camera has");
}

/* The folder and all below; what came into a new one before it was watched is looked at as well. */
static void add_folder(const char *path)
{
	DIR *dir = opendir(path);
	int wd = dir ? inotify_add_watch(watch.fd, path, EVENTS | IN_ONLYDIR) : -1;

	if (wd < 0 || wd >= FOLDERS_MAX)
		fault(path, "cannot be watched");
	else if (!watch.folders[wd])
		watch.folders[wd] = strdup(path);
	for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
		char below[PATH_BYTES];

		snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			add_folder(below);
		else if (is_picture(entry->d_name))
			appear(below);
	}
	if (dir)
		closedir(dir);
}

static void take(const struct inotify_event *event)
{
	char path[PATH_BYTES];

	if (event->mask & IN_Q_OVERFLOW) {
		fault("inotify", "events were lost");
		return;
	}
	if (event->len == 0 || event->wd < 0 || event->wd >= FOLDERS_MAX ||
		!watch.folders[event->wd])
		return;
	snprintf(path, sizeof path, "%s/%s", watch.folders[event->wd], event->name);
	if (event->mask & IN_ISDIR) {
		if (event->mask & (IN_CREATE | IN_MOVED_TO))
			add_folder(path);
		return;
	}
	if (!is_picture(event->name))
		return;
	if (event->mask & IN_MODIFY)
		fault(path, "is written to where it is seen");
	else if (event->mask & (IN_DELETE | IN_MOVED_FROM))
		fault(path, "went again");
	else
		appear(path);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: read() ends */
	_Alignas(struct inotify_event) char events[65536];
	ssize_t n;

	if (argc != 3) {
		fprintf(stderr, "usage: watch FOLDER ARCHIVE\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	watch.fd = inotify_init1(IN_CLOEXEC);
	watch.archive = argv[2];
	add_folder(argv[1]);
	puts("ready");
	fflush(stdout);
	while (!is_over && (n = read(watch.fd, events, sizeof events)) > 0) {
		for (const char *p = events; p < events + n;) {
			const struct inotify_event *event = (const struct inotify_event *)p;

			take(event);
			p += sizeof *event + event->len;
		}
	}
	printf("%u pictures appeared, %u faults\n", watch.appeared, watch.faults);
	return watch.faults > 0;
}
