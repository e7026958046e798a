/* SPDX-License-Identifier: MIT */
/*
 * Key files. libssh checks neither owner nor mode and follows symlinks, so the files are opened and
 * checked here, and libssh gets their text.
 */
#include "pull/ssh/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/fs.h"
#include "common/base/limits.h"
#include "common/base/util.h"

static int key_write_public(int folder_fd, const char *name, ssh_key key, const char *comment)
{
	CLEANUP_FREE char *text = NULL, *line = NULL, *file = NULL;
	int r = key_text(key, &text);

	if (r < 0)
		return r;
	if (asprintf(&file, "%s.pub", name) < 0 || asprintf(&line, "%s %s\n", text, comment) < 0)
		return -ENOMEM;
	return fs_replace(&fs_real, folder_fd, file, line, strlen(line), 0644);
}

/*
 * Opens the folder for a new key, and locks it: another pairing may be making its own. Removes an
 * empty file that a full disk left in the key's place.
 */
static int key_folder_open(const char *path, const char **ret_name)
{
	char folder[PATH_MAX];
	struct stat st;
	int fd;

	if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
		return -ENAMETOOLONG;
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	flock(fd, LOCK_EX);
	*ret_name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (fstatat(fd, *ret_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		st.st_size == 0)
		unlinkat(fd, *ret_name, 0);
	return fd;
}

static int key_generate(ssh_key *ret)
{
#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 12, 0)
	return ssh_pki_generate_key(SSH_KEYTYPE_ED25519, NULL, ret);
#else
	return ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, ret);
#endif
}

int key_make(const char *path, const char *comment)
{
	CLEANUP_FD int folder_fd = -1;
	ssh_key key = NULL;
	const char *name;
	char *text = NULL;
	int r = -ENOMEM;

	folder_fd = key_folder_open(path, &name);
	if (folder_fd < 0)
		return folder_fd;
	if (key_generate(&key) == SSH_OK &&
		ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) == SSH_OK)
		r = fs_make(&fs_real, folder_fd, name, text, strlen(text), 0600);
	if (r == 0)
		r = key_write_public(folder_fd, name, key, comment);
	if (text)
		explicit_bzero(text, strlen(text));
	ssh_string_free_char(text);
	ssh_key_free(key);
	return r;
}

static int key_fail(int r, const char *path, char *error, size_t size)
{
	snprintf(error, size, "%s: %s", path, strerror(-r));
	return r;
}

static int key_check_file(int fd, const char *path, char *error, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return key_fail(-errno, path, error, size);
	if (!S_ISREG(st.st_mode))
		snprintf(error, size, "%s is not a regular file", path);
	else if (st.st_uid != geteuid())
		snprintf(error, size, "%s belongs to another user (uid %u)", path, st.st_uid);
	else if (st.st_mode & 077)
		snprintf(error, size, "others may read %s (mode %04o): chmod 600 it", path,
			st.st_mode & 07777);
	else
		return 0;
	return -EPERM;
}

/* Without it libssh may ask for a passphrase on the terminal. */
static int no_passphrase(
	const char *prompt, char *buf, size_t len, int echo, int verify, void *userdata)
{
	(void)prompt, (void)buf, (void)len, (void)echo, (void)verify, (void)userdata;
	return -1;
}

int key_load(const char *path, ssh_key *ret, char *error, size_t size)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char text[KEY_FILE_MAX];
	ssize_t n;
	int r;

	if (fd < 0)
		return key_fail(-errno, path, error, size);
	r = key_check_file(fd, path, error, size);
	if (r < 0)
		return r;
	n = read(fd, text, sizeof text - 1);
	if (n < 0)
		return key_fail(-errno, path, error, size);
	text[n] = '\0';
	if (ssh_pki_import_privkey_base64(text, NULL, no_passphrase, NULL, ret) != SSH_OK) {
		snprintf(error, size,
			"%s holds no private key that can be used without a passphrase; move it "
			"away and pair again",
			path);
		r = -EINVAL;
	}
	explicit_bzero(text, sizeof text);
	return r;
}

int key_public(const char *path, char **ret, char *error, size_t size)
{
	ssh_key key = NULL;
	int r = key_load(path, &key, error, size);

	if (r < 0)
		return r;
	r = key_text(key, ret);
	ssh_key_free(key);
	return r < 0 ? key_fail(r, path, error, size) : 0;
}

int key_text(ssh_key key, char **ret)
{
	char *base64 = NULL;
	int r;

	if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
		return -ENOMEM;
	r = asprintf(ret, "%s %s", ssh_key_type_to_char(ssh_key_type(key)), base64);
	ssh_string_free_char(base64);
	if (r < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

int key_fingerprint(ssh_key key, char **ret)
{
	unsigned char *hash = NULL;
	char *text = NULL;
	size_t bytes = 0;

	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &bytes) != 0)
		return -ENOMEM;
	text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, bytes);
	ssh_clean_pubkey_hash(&hash);
	if (!text)
		return -ENOMEM;
	*ret = strdup(text);
	ssh_string_free_char(text);
	return *ret ? 0 : -ENOMEM;
}
