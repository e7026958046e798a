/* SPDX-License-Identifier: MIT */
/* What an archive holds in pictures, for fuzz_liar.c, and what must be of it at any time. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/base/text.h"
#include "common/upkeep/verify.h"
#include "pull/session/gaps.h"
#include "tests/fuzz/fuzz.h"

#define FILES_MAX 8192
#define BLOCK 4096

struct file {
	char path[FRAME_PATH_MAX + 40]; /* in the archive */
	uint64_t hash;
	int64_t bytes, arrived_us, changed_us;
	int64_t changed_ns;
	ino_t ino;
};

struct snapshot {
	struct file files[FILES_MAX];
	size_t n;
	int64_t blocks; /* of all files and folders */
};

static struct snapshot *walk_to;
static const struct snapshot *walk_from;
static size_t walk_base;

#define HASH_START UINT64_C(14695981039346656037) /* FNV-1a */

static uint64_t hash_add(uint64_t hash, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ data[i]) * UINT64_C(1099511628211);
	return hash;
}

static uint64_t file_hash(const char *path)
{
	uint64_t hash = HASH_START;
	uint8_t data[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	MUST(fd >= 0);
	while ((n = read(fd, data, sizeof data)) > 0)
		hash = hash_add(hash, data, (size_t)n);
	close(fd);
	return hash;
}

static const struct file *snapshot_find(const struct snapshot *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->files[i].path, path) == 0)
			return &s->files[i];
	}
	return NULL;
}

static bool snapshot_has(const struct snapshot *s, uint64_t hash)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->files[i].hash == hash)
			return true;
	}
	return false;
}

static int walk_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	struct file *file = &walk_to->files[walk_to->n];
	const char *name = path + ftw->base, *end = strrchr(name, '.');
	const struct file *before;

	if (flag == FTW_SL || flag == FTW_NS)
		return 0;
	walk_to->blocks += flag == FTW_F ? (st->st_size + BLOCK - 1) / BLOCK : 1;
	if (flag != FTW_F || name[0] == '.' || !end ||
		(strcmp(end, ".jpg") != 0 && strcmp(end, ".old") != 0))
		return 0;
	MUST(walk_to->n < FILES_MAX);
	*file = (struct file){ .bytes = st->st_size,
		.arrived_us = st->st_mtim.tv_sec * US_PER_SEC + st->st_mtim.tv_nsec / NS_PER_US,
		.changed_us = st->st_ctim.tv_sec * US_PER_SEC,
		.changed_ns = st->st_ctim.tv_nsec,
		.ino = st->st_ino };
	snprintf(file->path, sizeof file->path, "%s", path + walk_base);
	before = walk_from ? snapshot_find(walk_from, file->path) : NULL;
	file->hash = before && before->ino == file->ino && before->bytes == file->bytes &&
			before->changed_us == file->changed_us &&
			before->changed_ns == file->changed_ns &&
			before->arrived_us == file->arrived_us
		? before->hash
		: file_hash(path);
	walk_to->n++;
	return 0;
}

/* What did not change since `from` was taken (NULL: anything may have) is not read again. */
static void snapshot_take(const char *root, struct snapshot *to, const struct snapshot *from)
{
	walk_to = to;
	walk_from = from;
	walk_base = strlen(root) + 1;
	to->n = 0;
	to->blocks = 0;
	nftw(root, walk_file, 16, FTW_PHYS);
}

/* ---- what must be */

static void check_text(const char *text)
{
	char clean[2048];

	text_clean(text, strlen(text), clean, sizeof clean);
	MUST(strcmp(text, clean) == 0);
}

static bool found(void *data, const struct verify_finding *finding)
{
	(void)data;
	/* what came of a frame is gone on with */
	if (finding->kind != VERIFY_TEMP)
		fprintf(stderr, "finding %s, frame %llu, %s\n", verify_kind_name(finding->kind),
			(unsigned long long)finding->seq, finding->path);
	MUST(finding->kind == VERIFY_TEMP);
	return true;
}

static void check_archive(const char *root)
{
	const struct archive_options options = { .mode = ARCHIVE_READ, .copy = true };
	const struct verify_options verify = { .copy = true, .finding = found };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;

	if (archive_open(root, &options, &archive) == 0)
		MUST(verify_archive(archive, &verify, &totals) == 0);
}

static int show_gap(void *data, const struct gap *gap)
{
	char text[1024];

	(void)data;
	check_text(gap_describe(gap, text, sizeof text));
	return 0;
}

/* All that is told of it is plain. */
static void check_words(const char *root)
{
	const struct archive_options options = { .mode = ARCHIVE_READ, .copy = true };
	const struct gaps_options gaps = {
		.peer = &peer_state_none, .since_us = TIME_NONE, .gap = show_gap
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	uint64_t behind;

	if (archive_open(root, &options, &archive) == 0)
		MUST(gaps_walk(archive, &gaps, &behind) == 0);
}
