/* SPDX-License-Identifier: MIT */
/*
 * Parses fault scripts (grammar in faults.h) and says what is broken when. The state is the one
 * piece in the tree that lives as long as the process: it stands for hardware, which does not get
 * well because somebody closed a file descriptor.
 */
#include "capture/simcam/faults.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/util.h"

enum fault_kind { FREEZE, CANCEL, BUSY, GONE, SLOWSTOP, HANGSTOP, STALE, AHEAD, KINDS };
enum fault_when { AT_FRAME, AT_TIME, AT_OPEN, AT_START };

struct fault {
	enum fault_kind kind;
	enum fault_when when;
	int64_t at; /* frames, or nanoseconds after the first open */
	int64_t duration_ns; /* 0: none given */
	int64_t count; /* 0: none given */

	bool begun, over;
	int64_t begun_ns;
	int64_t used; /* of count */
};

struct faults {
	char script[FAULT_SCRIPT_BYTES_MAX];
	uint64_t seed;
	struct fault fault[FAULTS_MAX];
	int n;
	int64_t born_ns; /* 0: never plugged in */
	int64_t frames; /* taken */
};

/* What each kind takes after its "when". */
enum fault_part { NEVER, MAY, MUST };
static const struct {
	const char *name;
	enum fault_part duration, count;
	bool calls; /* @open and @start */
} rules[KINDS] = {
	[FREEZE] = { "freeze@", .duration = MAY },
	[CANCEL] = { "cancel@", .duration = MAY },
	[BUSY] = { "busy@", .duration = MAY, .count = MAY, .calls = true },
	[GONE] = { "gone@", .duration = MAY },
	[SLOWSTOP] = { "slowstop@", .duration = MUST, .count = MAY },
	[HANGSTOP] = { "hangstop@" },
	[STALE] = { "stale@", .count = MUST },
	[AHEAD] = { "ahead@", .count = MUST },
};

/* ---- parsing ---- */

static bool skip_word(const char **p, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*p, word, length) != 0)
		return false;
	*p += length;
	return true;
}

/* 1 to 8 digits (as minutes that fits into 64 bits of nanoseconds); no sign, no blank. */
static bool parse_number(const char **p, int64_t *ret)
{
	const char *start = *p;
	int64_t value = 0;

	while (isdigit((unsigned char)**p) && *p - start < 8)
		value = value * 10 + (*(*p)++ - '0');
	if (*p == start || isdigit((unsigned char)**p))
		return false;
	*ret = value;
	return true;
}

/* The unit after a number, in nanoseconds; 0: there is none. */
static int64_t parse_unit(const char **p)
{
	return skip_word(p, "ms")     ? NS_PER_SEC / 1000
		: skip_word(p, "min") ? 60 * NS_PER_SEC
		: skip_word(p, "s")   ? NS_PER_SEC
				      : 0;
}

static bool parse_when(const char **p, struct fault *fault)
{
	int64_t unit;

	fault->when = skip_word(p, "open") ? AT_OPEN : skip_word(p, "start") ? AT_START : AT_FRAME;
	if (fault->when != AT_FRAME)
		return rules[fault->kind].calls;
	if (!parse_number(p, &fault->at))
		return false;
	unit = parse_unit(p);
	if (unit > 0) {
		fault->when = AT_TIME;
		fault->at *= unit;
	} else {
		skip_word(p, "f");
	}
	return true;
}

static bool parse_duration(const char **p, int64_t *ret_ns)
{
	int64_t number;

	if (!parse_number(p, &number))
		return false;
	*ret_ns = number * parse_unit(p);
	return *ret_ns > 0;
}

static bool parse_kind(const char **p, enum fault_kind *ret)
{
	for (int i = 0; i < KINDS; i++)
		if (skip_word(p, rules[i].name)) {
			*ret = (enum fault_kind)i;
			return true;
		}
	return false;
}

/* One fault, from *p to the comma or the end. NULL, or what is wrong with it. */
static const char *parse_fault(const char **p, struct fault *fault)
{
	enum fault_part duration, count;

	*fault = (struct fault){ 0 };
	if (!parse_kind(p, &fault->kind))
		return "is not a fault: freeze@, cancel@, busy@, gone@, slowstop@, hangstop@, "
		       "stale@ or ahead@ is";
	duration = rules[fault->kind].duration;
	count = rules[fault->kind].count;
	if (!parse_when(p, fault))
		return "needs a frame number (30) or a time (12s) after @; only busy takes open "
		       "and "
		       "start";
	if (skip_word(p, "+") && (!duration || !parse_duration(p, &fault->duration_ns)))
		return duration ? "needs a duration such as 500ms, 5s or 2min after +"
				: "takes no duration";
	if (skip_word(p, "*") && (!count || !parse_number(p, &fault->count) || !fault->count))
		return count ? "needs a count from 1 after *" : "takes no count";
	if (duration == MUST && !fault->duration_ns)
		return "needs a duration such as +20s";
	if (count == MUST && !fault->count)
		return "needs a count such as *3";
	*p += strspn(*p, " ");
	return **p && **p != ',' ? "is followed by something that is not a comma" : NULL;
}

static int parse_script(struct faults *ret, char *error, size_t size)
{
	const char *p = ret->script, *wrong, *fault;

	do {
		p += strspn(p, " ");
		if (!*p && ret->n == 0)
			return 0;
		fault = p;
		wrong = ret->n == FAULTS_MAX ? "is one fault too many"
					     : parse_fault(&p, &ret->fault[ret->n++]);
		if (wrong) {
			snprintf(error, size, "\"%.*s\" %s", (int)strcspn(fault, ", "), fault,
				wrong);
			return -EINVAL;
		}
	} while (*p++ == ',');
	return 0;
}

/* ---- the process's camera ---- */

static struct faults plugged;
static atomic_flag in_use = ATOMIC_FLAG_INIT;

int faults_get(const char *script, uint64_t seed, int64_t now_ns, struct faults **ret, char *error,
	size_t size)
{
	struct faults new = { .seed = seed, .born_ns = now_ns };
	int r;

	if (snprintf(new.script, sizeof new.script, "%s", script) >= (int)sizeof new.script) {
		snprintf(error, size, "the script is longer than %d characters",
			FAULT_SCRIPT_BYTES_MAX - 1);
		return -EINVAL;
	}
	r = parse_script(&new, error, size);
	if (r < 0)
		return r;
	if (atomic_flag_test_and_set(&in_use)) {
		snprintf(error, size, "this process has the simulated camera open already");
		return -EBUSY;
	}
	if (plugged.born_ns == 0 || plugged.seed != seed || strcmp(plugged.script, script) != 0)
		plugged = new;
	*ret = &plugged;
	return 0;
}

void faults_put(struct faults *faults)
{
	if (faults)
		atomic_flag_clear(&in_use);
}

/* ---- what is broken ---- */

/*
 * Begins the fault when its time has come, ends it when its duration is over; true while in force.
 */
static bool fault_in_force(struct faults *f, struct fault *fault, int64_t now_ns)
{
	if (!fault->begun) {
		if (fault->when == AT_FRAME && f->frames < fault->at)
			return false;
		if (fault->when == AT_TIME && now_ns - f->born_ns < fault->at)
			return false;
		fault->begun = true;
		fault->begun_ns = now_ns;
	}
	/* slowstop's duration is that of the call, not of the fault */
	if (fault->duration_ns > 0 && fault->kind != SLOWSTOP &&
		now_ns - fault->begun_ns >= fault->duration_ns)
		fault->over = true;
	return !fault->over;
}

/* Uses up one of the fault's count, which is 1 where none was given. */
static void fault_use(struct fault *fault)
{
	fault->used++;
	if (fault->used >= (fault->count > 0 ? fault->count : 1))
		fault->over = true;
}

int faults_at_call(struct faults *f, enum fault_call call, int64_t now_ns)
{
	int r = 0;

	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];
		bool mine = fault->when != (call == FAULT_OPEN ? AT_START : AT_OPEN);

		if (fault->kind == GONE && fault_in_force(f, fault, now_ns)) {
			/* without a duration it ends when the camera is opened again */
			if (call != FAULT_OPEN || fault->duration_ns > 0)
				return -ENODEV;
			fault->over = true;
		} else if (fault->kind == BUSY && r == 0 && mine &&
			fault_in_force(f, fault, now_ns)) {
			if (fault->count > 0 || fault->duration_ns == 0)
				fault_use(fault);
			r = -EBUSY;
		}
	}
	return r;
}

int64_t faults_at_stop(struct faults *f, int64_t now_ns)
{
	int64_t block = 0;

	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];

		if (!fault_in_force(f, fault, now_ns))
			continue;
		if (fault->kind == HANGSTOP)
			return INT64_MAX;
		if (fault->kind == SLOWSTOP && block == 0) {
			block = fault->duration_ns;
			fault_use(fault);
		}
		/* a restart of the stream heals these */
		if ((fault->kind == FREEZE || fault->kind == CANCEL) && fault->duration_ns == 0)
			fault->over = true;
	}
	return block;
}

struct fault_state faults_now(struct faults *f, int64_t now_ns)
{
	struct fault_state state = { .next_ns = INT64_MAX };

	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];
		bool in_force = fault_in_force(f, fault, now_ns);
		int64_t change_ns = INT64_MAX;

		if (!fault->begun && fault->when == AT_TIME)
			change_ns = f->born_ns + fault->at;
		else if (in_force && fault->duration_ns > 0 && fault->kind != SLOWSTOP)
			change_ns = fault->begun_ns + fault->duration_ns;
		if (change_ns < state.next_ns)
			state.next_ns = change_ns;
		if (!in_force)
			continue;
		if (fault->kind == GONE)
			state.error = -ENODEV;
		else if (fault->kind == CANCEL && state.error == 0)
			state.error = -ECANCELED;
		else if (fault->kind == FREEZE)
			state.frozen = true;
		else if (fault->kind == STALE)
			state.stale = (int)(fault->count - fault->used);
		else if (fault->kind == AHEAD)
			state.ahead = true;
	}
	return state;
}

void faults_count_frame(struct faults *f)
{
	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];

		if ((fault->kind == STALE || fault->kind == AHEAD) && fault->begun && !fault->over)
			fault_use(fault);
	}
	f->frames++;
}
