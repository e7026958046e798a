/* SPDX-License-Identifier: MIT */
/* Writes zip files. All numbers are little-endian. */
#include "view/export/zip.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define WIDE UINT32_MAX /* the number is too large, and stands in a zip64 field */
#define VERSION 20
#define VERSION_64 45

uint32_t crc32_of(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint32_t table[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0xedb88320) : 0);
	}
	for (size_t i = 0; i < bytes; i++)
		crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xff];
	return ~crc;
}

static void put_number(FILE *out, uint64_t number, int bytes)
{
	for (int i = 0; i < bytes; i++)
		putc((int)(number >> 8 * i & 0xff), out);
}

/* MS-DOS date and time, to two seconds. */
static uint32_t dos_time(int64_t local_us)
{
	struct utc_fields f;

	utc_split(local_us, &f);
	if (f.year < 1980 || f.year > 2107)
		return 1 << 21 | 1 << 16;
	return (uint32_t)(f.year - 1980) << 25 | (uint32_t)f.month << 21 | (uint32_t)f.day << 16 |
		(uint32_t)f.hour << 11 | (uint32_t)f.minute << 5 | (uint32_t)f.second / 2;
}

int zip_begin(int fd, struct zip *ret)
{
	*ret = (struct zip){ .fd = fd };
	ret->list = open_memstream(&ret->list_text, &ret->list_bytes);
	return ret->list ? 0 : -ENOMEM;
}

void zip_clear(struct zip *zip)
{
	if (zip->list)
		fclose(zip->list);
	free(zip->list_text);
	*zip = (struct zip){ .fd = -1 };
}

struct zip_entry {
	const char *name;
	uint32_t time, crc, bytes;
	uint64_t at;
};

/* What a file's own header and its line in the directory have in common. */
static void entry_put(FILE *out, const struct zip_entry *entry, int version, size_t extra)
{
	put_number(out, (uint64_t)version, 2);
	put_number(out, 0x800, 2); /* names are UTF-8 */
	put_number(out, 0, 2); /* stored */
	put_number(out, entry->time, 4);
	put_number(out, entry->crc, 4);
	put_number(out, entry->bytes, 4);
	put_number(out, entry->bytes, 4);
	put_number(out, strlen(entry->name), 2);
	put_number(out, extra, 2);
}

static void entry_list(FILE *out, const struct zip_entry *entry)
{
	const bool wide = entry->at >= WIDE;

	put_number(out, 0x02014b50, 4);
	put_number(out, 3 << 8 | VERSION_64, 2); /* made on Unix: modes follow */
	entry_put(out, entry, wide ? VERSION_64 : VERSION, wide ? 12 : 0);
	put_number(out, 0, 6); /* no comment, first disk, not text */
	put_number(out, UINT32_C(0100644) << 16, 4);
	put_number(out, wide ? WIDE : entry->at, 4);
	fputs(entry->name, out);
	if (wide) {
		put_number(out, 1, 2);
		put_number(out, 8, 2);
		put_number(out, entry->at, 8);
	}
}

static int zip_write(struct zip *zip, const void *data, size_t bytes)
{
	zip->at += bytes;
	return fs_write_all(&fs_real, zip->fd, data, bytes);
}

int zip_add(struct zip *zip, const char *name, int64_t local_us, const void *data, size_t bytes)
{
	const struct zip_entry entry = { name, dos_time(local_us), crc32_of(data, bytes),
		(uint32_t)bytes, zip->at };
	CLEANUP_FREE char *head = NULL;
	size_t head_bytes = 0;
	FILE *out;
	int r;

	if (bytes >= WIDE || strlen(name) > UINT16_MAX)
		return -EFBIG;
	out = open_memstream(&head, &head_bytes);
	if (!out)
		return -ENOMEM;
	put_number(out, 0x04034b50, 4);
	entry_put(out, &entry, VERSION, 0);
	fputs(name, out);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = zip_write(zip, head, head_bytes);
	if (r == 0)
		r = zip_write(zip, data, bytes);
	entry_list(zip->list, &entry);
	zip->files++;
	return r;
}

/* Where the directory is, once more with room for large numbers. */
static void zip_put_end_64(struct zip *zip, uint64_t list_at, uint64_t list_bytes)
{
	FILE *out = zip->list;

	put_number(out, 0x06064b50, 4);
	put_number(out, 44, 8); /* what follows */
	put_number(out, VERSION_64, 2);
	put_number(out, VERSION_64, 2);
	put_number(out, 0, 8); /* first disk */
	put_number(out, zip->files, 8);
	put_number(out, zip->files, 8);
	put_number(out, list_bytes, 8);
	put_number(out, list_at, 8);
	put_number(out, 0x07064b50, 4);
	put_number(out, 0, 4);
	put_number(out, list_at + list_bytes, 8);
	put_number(out, 1, 4);
}

int zip_end(struct zip *zip)
{
	const uint64_t list_at = zip->at;
	uint64_t list_bytes, files;
	bool wide;

	if (fflush(zip->list) != 0)
		return -ENOMEM;
	list_bytes = zip->list_bytes;
	files = zip->files;
	wide = files >= UINT16_MAX || list_at >= WIDE || list_bytes >= WIDE;
	if (wide)
		zip_put_end_64(zip, list_at, list_bytes);
	put_number(zip->list, 0x06054b50, 4);
	put_number(zip->list, 0, 4);
	put_number(zip->list, wide ? UINT16_MAX : files, 2);
	put_number(zip->list, wide ? UINT16_MAX : files, 2);
	put_number(zip->list, wide ? WIDE : list_bytes, 4);
	put_number(zip->list, wide ? WIDE : list_at, 4);
	put_number(zip->list, 0, 2);
	if (fflush(zip->list) != 0)
		return -ENOMEM;
	return zip_write(zip, zip->list_text, zip->list_bytes);
}
