/* SPDX-License-Identifier: MIT */
/* Facts about a puller's machine, judged. */
#include "pull/doctor_checks.h"

#include "common/clock.h"
#include "tests/unit/doctor_kit.h"

#define NOW_US INT64_C(1795190460000000)

TEST(libssh)
{
	static const struct {
		const char *version, *package;
		enum doctor_verdict want;
	} cases[] = {
		{ "0.10.6/openssl/zlib", "0.10.6-0+deb12u3", DOCTOR_OK },
		{ "0.10.6/openssl/zlib", "0.10.6-0+deb12u10", DOCTOR_OK },
		{ "0.10.6/openssl/zlib", "0.10.6-0+deb12u2", DOCTOR_WARN },
		{ "0.10.6/openssl/zlib", "0.10.6-2build2", DOCTOR_WARN },
		{ "0.10.6/openssl/zlib", "", DOCTOR_WARN },
		{ "0.11.2/openssl/zlib", "0.11.2-1", DOCTOR_WARN },
		{ "0.11.5/openssl/zlib", "0.11.5-0+deb13u1", DOCTOR_OK },
		{ "0.11.10", "", DOCTOR_OK },
		{ "0.12.0", "", DOCTOR_WARN },
		{ "0.12.2", "", DOCTOR_OK },
		{ "1.0.0", "", DOCTOR_OK },
		{ "what", "0.10.6-0+deb12u3", DOCTOR_WARN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_libssh(cases[i].version, cases[i].package);

		check_finding(cases[i].version, &got, cases[i].want, cases[i].package,
			cases[i].want == DOCTOR_OK ? "" : "security updates");
	}
}

TEST(package_version)
{
	static const char status[] =
		"Package: libssh-40\nVersion: 9\n\n"
		"Package: libssh-gone\nStatus: deinstall\n\n"
		"Package: other\nDepends: x\n Package: libssh-4\nVersion: 8\n\n"
		"Package: libssh-4\nStatus: install ok installed\n"
		"Version: 0.10.6-0+deb12u3\nDepends: libc6\n\n"
		"Package: last\nVersion: 1.0";
	char text[32];

	doctor_package_version(status, "libssh-4", text, sizeof text);
	CHECK_STR(text, "0.10.6-0+deb12u3");
	doctor_package_version(status, "libssh-gone", text, sizeof text);
	CHECK_STR(text, "");
	doctor_package_version(status, "last", text, sizeof text);
	CHECK_STR(text, "1.0");
	doctor_package_version(status, "nothing", text, sizeof text);
	CHECK_STR(text, "");
	doctor_package_version("", "libssh-4", text, sizeof text);
	CHECK_STR(text, "");
}

static struct doctor_unit unit(const char *name, const char *active, const char *sub,
	const char *file_state, uint64_t next_us)
{
	struct doctor_unit unit = {
		.state = { .load = "loaded", .result = "exit-code", .next_us = next_us }
	};

	snprintf(unit.name, sizeof unit.name, "%s", name);
	snprintf(unit.state.active, sizeof unit.state.active, "%s", active);
	snprintf(unit.state.sub, sizeof unit.state.sub, "%s", sub);
	snprintf(unit.state.file_state, sizeof unit.state.file_state, "%s", file_state);
	return unit;
}

TEST(units)
{
	struct doctor_unit waits =
		unit("a.timer", "active", "waiting", "enabled", NOW_US + 1000000);
	struct doctor_unit dead = unit("a.timer", "active", "elapsed", "enabled", 0);
	struct doctor_unit off = unit("a.timer", "inactive", "dead", "disabled", 0);
	struct doctor_unit follow = unit("f.service", "active", "running", "enabled", 0);
	struct doctor_unit follow_off = unit("f.service", "inactive", "dead", "disabled", 0);
	struct doctor_unit follow_failed = unit("f.service", "failed", "failed", "enabled", 0);
	struct doctor_unit unknown = { .name = "f.service", .error = -ENOTCONN };
	struct doctor_finding got;

	got = doctor_latest(&waits, &follow_off, NOW_US);
	check_finding("timer", &got, DOCTOR_OK, "a.timer", "");
	got = doctor_latest(&waits, &unknown, NOW_US);
	check_finding("timer, no follow unit", &got, DOCTOR_OK, "a.timer", "");
	got = doctor_latest(&dead, &follow_off, NOW_US);
	check_finding("dead timer", &got, DOCTOR_FAIL, "a.timer is dead", "restart");
	got = doctor_latest(&off, &follow, NOW_US);
	check_finding("follow instead", &got, DOCTOR_OK, "f.service", "");
	got = doctor_latest(&off, &follow_failed, NOW_US);
	check_finding("follow failed", &got, DOCTOR_FAIL, "f.service failed", "journalctl");
	got = doctor_latest(&off, &follow_off, NOW_US);
	check_finding("neither", &got, DOCTOR_FAIL, "a.timer", "enable --now");
	follow_off.state.load[0] = '\0';
	snprintf(follow_off.state.load, sizeof follow_off.state.load, "not-found");
	got = doctor_latest(&waits, &follow_off, NOW_US);
	check_finding("no such unit", &got, DOCTOR_OK, "a.timer", "");

	got = doctor_work(&waits, &follow_failed, NOW_US);
	check_finding("last run", &got, DOCTOR_WARN, "last run of f.service failed (exit-code)",
		"journalctl");
	got = doctor_work(&dead, &follow_failed, NOW_US);
	check_finding("the timer counts more", &got, DOCTOR_FAIL, "dead", "restart");
	got = doctor_work(&waits, &unknown, NOW_US);
	check_finding("well", &got, DOCTOR_OK, "a.timer", "");
}

TEST(stale)
{
	struct contact never = { .last_try_us = TIME_NONE, .last_ok_us = TIME_NONE };
	struct contact good = { .last_try_us = NOW_US, .last_ok_us = NOW_US };
	struct contact bad = { .last_try_us = NOW_US, .code = 75, .error = "no route to host" };
	const struct {
		const char *name;
		struct doctor_stale stale;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "fresh", { 0, true, 5 * US_PER_SEC, 10 * US_PER_SEC, &good }, DOCTOR_OK,
			"5 s old", "" },
		{ "just", { 0, true, 10 * US_PER_SEC, 10 * US_PER_SEC, &bad }, DOCTOR_OK, "10 s",
			"" },
		{ "of a clock ahead", { 0, true, -5, 10 * US_PER_SEC, &good }, DOCTOR_OK, "0 s",
			"" },
		{ "stale", { 0, true, 11 * US_PER_SEC, 10 * US_PER_SEC, &good }, DOCTOR_FAIL,
			"stale: 11 s", "capturepi doctor" },
		{ "unreachable", { 0, true, 11 * US_PER_SEC, 10 * US_PER_SEC, &bad }, DOCTOR_FAIL,
			"stale", "no route to host" },
		{ "new", { -ENOENT, false, 0, US_PER_SEC, &never }, DOCTOR_WARN, "nothing was",
			"pullpi fetch" },
		{ "empty", { 0, false, 0, US_PER_SEC, &bad }, DOCTOR_WARN, "nothing was",
			"no route" },
		{ "damaged", { -EBADMSG, false, 0, US_PER_SEC, &good }, DOCTOR_FAIL,
			"cannot be read", "verify" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_stale(&cases[i].stale);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}
