/* SPDX-License-Identifier: MIT */
/* A session from its first try to its end: connections, tries, pauses. */
#include "pull/session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/commands/cli.h"
#include "pull/session/session_private.h"
#include "pull/ssh/wait.h"

#define TICK_NS (NS_PER_SEC / 4)
#define SLICE_US (5 * US_PER_SEC) /* a pause is told of so often */
#define BUSY_TRIES                                                                                 \
	10 /* looks at a frame that somebody else receives; on a quick link he is done by then */
#define BUSY_US (US_PER_SEC / 10) /* between two of them */

int session_fail(struct session *s, enum connect_why why, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->result->error, sizeof s->result->error, fmt, args);
	va_end(args);
	s->result->why = why;
	return s->result->code = code;
}

bool session_tell(struct session *s, enum session_event event)
{
	const struct session_options *options = s->options;

	if (options->tell && !options->tell(options->data, event, s->result))
		s->over = true;
	return !s->over;
}

bool session_tick(struct session *s)
{
	int64_t now_ns = clock_mono_ns(&clock_real);

	session_spend(s, false);
	if (!s->options->tell || now_ns - s->told_ns < TICK_NS)
		return !s->over;
	s->told_ns = now_ns;
	if (s->plan == PLAN_BACKLOG)
		s->result->left = ranges_missing(&s->held.settled, s->first, s->last);
	return session_tell(s, SESSION_ALIVE);
}

void session_pause(struct session *s, int64_t us)
{
	int64_t left_us = deadline_left_us(s->options->deadline_ns);

	us = us < left_us ? us : left_us;
	while (us > 0 && !s->over) {
		int64_t slice = us < SLICE_US ? us : SLICE_US;
		const struct timespec t = { .tv_sec = slice / US_PER_SEC,
			.tv_nsec = slice % US_PER_SEC * NS_PER_US };

		nanosleep(&t, NULL);
		us -= slice;
		s->result->pause_us = us;
		session_tick(s);
	}
}

/* Nothing is left of the connection before. */
static void session_reset(struct session *s)
{
	s->n_asks = s->n_items = 0;
	s->n_lines = s->n_listed = 0;
	s->under_way = s->busy_ns = 0;
	s->newest_seen = 0;
	s->asked = s->answered = s->newest_asked = false;
	s->compare_due = s->comparing = s->listed_all = s->list_under_way = false;
	s->again = s->busy = false;
}

/* What is held; a frame that somebody else receives over a quick link is waited for. */
static int session_prepare(struct session *s)
{
	int code;

	for (int tries = 1;; tries++) {
		session_reset(s);
		code = session_look(s);
		if (!s->busy || tries == BUSY_TRIES)
			return code;
		session_close(s);
		session_pause(s, BUSY_US);
	}
}

static int session_visit(struct session *s)
{
	CLEANUP(stream_freep) struct stream *stream = NULL;
	const struct session_options *options = s->options;
	struct session_result *result = s->result;
	int code = session_prepare(s);

	if (code == CLI_OK)
		code = session_begin_command(s);
	if (code != CLI_OK)
		return code;
	code = (options->connect ? options->connect : connect_try)(options->camera, s->command,
		options->deadline_ns, &stream, &result->why, result->error, sizeof result->error);
	result->code = code;
	if (code != CLI_OK)
		return code;
	result->connections++;
	code = session_talk(s, stream);
	if (code == CLI_OK)
		code = session_check_room(s);
	session_release(s);
	session_keep_head(s);
	/* a memory aid: without it the next sync reads the journal again */
	if (s->archive && s->plan == PLAN_BACKLOG && !options->dry_run)
		held_save(&s->held, s->archive, &s->room);
	return code;
}

/* A connection or a try has ended. False: the session has, too; `*code` is its own then. */
static bool session_retry(struct session *s, int *code)
{
	struct session_result *result = s->result;
	const struct plan_end end = { .plan = s->plan,
		.code = *code,
		.why = result->why,
		.connected_once = result->connections > 0,
		.time_over = deadline_left_us(s->options->deadline_ns) == 0,
		.silent_us = (clock_mono_ns(s->clock) - s->brought_ns) / NS_PER_US,
		.silent_max_us = s->options->silent_max_us };
	const enum plan_after after = plan_after(&end);
	const bool silent = result->why == CONNECT_SILENT, lost = result->connected && silent;

	result->connected = false;
	if (after == AFTER_TIME_OVER) {
		result->out_of_time = true;
		*code = CLI_OK;
	}
	if (s->again && !s->over)
		return true;
	if (*code == CLI_OK || s->over)
		return after == AFTER_RETRY && !s->over;
	result->pause_us = after == AFTER_RETRY
		? backoff_next(
			  &s->backoff, silent ? BACKOFF_SILENT : BACKOFF_ANSWERED, backoff_random())
		: 0;
	if (!session_tell(s, lost ? SESSION_LOST : SESSION_FAILED) || after != AFTER_RETRY)
		return false;
	session_pause(s, result->pause_us);
	return !s->over;
}

static int session_run(struct session *s)
{
	int code;

	do {
		code = session_visit(s);
		if (s->plan != PLAN_BACKLOG)
			session_close(s);
	} while (session_retry(s, &code));
	return code;
}

/* The largest segment that may be written once more, in order. */
static int64_t session_sort_bytes(const struct session *s)
{
	const int folder_fd = journal_folder_fd(archive_journal(s->archive));
	CLEANUP_DIR DIR *dir = NULL;
	const struct dirent *entry;
	char name[sizeof entry->d_name];
	int64_t most = 0;
	struct stat st;

	if (fs_list_folder(folder_fd, ".", &dir) < 0)
		return 0;
	while ((entry = readdir(dir))) {
		const char *suffix = strstr(entry->d_name, ".unsorted");

		if (!suffix)
			continue;
		snprintf(name, sizeof name, "%.*s.jsonl", (int)(suffix - entry->d_name),
			entry->d_name);
		if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > most)
			most = st.st_size;
	}
	return most;
}

/* What came newest first is put in order once there is much of it: all that read it are quicker. */
static void session_sort_journal(struct session *s)
{
	bool more = s->writing;

	while (more && session_take_turn(s) == CLI_OK) {
		more = room_fits(&s->room, s->archive, session_sort_bytes(s)) &&
			journal_sort(archive_journal(s->archive)) > 0;
		session_release(s);
	}
	/* where it did not come to that another sync does it */
	s->result->why = CONNECT_DONE;
	s->result->error[0] = '\0';
}

static int session_end(struct session *s, int code)
{
	struct session_result *result = s->result;

	if (s->last > 0)
		result->left = ranges_missing(&s->held.settled, s->first, s->last);
	result->damaged = SEQ_MAX - ranges_missing(&s->held.damaged, 1, SEQ_MAX);
	session_tidy_previews(s);
	if (code == CLI_OK && result->bad > 0)
		return CLI_PROTOCOL; /* the sentence is there */
	if (code == CLI_OK)
		session_sort_journal(s);
	return code;
}

int session_pull(const struct session_options *options, struct session_result *ret)
{
	struct session *s = calloc(1, sizeof *s);
	int code;

	*ret = (struct session_result){ .sighting = sighting_none,
		.frame = record_new(RECORD_FRAME) };
	if (!s) {
		ret->why = CONNECT_HERE;
		snprintf(ret->error, sizeof ret->error, "out of memory");
		return CLI_INTERNAL;
	}
	s->options = options;
	s->result = ret;
	s->plan = options->plan;
	s->clock = options->clock ? options->clock : &clock_real;
	s->lock_fd = -1;
	s->previewing = options->previews && !options->dry_run && s->plan == PLAN_BACKLOG;
	s->room = (struct room){ .camera = options->camera, .clock = s->clock };
	s->keep_since_us = room_since(options->camera, s->clock);
	s->brought_ns = clock_mono_ns(s->clock);
	pace_init(&s->pace, options->limit_rate, clock_mono_ns(&clock_real));
	code = session_run(s);
	if (s->plan == PLAN_BACKLOG)
		code = session_end(s, code);
	session_close(s);
	ret->removed = s->room.removed;
	ret->room_error = s->room.error;
	ranges_clear(&s->seen);
	ranges_clear(&s->skipped);
	ranges_clear(&s->previews);
	fd_closep(&s->lock_fd);
	free(s);
	return code;
}
