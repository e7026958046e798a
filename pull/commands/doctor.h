/* SPDX-License-Identifier: MIT */
/* What `pullpi doctor` judges beside common/doctor/doctor.h: pure functions of facts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/contact/due.h"
#include "common/doctor/doctor.h"
#include "pull/pair/leftovers.h"
#include "pull/session/room.h"

/*
 * libssh at run time, as ssh_version(0) has it ("0.10.6/openssl/zlib"), and the version of Debian's
 * package ("" where it is not known): Debian mends old versions without changing their number.
 */
struct doctor_finding doctor_libssh(const char *version, const char *package);
/* The version of the package in the text of /var/lib/dpkg/status; "" if it is not there. */
void doctor_package_version(const char *status, const char *package, char *ret, size_t size);

/*
 * What brings the newest picture: the timer of `latest`, or `follow` in its place where that is
 * enabled or runs.
 */
struct doctor_finding doctor_latest(
	const struct unit_state *timer, const struct unit_state *follow, int64_t now_us);
/* A timer, and whether the last run of its service was good. */
struct doctor_finding doctor_work(
	const struct unit_state *timer, const struct unit_state *service, int64_t now_us);

/* Whether a picture is due; `error` of the archive, -ENOENT: nothing was fetched yet. */
struct doctor_finding doctor_stale(int error, const struct due_facts *facts);
/* Whether the two machines agree on the time; the camera's clock says what is due. */
struct doctor_finding doctor_clocks(const struct due_facts *facts);

/* Whether there is room, and until when. */
struct doctor_finding doctor_room(
	const struct camera_settings *camera, const struct room_view *view, int64_t now_us);

/* A way for messages. */
struct doctor_way {
	const char *host; /* that it leads to */
	unsigned tries; /* of `pullpi watch` that failed in a row */
	const char *failure; /* the last one's */
	size_t waiting; /* messages */
	bool asked; /* now */
	const char *unreached; /* why not; "": it answers */
};
struct doctor_finding doctor_way(const struct doctor_way *way);

/* Of a camera that has no section any more. */
struct doctor_finding doctor_leftover(const struct leftover *leftover);
