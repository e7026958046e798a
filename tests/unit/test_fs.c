/* SPDX-License-Identifier: MIT */
/* Small files and folders: durable replacement, limits, and paths that must not be followed. */
#include "common/base/fs.h"

#include "tests/unit/archive_kit.h"

struct fixture {
	char path[64];
	int fd;
};

static void setup(struct fixture *f)
{
	test_make_folder(f->path);
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(struct fixture *f)
{
	close(f->fd);
	test_remove_folder(f->path);
}

TEST(replace_and_read)
{
	CLEANUP_FREE char *data = NULL;
	struct fixture f;
	struct stat st;
	mode_t before;
	size_t bytes = 0;
	int hidden = 9;

	setup(&f);
	CHECK_INT(fs_replace(&fs_real, f.fd, "a", "one", 3, 0600), 0);
	before = umask(027);
	CHECK_INT(fs_replace(&fs_real, f.fd, "a", "t\0wo", 4, 0664), 0);
	CHECK_INT(fstatat(f.fd, "a", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	umask(before);
	CHECK_INT(kit_count(f.path, "", &hidden), 1);
	CHECK_INT(hidden, 0);
	CHECK_INT(fs_read_file(f.fd, "a", 3, &data, &bytes), -EFBIG);
	CHECK_INT(fs_read_file(f.fd, "a", 4, &data, &bytes), 0);
	CHECK_INT(bytes, 4);
	CHECK_INT(memcmp(data, "t\0wo", 5), 0);
	CHECK_INT(fs_read_file(f.fd, "b", 4, &data, NULL), -ENOENT);
	CHECK_INT(fs_read_file(f.fd, ".", 4, &data, NULL), -EISDIR);
	CHECK_INT(symlinkat("a", f.fd, "link"), 0);
	CHECK_INT(fs_read_file(f.fd, "link", 4, &data, NULL), -ELOOP);
	CHECK_INT(mkfifoat(f.fd, "fifo", 0600), 0);
	CHECK_INT(fs_read_file(f.fd, "fifo", 4, &data, NULL), -EBADMSG);
	/* a symlink is replaced, not followed */
	CHECK_INT(fs_replace(&fs_real, f.fd, "link", "x", 1, 0600), 0);
	CHECK_STR(kit_read(f.path, "link"), "x");
	CHECK_INT(fstatat(f.fd, "a", &st, 0), 0);
	CHECK_INT(st.st_size, 4);
	teardown(&f);
}

TEST(failed_replace_keeps_the_old_file)
{
	struct fixture f;
	int at = 1, r = -1;

	setup(&f);
	for (; r < 0 && at < 50; at++) {
		int hidden = 9;

		CHECK_INT(fs_replace(&fs_real, f.fd, "a", "old", 3, 0600), 0);
		kit_fault_set(at, 1, ENOSPC);
		r = fs_replace(&kit_fs, f.fd, "a", "new", 3, 0600);
		CHECK(r == 0 || r == -ENOSPC);
		/* the last sync is after the rename: then it may be either */
		if (r < 0 && strchr(kit_fault.log, 'r') && kit_fault.log[at - 1] == 's' && at > 5)
			continue;
		CHECK_STR(kit_read(f.path, "a"), r < 0 ? "old" : "new");
		kit_count(f.path, "", &hidden);
		CHECK_INT(hidden, 0);
	}
	CHECK_INT(r, 0);
	CHECK_INT(at, 8);
	teardown(&f);
}

TEST(symlinks_are_replaced)
{
	char target[20] = "";
	struct fixture f;

	setup(&f);
	CHECK_INT(fs_replace_symlink(&fs_real, f.fd, "one", "l"), 0);
	CHECK_INT(symlinkat("left-over", f.fd, ".l.part"), 0);
	CHECK_INT(fs_replace_symlink(&fs_real, f.fd, "two", "l"), 0);
	CHECK_INT(readlinkat(f.fd, "l", target, sizeof(target)), 3);
	CHECK_STR(target, "two");
	CHECK_INT(mkdirat(f.fd, "d", 0755), 0);
	CHECK(fs_replace_symlink(&fs_real, f.fd, "two", "d") < 0);
	CHECK_INT(faccessat(f.fd, ".d.part", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	teardown(&f);
}

TEST(rename_never_replaces)
{
	struct fixture f;

	setup(&f);
	kit_write(f.path, "a", "a", 1, 0);
	kit_write(f.path, "b", "b", 1, 0);
	CHECK_INT(fs_rename_noreplace(&fs_real, f.fd, "a", f.fd, "b"), -EEXIST);
	CHECK_STR(kit_read(f.path, "b"), "b");
	CHECK_INT(fs_rename_noreplace(&fs_real, f.fd, "a", f.fd, "c"), 0);
	CHECK_STR(kit_read(f.path, "c"), "a");
	CHECK_INT(fs_rename_noreplace(&fs_real, f.fd, "a", f.fd, "d"), -ENOENT);
	CHECK_INT(symlinkat("nowhere", f.fd, "dangling"), 0);
	CHECK_INT(fs_rename_noreplace(&fs_real, f.fd, "c", f.fd, "dangling"), -EEXIST);
	teardown(&f);
}

static int plain_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	errno = EOPNOTSUPP;
	return flags ? -1 : renameat2(olddir, old, newdir, new, 0);
}

/* Without RENAME_NOREPLACE: by a second name. */
TEST(rename_without_a_flag_replaces_nothing)
{
	static const int others[] = { -EACCES, -EIO, -ENOSPC, -EROFS, -ENOENT, -EEXIST };
	static const int unsupported[] = { -EINVAL, -ENOSYS, -EOPNOTSUPP, -EPERM };
	struct fs_ops fs = fs_real;
	struct fixture f;
	struct stat st;

	fs.renameat2 = plain_renameat2;
	setup(&f);
	kit_write(f.path, "old", "old", 3, 0);
	kit_write(f.path, "new", "new", 3, 0);
	CHECK_INT(symlinkat("nowhere", f.fd, "link"), 0);
	CHECK_INT(fs_rename_noreplace(&fs, f.fd, "old", f.fd, "new"), -EEXIST);
	CHECK_INT(fs_rename_noreplace(&fs, f.fd, "old", f.fd, "link"), -EEXIST);
	CHECK_STR(kit_read(f.path, "new"), "new");
	CHECK_INT(fs_rename_noreplace(&fs, f.fd, "gone", f.fd, "free"), -ENOENT);
	CHECK_INT(fs_rename_noreplace(&fs, f.fd, "old", f.fd, "free"), 0);
	CHECK_STR(kit_read(f.path, "free"), "old");
	CHECK_INT(fstatat(f.fd, "free", &st, 0), 0);
	CHECK_INT(st.st_nlink, 1);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		CHECK(!fs_is_unsupported(others[i]));
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++)
		CHECK(fs_is_unsupported(unsupported[i]));
	teardown(&f);
}

TEST(folders)
{
	static const struct {
		const char *path;
		int make, open;
	} cases[] = {
		{ "x", 0, 0 },
		{ "2026/11/20", 0, 0 },
		{ "", -EINVAL, -EINVAL },
		{ "/", -EINVAL, -EINVAL },
		{ "/tmp", -EINVAL, -EINVAL },
		{ "a//b", -EINVAL, -EINVAL },
		{ "a/", -EINVAL, -EINVAL },
		{ ".", -EINVAL, -EINVAL },
		{ "..", -EINVAL, -EINVAL },
		{ "a/../b", -EINVAL, -EINVAL },
		{ "link", -ELOOP, -ELOOP },
		{ "link/x", -ELOOP, -ELOOP },
		{ "file", -ENOTDIR, -ENOTDIR },
		{ "file/x", -ENOTDIR, -ENOTDIR },
	};
	struct fixture f;
	int fd;

	setup(&f);
	CHECK_INT(symlinkat("/tmp", f.fd, "link"), 0);
	kit_write(f.path, "file", "", 0, 0);
	CHECK_INT(fs_open_folder(&fs_real, f.fd, "2026/11/20", false, &fd), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int create = 1; create >= 0; create--) {
			fd = -1;
			CHECK_INT(fs_open_folder(&fs_real, f.fd, cases[i].path, create, &fd),
				create ? cases[i].make : cases[i].open);
			if (fd >= 0)
				close(fd);
			if (test_failures)
				fprintf(stderr, "  case \"%s\"\n", cases[i].path);
		}
	}
	teardown(&f);
}

TEST(make_folders)
{
	char path[200];
	struct fixture f;

	setup(&f);
	snprintf(path, sizeof(path), "%s//a/b/../c/", f.path);
	CHECK_INT(fs_make_folders(path, 0700), 0);
	CHECK_INT(fs_make_folders(path, 0700), 0);
	CHECK_INT(kit_count(f.path, "a", NULL), 2);
	CHECK_INT(fs_make_folders("/", 0700), 0);
	CHECK_INT(fs_make_folders("", 0700), -ENOENT);
	kit_write(f.path, "file", "", 0, 0);
	snprintf(path, sizeof(path), "%s/file/x", f.path);
	CHECK_INT(fs_make_folders(path, 0700), -ENOTDIR);
	teardown(&f);
}
