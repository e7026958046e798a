/* SPDX-License-Identifier: MIT */
/*
 * All that a camera may say to a sync, and then to a fetch, over up to four connections: both come
 * to an end, and whatever is in the archive then is whole and accounted for. An input is what the
 * camera says; a line `----` begins the next connection, the last one belongs to the fetch.
 */
#include <ftw.h>
#include <time.h>
#include <unistd.h>

#include "common/base/util.h"
#include "common/commands/cli.h"
#include "common/upkeep/verify.h"
#include "pull/session/session.h"
#include "pull/ssh/wait.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/stream_kit.h"

#define CONNECTIONS_MAX 4
#define REQUESTS_MAX (1024 * 1024) /* bytes that a sync may ask with, over an input of 8 KB */

struct camera {
	struct stream stream;
	const char *data;
	size_t len, asked;
};

static struct {
	struct camera cameras[CONNECTIONS_MAX];
	int n, used;
} talk;

/* Stands before libc's own: a back-off need not be waited for. */
int nanosleep(const struct timespec *request, struct timespec *ret)
{
	(void)request, (void)ret;
	return 0;
}

static ssize_t camera_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct camera *camera = (struct camera *)stream;
	size_t n = camera->len < bytes ? camera->len : bytes;

	(void)deadline_ns;
	memcpy(data, camera->data, n);
	camera->data += n;
	camera->len -= n;
	return (ssize_t)n;
}

static int camera_write(struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	struct camera *camera = (struct camera *)stream;

	(void)data, (void)deadline_ns;
	camera->asked += bytes;
	MUST(camera->asked < REQUESTS_MAX);
	return 0;
}

static const struct stream_ops camera_ops = { camera_read, camera_write, stream_shut_nothing,
	stream_no_error, stream_free_nothing };

static int connect_next(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	(void)camera, (void)command, (void)deadline_ns;
	*ret_why = CONNECT_ANSWERED;
	snprintf(error, size, "nobody there");
	if (talk.used == talk.n)
		return CLI_REFUSED;
	*ret_why = CONNECT_DONE;
	*ret_stream = &talk.cameras[talk.used++].stream;
	return CLI_OK;
}

static void split(const char *data, size_t size)
{
	static const char border[] = "\n----\n";
	const size_t len = sizeof border - 1;

	memset(&talk, 0, sizeof talk);
	for (;;) {
		const char *end =
			talk.n < CONNECTIONS_MAX - 1 ? memmem(data, size, border, len) : NULL;

		talk.cameras[talk.n++] = (struct camera){ { &camera_ops }, data,
			end ? (size_t)(end - data) + 1 : size, 0 };
		if (!end)
			return;
		size -= (size_t)(end - data) + len;
		data = end + len;
	}
}

static int take_away(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static bool found(void *data, const struct verify_finding *finding)
{
	(void)data;
	/* what came of a frame is gone on with */
	if (finding->kind == VERIFY_TEMP)
		return true;
	fprintf(stderr, "finding %d, frame %llu, %s\n", (int)finding->kind,
		(unsigned long long)finding->seq, finding->path);
	MUST(!"what is here is whole and accounted for");
	return false;
}

static void check_archive(const char *path)
{
	const struct archive_options options = { .mode = ARCHIVE_READ };
	const struct verify_options verify = { .copy = true, .finding = found };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;

	if (archive_open(path, &options, &archive) == 0)
		MUST(verify_archive(archive, &verify, &totals) == 0);
}

/* Nothing is kept of a person who runs this. */
__attribute__((constructor)) static void without_state(void)
{
	setenv("XDG_STATE_HOME", "/dev/null", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char folder[] = "/dev/shm/capturepi-fuzz-XXXXXX";
	CLEANUP_FREE char *text = fuzz_copy(data, size);
	struct camera_settings settings = { .name = "garden" };
	const struct session_options sync = { .plan = PLAN_BACKLOG,
		.camera = &settings,
		.since_us = TIME_NONE,
		.deadline_ns = DEADLINE_NONE,
		.connect = connect_next };
	struct session_options fetch = sync;
	struct session_result synced, fetched;
	struct camera last;
	int code;

	MUST(mkdtemp(folder));
	snprintf(settings.archive, sizeof settings.archive, "%s/garden", folder);
	split(text, size);
	last = talk.cameras[talk.n - 1];
	code = session_pull(&sync, &synced);
	MUST(code != CLI_INTERNAL && (code == CLI_OK || *synced.error));
	check_archive(settings.archive);
	talk.cameras[talk.n - 1] = last;
	talk.used = talk.n - 1;
	fetch.plan = PLAN_NEWEST;
	code = session_pull(&fetch, &fetched);
	MUST(code != CLI_INTERNAL && (code == CLI_OK || *fetched.error));
	check_archive(settings.archive);
	if (getenv("FUZZ_TELL"))
		fprintf(stderr, "sync: %llu frames, %llu lines, %s; fetch: %d %s\n",
			(unsigned long long)synced.frames, (unsigned long long)synced.lines,
			synced.error, (int)fetched.frames, fetched.error);
	nftw(folder, take_away, 16, FTW_PHYS | FTW_DEPTH);
	return 0;
}
