/* SPDX-License-Identifier: MIT */
/*
 * A whole sync with the real server behind it, cut at every byte of either direction: what was seen
 * in between is whole, in the end all is equal, and no byte of a picture came twice. TEST_EVERY=1:
 * at every byte in each way in which a link can end.
 */
#include "tests/unit/serve_kit.h"

#define FRAMES 3
#define FRAME_BYTES 61

enum end { ENDED, RESET, SILENT }; /* how the link goes; silent: what is sent vanishes */

/* A link over a socketpair that carries so many bytes down and up. */
struct wire {
	struct stream stream;
	struct stream *inner;
	int64_t down, up;
	enum end end;
	pid_t server;
};

static struct {
	char folder[64], camera[128];
	struct camera_settings settings;
	struct session_options options;
	struct session_result result;
	int64_t down, up; /* what the first connection carries */
	enum end end;
	int connections;
	int64_t down_used, up_used;
} run;

/* Stands before libc's own: a back-off need not be waited for here. */
int nanosleep(const struct timespec *request, struct timespec *ret)
{
	(void)request, (void)ret;
	return 0;
}

static ssize_t wire_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct wire *wire = (struct wire *)stream;
	ssize_t n;

	if (wire->down == 0)
		return wire->end == RESET ? -ECONNRESET : wire->end == SILENT ? -ETIMEDOUT : 0;
	n = wire->inner->ops->read(wire->inner, data,
		(int64_t)bytes < wire->down ? bytes : (size_t)wire->down, deadline_ns);
	if (n > 0) {
		wire->down -= n;
		run.down_used += n;
	}
	return n;
}

static int wire_write(struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	struct wire *wire = (struct wire *)stream;
	size_t n = (int64_t)bytes < wire->up ? bytes : (size_t)wire->up;
	int r = n > 0 ? wire->inner->ops->write(wire->inner, data, n, deadline_ns) : 0;

	wire->up -= (int64_t)n;
	run.up_used += (int64_t)n;
	if (r < 0 || n == bytes)
		return r;
	/* the server has had all that it will ever hear */
	wire->inner->ops->shutdown_write(wire->inner);
	return wire->end == SILENT ? 0 : -EPIPE;
}

static int wire_shutdown(struct stream *stream)
{
	struct wire *wire = (struct wire *)stream;

	return wire->inner->ops->shutdown_write(wire->inner);
}

static void wire_free(struct stream *stream)
{
	struct wire *wire = (struct wire *)stream;

	stream_free(wire->inner);
	waitpid(wire->server, NULL, 0);
	free(wire);
}

/* Every picture that is seen is the camera's. */
static int count_whole(void)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int seen = count_frames(run.settings.archive), whole = 0;

	if (archive_open(run.camera, &(struct archive_options){ .mode = ARCHIVE_READ }, &archive))
		return -1;
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		char name[FRAME_PATH_MAX], path[PATH_MAX];
		uint8_t here[SHA256_BYTES];
		CLEANUP_FD int fd = -1;
		struct record frame;
		int64_t bytes;

		if (archive_find(archive, seq, &frame) < 0)
			return -1;
		frame_name_path(&(struct frame_name){ frame.slot_us, seq }, name);
		snprintf(path, sizeof path, "%s/%s", run.settings.archive, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		whole += fd >= 0 && digest_fd(fd, here, &bytes) == 0 &&
			memcmp(here, frame.sha256, SHA256_BYTES) == 0;
	}
	return seen == whole ? whole : -1;
}

static int connect_server(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	static const struct stream_ops ops = { wire_read, wire_write, wire_shutdown,
		stream_no_error, wire_free };
	struct wire *wire = calloc(1, sizeof *wire);
	bool first = run.connections++ == 0;
	int fds[2];

	(void)camera, (void)deadline_ns, (void)error, (void)size;
	*ret_why = CONNECT_DONE;
	CHECK(count_whole() >= 0);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*wire = (struct wire){ .stream.ops = &ops,
		.down = first ? run.down : INT64_MAX,
		.up = first ? run.up : INT64_MAX,
		.end = run.end,
		.server = serve_start(run.camera, fds[1], fds[0], command) };
	close(fds[1]);
	CHECK_INT(stream_fd_new(fds[0], fds[0], &wire->inner), 0);
	*ret_stream = &wire->stream;
	return CLI_OK;
}

static void begin(void)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden" };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record miss = kit_miss(KIT_SLOT);

	memset(&run, 0, sizeof run);
	kit_make_folder(run.folder);
	snprintf(run.camera, sizeof run.camera, "%s/camera", run.folder);
	snprintf(run.settings.name, sizeof run.settings.name, "garden");
	snprintf(run.settings.archive, sizeof run.settings.archive, "%s/here", run.folder);
	CHECK_INT(archive_open(run.camera, &options, &archive), 0);
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		struct record frame = record_new(RECORD_FRAME);
		uint8_t jpeg[KIT_JPEG_BYTES];

		kit_jpeg(jpeg, seq);
		memcpy(jpeg + FRAME_BYTES - 2, "\xff\xd9", 2);
		frame.slot_us = KIT_SLOT + (int64_t)seq * KIT_MINUTE;
		frame.synced = true;
		CHECK_INT(archive_publish(archive, &frame, jpeg, FRAME_BYTES), 0);
	}
	CHECK_INT(archive_note(archive, &miss), 0);
	run.options = (struct session_options){ .plan = PLAN_BACKLOG,
		.camera = &run.settings,
		.since_us = TIME_NONE,
		.deadline_ns = DEADLINE_NONE,
		.connect = connect_server };
}

static struct {
	int cuts, equal, visible;
	int64_t twice;
} table;

/* One cut and what comes after it; false: the sync was over before. */
static bool cut(int64_t down, int64_t up, enum end end)
{
	int64_t bytes;
	int code;

	run.down = down;
	run.up = up;
	run.end = end;
	run.connections = 0;
	run.down_used = run.up_used = 0;
	code = session_pull(&run.options, &run.result);
	CHECK(code == CLI_OK || code == CLI_TEMPFAIL || code == CLI_PROTOCOL);
	bytes = run.result.bytes;
	/* the timer's next one, where this one did not come back by itself */
	if (code != CLI_OK) {
		CHECK(count_whole() >= 0);
		CHECK_INT(session_pull(&run.options, &run.result), CLI_OK);
		bytes += run.result.bytes;
	}
	CHECK_INT(run.result.left, 0);
	table.cuts += run.connections > 1;
	table.equal += count_whole() == FRAMES;
	table.twice += bytes - FRAMES * FRAME_BYTES;
	test_remove_folder(run.settings.archive);
	return run.connections > 1;
}

static void print_table(const char *what)
{
	printf("%s: %d cuts, %d times all %d frames equal, %lld bytes twice\n", what, table.cuts,
		table.equal, FRAMES, (long long)table.twice);
}

TEST(at_every_byte_down)
{
	static const char *const names[] = { "ended", "reset", "silent" };

	for (int end = ENDED; end <= SILENT; end++) {
		/*
		 * each end at each byte takes its time: one of them does, the others now and then
		 */
		const int64_t step = test_every(end == ENDED ? 1 : 7);
		int64_t n = 0;

		begin();
		memset(&table, 0, sizeof table);
		while (cut(n, INT64_MAX, (enum end)end))
			n += step;
		CHECK(n > FRAMES * FRAME_BYTES);
		CHECK_INT(table.cuts, n / step);
		CHECK_INT(table.equal, table.cuts + 1);
		CHECK_INT(table.twice, 0);
		print_table(names[end]);
		test_remove_folder(run.folder);
	}
}

TEST(at_every_byte_up)
{
	for (int end = ENDED; end <= SILENT; end++) {
		const int64_t step = test_every(1);
		int64_t n = 0;

		begin();
		memset(&table, 0, sizeof table);
		while (cut(INT64_MAX, n, (enum end)end))
			n += step;
		CHECK(n > 30);
		CHECK_INT(table.equal, n / step + 1);
		CHECK_INT(table.twice, 0);
		print_table("up");
		test_remove_folder(run.folder);
	}
}
