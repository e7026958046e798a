/* SPDX-License-Identifier: MIT */
/*
 * What a command line asks for: a camera's archive and the slots of it, by the options that `film`,
 * `sheet`, `export` and `site` share. Here as in cli.h, the person is told what is wrong, and what
 * is returned is an exit code.
 */
#pragma once

#include "common/commands/cli.h"
#include "view/facts/moments.h"
#include "view/settings/places.h"

#define TAKE_OPTIONS                                                                               \
	{ "since", 's', "TIME", "from then on; else from the first picture on" },                  \
		{ "until", 'u', "TIME", "up to then; else up to now" },                            \
		{ "hours", 0, "FROM-TO", "only between these local times: 06:00-20:30" },          \
		{ "days", 0, "DAYS", "only on these: mon-fri, or sat,sun" },                       \
		{ "every", 'e', "TIME", "one picture for each such time: 10min" },                 \
		{ "skip-marked", 0, NULL, "without pictures marked dark, covered, blurred, ..." }, \
		{ "at", 0, "HH:MM", "one a day, the nearest to that local time" },                 \
	{                                                                                          \
		"noon", 0, NULL, "the same as --at 12:00"                                          \
	}

struct take {
	const struct cli *cli;
	struct view_settings *settings;
	struct places *places;
	const struct place *place;
	struct archive *archive;
	struct selection selection;
	int at_minute; /* -1: none */
};
#define TAKE_NONE                                                                                  \
	{                                                                                          \
		.at_minute = -1                                                                    \
	}

/* Reads settings and options, and opens the archive of the camera that the first operand names. */
int take_begin(struct cli *cli, struct take *ret);
void take_clear(struct take *take);

/* Reads the journal. Told, and not CLI_OK, where there is no slot, or too many. */
int take_slots(const struct take *take, struct slots *ret);
int take_moments(const struct take *take, struct moments *ret);

/* Refuses to write where an archive is. The folder of `path` has to be there. */
int take_refuse_archive(const struct take *take, const char *path);

/*
 * "06:00-20:30" as minutes of the day; may pass midnight. "mon-fri,sun" as bits, bit 0 is Sunday.
 * "06:00" as one minute. -EINVAL.
 */
int hours_parse(const char *text, int *ret_from, int *ret_to);
int days_parse(const char *text, unsigned *ret_days);
int minute_parse(const char *text, int *ret_minute);
