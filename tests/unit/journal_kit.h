/* SPDX-License-Identifier: MIT */
/* What the journal's tests share: a journal in a folder of its own, and lines for it. */
#pragma once

#include "common/journal/journal.h"
#include "tests/unit/archive_kit.h"

struct fixture {
	char path[64];
	int root_fd;
	struct journal *journal;
};

__attribute__((unused)) static void setup(struct fixture *f)
{
	kit_make_folder(f->path);
	f->root_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->journal = NULL;
	CHECK_INT(journal_open(f->root_fd, "journal", KIT_ID, true, NULL, &f->journal), 0);
}

__attribute__((unused)) static void teardown(struct fixture *f)
{
	journal_free(f->journal);
	close(f->root_fd);
	test_remove_folder(f->path);
}

__attribute__((unused)) static int append(struct journal *journal, const struct record *record)
{
	char line[LINE_MAX_BYTES + 1];
	int n = record_format(record, line);

	return n < 0 ? n : journal_append(journal, record->seq, line, (size_t)n, false);
}

__attribute__((unused)) static int append_frame(struct journal *journal, uint64_t seq)
{
	struct record frame = kit_frame(KIT_SLOT);

	frame.seq = seq;
	frame.bytes = 1000;
	return append(journal, &frame);
}

__attribute__((unused)) static int append_miss(struct journal *journal, uint64_t seq)
{
	struct record miss = kit_miss(KIT_SLOT);

	/* lines of many lengths, so that halving meets every alignment */
	snprintf(miss.text, sizeof(miss.text), "%.*s", (int)(seq * 7 % 150),
		"........................................................................"
		"........................................................................"
		"........................................................................");
	miss.seq = seq;
	return append(journal, &miss);
}

/* The sequence numbers from `from` on as "1 2 3", at most `max` of them. */
__attribute__((unused)) static const char *read_seqs(
	struct journal *journal, uint64_t from, int max)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	static char text[1000];
	const char *line;
	size_t len, n = 0;
	uint64_t seq;

	text[0] = '\0';
	CHECK_INT(journal_seek(journal, from, &cursor), 0);
	while (max-- > 0 && journal_cursor_next(cursor, &line, &len, &seq) > 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%" PRIu64, n ? " " : "", seq);
	return text;
}

__attribute__((unused)) static uint64_t last_of(struct journal *journal)
{
	uint64_t seq = 99;

	CHECK_INT(journal_last(journal, &seq), 0);
	return seq;
}

__attribute__((unused)) static uint64_t first_of(struct journal *journal)
{
	uint64_t seq = 99;

	CHECK_INT(journal_first(journal, &seq), 0);
	return seq;
}

__attribute__((unused)) static int64_t newest_of(struct journal *journal)
{
	struct record record;
	int r = journal_newest_frame(journal, &record);

	return r < 0 ? r : (int64_t)record.seq;
}
