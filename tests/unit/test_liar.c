/* SPDX-License-Identifier: MIT */
/*
 * Cameras that lie, to a sync and to a fetch: each ends with a clear error and the right exit code,
 * after a bounded number of bytes, in bounded memory, and the archive is as it was. Time is made
 * here: a peer that drips for hours takes no time.
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/commands/cli.h"
#include "pull/session/session.h"
#include "tests/unit/pull_kit.h"

#define NEWEST 3 /* what the archive has before: frames 1 to 3; the camera has up to LAST */
#define LAST 40
#define BYTES_MAX (64 * 1024 * 1024) /* that a liar is listened to at most */
#define MEMORY_MAX_KB KIT_MEMORY_KB(32 * 1024)

static int64_t skipped_ns; /* time that went by here and nowhere else */

/* Stands before libc's own. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	int64_t ns = syscall(SYS_clock_gettime, id, ret) < 0
		? 0
		: ret->tv_sec * NS_PER_SEC + ret->tv_nsec + skipped_ns;

	*ret = (struct timespec){ ns / NS_PER_SEC, ns % NS_PER_SEC };
	return 0;
}

int nanosleep(const struct timespec *request, struct timespec *ret)
{
	(void)ret;
	skipped_ns += request->tv_sec * NS_PER_SEC + request->tv_nsec;
	return 0;
}

/* What a camera says, without an end where `again` is set: that part is said over and over. */
struct liar {
	struct stream stream;
	char *text, *again;
	size_t len, again_len, pos;
	int64_t drip_ns; /* a byte of that each so often; 0: all at once */
	int64_t said;
};

static ssize_t liar_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct liar *liar = (struct liar *)stream;
	char *to = data;
	size_t n = 0;

	if (liar->drip_ns && (liar->pos == liar->len || liar->text == liar->again)) {
		if (clock_mono_ns(&clock_real) + liar->drip_ns > deadline_ns) {
			skipped_ns += deadline_left_us(deadline_ns) * NS_PER_US + NS_PER_US;
			return -ETIMEDOUT;
		}
		skipped_ns += liar->drip_ns;
		bytes = 1;
	}
	while (n < bytes && n < 65536) {
		if (liar->pos == liar->len) {
			if (!liar->again || (n > 0 && liar->drip_ns))
				break;
			liar->text = liar->again;
			liar->len = liar->again_len;
			liar->pos = 0;
		}
		to[n++] = liar->text[liar->pos++];
	}
	liar->said += (int64_t)n;
	return liar->said > BYTES_MAX ? -EDEADLK : (ssize_t)n;
}

static int liar_write(struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	(void)stream, (void)data, (void)bytes, (void)deadline_ns;
	return 0;
}

static const struct stream_ops liar_ops = { liar_read, liar_write, stream_shut_nothing,
	stream_no_error, stream_free_nothing };

static struct {
	char folder[64];
	struct camera_settings camera;
	struct liar liar;
	int connections;
} run;

static int connect_liar(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	(void)camera, (void)command, (void)deadline_ns;
	*ret_why = run.connections > 0 ? CONNECT_SILENT : CONNECT_DONE;
	if (run.connections++ > 0) {
		snprintf(error, size, "nobody there");
		return CLI_TEMPFAIL;
	}
	*ret_stream = &run.liar.stream;
	return CLI_OK;
}

static void begin(void)
{
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE, .camera = "garden", .id = KIT_ID, .copy = true
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;

	memset(&run, 0, sizeof run);
	kit_make_folder(run.folder);
	snprintf(run.camera.name, sizeof run.camera.name, "garden");
	snprintf(run.camera.archive, sizeof run.camera.archive, "%s/archive", run.folder);
	CHECK_INT(archive_open(run.camera.archive, &options, &archive), 0);
	for (uint64_t seq = 1; seq <= NEWEST; seq++) {
		CLEANUP(partial_freep) struct partial *partial = NULL;
		uint8_t jpeg[KIT_JPEG_BYTES];
		struct record frame = wire_frame(seq, jpeg);

		CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
		CHECK_INT(partial_write(partial, jpeg, sizeof jpeg), 0);
		CHECK_INT(kit_commit(archive, partial), 0);
	}
}

/* ---- what the archive is */

static uint8_t picture_sum[SHA256_BYTES];

static int add_to_picture(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	CLEANUP(digest_freep) struct digest *digest = NULL;
	const char *name = path + ftw->base;
	CLEANUP_FREE char *data = NULL;
	uint8_t sha256[SHA256_BYTES];
	size_t bytes;

	(void)st;
	/* locks and memory aids are nobody's contents; what came of a frame is hidden */
	if (flag != FTW_F || (name[0] == '.' && !strstr(name, ".part")) ||
		strcmp(name, "retention") == 0)
		return 0;
	CHECK_INT(fs_read_file(AT_FDCWD, path, 1 << 20, &data, &bytes), 0);
	CHECK_INT(digest_new(&digest), 0);
	CHECK_INT(digest_update(digest, path, strlen(path)), 0);
	CHECK_INT(digest_update(digest, data, bytes), 0);
	CHECK_INT(digest_final(digest, sha256), 0);
	for (int i = 0; i < SHA256_BYTES; i++)
		picture_sum[i] ^= sha256[i];
	return 0;
}

/* All that is visible in the whole folder, so that what is outside of the archive counts too. */
static void picture(uint8_t ret[static SHA256_BYTES])
{
	memset(picture_sum, 0, sizeof picture_sum);
	nftw(run.folder, add_to_picture, 16, FTW_PHYS);
	memcpy(ret, picture_sum, SHA256_BYTES);
}

/* ---- the lies */

struct text {
	FILE *out;
	char *data;
	size_t len;
};

static void line_of(FILE *out, uint64_t seq)
{
	char line[LINE_MAX_BYTES + 1];
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	CHECK(record_format(&frame, line) > 0);
	fputs(line, out);
}

/* A frame's line with `from` in it replaced by `to`, then its bytes. */
static void forged(FILE *out, uint64_t seq, const char *from, const char *to)
{
	char line[LINE_MAX_BYTES + 1], *at;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	CHECK(record_format(&frame, line) > 0);
	at = strstr(line, from);
	CHECK(at);
	if (at)
		fprintf(out, "%.*s%s%s", (int)(at - line), line, to, at + strlen(from));
	fwrite(jpeg, 1, sizeof jpeg, out);
}

static void greet(FILE *out, uint64_t last)
{
	fprintf(out,
		"{\"capturepi\":1,\"id\":\"%s\",\"camera\":\"garden\",\"first\":1,"
		"\"last\":%llu,\"now\":\"2026-11-20T16:01:00Z\"}\n",
		KIT_ID, (unsigned long long)last);
}

static void deep(FILE *out)
{
	for (int i = 0; i < 2000; i++)
		fputs("{\"a\":", out);
}

/* The answer after the greeting, which a sync takes for a list and a fetch for its frame. */
static const struct lie {
	const char *name;
	int code;
	const char *answer; /* in place of which the functions below speak */
	const char *again;
	const char *from, *to; /* a forged frame */
} lies[] = {
	{ "nothing", CLI_PROTOCOL, "", NULL, NULL, NULL },
	{ "garbage", CLI_PROTOCOL, "\x80\xff\x01 hello\n", NULL, NULL, NULL },
	{ "zeros without end", CLI_PROTOCOL, "", "zero", NULL, NULL },
	{ "a line without end", CLI_PROTOCOL, "{\"seq\":4,\"x\":\"", "aaaaaaaa", NULL, NULL },
	{ "comments without end", CLI_PROTOCOL, "", "# wait\n", NULL, NULL },
	{ "newlines without end", CLI_PROTOCOL, "", "\n", NULL, NULL },
	{ "deep", CLI_PROTOCOL, "deep", NULL, NULL, NULL },
	{ "deep arrays", CLI_PROTOCOL, "", "[", NULL, NULL },
	{ "negative size", CLI_PROTOCOL, NULL, NULL, "\"bytes\":3000", "\"bytes\":-3000" },
	{ "huge size", CLI_PROTOCOL, NULL, NULL, "\"bytes\":3000", "\"bytes\":9999999999" },
	{ "more than 64 bits", CLI_PROTOCOL, NULL, NULL, "\"bytes\":3000",
		"\"bytes\":99999999999999999999999" },
	{ "size with a fraction", CLI_PROTOCOL, NULL, NULL, "\"bytes\":3000", "\"bytes\":3e3" },
	{ "negative number", CLI_PROTOCOL, NULL, NULL, "\"seq\":4", "\"seq\":-4" },
	{ "no number", CLI_PROTOCOL, NULL, NULL, "\"seq\":4", "\"seq\":0" },
	{ "number as text", CLI_PROTOCOL, NULL, NULL, "\"seq\":4", "\"seq\":\"4\"" },
	{ "two kinds", CLI_PROTOCOL, NULL, NULL, "\"seq\":4", "\"seq\":4,\"miss\":\"camera\"" },
	{ "path up", CLI_PROTOCOL, NULL, NULL, "\"file\":\"2026", "\"file\":\"../../2026" },
	{ "absolute path", CLI_PROTOCOL, NULL, NULL, "\"file\":\"2026", "\"file\":\"/tmp/2026" },
	{ "NUL in the name", CLI_PROTOCOL, NULL, NULL, "\"file\":\"2026",
		"\"file\":\"\\u00002026" },
	{ "newline in the name", CLI_PROTOCOL, NULL, NULL, "\"file\":\"2026",
		"\"file\":\"\\n2026" },
	{ "another frame's name", CLI_PROTOCOL, NULL, NULL, "-00000004.jpg", "-00000005.jpg" },
	{ "a year of five digits", CLI_PROTOCOL, NULL, NULL, "\"slot\":\"2026",
		"\"slot\":\"20262" },
	{ "a short hash", CLI_PROTOCOL, NULL, NULL, "\"sha256\":\"", "\"sha256\":\"00" },
};

static void make_lie(const struct lie *lie, FILE *out)
{
	greet(out, LAST);
	if (lie->from)
		forged(out, 4, lie->from, lie->to);
	else if (strcmp(lie->answer, "deep") == 0)
		deep(out);
	else
		fputs(lie->answer, out);
	if (lie->again && strcmp(lie->again, "zero") == 0) {
		run.liar.again = calloc(1, 4096);
		run.liar.again_len = 4096;
	} else if (lie->again) {
		run.liar.again = strdup(lie->again);
		run.liar.again_len = strlen(lie->again);
	}
}

static void let_loose(struct text *text)
{
	fclose(text->out);
	run.liar.stream.ops = &liar_ops;
	run.liar.text = text->data;
	run.liar.len = text->len;
}

static long memory_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static int pull_now(enum session_plan plan, char error[static PULL_ERROR_MAX])
{
	const struct session_options options = { .plan = plan,
		.camera = &run.camera,
		.since_us = TIME_NONE,
		.deadline_ns = DEADLINE_NONE,
		.silent_max_us = 600 * US_PER_SEC,
		.connect = connect_liar };
	struct session_result result;
	int code = session_pull(&options, &result);

	/* the link is tried again, and nobody is there: what was before that counts */
	if (run.connections > 1)
		code = CLI_TEMPFAIL;
	snprintf(error, PULL_ERROR_MAX, "%s", result.error);
	return code;
}

/* Both commands against what was prepared, one after the other. */
static void expect(const char *name, bool sync, int code)
{
	uint8_t before[SHA256_BYTES], after[SHA256_BYTES];
	char error[PULL_ERROR_MAX];
	long kb = memory_kb();
	int got;

	picture(before);
	got = pull_now(sync ? PLAN_BACKLOG : PLAN_NEWEST, error);
	picture(after);
	if (got != code || !*error || memcmp(before, after, SHA256_BYTES) != 0)
		printf("%s, %s: code %d \"%s\"\n", name, sync ? "sync" : "fetch", got, error);
	CHECK_INT(got, code);
	CHECK(*error);
	CHECK(memcmp(before, after, SHA256_BYTES) == 0);
	CHECK(run.liar.said <= BYTES_MAX);
	CHECK(memory_kb() - kb < MEMORY_MAX_KB);
}

static void end(struct text *text)
{
	free(text->data);
	free(run.liar.again);
	test_remove_folder(run.folder);
}

TEST(to_both)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(lies); i++) {
		const struct lie *lie = &lies[i / 2];
		struct text text = { 0 };

		begin();
		text.out = open_memstream(&text.data, &text.len);
		make_lie(lie, text.out);
		let_loose(&text);
		expect(lie->name, i % 2, lie->code);
		end(&text);
	}
}

/* Lists that are none, as a sync sees them. `make` says what comes after the greeting. */
static void lists(const char *name, int code, uint64_t last, void (*make)(FILE *out))
{
	struct text text = { 0 };

	begin();
	text.out = open_memstream(&text.data, &text.len);
	greet(text.out, last);
	make(text.out);
	let_loose(&text);
	expect(name, true, code);
	end(&text);
}

static void a_million(FILE *out)
{
	for (uint64_t seq = NEWEST + 1; seq < 3000; seq++)
		line_of(out, seq);
}

/* Each may belong to a later list, but not so many. */
static void past_the_list(FILE *out)
{
	static const char line[] =
		"{\"seq\":500000,\"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"busy\"}\n";

	line_of(out, 4);
	run.liar.again = strdup(line);
	run.liar.again_len = strlen(line);
}

static void same_again(FILE *out)
{
	line_of(out, 4);
	line_of(out, 4);
}

static void backwards(FILE *out)
{
	line_of(out, 5);
	line_of(out, 3);
}

/* All right up to here; then the frames come in another order than they were asked for. */
static void other_order(FILE *out)
{
	line_of(out, 4);
	line_of(out, 5);
	fputs(".\n", out);
	forged(out, 4, "\"seq\":4", "\"seq\":4");
}

static void no_frame(FILE *out)
{
	line_of(out, 4);
	fputs(".\n.\n", out);
}

static void resized(FILE *out)
{
	line_of(out, 4);
	fputs(".\n", out);
	forged(out, 4, "\"bytes\":3000", "\"bytes\":2999");
}

/* Another history, and lines without end when it is asked where that begins. */
static void no_border(FILE *out)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record other = wire_frame(NEWEST, jpeg);
	char line[LINE_MAX_BYTES + 1];

	other.slot_us += 600 * US_PER_SEC;
	CHECK(record_format(&other, line) > 0);
	fprintf(out, "%s.\n", line);
	for (uint64_t seq = NEWEST + 1; seq < LAST; seq++)
		line_of(out, seq);
}

TEST(to_a_sync)
{
	lists("no border of histories", CLI_PROTOCOL, LAST, no_border);
	lists("a million lines", CLI_PROTOCOL, LAST, a_million);
	lists("lines past the list", CLI_PROTOCOL, LAST, past_the_list);
	lists("a line twice", CLI_PROTOCOL, LAST, same_again);
	lists("lines of another list", CLI_PROTOCOL, LAST, backwards);
	lists("another order", CLI_PROTOCOL, LAST, other_order);
	lists("no frame", CLI_PROTOCOL, LAST, no_frame);
	lists("another size", CLI_PROTOCOL, LAST, resized);
}

/* A byte every ten seconds is never silence. */
TEST(dripping)
{
	for (int i = 0; i < 6; i++) {
		struct text text = { 0 };
		int64_t start_ns;

		begin();
		text.out = open_memstream(&text.data, &text.len);
		if (i >= 2)
			greet(text.out, LAST);
		if (i >= 4)
			line_of(text.out, 4);
		let_loose(&text);
		run.liar.again = strdup("{\"seq\":4,\"x\":\"yyyyyyyyyyyy");
		run.liar.again_len = strlen(run.liar.again);
		run.liar.drip_ns = 10 * NS_PER_SEC;
		start_ns = clock_mono_ns(&clock_real);
		expect("dripping", i % 2, CLI_TEMPFAIL);
		CHECK(clock_mono_ns(&clock_real) - start_ns < 24 * 3600 * NS_PER_SEC);
		end(&text);
	}
}

/* ---- numbers that no camera can have come to */

/* What a camera with up to LAST lines says: an honest one, after the liar. */
static void honest(FILE *out)
{
	uint8_t jpeg[KIT_JPEG_BYTES];

	for (uint64_t seq = NEWEST; seq <= NEWEST + 2; seq++)
		line_of(out, seq);
	fputs(".\n", out);
	for (uint64_t seq = NEWEST + 2; seq > NEWEST; seq--) {
		line_of(out, seq);
		kit_jpeg(jpeg, seq);
		fwrite(jpeg, 1, sizeof jpeg, out);
	}
}

/* A sync with such a camera; everything that it has arrives. */
static void expect_honest(void)
{
	struct text text = { 0 };
	char error[PULL_ERROR_MAX];

	free(run.liar.text);
	free(run.liar.again);
	run.liar = (struct liar){ 0 };
	run.connections = 0;
	text.out = open_memstream(&text.data, &text.len);
	greet(text.out, NEWEST + 2);
	honest(text.out);
	let_loose(&text);
	CHECK_INT(pull_now(PLAN_BACKLOG, error), CLI_OK);
	CHECK_STR(error, "");
	CHECK_INT(count_frames(run.camera.archive), NEWEST + 2);
}

/* A lie to a sync, which changes nothing, and an honest camera after it. */
static void mended(const char *name, uint64_t last, void (*make)(FILE *out))
{
	struct text text = { 0 };

	begin();
	text.out = open_memstream(&text.data, &text.len);
	greet(text.out, last);
	if (make)
		make(text.out);
	let_loose(&text);
	expect(name, true, CLI_PROTOCOL);
	expect_honest();
	end(&(struct text){ .data = run.liar.text });
}

static void empty_lists(FILE *out)
{
	line_of(out, NEWEST);
	for (int i = 0; i < 100; i++)
		fputs(".\n", out);
}

TEST(numbers_out_of_reach)
{
	mended("the highest number", SEQ_MAX, empty_lists);
	mended("a jump too far", NEWEST + SEQ_JUMP_MAX + 1, NULL);
	/* within reach, but nothing came that proves it */
	mended("a last line that is not listed", NEWEST + SEQ_JUMP_MAX, empty_lists);
	mended("a last line that is not listed", NEWEST + 1, empty_lists);
}
