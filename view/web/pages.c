/* SPDX-License-Identifier: MIT */
/* What all pages have: the frame around them, ages, and the facts of a picture. */
#include "view/web/pages.h"

#include <math.h>
#include <string.h>

#include "common/base/utc.h"
#include "view/web/html.h"

/*
 * The way up to the wall, without the first `skip` levels. Addresses are relative, so that a proxy
 * may put the pages anywhere.
 */
static const char *page_up(const struct page *page, unsigned skip)
{
	static const char up[] = "../../../../../../../../";
	const unsigned levels = page->depth < 8 ? page->depth : 8;

	return levels > skip ? up + 3 * (8 - (levels - skip)) : "./";
}

static void page_put_way(const struct page *page, enum route route, const char *camera,
	const char *folder, const char *words)
{
	html_put(page->out, "<a href=\"%s%s%s\"%s>%s</a>", camera, folder, *folder ? "/" : "",
		page->target->route == route ? " aria-current=page" : "", words);
}

void page_begin(const struct page *page, const char *title)
{
	const char *root = page_up(page, 0), *camera = page_up(page, 1);
	char today[LOCAL_TEXT_MAX], year[16];

	html_put(page->out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<title>%s</title>\n<link rel=\"icon\" href=\"%sicon.svg\">\n"
		"<link rel=\"stylesheet\" href=\"%sstyle.css\">\n"
		"<script src=\"%sscript.js\" defer></script>\n</head>\n"
		"<body data-now=\"%lld\">\n<header>\n<a class=\"home\" href=\"%s\">Cameras</a>\n",
		title, root, root, root, (long long)(page->now_us / 1000), root);
	if (page->place) {
		local_day(page->now_us, today);
		html_put(page->out, "<strong>%s</strong>\n<nav aria-label=\"This camera\">",
			page->place->name);
		page_put_way(page, ROUTE_NEWEST, camera, "", "Newest");
		page_put_way(page, ROUTE_DAY, camera,
			strlen(page->target->day) == 10 ? page->target->day : today, "Day");
		snprintf(year, sizeof(year), "year-%.4s",
			*page->target->day ? page->target->day : today);
		page_put_way(page, ROUTE_YEAR, camera, year, "Year");
		page_put_way(page, ROUTE_EVENTS, camera, "events", "Events");
		page_put_way(page, ROUTE_COMPARE, camera, "compare", "Compare");
		html_put(page->out, "</nav>\n");
	}
	html_put(page->out, "</header>\n<main>\n");
}

void page_end(const struct page *page)
{
	html_put(page->out, "</main>\n</body>\n</html>\n");
}

void page_sentence(const struct page *page, const char *title, const char *sentence)
{
	page_begin(page, title);
	html_put(page->out, "<h1>%s</h1>\n<p class=\"sentence\">%s</p>\n", title, sentence);
	page_end(page);
}

void page_put_age(const struct page *page, int64_t wall_us)
{
	char age[UTC_TEXT_MAX];

	html_put(page->out, "<span class=\"age\" data-since=\"%lld\">%s%s</span>",
		(long long)(wall_us / 1000),
		wall_us > page->now_us ? "in the future"
				       : duration_format(page->now_us - wall_us, age),
		wall_us > page->now_us ? "" : " ago");
}

static void page_put_fact(const struct page *page, const char *name, const char *value)
{
	html_put(page->out, "<div><dt>%s</dt><dd>%s</dd></div>", name, value);
}

/* "1/250 s", "2.5 s" */
static const char *exposure_describe(double us, char *buf, size_t size)
{
	if (us < 300000)
		snprintf(buf, size, "1/%.0f s", 1e6 / us);
	else
		snprintf(buf, size, "%.1f s", us / 1e6);
	return buf;
}

void page_put_facts(const struct page *page, const struct record *frame)
{
	const struct camera_facts *f = &frame->facts;
	struct frame_name name = record_name(frame);
	char text[FRAME_NAME_MAX];

	html_put(page->out, "<dl class=\"facts\">");
	snprintf(text, sizeof(text), "%+.1f ms", (double)frame->late_us / 1000);
	page_put_fact(page, "Late", frame->exposed_us == TIME_NONE ? "not known" : text);
	if (f->exposure_us > 0)
		page_put_fact(
			page, "Exposure", exposure_describe(f->exposure_us, text, sizeof(text)));
	if (f->gain > 0) {
		snprintf(text, sizeof(text), "ISO %.0f", f->gain * 100);
		page_put_fact(page, "Gain", text);
	}
	if (f->colour_temperature > 0) {
		snprintf(text, sizeof(text), "%.0f K", f->colour_temperature);
		page_put_fact(page, "Light", text);
	}
	if (*f->focus)
		page_put_fact(page, "Focus", f->focus);
	if (frame->picture.mark != MARK_NONE)
		page_put_fact(page, "Marked", mark_name(frame->picture.mark));
	if (!frame->synced)
		page_put_fact(page, "Clock", "not known to be right");
	snprintf(text, sizeof(text), "%.0f KB", (double)frame->bytes / 1000);
	page_put_fact(page, "Size", text);
	if (frame_name_format(&name, text) == 0)
		page_put_fact(page, "File", text);
	html_put(page->out, "</dl>\n");
}

const char *page_query(const struct page *page)
{
	return page->target->skip_marked ? "?marked=no" : "";
}

void page_put_marked(const struct page *page, int64_t marked)
{
	if (page->target->skip_marked)
		html_put(page->out,
			"<p>Pictures that are likely to be useless are left out. "
			"<a href=\"./\">Show them</a></p>\n");
	else if (marked > 0)
		html_put(page->out,
			"<p><b>%lld</b> of them %s likely to be useless. "
			"<a href=\"?marked=no\">Leave %s out</a></p>\n",
			(long long)marked, marked == 1 ? "is" : "are", marked == 1 ? "it" : "them");
}
