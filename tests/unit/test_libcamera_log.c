/* SPDX-License-Identifier: MIT */
/* What libcamera tells of itself is in the debug log, and nowhere else. Needs no camera. */
#include "capture/camera/camera.h"
#include "common/base/log.h"

#include <fcntl.h>

#include "tests/test.h"

static void see(void *data, const char *id, const char *model)
{
	(void)data, (void)id, (void)model;
}

/* What libcamera wrote to stderr and to stdout while it looked for cameras. */
static const char *told(const char *folder)
{
	static char text[65536];
	char path[100];
	int out, saved[2] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
	ssize_t n;

	snprintf(path, sizeof path, "%s/told", folder);
	out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	camera_libcamera_ops.list(see, NULL);
	fflush(stdout);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	n = pread(out, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(out);
	close(saved[0]);
	close(saved[1]);
	return text;
}

TEST(only_the_debug_log)
{
	char folder[64];

	test_make_folder(folder);
	setenv("LIBCAMERA_LOG_LEVELS", "*:DEBUG", 1);
	CHECK_STR(told(folder), "");
	log_set_level(LOG_LEVEL_DEBUG);
	CHECK(strstr(told(folder), "libcamera: "));
	CHECK(!strstr(told(folder), "\033"));
	test_remove_folder(folder);
}
