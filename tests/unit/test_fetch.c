/* SPDX-License-Identifier: MIT */
/* One visit for the newest frame, against scripted cameras; what each failure leaves behind. */
#include "pull/session/session.h"

#include <netdb.h>

#include "common/archive/partial.h"
#include "common/commands/cli.h"
#include "pull/ssh/connect.h"
#include "pull/ssh/dial.h"
#include "tests/unit/pull_kit.h"

#define OTHER_ID "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11"

static struct visit {
	char folder[64];
	struct camera_settings camera;
	struct session_options options;
	struct session_result result;
	struct peer peer;
	char command[128];
	void (*between)(void); /* what is held was looked at, the camera has not been asked */
} * now;

static int connect_peer(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	struct visit *v = now;

	(void)camera, (void)deadline_ns, (void)error, (void)size;
	if (v->between)
		v->between();
	now = v;
	*ret_why = CONNECT_DONE;
	snprintf(v->command, sizeof v->command, "%s", command);
	*ret_stream = peer_start(&v->peer);
	return CLI_OK;
}

static void visit_init(struct visit *v)
{
	*v = (struct visit){ .options = { .plan = PLAN_NEWEST,
				     .deadline_ns = DEADLINE_NONE,
				     .connect = connect_peer } };
	kit_make_folder(v->folder);
	snprintf(v->camera.name, sizeof v->camera.name, "garden");
	snprintf(v->camera.archive, sizeof v->camera.archive, "%s/archive", v->folder);
	v->options.camera = &v->camera;
}

static void visit_end(struct visit *v)
{
	test_remove_folder(v->folder);
}

/* The camera to visit, with its greeting. */
static void visit_begin(struct visit *v, const char *id, uint64_t last)
{
	peer_init(&v->peer);
	say_greeting(&v->peer, id, last);
}

static int visit_receive(struct visit *v)
{
	int code;

	now = v;
	code = session_pull(&v->options, &v->result);
	if (v->peer.out)
		fclose(v->peer.out);
	peer_end(&v->peer);
	CHECK(code == CLI_OK || *v->result.error);
	return code;
}

/* The number of the last line that is held. */
static uint64_t last_held(const struct visit *v)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record last = record_new(RECORD_OTHER);

	if (archive_open(v->camera.archive, &read, &archive) == 0)
		CHECK_INT(history_last(archive, &last), 0);
	return last.seq;
}

/* A whole visit to a camera whose newest frame is `seq`. */
static int fetch_frame(struct visit *v, uint64_t seq)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	uint64_t last = last_held(v);
	struct record line;

	visit_begin(v, KIT_ID, seq);
	say_frame(&v->peer, seq);
	if (last > 0) { /* the line to compare */
		line = wire_frame(last, jpeg);
		say_record(&v->peer, &line);
		fputs(".\n", v->peer.out);
	}
	return visit_receive(v);
}

TEST(first_then_next_then_nothing)
{
	struct visit v;

	visit_init(&v);
	CHECK_INT(fetch_frame(&v, 3), CLI_OK);
	CHECK_STR(v.command, "capturepi serve latest");
	CHECK_INT(v.result.frames, 1);
	CHECK_INT(v.result.frame.seq, 3);
	CHECK_INT(access(v.result.path, R_OK), 0);
	CHECK_INT(fetch_frame(&v, 7), CLI_OK);
	CHECK_STR(v.command, "capturepi serve latest 3");
	CHECK_STR(v.peer.written, "list 3 1\n");
	CHECK_INT(v.result.frame.seq, 7);
	visit_begin(&v, KIT_ID, 7);
	fputs(".\n.\n", v.peer.out);
	CHECK_INT(visit_receive(&v), CLI_OK);
	CHECK_STR(v.command, "capturepi serve latest 7");
	CHECK(v.result.frames == 0 && v.result.has_frame);
	CHECK_INT(v.result.frame.seq, 7);
	CHECK_INT(count_frames(v.camera.archive), 2);
	visit_end(&v);
}

TEST(camera_without_a_frame)
{
	struct visit v;

	visit_init(&v);
	visit_begin(&v, KIT_ID, 0);
	fputs(".\n", v.peer.out);
	CHECK_INT(visit_receive(&v), CLI_OK);
	CHECK(v.result.frames == 0 && !v.result.has_frame);
	/* not even a folder is made for it */
	CHECK_INT(access(v.camera.archive, F_OK), -1);
	visit_end(&v);
}

static void say_line(struct visit *v, const char *file, size_t file_len, const char *rest)
{
	fprintf(v->peer.out,
		"{\"seq\":9,\"slot\":\"2026-11-20T16:10:00Z\",\"exposed\":"
		"\"2026-11-20T16:10:00Z\",\"file\":\"");
	fwrite(file, 1, file_len, v->peer.out);
	fprintf(v->peer.out,
		"\",\"bytes\":4,\"sha256\":"
		"\"32461d5b8f0d4f2dbcc4ae8fce4b6a6a7d9f8f4ef2f0b9c1f8c86db3ff0d47a5\","
		"\"boot\":\"" KIT_ID "\",\"up_ns\":1,\"synced\":true,\"late_us\":0%s}\n",
		rest);
	fwrite("\xff\xd8\xff\xd9", 1, 4, v->peer.out);
}

TEST(names_that_lead_out)
{
	static char long_name[4000];
	static const struct {
		const char *name;
		size_t len;
	} cases[] = {
		{ "../../../../etc/cron.d/x", 24 },
		{ "/etc/passwd", 11 },
		{ "20261120T161000Z-00000009.jpg/../../x", 37 },
		{ "20261120T161000Z-00000009.jpg\0.sh", 33 },
		{ "20261120T161000Z-00000009.jpg\\u0000", 35 },
		{ "20261120T161000Z-00000010.jpg", 29 }, /* of another number */
		{ "20261120T161100Z-00000009.jpg", 29 }, /* of another slot */
		{ "20261120T161000Z-9.jpg", 22 },
		{ "", 0 },
		{ long_name, sizeof long_name },
	};

	memset(long_name, 'a', sizeof long_name);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct visit v;

		visit_init(&v);
		CHECK_INT(fetch_frame(&v, 3), CLI_OK);
		visit_begin(&v, KIT_ID, 9);
		say_line(&v, cases[i].name, cases[i].len, "");
		CHECK_INT(visit_receive(&v), CLI_PROTOCOL);
		CHECK_INT(v.result.frames, 0);
		CHECK_INT(count_frames(v.folder), 1);
		visit_end(&v);
	}
}

TEST(answers_that_do_not_fit)
{
	static const struct {
		const char *says;
		uint64_t frame; /* said instead, if not 0 */
		int want;
		bool ours;
	} cases[] = {
		{ NULL, 3, CLI_PROTOCOL, false }, /* the one that is held */
		{ NULL, 2, CLI_PROTOCOL, false }, /* an older one */
		{ "{\"seq\":9,\"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"camera\"}\n", 0,
			CLI_PROTOCOL, false },
		{ "{\"error\":\"busy\",\"text\":\"later\"}\n", 0, CLI_TEMPFAIL, false },
		{ "{\"error\":\"failed\",\"text\":\"disk\"}\n", 0, CLI_PROTOCOL, false },
		{ "{\"error\":\"bad-request\",\"text\":\"what?\"}\n", 0, CLI_PROTOCOL, false },
		{ "hello\n", 0, CLI_PROTOCOL, false },
		{ "", 0, CLI_PROTOCOL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct visit v;

		visit_init(&v);
		CHECK_INT(fetch_frame(&v, 3), CLI_OK);
		visit_begin(&v, KIT_ID, 9);
		if (cases[i].frame)
			say_frame(&v.peer, cases[i].frame);
		else
			fputs(cases[i].says, v.peer.out);
		CHECK_INT(visit_receive(&v), cases[i].want);
		CHECK_INT(v.result.why == CONNECT_HERE, cases[i].ours);
		CHECK_INT(v.result.frames, 0);
		CHECK_INT(count_frames(v.folder), 1);
		visit_end(&v);
	}
}

TEST(another_archive_over_there)
{
	struct visit v;

	visit_init(&v);
	CHECK_INT(fetch_frame(&v, 3), CLI_OK);
	visit_begin(&v, OTHER_ID, 9);
	say_frame(&v.peer, 9);
	CHECK_INT(visit_receive(&v), CLI_PROTOCOL);
	CHECK(strstr(v.result.error, "mv ") != NULL);
	CHECK(strstr(v.result.error, v.camera.archive) != NULL);
	CHECK_INT(count_frames(v.folder), 1);
	visit_end(&v);
}

TEST(lost_link)
{
	static const struct {
		int end, want;
	} cases[] = {
		{ 0, CLI_PROTOCOL },
		{ -ECONNRESET, CLI_TEMPFAIL },
		{ -EPIPE, CLI_TEMPFAIL },
		{ -ETIMEDOUT, CLI_TEMPFAIL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct visit v;

		visit_init(&v);
		visit_begin(&v, KIT_ID, 9);
		v.peer.end = cases[i].end;
		say_frame(&v.peer, 9);
		fflush(v.peer.out);
		/* the last half of the picture never comes */
		fseek(v.peer.out, -KIT_JPEG_BYTES / 2, SEEK_END);
		fflush(v.peer.out);
		CHECK_INT(visit_receive(&v), cases[i].want);
		CHECK_INT(count_frames(v.folder), 0);
		/* and the next visit goes on at the byte */
		visit_begin(&v, KIT_ID, 9);
		say_part(&v.peer, 9, KIT_JPEG_BYTES / 2, KIT_JPEG_BYTES);
		fputs(".\n", v.peer.out);
		CHECK_INT(visit_receive(&v), CLI_OK);
		CHECK_STR(v.command, "capturepi serve frame 9 1500");
		CHECK_STR(v.peer.written, "latest 9\n");
		CHECK_INT(v.result.bytes, KIT_JPEG_BYTES / 2);
		CHECK_INT(v.result.resumed, 1);
		CHECK_INT(count_frames(v.folder), 1);
		visit_end(&v);
	}
}

TEST(archive_in_use)
{
	struct archive *archive = NULL;
	struct visit v;
	char pid[32];

	visit_init(&v);
	CHECK_INT(fetch_frame(&v, 3), CLI_OK);
	CHECK_INT(archive_open(v.camera.archive, &(struct archive_options){ .mode = ARCHIVE_WRITE },
			  &archive),
		0);
	/* Only the wait for the lock is without patience: the peer needs none. */
	visit_begin(&v, KIT_ID, 9);
	say_frame(&v.peer, 9);
	v.options.deadline_ns = deadline_in(200 * 1000);
	CHECK_INT(visit_receive(&v), CLI_TEMPFAIL);
	CHECK_INT(v.result.why, CONNECT_HERE);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	CHECK(strstr(v.result.error, pid) != NULL);
	archive_free(archive);
	v.options.deadline_ns = DEADLINE_NONE;
	CHECK_INT(fetch_frame(&v, 9), CLI_OK);
	visit_end(&v);
}

static struct visit other;

static void fetch_other(void)
{
	CHECK_INT(fetch_frame(&other, 9), CLI_OK);
}

TEST(somebody_else_was_faster)
{
	struct visit v;

	visit_init(&v);
	other = v;
	other.options.camera = &other.camera;
	v.between = fetch_other;
	CHECK_INT(fetch_frame(&v, 9), CLI_OK);
	CHECK_INT(v.result.frames, 0);
	CHECK_INT(v.result.frame.seq, 9);
	visit_end(&v);
}

static int free_for_others;

static void try_archive(void)
{
	const struct archive_options write = { .mode = ARCHIVE_WRITE, .id = KIT_ID, .copy = true };
	struct archive *archive = NULL;

	free_for_others = archive_open(now->camera.archive, &write, &archive);
	archive_free(archive);
}

TEST(nobody_waits_while_bytes_travel)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(9, jpeg);
	struct visit v;

	visit_init(&v);
	visit_begin(&v, KIT_ID, 9);
	say_record(&v.peer, &frame);
	fwrite(jpeg, 1, 1500, v.peer.out);
	fflush(v.peer.out);
	v.peer.between_at = v.peer.len;
	v.peer.between = try_archive;
	v.peer.piece = 100;
	fwrite(jpeg + 1500, 1, KIT_JPEG_BYTES - 1500, v.peer.out);
	free_for_others = -1;
	CHECK_INT(visit_receive(&v), CLI_OK);
	CHECK_INT(free_for_others, 0);
	CHECK_INT(v.result.frames, 1);
	visit_end(&v);
}

/*
 * Another process is in the middle of the frame: that is said at once, and its partial is left
 * alone.
 */
TEST(somebody_else_receives_it)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.id = KIT_ID,
		.copy = true,
		.wait_until_ns = deadline_in(US_PER_SEC),
		.who = "sync" };
	struct archive *archive = NULL;
	struct partial *partial = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(9, jpeg);
	struct visit v;

	visit_init(&v);
	CHECK_INT(fetch_frame(&v, 3), CLI_OK);
	CHECK_INT(archive_open(v.camera.archive, &options, &archive), 0);
	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, 1000), 0);
	archive_release(archive);
	*v.command = '\0';
	visit_begin(&v, KIT_ID, 9);
	CHECK_INT(visit_receive(&v), CLI_TEMPFAIL);
	CHECK_STR(v.command, ""); /* the camera was not asked */
	CHECK(strstr(v.result.error, "frame 9 is being received by another"));
	CHECK_INT(v.result.frame.seq, 3);
	CHECK_INT(partial_write(partial, jpeg + 1000, KIT_JPEG_BYTES - 1000), 0);
	partial_keep(partial);
	archive_free(archive);
	/* it is here in full, and was not committed */
	visit_begin(&v, KIT_ID, 9);
	say_part(&v.peer, 9, KIT_JPEG_BYTES, KIT_JPEG_BYTES);
	frame = wire_frame(3, jpeg);
	say_record(&v.peer, &frame);
	fputs(".\n.\n", v.peer.out);
	CHECK_INT(visit_receive(&v), CLI_OK);
	CHECK_STR(v.command, "capturepi serve frame 9 3000");
	CHECK_INT(v.result.frame.seq, 9);
	CHECK_INT(v.result.bytes, 0);
	visit_end(&v);
}

/* A link where a folder, a file or the archive's own parts should be, to a place outside. */
TEST(planted_links)
{
	static const char *const planted[] = { "2026", "2026/11", "2026/11/20",
		"2026/11/20/20261120T161000Z-00000009.jpg", "journal", "archive.json" };

	for (size_t i = 0; i < ARRAY_SIZE(planted); i++) {
		char outside[128], path[PATH_MAX], *slash;
		struct visit v;
		FILE *file;

		visit_init(&v);
		snprintf(outside, sizeof outside, "%s/outside", v.folder);
		snprintf(path, sizeof path, "%.200s/%s", v.camera.archive, planted[i]);
		CHECK_INT(mkdir(outside, 0777), 0);
		slash = strrchr(path, '/');
		*slash = 0;
		CHECK_INT(fs_make_folders(path, 0777), 0);
		*slash = '/';
		if (strchr(planted[i], '.')) {
			strcat(outside, "/file");
			file = fopen(outside, "w");
			fputs("precious", file);
			fclose(file);
		}
		CHECK_INT(symlink(outside, path), 0);
		visit_begin(&v, KIT_ID, 9);
		say_frame(&v.peer, 9);
		*v.command = '\0';
		CHECK(visit_receive(&v) == CLI_PROTOCOL || !*v.command);
		CHECK_INT(v.result.frames, 0);
		snprintf(outside, sizeof outside, "%s/outside", v.folder);
		CHECK_INT(count_frames(outside), 0);
		visit_end(&v);
	}
}

TEST(another_picture_of_that_name)
{
	char path[PATH_MAX], text[16] = "";
	struct visit v;
	FILE *file;

	visit_init(&v);
	CHECK_INT(fetch_frame(&v, 3), CLI_OK);
	snprintf(
		path, sizeof path, "%s/2026/11/20/20261120T161000Z-00000009.jpg", v.camera.archive);
	file = fopen(path, "w");
	fputs("mine", file);
	fclose(file);
	CHECK_INT(fetch_frame(&v, 9), CLI_PROTOCOL);
	file = fopen(path, "r");
	CHECK(fgets(text, sizeof text, file) != NULL);
	fclose(file);
	CHECK_STR(text, "mine");
	visit_end(&v);
}

TEST(codes_of_connections)
{
	static const struct {
		int error, code;
	} cases[] = {
		{ -ETIMEDOUT, CLI_TEMPFAIL },
		{ -ECONNREFUSED, CLI_TEMPFAIL },
		{ -ECONNRESET, CLI_TEMPFAIL },
		{ -EHOSTUNREACH, CLI_TEMPFAIL },
		{ -ENETUNREACH, CLI_TEMPFAIL },
		{ -EADDRNOTAVAIL, CLI_TEMPFAIL },
		{ -EKEYREJECTED, CLI_REFUSED },
		{ -ENOKEY, CLI_REFUSED },
		{ -EACCES, CLI_REFUSED },
		{ -EPERM, CLI_REFUSED },
		{ -EPROTO, CLI_PROTOCOL },
		{ -EPROTONOSUPPORT, CLI_PROTOCOL },
		{ -EBADMSG, CLI_PROTOCOL },
		{ -ENOMEM, CLI_INTERNAL },
		{ -EMFILE, CLI_INTERNAL },
		{ -ENFILE, CLI_INTERNAL },
		{ -ENOSYS, CLI_INTERNAL },
	};

	/* whatever has no place of its own is the network's */
	for (int error = 1; error < 256; error++) {
		int want = CLI_TEMPFAIL;

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			want = cases[i].error == -error ? cases[i].code : want;
		if (!CHECK(connect_code(-error) == want))
			fprintf(stderr, "  %s\n", strerror(error));
	}
}

/*
 * What the network does never looks like a refused key, a broken peer or a fault of this program.
 */
TEST(codes_of_the_network)
{
	static const int names[] = { EAI_ADDRFAMILY, EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY,
		EAI_NODATA, EAI_NONAME, EAI_OVERFLOW, EAI_SERVICE, EAI_SOCKTYPE };

	for (int error = 1; error < 256; error++) {
		const bool lack = error == ENOMEM || error == EMFILE || error == ENFILE;
		const int want = lack ? CLI_INTERNAL : CLI_TEMPFAIL;

		if (!CHECK(connect_code(dial_fault(error)) == want) ||
			!CHECK(connect_code(dial_fault_of_name(EAI_SYSTEM, error)) == want))
			fprintf(stderr, "  %s\n", strerror(error));
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_INT(connect_code(dial_fault_of_name(names[i], EACCES)), CLI_TEMPFAIL);
	CHECK_INT(connect_code(dial_fault_of_name(EAI_MEMORY, 0)), CLI_INTERNAL);
}
