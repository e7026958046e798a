/* SPDX-License-Identifier: MIT */
/* Request to answer: pages, pictures, what a browser has already, and what is nobody's to read. */
#include "tests/unit/archive_kit.h"
#include "tests/unit/clock_kit.h"
#include "view/web/answer.h"
#include "view/web/html.h"

static char folder[64];
static struct places *places;

/* Six frames a minute apart, of which two are covered and the last one is blurred. */
static void make_marked(char path[static 64])
{
	static const enum mark marks[] = { MARK_NONE, MARK_COVERED, MARK_COVERED, MARK_NONE,
		MARK_NONE, MARK_BLURRED };
	CLEANUP(archive_freep) struct archive *archive = NULL;

	test_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < (int)ARRAY_SIZE(marks); i++)
		CHECK_INT(kit_publish_marked(archive, KIT_SLOT + i * KIT_MINUTE, marks[i]), 0);
}

static void make_places(int frames)
{
	char porch[64];

	if (places)
		return;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	test_make_folder(folder);
	setenv("XDG_CACHE_HOME", folder, 1);
	kit_publish_some(folder, frames);
	places = calloc(1, sizeof(*places));
	places->n = 3;
	strcpy(places->list[0].name, "garden");
	strcpy(places->list[0].url, "garden");
	strcpy(places->list[0].path, folder);
	strcpy(places->list[1].name, "<b>away & gone</b>");
	strcpy(places->list[1].url, "away");
	strcpy(places->list[1].path, "/nonexistent");
	make_marked(porch);
	strcpy(places->list[2].name, "porch");
	strcpy(places->list[2].url, "porch");
	strcpy(places->list[2].path, porch);
}

static struct answer ask_with(struct web_request request)
{
	const struct clock_fake clock = clock_fake(KIT_SLOT + 10 * KIT_MINUTE);
	struct answer answer;

	make_places(10);
	request.method = request.method ? request.method : "GET";
	request.clock = &clock.clock;
	answer_make(places, &request, true, &answer);
	return answer;
}

static struct answer ask(const char *target)
{
	return ask_with((struct web_request){ .target = target });
}

static bool page_has(const struct answer *answer, const char *text)
{
	if (answer->body && strstr(answer->body, text))
		return true;
	fprintf(stderr, "  no \"%s\" in: %s\n", text, answer->body ? answer->body : "nothing");
	return false;
}

TEST(wall)
{
	CLEANUP(answer_clear) struct answer answer = ask("/");

	CHECK_INT(answer.status, 200);
	CHECK(page_has(&answer, "garden/10/small.jpg"));
	CHECK(page_has(&answer, "There is no archive in its folder"));
	/* foreign text passes the door */
	CHECK(page_has(&answer, "&lt;b&gt;away &amp; gone&lt;/b&gt;"));
	CHECK(!strstr(answer.body, "<b>away"));
}

TEST(pages)
{
	static const struct {
		const char *target;
		int status;
		const char *text;
	} cases[] = {
		{ "/garden/", 200, "data-seq=\"10\"" },
		{ "/garden/3/", 200, "20261120T160300Z-00000003.jpg" },
		{ "/garden/3/", 200, "href=\"../2/\"" },
		{ "/garden/2026-11-20/", 200, "<b>10</b> pictures of <b>10</b> slots" },
		{ "/garden/2026-11-21/", 200, "<b>0</b> pictures of <b>0</b> slots" },
		{ "/garden/2026-02-30/", 404, "no such day" },
		{ "/garden/2026-11/", 200, "10 of 10" },
		{ "/garden/2026-10/", 200, "<b>0</b> of <b>0</b>" },
		{ "/garden/2026-13/", 404, "no such time" },
		{ "/garden/year-2026/", 200, "20 November: 10 of 10 pictures" },
		{ "/garden/year-1969/", 404, "no such time" },
		{ "/garden/year-9999/", 200, "<b>0</b> of <b>0</b>" },
		{ "/garden/events/", 200, "<b>10</b> of <b>10</b>" },
		{ "/garden/compare/?a=2026-11-20T17:01&b=2026-11-20T17:07", 200, "../7.jpg" },
		{ "/garden/compare/?b=1999-01-01T00:00", 200, "No picture is here near" },
		{ "/garden/compare/?b=9999-99", 400, "no two times" },
		{ "/nobody/events/", 404, "no camera of this name" },
		{ "/%3Cb%3Eaway%20&%20gone%3C%2fb%3E/events/", 400, "" },
		{ "/garden/77/", 404, "knows no picture" },
		{ "/garden/77.jpg", 404, "knows no picture" },
		{ "/nobody/", 404, "no camera of this name" },
		{ "/nobody/latest.jpg", 404, "no camera of this name" },
		{ "/garden/archive.json", 404, "no such page" },
		{ "/garden/%2e%2e/", 400, "no address" },
		{ "/%3Cb%3Eaway%20&%20gone%3C%2Fb%3E/", 400, "no address" },
		{ "/garden/2026-11-20/1.jpg", 200, NULL },
		{ "/garden/2026-11-20/2.jpg", 404, "no small pictures" },
		{ "/garden/2026-11-20/1.jpg?key=../../../../x", 200, NULL },
		{ "/garden/3/small.jpg", 404, "no small picture" }, /* it is none in colour */
		{ "/garden/77/small.jpg", 404, "knows no picture" },
		{ "/style.css", 200, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(answer_clear) struct answer answer = ask(cases[i].target);

		if (answer.status != cases[i].status)
			fprintf(stderr, "  %s\n", cases[i].target);
		CHECK_INT(answer.status, cases[i].status);
		if (cases[i].text)
			CHECK(page_has(&answer, cases[i].text));
	}
}

/* Of years, months and days: those that are likely to be useless are told, and can be left out. */
TEST(marked_pictures)
{
	static const struct {
		const char *target, *has, *lacks;
	} cases[] = {
		{ "/porch/year-2026/", "20 November: 6 of 6 pictures, 3 useless", "left out" },
		{ "/porch/year-2026/", "class=\"all marked\" href=\"../2026-11-20/\"", NULL },
		{ "/porch/year-2026/", "<b>3</b> of them are likely to be useless", NULL },
		{ "/porch/year-2026/", "<a href=\"?marked=no\">Leave them out</a>", NULL },
		{ "/porch/year-2026/", "2026-11/light.jpg\"", NULL },
		{ "/porch/year-2026/?marked=no", "20 November: 3 of 3 pictures\"", "all marked" },
		{ "/porch/year-2026/?marked=no", "<b>3</b> of <b>3</b>", "them are likely" },
		{ "/porch/year-2026/?marked=no", "<a href=\"./\">Show them</a>", NULL },
		{ "/porch/year-2026/?marked=no", "href=\"../2026-11/?marked=no\"", NULL },
		{ "/porch/year-2026/?marked=no", "href=\"../2026-11-20/?marked=no\"", NULL },
		{ "/porch/year-2026/?marked=no", "2026-11/light.jpg?marked=no\"", NULL },
		{ "/porch/2026-11/", "6 of 6, 3 useless", NULL },
		{ "/porch/2026-11/?marked=no", "3 of 3</td>", "useless</td>" },
		{ "/porch/2026-11/?marked=no", "href=\"light.jpg?marked=no\"", NULL },
		{ "/porch/2026-11/?marked=no", "href=\"../year-2026/?marked=no\"", NULL },
		{ "/porch/2026-11-20/", "<b>6</b> pictures of <b>6</b> slots", NULL },
		{ "/porch/2026-11-20/", "useless</h2>\n<ul class=\"gaps\">\n<li class=\"marked\">",
			"&lt;" },
		{ "/porch/2026-11-20/",
			"<a href=\"../2/\">17:02:00</a> to 17:03:00</b> 2 pictures: something "
			"covers the lens",
			NULL },
		{ "/porch/2026-11-20/", "17:06:00</a></b> 1 picture: the pictures are blurred",
			NULL },
		{ "/porch/2026-11-20/?marked=no", "<b>3</b> pictures of <b>3</b> slots", "covers" },
		{ "/porch/2026-11-20/?marked=no", "every slot has its picture", NULL },
		{ "/porch/2026-11-20/?marked=no", "href=\"../2026-11-19/?marked=no\"", NULL },
		{ "/garden/year-2026/", "20 November: 10 of 10 pictures\"", "Leave" },
		{ "/garden/2026-11-20/", "<b>10</b> pictures", "useless" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(answer_clear) struct answer answer = ask(cases[i].target);

		CHECK_INT(answer.status, 200);
		CHECK(page_has(&answer, cases[i].has));
		if (cases[i].lacks && strstr(answer.body, cases[i].lacks))
			fprintf(stderr, "  \"%s\" in %s\n", cases[i].lacks, cases[i].target);
		CHECK(!cases[i].lacks || !strstr(answer.body, cases[i].lacks));
	}
}

/* The sheet that a page without them names has their places filled by others. */
TEST(sheet_without_marked)
{
	static const char *const queries[] = { "", "?marked=no" };
	char tags[2][ANSWER_TAG_MAX], text[200];

	for (size_t i = 0; i < 2; i++) {
		CLEANUP(answer_clear)
		struct answer page = { .fd = -1 }, sheet = { .fd = -1 }, light = { .fd = -1 };

		snprintf(text, sizeof(text), "/porch/2026-11-20/%s", queries[i]);
		page = ask(text);
		snprintf(text, sizeof(text), "/porch/2026-11-20/1.jpg%s", queries[i]);
		sheet = ask(text);
		CHECK_INT(sheet.status, 200);
		strcpy(tags[i], sheet.etag);
		snprintf(text, sizeof(text), "1.jpg?key=%.32s%s\"", sheet.etag + 1,
			i ? "&amp;marked=no" : "");
		CHECK(page_has(&page, text));
		snprintf(text, sizeof(text), "/porch/2026-11/light.jpg%s", queries[i]);
		light = ask(text);
		CHECK_INT(light.status, 200);
	}
	CHECK(strcmp(tags[0], tags[1]) != 0);
}

/* A sheet is drawn once: the address that the page tells names its content. */
TEST(sheet_is_kept)
{
	CLEANUP(answer_clear) struct answer page = ask("/garden/2026-11-20/");
	CLEANUP(answer_clear) struct answer drawn = ask("/garden/2026-11-20/1.jpg"), kept, known;
	const char *key = page.body ? strstr(page.body, "1.jpg?key=") : NULL;
	char target[100], tag[ANSWER_TAG_MAX];

	if (!CHECK(key != NULL))
		return;
	snprintf(target, sizeof(target), "/garden/2026-11-20/%.42s", key);
	snprintf(tag, sizeof(tag), "\"%.32s\"", key + strlen("1.jpg?key="));
	CHECK_INT(drawn.status, 200);
	CHECK_STR(drawn.etag, tag);
	CHECK(!drawn.is_final);
	kept = ask(target);
	CHECK_INT(kept.status, 200);
	CHECK(kept.is_final && kept.fd >= 0);
	CHECK_INT(kept.length, drawn.bytes ? (int64_t)drawn.bytes : drawn.length);
	known = ask_with((struct web_request){ .target = target, .if_none_match = tag });
	CHECK_INT(known.status, 304);
}

TEST(methods)
{
	CLEANUP(answer_clear)
	struct answer answer = ask_with((struct web_request){ .method = "POST", .target = "/" });

	CHECK_INT(answer.status, 405);
}

TEST(newest_picture)
{
	CLEANUP(answer_clear) struct answer answer = ask("/garden/latest.jpg");
	char tag[ANSWER_TAG_MAX], date[HTTP_DATE_MAX];
	struct answer again;

	CHECK_INT(answer.status, 200);
	CHECK_STR(answer.type, "image/jpeg");
	CHECK_INT(answer.length, KIT_JPEG_BYTES);
	CHECK(answer.fd >= 0 && *answer.etag && !answer.is_final);
	strcpy(tag, answer.etag);
	http_date(answer.modified_us, date);

	again = ask_with(
		(struct web_request){ .target = "/garden/latest.jpg", .if_none_match = tag });
	CHECK_INT(again.status, 304);
	CHECK(again.fd < 0);
	CHECK_STR(again.etag, tag);
	again = ask_with(
		(struct web_request){ .target = "/garden/latest.jpg", .if_modified_since = date });
	CHECK_INT(again.status, 304);
	again = ask_with((struct web_request){ .target = "/garden/latest.jpg",
		.if_none_match = "\"other\"",
		.if_modified_since = date });
	CHECK_INT(again.status, 200);
	answer_clear(&again);
	again = ask_with((struct web_request){
		.target = "/garden/latest.jpg", .range = "bytes=10-19", .if_range = tag });
	CHECK_INT(again.status, 206);
	CHECK_INT(again.first, 10);
	CHECK_INT(again.length, 10);
	answer_clear(&again);
	again = ask_with((struct web_request){
		.target = "/garden/latest.jpg", .range = "bytes=10-19", .if_range = "\"old\"" });
	CHECK_INT(again.status, 200);
	answer_clear(&again);
	again = ask_with(
		(struct web_request){ .target = "/garden/latest.jpg", .range = "bytes=3000-" });
	CHECK_INT(again.status, 416);
	CHECK_INT(again.total, KIT_JPEG_BYTES);
}

/* What RFC 9110 says of conditions, in its order. */
TEST(conditions)
{
	static const struct {
		struct web_request request; /* "TAG" is the tag, "DATE" the date */
		int status;
	} cases[] = {
		{ { .if_none_match = "TAG" }, 304 },
		{ { .if_none_match = "*" }, 304 },
		{ { .if_none_match = "*", .method = "HEAD" }, 304 },
		{ { .if_none_match = "\"other\", W/\"none\"" }, 200 },
		{ { .if_none_match = "TAG", .range = "bytes=5000-" }, 304 },
		{ { .if_none_match = "\"other\"", .if_modified_since = "DATE" }, 200 },
		{ { .if_modified_since = "DATE" }, 304 },
		{ { .if_modified_since = "Fri, 31 Dec 2038 23:59:59 GMT" }, 304 },
		{ { .if_modified_since = "Friday, 31-Dec-38 23:59:59 GMT" }, 304 },
		{ { .if_modified_since = "Fri Dec 31 23:59:59 2038" }, 304 },
		{ { .if_modified_since = "Sun, 06 Nov 1994 08:49:37 GMT" }, 200 },
		{ { .if_modified_since = "soon" }, 200 },
		{ { .if_match = "TAG" }, 200 },
		{ { .if_match = "*" }, 200 },
		{ { .if_match = "\"other\"" }, 412 },
		{ { .if_match = "\"other\"", .if_none_match = "TAG" }, 412 },
		{ { .if_unmodified_since = "DATE" }, 200 },
		{ { .if_unmodified_since = "Sun, 06 Nov 1994 08:49:37 GMT" }, 412 },
		{ { .if_match = "TAG", .if_unmodified_since = "Sun, 06 Nov 1994 08:49:37 GMT" },
			200 },
		{ { .range = "bytes=0-9" }, 206 },
		{ { .range = "bytes=0-9", .method = "HEAD" }, 200 },
		{ { .range = "bytes=0-9", .if_range = "TAG" }, 206 },
		{ { .range = "bytes=0-9", .if_range = "DATE" }, 206 },
		{ { .range = "bytes=0-9", .if_range = "\"other\"" }, 200 },
		{ { .range = "bytes=0-9", .if_range = "Fri, 31 Dec 2038 23:59:59 GMT" }, 200 },
		{ { .range = "bytes=0-1,3-4" }, 200 },
		{ { .range = "bytes=5000-" }, 416 },
	};
	CLEANUP(answer_clear) struct answer plain = ask("/garden/latest.jpg");
	char date[HTTP_DATE_MAX];

	http_date(plain.modified_us, date);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct web_request request = cases[i].request;
		const char **fields[] = { &request.if_none_match, &request.if_match,
			&request.if_range, &request.if_modified_since,
			&request.if_unmodified_since };
		struct answer answer;

		for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
			if (*fields[k] && strcmp(*fields[k], "TAG") == 0)
				*fields[k] = plain.etag;
			else if (*fields[k] && strcmp(*fields[k], "DATE") == 0)
				*fields[k] = date;
		}
		request.target = "/garden/latest.jpg";
		answer = ask_with(request);
		if (answer.status != cases[i].status)
			fprintf(stderr, "  case %zu\n", i);
		CHECK_INT(answer.status, cases[i].status);
		answer_clear(&answer);
	}
}

TEST(redirects)
{
	static const struct {
		const char *target, *location;
	} cases[] = {
		{ "/garden", "./garden/" },
		{ "/garden?after=3", "./garden/?after=3" },
		{ "/garden/2026-11-20", "./2026-11-20/" },
		/* to a browser this would be another machine */
		{ "/\\evil.example", "./\\evil.example/" },
		{ "/garden?\r\nSet-Cookie: x", "./garden/" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(answer_clear) struct answer answer = ask(cases[i].target);

		CHECK_INT(answer.status, 301);
		CHECK_STR(answer.location, cases[i].location);
	}
}

TEST(newest_without_link)
{
	CLEANUP(answer_clear) struct answer answer = { .fd = -1 };
	char link[100];

	make_places(10);
	snprintf(link, sizeof(link), "%s/latest.jpg", folder);
	CHECK_INT(unlink(link), 0);
	/* a link out of the archive is not followed */
	CHECK_INT(symlink("/etc/passwd", link), 0);
	answer = ask("/garden/latest.jpg");
	CHECK_INT(answer.status, 200);
	CHECK_INT(answer.total, KIT_JPEG_BYTES);
	CHECK_INT(unlink(link), 0);
	CHECK_INT(symlink("2026/11/20/20261120T161000Z-00000010.jpg", link), 0);
}

TEST(removed_picture)
{
	CLEANUP(answer_clear) struct answer answer = ask("/garden/4.jpg");
	char path[200];

	CHECK_INT(answer.status, 200);
	CHECK(answer.is_final);
	answer_clear(&answer);
	snprintf(path, sizeof(path), "%s/%s/20261120T160400Z-00000004.jpg", folder, KIT_DAY);
	CHECK_INT(unlink(path), 0);
	answer = ask("/garden/4.jpg");
	CHECK_INT(answer.status, 404);
	CHECK(page_has(&answer, "was removed"));
	answer_clear(&answer);
	answer = ask("/garden/2026-11-20/");
	CHECK(page_has(&answer, "the picture was removed"));
	/* another file under its name, or a link, is not the picture */
	CHECK_INT(symlink("/etc/passwd", path), 0);
	answer_clear(&answer);
	answer = ask("/garden/4.jpg");
	CHECK_INT(answer.status, 500);
	CHECK(answer.fd < 0);
}

/* A name that leads out of the archive, or to what is no file. */
TEST(no_files)
{
	char path[200];

	make_places(10);
	snprintf(path, sizeof(path), "%s/%s/20261120T160500Z-00000005.jpg", folder, KIT_DAY);
	for (int i = 0; i < 4; i++) {
		CLEANUP(answer_clear) struct answer answer = { .fd = -1 };

		CHECK_INT(remove(path), 0);
		if (i == 0)
			CHECK_INT(mkfifo(path, 0600), 0);
		else if (i == 1)
			CHECK_INT(mkdir(path, 0700), 0);
		else
			CHECK_INT(
				symlink(i == 2 ? "/etc/passwd" : "../../../archive.json", path), 0);
		answer = ask("/garden/5.jpg");
		CHECK_INT(answer.status, 500);
		CHECK(answer.fd < 0);
	}
}

/* A folder that leads out of the archive: its names are not looked at either. */
TEST(folder_outside)
{
	CLEANUP(answer_clear) struct answer answer = { .fd = -1 };
	char year[200], aside[200];

	make_places(10);
	snprintf(year, sizeof(year), "%s/2026", folder);
	snprintf(aside, sizeof(aside), "%s.aside", folder);
	CHECK_INT(rename(year, aside), 0);
	CHECK_INT(symlink(aside, year), 0);
	answer = ask("/garden/latest.jpg");
	CHECK(answer.status == 500 && answer.fd < 0);
	answer_clear(&answer);
	answer = ask("/garden/2.jpg");
	CHECK(answer.status == 500 && answer.fd < 0);
	answer_clear(&answer);
	answer = ask("/garden/2026-11-20/");
	CHECK_INT(answer.status, 503);
	CHECK_INT(unlink(year), 0);
	CHECK_INT(rename(aside, year), 0);
}

/* Gone, empty or damaged: a sentence, never an empty list. */
TEST(archive_trouble)
{
	static const struct {
		const char *how, *text;
	} cases[] = {
		{ "moved", "There is no archive in its folder" },
		{ "mount point", "There is no archive in its folder" },
		{ "archive.json", "The archive is damaged" },
		{ "journal gone", "The archive is damaged" },
		{ "journal garbage", "The archive is damaged" },
	};
	static const char *const targets[] = { "/garden/", "/garden/latest.jpg", "/garden/3/",
		"/garden/3.jpg", "/garden/2026-11-20/", "/" };
	char aside[200], path[300];

	make_places(10);
	snprintf(aside, sizeof(aside), "%s.aside", folder);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(rename(folder, aside), 0);
		if (i > 0)
			CHECK_INT(mkdir(folder, 0700), 0);
		if (i == 2)
			kit_write(folder, "archive.json", "{\"x\":", 5, O_CREAT | O_TRUNC);
		snprintf(path, sizeof(path), i > 2 ? "cp -a %s/* %s" : ":", aside, folder);
		CHECK_INT(system(path), 0);
		snprintf(path, sizeof(path),
			i == 3           ? "rm -r %s/journal"
				: i == 4 ? "for f in %s/journal/*; do echo garbage >$f; done"
					 : ":",
			folder);
		CHECK_INT(system(path), 0);
		for (size_t k = 0; k < ARRAY_SIZE(targets); k++) {
			CLEANUP(answer_clear) struct answer answer = ask(targets[k]);

			/* the newest one is there, whatever the journal has */
			if (i > 2 && strstr(targets[k], "latest.jpg")) {
				CHECK_INT(answer.status, 200);
				continue;
			}
			if (!page_has(&answer, cases[i].text))
				fprintf(stderr, "  %s: %s\n", cases[i].how, targets[k]);
			CHECK(page_has(&answer, cases[i].text));
			CHECK_INT(answer.status,
				k == 5                            ? 200
					: strchr(targets[k], '.') ? 404
								  : 503);
		}
		snprintf(path, sizeof(path), "rm -rf %s", folder);
		CHECK_INT(system(path), 0);
		CHECK_INT(rename(aside, folder), 0);
	}
}

TEST(long_request)
{
	struct answer answer = ask("/garden/?after=10");

	CHECK(answer.waits);
	answer = ask("/garden/?after=9");
	CHECK(!answer.waits);
	CHECK_INT(answer.status, 200);
	answer_clear(&answer);
}

TEST(escaping)
{
	CLEANUP_FREE char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	html_put(out, "<a title=\"%s\">%lld %d %.1f %zu 100%%", "\"'<&>\x1b[31m\xff\xe2\x80\xae",
		7LL, -1, 0.5, (size_t)3);
	fclose(out);
	CHECK_STR(text, "<a title=\"&quot;&#39;&lt;&amp;&gt;?[31m??\">7 -1 0.5 3 100%");
}

TEST(dates)
{
	char date[HTTP_DATE_MAX];

	CHECK_STR(
		http_date(INT64_C(784111777) * US_PER_SEC, date), "Sun, 06 Nov 1994 08:49:37 GMT");
}
