/* SPDX-License-Identifier: MIT */
/* Options to archive and slots. */
#include "view/take/take.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"

void take_clear(struct take *take)
{
	archive_free(take->archive);
	free(take->places);
	free(take->settings);
	*take = (struct take)TAKE_NONE;
}

/* ---- hours and days */

/* "6:00" to "24:00"; what follows it. NULL: it is none. */
static const char *minute_read(const char *text, int *ret)
{
	const size_t digits = strspn(text, "0123456789");
	int hour = 0, minute;

	if (digits < 1 || digits > 2 || text[digits] != ':' ||
		strspn(text + digits + 1, "0123456789") != 2)
		return NULL;
	for (size_t i = 0; i < digits; i++)
		hour = 10 * hour + text[i] - '0';
	text += digits + 1;
	minute = 10 * (text[0] - '0') + text[1] - '0';
	if (minute > 59 || hour * 60 + minute > 1440)
		return NULL;
	*ret = hour * 60 + minute;
	return text + 2;
}

int minute_parse(const char *text, int *ret_minute)
{
	int minute;
	const char *end = minute_read(text, &minute);

	if (!end || *end || minute == 1440)
		return -EINVAL;
	*ret_minute = minute;
	return 0;
}

int hours_parse(const char *text, int *ret_from, int *ret_to)
{
	int from, to;
	const char *end = minute_read(text, &from);

	end = end && *end == '-' ? minute_read(end + 1, &to) : NULL;
	if (!end || *end || from == to || from == 1440)
		return -EINVAL;
	*ret_from = from;
	*ret_to = to;
	return 0;
}

static const char *day_read(const char *text, int *ret)
{
	static const char *const names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

	for (int i = 0; i < 7; i++) {
		if (strncasecmp(text, names[i], 3) == 0) {
			*ret = i;
			return text + 3;
		}
	}
	return NULL;
}

int days_parse(const char *text, unsigned *ret_days)
{
	unsigned days = 0;

	for (;; text++) {
		int first, last;

		text = day_read(text, &first);
		last = first;
		if (text && *text == '-')
			text = day_read(text + 1, &last);
		if (!text || (*text && *text != ','))
			return -EINVAL;
		for (int day = first; day != last; day = (day + 1) % 7)
			days |= 1U << day;
		days |= 1U << last;
		if (!*text)
			break;
	}
	*ret_days = days;
	return 0;
}

/* ---- the command line */

static int take_read_options(struct cli *cli, struct take *take)
{
	const char *hours = cli_value(cli, "hours"), *days = cli_value(cli, "days");
	const char *at = cli_flag(cli, "noon") ? "12:00" : cli_value(cli, "at");
	struct selection *s = &take->selection;
	int r = cli_span(cli, &s->since_us, &s->until_us);

	if (r == CLI_OK)
		r = cli_quantity(cli, "every", &conf_duration, US_PER_SEC,
			INT64_C(366) * 86400 * US_PER_SEC, &s->every_us);
	if (r != CLI_OK)
		return r;
	s->skip_marked = cli_flag(cli, "skip-marked");
	s->since_us = s->since_us == TIME_NONE ? 0 : s->since_us;
	s->until_us = s->until_us == TIME_NONE ? clock_wall_us(&clock_real) : s->until_us;
	if (hours && hours_parse(hours, &s->from_minute, &s->to_minute) < 0)
		return cli_usage(cli, "--hours %s: not hours like 06:00-20:30", hours);
	if (days && days_parse(days, &s->days) < 0)
		return cli_usage(cli, "--days %s: not days like mon-fri or sat,sun", days);
	if (at && minute_parse(at, &take->at_minute) < 0)
		return cli_usage(cli, "--at %s: not a time like 12:00", at);
	if (at && (hours || s->every_us > 0))
		return cli_usage(cli, "--at chooses one a day: it takes no --hours and no --every");
	return CLI_OK;
}

static int take_find_place(struct cli *cli, struct take *take)
{
	const char *name = cli->argv[0];
	char names[400] = "";
	int r;

	if (places_find(take->settings, &take->places) < 0) {
		cli_error(cli, "%s", strerror(ENOMEM));
		return CLI_INTERNAL;
	}
	take->place = places_get(take->places, name);
	for (size_t i = 0; !take->place && i < take->places->n; i++) {
		const size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
			take->places->list[i].name);
	}
	if (!take->place)
		return cli_usage(cli, "%s: no camera of this name; %s%s", name,
			*names ? "there are: " : "there is no archive on this machine", names);
	r = place_open(take->place, &take->archive);
	if (r < 0) {
		cli_error(cli, "%s: %s: %s", name, take->place->path, place_trouble(r));
		return CLI_SETTINGS;
	}
	return CLI_OK;
}

int take_begin(struct cli *cli, struct take *ret)
{
	CLEANUP(take_clear) struct take take = TAKE_NONE;
	void *settings = NULL;
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	take.cli = cli;
	take.settings = settings;
	if (r != CLI_OK)
		return r;
	view_settings_use_zone(take.settings);
	r = take_read_options(cli, &take);
	if (r == CLI_OK)
		r = take_find_place(cli, &take);
	if (r != CLI_OK)
		return r;
	*ret = take;
	take = (struct take)TAKE_NONE;
	return CLI_OK;
}

static int take_tell(const struct take *take, int error)
{
	if (error == -EFBIG)
		cli_error(take->cli,
			"%s: these are more than %d slots: choose fewer, by --since, "
			"--hours or --at",
			take->place->name, MOMENTS_MAX);
	else
		cli_error(take->cli, "%s: %s: the journal cannot be read: %s", take->place->name,
			take->place->path, strerror(-error));
	return error == -EFBIG ? CLI_USAGE : CLI_INTERNAL;
}

int take_slots(const struct take *take, struct slots *ret)
{
	/* which of `every` is taken depends on what is missing, too */
	struct selection all = take->selection;
	int r;

	all.every_us = 0;
	if (take->at_minute >= 0) {
		all.from_minute = (take->at_minute - AT_REACH_MINUTES + 1440) % 1440;
		all.to_minute = (take->at_minute + AT_REACH_MINUTES + 1) % 1440;
	}
	r = select_slots(take->archive, &all, ret);
	if (r < 0)
		return take_tell(take, r);
	if (ret->n > 0)
		return CLI_OK;
	cli_error(take->cli, "%s: there are no pictures of that time", take->place->name);
	return CLI_TEMPFAIL;
}

int take_moments(const struct take *take, struct moments *ret)
{
	CLEANUP(slots_clear) struct slots slots = { 0 };
	struct moments moments = { 0 };
	size_t held = 0;
	int r = take_slots(take, &slots);

	if (r != CLI_OK)
		return r;
	r = moments_build(&slots, &take->selection, take->at_minute, &moments);
	if (r < 0)
		return take_tell(take, r);
	for (size_t i = 0; i < moments.n; i++)
		held += moments.list[i].state == SLOT_HELD;
	if (held == 0) {
		moments_clear(&moments);
		cli_error(take->cli, "%s: there are no pictures of that time", take->place->name);
		return CLI_TEMPFAIL;
	}
	*ret = moments;
	return CLI_OK;
}

int take_refuse_archive(const struct take *take, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX], real[PATH_MAX], archive[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		slash ? path : ".");
	if (!realpath(folder, real)) {
		cli_error(take->cli, "%s: %s", path, strerror(errno));
		return CLI_USAGE;
	}
	for (size_t i = 0; i < take->places->n; i++) {
		if (realpath(take->places->list[i].path, archive) &&
			fs_path_is_below(archive, real))
			return cli_usage(take->cli,
				"%s: that is in the archive of %s, which nothing but its pictures "
				"goes into",
				path, take->places->list[i].name);
	}
	return CLI_OK;
}
