/* SPDX-License-Identifier: MIT */
/*
 * What `pullpi watch` has to say, as a pure function of what it said before, the facts and the
 * time. Each trouble of a camera is told once when it begins, again after a day and after a week,
 * and once when it is over.
 *
 * A trouble counts once it has lasted for `after_us`, and is over once it has been gone for as
 * long: what comes and goes faster is one trouble, or none. What a camera said only once counts
 * for less: that its service does not run, or that the clocks differ, takes a second answer, that
 * it is not reached a second try some minutes later, and a camera that runs and has no picture a
 * second slot without one, so that a restart over one slot is none; but WATCH_SLOT_US are enough,
 * for a camera that takes one picture a day. Where nobody looked for WATCH_LOOK_US, because this
 * machine was off, slept or had another time, what is not told yet begins again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/contact/due.h"
#include "pull/session/room.h"

#define WATCH_LOOK_US (10 * 60 * US_PER_SEC) /* between two looks, at most */
#define WATCH_AGAIN_US (180 * US_PER_SEC) /* two answers are so far apart */
#define WATCH_OUTAGE_US (330 * US_PER_SEC) /* what fails for that long is no short outage */
#define WATCH_SLOT_US (75 * 60 * US_PER_SEC)
#define WATCH_FULL_US (INT64_C(3) * 24 * 3600 * US_PER_SEC) /* before the disk is full */
#define WATCH_TEXT_MAX (PULL_ERROR_MAX + 512)

/* What there is one alarm of for each camera. */
enum watch_topic {
	WATCH_SILENCE, /* no new pictures get here */
	WATCH_ROOM, /* they will not, soon */
	WATCH_CLOCK,
	WATCH_PICTURES, /* they get here and show nothing */
	WATCH_TOPICS,
};

enum watch_cause {
	WATCH_FINE,
	WATCH_UNKNOWN, /* the facts do not tell: all stays as it is */
	WATCH_LINK, /* not reached */
	WATCH_LOGIN, /* host key or login refused */
	WATCH_ANSWERS, /* the camera, or what answers in its place, talks nonsense */
	WATCH_STOPPED, /* capturing does not run there */
	WATCH_CAMERA, /* it runs, and takes none */
	WATCH_TIMER, /* nobody on this machine asks the camera */
	WATCH_DISK, /* full */
	WATCH_LIMIT, /* of this camera here, by the settings */
	WATCH_AWAY, /* the disk is not mounted, or cannot be read */
	WATCH_SANDBOX, /* the archive may not be written */
	WATCH_HERE, /* another trouble of this machine */
	WATCH_FULL_SOON,
	WATCH_CLOCKS,
	WATCH_MARKED,
	WATCH_CAUSES,
};

/* Of one camera. */
struct watch_facts {
	const char *camera;
	struct due_facts due;
	int archive_error; /* why the archive cannot be opened; -ENOENT: nothing came yet */
	const char *archive; /* its folder */
	bool has_room; /* `room` is known, */
	bool removes; /* and the oldest frames go where there is none */
	struct room_view room;
	const char *room_text; /* a sentence about it */
	const char *mark; /* what the newest pictures have in common, a sentence; "": nothing */
	/* Since the trouble that is told began: slots without a picture, and pictures to come. */
	uint64_t lost, pending;
};

struct watch_alarm {
	int64_t since_us; /* TIME_NONE: all is well */
	int64_t over_us; /* gone since then; TIME_NONE: it lasts */
	int64_t slot_us; /* of WATCH_CAMERA: the slot that was missing first */
	enum watch_cause cause;
	unsigned told; /* messages */
};

struct watch_camera {
	char name[CAMERA_NAME_MAX];
	struct watch_alarm alarms[WATCH_TOPICS];
};

enum watch_kind { WATCH_BEGINS, WATCH_LASTS, WATCH_ENDS, WATCH_SUMMARY, WATCH_TEST, WATCH_KINDS };

struct watch_event {
	enum watch_kind kind;
	enum watch_topic topic;
	enum watch_cause cause;
	const char *camera;
	int64_t since_us; /* of the trouble */
	char text[WATCH_TEXT_MAX]; /* a sentence without the camera's name */
};
typedef void watch_tell(void *data, const struct watch_event *event);

/* No alarm. */
struct watch_camera watch_camera_new(const char *name);

/*
 * One look at a camera. `looked_us` is when the last look was, by the wall clock; TIME_NONE: there
 * was none. Returns whether all is well: nothing is told that lasts.
 */
bool watch_judge(struct watch_camera *camera, const struct watch_facts *facts, int64_t after_us,
	int64_t looked_us, watch_tell *tell, void *data);

/*
 * Whether the daily summary is due: the local time of day `minute` has passed since `last_us`,
 * when the one before was made.
 */
bool watch_summary_due(int minute, int64_t last_us, int64_t now_us);

/* "link", "login", ...: for programs. */
const char *watch_cause_name(enum watch_cause cause);
const char *watch_topic_name(enum watch_topic topic); /* "silence", "room", "clock", "pictures" */
const char *watch_kind_name(enum watch_kind kind); /* "down", "reminder", "back", ... */
