/* SPDX-License-Identifier: MIT */
/* Zip files and CSV, byte by byte where others read them; and how a file is made. */
#include <sys/stat.h>

#include "tests/test.h"
#include "view/export/csv.h"
#include "view/export/zip.h"
#include "view/take/output.h"

#include "common/base/clock.h"
#include "common/base/util.h"

#define WHEN (INT64_C(1795190460) * US_PER_SEC) /* 2026-11-20T16:01:00Z */

static uint64_t number_at(const uint8_t *p, int bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | p[bytes];
	return n;
}

TEST(checksum)
{
	CHECK_INT(crc32_of("123456789", 9), 0xcbf43926);
	CHECK_INT(crc32_of("", 0), 0);
}

/* The file of one entry, whose stream is taken to be at `at` already. */
static size_t zip_of_one(uint64_t at, uint64_t files, uint8_t *ret, size_t size)
{
	FILE *file = tmpfile();
	struct zip zip;
	ssize_t n;

	CHECK_INT(zip_begin(fileno(file), &zip), 0);
	zip.at = at;
	zip.files = files;
	CHECK_INT(zip_add(&zip, "a.jpg", WHEN, "data", 4), 0);
	CHECK_INT(zip_end(&zip), 0);
	zip_clear(&zip);
	n = pread(fileno(file), ret, size, 0);
	fclose(file);
	return n > 0 ? (size_t)n : 0;
}

TEST(small)
{
	uint8_t zip[400];
	const size_t n = zip_of_one(0, 0, zip, sizeof(zip));

	CHECK_INT(n, 30 + 5 + 4 + 46 + 5 + 22);
	CHECK_INT(number_at(zip, 4), 0x04034b50);
	CHECK_INT(number_at(zip + 10, 4), (46U << 25 | 11 << 21 | 20 << 16 | 16 << 11 | 1 << 5));
	CHECK_INT(number_at(zip + 14, 4), crc32_of("data", 4));
	CHECK_INT(number_at(zip + 39, 4), 0x02014b50);
	CHECK_INT(number_at(zip + n - 22, 4), 0x06054b50);
	CHECK_INT(number_at(zip + n - 12, 2), 1);
	CHECK_INT(number_at(zip + n - 10, 4), 51);
	CHECK_INT(number_at(zip + n - 6, 4), 39);
}

/* Beyond 4 GiB, or 65,535 files, the numbers stand in the wide fields. */
TEST(large)
{
	const uint64_t far = UINT64_C(5) << 30;
	uint8_t zip[400];
	size_t n = zip_of_one(far, 0, zip, sizeof(zip));

	CHECK_INT(n, 30 + 5 + 4 + 46 + 5 + 12 + 56 + 20 + 22);
	CHECK_INT(number_at(zip + 39 + 42, 4), UINT32_MAX);
	CHECK_INT(number_at(zip + 39 + 51, 2), 1);
	CHECK_INT(number_at(zip + 39 + 55, 8), far);
	CHECK_INT(number_at(zip + n - 98, 4), 0x06064b50);
	CHECK_INT(number_at(zip + n - 98 + 48, 8), far + 39);
	CHECK_INT(number_at(zip + n - 42, 4), 0x07064b50);
	CHECK_INT(number_at(zip + n - 42 + 8, 8), far + 39 + 63);
	CHECK_INT(number_at(zip + n - 6, 4), UINT32_MAX);
	n = zip_of_one(0, 70000, zip, sizeof(zip));
	CHECK_INT(number_at(zip + n - 98 + 24, 8), 70001);
	CHECK_INT(number_at(zip + n - 12, 2), UINT16_MAX);
}

TEST(cells)
{
	static const char *const texts[][2] = {
		{ "plain", "\"plain\"" },
		{ "", "\"\"" },
		{ "=1+1", "\"'=1+1\"" },
		{ "+x", "\"'+x\"" },
		{ "-x", "\"'-x\"" },
		{ "@x", "\"'@x\"" },
		{ "a \"b\", c", "\"a \"\"b\"\", c\"" },
		{ "\t=1\r\n", "\"?=1??\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *cell = NULL;
		size_t bytes;
		FILE *out = open_memstream(&cell, &bytes);

		csv_put_text(out, texts[i][0]);
		fclose(out);
		CHECK_STR(cell, texts[i][1]);
		free(cell);
	}
}

/* Each row has as many cells as the head, whatever is known. */
TEST(rows)
{
	const struct moment moment = { WHEN, 7, SLOT_HELD };
	struct record records[] = { record_new(RECORD_FRAME), record_new(RECORD_MISS) };
	char *text = NULL;
	size_t bytes, lines = 0, commas = 0;
	FILE *out = open_memstream(&text, &bytes);

	csv_put_head(out);
	csv_put_moment(out, &moment, &records[0], "a.jpg");
	csv_put_moment(out, &moment, &records[1], "");
	csv_put_moment(out, &moment, NULL, "");
	fclose(out);
	for (const char *c = text; *c; c++) {
		commas += *c == ',';
		if (*c != '\n')
			continue;
		CHECK_INT(commas, 12);
		commas = 0;
		lines++;
	}
	CHECK_INT(lines, 4);
	free(text);
}

static int output_make(const char *path, const char *text)
{
	CLEANUP(output_clear) struct output output = OUTPUT_NONE;
	int r = output_open(path, &output);

	if (r == 0)
		r = fs_write_all(&fs_real, output.fd, text, strlen(text));
	return r < 0 ? r : output_commit(&output);
}

TEST(only_a_file_is_replaced)
{
	char folder[64], file[96], link[96], pipe[96], text[8] = "";
	struct stat st;
	FILE *in;

	test_make_folder(folder);
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	snprintf(pipe, sizeof(pipe), "%s/pipe", folder);
	CHECK_INT(output_make(file, "one"), 0);
	CHECK_INT(symlink("file", link), 0);
	CHECK_INT(output_make(link, "two"), 0);
	CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	in = fopen(file, "r");
	CHECK(in && fgets(text, sizeof(text), in));
	fclose(in);
	CHECK_STR(text, "two");
	CHECK_INT(mkfifo(pipe, 0600), 0);
	CHECK_INT(output_make(pipe, "three"), -EOPNOTSUPP);
	CHECK(lstat(pipe, &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK_INT(output_make(folder, "four"), -EISDIR);
	test_remove_folder(folder);
}
