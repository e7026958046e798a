/* SPDX-License-Identifier: MIT */
/*
 * The limits of what comes from outside (settings, journal, wire, file names), and those that
 * several modules keep to; what only one module counts by stands in that module. A reader refuses
 * what is over its limit with a clear error, and nothing grows without a limit.
 */
#pragma once

#include <stdbool.h>

/* Archive. */
#define FRAME_BYTES_MAX (64 * 1024 * 1024) /* one JPEG */
#define FRAME_BYTES_MIN 4 /* SOI + EOI */
#define SEQ_MAX UINT64_C(999999999999) /* 12 digits: 3,000 years at 10 frames/s */
#define FRAME_NAME_MAX 64 /* "20261120T160100Z-000000000123.jpg" and room */
#define FRAME_PATH_MAX 80 /* "2026/11/20/" and a frame name */
#define SEGMENT_LINES 100000 /* sequence numbers per journal segment */
#define RESTORE_MAX 1000 /* frames whose lines recovery writes again */
#define BRANCHES_MAX 16 /* histories that are kept beside the camera's present one */
#define PARTIAL_DAYS 7 /* that a partial is kept for its rest */
#define PRUNE_LINES_MAX 1000 /* sequence numbers of one prune line that we write */
#define PRUNE_PER_FRAME 32 /* files removed for one that is stored, at most */
#define INODES_RESERVED 1024 /* that stay free where the reserve is a number of bytes */
#define BALLAST_BYTES (1024 * 1024) /* that make room for the journal on a full disk */
#define BATCH_FRAMES_MAX 50 /* frames that are made durable together, on both sides */
#define BATCH_SECONDS 10 /* the oldest of them waits so long at most */
#define LINE_MAX_BYTES 4096 /* one journal line, newline included */
#define CAMERA_NAME_MAX 64 /* name of an archive's camera, NUL included */
#define TEXT_MAX 160 /* free text in a journal line, NUL included */
#define UUID_CHARS 36 /* archive id, boot id */

/*
 * A camera's word. A camera that works stays far below these; beyond them it is broken or lies, and
 * a puller takes nothing of it (exit code 76).
 */
#define EVERY_MIN_US INT64_C(100000) /* two slots are never closer: the shortest interval */
/*
 * Numbers beyond what is held here, and beyond those that the time since the last contact allows
 * at EVERY_MIN_US: 11 days of ten frames a second, 19 years of one a minute. Once a day, however
 * often the camera is asked: each jump leaves a hole, and costs a segment.
 */
#define SEQ_JUMP_MAX UINT64_C(10000000)
/* From a journal's first number to its last: UP_DAYS_MAX at EVERY_MIN_US, 63,072 segments. */
#define SEQ_SPAN_MAX UINT64_C(6307200000)
/*
 * How much later than the camera's own clock and ours a picture of a set clock may be: no time zone
 * and no leap explains more, so the line is wrong. A camera whose clock is ahead of ours is another
 * matter: then the two disagree.
 */
#define FUTURE_MAX_US (INT64_C(24) * 3600 * 1000000)
#define REDATED_DAYS 30 /* a picture that was dated again stays aside so long, as it was */
#define UP_DAYS_MAX 7300 /* 20 years since a camera was started */

/* Settings. */
#define CONF_FILE_MAX (256 * 1024)
#define CONF_LINE_MAX 1000 /* inih is told the same */
#define CONF_VALUE_MAX 512 /* NUL included */
#define CONF_COMPLAINTS_MAX 50 /* told one by one */
#define CONF_CONTROLS_MAX 64
#define MASK_HASH_CHARS 16 /* of a privacy mask, in hexadecimal digits */
#define CONF_CAMERAS_MAX 256
#define EVERY_MAX_US (INT64_C(24) * 3600 * 1000000)

/* Camera and pictures. */
#define PICTURE_SIDE_MAX 16384 /* pixels */
/* Twice the largest camera of a Pi; whoever decodes all of it needs three bytes a pixel. */
#define PICTURE_PIXELS_MAX (128 * 1000 * 1000)
static inline bool jpeg_is_sane(unsigned width, unsigned height)
{
	return width > 0 && height > 0 && width <= PICTURE_SIDE_MAX && height <= PICTURE_SIDE_MAX &&
		width * height <= PICTURE_PIXELS_MAX;
}
#define CAMERA_BUFFERS 5
#define CAMERA_BUFFERS_MIN 3 /* one is exposed, one waits its turn, one is encoded */
#define WRITER_QUEUE 1 /* frames waiting for the encoder; one more is a `busy` miss */

/* Wire. */
#define DUE_SECONDS 60 /* after its slot a picture is stored, or will not come */
#define SERVE_PROCESSES_MAX 8 /* of one client */
#define REQUEST_LINE_MAX 256 /* newline included */
#define LIST_COUNT_MAX 1000000
#define WAIT_SECONDS_MAX 3600
#define WIRE_PIECE_BYTES (32 * 1024)
#define PREVIEW_BYTES_MAX (12 * 1024) /* with its line an answer has 16 KB at most */

/* Pulling. */
#define CLIENT_BUFFER_BYTES (2 * 1024 * 1024) /* a read of so much opens libssh 0.10's window */
#define PROGRESS_BYTES 4096 /* that must come within a client's longest wait */
#define PREAMBLE_BYTES_MAX (256 * 1024) /* of a login shell, before the greeting */
#define COMMENTS_MAX 1000 /* in a row, before a server counts as broken */
#define KEY_FILE_MAX (16 * 1024)
#define KNOWN_HOSTS_MAX (1024 * 1024)
#define SERVE_COMMAND_MAX 512 /* forced command, NUL included */
#define PEER_STATE_FILE_MAX 16384
#define SYNC_LIST_LINES 500 /* asked for at once */
#define SYNC_FIRST_LINES 32 /* asked for before the camera's last number is known */
#define SYNC_ITEMS_MAX 1024 /* frames that are known and not asked for yet; two lists and some */
#define SYNC_ASKS_MAX 128 /* requests without an answer */
#define SYNC_READY_MAX 100 /* frames that have come and are not stored yet */
#define SYNC_READY_BYTES (32 * 1024 * 1024) /* of them, and not much more */
#define PULL_ERROR_MAX 640 /* a sentence for the person, NUL included */
#define STATUS_TEXT_MAX 512 /* what the service manager is told, NUL included */

/* Units of the user's manager, and deploying. */
#define UNIT_NAME_MAX 256 /* systemd's own limit, NUL included */
#define UNIT_WORD_MAX 32 /* a state or result, NUL included */
#define UNIT_PATH_MAX 512 /* a unit's file or program; a longer one is cut */
#define UNIT_LIST_MAX 16 /* drop-ins of a unit, units that it needs */
#define UNITS_MAX 64 /* handled by one command of deploypi */
