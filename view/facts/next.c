/* SPDX-License-Identifier: MIT */
/* Asks those who know what is due: pullpi's file of the camera, or capturepi's status file. */
#include "view/facts/next.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/utc.h"
#include "common/contact/due.h"
#include "common/systemd/published.h"

#define STORED_US ((DUE_SECONDS + 15) * US_PER_SEC) /* what a picture may take from its slot */
#define NEAR_LINES 16 /* looked at for the picture before the newest */

/* ---- a copy: pullpi knows */

static void next_read_copy(const struct place *place, struct archive *archive,
	const struct clock *clock, struct next_picture *ret)
{
	static const char stale[] = "stale: ";
	struct peer_state peer;
	struct due_facts facts;
	struct due due;
	char text[sizeof(ret->trouble)];

	peer_state_load(place->name, &peer);
	facts = due_read(archive, &peer, place->stale_after_us, clock);
	due = due_judge(&facts);
	ret->slot_us = due.slot_us;
	ret->missed_us = due.missed_us;
	if (due.state == DUE_HERE)
		return;
	due_describe(&due, &facts, text, sizeof(text));
	snprintf(ret->trouble, sizeof(ret->trouble), "%s",
		text + (strncmp(text, stale, strlen(stale)) == 0 ? strlen(stale) : 0));
}

/* ---- this machine's own camera */

struct before {
	int64_t newest_us, slot_us;
};

static int before_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct before *before = data;
	int64_t slot_us;

	(void)seq;
	if (record_peek_slot(line, len, &slot_us) && slot_us < before->newest_us &&
		slot_us > before->slot_us)
		before->slot_us = slot_us;
	return 0;
}

static int64_t next_by_distance(struct archive *archive, const struct record *newest)
{
	struct before before = { newest->slot_us, TIME_NONE };
	uint64_t next;

	if (newest->seq < 2 ||
		journal_visit(archive_journal(archive),
			newest->seq > NEAR_LINES ? newest->seq - NEAR_LINES : 1, newest->seq - 1,
			before_line, &before, &next) < 0 ||
		before.slot_us == TIME_NONE)
		return TIME_NONE;
	return 2 * newest->slot_us - before.slot_us;
}

static void next_read_own(const struct place *place, struct archive *archive, int64_t now_us,
	struct next_picture *ret)
{
	static const char *const slots[] = { "/due", "/due_pending", "/due_next" };
	struct json_object *status = published_status(place->path);
	char age[UTC_TEXT_MAX];
	struct record newest;
	const bool has_newest = archive_newest(archive, &newest) == 0;

	/* the first one without a picture */
	for (size_t i = 0; i < ARRAY_SIZE(slots) && ret->slot_us == TIME_NONE; i++) {
		const int64_t slot_us = json_get_time(status, slots[i]);

		if (slot_us != TIME_NONE && !(has_newest && newest.slot_us >= slot_us))
			ret->slot_us = slot_us;
	}
	json_object_put(status);
	if (ret->slot_us == TIME_NONE && has_newest)
		ret->slot_us = next_by_distance(archive, &newest);
	if (ret->slot_us == TIME_NONE)
		return;
	ret->missed_us = place->stale_after_us > 0 && has_newest
		? newest.slot_us + place->stale_after_us
		: ret->slot_us + STORED_US;
	if (now_us >= ret->missed_us)
		snprintf(ret->trouble, sizeof(ret->trouble),
			"the next picture is missing: it was due %s ago",
			duration_format(now_us - ret->slot_us, age));
}

void next_read(const struct place *place, struct archive *archive, const struct clock *clock,
	struct next_picture *ret)
{
	*ret = (struct next_picture){ .slot_us = TIME_NONE, .missed_us = TIME_NONE };
	if (place->copy)
		next_read_copy(place, archive, clock, ret);
	else
		next_read_own(place, archive, clock_wall_us(clock), ret);
}
