/* SPDX-License-Identifier: MIT */
/* Whose turn it is, the command, and the file that remembers what is done. */
#include "common/events/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/child.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/journal/ranges.h"

#define STATE_FILE_MAX (1024 * 1024)
#define WINDOW_LINES 1000 /* numbers that are put in order at once */
#define KILL_AFTER "10" /* seconds from SIGTERM to SIGKILL */
#define TIMED_OUT 124 /* exit statuses of timeout(1) and sh */
#define NOT_FOUND 127

const struct cli_option hook_options[] = {
	{ "retry", 0, NULL, "after a failure wait and try again, until nothing is left" },
	{ "from", 0, "SEQ", "once more from that number on, whatever is done" },
	{ .name = NULL },
};

/* What hook-ID.json has. */
struct hook_state {
	struct ranges done;
	int64_t branches; /* of the archive, whose numbers were taken back */
	int64_t ran, given_up, passed; /* pictures */
	int64_t number, tries, since_us; /* of the picture that fails; 0: none does */
	char error[TEXT_MAX];
};

static void hook_state_clear(struct hook_state *state)
{
	ranges_clear(&state->done);
}

/* ---- the file */

static int state_path(const char *program, const char *file, const char *end, const char *id,
	char ret[static PATH_MAX])
{
	char name[UUID_CHARS + 32];

	snprintf(name, sizeof name, "%s%s%s", file, id, end);
	return conf_state_path(program, name, ret);
}

static int state_read_done(struct json_object *done, struct ranges *ret)
{
	size_t n = json_object_is_type(done, json_type_array) ? json_object_array_length(done) : 0;

	for (size_t i = 0; i < n && n <= HOOK_RANGES_MAX; i++) {
		struct json_object *range = json_object_array_get_idx(done, i);
		int64_t first = json_get_number(range, "/0"), last = json_get_number(range, "/1");

		if (first < 1 || last < first || last > (int64_t)SEQ_MAX)
			return -EBADMSG;
		if (ranges_add(ret, (uint64_t)first, (uint64_t)last) < 0)
			return -ENOMEM;
	}
	return json_object_is_type(done, json_type_array) && n <= HOOK_RANGES_MAX ? 0 : -EBADMSG;
}

/* -ENOENT there is none; -EBADMSG it is damaged. `ret` is to be cleared in any case. */
static int hook_state_load(const char *program, const char *id, struct hook_state *ret)
{
	CLEANUP_FREE char *text = NULL;
	struct json_object *o;
	char path[PATH_MAX];
	int r = state_path(program, "hook-", ".json", id, path);

	*ret = (struct hook_state){ .since_us = TIME_NONE };
	if (r == 0)
		r = fs_read_file(AT_FDCWD, path, STATE_FILE_MAX, &text, NULL);
	if (r < 0)
		return r;
	o = json_tokener_parse(text);
	r = state_read_done(json_get(o, "/done"), &ret->done);
	ret->branches = json_get_number(o, "/branches");
	ret->ran = json_get_number(o, "/ran");
	ret->given_up = json_get_number(o, "/given_up");
	ret->passed = json_get_number(o, "/passed");
	ret->number = json_get_number(o, "/number");
	ret->tries = json_get_number(o, "/tries");
	ret->since_us = json_get_time(o, "/since");
	snprintf(ret->error, sizeof ret->error, "%s", json_get_text(o, "/error"));
	json_object_put(o);
	return r;
}

/* What people, metrics and the file have alike. */
static struct json_object *state_object(const struct hook_state *state)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "ran", state->ran);
	json_add_number(o, "given_up", state->given_up);
	json_add_number(o, "passed", state->passed);
	json_add_text(o, "error", state->error);
	if (state->number > 0) {
		json_add_number(o, "number", state->number);
		json_add_number(o, "tries", state->tries);
		json_add_time(o, "since", state->since_us);
	}
	return o;
}

/* So that the file stays small whatever numbers a camera sends. */
static int state_fill_holes(struct hook_state *state)
{
	while (state->done.n > HOOK_RANGES_MAX) {
		uint64_t first = state->done.list[0].last + 1, last = state->done.list[1].first - 1;

		state->passed += (int64_t)(last - first + 1);
		if (ranges_add(&state->done, first, last) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Durable once it returns 0. */
static int hook_state_save(
	const struct fs_ops *fs, const char *program, const char *id, struct hook_state *state)
{
	struct json_object *o, *done;
	char path[PATH_MAX];
	const char *text;
	int r = state_fill_holes(state);

	if (r == 0)
		r = state_path(program, "hook-", ".json", id, path);
	if (r < 0)
		return r;
	o = state_object(state);
	done = json_object_new_array();
	for (size_t i = 0; i < state->done.n; i++) {
		struct json_object *range = json_object_new_array();

		json_object_array_add(
			range, json_object_new_int64((int64_t)state->done.list[i].first));
		json_object_array_add(
			range, json_object_new_int64((int64_t)state->done.list[i].last));
		json_object_array_add(done, range);
	}
	json_object_object_add(o, "done", done);
	json_add_number(o, "branches", state->branches);
	text = json_text(o);
	r = fs_replace_path(fs, path, text, strlen(text), 0600);
	json_object_put(o);
	return r;
}

/*
 * The lock of the archive's hook, which its commands inherit. -EWOULDBLOCK another hook runs, or
 * what it started.
 */
static int hook_lock(const char *program, const char *id, int *ret_fd)
{
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX];
	int r = state_path(program, "", "", "", path);

	if (r == 0)
		r = fs_make_folders(path, 0777);
	if (r == 0)
		r = state_path(program, ".hook-", ".lock", id, path);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600); /* not close-on-exec */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- one picture */

struct hook {
	struct cli *cli;
	const struct hook_job *job;
	struct archive *archive;
	struct hook_state state;
	uint64_t from; /* --from; 0: not given, or heeded */
	bool stopped; /* a picture failed that keeps its turn */
};

/* "was ended after 5 min" of what timeout(1) returned. */
static void hook_tell_end(struct hook *hook, int code)
{
	char text[UTC_TEXT_MAX], *error = hook->state.error;
	const size_t size = sizeof hook->state.error;

	if (code < 0)
		text_format(error, size, "timeout(1) cannot be run: %s", strerror(-code));
	else if (code == TIMED_OUT)
		text_format(error, size, "the command did not end within %s",
			duration_format(hook->job->settings->timeout_us, text));
	else if (code == NOT_FOUND)
		text_format(error, size, "the command was not found (exit status %d)", code);
	else if (code > 128)
		text_format(error, size, "the command was ended by signal %d", code - 128);
	else
		text_format(error, size, "the command ended with status %d", code);
}

/* Runs the command for the picture at `path`. 0: it is done. */
static int hook_run(struct hook *hook, const struct record *frame, const char *path)
{
	const struct hook_settings *settings = hook->job->settings;
	const char *camera = hook->job->camera ? hook->job->camera : archive_camera(hook->archive);
	char seconds[32], number[32], was[32], slot[UTC_TEXT_MAX];
	const char *const argv[] = { "timeout", "-k", KILL_AFTER, seconds, "sh", "-c",
		settings->command, "hook", path, number, slot, camera, NULL };
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid;
	int r;

	snprintf(seconds, sizeof seconds, "%.3f", (double)settings->timeout_us / 1e6);
	snprintf(number, sizeof number, "%" PRIu64, frame->seq);
	snprintf(was, sizeof was, "%" PRIu64, frame->was);
	utc_format(frame->slot_us, slot);
	setenv("PICTURE_PATH", path, 1);
	setenv("PICTURE_NUMBER", number, 1);
	setenv("PICTURE_SLOT", slot, 1);
	setenv("PICTURE_CAMERA", camera, 1);
	setenv("PICTURE_WAS", frame->was ? was : "", 1);
	/* ours: the command's own words, for the log of the unit */
	r = child_start(
		argv[0], argv, null, STDERR_FILENO /* ours */, STDERR_FILENO /* ours */, &pid);
	if (r == 0)
		r = child_wait(pid);
	if (r != 0)
		hook_tell_end(hook, r);
	return r;
}

/* 1: its file was removed; 0: the command is done; else it failed, as state.error says. */
static int hook_try(struct hook *hook, const struct record *frame)
{
	const struct frame_name name = record_name(frame);
	char file[FRAME_PATH_MAX], path[PATH_MAX + FRAME_PATH_MAX];
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(hook->archive, frame, &fd);

	if (r == 0)
		r = frame_name_path(&name, file);
	if (r == -ENOENT)
		return 1;
	if (r < 0) {
		text_format(hook->state.error, sizeof hook->state.error,
			"the picture cannot be read: %s", strerror(-r));
		return r;
	}
	snprintf(path, sizeof path, "%s/%s", archive_path(hook->archive), file);
	return hook_run(hook, frame, path) == 0 ? 0 : -EIO;
}

static int hook_save(struct hook *hook)
{
	return hook_state_save(hook->job->fs ? hook->job->fs : &fs_real, hook->cli->program->name,
		archive_id(hook->archive), &hook->state);
}

/* Notes that nothing is to be done for that number any more. */
static int hook_done(struct hook *hook, uint64_t seq, int64_t *counter, bool keep)
{
	struct hook_state *state = &hook->state;

	if (ranges_add(&state->done, seq, seq) < 0)
		return -ENOMEM;
	if (counter)
		++*counter;
	if ((uint64_t)state->number == seq) {
		state->number = state->tries = 0;
		state->since_us = TIME_NONE;
		*state->error = '\0';
	}
	return keep ? hook_save(hook) : 0;
}

/*
 * Whether the command works at all, by the newest picture, which is done then. 1: it does; 0: it
 * does not, or there is no other picture. -errno.
 */
static int hook_probe(struct hook *hook)
{
	char error[sizeof hook->state.error];
	struct record newest;
	int r = archive_newest(hook->archive, &newest);

	if (r < 0 || newest.seq == (uint64_t)hook->state.number ||
		ranges_has(&hook->state.done, newest.seq))
		return 0;
	strcpy(error, hook->state.error);
	r = hook_try(hook, &newest);
	strcpy(hook->state.error, error);
	if (r != 0)
		return 0;
	r = hook_done(hook, newest.seq, &hook->state.ran, true);
	return r < 0 ? r : 1;
}

/* A person is told each time; the log of a service when it begins, and when it is given up. */
static int hook_failed(struct hook *hook, uint64_t seq)
{
	struct hook_state *state = &hook->state;
	char error[sizeof state->error];
	int r;

	if ((uint64_t)state->number != seq) {
		state->number = (int64_t)seq;
		state->tries = 0;
		state->since_us = clock_wall_us(&clock_real);
	}
	if (state->tries++ == 0 || !cli_flag(hook->cli, "retry"))
		cli_error(hook->cli, "picture %" PRIu64 ": %s", seq, state->error);
	r = hook_save(hook);
	if (r == 0 && state->tries >= hook->job->settings->tries)
		r = hook_probe(hook);
	hook->stopped = r == 0;
	if (r <= 0)
		return r;
	strcpy(error, state->error);
	r = hook_done(hook, seq, &state->given_up, true);
	cli_error(hook->cli, "picture %" PRIu64 ": given up: %s", seq, error);
	return r;
}

static int hook_line(struct hook *hook, uint64_t seq)
{
	struct record record;
	int r = archive_find(hook->archive, seq, &record);

	if (r == -ENOENT || (r == 0 && record.type != RECORD_FRAME))
		return hook_done(hook, seq, NULL, false);
	if (r < 0)
		return r;
	r = hook_try(hook, &record);
	if (r < 0)
		return hook_failed(hook, seq);
	return r > 0 ? hook_done(hook, seq, &hook->state.passed, false)
		     : hook_done(hook, seq, &hook->state.ran, true);
}

/* ---- a turn */

/* Numbers of lines that are not done. */
struct hook_window {
	const struct ranges *done;
	size_t n;
	uint64_t seq[WINDOW_LINES];
};

static int window_add(void *data, uint64_t seq, const char *line, size_t length)
{
	struct hook_window *window = data;

	(void)line;
	(void)length;
	if (window->n < WINDOW_LINES && !ranges_has(window->done, seq))
		window->seq[window->n++] = seq;
	return 0;
}

static int window_order(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* All lines that are not done, in the order of their numbers. */
static int hook_walk(struct hook *hook)
{
	struct hook_window window = { .done = &hook->state.done };
	struct journal *journal = archive_journal(hook->archive);
	uint64_t from = 1, end, last;
	int r = journal_last(journal, &last);

	while (r >= 0 && from > 0 && from <= last && !hook->stopped) {
		if (ranges_run(&hook->state.done, from, &end)) {
			from = end + 1;
			continue;
		}
		if (end - from >= WINDOW_LINES)
			end = from + WINDOW_LINES - 1;
		window.n = 0;
		r = journal_visit(journal, from, end, window_add, &window, &from);
		qsort(window.seq, window.n, sizeof window.seq[0], window_order);
		for (size_t i = 0; r >= 0 && i < window.n && !hook->stopped; i++)
			if (!ranges_has(&hook->state.done, window.seq[i]))
				r = hook_line(hook, window.seq[i]);
	}
	return r < 0 ? r : 0;
}

static int seen_add(void *data, uint64_t seq, const char *line, size_t length)
{
	(void)line;
	(void)length;
	return ranges_add(data, seq, seq);
}

/* The first time: all that is here counts as done, but for the newest picture. */
static int hook_begin(struct hook *hook)
{
	struct ranges *done = &hook->state.done;
	uint64_t from = 1;
	struct record newest;
	int r = 0;

	while (r >= 0 && from > 0)
		r = journal_visit(
			archive_journal(hook->archive), from, SEQ_MAX, seen_add, done, &from);
	if (r >= 0 && archive_newest(hook->archive, &newest) == 0)
		r = ranges_remove(done, newest.seq, newest.seq);
	return r < 0 ? r : 0;
}

/* The camera has another history since: its numbers mean other pictures from there on. */
static int hook_take_back(struct hook *hook)
{
	unsigned number = (unsigned)hook->state.branches;
	int r = 0;

	while (r == 0 && archive_branch(hook->archive, &number)) {
		CLEANUP(archive_freep) struct archive *branch = NULL;
		const struct archive_options options = { .mode = ARCHIVE_READ };
		char path[PATH_MAX + 32];
		uint64_t first = 0;

		snprintf(path, sizeof path, "%s/" BRANCHES "/%u", archive_path(hook->archive),
			number);
		if (archive_open(path, &options, &branch) == 0 &&
			journal_first(archive_journal(branch), &first) == 0 && first > 0)
			r = ranges_remove(&hook->state.done, first, SEQ_MAX);
		if ((uint64_t)hook->state.number >= first)
			hook->state.number = hook->state.tries = 0;
		hook->state.branches = number;
	}
	return r;
}

/* Loads what is done, and goes on from there. The caller holds the lock. */
static int hook_turn(struct hook *hook)
{
	int r = hook_state_load(hook->cli->program->name, archive_id(hook->archive), &hook->state);
	bool begins = r == -ENOENT || (r == -EBADMSG && hook->from > 0);

	hook->stopped = false;
	if (begins)
		r = hook_begin(hook);
	if (r == 0)
		r = hook_take_back(hook);
	if (r == 0 && hook->from > 0) {
		r = ranges_remove(&hook->state.done, hook->from, SEQ_MAX);
		hook->from = 0;
		begins = true;
	}
	/* or after a cut in the first command it would begin with a newer picture */
	if (r == 0 && begins)
		r = hook_save(hook);
	if (r == 0)
		r = hook_walk(hook);
	return r == 0 ? hook_save(hook) : r;
}

/* ---- the command */

/* One turn with the archive as it is now. An exit code; CLI_TEMPFAIL: there is more to do. */
static int hook_visit(struct hook *hook)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FD int lock = -1;
	const char *program = hook->cli->program->name;
	int r = hook->job->open(hook->job->data, &archive);

	if (r == -ENOENT)
		return CLI_OK; /* no picture yet */
	if (r < 0) {
		cli_error(hook->cli, "the archive cannot be opened: %s", strerror(-r));
		return CLI_TEMPFAIL;
	}
	hook->archive = archive;
	r = hook_lock(program, archive_id(archive), &lock);
	if (r == -EWOULDBLOCK) {
		cli_error(hook->cli, "another hook of this archive runs, or what it started");
		return CLI_TEMPFAIL;
	}
	if (r == 0)
		r = hook_turn(hook);
	hook_state_clear(&hook->state);
	if (r == 0)
		return hook->stopped ? CLI_TEMPFAIL : CLI_OK;
	cli_error(hook->cli, "hook-%s.json in the state folder, or the journal: %s%s",
		archive_id(archive), strerror(-r),
		r == -EBADMSG ? "; begin again with --from SEQ" : "");
	return CLI_INTERNAL;
}

int hook_command(struct cli *cli, const struct hook_job *job)
{
	struct hook hook = { .cli = cli, .job = job };
	int64_t from = 0, wait_us = job->settings->retry_us;
	int code = cli_number(cli, "from", 1, (int64_t)SEQ_MAX, 0, &from);

	if (code != CLI_OK)
		return code;
	if (!*job->settings->command) {
		cli_error(cli, "there is no command; set command in [hook] of %s.conf",
			cli->program->name);
		return CLI_SETTINGS;
	}
	hook.from = (uint64_t)from;
	while ((code = hook_visit(&hook)) == CLI_TEMPFAIL && cli_flag(cli, "retry")) {
		sleep((unsigned)(wait_us / US_PER_SEC));
		wait_us = wait_us * 2 < HOOK_RETRY_MAX_US ? wait_us * 2 : HOOK_RETRY_MAX_US;
	}
	return code;
}

/* ---- status */

struct json_object *hook_object(const char *program, struct archive *archive)
{
	struct hook_state state;
	struct json_object *o = NULL;
	uint64_t last = 0, from;

	if (hook_state_load(program, archive_id(archive), &state) == 0) {
		journal_last(archive_journal(archive), &last);
		from = state.number > 0 ? (uint64_t)state.number : ranges_last(&state.done);
		o = state_object(&state);
		json_add_number(o, "waiting", (int64_t)ranges_missing(&state.done, from, last));
	}
	hook_state_clear(&state);
	return o;
}

void hook_print(struct json_object *hook)
{
	char since[UTC_TEXT_MAX];

	if (!hook)
		return;
	text_print(stdout,
		"hook       %" PRId64 " pictures done, %" PRId64 " given up, %" PRId64
		" removed before; %" PRId64 " lines wait\n",
		json_get_number(hook, "/ran"), json_get_number(hook, "/given_up"),
		json_get_number(hook, "/passed"), json_get_number(hook, "/waiting"));
	if (*json_get_text(hook, "/error"))
		text_print(stdout,
			"           picture %" PRId64 " since %s, %" PRId64 " times: %s\n",
			json_get_number(hook, "/number"),
			utc_format_local(json_get_time(hook, "/since"), since),
			json_get_number(hook, "/tries"), json_get_text(hook, "/error"));
}
