/* SPDX-License-Identifier: MIT */
/*
 * What capturepi publishes of an archive for other processes of its user, and what asks it for
 * more: small files in memory, in $RUNTIME_DIRECTORY, else in the folder capturepi of the user's
 * runtime folder (userbus.h), else in /tmp/capturepi-UID. Their names come from the archive's path,
 * since several services share the folder.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/digest.h"

struct json_object; /* of json-c */

#define PUBLISHED_STATUS "status"
#define PUBLISHED_AIM "aim"
#define PUBLISHED_DOOR "ask" /* whoever opens it asks for a picture to aim by */
#define PUBLISHED_NAME_MAX (SHA256_HEX + 16)

/* The folder's path. -ENAMETOOLONG. */
int published_path(char ret[static PATH_MAX]);
/* Opens it; `create`: makes it first. -EPERM it is somebody else's; -errno. */
int published_folder(bool create, int *ret_folder);
/* The same, and the name of a file in it. */
int published_file(const char *archive, const char *kind, bool create, int *ret_folder,
	char ret_name[static PUBLISHED_NAME_MAX]);

/* The status, for json_object_put(); NULL: none can be read. A crash leaves the last one. */
struct json_object *published_status(const char *archive);

/*
 * Asks for a picture to aim by, which the service makes three times a second while somebody asks,
 * and opens the newest if it is not the one whose "n" is `after`: a line of JSON of 256 bytes
 * (`ret_head`, for json_object_put()), then two JPEGs. -EAGAIN it is not there yet, or too old;
 * -ENOENT no service makes them; other -errno.
 */
#define PUBLISHED_HEAD_BYTES 256
int published_aim(const char *archive, uint64_t after, int *ret_fd, struct json_object **ret_head);
