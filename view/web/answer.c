/* SPDX-License-Identifier: MIT */
/* Which page or file answers a request, and whether the browser has it already. */
#include "view/web/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/systemd/published.h"
#include "view/thumb/thumb.h"
#include "view/web/html.h"
#include "view/web/pages.h"

const struct answer_header answer_headers[] = {
	{ "Content-Security-Policy",
		"default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
		"connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; "
		"frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "cross-origin" },
	{ NULL, NULL },
};

void answer_clear(struct answer *answer)
{
	free(answer->body);
	if (answer->fd >= 0)
		close(answer->fd);
	answer->body = NULL;
	answer->fd = -1;
}

/* ---- pages */

static void answer_text(struct answer *ret, int status, const char *text)
{
	ret->status = status;
	ret->type = "text/plain";
	ret->text = text;
	ret->bytes = strlen(text);
}

typedef int page_function(const struct page *page);

/* Writes a page into the answer; `sentence` instead of a function. */
static void answer_page(struct answer *ret, struct page *page, page_function *write, int status,
	const char *sentence)
{
	char *body = NULL;
	size_t bytes = 0;

	page->out = open_memstream(&body, &bytes);
	if (page->out && write)
		status = write(page);
	else if (page->out)
		page_sentence(page, status == 404 ? "Not here" : "Not possible", sentence);
	if (!page->out || fclose(page->out) != 0) {
		free(body);
		answer_text(ret, 500, "There is not enough memory for this page.\n");
		return;
	}
	ret->status = status;
	ret->type = "text/html; charset=utf-8";
	ret->is_page = true;
	ret->body = body;
	ret->bytes = bytes;
}

static void answer_sentence(struct answer *ret, struct page *page, int status, const char *sentence)
{
	answer_page(ret, page, NULL, status, sentence);
}

static void answer_asset(struct answer *ret, const char *type, const char *text)
{
	answer_text(ret, 200, text);
	ret->type = type;
	snprintf(ret->etag, sizeof(ret->etag), "\"" CAPTUREPI_VERSION "-%zx\"", ret->bytes);
}

/* ---- pictures */

/* If-Range has the tag, or the date as it was sent (RFC 9110, 13.1.5). */
static bool answer_is_as_before(const struct answer *answer, const char *if_range)
{
	int64_t date_us;

	if (strcmp(if_range, answer->etag) == 0)
		return true;
	return http_date_parse(if_range, &date_us) == 0 && date_us == answer->modified_us;
}

/*
 * The part of the open file that was asked for. The tag is of the file as it lies there: where an
 * archive was replaced by another, the same number is another picture.
 */
static void answer_file(struct answer *ret, const struct web_request *request, const char *type,
	uint64_t seq, int *fd)
{
	struct stat st;
	int r = 0;

	if (fstat(*fd, &st) < 0)
		return;
	snprintf(ret->etag, sizeof(ret->etag), "\"%" PRIu64 "-%llx-%llx\"", seq,
		(unsigned long long)st.st_size, (unsigned long long)st.st_mtim.tv_sec);
	ret->status = 200;
	ret->type = type;
	ret->modified_us = st.st_mtim.tv_sec * US_PER_SEC;
	ret->first = 0;
	ret->length = ret->total = st.st_size;
	if (request->range && strcmp(request->method, "GET") == 0 &&
		(!request->if_range || answer_is_as_before(ret, request->if_range)))
		r = range_parse(request->range, st.st_size, &ret->first, &ret->length);
	if (r == 1)
		ret->status = 206;
	if (r < 0)
		answer_text(ret, 416, "The file has no such bytes.\n");
	else
		ret->fd = TAKE_FD(*fd);
}

static void answer_frame(struct answer *ret, struct page *page, const struct web_request *request,
	const struct record *frame)
{
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(page->archive, frame, &fd);

	if (r == 0)
		answer_file(ret, request, "image/jpeg", frame->seq, &fd);
	else if (r == -ENOENT)
		answer_sentence(ret, page, 404,
			"This picture was removed since: the journal knows "
			"it, and its file is gone.");
	else
		answer_sentence(ret, page, 500,
			"This picture cannot be read: its file is not what "
			"the journal says. `verify` knows more.");
}

/*
 * The newest one. Where latest.jpg is a link it names the frame, which costs no look into the
 * journal; else, and where that frame is gone, the journal tells.
 */
static void answer_latest(struct answer *ret, struct page *page, const struct web_request *request)
{
	CLEANUP_FD int root = -1, fd = -1;
	char link[FRAME_PATH_MAX + 1];
	struct frame_name name;
	struct record frame;
	struct stat st;
	ssize_t n = -1;

	root = open(page->place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		n = readlinkat(root, "latest.jpg", link, sizeof(link) - 1);
	if (n > 0 && frame_path_parse(link, (size_t)n, &name) == 0) {
		CLEANUP_FD int folder = -1;
		char path[FRAME_PATH_MAX], file[FRAME_NAME_MAX];

		if (frame_name_folder(&name, path) == 0 && frame_name_format(&name, file) == 0 &&
			fs_open_folder(&fs_real, root, path, false, &folder) == 0)
			fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		answer_file(ret, request, "image/jpeg", name.seq, &fd);
		return;
	}
	page->trouble = place_open(page->place, &page->archive);
	if (page->trouble == 0)
		page->trouble = archive_newest(page->archive, &frame);
	if (page->trouble == 0)
		answer_frame(ret, page, request, &frame);
	else if (page->archive && page->trouble == -ENOENT)
		answer_sentence(ret, page, 404, "No picture was stored yet.");
	else
		answer_sentence(ret, page, 404, place_trouble(page->trouble));
}

static void answer_film(struct answer *ret, struct page *page, const struct web_request *request)
{
	CLEANUP_FD int fd = -1;

	if (place_open_film(page->place, page->target->day, &fd) == 0)
		answer_file(ret, request, "video/mp4", 0, &fd);
	else
		answer_sentence(ret, page, 404, "There is no film of this day.");
}

/* ---- */

static void answer_small(struct answer *ret, const char *key, uint8_t *jpeg, size_t bytes)
{
	ret->status = 200;
	ret->type = "image/jpeg";
	ret->body = (char *)jpeg;
	ret->bytes = bytes;
	if (*key)
		snprintf(ret->etag, sizeof(ret->etag), "\"%s\"", key);
}

/* One that was drawn before: whether it is still there. */
static bool answer_kept(struct answer *ret, const char *key)
{
	int64_t bytes;

	if (cache_open(key, &ret->fd, &bytes) < 0)
		return false;
	ret->length = bytes;
	ret->is_final = true;
	answer_small(ret, key, NULL, 0);
	return true;
}

/* Pictures that are made of many: small ones, and the light of a day or a month. */
static void answer_drawn(struct answer *ret, struct page *page)
{
	struct drawn drawn;
	int r;

	if (page->target->route == ROUTE_SHEET)
		r = day_sheet(page, &drawn);
	else
		r = (strlen(page->target->day) == 10 ? day_light : month_light)(page, &drawn);
	if (r < 0) {
		answer_sentence(ret, page, 404, "There are no small pictures of this number.");
		return;
	}
	ret->fd = drawn.fd;
	answer_small(ret, drawn.key, drawn.jpeg, drawn.jpeg ? (size_t)drawn.bytes : 0);
	ret->length = drawn.jpeg ? 0 : drawn.bytes;
	ret->is_final = *drawn.key && strcmp(drawn.key, page->target->key) == 0;
}

static void answer_thumb(struct answer *ret, struct page *page, const struct record *frame)
{
	char key[CACHE_KEY_MAX];
	uint8_t *jpeg;
	size_t bytes;

	if (thumb_jpeg(page->archive, frame, &jpeg, &bytes) < 0) {
		answer_sentence(ret, page, 404, "There is no small picture of this one.");
		return;
	}
	cache_key(page->archive, "thumb", &frame->seq, 1, key);
	answer_small(ret, key, jpeg, bytes);
	ret->is_final = true;
}

/* Of this machine's own camera: the masters of copies are elsewhere. */
static void answer_aim(struct answer *ret, struct page *page, bool may_wait)
{
	struct json_object *head = NULL;
	struct stat st;
	int r = page->place->copy
		? -ENOENT
		: published_aim(page->place->path, page->target->after, &ret->fd, &head);

	json_object_put(head);
	if (r == 0 && fstat(ret->fd, &st) == 0) {
		ret->length = st.st_size;
		ret->status = 200;
		ret->type = "application/octet-stream";
	} else if (r == -EAGAIN && may_wait) {
		ret->waits = true;
	} else {
		answer_sentence(ret, page, 404, "No service here makes pictures to aim by.");
	}
}

static void answer_route(
	struct answer *ret, struct page *page, const struct web_request *request, bool may_wait)
{
	static page_function *const pages[] = { [ROUTE_NEWEST] = page_newest,
		[ROUTE_PICTURE_PAGE] = page_picture,
		[ROUTE_DAY] = page_day,
		[ROUTE_MONTH] = page_month,
		[ROUTE_YEAR] = page_year,
		[ROUTE_EVENTS] = page_events,
		[ROUTE_COMPARE] = page_compare,
		[ROUTE_AIM] = page_aim };
	const struct target *target = page->target;
	struct record frame;
	const bool has_newest = page->archive && target->route == ROUTE_NEWEST && target->after &&
		archive_newest(page->archive, &frame) == 0;

	if (target->route == ROUTE_AIM_NOW) {
		answer_aim(ret, page, may_wait);
	} else if (may_wait && has_newest && frame.seq == target->after) {
		ret->waits = true;
	} else if (target->route == ROUTE_SHEET || target->route == ROUTE_LIGHT) {
		answer_drawn(ret, page);
	} else if (target->route != ROUTE_PICTURE && target->route != ROUTE_SMALL) {
		answer_page(ret, page, pages[target->route], 0, NULL);
	} else if (!page->archive) {
		answer_sentence(ret, page, 404, place_trouble(page->trouble));
	} else if (archive_find(page->archive, target->seq, &frame) < 0 ||
		frame.type != RECORD_FRAME) {
		answer_sentence(ret, page, 404, "The journal knows no picture of this number.");
	} else if (target->route == ROUTE_SMALL) {
		answer_thumb(ret, page, &frame);
	} else {
		ret->is_final = true;
		answer_frame(ret, page, request, &frame);
	}
}

static void answer_target(
	struct answer *ret, struct page *page, const struct web_request *request, bool may_wait)
{
	const struct target *target = page->target;

	switch (target->route) {
	case ROUTE_STYLE:
		answer_asset(ret, "text/css", style_css);
		return;
	case ROUTE_SCRIPT:
		answer_asset(ret, "text/javascript", script_js);
		return;
	case ROUTE_ICON:
		answer_asset(ret, "image/svg+xml", icon_svg);
		return;
	case ROUTE_WALL:
		answer_page(ret, page, page_wall, 0, NULL);
		return;
	default:
		break;
	}
	page->place = places_get(page->places, target->camera);
	if (!page->place) {
		answer_sentence(ret, page, 404, "There is no camera of this name here.");
	} else if (target->route == ROUTE_LATEST) {
		answer_latest(ret, page, request);
	} else if (target->route == ROUTE_FILM) {
		answer_film(ret, page, request);
	} else if (target->route != ROUTE_SHEET || !answer_kept(ret, target->key)) {
		page->trouble = place_open(page->place, &page->archive);
		answer_route(ret, page, request, may_wait);
	}
	archive_free(page->archive);
	page->archive = NULL;
}

void answer_refuse(int status, struct answer *ret)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 401, "This needs the password that `deploypi view --lan` asked for.\n" },
		{ 413, "These pages can only be read: a request has no body.\n" },
		{ 421,
			"This machine has no such name. Where no password is set, the address of "
			"the pages begins with an IP address, localhost, or this machine's "
			"name.\n" },
		{ 429, "Too many wrong passwords came from this address; try again in a while.\n" },
	};

	*ret = (struct answer){ .fd = -1, .modified_us = TIME_NONE };
	answer_text(ret, 503, "There is not enough memory for this request.\n");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].status == status)
			answer_text(ret, status, texts[i].text);
	}
}

/* What is there is not what the client expects: If-Match and If-Unmodified-Since. */
static bool answer_is_unexpected(const struct answer *answer, const struct web_request *request)
{
	int64_t date_us;

	if (request->if_match)
		return !etag_matches(request->if_match, answer->etag, true);
	return request->if_unmodified_since && answer->modified_us != TIME_NONE &&
		http_date_parse(request->if_unmodified_since, &date_us) == 0 &&
		answer->modified_us > date_us;
}

/* The client has it already: If-None-Match, and without that one If-Modified-Since. */
static bool answer_is_known(const struct answer *answer, const struct web_request *request)
{
	int64_t date_us;

	if (request->if_none_match)
		return etag_matches(request->if_none_match, answer->etag, false);
	return request->if_modified_since && answer->modified_us != TIME_NONE &&
		http_date_parse(request->if_modified_since, &date_us) == 0 &&
		answer->modified_us <= date_us;
}

/* In the order of RFC 9110, 13.2.2; what the browser has already is not sent again. */
static void answer_validate(struct answer *ret, const struct web_request *request)
{
	if (ret->status != 200 && ret->status != 206 && ret->status != 416)
		return;
	if (answer_is_unexpected(ret, request)) {
		answer_clear(ret);
		ret->is_page = false;
		answer_text(ret, 412, "What is here now is not what the request expects.\n");
	} else if (answer_is_known(ret, request)) {
		answer_clear(ret);
		ret->is_page = false;
		ret->status = 304;
		ret->text = NULL;
		ret->bytes = 0;
	}
}

/*
 * The same address with a slash at its end, said from where it is: a proxy may have it elsewhere,
 * and "/\\name/" would be another machine to a browser.
 */
static void answer_redirect(struct answer *ret, const char *target)
{
	const size_t path = strcspn(target, "?");
	const char *last = memrchr(target, '/', path);
	const char *query = text_is_plain(target, strlen(target)) ? target + path : "";

	if (last)
		snprintf(ret->location, sizeof(ret->location), "./%.*s/%s",
			(int)(target + path - last - 1), last + 1, query);
}

enum answer_turn answer_turn(const char *target)
{
	CLEANUP_FD int fd = -1;
	struct target parsed;
	int64_t bytes;

	if (target_parse(target, &parsed) < 0)
		return TURN_NONE;
	if (parsed.route == ROUTE_SHEET && cache_open(parsed.key, &fd, &bytes) < 0)
		return TURN_SHEET;
	if (parsed.route == ROUTE_LIGHT)
		return TURN_SHEET;
	return parsed.route >= ROUTE_DAY && parsed.route != ROUTE_SHEET ? TURN_PAGE : TURN_NONE;
}

void answer_make(const struct places *places, const struct web_request *request, bool may_wait,
	struct answer *ret)
{
	struct target target = { .route = ROUTE_WALL };
	struct page page = { .places = places,
		.target = &target,
		.clock = request->clock,
		.now_us = clock_wall_us(request->clock) };
	const size_t path = strcspn(request->target, "?");
	int r = target_parse(request->target, &target);

	*ret = (struct answer){ .status = 500, .fd = -1, .modified_us = TIME_NONE };
	for (size_t i = 1; i < path; i++)
		page.depth += request->target[i] == '/';
	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
		answer_sentence(ret, &page, 405, "These pages can only be read.");
	else if (r == -EISDIR)
		ret->status = 301;
	else if (r == -EINVAL)
		answer_sentence(ret, &page, 400, "This is no address of a page.");
	else if (r == -ENAMETOOLONG)
		answer_sentence(ret, &page, 414, "No address here is so long.");
	else if (r < 0)
		answer_sentence(ret, &page, 404, "There is no such page.");
	else
		answer_target(ret, &page, request, may_wait);
	if (ret->status == 301)
		answer_redirect(ret, request->target);
	answer_validate(ret, request);
}
