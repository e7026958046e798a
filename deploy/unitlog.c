/* SPDX-License-Identifier: MIT */
/* Asks journalctl. A journal that cannot be read is no error of deploypi's. */
#include "deploy/unitlog.h"

#include <stdio.h>
#include <string.h>

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/util.h"
#include "common/systemd/userbus.h"

#define JOURNALCTL_US (10 * US_PER_SEC)
#define WAIT_STEP_US 200000
#define WAIT_STEPS 5

static void unitlog_take_lines(char *text, struct unitlog *log)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!*line || log->n_lines == UNITLOG_LINES)
			continue;
		text_clean(line, strlen(line), log->lines[log->n_lines++], UNITLOG_LINE_MAX);
	}
}

void unitlog_read(const char *unit, int64_t since_us, struct unitlog *ret)
{
	char since[48], unit_is[UNIT_NAME_MAX + 16], lines[16];
	const char *const argv[] = { "journalctl", "--quiet", "--no-pager", "--output=cat", since,
		unit_is, lines, NULL };

	*ret = (struct unitlog){ 0 };
	snprintf(since, sizeof since, "--since=@%lld", (long long)(since_us / US_PER_SEC));
	snprintf(unit_is, sizeof unit_is, "%s=%s", user_is_system() ? "--unit" : "--user-unit",
		unit);
	snprintf(lines, sizeof lines, "--lines=%d", UNITLOG_LINES);
	for (int i = 0; i < WAIT_STEPS && ret->n_lines == 0; i++) {
		CLEANUP(child_result_clear) struct child_result child = { 0 };

		if (i > 0)
			usleep(WAIT_STEP_US);
		if (child_run(argv, JOURNALCTL_US, &child) == 0)
			unitlog_take_lines(child.out, ret);
	}
	if (ret->n_lines == 0)
		snprintf(ret->why_empty, sizeof ret->why_empty,
			"this user sees none in the journal; `sudo journalctl "
			"_SYSTEMD_%sUNIT=%s` shows them",
			user_is_system() ? "" : "USER_", unit);
}
