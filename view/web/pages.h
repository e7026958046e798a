/* SPDX-License-Identifier: MIT */
/*
 * The pages, one function each: HTML onto a stream, and the status of the answer. Each is whole
 * without the script, which only adds to it.
 */
#pragma once

#include <stdio.h>

#include "view/facts/select.h"
#include "view/settings/places.h"
#include "view/thumb/sheet.h"
#include "view/web/request.h"

struct page {
	FILE *out;
	const struct places *places;
	const struct place *place; /* the camera; NULL: of all */
	struct archive *archive; /* NULL: see `trouble` */
	int trouble; /* why its archive cannot be opened; 0: it can */
	const struct target *target;
	unsigned depth; /* of the address: 0 is the wall, 1 a camera's newest */
	const struct clock *clock;
	int64_t now_us; /* of it, when the page was begun */
};

/* The frame around a page: its head, and the way to the other pages. */
void page_begin(const struct page *page, const char *title);
void page_end(const struct page *page);
/* A page of one sentence. */
void page_sentence(const struct page *page, const char *title, const char *sentence);

/* "3 min ago" and the facts of a picture as a list. */
void page_put_age(const struct page *page, int64_t wall_us);
void page_put_facts(const struct page *page, const struct record *frame);

/*
 * How many of its pictures are likely to be useless, and the way to this page without them, or
 * with them. What a link to another page of pictures ends with, so that it leaves out the same.
 */
void page_put_marked(const struct page *page, int64_t marked);
const char *page_query(const struct page *page);

int page_wall(const struct page *page);
int page_newest(const struct page *page);
int page_picture(const struct page *page);
int page_day(const struct page *page);
int page_month(const struct page *page);
int page_year(const struct page *page);
int page_events(const struct page *page);
int page_compare(const struct page *page);
int page_aim(const struct page *page);

/* A picture that is made of many (view/thumb/sheet.h). */
struct drawn {
	char key[CACHE_KEY_MAX];
	int fd; /* it was drawn before; else -1, and it is in memory, for free() */
	uint8_t *jpeg;
	int64_t bytes;
};
/* Errors as sheet_draw(). */
int page_draw(const struct page *page, const struct sheet_form *form, const struct slot *slots,
	size_t n, struct drawn *ret);
/*
 * One sheet of that day's pictures; its light, a column for each of its slots, at most one a
 * minute; a month's light, a column a day, from midnight down. -EINVAL no such day or month; as
 * page_draw().
 */
typedef int page_drawing(const struct page *page, struct drawn *ret);
page_drawing day_sheet, day_light, month_light;

/* style.css, script.js, icon.svg */
extern const char style_css[], script_js[], icon_svg[];
