/* SPDX-License-Identifier: MIT */
/* The settings of pullpi: sections per camera, names, paths, the man page. */
#include "pull/settings/settings.h"

#include "common/base/clock.h"
#include "tests/test.h"
#include "tests/unit/man_page.h"

static char complaints[4096];

static void collect(void *data, const char *message)
{
	size_t used = strlen(complaints);

	(void)data;
	snprintf(complaints + used, sizeof(complaints) - used, "%s\n", message);
}

/* Settings read from the text. */
static struct pull_settings *load(const char *text, int *ret_count)
{
	struct pull_settings *settings = calloc(1, sizeof(*settings));
	char folder[64], path[80];
	FILE *file;

	setenv("HOME", "/home/me", 1);
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_STATE_HOME");
	test_make_folder(folder);
	snprintf(path, sizeof(path), "%s/conf", folder);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	complaints[0] = '\0';
	conf_defaults(&pull_settings_table, settings);
	*ret_count = conf_load(&pull_settings_table, settings, path, collect, NULL);
	test_remove_folder(folder);
	return settings;
}

TEST(cameras_and_defaults)
{
	int count;
	CLEANUP_FREE struct pull_settings *s = load("[camera garden]\nhost = garden.local\n"
						    "[camera roof]\nhost=fd00::1%eth0\nport=2222\n"
						    "user=pi\nstale_after=1h\nlimit_rate=500K\n"
						    "budget=2G/month\n"
						    "proxy_jump=me@gate:22\nreserve=1G\n"
						    "[camera garden]\nkeep_days=7\n",
		&count);
	const struct camera_settings *garden = pull_camera(s, "garden");
	const struct camera_settings *roof = pull_camera(s, "roof");

	CHECK_INT(count, 0);
	CHECK_STR(complaints, "");
	CHECK_INT(s->n_cameras, 2);
	CHECK(!pull_camera(s, "gard"));
	if (!CHECK(garden && roof))
		return;
	CHECK_STR(garden->host, "garden.local");
	CHECK_INT(garden->port, 22);
	CHECK_STR(garden->user, "");
	CHECK_INT(garden->stale_after_us, 0);
	CHECK_INT(garden->keep_days, 7);
	CHECK_INT(garden->reserve, 0);
	CHECK_INT(garden->keep_at_least_us, 30 * 24 * 3600 * US_PER_SEC);
	CHECK(garden->all == s);
	CHECK_STR(roof->host, "fd00::1%eth0");
	CHECK_INT(roof->port, 2222);
	CHECK_INT(roof->limit_rate, 512000);
	CHECK_INT(roof->budget, INT64_C(2) << 30);
	CHECK_INT(pull_heartbeat_us(roof), 60 * US_PER_SEC);
	CHECK_INT(pull_heartbeat_us(garden), 4 * US_PER_SEC);
	CHECK_STR(roof->proxy_jump, "me@gate:22");
	CHECK_INT(roof->reserve, 1 << 30);
	CHECK_INT(pull_settings_check(s, collect, NULL), 0);
	CHECK_STR(complaints, "");
}

static const struct {
	const char *name;
	bool ok;
} names[] = {
	{ "garden", true },
	{ "a", true },
	{ "Cam_1.front-door", true },
	{ "0", true },
	{ "", false },
	{ ".", false },
	{ "..", false },
	{ ".hidden", false },
	{ "-o", false },
	{ "a/b", false },
	{ "a b", false },
	{ "a\n", false },
	{ "caf\xc3\xa9", false },
	{ "a%s", false },
	{ "a:b", false },
	{ "012345678901234567890123456789012345678901234567890123456789012", true },
	{ "0123456789012345678901234567890123456789012345678901234567890123", false },
};

TEST(camera_names)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!CHECK(pull_camera_name_ok(names[i].name) == names[i].ok))
			fprintf(stderr, "  %s\n", names[i].name);
	}
}

/* each line is refused where it stands in a section of a camera */
static const char *const bad_lines[] = { "host = ", "host = -oProxyCommand=x", "host = a b",
	"host = a;b`c", "port = 0", "port = 65536", "port = 22x", "user = -l", "user = a b",
	"user = a;b", "key = id_ed25519", "archive = pulled", "stale_after = 0",
	"stale_after = 366d", "limit_rate = 5%", "limit_rate = -1", "proxy_jump = -J",
	"proxy_jump = a b", "keep_days = 36501", "reserve = 91%", "hots = x", "budget = 2G",
	"budget = 2G/week", "budget = /month", "budget = -1/month", "budget = 5%/month",
	"budget = 2G/month/month", "budget = 2000000T/month", "budget = 1", "heartbeat = 0",
	"heartbeat = 301s", "heartbeat = 500ms", "heartbeat = 60", "previews = maybe" };

TEST(bad_values)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		char text[256];
		int count;

		snprintf(text, sizeof(text), "[camera c]\n%s\n", bad_lines[i]);
		free(load(text, &count));
		if (!CHECK(count == 1))
			fprintf(stderr, "  %s\n", bad_lines[i]);
	}
}

_Static_assert(sizeof(struct pull_settings) < 1024 * 1024, "memory stays small");

TEST(bad_names_and_too_many)
{
	char text[CONF_CAMERAS_MAX * 32 + 64], *p = text;
	struct pull_settings *s;
	int count;

	s = load("[camera ../x]\nhost=h\n[camera]\nhost=h\n[camera x]\nhost=h\n", &count);
	CHECK_INT(count, 2);
	CHECK(strstr(complaints, "conf:1: [camera ../x]: not a name of a camera: letters"));
	CHECK(strstr(complaints, "conf:3: [camera]: a name is missing: [camera NAME]\n"));
	CHECK_INT(s->n_cameras, 1);
	free(s);

	for (int i = 0; i <= CONF_CAMERAS_MAX; i++)
		p += sprintf(p, "[camera c%d]\nhost=h\n", i);
	s = load(text, &count);
	CHECK_INT(count, 1);
	CHECK_INT(s->n_cameras, CONF_CAMERAS_MAX);
	CHECK_INT(pull_settings_check(s, collect, NULL), 0);
	free(s);
}

TEST(checks_across_keys)
{
	struct pull_settings *s;
	int count;

	s = load("[camera a]\n[camera b]\nhost=h\narchive=~/pulled/a\n", &count);
	CHECK_INT(count, 0);
	CHECK_INT(pull_settings_check(s, collect, NULL), 2);
	CHECK_STR(complaints,
		"camera.a.host: is not set\n"
		"camera.b.archive: /home/me/pulled/a is that of camera a already\n");
	free(s);
}

TEST(paths)
{
	struct camera_settings camera = { .name = "roof" };
	char path[PATH_MAX], *long_home;

	setenv("HOME", "/home/me", 1);
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_STATE_HOME");
	CHECK_INT(pull_archive_path(&camera, path), 0);
	CHECK_STR(path, "/home/me/pulled/roof");
	CHECK_INT(pull_key_path(&camera, path), 0);
	CHECK_STR(path, "/home/me/.local/state/pullpi/id_ed25519-roof");
	setenv("XDG_STATE_HOME", "/x/state", 1);
	CHECK_INT(pull_state_path("known_hosts", path), 0);
	CHECK_STR(path, "/x/state/pullpi/known_hosts");
	setenv("XDG_STATE_HOME", "relative", 1); /* XDG: to be ignored */
	CHECK_INT(pull_state_path("known_hosts", path), 0);
	CHECK_STR(path, "/home/me/.local/state/pullpi/known_hosts");
	setenv("STATE_DIRECTORY", "/run/a:/run/b", 1);
	CHECK_INT(pull_state_path("known_hosts", path), 0);
	CHECK_STR(path, "/run/a/known_hosts");
	strcpy(camera.archive, "/srv/roof");
	strcpy(camera.key, "/srv/key");
	CHECK_INT(pull_archive_path(&camera, path), 0);
	CHECK_STR(path, "/srv/roof");
	CHECK_INT(pull_key_path(&camera, path), 0);
	CHECK_STR(path, "/srv/key");

	long_home = malloc(PATH_MAX + 1);
	memset(long_home, 'h', PATH_MAX);
	long_home[0] = '/';
	long_home[PATH_MAX] = '\0';
	setenv("STATE_DIRECTORY", long_home, 1);
	CHECK_INT(pull_state_path("known_hosts", path), -ENAMETOOLONG);
	free(long_home);
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_STATE_HOME");
}

TEST(man_page)
{
	check_man_page(&pull_settings_table, SOURCE_ROOT "/pull/pullpi.conf.5.scd");
}

/* However the folder is written, and whether it is there yet. */
TEST(one_archive_for_two)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "x", "x", true },
		{ "x", "x/", true },
		{ "x", ".//x/.", true },
		{ "x", "y/../x", true },
		{ "real", "link", true },
		{ "real/new/x", "link/new/x", true },
		{ "real/x", "link/../real/x", true },
		{ "new/a/b", "new/a/c/../b", true },
		{ "x", "x/y", false },
		{ "x", "xy", false },
		{ "real", "real2", false },
		{ "dangling", "nowhere-else", false },
	};
	struct camera_settings a = { .name = "a" }, b = { .name = "b" };
	char folder[64], path[200];

	test_make_folder(folder);
	snprintf(path, sizeof path, "%s/real", folder);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/real2", folder);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/link", folder);
	CHECK_INT(symlink("real", path), 0);
	snprintf(path, sizeof path, "%s/dangling", folder);
	CHECK_INT(symlink("nowhere", path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(a.archive, sizeof a.archive, "%s/%s", folder, cases[i].a);
		snprintf(b.archive, sizeof b.archive, "%s/%s", folder, cases[i].b);
		if (!CHECK(pull_same_archive(&a, &b) == cases[i].same))
			fprintf(stderr, "  %s and %s\n", cases[i].a, cases[i].b);
	}
	test_remove_folder(folder);
}
