/* SPDX-License-Identifier: MIT */
/*
 * `pullpi attest CAMERA FOLDER`: pictures with what proves to a third person that they were held
 * when a signed head was kept: the lines up to that head, each with the hash of the one before it.
 * The recipe that checks it is in pullpi(1), ATTESTING.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/text.h"
#include "pull/commands/commands.h"
#include "pull/session/heads.h"

#define SIGNER "pullpi" /* who signs, in the file of allowed signers */

const struct cli_option attest_options[] = {
	{ "from", 0, "SEQ", "the first picture" },
	{ "to", 0, "SEQ", "the last picture; as the first" },
	{ .name = NULL },
};

struct attest {
	struct cli *cli;
	struct archive *archive;
	uint64_t from, to;
	struct heads_signed head;
	int folder_fd;
	uint64_t pictures;
};

/* The picture of a line, where it is one of those asked for. */
static int attest_copy_picture(struct attest *a, const char *line, size_t len)
{
	char file[FRAME_NAME_MAX];
	struct frame_name name;
	struct record frame;
	CLEANUP_FD int fd = -1;
	int r = record_parse(line, len, &frame);

	if (r < 0 || frame.type != RECORD_FRAME || frame.seq > a->to)
		return r;
	name = record_name(&frame);
	r = frame_name_format(&name, file);
	if (r == 0)
		r = archive_open_frame(a->archive, &frame, &fd);
	if (r == 0)
		r = fs_replace_copy(&fs_real, fd, a->folder_fd, file, 0644);
	a->pictures += r == 0;
	return r == -ENOENT ? 0 : r; /* it was removed: its line stays */
}

/* All lines from the first picture to the head. -ENODATA: `ret_seq` is not held. */
static int attest_copy_lines(struct attest *a, uint64_t *ret_seq)
{
	CLEANUP_FD int fd = openat(a->folder_fd, "journal.jsonl",
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	char line[LINE_MAX_BYTES + 1];
	size_t len;
	int r = fd < 0 ? -errno : 0;

	for (uint64_t seq = a->from; r == 0 && seq <= a->head.head.seq; seq++) {
		*ret_seq = seq;
		r = journal_read_line(archive_journal(a->archive), seq, line, &len);
		if (r < 0)
			return r == -ENOENT ? -ENODATA : r;
		r = attest_copy_picture(a, line, len);
		line[len] = '\n';
		if (r == 0)
			r = fs_write_all(&fs_real, fd, line, len + 1);
	}
	return r;
}

static int attest_write(struct attest *a)
{
	char text[SSHSIG_TEXT_MAX], public[SSHSIG_PUBLIC_MAX];
	const struct {
		const char *name, *text;
	} files[] = { { "head", a->head.message }, { "head.sig", text } };
	int r = sshsig_format(&a->head.sig, HEADS_NAMESPACE, text), n;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
		r = fs_make(&fs_real, a->folder_fd, files[i].name, files[i].text,
			strlen(files[i].text), 0644);
	if (r < 0)
		return r;
	sshsig_public(&a->head.sig, public);
	n = snprintf(text, sizeof text, SIGNER " namespaces=\"" HEADS_NAMESPACE "\" %s\n", public);
	return fs_make(&fs_real, a->folder_fd, "signer", text, (size_t)n, 0644);
}

/* An exit code. */
static int attest_fail(struct attest *a, int r, uint64_t seq)
{
	const char *camera = a->cli->argv[0];

	switch (-r) {
	case ENOENT:
		cli_error(a->cli,
			"%s: no head after number %" PRIu64
			" was kept yet: one is kept a day, when pullpi reaches the camera",
			camera, a->to);
		return CLI_TEMPFAIL;
	case EKEYREJECTED:
		cli_error(a->cli, "%s: the head was signed with another key than head-key is now",
			camera);
		return CLI_INTERNAL;
	case ENODATA:
		cli_error(a->cli,
			"%s: the line of number %" PRIu64
			" is not held, so nothing is proven across it; see `pullpi sync %s`",
			camera, seq, camera);
		return CLI_INTERNAL;
	default:
		cli_error(a->cli, "%s: %s", a->cli->argv[1], strerror(-r));
		return CLI_INTERNAL;
	}
}

static int attest_run(struct attest *a)
{
	CLEANUP_FD int folder_fd = -1;
	const char *path = a->cli->argv[1];
	uint64_t seq = 0;
	int r = heads_find(a->archive, a->to, &a->head);

	if (r == 0 && mkdir(path, 0777) < 0)
		r = errno == EEXIST ? -EEXIST : -errno;
	if (r == 0)
		folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && folder_fd < 0)
		r = -errno;
	a->folder_fd = folder_fd;
	if (r == 0)
		r = attest_copy_lines(a, &seq);
	if (r == 0)
		r = attest_write(a);
	if (r < 0)
		return attest_fail(a, r, seq);
	text_print(stdout,
		"%s: %" PRIu64 " pictures, lines %" PRIu64 " to %" PRIu64
		" and the signed head; see ATTESTING in pullpi(1)\n",
		path, a->pictures, a->from, a->head.head.seq);
	return CLI_OK;
}

int command_attest(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct attest a = { .cli = cli, .folder_fd = -1 };
	int64_t from = 0, to = 0;
	int r = cli_number(cli, "from", 1, SEQ_MAX, 0, &from);

	if (r == CLI_OK && from == 0)
		return cli_usage(cli, "attest needs --from SEQ");
	if (r == CLI_OK)
		r = cli_number(cli, "to", from, SEQ_MAX, from, &to);
	if (r == CLI_OK)
		r = cli_open_archive(cli, &archive);
	if (r != CLI_OK)
		return r;
	a.archive = archive;
	a.from = (uint64_t)from;
	a.to = (uint64_t)to;
	return attest_run(&a);
}
