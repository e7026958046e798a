/* SPDX-License-Identifier: MIT */
/* The life of a camera: open, stream, fail, recover, with back-off and a ladder. */
#include "capture/stream/supervisor.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/trouble.h"

#define REOPEN_AFTER 2 /* failures in a row that a restart of the stream is tried for */
#define EXIT_AFTER 30 /* by then the back-off has lasted more than two minutes */

struct supervisor {
	struct supervisor_options options;
	struct supervisor_facts facts;
	struct camera *camera;
	timer_t call_timer; /* runs while a camera call does */
	const char *call; /* the last of them, */
	int call_seconds; /* and how long it may take */
	int stop_seconds; /* a stop may take that long */
	bool wanted;
	bool broken; /* the stream has to be stopped before anything else */
	bool gone; /* the camera has to be closed before anything else */
	unsigned passed_over; /* cameras that gave no frame, where any would do */
	unsigned passed_over_at; /* failures, when that was last added to */
	bool ever_seen; /* a frame of the camera at hand, or of one before it */
	int64_t not_before_ns; /* back-off */
	int64_t alive_ns; /* start of the stream or last frame: silence counts from here */
	int64_t started_ns;
	bool seen; /* a frame since the stream started */
	double exposure_us;
	int64_t expected_ns; /* supervisor_expect() */
	struct trouble trouble; /* as the log has it */
	unsigned failures; /* since the last line that told of its end */
};

static const int64_t backoff_s[] = { 0, 1, 2, 5 };

/*
 * The process ends here, so what a signal handler may not do elsewhere (a line of the log) is done:
 * it takes no lock and no memory.
 */
static void on_call_hangs(int number, siginfo_t *info, void *context)
{
	const struct supervisor *s = info->si_value.sival_ptr;

	(void)number, (void)context;
	log_error("camera: %s did not return in %d s; aborting, so that a new process is started",
		s->call, s->call_seconds);
	abort();
}

static void call_begins(struct supervisor *s, const char *call, int seconds)
{
	const struct itimerspec when = { .it_value.tv_sec = seconds };

	s->call = call;
	s->call_seconds = seconds;
	timer_settime(s->call_timer, 0, &when, NULL);
}

static void call_ends(struct supervisor *s)
{
	const struct itimerspec off = { 0 };

	timer_settime(s->call_timer, 0, &off, NULL);
}

int supervisor_new(const struct supervisor_options *options, struct supervisor **ret)
{
	CLEANUP_FREE struct supervisor *s = calloc(1, sizeof *s);
	const struct sigaction action = { .sa_sigaction = on_call_hangs, .sa_flags = SA_SIGINFO };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->facts.settling = settling_new();
	s->facts.buffers = CAMERA_BUFFERS;
	if (!s->options.open)
		s->options.open = camera_open;
	if (s->options.call_seconds <= 0)
		s->options.call_seconds = CAMERA_CALL_SECONDS;
	s->stop_seconds = s->options.call_seconds < CAMERA_STOP_SECONDS ? s->options.call_seconds
									: CAMERA_STOP_SECONDS;
	event.sigev_value.sival_ptr = s;
	if (sigaction(SIGALRM, &action, NULL) < 0 ||
		timer_create(CLOCK_MONOTONIC, &event, &s->call_timer) < 0)
		return -errno;
	*ret = TAKE_PTR(s);
	return 0;
}

static int64_t mono_us(const struct supervisor *s)
{
	return clock_mono_ns(s->options.clock) / NS_PER_US;
}

/* All is well: the ladder starts from its bottom again. */
static void ladder_reset(struct supervisor *s)
{
	if (trouble_look(&s->trouble, false, mono_us(s)) == TROUBLE_ENDS) {
		log_notice("camera: frames again after %u failures", s->failures);
		s->failures = 0;
	}
	s->facts.failures = 0;
	s->facts.text[0] = 0;
}

static void stop_stream(struct supervisor *s)
{
	if (s->facts.state != CAMERA_STREAMING)
		return;
	if (s->seen && !s->broken && !s->gone)
		ladder_reset(s);
	call_begins(s, "stop", s->stop_seconds);
	s->camera->ops->stop(s->camera);
	call_ends(s);
	settling_stop(&s->facts.settling, mono_us(s));
	s->facts.state = CAMERA_IDLE;
}

static void close_camera(struct supervisor *s)
{
	if (!s->camera)
		return;
	stop_stream(s);
	if (s->options.drain)
		s->options.drain(s->options.drain_data);
	call_begins(s, "close", s->options.call_seconds);
	camera_close(s->camera);
	call_ends(s);
	s->camera = NULL;
	s->facts.state = CAMERA_CLOSED;
}

void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	close_camera(s);
	timer_delete(s->call_timer);
	free(s);
}

/* One failure more; the next try waits for the back-off. Says so in the log, not on every try. */
static void count_failure(struct supervisor *s, const char *what, const char *why)
{
	unsigned n = s->facts.failures++;
	unsigned step = n < ARRAY_SIZE(backoff_s) ? n : ARRAY_SIZE(backoff_s) - 1;

	snprintf(s->facts.text, sizeof s->facts.text, "%s: %s", what, why);
	s->not_before_ns = clock_mono_ns(s->options.clock) + backoff_s[step] * NS_PER_SEC;
	s->failures++;
	if (trouble_look(&s->trouble, true, mono_us(s)) != TROUBLE_NONE)
		log_warning("camera: %s: %s; failure %u, tried again in %lld s", what, why,
			s->failures, (long long)backoff_s[step]);
}

/*
 * Opening and starting both take memory, and a Pi may have too little for all buffers: fewer will
 * do. Returns whether another try is worth it, which is due at once and no failure.
 */
static bool needs_less_memory(struct supervisor *s, int r)
{
	if (r != -ENOMEM || s->facts.buffers <= CAMERA_BUFFERS_MIN)
		return false;
	log_notice("camera: there is not enough memory for %d pictures at a time; trying with %d",
		s->facts.buffers, s->facts.buffers - 1);
	s->facts.buffers--;
	close_camera(s);
	return true;
}

static void memory_error_format(const struct supervisor *s, char *ret, size_t size)
{
	int64_t wants = s->camera ? s->camera->info.memory_bytes : 0, free = s->facts.memory_free;
	char much[64] = "";

	if (wants > 0 && free >= 0)
		snprintf(much, sizeof much, ": about %lld MB, of %lld free",
			(long long)(wants / 1000000), (long long)(free / 1000000));
	snprintf(ret, size,
		"not enough memory (CMA) even for %d pictures at a time%s; "
		"a smaller camera.width and camera.height take less",
		s->facts.buffers, much);
}

static void open_camera(struct supervisor *s)
{
	struct camera_options options = *s->options.camera;
	char error[160] = "";
	int r;

	s->facts.memory_free = camera_memory_free();
	options.buffers = s->facts.buffers;
	options.passed_over = s->passed_over;
	call_begins(s, "open", s->options.call_seconds);
	r = s->options.open(s->options.source, &options, &s->camera, error, sizeof error);
	call_ends(s);
	if (r >= 0) {
		s->facts.state = CAMERA_IDLE;
		return;
	}
	s->camera = NULL;
	if (!needs_less_memory(s, r))
		count_failure(s, "cannot be opened", *error ? error : strerror(-r));
}

static void start_stream(struct supervisor *s)
{
	char error[192];
	int r;

	call_begins(s, "start", s->options.call_seconds);
	r = s->camera->ops->start(s->camera);
	call_ends(s);
	if (r < 0) {
		s->gone = r == -ENODEV;
		if (needs_less_memory(s, r))
			return;
		if (r == -ENOMEM)
			memory_error_format(s, error, sizeof error);
		count_failure(s, "cannot be started", r == -ENOMEM ? error : strerror(-r));
		return;
	}
	s->facts.state = CAMERA_STREAMING;
	s->facts.starts++;
	settling_start(&s->facts.settling, mono_us(s));
	s->seen = false;
	s->alive_ns = s->started_ns = clock_mono_ns(s->options.clock);
}

static int64_t silence_limit_ns(const struct supervisor *s)
{
	double exposure_ns = isfinite(s->exposure_us) ? s->exposure_us * 1000 : 0;
	int64_t duration_ns = s->facts.frame_duration_ns > s->expected_ns
		? s->facts.frame_duration_ns
		: s->expected_ns;
	int64_t limit = 6 * duration_ns + (int64_t)exposure_ns;

	return limit > 2 * NS_PER_SEC ? limit : 2 * NS_PER_SEC;
}

static void check_silence(struct supervisor *s)
{
	if (s->facts.state != CAMERA_STREAMING || s->broken ||
		clock_mono_ns(s->options.clock) - s->alive_ns < silence_limit_ns(s))
		return;
	s->broken = true;
	count_failure(s, "the stream is silent", "no frame arrives");
}

/* Where any camera would do, one that never gave a frame stands back for the next. */
static void pass_over(struct supervisor *s)
{
	if (s->ever_seen || s->facts.failures <= REOPEN_AFTER ||
		s->facts.failures == s->passed_over_at || strcmp(s->options.source, "auto") != 0)
		return;
	s->passed_over_at = s->facts.failures;
	s->passed_over++;
}

/* Stops or closes what failed, according to how often it did. */
static void climb_ladder(struct supervisor *s)
{
	bool reopen = s->gone || s->facts.failures > REOPEN_AFTER;

	pass_over(s);
	if (!s->broken && !s->gone &&
		!(reopen && s->facts.state == CAMERA_IDLE && s->facts.failures))
		return;
	if (reopen && s->camera) {
		s->facts.climbed[RUNG_REOPEN]++;
		close_camera(s);
	} else if (s->broken) {
		s->facts.climbed[RUNG_RESTART]++;
		stop_stream(s);
	}
	s->broken = s->gone = false;
}

int64_t supervisor_step(struct supervisor *s)
{
	int64_t now = clock_mono_ns(s->options.clock);

	check_silence(s);
	climb_ladder(s);
	if (!s->wanted && s->facts.state == CAMERA_STREAMING)
		stop_stream(s);
	if (s->facts.failures >= EXIT_AFTER && s->options.may_exit) {
		s->facts.climbed[RUNG_EXIT]++;
		return -ESHUTDOWN;
	}
	if (s->wanted && s->facts.state != CAMERA_STREAMING) {
		if (now < s->not_before_ns)
			return s->not_before_ns;
		if (!s->camera)
			open_camera(s);
		if (s->camera)
			start_stream(s);
	}
	if (s->wanted && s->facts.state != CAMERA_STREAMING)
		return s->not_before_ns > now ? s->not_before_ns : now + NS_PER_SEC / 10;
	return s->facts.state == CAMERA_STREAMING ? s->alive_ns + silence_limit_ns(s) : INT64_MAX;
}

void supervisor_expect(struct supervisor *s, int64_t duration_ns)
{
	s->expected_ns = duration_ns;
}

void supervisor_want(struct supervisor *s, bool streaming)
{
	s->wanted = streaming;
}

int supervisor_take(struct supervisor *s, struct frame *ret)
{
	int r;

	if (s->facts.state != CAMERA_STREAMING || s->broken || s->gone)
		return -EAGAIN;
	r = s->camera->ops->take(s->camera, ret);
	if (r == -EAGAIN)
		return r;
	if (r < 0) {
		s->gone = r == -ENODEV;
		s->broken = !s->gone;
		count_failure(s, s->gone ? "is gone" : "the stream broke", strerror(-r));
		return -EAGAIN;
	}
	s->alive_ns = clock_mono_ns(s->options.clock);
	if (ret->duration_ns > 0)
		s->facts.frame_duration_ns = ret->duration_ns;
	s->exposure_us = ret->exposure_us;
	settling_frame(&s->facts.settling, mono_us(s), ret->flags);
	if (!s->ever_seen && s->passed_over)
		log_notice("camera: the pictures come from %s", s->camera->info.id);
	s->seen = s->ever_seen = true;
	/* a stream that breaks after each frame must not be restarted in a loop without back-off */
	if (s->alive_ns - s->started_ns > 2 * NS_PER_SEC)
		ladder_reset(s);
	return 0;
}

void supervisor_release(struct supervisor *s, struct frame *frame)
{
	s->camera->ops->release(s->camera, frame);
}

struct camera *supervisor_camera(struct supervisor *s)
{
	return s->camera;
}

const struct supervisor_facts *supervisor_facts(const struct supervisor *s)
{
	return &s->facts;
}
