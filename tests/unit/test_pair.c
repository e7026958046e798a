/* SPDX-License-Identifier: MIT */
/* The text work of pairing: what is typed, and the files of other people that are edited. */
#include "pull/pair/pair.h"

#include <fcntl.h>

#include "common/base/clock.h"
#include "common/contact/peer_state.h"
#include "pull/ssh/keys.h"
#include "tests/test.h"
#include "tests/unit/clock_kit.h"

TEST(destinations)
{
	static const struct {
		const char *text, *user, *host;
		int port;
	} cases[] = {
		{ "pi@garden", "pi", "garden", 22 },
		{ "garden", "", "garden", 22 },
		{ "pi@garden.example.org:2222", "pi", "garden.example.org", 2222 },
		{ "pi@192.0.2.7:22", "pi", "192.0.2.7", 22 },
		{ "pi@[2001:db8::7]:2222", "pi", "2001:db8::7", 2222 },
		{ "pi@[fe80::1%eth0]", "pi", "fe80::1%eth0", 22 },
		{ "2001:db8::7", "", "2001:db8::7", 22 },
		{ "a:65535", "", "a", 65535 },
		{ "a@b@garden", "a@b", "garden", 22 },
		{ "pi@example.org@garden:2222", "pi@example.org", "garden", 2222 },
		{ "DOM\\pi@garden", "DOM\\pi", "garden", 22 },
		{ "@pi@garden", "@pi", "garden", 22 },
		{ "DOM\\a@b@[fe80::1%wlan0]:22", "DOM\\a@b", "fe80::1%wlan0", 22 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct destination d;

		CHECK_INT(destination_parse(cases[i].text, &d), 0);
		CHECK_STR(d.user, cases[i].user);
		CHECK_STR(d.host, cases[i].host);
		CHECK_INT(d.port, cases[i].port);
	}
}

/* What the settings take for `key`; the value has to be there afterwards. */
static bool setting_takes(const char *key, const char *value)
{
	struct camera_settings camera = { 0 };

	for (size_t i = 0; i < pull_settings_table.n_items; i++) {
		const struct conf_item *item = &pull_settings_table.items[i];
		char *dest = (char *)&camera + item->offset;

		if (strcmp(item->key, key) == 0)
			return conf_parse(item, value, dest) == 0 && strcmp(dest, value) == 0;
	}
	return false;
}

/* A person may write host and user into the settings, or give them to pair: both take the same. */
TEST(pair_takes_what_the_settings_take)
{
	static char long_user[65], long_host[257];
	static const char *const users[] = { "pi", "a@b", "DOM\\u", "first.last", "_pi", "pi-2",
		"@pi", "pi@", "1000", "a b", "-pi", "-", "pi;x", "p'i", "p$i", "p\"i", "pi/x",
		"pi:x", "pi\n", "\tpi", "p\xc3\xa4r", "[pi]", "pi%h", long_user, long_user + 1 };
	static const char *const hosts[] = { "garden", "garden.local", "192.0.2.7", "2001:db8::7",
		"fe80::1%wlan0", "::1", "gar_den", "-garden", "-", "gar den", "gar;den", "gar/den",
		"garden\n", "g\xc3\xa4rten", "", "[::1]", "garden@x", long_host, long_host + 1 };

	memset(long_user, 'u', sizeof long_user - 1);
	memset(long_host, 'h', sizeof long_host - 1);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct destination d = { .port = 0 };
		char text[400];
		bool takes;

		snprintf(text, sizeof text, "%s@garden", users[i]);
		takes = destination_parse(text, &d) == 0 && strcmp(d.user, users[i]) == 0;
		if (!CHECK(takes == setting_takes("user", users[i])) ||
			!CHECK(takes == setting_takes("proxy_jump", text)))
			fprintf(stderr, "  user \"%s\"\n", users[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct destination d = { .port = 0 };
		char text[400];
		bool takes;

		snprintf(text, sizeof text, strchr(hosts[i], ':') ? "pi@[%s]:22" : "pi@%s:22",
			hosts[i]);
		takes = destination_parse(text, &d) == 0 && strcmp(d.host, hosts[i]) == 0;
		if (!CHECK(takes == setting_takes("host", hosts[i])))
			fprintf(stderr, "  host \"%s\"\n", hosts[i]);
	}
}

TEST(no_destinations)
{
	static char long_name[400];
	static const char *const cases[] = { "", "@", "pi@", "@garden", "garden:", "garden:0",
		"garden:65536", "garden:22x", "garden: 22", "garden:-1", "-oProxyCommand=x",
		"pi@-oProxyCommand=x", "-l@garden", "gar den", "pi@gar;den", "pi@gar$den",
		"pi@gar\nden", "p'i@garden", "[2001:db8::7", "[]", "[]:22", "[::1]x",
		"[::1]:", long_name };

	memset(long_name, 'a', sizeof long_name - 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct destination d = { .port = -7 };

		if (!CHECK(destination_parse(cases[i], &d) == -EINVAL))
			fprintf(stderr, "case \"%s\"\n", cases[i]);
		CHECK_INT(d.port, -7);
	}
}

TEST(known_hosts)
{
	static const char old[] = "# a comment\n"
				  "garden ssh-ed25519 AAAAold\n"
				  "gardener ssh-ed25519 AAAAother\n"
				  "garden ssh-rsa AAAArsa\n"
				  "\n"
				  "gate ssh-ed25519 AAAAgate";
	char *text = NULL, *key = NULL;

	CHECK_INT(known_hosts_find(old, "garden", &key), 0);
	CHECK_STR(key, "ssh-ed25519 AAAAold");
	free(key);
	CHECK_INT(known_hosts_find(old, "roof", &key), -ENOENT);
	CHECK_INT(known_hosts_replace(old, "garden", "ssh-ed25519 AAAAnew", &text), 0);
	CHECK_STR(text,
		"# a comment\ngardener ssh-ed25519 AAAAother\n\ngate ssh-ed25519 AAAAgate\n"
		"garden ssh-ed25519 AAAAnew\n");
	free(text);
	CHECK_INT(known_hosts_replace("", "roof", "ssh-ed25519 AAAA", &text), 0);
	CHECK_STR(text, "roof ssh-ed25519 AAAA\n");
	free(text);
}

TEST(settings_files)
{
	static const struct setting settings[] = {
		{ "host", "pi.example", false },
		{ "port", "2222", false },
		{ "user", "cam", false },
		{ "key", "", true },
	};
	static const struct {
		const char *old, *want;
	} cases[] = {
		{ "", "[camera garden]\nhost = pi.example\nport = 2222\nuser = cam\n" },
		{ "# mine\n",
			"# mine\n\n[camera garden]\nhost = pi.example\nport = 2222\nuser = cam\n" },
		/* in place, with its comments, and other cameras untouched */
		{ "[camera gate]\nhost=gate ; old\n\n"
		  "  [ camera   garden ]  # here\n"
		  "# host = commented\n"
		  "host : old.example   # behind the shed\n"
		  "stale_after = 1h\n"
		  "key = /k ;c\n\n"
		  "[camera roof]\nhost = roof\n",
			"[camera gate]\nhost=gate ; old\n\n"
			"  [ camera   garden ]  # here\n"
			"# host = commented\n"
			"host = pi.example   # behind the shed\n"
			"stale_after = 1h\n"
			"key = ;c\n"
			"port = 2222\nuser = cam\n\n"
			"[camera roof]\nhost = roof\n" },
		/* no newline at the end, a section of two parts, a value with a sign in it */
		{ "[camera garden]\nuser=a#b\n[x]\n[camera garden]\nhost=c",
			"[camera garden]\nuser = cam\nport = 2222\n[x]\n[camera garden]\n"
			"host = pi.example\n" },
		{ "[camera gardener]\nhost = x\n",
			"[camera gardener]\nhost = x\n\n"
			"[camera garden]\nhost = pi.example\nport = 2222\nuser = cam\n" },
		{ "[camera garden]",
			"[camera garden]\nhost = pi.example\nport = 2222\nuser = cam\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = NULL, *again = NULL;

		CHECK_INT(settings_set_camera(
				  cases[i].old, "garden", settings, ARRAY_SIZE(settings), &text),
			0);
		CHECK_STR(text, cases[i].want);
		CHECK_INT(
			settings_set_camera(text, "garden", settings, ARRAY_SIZE(settings), &again),
			0);
		CHECK_STR(again, text);
		free(text);
		free(again);
	}
}

TEST(serve_commands)
{
	char long_command[SERVE_COMMAND_MAX + 1];

	memset(long_command, 'a', SERVE_COMMAND_MAX);
	long_command[SERVE_COMMAND_MAX] = 0;
	CHECK(serve_command_ok("/usr/bin/capturepi serve"));
	CHECK(serve_command_ok("capturepi -c '/home/pi/my garden.conf' serve"));
	CHECK(!serve_command_ok(""));
	CHECK(!serve_command_ok("capturepi \"serve\""));
	CHECK(!serve_command_ok("capturepi serve\\"));
	CHECK(!serve_command_ok("capturepi\nserve"));
	CHECK(!serve_command_ok(long_command));
	CHECK(serve_command_ok(long_command + 1));
}

TEST(aliases_and_commands)
{
	struct camera_settings camera = { .name = "Garden-2", .host = "pi", .port = 22 };
	struct endpoint endpoint;
	char text[400];

	setenv("STATE_DIRECTORY", "/nowhere", 1);
	CHECK_INT(endpoint_of(&camera, &endpoint), 0);
	CHECK_STR(endpoint.alias, "garden-2");
	CHECK_STR(endpoint.known_hosts, "/nowhere/known_hosts");
	unsetenv("STATE_DIRECTORY");
	CHECK_STR(endpoint_pair_command(&camera, text, sizeof text),
		"pullpi pair pi --camera Garden-2");
	camera.port = 2222;
	snprintf(camera.user, sizeof camera.user, "cam");
	snprintf(camera.host, sizeof camera.host, "2001:db8::7");
	CHECK_STR(endpoint_pair_command(&camera, text, sizeof text),
		"pullpi pair cam@[2001:db8::7]:2222 --camera Garden-2");
}

static int note(const char *camera, int64_t now_us, int code, const char *error,
	struct peer_outcome *ret_before)
{
	struct clock_fake clock = clock_fake(now_us);

	return peer_state_note(camera, &clock.clock, PEER_CAMERA, code, error, ret_before);
}

TEST(contacts)
{
	const struct sighting seen = { 4600000, 4, 901,
		{ 4700000, 1000000, 2000000, 9000000, WIRE_STOPPED } };
	struct peer_outcome before;
	struct peer_state now;
	char folder[64];

	test_make_folder(folder);
	setenv("STATE_DIRECTORY", folder, 1);
	CHECK_INT(note("garden", 1000000, 0, "", &before), 0);
	CHECK(before.since_us == TIME_NONE);
	CHECK_INT(note("garden", 2000000, 75, "no \"route\"\n", &before), 0);
	CHECK_INT(before.code, 0);
	CHECK_INT(note("garden", 3000000, 75, "still none", &before), 0);
	CHECK_INT(before.code, 75);
	CHECK_INT(before.since_us, 2000000);
	peer_state_load("garden", &now);
	CHECK_INT(now.last_try_us, 3000000);
	CHECK_INT(now.last_ok_us, 1000000);
	CHECK_INT(now.camera.since_us, 2000000);
	CHECK_STR(now.camera.error, "still none");
	CHECK_INT(note("garden", 4000000, 0, "", &before), 0);
	peer_state_load("garden", &now);
	CHECK_INT(now.camera.since_us, 4000000);
	CHECK_STR(now.camera.error, "");
	CHECK_INT(now.last, 0);
	CHECK_INT(peer_state_seen("garden",
			  &(struct sighting){ 4500000, 3, 900, wire_schedule_none }, 125000),
		0);
	CHECK_INT(peer_state_seen("garden", &seen, 0), 0);
	CHECK_INT(note("garden", 5000000, 75, "away", &before), 0);
	peer_state_load("garden", &now);
	CHECK_INT(now.first, 4);
	CHECK_INT(now.last, 901);
	CHECK_INT(now.rate, 125000);
	CHECK_INT(now.seen_us, 4600000);
	CHECK_INT(now.schedule.now_us, 4700000);
	CHECK_INT(now.schedule.due_us, 1000000);
	CHECK_INT(now.schedule.pending_us, 2000000);
	CHECK_INT(now.schedule.next_us, 9000000);
	CHECK_INT(now.schedule.running, WIRE_STOPPED);
	CHECK_INT(peer_state_period(&now), 1000000);
	CHECK_INT(now.camera.code, 75);
	peer_state_load("gate", &now);
	CHECK(now.last_try_us == TIME_NONE);
	unsetenv("STATE_DIRECTORY");
	test_remove_folder(folder);
}

TEST(contacts_that_are_none)
{
	static const char *const cases[] = { "", "{", "[]", "null", "{\"last_try\":7}",
		"{\"last_try\":\"yesterday\",\"code\":\"x\",\"error\":{}}" };
	char folder[64], path[100];

	test_make_folder(folder);
	setenv("STATE_DIRECTORY", folder, 1);
	snprintf(path, sizeof path, "%s/contact-garden.json", folder);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peer_state peer;
		FILE *file = fopen(path, "w");

		fputs(cases[i], file);
		fclose(file);
		peer_state_load("garden", &peer);
		CHECK(peer.last_try_us == TIME_NONE);
		CHECK_INT(peer.camera.code, 0);
		CHECK_STR(peer.camera.error, "");
	}
	unsetenv("STATE_DIRECTORY");
	test_remove_folder(folder);
}

/* A key is made whole or not at all, and never in the place of one that is there. */
TEST(key_files)
{
	char folder[64], path[100], error[300], *first = NULL, *second = NULL;
	CLEANUP_FD int fd = -1;

	test_make_folder(folder);
	snprintf(path, sizeof path, "%s/id", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(key_public(path, &first, error, sizeof error), -EINVAL);
	CHECK_INT(key_make(path, "pullpi"), 0);
	CHECK_INT(key_public(path, &first, error, sizeof error), 0);
	CHECK_INT(key_make(path, "pullpi"), -EEXIST);
	CHECK_INT(key_public(path, &second, error, sizeof error), 0);
	CHECK_STR(first, second);
	CHECK_INT(truncate(path, 100), 0);
	CHECK_INT(key_make(path, "pullpi"), -EEXIST);
	free(second);
	CHECK_INT(key_public(path, &second, error, sizeof error), -EINVAL);
	CHECK(strstr(error, "pair again"));
	free(first);
	test_remove_folder(folder);
}

TEST(a_section_is_dropped)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "[camera gate]\nhost = g", "[camera gate]\nhost = g\n" },
		{ "# mine\n[camera garden]\nhost = a\n", "# mine\n" },
		{ "[camera garden]", "" },
		{ "[camera garden]\nhost = a\n\n# the gate\n[camera gate]\nhost = g\n",
			"\n# the gate\n[camera gate]\nhost = g\n" },
		{ "[camera gate]\nhost = g\n[ camera  garden ] # x\n# old\nhost=a\n[camera "
		  "garden]\nport=3\n"
		  "# the end\n",
			"[camera gate]\nhost = g\n# the end\n" },
		{ "[camera gardener]\nhost = g\n", "[camera gardener]\nhost = g\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = NULL;

		CHECK_INT(settings_drop_camera(cases[i].text, "garden", &text), 0);
		CHECK_STR(text, cases[i].want);
		free(text);
	}
}

/* Lines of `pair --from`. */
TEST(lines_of_many)
{
	static const struct {
		const char *line;
		int r;
		const char *words; /* name, destination, remote name, fingerprint */
	} cases[] = {
		{ "garden pi@garden.local", 1, "garden|pi@garden.local|-|-" },
		{ "\tgarden  pi@garden.local:2222 \r", 1, "garden|pi@garden.local:2222|-|-" },
		{ "gate pi@g second # the gate", 1, "gate|pi@g|second|-" },
		{ "gate pi@g - SHA256:abc", 1, "gate|pi@g|-|SHA256:abc" },
		{ "gate pi@g SHA256:abc", 1, "gate|pi@g|-|SHA256:abc" },
		{ "", 0, "" },
		{ "  # nothing", 0, "" },
		{ "garden", -EINVAL, "" },
		{ "garden pi@g a b", -EINVAL, "" },
		{ "garden pi@g a SHA256:abc more", -EINVAL, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair_request request = { 0 };
		char line[128], words[128] = "";

		snprintf(line, sizeof line, "%s", cases[i].line);
		CHECK_INT(pair_line_parse(line, &request), cases[i].r);
		if (request.name)
			snprintf(words, sizeof words, "%s|%s|%s|%s", request.name,
				request.destination,
				request.remote_name ? request.remote_name : "-",
				request.fingerprint ? request.fingerprint : "-");
		CHECK_STR(words, cases[i].words);
	}
}
