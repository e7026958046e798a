/* SPDX-License-Identifier: MIT */
/*
 * Signatures that `ssh-keygen -Y verify` checks: SSHSIG with ed25519 and SHA-512, as OpenSSH's
 * PROTOCOL.sshsig has it, by libcrypto. The key is a PEM file that is made when it is first needed;
 * it opens no machine.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SSHSIG_BYTES 64 /* of a bare signature */
#define SSHSIG_TEXT_MAX 512
#define SSHSIG_PUBLIC_BYTES 32
#define SSHSIG_PUBLIC_MAX 96 /* "ssh-ed25519 AAAA..." */

struct sshsig {
	uint8_t signature[SSHSIG_BYTES];
	uint8_t public[SSHSIG_PUBLIC_BYTES];
};

/*
 * Signs a message with the key `name` (0600) in a folder, which is made where it is not there. The
 * same message and key have the same signature. -EBADMSG it is no such key; -ELOOP a symlink.
 */
int sshsig_sign(int folder_fd, const char *name, const char *namespace, const void *message,
	size_t bytes, struct sshsig *ret);

/* The file of a signature, and the public key as a line of an "allowed signers" file has it. */
int sshsig_format(
	const struct sshsig *sig, const char *namespace, char ret[static SSHSIG_TEXT_MAX]);
void sshsig_public(const struct sshsig *sig, char ret[static SSHSIG_PUBLIC_MAX]);
