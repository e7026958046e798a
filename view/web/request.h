/* SPDX-License-Identifier: MIT */
/*
 * What a browser asks for, as structs: the door for all that comes over HTTP. RFC 9110 and 3986.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/limits.h"

#define TARGET_MAX 512 /* bytes of a path and its query */

/* A header that was not sent is NULL. */
struct web_request {
	const char *method;
	const char *target; /* path and query, as they were sent */
	const char *if_match, *if_unmodified_since, *if_none_match, *if_modified_since;
	const char *range, *if_range;
	const struct clock *clock;
};

enum route {
	ROUTE_WALL, /* / */
	ROUTE_STYLE, /* /style.css */
	ROUTE_SCRIPT, /* /script.js */
	ROUTE_ICON, /* /icon.svg */
	ROUTE_NEWEST, /* /CAM/, and /CAM/?after=SEQ once there is a newer one than that */
	ROUTE_LATEST, /* /CAM/latest.jpg */
	ROUTE_PICTURE, /* /CAM/123.jpg */
	ROUTE_PICTURE_PAGE, /* /CAM/123/ */
	ROUTE_SMALL, /* /CAM/123/small.jpg */
	ROUTE_AIM, /* /CAM/aim/ */
	ROUTE_AIM_NOW, /* /CAM/aim/now?after=N, once there is another one than that */
	ROUTE_FILM, /* /CAM/2026-11-24/film.mp4 */
	/* from here on: what reads a span of the journal */
	ROUTE_DAY, /* /CAM/2026-11-24/ */
	ROUTE_SHEET, /* /CAM/2026-11-24/1.jpg: its first pictures, small */
	ROUTE_MONTH, /* /CAM/2026-11/ */
	ROUTE_YEAR, /* /CAM/year-2026/ */
	ROUTE_LIGHT, /* /CAM/2026-11-24/light.jpg, and a month's */
	ROUTE_EVENTS, /* /CAM/events/ */
	ROUTE_COMPARE, /* /CAM/compare/?a=2026-11-24T12:00&b=... */
};

struct target {
	enum route route;
	char camera[CAMERA_NAME_MAX];
	uint64_t seq; /* of a picture, or a sheet */
	uint64_t after; /* 0: at once */
	char day[12]; /* "2026-11-24"; of a month "2026-11", of a year "2026" */
	char key[33]; /* of a sheet, ?key=...; "": not told, or too long */
	bool skip_marked; /* ?marked=no: without pictures that are likely to be useless */
	char a[24], b[24]; /* the two local times to compare, "2026-11-24 12:00"; "": not given */
};

/*
 * -EINVAL the encoding is broken, a segment is "." or "..", or holds a control character or a
 * slash; -ENOENT there is no such page; -ENAMETOOLONG; -EISDIR the same with a slash at its end is
 * one.
 */
int target_parse(const char *text, struct target *ret);

/*
 * One "bytes=FIRST-LAST" of a file of `total` bytes. 1: that part; 0: all of it, as for whatever is
 * no such range, or several; -ERANGE no byte of it is there.
 */
int range_parse(const char *text, int64_t total, int64_t *ret_first, int64_t *ret_bytes);

/*
 * Whether one of the tags of If-Match or If-None-Match, "*" or a list, is `etag`, which has its
 * quotes and is a strong one. `strong`: a weak tag of the list is none (RFC 9110, 8.8.3.2).
 */
bool etag_matches(const char *list, const char *etag, bool strong);

/*
 * Whether a Host header is of this machine: an IP address, "localhost", or the name `own`, alone or
 * in a domain of one word ("garden.local"); a port may follow. A page of somebody else's, whose own
 * name suddenly leads to this machine, has another one. NULL, as before HTTP/1.1: true.
 */
bool host_is_own(const char *host, const char *own);

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define HTTP_DATE_MAX 40
const char *http_date(int64_t wall_us, char buf[static HTTP_DATE_MAX]);
/* One of the three forms of RFC 9110, 5.6.7. -EINVAL. */
int http_date_parse(const char *text, int64_t *ret_wall_us);
