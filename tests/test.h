/* SPDX-License-Identifier: MIT */
/*
 * The unit tests' frame: TEST(name) registers itself, CHECK counts and goes on, main() is here. A
 * program prints one line per failure and `N passed, N failed` at its end; exit 1 if any failed.
 *
 *   ./test_name [PART]   runs the tests whose name contains PART
 */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *test_list;
static int test_failures; /* in the running test */
static uint64_t test_seed_value;

#define TEST(test_name)                                                                            \
	static void test_name(void);                                                               \
	__attribute__((constructor)) static void register_##test_name(void)                        \
	{                                                                                          \
		static struct test self = { #test_name, test_name, NULL };                         \
		struct test **p = &test_list;                                                      \
		while (*p)                                                                         \
			p = &(*p)->next;                                                           \
		*p = &self;                                                                        \
	}                                                                                          \
	static void test_name(void)

#define CHECK(condition)                                                                           \
	((condition) ? true                                                                        \
		     : (test_failures++,                                                           \
			       fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition),     \
			       false))

#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_) {                                                               \
			test_failures++;                                                           \
			fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, \
				got_, want_);                                                      \
		}                                                                                  \
	} while (0)

#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		if (strcmp(got_, want_) != 0) {                                                    \
			test_failures++;                                                           \
			fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__,   \
				#got, got_, want_);                                                \
		}                                                                                  \
	} while (0)

/*
 * A test of every place (byte, system call) takes each n-th: $TEST_EVERY, or what is usual. A build
 * with sanitizers is slow and sees the same code at fewer places.
 */
static inline int test_every(int usual)
{
	const char *text = getenv("TEST_EVERY");
	const int n = text ? atoi(text) : 0;

	return n > 0 ? n : usual;
}

/* $TEST_SEED or the time; printed once, so that a failure can be repeated. */
__attribute__((unused)) static uint64_t test_seed(void)
{
	const char *text = getenv("TEST_SEED");

	if (!test_seed_value) {
		test_seed_value = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
		printf("TEST_SEED=%llu\n", (unsigned long long)test_seed_value);
	}
	return test_seed_value;
}

/* xorshift64*: repeatable numbers from `*state`, which must not be 0 */
__attribute__((unused)) static uint64_t test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/*
 * A new empty folder in TMPDIR, else /tmp, removed with all that is in it by test_remove_folder().
 */
__attribute__((unused)) static void test_make_folder(char path[static 64])
{
	const char *in = getenv("TMPDIR");

	if (!in || strlen(in) > 64 - sizeof("/capturepi-test-XXXXXX"))
		in = "/tmp";
	snprintf(path, 64, "%s/capturepi-test-XXXXXX", in);
	if (!mkdtemp(path)) {
		perror("mkdtemp");
		exit(1);
	}
}

static int test_remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

__attribute__((unused)) static void test_remove_folder(const char *path)
{
	nftw(path, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test *t = test_list; t; t = t->next) {
		if (argc > 1 && !strstr(t->name, argv[1]))
			continue;
		test_failures = 0;
		t->run();
		if (test_failures)
			printf("FAILED %s\n", t->name);
		test_failures ? failed++ : passed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
