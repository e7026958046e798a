/* SPDX-License-Identifier: MIT */
/* Exposes by the policy of exposure.h, where the camera's own control ends. */
#include <math.h>
#include <string.h>

#include "capture/exposure/meter.h"
#include "capture/service/service_private.h"
#include "common/base/log.h"

#define READ_EVERY_NS (NS_PER_SEC / 5) /* frames in between tell nothing new */

/* Has the camera expose like that, and the phase lock know of it. `frame`: the newest, or NULL. */
static void service_carry_out(
	struct service *s, const struct frame *frame, const struct camera_exposure *order)
{
	struct camera *camera = supervisor_camera(s->supervisor);
	struct camera_exposure exact = *order;
	struct phase_lock_order moved;
	bool moves = s->locks_phase && phase_lock_expose(&s->phase_lock, frame, &exact, &moved) > 0;

	if (camera->ops->set_exposure(camera, &exact) < 0)
		return;
	supervisor_expect(s->supervisor, order->duration_ns);
	if (moves)
		camera->ops->set_frame_duration(camera, moved.duration_ns, moved.frames);
}

/* People are told where the exposure ends and the gain begins, once in a night. */
static void service_tell_exposure(struct service *s)
{
	const struct exposure_limits *limits = &s->exposure.limits;
	enum exposure_stage stage = s->exposure.stage;

	if (stage == EXPOSURE_OF_CAMERA)
		s->exposure_told = stage;
	if (stage <= s->exposure_told)
		return;
	s->exposure_told = stage;
	if (stage == EXPOSURE_BY_GAIN)
		log_notice("exposure: %.3f s is the longest (%s); what is darker is for the gain",
			(double)limits->max_ns / 1e9, exposure_bound_text(limits->bound));
	else if (stage == EXPOSURE_AT_LIMIT)
		log_notice("exposure: %.3f s at a gain of %.1f is the limit; what is darker gets "
			   "dark pictures",
			(double)limits->max_ns / 1e9, limits->gain_max);
}

void service_set_exposure(struct service *s)
{
	const struct capture_settings *settings = s->settings;
	const struct camera *camera = supervisor_camera(s->supervisor);
	const struct exposure_wishes wishes = {
		.exposure_max_us = settings->camera.exposure_max_us,
		.gain_max = settings->camera.gain_max,
		.compensation = settings->camera.compensation,
		.flicker_hz = capture_flicker_hz(settings),
		.fps = settings->camera.fps,
	};
	const struct exposure_limits limits = exposure_limits_of(
		&wishes, &camera->info, schedule_interval_us(&settings->schedule));

	if (s->exposure.target > 0)
		exposure_set_limits(&s->exposure, &limits);
	else
		s->exposure = exposure_new(&limits);
}

void service_resume_exposure(struct service *s)
{
	const struct record *last = s->stats.last.seq ? &s->stats.last : &s->newest;
	const struct exposure_past past = {
		.product_ns = last->facts.exposure_us * 1e3 * last->facts.gain,
		.red = last->facts.red,
		.blue = last->facts.blue,
		.age_us = clock_wall_us(s->clock) - last->exposed_us,
		.now_ns = clock_mono_ns(s->clock),
	};
	struct camera_exposure order;

	if (last->seq && exposure_resume(&s->exposure, &past, &order) > 0)
		service_carry_out(s, NULL, &order);
}

/* From now to the next slot that has no frame yet; 0: there is none. */
static int64_t service_until_slot_ns(const struct service *s)
{
	int64_t until_us;

	if (s->slots.open_us == TIME_NONE)
		return 0;
	until_us = s->slots.open_us - s->last_wall_us;
	if (until_us <= 0)
		until_us += service_open_interval_us(s);
	return until_us > 0 ? until_us * NS_PER_US : 0;
}

void service_follow_light(struct service *s, const struct frame *frame)
{
	struct exposure_reading reading = {
		.at_ns = frame->start_ns,
		.exposure_us = frame->exposure_us,
		.gain = frame->gain,
		.duration_ns = frame->duration_ns,
		.red = frame->red,
		.blue = frame->blue,
		.until_slot_ns = service_until_slot_ns(s),
		.moving = s->locks_phase && phase_lock_is_moving(&s->phase_lock),
		.startup = frame->flags & FRAME_STARTUP,
		.converged = frame->flags & FRAME_CONVERGED,
	};
	struct camera_exposure order;
	struct meter meter;

	if (s->exposure.limits.max_ns <= 0 || frame->start_ns - s->exposure_read_ns < READ_EVERY_NS)
		return;
	s->exposure_read_ns = frame->start_ns;
	camera_read(supervisor_camera(s->supervisor), frame);
	if (meter_frame(frame, s->camera_options.metering, &meter) < 0)
		return;
	reading.luma = meter.luma;
	reading.clipped = meter.clipped;
	if (frame->exposure_us > 0 && frame->exposure_us < EXPOSURE_US_MAX)
		reading.at_ns += llround(frame->exposure_us * 500);
	if (exposure_frame(&s->exposure, &reading, &order) > 0)
		service_carry_out(s, frame, &order);
	service_tell_exposure(s);
}
