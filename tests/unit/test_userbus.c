/* SPDX-License-Identifier: MIT */
/* What the manager and logind answer, right and wrong, as structs and errors. */
#include "common/systemd/userbus.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/base/util.h"
#include "common/systemd/unit.h"
#include "tests/test.h"
#include "tests/unit/bus_kit.h"

/* A bus to make messages with; nobody is at the other end. */
static sd_bus *bus_alone(int *ret_other)
{
	sd_bus *bus = NULL;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
		userbus_open_fd(fds[0], &bus) < 0) {
		perror("bus");
		exit(1);
	}
	*ret_other = fds[1];
	return bus;
}

struct message {
	sd_bus *bus;
	int other;
	sd_bus_message *m;
};

static struct message begin(void)
{
	struct message t = { 0 };

	t.bus = bus_alone(&t.other);
	if (sd_bus_message_new_signal(t.bus, &t.m, "/x", "x.y", "Z") < 0)
		exit(1);
	return t;
}

static int parse(struct message *t, struct unit_state *ret)
{
	int r = sd_bus_message_seal(t->m, 1, 0);

	if (r >= 0)
		r = sd_bus_message_rewind(t->m, true);
	return r < 0 ? r : unit_state_parse(t->m, "x.service", ret);
}

static void end(struct message *t)
{
	sd_bus_message_unref(t->m);
	sd_bus_close_unref(t->bus);
	close(t->other);
}

static void add_states(sd_bus_message *m)
{
	CHECK(sd_bus_message_append(m, "{sv}{sv}", "ActiveState", "s", "failed", "LoadState", "s",
		      "loaded") >= 0);
}

TEST(a_unit)
{
	struct message t = begin();
	struct unit_state u;

	sd_bus_message_open_container(t.m, 'a', "{sv}");
	add_states(t.m);
	sd_bus_message_append(t.m, "{sv}", "Conditions", "a(sbbsi)", 2, "ConditionA", false, false,
		"/a", 1, "ConditionPathExists", true, true, "/b", -1);
	sd_bus_message_append(t.m, "{sv}", "Asserts", "a(sbbsi)", 0);
	sd_bus_message_append(t.m, "{sv}", "ConditionTimestamp", "t", (uint64_t)7);
	sd_bus_message_append(t.m, "{sv}", "ConditionResult", "b", false);
	sd_bus_message_append(t.m, "{sv}", "Job", "(uo)", 42, "/org/freedesktop/systemd1/job/42");
	sd_bus_message_append(t.m, "{sv}", "LoadError", "(ss)", "x.y", "bad\nline");
	sd_bus_message_append(t.m, "{sv}", "Requires", "as", 2, "a.service", "not a\nunit");
	sd_bus_message_append(t.m, "{sv}", "BindsTo", "as", 1, "b.mount");
	sd_bus_message_append(t.m, "{sv}", "ExecStart", "a(sasbttttuii)", 2, "/usr/bin/x", 1, "x",
		false, (uint64_t)0, (uint64_t)0, (uint64_t)0, (uint64_t)0, 0, 0, 0, "/usr/bin/y", 1,
		"y", false, (uint64_t)0, (uint64_t)0, (uint64_t)0, (uint64_t)0, 0, 0, 0);
	sd_bus_message_append(t.m, "{sv}", "Novel", "a{s(ua(bb))}", 1, "k", 1, 1, true, false);
	sd_bus_message_append(t.m, "{sv}", "NRestarts", "u", 5);
	sd_bus_message_append(t.m, "{sv}", "ExecMainStatus", "i", -3);
	sd_bus_message_close_container(t.m);
	if (CHECK(parse(&t, &u) == 0)) {
		CHECK_STR(u.active, "failed");
		CHECK(!u.condition_ok);
		CHECK_STR(u.condition, "ConditionPathExists=|!/b");
		CHECK_STR(u.assertion, "");
		CHECK_STR(u.load_error, "bad?line");
		CHECK_INT(u.needs.n, 3);
		CHECK_STR(u.needs.items[1], "not a?unit");
		CHECK_STR(u.needs.items[2], "b.mount");
		CHECK_STR(u.program, "/usr/bin/x");
		CHECK_INT(u.restarts, 5);
		CHECK_INT(u.exit_status, -3);
	}
	end(&t);
}

/* A condition that nobody looked at yet is not false. */
TEST(a_unit_that_was_only_loaded)
{
	struct message t = begin();
	struct unit_state u;

	sd_bus_message_open_container(t.m, 'a', "{sv}");
	add_states(t.m);
	sd_bus_message_append(t.m, "{sv}{sv}", "ConditionResult", "b", false, "ConditionTimestamp",
		"t", (uint64_t)0);
	sd_bus_message_close_container(t.m);
	if (CHECK(parse(&t, &u) == 0))
		CHECK(u.condition_ok && u.condition_us == 0);
	end(&t);
}

TEST(other_types_are_passed_over)
{
	struct message t = begin();
	struct unit_state u;

	sd_bus_message_open_container(t.m, 'a', "{sv}");
	add_states(t.m);
	sd_bus_message_append(t.m, "{sv}", "SubState", "u", 1);
	sd_bus_message_append(t.m, "{sv}", "NRestarts", "s", "many");
	sd_bus_message_append(t.m, "{sv}", "Job", "(ou)", "/", 3);
	sd_bus_message_append(t.m, "{sv}", "Conditions", "as", 1, "x");
	sd_bus_message_append(t.m, "{sv}", "ExecStart", "s", "/bin/sh");
	sd_bus_message_append(t.m, "{sv}", "Requires", "s", "a.service");
	sd_bus_message_close_container(t.m);
	if (CHECK(parse(&t, &u) == 0)) {
		CHECK_STR(u.sub, "");
		CHECK_INT(u.restarts, 0);
		CHECK_STR(u.program, "");
		CHECK_INT(u.needs.n, 0);
	}
	end(&t);
}

TEST(lists_and_texts_have_limits)
{
	struct message t = begin();
	struct unit_state u;
	char text[5000];

	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	sd_bus_message_open_container(t.m, 'a', "{sv}");
	add_states(t.m);
	sd_bus_message_append(t.m, "{sv}", "FragmentPath", "s", text);
	sd_bus_message_append(t.m, "{sv}", "Result", "s", text);
	sd_bus_message_open_container(t.m, 'e', "sv");
	sd_bus_message_append(t.m, "s", "DropInPaths");
	sd_bus_message_open_container(t.m, 'v', "as");
	sd_bus_message_open_container(t.m, 'a', "s");
	for (int i = 0; i < 1000; i++)
		sd_bus_message_append(t.m, "s", text);
	sd_bus_message_close_container(t.m);
	sd_bus_message_close_container(t.m);
	sd_bus_message_close_container(t.m);
	sd_bus_message_close_container(t.m);
	if (CHECK(parse(&t, &u) == 0)) {
		CHECK_INT(strlen(u.fragment), UNIT_PATH_MAX - 1);
		CHECK_INT(strlen(u.result), UNIT_WORD_MAX - 1);
		CHECK_INT(u.dropins.n, UNIT_LIST_MAX);
	}
	end(&t);
}

TEST(answers_that_are_none)
{
	static const char *const bodies[] = { "", "s", "as", "a{ss}" };

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct message t = begin();
		struct unit_state u = { .pid = 77 };

		if (strcmp(bodies[i], "s") == 0)
			sd_bus_message_append(t.m, "s", "failed");
		else if (*bodies[i])
			sd_bus_message_append(t.m, bodies[i], 0);
		CHECK_INT(parse(&t, &u), -EBADMSG);
		CHECK_INT(u.pid, 77); /* untouched */
		end(&t);
	}
	/* without the states it is no unit */
	struct message t = begin();
	struct unit_state u;

	sd_bus_message_append(t.m, "a{sv}", 1, "ActiveState", "s", "active");
	CHECK_INT(parse(&t, &u), -EBADMSG);
	end(&t);
}

TEST(names_of_units)
{
	static const char *const good[] = { "capturepi.service", "pullpi-latest@garden.timer",
		"a@b-c.d.service", "x\\x2dy.mount", "default.target" };
	static const char *const bad[] = { "", ".service", "@x.service", "capturepi", "x.conf",
		"a/b.service", "a b.service", "a\n.service", "ä.service" };
	char longest[UNIT_NAME_MAX + 8], *path;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		CHECK(unit_name_ok(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(!unit_name_ok(bad[i]));
		CHECK_INT(unit_path(bad[i], &path), -EINVAL); /* never sent to the manager */
	}
	memset(longest, 'x', sizeof longest);
	strcpy(longest + UNIT_NAME_MAX - 9, ".service");
	CHECK(unit_name_ok(longest));
	memset(longest, 'x', sizeof longest);
	strcpy(longest + UNIT_NAME_MAX - 8, ".service");
	CHECK(!unit_name_ok(longest));
}

/* $XDG_RUNTIME_DIR of another user, or one that others may write to, is not believed. */
TEST(runtime_folder)
{
	char folder[64], got[PATH_MAX];

	test_make_folder(folder);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	CHECK(userbus_runtime(got) == 0 && strcmp(got, folder) == 0);
	chmod(folder, 0777);
	CHECK(userbus_runtime(got) != 0 || strcmp(got, folder) != 0);
	chmod(folder, 0700);
	if (getuid() == 0 && chown(folder, 12345, 12345) == 0)
		CHECK(userbus_runtime(got) != 0 || strcmp(got, folder) != 0);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	CHECK(userbus_runtime(got) != 0 || strcmp(got, "relative") != 0);
	test_remove_folder(folder);
}

TEST(linger_is_a_file)
{
	CHECK_INT(linger_get("../root"), -EINVAL);
	CHECK_INT(linger_get(""), -EINVAL);
	CHECK_INT(linger_get("."), -EINVAL);
	CHECK_INT(linger_get("nobody-of-that-name"), 0);
}

/*
 * logind: answers one call, with an error of that name or with nothing. Exits 0 if the call was
 * right.
 */
static void answer_one(int fd, const char *error)
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	uint32_t uid;
	int on, ask;

	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
		sd_bus_set_server(bus, true, (sd_id128_t){ .bytes = { 1 } }) < 0 ||
		sd_bus_start(bus) < 0)
		_exit(2);
	while (!m) {
		if (sd_bus_process(bus, &m) < 0 || (!m && sd_bus_wait(bus, 10000000) < 0))
			_exit(3);
		if (m && !sd_bus_message_is_method_call(m, NULL, "SetUserLinger"))
			m = sd_bus_message_unref(m);
	}
	if (sd_bus_message_read(m, "ubb", &uid, &on, &ask) < 0 || uid != 1234 || !on || ask)
		_exit(4);
	if (error)
		sd_bus_reply_method_errorf(m, error, "words");
	else
		sd_bus_reply_method_return(m, NULL);
	sd_bus_flush(bus);
	_exit(0);
}

TEST(lingering_is_asked_for_and_may_be_refused)
{
	static const struct {
		const char *error;
		int result;
	} rows[] = {
		{ NULL, 0 },
		{ SD_BUS_ERROR_ACCESS_DENIED, -EACCES },
		{ SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, -EACCES },
		{ "org.freedesktop.systemd1.UnitMasked", -EACCES }, /* polkit is */
		{ SD_BUS_ERROR_SERVICE_UNKNOWN, -ENOENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
		int fds[2], status;
		pid_t pid;

		if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0))
			return;
		pid = fork();
		if (pid == 0) {
			close(fds[1]);
			answer_one(fds[0], rows[i].error);
		}
		close(fds[0]);
		if (CHECK(userbus_open_fd(fds[1], &bus) == 0)) {
			CHECK_INT(linger_enable(bus, 1234, &error), rows[i].result);
			CHECK_STR(
				error.name ? error.name : "-", rows[i].error ? rows[i].error : "-");
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
}

static void sleep_with_groups(int ready)
{
	const gid_t groups[] = { 44, 3999998 };

	_exit((setgroups(2, groups) < 0 || write(ready, "+", 1) != 1) ? 1 : pause());
}

TEST(the_groups_of_a_process)
{
	gid_t own[256];
	int pipe_fds[2], n = getgroups(256, own);
	char byte;
	pid_t pid;

	for (int i = 0; i < n; i++)
		CHECK_INT(process_has_group(getpid(), own[i]), 1);
	CHECK_INT(process_has_group(getpid(), 3999999), 0);
	CHECK(process_has_group(1 << 30, 0) < 0);
	CHECK(user_has_group("root", 0));
	CHECK(!user_has_group("root", 3999999));
	CHECK(!user_has_group("nobody of this name", 0));
	if (geteuid() != 0 || !CHECK(pipe(pipe_fds) == 0))
		return;
	pid = fork();
	if (pid == 0)
		sleep_with_groups(pipe_fds[1]);
	CHECK_INT(read(pipe_fds[0], &byte, 1), 1);
	CHECK_INT(process_has_group(pid, 44), 1);
	CHECK_INT(process_has_group(pid, 3999998), 1);
	CHECK_INT(process_has_group(pid, 399999), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* What a peer says ends up in a status: it may add no assignment of its own. */
TEST(a_status_is_one_assignment)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[256];
	ssize_t n;

	snprintf(address.sun_path + 1, 32, "capturepi-test-%d", (int)getpid());
	CHECK_INT(bind(fd, (struct sockaddr *)&address,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  strlen(address.sun_path + 1))),
		0);
	*address.sun_path = '@';
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	notify_status("error: %s", "red\nWATCHDOG_USEC=1000\nSTOPPING=1\x1b[2J");
	n = recv(fd, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	CHECK_STR(text, "STATUS=error: red?WATCHDOG_USEC=1000?STOPPING=1?[2J");
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}
