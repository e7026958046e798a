/* SPDX-License-Identifier: MIT */
/*
 * SSHSIG. What is signed is a preamble, the namespace, an empty string, the name of the hash and
 * the hash of the message, each as an SSH string: its length in four bytes, then its bytes.
 */
#include "pull/ssh/sshsig.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/fs.h"
#include "common/base/limits.h"
#include "common/base/util.h"

#define TYPE "ssh-ed25519"
#define HASH "sha512"
#define HASH_BYTES 64
#define LINE_CHARS 70 /* of the text, as ssh-keygen has it */

struct blob {
	uint8_t data[320];
	size_t n;
};

static void blob_add(struct blob *blob, const void *data, size_t bytes)
{
	memcpy(blob->data + blob->n, data, bytes);
	blob->n += bytes;
}

static void blob_add_number(struct blob *blob, uint32_t number)
{
	const uint8_t bytes[] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number };

	blob_add(blob, bytes, sizeof bytes);
}

static void blob_add_string(struct blob *blob, const void *data, size_t bytes)
{
	blob_add_number(blob, (uint32_t)bytes);
	blob_add(blob, data, bytes);
}

static void blob_add_text(struct blob *blob, const char *text)
{
	blob_add_string(blob, text, strlen(text));
}

/* The public key, or a signature. */
static struct blob blob_typed(const void *data, size_t bytes)
{
	struct blob blob = { .n = 0 };

	blob_add_text(&blob, TYPE);
	blob_add_string(&blob, data, bytes);
	return blob;
}

static void pkey_freep(EVP_PKEY **pkey)
{
	EVP_PKEY_free(*pkey);
}

static void bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static int key_create(int folder_fd, const char *name)
{
	CLEANUP(pkey_freep) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	CLEANUP(bio_freep) BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long bytes;

	if (!pkey || !bio || !PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL))
		return -ENOMEM;
	bytes = BIO_get_mem_data(bio, &text);
	return fs_make(&fs_real, folder_fd, name, text, (size_t)bytes, 0600);
}

static int key_open(int folder_fd, const char *name, EVP_PKEY **ret)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP(bio_freep) BIO *bio = NULL;
	char no_passphrase[] = ""; /* or it asks for one on the terminal */
	EVP_PKEY *pkey;
	size_t bytes;
	int r;

	/* another process may be making it */
	flock(folder_fd, LOCK_EX);
	r = fs_read_file(folder_fd, name, KEY_FILE_MAX, &text, &bytes);
	if (r == -ENOENT)
		r = key_create(folder_fd, name);
	if (r == 0 && !text)
		r = fs_read_file(folder_fd, name, KEY_FILE_MAX, &text, &bytes);
	flock(folder_fd, LOCK_UN);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(text, (int)bytes);
	if (!bio)
		return -ENOMEM;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase);
	explicit_bzero(text, bytes);
	if (!pkey || !EVP_PKEY_is_a(pkey, "ED25519")) {
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	*ret = pkey;
	return 0;
}

int sshsig_sign(int folder_fd, const char *name, const char *namespace, const void *message,
	size_t bytes, struct sshsig *ret)
{
	CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
	struct blob blob = { .n = 0 };
	size_t sig_bytes = SSHSIG_BYTES, public_bytes = SSHSIG_PUBLIC_BYTES;
	uint8_t hash[HASH_BYTES];
	EVP_MD_CTX *context;
	struct sshsig sig;
	int r = key_open(folder_fd, name, &pkey);

	if (r < 0)
		return r;
	if (!EVP_Digest(message, bytes, hash, NULL, EVP_sha512(), NULL))
		return -EIO;
	blob_add(&blob, "SSHSIG", 6);
	blob_add_text(&blob, namespace);
	blob_add_text(&blob, "");
	blob_add_text(&blob, HASH);
	blob_add_string(&blob, hash, sizeof hash);
	context = EVP_MD_CTX_new();
	if (!context || !EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) ||
		!EVP_DigestSign(context, sig.signature, &sig_bytes, blob.data, blob.n) ||
		!EVP_PKEY_get_raw_public_key(pkey, sig.public, &public_bytes))
		r = -EIO;
	EVP_MD_CTX_free(context);
	if (r == 0)
		*ret = sig;
	return r;
}

int sshsig_format(const struct sshsig *sig, const char *namespace, char ret[static SSHSIG_TEXT_MAX])
{
	const struct blob public = blob_typed(sig->public, sizeof sig->public);
	const struct blob signature = blob_typed(sig->signature, sizeof sig->signature);
	struct blob blob = { .n = 0 };
	char base64[sizeof blob.data * 4 / 3 + 4];
	int n, used = snprintf(ret, SSHSIG_TEXT_MAX, "-----BEGIN SSH SIGNATURE-----\n");

	if (strlen(namespace) > 32)
		return -EINVAL;
	blob_add(&blob, "SSHSIG", 6);
	blob_add_number(&blob, 1);
	blob_add_string(&blob, public.data, public.n);
	blob_add_text(&blob, namespace);
	blob_add_text(&blob, "");
	blob_add_text(&blob, HASH);
	blob_add_string(&blob, signature.data, signature.n);
	n = EVP_EncodeBlock((unsigned char *)base64, blob.data, (int)blob.n);
	for (int at = 0; at < n; at += LINE_CHARS)
		used += snprintf(ret + used, (size_t)(SSHSIG_TEXT_MAX - used), "%.*s\n", LINE_CHARS,
			base64 + at);
	snprintf(ret + used, (size_t)(SSHSIG_TEXT_MAX - used), "-----END SSH SIGNATURE-----\n");
	return 0;
}

void sshsig_public(const struct sshsig *sig, char ret[static SSHSIG_PUBLIC_MAX])
{
	const struct blob blob = blob_typed(sig->public, sizeof sig->public);
	char base64[sizeof blob.data * 4 / 3 + 4];

	EVP_EncodeBlock((unsigned char *)base64, blob.data, (int)blob.n);
	snprintf(ret, SSHSIG_PUBLIC_MAX, TYPE " %.80s", base64);
}
