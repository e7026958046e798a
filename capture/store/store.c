/* SPDX-License-Identifier: MIT */
/* Storing on a disk that may be full, failing, read-only or gone. */
#include "capture/store/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/archive/partial.h"
#include "common/archive/place.h"

#define RETRY_US US_PER_SEC
#define RETRY_MAX 15 /* times that */
#define PRUNE_BUSY 8 /* frames without an idle moment, then room is made all the same */

/* A frame that is to be committed, or whose outcome is known before that. */
struct staged {
	struct partial *partial; /* NULL: the outcome is known */
	struct store_outcome outcome;
};

struct store {
	struct store_options options;
	struct archive_settings settings;
	const struct clock *clock;
	const char *root;

	struct archive *archive; /* NULL: not open */
	struct pruner *pruner; /* with it */
	struct correction *correction; /* of it, NULL: none is at work */
	struct archive_undone undone; /* of the one before */
	bool marked; /* a frame of an unknown clock was staged since that began */
	char id[UUID_CHARS + 1];
	char mount[PATH_MAX]; /* where its disk was mounted; "": it has none of its own */
	int error; /* of the last frame, or why there is no archive; 0: the last one was stored */
	char where[PATH_MAX]; /* of that */
	int64_t slot_us; /* of the last frame */
	int64_t next_us, retry_us; /* not opened again before; how long that was */

	struct staged staged[BATCH_FRAMES_MAX]; /* in order */
	unsigned n_staged;
	const void *jpeg; /* of the last of them, NULL: not any more */
	size_t last_bytes; /* of the last frame, as a guess at the next */
	unsigned frames_since_idle;
	struct pruner_removed removed;
};

static int64_t store_now_us(const struct store *s)
{
	return clock_mono_ns(s->clock) / NS_PER_US;
}

/*
 * A trouble lasts until a frame is stored: that an archive can be opened, or a line be written,
 * says nothing of the folder that frames go to.
 */
static void store_note_error(struct store *s, int error)
{
	if (error < 0 && error != s->error)
		store_find_unwritable(s->settings.path, s->slot_us, s->where);
	s->error = error;
}

/* ---- open and closed ---- */

/*
 * The disk is away: what is open on it is closed, and opened again later; staged frames are lost.
 */
static void store_close(struct store *s, int error)
{
	store_note_error(s, error);
	if (!s->archive)
		return;
	for (unsigned i = 0; i < s->n_staged; i++) {
		struct staged *staged = &s->staged[i];

		if (staged->partial)
			staged->outcome.error = error;
		partial_free(TAKE_PTR(staged->partial));
	}
	correction_free(TAKE_PTR(s->correction));
	pruner_free(TAKE_PTR(s->pruner));
	s->undone = archive_undone(s->archive);
	archive_free(TAKE_PTR(s->archive));
	s->marked = false;
	s->retry_us = 0; /* once at once */
	s->next_us = 0;
}

static int store_adopt(struct store *s, struct archive *archive)
{
	int r = pruner_new(archive, &s->settings.retention, s->clock, &s->pruner);

	if (r < 0) {
		archive_free(archive);
		return r;
	}
	s->archive = archive;
	place_mount(s->settings.path, s->root, s->mount);
	snprintf(s->id, sizeof s->id, "%s", archive_id(archive));
	s->retry_us = 0;
	return 0;
}

static int store_open_again(struct store *s)
{
	const struct archive_settings *settings = &s->settings;
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.camera = settings->camera,
		.access = fs_access_mode(settings->access),
		.fs = s->options.fs,
		.undone = &s->undone };
	struct archive *archive = NULL;
	int r = place_check(settings->path, settings->require_mount, s->mount, s->root);

	if (r == 0)
		r = archive_open(settings->path, &options, &archive);
	if (r < 0)
		return r;
	s->undone.n = 0;
	return store_adopt(s, archive);
}

/* Whether the path still leads to what is open. */
static bool store_is_there(const struct store *s)
{
	struct stat open, there;

	return fstat(archive_root_fd(s->archive), &open) == 0 &&
		stat(s->settings.path, &there) == 0 && open.st_dev == there.st_dev &&
		open.st_ino == there.st_ino;
}

static int store_open(struct store *s)
{
	int r;

	if (s->archive && !store_is_there(s))
		store_close(s, -ENODEV);
	if (s->archive)
		return 0;
	if (store_now_us(s) < s->next_us)
		return s->error;
	r = store_open_again(s);
	if (r == 0)
		return 0;
	s->retry_us = s->retry_us ? s->retry_us * 2 : s->options.retry_us;
	if (s->retry_us > RETRY_MAX * s->options.retry_us)
		s->retry_us = RETRY_MAX * s->options.retry_us;
	s->next_us = store_now_us(s) + s->retry_us;
	store_note_error(s, r);
	return r;
}

int store_ready(struct store *s)
{
	s->jpeg = NULL;
	return store_open(s);
}

/* ---- writing ---- */

static void store_note_removed(struct store *s, const struct pruner_removed *removed)
{
	s->removed.frames += removed->frames;
	s->removed.bytes += removed->bytes;
	if (removed->frames)
		s->removed.why = removed->why;
}

static int store_force_room(struct store *s, int64_t bytes)
{
	struct pruner_removed removed;
	int r = pruner_force(s->pruner, bytes, &removed);

	store_note_removed(s, &removed);
	return r;
}

/* While the disk is full it is not written to in vain, which would wear it out. */
static bool store_has_room(const struct store *s, size_t bytes)
{
	struct statvfs st;

	return !store_is_full(s->error) || fstatvfs(archive_root_fd(s->archive), &st) < 0 ||
		st.f_blocks == 0 || st.f_bavail > bytes / (st.f_frsize ? st.f_frsize : 1);
}

/* So that the frame gets its true time; where that cannot be written it is stored all the same. */
static void store_mark(struct store *s)
{
	uint64_t last;

	if (!s->marked && journal_last(archive_journal(s->archive), &last) == 0)
		s->marked = correction_mark(s->archive, last + 1) == 0;
}

/* Writes the hidden file. The space that is held for the journal comes first. */
static int store_write(struct store *s, struct staged *staged)
{
	int r = archive_ballast_make(s->archive);

	if (store_is_full(r))
		return r;
	if (!staged->outcome.record.synced)
		store_mark(s);
	return partial_stage(
		s->archive, &staged->outcome.record, s->jpeg, s->last_bytes, &staged->partial);
}

/* Does what may help after an error; false: nothing does. */
static bool store_help(struct store *s, int error)
{
	if (store_is_full(error))
		return store_force_room(s, (int64_t)s->last_bytes) == 0;
	if (!place_is_away(error))
		return false;
	store_close(s, error);
	return store_open(s) == 0;
}

/*
 * The frame was visible when its disk failed, and could not be taken back: opening the archive
 * again has given it a line.
 */
static bool store_was_restored(struct store *s, struct record *record)
{
	uint8_t sha256[SHA256_BYTES];
	struct record newest;

	if (archive_repairs(s->archive)->lines_restored == 0 ||
		archive_newest(s->archive, &newest) < 0 || !newest.recovered ||
		digest_buffer(s->jpeg, s->last_bytes, sha256) < 0 ||
		memcmp(sha256, newest.sha256, sizeof sha256) != 0)
		return false;
	*record = newest;
	return true;
}

int store_stage(struct store *s, const struct record *record, const void *jpeg, size_t bytes)
{
	struct staged staged = { .outcome.record = *record };
	int r = s->n_staged == BATCH_FRAMES_MAX ? -EBUSY : store_open(s);

	s->jpeg = jpeg;
	s->last_bytes = bytes;
	s->slot_us = record->slot_us;
	s->frames_since_idle++;
	if (r < 0)
		return r;
	r = store_has_room(s, bytes) ? store_write(s, &staged) : -ENOSPC;
	if (r < 0 && store_help(s, r))
		r = store_write(s, &staged);
	if (r == 0) {
		s->staged[s->n_staged++] = staged;
		return 0;
	}
	if (place_is_away(r))
		store_close(s, r);
	store_note_error(s, r);
	return r;
}

/*
 * The frame staged last could not be committed; its JPEG is still at hand, so it is done once more.
 */
static void store_commit_again(struct store *s, struct staged *staged)
{
	int *error = &staged->outcome.error;

	if (!store_help(s, *error))
		return;
	if (store_was_restored(s, &staged->outcome.record)) {
		*error = 0;
		return;
	}
	*error = store_write(s, staged);
	if (*error == 0)
		archive_commit(s->archive, &staged->partial, 1, error);
	if (*error == 0)
		staged->outcome.record = *partial_record(staged->partial);
	partial_free(TAKE_PTR(staged->partial));
}

/*
 * Commits as many of the first `n` as were staged in the archive that is open. Returns how many it
 * was.
 */
static unsigned store_commit_open(struct store *s, unsigned n)
{
	struct partial *partials[BATCH_FRAMES_MAX];
	int errors[BATCH_FRAMES_MAX];
	unsigned done, i;

	for (i = 0; i < n && s->staged[i].partial; i++)
		partials[i] = s->staged[i].partial;
	if (i == 0)
		return 0;
	done = archive_commit(s->archive, partials, i, errors);
	for (i = 0; i < done; i++) {
		struct staged *staged = &s->staged[i];

		staged->outcome.error = errors[i];
		if (errors[i] == 0)
			staged->outcome.record = *partial_record(staged->partial);
		partial_free(TAKE_PTR(staged->partial));
	}
	/* not after one that failed, whose miss comes first */
	if (errors[done - 1] < 0 && done == s->n_staged && s->jpeg &&
		(done == 1 || errors[done - 2] == 0))
		store_commit_again(s, &s->staged[done - 1]);
	store_note_error(s, s->staged[done - 1].outcome.error);
	if (place_is_away(s->error))
		store_close(s, s->error);
	return done;
}

unsigned store_commit(struct store *s, unsigned n, struct store_outcome *ret)
{
	unsigned done = store_commit_open(s, n);

	if (done == 0) /* lost with the archive that it was staged in */
		done = 1;
	for (unsigned i = 0; i < done; i++)
		ret[i] = s->staged[i].outcome;
	s->n_staged -= done;
	memmove(&s->staged[0], &s->staged[done], s->n_staged * sizeof s->staged[0]);
	return done;
}

int store_note(struct store *s, struct record *record)
{
	int r = store_open(s);

	if (r < 0)
		return r;
	r = archive_note(s->archive, record);
	/* even without the ballast: what a removed frame gives back is enough for a line */
	if (store_is_full(r) && store_force_room(s, 1) == 0)
		r = archive_note(s->archive, record);
	if (r < 0)
		store_note_error(s, r);
	if (place_is_away(r))
		store_close(s, r);
	return r;
}

void store_tidy(struct store *s, bool idle)
{
	struct pruner_removed removed;
	int r;

	if (!s->archive || s->frames_since_idle < (idle ? 1 : PRUNE_BUSY))
		return;
	s->frames_since_idle = 0;
	r = pruner_make_room(s->pruner, (int64_t)s->last_bytes, &removed);
	store_note_removed(s, &removed);
	/* what keeps it from removing will keep frames from being stored, and is told then */
	if (r == 0)
		archive_ballast_make(s->archive);
}

int store_correct(struct store *s, const char *boot, int64_t zero_us, struct correction_totals *ret)
{
	struct correction_options options = {
		.archive = s->archive, .boot = boot, .zero_us = zero_us
	};
	int r = s->archive ? 0 : -EBUSY;

	/*
	 * it goes up to the journal's end, so it begins after the lines of those that wait for it
	 */
	for (unsigned i = 0; !s->correction && i < s->n_staged; i++)
		if (!s->staged[i].outcome.record.synced)
			r = -EBUSY;
	if (r == 0 && !s->correction) {
		*ret = (struct correction_totals){ 0 };
		r = correction_marked(s->archive, &options.from);
		if (r == -ENOENT)
			return 0;
		s->marked = false;
		if (r == 0)
			r = correction_new(&options, &s->correction);
	}
	if (r == 0)
		r = correction_step(s->correction);
	if (s->correction)
		*ret = correction_totals(s->correction);
	if (r == 0 && !s->marked)
		correction_unmark(s->archive);
	if (r == 0)
		correction_free(TAKE_PTR(s->correction));
	return r;
}

struct archive *store_archive(struct store *s)
{
	return s->archive;
}

/* ---- the rest ---- */

struct store_facts store_facts(const struct store *s)
{
	struct store_facts facts = {
		.open = s->archive != NULL,
		.error = s->error,
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
	s->clock = options->clock ? options->clock : &clock_real;
	s->root = options->root ? options->root : "/";
	if (s->options.retry_us == 0)
		s->options.retry_us = RETRY_US;
	if (!archive)
		store_note_error(s, options->error ? options->error : -ENODEV);
	if (archive && !*s->settings.path) {
		snprintf(s->settings.path, sizeof s->settings.path, "%s", archive_path(archive));
		snprintf(s->settings.camera, sizeof s->settings.camera, "%s",
			archive_camera(archive));
	}
	if (archive) {
		r = store_adopt(s, TAKE_PTR(archive));
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
	for (unsigned i = 0; i < s->n_staged; i++)
		partial_free(s->staged[i].partial);
	correction_free(s->correction);
	pruner_free(s->pruner);
	archive_free(s->archive);
	free(s);
}

void store_set(struct store *s, const struct archive_settings *settings)
{
	if (strcmp(s->settings.path, settings->path) != 0)
		s->mount[0] = '\0';
	s->settings = *settings;
	if (s->pruner)
		pruner_set(s->pruner, &settings->retention);
}
