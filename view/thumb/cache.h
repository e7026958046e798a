/* SPDX-License-Identifier: MIT */
/*
 * Small pictures that took time to make, as files in $XDG_CACHE_HOME/viewpi, else ~/.cache/viewpi.
 * They may be deleted at any time. What stands in them is only sent to browsers as a JPEG, never
 * decoded. Where the folder cannot be written, nothing is kept.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CACHE_BYTES_MAX (256 * 1024 * 1024) /* of all files together, looked at now and then */
#define CACHE_KEY_MAX 33

struct archive;

/*
 * The key of what is made of so many frames: 32 hex digits, another one for another archive, other
 * numbers, or another `kind`. NUL-terminated; "" where libcrypto fails, which is nobody's key.
 */
void cache_key(const struct archive *archive, const char *kind, const uint64_t *numbers, size_t n,
	char ret[static CACHE_KEY_MAX]);

/* Opens what was stored. `key` may be anybody's text. -ENOENT, or it is no JPEG of ours; -errno. */
int cache_open(const char *key, int *ret_fd, int64_t *ret_bytes);

/* Keeps it, complete or not at all; the oldest files make room. */
void cache_store(const char *key, const void *jpeg, size_t bytes);
