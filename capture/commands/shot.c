/* SPDX-License-Identifier: MIT */
/* Asks the running service for a frame outside its schedule. */
#include "capture/commands/shot.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "capture/service/status.h"
#include "common/base/json.h"

#define SHOT_TRIES 600 /* of 50 ms: an exposure may be long */
#define SHOT_TRIES_FAILING 340 /* so long a camera that fails is waited for */

/* By what the service that runs has published: its camera fails, or a call to it hangs. */
static bool camera_is_failing(const char *path)
{
	struct json_object *service = status_service(path);
	bool failing = *json_get_text(service, "/camera/error") ||
		strcmp(json_get_text(service, "/camera/state"), "streaming") != 0;

	json_object_put(service);
	return failing;
}

static int find_shot(struct journal_cursor *cursor, struct record *ret_frame)
{
	struct record record;
	const char *line;
	size_t len;
	uint64_t seq;
	int r;

	while ((r = journal_cursor_next(cursor, &line, &len, &seq)) > 0)
		if (record_parse(line, len, &record) == 0 && record.type == RECORD_FRAME &&
			record.shot) {
			*ret_frame = record;
			return 1;
		}
	return r;
}

int shot_from_service(struct archive *archive, pid_t pid, struct record *ret_frame)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const struct timespec pause = { .tv_nsec = 50000000 };
	CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	pid_t writer;
	uint64_t last;
	int r;

	if (pidfd < 0)
		return -errno;
	/* the process of the fd is still the writer: its number was not used again before */
	if (archive_writer_pid(archive_path(archive), &writer) < 0 || writer != pid)
		return -ESRCH;
	r = journal_last(archive_journal(archive), &last);
	if (r == 0)
		r = journal_seek(archive_journal(archive), last + 1, &cursor);
	if (r < 0)
		return r;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0) < 0)
		return -errno;
	for (int i = 0; i < SHOT_TRIES; i++) {
		r = find_shot(cursor, ret_frame);
		if (r != 0)
			return r < 0 ? r : 0;
		if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
			return -ESRCH;
		if (i == SHOT_TRIES_FAILING && camera_is_failing(archive_path(archive)))
			return -EIO;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}
