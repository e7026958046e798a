/* SPDX-License-Identifier: MIT */
/* Facts about a puller's machine, judged. */
#include "pull/commands/doctor.h"

#include "common/base/clock.h"
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

TEST(ways_of_messages)
{
	static const struct {
		struct doctor_way way;
		enum doctor_verdict want;
		const char *text;
	} cases[] = {
		{ { "ntfy.sh", 0, "", 0, false, "" }, DOCTOR_OK, "ntfy.sh; no message has failed" },
		{ { "ntfy.sh", 0, "", 0, true, "" }, DOCTOR_OK, "ntfy.sh can be used as far as" },
		{ { "ntfy.sh", 3, "ntfy.sh answers 500", 2, false, "" }, DOCTOR_WARN,
			"ntfy.sh answers 500 (3 tries failed, 2 messages wait)" },
		{ { "ntfy.sh", 3, "ntfy.sh answers 500", 2, true, "" }, DOCTOR_WARN, "500" },
		{ { "ntfy.sh", 0, "", 0, true, "ntfy.sh: no route" }, DOCTOR_WARN, "no route" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_way(&cases[i].way);

		check_finding(cases[i].text, &got, cases[i].want, cases[i].text,
			cases[i].want == DOCTOR_OK ? "" : "pullpi watch --test");
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

static struct unit_state unit(const char *name, const char *active, const char *sub,
	const char *file_state, uint64_t next_us)
{
	struct unit_state unit = { .load = "loaded", .result = "exit-code", .next_us = next_us };

	snprintf(unit.name, sizeof unit.name, "%s", name);
	snprintf(unit.active, sizeof unit.active, "%s", active);
	snprintf(unit.sub, sizeof unit.sub, "%s", sub);
	snprintf(unit.file_state, sizeof unit.file_state, "%s", file_state);
	return unit;
}

TEST(units)
{
	struct unit_state waits = unit("a.timer", "active", "waiting", "enabled", NOW_US + 1000000);
	struct unit_state dead = unit("a.timer", "active", "elapsed", "enabled", 0);
	struct unit_state off = unit("a.timer", "inactive", "dead", "disabled", 0);
	struct unit_state follow = unit("f.service", "active", "running", "enabled", 0);
	struct unit_state follow_off = unit("f.service", "inactive", "dead", "disabled", 0);
	struct unit_state follow_failed = unit("f.service", "failed", "failed", "enabled", 0);
	struct unit_state unknown;
	struct doctor_finding got = doctor_latest(&waits, &follow_off, NOW_US);

	doctor_unit_read(NULL, "f.service", &unknown);
	check_finding("timer", &got, DOCTOR_OK, "a.timer", "");
	got = doctor_latest(&waits, &unknown, NOW_US);
	check_finding("timer, no follow unit", &got, DOCTOR_OK, "a.timer", "");
	got = doctor_latest(&dead, &follow_off, NOW_US);
	check_finding("dead timer", &got, DOCTOR_FAIL, "never fires", "cat a.timer");
	got = doctor_latest(&off, &follow, NOW_US);
	check_finding("follow instead", &got, DOCTOR_OK, "f.service", "");
	got = doctor_latest(&off, &follow_failed, NOW_US);
	check_finding("follow failed", &got, DOCTOR_FAIL, "f.service: one of", "journalctl");
	got = doctor_latest(&off, &follow_off, NOW_US);
	check_finding("neither", &got, DOCTOR_FAIL, "a.timer", "enable --now");
	follow_off.load[0] = '\0';
	snprintf(follow_off.load, sizeof follow_off.load, "not-found");
	got = doctor_latest(&waits, &follow_off, NOW_US);
	check_finding("no such unit", &got, DOCTOR_OK, "a.timer", "");

	got = doctor_work(&waits, &follow_failed, NOW_US);
	check_finding("last run", &got, DOCTOR_WARN, "last run of f.service failed (exit-code)",
		"journalctl");
	got = doctor_work(&dead, &follow_failed, NOW_US);
	check_finding("the timer counts more", &got, DOCTOR_FAIL, "never fires", "cat a.timer");
	got = doctor_work(&waits, &unknown, NOW_US);
	check_finding("well", &got, DOCTOR_OK, "a.timer", "");
}

/*
 * A slot every ten minutes; the camera answered two minutes ago with the last one due and the next.
 */
TEST(stale)
{
	const int64_t min_us = 60 * US_PER_SEC, seen_us = NOW_US - 2 * min_us;
	const struct peer_state good = { .last_try_us = seen_us,
		.last_ok_us = seen_us,
		.seen_us = seen_us,
		.schedule = { seen_us, seen_us - 3 * min_us, TIME_NONE, seen_us + 7 * min_us,
			WIRE_RUNNING } };
	struct peer_state stopped = good, bad = good, ahead = good;
	const int64_t slot_us = good.schedule.due_us, late_us = NOW_US + 60 * min_us;
	const struct {
		const char *name;
		int error;
		struct due_facts facts;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "here", 0, { &good, NOW_US, late_us, slot_us }, DOCTOR_OK, "next picture", "" },
		{ "not here", 0, { &good, NOW_US, late_us, slot_us - 1 }, DOCTOR_FAIL,
			"has no newer one", "capturepi doctor" },
		{ "stopped", 0, { &stopped, NOW_US, late_us, slot_us - 1 }, DOCTOR_FAIL,
			"does not run", "capturepi doctor" },
		{ "stopped a moment ago", 0, { &stopped, NOW_US, late_us, slot_us }, DOCTOR_WARN,
			"did not run", "capturepi doctor" },
		{ "nobody tries", 0, { &good, late_us, late_us, slot_us }, DOCTOR_FAIL,
			"no pull asked", "deploypi pull" },
		{ "unreachable", 0, { &bad, late_us, late_us, slot_us }, DOCTOR_FAIL,
			"no route to host", "" },
		{ "unreachable, nothing due", 0, { &bad, NOW_US, late_us, slot_us }, DOCTOR_WARN,
			"next picture", "no route" },
		{ "never", -ENOENT, { &peer_state_none, NOW_US, NOW_US, TIME_NONE }, DOCTOR_WARN,
			"nothing is here", "deploypi pull" },
		{ "damaged", -EBADMSG, { &good, NOW_US, late_us, TIME_NONE }, DOCTOR_FAIL,
			"cannot be read", "verify" },
	};
	struct doctor_finding got;

	stopped.schedule.running = WIRE_STOPPED;
	bad.camera.code = 75;
	bad.last_try_us = NOW_US + 50 * min_us;
	snprintf(bad.camera.error, sizeof bad.camera.error, "no route to host");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (strcmp(cases[i].name, "unreachable, nothing due") == 0)
			bad.last_try_us = seen_us;
		got = doctor_stale(cases[i].error, &cases[i].facts);
		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
	got = doctor_clocks(&cases[0].facts);
	check_finding("agree", &got, DOCTOR_OK, "agrees", "");
	ahead.schedule.now_us += 3600 * US_PER_SEC;
	got = doctor_clocks(&(struct due_facts){ &ahead, NOW_US, late_us, slot_us });
	check_finding("behind", &got, DOCTOR_WARN, "1 h behind the camera's", "timedatectl");
}

/* Six weeks before the disk is full it is a warning with the day, unless old frames go then. */
TEST(a_disk_that_fills)
{
	static const int64_t day_us = INT64_C(24) * 3600 * US_PER_SEC;
	static const struct {
		int days, when_full;
		enum doctor_verdict want;
		const char *text;
	} cases[] = {
		{ 43, 0, DOCTOR_OK, "full about 2027-01-02, in 43 days" },
		{ 42, 0, DOCTOR_WARN, "full about 2027-01-01, in 42 days" },
		{ 1, 0, DOCTOR_WARN, "full about 2026-11-21, in 1 days" },
		{ 1, WHEN_FULL_REMOVE, DOCTOR_OK, "then the oldest frames go" },
		{ 0, 0, DOCTOR_OK, "1.5 GB above the reserve" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct camera_settings camera = { .when_full = cases[i].when_full };
		const struct room_view view = { .room_bytes = 1500000000,
			.full_us =
				cases[i].days > 0 ? NOW_US + cases[i].days * day_us : TIME_NONE };
		struct doctor_finding got = doctor_room(&camera, &view, NOW_US);

		check_finding("room", &got, cases[i].want, cases[i].text,
			cases[i].want == DOCTOR_OK ? "" : "make room");
	}
}
