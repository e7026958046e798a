/* SPDX-License-Identifier: MIT */
#include "capture/store/appraise.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"

#define WORTH_FILE "worth"

static int64_t appraiser_now_us(void)
{
	return clock_mono_ns(&clock_real) / NS_PER_US;
}

void appraiser_clear(struct appraiser *a)
{
	worth_free(TAKE_PTR(a->worth));
}

/* What is known of the pictures of this archive, which may have been opened only now. */
static int appraiser_load(struct appraiser *a, struct archive *archive)
{
	int r = a->worth ? 0 : worth_new(&a->worth);

	if (r < 0 || strcmp(a->id, archive_id(archive)) == 0)
		return r;
	r = worth_load(a->worth, journal_folder_fd(archive_journal(archive)), WORTH_FILE);
	if (r < 0 && r != -ENOENT)
		log_info("what was known of the pictures is learned again: %s", strerror(-r));
	snprintf(a->id, sizeof a->id, "%s", archive_id(archive));
	a->saved_us = appraiser_now_us();
	return 0;
}

void appraiser_judge(struct appraiser *a, struct archive *archive, const struct frame *frame,
	const struct frame *small, struct record *record)
{
	struct sight sight;

	if (appraiser_load(a, archive) == 0 &&
		sight_measure(frame, small ? small : frame, &sight) == 0)
		record->picture = worth_judge(a->worth, &sight, record->slot_us);
}

void appraiser_save(struct appraiser *a, struct archive *archive, int64_t after_us)
{
	int r;

	if (!a->worth || !archive || appraiser_now_us() - a->saved_us < after_us ||
		strcmp(a->id, archive_id(archive)) != 0)
		return;
	r = worth_save(a->worth, journal_folder_fd(archive_journal(archive)), WORTH_FILE);
	if (r < 0)
		log_debug("what is known of the pictures is not saved: %s", strerror(-r));
	a->saved_us = appraiser_now_us();
}
