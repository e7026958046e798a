/* SPDX-License-Identifier: MIT */
/* One picture, large: the newest, or one by its number. */
#include "common/base/utc.h"
#include "view/facts/next.h"
#include "view/web/html.h"
#include "view/web/pages.h"

#define REACH 100 /* numbers looked at for the picture before and after */

struct neighbours {
	uint64_t seq, before, after; /* 0: none near */
};

static int neighbours_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct neighbours *n = data;
	struct record record;

	if (seq == n->seq || record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME)
		return 0;
	if (seq < n->seq && seq > n->before)
		n->before = seq;
	if (seq > n->seq && (n->after == 0 || seq < n->after))
		n->after = seq;
	return 0;
}

static void picture_put_steps(const struct page *page, const struct record *frame, const char *way)
{
	struct neighbours n = { .seq = frame->seq };
	char day[LOCAL_TEXT_MAX];
	uint64_t next;

	journal_visit(archive_journal(page->archive), n.seq > REACH ? n.seq - REACH : 1,
		n.seq + REACH, neighbours_line, &n, &next);
	html_put(page->out, "<p class=\"steps\">");
	if (n.before)
		html_put(page->out, "<a rel=\"prev\" href=\"%s%llu/\">Earlier</a>", way,
			(unsigned long long)n.before);
	html_put(page->out, "<a href=\"%s%s/\">This day</a>", way, local_day(frame->slot_us, day));
	if (n.after)
		html_put(page->out, "<a rel=\"next\" href=\"%s%llu/\">Later</a>", way,
			(unsigned long long)n.after);
	html_put(page->out, "<a href=\"%s%llu.jpg\" download>Download</a>", way,
		(unsigned long long)frame->seq);
	if (page->target->route == ROUTE_NEWEST && !page->place->copy)
		html_put(page->out, "<a href=\"aim/\">Aim the camera</a>");
	html_put(page->out, "</p>\n");
}

static void picture_put(const struct page *page, const struct record *frame, const char *way)
{
	char date[LOCAL_TEXT_MAX], time[LOCAL_TEXT_MAX];

	html_put(page->out,
		"<figure class=\"picture\"><a href=\"%s%llu.jpg\"><img src=\"%s%llu.jpg\" "
		"alt=\"%s, %s at %s\"></a>\n<figcaption>",
		way, (unsigned long long)frame->seq, way, (unsigned long long)frame->seq,
		page->place->name, local_date(frame->slot_us, date),
		local_time(frame->slot_us, time));
	html_put_time(page->out, frame->slot_us);
	html_put(page->out, " ");
	page_put_age(page, frame->slot_us);
	html_put(page->out, "</figcaption></figure>\n");
	picture_put_steps(page, frame, way);
	page_put_facts(page, frame);
}

static int picture_trouble(const struct page *page)
{
	page_sentence(page, page->place->name,
		page->archive ? "No picture was stored yet." : place_trouble(page->trouble));
	return page->archive ? 200 : 503;
}

/* Milliseconds for the script; 0: not known. */
static long long script_time(int64_t us)
{
	return us == TIME_NONE ? 0 : us / 1000;
}

int page_newest(const struct page *page)
{
	struct next_picture next;
	struct record newest;

	if (!page->archive || archive_newest(page->archive, &newest) < 0)
		return picture_trouble(page);
	next_read(page->place, page->archive, page->clock, &next);
	page_begin(page, page->place->name);
	html_put(page->out,
		"<div id=\"newest\" data-seq=\"%llu\" data-due=\"%lld\" data-missed=\"%lld\">\n"
		"<h1>%s</h1>\n<p id=\"alarm\" role=\"status\">%s</p>\n",
		(unsigned long long)newest.seq, script_time(next.slot_us),
		script_time(next.missed_us), page->place->name, next.trouble);
	picture_put(page, &newest, "");
	if (next.slot_us != TIME_NONE && !*next.trouble) {
		html_put(page->out, "<p class=\"next\">The next picture: ");
		html_put_time(page->out, next.slot_us);
		html_put(page->out, "</p>\n");
	}
	html_put(page->out, "</div>\n");
	page_end(page);
	return 200;
}

int page_picture(const struct page *page)
{
	struct record frame;

	if (!page->archive)
		return picture_trouble(page);
	if (archive_find(page->archive, page->target->seq, &frame) < 0 ||
		frame.type != RECORD_FRAME) {
		page_sentence(page, "Not here", "The journal knows no picture of this number.");
		return 404;
	}
	page_begin(page, page->place->name);
	html_put(page->out, "<h1>%s</h1>\n", page->place->name);
	picture_put(page, &frame, "../");
	page_end(page);
	return 200;
}
