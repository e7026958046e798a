/* SPDX-License-Identifier: MIT */
/* SHA-256 against NIST's examples (FIPS 180-4 examples, SHAVS), in one piece and in many. */
#include "common/base/digest.h"

#include <sys/mman.h>

#include "common/base/util.h"
#include "tests/test.h"

#define MILLION 1000000

static const struct {
	const char *text, *hex;
} vectors[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmn"
	  "opqrlmnopqrsmnopqrstnopqrstu",
		"cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};
static const char million_a[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(whole_buffers)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t sha256[SHA256_BYTES];
		char hex[SHA256_HEX + 1];

		CHECK_INT(digest_buffer(vectors[i].text, strlen(vectors[i].text), sha256), 0);
		digest_hex(sha256, hex);
		CHECK_STR(hex, vectors[i].hex);
	}
}

/* The same object again and again: final makes it ready for the next. */
TEST(in_pieces)
{
	CLEANUP(digest_freep) struct digest *digest = NULL;

	if (!CHECK(digest_new(&digest) == 0))
		return;
	for (size_t piece = 1; piece < 70; piece += 7) {
		for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
			const size_t len = strlen(vectors[i].text);
			uint8_t sha256[SHA256_BYTES];
			char hex[SHA256_HEX + 1];

			for (size_t at = 0; at < len; at += piece)
				CHECK_INT(digest_update(digest, vectors[i].text + at,
						  len - at < piece ? len - at : piece),
					0);
			CHECK_INT(digest_final(digest, sha256), 0);
			digest_hex(sha256, hex);
			CHECK_STR(hex, vectors[i].hex);
		}
	}
}

TEST(of_a_file)
{
	CLEANUP_FREE char *data = malloc(MILLION);
	CLEANUP_FD int fd = memfd_create("digest", MFD_CLOEXEC);
	uint8_t sha256[SHA256_BYTES];
	char hex[SHA256_HEX + 1];
	int64_t bytes = -1;

	if (!CHECK(data && fd >= 0))
		return;
	memset(data, 'a', MILLION);
	CHECK(write(fd, "xyz", 3) == 3 && write(fd, data, MILLION) == MILLION);

	/* from where it stands on, not from its start */
	CHECK_INT(lseek(fd, 3, SEEK_SET), 3);
	CHECK_INT(digest_fd(fd, sha256, &bytes), 0);
	digest_hex(sha256, hex);
	CHECK_STR(hex, million_a);
	CHECK_INT(bytes, MILLION);

	CHECK_INT(digest_fd(fd, sha256, &bytes), 0);
	digest_hex(sha256, hex);
	CHECK_STR(hex, vectors[0].hex);
	CHECK_INT(bytes, 0);
}

TEST(of_no_file)
{
	uint8_t sha256[SHA256_BYTES];
	int64_t bytes = -7;

	CHECK_INT(digest_fd(-1, sha256, &bytes), -EBADF);
	CHECK_INT(bytes, -7);
}

TEST(reads_hex)
{
	static const char good[] =
		"00ff10aBCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123";
	uint8_t sha256[SHA256_BYTES] = { 0 };
	char text[SHA256_HEX + 2], hex[SHA256_HEX + 1];

	CHECK_INT(digest_parse_hex(good, SHA256_HEX, sha256), 0);
	CHECK_INT(sha256[0], 0);
	CHECK_INT(sha256[1], 0xff);
	CHECK_INT(sha256[3], 0xab);
	CHECK_INT(sha256[31], 0x23);
	digest_hex(sha256, hex);
	CHECK(strcasecmp(hex, good) == 0 && strchr(hex, 'A') == NULL);

	memset(sha256, 7, sizeof(sha256));
	CHECK_INT(digest_parse_hex(good, SHA256_HEX - 1, sha256), -EINVAL);
	snprintf(text, sizeof(text), "%s0", good);
	CHECK_INT(digest_parse_hex(text, SHA256_HEX + 1, sha256), -EINVAL);
	for (const char *c = "g/:@`G -"; *c; c++) {
		snprintf(text, sizeof(text), "%s", good);
		text[SHA256_HEX - 1] = *c;
		CHECK_INT(digest_parse_hex(text, SHA256_HEX, sha256), -EINVAL);
	}
	CHECK_INT(sha256[0], 7);
}
