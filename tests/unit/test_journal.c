/* SPDX-License-Identifier: MIT */
/* The journal's writing side: segments, what crashes and strangers leave, failing disks. */
#include "tests/unit/journal_kit.h"

#define OTHER_ID "ffffffff-7f60-4c1d-9a55-1f1f6f3b9f10"

TEST(empty_journal)
{
	struct record record;
	struct fixture f;

	setup(&f);
	CHECK_INT(last_of(f.journal), 0);
	CHECK_INT(first_of(f.journal), 0);
	CHECK_INT(newest_of(f.journal), -ENOENT);
	CHECK_INT(journal_find(f.journal, 1, &record), -ENOENT);
	CHECK_INT(journal_holds(f.journal, 1), 0);
	CHECK_STR(read_seqs(f.journal, 0, 10), "");
	teardown(&f);
}

TEST(lines_come_back)
{
	static const char header[] =
		"{\"format\":1,\"id\":\"" KIT_ID "\",\"segment\":0}\n{\"seq\":1,";
	struct record record;
	struct fixture f;

	setup(&f);
	for (uint64_t seq = 1; seq <= 5; seq++)
		CHECK_INT(seq == 3 ? append_miss(f.journal, seq) : append_frame(f.journal, seq), 0);
	CHECK_STR(read_seqs(f.journal, 0, 10), "1 2 3 4 5");
	CHECK_STR(read_seqs(f.journal, 4, 10), "4 5");
	CHECK_STR(read_seqs(f.journal, 6, 10), "");
	CHECK_INT(first_of(f.journal), 1);
	CHECK_INT(last_of(f.journal), 5);
	CHECK_INT(newest_of(f.journal), 5);
	CHECK_INT(journal_find(f.journal, 3, &record), 0);
	CHECK_INT(record.type, RECORD_MISS);
	CHECK_INT(journal_find(f.journal, 6, &record), -ENOENT);
	CHECK_INT(journal_find(f.journal, 0, &record), -ENOENT);
	CHECK_INT(journal_find(f.journal, UINT64_MAX, &record), -ENOENT);
	CHECK(strstr(kit_read(f.path, "journal/00000000.jsonl"), header) ==
		kit_read(f.path, "journal/00000000.jsonl"));
	teardown(&f);
}

TEST(refuses_what_is_no_line)
{
	static const struct {
		uint64_t seq;
		const char *line;
		size_t bytes;
	} bad[] = {
		{ 0, "{}\n", 3 },
		{ SEQ_MAX + 1, "{}\n", 3 },
		{ 1, "{}", 2 },
		{ 1, "\n", 1 },
		{ 1, "", 0 },
		{ 1, "{}\n{}\n", 6 },
	};
	static char big[LINE_MAX_BYTES + 1];
	struct fixture f;

	setup(&f);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(journal_append(f.journal, bad[i].seq, bad[i].line, bad[i].bytes, true),
			-EINVAL);
	memset(big, ' ', sizeof(big));
	big[sizeof(big) - 1] = '\n';
	CHECK_INT(journal_append(f.journal, 1, big, sizeof(big), true), -EINVAL);
	CHECK_INT(last_of(f.journal), 0);
	teardown(&f);
}

TEST(segments_follow_each_other)
{
	uint64_t start = 3 * SEGMENT_LINES - 2;
	struct record record;
	char want[100];
	struct fixture f;

	setup(&f);
	for (uint64_t seq = start; seq < start + 5; seq++)
		CHECK_INT(append_frame(f.journal, seq), 0);
	CHECK_INT(kit_count(f.path, "journal", NULL), 2);
	snprintf(want, sizeof(want), "299998 299999 300000 300001 300002");
	CHECK_STR(read_seqs(f.journal, 0, 10), want);
	CHECK_STR(read_seqs(f.journal, 5, 10), want);
	CHECK_STR(read_seqs(f.journal, start + 1, 10), want + 7);
	CHECK_STR(read_seqs(f.journal, start + 2, 10), want + 14);
	CHECK_STR(read_seqs(f.journal, start + 4, 10), want + 28);
	CHECK_STR(read_seqs(f.journal, 10 * SEGMENT_LINES, 10), "");
	CHECK_INT(first_of(f.journal), start);
	CHECK_INT(last_of(f.journal), start + 4);
	CHECK_INT(journal_find(f.journal, start + 1, &record), 0);
	CHECK_INT(journal_find(f.journal, start + 2, &record), 0);
	/* a hole of several segments */
	CHECK_INT(append_miss(f.journal, 9 * SEGMENT_LINES), 0);
	CHECK_STR(read_seqs(f.journal, start + 4, 10), "300002 900000");
	CHECK_INT(last_of(f.journal), 9 * SEGMENT_LINES);
	CHECK_INT(newest_of(f.journal), start + 4);
	teardown(&f);
}

TEST(cuts_a_torn_tail_at_opening)
{
	static const char *const tails[] = { "{", "{\"seq\":3,\"slot\":\"2026-11-20T16:01", "x" };
	struct fixture f;

	setup(&f);
	CHECK_INT(append_frame(f.journal, 1), 0);
	CHECK_INT(append_frame(f.journal, 2), 0);
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		journal_freep(&f.journal);
		f.journal = NULL;
		kit_write(f.path, "journal/00000000.jsonl", tails[i], strlen(tails[i]), O_APPEND);
		CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, true, NULL, &f.journal), 0);
		CHECK(journal_was_cut(f.journal));
		CHECK_INT(last_of(f.journal), 2);
	}
	CHECK_INT(append_frame(f.journal, 3), 0);
	CHECK_STR(read_seqs(f.journal, 0, 10), "1 2 3");
	teardown(&f);
}

TEST(cuts_a_torn_tail_of_nuls)
{
	static char nuls[200 * 1000];
	struct fixture f;

	setup(&f);
	CHECK_INT(append_frame(f.journal, 1), 0);
	journal_freep(&f.journal);
	f.journal = NULL;
	kit_write(f.path, "journal/00000000.jsonl", nuls, sizeof(nuls), O_APPEND);
	CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, true, NULL, &f.journal), 0);
	CHECK_INT(append_frame(f.journal, 2), 0);
	CHECK_STR(read_seqs(f.journal, 0, 10), "1 2");
	teardown(&f);
}

TEST(segments_of_strangers)
{
	static const struct {
		const char *header;
		int write, read;
	} cases[] = {
		{ "", 0, 0 }, /* died before it had a header */
		{ "{\"format\":1,\"id\":\"" KIT_ID "\"", 0, 0 },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"segment\":0}\n", 0, 0 },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"segment\":0,\"later\":[1]}\n", 0, 0 },
		{ "{\"format\":1,\"id\":\"" OTHER_ID "\",\"segment\":0}\n", -EBADMSG, -EBADMSG },
		{ "{\"format\":2,\"id\":\"" KIT_ID "\",\"segment\":0}\n", -EBADMSG, -EBADMSG },
		{ "{\"format\":1,\"id\":\"" KIT_ID "\",\"segment\":1}\n", -EBADMSG, -EBADMSG },
		{ "{\"format\":1,\"id\":7,\"segment\":0}\n", -EBADMSG, -EBADMSG },
		{ "[]\n", 0, 0 }, /* damaged: what comes after it counts */
		{ "\n", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(journal_freep) struct journal *reader = NULL, *writer = NULL;
		struct fixture f;

		setup(&f);
		kit_write(f.path, "journal/00000000.jsonl", cases[i].header,
			strlen(cases[i].header), 0);
		CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, false, NULL, &reader),
			cases[i].read);
		CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, true, NULL, &writer),
			cases[i].write);
		if (writer) {
			CHECK_INT(append_frame(writer, 1), 0);
			CHECK_INT(last_of(reader), 1);
		}
		teardown(&f);
	}
}

TEST(foreign_segment_in_the_middle)
{
	static const char header[] = "{\"format\":1,\"id\":\"" OTHER_ID "\",\"segment\":1}\n"
				     "{\"seq\":100000,\"miss\":\"camera\"}\n";
	struct fixture f;

	setup(&f);
	CHECK_INT(append_frame(f.journal, 1), 0);
	CHECK_INT(append_frame(f.journal, 2 * SEGMENT_LINES), 0);
	kit_write(f.path, "journal/00000001.jsonl", header, sizeof(header) - 1, 0);
	kit_write(f.path, "journal/1.jsonl", "", 0, 0);
	kit_write(f.path, "journal/00000009.jsonl.bak", "", 0, 0);
	CHECK_STR(read_seqs(f.journal, 0, 10), "1 200000");
	CHECK_INT(append_frame(f.journal, SEGMENT_LINES), -EBADMSG);
	CHECK_INT(append_frame(f.journal, 2 * SEGMENT_LINES + 1), 0);
	teardown(&f);
}

TEST(planted_symlinks)
{
	CLEANUP(journal_freep) struct journal *other = NULL;
	char path[100], target[100];
	struct fixture f;

	setup(&f);
	kit_write(f.path, "victim", "{\"keep\":1}\n", 11, 0);
	snprintf(target, sizeof(target), "%s/victim", f.path);
	snprintf(path, sizeof(path), "%s/journal/00000000.jsonl", f.path);
	CHECK_INT(symlink(target, path), 0);
	CHECK_INT(append_frame(f.journal, 1), -ELOOP);
	CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, true, NULL, &other), -ELOOP);
	CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, false, NULL, &other), -ELOOP);
	CHECK_INT(unlink(path), 0);
	/* in the place of the temp: removed, not followed */
	snprintf(path, sizeof(path), "%s/journal/.00000000.jsonl.part", f.path);
	CHECK_INT(symlink(target, path), 0);
	CHECK_INT(append_frame(f.journal, 1), 0);
	CHECK_STR(kit_read(f.path, "victim"), "{\"keep\":1}\n");
	/* a FIFO must not hold us */
	snprintf(path, sizeof(path), "%s/journal/00000001.jsonl", f.path);
	CHECK_INT(mkfifo(path, 0644), 0);
	CHECK_INT(append_frame(f.journal, SEGMENT_LINES), -EBADMSG);
	CHECK_STR(read_seqs(f.journal, 0, 10), "1");
	teardown(&f);
}

TEST(journal_folder_as_symlink)
{
	CLEANUP(journal_freep) struct journal *journal = NULL;
	char elsewhere[64], path[64], link[80];
	int root_fd;

	kit_make_folder(elsewhere);
	kit_make_folder(path);
	snprintf(link, sizeof(link), "%s/journal", path);
	CHECK_INT(symlink(elsewhere, link), 0);
	root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(journal_open(root_fd, "journal", KIT_ID, true, NULL, &journal), -ELOOP);
	CHECK_INT(kit_count(elsewhere, "", NULL), 0);
	close(root_fd);
	test_remove_folder(path);
	test_remove_folder(elsewhere);
}

/* Each call of an append fails once, in steady state and for the first line of a segment. */
TEST(failed_append_leaves_nothing)
{
	static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };
	static const uint64_t next[] = { 2, SEGMENT_LINES };

	for (size_t e = 0; e < ARRAY_SIZE(errors) * ARRAY_SIZE(next); e++) {
		int error = errors[e / ARRAY_SIZE(next)], r = -1;
		uint64_t seq = next[e % ARRAY_SIZE(next)];

		for (int at = 1; r < 0 && at < 100; at++) {
			struct record miss = kit_miss(KIT_SLOT);
			char line[LINE_MAX_BYTES + 1];
			struct fixture f;
			int n;

			setup(&f);
			journal_freep(&f.journal);
			f.journal = NULL;
			kit_fault_set(0, 0, 0);
			CHECK_INT(journal_open(
					  f.root_fd, "journal", KIT_ID, true, &kit_fs, &f.journal),
				0);
			CHECK_INT(append_miss(f.journal, 1), 0);
			miss.seq = seq;
			n = record_format(&miss, line);
			kit_fault_set(at, 1, error);
			r = journal_append(f.journal, seq, line, (size_t)n, true);
			CHECK(r == 0 || r == -error);
			CHECK(r == 0 || at <= kit_fault.calls);
			if (r < 0) {
				CHECK_STR(read_seqs(f.journal, 0, 10), "1");
				r = -1;
			}
			kit_fault_set(0, 0, 0);
			CHECK_INT(append_miss(f.journal, seq + 1), 0);
			CHECK_INT(last_of(f.journal), seq + 1);
			teardown(&f);
		}
		CHECK_INT(r, 0);
	}
}

/* The cut fails as well: the line must be gone before the next one is written. */
TEST(failed_cut_is_made_good)
{
	struct record miss = kit_miss(KIT_SLOT);
	char line[LINE_MAX_BYTES + 1];
	struct fixture f;
	int n;

	setup(&f);
	journal_freep(&f.journal);
	f.journal = NULL;
	kit_fault_set(0, 0, 0);
	CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, true, &kit_fs, &f.journal), 0);
	CHECK_INT(append_miss(f.journal, 1), 0);
	miss.seq = 2;
	n = record_format(&miss, line);
	kit_fault_set(2, 100, EIO); /* fdatasync and all that follows */
	CHECK_INT(journal_append(f.journal, 2, line, (size_t)n, true), -EIO);
	kit_fault_set(0, 0, 0);
	CHECK_INT(append_miss(f.journal, 2), 0);
	CHECK_STR(read_seqs(f.journal, 0, 10), "1 2");
	teardown(&f);
}
