/* SPDX-License-Identifier: MIT */
/* The heads that PullPi keeps: one a day, signed, whatever became of the file. */
#include "pull/session/heads.h"

#include <sys/stat.h>

#include "tests/unit/archive_kit.h"

struct world {
	char path[64], state[64], file[160];
	struct archive *archive;
	struct archive_head *list;
	size_t n;
};

static void world_begin(struct world *w, int frames)
{
	*w = (struct world){ .n = 0 };
	kit_make_folder(w->path);
	test_make_folder(w->state);
	setenv("STATE_DIRECTORY", w->state, 1);
	kit_publish_some(w->path, frames);
	CHECK_INT(kit_open(w->path, NULL, &w->archive), 0);
	snprintf(w->file, sizeof w->file, "heads-%s.jsonl", archive_id(w->archive));
}

static void world_end(struct world *w)
{
	free(w->list);
	archive_free(w->archive);
	test_remove_folder(w->path);
	test_remove_folder(w->state);
	unsetenv("STATE_DIRECTORY");
}

static void world_load(struct world *w)
{
	free(TAKE_PTR(w->list));
	CHECK_INT(heads_load(archive_id(w->archive), &w->list, &w->n), 0);
}

/* The file is as old as that. */
static void make_old(const struct world *w, int hours)
{
	const struct timespec then = { .tv_sec = time(NULL) - hours * 3600 };

	CHECK_INT(utimensat(AT_FDCWD, kit_path(w->state, w->file),
			  (const struct timespec[]){ then, then }, 0),
		0);
}

TEST(one_a_day)
{
	struct world w;

	world_begin(&w, 3);
	world_load(&w);
	CHECK_INT(w.n, 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	world_load(&w);
	CHECK_INT(w.n, 1);
	CHECK_INT(w.list[0].seq, 3);
	make_old(&w, 23);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	CHECK_INT(kit_publish(w.archive, KIT_SLOT + 9 * KIT_MINUTE, 9, NULL), 0);
	make_old(&w, 25);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	/* the clock went back */
	make_old(&w, -25);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	world_load(&w);
	CHECK_INT(w.n, 3);
	CHECK_INT(w.list[1].seq, 4);
	world_end(&w);
}

TEST(an_empty_archive_has_none)
{
	struct world w;

	world_begin(&w, 0);
	CHECK_INT(heads_keep(w.archive, &clock_real), -ENOENT);
	world_load(&w);
	CHECK_INT(w.n, 0);
	world_end(&w);
}

/* Half a line, another archive's line, nonsense. */
TEST(bad_lines_are_passed_over)
{
	static const char junk[] = "nonsense\n{\"id\":\"" KIT_ID "\",\"seq\":1}\n{\"camera\":\"x";
	struct world w;

	world_begin(&w, 3);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	kit_write(w.state, w.file, junk, sizeof junk - 1, O_APPEND);
	make_old(&w, 25);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	world_load(&w);
	CHECK_INT(w.n, 2);
	world_end(&w);
}

TEST(what_is_signed)
{
	struct heads_signed first, again;
	struct stat st = { .st_mode = 0 };
	struct world w;

	world_begin(&w, 3);
	CHECK_INT(heads_find(w.archive, 1, &first), -ENOENT);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	CHECK_INT(stat(kit_path(w.state, "head-key"), &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(heads_find(w.archive, 1, &first), 0);
	CHECK_INT(heads_find(w.archive, 3, &again), 0);
	CHECK(memcmp(&first.sig, &again.sig, sizeof first.sig) == 0);
	CHECK_INT(heads_find(w.archive, 4, &again), -ENOENT);
	/* another key now */
	CHECK_INT(unlink(kit_path(w.state, "head-key")), 0);
	CHECK_INT(heads_find(w.archive, 1, &again), -EKEYREJECTED);
	kit_write(w.state, "head-key", "nonsense", 8, O_TRUNC);
	CHECK_INT(heads_find(w.archive, 1, &again), -EBADMSG);
	/* the archive has another line by now */
	kit_write(w.path, "journal/00000000.jsonl", "", 0, O_TRUNC);
	CHECK_INT(heads_find(w.archive, 1, &again), -ENOENT);
	world_end(&w);
}

/* Of too many every other one goes, and never the first. */
TEST(they_are_bounded)
{
	static char lines[5 * 1024 * 1024];
	struct world w;
	char one[1000];
	size_t n = 0;

	world_begin(&w, 3);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	snprintf(one, sizeof one, "%.900s", kit_read(w.state, w.file));
	for (int i = 0; i < 4095; i++)
		n += (size_t)snprintf(lines + n, sizeof lines - n, "%s", one); /* 400 bytes each */
	kit_write(w.state, w.file, lines, n, O_APPEND);
	make_old(&w, 25);
	CHECK_INT(heads_keep(w.archive, &clock_real), 0);
	world_load(&w);
	CHECK_INT(w.n, 2049);
	world_end(&w);
}
