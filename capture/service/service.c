/* SPDX-License-Identifier: MIT */
/*
 * The service's loop. Every event (a frame, a result of the writer, the slot timer, a clock step, a
 * signal) ends in service_advance(), which looks at the whole state and arms the next event. So no
 * event can be lost between two states.
 */
#include "capture/service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "capture/service/service_private.h"
#include "capture/service/standby.h"
#include "capture/service/status.h"
#include "common/base/log.h"
#include "common/base/utc.h"

#define END_GRACE_US (5 * US_PER_SEC) /* so long does SIGTERM wait for the slot in hand */
#define AIM_US (3 * US_PER_SEC) /* so long is somebody who asked for a picture to aim by there */
#define CLOCK_CHECK_US (30 * US_PER_SEC) /* a step shows by its size in that time */
#define SHOT_US (30 * US_PER_SEC) /* a one-shot run gives up after it, */
#define SHOT_FAILING_US (16 * US_PER_SEC) /* or after this where the camera fails ... */
#define SHOT_CALL_SECONDS 16 /* ... or does not return from a call */
#define TROUBLE_LIMIT_US (180 * US_PER_SEC) /* slots missed, no frame: stop feeding the watchdog */

static void service_advance(struct service *s);

/* ---- what comes next ---- */

/* The time that the phase lock needs to move a frame onto a slot. */
static int64_t service_least_lead_us(const struct service *s)
{
	int64_t duration_ns = supervisor_facts(s->supervisor)->frame_duration_ns;

	return s->locks_phase && duration_ns > 0
		? phase_lock_lead_ns(&s->phase_lock, duration_ns) / NS_PER_US
		: 0;
}

/* Of a slot that comes in `until_us`. */
static int64_t service_rest_us(const struct service *s, int64_t until_us)
{
	return settling_rest_us(
		&supervisor_facts(s->supervisor)->settling, service_mono_us(s) + until_us);
}

static int64_t service_lead_us(const struct service *s, int64_t until_us)
{
	return standby_lead_us(s->settings, &supervisor_facts(s->supervisor)->settling,
		service_rest_us(s, until_us), service_least_lead_us(s));
}

static bool service_wants_stream(const struct service *s, int64_t now_us)
{
	int64_t slot = s->slots.open_us, until_us = slot == TIME_NONE ? INT64_MAX : slot - now_us;

	return s->shot_wanted || service_mono_us(s) < s->aim_until_us ||
		standby_wanted(s->settings, &supervisor_facts(s->supervisor)->settling, until_us,
			slot == TIME_NONE ? 0 : service_rest_us(s, until_us),
			service_least_lead_us(s));
}

static int on_camera(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct service *s = data;

	(void)source, (void)fd, (void)events;
	service_check_clock(s);
	service_take_frames(s);
	service_advance(s);
	return 0;
}

/* Watches a newly opened camera; service_drain() has let go of the former one. */
static void service_watch_camera(struct service *s)
{
	struct camera *camera = supervisor_camera(s->supervisor);

	if (!camera || s->camera_source)
		return;
	sd_event_add_io(s->event, &s->camera_source, camera->fd, EPOLLIN, on_camera, s);
	s->phase_lock = phase_lock_new(&camera->info);
	s->locks_phase = s->settings->camera.phase_lock && camera->info.can_steer;
	service_set_exposure(s);
	service_resume_exposure(s);
}

/* Releases every frame of a camera before the supervisor closes it. */
static void service_drain(void *data)
{
	struct service *s = data;

	service_drop_candidate(s);
	writer_drain(s->writer);
	s->camera_source = sd_event_source_disable_unref(s->camera_source);
}

static void service_arm_tick(struct service *s, int64_t now_us)
{
	int64_t tick = schedule_next(&s->settings->schedule, now_us + 1);
	struct itimerspec when = { 0 };

	if (tick == s->tick_us)
		return;
	s->tick_us = tick;
	if (tick != TIME_NONE) {
		when.it_value.tv_sec = tick / US_PER_SEC;
		when.it_value.tv_nsec = tick % US_PER_SEC * 1000;
	}
	timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL);
}

static void service_wake_by(int64_t *wake, int64_t at_us)
{
	if (at_us < *wake)
		*wake = at_us;
}

/* Monotonic time of the next thing to do that has no event of its own. */
static int64_t service_wake_us(struct service *s, int64_t camera_ns, int64_t now_us)
{
	int64_t now = service_mono_us(s), wake = now + CLOCK_CHECK_US;
	int64_t ahead_us = now - now_us; /* of the wall clock */
	int64_t slot_us = s->slots.open_us;

	if (s->options->zone_look_us)
		service_wake_by(&wake, now + s->options->zone_look_us);
	service_wake_by(&wake, camera_ns == INT64_MAX ? INT64_MAX : camera_ns / NS_PER_US);
	if (slot_us != TIME_NONE) {
		int64_t start_us = slot_us - service_lead_us(s, slot_us - now_us);

		service_wake_by(&wake, ahead_us + slots_deadline(&s->slots, service_latency_us(s)));
		if (start_us > now_us)
			service_wake_by(&wake, ahead_us + start_us);
	}
	if (!service_has_begun(s) || supervisor_facts(s->supervisor)->state == CAMERA_STREAMING)
		service_wake_by(&wake, now + US_PER_SEC);
	service_wake_by(&wake, service_status_due_us(s, ahead_us, now_us));
	service_wake_by(&wake, s->end_by_us);
	return wake > now ? wake : now;
}

/* A shot that a camera fails again and again is not waited for as long as a slow one. */
static bool service_shot_is_over(const struct service *s)
{
	return s->stats.shots ||
		(supervisor_facts(s->supervisor)->failures > 0 &&
			service_mono_us(s) - s->started_mono_us >= SHOT_FAILING_US);
}

/* Once asked to end, it waits for the slot that was in hand then, but not for long. */
static bool service_is_done(const struct service *s, int64_t now_us)
{
	int64_t left_us = s->end_by_us - service_mono_us(s);

	if (s->options->frames_max && s->stats.frames >= s->options->frames_max)
		return true;
	if (left_us <= 0 || (s->options->one_shot && service_shot_is_over(s)))
		return true;
	return s->ending &&
		(s->slots.open_us == TIME_NONE ||
			s->slots.open_us > now_us + left_us - END_GRACE_US);
}

static int service_begin_camera(struct service *s)
{
	struct supervisor_options options = {
		.source = s->settings->camera.source,
		.camera = &s->camera_options,
		.clock = s->clock,
		.call_seconds = s->options->one_shot ? SHOT_CALL_SECONDS : s->options->call_seconds,
		.may_exit = getenv("NOTIFY_SOCKET") != NULL,
		.drain = service_drain,
		.drain_data = s,
	};

	s->camera_options = capture_camera_options(s->settings, &s->control_arrays);
	return supervisor_new(&options, &s->supervisor);
}

/* ---- the store ---- */

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
		log_notice("%s: storing works again; %llu slots were missed in %s",
			s->settings->archive.path, missed,
			duration_format(now_us - since_us, lasted));
}

/* Looks how storing goes. People are told once when it stops, and once when it works again. */
static void service_watch_store(struct service *s)
{
	struct store_facts before = s->store;

	s->store = writer_store_facts(s->writer);
	if (s->store.open != before.open)
		s->published_us = 0; /* whoever asks now is to know */
	s->dirty |= s->store.open != before.open || s->store.error != before.error;
	service_tell_trouble(s);
}

/* Frames from before the clock was known get their true time once it is: the writer does it. */
static void service_correct(struct service *s)
{
	bool synced = clock_synced(s->clock);

	if (synced && !s->clock_known && !s->options->one_shot)
		writer_correct(s->writer, s->boot, clock_wall_of_up(s->clock, 0));
	s->clock_known = synced;
}

/* ---- the loop ---- */

static void service_advance(struct service *s)
{
	int64_t now_us, camera_ns;

	service_check_clock(s);
	service_check_zone(s);
	now_us = s->last_wall_us;
	service_begin_slots(s);
	service_watch_store(s);
	service_correct(s);
	service_expire_slots(s, now_us);
	if (!service_wants_stream(s, now_us))
		service_drop_candidate(s);
	supervisor_want(s->supervisor, service_wants_stream(s, now_us));
	camera_ns = supervisor_step(s->supervisor);
	if (camera_ns == -ESHUTDOWN || service_is_done(s, now_us)) {
		s->result = camera_ns == -ESHUTDOWN ? -ESHUTDOWN : 0;
		sd_event_exit(s->event, 0);
		return;
	}
	service_watch_camera(s);
	if (!s->ready)
		sd_notify(0, "READY=1");
	s->dirty |= !s->ready || supervisor_facts(s->supervisor)->failures > 0;
	s->ready = true;
	service_publish_status(s, now_us);
	service_arm_tick(s, now_us);
	sd_event_source_set_time(s->wake_source, (uint64_t)service_wake_us(s, camera_ns, now_us));
	sd_event_source_set_enabled(s->wake_source, SD_EVENT_ONESHOT);
}

/* ---- events ---- */

static int on_wake(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	service_advance(data);
	return 0;
}

static int on_writer(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct service *s = data;

	(void)source, (void)fd, (void)events;
	service_take_results(s);
	service_advance(s);
	return 0;
}

static int on_tick(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct service *s = data;
	uint64_t expirations;
	ssize_t n = read(fd, &expirations, sizeof expirations);

	(void)source, (void)events;
	if (n < 0) /* ECANCELED: the clock was set, so arm the timer again */
		s->tick_us = TIME_NONE;
	else if (s->tick_us != TIME_NONE)
		spread_add(&s->stats.wake, clock_wall_us(s->clock) - s->tick_us);
	service_advance(s);
	return 0;
}

/*
 * Stops feeding the watchdog when slots are missed and no frame has passed the writer for three
 * minutes and three intervals: the recovery ladder had its time. A disk that refuses frames is no
 * reason, since a new process would not find it any better.
 */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *data)
{
	struct service *s = data;
	uint64_t interval;

	if (!s->trouble_us ||
		service_mono_us(s) - s->trouble_us <
			TROUBLE_LIMIT_US + 3 * schedule_interval_us(&s->settings->schedule))
		sd_notify(0, "WATCHDOG=1");
	if (sd_watchdog_enabled(0, &interval) > 0) {
		sd_event_source_set_time(source, usec + interval / 2);
		/* a source is off once it has fired */
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	return 0;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct service *s = data;

	(void)source, (void)info;
	if (s->ending) { /* asked twice: at once */
		sd_event_exit(s->event, 0);
		return 0;
	}
	sd_notify(0, "STOPPING=1");
	s->ending = true;
	s->end_by_us = service_mono_us(s) + END_GRACE_US;
	service_advance(s);
	return 0;
}

static int64_t service_settings_us(const struct service *s)
{
	return s->options->settings_path ? status_settings_us(s->options->settings_path) : 0;
}

static struct writer_pictures service_pictures(const struct service *s)
{
	return (struct writer_pictures){
		.quality = (int)s->settings->camera.quality,
		.gps = s->settings->exif_gps,
		.latitude = s->settings->schedule.latitude,
		.longitude = s->settings->schedule.longitude,
		.mask = s->settings->mask,
	};
}

/* Once: each slot then has its miss. */
static void service_tell_mask(const struct service *s)
{
	if (s->settings->mask.broken)
		log_error("the privacy mask is not known, as the settings have mistakes: no "
			  "picture is stored until they are right; see capturepi check");
}

/*
 * Reads the settings again. The new schedule holds from now on; slots that have come keep their
 * frames. If the camera changes, frames on their way are lost, and their slots are missed.
 */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	static const char *const of_camera[] = { "camera", "control", "test", NULL };
	struct service *s = data;
	CLEANUP_FREE struct capture_settings *new = calloc(1, sizeof *new);
	int64_t changed_us = service_settings_us(s);
	bool camera;

	(void)source, (void)info;
	service_check_clock(s);
	if (!new || !s->options->reload || s->options->reload(s->options->reload_data, new) < 0)
		return 0;
	if (strcmp(new->archive.path, s->settings->archive.path) != 0)
		log_warning("the new archive.path takes effect when the service is restarted");
	memcpy(new->archive.path, s->settings->archive.path, sizeof new->archive.path);
	camera = !conf_sections_equal(&capture_settings_table, new, s->settings, of_camera);
	if (camera) {
		service_abandon_slots(s, "the settings were read again");
		supervisor_free(s->supervisor);
		s->supervisor = NULL;
	}
	service_keep_slots(s);
	*s->settings = *new;
	s->settings_us = changed_us;
	service_tell_mask(s);
	writer_set(s->writer, &s->settings->archive, service_pictures(s));
	service_plan_slots(s);
	if (s->camera_source)
		service_set_exposure(s);
	log_notice("settings read again%s", camera ? "; the camera is opened again" : "");
	if (camera && service_begin_camera(s) < 0)
		return sd_event_exit(s->event, -ENOMEM);
	service_advance(s);
	return 0;
}

static int on_shot(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct service *s = data;

	(void)source, (void)info;
	s->shot_wanted = true;
	s->shot_from_us = service_mono_us(s);
	service_advance(s);
	return 0;
}

/* Somebody who aims opened the door. */
static int on_asked(sd_event_source *source, const struct inotify_event *event, void *data)
{
	struct service *s = data;

	(void)source, (void)event;
	s->aim_until_us = service_mono_us(s) + AIM_US;
	service_advance(s);
	return 0;
}

/* Without it nobody can aim, and all else goes on. */
static void service_open_door(struct service *s)
{
	char door[PATH_MAX];
	int r = status_door(s->settings->archive.path, door);

	if (r == 0)
		r = sd_event_add_inotify(s->event, NULL, door, IN_OPEN, on_asked, s); /* ours */
	if (r < 0)
		log_notice("nobody can aim: %s", strerror(-r));
}

/* On the writer's thread; the path stays as it is. */
static void service_aimed(void *data, const uint8_t *bytes, size_t n)
{
	const struct service *s = data;

	status_publish_aim(s->settings->archive.path, bytes, n);
}

/* Blocks the signals, before libcamera starts its threads. */
static int service_begin_events(struct service *s)
{
	static const struct {
		int number;
		sd_event_signal_handler_t handler;
	} signals[] = { { SIGTERM, on_end }, { SIGINT, on_end }, { SIGHUP, on_reload },
		{ SIGUSR1, on_shot } };
	uint64_t interval;
	int r = sd_event_new(&s->event);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_event_add_signal(s->event, NULL,
			signals[i].number | SD_EVENT_SIGNAL_PROCMASK, signals[i].handler, s);
	s->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r >= 0 && s->timer_fd < 0)
		r = -errno;
	if (r >= 0)
		r = sd_event_add_io(s->event, &s->timer_source, s->timer_fd, EPOLLIN, on_tick, s);
	if (r >= 0)
		r = sd_event_add_time(
			s->event, &s->wake_source, CLOCK_MONOTONIC, 0, 1000, on_wake, s);
	if (r >= 0 && sd_watchdog_enabled(0, &interval) > 0)
		r = sd_event_add_time_relative(
			s->event, NULL, CLOCK_MONOTONIC, interval / 2, 0, on_watchdog, s);
	return r;
}

static int service_begin_writer(struct service *s)
{
	const struct service_options *options = s->options;
	const struct writer_options writer = {
		.store = { .settings = s->settings->archive,
			.archive = options->archive,
			.error = options->archive_error },
		.schedule = s->settings->schedule,
		.pictures = service_pictures(s),
		.aimed = service_aimed,
		.aimed_data = s,
	};

	if (options->archive) {
		s->last_outcome_us = store_last_outcome(options->archive);
		archive_newest(options->archive, &s->newest);
	}
	return writer_new(&writer, &s->writer);
}

static int service_start(struct service *s)
{
	int r = service_begin_writer(s);

	if (r >= 0)
		r = service_begin_events(s);
	if (r >= 0)
		r = clock_boot_id(s->boot);
	if (r >= 0)
		r = sd_event_add_io(s->event, NULL, writer_fd(s->writer), EPOLLIN, on_writer, s);
	if (r >= 0)
		r = service_begin_camera(s);
	if (r >= 0 && !s->options->one_shot)
		service_open_door(s);
	if (r < 0 || !s->options->one_shot)
		return r;
	s->shot_wanted = true;
	s->shot_from_us = s->started_mono_us + s->settings->camera.warmup_us;
	s->end_by_us = s->shot_from_us + SHOT_US;
	return 0;
}

static void service_end(struct service *s)
{
	supervisor_free(s->supervisor); /* drains the writer's frames, then closes the camera */
	if (s->writer) {
		writer_stop(s->writer);
		service_take_results(s); /* frames of the last batch */
	}
	writer_free(s->writer);
	status_withdraw(s->settings->archive.path);
	sd_event_source_disable_unref(s->camera_source);
	sd_event_source_disable_unref(s->timer_source);
	sd_event_source_disable_unref(s->wake_source);
	sd_event_unref(s->event);
	fd_closep(&s->timer_fd);
}

int service_run(const struct service_options *options, struct record *ret_last)
{
	const int64_t mono_ns = clock_mono_ns(options->clock);
	struct service s = {
		.options = options,
		.settings = options->settings,
		.clock = options->clock,
		.timer_fd = -1,
		.tick_us = TIME_NONE,
		.started_mono_us = mono_ns / NS_PER_US,
		.last_mono_ns = mono_ns,
		.last_wall_us = clock_wall_of_mono(options->clock, mono_ns),
		.slots_from_us = TIME_NONE,
		.last_outcome_us = TIME_NONE,
		.end_by_us = INT64_MAX,
		.due = { TIME_NONE, TIME_NONE, TIME_NONE },
		.store.error = options->archive_error,
	};
	int r;

	s.stats.started_us = s.last_wall_us;
	s.slots = slots_new(&s.settings->schedule, s.last_wall_us);
	s.slots.open_us = TIME_NONE;
	zone_begin(&s.zone);
	s.settings_us = service_settings_us(&s);
	service_tell_mask(&s);
	r = service_start(&s);
	if (r >= 0) {
		service_advance(&s);
		r = sd_event_loop(s.event);
	}
	if (r >= 0)
		r = s.result;
	service_end(&s);
	if (r == 0 && options->one_shot && !s.stats.shots)
		r = -ETIMEDOUT;
	*ret_last = s.stats.last;
	return r;
}
