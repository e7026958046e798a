/* SPDX-License-Identifier: MIT */
/*
 * Each picture has its turn: in any order of arrival, with commands that fail or hang, and with
 * hooks that are killed at random.
 */
#include "common/events/hook.h"

#include <json-c/json.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/power_kit.h"

static char folder[64], path[80], seen[80], text[65536];
static struct archive *archive;
static struct hook_settings settings;
static const struct fs_ops *hook_fs;

static void set_up(bool copy)
{
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE, .camera = "garden", .id = KIT_ID, .copy = copy
	};

	kit_make_folder(folder);
	setenv("STATE_DIRECTORY", folder, 1);
	snprintf(path, sizeof path, "%s/archive", folder);
	snprintf(seen, sizeof seen, "%s/seen", folder);
	setenv("SEEN", seen, 1);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	settings = (struct hook_settings){ .command = "echo $2 >>$SEEN",
		.timeout_us = 60 * US_PER_SEC,
		.retry_us = US_PER_SEC,
		.tries = 3 };
}

static void tear_down(void)
{
	archive_free(archive);
	test_remove_folder(folder);
}

static void take(uint64_t seq)
{
	CHECK_INT(kit_publish(archive, KIT_SLOT + (int64_t)seq * KIT_MINUTE, seq, NULL), 0);
}

/* What a puller does with a picture of that number. */
static void receive(uint64_t seq)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record record = kit_sent(seq, KIT_SLOT + (int64_t)seq * KIT_MINUTE, jpeg);
	struct partial *partial;

	CHECK_INT(partial_resume(archive, &record, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof jpeg), 0);
	CHECK_INT(kit_commit(archive, partial), 0);
	partial_free(partial);
}

static int open_archive(const void *data, struct archive **ret)
{
	const struct archive_options options = { .mode = ARCHIVE_READ };

	(void)data;
	return archive_open(path, &options, ret);
}

/* Runs the hook once, quietly; `from` NULL: no --from. Returns its exit code. */
static int hook_once(const char *from)
{
	static const struct cli_program program = { .name = "pullpi" };
	static const struct cli_command command = { .options = hook_options };
	const struct hook_job job = {
		.settings = &settings, .open = open_archive, .camera = "gar\"den", .fs = hook_fs
	};
	struct cli cli = { .program = &program, .command = &command, .given = { NULL, from } };
	int quiet = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO), r;

	dup2(quiet, STDERR_FILENO);
	r = hook_command(&cli, &job);
	dup2(err, STDERR_FILENO);
	close(quiet);
	close(err);
	return r;
}

/* What the commands wrote since the last call, with blanks for newlines. */
static const char *hook_wrote(void)
{
	FILE *file = fopen(seen, "r");
	size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;

	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	if (file)
		fclose(file);
	unlink(seen);
	return text;
}

static int64_t hook_fact(const char *key)
{
	struct json_object *o = hook_object("pullpi", archive), *member;
	int64_t number = o && json_object_object_get_ex(o, key, &member)
		? json_object_get_int64(member)
		: -1;

	json_object_put(o);
	return number;
}

static bool hook_complains(const char *words)
{
	struct json_object *o = hook_object("pullpi", archive), *member;
	bool found = o && json_object_object_get_ex(o, "error", &member) &&
		strstr(json_object_get_string(member), words);

	json_object_put(o);
	return found;
}

TEST(each_picture_once)
{
	struct record miss = kit_miss(KIT_SLOT);
	struct archive_pruned pruned;

	set_up(false);
	CHECK(!hook_object("pullpi", archive));
	for (uint64_t seq = 1; seq <= 3; seq++)
		take(seq);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "3 "); /* the first time: the newest */
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "");
	CHECK_INT(archive_note(archive, &miss), 0);
	take(5);
	take(6);
	take(7);
	CHECK_INT(archive_prune(archive, 5, 6, "space", &pruned), 0);
	CHECK_INT(hook_fact("waiting"), 5); /* lines: that of the removal too */
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "7 ");
	CHECK_INT(hook_fact("ran"), 2);
	CHECK_INT(hook_fact("passed"), 2);
	CHECK_INT(hook_fact("waiting"), 0);
	CHECK_INT(hook_once("3"), CLI_OK);
	CHECK_STR(hook_wrote(), "3 7 ");
	tear_down();
}

TEST(what_a_command_is_told)
{
	set_up(false);
	take(1);
	strcpy(settings.command,
		"echo \"$#|$0|$1|$2|$3|$4\" >>$SEEN; cmp \"$1\" \"$PICTURE_PATH\" && "
		"echo \"$PICTURE_NUMBER|$PICTURE_SLOT|$PICTURE_CAMERA|$PICTURE_WAS\" >>$SEEN");
	CHECK_INT(hook_once(NULL), CLI_OK);
	hook_wrote();
	CHECK(strncmp(text, "4|hook|/dev/shm/", 16) == 0 || strncmp(text, "4|hook|/", 8) == 0);
	CHECK(strstr(text,
		"/archive/2026/11/20/20261120T160200Z-00000001.jpg|1|"
		"2026-11-20T16:02:00Z|gar\"den 1|2026-11-20T16:02:00Z|gar\"den| "));
	tear_down();
}

/* A puller gets the newest first; what comes late has its turn late. */
TEST(any_order_of_arrival)
{
	set_up(true);
	receive(100);
	CHECK_INT(hook_once(NULL), CLI_OK);
	receive(200);
	receive(150);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "100 150 200 ");
	receive(3);
	receive(201);
	receive(199);
	receive(2);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "2 3 199 201 ");
	CHECK_INT(hook_fact("ran"), 7);
	tear_down();
}

/* The numbers of a camera with an older card mean other pictures. */
TEST(another_history)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true };
	unsigned branch;

	set_up(true);
	for (uint64_t seq = 1; seq <= 5; seq++)
		receive(seq);
	CHECK_INT(hook_once("1"), CLI_OK);
	CHECK_STR(hook_wrote(), "1 2 3 4 5 ");
	CHECK_INT(archive_fork(archive, 3, &branch), 0);
	archive_free(archive);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	receive(4);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "4 ");
	receive(5);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "5 ");
	tear_down();
}

TEST(a_command_that_fails)
{
	set_up(false);
	for (uint64_t seq = 1; seq <= 4; seq++)
		take(seq);
	strcpy(settings.command, "echo $2 >>$SEEN; exit 3");
	for (int i = 0; i < 5; i++) /* an outage: nothing is given up */
		CHECK_INT(hook_once(i ? NULL : "1"), CLI_TEMPFAIL);
	CHECK_STR(hook_wrote(), "1 1 1 4 1 4 1 4 ");
	CHECK(hook_complains("status 3"));
	CHECK_INT(hook_fact("number"), 1);
	CHECK_INT(hook_fact("tries"), 5);
	CHECK_INT(hook_fact("waiting"), 4);
	strcpy(settings.command, "echo $2 >>$SEEN");
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "1 2 3 4 ");
	CHECK(!hook_complains("status"));
	/* one bad picture: it waits for three tries, and goes when another works */
	strcpy(settings.command, "echo $2 >>$SEEN; [ $2 != 5 ]");
	take(5);
	take(6);
	take(7);
	CHECK_INT(hook_once(NULL), CLI_TEMPFAIL);
	CHECK_INT(hook_once(NULL), CLI_TEMPFAIL);
	CHECK_STR(hook_wrote(), "5 5 ");
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "5 7 6 ");
	CHECK_INT(hook_fact("given_up"), 1);
	CHECK_INT(hook_fact("ran"), 6);
	CHECK(!hook_complains("status"));
	tear_down();
}

TEST(a_command_that_hangs_or_is_not_there)
{
	set_up(false);
	take(1);
	settings.timeout_us = US_PER_SEC / 5;
	strcpy(settings.command, "sleep 9; echo $2 >>$SEEN");
	CHECK_INT(hook_once(NULL), CLI_TEMPFAIL);
	CHECK(hook_complains("did not end within"));
	settings.timeout_us = 60 * US_PER_SEC;
	usleep(200000); /* what it started ends, and with it the lock */
	strcpy(settings.command, "no-such-program-at-all");
	CHECK_INT(hook_once(NULL), CLI_TEMPFAIL);
	CHECK(hook_complains("not found"));
	strcpy(settings.command, "kill -SEGV $$");
	CHECK_INT(hook_once(NULL), CLI_TEMPFAIL);
	CHECK(hook_complains("signal 11"));
	CHECK_STR(hook_wrote(), "");
	*settings.command = '\0';
	CHECK_INT(hook_once(NULL), CLI_SETTINGS);
	tear_down();
}

/* What is done is not guessed: a person says where to begin again. */
TEST(a_state_that_is_damaged)
{
	char file[200];

	set_up(false);
	take(1);
	take(2);
	CHECK_INT(hook_once(NULL), CLI_OK);
	snprintf(file, sizeof file, "%s/hook-%s.json", folder, archive_id(archive));
	for (int i = 0; i < 4; i++) {
		static const char *const bad[] = { "", "{", "{\"done\":[[3,1]]}",
			"{\"done\":[[1,99999999999999]]}" };
		FILE *out = fopen(file, "w");

		fputs(bad[i], out);
		fclose(out);
		CHECK_INT(hook_once(NULL), CLI_INTERNAL);
	}
	CHECK_STR(hook_wrote(), "2 ");
	CHECK_INT(hook_once("2"), CLI_OK);
	CHECK_INT(hook_once(NULL), CLI_OK);
	CHECK_STR(hook_wrote(), "2 ");
	tear_down();
}

/* What commands wrote, which must be numbers without a gap; the first and, returned, the last. */
static uint64_t numbers_read(const char *file, uint64_t *ret_first)
{
	CLEANUP_FREE char *wrote = NULL;
	uint64_t last = 0;

	*ret_first = 0;
	if (fs_read_file(AT_FDCWD, file, sizeof text, &wrote, NULL) < 0)
		return 0;
	for (char *at = wrote; *at; at += strspn(at, "\n")) {
		const uint64_t number = strtoull(at, &at, 10);

		CHECK(last == 0 || number == last + 1);
		*ret_first = *ret_first ? *ret_first : number;
		last = number;
	}
	return last;
}

static uint64_t newest; /* number of a picture */

/* On each disk the hook goes on with the picture whose command ended last, or the next one. */
static void check_disk(const char *disk)
{
	const struct fs_ops *fs = hook_fs;
	uint64_t first, last, ran = numbers_read(seen, &first);
	static int until; /* number of a disk */
	char again[80];
	bool runs;

	if (ran == 3 && newest == 3) { /* as if the first command had not ended */
		take(++newest);
		until = power.crashes + DISKS;
	}
	runs = power.crashes < until;
	snprintf(again, sizeof again, "%s/again", disk);
	setenv("STATE_DIRECTORY", disk, 1);
	setenv("SEEN", again, 1);
	hook_fs = NULL;
	CHECK_INT(hook_once(NULL), CLI_OK);
	last = numbers_read(again, &first);
	if (ran < newest || last > 0) {
		CHECK_INT(last, newest);
		CHECK(first == (ran ? ran : 3) || (ran > 0 && !runs && first == ran + 1));
	}
	hook_fs = fs;
	setenv("STATE_DIRECTORY", power.path, 1);
	setenv("SEEN", seen, 1);
}

TEST(power_fails)
{
	const struct fs_ops fs = power_fs();
	char state[64];
	uint64_t first;

	set_up(false);
	for (newest = 0; newest < 3;)
		take(++newest);
	snprintf(state, sizeof state, "%.50s/state", folder);
	CHECK_INT(mkdir(state, 0700), 0);
	setenv("STATE_DIRECTORY", state, 1);
	power_start(state, check_disk);
	hook_fs = &fs;
	CHECK_INT(hook_once(NULL), CLI_OK);
	for (int i = 0; i < 4; i++)
		take(++newest);
	CHECK_INT(hook_once(NULL), CLI_OK);
	hook_fs = NULL;
	CHECK_INT(numbers_read(seen, &first), newest);
	CHECK_INT(first, 3);
	power_end(80);
	tear_down();
}

/* Each picture's "begin end" as the commands wrote it, none within another's. Returns the runs. */
static unsigned runs_check(unsigned pictures)
{
	FILE *file = fopen(seen, "r");
	unsigned n = 0, running = 0, number, highest = 0;
	char word;

	while (file && fscanf(file, " %c%u", &word, &number) == 2) {
		CHECK(word == 'b' ? running == 0 : running == number);
		running = word == 'b' ? number : 0;
		n += word == 'e';
		CHECK(word == 'b' || number == highest || number == highest + 1);
		highest = number > highest ? number : highest;
	}
	if (file)
		fclose(file);
	CHECK_INT(highest, pictures);
	return n;
}

/* HOOK_PICTURES=1000 is what tests/events/run asks for. */
TEST(killed_at_random)
{
	const char *wanted = getenv("HOOK_PICTURES");
	const unsigned pictures = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 60;
	uint64_t state = test_seed();
	unsigned kills = 0, runs;
	int status = -1;

	set_up(false);
	for (unsigned i = 1; i <= pictures; i++)
		take(i);
	strcpy(settings.command, "exit 1");
	CHECK_INT(hook_once("1"), CLI_TEMPFAIL);
	strcpy(settings.command, "echo b$2 >>$SEEN; sleep .005; echo e$2 >>$SEEN");
	while (!WIFEXITED(status) || WEXITSTATUS(status) != CLI_OK) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(hook_once(NULL));
		usleep((useconds_t)(1000 + test_random(&state) % 60000));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		kills += WIFSIGNALED(status);
	}
	usleep(100000); /* what the last one started has ended */
	runs = runs_check(pictures);
	CHECK(kills > 0 && runs >= pictures && runs <= pictures + kills);
	printf("%u pictures, %u kills, %u runs\n", pictures, kills, runs);
	tear_down();
}
