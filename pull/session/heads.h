/* SPDX-License-Identifier: MIT */
/*
 * The heads that are kept of each archive (archive_head()), one a day, signed, in the state folder:
 * apart from the pictures, so that whoever changes an archive does not change them. A line each of
 * heads-ID.jsonl:
 *
 *   {"camera":"garden","id":"<uuid>","seq":9,"sha256":"<64 hex>","time":"...Z","sig":"<128 hex>"}
 *
 * `sig` is of the same object without it, with a newline (sshsig.h). Lines are only appended; of
 * HEADS_MAX every other one goes.
 */
#pragma once

#include "common/archive/archive.h"
#include "pull/ssh/sshsig.h"

#define HEADS_NAMESPACE "capturepi-head"

/* Keeps the head of the archive, unless that was done within a day. -ENOENT it has no line. */
int heads_keep(struct archive *archive, const struct clock *clock);

/* As struct cli_program has it: all of that archive, the oldest first. */
int heads_load(const char *id, struct archive_head **ret, size_t *ret_n);

/* A head as a third person gets it. */
struct heads_signed {
	struct archive_head head;
	char message[LINE_MAX_BYTES + 1]; /* that is signed */
	struct sshsig sig;
};
/*
 * The first kept head with the number `seq` or a higher one whose line the archive still has.
 * -ENOENT none; -EKEYREJECTED another key signed it.
 */
int heads_find(struct archive *archive, uint64_t seq, struct heads_signed *ret);
