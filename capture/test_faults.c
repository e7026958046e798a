/* SPDX-License-Identifier: MIT */
/*
 * Parses fault scripts (grammar in test_faults.h) and says what is broken when.
 *
 * The table of scripts is the one piece of state in the tree that lives as long as the process: it
 * stands for hardware, which does not get well because somebody closed a file descriptor.
 */
#include "capture/test_faults.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/util.h"

enum kind { FREEZE, CANCEL, BUSY, GONE, SLOWSTOP, HANGSTOP, STALE, KINDS };
enum when { AT_FRAME, AT_TIME, AT_OPEN, AT_START };

struct fault {
	enum kind kind;
	enum when when;
	int64_t at; /* frames, or nanoseconds after the first open */
	int64_t duration_ns; /* 0: none given */
	int count; /* 0: none given */

	bool begun;
	int64_t begun_ns;
	int used; /* of count */
	bool over;
};

struct faults {
	char script[FAULT_SCRIPT_BYTES_MAX];
	uint64_t seed;
	bool known;
	bool in_use;
	uint64_t put_number; /* for reuse: the one that was put longest ago */

	struct fault fault[FAULTS_MAX];
	int n;
	int64_t born_ns;
	int64_t frames; /* taken */
};

/* What each kind takes behind its "when". */
static const struct {
	const char *name;
	bool duration, count, calls; /* allowed; calls: @open and @start */
	bool must_duration, must_count;
} rules[KINDS] = {
	[FREEZE] = { "freeze", .duration = true },
	[CANCEL] = { "cancel", .duration = true },
	[BUSY] = { "busy", .duration = true, .count = true, .calls = true },
	[GONE] = { "gone", .duration = true },
	[SLOWSTOP] = { "slowstop", .duration = true, .count = true, .must_duration = true },
	[HANGSTOP] = { "hangstop" },
	[STALE] = { "stale", .count = true, .must_count = true },
};

/* parsing */

PRINTF(3, 4) static int refuse(char *error, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, size, fmt, ap);
	va_end(ap);
	return -EINVAL;
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

/* The unit behind a number, in nanoseconds; 0: there is none. */
static int64_t parse_unit(const char **p)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "ms", NS_PER_SEC / 1000 }, { "min", 60 * NS_PER_SEC },
		{ "s", NS_PER_SEC } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t length = strlen(units[i].name);

		if (strncmp(*p, units[i].name, length) == 0) {
			*p += length;
			return units[i].ns;
		}
	}
	return 0;
}

static bool parse_duration(const char **p, int64_t *ret_ns)
{
	int64_t number, unit;

	if (!parse_number(p, &number))
		return false;
	unit = parse_unit(p);
	if (unit == 0 || number == 0)
		return false;
	*ret_ns = number * unit;
	return true;
}

static bool skip_word(const char **p, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*p, word, length) != 0)
		return false;
	*p += length;
	return true;
}

static bool parse_when(const char **p, struct fault *fault)
{
	int64_t unit;

	fault->at = 0;
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

static bool parse_kind(const char **p, enum kind *ret)
{
	const char *end = strchr(*p, '@');

	for (int i = 0; end && i < KINDS; i++)
		if (strlen(rules[i].name) == (size_t)(end - *p) &&
			strncmp(*p, rules[i].name, (size_t)(end - *p)) == 0) {
			*ret = (enum kind)i;
			*p = end + 1;
			return true;
		}
	return false;
}

/* One fault, from *p to the comma or the end. */
static int parse_fault(const char **p, struct fault *ret, char *error, size_t size)
{
	const char *text = *p;
	int length = (int)strcspn(text, ", ");
	struct fault fault = { 0 };
	int64_t count;

	if (!parse_kind(p, &fault.kind))
		return refuse(error, size,
			"\"%.*s\" is not a fault: freeze@, cancel@, busy@, gone@, slowstop@, "
			"hangstop@ or "
			"stale@ is",
			length, text);
	if (!parse_when(p, &fault))
		return refuse(error, size,
			"\"%.*s\": behind @ stands a frame number (30) or a time (12s)%s", length,
			text, rules[fault.kind].calls ? ", open or start" : "");
	if (skip_word(p, "+") &&
		(!rules[fault.kind].duration || !parse_duration(p, &fault.duration_ns)))
		return refuse(error, size, "\"%.*s\": %s", length, text,
			rules[fault.kind].duration
				? "behind + stands a duration such as 500ms, 5s or 2min"
				: "it takes no duration");
	if (skip_word(p, "*")) {
		if (!rules[fault.kind].count || !parse_number(p, &count) || count < 1)
			return refuse(error, size, "\"%.*s\": %s", length, text,
				rules[fault.kind].count ? "behind * stands a count from 1"
							: "it takes no count");
		fault.count = (int)count;
	}
	if ((rules[fault.kind].must_duration && fault.duration_ns == 0) ||
		(rules[fault.kind].must_count && fault.count == 0))
		return refuse(error, size, "\"%.*s\": it needs %s", length, text,
			rules[fault.kind].must_count ? "a count such as *3"
						     : "a duration such as +20s");
	if (**p && **p != ',' && **p != ' ')
		return refuse(error, size, "\"%.*s\": \"%c\" was not expected", length, text, **p);
	*ret = fault;
	return 0;
}

static int parse_script(const char *script, struct faults *ret, char *error, size_t size)
{
	const char *p = script + strspn(script, " ");
	int r;

	ret->n = 0;
	while (*p) {
		if (ret->n == FAULTS_MAX)
			return refuse(error, size, "more than %d faults in one script", FAULTS_MAX);
		r = parse_fault(&p, &ret->fault[ret->n], error, size);
		if (r < 0)
			return r;
		ret->n++;
		p += strspn(p, " ");
		if (*p == 0)
			break;
		if (*p != ',')
			return refuse(error, size, "a comma is missing before \"%.20s\"", p);
		p++;
		p += strspn(p, " ");
		if (*p == 0)
			return refuse(error, size, "the script ends with a comma");
	}
	return 0;
}

/* the process-wide table */

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct faults table[FAULT_SCRIPTS_MAX];
static uint64_t puts_so_far;

/* The script's entry; else a free one, or the one that has been out of use for longest. */
static struct faults *find_entry(const char *script, uint64_t seed)
{
	struct faults *best = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct faults *f = &table[i];

		if (f->known && f->seed == seed && strcmp(f->script, script) == 0)
			return f;
		if (!f->in_use && (!best || f->put_number < best->put_number))
			best = f;
	}
	if (best)
		best->known = false;
	return best;
}

int faults_get(const char *script, uint64_t seed, int64_t now_ns, struct faults **ret, char *error,
	size_t size)
{
	struct faults fresh = { .seed = seed, .born_ns = now_ns, .known = true };
	struct faults *entry;
	int r;

	if (strlen(script) >= sizeof(fresh.script))
		return refuse(error, size, "the script is longer than %d characters",
			FAULT_SCRIPT_BYTES_MAX - 1);
	r = parse_script(script, &fresh, error, size);
	if (r < 0)
		return r;
	snprintf(fresh.script, sizeof(fresh.script), "%s", script);
	pthread_mutex_lock(&table_lock);
	entry = find_entry(script, seed);
	if (entry && !entry->known)
		*entry = fresh;
	r = !entry ? -ENFILE : entry->in_use ? -EBUSY : 0;
	if (r == 0)
		entry->in_use = true;
	pthread_mutex_unlock(&table_lock);
	if (r == -ENFILE)
		snprintf(error, size, "more than %d test cameras at the same time",
			FAULT_SCRIPTS_MAX);
	else if (r == -EBUSY)
		snprintf(error, size, "this process has the test camera open already");
	else
		*ret = entry;
	return r;
}

void faults_put(struct faults *faults)
{
	if (!faults)
		return;
	pthread_mutex_lock(&table_lock);
	assert(faults->in_use);
	faults->in_use = false;
	faults->put_number = ++puts_so_far;
	pthread_mutex_unlock(&table_lock);
}

/* what is broken */

/*
 * Begins the fault if its time has come, ends it if its duration is over; whether it is in force.
 */
static bool in_force(struct faults *f, struct fault *fault, int64_t now_ns)
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

/* One use of a fault that has a count, or none and then one. */
static void use(struct fault *fault)
{
	fault->used++;
	if (fault->used >= (fault->count > 0 ? fault->count : 1))
		fault->over = true;
}

static bool busy_at(struct faults *f, enum when call, int64_t now_ns)
{
	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];
		bool calls = fault->when == AT_OPEN || fault->when == AT_START;

		if (fault->kind != BUSY || (calls && fault->when != call) ||
			!in_force(f, fault, now_ns))
			continue;
		if (fault->count > 0 || fault->duration_ns == 0)
			use(fault);
		return true;
	}
	return false;
}

/* `reopened`: a `gone` without a duration ends here. */
static bool gone_at(struct faults *f, bool reopened, int64_t now_ns)
{
	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];

		if (fault->kind != GONE || !in_force(f, fault, now_ns))
			continue;
		if (!reopened || fault->duration_ns > 0)
			return true;
		fault->over = true;
	}
	return false;
}

int faults_at_open(struct faults *f, int64_t now_ns)
{
	if (gone_at(f, true, now_ns))
		return -ENODEV;
	return busy_at(f, AT_OPEN, now_ns) ? -EBUSY : 0;
}

int faults_at_start(struct faults *f, int64_t now_ns)
{
	if (gone_at(f, false, now_ns))
		return -ENODEV;
	return busy_at(f, AT_START, now_ns) ? -EBUSY : 0;
}

int64_t faults_at_stop(struct faults *f, int64_t now_ns)
{
	int64_t block = 0;

	for (int i = 0; i < f->n; i++) {
		struct fault *fault = &f->fault[i];

		if (!in_force(f, fault, now_ns))
			continue;
		if (fault->kind == HANGSTOP)
			return INT64_MAX;
		if (fault->kind == SLOWSTOP && block == 0) {
			block = fault->duration_ns;
			use(fault);
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
		bool force = in_force(f, fault, now_ns);
		int64_t change_ns = INT64_MAX;

		if (!fault->begun && fault->when == AT_TIME)
			change_ns = f->born_ns + fault->at;
		else if (force && fault->duration_ns > 0 && fault->kind != SLOWSTOP)
			change_ns = fault->begun_ns + fault->duration_ns;
		if (change_ns < state.next_ns)
			state.next_ns = change_ns;
		if (!force)
			continue;
		if (fault->kind == GONE)
			state.error = -ENODEV;
		else if (fault->kind == CANCEL && state.error == 0)
			state.error = -ECANCELED;
		else if (fault->kind == FREEZE)
			state.frozen = true;
		else if (fault->kind == STALE)
			state.stale = fault->count - fault->used;
	}
	return state;
}

void faults_count_frame(struct faults *f)
{
	for (int i = 0; i < f->n; i++)
		if (f->fault[i].kind == STALE && f->fault[i].begun && !f->fault[i].over)
			use(&f->fault[i]);
	f->frames++;
}
