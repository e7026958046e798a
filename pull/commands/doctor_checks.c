/* SPDX-License-Identifier: MIT */
/* Facts about a puller's machine, judged. */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/utc.h"
#include "pull/commands/doctor.h"

/*
 * The first versions without the faults of 2026 that a client can meet, CVE-2026-59847 (AES-GCM
 * tags that are not checked), -59850, -59843: libssh's CHANGELOG and Debian's changelog of the
 * package.
 */
#define DEBIAN_12_UPSTREAM "0.10.6-0+deb12u"
#define DEBIAN_12_FIXED 3
#define WARN_US (INT64_C(42) * 24 * 3600 * US_PER_SEC) /* before a disk is full */

static bool libssh_is_fixed(const char *version, const char *package)
{
	const size_t upstream = strlen(DEBIAN_12_UPSTREAM);
	int v[3], number;

	if (sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]) != 3)
		return false;
	number = v[0] * 1000000 + v[1] * 1000 + v[2];
	if (number >= 12000)
		return number >= 12002;
	return number >= 11005 ||
		(strncmp(package, DEBIAN_12_UPSTREAM, upstream) == 0 &&
			strtol(package + upstream, NULL, 10) >= DEBIAN_12_FIXED);
}

struct doctor_finding doctor_libssh(const char *version, const char *package)
{
	const int length = (int)strcspn(version, "/");
	const char *of = *package ? ", package " : "";

	if (libssh_is_fixed(version, package))
		return doctor_find(DOCTOR_OK, "%.*s%s%s", length, version, of, package);
	return doctor_find(DOCTOR_WARN,
		"%.*s%s%s has known faults that a camera's host could use\n"
		"install the security updates (Debian 12: 0.10.6-0+deb12u3; else 0.11.5, 0.12.2)",
		length, version, of, package);
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

struct doctor_finding doctor_latest(
	const struct unit_state *timer, const struct unit_state *follow, int64_t now_us)
{
	return doctor_unit(doctor_unit_is_used(follow) ? follow : timer, now_us);
}

struct doctor_finding doctor_work(
	const struct unit_state *timer, const struct unit_state *service, int64_t now_us)
{
	struct doctor_finding finding = doctor_unit(timer, now_us);

	if (finding.verdict != DOCTOR_OK || strcmp(service->active, "failed") != 0)
		return finding;
	return doctor_find(DOCTOR_WARN,
		"the last run of %s failed (%s)\nlook at `journalctl --user -u %s -n 20`",
		service->name, service->result, service->name);
}

struct doctor_finding doctor_stale(int error, const struct due_facts *facts)
{
	const struct peer_state *peer = facts->peer;
	const struct due due = due_judge(facts);
	const bool here = due.state == DUE_HERE;
	const bool stopped = due.state == DUE_STOPPED || due.state == DUE_NOT_TAKEN ||
		(here && peer->schedule.running == WIRE_STOPPED);
	enum doctor_verdict verdict = DOCTOR_FAIL;
	const char *fix = "";
	char text[DOCTOR_TEXT_MAX];

	if (error == -ENOMEDIUM)
		return doctor_find(DOCTOR_FAIL, "the archive's disk is not mounted");
	if (error < 0 && error != -ENOENT)
		return doctor_find(DOCTOR_FAIL,
			"the archive cannot be read: %s\nlook at `pullpi verify`",
			strerror(-error));
	due_describe(&due, facts, text, sizeof text);
	if (here && peer->last_try_us != TIME_NONE && peer->camera.code != CLI_OK)
		return doctor_find(
			DOCTOR_WARN, "%s\nthe last try failed: %s", text, peer->camera.error);
	if (stopped)
		fix = "\nlook there with `capturepi doctor`";
	else if (due.state == DUE_NOT_TRIED)
		fix = "\nrun `deploypi pull`: it sets up timers that fetch";
	if (here && !stopped)
		verdict = DOCTOR_OK;
	else if (here || facts->newest_us == TIME_NONE)
		verdict = DOCTOR_WARN;
	return doctor_find(verdict, "%s%s", text, fix);
}

struct doctor_finding doctor_clocks(const struct due_facts *facts)
{
	struct due due = due_judge(facts);
	char text[DOCTOR_TEXT_MAX];

	if (*due_describe_clock(&due, text, sizeof text))
		return doctor_find(DOCTOR_WARN, "%s\nlook at `timedatectl` on both machines", text);
	return doctor_find(DOCTOR_OK, "the camera's %s",
		facts->peer->seen_us == TIME_NONE ? "is not known" : "agrees");
}

struct doctor_finding doctor_way(const struct doctor_way *way)
{
	const bool unreached = way->asked && *way->unreached;

	if (way->tries > 0 || unreached)
		return doctor_find(DOCTOR_WARN,
			"%s (%u tries failed, %zu messages wait)\n"
			"correct it, then run `pullpi watch --test`",
			unreached ? way->unreached : way->failure, way->tries, way->waiting);
	return doctor_find(DOCTOR_OK, "%s%s; no message has failed", way->host,
		way->asked ? " can be used as far as this shows without a message" : "");
}

struct doctor_finding doctor_leftover(const struct leftover *l)
{
	return doctor_find(l->units ? DOCTOR_WARN : DOCTOR_INFO,
		"no section [camera %s] any more, and still%s%s%s\nrun `%s%s`%s", l->camera,
		l->units ? " its units" : "", l->key ? " its key" : "",
		l->state ? " its last contact" : "", l->units ? "deploypi pull" : "pullpi unpair ",
		l->units ? "" : l->camera, l->units ? ", which switches them off" : "");
}

struct doctor_finding doctor_room(
	const struct camera_settings *camera, const struct room_view *view, int64_t now_us)
{
	char text[DOCTOR_TEXT_MAX];

	room_describe_view(camera, view, now_us, text, sizeof text);
	if (view->verdict != ROOM_FREE)
		return doctor_find(DOCTOR_FAIL, "%s", text);
	if (view->full_us == TIME_NONE || view->full_us - now_us > WARN_US || room_removes(camera))
		return doctor_find(DOCTOR_OK, "%s", text);
	return doctor_find(DOCTOR_WARN,
		"%s\nmake room, move the archive to a larger disk, or set when_full or keep_days",
		text);
}
