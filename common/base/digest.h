/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) through libcrypto, whole or in pieces. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/util.h"

#define SHA256_BYTES 32
#define SHA256_HEX 64

struct digest;

/* -ENOMEM. */
int digest_new(struct digest **ret);
void digest_free(struct digest *digest);
DEFINE_CLEANUP(struct digest, digest_free)

/* -EIO where libcrypto fails. */
int digest_update(struct digest *digest, const void *data, size_t bytes);
/* Ends the digest and makes it ready for the next one. */
int digest_final(struct digest *digest, uint8_t ret_sha256[static SHA256_BYTES]);

/* The digest of one buffer. */
int digest_buffer(const void *data, size_t bytes, uint8_t ret_sha256[static SHA256_BYTES]);
/* The digest of all that `fd` holds from its current offset, and how many bytes that was. */
int digest_fd(int fd, uint8_t ret_sha256[static SHA256_BYTES], int64_t *ret_bytes);

/* 64 lower-case hex digits and NUL. */
void digest_hex(const uint8_t sha256[static SHA256_BYTES], char ret_hex[static SHA256_HEX + 1]);
/* Exactly 64 hex digits; -EINVAL for anything else. */
int digest_parse_hex(const char *hex, size_t len, uint8_t ret_sha256[static SHA256_BYTES]);
