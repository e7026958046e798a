/* SPDX-License-Identifier: MIT */
/* Facts about a puller's machine, judged. */
#include "pull/doctor_checks.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/utc.h"

/*
 * The first versions without the faults of 2026 that a client can meet, CVE-2026-59847 (AES-GCM tags that
 * are not checked), -59850, -59843: libssh's CHANGELOG and Debian's changelog of the package.
 */
#define DEBIAN_12_UPSTREAM "0.10.6-0+deb12u"
#define DEBIAN_12_FIXED 3

static int compare_versions(const int a[3], const int b[3])
{
	for (int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

static bool is_fixed(const char *version, const char *package)
{
	static const int fixed_11[3] = { 0, 11, 5 }, first_12[3] = { 0, 12, 0 };
	static const int fixed_12[3] = { 0, 12, 2 };
	int v[3];

	if (sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]) != 3)
		return false;
	if (compare_versions(v, first_12) >= 0)
		return compare_versions(v, fixed_12) >= 0;
	if (compare_versions(v, fixed_11) >= 0)
		return true;
	return strncmp(package, DEBIAN_12_UPSTREAM, strlen(DEBIAN_12_UPSTREAM)) == 0 &&
		strtol(package + strlen(DEBIAN_12_UPSTREAM), NULL, 10) >= DEBIAN_12_FIXED;
}

struct doctor_finding doctor_libssh(const char *version, const char *package)
{
	const int length = (int)strcspn(version, "/");
	const char *of = *package ? ", package " : "";

	if (is_fixed(version, package))
		return doctor_find(DOCTOR_OK, "%.*s%s%s", length, version, of, package);
	return doctor_fix(
		doctor_find(DOCTOR_WARN, "%.*s%s%s has known faults that a camera's host could use",
			length, version, of, package),
		"install the security updates (Debian 12: 0.10.6-0+deb12u3; else 0.11.5, 0.12.2)");
}

void doctor_package_version(const char *status, const char *package, char *ret, size_t size)
{
	char heading[64];
	const char *at, *end, *version;

	*ret = '\0';
	snprintf(heading, sizeof heading, "Package: %s\n", package);
	for (at = strstr(status, heading); at; at = strstr(at + 1, heading)) {
		if (at != status && at[-1] != '\n')
			continue;
		end = strstr(at, "\n\n");
		version = strstr(at, "\nVersion: ");
		if (!version || (end && version > end))
			return;
		version += strlen("\nVersion: ");
		snprintf(ret, size, "%.*s", (int)strcspn(version, "\n"), version);
		return;
	}
}

static bool is_used(const struct doctor_unit *unit)
{
	return unit->error == 0 &&
		(strncmp(unit->state.file_state, "enabled", strlen("enabled")) == 0 ||
			strcmp(unit->state.active, "inactive") != 0) &&
		strcmp(unit->state.load, "loaded") == 0;
}

struct doctor_finding doctor_latest(
	const struct doctor_unit *timer, const struct doctor_unit *follow, int64_t now_us)
{
	if (is_used(follow))
		return doctor_service(follow->error, follow->name, &follow->state);
	return doctor_timer(timer->error, timer->name, &timer->state, now_us);
}

struct doctor_finding doctor_work(
	const struct doctor_unit *timer, const struct doctor_unit *service, int64_t now_us)
{
	struct doctor_finding finding =
		doctor_timer(timer->error, timer->name, &timer->state, now_us);

	if (finding.verdict != DOCTOR_OK || service->error < 0 ||
		strcmp(service->state.active, "failed") != 0)
		return finding;
	return doctor_fix(doctor_find(DOCTOR_WARN, "the last run of %s failed (%s)", service->name,
				  service->state.result),
		"look at `journalctl --user -u %s -n 20`", service->name);
}

struct doctor_finding doctor_stale(const struct doctor_stale *stale)
{
	const struct contact *contact = stale->facts.contact;
	struct due due = due_judge(&stale->facts);
	char text[DOCTOR_TEXT_MAX];
	struct doctor_finding finding;

	if (stale->error == -ENOMEDIUM)
		return doctor_find(DOCTOR_FAIL, "the archive's disk is not mounted");
	if (stale->error < 0 && stale->error != -ENOENT)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "the archive cannot be read: %s",
					  strerror(-stale->error)),
			"look at `pullpi verify`");
	due_describe(&due, &stale->facts, text, sizeof text);
	finding = doctor_find(due.state == DUE_HERE           ? DOCTOR_OK
			: stale->facts.newest_us == TIME_NONE ? DOCTOR_WARN
							      : DOCTOR_FAIL,
		"%s", text);
	switch (due.state) {
	case DUE_NOT_TRIED:
		return doctor_fix(
			finding, "run `deploypi pull`, which has it fetched from time to time");
	case DUE_STOPPED:
	case DUE_NOT_TAKEN:
		return doctor_fix(finding, "look there with `capturepi doctor`");
	case DUE_HERE:
		if (contact->last_try_us != TIME_NONE && contact->code != CLI_OK)
			return doctor_fix(doctor_find(DOCTOR_WARN, "%s", text),
				"the last try failed: %s", contact->error);
		if (contact->schedule.running == WIRE_STOPPED)
			return doctor_fix(doctor_find(DOCTOR_WARN, "%s", text),
				"look there with `capturepi doctor`");
		return finding;
	case DUE_NOT_REACHED:
	default:
		return finding;
	}
}

struct doctor_finding doctor_clocks(const struct due_facts *facts)
{
	struct due due = due_judge(facts);
	char text[DOCTOR_TEXT_MAX];

	if (!*due_describe_clock(&due, text, sizeof text))
		return doctor_find(DOCTOR_OK, "%s",
			facts->contact->seen_us == TIME_NONE ? "that of the camera is not known"
							     : "that of the camera agrees");
	return doctor_fix(
		doctor_find(DOCTOR_WARN, "%s", text), "look at `timedatectl` on both machines");
}

struct doctor_finding doctor_leftover(const struct leftover *l)
{
	struct doctor_finding finding = doctor_find(l->units ? DOCTOR_WARN : DOCTOR_INFO,
		"no section [camera %s] any more, and still%s%s%s", l->camera,
		l->units ? " its units" : "", l->key ? " its key" : "",
		l->contact ? " its last contact" : "");

	if (l->units)
		return doctor_fix(finding, "run `deploypi pull`, which switches them off");
	return doctor_fix(finding, "run `pullpi unpair %s`", l->camera);
}
