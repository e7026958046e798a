/* SPDX-License-Identifier: MIT */
/*
 * The limits of what comes from outside (settings, journal, wire, file names), and those that
 * several modules keep to; what only one module counts by stands in that module. A reader refuses
 * what is over its limit with a clear error, and nothing grows without a limit.
 */
#pragma once

/* Archive. */
#define FRAME_BYTES_MAX (64 * 1024 * 1024) /* one JPEG */
#define FRAME_BYTES_MIN 4 /* SOI + EOI */
#define SEQ_MAX UINT64_C(999999999999) /* 12 digits: 3,000 years at 10 frames/s */
#define FRAME_NAME_MAX 64 /* "20261120T160100Z-000000000123.jpg" and room */
#define FRAME_PATH_MAX 80 /* "2026/11/20/" and a frame name */
#define SEGMENT_LINES 100000 /* sequence numbers per journal segment */
#define RESTORE_MAX 1000 /* frames whose lines recovery writes again */
#define BRANCHES_MAX 16 /* histories that are kept beside the camera's present one */
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

/* Settings. */
#define CONF_FILE_MAX (256 * 1024)
#define CONF_LINE_MAX 1000 /* inih is told the same */
#define CONF_VALUE_MAX 512 /* NUL included */
#define CONF_COMPLAINTS_MAX 50 /* told one by one */
#define CONF_CONTROLS_MAX 64
#define CONF_CAMERAS_MAX 256
#define EVERY_MIN_US INT64_C(100000)
#define EVERY_MAX_US (INT64_C(24) * 3600 * 1000000)

/* Camera and pictures. */
#define PICTURE_SIDE_MAX 16384 /* pixels */
#define CAMERA_BUFFERS 5
#define WRITER_QUEUE 1 /* frames waiting for the encoder; one more is a `busy` miss */

/* Wire. */
#define DUE_SECONDS 60 /* after its slot a picture is stored, or will not come */
#define REQUEST_LINE_MAX 256 /* newline included */
#define LIST_COUNT_MAX 1000000
#define WAIT_SECONDS_MAX 3600
#define WIRE_PIECE_BYTES (32 * 1024)

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
