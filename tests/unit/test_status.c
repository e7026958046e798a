/* SPDX-License-Identifier: MIT */
/*
 * What several services of one user publish in one folder: none may take another's away; and what
 * one says of useless pictures.
 */
#include "capture/service/status.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "capture/service/service.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/systemd/published.h"
#include "tests/test.h"

static bool says(const char *path, const char *text)
{
	struct json_object *o = status_service(path);
	bool found = o && strstr(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), text);

	json_object_put(o);
	return found;
}

TEST(each_has_its_own)
{
	static const char *const paths[] = { "/captures", "/captures-porch", "/captures/x" };
	char folder[64], json[128];

	test_make_folder(folder);
	setenv("RUNTIME_DIRECTORY", folder, 1);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		snprintf(json, sizeof json,
			"{\"pid\":%d,\"n\":\"n%zu\",\"store\":{\"open\":false}}", (int)getpid(), i);
		CHECK_INT(status_publish(paths[i], json), 0);
	}
	CHECK(says(paths[0], "n0") && says(paths[1], "n1") && says(paths[2], "n2"));
	status_withdraw(paths[1]);
	CHECK(says(paths[0], "n0") && !says(paths[1], "") && says(paths[2], "n2"));
	/*
	 * left by one that crashed: as having the archive, which nobody has; of a process that is
	 * gone
	 */
	snprintf(json, sizeof json, "{\"pid\":%d,\"store\":{\"open\":true}}", (int)getpid());
	CHECK_INT(status_publish(paths[0], json), 0);
	CHECK(!says(paths[0], ""));
	CHECK_INT(status_publish(paths[0], "{\"pid\":2147483647,\"store\":{\"open\":false}}"), 0);
	CHECK(!says(paths[0], ""));
	test_remove_folder(folder);
}

/* Before there is a service nobody asks; then the newest picture's line is read. */
TEST(aim_files)
{
	struct json_object *head = NULL;
	CLEANUP_FD int fd = -1;
	char door[PATH_MAX], bytes[300] = "";

	CHECK_INT(published_aim("/aimed", 0, &fd, &head), -ENOENT);
	CHECK_INT(status_door("/aimed", door), 0);
	CHECK_INT(access(door, R_OK), 0);
	CHECK_INT(published_aim("/aimed", 0, &fd, &head), -EAGAIN);
	CHECK_INT(status_publish_aim("/aimed", bytes, 100), 0);
	CHECK_INT(published_aim("/aimed", 0, &fd, &head), -EAGAIN);
	snprintf(bytes, sizeof bytes, "{\"at\":1795190460412345,\"n\":7}");
	CHECK_INT(status_publish_aim("/aimed", bytes, sizeof bytes), 0);
	CHECK_INT(published_aim("/aimed", 0, &fd, &head), -EAGAIN); /* too old */
	/* on a busy machine one may be old when it is looked at */
	for (int i = 0, r = -EAGAIN; i < 100 && r != 0; i++) {
		snprintf(bytes, sizeof bytes, "{\"at\":%lld,\"n\":7}",
			(long long)clock_wall_us(&clock_real));
		CHECK_INT(status_publish_aim("/aimed", bytes, sizeof bytes), 0);
		r = published_aim("/aimed", 6, &fd, &head);
	}
	CHECK(fd >= 0 && json_get_number(head, "/n") == 7);
	json_object_put(head);
	CHECK_INT(published_aim("/aimed", 7, &fd, &head), -EAGAIN);
	status_withdraw("/aimed");
	CHECK_INT(access(door, F_OK), -1);
}

/*
 * The plan of the service that runs, which may not have read the settings since; else the settings.
 */
TEST(what_pullers_are_told)
{
	const struct schedule_settings settings = { .every_us = 600 * US_PER_SEC, .days = 0x7f };
	const int64_t slot_us = INT64_C(1795190400000000), now_us = slot_us + 30 * US_PER_SEC;
	struct wire_schedule got;
	char folder[64], json[256];

	test_make_folder(folder);
	setenv("RUNTIME_DIRECTORY", folder, 1);
	got = status_schedule("/captures", &settings, now_us);
	CHECK_INT(got.running, WIRE_STOPPED);
	CHECK_INT(got.now_us, now_us);
	CHECK_INT(got.due_us, slot_us - 600 * US_PER_SEC);
	CHECK_INT(got.pending_us, slot_us);
	CHECK_INT(got.next_us, slot_us + 600 * US_PER_SEC);
	got = status_schedule("/captures", &settings, slot_us + DUE_SECONDS * US_PER_SEC);
	CHECK_INT(got.due_us, slot_us);
	CHECK(got.pending_us == TIME_NONE);
	snprintf(json, sizeof json,
		"{\"pid\":%d,\"due\":\"1970-01-01T00:00:01Z\",\"due_next\":\"1970-01-01T00:00:"
		"03Z\","
		"\"store\":{\"open\":false}}",
		(int)getpid());
	CHECK_INT(status_publish("/captures", json), 0);
	got = status_schedule("/captures", &settings, now_us);
	CHECK_INT(got.running, WIRE_RUNNING);
	CHECK_INT(got.due_us, US_PER_SEC);
	CHECK(got.pending_us == TIME_NONE);
	CHECK_INT(got.next_us, 3 * US_PER_SEC);
	test_remove_folder(folder);
}

/*
 * Whether the service goes by the settings as they are now: by the file itself, so no clock
 * matters.
 */
TEST(settings_that_were_changed)
{
	char folder[64], path[100], text[200];
	const struct timespec old[2] = { { 1000, 0 }, { 1000, 7000 } };
	struct json_object *service;
	int64_t ago_us = -7;
	FILE *file;

	test_make_folder(folder);
	snprintf(path, sizeof path, "%s/capturepi.conf", folder);
	CHECK_INT(status_settings_us(path), 0);
	file = fopen(path, "w");
	fclose(file);
	CHECK_INT(utimensat(AT_FDCWD, path, old, 0), 0);
	CHECK_INT(status_settings_us(path), 1000 * US_PER_SEC + 7);
	snprintf(text, sizeof text, "{\"settings\":{\"path\":\"%s\",\"changed_us\":%lld}}", path,
		(long long)status_settings_us(path));
	service = json_tokener_parse(text);
	CHECK(!status_settings_changed(service, &ago_us));
	CHECK_INT(utimensat(AT_FDCWD, path, NULL, 0), 0);
	CHECK(status_settings_changed(service, &ago_us));
	CHECK(ago_us >= 0 && ago_us < 3600 * US_PER_SEC);
	unlink(path);
	CHECK(status_settings_changed(service, &ago_us));
	CHECK(ago_us == TIME_NONE);
	json_object_put(service);
	/* a service of before tells nothing */
	service = json_tokener_parse("{}");
	CHECK(!status_settings_changed(service, &ago_us));
	json_object_put(service);
	test_remove_folder(folder);
}

static int trouble_ends(void *data, struct capture_settings *ret)
{
	*ret = *(const struct capture_settings *)data;
	ret->test.trouble = VIEW_NONE;
	return 0;
}

/* A service on a test camera that repeats its picture, until SIGHUP. */
static pid_t start_frozen(const char *folder, struct capture_settings *s)
{
	pid_t pid;

	conf_defaults(&capture_settings_table, s);
	snprintf(s->archive.path, sizeof s->archive.path, "%s", folder);
	snprintf(s->camera.source, sizeof s->camera.source, "test");
	s->schedule.every_us = US_PER_SEC / 10;
	s->camera.width = 320;
	s->camera.height = 240;
	s->camera.fps = 30;
	s->test.light = LIGHT_NOON;
	s->test.trouble = VIEW_FROZEN;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		const struct archive_options open = { .mode = ARCHIVE_WRITE };
		struct service_options options = { .settings = s,
			.clock = &clock_real,
			.reload = trouble_ends,
			.reload_data = s };
		struct record last;
		int r;

		log_set_level(LOG_LEVEL_ERR);
		r = archive_open(folder, &open, &options.archive);
		if (r == 0)
			r = service_run(&options, &last);
		_exit(-r & 0x7f);
	}
	return pid;
}

/* Waits until the status has such an event, NULL: none any more; how many pictures it has. */
static int64_t wait_for_event(const char *path, const char *mark)
{
	for (int i = 0; i < 600; i++, usleep(100000)) {
		struct json_object *o = status_service(path);
		const bool has = json_get(o, "/event") != NULL;
		const int64_t count = json_get_number(o, "/event/count");
		const bool done = json_get_number(o, "/frames") > 3 &&
			(mark ? strcmp(json_get_text(o, "/event/mark"), mark) == 0 : !has);

		json_object_put(o);
		if (done)
			return count;
	}
	return -1;
}

/* Of useless pictures three in a row are an event, which ends with the first good one. */
TEST(useless_pictures)
{
	CLEANUP_FREE struct capture_settings *settings = calloc(1, sizeof *settings);
	char folder[64];
	int status;
	pid_t pid;

	test_make_folder(folder);
	setenv("RUNTIME_DIRECTORY", folder, 1);
	pid = start_frozen(folder, settings);
	CHECK(wait_for_event(folder, "frozen") >= 3);
	kill(pid, SIGHUP);
	CHECK_INT(wait_for_event(folder, NULL), 0);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	test_remove_folder(folder);
}
