/* SPDX-License-Identifier: MIT */
/*
 * Each line has the hash of the one before it, whoever writes it and after whatever happened; and
 * what `verify` says of an archive that somebody edited.
 */
#include "common/upkeep/repair.h"
#include "tests/unit/journal_kit.h"

#define JOURNAL "journal/00000000.jsonl"
#define LINES 5
#define HEADS 3

/* ---- an archive as text */

struct text {
	char *lines[64]; /* without newline; 0 is the header */
	size_t n;
};

static void text_clear(struct text *text)
{
	for (size_t i = 0; i < text->n; i++)
		free(text->lines[i]);
	text->n = 0;
}

static void text_load(const char *path, struct text *ret)
{
	const char *at = kit_read(path, JOURNAL);

	for (ret->n = 0; *at && ret->n < ARRAY_SIZE(ret->lines); ret->n++) {
		const size_t len = strcspn(at, "\n");

		ret->lines[ret->n] = strndup(at, len);
		at += len + (at[len] == '\n');
	}
}

static void text_save(const char *path, const struct text *text)
{
	kit_write(path, JOURNAL, "", 0, O_TRUNC);
	for (size_t i = 0; i < text->n; i++) {
		kit_write(path, JOURNAL, text->lines[i], strlen(text->lines[i]), O_APPEND);
		kit_write(path, JOURNAL, "\n", 1, O_APPEND);
	}
}

static void text_hash(const char *line, char ret[static SHA256_HEX + 1])
{
	uint8_t sha256[SHA256_BYTES];

	CHECK_INT(digest_buffer(line, strlen(line), sha256), 0);
	digest_hex(sha256, ret);
}

/* Its `prev`, "" for a line without one. */
static const char *text_prev(const char *line)
{
	static char hex[SHA256_HEX + 1];
	const char *prev = strstr(line, ",\"prev\":\"");

	snprintf(hex, sizeof hex, "%s", prev ? prev + 9 : "");
	hex[strcspn(hex, "\"")] = '\0';
	return hex;
}

/* Each line has the hash of the one before it, the first one of `from` on; the others have none. */
static void check_chain(const char *path, size_t from)
{
	CLEANUP(text_clear) struct text text = { .n = 0 };

	text_load(path, &text);
	for (size_t i = 1; i < text.n; i++) {
		char hex[SHA256_HEX + 1] = "";

		if (i >= from && i > 1)
			text_hash(text.lines[i - 1], hex);
		CHECK_STR(text_prev(text.lines[i]), hex);
	}
}

/* ---- what is written */

TEST(each_writer_chains)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record miss = kit_miss(KIT_SLOT), stored;
	struct kit_batch batch = { .n = 0 };
	struct archive_pruned pruned;
	char path[64];

	kit_make_folder(path);
	kit_publish_some(path, 2);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 2; i < 5; i++)
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_INT(kit_commit_batch(archive, &batch), 3);
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(archive_prune(archive, 1, 1, "space", &pruned), 0);
	/* a line that was read keeps nothing of its old place */
	CHECK_INT(archive_find(archive, 6, &miss), 0);
	CHECK(miss.has_prev);
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 9 * KIT_MINUTE, 9, &stored), 0);
	/* who stores is told the line as it is */
	for (int i = 0; i < 4; i++) {
		const struct record *told = i < 3 ? &batch.done[i] : &stored;

		CHECK_INT(archive_find(archive, told->seq, &miss), 0);
		CHECK(told->has_prev && memcmp(told->prev, miss.prev, SHA256_BYTES) == 0);
	}
	check_chain(path, 1);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(a_crash_breaks_nothing)
{
	static const char *const torn[] = { "{\"seq\":3,\"sl", "{\"seq\":3,\"slot\":\"x\"}",
		"\xff\xff" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(torn); i++) {
		kit_make_folder(path);
		kit_publish_some(path, 2);
		kit_write(path, JOURNAL, torn[i], strlen(torn[i]), O_APPEND);
		kit_publish_some(path, 2);
		check_chain(path, 1);
		CHECK_INT(kit_findings(path), 0);
		test_remove_folder(path);
	}
}

/* The frame of a line that the crash took gets it back, in the chain. */
TEST(recovery_chains)
{
	CLEANUP(text_clear) struct text text = { .n = 0 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[64];

	kit_make_folder(path);
	kit_publish_some(path, 4);
	text_load(path, &text);
	free(text.lines[--text.n]);
	free(text.lines[--text.n]);
	text_save(path, &text);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 2);
	check_chain(path, 1);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(segments_are_one_chain)
{
	char line[LINE_MAX_BYTES], hex[SHA256_HEX + 1];
	struct record record;
	struct fixture f;
	size_t len = 0;

	setup(&f);
	journal_chain(f.journal);
	CHECK_INT(append_miss(f.journal, SEGMENT_LINES - 1), 0);
	for (uint64_t seq = SEGMENT_LINES; seq < SEGMENT_LINES + 2; seq++) {
		uint8_t sha256[SHA256_BYTES];

		/* a new process has only the files */
		journal_free(TAKE_PTR(f.journal));
		CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, true, NULL, &f.journal), 0);
		journal_chain(f.journal);
		CHECK_INT(append_miss(f.journal, seq), 0);
		CHECK_INT(journal_read_line(f.journal, seq - 1, line, &len), 0);
		CHECK_INT(digest_buffer(line, len, sha256), 0);
		digest_hex(sha256, hex);
		CHECK_INT(journal_find(f.journal, seq, &record), 0);
		CHECK(record.has_prev && memcmp(record.prev, sha256, SHA256_BYTES) == 0);
	}
	teardown(&f);
}

/* With the last line as long as a line may be there is no place for a hash. */
TEST(a_line_keeps_its_limit)
{
	char line[LINE_MAX_BYTES + 1];
	struct fixture f;

	setup(&f);
	journal_chain(f.journal);
	memset(line, 'x', sizeof line);
	memcpy(line, "{\"seq\":1,\"x\":\"", 14);
	memcpy(line + LINE_MAX_BYTES - 3, "\"}\n", 4);
	CHECK_INT(journal_append(f.journal, 1, line, LINE_MAX_BYTES, true), -E2BIG);
	CHECK_INT(last_of(f.journal), 0);
	CHECK_INT(append_miss(f.journal, 1), 0);
	teardown(&f);
}

/* ---- what verify says */

/* An archive of LINES frames, the heads after each of its last HEADS lines, an edit, a verdict. */
struct world {
	char path[64];
	struct text text;
	struct archive_head heads[LINES];
	size_t n_heads;
	uint64_t found[VERIFY_KINDS], findings;
	struct verify_finding last;
};

static void world_begin(struct world *w)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	*w = (struct world){ .n_heads = 0 };
	kit_make_folder(w->path);
	CHECK_INT(kit_open(w->path, NULL, &archive), 0);
	for (int i = 0; i < LINES; i++) {
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
		if (i < LINES - HEADS)
			continue;
		CHECK_INT(archive_head(archive, &clock_real, &w->heads[w->n_heads]), 0);
		w->heads[w->n_heads++].time_us = KIT_SLOT + (100 + i) * KIT_MINUTE;
	}
	text_load(w->path, &w->text);
}

static void world_end(struct world *w)
{
	text_clear(&w->text);
	test_remove_folder(w->path);
}

static bool world_see(void *data, const struct verify_finding *finding)
{
	struct world *w = data;

	w->found[finding->kind]++;
	w->findings += !verify_is_note(finding->kind);
	w->last = *finding;
	return true;
}

static void world_verify(struct world *w, bool copy, bool heads)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = copy };
	const struct verify_options options = { .copy = copy,
		.heads = w->heads,
		.n_heads = heads ? w->n_heads : 0,
		.finding = world_see,
		.data = w };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;

	memset(w->found, 0, sizeof w->found);
	w->findings = 0;
	CHECK_INT(archive_open(w->path, &read, &archive), 0);
	CHECK_INT(verify_archive(archive, &options, &totals), 0);
	CHECK_INT(totals.findings, w->findings);
}

static void set_line(struct world *w, size_t seq, const char *line)
{
	free(w->text.lines[seq]);
	w->text.lines[seq] = strdup(line);
}

/* Another picture, and a line that is right for it. */
static void edit_picture_and_line(struct world *w, size_t seq)
{
	char line[LINE_MAX_BYTES], name[100], hex[SHA256_HEX + 1];
	uint8_t jpeg[KIT_JPEG_BYTES], sha256[SHA256_BYTES];

	kit_jpeg(jpeg, 1000 + seq);
	CHECK_INT(digest_buffer(jpeg, sizeof jpeg, sha256), 0);
	digest_hex(sha256, hex);
	snprintf(line, sizeof line, "%s", w->text.lines[seq]);
	memcpy(strstr(line, "\"sha256\":\"") + 10, hex, SHA256_HEX);
	set_line(w, seq, line);
	snprintf(name, sizeof name, KIT_DAY "/20261120T160%zu00Z-%08zu.jpg", seq, seq);
	kit_write(w->path, name, jpeg, sizeof jpeg, O_TRUNC);
}

/* Gives each line after `seq` the hash that it then needs. */
static void edit_chain(struct world *w, size_t seq)
{
	for (size_t i = seq + 1; i < w->text.n; i++) {
		char line[LINE_MAX_BYTES], hex[SHA256_HEX + 1];

		text_hash(w->text.lines[i - 1], hex);
		snprintf(line, sizeof line, "%s", w->text.lines[i]);
		memcpy(strstr(line, ",\"prev\":\"") + 9, hex, SHA256_HEX);
		set_line(w, i, line);
	}
}

static void edit_nothing(struct world *w)
{
	(void)w;
}

static void edit_second(struct world *w)
{
	edit_picture_and_line(w, 2);
}

static void edit_third_and_its_prev(struct world *w)
{
	edit_picture_and_line(w, 3);
	strcpy(strstr(w->text.lines[3], ",\"prev\":\""), "}");
}

static void edit_last(struct world *w)
{
	edit_picture_and_line(w, LINES);
}

static void edit_from_second_on(struct world *w)
{
	edit_picture_and_line(w, 2);
	edit_chain(w, 2);
}

static void remove_picture(const struct world *w, int seq)
{
	char name[200];

	snprintf(name, sizeof name, "%s/" KIT_DAY "/20261120T160%d00Z-%08d.jpg", w->path, seq, seq);
	CHECK_INT(unlink(name), 0);
}

static void edit_cut(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		remove_picture(w, LINES - i);
		free(w->text.lines[--w->text.n]);
	}
}

static void edit_cut_front(struct world *w)
{
	for (int seq = 1; seq <= 2; seq++) {
		remove_picture(w, seq);
		free(w->text.lines[seq]);
	}
	w->text.n -= 2;
	memmove(&w->text.lines[1], &w->text.lines[3], (w->text.n - 1) * sizeof(*w->text.lines));
}

TEST(each_edit_has_its_verdict)
{
	static const struct {
		const char *name;
		void (*edit)(struct world *w);
		bool alone; /* found by the archive itself */
		enum verify_kind kind; /* by the heads; VERIFY_KINDS: nothing is */
		uint64_t seq;
	} cases[] = {
		{ "nothing", edit_nothing, false, VERIFY_KINDS, 0 },
		{ "picture and line", edit_second, true, VERIFY_CHANGED, 2 },
		{ "and its prev", edit_third_and_its_prev, true, VERIFY_CHANGED, 3 },
		{ "the last line", edit_last, false, VERIFY_CHANGED, LINES },
		{ "and all after it", edit_from_second_on, false, VERIFY_FORKED, LINES - 1 },
		{ "the last lines cut off", edit_cut, false, VERIFY_CUT, LINES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int copy = 0; copy < 2; copy++) {
			struct world w;

			world_begin(&w);
			cases[i].edit(&w);
			text_save(w.path, &w.text);
			kit_write(w.path, ".writer", "", 0, 0);
			world_verify(&w, copy, true);
			if (cases[i].kind == VERIFY_KINDS)
				CHECK_INT(w.findings, 0);
			else
				CHECK_INT(w.found[cases[i].kind] > 0, 1);
			if (test_failures)
				fprintf(stderr, "  %s, copy %d\n", cases[i].name, copy);
			world_verify(&w, copy, false);
			CHECK_INT(w.found[VERIFY_CHANGED], cases[i].alone);
			world_end(&w);
		}
	}
}

/*
 * The first line that the camera has says that another one was before it. A copy may begin
 * anywhere, and of lines of 0.1 nobody can say.
 */
TEST(the_first_lines_cut_off)
{
	CLEANUP(repair_freep) struct repair *repair = NULL;
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct repair_result result;
	struct world w;

	world_begin(&w);
	edit_cut_front(&w);
	text_save(w.path, &w.text);
	world_verify(&w, true, false);
	CHECK_INT(w.findings, 0);
	world_verify(&w, false, false);
	CHECK_INT(w.findings, 1);
	CHECK_INT(w.found[VERIFY_GAP], 1);
	CHECK_INT(w.last.seq, 1);
	CHECK_INT(w.last.count, 2);

	CHECK_INT(kit_open(w.path, NULL, &archive), 0);
	CHECK_INT(repair_new(&repair), 0);
	repair_note(repair, &w.last);
	CHECK_INT(repair_carry_out(repair, archive, &clock_real, &result), 0);
	CHECK_INT(result.left, 0);
	archive_free(TAKE_PTR(archive));
	world_verify(&w, false, false);
	CHECK_INT(w.findings, 0);
	CHECK_INT(w.found[VERIFY_UNCHAINED], 1);
	world_end(&w);

	world_begin(&w);
	edit_cut_front(&w);
	for (size_t i = 1; i < 3; i++)
		strcpy(strstr(w.text.lines[i], ",\"prev\":\""), "}");
	edit_chain(&w, 2);
	text_save(w.path, &w.text);
	world_verify(&w, false, false);
	CHECK_INT(w.findings, 0);
	world_end(&w);
}

TEST(since_when)
{
	struct world w;

	world_begin(&w);
	edit_second(&w);
	text_save(w.path, &w.text);
	world_verify(&w, false, false);
	CHECK_INT(w.last.seq, 2);
	/* the third line was written after the second */
	CHECK_INT(w.last.since_us, KIT_SLOT + 2 * KIT_MINUTE);
	world_verify(&w, false, true);
	CHECK_INT(w.last.since_us, w.heads[HEADS - 1].time_us);
	world_end(&w);
}

/*
 * Lines that were stored by a version which knew no chain lost their `prev` here. After a whole one
 * they are known all the same; before the first one they are not.
 */
TEST(old_lines_of_a_copy)
{
	struct world w;

	for (size_t from = 1; from < 5; from++) {
		world_begin(&w);
		for (size_t i = from; i < 5; i++)
			if (i > 1)
				strcpy(strstr(w.text.lines[i], ",\"prev\":\""), "}");
		text_save(w.path, &w.text);
		world_verify(&w, true, false);
		CHECK_INT(w.findings, 0);
		CHECK_INT(w.found[VERIFY_UNCHAINED], from <= 2);
		edit_picture_and_line(&w, 4);
		text_save(w.path, &w.text);
		world_verify(&w, true, false);
		CHECK_INT(w.findings, from > 2);
		/* but for a head that was kept of them */
		world_verify(&w, true, true);
		CHECK_INT(w.found[VERIFY_CHANGED] > 0, 1);
		/* on the camera each line is hashed as it is */
		world_verify(&w, false, false);
		CHECK_INT(w.found[VERIFY_CHANGED], 1);
		if (test_failures)
			fprintf(stderr, "  from %zu\n", from);
		world_end(&w);
	}
}

TEST(an_archive_of_0_1_goes_on)
{
	struct world w;

	world_begin(&w);
	for (size_t i = 2; i < w.text.n; i++)
		strcpy(strstr(w.text.lines[i], ",\"prev\":\""), "}");
	text_save(w.path, &w.text);
	world_verify(&w, false, false);
	CHECK_INT(w.findings, 0);
	kit_publish_some(w.path, 2);
	check_chain(w.path, LINES + 1);
	CHECK_INT(kit_findings(w.path), 0);
	world_end(&w);
}

/* What a repair wrote again says so, and costs no finding from then on. */
TEST(a_repair_is_told_of)
{
	struct world w;
	CLEANUP(repair_freep) struct repair *repair = NULL;
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_finding finding = { .kind = VERIFY_LINE, .count = 1, .path = JOURNAL };
	struct repair_result result;

	world_begin(&w);
	w.text.lines[3][1] = 'x';
	text_save(w.path, &w.text);
	CHECK_INT(kit_open(w.path, NULL, &archive), 0);
	CHECK_INT(repair_new(&repair), 0);
	repair_note(repair, &finding);
	finding = (struct verify_finding){ .kind = VERIFY_NO_LINE,
		.seq = 3,
		.count = 1,
		.path = KIT_DAY "/20261120T160300Z-00000003.jpg" };
	repair_note(repair, &finding);
	CHECK_INT(repair_carry_out(repair, archive, &clock_real, &result), 0);
	CHECK_INT(result.restored, 1);
	archive_free(TAKE_PTR(archive));
	world_verify(&w, false, false);
	CHECK_INT(w.found[VERIFY_UNCHAINED], 1);
	CHECK_INT(w.findings, 0);
	/* the chain goes on after it */
	kit_publish_some(w.path, 1);
	world_verify(&w, false, false);
	CHECK_INT(w.found[VERIFY_UNCHAINED], 1);
	CHECK_INT(w.findings, 0);
	world_end(&w);
}

/* ---- any byte */

#define MANY 50

/* Whether somebody looks: one byte is another, in the journal or in a picture. */
static bool is_found(struct world *w, const char *name, off_t at, char change)
{
	const int fd = open(kit_path(w->path, name), O_RDWR | O_CLOEXEC);
	const struct archive_options read = { .mode = ARCHIVE_READ };
	struct verify_options options = { .heads = w->heads,
		.n_heads = 1,
		.finding = world_see,
		.data = w,
		.skip_content = strcmp(name, JOURNAL) == 0 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals = { .findings = 0 };
	char byte = 0, other;
	int r;

	CHECK_INT(pread(fd, &byte, 1, at), 1);
	other = (char)(byte ^ change);
	CHECK_INT(pwrite(fd, &other, 1, at), 1);
	r = archive_open(w->path, &read, &archive);
	if (r == 0)
		r = verify_archive(archive, &options, &totals);
	CHECK_INT(pwrite(fd, &byte, 1, at), 1);
	close(fd);
	return r < 0 || totals.findings > 0;
}

static off_t size_of(const struct world *w, const char *name)
{
	struct stat st = { .st_size = 0 };

	CHECK_INT(stat(kit_path(w->path, name), &st), 0);
	return st.st_size;
}

/* All of them with TEST_ALL in the environment: a minute. */
TEST(any_byte_is_found)
{
	const bool all = getenv("TEST_ALL") != NULL;
	uint64_t random = test_seed();
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct world w = { .n_heads = 1 };
	off_t size;

	kit_make_folder(w.path);
	kit_publish_some(w.path, MANY);
	CHECK_INT(kit_open(w.path, NULL, &archive), 0);
	CHECK_INT(archive_head(archive, &clock_real, &w.heads[0]), 0);
	archive_free(TAKE_PTR(archive));
	size = size_of(&w, JOURNAL);
	for (off_t at = 0; at < size && !test_failures; at++) {
		if (!all && test_random(&random) % 128 > 0)
			continue;
		if (!CHECK(is_found(&w, JOURNAL, at, (char)(1 << test_random(&random) % 8))))
			fprintf(stderr, "  byte %lld of the journal\n", (long long)at);
	}
	for (int i = 0; i < (all ? KIT_JPEG_BYTES : 30) && !test_failures; i++) {
		const int seq = 1 + (int)(test_random(&random) % MANY);
		char name[100];

		snprintf(name, sizeof name, KIT_DAY "/20261120T16%02d00Z-%08d.jpg", seq, seq);
		CHECK(is_found(&w, name, (off_t)(test_random(&random) % KIT_JPEG_BYTES),
			(char)(1 << test_random(&random) % 8)));
	}
	test_remove_folder(w.path);
}
