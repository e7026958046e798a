/* SPDX-License-Identifier: MIT */
/* Reads the journal through sd-journal. A journal that cannot be read is no error of deploypi's. */
#include "deploy/unitlog.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "common/text.h"
#include "common/util.h"

#define WAIT_STEP_US 100000
#define WAIT_STEPS 10

/* (its own lines OR the manager's about it) AND of this user */
static int match_unit(sd_journal *journal, const char *unit)
{
	static const char *const fields[] = { "_SYSTEMD_USER_UNIT", "USER_UNIT" };
	char match[UNIT_NAME_MAX + 32];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(fields); i++) {
		snprintf(match, sizeof match, "%s=%s", fields[i], unit);
		r = sd_journal_add_match(journal, match, 0);
		if (r < 0)
			break;
		snprintf(match, sizeof match, "_UID=%u", (unsigned)getuid());
		r = sd_journal_add_match(journal, match, 0);
		if (r >= 0)
			r = sd_journal_add_disjunction(journal);
	}
	return r;
}

static void take_line(sd_journal *journal, char ret[static UNITLOG_LINE_MAX])
{
	static const char field[] = "MESSAGE=";
	const void *data;
	size_t size;

	if (sd_journal_get_data(journal, "MESSAGE", &data, &size) < 0 || size < strlen(field))
		text_clean("?", 1, ret, UNITLOG_LINE_MAX);
	else
		text_clean((const char *)data + strlen(field), size - strlen(field), ret,
			UNITLOG_LINE_MAX);
}

/* From the newest back, so that the lines come out in order at the end of the array. */
static unsigned take_lines(sd_journal *journal, int64_t since_us, struct unitlog *log)
{
	unsigned n = 0;
	uint64_t time_us;

	if (sd_journal_seek_tail(journal) < 0)
		return 0;
	while (n < UNITLOG_LINES && sd_journal_previous(journal) > 0) {
		if (sd_journal_get_realtime_usec(journal, &time_us) < 0 ||
			(int64_t)time_us < since_us)
			break;
		n++;
		take_line(journal, log->lines[UNITLOG_LINES - n]);
	}
	memmove(log->lines, log->lines + UNITLOG_LINES - n, n * sizeof log->lines[0]);
	return n;
}

void unitlog_read(const char *unit, int64_t since_us, struct unitlog *ret)
{
	CLEANUP(sd_journal_closep) sd_journal *journal = NULL;
	int r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);

	*ret = (struct unitlog){ 0 };
	if (r >= 0)
		r = match_unit(journal, unit);
	for (int i = 0; r >= 0 && i < WAIT_STEPS && ret->n_lines == 0; i++) {
		if (i > 0)
			usleep(WAIT_STEP_US);
		sd_journal_process(journal);
		ret->n_lines = take_lines(journal, since_us, ret);
	}
	if (r < 0)
		snprintf(ret->why_empty, sizeof ret->why_empty, "the journal cannot be read: %s",
			strerror(-r));
	else if (ret->n_lines == 0)
		snprintf(ret->why_empty, sizeof ret->why_empty,
			"this user sees none in the journal; `sudo journalctl "
			"_SYSTEMD_USER_UNIT=%s` shows them",
			unit);
}
