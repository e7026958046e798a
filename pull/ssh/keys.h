/* SPDX-License-Identifier: MIT */
/* The key files of pullpi: one ed25519 pair per camera, readable by its owner alone. */
#pragma once

#include <libssh/libssh.h>
#include <stddef.h>

/* Makes an ed25519 key pair, `path` (0600) and `path`.pub, never replacing one. -EEXIST. */
int key_make(const char *path, const char *comment);

/*
 * Loads a private key. -ENOENT; -EPERM it is not a regular file, not ours, or others may read it;
 * -ELOOP a symlink; -EINVAL no key, or one with a passphrase. `error` gets one sentence.
 */
int key_load(const char *path, ssh_key *ret, char *error, size_t size);

/* The public half as "ssh-ed25519 AAAA...", for free(). Errors as key_load(). */
int key_public(const char *path, char **ret, char *error, size_t size);

/* "TYPE BASE64" of a public key, and "SHA256:..." of it; for free(). -ENOMEM. */
int key_text(ssh_key key, char **ret);
int key_fingerprint(ssh_key key, char **ret);
