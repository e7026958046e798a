/* SPDX-License-Identifier: MIT */
/* Targets, ranges and tags. */
#include "view/web/request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/util.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One segment of a path, or one value of a query, decoded once. */
static int segment_decode(const char *text, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			const int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
			const int low = i + 2 < len ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '/' || n + 1 >= size)
			return c == '/' ? -EINVAL : -ENOENT;
		ret[n++] = c;
	}
	ret[n] = '\0';
	if (strcmp(ret, ".") == 0 || strcmp(ret, "..") == 0 || !text_is_plain(ret, n))
		return -EINVAL;
	return 0;
}

/* A decimal number without leading zeros, 1 to SEQ_MAX, and then `end`. */
static bool number_read(const char *text, const char *end, uint64_t *ret)
{
	uint64_t n = 0;

	if (*text < '1' || *text > '9')
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		n = 10 * n + (uint64_t)(*text - '0');
		if (n > SEQ_MAX)
			return false;
	}
	if (strcmp(text, end) != 0)
		return false;
	*ret = n;
	return true;
}

/* A text like "0000-00-00", any digits for its zeros. */
static bool day_read(const char *text, const char *form, char ret[static 12])
{
	const size_t size = strlen(form) + 1;

	for (size_t i = 0; i < size; i++) {
		if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	}
	memcpy(ret, text, size);
	return true;
}

/* What is below a camera: `name`, and whether a slash follows it. */
static int target_of_camera(const char *name, bool has_slash, struct target *ret)
{
	if (!*name) {
		ret->route = ROUTE_NEWEST;
		return 0;
	}
	if (day_read(name, "0000-00-00", ret->day))
		ret->route = ROUTE_DAY;
	else if (day_read(name, "0000-00", ret->day))
		ret->route = ROUTE_MONTH;
	else if (strncmp(name, "year-", 5) == 0 && day_read(name + 5, "0000", ret->day))
		ret->route = ROUTE_YEAR;
	else if (strcmp(name, "events") == 0)
		ret->route = ROUTE_EVENTS;
	else if (strcmp(name, "aim") == 0)
		ret->route = ROUTE_AIM;
	else if (strcmp(name, "compare") == 0)
		ret->route = ROUTE_COMPARE;
	else if (number_read(name, "", &ret->seq))
		ret->route = ROUTE_PICTURE_PAGE;
	else if (!has_slash && strcmp(name, "latest.jpg") == 0)
		ret->route = ROUTE_LATEST;
	else if (!has_slash && number_read(name, ".jpg", &ret->seq))
		ret->route = ROUTE_PICTURE;
	else
		return -ENOENT;
	if (ret->route == ROUTE_LATEST || ret->route == ROUTE_PICTURE)
		return 0;
	return has_slash ? 0 : -EISDIR;
}

/* What is below a day, a month or a picture. */
static int target_of_small(const char *name, struct target *ret)
{
	const size_t len = strcspn(name, "?");
	char segment[CAMERA_NAME_MAX];
	int r = segment_decode(name, len, segment, sizeof(segment));

	if (r < 0 || len == 0)
		return r;
	if (ret->route == ROUTE_DAY && strcmp(segment, "film.mp4") == 0)
		ret->route = ROUTE_FILM;
	else if ((ret->route == ROUTE_DAY || ret->route == ROUTE_MONTH) &&
		strcmp(segment, "light.jpg") == 0)
		ret->route = ROUTE_LIGHT;
	else if (ret->route == ROUTE_DAY && number_read(segment, ".jpg", &ret->seq))
		ret->route = ROUTE_SHEET;
	else if (ret->route == ROUTE_AIM && strcmp(segment, "now") == 0)
		ret->route = ROUTE_AIM_NOW;
	else if (ret->route == ROUTE_PICTURE_PAGE && strcmp(segment, "small.jpg") == 0)
		ret->route = ROUTE_SMALL;
	else
		return -ENOENT;
	return 0;
}

/* A time as a browser's field sends it, 2026-11-24T12:00; what it does not send is no time. */
static void query_parse_time(const char *text, size_t len, char *ret, size_t size)
{
	if (segment_decode(text, len, ret, size) < 0)
		*ret = '\0';
	else if (ret[0] && strlen(ret) > 10 && ret[10] == 'T')
		ret[10] = ' ';
}

static void query_parse(const char *query, struct target *ret)
{
	if (strncmp(query, "after=", 6) == 0)
		number_read(query + 6, "", &ret->after);
	for (const char *end; *query; query = end + strspn(end, "&")) {
		end = strchrnul(query, '&');
		if (strncmp(query, "key=", 4) == 0 && (size_t)(end - query - 4) < sizeof(ret->key))
			snprintf(ret->key, sizeof(ret->key), "%.*s", (int)(end - query - 4),
				query + 4);
		ret->skip_marked |= end - query == 9 && memcmp(query, "marked=no", 9) == 0;
		if (strncmp(query, "a=", 2) == 0)
			query_parse_time(
				query + 2, (size_t)(end - query - 2), ret->a, sizeof(ret->a));
		if (strncmp(query, "b=", 2) == 0)
			query_parse_time(
				query + 2, (size_t)(end - query - 2), ret->b, sizeof(ret->b));
	}
}

int target_parse(const char *text, struct target *ret)
{
	static const struct {
		const char *name;
		enum route route;
	} files[] = { { "style.css", ROUTE_STYLE }, { "script.js", ROUTE_SCRIPT },
		{ "icon.svg", ROUTE_ICON } };
	struct target target = { .route = ROUTE_WALL };
	const size_t path = strcspn(text, "?");
	const char *camera = text + 1, *name;
	char segment[CAMERA_NAME_MAX];
	size_t len;
	int r;

	if (*text != '/')
		return -EINVAL;
	if (strlen(text) > TARGET_MAX)
		return -ENAMETOOLONG;
	if (text[path] == '?')
		query_parse(text + path + 1, &target);
	len = strcspn(camera, "/?");
	r = segment_decode(camera, len, target.camera, sizeof(target.camera));
	if (r < 0)
		return r;
	name = camera + len;
	for (size_t i = 0; i < ARRAY_SIZE(files) && *name != '/'; i++) {
		if (strcmp(target.camera, files[i].name) == 0)
			target.route = files[i].route;
	}
	if (len > 0 && *name != '/' && target.route == ROUTE_WALL)
		return -EISDIR;
	if (len == 0 && *name == '/')
		return -EINVAL;
	if (*name == '/') {
		len = strcspn(++name, "/?");
		r = segment_decode(name, len, segment, sizeof(segment));
		if (r == 0 && name[len] == '/' && len == 0)
			r = -ENOENT;
		if (r == 0)
			r = target_of_camera(segment, name[len] == '/', &target);
		if (r == 0 && name[len] == '/')
			r = target_of_small(name + len + 1, &target);
	}
	if (r == 0)
		*ret = target;
	return r;
}

int range_parse(const char *text, int64_t total, int64_t *ret_first, int64_t *ret_bytes)
{
	int64_t first = 0, last = total - 1, *value = &first;
	bool has_first = false, has_last = false;

	if (strncmp(text, "bytes=", 6) != 0)
		return 0;
	for (text += 6; *text; text++) {
		bool *has = value == &first ? &has_first : &has_last;

		if (*text == '-' && value == &first) {
			value = &last;
			continue;
		}
		if (!isdigit((unsigned char)*text))
			return 0;
		*value = *has ? *value : 0;
		*has = true;
		/* more than any file has is as good as infinite */
		if (*value < INT64_MAX / 16)
			*value = 10 * *value + (*text - '0');
	}
	if (value == &first || (!has_first && !has_last) || (has_first && has_last && last < first))
		return 0;
	if (!has_first) { /* the last so many bytes */
		first = last < total ? total - last : 0;
		if (last == 0)
			return -ERANGE;
		last = total - 1;
	}
	if (first >= total)
		return -ERANGE;
	*ret_first = first;
	*ret_bytes = (last < total ? last + 1 : total) - first;
	return 1;
}

bool etag_matches(const char *list, const char *etag, bool strong)
{
	const size_t len = strlen(etag);

	if (strcmp(list, "*") == 0)
		return true;
	for (const char *at = list; len > 0 && (at = strstr(at, etag)); at += len) {
		const bool weak = at - list >= 2 && at[-2] == 'W' && at[-1] == '/';

		if (strchr(", \t", at[len]) && !(weak && strong))
			return true;
	}
	return false;
}

bool host_is_own(const char *host, const char *own)
{
	const size_t own_len = strcspn(own, ".");
	char name[256];
	struct in6_addr address;
	char *end;

	if (!host)
		return true;
	snprintf(name, sizeof(name), "%s", *host == '[' ? host + 1 : host);
	end = *host == '[' ? strchrnul(name, ']') : strchrnul(name, ':');
	*end = '\0';
	if (*host == '[')
		return inet_pton(AF_INET6, name, &address) == 1;
	if (inet_pton(AF_INET, name, &address) == 1 || strcasecmp(name, "localhost") == 0)
		return true;
	if (own_len == 0 || strncasecmp(name, own, own_len) != 0)
		return false;
	return !name[own_len] || (name[own_len] == '.' && !strchr(name + own_len + 1, '.'));
}

const char *http_date(int64_t wall_us, char buf[static HTTP_DATE_MAX])
{
	const time_t at = (time_t)(wall_us / US_PER_SEC);
	struct tm tm;

	*buf = '\0';
	if (gmtime_r(&at, &tm))
		strftime(buf, HTTP_DATE_MAX, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return buf;
}

int http_date_parse(const char *text, int64_t *ret_wall_us)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);

		if (!end || *end)
			continue;
		*ret_wall_us = (int64_t)timegm(&tm) * US_PER_SEC;
		return 0;
	}
	return -EINVAL;
}
