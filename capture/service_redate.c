/* SPDX-License-Identifier: MIT */
/* The service notices that the clock is known now, and tells how the dating of older frames went. */
#include <string.h>

#include "capture/service_private.h"
#include "common/log.h"

static void tell(const struct writer_redated *redated)
{
	const struct redate_totals *totals = &redated->totals;

	if (redated->error < 0)
		log_errno(redated->error,
			"cannot give frames their true time (%llu have it); trying again every "
			"minute",
			(unsigned long long)totals->dated);
	else if (totals->dated || totals->failed)
		log_notice("%llu frames from before the clock was set have their true time now%s",
			(unsigned long long)totals->dated,
			totals->failed ? "; some cannot be read, see `capturepi verify`" : "");
}

void service_redate(struct service *s)
{
	struct writer_redated redated;
	bool synced = clock_synced(s->clock);

	if (synced && !s->clock_known && !s->options->one_shot)
		writer_redate(s->writer, s->boot, redate_zero(s->clock));
	s->clock_known = synced;
	if (writer_take_redated(s->writer, &redated) == 0)
		tell(&redated);
}
