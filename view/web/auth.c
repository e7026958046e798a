/* SPDX-License-Identifier: MIT */
/* Passwords, and who guesses them. */
#include "view/web/auth.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/fs.h"
#include "common/settings/conf.h"

/* The hash, without its newline. -ENOENT none is asked for. */
static int auth_read(char ret[static CRYPT_OUTPUT_SIZE])
{
	CLEANUP_FREE char *text = NULL;
	char folder[PATH_MAX], path[PATH_MAX + 32];
	int r = conf_folder("XDG_CONFIG_HOME", ".config", folder);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/viewpi/password", folder);
	r = fs_read_file(AT_FDCWD, path, CRYPT_OUTPUT_SIZE - 1, &text, NULL);
	if (r < 0)
		return r;
	snprintf(ret, CRYPT_OUTPUT_SIZE, "%.*s", (int)strcspn(text, "\r\n"), text);
	return 0;
}

/* In a time that does not tell where they differ. */
static bool bytes_are_same(const void *left, const void *right, size_t n)
{
	const volatile uint8_t *a = left, *b = right;
	uint8_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static bool auth_hash_matches(const char *hash, const char *password)
{
	CLEANUP_FREE struct crypt_data *data = calloc(1, sizeof(*data));
	const char *again = data ? crypt_r(password, hash, data) : NULL;
	const size_t n = strlen(hash);

	/* a failure is a text that begins with '*' */
	return again && *again != '*' && strlen(again) == n && bytes_are_same(again, hash, n);
}

/* ---- who guesses */

int64_t auth_pause_ns(unsigned wrong)
{
	if (wrong <= 3)
		return wrong ? NS_PER_SEC : 0;
	return wrong < 9 ? NS_PER_SEC << (wrong - 3) : 60 * NS_PER_SEC;
}

/* The place of that origin; without one, if `wants`, a free one or that of the oldest failure. */
static struct auth_failures *auth_failures_of(
	struct auth *auth, const struct origin *origin, bool wants)
{
	const int64_t forget_ns = clock_mono_ns(auth->clock) - AUTH_FORGET_SECONDS * NS_PER_SEC;
	struct auth_failures *oldest = &auth->failures[0];

	for (size_t i = 0; i < AUTH_ORIGINS; i++) {
		struct auth_failures *f = &auth->failures[i];

		if (f->wrong && f->last_ns < forget_ns)
			*f = (struct auth_failures){ 0 };
		if (f->wrong && memcmp(&f->origin, origin, sizeof(*origin)) == 0)
			return f;
		if (oldest->wrong && (!f->wrong || f->last_ns < oldest->last_ns))
			oldest = f;
	}
	if (!wants)
		return NULL;
	*oldest = (struct auth_failures){ .origin = *origin };
	return oldest;
}

static void auth_note(struct auth *auth, const struct origin *origin,
	const uint8_t digest[static SHA256_BYTES], bool right)
{
	struct auth_failures *failures;

	pthread_mutex_lock(&auth->lock);
	failures = auth_failures_of(auth, origin, !right);
	if (right) {
		memcpy(auth->good, digest, SHA256_BYTES);
		auth->has_good = true;
		if (failures)
			*failures = (struct auth_failures){ 0 };
	} else {
		failures->wrong++;
		failures->last_ns = clock_mono_ns(auth->clock);
	}
	pthread_mutex_unlock(&auth->lock);
}

/* What can be said without hashing; AUTH_REFUSES: nothing. */
static enum auth_verdict auth_recall(
	struct auth *auth, const struct origin *origin, const uint8_t digest[static SHA256_BYTES])
{
	enum auth_verdict verdict = AUTH_REFUSES;
	struct auth_failures *failures;

	pthread_mutex_lock(&auth->lock);
	failures = auth_failures_of(auth, origin, false);
	if (failures &&
		clock_mono_ns(auth->clock) - failures->last_ns < auth_pause_ns(failures->wrong))
		verdict = AUTH_LATER;
	else if (auth->has_good && bytes_are_same(auth->good, digest, SHA256_BYTES))
		verdict = AUTH_ADMITS;
	if (verdict == AUTH_ADMITS && failures)
		*failures = (struct auth_failures){ 0 };
	pthread_mutex_unlock(&auth->lock);
	return verdict;
}

static enum auth_verdict auth_try(struct auth *auth, const struct origin *origin, const char *hash,
	const char *password, const uint8_t digest[static SHA256_BYTES])
{
	const struct timespec pause = { .tv_nsec = AUTH_PAUSE_MS * 1000000L };
	/* while others had their turn this one may have been right, or its origin wrong */
	enum auth_verdict verdict = auth_recall(auth, origin, digest);
	bool right;

	if (verdict != AUTH_REFUSES)
		return verdict;
	right = auth_hash_matches(hash, password);
	auth_note(auth, origin, digest, right);
	if (!right)
		nanosleep(&pause, NULL);
	return right ? AUTH_ADMITS : AUTH_REFUSES;
}

/* ---- */

int auth_init(struct auth *auth, const struct clock *clock)
{
	*auth = (struct auth){
		.clock = clock, .turn = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER
	};
	return getrandom(auth->key, sizeof(auth->key), 0) == sizeof(auth->key) ? 0 : -EIO;
}

enum auth_verdict auth_check(struct auth *auth, const struct origin *origin, const char *password)
{
	char hash[CRYPT_OUTPUT_SIZE];
	struct {
		uint8_t key[SHA256_BYTES];
		char hash[CRYPT_OUTPUT_SIZE], password[AUTH_PASSWORD_MAX + 1];
	} all = { 0 };
	uint8_t digest[SHA256_BYTES];
	enum auth_verdict verdict;
	int r = auth_read(hash);

	if (r == -ENOENT)
		return AUTH_OPEN;
	if (r < 0 || !password || strlen(password) > AUTH_PASSWORD_MAX)
		return AUTH_REFUSES;
	memcpy(all.key, auth->key, sizeof(all.key));
	strcpy(all.hash, hash);
	strcpy(all.password, password);
	r = digest_buffer(&all, sizeof(all), digest);
	explicit_bzero(&all, sizeof(all));
	if (r < 0)
		return AUTH_REFUSES;
	verdict = auth_recall(auth, origin, digest);
	if (verdict != AUTH_REFUSES)
		return verdict;
	pthread_mutex_lock(&auth->turn);
	verdict = auth_try(auth, origin, hash, password, digest);
	pthread_mutex_unlock(&auth->turn);
	return verdict;
}
