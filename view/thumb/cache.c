/* SPDX-License-Identifier: MIT */
/*
 * A file gets its name when it is complete (O_TMPFILE), so several threads and processes may store
 * at once and nothing half is ever left over. It is not synced: after a power cut it may be holes,
 * which its first and last bytes tell.
 */
#include "view/thumb/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/archive/archive.h"
#include "common/base/digest.h"
#include "common/settings/conf.h"

#define FILE_BYTES_MAX (8 * 1024 * 1024)
#define FILES_MAX 100000 /* looked at; more are not ours */
#define SUFFIX ".jpg"

struct cached {
	char name[CACHE_KEY_MAX + sizeof(SUFFIX)];
	int64_t modified_ns, bytes;
};

struct cached_list {
	struct cached *list;
	size_t n, room;
	int64_t bytes;
};

static void cached_clear(struct cached_list *files)
{
	free(files->list);
}

void cache_key(const struct archive *archive, const char *kind, const uint64_t *numbers, size_t n,
	char ret[static CACHE_KEY_MAX])
{
	CLEANUP(digest_freep) struct digest *digest = NULL;
	uint8_t sha256[SHA256_BYTES];
	char hex[SHA256_HEX + 1];
	const char *id = archive_id(archive);

	*ret = '\0';
	if (digest_new(&digest) < 0 || digest_update(digest, kind, strlen(kind) + 1) < 0 ||
		digest_update(digest, id, strlen(id) + 1) < 0 ||
		digest_update(digest, numbers, n * sizeof(*numbers)) < 0 ||
		digest_final(digest, sha256) < 0)
		return;
	digest_hex(sha256, hex);
	memcpy(ret, hex, CACHE_KEY_MAX - 1);
	ret[CACHE_KEY_MAX - 1] = '\0';
}

static bool key_is_ours(const char *text, size_t len)
{
	return len == CACHE_KEY_MAX - 1 && strspn(text, "0123456789abcdef") >= len;
}

static int cache_folder(bool make, int *ret_fd)
{
	char home[PATH_MAX], path[PATH_MAX + 8];
	int r = conf_folder("XDG_CACHE_HOME", ".cache", home), fd;

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/viewpi", home);
	if (make && access(path, F_OK) < 0)
		fs_make_folders(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int cache_open(const char *key, int *ret_fd, int64_t *ret_bytes)
{
	CLEANUP_FD int folder = -1, fd = -1;
	char name[CACHE_KEY_MAX + sizeof(SUFFIX)];
	uint8_t ends[4] = { 0 };
	struct stat st;
	int r = key_is_ours(key, strlen(key)) ? cache_folder(false, &folder) : -ENOENT;

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s" SUFFIX, key);
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 4 || st.st_size > FILE_BYTES_MAX ||
		fs_read_at(fd, ends, 2, 0) != 2 ||
		fs_read_at(fd, ends + 2, 2, st.st_size - 2) != 2 ||
		memcmp(ends, "\xff\xd8\xff\xd9", 4) != 0)
		return -ENOENT;
	*ret_bytes = st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- room */

static int cached_compare(const void *left, const void *right)
{
	const struct cached *a = left, *b = right;

	return (a->modified_ns > b->modified_ns) - (a->modified_ns < b->modified_ns);
}

static int cached_list(int folder, struct cached_list *files)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int r = fs_list_folder(folder, ".", &dir);

	while (r == 0 && (entry = readdir(dir)) && files->n < FILES_MAX) {
		const size_t len = strlen(entry->d_name);
		struct cached *file;
		struct stat st;

		if (len != CACHE_KEY_MAX - 1 + strlen(SUFFIX) ||
			!key_is_ours(entry->d_name, CACHE_KEY_MAX - 1) ||
			fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!list_make_room(&files->list, files->n, &files->room, sizeof(*file)))
			return -ENOMEM;
		file = &files->list[files->n++];
		memcpy(file->name, entry->d_name, len + 1);
		file->modified_ns = st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec;
		file->bytes = st.st_size;
		files->bytes += st.st_size;
	}
	return r;
}

/* Down to three quarters, so that there is time until the next look. */
static void cache_make_room(int folder)
{
	CLEANUP(cached_clear) struct cached_list files = { 0 };

	if (cached_list(folder, &files) < 0 || files.bytes <= CACHE_BYTES_MAX)
		return;
	qsort(files.list, files.n, sizeof(*files.list), cached_compare);
	for (size_t i = 0; i < files.n && files.bytes > CACHE_BYTES_MAX / 4 * 3; i++) {
		if (unlinkat(folder, files.list[i].name, 0) == 0)
			files.bytes -= files.list[i].bytes;
	}
}

void cache_store(const char *key, const void *jpeg, size_t bytes)
{
	CLEANUP_FD int folder = -1, fd = -1;
	char name[CACHE_KEY_MAX + sizeof(SUFFIX)];

	if (!key_is_ours(key, strlen(key)) || bytes > FILE_BYTES_MAX ||
		cache_folder(true, &folder) < 0)
		return;
	if (*key == '0') /* as good as by chance: one file in 16 */
		cache_make_room(folder);
	fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || fs_write_all(&fs_real, fd, jpeg, bytes) < 0)
		return;
	snprintf(name, sizeof(name), "%s" SUFFIX, key);
	/* what cache_open() did not take is replaced */
	if (fs_link(fd, folder, name) == -EEXIST && unlinkat(folder, name, 0) == 0)
		fs_link(fd, folder, name);
}
