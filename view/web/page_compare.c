/* SPDX-License-Identifier: MIT */
/* Two moments of one camera: one below the other, and over each other with the script. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/when.h"
#include "view/web/html.h"
#include "view/web/pages.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)

/* The picture that is here and nearest to that time. -ENOENT. */
static int compare_find(const struct page *page, int64_t at_us, struct record *ret)
{
	static const int64_t reach_us[] = { DAY_US / 24, DAY_US, 40 * DAY_US };
	const struct slot *best = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(reach_us); i++) {
		CLEANUP(slots_clear) struct slots slots = { 0 };
		const struct selection span = { .since_us = at_us - reach_us[i],
			.until_us = at_us + reach_us[i] };

		r = select_slots(page->archive, &span, &slots);
		for (size_t k = 0; r == 0 && k < slots.n; k++) {
			const struct slot *slot = &slots.list[k];

			if (slot->state == SLOT_HELD &&
				(!best ||
					llabs(slot->slot_us - at_us) <
						llabs(best->slot_us - at_us)))
				best = slot;
		}
		if (r < 0 || best)
			return r < 0 ? r : archive_find(page->archive, best->seq, ret);
	}
	return -ENOENT;
}

/* "2026-11-24T12:00", as a browser's field has it. */
static void compare_put_field(
	const struct page *page, const char *name, const char *words, int64_t at_us)
{
	char day[LOCAL_TEXT_MAX], time[LOCAL_TEXT_MAX];

	local_time(at_us, time);
	html_put(page->out,
		"<label>%s <input type=\"datetime-local\" name=\"%s\" value=\"%sT%s\" step=\"1\" "
		"required></label>\n",
		words, name, local_day(at_us, day), time);
}

static void compare_put_picture(
	const struct page *page, const struct record *frame, const char *which)
{
	char date[LOCAL_TEXT_MAX], time[LOCAL_TEXT_MAX];

	html_put(page->out, "<figure class=\"%s\"><img src=\"../%llu.jpg\" alt=\"%s, %s at %s\">",
		which, (unsigned long long)frame->seq, page->place->name,
		local_date(frame->slot_us, date), local_time(frame->slot_us, time));
	html_put(page->out, "<figcaption><a href=\"../%llu/\">", (unsigned long long)frame->seq);
	html_put_time(page->out, frame->slot_us);
	html_put(page->out, "</a></figcaption></figure>\n");
}

/* The two times: as they were asked for; else the newest picture's, and a day before the other. */
static bool compare_times(const struct page *page, int64_t *ret_a_us, int64_t *ret_b_us)
{
	struct record newest;
	const struct target *t = page->target;

	if (*t->b) {
		if (when_parse(t->b, WHEN_FROM, page->now_us, ret_b_us) < 0)
			return false;
	} else {
		*ret_b_us =
			archive_newest(page->archive, &newest) == 0 ? newest.slot_us : page->now_us;
	}
	*ret_a_us = *ret_b_us - DAY_US;
	return !*t->a || when_parse(t->a, WHEN_FROM, page->now_us, ret_a_us) == 0;
}

int page_compare(const struct page *page)
{
	struct record a, b;
	int64_t a_us = 0, b_us = 0;
	bool has_both;

	if (!page->archive) {
		page_sentence(page, page->place->name, place_trouble(page->trouble));
		return 503;
	}
	if (!compare_times(page, &a_us, &b_us)) {
		page_sentence(page, "Not here", "These are no two times.");
		return 400;
	}
	has_both = compare_find(page, a_us, &a) == 0 && compare_find(page, b_us, &b) == 0;
	page_begin(page, "Compare");
	html_put(page->out, "<h1>Compare two moments</h1>\n<form class=\"moments\">\n");
	compare_put_field(page, "a", "Before", has_both ? a.slot_us : a_us);
	compare_put_field(page, "b", "After", has_both ? b.slot_us : b_us);
	html_put(page->out, "<button>Show</button>\n</form>\n");
	if (has_both) {
		html_put(page->out, "<div id=\"compare\">\n");
		compare_put_picture(page, &a, "before");
		compare_put_picture(page, &b, "after");
		html_put(page->out,
			"<input type=\"range\" id=\"split\" min=\"0\" max=\"100\" value=\"50\" "
			"aria-label=\"How much of the picture before is shown\" hidden>\n</div>\n");
	} else {
		html_put(page->out,
			"<p class=\"sentence\">No picture is here near both of these "
			"times.</p>\n");
	}
	page_end(page);
	return 200;
}
