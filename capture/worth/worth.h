/* SPDX-License-Identifier: MIT */
/*
 * What a picture is worth: whether it is likely to be useless, told by what this camera showed at
 * this hour of the last days. A mark is a hint: nothing is removed because of it.
 *
 *  - frozen: the very samples of the picture before;
 *  - dark: black at an hour that was bright on all of the last days;
 *  - covered: what has a shape at that hour has hardly any, what is near neither; or all of it is
 *    still found but much weaker and soft, as through ice; or a quarter of it is hidden by
 *    something dark;
 *  - moved: the shapes are there, elsewhere; or there are shapes, and hardly any where it was. It
 *    stays so while nothing is recognized, as in dense snow;
 *  - blurred: three fifths of the fine detail is gone that belongs to such coarse detail. Fog,
 *    which takes both, is not blurred.
 *
 * For each hour of the day, in UTC, there is a reference: the mean of the pictures of the last days
 * that had no mark. At first, and where the hours' light shifts with the season, those of the hours
 * beside it are asked as well. Where there is nothing to compare with, nothing but `frozen` is
 * marked. Another size of picture begins all again, as does a mark that lasts: after a day what is
 * `moved` is where the camera is now, after 14 days any mark is what the camera shows now. A
 * trouble of the lens or of what is before it keeps the mark that it came with, as frost that
 * grows.
 */
#pragma once

#include "capture/worth/measure.h"
#include "common/base/util.h"

/* What was learned of a camera: about half a megabyte. Zeroed memory has learned nothing. */
struct worth;

/* -ENOMEM. */
int worth_new(struct worth **ret);
void worth_free(struct worth *worth);
DEFINE_CLEANUP(struct worth, worth_free)

/* Makes `copy` know what `worth` knows. */
void worth_copy(struct worth *copy, const struct worth *worth);

/*
 * What the picture of `slot_us` is worth, and learns from it. Pure but for `worth`: no clock, no
 * file. Slots that go back in time are fine.
 */
struct picture_facts worth_judge(struct worth *worth, const struct sight *sight, int64_t slot_us);

/*
 * The state file `name` in the folder `dirfd`. Loading one that is missing, damaged or of another
 * version leaves nothing learned: -ENOENT, -EBADMSG, -errno. Saving replaces it in one step.
 */
int worth_load(struct worth *worth, int dirfd, const char *name);
int worth_save(const struct worth *worth, int dirfd, const char *name);
