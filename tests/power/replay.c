/* SPDX-License-Identifier: MIT */
/*
 * Makes the disks that power cuts could have left, from the log of a disk that saw none.
 *
 *   power_replay [-t BYTES] [-s SEED] LOG BASE COUNT FOLDER
 *
 * LOG is what QEMU's `blklogwrites` wrote: every write and flush in the order in which the disk had
 * done them (format: Linux, Documentation/admin-guide/device-mapper/log-writes.rst). BASE is the
 * disk from before. Makes FOLDER/N.img for N below COUNT, and FOLDER/N.reported: the lines of the
 * frames that had been reported stored when the power failed.
 *
 * A cut is a place in the log. What the log has before the last flush in front of it is there, also
 * what was still on its way when that flush was asked for: QEMU does one after the other. Of what
 * was written after that flush each write is there, or not, or torn: some of its pieces of BYTES
 * (512) only. Kept writes stay in the order of the log, for a disk may lose writes but does not
 * bring back older content of a sector; as any subset may be lost, this covers every order in which
 * a cache is written back.
 *
 * Reports: power_report puts each into the last block of the disk, behind the file system, after
 * the frame was reported stored; so the log itself says which reports were before the cut, whatever
 * the clocks say. That block is part of no disk made here.
 *
 * Where cuts fall: a quarter right behind a report; a quarter within the dozen writes behind one; a
 * quarter in front of a flush, where the most is at stake; a quarter anywhere, so also in mounting
 * and recovery.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/util.h"
#include "tests/power/mark.h"

#define LOG_MAGIC UINT64_C(0x6a736677736872)
#define LOG_VERSION 1
#define LOG_FLUSH 1
#define LOG_FUA 2
#define LOG_DISCARD 4

struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
};

struct log_entry {
	uint64_t sector, nr_sectors, flags, data_len;
};

struct entry {
	uint64_t offset, bytes, flags;
	const uint8_t *data; /* NULL: none, or discarded */
};

struct lab {
	const uint8_t *log;
	size_t log_bytes;
	struct entry *entries;
	size_t n_entries;
	size_t *marks; /* indexes of entries */
	size_t n_marks;
	const uint8_t *base;
	size_t base_bytes;
	size_t tear_bytes;
	uint64_t random;
};

/* What became of the writes that were not flushed. */
enum mercy { KEEP_NONE, KEEP_ALL, KEEP_SOME, KEEP_PIECES, MERCIES };

struct fates {
	unsigned kept, torn, lost;
};

/* splitmix64: https://prng.di.unimi.it/splitmix64.c */
static uint64_t draw(struct lab *lab, uint64_t below)
{
	uint64_t z = lab->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return below ? z % below : z;
}

static int map_file(const char *path, const uint8_t **ret, size_t *ret_bytes)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < MARK_BYTES)
		return -EBADMSG;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	*ret_bytes = (size_t)st.st_size;
	return 0;
}

/*
 * The entry at `*at` of the log, which moves behind it. 0: the log ends here, in a hole of the
 * file; the number in its head is older than that.
 */
static int next_entry(const struct lab *lab, uint64_t sector_bytes, uint64_t *at, struct entry *ret)
{
	struct log_entry raw;
	struct entry entry;
	uint64_t data_bytes;

	if (*at + sector_bytes > lab->log_bytes)
		return 0;
	memcpy(&raw, lab->log + *at, sizeof(raw));
	if (raw.nr_sectors == 0 && raw.flags == 0)
		return 0;
	if (le64toh(raw.nr_sectors) > lab->base_bytes / sector_bytes ||
		le64toh(raw.sector) > lab->base_bytes / sector_bytes)
		return -EBADMSG;
	entry.flags = le64toh(raw.flags);
	entry.offset = le64toh(raw.sector) * sector_bytes;
	entry.bytes = le64toh(raw.nr_sectors) * sector_bytes;
	data_bytes = entry.flags & LOG_DISCARD ? 0 : entry.bytes;
	if (entry.offset + entry.bytes > lab->base_bytes)
		return -EBADMSG;
	if (*at + sector_bytes + data_bytes > lab->log_bytes)
		return 0;
	entry.data = data_bytes ? lab->log + *at + sector_bytes : NULL;
	*at += sector_bytes + data_bytes;
	*ret = entry;
	return 1;
}

static bool is_mark(const struct lab *lab, const struct entry *entry)
{
	return entry->data && entry->offset == lab->base_bytes - MARK_BYTES &&
		memcmp(entry->data, MARK_TEXT, strlen(MARK_TEXT)) == 0;
}

/* Room for one more entry. */
static int grow(struct lab *lab)
{
	size_t room = lab->n_entries + 1;
	void *entries, *marks;

	if (lab->n_entries & (lab->n_entries - 1)) /* no power of two */
		return 0;
	entries = reallocarray(lab->entries, 2 * room, sizeof(*lab->entries));
	if (entries)
		lab->entries = entries;
	marks = reallocarray(lab->marks, 2 * room, sizeof(*lab->marks));
	if (marks)
		lab->marks = marks;
	return entries && marks ? 0 : -ENOMEM;
}

static int read_log(struct lab *lab)
{
	struct log_super super;
	uint64_t at, sector_bytes;
	int r;

	memcpy(&super, lab->log, sizeof(super));
	sector_bytes = le32toh(super.sectorsize);
	if (le64toh(super.magic) != LOG_MAGIC || le64toh(super.version) != LOG_VERSION ||
		sector_bytes < 512 || sector_bytes > MARK_BYTES)
		return -EBADMSG;
	for (at = sector_bytes; (r = grow(lab)) == 0; lab->n_entries++) {
		struct entry *entry = &lab->entries[lab->n_entries];

		r = next_entry(lab, sector_bytes, &at, entry);
		if (r <= 0)
			break;
		if (is_mark(lab, entry))
			lab->marks[lab->n_marks++] = lab->n_entries;
	}
	return r;
}

/* How many entries are before the cut. */
static size_t choose_cut(struct lab *lab)
{
	size_t cut = draw(lab, lab->n_entries + 1);
	uint64_t kind = draw(lab, 4);

	if (kind == 3 || lab->n_marks == 0)
		return cut;
	if (kind < 2)
		cut = lab->marks[draw(lab, lab->n_marks)] + 1 + (kind == 1 ? draw(lab, 12) : 0);
	else
		while (cut < lab->n_entries && !(lab->entries[cut].flags & LOG_FLUSH))
			cut++;
	return cut < lab->n_entries ? cut : lab->n_entries;
}

static void apply_piece(uint8_t *disk, const struct entry *entry, uint64_t from, uint64_t bytes)
{
	if (entry->data)
		memcpy(disk + entry->offset + from, entry->data + from, bytes);
	else
		memset(disk + entry->offset + from, 0, bytes);
}

/* Some of its pieces: those up to one of them, or each or not. */
static void apply_torn(struct lab *lab, uint8_t *disk, const struct entry *entry)
{
	bool prefix = draw(lab, 2);
	uint64_t until = draw(lab, entry->bytes);

	for (uint64_t from = 0; from < entry->bytes; from += lab->tear_bytes) {
		uint64_t bytes = entry->bytes - from;

		if (bytes > lab->tear_bytes)
			bytes = lab->tear_bytes;
		if (prefix ? from < until : draw(lab, 2))
			apply_piece(disk, entry, from, bytes);
	}
}

static void apply_unflushed(struct lab *lab, enum mercy mercy, uint8_t *disk,
	const struct entry *entry, struct fates *fates)
{
	uint64_t luck = draw(lab, 3);
	bool torn = mercy == KEEP_PIECES && luck == 1 && entry->bytes > lab->tear_bytes;

	if (entry->bytes == 0)
		return;
	if ((entry->flags & LOG_FUA) || mercy == KEEP_ALL ||
		(mercy >= KEEP_SOME && draw(lab, 2) && !torn)) {
		apply_piece(disk, entry, 0, entry->bytes);
		fates->kept++;
	} else if (torn) {
		apply_torn(lab, disk, entry);
		fates->torn++;
	} else {
		fates->lost++;
	}
}

static struct fates apply(struct lab *lab, size_t cut, enum mercy mercy, uint8_t *disk)
{
	struct fates fates = { 0 };
	size_t flushed = 0;

	for (size_t i = 0; i < cut; i++) {
		if (lab->entries[i].flags & LOG_FLUSH)
			flushed = i + 1;
	}
	for (size_t i = 0; i < cut; i++) {
		if (is_mark(lab, &lab->entries[i]))
			continue;
		if (i < flushed)
			apply_piece(disk, &lab->entries[i], 0, lab->entries[i].bytes);
		else
			apply_unflushed(lab, mercy, disk, &lab->entries[i], &fates);
	}
	return fates;
}

static bool is_zero(const uint8_t *data, size_t bytes)
{
	return data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0;
}

static int write_disk(const struct lab *lab, const uint8_t *disk, const char *path)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)lab->base_bytes) < 0)
		return -errno;
	for (size_t at = 0; at < lab->base_bytes; at += MARK_BYTES) {
		if (!is_zero(disk + at, MARK_BYTES) &&
			pwrite(fd, disk + at, MARK_BYTES, (off_t)at) != MARK_BYTES)
			return errno ? -errno : -EIO;
	}
	return 0;
}

/* The reports before the cut. Returns how many. */
static int write_reports(const struct lab *lab, size_t cut, const char *path)
{
	CLEANUP_FILE FILE *file = fopen(path, "we");
	int n = 0;

	if (!file)
		return -errno;
	for (size_t i = 0; i < lab->n_marks && lab->marks[i] < cut; i++, n++) {
		const char *text = (const char *)lab->entries[lab->marks[i]].data;
		size_t skip = strlen(MARK_TEXT), length = strnlen(text + skip, MARK_BYTES - skip);

		fwrite(text + skip, 1, length, file);
	}
	return fflush(file) == 0 ? n : -errno;
}

static int make_disk(struct lab *lab, const char *folder, int number)
{
	static const char *const mercy_names[MERCIES] = { "none", "all", "some", "pieces" };
	CLEANUP_FREE uint8_t *disk = malloc(lab->base_bytes);
	size_t cut = choose_cut(lab);
	enum mercy mercy = (enum mercy)draw(lab, MERCIES);
	struct fates fates;
	char path[4096];
	int r, reported;

	if (!disk)
		return -ENOMEM;
	memcpy(disk, lab->base, lab->base_bytes);
	fates = apply(lab, cut, mercy, disk);
	snprintf(path, sizeof(path), "%s/%d.img", folder, number);
	r = write_disk(lab, disk, path);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%d.reported", folder, number);
	reported = write_reports(lab, cut, path);
	if (reported < 0)
		return reported;
	printf("%d: cut behind %zu of %zu, %d reported; not flushed: %s, %u kept, %u torn, %u "
	       "lost\n",
		number, cut, lab->n_entries, reported, mercy_names[mercy], fates.kept, fates.torn,
		fates.lost);
	return 0;
}

static int replay(struct lab *lab, char **argv)
{
	int count = (int)strtol(argv[2], NULL, 10), r;

	r = map_file(argv[0], &lab->log, &lab->log_bytes);
	if (r == 0)
		r = map_file(argv[1], &lab->base, &lab->base_bytes);
	if (r == 0 && lab->base_bytes % MARK_BYTES)
		r = -EBADMSG;
	if (r == 0)
		r = read_log(lab);
	for (int i = 0; r == 0 && i < count; i++)
		r = make_disk(lab, argv[3], i);
	free(lab->entries);
	free(lab->marks);
	return r;
}

int main(int argc, char **argv)
{
	struct lab lab = { .tear_bytes = 512, .random = 1 };
	int option, r;

	while ((option = getopt(argc, argv, "t:s:")) > 0) {
		if (option == 't')
			lab.tear_bytes = strtoul(optarg, NULL, 10);
		else if (option == 's')
			lab.random = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (argc - optind != 4 || lab.tear_bytes == 0) {
		fprintf(stderr, "usage: power_replay [-t BYTES] [-s SEED] LOG BASE COUNT FOLDER\n");
		return 2;
	}
	r = replay(&lab, argv + optind);
	if (r < 0)
		fprintf(stderr, "power_replay: %s: %s\n", argv[optind], strerror(-r));
	return r < 0;
}
