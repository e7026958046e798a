/* SPDX-License-Identifier: MIT */
/* A small file that grows by a line a day. Half a line, which a power cut left, is passed over. */
#include "pull/session/heads.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/jsonline.h"
#include "pull/settings/settings.h"

#define KEY_NAME "head-key"
#define KEEP_US (INT64_C(24) * 3600 * US_PER_SEC)
#define HEADS_MAX 4096 /* 11 years */
#define FILE_BYTES_MAX (8 * 1024 * 1024)
#define SIG_HEX (2 * SSHSIG_BYTES)

struct head_line {
	char camera[CAMERA_NAME_MAX], id[UUID_CHARS + 1], sha256[SHA256_HEX + 1], sig[SIG_HEX + 1];
	struct archive_head head;
};

#define AT(member) JSONLINE_FIELD(struct head_line, member)
static const struct jsonline_field fields[] = {
	{ "camera", JSONLINE_STRING, AT(camera) },
	{ "id", JSONLINE_UUID, AT(id), JSONLINE_MUST },
	{ "seq", JSONLINE_INT, AT(head.seq), JSONLINE_MUST, 1, SEQ_MAX },
	{ "sha256", JSONLINE_STRING, AT(sha256), JSONLINE_MUST },
	{ "time", JSONLINE_TIME, AT(head.time_us), JSONLINE_MUST },
	{ "sig", JSONLINE_STRING, AT(sig), JSONLINE_MUST },
};
#define SIGNED_FIELDS (ARRAY_SIZE(fields) - 1) /* all but the signature */

static int heads_open_folder(int *ret_fd)
{
	char path[PATH_MAX];
	int r = pull_state_path("", path);

	if (r == 0)
		r = fs_open_made(path, 0700);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

static void heads_name(const char *id, char ret[static 64])
{
	snprintf(ret, 64, "heads-%.36s.jsonl", id);
}

/* The signature of the line as it will be read again; `ret_message` is what is signed. */
static int line_sign(int folder_fd, const struct head_line *line,
	char ret_message[static LINE_MAX_BYTES + 1], struct sshsig *ret)
{
	int n = jsonline_format(fields, SIGNED_FIELDS, line, ret_message);

	return n < 0
		? n
		: sshsig_sign(folder_fd, KEY_NAME, HEADS_NAMESPACE, ret_message, (size_t)n, ret);
}

static void sig_hex(const struct sshsig *sig, char ret[static SIG_HEX + 1])
{
	for (size_t i = 0; i < SSHSIG_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02x", sig->signature[i]);
}

static int heads_append(int folder_fd, const char *name, const struct head_line *line)
{
	CLEANUP_FD int fd = openat(folder_fd, name,
		O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	char text[LINE_MAX_BYTES + 2] = "\n";
	struct stat st;
	char last = '\n';
	int n, r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > 0 && fs_read_at(fd, &last, 1, st.st_size - 1) < 0)
		return -EIO;
	n = jsonline_format(fields, ARRAY_SIZE(fields), line, text + 1);
	if (n < 0)
		return n;
	/* after half a line a new one begins */
	r = last == '\n' ? fs_write_all(&fs_real, fd, text + 1, (size_t)n)
			 : fs_write_all(&fs_real, fd, text, (size_t)n + 1);
	return r == 0 && fdatasync(fd) < 0 ? -errno : r;
}

/* ---- reading */

static int line_parse(const char *text, size_t len, struct head_line *ret)
{
	struct head_line line = { .head.seq = 0 };
	int r = jsonline_parse_fields(text, len, fields, ARRAY_SIZE(fields), &line);

	if (r == 0)
		r = digest_parse_hex(line.sha256, strlen(line.sha256), line.head.sha256);
	if (r == 0)
		*ret = line;
	return r;
}

/* Goes through the lines of that archive; `see` returns 0 to go on. -errno, or what it returned. */
static int heads_each(const char *id, int (*see)(void *data, const struct head_line *line),
	void *data, int *ret_folder_fd)
{
	CLEANUP_FREE char *text = NULL;
	char name[64];
	int r = heads_open_folder(ret_folder_fd);

	heads_name(id, name);
	if (r == 0)
		r = fs_read_file(*ret_folder_fd, name, FILE_BYTES_MAX, &text, NULL);
	for (char *at = text; r == 0 && *at;) {
		const size_t len = strcspn(at, "\n");
		struct head_line line;

		if (line_parse(at, len, &line) == 0 && strcmp(line.id, id) == 0)
			r = see(data, &line);
		at += len + (at[len] == '\n');
	}
	return r == -ENOENT ? 0 : r;
}

struct loading {
	struct archive_head *list;
	size_t n, room;
};

static int load_one(void *data, const struct head_line *line)
{
	struct loading *loading = data;

	if (!list_make_room(&loading->list, loading->n, &loading->room, sizeof(*loading->list)))
		return -ENOMEM;
	loading->list[loading->n++] = line->head;
	return 0;
}

int heads_load(const char *id, struct archive_head **ret, size_t *ret_n)
{
	struct loading loading = { .n = 0 };
	CLEANUP_FD int folder_fd = -1;
	int r = heads_each(id, load_one, &loading, &folder_fd);

	if (r < 0) {
		free(loading.list);
		return r;
	}
	*ret = loading.list;
	*ret_n = loading.n;
	return 0;
}

struct finding {
	struct archive *archive;
	uint64_t seq;
	struct head_line line;
};

static int find_one(void *data, const struct head_line *line)
{
	struct finding *finding = data;
	uint8_t sha256[SHA256_BYTES];
	char text[LINE_MAX_BYTES];
	size_t len;

	if (line->head.seq < finding->seq ||
		journal_read_line(archive_journal(finding->archive), line->head.seq, text, &len) <
			0 ||
		digest_buffer(text, len, sha256) < 0 ||
		memcmp(sha256, line->head.sha256, SHA256_BYTES) != 0)
		return 0;
	finding->line = *line;
	return 1;
}

int heads_find(struct archive *archive, uint64_t seq, struct heads_signed *ret)
{
	struct finding finding = { .archive = archive, .seq = seq };
	struct heads_signed found;
	CLEANUP_FD int folder_fd = -1;
	char hex[SIG_HEX + 1];
	int r = heads_each(archive_id(archive), find_one, &finding, &folder_fd);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	found.head = finding.line.head;
	r = line_sign(folder_fd, &finding.line, found.message, &found.sig);
	if (r < 0)
		return r;
	sig_hex(&found.sig, hex);
	if (strcmp(hex, finding.line.sig) != 0)
		return -EKEYREJECTED;
	*ret = found;
	return 0;
}

/* ---- keeping */

/* Takes every other line out, and keeps the first. */
static int heads_thin(int folder_fd, const char *name)
{
	CLEANUP_FREE char *text = NULL;
	size_t n = 0, used = 0, bytes;
	int r = fs_read_file(folder_fd, name, FILE_BYTES_MAX, &text, &bytes);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < bytes; i++)
		n += text[i] == '\n';
	if (n < HEADS_MAX)
		return 0;
	n = 0;
	for (char *at = text; *at; n++) {
		const size_t len = strcspn(at, "\n") + 1;

		if (at + len > text + bytes)
			break;
		if (n % 2 == 0) {
			memmove(text + used, at, len);
			used += len;
		}
		at += len;
	}
	return fs_replace(&fs_real, folder_fd, name, text, used, 0600);
}

int heads_keep(struct archive *archive, const struct clock *clock)
{
	const int64_t now_us = clock_wall_us(clock);
	struct head_line line = { .head.seq = 0 };
	char name[64], message[LINE_MAX_BYTES + 1];
	CLEANUP_FD int folder_fd = -1;
	struct sshsig sig;
	struct stat st;
	int r = heads_open_folder(&folder_fd);

	heads_name(archive_id(archive), name);
	if (r < 0)
		return r;
	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		llabs(now_us - st.st_mtim.tv_sec * US_PER_SEC) < KEEP_US)
		return 0;
	r = archive_head(archive, clock, &line.head);
	if (r < 0)
		return r;
	memcpy(line.id, archive_id(archive), sizeof line.id);
	snprintf(line.camera, sizeof line.camera, "%s", archive_camera(archive));
	digest_hex(line.head.sha256, line.sha256);
	r = line_sign(folder_fd, &line, message, &sig);
	if (r < 0)
		return r;
	sig_hex(&sig, line.sig);
	r = heads_thin(folder_fd, name);
	return r < 0 ? r : heads_append(folder_fd, name, &line);
}
