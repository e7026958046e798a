/* SPDX-License-Identifier: MIT */
/* Who may look, by the file of the password. */
#include <crypt.h>

#include "common/base/fs.h"
#include "tests/unit/archive_kit.h"
#include "tests/unit/clock_kit.h"
#include "view/web/auth.h"

static char folder[64];
static struct clock_fake now;
static struct auth auth;

static void set_hash(const char *text)
{
	char path[128];

	if (!*folder) {
		test_make_folder(folder);
		setenv("XDG_CONFIG_HOME", folder, 1);
		snprintf(path, sizeof(path), "%s/viewpi", folder);
		CHECK_INT(fs_make_folders(path, 0700), 0);
	}
	kit_write(folder, "viewpi/password", text, strlen(text), O_TRUNC);
}

static const char *make_hash(const char *password)
{
	static struct crypt_data data;
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];

	CHECK(crypt_gensalt_rn("$y$", 1, NULL, 0, salt, sizeof(salt)));
	return crypt_r(password, salt, &data);
}

/* A verdict for origin `from`; another password each time is another guess. */
static enum auth_verdict check_from(uint8_t from, const char *password)
{
	const struct origin origin = { { from } };

	return auth_check(&auth, &origin, password);
}

static void begin(void)
{
	now = clock_fake(KIT_SLOT);
	CHECK_INT(auth_init(&auth, &now.clock), 0);
}

TEST(no_file)
{
	begin();
	set_hash("");
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	CHECK_INT(check_from(1, NULL), AUTH_OPEN);
	CHECK_INT(check_from(1, "anything"), AUTH_OPEN);
	setenv("XDG_CONFIG_HOME", folder, 1);
}

TEST(password)
{
	char line[CRYPT_OUTPUT_SIZE + 1];

	begin();
	snprintf(line, sizeof(line), "%s\n", make_hash("open \xc3\xa4"));
	set_hash(line);
	CHECK_INT(check_from(1, NULL), AUTH_REFUSES);
	CHECK_INT(check_from(1, "open \xc3\xa4"), AUTH_ADMITS);
	CHECK_INT(check_from(2, "open \xc3\xa4"), AUTH_ADMITS);
	/* another password: the one that was right is so no longer */
	set_hash(make_hash("other"));
	CHECK_INT(check_from(1, "open \xc3\xa4"), AUTH_REFUSES);
	CHECK_INT(check_from(2, "other"), AUTH_ADMITS);
}

TEST(broken_file)
{
	char text[2 * CRYPT_OUTPUT_SIZE];

	begin();
	/* what is no hash admits nobody, not even who sends it back */
	set_hash("secret\n");
	CHECK_INT(check_from(1, "secret"), AUTH_REFUSES);
	set_hash("*0");
	CHECK_INT(check_from(2, "*0"), AUTH_REFUSES);
	set_hash("");
	CHECK_INT(check_from(3, ""), AUTH_REFUSES);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	set_hash(text);
	CHECK_INT(check_from(4, "x"), AUTH_REFUSES);
}

TEST(pauses)
{
	begin();
	set_hash(make_hash("right"));
	/* no password costs nobody anything */
	for (int i = 0; i < 5; i++)
		CHECK_INT(check_from(1, NULL), AUTH_REFUSES);
	for (unsigned i = 1; i <= 5; i++) {
		CHECK_INT(check_from(1, "wrong"), AUTH_REFUSES);
		/* nobody listens now, so that the right one tells nothing either */
		CHECK_INT(check_from(1, "right"), AUTH_LATER);
		clock_fake_advance(&now, auth_pause_ns(i) / NS_PER_US - 1);
		CHECK_INT(check_from(1, "wrong"), AUTH_LATER);
		clock_fake_advance(&now, 1);
	}
	/* others wait for nothing */
	CHECK_INT(check_from(2, "right"), AUTH_ADMITS);
	CHECK_INT(check_from(1, "wrong"), AUTH_REFUSES);
	CHECK_INT(check_from(1, "right"), AUTH_LATER);
	/* the right one, in time, ends it */
	clock_fake_advance(&now, 60 * US_PER_SEC);
	CHECK_INT(check_from(1, "right"), AUTH_ADMITS);
	CHECK_INT(check_from(1, "wrong"), AUTH_REFUSES);
	clock_fake_advance(&now, US_PER_SEC);
	CHECK_INT(check_from(1, "right"), AUTH_ADMITS);
}

TEST(pauses_grow)
{
	CHECK_INT(auth_pause_ns(0), 0);
	for (unsigned i = 1; i < 40; i++) {
		CHECK(auth_pause_ns(i) >= auth_pause_ns(i - 1));
		CHECK(auth_pause_ns(i) >= NS_PER_SEC && auth_pause_ns(i) <= 60 * NS_PER_SEC);
	}
	CHECK_INT(auth_pause_ns(40), 60 * NS_PER_SEC);
}

TEST(many_origins)
{
	begin();
	set_hash("x"); /* costs no hashing */
	for (int i = 1; i <= 3; i++)
		CHECK_INT(check_from((uint8_t)i, "wrong"), AUTH_REFUSES);
	for (int i = 1; i <= 3; i++)
		CHECK_INT(check_from((uint8_t)i, "wrong"), AUTH_LATER);
	/* after ten quiet minutes they are forgotten */
	clock_fake_advance(&now, (AUTH_FORGET_SECONDS + 1) * US_PER_SEC);
	CHECK_INT(check_from(1, "wrong"), AUTH_REFUSES);
	CHECK_INT(auth.failures[0].wrong, 1);
}
