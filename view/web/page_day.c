/* SPDX-License-Identifier: MIT */
/* A local day: every slot of it, its pictures and its gaps. */
#include <errno.h>
#include <limits.h>

#include "common/base/utc.h"
#include "common/base/when.h"
#include "common/journal/mark.h"
#include "view/web/html.h"
#include "view/web/pages.h"

static bool day_span(const char *day, struct selection *ret)
{
	*ret = (struct selection){ 0 };
	return when_parse(day, WHEN_FROM, 0, &ret->since_us) == 0 &&
		when_parse(day, WHEN_TO, 0, &ret->until_us) == 0;
}

/* Whether `b` goes on with the gap of `a`. */
static bool gap_goes_on(const struct slot *a, const struct slot *b)
{
	return a->state == b->state;
}

static void day_put_gap(
	const struct page *page, const struct slot *first, const struct slot *last, uint64_t count)
{
	char from[LOCAL_TEXT_MAX], to[LOCAL_TEXT_MAX], length[UTC_TEXT_MAX];

	html_put(page->out, "<li class=\"gap %s\"><b>%s", slot_state_name(first->state),
		local_time(first->slot_us, from));
	if (count > 1)
		html_put(page->out, " to %s", local_time(last->last_us, to));
	html_put(page->out, "</b> %llu %s, %s", (unsigned long long)count,
		count == 1 ? "slot" : "slots", slot_state_text(first->state));
	if (count > 1)
		html_put(page->out, " (%s)",
			duration_format(last->last_us - first->slot_us, length));
	html_put(page->out, "</li>\n");
}

/* Gaps with their causes, one a line; a cause that goes on is one gap. */
static void day_put_gaps(const struct page *page, const struct slots *slots)
{
	size_t shown = 0;

	html_put(page->out, "<h2>What is missing</h2>\n<ul class=\"gaps\">\n");
	for (size_t i = 0; i < slots->n; i++) {
		const size_t first = i;
		uint64_t count = slots->list[i].count;

		if (slots->list[i].state == SLOT_HELD)
			continue;
		for (; i + 1 < slots->n && gap_goes_on(&slots->list[first], &slots->list[i + 1]);
			i++)
			count += slots->list[i + 1].count;
		if (shown++ < 200)
			day_put_gap(page, &slots->list[first], &slots->list[i], count);
	}
	if (shown == 0)
		html_put(page->out, "<li>Nothing: every slot has its picture.</li>\n");
	if (shown > 200)
		html_put(page->out, "<li>and %zu more</li>\n", shown - 200);
	html_put(page->out, "</ul>\n");
}

/* Pictures that are likely to be useless; those of one mark that follow each other in one line. */
static void day_put_marked(const struct page *page, const struct slots *slots)
{
	char from[LOCAL_TEXT_MAX], to[LOCAL_TEXT_MAX];
	size_t shown = 0;

	for (size_t i = 0, end; i < slots->n; i = end) {
		const struct slot *first = &slots->list[i];

		for (end = i + 1; end < slots->n && slots->list[end].mark == first->mark;)
			end++;
		if (first->mark == MARK_NONE || shown++ >= 200)
			continue;
		if (shown == 1)
			html_put(page->out, "<h2>Likely to be useless</h2>\n<ul class=\"gaps\">\n");
		html_put(page->out, "<li class=\"marked\"><b><a href=\"../%llu/\">%s</a>",
			(unsigned long long)first->seq, local_time(first->slot_us, from));
		if (end > i + 1)
			html_put(page->out, " to %s", local_time(slots->list[end - 1].slot_us, to));
		html_put(page->out, "</b> %zu %s: %s</li>\n", end - i,
			end == i + 1 ? "picture" : "pictures", mark_text(first->mark));
	}
	if (shown > 200)
		html_put(page->out, "<li>and %zu more</li>\n", shown - 200);
	if (shown > 0)
		html_put(page->out, "</ul>\n");
}

/* The first picture of each hour: the way without a script. */
static void day_put_hours(const struct page *page, const struct slots *slots)
{
	int64_t hour = INT64_MIN;
	char time[LOCAL_TEXT_MAX];

	html_put(page->out, "<h2>Hours</h2>\n<ul class=\"hours\">\n");
	for (size_t i = 0; i < slots->n; i++) {
		const struct slot *slot = &slots->list[i];
		const int64_t this = slot->slot_us / (3600 * US_PER_SEC);

		if (slot->state != SLOT_HELD || this == hour)
			continue;
		hour = this;
		local_time(slot->slot_us, time);
		time[5] = '\0';
		html_put(page->out, "<li><a href=\"../%llu/\">%s</a></li>\n",
			(unsigned long long)slot->seq, time);
	}
	html_put(page->out, "</ul>\n");
}

/* ---- what the script reads */

/* Whether the slot goes on with a run of `n` from `first` on: the same steps in time and number. */
static bool run_goes_on(const struct slot *first, size_t n)
{
	const struct slot *slot = first + n;

	return slot->state == first->state && first->count == 1 && slot->count == 1 &&
		(n == 1 ||
			(slot->slot_us - slot[-1].slot_us == first[1].slot_us - first->slot_us &&
				slot->seq - slot[-1].seq == first[1].seq - first->seq));
}

/*
 * Every slot of the day in few bytes: STATE:TIME:STEP:COUNT:NUMBER:STEP, times in milliseconds. A
 * day without a gap is one run.
 */
static void day_put_runs(FILE *out, const struct slots *slots)
{
	for (size_t i = 0; i < slots->n;) {
		const struct slot *first = &slots->list[i];
		int64_t step_us = 0, add = 0;
		uint64_t count = first->count;
		size_t n = 1;

		while (i + n < slots->n && run_goes_on(first, n))
			n++;
		if (first->count > 1) {
			step_us = (first->last_us - first->slot_us) / (int64_t)(count - 1);
		} else if (n > 1) {
			step_us = first[1].slot_us - first->slot_us;
			add = (int64_t)(first[1].seq - first->seq);
			count = n;
		}
		html_put(out, "%s%d:%lld:%lld:%llu:%llu:%lld", i ? " " : "", (int)first->state,
			(long long)(first->slot_us / 1000), (long long)(step_us / 1000),
			(unsigned long long)count, (unsigned long long)first->seq, (long long)add);
		i += n;
	}
}

/* From which time on local time is how many seconds ahead of UTC. */
static void day_put_offsets(FILE *out, const struct selection *span)
{
	int before = INT_MIN;

	for (int64_t t = span->since_us; t <= span->until_us; t += 900 * US_PER_SEC) {
		const int offset = utc_local_offset_s(t);

		if (offset != before)
			html_put(out, "%s%lld:%d", before == INT_MIN ? "" : " ",
				(long long)(t / 1000), offset);
		before = offset;
	}
}

/* The key of the sheet that begins with the picture `first` of those that are held. */
static const char *day_key(const struct page *page, const struct slot *held, size_t n, size_t first,
	char buf[static CACHE_KEY_MAX])
{
	sheet_key(page->archive, &sheet_pictures, held + first,
		n - first < SHEET_CELLS ? n - first : SHEET_CELLS, buf);
	return buf;
}

static void day_put_data(const struct page *page, const struct selection *span,
	const struct slots *slots, const struct slot *held, size_t n_held)
{
	FILE *out = page->out;
	char key[CACHE_KEY_MAX];

	html_put(out, "<section id=\"day\" hidden aria-label=\"Every slot\" data-states=\"");
	for (int i = 0; i < SLOT_STATES; i++)
		html_put(out, "%s%s", i ? "|" : "", slot_state_name((enum slot_state)i));
	html_put(out, "\" data-words=\"");
	for (int i = 0; i < SLOT_STATES; i++)
		html_put(out, "%s%s", i ? "|" : "", slot_state_text((enum slot_state)i));
	html_put(out,
		"\" data-cells=\"%d\" data-columns=\"%d\" data-since=\"%lld\" data-until=\"%lld\" "
		"data-offsets=\"",
		SHEET_CELLS, SHEET_COLUMNS, (long long)(span->since_us / 1000),
		(long long)(span->until_us / 1000));
	day_put_offsets(out, span);
	html_put(out, "\" data-runs=\"");
	day_put_runs(out, slots);
	html_put(out, "\" data-keys=\"");
	for (size_t i = 0; i < n_held; i += SHEET_CELLS)
		html_put(out, "%s%s", i ? " " : "", day_key(page, held, n_held, i, key));
	html_put(out,
		"\">\n<div class=\"viewer\"><canvas id=\"quick\" width=\"480\" height=\"360\" "
		"aria-hidden=\"true\"></canvas><img id=\"full\" alt=\"\" hidden>\n"
		"<div class=\"caption\"><output id=\"time\" for=\"slot\"></output>\n"
		"<button type=\"button\" id=\"play\">Play</button>\n"
		"<input type=\"range\" id=\"slot\" min=\"0\" value=\"0\" aria-label=\"Slot\">\n"
		"<span id=\"words\"></span><a id=\"open\" href=\"../\">Its facts</a> "
		"<a id=\"get\" href=\"../\" download>Download</a></div></div>\n"
		"<canvas id=\"plane\" aria-hidden=\"true\"></canvas>\n"
		"</section>\n");
}

/* How far apart slots are at least; a minute to an hour, of which it is a part. */
static int64_t day_step_us(const struct slots *slots)
{
	static const int minutes[] = { 60, 30, 20, 15, 10, 5, 2, 1 };
	int64_t least_us = 3600 * US_PER_SEC;
	size_t k = 0;

	for (size_t i = 1; i < slots->n; i++) {
		const int64_t step_us = slots->list[i].slot_us - slots->list[i - 1].slot_us;

		if (step_us > 0 && step_us < least_us)
			least_us = step_us;
	}
	while (k < ARRAY_SIZE(minutes) - 1 && minutes[k] * 60 * US_PER_SEC > least_us)
		k++;
	return minutes[k] * 60 * US_PER_SEC;
}

/* The parts of the bar that are pictures, or those that are gaps. */
static void day_put_parts(
	const struct page *page, const struct selection *span, const struct slots *slots, bool held)
{
	const double day = (double)(span->until_us - span->since_us);
	const int64_t grain_us = day_step_us(slots); /* what is nearer is drawn as one */

	for (size_t i = 0; i < slots->n;) {
		const struct slot *first = &slots->list[i], *last = first;
		double x, width;

		while (++i < slots->n && slots->list[i].state == first->state &&
			slots->list[i].slot_us - last->last_us <= 2 * grain_us)
			last = &slots->list[i];
		if (slot_is_seen(first->state) != held)
			continue;
		x = (double)(first->slot_us - span->since_us) / day * 1440;
		width = (double)(last->last_us + grain_us - first->slot_us) / day * 1440;
		html_put(page->out,
			"<rect class=\"%s\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"36\"/>",
			slot_state_name(first->state), x, x + width > 1440 ? 1440 - x : width);
	}
}

/* The day as a bar: the light of its pictures, and its gaps. */
static void day_put_bar(
	const struct page *page, const struct selection *span, const struct slots *slots)
{
	const double day = (double)(span->until_us - span->since_us);
	char time[LOCAL_TEXT_MAX];

	html_put(page->out,
		"<svg class=\"bar\" viewBox=\"0 0 1440 36\" preserveAspectRatio=\"none\" "
		"role=\"img\" aria-label=\"Pictures and gaps of the day\"><clipPath id=\"light\">");
	day_put_parts(page, span, slots, true);
	html_put(page->out,
		"</clipPath><image href=\"light.jpg%s\" width=\"1440\" height=\"36\" "
		"preserveAspectRatio=\"none\" clip-path=\"url(#light)\"/>",
		page_query(page));
	day_put_parts(page, span, slots, false);
	html_put(page->out, "</svg>\n<p class=\"axis\" aria-hidden=\"true\">");
	for (int i = 0; i <= 4; i++) {
		local_time(span->since_us + (int64_t)(day / 4 * i) + 1, time);
		time[5] = '\0';
		html_put(page->out, "<span>%s</span>", time);
	}
	html_put(page->out, "</p>\n");
}

static void day_put_sheets(const struct page *page, const struct slot *held, size_t n_held)
{
	char key[CACHE_KEY_MAX];

	html_put(page->out, "<noscript><div class=\"sheets\">");
	for (size_t i = 0; i * SHEET_CELLS < n_held && i < 4; i++)
		html_put(page->out,
			"<img src=\"%zu.jpg?key=%s%s\" loading=\"lazy\" alt=\"Small pictures of "
			"the "
			"day, in their order\">",
			i + 1, day_key(page, held, n_held, i * SHEET_CELLS, key),
			page->target->skip_marked ? "&marked=no" : "");
	html_put(page->out, "</div></noscript>\n");
}

/* Those of which there is something to see, for free(). How many; 0 also without memory. */
static size_t day_held(const struct slots *slots, struct slot **ret)
{
	struct slot *held = calloc(slots->n + 1, sizeof(*held));
	size_t n = 0;

	for (size_t i = 0; held && i < slots->n; i++) {
		if (slot_is_seen(slots->list[i].state))
			held[n++] = slots->list[i];
	}
	*ret = held;
	return n;
}

/* Where there is one: viewpi-film@.timer makes it the night after. */
static void day_put_film(const struct page *page)
{
	CLEANUP_FD int fd = -1;

	if (place_open_film(page->place, page->target->day, &fd) == 0)
		html_put(page->out,
			"<details class=\"film\"><summary>The film of this day</summary>\n"
			"<video controls preload=\"none\" src=\"film.mp4\"></video>\n"
			"<p><a href=\"film.mp4\" download>Download</a></p></details>\n");
}

static void day_put(
	const struct page *page, const struct selection *span, const struct slots *slots)
{
	char before[LOCAL_TEXT_MAX], after[LOCAL_TEXT_MAX], date[LOCAL_TEXT_MAX];
	CLEANUP_FREE struct slot *held = NULL;
	const size_t n_held = day_held(slots, &held);
	uint64_t due = 0, coming = 0;
	int64_t marked = 0;

	for (size_t i = 0; i < slots->n; i++) {
		due += slots->list[i].count;
		coming += slots->list[i].state == SLOT_COMING;
		marked += slots->list[i].mark != MARK_NONE;
	}
	html_put(page->out,
		"<h1>%s</h1>\n<p class=\"steps\"><a rel=\"prev\" href=\"../%s/%s\">Day before</a>"
		"<a rel=\"next\" href=\"../%s/%s\">Day after</a></p>\n"
		"<p><b>%llu</b> pictures of <b>%llu</b> slots.</p>\n",
		local_date(span->since_us, date), local_day(span->since_us - US_PER_SEC, before),
		page_query(page), local_day(span->until_us + US_PER_SEC, after), page_query(page),
		(unsigned long long)(n_held - coming), (unsigned long long)due);
	page_put_marked(page, marked);
	if (slots->n == 0) {
		html_put(page->out,
			"<p class=\"sentence\">The journal tells of no slot on this "
			"day.</p>\n");
		return;
	}
	day_put_film(page);
	day_put_bar(page, span, slots);
	day_put_data(page, span, slots, held, n_held);
	day_put_sheets(page, held, n_held);
	day_put_hours(page, slots);
	day_put_gaps(page, slots);
	day_put_marked(page, slots);
}

static int day_read(const struct page *page, struct selection *ret_span, struct slots *ret)
{
	int r;

	if (!day_span(page->target->day, ret_span))
		return -EINVAL;
	ret_span->skip_marked = page->target->skip_marked;
	r = page->archive ? select_slots(page->archive, ret_span, ret) : page->trouble;
	return r < 0 ? r : select_add_coming(page->archive, ret_span, ret);
}

int page_day(const struct page *page)
{
	CLEANUP(slots_clear) struct slots slots = { 0 };
	struct selection span;
	int r = day_read(page, &span, &slots);

	if (r < 0) {
		page_sentence(page, r == -EINVAL ? "Not here" : page->place->name,
			r == -EINVAL ? "There is no such day." : place_trouble(r));
		return r == -EINVAL ? 404 : 503;
	}
	page_begin(page, page->target->day);
	day_put(page, &span, &slots);
	page_end(page);
	return 200;
}

int page_draw(const struct page *page, const struct sheet_form *form, const struct slot *slots,
	size_t n, struct drawn *ret)
{
	struct drawn drawn = { .fd = -1 };
	size_t bytes;
	int r;

	sheet_key(page->archive, form, slots, n, drawn.key);
	if (cache_open(drawn.key, &drawn.fd, &drawn.bytes) < 0) {
		r = sheet_draw(page->archive, form, slots, n, drawn.key, &drawn.jpeg, &bytes);
		if (r < 0)
			return r;
		drawn.bytes = (int64_t)bytes;
	}
	*ret = drawn;
	return 0;
}

int day_sheet(const struct page *page, struct drawn *ret)
{
	CLEANUP(slots_clear) struct slots slots = { 0 };
	CLEANUP_FREE struct slot *held = NULL;
	const size_t first = (size_t)(page->target->seq - 1) * SHEET_CELLS;
	struct selection span;
	size_t n;
	int r = day_read(page, &span, &slots);

	if (r < 0)
		return r;
	n = day_held(&slots, &held);
	if (first >= n)
		return -ENOENT;
	return page_draw(page, &sheet_pictures, held + first,
		n - first < SHEET_CELLS ? n - first : SHEET_CELLS, ret);
}

int day_light(const struct page *page, struct drawn *ret)
{
	CLEANUP(slots_clear) struct slots slots = { 0 };
	CLEANUP_FREE struct slot *cells = NULL;
	struct selection span;
	int r = day_read(page, &span, &slots), columns;

	if (r < 0)
		return r;
	columns = (int)((span.until_us + 1 - span.since_us) / day_step_us(&slots));
	cells = calloc((size_t)columns, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	for (int i = 0; i < columns; i++)
		cells[i].state = SLOT_REMOVED;
	for (size_t i = slots.n; i-- > 0;) {
		const struct slot *slot = &slots.list[i];

		if (slot_is_seen(slot->state))
			cells[(slot->slot_us - span.since_us) * columns /
				(span.until_us + 1 - span.since_us)] = *slot;
	}
	return page_draw(page, &(struct sheet_form){ columns, 1, 36 }, cells, (size_t)columns, ret);
}
