/* SPDX-License-Identifier: MIT */
/* Paces the log lines about a lasting trouble. */
#include "common/base/trouble.h"

#include "common/base/clock.h"

#define FIRST_US (60 * US_PER_SEC)
#define LONGEST_US (INT64_C(24) * 3600 * US_PER_SEC)
#define CALM_US (600 * US_PER_SEC)

static enum trouble_news trouble_end(struct trouble *trouble, int64_t now_us)
{
	if (!trouble->since_us)
		return TROUBLE_NONE;
	trouble->since_us = 0;
	trouble->ended_us = now_us;
	return trouble->told ? TROUBLE_ENDS : TROUBLE_NONE;
}

enum trouble_news trouble_look(struct trouble *trouble, bool is_bad, int64_t now_us)
{
	bool told = trouble->told;

	if (!is_bad)
		return trouble_end(trouble, now_us);
	if (!trouble->since_us) {
		trouble->since_us = now_us;
		trouble->told = told = false;
		if (!trouble->ended_us || now_us - trouble->ended_us >= CALM_US)
			trouble->next_us = trouble->pause_us = 0;
	}
	if (now_us < trouble->next_us)
		return TROUBLE_NONE;
	trouble->pause_us = trouble->pause_us ? trouble->pause_us * 4 : FIRST_US;
	if (trouble->pause_us > LONGEST_US)
		trouble->pause_us = LONGEST_US;
	trouble->next_us = now_us + trouble->pause_us;
	trouble->told = true;
	return told ? TROUBLE_LASTS : TROUBLE_BEGINS;
}
