/* SPDX-License-Identifier: MIT */
/*
 * The service and its archive. Storing may stop and come back at any time; capture goes on, and
 * people are told once when it stops and once when it works again. Once the clock is known, frames
 * from before that are corrected.
 */
#include <errno.h>
#include <string.h>

#include "capture/service/service_private.h"
#include "capture/service/status.h"
#include "common/base/log.h"
#include "common/base/utc.h"

static struct store_settings service_store_settings(const struct service *s)
{
	struct store_settings settings = store_settings(s->settings);

	memcpy(settings.path, s->store_path, sizeof settings.path);
	return settings;
}

int service_begin_store(struct service *s)
{
	struct writer_options options = {
		.account = true,
		.quality = (int)s->settings->camera.quality,
	};

	snprintf(s->store_path, sizeof s->store_path, "%s", s->settings->archive.path);
	options.store.settings = service_store_settings(s);
	if (s->archive)
		s->last_outcome_us = store_last_outcome(s->archive);
	options.store.archive = TAKE_PTR(s->archive);
	options.store.error = s->options->archive_error;
	return writer_new(&options, &s->writer);
}

void service_set_store(struct service *s)
{
	struct store_settings settings = service_store_settings(s);

	writer_set(s->writer, &settings, (int)s->settings->camera.quality);
}

/*
 * The slots between the last outcome in an archive that came late and the start: nobody was there.
 */
static bool service_find_down(struct service *s, int64_t last_us, struct record *ret)
{
	const struct schedule_settings *schedule = &s->settings->schedule;
	int64_t first_us;

	if (last_us == TIME_NONE || s->slots_from_us == TIME_NONE || last_us >= s->slots_from_us)
		return false;
	first_us = schedule_next(schedule, last_us + 1);
	if (first_us == TIME_NONE || first_us >= s->slots_from_us)
		return false;
	*ret = record_new(RECORD_MISS);
	ret->cause = MISS_DOWN;
	ret->slot_us = first_us;
	ret->last_us = schedule_previous(schedule, s->slots_from_us);
	ret->count = schedule_count(schedule, first_us, s->slots_from_us);
	return true;
}

void service_account(struct service *s, int64_t last_outcome_us)
{
	struct record down;
	bool has_down = service_find_down(s, last_outcome_us, &down);

	if (s->waiting_clock) /* the slots begin later, and it is told then */
		s->last_outcome_us = last_outcome_us;
	if (has_down)
		stats_miss(&s->stats, MISS_DOWN, down.count, clock_wall_us(s->clock));
	writer_account(s->writer, has_down ? &down : NULL);
}

static void service_tell_trouble(struct service *s)
{
	int64_t since_us = s->store_trouble.since_us, now_us = service_mono_us(s);
	enum trouble_news news = trouble_look(&s->store_trouble, s->store.error < 0, now_us);
	unsigned long long missed = s->stats.missed[MISS_DISK] - s->store_missed;
	const char *fix = store_error_fix(s->store.error);
	char lasted[UTC_TEXT_MAX];

	if (!since_us)
		s->store_missed = s->stats.missed[MISS_DISK];
	if (news == TROUBLE_BEGINS)
		log_error("%s: nothing can be stored: %s; slots are missed until that passes%s%s",
			s->store.where, store_error_text(s->store.error), *fix ? "; " : "", fix);
	else if (news == TROUBLE_LASTS)
		log_error("%s: still nothing can be stored: %s; %llu slots missed in %s",
			s->store.where, store_error_text(s->store.error), missed,
			duration_format(now_us - since_us, lasted));
	else if (news == TROUBLE_ENDS)
		log_notice("%s: storing works again; %llu slots were missed in %s", s->store_path,
			missed, duration_format(now_us - since_us, lasted));
}

void service_watch_store(struct service *s)
{
	int before = s->store.error;
	bool was_open = s->store.open;

	s->store = writer_store_facts(s->writer);
	if (s->store.open != was_open) { /* who asks now is to know */
		s->dirty = true;
		s->published_us = 0;
	}
	s->dirty |= s->store.error != before;
	service_tell_trouble(s);
}

void service_tell_corrected(const struct writer_result *result)
{
	const struct correction_totals *totals = &result->totals;

	if (result->error < 0)
		log_errno(result->error,
			"cannot give frames their true time (%llu have it); trying again every "
			"minute",
			(unsigned long long)totals->corrected);
	else if (totals->corrected || totals->failed)
		log_notice("%llu frames from before the clock was set have their true time now%s",
			(unsigned long long)totals->corrected,
			totals->failed ? "; some cannot be read, see `capturepi verify`" : "");
}

void service_correct(struct service *s)
{
	bool synced = clock_synced(s->clock);

	if (synced && !s->clock_known && !s->options->one_shot)
		writer_correct(s->writer, s->boot, clock_wall_of_up(s->clock, 0));
	s->clock_known = synced;
}
