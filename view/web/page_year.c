/* SPDX-License-Identifier: MIT */
/* A year as squares, one a day, and a month day by day; the light of all its slots. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/utc.h"
#include "common/base/when.h"
#include "view/facts/tally.h"
#include "view/web/html.h"
#include "view/web/pages.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define LIGHT_ROWS 72 /* of a month's light: one for 20 minutes */
#define LIGHT_PIXELS 8 /* of each of its cells */

static const char *const month_names[] = { "January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December" };
static const char *const month_short[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };
static const char *const day_names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

static int month_days(int year, int month)
{
	int days = 31;

	while (utc_join(&(struct utc_fields){ .year = year, .month = month, .day = days },
		       &(int64_t){ 0 }) < 0)
		days--;
	return days;
}

/* Days since 1970 of a date; what that calendar lacks was refused before. */
static int date_number(int year, int month, int day)
{
	int64_t us = 0;

	utc_join(&(struct utc_fields){ .year = year, .month = month, .day = day }, &us);
	return (int)(us / DAY_US);
}

/* 0 is Monday; 1970-01-01 was a Thursday. */
static int date_weekday(int number)
{
	return ((number + 3) % 7 + 7) % 7;
}

/* ---- a span of days */

struct calendar {
	int year, first_month, last_month;
	int64_t since_us, until_us;
	struct tallies tallies;
	const struct tally *days[366]; /* of the span, from its first; NULL: no slot */
};

static void calendar_clear(struct calendar *calendar)
{
	tallies_clear(&calendar->tallies);
}

/* The number that the first `n` digits of the text are. */
static int digits_read(const char *text, int n)
{
	int number = 0;

	for (int i = 0; i < n; i++)
		number = 10 * number + (text[i] - '0');
	return number;
}

/* The span that the address names. -EINVAL there is no such month or year. */
static int calendar_begin(const char *text, struct calendar *ret)
{
	char first[32], last[32];
	int month = 0;

	ret->year = digits_read(text, 4);
	if (text[4] == '-')
		month = digits_read(text + 5, 2);
	if (ret->year < 1970 || month > 12 || (text[4] == '-' && month < 1))
		return -EINVAL;
	ret->first_month = month ? month : 1;
	ret->last_month = month ? month : 12;
	snprintf(first, sizeof(first), "%04d-%02d-01", ret->year % 10000, ret->first_month % 100);
	snprintf(last, sizeof(last), "%04d-%02d-%02d", ret->year % 10000, ret->last_month % 100,
		month_days(ret->year, ret->last_month) % 100);
	if (when_parse(first, WHEN_FROM, 0, &ret->since_us) < 0 ||
		when_parse(last, WHEN_TO, 0, &ret->until_us) < 0)
		return -EINVAL;
	return 0;
}

static int calendar_read(const struct page *page, struct calendar *ret)
{
	int r = calendar_begin(page->target->day, ret);

	if (r == 0)
		r = page->archive ? tally_read(page->archive, ret->since_us, ret->until_us,
					    TALLY_DAYS, &ret->tallies)
				  : page->trouble;
	for (size_t i = 0; r == 0 && i < ret->tallies.n; i++) {
		struct tally *tally = &ret->tallies.list[i];
		const int day = utc_local_day(tally->since_us) -
			date_number(ret->year, ret->first_month, 1);

		if (page->target->skip_marked)
			tally->taken -= tally_marked(tally);
		if (day >= 0 && day < (int)ARRAY_SIZE(ret->days) && tally_due(tally) > 0)
			ret->days[day] = tally;
	}
	return r;
}

/* The tally of a day by its number since 1970; NULL: it had no slot. */
static const struct tally *calendar_day(const struct calendar *calendar, int number)
{
	return calendar->days[number - date_number(calendar->year, calendar->first_month, 1)];
}

/* Whether the pictures of that day's noon are still there. */
static bool day_is_here(const struct page *page, const struct tally *tally)
{
	const struct frame_name noon = {
		.slot_us = tally->since_us + (tally->until_us - tally->since_us) / 2, .seq = 1
	};
	char folder[FRAME_PATH_MAX];

	return frame_name_folder(&noon, folder) < 0 ||
		faccessat(archive_root_fd(page->archive), folder, F_OK, 0) == 0;
}

/* How much was taken of what was due, as a word of the style sheet. */
static const char *day_grade(const struct page *page, const struct tally *tally)
{
	const int64_t due = tally_due(tally);

	if (tally->taken > 0 && !day_is_here(page, tally))
		return "gone";
	if (tally->taken >= due)
		return "all";
	if (tally->taken * 20 >= due * 19)
		return "most";
	if (tally->taken * 2 >= due)
		return "half";
	return tally->taken > 0 ? "few" : "none";
}

/* ---- the year */

static void month_put_square(
	const struct page *page, const struct tally *tally, int year, int month, int day)
{
	const int marked = page->target->skip_marked ? 0 : (int)tally_marked(tally);

	html_put(page->out,
		"<a class=\"%s%s\" href=\"../%04d-%02d-%02d/%s\" title=\"%d %s: %d of %lld "
		"pictures",
		day_grade(page, tally), marked > 0 ? " marked" : "", year, month, day,
		page_query(page), day, month_names[month - 1], (int)tally->taken,
		(long long)tally_due(tally));
	if (marked > 0)
		html_put(page->out, ", %d useless", marked);
	html_put(page->out, "\">%d</a>", day);
}

static void month_put_squares(const struct page *page, const struct calendar *calendar, int month)
{
	const int first = date_number(calendar->year, month, 1);

	html_put(page->out,
		"<section class=\"month\"><h2><a href=\"../%04d-%02d/%s\">%s</a></h2>\n<ol>",
		calendar->year, month, page_query(page), month_names[month - 1]);
	for (int day = 1; day <= month_days(calendar->year, month); day++) {
		const int number = first + day - 1;
		const struct tally *tally = calendar_day(calendar, number);

		html_put(page->out, "<li class=\"d%d\">", day == 1 ? date_weekday(number) : 7);
		if (tally)
			month_put_square(page, tally, calendar->year, month, day);
		else
			html_put(page->out, "<span>%d</span>", day);
		html_put(page->out, "</li>");
	}
	html_put(page->out, "</ol></section>\n");
}

/* Days without a slot are covered: the picture is grey there. */
static void light_put_blanks(const struct page *page, const struct calendar *calendar, int month)
{
	const int first = date_number(calendar->year, month, 1);
	const int days = month_days(calendar->year, month);

	for (int i = 0; i < days; i++) {
		const int from = i;

		while (i < days && !calendar_day(calendar, first + i))
			i++;
		if (i > from)
			html_put(page->out,
				"<rect class=\"blank\" x=\"%d\" width=\"%d\" height=\"%d\"/>", from,
				i - from, LIGHT_ROWS);
	}
}

/* The light of the months side by side, a column for each day, from midnight down to midnight. */
static void year_put_light(const struct page *page, const struct calendar *calendar)
{
	html_put(page->out, "<figure class=\"light\">\n<div>");
	for (int month = 1; month <= 12; month++) {
		const int days = month_days(calendar->year, month);
		const int first = date_number(calendar->year, month, 1);
		bool has_day = false;

		for (int i = 0; i < days; i++)
			has_day = has_day || calendar_day(calendar, first + i);
		html_put(page->out, "<a class=\"m%d\" href=\"../%04d-%02d/%s\">", days,
			calendar->year, month, page_query(page));
		if (has_day)
			html_put(page->out,
				"<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
				"role=\"img\" "
				"aria-label=\"The light of %s\"><image "
				"href=\"../%04d-%02d/light.jpg%s\" "
				"width=\"%d\" height=\"%d\" preserveAspectRatio=\"none\"/>",
				days, LIGHT_ROWS, month_names[month - 1], calendar->year, month,
				page_query(page), days, LIGHT_ROWS);
		if (has_day) {
			light_put_blanks(page, calendar, month);
			html_put(page->out, "</svg>");
		}
		html_put(page->out, "<b>%s</b></a>", month_short[month - 1]);
	}
	html_put(page->out,
		"</div>\n<figcaption>Each day is a column, from midnight at the top to "
		"midnight at the bottom, in the colours of its pictures.</figcaption>\n"
		"</figure>\n");
}

static void calendar_put_sum(const struct page *page, const struct calendar *calendar)
{
	int64_t taken = 0, due = 0, marked = 0;

	for (size_t i = 0; i < calendar->tallies.n; i++) {
		taken += calendar->tallies.list[i].taken;
		due += tally_due(&calendar->tallies.list[i]);
		marked += tally_marked(&calendar->tallies.list[i]);
	}
	html_put(page->out, "<p><b>%lld</b> of <b>%lld</b> pictures were taken.</p>\n",
		(long long)taken, (long long)due);
	page_put_marked(page, marked);
}

static int calendar_put_trouble(const struct page *page, int error)
{
	page_sentence(page, error == -EINVAL ? "Not here" : page->place->name,
		error == -EINVAL ? "There is no such time." : place_trouble(error));
	return error == -EINVAL ? 404 : 503;
}

int page_year(const struct page *page)
{
	CLEANUP(calendar_clear) struct calendar calendar = { 0 };
	int r = calendar_read(page, &calendar);
	const int before = calendar.year > 1970 ? calendar.year - 1 : 1970;
	const int after = calendar.year < 9999 ? calendar.year + 1 : 9999;

	if (r < 0)
		return calendar_put_trouble(page, r);
	page_begin(page, page->target->day);
	html_put(page->out,
		"<h1>%s in %d</h1>\n<p class=\"steps\"><a rel=\"prev\" "
		"href=\"../year-%04d/%s\">%d</a>"
		"<a rel=\"next\" href=\"../year-%04d/%s\">%d</a></p>\n",
		page->place->name, calendar.year, before, page_query(page), before, after,
		page_query(page), after);
	calendar_put_sum(page, &calendar);
	year_put_light(page, &calendar);
	html_put(page->out, "<div class=\"year\">\n");
	for (int month = 1; month <= 12; month++)
		month_put_squares(page, &calendar, month);
	html_put(page->out,
		"</div>\n<ul class=\"legend\"><li><i class=\"all\"></i>every picture</li>"
		"<li><i class=\"most\"></i>19 of 20 or more</li><li><i class=\"half\"></i>half or "
		"more</li><li><i class=\"few\"></i>fewer</li><li><i class=\"none\"></i>none</li>"
		"<li><i class=\"gone\"></i>removed since</li>"
		"<li><i class=\"marked\"></i>has useless pictures</li></ul>\n");
	page_end(page);
	return 200;
}

/* ---- the month */

/* "2 camera, 18 down" */
static void tally_put_missed(const struct page *page, const struct tally *tally)
{
	bool first = true;

	for (int i = 0; i < MISS_CAUSES; i++) {
		if (tally->missed[i] <= 0)
			continue;
		html_put(page->out, "%s<span class=\"cause\"><i class=\"%s\"></i>%d %s</span>",
			first ? "" : " ", miss_cause_name((enum miss_cause)i),
			(int)tally->missed[i], miss_cause_name((enum miss_cause)i));
		first = false;
	}
}

/* A day of the month's light, turned to lie from left to right. */
static void month_put_day(
	const struct page *page, const struct calendar *calendar, int day, int days)
{
	const int number = date_number(calendar->year, calendar->first_month, day);
	const struct tally *tally = calendar_day(calendar, number);

	if (!tally)
		return;
	html_put(page->out,
		"<tr><th scope=\"row\"><a href=\"../%04d-%02d-%02d/%s\">%s %d</a></th><td "
		"class=\"strip\">"
		"<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
		"<image href=\"light.jpg%s\" width=\"%d\" height=\"%d\" "
		"preserveAspectRatio=\"none\" "
		"transform=\"matrix(0 1 1 0 0 %d)\"/></svg></td><td><i class=\"grade %s\"></i>%d "
		"of "
		"%lld",
		calendar->year, calendar->first_month, day, page_query(page),
		day_names[date_weekday(number)], day, LIGHT_ROWS * LIGHT_PIXELS, LIGHT_PIXELS,
		page_query(page), days * LIGHT_PIXELS, LIGHT_ROWS * LIGHT_PIXELS,
		-(day - 1) * LIGHT_PIXELS, day_grade(page, tally), (int)tally->taken,
		(long long)tally_due(tally));
	if (tally_marked(tally) > 0 && !page->target->skip_marked)
		html_put(page->out, ", %d useless", (int)tally_marked(tally));
	html_put(page->out, "</td><td>");
	tally_put_missed(page, tally);
	html_put(page->out, "</td></tr>\n");
}

static void month_put_way(const struct page *page, int year, int month, const char *rel)
{
	const int n = year * 12 + month - 1;

	html_put(page->out, "<a rel=\"%s\" href=\"../%04d-%02d/%s\">%s</a>", rel, n / 12,
		n % 12 + 1, page_query(page), month_names[n % 12]);
}

int page_month(const struct page *page)
{
	CLEANUP(calendar_clear) struct calendar calendar = { 0 };
	int r = calendar_read(page, &calendar);
	const int month = calendar.first_month;

	if (r < 0)
		return calendar_put_trouble(page, r);
	page_begin(page, page->target->day);
	html_put(page->out, "<h1>%s %d</h1>\n<p class=\"steps\">", month_names[month - 1],
		calendar.year);
	month_put_way(page, calendar.year, month - 1, "prev");
	html_put(page->out, "<a href=\"../year-%04d/%s\">%d</a>", calendar.year, page_query(page),
		calendar.year);
	month_put_way(page, calendar.year, month + 1, "next");
	html_put(page->out, "</p>\n");
	calendar_put_sum(page, &calendar);
	if (calendar.tallies.n > 0)
		html_put(page->out,
			"<table class=\"days\"><thead><tr><th scope=\"col\">Day</th>"
			"<th scope=\"col\">Midnight to midnight</th><th scope=\"col\">"
			"Pictures</th><th scope=\"col\">Missing</th></tr></thead>\n");
	for (int day = 1; day <= month_days(calendar.year, month); day++)
		month_put_day(page, &calendar, day, month_days(calendar.year, month));
	if (calendar.tallies.n > 0)
		html_put(page->out, "</table>\n");
	page_end(page);
	return 200;
}

/* The first picture of each 20 minutes in its cell. */
int month_light(const struct page *page, struct drawn *ret)
{
	CLEANUP(slots_clear) struct slots slots = { 0 };
	CLEANUP_FREE struct slot *cells = NULL;
	struct calendar calendar = { 0 };
	struct selection span = { .every_us = DAY_US / LIGHT_ROWS,
		.skip_marked = page->target->skip_marked };
	int r = calendar_begin(page->target->day, &calendar), days;

	if (r == 0)
		r = page->archive ? 0 : page->trouble;
	if (r < 0)
		return r;
	span.since_us = calendar.since_us;
	span.until_us = calendar.until_us;
	days = month_days(calendar.year, calendar.first_month);
	cells = calloc((size_t)days * LIGHT_ROWS, sizeof(*cells));
	r = cells ? select_slots(page->archive, &span, &slots) : -ENOMEM;
	if (r < 0)
		return r;
	for (int i = 0; i < days * LIGHT_ROWS; i++)
		cells[i].state = SLOT_REMOVED;
	for (size_t i = 0; i < slots.n; i++) {
		const struct slot *slot = &slots.list[i];
		const int64_t local_us =
			slot->slot_us + utc_local_offset_s(slot->slot_us) * US_PER_SEC;
		const int64_t row = local_us % DAY_US / (DAY_US / LIGHT_ROWS);
		const int64_t column =
			local_us / DAY_US - date_number(calendar.year, calendar.first_month, 1);

		if (slot->state == SLOT_HELD && column >= 0 && column < days)
			cells[row * days + column] = *slot;
	}
	return page_draw(page,
		&(struct sheet_form){ days, LIGHT_PIXELS, LIGHT_PIXELS, .flat = true }, cells,
		(size_t)days * LIGHT_ROWS, ret);
}
