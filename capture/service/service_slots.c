/* SPDX-License-Identifier: MIT */
/* The service's accounts: which frame is for which slot, and one outcome for every slot. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capture/service/service_private.h"
#include "common/base/log.h"
#include "common/base/utc.h"

#define FRAME_LATENCY_US (2 * US_PER_SEC) /* a frame's way through sensor, ISP and libcamera */
#define ZONE_LOOK_US (20 * US_PER_SEC) /* and CLOCK_CHECK_US of the loop: within a minute */
#define FRAME_AHEAD_NS (NS_PER_SEC / 5) /* of the present no frame begins */
#define AIM_EVERY_US (3 * US_PER_SEC / 10)
#define STEP_MIN_US 1000 /* less is noise of reading two clocks */

void service_drop_candidate(struct service *s)
{
	if (s->holding)
		supervisor_release(s->supervisor, &s->candidate);
	s->holding = false;
	slots_drop_candidate(&s->slots);
}

/*
 * Journals that the slots from `first_us` to `last_us` have no frame. The outbox makes one line of
 * neighbouring misses.
 */
static void service_miss(struct service *s, int64_t first_us, int64_t last_us, uint64_t count,
	enum miss_cause cause, const char *text)
{
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = first_us;
	miss.last_us = last_us;
	miss.count = count;
	miss.cause = cause;
	snprintf(miss.text, sizeof miss.text, "%s", text);
	writer_note(s->writer, &miss);
	if (!s->trouble_us && (cause == MISS_CAMERA || cause == MISS_BUSY))
		s->trouble_us = service_mono_us(s);
	stats_miss(&s->stats, cause, count, clock_wall_us(s->clock));
	s->dirty = true;
}

/*
 * Hands a frame to the writer, or accounts for the slot that it could not take. `slot_us` is
 * TIME_NONE for a shot, which is outside the schedule.
 */
static void service_submit(struct service *s, struct frame *frame, int64_t slot_us)
{
	struct record record = record_new(RECORD_FRAME);

	record.exposed_us = clock_wall_of_mono(s->clock, frame->start_ns);
	record.shot = slot_us == TIME_NONE;
	record.slot_us = record.shot ? record.exposed_us : slot_us;
	record.late_us = record.exposed_us - record.slot_us;
	record.up_ns = clock_up_ns(s->clock) - (clock_mono_ns(s->clock) - frame->start_ns);
	record.synced = clock_synced(s->clock);
	memcpy(record.boot, s->boot, sizeof record.boot);
	record.facts.exposure_us = frame->exposure_us;
	record.facts.gain = frame->gain;
	record.facts.colour_temperature = frame->colour_temperature;
	record.facts.red = frame->red;
	record.facts.blue = frame->blue;
	record.facts.lens_position = frame->lens_position;
	if (frame->focus)
		snprintf(record.facts.focus, sizeof record.facts.focus, "%s", frame->focus);
	if (writer_submit(s->writer, supervisor_camera(s->supervisor), frame, &record) == 0)
		return;
	supervisor_release(s->supervisor, frame);
	if (!record.shot)
		service_miss(s, slot_us, slot_us, 1, MISS_BUSY,
			"the frame before it was still being stored");
}

static const char *service_camera_trouble(struct service *s)
{
	const struct supervisor_facts *facts = supervisor_facts(s->supervisor);

	return *facts->text ? facts->text : "no frame near the slot";
}

/* Gives a slot that gets no other frame its candidate, or its miss. */
static void service_close_slot(
	struct service *s, enum slots_verdict verdict, int64_t slot_us, const char *why)
{
	if (verdict == SLOTS_TAKE_CANDIDATE) {
		service_submit(s, &s->candidate, slot_us);
		s->holding = false;
		return;
	}
	service_drop_candidate(s);
	service_miss(s, slot_us, slot_us, 1, MISS_CAMERA, why);
}

/* A frame that no slot wants: while somebody aims it may be one to aim by. */
static void service_discard(struct service *s, struct frame *frame)
{
	const int64_t now_us = service_mono_us(s);

	if (now_us >= s->aim_until_us || now_us - s->aim_us < AIM_EVERY_US ||
		writer_aim(s->writer, supervisor_camera(s->supervisor), frame) < 0)
		supervisor_release(s->supervisor, frame);
	else
		s->aim_us = now_us;
}

static void service_match(struct service *s, struct frame *frame, int64_t exposed_us)
{
	int64_t duration_us = frame->duration_ns / NS_PER_US, slot_us;
	enum slots_verdict verdict;

	for (;;) {
		verdict = slots_offer(&s->slots, exposed_us, duration_us, &slot_us);
		if (verdict != SLOTS_TAKE_CANDIDATE && verdict != SLOTS_MISS)
			break;
		service_close_slot(s, verdict, slot_us, service_camera_trouble(s));
	}
	if (verdict == SLOTS_DROP) {
		service_discard(s, frame);
		return;
	}
	if (s->holding)
		service_discard(s, &s->candidate);
	s->holding = verdict == SLOTS_HOLD;
	if (s->holding)
		s->candidate = *frame;
	else
		service_submit(s, frame, slot_us);
}

int64_t service_open_interval_us(const struct service *s)
{
	const struct schedule_settings *schedule = &s->settings->schedule;
	int64_t after_us;

	if (schedule->n_at == 0)
		return schedule_every_us(schedule);
	after_us = schedule_next(schedule, s->slots.open_us + 1);
	return after_us == TIME_NONE ? 0 : after_us - s->slots.open_us;
}

/* Shows a frame to the phase lock and carries out its order. */
static void service_lock_phase(struct service *s, const struct frame *frame)
{
	struct camera *camera = supervisor_camera(s->supervisor);
	uint64_t starts = supervisor_facts(s->supervisor)->starts;
	struct phase_lock_order order;
	int64_t slot_ns;
	int r;

	if (!s->locks_phase || s->slots.open_us == TIME_NONE)
		return;
	if (s->locked_start != starts)
		phase_lock_start(&s->phase_lock);
	s->locked_start = starts;
	slot_ns = s->last_mono_ns + (s->slots.open_us - s->last_wall_us) * NS_PER_US;
	r = phase_lock_frame(
		&s->phase_lock, frame, slot_ns, service_open_interval_us(s) * NS_PER_US, &order);
	if (r > 0)
		r = camera->ops->set_frame_duration(camera, order.duration_ns, order.frames);
	if (r < 0) {
		log_notice("the camera's frames cannot be moved onto the slots; the nearest ones "
			   "are taken");
		s->locks_phase = false;
	}
}

/*
 * No frame begins after it has come: one that says so would close all slots until then. It is dated
 * by its arrival, as the record's exposure and lateness tell, and it does not steer.
 */
static bool service_date_frame(struct service *s, struct frame *frame)
{
	int64_t now_ns = clock_mono_ns(s->clock);

	if (frame->start_ns <= now_ns + FRAME_AHEAD_NS)
		return true;
	log_debug("a frame says that it begins %.3f s after it has come",
		(double)(frame->start_ns - now_ns) / NS_PER_SEC);
	frame->start_ns = now_ns;
	frame->exposure_us = NAN;
	return false;
}

void service_take_frames(struct service *s)
{
	struct frame frame;

	while (supervisor_take(s->supervisor, &frame) == 0) {
		bool dated = service_date_frame(s, &frame);
		int64_t exposed_us = clock_wall_of_mono(s->clock, frame.start_ns);

		if (dated)
			service_lock_phase(s, &frame);
		service_follow_light(s, &frame);
		if (frame.flags & FRAME_STARTUP) {
			supervisor_release(s->supervisor, &frame);
		} else if (s->shot_wanted && frame.start_ns >= s->shot_from_us * NS_PER_US) {
			s->shot_wanted = false;
			service_submit(s, &frame, TIME_NONE);
		} else {
			service_match(s, &frame, exposed_us);
		}
	}
}

/* The open slot, if its time is over: the held candidate, or a miss. */
static bool service_end_slot(struct service *s, int64_t now_us, int64_t latency_us, const char *why)
{
	int64_t slot_us;
	enum slots_verdict verdict = slots_expire(&s->slots, now_us, latency_us, &slot_us);

	if (verdict != SLOTS_HOLD)
		service_close_slot(s, verdict, slot_us, why);
	return verdict != SLOTS_HOLD;
}

void service_abandon_slots(struct service *s, const char *why)
{
	int64_t now_us = clock_wall_us(s->clock);

	while (s->slots.open_us != TIME_NONE && s->slots.open_us < now_us)
		service_end_slot(s, INT64_MAX, 0, why);
	service_drop_candidate(s);
}

void service_keep_slots(struct service *s)
{
	while (service_has_begun(s) && slots_keep(&s->slots, s->last_wall_us) == -ENOSPC)
		service_end_slot(s, INT64_MAX, 0, "the schedule was changed");
}

void service_plan_slots(struct service *s)
{
	if (service_has_begun(s))
		slots_plan(&s->slots, s->last_wall_us);
	s->tick_us = TIME_NONE;
	s->dirty = true;
}

int64_t service_latency_us(const struct service *s)
{
	return FRAME_LATENCY_US +
		3 * supervisor_facts(s->supervisor)->frame_duration_ns / NS_PER_US;
}

void service_expire_slots(struct service *s, int64_t now_us)
{
	while (service_end_slot(s, now_us, service_latency_us(s), service_camera_trouble(s)))
		continue;
}

static void service_take_frame_result(struct service *s, const struct writer_result *result)
{
	int64_t now_us = clock_wall_us(s->clock);

	s->trouble_us = 0;
	if (result->error < 0) {
		log_debug("cannot store the frame of slot %lld: %s",
			(long long)(result->record.slot_us / US_PER_SEC),
			store_error_text(result->error));
		if (!result->record.shot)
			stats_miss(&s->stats, store_miss_cause(result->error), 1, now_us);
		return;
	}
	stats_frame(&s->stats, &result->record, now_us);
	s->stats.encode_us = result->encode_us;
	s->stats.store_us = result->store_us;
	if (s->options->stored)
		s->options->stored(s->options->stored_data, &result->record);
}

static void service_tell_corrected(const struct writer_result *result)
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

void service_take_results(struct service *s)
{
	struct writer_result result;

	while (writer_take_result(s->writer, &result) == 0) {
		s->dirty = true;
		if (result.news == WRITER_FRAME)
			service_take_frame_result(s, &result);
		else if (result.news == WRITER_DOWN)
			stats_miss(&s->stats, MISS_DOWN, result.record.count, s->last_wall_us);
		else
			service_tell_corrected(&result);
	}
}

/* The slots in [from, to) passed while the service waited for the clock. */
static void service_miss_waiting(struct service *s, int64_t from_us, int64_t to_us)
{
	const struct schedule_settings *schedule = &s->settings->schedule;
	int64_t first_us = schedule_next(schedule, from_us);

	if (first_us == TIME_NONE || first_us >= to_us)
		return;
	s->slots.done_us = schedule_previous(schedule, to_us);
	service_miss(s, first_us, s->slots.done_us, schedule_count(schedule, first_us, to_us),
		MISS_CLOCK, "waiting for the clock to be synchronised");
}

/*
 * After boot only: a machine that never finds a time server must not wait at every restart. A
 * one-shot run has no slots.
 */
static bool service_must_wait(const struct service *s)
{
	return s->options->one_shot ||
		(!clock_synced(s->clock) &&
			clock_up_ns(s->clock) < s->settings->wait_for_clock_us * NS_PER_US);
}

/*
 * Notes the slots before `start_us` as far as the archive has no outcome of them, which the writer
 * finds out. Returns the last of them; TIME_NONE.
 */
static int64_t service_note_down(struct service *s, int64_t start_us)
{
	struct record down = record_new(RECORD_MISS);

	down.cause = MISS_DOWN;
	down.last_us = schedule_previous(&s->settings->schedule, start_us);
	if (down.last_us != TIME_NONE)
		writer_note(s->writer, &down);
	return down.last_us;
}

void service_begin_slots(struct service *s)
{
	const struct schedule_settings *schedule = &s->settings->schedule;
	int64_t now_us = s->last_wall_us, last_us = s->last_outcome_us;
	int64_t start_us = now_us - (s->last_mono_ns / NS_PER_US - s->started_mono_us);

	if (service_has_begun(s))
		return;
	if (service_must_wait(s)) {
		s->has_waited = true;
		return;
	}
	/* slots that passed while the program started are none that waited for the clock */
	if (!s->has_waited)
		start_us = now_us;
	s->dirty = true;
	s->slots_from_us = start_us;
	s->slots = slots_new(schedule, now_us);
	if (last_us != TIME_NONE && last_us - now_us > slots_small_step_us(schedule))
		last_us = TIME_NONE; /* the clock is far back: a new account begins */
	s->slots.done_us = service_note_down(s, start_us);
	if (last_us > s->slots.done_us)
		s->slots.done_us = last_us;
	/* it may be a little before the last outcome: no slot is taken twice */
	if (last_us != TIME_NONE && last_us >= now_us)
		s->slots.open_us = schedule_next(schedule, last_us + 1);
	else
		service_miss_waiting(s, last_us < start_us ? start_us : last_us + 1, now_us);
}

/* The wall clock was set: journals the step with both sides, and plans the slots again. */
static void service_clock_stepped(struct service *s, int64_t before_us, int64_t after_us)
{
	struct record note = record_new(RECORD_CLOCK);
	int64_t first_us = 0, last_us = 0;
	uint64_t skipped = 0;
	bool back = after_us < before_us;

	note.before_us = before_us;
	note.after_us = after_us;
	log_notice("the clock was changed by %+.3f s", (double)(after_us - before_us) / US_PER_SEC);
	service_drop_candidate(s);
	s->tick_us = TIME_NONE;
	s->dirty = true;
	if (service_has_begun(s))
		slots_step(&s->slots, before_us, after_us, &skipped, &first_us, &last_us);
	/* each miss is written on the side of the clock line where its slot is */
	if (skipped && back)
		service_miss(s, first_us, last_us, skipped, MISS_CLOCK,
			"the clock was set back before its frame was stored");
	writer_note(s->writer, &note);
	if (skipped && !back)
		service_miss(s, first_us, last_us, skipped, MISS_CLOCK,
			"the clock was set forward past it");
}

void service_check_clock(struct service *s)
{
	int64_t mono_ns = clock_mono_ns(s->clock);
	int64_t wall_us = clock_wall_of_mono(s->clock, mono_ns);
	int64_t passed_us = (mono_ns - s->last_mono_ns) / NS_PER_US;
	int64_t expected_us = s->last_wall_us + passed_us;

	s->last_mono_ns = mono_ns;
	s->last_wall_us = wall_us;
	/* slewing moves a clock by 500 ppm at most; more than that is a step */
	if (llabs(wall_us - expected_us) > STEP_MIN_US + passed_us / 1000)
		service_clock_stepped(s, expected_us, wall_us);
}

/* Journals the change like a clock step: after the outcomes of slots by the old zone. */
static void service_zone_changed(struct service *s)
{
	struct record note = record_new(RECORD_ZONE);
	char name[ZONE_NAME_MAX];
	int r;

	note.at_us = s->last_wall_us;
	note.from_s = utc_local_offset_s(note.at_us);
	service_keep_slots(s);
	r = zone_read_again(&s->zone, note.at_us);
	service_plan_slots(s);
	if (r < 0)
		return;
	note.to_s = utc_local_offset_s(note.at_us);
	snprintf(note.text, sizeof note.text, "%s", zone_name(name));
	log_notice("the time zone or its rules changed: %s, %+lld min from UTC, before %+lld min",
		note.text, (long long)note.to_s / 60, (long long)note.from_s / 60);
	writer_note(s->writer, &note);
}

void service_check_zone(struct service *s)
{
	int64_t now_us = service_mono_us(s), every_us = s->options->zone_look_us;

	if (now_us - s->zone_looked_us < (every_us ? every_us : ZONE_LOOK_US))
		return;
	s->zone_looked_us = now_us;
	if (zone_has_changed(&s->zone))
		service_zone_changed(s);
}
