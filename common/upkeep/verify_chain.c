/* SPDX-License-Identifier: MIT */
/*
 * The lines among each other: each has the hash of the one before it, so whoever changes one, with
 * or without its picture, must change all that follow. And the lines against the heads that were
 * kept elsewhere, which tell also of that.
 */
#include "common/upkeep/verify_private.h"

#include <errno.h>
#include <string.h>

int verify_note_link(
	struct verify *verify, const struct record *record, const char *line, size_t len)
{
	struct verify_link *link = &verify->links[record->seq % SEGMENT_LINES];

	if (link->there)
		return 0; /* a finding of its own */
	if (verify->links_last == 0 || record->seq < verify->links_first)
		verify->links_first = record->seq;
	if (record->seq > verify->links_last)
		verify->links_last = record->seq;
	*link = (struct verify_link){ .there = true };
	link->unchained = record->unchained;
	link->has_prev = record->has_prev;
	memcpy(link->prev, record->prev, sizeof(link->prev));
	return digest_buffer(line, len, link->sha256);
}

/* When the line was written, as it says itself. */
static int64_t line_time_us(struct verify *verify, uint64_t seq)
{
	struct record record;

	if (journal_find(verify->journal, seq, &record) < 0)
		return TIME_NONE;
	if (record.type == RECORD_CLOCK)
		return record.after_us;
	return record.type == RECORD_ZONE ? record.at_us : record.slot_us;
}

/*
 * A version that knew no chain may have sent or written this line of a copy, without the `prev`
 * that the camera's has. What that was is known from the line before it, if that is whole.
 */
static int link_make_whole(struct verify *verify, struct verify_link *link, uint64_t seq)
{
	const struct verify_link *before = &verify->link;
	char line[LINE_MAX_BYTES], whole[LINE_MAX_BYTES + SHA256_HEX + 16], hex[SHA256_HEX + 1];
	size_t len;
	int r, n;

	if (!verify->options->copy || link->has_prev || verify->link_seq != seq - 1 ||
		!(before->has_prev || before->has_whole))
		return 0;
	r = journal_read_line(verify->journal, seq, line, &len);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	digest_hex(before->has_whole ? before->whole : before->sha256, hex);
	n = snprintf(whole, sizeof(whole), "%.*s,\"prev\":\"%s\"}", (int)len - 1, line, hex);
	link->has_whole = true;
	return digest_buffer(whole, (size_t)n, link->whole);
}

/* Whether `link` says to follow the line `before`. */
static bool link_follows(const struct verify_link *link, const struct verify_link *before)
{
	return memcmp(link->prev, before->sha256, SHA256_BYTES) == 0 ||
		(before->has_whole && memcmp(link->prev, before->whole, SHA256_BYTES) == 0);
}

/* The line `seq` is not the one that the next line was written after. */
static int report_broken(struct verify *verify, const struct verify_link *link, uint64_t seq)
{
	const struct verify_options *options = verify->options;
	struct verify_finding finding = { .kind = VERIFY_UNCHAINED, .seq = seq };

	/* of a copy's line that lost its `prev` after others that did nobody knows what it was */
	if (!link->unchained && (!options->copy || link->has_prev || link->has_whole)) {
		finding.kind = VERIFY_CHANGED;
		finding.since_us = line_time_us(verify, seq + 1);
		for (size_t i = 0; i < options->n_heads; i++) {
			const struct archive_head *head = &options->heads[i];

			if (head->seq > seq && head->time_us > finding.since_us)
				finding.since_us = head->time_us;
		}
	}
	return verify_report(verify, finding);
}

int verify_chain(struct verify *verify)
{
	int r = 0;

	for (uint64_t seq = verify->links_first; r == 0 && seq <= verify->links_last; seq++) {
		struct verify_link *link = &verify->links[seq % SEGMENT_LINES];

		if (!link->there)
			continue;
		r = link_make_whole(verify, link, seq);
		if (r == 0 && link->has_prev && verify->link.there && verify->link_seq == seq - 1 &&
			!link_follows(link, &verify->link))
			r = report_broken(verify, &verify->link, verify->link_seq);
		verify->link = *link;
		verify->link_seq = seq;
	}
	return r;
}

/* ---- heads */

/* Whether a journal's line of the head is the head's: 1; 0 it is another; -ENOENT, -errno. */
static int head_is_there(
	struct journal *journal, const struct archive_head *head, uint8_t ret[static SHA256_BYTES])
{
	char line[LINE_MAX_BYTES];
	size_t len;
	int r = journal_read_line(journal, head->seq, line, &len);

	if (r == 0)
		r = digest_buffer(line, len, ret);
	return r < 0 ? r : memcmp(ret, head->sha256, SHA256_BYTES) == 0;
}

/* The branch that has the head's line; 0: none. */
static unsigned head_branch(const struct verify *verify, const struct archive_head *head)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	unsigned number = 0;

	while (archive_branch(verify->archive, &number)) {
		CLEANUP(archive_freep) struct archive *branch = NULL;
		uint8_t sha256[SHA256_BYTES];
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/" BRANCHES "/%u",
			    archive_path(verify->archive), number) < (int)sizeof(path) &&
			archive_open(path, &read, &branch) == 0 &&
			head_is_there(archive_journal(branch), head, sha256) > 0)
			return number;
	}
	return 0;
}

/* 1: `ret` is what is wrong by the head; 0: nothing is. */
static int check_head(
	struct verify *verify, const struct archive_head *head, struct verify_finding *ret)
{
	struct verify_finding finding = { .seq = head->seq, .since_us = head->time_us };
	uint8_t sha256[SHA256_BYTES];
	struct record next;
	unsigned branch;
	int r = head_is_there(verify->journal, head, sha256);

	if (r > 0 || (r < 0 && r != -ENOENT))
		return r < 0 ? r : 0;
	branch = head_branch(verify, head);
	if (branch > 0) {
		finding.kind = VERIFY_BRANCH;
		snprintf(finding.path, sizeof(finding.path), BRANCHES "/%u", branch);
	} else if (r == -ENOENT && head->seq <= verify->last) {
		return 0; /* a gap, which is told of, or which the next sync fills */
	} else if (r == -ENOENT) {
		finding.kind = VERIFY_CUT;
	} else if (journal_find(verify->journal, head->seq + 1, &next) == 0 && next.has_prev &&
		memcmp(next.prev, sha256, SHA256_BYTES) == 0) {
		finding.kind = VERIFY_FORKED;
	} else {
		finding.kind = VERIFY_CHANGED;
	}
	*ret = finding;
	return 1;
}

/* Of each kind the newest is told: those before it are wrong for the same reason. */
int verify_heads(struct verify *verify)
{
	bool told[VERIFY_KINDS] = { false };
	int r = 0;

	for (size_t i = verify->options->n_heads; r >= 0 && i-- > 0;) {
		struct verify_finding finding;

		r = check_head(verify, &verify->options->heads[i], &finding);
		if (r > 0 && !told[finding.kind]) {
			told[finding.kind] = true;
			r = verify_report(verify, finding);
		}
	}
	return r < 0 ? r : 0;
}
