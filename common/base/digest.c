/* SPDX-License-Identifier: MIT */
/* SHA-256 through libcrypto's EVP interface, which uses the processor's own instructions. */
#include "common/base/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define READ_BYTES (64 * 1024)

struct digest {
	EVP_MD_CTX *context;
};

void digest_free(struct digest *digest)
{
	if (!digest)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

int digest_new(struct digest **ret)
{
	CLEANUP(digest_freep) struct digest *digest = calloc(1, sizeof(*digest));

	if (!digest)
		return -ENOMEM;
	digest->context = EVP_MD_CTX_new();
	/* libcrypto does not tell why: for a digest it always has, memory is what can be short */
	if (!digest->context || !EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL))
		return -ENOMEM;
	*ret = TAKE_PTR(digest);
	return 0;
}

int digest_update(struct digest *digest, const void *data, size_t bytes)
{
	return EVP_DigestUpdate(digest->context, data, bytes) ? 0 : -EIO;
}

int digest_final(struct digest *digest, uint8_t ret_sha256[static SHA256_BYTES])
{
	uint8_t sha256[EVP_MAX_MD_SIZE];

	if (!EVP_DigestFinal_ex(digest->context, sha256, NULL) ||
		!EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL))
		return -EIO;
	memcpy(ret_sha256, sha256, SHA256_BYTES);
	return 0;
}

int digest_buffer(const void *data, size_t bytes, uint8_t ret_sha256[static SHA256_BYTES])
{
	uint8_t sha256[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(data, bytes, sha256, NULL, EVP_sha256(), NULL))
		return -EIO;
	memcpy(ret_sha256, sha256, SHA256_BYTES);
	return 0;
}

int digest_fd(int fd, uint8_t ret_sha256[static SHA256_BYTES], int64_t *ret_bytes)
{
	CLEANUP(digest_freep) struct digest *digest = NULL;
	CLEANUP_FREE uint8_t *piece = malloc(READ_BYTES);
	int64_t bytes = 0;
	int r = piece ? digest_new(&digest) : -ENOMEM;

	while (r >= 0) {
		ssize_t n = read(fd, piece, READ_BYTES);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		r = digest_update(digest, piece, (size_t)n);
	}
	if (r >= 0)
		r = digest_final(digest, ret_sha256);
	if (r >= 0)
		*ret_bytes = bytes;
	return r;
}

void digest_hex(const uint8_t sha256[static SHA256_BYTES], char ret_hex[static SHA256_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_BYTES; i++) {
		ret_hex[2 * i] = digits[sha256[i] >> 4];
		ret_hex[2 * i + 1] = digits[sha256[i] & 15];
	}
	ret_hex[SHA256_HEX] = '\0';
}

int digest_parse_hex(const char *hex, size_t len, uint8_t ret_sha256[static SHA256_BYTES])
{
	uint8_t sha256[SHA256_BYTES];

	if (len != SHA256_HEX)
		return -EINVAL;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		const int high = OPENSSL_hexchar2int((unsigned char)hex[2 * i]);
		const int low = OPENSSL_hexchar2int((unsigned char)hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		sha256[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_sha256, sha256, SHA256_BYTES);
	return 0;
}
