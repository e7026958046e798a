/* SPDX-License-Identifier: MIT */
/* Asks for pages as a browser would, from the wall on, and writes them and what they need. */
#include "view/web/site.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utc.h"
#include "view/take/take.h"
#include "view/thumb/sheet.h"
#include "view/web/answer.h"
#include "view/web/html.h"

#define FILE_MAX (TARGET_MAX + CAMERA_NAME_MAX + 16)
#define DAYS_DEFAULT 7
#define DAY_US (INT64_C(86400) * US_PER_SEC)

const struct cli_option site_options[] = {
	{ "since", 's', "TIME", "from that day on; else from a week ago" },
	{ "until", 'u', "TIME", "up to that day; else up to now" },
	{ "copy", 0, NULL, "pictures are copied, not linked" },
	{ .name = NULL },
};

/* Addresses, each once, in the order in which they were found. */
struct addresses {
	char **list;
	size_t n, room;
	void *tree;
};

struct site {
	struct cli *cli;
	struct places *places;
	int folder;
	bool copy;
	char since[LOCAL_TEXT_MAX], until[LOCAL_TEXT_MAX]; /* days, "2026-11-24" */
	int64_t now_us, since_us, until_us;
	struct addresses addresses;
	/* of the cameras, in their order: the pictures of these days, and the newest */
	struct slots *pictures;
	size_t n_written;
};

static void tree_keep(void *address)
{
	(void)address;
}

static void site_clear(struct site *site)
{
	tdestroy(site->addresses.tree, tree_keep);
	for (size_t i = 0; i < site->addresses.n; i++)
		free(site->addresses.list[i]);
	free(site->addresses.list);
	for (size_t i = 0; site->pictures && i < site->places->n; i++)
		slots_clear(&site->pictures[i]);
	free(site->pictures);
	free(site->places);
	fd_closep(&site->folder);
}

static int address_compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

static int site_add(struct site *site, const char *address)
{
	struct addresses *a = &site->addresses;
	char *copy;

	if (tfind(address, &a->tree, address_compare))
		return 0;
	if (!list_make_room(&a->list, a->n, &a->room, sizeof(*a->list)))
		return -ENOMEM;
	copy = strdup(address);
	if (!copy || !tsearch(copy, &a->tree, address_compare)) {
		free(copy);
		return -ENOMEM;
	}
	a->list[a->n++] = copy;
	return 0;
}

/* ---- which pages there are */

static int seq_compare(const void *left, const void *right)
{
	const struct slot *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

/* Whether "2026-11-24", "2026-11" or "2026" has a day of the site. */
static bool site_has_day(const struct site *site, const char *day)
{
	const size_t n = strlen(day);

	return strncmp(day, site->since, n) >= 0 && strncmp(day, site->until, n) <= 0;
}

static bool site_has(const struct site *site, const char *address)
{
	struct target target;
	const struct place *place;
	struct slot key = { 0 };

	if (target_parse(address, &target) < 0 || target.route == ROUTE_COMPARE ||
		target.route == ROUTE_AIM || target.route == ROUTE_AIM_NOW)
		return false;
	place = places_get(site->places, target.camera);
	if (strchr(address + 1, '/') && !place)
		return false;
	if (*target.day)
		return site_has_day(site, target.day);
	if (target.route != ROUTE_PICTURE && target.route != ROUTE_PICTURE_PAGE &&
		target.route != ROUTE_SMALL)
		return true;
	key.seq = target.seq;
	return bsearch(&key, site->pictures[place - site->places->list].list,
		site->pictures[place - site->places->list].n, sizeof(key), seq_compare);
}

/* ---- links */

/* "../12/?x#y" on the page "/garden/2026-11-24/" is "/garden/12/". False: it is none of ours. */
static bool address_resolve(const char *page, const char *link, char ret[static TARGET_MAX])
{
	size_t n = (size_t)(strrchr(page, '/') - page) + 1;
	const size_t len = strcspn(link, "?#\"");

	if (len == 0 || *link == '/' || memchr(link, ':', len))
		return false;
	snprintf(ret, TARGET_MAX, "%.*s", (int)n, page);
	for (const char *end = link + len; link < end;) {
		const size_t part = strcspn(link, "/\"?#");

		if (part == 2 && strncmp(link, "..", 2) == 0) {
			for (n -= n > 1; n > 1 && ret[n - 1] != '/';)
				n--;
		} else if (part != 1 || *link != '.') {
			const size_t slash = link[part] == '/';

			if (n + part + 2 > TARGET_MAX)
				return false;
			memcpy(ret + n, link, part + slash);
			n += part + slash;
		}
		ret[n] = '\0';
		link += part + (link[part] == '/');
	}
	return true;
}

/* Writes the page with its links changed, and notes where they lead. */
static int page_relink(struct site *site, const char *address, const char *html, FILE *out)
{
	static const char *const names[] = { " href=\"", " src=\"" };
	char to[TARGET_MAX];
	int r = 0;

	while (*html && r == 0) {
		const size_t quote = strcspn(html, "\"");
		const char *value = html + quote + (html[quote] == '"');
		const char *end = value + strcspn(value, "\"");
		bool is_link = false, has = false;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			const size_t n = strlen(names[i]);

			is_link |=
				(size_t)(value - html) >= n && strncmp(value - n, names[i], n) == 0;
		}
		if (is_link && address_resolve(address, value, to))
			has = site_has(site, to);
		if (has)
			r = site_add(site, to);
		if (is_link && !has) {
			/* no page: what it says stays, and leads nowhere */
			fwrite(html, 1, (size_t)(value - html), out);
			putc('#', out);
		} else {
			fwrite(html, 1, (size_t)(end - html), out);
			if (has && end > value && end[-1] == '/')
				fputs("index.html", out);
		}
		html = end;
		if (*html == '"')
			putc(*html++, out);
	}
	return r;
}

/* ---- files */

/* The folder of an address, open, and the file's name in it. -errno. */
static int site_open(const struct site *site, const char *address, int *ret_folder,
	char ret_name[static FILE_MAX])
{
	char path[FILE_MAX], *slash;
	struct target target;
	const char *below = strchr(address + 1, '/');

	target_parse(address, &target);
	/* an address is encoded, a folder has the camera's name */
	snprintf(path, sizeof(path), "%s%s%s", below ? target.camera : address + 1,
		below ? below : "", address[strlen(address) - 1] == '/' ? "index.html" : "");
	slash = strrchr(path, '/');
	snprintf(ret_name, FILE_MAX, "%s", slash ? slash + 1 : path);
	if (slash)
		*slash = '\0';
	if (slash)
		return fs_open_folder(&fs_real, site->folder, path, true, ret_folder);
	*ret_folder = fcntl(site->folder, F_DUPFD_CLOEXEC, 0);
	return *ret_folder < 0 ? -errno : 0;
}

static int site_write_page(struct site *site, const char *address, const char *body, size_t bytes,
	int folder, const char *name)
{
	CLEANUP_FREE char *html = NULL, *text = strndup(body, bytes);
	size_t html_bytes = 0;
	FILE *out = open_memstream(&html, &html_bytes);
	char *live;
	int r;

	if (!text || !out) {
		if (out)
			fclose(out);
		return -ENOMEM;
	}
	/* the script would wait for the next picture, and miss the server */
	live = strstr(text, "<div id=\"newest\"");
	if (live)
		live[strlen("<div id=\"")] = 'N'; /* no id that the script looks for */
	r = page_relink(site, address, text, out);
	if (fclose(out) != 0)
		r = -ENOMEM;
	return r < 0 ? r : fs_replace(&fs_real, folder, name, html, html_bytes, 0666);
}

static int site_write(struct site *site, const char *address)
{
	const struct web_request request = {
		.method = "GET", .target = address, .clock = &clock_real
	};
	CLEANUP(answer_clear) struct answer answer;
	CLEANUP_FD int folder = -1;
	char name[FILE_MAX];
	struct target target;
	int r;

	answer_make(site->places, &request, false, &answer);
	if (answer.status != 200 && answer.status != 503)
		return 0; /* gone since, or never there, as a film */
	r = site_open(site, address, &folder, name);
	if (r < 0)
		return r;
	site->n_written++;
	if (answer.is_page)
		return site_write_page(site, address, answer.body, answer.bytes, folder, name);
	if (answer.fd < 0)
		return fs_replace(&fs_real, folder, name, answer.body ? answer.body : answer.text,
			answer.bytes, 0666);
	target_parse(address, &target);
	if (!site->copy && target.route == ROUTE_PICTURE) {
		r = fs_link(answer.fd, folder, name);
		if (r == 0 || r == -EEXIST)
			return 0;
	}
	return fs_replace_copy(&fs_real, answer.fd, folder, name, 0666);
}

/* ---- */

/* The pictures of a camera's days, by number, and the newest; addresses of all. */
static int site_add_pictures(struct site *site, size_t i)
{
	const struct selection span = { .since_us = site->since_us, .until_us = site->until_us };
	const struct place *place = &site->places->list[i];
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct slots *slots = &site->pictures[i];
	char address[TARGET_MAX];
	struct record newest;
	size_t n = 0;
	int r = place_open(place, &archive);

	if (r < 0)
		return 0; /* its page says so */
	r = select_slots(archive, &span, slots);
	if (r < 0)
		return r;
	for (size_t k = 0; k < slots->n; k++) {
		if (slots->list[k].state == SLOT_HELD)
			slots->list[n++] = slots->list[k];
	}
	slots->n = n;
	if (archive_newest(archive, &newest) == 0 &&
		(newest.slot_us > site->until_us || newest.slot_us < site->since_us)) {
		struct slot *list = realloc(slots->list, (n + 1) * sizeof(*list));

		if (!list)
			return -ENOMEM;
		list[n] = (struct slot){ .slot_us = newest.slot_us, .seq = newest.seq };
		*slots = (struct slots){ list, n + 1, n + 1 };
	}
	if (slots->n > 0)
		qsort(slots->list, slots->n, sizeof(*slots->list), seq_compare);
	for (size_t k = 0; k < slots->n && r == 0; k++) {
		snprintf(address, sizeof(address), "/%s/%llu/", place->url,
			(unsigned long long)slots->list[k].seq);
		r = site_add(site, address);
		snprintf(address, sizeof(address), "/%s/%llu.jpg", place->url,
			(unsigned long long)slots->list[k].seq);
		if (r == 0)
			r = site_add(site, address);
	}
	return r;
}

/* A day's page, and its sheets, of which the page names only the first. */
static int site_add_day(struct site *site, const struct place *place, const char *day)
{
	const struct slots *pictures = &site->pictures[place - site->places->list];
	char address[TARGET_MAX], at[LOCAL_TEXT_MAX];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < pictures->n; i++)
		n += strcmp(local_day(pictures->list[i].slot_us, at), day) == 0;
	snprintf(address, sizeof(address), "/%s/%s/", place->url, day);
	r = site_add(site, address);
	for (size_t i = 0; i * SHEET_CELLS < n && r == 0; i++) {
		snprintf(address, sizeof(address), "/%s/%s/%zu.jpg", place->url, day, i + 1);
		r = site_add(site, address);
	}
	return r;
}

static int site_add_days(struct site *site, const struct place *place)
{
	char day[LOCAL_TEXT_MAX];
	int r = 0;

	for (int64_t t = site->since_us + DAY_US / 2; t < site->until_us + DAY_US / 2 && r == 0;
		t += DAY_US) {
		if (site_has_day(site, local_day(t, day)))
			r = site_add_day(site, place, day);
	}
	return r;
}

static int site_run(struct site *site)
{
	int r = site_add(site, "/");

	site->pictures = calloc(site->places->n + 1, sizeof(*site->pictures));
	if (!site->pictures)
		return -ENOMEM;
	for (size_t i = 0; i < site->places->n && r == 0; i++) {
		r = site_add_pictures(site, i);
		if (r == 0)
			r = site_add_days(site, &site->places->list[i]);
	}
	for (size_t i = 0; i < site->addresses.n && r == 0; i++)
		r = site_write(site, site->addresses.list[i]);
	return r;
}

/* Only those that were named. */
static int site_choose_cameras(struct site *site)
{
	const struct cli *cli = site->cli;
	struct places *places = site->places;
	size_t n = 0;

	for (int i = 1; i < cli->argc; i++) {
		if (!places_get(places, cli->argv[i]))
			return cli_usage(cli, "%s: no camera of this name", cli->argv[i]);
	}
	for (size_t i = 0; i < places->n && cli->argc > 1; i++) {
		for (int k = 1; k < cli->argc; k++) {
			if (strcmp(places->list[i].name, cli->argv[k]) == 0) {
				places->list[n++] = places->list[i];
				break;
			}
		}
	}
	places->n = cli->argc > 1 ? n : places->n;
	return CLI_OK;
}

/* Whole days. */
static int site_read_span(struct cli *cli, struct site *site)
{
	int r = cli_span(cli, &site->since_us, &site->until_us);

	if (r != CLI_OK)
		return r;
	if (site->since_us == TIME_NONE)
		site->since_us = site->now_us - DAYS_DEFAULT * DAY_US;
	if (site->until_us == TIME_NONE || site->until_us > site->now_us)
		site->until_us = site->now_us;
	if (site->since_us > site->until_us)
		return cli_usage(cli, "--since: that is after now");
	local_day(site->since_us, site->since);
	local_day(site->until_us, site->until);
	when_parse(site->since, WHEN_FROM, site->now_us, &site->since_us);
	when_parse(site->until, WHEN_TO, site->now_us, &site->until_us);
	return CLI_OK;
}

int command_site(struct cli *cli)
{
	CLEANUP(site_clear)
	struct site site = { .cli = cli,
		.folder = -1,
		.copy = cli_flag(cli, "copy"),
		.now_us = clock_wall_us(&clock_real) };
	CLEANUP_FREE void *settings = NULL;
	char inside[PATH_MAX];
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	if (r != CLI_OK)
		return r;
	view_settings_use_zone(settings);
	r = site_read_span(cli, &site);
	if (r == CLI_OK && places_find(settings, &site.places) < 0)
		r = CLI_INTERNAL;
	if (r != CLI_OK)
		return r;
	if (fs_make_folders(cli->argv[0], 0777) < 0 ||
		(site.folder = open(cli->argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		cli_error(cli, "%s: %s", cli->argv[0], strerror(errno));
		return CLI_USAGE;
	}
	snprintf(inside, sizeof(inside), "%s/", cli->argv[0]);
	r = take_refuse_archive(&(struct take){ .cli = cli, .places = site.places }, inside);
	if (r == CLI_OK)
		r = site_choose_cameras(&site);
	if (r != CLI_OK)
		return r;
	r = site_run(&site);
	if (r < 0) {
		cli_error(cli, "%s: %s", cli->argv[0], strerror(-r));
		return CLI_INTERNAL;
	}
	text_print(stdout, "%s/index.html and %zu other files\n", cli->argv[0], site.n_written - 1);
	return CLI_OK;
}
