/* SPDX-License-Identifier: MIT */
/* The wire client against peers that are right, broken, hostile, or no capturepi at all. */
#include "pull/ssh/client.h"

#include "common/archive/partial.h"
#include "tests/unit/pull_kit.h"

static const struct client_options patient = { .idle_us = US_PER_SEC,
	.deadline_ns = DEADLINE_NONE };

static char error[400];

static int open_client(struct peer *peer, struct client **ret)
{
	*error = 0;
	return client_new(peer_start(peer), &patient, ret, error, sizeof error);
}

static int take_frame(struct client *client, const struct record *frame, struct archive *archive)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	int r = partial_resume(archive, frame, 0, &partial);

	for (int64_t left = frame->bytes; r == 0 && left > 0;) {
		const char *data;
		ssize_t n = client_bytes(client, (size_t)left, &data);

		if (n < 0)
			return (int)n;
		r = partial_write(partial, data, (size_t)n);
		left -= n;
	}
	if (r == 0)
		archive_commit(archive, &partial, 1, &r);
	return r;
}

TEST(greeting)
{
	struct client *client = NULL;
	struct peer peer;

	peer_init(&peer);
	peer.piece = 3;
	say_greeting(&peer, KIT_ID, 9);
	if (CHECK(open_client(&peer, &client) == 0)) {
		CHECK_STR(client_greeting(client)->id, KIT_ID);
		CHECK_STR(client_greeting(client)->camera, "garden");
		CHECK_INT(client_greeting(client)->last, 9);
	}
	client_free(client);
	peer_end(&peer);
}

static void repeat(FILE *out, const char *text, size_t times)
{
	while (times--)
		fputs(text, out);
}

/* What start-up files of the camera's login shell print, and the greeting after it. */
TEST(greeting_after_other_text)
{
	static const struct {
		const char *says;
		size_t times;
		const char *preamble;
	} cases[] = {
		{ "hi\n", 1, "hi" },
		{ "stty: 'standard input': Inappropriate ioctl for device\r\n", 1,
			"stty: 'standard input': Inappropriate ioctl for device" },
		{ "\n\n  Welcome to \033[1mgarden\033[0m\n", 1, "Welcome to ?[1mgarden?[0m" },
		{ "no newline at its end", 1, "no newline at its end" },
		{ "{\"capture", 1, "{\"capture" },
		{ "\xff\n", 1, "?" },
		{ "x", 64 * 1024, NULL },
		{ "0123456789 abcdef\n", 4096, "0123456789 abcdef" },
		{ ".\n# comment\n", 1, "." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece < 100000; piece = piece * 9 + 4) {
			struct client *client = NULL;
			struct wire_reply reply;
			struct peer peer;

			peer_init(&peer);
			peer.piece = piece;
			repeat(peer.out, cases[i].says, cases[i].times);
			say_greeting(&peer, KIT_ID, 9);
			fputs(".\n", peer.out);
			if (CHECK(open_client(&peer, &client) == 0)) {
				CHECK_INT(client_greeting(client)->last, 9);
				if (cases[i].preamble)
					CHECK_STR(client_preamble(client), cases[i].preamble);
				CHECK_INT(client_reply(client, &reply), 0);
				CHECK_INT(reply.type, WIRE_REPLY_END);
			} else {
				fprintf(stderr, "  case %zu, pieces of %zu: %s\n", i, piece, error);
			}
			client_free(client);
			peer_end(&peer);
		}
	}
}

TEST(no_greeting)
{
	static const struct {
		const char *says;
		size_t times;
		int end, want;
		const char *complaint, *word; /* what the error has to name */
	} cases[] = {
		{ "", 1, 0, -EPROTO, "sh: 1: capturepi: not found", "capturepi: not found" },
		{ "", 1, -ETIMEDOUT, -ETIMEDOUT, "", "no answer in time" },
		{ "", 1, -ECONNRESET, -ECONNRESET, "the link broke", "the link broke" },
		{ "Welcome to garden!\n", 1, 0, -EPROTO, "", "\"Welcome to garden!\"" },
		{ "\033[2Jboo\n", 1, 0, -EPROTO, "", "\"?[2Jboo\"" },
		{ "\n", 1, 0, -EPROTO, "", "without a word" },
		{ "This account is currently not available.\n", 1, 0, -EPROTO, "",
			"\"This account is currently not available.\"" },
		{ "hi", 1, 0, -EPROTO, "", "\"hi\"" },
		{ "hi\n", 1, 0, -EPROTO, "sh: 1: capturepi: not found", "\"hi\"; sh: 1:" },
		{ ".\n", 1, 0, -EPROTO, "", "not capturepi" },
		{ "{\"capturepi\":1", 1, 0, -EPROTO, "", "in the middle of a line" },
		{ "{\"capturepi\":1}\n", 1, 0, -EPROTO, "", "not capturepi" },
		{ "{\"capturepi\":2,\"id\":\"" KIT_ID "\",\"camera\":\"x\",\"first\":0,\"last\":0,"
		  "\"now\":\"2026-11-20T16:01:00Z\"}\n",
			1, 0, -EPROTONOSUPPORT, "", "the same version" },
		{ "0123456789abcdef", 256, 0, -EPROTO, "", "\"0123456789abcdef" },
		{ "0123456789abcdef", 1000000, 0, -EPROTO, "", "\"0123456789abcdef" },
		{ "thinking\n", 1000000, 0, -EPROTO, "", "\"thinking\"" },
		{ "\n", 1000000, 0, -EPROTO, "", "not capturepi" },
		{ "{\"capturepi\":1111111111", 300, 0, -EPROTO, "", "not capturepi" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client *client = NULL;
		struct peer peer;

		peer_init(&peer);
		peer.end = cases[i].end;
		peer.complaint = cases[i].complaint;
		repeat(peer.out, cases[i].says, cases[i].times);
		CHECK_INT(open_client(&peer, &client), cases[i].want);
		if (!strstr(error, cases[i].word))
			CHECK_STR(error, cases[i].word);
		client_free(client);
		peer_end(&peer);
	}
}

TEST(no_patience_left)
{
	const struct client_options late = { .idle_us = US_PER_SEC, .deadline_ns = 1 };
	struct client *client = NULL;
	struct peer peer;

	/* A peer that always has something to say must not outlive the deadline. */
	peer_init(&peer);
	say_greeting(&peer, KIT_ID, 9);
	CHECK_INT(client_new(peer_start(&peer), &late, &client, error, sizeof error), -ETIMEDOUT);
	client_free(client);
	peer_end(&peer);
}

/* A client that has had its greeting; the peer's further words are given. */
static struct client *greeted(struct peer *peer)
{
	struct client *client = NULL;

	CHECK_INT(open_client(peer, &client), 0);
	return client;
}

TEST(requests)
{
	struct client *client;
	struct peer peer;

	peer_init(&peer);
	say_greeting(&peer, KIT_ID, 0);
	client = greeted(&peer);
	CHECK_INT(client_send(client, &(struct wire_request){ .verb = WIRE_LATEST, .seq = 7 }), 0);
	CHECK_INT(client_send(client, &(struct wire_request){ .verb = WIRE_STATUS }), 0);
	CHECK_STR(peer.written, "latest 7\nstatus\n");
	client_free(client);
	peer_end(&peer);
}

TEST(answers)
{
	static const struct {
		const char *says;
		size_t times;
		int want;
		enum wire_reply_type type;
	} cases[] = {
		{ ".\n", 1, 0, WIRE_REPLY_END },
		{ "# one\n# two\n.\n", 1, 0, WIRE_REPLY_END },
		{ "{\"error\":\"busy\",\"text\":\"later\"}\n", 1, 0, WIRE_REPLY_ERROR },
		{ "{\"seq\":3,\"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"camera\"}\n", 1, 0,
			WIRE_REPLY_RECORD },
		{ "", 1, -EPROTO, 0 },
		{ ".", 1, -EPROTO, 0 },
		{ "# and no newline", 300, -EPROTO, 0 },
		{ "okay\n", 1, -EPROTO, 0 },
		{ "[1,2]\n", 1, -EPROTO, 0 },
		{ "{\"seq\":\n", 1, -EPROTO, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_reply reply = { .type = WIRE_REPLY_COMMENT };
		struct client *client;
		struct peer peer;
		int r;

		peer_init(&peer);
		say_greeting(&peer, KIT_ID, 9);
		repeat(peer.out, cases[i].says, cases[i].times);
		client = greeted(&peer);
		r = client_reply(client, &reply);
		CHECK_INT(r, cases[i].want);
		CHECK_INT(reply.type, r == 0 ? cases[i].type : WIRE_REPLY_COMMENT);
		CHECK(r == 0 || *client_error(client));
		client_free(client);
		peer_end(&peer);
	}
}

TEST(endless_comments)
{
	struct wire_reply reply;
	struct client *client;
	struct peer peer;

	peer_init(&peer);
	peer.end = -ECONNRESET; /* not to be reached */
	say_greeting(&peer, KIT_ID, 9);
	repeat(peer.out, "# never ends\n", 5000);
	client = greeted(&peer);
	CHECK_INT(client_reply(client, &reply), -EPROTO);
	CHECK(strstr(client_error(client), "comments") != NULL);
	client_free(client);
	peer_end(&peer);
}

/* An archive to write into, in a folder of its own. */
static struct archive *new_archive(char folder[static 64])
{
	struct archive *archive = NULL;

	kit_make_folder(folder);
	CHECK_INT(
		archive_open(folder,
			&(struct archive_options){ .mode = ARCHIVE_WRITE, .id = KIT_ID }, &archive),
		0);
	return archive;
}

TEST(frames_in_pieces)
{
	static const size_t pieces[] = { 1, 7, 100, 2999, 3000, 3001, SIZE_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct archive *archive;
		struct wire_reply reply;
		struct client *client;
		struct record newest;
		struct peer peer;
		char folder[64];

		archive = new_archive(folder);
		peer_init(&peer);
		peer.piece = pieces[i];
		say_greeting(&peer, KIT_ID, 9);
		say_frame(&peer, 1);
		say_frame(&peer, 2);
		fputs(".\n", peer.out);
		client = greeted(&peer);
		for (unsigned seq = 1; seq <= 2; seq++) {
			CHECK_INT(client_reply(client, &reply), 0);
			CHECK_INT(take_frame(client, &reply.record, archive), 0);
			CHECK_INT(archive_newest(archive, &newest), 0);
			CHECK_INT(newest.seq, seq);
		}
		CHECK_INT(client_reply(client, &reply), 0);
		CHECK_INT(reply.type, WIRE_REPLY_END);
		CHECK_INT(count_frames(folder), 2);
		client_free(client);
		peer_end(&peer);
		archive_free(archive);
		test_remove_folder(folder);
	}
}

enum damage { FLIPPED, NO_END_MARKER, ONE_SHORT, HALF, NOTHING, LINK_LOST, LINK_SILENT, ONE_MORE };

static void say_damaged(struct peer *peer, enum damage damage)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(1, jpeg);
	size_t bytes = sizeof jpeg;

	if (damage == FLIPPED)
		jpeg[1000] ^= 1;
	if (damage == NO_END_MARKER) {
		jpeg[sizeof jpeg - 1] = 0;
		digest_buffer(jpeg, sizeof jpeg, frame.sha256);
	}
	if (damage == ONE_SHORT)
		bytes--;
	if (damage == HALF || damage == LINK_LOST || damage == LINK_SILENT)
		bytes /= 2;
	if (damage == NOTHING)
		bytes = 0;
	if (damage == ONE_MORE)
		frame.bytes++;
	say_record(peer, &frame);
	fwrite(jpeg, 1, bytes, peer->out);
	if (damage == FLIPPED || damage == NO_END_MARKER)
		fputs(".\n", peer->out);
}

TEST(damaged_frames_leave_nothing)
{
	static const struct {
		enum damage damage;
		int end, want;
	} cases[] = {
		{ FLIPPED, 0, -EBADMSG },
		{ NO_END_MARKER, 0, -EBADMSG },
		{ ONE_SHORT, 0, -EPROTO },
		{ HALF, 0, -EPROTO },
		{ NOTHING, 0, -EPROTO },
		{ ONE_MORE, 0, -EPROTO },
		{ LINK_LOST, -ECONNRESET, -ECONNRESET },
		{ LINK_SILENT, -ETIMEDOUT, -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct archive *archive;
		struct wire_reply reply;
		struct client *client;
		struct record newest;
		struct peer peer;
		char folder[64];

		archive = new_archive(folder);
		peer_init(&peer);
		peer.end = cases[i].end;
		say_greeting(&peer, KIT_ID, 9);
		say_damaged(&peer, cases[i].damage);
		client = greeted(&peer);
		CHECK_INT(client_reply(client, &reply), 0);
		CHECK_INT(take_frame(client, &reply.record, archive), cases[i].want);
		CHECK_INT(archive_newest(archive, &newest), -ENOENT);
		CHECK_INT(count_frames(folder), 0);
		/* all its bytes were there: the next answer is still where it should be */
		if (cases[i].want == -EBADMSG) {
			CHECK_INT(client_reply(client, &reply), 0);
			CHECK_INT(reply.type, WIRE_REPLY_END);
		}
		client_free(client);
		peer_end(&peer);
		archive_free(archive);
		test_remove_folder(folder);
	}
}
