/* SPDX-License-Identifier: MIT */
/*
 * What the files of the service share: service.c (the loop and the store), service_slots.c (frames,
 * slots, the clock), service_exposure.c and service_status.c (what it tells others).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "capture/exposure/exposure.h"
#include "capture/schedule/slots.h"
#include "capture/service/service.h"
#include "capture/store/writer.h"
#include "capture/stream/phase_lock.h"
#include "capture/stream/supervisor.h"
#include "common/base/spread.h"
#include "common/base/trouble.h"
#include "common/base/zone.h"
#include "common/journal/mark.h"

/* What happened to the slots. "Today" is the local calendar day. */
struct stats {
	int64_t started_us; /* wall time */
	uint64_t frames, shots; /* since the start */
	uint64_t missed[MISS_CAUSES];
	int day; /* days since the epoch, local */
	uint64_t today_frames, today_missed[MISS_CAUSES];
	struct spread late; /* frames against their slots, since the start */
	struct spread wake; /* the slot timer */
	struct record last; /* the newest stored frame; seq 0: none yet */
	struct mark_run marks; /* useless pictures in a row, up to it */
	int64_t encode_us, store_us; /* what the last frame took */
};

struct service {
	const struct service_options *options;
	struct capture_settings *settings;
	const struct clock *clock;
	struct camera_options camera_options;
	struct control_arrays control_arrays;
	char boot[UUID_CHARS + 1];

	sd_event *event;
	sd_event_source *timer_source, *wake_source, *camera_source;
	int timer_fd;

	struct supervisor *supervisor;
	struct writer *writer;
	struct slots slots;
	struct frame candidate;
	bool holding;
	struct stats stats;

	struct store_facts store; /* at the last look */
	struct trouble store_trouble;
	uint64_t store_missed; /* slots missed by the disk, when its trouble began */

	struct phase_lock phase_lock;
	bool locks_phase; /* phase lock is on and the camera answers to it */
	uint64_t locked_start; /* the stream's start that `phase_lock` knows of */

	struct exposure exposure;
	enum exposure_stage exposure_told; /* the furthest since the camera's own control had it */
	int64_t exposure_read_ns; /* start of the last frame that the policy was shown */
	struct record newest; /* of the archive at the start; seq 0: none */

	int64_t started_mono_us;
	int64_t last_outcome_us; /* last slot in the journal at the start; TIME_NONE: not known */
	int64_t slots_from_us; /* wall: each slot from then on is ours; TIME_NONE: not begun */
	bool has_waited; /* for the clock */
	bool clock_known; /* at the last look */
	int64_t tick_us; /* the slot that the timer is armed for */
	struct zone zone; /* of local times */
	int64_t zone_looked_us; /* monotonic */
	int64_t last_wall_us, last_mono_ns; /* a pair of readings: a clock step shows against it */
	int64_t trouble_us; /* monotonic: first slot missed since the last result, 0: none */

	int64_t published_us; /* monotonic: when the status was */
	bool dirty; /* the status has changed since */
	struct schedule_due due; /* as it was published */
	int64_t settings_us; /* status_settings_us() of the settings in effect */
	bool ready; /* READY=1 was sent */

	int64_t aim_until_us, aim_us; /* monotonic: somebody aims until then; the last picture */
	bool shot_wanted;
	int64_t shot_from_us; /* monotonic */
	bool ending;
	int64_t end_by_us; /* monotonic; INT64_MAX: no end in sight */
	int result;
};

/* ---- service_slots.c ---- */

/* Takes the frames that wait, each for its slot, and accounts for slots that are lost. */
void service_take_frames(struct service *s);
void service_expire_slots(struct service *s, int64_t now_us);
void service_take_results(struct service *s);
/* Gives up the held candidate, if there is one. */
void service_drop_candidate(struct service *s);
/* The open slot is in the past and will get no frame: a miss with this reason. */
void service_abandon_slots(struct service *s, const char *why);

/*
 * The schedule changes between these calls: slots that have come by now are kept, and the next one
 * is planned from now on. Neither does anything before the slots have begun.
 */
void service_keep_slots(struct service *s);
void service_plan_slots(struct service *s);

/*
 * Begins the slots as soon as the clock is known (setting wait_for_clock); then nothing more. Those
 * between the last outcome in the archive and the start are noted as `down`: nobody was there to
 * take them; those since the start as `clock`.
 */
void service_begin_slots(struct service *s);
/*
 * To be called before anything is decided by the wall clock. Where it was set since the last call,
 * the step is journalled with both sides and the slots are planned again.
 */
void service_check_clock(struct service *s);
/* The same for the machine's time zone, which is looked at now and then. */
void service_check_zone(struct service *s);

/* How long a frame may take from its exposure to us. */
int64_t service_latency_us(const struct service *s);

static inline int64_t service_mono_us(const struct service *s)
{
	return clock_mono_ns(s->clock) / NS_PER_US;
}

/* Not before the clock is known, and never in a one-shot run. */
static inline bool service_has_begun(const struct service *s)
{
	return s->slots_from_us != TIME_NONE;
}

/* From the open slot to the next one; 0: there is none. */
int64_t service_open_interval_us(const struct service *s);

/* ---- service_exposure.c ---- */

/* The limits by the settings and the camera; and, of a camera newly opened, as it was before. */
void service_set_exposure(struct service *s);
void service_resume_exposure(struct service *s);
/* Shows a frame to the policy, and carries out its order. */
void service_follow_light(struct service *s, const struct frame *frame);

/* ---- service_status.c ---- */

void stats_frame(struct stats *stats, const struct record *frame, int64_t now_us);
void stats_miss(struct stats *stats, enum miss_cause cause, uint64_t count, int64_t now_us);

/* Writes the status file and STATUS= where something has changed, at most once a second. */
void service_publish_status(struct service *s, int64_t now_us);
/* Monotonic time of the next change in them that comes without an event. */
int64_t service_status_due_us(const struct service *s, int64_t ahead_us, int64_t now_us);
