/* SPDX-License-Identifier: MIT */
/*
 * A zip file as a stream: files are stored as they are, since JPEGs do not shrink, and nothing that
 * was written is gone back to. Beyond 4 GiB or 65,535 files it is zip64 (APPNOTE.TXT 6.3, 4.3.14).
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct zip {
	int fd; /* the caller's */
	uint64_t at, files;
	FILE *list; /* the central directory, in memory */
	char *list_text;
	size_t list_bytes;
};

/* -ENOMEM. */
int zip_begin(int fd, struct zip *ret);
/* Adds a whole file, up to 4 GiB; `local_us`: its time, as a clock on the wall. -errno. */
int zip_add(struct zip *zip, const char *name, int64_t local_us, const void *data, size_t bytes);
/* Writes the end. */
int zip_end(struct zip *zip);
void zip_clear(struct zip *zip);

/* As in zip and Ethernet, IEEE 802.3. */
uint32_t crc32_of(const void *data, size_t bytes);
