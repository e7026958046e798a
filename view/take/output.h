/* SPDX-License-Identifier: MIT */
/*
 * A file that is made: it has no name until it is complete, so that whatever ends the program
 * leaves nothing of it, and two that make the same one do not meet. Where the file system has no
 * files without names it has a hidden one of its own.
 */
#pragma once

#include <limits.h>

#include "common/base/fs.h"
#include "common/base/util.h"

struct output {
	int folder, fd; /* -1: none */
	char name[NAME_MAX + 1];
	char temp[NAME_MAX + 1]; /* "": it has no name yet */
};
#define OUTPUT_NONE                                                                                \
	{                                                                                          \
		.folder = -1, .fd = -1                                                             \
	}

/*
 * Begins the file `path`; `fd` reads and writes. -EISDIR it is a folder, or has no name;
 * -EOPNOTSUPP it is a device, a pipe or a socket; -errno.
 */
int output_open(const char *path, struct output *ret);
/* Makes it durable, and visible in one step, in place of an older one. -errno. */
int output_commit(struct output *output);
/* Gives up what was not committed. */
void output_clear(struct output *output);
