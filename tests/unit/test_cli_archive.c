/* SPDX-License-Identifier: MIT */
/* `list` and `verify` over archives of both kinds: a camera's and a puller's. */
#include "common/archive/archive.h"
#include "tests/unit/cli_kit.h"

static const struct cli_command commands[] = {
	{ "list", "", "list lines", cli_list, cli_list_options, 0, 0 },
	{ "verify", "", "verify files", cli_verify, cli_verify_options, 0, 0 },
	{ .name = NULL },
};

static const struct cli_program program = { CLI_KIT_PROGRAM(commands) };

#define SLOT0 INT64_C(1763654460000000) /* 2025-11-20T16:01:00Z */

static struct record new_frame(uint64_t seq)
{
	struct record frame = record_new(RECORD_FRAME);

	frame.seq = seq;
	frame.slot_us = SLOT0 + (int64_t)seq * 60000000;
	frame.exposed_us = frame.slot_us + 400;
	frame.late_us = 400;
	frame.up_ns = 1;
	return frame;
}

static struct record new_miss(uint64_t seq)
{
	struct record miss = record_new(RECORD_MISS);

	miss.seq = seq;
	miss.slot_us = miss.last_us = SLOT0 + (int64_t)seq * 60000000;
	miss.cause = MISS_BUSY;
	return miss;
}

/* An archive in the folder, and settings that point to it. */
static struct archive *new_archive(void)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE };
	char path[128], text[256];
	struct archive *archive = NULL;

	make_home();
	snprintf(path, sizeof(path), "%s/archive", folder);
	snprintf(text, sizeof(text), "[s]\npath = %s\n", path);
	write_settings("prog.conf", text);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	return archive;
}

/* The sequence numbers of `out`, which is JSON lines: "3 4 5"; an absent range as "6-9". */
static const char *numbers(void)
{
	static char text[4096];
	char *p = text;

	*p = '\0';
	for (const char *line = out; *line; line += strcspn(line, "\n") + 1) {
		unsigned long long first = 0, last = 0;

		p += sprintf(p, "%s", p == text ? "" : " ");
		if (sscanf(line, "{\"absent_first\":%llu,\"absent_last\":%llu", &first, &last) == 2)
			p += sprintf(p, "%llu-%llu", first, last);
		else if (sscanf(line, "{\"seq\":%llu", &first) == 1)
			p += sprintf(p, "%llu", first);
		else
			p += sprintf(p, "?");
	}
	return text;
}

struct list_case {
	const char *args, *want;
};

static void check_lists(const struct list_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(run(cases[i].args), 0);
		CHECK_STR(numbers(), cases[i].want);
		CHECK_STR(err, "");
	}
}

TEST(list_of_a_camera)
{
	static const struct list_case cases[] = {
		{ "list --json", "6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25" },
		{ "list --json -n 3", "23 24 25" },
		{ "list --json -n 24",
			"2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
			"24 25" },
		{ "list --json -n 100",
			"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
			"23 24 25" },
		{ "list --json --from 24", "24 25" },
		{ "list --json --from 3 -n 2", "3 4" },
		{ "list --json --from 26", "" },
		{ "list --json --gaps", "5 10 15 20 25" },
		{ "list --json --gaps -n 2", "20 25" },
		{ "list --json --gaps --from 6 -n 2", "10 15" },
	};
	struct archive *archive = new_archive();

	if (!archive)
		return;
	for (uint64_t seq = 1; seq <= 25; seq++) {
		struct record record = seq % 5 ? record_new(RECORD_CLOCK) : new_miss(seq);

		record.before_us = SLOT0;
		record.after_us = SLOT0 + 1;
		CHECK_INT(archive_note(archive, &record), 0);
	}
	archive_free(archive);
	check_lists(cases, ARRAY_SIZE(cases));
	CHECK_INT(run("list -n 2"), 0);
	CHECK(strncmp(out, "24  ", 4) == 0 && strstr(out, "\n25  "));
	CHECK(strstr(out, "missed"));
	CHECK_INT(run("list -n 0"), 2);
	CHECK_INT(run("list --from 1000000000000"), 2);
	test_remove_folder(folder);
}

/*
 * Minutes from 2025-11-20T16:02:00Z on; the clock is set back after 10, and 3 frames are redated
 * later.
 */
TEST(list_of_a_time)
{
	static const struct list_case cases[] = {
		{ "list --json --since 2025-11-20T16:08:00Z --until 2025-11-20T16:10:00Z",
			"7 8 9 11 12 13 14 19" },
		{ "list --json --since 2025-11-20T16:08:00Z --until 2025-11-20T16:10:00Z -n 3",
			"7 8 9" },
		{ "list --json --until 2025-11-20T16:03:00Z", "1 2" },
		{ "list --json --until 2025-11-20T16:03:00Z -n 1", "2" },
		{ "list --json --since 2025-11-20T16:14:30Z", "20" },
		{ "list --json --since 2025-11-20T16:14:30Z --from 20", "20" },
		{ "list --json --since 2025-11-20T16:14:30Z --from 21", "" },
		{ "list --json --gaps --since 2025-11-20T16:06:00Z --until 2025-11-20T16:06:00Z",
			"5" },
		{ "list --json --gaps --since 2025-11-20T16:16:00Z --until 2025-11-20T16:16:00Z",
			"20" },
		{ "list --json --since 2025-11-21", "" },
		{ "list --json --until 2025-11-19", "" },
		{ "list --json --since 2025-11-20 --until 2025-11-20",
			"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20" },
	};
	struct archive *archive = new_archive();

	setenv("TZ", "UTC", 1);
	if (!archive)
		return;
	for (uint64_t seq = 1; seq <= 20; seq++) {
		/*
		 * 11 is the step back by five minutes, 18 a prune line, 19 of 16:09, 20 a span to
		 * 16:20
		 */
		struct record record = seq == 11 ? record_new(RECORD_CLOCK) : new_miss(seq);

		if (seq > 11)
			record.slot_us -= 5 * 60000000, record.last_us = record.slot_us;
		if (seq == 11) {
			record.before_us = SLOT0 + 11 * 60000000;
			record.after_us = SLOT0 + 8 * 60000000;
		}
		if (seq == 18)
			record = record_new(RECORD_PRUNE), record.first_seq = record.last_seq = 1,
			snprintf(record.text, sizeof record.text, "space");
		if (seq == 19)
			record.slot_us = record.last_us = SLOT0 + 8 * 60000000;
		if (seq == 20)
			record.last_us = SLOT0 + 19 * 60000000, record.count = 5;
		CHECK_INT(archive_note(archive, &record), 0);
	}
	archive_free(archive);
	check_lists(cases, ARRAY_SIZE(cases));
	CHECK_INT(run("list --since 2025-11-21 --until 2025-11-20"), 2);
	CHECK(strstr(err, "--since 2025-11-21 is after --until 2025-11-20"));
	CHECK_INT(run("list --until sometime"), 2);
	CHECK(strstr(err, "--until sometime: not a time like 2026-11-24"));
	unsetenv("TZ");
	test_remove_folder(folder);
}

/* A puller's journal is in the order of arrival and has holes; lists are by number all the same. */
TEST(list_of_a_copy)
{
	static const uint64_t arrival[] = { 100005, 100004, 30007, 100001, 99999, 99998, 30006,
		12 };
	static const struct list_case cases[] = {
		{ "list --json", "12 30006 30007 99998 99999 100001 100004 100005" },
		{ "list --json -n 3", "100001 100004 100005" },
		{ "list --json -n 5", "99998 99999 100001 100004 100005" },
		{ "list --json --from 30007", "30007 99998 99999 100001 100004 100005" },
		{ "list --json --from 30008 -n 1", "99998" },
		{ "list --json --gaps",
			"13-30005 30006 30008-99997 99998 100000-100000 "
			"100002-100003 100004" },
		{ "list --json --gaps --from 99999", "100000-100000 100002-100003 100004" },
		{ "list --json --gaps -n 2", "100002-100003 100004" },
	};
	struct archive *archive = new_archive();

	if (!archive)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(arrival); i++) {
		struct record record = new_miss(arrival[i]);

		if (arrival[i] % 2) {
			record = record_new(RECORD_CLOCK);
			record.seq = arrival[i];
			record.before_us = record.after_us = SLOT0;
		} else if (arrival[i] == 12) {
			record = record_new(RECORD_PRUNE);
			record.seq = 12;
			record.first_seq = record.last_seq = 1;
			snprintf(record.text, sizeof(record.text), "space");
		}
		CHECK_INT(archive_store_records(archive, &record, 1), 0);
	}
	archive_free(archive);
	check_lists(cases, ARRAY_SIZE(cases));
	CHECK_INT(run("list --gaps -n 2"), 0);
	CHECK(strstr(out, "100002 to 100003 are not here (2)\n") == out);
	test_remove_folder(folder);
}

TEST(list_without_an_archive)
{
	struct archive *archive;

	make_home();
	CHECK_INT(run("list"), 1);
	CHECK_STR(err, "prog: /none: no archive there yet\n");
	test_remove_folder(folder);
	archive = new_archive();
	archive_free(archive);
	CHECK_INT(run("list"), 0);
	CHECK_STR(out, "");
	CHECK_INT(run("list --gaps"), 0);
	CHECK_STR(out, "");
	test_remove_folder(folder);
}

TEST(verify)
{
	static const uint8_t jpeg[] = { 0xff, 0xd8, 'x', 'y', 0xff, 0xd9 };
	char path[256], name[FRAME_PATH_MAX];
	struct archive *archive = new_archive();
	struct record frame = new_frame(0);
	struct frame_name parts;
	int fd;

	if (!archive)
		return;
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	archive_free(archive);
	CHECK_INT(run("verify"), 0);
	CHECK_STR(out, "1 lines, 1 frames: 1 files right (6 bytes); findings: 0\n");
	CHECK_STR(err, "");
	CHECK_INT(run("verify --json"), 0);
	CHECK(strstr(out, "\"checked\":1,\"bytes\":6,"));
	snprintf(path, sizeof(path), "%s/archive/Thumbs.db", folder);
	CHECK_INT(mknod(path, S_IFREG | 0644, 0), 0);
	CHECK_INT(run("verify"), 0);
	CHECK_STR(out,
		"Thumbs.db: not ours\n1 lines, 1 frames: 1 files right (6 bytes), 1 names that are "
		"not ours; findings: 0\n");
	CHECK_INT(run("verify --json"), 0);
	CHECK(strstr(out, "{\"note\":\"not-ours\",\"path\":\"Thumbs.db\",\"count\":1}\n") == out);
	CHECK(strstr(out, "\"not_ours\":1,"));
	CHECK_INT(run("verify --repair"), 0);
	CHECK_INT(unlink(path), 0);

	parts = record_name(&frame);
	CHECK(frame_name_path(&parts, name) >= 0);
	snprintf(path, sizeof(path), "%s/archive/%s", folder, name);
	chmod(path, 0600);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "z", 1, 2), 1);
	close(fd);
	CHECK_INT(run("verify --quick"), 0);
	CHECK_INT(run("verify"), 1);
	CHECK(strstr(out, "findings: 1\n"));
	CHECK_INT(run("verify --json"), 1);
	CHECK(strstr(out, "{\"finding\":\"hash\",\"seq\":1,") == out);
	CHECK(strstr(out, "\"findings\":1}\n"));
	CHECK_INT(run("verify --from 2"), 0);
	test_remove_folder(folder);
}

/* A repair that is refused while somebody writes, and one that is not. */
TEST(repair)
{
	static const uint8_t jpeg[] = { 0xff, 0xd8, 'x', 'y', 0xff, 0xd9 };
	char path[256], name[FRAME_PATH_MAX], want[256];
	struct archive *archive = new_archive();
	struct record frame = new_frame(0);
	struct frame_name parts;

	if (!archive)
		return;
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	parts = record_name(&frame);
	CHECK(frame_name_path(&parts, name) >= 0);
	snprintf(path, sizeof(path), "%s/archive/%s", folder, name);
	CHECK_INT(truncate(path, 3), 0);
	CHECK_INT(run("verify --repair"), CLI_TEMPFAIL);
	snprintf(want, sizeof(want), "prog: %s/archive: process %d is writing it; stop it first",
		folder, (int)getpid());
	CHECK(strncmp(err, want, strlen(want)) == 0);
	CHECK_STR(out, "");
	CHECK_INT(access(path, F_OK), 0);
	archive_free(archive);
	CHECK_INT(run("verify --repair"), 0);
	CHECK(strstr(out, "findings: 1\nrepaired: 1 files moved to damaged/"));
	CHECK(strstr(out, "left: 0\n"));
	CHECK(access(path, F_OK) < 0);
	CHECK_INT(run("verify"), 0);
	CHECK_INT(run("verify --repair --json"), 0);
	CHECK(strstr(out, "\"findings\":0,\"moved\":0,"));
	test_remove_folder(folder);
	make_home();
	CHECK_INT(run("verify --repair"), CLI_INTERNAL);
	CHECK(strstr(err, "no archive there yet"));
	test_remove_folder(folder);
}
