/* SPDX-License-Identifier: MIT */
/*
 * The state file: a header, the hours that have learned something, each with its maps, and the
 * SHA-256 of all that. It is of this machine alone, so numbers are as the machine has them.
 */
#include "capture/worth/learned.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/fs.h"

#define MAGIC "capturepi worth 1"

struct header {
	char magic[24];
	int32_t width, height;
	uint32_t hours, n; /* bits; how many */
};

struct entry {
	int64_t last_us, n;
	double mean_low;
	struct cell cell[CELLS_SIDE][CELLS_SIDE];
};

#define MAP_BYTES(n) ((size_t)(n)*2 * sizeof(int16_t))
#define FILE_MAX                                                                                   \
	(sizeof(struct header) + HOURS * (sizeof(struct entry) + MAP_BYTES(MAP_SAMPLES)) +         \
		SHA256_BYTES)

static char *bytes_put(char *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
	return to + bytes;
}

static const char *bytes_take(const char *from, void *to, size_t bytes)
{
	memcpy(to, from, bytes);
	return from + bytes;
}

int worth_save(const struct worth *worth, int dirfd, const char *name)
{
	const size_t samples = (size_t)(worth->width * worth->height) * sizeof(int16_t);
	struct header header = { .magic = MAGIC, .width = worth->width, .height = worth->height };
	CLEANUP_FREE char *data = malloc(FILE_MAX);
	uint8_t sha256[SHA256_BYTES];
	char *p = data + sizeof(header);
	int r;

	if (!data)
		return -ENOMEM;
	for (int i = 0; i < HOURS; i++) {
		const struct hour *hour = &worth->hour[i];
		struct entry entry = { hour->last_us, hour->n, hour->mean_low, { { { 0 } } } };

		if (hour->n == 0)
			continue;
		memcpy(entry.cell, hour->cell, sizeof(entry.cell));
		header.hours |= 1u << i;
		header.n++;
		p = bytes_put(p, &entry, sizeof(entry));
		p = bytes_put(p, hour->sample, samples);
		p = bytes_put(p, hour->luma, samples);
	}
	bytes_put(data, &header, sizeof(header));
	r = digest_buffer(data, (size_t)(p - data), sha256);
	if (r < 0)
		return r;
	p = bytes_put(p, sha256, sizeof(sha256));
	return fs_replace(&fs_real, dirfd, name, data, (size_t)(p - data), 0644);
}

/* Whether the file is whole, by its header, its length and its hash. */
static bool file_is_whole(const char *data, size_t bytes, struct header *ret)
{
	struct header header;
	uint8_t sha256[SHA256_BYTES];

	if (bytes < sizeof(header) + SHA256_BYTES)
		return false;
	bytes -= SHA256_BYTES;
	if (digest_buffer(data, bytes, sha256) < 0 ||
		memcmp(data + bytes, sha256, SHA256_BYTES) != 0)
		return false;
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, MAGIC, sizeof(MAGIC)) != 0 || header.width < 0 ||
		header.width > MAP_SIDE || header.height < 0 || header.height > MAP_SIDE ||
		header.hours >> HOURS || header.n != (uint32_t)__builtin_popcount(header.hours) ||
		bytes !=
			sizeof(header) +
				header.n *
					(sizeof(struct entry) +
						MAP_BYTES(header.width * header.height)))
		return false;
	*ret = header;
	return true;
}

int worth_load(struct worth *worth, int dirfd, const char *name)
{
	CLEANUP_FREE char *data = NULL;
	struct header header;
	const char *p;
	size_t bytes, samples;
	int r = fs_read_file(dirfd, name, FILE_MAX, &data, &bytes);

	memset(worth, 0, sizeof(*worth));
	if (r < 0)
		return r;
	if (!file_is_whole(data, bytes, &header))
		return -EBADMSG;
	p = data + sizeof(header);
	samples = (size_t)(header.width * header.height) * sizeof(int16_t);
	worth->width = header.width;
	worth->height = header.height;
	for (int i = 0; i < HOURS; i++) {
		struct hour *hour = &worth->hour[i];
		struct entry entry;

		if (!(header.hours >> i & 1))
			continue;
		p = bytes_take(p, &entry, sizeof(entry));
		p = bytes_take(p, hour->sample, samples);
		p = bytes_take(p, hour->luma, samples);
		hour->n = (uint32_t)entry.n;
		hour->last_us = entry.last_us;
		hour->mean_low = entry.mean_low;
		memcpy(hour->cell, entry.cell, sizeof(entry.cell));
	}
	return 0;
}
