/* SPDX-License-Identifier: MIT */
/* Targets, ranges and tags as browsers, and others, send them. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/test.h"
#include "view/web/request.h"

TEST(targets)
{
	static const struct {
		const char *text;
		int error;
		enum route route;
		const char *camera;
		uint64_t seq;
	} cases[] = {
		{ "/", 0, ROUTE_WALL, "", 0 },
		{ "/?x=1", 0, ROUTE_WALL, "", 0 },
		{ "/style.css", 0, ROUTE_STYLE, "style.css", 0 },
		{ "/garden/", 0, ROUTE_NEWEST, "garden", 0 },
		{ "/garden/?after=7", 0, ROUTE_NEWEST, "garden", 0 },
		{ "/garden/latest.jpg", 0, ROUTE_LATEST, "garden", 0 },
		{ "/garden/latest.jpg?t=1795941908", 0, ROUTE_LATEST, "garden", 0 },
		{ "/the%20gate/12.jpg", 0, ROUTE_PICTURE, "the gate", 12 },
		{ "/g%c3%a4rten/12/", 0, ROUTE_PICTURE_PAGE, "gärten", 12 },
		{ "/garden/2026-11-24/", 0, ROUTE_DAY, "garden", 0 },
		{ "/garden/2026-11-24/2.jpg", 0, ROUTE_SHEET, "garden", 2 },
		{ "/garden/2026-11-24/film.mp4", 0, ROUTE_FILM, "garden", 0 },
		{ "/garden/12/film.mp4", -ENOENT, 0, NULL, 0 },
		{ "/garden/2026-11-24/0.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/2026-11-24/light.jpg", 0, ROUTE_LIGHT, "garden", 0 },
		{ "/garden/2026-11/light.jpg", 0, ROUTE_LIGHT, "garden", 0 },
		{ "/garden/2026-11/1.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/2026-11/", 0, ROUTE_MONTH, "garden", 0 },
		{ "/garden/year-2026/", 0, ROUTE_YEAR, "garden", 0 },
		{ "/garden/year-2026", -EISDIR, 0, NULL, 0 },
		{ "/garden/year-26/", -ENOENT, 0, NULL, 0 },
		{ "/garden/2026/", 0, ROUTE_PICTURE_PAGE, "garden", 2026 },
		{ "/garden/events/", 0, ROUTE_EVENTS, "garden", 0 },
		{ "/garden/compare/?a=x&b=y", 0, ROUTE_COMPARE, "garden", 0 },
		{ "/garden/aim/now?after=7", 0, ROUTE_AIM_NOW, "garden", 0 },
		{ "/garden/compare/x", -ENOENT, 0, NULL, 0 },
		{ "/garden/12/1.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/2026-11-24", -EISDIR, 0, NULL, 0 },
		{ "/garden", -EISDIR, 0, NULL, 0 },
		{ "/garden/12", -EISDIR, 0, NULL, 0 },
		{ "", -EINVAL, 0, NULL, 0 },
		{ "garden/", -EINVAL, 0, NULL, 0 },
		{ "*", -EINVAL, 0, NULL, 0 },
		{ "//", -EINVAL, 0, NULL, 0 },
		{ "//garden/", -EINVAL, 0, NULL, 0 },
		{ "/../", -EINVAL, 0, NULL, 0 },
		{ "/./", -EINVAL, 0, NULL, 0 },
		{ "/garden/../latest.jpg", -EINVAL, 0, NULL, 0 },
		{ "/garden/%2e%2e/", -EINVAL, 0, NULL, 0 },
		{ "/%2E./", -EINVAL, 0, NULL, 0 },
		{ "/garden%2flatest.jpg", -EINVAL, 0, NULL, 0 },
		{ "/garden/%2fetc%2fpasswd", -EINVAL, 0, NULL, 0 },
		{ "/garden/%", -EINVAL, 0, NULL, 0 },
		{ "/garden/%4", -EINVAL, 0, NULL, 0 },
		{ "/garden/%zz", -EINVAL, 0, NULL, 0 },
		{ "/gar%00den/", -EINVAL, 0, NULL, 0 },
		{ "/gar%0d%0aden/", -EINVAL, 0, NULL, 0 },
		{ "/gar%ffden/", -EINVAL, 0, NULL, 0 },
		{ "/garden/journal/00000000.jsonl", -ENOENT, 0, NULL, 0 },
		{ "/garden/archive.json", -ENOENT, 0, NULL, 0 },
		{ "/garden/latest.jpg/", -ENOENT, 0, NULL, 0 },
		{ "/garden/0.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/012.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/-1.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/1000000000000.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/99999999999999999999999.jpg", -ENOENT, 0, NULL, 0 },
		{ "/garden/2026-11-24/x/", -EINVAL, 0, NULL, 0 },
	};
	struct target target;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = target_parse(cases[i].text, &target);

		CHECK_INT(r, cases[i].error);
		if (r != cases[i].error)
			fprintf(stderr, "  %s\n", cases[i].text);
		if (r < 0 || cases[i].error < 0)
			continue;
		CHECK_INT(target.route, cases[i].route);
		CHECK_STR(target.camera, cases[i].camera);
		CHECK_INT(target.seq, cases[i].seq);
	}
}

TEST(long_targets)
{
	char text[2000];
	struct target target;

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	CHECK_INT(target_parse(text, &target), -ENAMETOOLONG);
	text[CAMERA_NAME_MAX + 1] = '/';
	text[CAMERA_NAME_MAX + 2] = '\0';
	CHECK_INT(target_parse(text, &target), -ENOENT);
}

TEST(queries)
{
	struct target target;

	CHECK_INT(target_parse("/garden/?after=12", &target), 0);
	CHECK_INT(target.after, 12);
	CHECK_INT(target_parse("/garden/?after=-12", &target), 0);
	CHECK_INT(target.after, 0);
	CHECK(!target.skip_marked);
	CHECK_INT(target_parse("/garden/2026-11-24/1.jpg?key=0af3&marked=no", &target), 0);
	CHECK_STR(target.key, "0af3");
	CHECK(target.skip_marked);
	CHECK_INT(target_parse("/garden/year-2026/?marked=no", &target), 0);
	CHECK(target.skip_marked);
	CHECK_INT(
		target_parse("/garden/year-2026/?marked=not&marked=&marked&arked=no", &target), 0);
	CHECK(!target.skip_marked);
	CHECK_INT(
		target_parse("/g/2026-11-24/1.jpg?key=012345678901234567890123456789012", &target),
		0);
	CHECK_STR(target.key, "");
}

/* Times as a browser's fields send them; what is broken was not given. */
TEST(moments)
{
	struct target target;

	CHECK_INT(
		target_parse("/g/compare/?a=2026-11-24T12%3A00&b=2026-11-25T07%3a30%3a01", &target),
		0);
	CHECK_STR(target.a, "2026-11-24 12:00");
	CHECK_STR(target.b, "2026-11-25 07:30:01");
	CHECK_INT(target_parse("/g/compare/?&&b=%zz&a=a%2fb&c=1", &target), 0);
	CHECK_STR(target.a, "");
	CHECK_STR(target.b, "");
	CHECK_INT(target_parse("/g/compare/?a=1234567890123456789012345", &target), 0);
	CHECK_STR(target.a, "");
}

TEST(ranges)
{
	static const struct {
		const char *text;
		int r;
		int64_t first, bytes;
	} cases[] = {
		{ "bytes=0-99", 1, 0, 100 },
		{ "bytes=10-", 1, 10, 990 },
		{ "bytes=-10", 1, 990, 10 },
		{ "bytes=-5000", 1, 0, 1000 },
		{ "bytes=999-5000", 1, 999, 1 },
		{ "bytes=0-99999999999999999999999999", 1, 0, 1000 },
		{ "bytes=1000-", -ERANGE, 0, 0 },
		{ "bytes=99999999999999999999999999-", -ERANGE, 0, 0 },
		{ "bytes=-0", -ERANGE, 0, 0 },
		{ "bytes=5-4", 0, 0, 0 },
		{ "bytes=", 0, 0, 0 },
		{ "bytes=-", 0, 0, 0 },
		{ "bytes=--5", 0, 0, 0 },
		{ "bytes=1", 0, 0, 0 },
		{ "bytes=0-1,5-6", 0, 0, 0 },
		{ "bytes=a-b", 0, 0, 0 },
		{ "items=0-1", 0, 0, 0 },
	};
	int64_t first = 0, bytes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = range_parse(cases[i].text, 1000, &first, &bytes);

		CHECK_INT(r, cases[i].r);
		if (r != cases[i].r)
			fprintf(stderr, "  %s\n", cases[i].text);
		if (r == 1 && cases[i].r == 1) {
			CHECK_INT(first, cases[i].first);
			CHECK_INT(bytes, cases[i].bytes);
		}
	}
}

TEST(tags)
{
	static const struct {
		const char *list;
		bool weak, strong;
	} cases[] = {
		{ "\"1-a\"", true, true },
		{ "W/\"1-a\"", true, false },
		{ "\"0\", \"1-a\", \"2\"", true, true },
		{ "W/\"1-a\", \"1-a\"", true, true },
		{ "\"0\",W/\"1-a\"\t,\"2\"", true, false },
		{ "*", true, true },
		{ "\"1-b\"", false, false },
		{ "\"1-a", false, false },
		{ "1-a", false, false },
		{ "\"1-a\"x", false, false },
		{ "", false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(etag_matches(cases[i].list, "\"1-a\"", false), cases[i].weak);
		CHECK_INT(etag_matches(cases[i].list, "\"1-a\"", true), cases[i].strong);
	}
	CHECK(!etag_matches("\"1-a\"", "", false));
}

TEST(dates)
{
	static const struct {
		const char *text;
		int64_t s; /* -1: not one */
	} cases[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Fri, 20 Nov 2026 16:10:00 GMT", 1795191000 },
		{ "Fri Nov 20 16:10:00 2026", 1795191000 },
		{ "Sun, 06 Nov 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT; length=5", -1 },
		{ "Sun, 32 Nov 1994 08:49:37 GMT", -1 },
		{ "784111777", -1 },
		{ "yesterday", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t us = -US_PER_SEC;
		int r = http_date_parse(cases[i].text, &us);

		CHECK_INT(r, cases[i].s < 0 ? -EINVAL : 0);
		CHECK_INT(us, cases[i].s * US_PER_SEC);
	}
}

TEST(hosts)
{
	static const struct {
		const char *host;
		bool own;
	} cases[] = {
		{ NULL, true },
		{ "localhost", true },
		{ "localhost:8484", true },
		{ "127.0.0.1:8484", true },
		{ "192.168.1.5", true },
		{ "[::1]:8484", true },
		{ "[fe80::1]", true },
		{ "garden", true },
		{ "Garden:8484", true },
		{ "garden.local", true },
		{ "garden.fritz.box", false },
		{ "garden.evil.example:8484", false },
		{ "gardens", false },
		{ "evil.example", false },
		{ "localhost.evil.example", false },
		{ "127.0.0.1.evil.example", false },
		{ "[evil.example]", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (host_is_own(cases[i].host, "garden.example.org") != cases[i].own)
			fprintf(stderr, "  %s\n", cases[i].host);
		CHECK_INT(host_is_own(cases[i].host, "garden.example.org"), cases[i].own);
	}
	CHECK(!host_is_own("", ""));
}
