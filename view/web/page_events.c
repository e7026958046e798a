/* SPDX-License-Identifier: MIT */
/* What happened: what was missed and how late pictures were, as plots; and the rest in words. */
#include <math.h>
#include <string.h>

#include "common/base/utc.h"
#include "view/facts/tally.h"
#include "view/web/html.h"
#include "view/web/pages.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define DAYS 30
#define PLOT_WIDTH 720
#define PLOT_HEIGHT 120
#define LATE_LEAST_US 100.0 /* the scale of lateness, by powers of ten */
#define LATE_DECADES 5

/* ---- plots */

static int64_t tally_missed(const struct tally *tally)
{
	return tally_due(tally) - tally->taken;
}

static int64_t tallies_missed(const struct tallies *t)
{
	int64_t missed = 0;

	for (size_t i = 0; i < t->n; i++)
		missed += tally_missed(&t->list[i]);
	return missed;
}

static double plot_x(const struct tallies *t, int64_t since_us, int64_t until_us, size_t i)
{
	return (double)(t->list[i].since_us - since_us) / (double)(until_us - since_us) *
		PLOT_WIDTH;
}

static double plot_width(const struct tallies *t, int64_t since_us, int64_t until_us, size_t i)
{
	return (double)(t->list[i].until_us - t->list[i].since_us) / (double)(until_us - since_us) *
		PLOT_WIDTH;
}

static void plot_begin(const struct page *page, const char *title, const char *top,
	const char *bottom, const char *label)
{
	html_put(page->out,
		"<figure class=\"plot\"><figcaption>%s</figcaption>\n<p class=\"scale\">"
		"<span>%s</span><span>%s</span></p><svg viewBox=\"0 0 %d %d\" "
		"preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">",
		title, top, bottom, PLOT_WIDTH, PLOT_HEIGHT, label);
}

static void plot_end(const struct page *page, int64_t since_us, int64_t until_us)
{
	const bool is_day = until_us - since_us < 2 * DAY_US;
	char text[LOCAL_TEXT_MAX];

	html_put(page->out, "</svg>\n<p class=\"axis\">");
	for (int i = 0; i <= 4; i++) {
		const int64_t at_us = since_us + (until_us - since_us) / 4 * i;

		if (is_day)
			local_time(at_us, text);
		else
			local_day(at_us, text);
		text[is_day ? 5 : 10] = '\0';
		html_put(page->out, "<span>%s</span>", is_day ? text : text + 5);
	}
	html_put(page->out, "</p></figure>\n");
}

/* A bar for each hour or day: what was missed, by cause. */
static void plot_put_missed(
	const struct page *page, const struct tallies *t, int64_t since_us, int64_t until_us)
{
	char label[128], top[32];
	int64_t most = 0;

	for (size_t i = 0; i < t->n; i++) {
		const int64_t missed = tally_missed(&t->list[i]);

		most = missed > most ? missed : most;
	}
	snprintf(top, sizeof(top), "%lld", (long long)most);
	snprintf(label, sizeof(label), "%lld slots without a picture, at most %lld at once",
		(long long)tallies_missed(t), (long long)most);
	plot_begin(page, "Slots without a picture", top, "0", label);
	for (size_t i = 0; i < t->n; i++) {
		double y = PLOT_HEIGHT;

		for (int cause = 0; cause < MISS_CAUSES; cause++) {
			const double height =
				(double)t->list[i].missed[cause] / (double)most * PLOT_HEIGHT;

			if (height <= 0)
				continue;
			y -= height;
			html_put(page->out,
				"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
				"height=\"%.1f\"/>",
				miss_cause_name((enum miss_cause)cause),
				plot_x(t, since_us, until_us, i) + 1, y,
				fmax(1, plot_width(t, since_us, until_us, i) - 2), height);
		}
	}
	plot_end(page, since_us, until_us);
}

static double late_y(int64_t late_us)
{
	const double decades = log10(fmax((double)late_us, LATE_LEAST_US) / LATE_LEAST_US);

	return PLOT_HEIGHT * (1 - fmin(decades, LATE_DECADES) / LATE_DECADES);
}

/* Half of the exposures began within the lower end of a bar, 99 of 100 within its upper end. */
static void plot_put_late(
	const struct page *page, const struct tallies *t, int64_t since_us, int64_t until_us)
{
	plot_begin(page, "How late exposures began: half of them, and 99 of 100", "10 s", "0.1 ms",
		"Lateness of the exposures");
	for (int i = 1; i < LATE_DECADES; i++)
		html_put(page->out, "<path class=\"grid\" d=\"M0 %d H%d\"/>",
			PLOT_HEIGHT * i / LATE_DECADES, PLOT_WIDTH);
	for (size_t i = 0; i < t->n; i++) {
		const double half = late_y(tally_late_us(&t->list[i], 0.5));
		const double most = late_y(tally_late_us(&t->list[i], 0.99));

		if (t->list[i].taken <= 0)
			continue;
		html_put(page->out,
			"<rect class=\"late\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			"height=\"%.1f\"/>",
			plot_x(t, since_us, until_us, i) + 2, fmin(most, half - 3),
			fmax(1, plot_width(t, since_us, until_us, i) - 4), fmax(half - most, 3));
	}
	plot_end(page, since_us, until_us);
}

/* ---- sums in words */

static const char *late_describe(int64_t late_us, char buf[static UTC_TEXT_MAX])
{
	if (late_us < 1000000)
		snprintf(buf, UTC_TEXT_MAX, "%.1f ms", (double)late_us / 1000);
	else
		snprintf(buf, UTC_TEXT_MAX, "%.1f s", (double)late_us / 1e6);
	return buf;
}

static void events_put_sum(const struct page *page, const struct tallies *t)
{
	struct tally sum = { 0 };
	char half[UTC_TEXT_MAX], most[UTC_TEXT_MAX];

	for (size_t i = 0; i < t->n; i++) {
		sum.taken += t->list[i].taken;
		for (int k = 0; k < MISS_CAUSES; k++)
			sum.missed[k] += t->list[i].missed[k];
		for (int k = 0; k < TALLY_LATE_BINS; k++)
			sum.late[k] += t->list[i].late[k];
	}
	html_put(page->out, "<p><b>%d</b> of <b>%lld</b> pictures were taken.", (int)sum.taken,
		(long long)tally_due(&sum));
	if (sum.taken > 0)
		html_put(page->out,
			" Half of the exposures began within %s of their slot, 99 of 100 within "
			"%s.",
			late_describe(tally_late_us(&sum, 0.5), half),
			late_describe(tally_late_us(&sum, 0.99), most));
	html_put(page->out, "</p>\n");
	if (tally_missed(&sum) <= 0)
		return;
	html_put(page->out, "<ul class=\"legend\">");
	for (int k = 0; k < MISS_CAUSES; k++) {
		if (sum.missed[k] > 0)
			html_put(page->out, "<li><i class=\"%s\"></i>%d: %s</li>",
				miss_cause_name((enum miss_cause)k), (int)sum.missed[k],
				miss_cause_text((enum miss_cause)k));
	}
	html_put(page->out, "</ul>\n");
}

/* `ret_tallies` are of the page when this returns 0. */
static int events_put_span(const struct page *page, const char *title, int64_t since_us,
	int64_t until_us, enum tally_unit unit, struct tallies *ret_tallies)
{
	int r = tally_read(page->archive, since_us, until_us, unit, ret_tallies);

	if (r < 0)
		return r;
	html_put(page->out, "<h2>%s</h2>\n", title);
	if (ret_tallies->n == 0) {
		html_put(page->out, "<p>Nothing was due.</p>\n");
		return 0;
	}
	events_put_sum(page, ret_tallies);
	if (tallies_missed(ret_tallies) > 0)
		plot_put_missed(page, ret_tallies, since_us, until_us);
	plot_put_late(page, ret_tallies, since_us, until_us);
	return 0;
}

/* ---- the rest in words */

static void event_begin(const struct page *page, int64_t at_us)
{
	html_put(page->out, "<li>");
	html_put_time(page->out, at_us);
	html_put(page->out, " ");
}

static void event_put(const struct page *page, const struct record *record)
{
	char from[LOCAL_TEXT_MAX], by[UTC_TEXT_MAX];
	int64_t step_us;

	switch (record->type) {
	case RECORD_CLOCK:
		step_us = record->after_us - record->before_us;
		event_begin(page, record->after_us);
		html_put(page->out, "The clock was set %s by %s; it showed %s.",
			step_us < 0 ? "back" : "ahead",
			duration_format(step_us < 0 ? -step_us : step_us, by),
			local_time(record->before_us, from));
		break;
	case RECORD_ZONE:
		event_begin(page, record->at_us);
		html_put(page->out, "Local time goes by %s from here on.",
			*record->text ? record->text : "another zone");
		break;
	case RECORD_MISS:
		event_begin(page, record->slot_us);
		html_put(page->out, "capturepi did not run for %s: %llu slots were missed.",
			duration_format(record->last_us - record->slot_us, by),
			(unsigned long long)record->count);
		break;
	case RECORD_FRAME:
		event_begin(page, record->slot_us);
		html_put(page->out, "The machine was restarted before this picture.");
		break;
	default:
		return;
	}
	html_put(page->out, "</li>\n");
}

static void events_put_removals(const struct page *page, const struct tallies *t)
{
	struct record removal;
	char date[LOCAL_TEXT_MAX], from[LOCAL_TEXT_MAX];
	uint64_t removed = 0;
	int64_t bytes = 0;

	for (size_t i = 0; i < t->n; i++) {
		removed += t->list[i].removed;
		bytes += t->list[i].removed_bytes;
	}
	if (removed > 0)
		html_put(page->out,
			"<li>The camera removed %llu older pictures in this time, to have room: "
			"%.1f MB.</li>\n",
			(unsigned long long)removed, (double)bytes / 1e6);
	if (page->place->copy && archive_last_removal(page->archive, &removal) == 0 &&
		archive_find(page->archive, removal.last_seq, &removal) == 0 &&
		removal.slot_us != TIME_NONE)
		html_put(page->out,
			"<li>This machine removed its copies up to %s, %s, to have room.</li>\n",
			local_date(removal.slot_us, date), local_time(removal.slot_us, from));
}

/* Pictures that are likely to be useless, by why. */
static void events_put_marks(const struct page *page, const struct tallies *t)
{
	int64_t marked[MARKS] = { 0 }, all = 0;

	for (size_t i = 0; i < t->n; i++)
		for (int mark = 1; mark < MARKS; mark++) {
			marked[mark] += t->list[i].marked[mark];
			all += t->list[i].marked[mark];
		}
	if (all == 0)
		return;
	html_put(page->out, "<li>Likely to be useless: %lld %s", (long long)all,
		all == 1 ? "picture" : "pictures");
	for (int mark = 1; mark < MARKS; mark++)
		if (marked[mark] > 0)
			html_put(page->out, ", %s %lld", mark_name((enum mark)mark),
				(long long)marked[mark]);
	html_put(page->out, ".</li>\n");
}

static void events_put_words(const struct page *page, const struct tallies *t)
{
	html_put(page->out, "<h2>Clocks, restarts, removals</h2>\n<ul class=\"events\">\n");
	events_put_marks(page, t);
	events_put_removals(page, t);
	for (size_t i = t->n_events; i-- > 0;) {
		struct record record;

		if (archive_find(page->archive, t->events[i], &record) == 0)
			event_put(page, &record);
	}
	if (t->n_events == 0)
		html_put(page->out, "<li>The clock was not set, and nothing was restarted.</li>\n");
	html_put(page->out, "</ul>\n");
}

int page_events(const struct page *page)
{
	CLEANUP(tallies_clear) struct tallies today = { 0 };
	CLEANUP(tallies_clear) struct tallies days = { 0 };
	int64_t since_us, until_us, first_us, end_us;
	int r = page->archive ? tally_day(page->now_us, &since_us, &until_us) : page->trouble;

	if (r == 0)
		r = tally_day(since_us - (DAYS - 1) * DAY_US + DAY_US / 2, &first_us, &end_us);
	if (r < 0) {
		page_sentence(page, page->place->name, place_trouble(r));
		return 503;
	}
	page_begin(page, "What happened");
	html_put(page->out, "<h1>What happened</h1>\n");
	r = events_put_span(page, "Today", since_us, until_us, TALLY_HOURS, &today);
	if (r == 0)
		r = events_put_span(
			page, "The last 30 days", first_us, until_us, TALLY_DAYS, &days);
	if (r == 0)
		events_put_words(page, &days);
	else
		html_put(page->out, "<p class=\"sentence\">%s</p>\n", place_trouble(r));
	page_end(page);
	return 200;
}
