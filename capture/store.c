/* SPDX-License-Identifier: MIT */
/* Storing on a disk that may be full, failing, read-only or gone. */
#include "capture/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/partial.h"
#include "common/place.h"

#define RETRY_US US_PER_SEC
#define RETRY_MAX 15 /* times that */
#define PRUNE_BUSY 8 /* frames without an idle moment, then room is made all the same */

struct store {
	struct store_options options;
	struct store_settings settings;
	const struct clock *clock;
	const char *root;

	struct archive *archive; /* NULL: not open */
	struct pruner *pruner; /* with it */
	char id[UUID_CHARS + 1];
	uint64_t generation;
	char mount[PATH_MAX]; /* where its disk was mounted; "": it has none of its own */
	int error; /* of the last frame, or why there is no archive; 0: the last one was stored */
	char where[PATH_MAX]; /* of that */
	int64_t slot_us; /* of the last frame */
	int64_t next_us, retry_us; /* not opened again before; how long that was */

	struct record waiting[BATCH_FRAMES_MAX]; /* in the batch, as they came */
	struct partial *partials[BATCH_FRAMES_MAX]; /* the archive's files of them */
	unsigned n_waiting;
	int64_t batch_us; /* when the first of them came */

	int64_t last_bytes; /* of the last frame, as a guess at the next */
	unsigned frames_since_idle;
	struct pruner_removed removed;
};

static int64_t now_us(const struct store *s)
{
	return clock_mono_ns(s->clock) / NS_PER_US;
}

/*
 * A trouble lasts until a frame is stored: that an archive can be opened, or a line be written, says nothing of
 * the folder that frames go to.
 */
static void note_error(struct store *s, int error)
{
	if (error < 0 && error != s->error)
		store_find_unwritable(s->settings.path, s->slot_us, s->where);
	s->error = error;
}

/* ---- open and closed ---- */

/* Frames that wait and will not be stored. */
static void drop_batch(struct store *s, int error)
{
	unsigned n = s->n_waiting;

	s->n_waiting = 0;
	for (unsigned i = 0; i < n; i++)
		s->options.outcome(s->options.data, &s->waiting[i], error);
}

/*
 * The disk is away: what is open on it is closed, and opened again later. 0, or -EAGAIN where frames
 * have failed by that.
 */
static int close_archive(struct store *s, int error)
{
	unsigned n = s->n_waiting;

	note_error(s, error);
	if (!s->archive)
		return 0;
	pruner_free(TAKE_PTR(s->pruner));
	archive_free(TAKE_PTR(s->archive));
	drop_batch(s, error);
	s->retry_us = 0; /* once at once */
	s->next_us = 0;
	return n > 0 ? -EAGAIN : 0;
}

static int adopt(struct store *s, struct archive *archive)
{
	int r = pruner_new(archive, &s->settings.retention, s->clock, &s->pruner);

	if (r < 0) {
		archive_free(archive);
		return r;
	}
	s->archive = archive;
	s->generation++;
	place_mount(s->settings.path, s->root, s->mount);
	snprintf(s->id, sizeof s->id, "%s", archive_id(archive));
	s->retry_us = 0;
	return 0;
}

static int open_archive(struct store *s)
{
	struct store_settings settings = s->settings;
	struct archive *archive = NULL;
	int r;

	snprintf(settings.mount, sizeof settings.mount, "%s", s->mount);
	r = store_open_archive(&settings, s->options.fs, s->root, &archive);
	return r < 0 ? r : adopt(s, archive);
}

/* Whether the path still leads to what is open. */
static bool is_there(const struct store *s)
{
	struct stat open, there;

	return fstat(archive_root_fd(s->archive), &open) == 0 &&
		stat(s->settings.path, &there) == 0 && open.st_dev == there.st_dev &&
		open.st_ino == there.st_ino;
}

int store_ready(struct store *s)
{
	int r;

	if (s->archive && !is_there(s))
		close_archive(s, -ENODEV);
	if (s->archive)
		return 0;
	if (now_us(s) < s->next_us)
		return s->error;
	r = open_archive(s);
	if (r == 0)
		return 0;
	s->retry_us = s->retry_us ? s->retry_us * 2 : s->options.retry_us;
	if (s->retry_us > RETRY_MAX * s->options.retry_us)
		s->retry_us = RETRY_MAX * s->options.retry_us;
	s->next_us = now_us(s) + s->retry_us;
	note_error(s, r);
	return r;
}

/* ---- writing ---- */

static void note_removed(struct store *s, const struct pruner_removed *removed)
{
	s->removed.frames += removed->frames;
	s->removed.bytes += removed->bytes;
	if (removed->frames)
		s->removed.why = removed->why;
}

static int make_room(struct store *s, int64_t bytes)
{
	struct pruner_removed removed;
	int r = pruner_force(s->pruner, bytes, &removed);

	note_removed(s, &removed);
	return r;
}

/* The space that is held for the journal comes first. */
static int hold_ballast(struct store *s)
{
	int r = archive_ballast_make(s->archive);

	return store_is_full(r) ? r : 0;
}

/* Takes the first `n` partials out of the batch. */
static void take_partials(struct store *s, unsigned n, struct partial **ret)
{
	memcpy(ret, s->partials, n * sizeof ret[0]);
	s->n_waiting -= n;
	memmove(&s->waiting[0], &s->waiting[n], s->n_waiting * sizeof s->waiting[0]);
	memmove(&s->partials[0], &s->partials[n], s->n_waiting * sizeof s->partials[0]);
}

/* 0, or -EAGAIN where frames have failed; others may still wait. */
static int commit(struct store *s)
{
	struct partial *done[BATCH_FRAMES_MAX];
	int errors[BATCH_FRAMES_MAX], error = 0;
	unsigned n;

	if (s->n_waiting == 0)
		return 0;
	n = archive_commit(s->archive, s->partials, s->n_waiting, errors);
	take_partials(s, n, done);
	for (unsigned i = 0; i < n; i++) {
		struct record record = *partial_record(done[i]);

		partial_free(done[i]);
		if (errors[i] < 0)
			error = errors[i];
		s->options.outcome(s->options.data, &record, errors[i]);
	}
	note_error(s, error);
	if (place_is_away(error))
		close_archive(s, error);
	return error < 0 ? -EAGAIN : 0;
}

static int add_to_batch(
	struct store *s, const struct record *record, const void *jpeg, size_t bytes)
{
	struct partial *partial;
	int r = s->n_waiting == BATCH_FRAMES_MAX ? commit(s) : 0;

	if (r == 0)
		r = partial_stage(s->archive, record, jpeg, bytes, &partial);
	if (r < 0)
		return r;
	if (s->n_waiting == 0)
		s->batch_us = now_us(s);
	s->partials[s->n_waiting] = partial;
	s->waiting[s->n_waiting++] = *record;
	return 0;
}

/* While the disk is full it is not written to in vain, which would wear it out. */
static bool has_room(const struct store *s, size_t bytes)
{
	struct statvfs st;

	return !store_is_full(s->error) || fstatvfs(archive_root_fd(s->archive), &st) < 0 ||
		st.f_blocks == 0 || st.f_bavail > bytes / (st.f_frsize ? st.f_frsize : 1);
}

/* 1: it waits in the batch. */
static int write_frame(
	struct store *s, struct record *record, const void *jpeg, size_t bytes, bool ahead)
{
	int r = hold_ballast(s);

	if (r < 0)
		return r;
	if (ahead || (s->settings.batch && !record->shot)) {
		r = add_to_batch(s, record, jpeg, bytes);
		return r < 0 ? r : 1;
	}
	r = commit(s);
	return r < 0 ? r : archive_publish(s->archive, record, jpeg, bytes);
}

/*
 * The frame was visible when its disk failed, and could not be taken back: opening the archive again
 * has given it a line.
 */
static bool was_restored(struct store *s, struct record *record, const void *jpeg, size_t bytes)
{
	uint8_t sha256[SHA256_BYTES];
	struct record newest;

	if (archive_repairs(s->archive)->lines_restored == 0 ||
		archive_newest(s->archive, &newest) < 0 || !newest.recovered ||
		digest_buffer(jpeg, bytes, sha256) < 0 ||
		memcmp(sha256, newest.sha256, sizeof sha256) != 0)
		return false;
	*record = newest;
	return true;
}

/* Once more, after doing what may help. */
static int write_again(struct store *s, struct record *record, const void *jpeg, size_t bytes,
	bool ahead, int error)
{
	if (store_is_full(error)) {
		if (make_room(s, (int64_t)bytes) < 0)
			return error;
		return write_frame(s, record, jpeg, bytes, ahead);
	}
	if (!place_is_away(error))
		return error;
	if (close_archive(s, error) < 0)
		return -EAGAIN;
	if (store_ready(s) < 0)
		return error;
	return was_restored(s, record, jpeg, bytes) ? 0
						    : write_frame(s, record, jpeg, bytes, ahead);
}

int store_frame(
	struct store *s, const struct record *frame, const void *jpeg, size_t bytes, bool ahead)
{
	struct record record = *frame;
	int r = store_ready(s);

	s->last_bytes = (int64_t)bytes;
	s->slot_us = record.slot_us;
	s->frames_since_idle++;
	if (r == 0) {
		r = has_room(s, bytes) ? write_frame(s, &record, jpeg, bytes, ahead) : -ENOSPC;
		if (r < 0 && r != -EAGAIN)
			r = write_again(s, &record, jpeg, bytes, ahead, r);
		if (r == -EAGAIN)
			return r;
		if (place_is_away(r))
			close_archive(s, r);
		if (r <= 0)
			note_error(s, r);
	}
	if (r <= 0)
		s->options.outcome(s->options.data, r < 0 ? frame : &record, r);
	return ahead && r > 0;
}

int store_commit(struct store *s)
{
	return s->archive && !s->settings.batch ? commit(s) : 0;
}

int store_note(struct store *s, struct record *record, bool early)
{
	int r = store_ready(s);

	if (r == 0 && !early)
		r = commit(s);
	if (r < 0)
		return r;
	r = archive_note(s->archive, record);
	/* even without the ballast: what a removed frame gives back is enough for a line */
	if (store_is_full(r) && make_room(s, 1) == 0)
		r = archive_note(s->archive, record);
	if (r < 0)
		note_error(s, r);
	if (place_is_away(r))
		close_archive(s, r);
	return r;
}

/* ---- between frames ---- */

int64_t store_due_us(const struct store *s)
{
	return s->n_waiting ? s->batch_us + BATCH_SECONDS * US_PER_SEC : INT64_MAX;
}

/* Room for the next frame, one step for each that came. */
static void prune(struct store *s)
{
	struct pruner_removed removed;
	int r;

	s->frames_since_idle = 0;
	r = pruner_make_room(s->pruner, s->last_bytes, &removed);
	note_removed(s, &removed);
	/* what keeps it from removing will keep frames from being stored, and is told then */
	if (r == 0)
		archive_ballast_make(s->archive);
}

void store_idle(struct store *s, bool now)
{
	if (s->archive && (now || now_us(s) >= store_due_us(s)))
		commit(s);
	if (s->archive && s->frames_since_idle > 0)
		prune(s);
}

bool store_wants_idle(const struct store *s)
{
	return s->frames_since_idle >= PRUNE_BUSY || now_us(s) >= store_due_us(s);
}

struct archive *store_archive(struct store *s)
{
	return s->n_waiting ? NULL : s->archive;
}

/* ---- the rest ---- */

struct store_facts store_facts(const struct store *s)
{
	struct store_facts facts = {
		.open = s->archive != NULL,
		.error = s->error,
		.generation = s->generation,
		.removed = s->removed,
	};

	snprintf(facts.id, sizeof facts.id, "%s", s->id);
	snprintf(facts.where, sizeof facts.where, "%s", s->where);
	if (s->pruner)
		facts.stored = pruner_totals(s->pruner);
	return facts;
}

int store_new(const struct store_options *options, struct store **ret)
{
	CLEANUP(archive_freep) struct archive *archive = options->archive;
	CLEANUP(store_freep) struct store *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->settings = options->settings;
	s->clock = options->clock;
	s->root = options->root ? options->root : "/";
	if (s->options.retry_us == 0)
		s->options.retry_us = RETRY_US;
	if (!archive)
		note_error(s, options->error ? options->error : -ENODEV);
	if (archive && !*s->settings.path) {
		snprintf(s->settings.path, sizeof s->settings.path, "%s", archive_path(archive));
		snprintf(s->settings.camera, sizeof s->settings.camera, "%s",
			archive_camera(archive));
	}
	if (archive) {
		r = adopt(s, TAKE_PTR(archive));
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	while (s->archive && s->n_waiting > 0)
		commit(s);
	pruner_free(s->pruner);
	archive_free(s->archive);
	free(s);
}

void store_set(struct store *s, const struct store_settings *settings)
{
	if (strcmp(s->settings.path, settings->path) != 0)
		s->mount[0] = '\0';
	s->settings = *settings;
	if (s->pruner)
		pruner_set(s->pruner, &settings->retention);
	if (s->archive && !settings->batch)
		commit(s);
}
