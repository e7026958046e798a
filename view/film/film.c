/* SPDX-License-Identifier: MIT */
/* Moments to pictures to the encoder. */
#include "view/film/film.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "common/base/utc.h"
#include "view/film/deflicker.h"

#define JOBS 2 /* pictures that are decoded at once: each costs memory */

struct film {
	struct archive *archive;
	const struct moments *moments;
	const struct film_options *options;
	struct film_report *report;
	size_t reach; /* moments that are decoded ahead */
	size_t n_ring;
	struct planes ring[DEFLICKER_REACH + JOBS], shown, marked;
	struct brightness *brightness; /* of each moment; luma NaN: it shows the one before */
	struct encoder encoder;
};

static void film_clear(struct film *film)
{
	for (size_t i = 0; i < ARRAY_SIZE(film->ring); i++)
		free(film->ring[i].data);
	free(film->shown.data);
	free(film->marked.data);
	free(film->brightness);
	encoder_clear(&film->encoder);
}

static int planes_make(const struct film_report *report, struct planes *ret)
{
	const size_t size = (size_t)report->width * (size_t)report->height;

	*ret = (struct planes){ malloc(size * 3 / 2), report->width, report->height };
	if (!ret->data)
		return -ENOMEM;
	/* dark grey, which is what is before the first picture */
	memset(ret->data, 60, size);
	memset(ret->data + size, 128, size / 2);
	return 0;
}

/* ---- decoding */

/* One moment's picture on its way into the ring. */
struct job {
	pthread_t thread;
	bool threaded;
	size_t i;
	struct planes *planes;
	uint8_t *jpeg;
	struct record frame;
	int result; /* -ENOENT: there is no picture */
	double luma;
};

static int moment_read(struct film *film, size_t i, struct record *ret_frame, uint8_t **ret_jpeg)
{
	const struct moment *moment = &film->moments->list[i];
	int r;

	if (moment->state != SLOT_HELD)
		return -ENOENT;
	r = archive_find(film->archive, moment->seq, ret_frame);
	if (r == 0 && ret_frame->type != RECORD_FRAME)
		r = -ENOENT;
	return r < 0 ? r : archive_read_frame(film->archive, ret_frame, ret_jpeg);
}

static void *job_run(void *data)
{
	struct job *job = data;
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	const size_t bytes = (size_t)job->frame.bytes;
	bool damaged = false;
	int width, height, r = pixels_measure(job->jpeg, bytes, &width, &height);

	if (r == 0) {
		const struct fit fit = planes_fit(job->planes, width, height);

		r = pixels_decode(job->jpeg, bytes, (unsigned)fit.width, (unsigned)fit.height,
			&pixels, &damaged);
	}
	if (r == 0)
		r = damaged ? -EBADMSG : planes_scale(&pixels, job->planes);
	if (r == 0)
		job->luma = planes_mean(job->planes);
	job->result = r;
	return NULL;
}

static void film_settle(struct film *film, const struct job *job)
{
	struct film_report *report = film->report;

	film->brightness[job->i] = (struct brightness){ (double)NAN, (double)NAN };
	if (job->result == 0) {
		film->brightness[job->i] = (struct brightness){ job->luma,
			job->frame.facts.exposure_us * job->frame.facts.gain };
	} else if (job->result == -ENOENT) {
		report->missing++;
	} else {
		if (report->damaged < FILM_DAMAGED_MAX)
			report->first_damaged[report->damaged] = film->moments->list[job->i].seq;
		report->damaged++;
	}
}

/* Moments from `first` on into the ring, JOBS at once. Only -ENOMEM is an error. */
static int film_decode(struct film *film, size_t first, size_t n)
{
	struct job jobs[JOBS] = { 0 };
	int r = 0;

	for (size_t k = 0; k < n; k++) {
		struct job *job = &jobs[k];

		job->i = first + k;
		job->planes = &film->ring[job->i % film->n_ring];
		job->result = moment_read(film, job->i, &job->frame, &job->jpeg);
		if (job->result == 0 && k + 1 < n)
			job->threaded = pthread_create(&job->thread, NULL, job_run, job) == 0;
		if (job->result == 0 && !job->threaded)
			job_run(job);
	}
	for (size_t k = 0; k < n; k++) {
		if (jobs[k].threaded)
			pthread_join(jobs[k].thread, NULL);
		film_settle(film, &jobs[k]);
		r = jobs[k].result == -ENOMEM ? -ENOMEM : r;
		free(jobs[k].jpeg);
	}
	return r;
}

/* ---- showing */

static int film_show(struct film *film, size_t i, size_t decoded)
{
	const struct moment *moment = &film->moments->list[i];
	const bool is_here = !isnan(film->brightness[i].luma);
	struct planes *out = &film->shown;
	char time[UTC_TEXT_MAX];

	if (is_here)
		planes_tone(&film->ring[i % film->n_ring],
			film->options->deflicker ? deflicker_gain(film->brightness, decoded, i) : 1,
			&film->shown);
	if (!is_here || film->options->stamp) {
		out = &film->marked;
		memcpy(out->data, film->shown.data, planes_bytes(out->width, out->height));
	}
	if (!is_here)
		planes_mark(out,
			moment->state == SLOT_HELD ? "the picture is damaged"
						   : slot_state_text(moment->state));
	if (film->options->stamp) {
		utc_format_local(moment->slot_us, time);
		time[19] = '\0'; /* without the fraction and the offset */
		planes_stamp(out, time);
	}
	return encoder_write(&film->encoder, out);
}

static int film_run(struct film *film)
{
	const size_t n = film->moments->n;
	size_t decoded = 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		while (decoded < n && decoded <= i + film->reach && r == 0) {
			const size_t jobs = n - decoded < JOBS ? n - decoded : JOBS;

			r = film_decode(film, decoded, jobs);
			decoded += jobs;
		}
		if (r == 0)
			r = film_show(film, i, decoded);
		if (r == 0 && film->options->progress &&
			!film->options->progress(film->options->data, i + 1, n))
			r = -ECANCELED;
	}
	return r;
}

/* The film has the shape of its first picture that can be read. */
static int film_choose_size(struct film *film)
{
	for (size_t i = 0; i < film->moments->n; i++) {
		CLEANUP_FREE uint8_t *jpeg = NULL;
		struct record frame;
		int width, height;

		if (moment_read(film, i, &frame, &jpeg) == 0 &&
			pixels_measure(jpeg, (size_t)frame.bytes, &width, &height) == 0)
			return planes_choose_size(width, height, film->options->height,
				film->options->fps, &film->report->width, &film->report->height);
	}
	return -ENODATA;
}

static int film_prepare(struct film *film, int out)
{
	int r = film_choose_size(film);

	for (size_t i = 0; i < film->n_ring && r == 0; i++)
		r = planes_make(film->report, &film->ring[i]);
	if (r == 0)
		r = planes_make(film->report, &film->shown);
	if (r == 0)
		r = planes_make(film->report, &film->marked);
	if (r < 0)
		return r;
	film->brightness = calloc(film->moments->n, sizeof(*film->brightness));
	if (!film->brightness)
		return -ENOMEM;
	return encoder_start(
		film->report->width, film->report->height, film->options->fps, out, &film->encoder);
}

int film_make(struct archive *archive, const struct moments *moments,
	const struct film_options *options, int out, struct film_report *ret)
{
	struct film_report report = { 0 };
	CLEANUP(film_clear)
	struct film film = { .archive = archive,
		.moments = moments,
		.options = options,
		.report = &report,
		.reach = options->deflicker ? DEFLICKER_REACH : 0,
		.encoder = ENCODER_NONE };
	int ended, r;

	film.n_ring = film.reach + JOBS;
	r = film_prepare(&film, out);
	if (r == 0)
		r = film_run(&film);
	if (r == 0 || r == -EPIPE) {
		ended = encoder_finish(&film.encoder, report.why);
		r = ended < 0 || r == 0 ? ended : -EIO;
	}
	if (r == 0 && report.missing + report.damaged == moments->n)
		r = -ENODATA;
	if (r == 0)
		r = encoder_probe(out, report.width, report.height, moments->n, report.why);
	*ret = report;
	return r;
}
