/* SPDX-License-Identifier: MIT */
#include "capture/store/appraise.h"

#include <errno.h>
#include <string.h>

#include "capture/picture/shrink.h"
#include "common/base/log.h"
#include "common/thumbnail/pixels.h"

#define WORTH_FILE "worth"
#define DECODE_SHARE 20 /* of the time, one part is spent on decoding */
#define GREY 128

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

/* Moves the luma of `pixels` to their front; the chroma behind it becomes that of a grey frame. */
static struct frame pixels_grey(struct pixels *pixels)
{
	const size_t width = (size_t)pixels->width, samples = width * (size_t)pixels->height;

	for (size_t i = 0; i < samples; i++)
		pixels->data[i] = pixels->data[3 * i];
	memset(pixels->data + samples, GREY, samples);
	return (struct frame){ .format = PIXEL_YUV420,
		.width = pixels->width,
		.height = pixels->height,
		.plane = { pixels->data, pixels->data + samples, pixels->data + samples },
		.stride = { width, (width + 1) / 2, (width + 1) / 2 },
		.plane_bytes = { samples, samples, samples } };
}

static int jpeg_measure(
	const uint8_t *jpeg, size_t bytes, const struct frame *frame, struct sight *ret)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	CLEANUP_FREE uint8_t *samples = NULL;
	struct frame half, small;
	bool damaged = false;
	int r = pixels_decode(jpeg, bytes, (unsigned)frame->width / 2, (unsigned)frame->height / 2,
		&pixels, &damaged);

	if (r < 0 || damaged)
		return r < 0 ? r : -EBADMSG;
	half = pixels_grey(&pixels);
	r = frame_shrink(&half, SHRINK_SIDE, &small, &samples);
	return r < 0 ? r : sight_measure(&half, r > 0 ? &small : &half, ret);
}

static int appraiser_decode(struct appraiser *a, const uint8_t *jpeg, size_t bytes,
	const struct frame *frame, struct sight *ret)
{
	const int64_t begin_us = appraiser_now_us();
	int64_t end_us;
	int r;

	if (begin_us < a->decode_after_us)
		return -EAGAIN;
	r = jpeg_measure(jpeg, bytes, frame, ret);
	end_us = appraiser_now_us();
	a->decode_after_us = end_us + (end_us - begin_us) * (DECODE_SHARE - 1);
	return r;
}

void appraiser_judge(struct appraiser *a, struct archive *archive, const struct frame *frame,
	const struct frame *small, const uint8_t *jpeg, size_t bytes, struct record *record)
{
	struct sight sight;
	int r = appraiser_load(a, archive);

	if (r == 0)
		r = frame->format == PIXEL_MJPEG
			? appraiser_decode(a, jpeg, bytes, frame, &sight)
			: sight_measure(frame, small ? small : frame, &sight);
	if (r == 0)
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
