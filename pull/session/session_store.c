/* SPDX-License-Identifier: MIT */
/*
 * A session and the archive here: what is held, whose turn it is, partials that begin, and frames
 * that are committed.
 *
 * Frames that come quicker than the disk can make each of them durable are committed together; over
 * a slow link each is committed as it comes.
 */
#include "pull/session/session_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/commands/cli.h"
#include "pull/session/copy.h"
#include "pull/session/heads.h"
#include "pull/ssh/wait.h"

#define BATCH_US (US_PER_SEC / 4) /* the oldest frame waits so long at most */
#define BUSY_US (US_PER_SEC / 5) /* until a partial of somebody else is looked at again */
#define SYNC_US (2 * US_PER_SEC) /* a fetch may be removing old frames */
#define TIDY_NS (10 * NS_PER_SEC) /* old frames go so often, more at a time than come in it */
#define TURN_US (20 * US_PER_SEC) /* a wait for our turn is told of so often */
#define TURN_MAX_US (300 * US_PER_SEC) /* and ends; follow waits for as long as it takes */

int session_open_failed(struct session *s, int r)
{
	s->result->why = CONNECT_HERE;
	return s->result->code = copy_open_failed(r, s->result->archive, s->options->camera->name,
		       s->result->error, sizeof s->result->error);
}

int session_archive_failed(struct session *s, int r)
{
	const bool planted =
		r == -ELOOP || r == -ENOTDIR; /* a link or a file in a folder's place */

	return session_fail(s, CONNECT_HERE, planted ? CLI_PROTOCOL : CLI_INTERNAL, "%s: %s",
		s->result->archive, strerror(-r));
}

/* ---- what is held */

static void session_note_newest(struct session *s)
{
	struct session_result *result = s->result;

	result->has_frame = archive_newest(s->archive, &result->frame) == 0;
	if (!result->has_frame)
		return;
	if (result->frame.seq > s->after)
		s->after = result->frame.seq;
	copy_frame_path(s->archive, &result->frame, result->path);
}

int session_fail_busy(struct session *s, uint64_t seq, int64_t bytes)
{
	s->busy = true;
	return session_fail(s, CONNECT_HERE, CLI_TEMPFAIL,
		"frame %llu is being received by another pullpi, %.1f MB so far",
		(unsigned long long)seq, (double)bytes / 1e6);
}

/* The newest frame, and the partial of a newer one that a session before left. */
static int session_look_newest(struct session *s)
{
	struct item item = { .bytes = -1 };
	struct frame_name name;
	int64_t bytes;
	int r;

	session_note_newest(s);
	r = partial_find_kept(s->archive, s->after, &name, &bytes);
	if (r == -EBUSY && s->plan == PLAN_NEWEST)
		return session_fail_busy(s, name.seq, bytes);
	item.seq = name.seq;
	item.slot_us = name.slot_us;
	if (r > 0)
		item_push(s, &item);
	return CLI_OK;
}

int session_lock_copy(struct session *s)
{
	int r = s->lock_fd >= 0 || s->options->dry_run
		? 0
		: archive_lock_copy(s->archive, deadline_in(SYNC_US), &s->lock_fd);

	if (r == -ETIMEDOUT)
		return session_fail(s, CONNECT_HERE, CLI_TEMPFAIL,
			"another sync of %s, or a repair, is under way", s->options->camera->name);
	if (r < 0)
		return session_fail(s, CONNECT_HERE, r == -ELOOP ? CLI_PROTOCOL : CLI_INTERNAL,
			"%s/.sync: %s", s->result->archive, strerror(-r));
	return CLI_OK;
}

static int session_look_backlog(struct session *s)
{
	uint64_t gone = 0;
	int code = session_lock_copy(s), r;

	if (code != CLI_OK)
		return code;
	r = held_load(s->archive, &s->held);
	if (r == 0)
		r = pruner_gone(s->archive, &gone);
	if (r == 0)
		r = session_unwant(s, gone);
	if (r == 0 && !s->options->dry_run)
		room_open(&s->room, s->archive);
	return r < 0 ? session_open_failed(s, r) : CLI_OK;
}

/* It may be another archive than at the last visit, or none. */
static int session_open_reader(struct session *s)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	int r = pull_archive_path(s->options->camera, s->result->archive);
	const char *id;

	if (r < 0)
		return session_fail(s, CONNECT_HERE, CLI_SETTINGS, "no folder for the archive: %s",
			strerror(-r));
	r = copy_open(s->options->camera, s->result->archive, &read, &s->archive);
	if (r < 0 && r != -ENOENT)
		return session_open_failed(s, r);
	id = s->archive ? archive_id(s->archive) : "";
	if (strcmp(s->id, id) != 0)
		s->after = 0;
	snprintf(s->id, sizeof s->id, "%s", id);
	session_look_previews(s);
	if (!s->archive)
		return CLI_OK;
	return s->plan == PLAN_BACKLOG ? session_look_backlog(s) : session_look_newest(s);
}

int session_look(struct session *s)
{
	int code = s->archive ? CLI_OK : session_open_reader(s), r;

	s->anchor = record_new(RECORD_OTHER);
	if (code != CLI_OK || !s->archive)
		return code;
	r = history_last(s->archive, &s->anchor);
	s->proven = s->anchor.seq;
	return r < 0 ? session_archive_failed(s, r) : CLI_OK;
}

void session_close(struct session *s)
{
	room_close(&s->room);
	archive_free(TAKE_PTR(s->archive));
	s->writing = false;
	held_clear(&s->held);
}

int session_unwant(struct session *s, uint64_t seq)
{
	int r;

	if (seq <= s->held.unwanted && ranges_prefix(&s->held.settled, 1) >= seq)
		return 0;
	s->held.changed = true;
	s->held.unwanted = seq;
	r = ranges_remove(&s->held.damaged, 1, seq);
	if (r == 0)
		r = ranges_remove(&s->held.claimed, 1, seq);
	if (r == 0)
		r = ranges_add(&s->held.settled, 1, seq);
	return r < 0 ? r : ranges_add(&s->seen, 1, seq);
}

/* ---- our turn */

/* Somebody may have moved it away to begin a new one, or another disk was mounted there. */
static bool session_archive_moved(const struct session *s)
{
	struct stat ours, there;

	return fstat(archive_root_fd(s->archive), &ours) < 0 ||
		stat(s->result->archive, &there) < 0 || ours.st_dev != there.st_dev ||
		ours.st_ino != there.st_ino;
}

static int session_open_writer(struct session *s, int64_t until_ns)
{
	static const char *const who[] = { "fetch", "sync", "follow" };
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE,
		.camera = client_greeting(s->client)->camera,
		.id = client_greeting(s->client)->id,
		.copy = true,
		.access = fs_access_mode(s->options->camera->access),
		.wait_until_ns = until_ns,
		.who = who[s->plan],
	};
	struct archive *archive;
	int r = copy_open(s->options->camera, s->result->archive, &options, &archive);

	if (r < 0)
		return r;
	room_refresh(&s->room, archive);
	archive_free(s->archive);
	s->archive = archive;
	s->writing = true;
	return 0;
}

/* `ret_others`: somebody else may have written in the meantime. */
static int session_wait_turn(struct session *s, bool *ret_others)
{
	const int64_t patience_ns = deadline_min(s->options->deadline_ns, deadline_in(TURN_MAX_US));
	int r;

	*ret_others = true;
	for (;;) {
		int64_t until_ns = deadline_min(patience_ns, deadline_in(TURN_US));

		if (s->plan == PLAN_FOLLOW)
			until_ns = deadline_in(TURN_US);
		r = s->writing ? archive_retake(s->archive, until_ns, ret_others)
			       : session_open_writer(s, until_ns);
		if (r != -ETIMEDOUT || !session_tell(s, SESSION_ALIVE))
			return r;
		if (s->plan != PLAN_FOLLOW && deadline_left_us(patience_ns) == 0)
			return r;
	}
}

int session_take_turn(struct session *s)
{
	bool others;
	int r = session_wait_turn(s, &others), code;

	if (r < 0)
		return session_open_failed(s, r);
	if (s->plan != PLAN_BACKLOG)
		return CLI_OK;
	code = session_lock_copy(s);
	if (code != CLI_OK)
		return code;
	if (others)
		r = held_update(&s->held, s->archive);
	if (r == -ESTALE) {
		held_clear(&s->held);
		r = held_update(&s->held, s->archive);
	}
	if (r < 0)
		return session_open_failed(s, r);
	if (others)
		room_refresh(&s->room, s->archive);
	room_open(&s->room, s->archive);
	return CLI_OK;
}

void session_release(struct session *s)
{
	if (s->writing)
		archive_release(s->archive);
}

static int session_fail_room(
	struct session *s, enum room_verdict verdict, const struct room_facts *facts)
{
	char text[PULL_ERROR_MAX];

	if (verdict == ROOM_FREE)
		return CLI_OK;
	return session_fail(s, CONNECT_HERE,
		verdict == ROOM_DISK || verdict == ROOM_INODES ? CLI_INTERNAL : CLI_PROTOCOL, "%s",
		room_describe(verdict, s->options->camera, facts, text, sizeof text));
}

int session_check_room(struct session *s)
{
	const struct session_result *result = s->result;
	struct room_facts facts;

	return s->archive && !s->options->dry_run && s->plan != PLAN_FOLLOW &&
			result->frames + result->lines == 0
		? session_fail_room(s, room_check(&s->room, s->archive, &facts), &facts)
		: CLI_OK;
}

int session_admit(struct session *s, const struct record *frame, int64_t bytes)
{
	enum room_verdict verdict;
	struct room_facts facts;

	s->room.pending_bytes = 0;
	for (unsigned i = 0; i < s->n_ready; i++)
		s->room.pending_bytes += room_cost(&s->room, &s->ready[i].record);
	s->room.pending_frames = s->n_ready;
	if (s->options->camera->max_bytes > 0)
		s->room.pending_bytes += s->preview_bytes;
	verdict = room_admit(&s->room, s->archive, frame, bytes, &facts);
	s->result->removed = s->room.removed;
	s->result->room_error = s->room.error;
	return session_fail_room(s, verdict, &facts);
}

/* ---- a frame begins */

/* Nothing of it is wanted any more: newer than the newest that is here, or it was pruned. */
static bool session_has(struct session *s, uint64_t seq)
{
	if (s->plan == PLAN_BACKLOG)
		return ranges_has(&s->held.settled, seq);
	session_note_newest(s);
	return s->result->has_frame && s->result->frame.seq >= seq;
}

/* Somebody else receives it. */
static int session_leave_to_others(struct session *s, const struct ask *frame)
{
	if (s->plan == PLAN_FOLLOW)
		return CLI_OK;
	if (s->plan == PLAN_NEWEST) {
		s->again = true; /* the next look tells how far he is */
		return session_fail_busy(s, frame->item.seq, 0);
	}
	s->busy_ns = deadline_in(BUSY_US);
	item_push(s, &frame->item);
	return CLI_OK;
}

int session_begin_frame(struct session *s, const struct ask *frame, const struct record *record,
	struct partial **ret)
{
	struct item again = frame->item;
	int code, r = 0;

	if (s->writing && s->plan != PLAN_BACKLOG && session_archive_moved(s))
		session_close(s);
	code = session_take_turn(s);
	if (code != CLI_OK)
		return code;
	if (!session_has(s, record->seq))
		code = session_admit(s, record, 0);
	if (s->plan == PLAN_BACKLOG)
		r = session_unwant(s, room_gone(&s->room));
	if (code != CLI_OK) {
		session_release(s);
		return code;
	}
	if (r == 0 && !session_has(s, record->seq))
		r = partial_resume(s->archive, record, frame->offset, ret);
	else if (frame->kind == ASK_NEWEST && s->plan == PLAN_NEWEST)
		s->over = true;
	session_release(s);
	if (r == -EBUSY)
		return session_leave_to_others(s, frame);
	if (r == -ESTALE) {
		again.again = true;
		item_push_front(s, &again);
		return code;
	}
	if (r == -EFBIG || r == -EINVAL)
		return session_fail(
			s, CONNECT_ANSWERED, CLI_PROTOCOL, "a frame of an impossible size");
	return r < 0 ? session_archive_failed(s, r) : code;
}

/* ---- frames that have come */

static void *batch_flush_thread(void *data)
{
	int fd = (int)(intptr_t)data;

	(void)fsync(fd);
	close(fd);
	return NULL;
}

/*
 * Begins to wait for the disk beside the network. Only a hint: where it does not work the commit's
 * own fsync waits. It has a descriptor of its own, as the kernel reports an error of the disk once
 * for each open file.
 */
static void batch_flush_ahead(const struct session *s, const struct partial *partial)
{
	int fd;

	if (s->plan == PLAN_BACKLOG && partial_open(partial, &fd) == 0 &&
		thread_detach(batch_flush_thread, (void *)(intptr_t)fd) < 0)
		close(fd);
}

int batch_add(struct session *s, const struct ask *frame, const struct record *record,
	struct partial *partial)
{
	int r = partial_check(partial);

	if (r < 0)
		return r;
	if (s->n_ready == 0) {
		s->ready_bytes = 0;
		s->ready_ns = deadline_in(BATCH_US);
	}
	s->ready[s->n_ready++] = (struct ready){
		.record = *record, .partial = partial, .resumed = frame->offset > 0
	};
	s->ready_bytes += record->bytes;
	batch_flush_ahead(s, partial);
	return 0;
}

/* An outcome of a commit. */
static int batch_note(struct session *s, const struct ready *ready, int error)
{
	const enum connect_why why = s->plan == PLAN_BACKLOG ? CONNECT_ANSWERED : CONNECT_HERE;
	int r = 0;

	if (error < 0 && error != -EEXIST)
		return session_archive_failed(s, error);
	preview_drop(s, &ready->record);
	if (error == 0) {
		s->result->frames++;
		s->result->resumed += ready->resumed;
		room_stored(&s->room, &ready->record);
		if (s->plan == PLAN_BACKLOG)
			r = held_note(&s->held, &ready->record);
		return r < 0 ? session_archive_failed(s, r) : CLI_OK;
	}
	session_fail(s, why, CLI_PROTOCOL,
		"frame %llu: another file of that name is here already; `pullpi verify --repair "
		"%s` moves it aside",
		(unsigned long long)ready->record.seq, s->options->camera->name);
	if (s->plan == PLAN_NEWEST)
		return CLI_PROTOCOL;
	if (s->plan == PLAN_FOLLOW)
		return session_pass_over(s, ready->record.seq);
	s->result->bad++;
	return session_skip(s, ready->record.seq);
}

/* Leaves out what others have brought in the meantime. */
static unsigned batch_leave_out(struct session *s, struct ready *list, unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		if (session_has(s, list[i].record.seq))
			partial_free(list[i].partial);
		else
			list[left++] = list[i];
	}
	return left;
}

/* Takes the oldest out of the list. */
static unsigned batch_take(struct session *s, unsigned most, struct ready *ret)
{
	unsigned n = most < BATCH_FRAMES_MAX ? most : BATCH_FRAMES_MAX;

	memcpy(ret, s->ready, n * sizeof *ret);
	for (unsigned i = 0; i < n; i++)
		s->ready_bytes -= ret[i].record.bytes;
	s->n_ready -= n;
	memmove(s->ready, s->ready + n, s->n_ready * sizeof *ret);
	s->ready_ns = deadline_in(BATCH_US);
	return n;
}

void session_keep_head(struct session *s)
{
	const int r = s->archive && !s->options->dry_run ? heads_keep(s->archive, s->clock) : 0;

	s->result->head_error = r == -ENOENT ? 0 : r; /* there is no line yet */
}

/* newest, follow: keeps the head, and removes old frames, after a commit, in its turn. */
static void batch_tidy(struct session *s)
{
	const int64_t now_ns = clock_mono_ns(&clock_real);

	if (s->plan == PLAN_BACKLOG || (s->tidied_ns > 0 && now_ns - s->tidied_ns < TIDY_NS))
		return;
	s->tidied_ns = now_ns;
	session_keep_head(s);
	room_tidy(&s->room, s->archive);
	s->result->removed = s->room.removed;
	s->result->room_error = s->room.error;
}

/* Commits the `most` oldest of them, or a batch of these. */
static int batch_commit(struct session *s, unsigned most)
{
	struct partial *partials[BATCH_FRAMES_MAX];
	struct ready list[BATCH_FRAMES_MAX];
	int errors[BATCH_FRAMES_MAX], code, r;
	unsigned n = batch_take(s, most, list);
	int64_t cost = 0, bytes = 0;
	bool turn;

	code = session_take_turn(s);
	turn = code == CLI_OK;
	if (turn)
		n = batch_leave_out(s, list, n);
	for (unsigned i = 0; i < n; i++) {
		partials[i] = list[i].partial;
		cost += room_cost(&s->room, &list[i].record);
		bytes += list[i].record.bytes;
	}
	if (turn && n > 0) {
		room_charge(&s->room, s->archive, cost, bytes, n);
		archive_commit(s->archive, partials, n, errors);
		batch_tidy(s);
	}
	session_release(s);
	for (unsigned i = 0; i < n; i++) {
		r = turn ? batch_note(s, &list[i], errors[i]) : CLI_OK;
		if (code == CLI_OK)
			code = r;
		partial_keep(partials[i]); /* after a commit there is nothing left to keep */
	}
	if (!turn || s->plan == PLAN_BACKLOG)
		return code;
	session_note_newest(s);
	if (code == CLI_OK)
		session_tell(s, SESSION_FRAME);
	return code;
}

int batch_commit_all(struct session *s)
{
	int code = CLI_OK, r;

	while (s->n_ready > 0 && !s->comparing && !s->compare_due) {
		r = batch_commit(s, s->n_ready);
		if (code == CLI_OK)
			code = r;
	}
	return code;
}

int batch_commit_due(struct session *s)
{
	if (s->n_ready == 0)
		return CLI_OK;
	if (s->plan == PLAN_BACKLOG && s->n_ready < BATCH_FRAMES_MAX &&
		s->ready_bytes < SYNC_READY_BYTES && deadline_left_us(s->ready_ns) > 0 &&
		s->n_asks > 0 && client_wait(s->client, s->ready_ns) > 0)
		return CLI_OK;
	return batch_commit_all(s);
}
