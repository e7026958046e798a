/* SPDX-License-Identifier: MIT */
/*
 * The page to hang and focus a camera by, with a telephone on the ladder. The script shows what the
 * running service makes for it (common/systemd/published.h); nothing of that is stored.
 */
#include "view/web/html.h"
#include "view/web/pages.h"

int page_aim(const struct page *page)
{
	struct record newest;

	if (page->place->copy) {
		page_sentence(page, "Aim",
			"These are copies: aim on the page of the camera's own machine.");
		return 404;
	}
	page_begin(page, "Aim");
	html_put(page->out,
		"<h1>Aim %s</h1>\n<div id=\"aim\" data-seq=\"%llu\">\n"
		"<p class=\"sharpness\"><b id=\"sharp\">-</b> <meter id=\"bar\" min=\"0\" "
		"max=\"1\" "
		"value=\"0\" aria-label=\"Sharpness against the best so far\"></meter> best "
		"<b id=\"best\">-</b></p>\n"
		"<p id=\"said\" role=\"status\">This page needs the script.</p>\n"
		"<canvas id=\"whole\" width=\"640\" height=\"480\"></canvas>\n"
		"<p class=\"steps\"><button id=\"again\">Best again (b)</button>"
		"<button id=\"lens\">Keep the lens (l)</button>"
		"<button id=\"reference\">Newest picture as ghost (r)</button>"
		"<button id=\"horizon\">Horizon (h)</button>"
		"<button id=\"clipped\">Clipped (c)</button>"
		"<button id=\"corner\">Draw a mask (m)</button></p>\n"
		"<pre id=\"line\"></pre>\n"
		"<canvas id=\"centre\" width=\"480\" height=\"480\"></canvas>\n</div>\n",
		page->place->name,
		page->archive && archive_newest(page->archive, &newest) == 0
			? (unsigned long long)newest.seq
			: 0ULL);
	page_end(page);
	return 200;
}
