/* SPDX-License-Identifier: MIT */
/*
 * Opening an archive. archive.json gives the archive its identity, the
 * lock on .writer keeps it to one writer; all else is in the journal.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "common/base/jsonline.h"
#include "common/base/text.h"
#include "common/base/utc.h"

#define IDENTITY "archive.json"
#define IDENTITY_MAX 4096
#define LOCK_TRIES 3
#define LOCK_PAUSE_NS (10 * 1000 * 1000)

/* A random UUID, as the kernel makes them. */
static int identity_make_id(char ret[static UUID_CHARS + 1])
{
	CLEANUP_FD int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, ret, UUID_CHARS) != UUID_CHARS || !text_is_uuid(ret, UUID_CHARS))
		return -EIO;
	ret[UUID_CHARS] = '\0';
	return 0;
}

static bool identity_is_camera(const char *camera)
{
	size_t len = strlen(camera);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)camera[i] < ' ' || camera[i] == 0x7f)
			return false;
	}
	return len > 0 && len < CAMERA_NAME_MAX;
}

/* What archive.json says. */
struct identity {
	int64_t format;
	char id[UUID_CHARS + 1], camera[CAMERA_NAME_MAX];
};

static const struct jsonline_field identity_fields[] = {
	{ "format", JSONLINE_INT, JSONLINE_FIELD(struct identity, format), JSONLINE_MUST, INT64_MIN,
		INT64_MAX },
	{ "id", JSONLINE_UUID, JSONLINE_FIELD(struct identity, id), JSONLINE_MUST },
	{ "camera", JSONLINE_STRING, JSONLINE_FIELD(struct identity, camera), JSONLINE_MUST },
};

/*
 * -ENOENT there is none, or an empty one; -EBADMSG it is damaged; -EPROTONOSUPPORT a later version
 * made it.
 */
static int identity_read(struct archive *archive)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	CLEANUP_FREE char *text = NULL;
	struct identity identity = { 0 };
	size_t bytes;
	int r = fs_read_file(archive->root_fd, IDENTITY, IDENTITY_MAX, &text, &bytes);

	if (r < 0)
		return r == -EFBIG || r == -EISDIR ? -EBADMSG : r;
	if (bytes == 0)
		return -ENOENT;
	/* a person may have laid it out over several lines */
	object = json_tokener_parse(text);
	if (!json_object_is_type(object, json_type_object))
		return -EBADMSG;
	r = jsonline_read(object, identity_fields, ARRAY_SIZE(identity_fields), &identity);
	if (identity.format > 1)
		return -EPROTONOSUPPORT;
	if (r < 0 || identity.format < 1 || !identity_is_camera(identity.camera))
		return -EBADMSG;
	memcpy(archive->id, identity.id, sizeof(identity.id));
	memcpy(archive->camera, identity.camera, sizeof(identity.camera));
	return 0;
}

/* Of `archive`, as it is to be from now on. */
static int identity_write(struct archive *archive)
{
	struct identity identity = { .format = 1 };
	char text[LINE_MAX_BYTES + 1];
	int n;

	memcpy(identity.id, archive->id, sizeof(identity.id));
	memcpy(identity.camera, archive->camera, sizeof(identity.camera));
	n = jsonline_format(identity_fields, ARRAY_SIZE(identity_fields), &identity, text);
	return n < 0 ? n
		     : fs_replace(archive->fs, archive->root_fd, IDENTITY, text, (size_t)n, 0644);
}

static int identity_move_aside(struct archive *archive)
{
	CLEANUP_FD int aside_fd = -1;
	int r = fs_open_folder(archive->fs, archive->root_fd, "damaged", true, &aside_fd);

	if (r == 0 && archive->fs->renameat2(archive->root_fd, IDENTITY, aside_fd, IDENTITY, 0) < 0)
		r = -errno;
	return r;
}

/*
 * The identity of an archive whose archive.json is `damaged` or gone: each segment of the journal
 * has the id too. -ENOENT: there is no journal.
 */
static int identity_restore(
	struct archive *archive, const struct archive_options *options, bool damaged)
{
	int r = journal_id(archive->root_fd, "journal", archive->id);

	if (r == 0 && damaged && options->mode == ARCHIVE_WRITE)
		r = identity_move_aside(archive);
	if (r < 0)
		return r;
	snprintf(archive->camera, sizeof(archive->camera), "%s",
		options->camera && identity_is_camera(options->camera) ? options->camera
								       : "camera");
	archive->repairs.identity_restored = true;
	/* A full disk must not keep the archive shut: the next opening tries again. */
	if (options->mode == ARCHIVE_WRITE && identity_write(archive) == -ENOMEM)
		return -ENOMEM;
	return 0;
}

static int identity_make(struct archive *archive, const struct archive_options *options)
{
	int r = 0;

	if (options->camera && !identity_is_camera(options->camera))
		return -EINVAL;
	if (options->id)
		memcpy(archive->id, options->id, UUID_CHARS + 1);
	else
		r = identity_make_id(archive->id);
	if (r < 0)
		return r;
	snprintf(archive->camera, sizeof(archive->camera), "%s",
		options->camera ? options->camera : "camera");
	return identity_write(archive);
}

/*
 * The name is for people: where it cannot be written now, the archive opens all the same under the
 * old one.
 */
static void identity_rename_camera(struct archive *archive, const char *camera)
{
	char before[sizeof(archive->camera)];

	if (!identity_is_camera(camera))
		return;
	memcpy(before, archive->camera, sizeof(before));
	snprintf(archive->camera, sizeof(archive->camera), "%s", camera);
	if (identity_write(archive) < 0)
		memcpy(archive->camera, before, sizeof(before));
}

static int identity_open(struct archive *archive, const struct archive_options *options)
{
	bool write = options->mode == ARCHIVE_WRITE;
	int r;

	if (options->id && !text_is_uuid(options->id, strlen(options->id)))
		return -EINVAL;
	r = identity_read(archive);
	if (r == -ENOENT || r == -EBADMSG) {
		int found = identity_restore(archive, options, r == -EBADMSG);

		if (found != -ENOENT)
			r = found;
		else if (r == -ENOENT && write) /* a new archive */
			r = identity_make(archive, options);
	}
	if (r < 0)
		return r;
	if (options->id && strcmp(options->id, archive->id) != 0)
		return -EMEDIUMTYPE;
	if (write && options->camera && strcmp(options->camera, archive->camera) != 0)
		identity_rename_camera(archive, options->camera);
	return 0;
}

/*
 * Somebody who asks for the writer's pid holds the lock for a moment, so one refusal is not enough.
 */
static int archive_flock(int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int tries = 1; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || tries >= LOCK_TRIES)
			return fair_lock_error(errno);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int archive_take_turn(struct archive *archive, int64_t wait_until_ns, bool *ret_others)
{
	return fair_lock_take(archive->root_fd, ".gate", ".writer", archive->who, wait_until_ns,
		&archive->writer_fd, ret_others);
}

static int archive_lock_writer(struct archive *archive, const struct archive_options *options)
{
	CLEANUP_FD int fd = -1;
	bool others;
	int n, r;

	if (options->wait_until_ns) {
		char now[UTC_TEXT_MAX];

		snprintf(archive->who, sizeof(archive->who), "%d %s %s\n", (int)getpid(),
			options->who ? options->who : "-",
			utc_format(clock_wall_us(&clock_real), now));
		return archive_take_turn(archive, options->wait_until_ns, &others);
	}
	r = fair_lock_open(archive->root_fd, ".writer", &fd);
	if (r == 0)
		r = archive_flock(fd);
	if (r < 0)
		return r;
	/* The pid is for people; a full disk must not keep the archive shut. */
	n = snprintf(archive->who, sizeof(archive->who), "%d\n", (int)getpid());
	if (pwrite(fd, archive->who, (size_t)n, 0) < 0 || ftruncate(fd, n) < 0)
		errno = 0;
	archive->writer_fd = TAKE_FD(fd);
	return 0;
}

/* Nothing is in the folder yet, whoever made it. */
static bool archive_is_new(const struct archive *archive)
{
	return faccessat(archive->root_fd, IDENTITY, F_OK, 0) < 0 && errno == ENOENT &&
		faccessat(archive->root_fd, "journal", F_OK, 0) < 0 && errno == ENOENT;
}

/*
 * The folder's mode decides who can reach what is in it, and all that is made in it from here on
 * gets no more. A folder that is not ours, or of a file system without modes, stays as it is.
 */
static int archive_set_access(struct archive *archive, mode_t mode)
{
	struct stat st;

	if (fstat(archive->root_fd, &st) < 0)
		return -errno;
	if (mode == 0)
		mode = archive_is_new(archive) ? 0700 : st.st_mode & 0777;
	if (mode != (st.st_mode & 0777) &&
		fchmod(archive->root_fd, (st.st_mode & 07000) | mode) < 0 &&
		!fs_is_unsupported(-errno))
		return -errno;
	umask(~mode & 077);
	return 0;
}

static int archive_open_root(struct archive *archive, const char *path, enum archive_mode mode)
{
	int r;

	archive->path = strdup(path);
	if (!archive->path)
		return -ENOMEM;
	if (mode == ARCHIVE_WRITE) {
		r = fs_make_folders(path, 0777);
		if (r < 0)
			return r;
	}
	archive->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return archive->root_fd < 0 ? -errno : 0;
}

int archive_open(const char *path, const struct archive_options *options, struct archive **ret)
{
	CLEANUP(archive_freep) struct archive *archive = calloc(1, sizeof(*archive));
	bool write = options->mode == ARCHIVE_WRITE;
	int r;

	if (!archive)
		return -ENOMEM;
	archive->fs = options->fs ? options->fs : &fs_real;
	archive->copy = options->copy;
	if (options->undone)
		archive->undone = *options->undone;
	archive->root_fd = archive->writer_fd = archive->folder_fd = -1;
	r = archive_open_root(archive, path, options->mode);
	if (r == 0 && write)
		r = archive_lock_writer(archive, options);
	if (r == 0 && write)
		r = archive_set_access(archive, options->access);
	if (r == 0)
		r = identity_open(archive, options);
	if (r == 0)
		r = journal_open(archive->root_fd, "journal", archive->id, write, archive->fs,
			&archive->journal);
	if (r == 0 && write && archive->copy)
		r = archive_finish_fork(archive);
	if (r > 0) {
		journal_free(TAKE_PTR(archive->journal));
		r = journal_open(archive->root_fd, "journal", archive->id, write, archive->fs,
			&archive->journal);
	}
	if (r == 0 && write && !archive->copy)
		journal_chain(archive->journal);
	if (r == 0 && write)
		r = archive_recover(archive);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(archive);
	return 0;
}

void archive_free(struct archive *archive)
{
	if (!archive)
		return;
	while (archive->partials)
		partial_free(archive->partials);
	journal_free(archive->journal);
	journal_free(archive->local);
	fd_closep(&archive->folder_fd);
	fd_closep(&archive->writer_fd);
	fd_closep(&archive->root_fd);
	free(archive->path);
	free(archive);
}

void archive_release(struct archive *archive)
{
	fd_closep(&archive->writer_fd);
	archive->writer_fd = -1;
}

int archive_retake(struct archive *archive, int64_t wait_until_ns, bool *ret_others)
{
	bool others;
	int r = archive_take_turn(archive, wait_until_ns, &others);

	if (r == 0 && others)
		r = archive_refresh(archive);
	if (r < 0) {
		archive_release(archive);
		return r;
	}
	*ret_others = others;
	return 0;
}

int archive_lock_copy(const struct archive *archive, int64_t wait_until_ns, int *ret_fd)
{
	CLEANUP_FD int fd = -1;
	int r = fair_lock_open(archive->root_fd, ".sync", &fd);

	if (r == 0)
		r = fair_lock_flock(fd, wait_until_ns);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

/*
 * Whether the process has the file of `fd` open: a number left there may be another's by now. A
 * sandbox may hide what others have open; then the number has to do.
 */
static bool process_has_file(pid_t pid, int fd)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct stat ours, theirs;
	struct dirent *entry;
	bool hidden = false;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir || fstat(fd, &ours) < 0)
		return false;
	while ((entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &theirs, 0) < 0)
			hidden |= errno == EACCES || errno == EPERM;
		else if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
			return true;
	}
	return hidden;
}

int archive_writer_pid(const char *path, pid_t *ret_pid)
{
	CLEANUP_FD int root_fd = -1, fd = -1;
	char text[16];
	ssize_t n;
	long pid;

	root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -errno;
	fd = openat(root_fd, ".writer", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return -ESRCH;
	if (errno != EWOULDBLOCK)
		return -errno;
	n = fs_read_at(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	pid = strtol(text, NULL, 10);
	if (pid <= 0 || pid > INT32_MAX || !process_has_file((pid_t)pid, fd))
		return -ESRCH;
	*ret_pid = (pid_t)pid;
	return 0;
}
