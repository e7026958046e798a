/* SPDX-License-Identifier: MIT */
/* The wall: every camera's newest picture, its age, and its state in words. */
#include "view/facts/next.h"
#include "view/web/html.h"
#include "view/web/pages.h"

static void wall_put_card(const struct page *wall, const struct place *place)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct page page = *wall;
	struct record newest;
	struct next_picture next;
	int r = place_open(place, &archive);
	const bool has_picture = r == 0 && archive_newest(archive, &newest) == 0;

	html_put(page.out, "<li class=\"card\"><a href=\"%s/\">", place->url);
	if (!has_picture) {
		html_put(page.out,
			"<span class=\"none\"></span><b>%s</b> <span class=\"trouble\">%s</span>"
			"</a></li>\n",
			place->name, r < 0 ? place_trouble(r) : "No picture was stored yet.");
		return;
	}
	next_read(place, archive, page.clock, &next);
	html_put(page.out,
		"<img src=\"%s/%llu/small.jpg\" alt=\"\" loading=\"lazy\" "
		"decoding=\"async\"><b>%s</b> ",
		place->url, (unsigned long long)newest.seq, place->name);
	page_put_age(&page, newest.slot_us);
	if (*next.trouble)
		html_put(page.out, " <span class=\"trouble\">silent: %s</span>", next.trouble);
	html_put(page.out, "</a></li>\n");
}

int page_wall(const struct page *page)
{
	page_begin(page, "Cameras");
	html_put(page->out, "<h1>Cameras</h1>\n");
	if (page->places->n == 0)
		html_put(page->out,
			"<p class=\"sentence\">There is no archive here yet. capturepi stores one "
			"in "
			"~/captures, pullpi one for each camera that it is paired with; "
			"viewpi.conf "
			"names others.</p>\n");
	else
		html_put(page->out, "<ul class=\"wall\">\n");
	for (size_t i = 0; i < page->places->n; i++)
		wall_put_card(page, &page->places->list[i]);
	if (page->places->n > 0)
		html_put(page->out, "</ul>\n");
	page_end(page);
	return 200;
}
