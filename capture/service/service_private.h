/* SPDX-License-Identifier: MIT */
/* What service.c (the loop) and service_slots.c (frames, slots, the clock) share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "capture/schedule/slots.h"
#include "capture/service/service.h"
#include "capture/service/standby.h"
#include "capture/service/stats.h"
#include "capture/store/writer.h"
#include "capture/stream/phase_lock.h"
#include "capture/stream/supervisor.h"
#include "common/base/trouble.h"
#include "common/base/zone.h"

struct service {
	const struct service_options *options;
	struct capture_settings *settings;
	const struct clock *clock;
	struct camera_options camera_options;
	struct control_arrays control_arrays;
	char boot[UUID_CHARS + 1];

	struct archive *archive; /* until the writer has it */
	char store_path[PATH_MAX]; /* of the archive, for the life of the process */
	struct store_facts store; /* at the last look */
	struct trouble store_trouble;
	uint64_t store_missed; /* slots missed by the disk, when its trouble began */

	sd_event *event;
	sd_event_source *timer_source, *wake_source, *camera_source;
	int timer_fd;

	struct supervisor *supervisor;
	struct writer *writer;
	struct slots slots;
	struct frame candidate;
	bool holding;
	struct stats stats;

	struct phase_lock phase_lock;
	bool locks_phase; /* phase lock is on and the camera answers to it */
	uint64_t locked_start; /* the stream's start that `phase_lock` knows of */

	int64_t started_mono_us, last_outcome_us; /* last slot in the journal at the start */
	int64_t slots_from_us; /* wall: from then on each slot has its outcome from us; TIME_NONE */
	bool clock_known; /* at the last look */
	bool waiting_clock; /* no slot begins before the time is known */
	int64_t tick_us; /* the slot the timer is armed for */
	struct zone zone; /* that local times are by */
	int64_t zone_looked_us; /* monotonic */
	int64_t last_wall_us, last_mono_ns; /* a pair of readings, to measure a clock step with */
	int64_t trouble_us; /* monotonic: first slot missed since the last result, 0: none */
	int64_t published_us; /* monotonic: status file */
	bool dirty; /* the status has changed since */
	struct schedule_due due; /* as it was published */
	int64_t settings_us; /* status_settings_us() of the settings in effect */
	bool ready; /* READY=1 was sent */
	bool shot_wanted;
	int64_t shot_from_us;
	bool ending;
	int64_t end_by_us; /* wall */
	int result;
};

/* Takes the frames that wait, each for its slot, and accounts for slots that are lost. */
void service_take_frames(struct service *s);
void service_expire_slots(struct service *s, int64_t now_us);
void service_take_results(struct service *s);
/* Gives up the held candidate, if there is one. */
void service_drop_candidate(struct service *s);
/* The open slot is in the past and will get no frame: a miss with this reason. */
void service_abandon_slots(struct service *s, const char *why);

/*
 * The schedule changes in between: the slots that have come by now are kept, the next one is
 * planned from now on. Nothing to do where slots have not begun.
 */
void service_keep_slots(struct service *s);
void service_plan_slots(struct service *s);

/* At the start: slots begin at once, or when the clock is known (setting wait_for_clock). */
void service_begin(struct service *s);
/* Whether the slots still wait for the clock. */
bool service_clock_awaited(const struct service *s);
/*
 * The slots begin now. Those between the last outcome in the journal and the start are noted as
 * `down`: nobody was there to take them; those since the start as `clock`.
 */
void service_begin_slots(struct service *s);
/* No slots: one frame as soon as the camera has warmed up. */
void service_begin_shot(struct service *s);
/*
 * To be called before anything is decided by the wall clock. Where it was set since the last call,
 * the step is journalled with both sides and the slots are planned again.
 */
void service_check_clock(struct service *s);

/* The same for the machine's time zone, which is looked at now and then. */
void service_check_zone(struct service *s);

/* Frames from before the clock was known get their time once it is (the writer does it). */
void service_correct(struct service *s);
void service_tell_corrected(const struct writer_result *result);

/* The archive at the start: makes the writer, which has it from then on. */
int service_begin_store(struct service *s);
/* An archive that came late is open: accounts for the slots before the start. */
void service_account(struct service *s, int64_t last_outcome_us);
/* Looks how storing goes, and tells people of a change. */
void service_watch_store(struct service *s);
void service_set_store(struct service *s);

/* How long a frame may take from its exposure to us. */
int64_t service_latency_us(const struct service *s);

static inline int64_t service_mono_us(const struct service *s)
{
	return clock_mono_ns(s->clock) / NS_PER_US;
}
