/* SPDX-License-Identifier: MIT */
/* The archive here against the camera's. */
#include "pull/history.h"

#include <errno.h>
#include <string.h>

#include "common/cli.h"
#include "pull/copy.h"
#include "pull/wait.h"

#define WINDOW 16 /* lines that are asked for at once */
#define ROUNDS_MAX 64
#define TURN_US (20 * US_PER_SEC)
#define OTHER_US (2 * US_PER_SEC)

int history_check(const struct wire_greeting *greeting, const char *held_id, const char *path,
	char *error, size_t size)
{
	if (!*held_id || strcmp(held_id, greeting->id) == 0)
		return CLI_OK;
	snprintf(error, size,
		"the camera has another archive now (%.8s, here %.8s): a new card, or another "
		"camera; to "
		"begin a new history here: mv %s %s.%.8s",
		greeting->id, held_id, path, path, held_id);
	return CLI_PROTOCOL;
}

int history_last(struct archive *archive, struct record *ret)
{
	struct record last = record_new(RECORD_OTHER);
	uint64_t seq;
	int r = journal_last(archive_journal(archive), &seq);

	if (r == 0 && seq > 0)
		r = journal_find(archive_journal(archive), seq, &last);
	if (r == 0 || r == -ENOENT) /* the line is damaged */
		*ret = last;
	return r == -ENOENT ? 0 : r;
}

/* A repair over there writes lines anew from files, or such that say nothing. */
int history_compare(const struct record *ours, const struct record *theirs)
{
	bool same = ours->type == theirs->type;

	if (ours->type == RECORD_OTHER || theirs->type == RECORD_OTHER)
		return -1;
	if (same && ours->type == RECORD_FRAME) {
		same = ours->slot_us == theirs->slot_us;
		if (same &&
			(ours->bytes != theirs->bytes ||
				memcmp(ours->sha256, theirs->sha256, SHA256_BYTES) != 0))
			return theirs->recovered ? -1 : 0;
	} else if (same && ours->type == RECORD_MISS) {
		same = ours->slot_us == theirs->slot_us && ours->last_us == theirs->last_us &&
			ours->cause == theirs->cause;
	} else if (same && ours->type == RECORD_CLOCK) {
		same = ours->before_us == theirs->before_us && ours->after_us == theirs->after_us;
	} else if (same) {
		same = ours->first_seq == theirs->first_seq && ours->last_seq == theirs->last_seq &&
			ours->bytes == theirs->bytes;
	}
	return same;
}

static int ask(struct client *client, uint64_t from, uint64_t count)
{
	const struct wire_request request = { .verb = WIRE_LIST, .seq = from, .count = count };

	return client_send(client, &request);
}

int history_ask(struct client *client, uint64_t seq)
{
	return ask(client, seq, 1);
}

/* The lines of one list; an error answer is a list without a line. */
static int answer(
	struct client *client, void (*see)(void *data, const struct record *line), void *data)
{
	struct wire_reply reply;
	int r;

	for (unsigned i = 0; i <= WINDOW; i++) {
		r = client_reply(client, &reply);
		if (r < 0 || reply.type != WIRE_REPLY_RECORD)
			return r;
		see(data, &reply.record);
	}
	return -EPROTO;
}

static void see_one(void *data, const struct record *line)
{
	struct record *wanted = data;

	if (line->seq == wanted->seq)
		*wanted = *line;
}

int history_answer(struct client *client, uint64_t seq, struct record *ret)
{
	struct record line = record_new(RECORD_OTHER);
	int r;

	line.seq = seq;
	r = answer(client, see_one, &line);
	if (r == 0)
		*ret = line;
	return r;
}

/* ---- the fork */

struct search {
	struct journal *journal;
	uint64_t same, other; /* the highest number known to be the same, the lowest that is not */
	bool any; /* a line told so */
	int error;
};

static void see_line(void *data, const struct record *line)
{
	struct search *s = data;
	struct record ours;
	int r;

	if (line->seq <= s->same || line->seq >= s->other)
		return;
	r = journal_find(s->journal, line->seq, &ours);
	if (r < 0) {
		s->error = r == -ENOENT ? s->error : r;
		return;
	}
	r = history_compare(&ours, line);
	if (r == 1)
		s->same = line->seq;
	else if (r == 0)
		s->other = line->seq;
	s->any = s->any || r >= 0;
}

/* A number with a line here, the nearest to `near` within same..other; 0: there is none. */
static uint64_t held_near(struct search *s, uint64_t near)
{
	uint64_t seq = near;

	while (seq > s->same && journal_holds(s->journal, seq) == 0)
		seq--;
	if (seq > s->same)
		return seq;
	seq = near + 1;
	while (seq < s->other && journal_holds(s->journal, seq) == 0)
		seq++;
	return seq < s->other ? seq : 0;
}

/* What cannot be compared counts as other: it is kept in the branch, and fetched if the camera has it. */
static int search(struct client *client, struct search *s)
{
	uint64_t near = s->other - s->same > WINDOW ? s->other - WINDOW : s->same + 1, seq;
	int r;

	for (int i = 0; i < ROUNDS_MAX && s->other - s->same > 1; i++) {
		seq = held_near(s, near);
		if (seq == 0)
			return 0;
		s->any = false;
		r = ask(client, seq, WINDOW);
		if (r == 0)
			r = answer(client, see_line, s);
		if (r < 0 || s->error < 0)
			return r < 0 ? r : s->error;
		if (!s->any)
			s->other = seq;
		near = s->same + (s->other - s->same) / 2;
	}
	return s->other - s->same > 1 && held_near(s, near) ? -EPROTO : 0;
}

int history_look(struct client *client, struct archive *archive, const struct record *held,
	const struct record *theirs, uint64_t *ret_after)
{
	const struct wire_greeting *greeting = client_greeting(client);
	struct search s = { .journal = archive_journal(archive),
		.same = greeting->first > 0 ? greeting->first - 1 : 0,
		.other = held->seq };
	int r;

	/* nothing is there to compare, or to be mixed with */
	if (greeting->last == 0 || held->seq == 0 || held->seq < greeting->first)
		return 0;
	if (held->seq <= greeting->last && history_compare(held, theirs) != 0)
		return 0;
	if (held->seq > greeting->last)
		s.other = greeting->last + 1;
	r = search(client, &s);
	if (r < 0)
		return r;
	*ret_after = s.other - 1;
	return 1;
}

static void describe(const char *path, struct history_fork *fork)
{
	char branch[PATH_MAX];
	struct archive *archive = NULL;
	uint64_t first = 0, last = 0;

	snprintf(branch, sizeof branch, "%s/" BRANCHES "/%u", path, fork->branch);
	if (archive_open(branch, &(struct archive_options){ .mode = ARCHIVE_READ }, &archive) ==
		0) {
		journal_first(archive_journal(archive), &first);
		journal_last(archive_journal(archive), &last);
	}
	archive_free(archive);
	snprintf(fork->text, sizeof fork->text,
		"the camera has another history after number %llu: its card was restored from an "
		"older "
		"copy, or lost its last pictures; what is here of the old one, numbers %llu to "
		"%llu, is "
		"kept in %.400s",
		(unsigned long long)fork->after, (unsigned long long)first,
		(unsigned long long)last, branch);
}

static int failed(int r, const char *path, const char *camera, char *error, size_t size)
{
	if (r != -EMLINK)
		return copy_open_failed(r, path, camera, error, size);
	snprintf(error, size,
		"the camera's history is another one again, and %d old ones are kept in "
		"%s/" BRANCHES ": do two machines with copies of one card answer by turns? Nothing "
		"was taken; give one of "
		"them a new archive, or move that folder away",
		BRANCHES_MAX, path);
	return CLI_PROTOCOL;
}

/* Whoever had the archive in between, or died over it, may have done it. */
static int fork_archive(
	struct archive *archive, const struct record *held, uint64_t after, unsigned *ret_branch)
{
	unsigned number = 0;
	struct record now;
	int r = journal_find(archive_journal(archive), held->seq, &now);

	if (r == 0 && history_compare(held, &now) != 0)
		return archive_fork(archive, after, ret_branch);
	if (r < 0 && r != -ENOENT)
		return r;
	while (archive_branch(archive, &number))
		*ret_branch = number;
	return 0;
}

int history_fork(const struct camera_settings *camera, const char *path, const struct record *held,
	uint64_t after, bool locked, struct history_fork *ret, char *error, size_t size)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	const struct archive_options write = { .mode = ARCHIVE_WRITE,
		.copy = true,
		.wait_until_ns = deadline_in(TURN_US),
		.who = "fork" };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FD int lock_fd = -1;
	struct history_fork fork = { .after = after };
	int r = locked ? 0 : copy_open(camera, path, &read, &archive);

	if (r == 0 && !locked)
		r = archive_lock_copy(archive, deadline_in(OTHER_US), &lock_fd);
	if (r == -ETIMEDOUT) {
		snprintf(error, size,
			"the camera has another history after number %llu; a sync or a repair of "
			"%s is under "
			"way: try again",
			(unsigned long long)after, path);
		return CLI_TEMPFAIL;
	}
	archive_free(TAKE_PTR(archive));
	if (r == 0)
		r = copy_open(camera, path, &write, &archive);
	if (r == 0)
		r = fork_archive(archive, held, after, &fork.branch);
	if (r < 0)
		return failed(r, path, camera->name, error, size);
	describe(path, &fork);
	*ret = fork;
	return CLI_OK;
}
