/* SPDX-License-Identifier: MIT */
/* Following scripted cameras: what is asked for, what is told, what each failure leaves behind. */
#include "pull/session/session.h"

#include "common/commands/cli.h"
#include "tests/unit/pull_kit.h"

#define OTHER_ID "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11"
#define CONNECTIONS_MAX 4

/* The connections of one run; where the last one has ended, so has the run. */
static struct {
	char folder[64];
	struct camera_settings camera;
	struct peer peers[CONNECTIONS_MAX];
	char commands[CONNECTIONS_MAX][128];
	int n_peers, n_used;
	char events[64]; /* C connected, F frame, L lost, E failed, S status; ALIVE is left out */
	char error[PULL_ERROR_MAX]; /* of the last E */
	int code;
	int64_t pause_us;
} run;

static int connect_peer(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	(void)camera, (void)deadline_ns;
	if (run.n_used == run.n_peers) {
		snprintf(error, size, "nobody there");
		*ret_why = CONNECT_SILENT;
		return CLI_TEMPFAIL;
	}
	*ret_why = CONNECT_DONE;
	snprintf(run.commands[run.n_used], sizeof run.commands[0], "%s", command);
	*ret_stream = peer_start(&run.peers[run.n_used++]);
	return CLI_OK;
}

static bool tell(void *data, enum session_event event, const struct session_result *state)
{
	static const char letters[] = "CF-LESK";
	size_t n = strlen(run.events);
	bool last = run.n_used == run.n_peers && (event == SESSION_LOST || event == SESSION_FAILED);

	(void)data;
	if (event != SESSION_ALIVE && CHECK(n < sizeof run.events - 1))
		run.events[n] = letters[event];
	if (event == SESSION_FAILED) {
		snprintf(run.error, sizeof run.error, "%s", state->error);
		run.code = state->code;
		run.pause_us = state->pause_us;
	}
	return !last || state->connected;
}

static void run_init(void)
{
	memset(&run, 0, sizeof run);
	kit_make_folder(run.folder);
	snprintf(run.camera.name, sizeof run.camera.name, "garden");
	snprintf(run.camera.archive, sizeof run.camera.archive, "%s/archive", run.folder);
}

/* Follows all the peers to their end. */
static void follow(void)
{
	const struct session_options options = { .plan = PLAN_FOLLOW,
		.camera = &run.camera,
		.deadline_ns = DEADLINE_NONE,
		.tell = tell,
		.connect = connect_peer };
	struct session_result result;

	session_pull(&options, &result);
	CHECK_INT(run.n_used, run.n_peers);
	for (int i = 0; i < run.n_peers; i++)
		peer_end(&run.peers[i]);
}

static void run_end(int frames)
{
	CHECK_INT(count_frames(run.camera.archive), frames);
	test_remove_folder(run.folder);
}

static struct peer *camera(const char *id, uint64_t last)
{
	struct peer *peer = &run.peers[run.n_peers++];

	peer_init(peer);
	say_greeting(peer, id, last);
	return peer;
}

/* The same, which has the last line that is held, number 5. */
static struct peer *camera_to_compare(uint64_t last)
{
	struct peer *peer = camera(KIT_ID, last);
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record line = wire_frame(5, jpeg);

	say_record(peer, &line);
	fputs(".\n", peer->out);
	return peer;
}

TEST(each_frame_is_asked_for_while_the_one_before_comes)
{
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 5);
	say_frame(peer, 5);
	fputs(".\n", peer->out);
	say_frame(peer, 6);
	say_frame(peer, 9);
	follow();
	CHECK_STR(run.events, "CFFFL");
	CHECK_STR(run.commands[0], "capturepi serve wait 0 4");
	CHECK_STR(run.peers[0].written, "wait 5 4\nwait 5 4\nwait 6 4\nwait 9 4\n");
	run_end(3);
}

TEST(a_frame_that_was_cut_short_is_gone_on_with)
{
	run_init();
	say_part(camera(KIT_ID, 5), 5, 0, KIT_JPEG_BYTES);
	say_part(camera_to_compare(6), 6, 0, 100);
	say_part(camera_to_compare(7), 6, 100, KIT_JPEG_BYTES);
	/* the first had brought something, so the second connection comes at once */
	follow();
	CHECK_STR(run.commands[1], "capturepi serve list 5 1");
	CHECK_STR(run.commands[2], "capturepi serve list 5 1");
	CHECK_STR(run.peers[2].written, "frame 6 100\nwait 6 4\n");
	CHECK_STR(run.events, "CFLCLCFL");
	run_end(2);
}

TEST(the_rest_of_a_frame_that_was_pruned)
{
	struct peer *peer;

	run_init();
	say_part(camera(KIT_ID, 6), 6, 0, 100);
	peer = camera(KIT_ID, 7);
	fputs("{\"error\":\"pruned\",\"text\":\"gone\"}\n", peer->out);
	say_frame(peer, 7);
	follow();
	CHECK_STR(run.peers[1].written, "wait 6 4\nwait 7 4\n");
	CHECK_STR(run.events, "CLCFL");
	run_end(1);
}

/* On a metered link signs of life are rare. */
TEST(heartbeat)
{
	struct peer *peer;

	run_init();
	run.camera.budget = 1000000000;
	peer = camera(KIT_ID, 6);
	say_frame(peer, 6);
	follow();
	CHECK_STR(run.commands[0], "capturepi serve wait 0 60");
	CHECK_STR(run.peers[0].written, "wait 6 60\n");
	run_end(1);
}

TEST(histories_are_never_mixed)
{
	run_init();
	say_frame(camera(KIT_ID, 5), 5);
	say_frame(camera(OTHER_ID, 9), 9);
	follow();
	CHECK_STR(run.events, "CFLE");
	CHECK_INT(run.code, CLI_PROTOCOL);
	CHECK(strstr(run.error, "another archive") != NULL);
	CHECK(run.pause_us >= 2 * US_PER_SEC);
	run_end(1);
}

/* What is damaged is passed over: the next frame is more use than the same one again. */
TEST(a_damaged_frame)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame;
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 5);
	frame = wire_frame(5, jpeg);
	say_record(peer, &frame);
	jpeg[50] ^= 1;
	fwrite(jpeg, 1, sizeof jpeg, peer->out);
	say_frame(peer, 6);
	follow();
	CHECK_STR(run.events, "CEFL");
	CHECK(strstr(run.error, "frame 5 arrived damaged") != NULL);
	run_end(1);
}

TEST(answers_that_make_no_sense)
{
	struct record miss = record_new(RECORD_MISS), old;
	uint8_t jpeg[KIT_JPEG_BYTES];

	miss.seq = 9;
	miss.slot_us = miss.last_us = KIT_SLOT;
	miss.cause = MISS_BUSY;
	old = wire_frame(5, jpeg);
	const struct record *const records[] = { &miss, &old };

	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		struct peer *peer;

		run_init();
		peer = camera(KIT_ID, 5);
		say_frame(peer, 5);
		say_record(peer, records[i]);
		follow();
		CHECK_STR(run.events, "CFE");
		CHECK_INT(run.code, CLI_PROTOCOL);
		run_end(1);
	}
}

/* A connection that ends as soon as it stands is not made again at once. */
TEST(a_camera_that_hangs_up)
{
	run_init();
	camera(KIT_ID, 5);
	follow();
	CHECK_STR(run.events, "CE");
	CHECK_INT(run.code, CLI_TEMPFAIL);
	CHECK(run.pause_us >= 2 * US_PER_SEC);
	test_remove_folder(run.folder);
}
