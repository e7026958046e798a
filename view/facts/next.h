/* SPDX-License-Identifier: MIT */
/*
 * When the next picture is due, so that a page can tell by itself that one is missing. The camera's
 * own schedule counts, where it is known: what capturepi says of its next slot on this machine, or
 * what a camera told pullpi at its last answer (common/contact/due.h). So a night without slots is
 * no silence. Else the distance of the two newest pictures stands for it. Where the settings have a
 * stale_after, as pullpi.conf may, the age of the newest counts instead.
 */
#pragma once

#include "common/archive/archive.h"
#include "view/settings/places.h"

struct next_picture {
	int64_t slot_us; /* of the next one, or of one that is missing; TIME_NONE: not known */
	int64_t missed_us; /* missing from then on, by this machine's clock; TIME_NONE: not known */
	char trouble[PULL_ERROR_MAX + 160]; /* now, a sentence; "": all is well */
};

void next_read(const struct place *place, struct archive *archive, const struct clock *clock,
	struct next_picture *ret);
