/* SPDX-License-Identifier: MIT */
/* Facts about a camera's machine, judged; lines of authorized_keys, read. */
#include <fcntl.h>
#include <sys/stat.h>

#include "capture/camera/camera.h"
#include "capture/commands/doctor.h"
#include "capture/commands/rivals.h"
#include "capture/settings/settings.h"
#include "tests/unit/doctor_kit.h"

TEST(groups)
{
	static const struct {
		const char *name;
		int user_has, manager_has;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "well", 1, 1, DOCTOR_OK, "so is their", "" },
		{ "no manager to ask", 1, -EACCES, DOCTOR_OK, "in the group", "" },
		{ "not in it", 0, 0, DOCTOR_FAIL, "not in the group", "usermod -aG video pi" },
		{ "the manager is older", 1, 0, DOCTOR_FAIL, "started before",
			"restart user@1000" },
		{ "no such group", -ENOENT, -ENOENT, DOCTOR_WARN, "no group", "/dev/video" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got =
			doctor_groups_judge("pi", 1000, cases[i].user_has, cases[i].manager_has);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(camera)
{
	static const struct {
		const char *name, *source;
		int listed;
		bool found;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "one found", "auto", 1, true, DOCTOR_OK, "1 found", "" },
		{ "none", "auto", 0, false, DOCTOR_FAIL, "no camera", "cable" },
		{ "another one", "imx477", 2, false, DOCTOR_FAIL, "none of the 2 found",
			"capturepi cameras" },
		{ "an error", "auto", -EACCES, false, DOCTOR_FAIL, "denied", "" },
		{ "no libcamera", "auto", -ENOSYS, false, DOCTOR_FAIL, "without libcamera",
			"libcamera-dev" },
		{ "drawn", "test", 0, false, DOCTOR_WARN, "drawn", "" },
	};
	struct doctor_finding got = doctor_camera("imx219", "streaming", "");

	check_finding("runs", &got, DOCTOR_OK, "imx219 is streaming", "");
	got = doctor_camera("imx219", "closed", "no such camera");
	check_finding("runs badly", &got, DOCTOR_FAIL, "no such camera", "cable");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		got = doctor_cameras(cases[i].source, cases[i].listed, cases[i].found);
		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(camera_that_was_tried)
{
	struct doctor_trial trial = { .model = "imx219",
		.error = "",
		.width = 640,
		.height = 480,
		.buffers = CAMERA_BUFFERS,
		.bytes = 116500000,
		.free = 152000000 };
	struct doctor_finding got = doctor_camera_trial(&trial);

	check_finding("works", &got, DOCTOR_OK,
		"imx219 gives pictures of 640x480; that takes about 116 MB of memory (CMA), of 152 "
		"MB "
		"that are free",
		"");
	trial.buffers = 3;
	got = doctor_camera_trial(&trial);
	check_finding("little memory", &got, DOCTOR_WARN, "only 3 of 5 at a time", "CMA larger");
	trial = (struct doctor_trial){ .model = "cam",
		.error = "",
		.width = 640,
		.height = 480,
		.buffers = CAMERA_BUFFERS,
		.free = -ENOENT };
	got = doctor_camera_trial(&trial);
	check_finding("not a Pi", &got, DOCTOR_OK, "cam gives pictures of 640x480", "");
	CHECK(strstr(got.text, "memory") == NULL);
	trial = (struct doctor_trial){ .error = "cannot be opened: it is in use", .buffers = 5 };
	got = doctor_camera_trial(&trial);
	check_finding("fails", &got, DOCTOR_FAIL, "tried: cannot be opened: it is in use", "cable");
}

TEST(newest)
{
	const int64_t now_us = INT64_C(1795190460000000);
	static const struct {
		const char *name;
		int error;
		int64_t age_us; /* 0: no frame */
		uint64_t due;
		bool synced;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "fresh", 0, 30000000, 0, true, DOCTOR_OK, "30 s old", "" },
		{ "one on its way", 0, 61000000, 1, false, DOCTOR_OK, "as the schedule", "" },
		{ "two missing", 0, 125000000, 2, false, DOCTOR_FAIL, "2 slots", "--gaps" },
		{ "none yet", -ENOENT, 0, 0, false, DOCTOR_WARN, "no frame yet", "shot" },
		{ "an empty archive", 0, 0, 0, false, DOCTOR_WARN, "no frame yet", "shot" },
		{ "not readable", -EIO, 0, 0, false, DOCTOR_FAIL, "disk fails", "" },
		{ "of this moment", 0, -1000000, 0, true, DOCTOR_OK, "old", "" },
		{ "of the future", 0, -2000000, 0, true, DOCTOR_FAIL, "future", "clock" },
		{ "of the future, who knows", 0, -2000000, 0, false, DOCTOR_WARN, "future",
			"clock" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct record frame = { .slot_us = now_us - cases[i].age_us,
			.exposed_us = now_us - cases[i].age_us };
		struct doctor_finding got = doctor_newest(cases[i].error,
			cases[i].age_us ? &frame : NULL, now_us, cases[i].due, cases[i].synced);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(machine)
{
	struct doctor_finding got = doctor_clock(true);

	check_finding("clock", &got, DOCTOR_OK, "", "");
	got = doctor_clock(false);
	check_finding("no clock", &got, DOCTOR_WARN, "not sync", "timedatectl");
	got = doctor_memory("cpu memory pids");
	check_finding("memory", &got, DOCTOR_OK, "on", "");
	got = doctor_memory("cpu pids");
	check_finding("no memory", &got, DOCTOR_WARN, "off", "cgroup_enable=memory");
	got = doctor_memory(NULL);
	check_finding("old cgroups", &got, DOCTOR_INFO, "version 2", "");
	got = doctor_store(0, true, "");
	check_finding("stores", &got, DOCTOR_OK, "stores", "");
	got = doctor_store(-EROFS, true, "/data");
	check_finding("sandbox", &got, DOCTOR_FAIL, "read-only", "deploypi capture");
	got = doctor_store(-EROFS, false, "/data");
	check_finding("read-only", &got, DOCTOR_FAIL, "read-only", "dmesg");
	got = doctor_store(-EACCES, false, "/data/2026");
	check_finding("forbidden", &got, DOCTOR_FAIL, "/data/2026: Permission", "the right");
	got = doctor_store(-ENOSPC, true, "/data");
	check_finding("full", &got, DOCTOR_FAIL, "full", "archive.reserve");
	got = doctor_store(-ENOTDIR, true, "/data/2026");
	check_finding("a file", &got, DOCTOR_FAIL, "/data/2026: a file", "move away");
	got = doctor_mount(false, -ENOMEDIUM, "/data");
	check_finding("not asked for", &got, DOCTOR_OK, "off", "");
	got = doctor_mount(true, -ENOMEDIUM, "/data");
	check_finding("not mounted", &got, DOCTOR_FAIL, "/data is not mounted", "fstab");
	got = doctor_mount(true, 0, "/data");
	check_finding("mounted", &got, DOCTOR_OK, "mounted", "");
}

TEST(network)
{
	struct doctor_finding got = doctor_network(1, 0, 1);

	check_finding("tuned", &got, DOCTOR_INFO,
		"NoDelay of ssh.socket on, slow start after idle off, BBR on", "");
	got = doctor_network(0, 1, 0);
	check_finding("as it comes", &got, DOCTOR_INFO,
		"NoDelay of ssh.socket off, slow start after idle on, BBR off", "--tune-network");
	got = doctor_network(-1, -1, -1);
	check_finding("not known", &got, DOCTOR_INFO, "BBR not known", "--tune-network");
}

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"

TEST(key_line)
{
	static const struct {
		const char *line;
		int want;
		bool ours, restricted;
		const char *command, *comment;
	} cases[] = {
		{ "", -ENOENT, 0, 0, 0, 0 },
		{ "  # " KEY, -ENOENT, 0, 0, 0, 0 },
		{ "restrict", -EINVAL, 0, 0, 0, 0 },
		{ "ssh-ed25519", -EINVAL, 0, 0, 0, 0 },
		{ "garbage and more of it", -EINVAL, 0, 0, 0, 0 },
		{ KEY, 0, false, false, "", "ssh-ed25519" },
		{ KEY " me@home", 0, false, false, "", "me@home" },
		{ KEY " pullpi@box\r", 0, true, false, "", "pullpi@box" },
		{ "restrict,command=\"capturepi serve\" " KEY " garden", 0, true, true,
			"capturepi serve", "garden" },
		{ "command=\"capturepi serve --client a\",restrict " KEY, 0, true, true,
			"capturepi serve --client a", "ssh-ed25519" },
		{ "\tcommand=\"/usr/bin/capturepi serve\",no-pty " KEY " x", 0, true, false,
			"/usr/bin/capturepi serve", "x" },
		{ "RESTRICT,COMMAND=\"capturepi serve\" " KEY " x", 0, true, true,
			"capturepi serve", "x" },
		/* what is in quotes is no option, and no end */
		{ "command=\"echo \\\"a b\\\", restrict capturepi\" " KEY " x", 0, true, false,
			"echo \"a b\", restrict capturepi", "x" },
		{ "restrict,pty,command=\"capturepi serve\" " KEY " x", 0, true, false,
			"capturepi serve", "x" },
		{ "from=\"10.0.0.0/8,192.168.0.1\",restrict,command=\"capturepi serve\" " KEY " x",
			0, true, true, "capturepi serve", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_key key = { .comment = "untouched" };
		int r = doctor_key_read(cases[i].line, strlen(cases[i].line), &key);

		if (!CHECK(r == cases[i].want))
			fprintf(stderr, "%s: %d\n", cases[i].line, r);
		if (r < 0) {
			CHECK_STR(key.comment, "untouched");
			continue;
		}
		if (!CHECK(key.ours == cases[i].ours && key.restricted == cases[i].restricted))
			fprintf(stderr, "%s\n", cases[i].line);
		CHECK_STR(key.command, cases[i].command);
		CHECK_STR(key.comment, cases[i].comment);
	}
}

TEST(key)
{
	static const struct {
		const char *name;
		struct doctor_key key;
		int program_error;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "as paired", { true, true, "/usr/bin/capturepi serve", "a" }, 0, DOCTOR_OK,
			"nothing else", "" },
		{ "not restricted", { true, false, "capturepi serve", "a" }, 0, DOCTOR_WARN,
			"forward", "restrict," },
		{ "no command", { true, true, "", "pullpi" }, 0, DOCTOR_WARN, "may do anything",
			"command=" },
		{ "another command", { true, true, "capturepi status", "a" }, 0, DOCTOR_WARN,
			"capturepi status", "serve" },
		{ "program gone", { true, true, "/opt/capturepi serve", "a" }, -ENOENT, DOCTOR_FAIL,
			"not there", "pair again" },
		{ "camera gone", { true, true, "capturepi --name x serve", "a" }, -ENODEV,
			DOCTOR_FAIL, "are gone", "pair again" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_key(&cases[i].key, cases[i].program_error);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

/* A forced command names the camera that its key leads to. */
TEST(command)
{
	static const struct cli_program program = { .name = "capturepi",
		.table = &capture_settings_table };
	const struct cli cli = { .program = &program };
	char folder[64], path[128];

	test_make_folder(folder);
	setenv("XDG_CONFIG_HOME", folder, 1);
	snprintf(path, sizeof path, "%s/capturepi", folder);
	CHECK_INT(mkdir(path, 0700), 0);
	strcat(path, "/porch.conf");
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	CHECK_INT(doctor_command_check(&cli, "/bin/sh -c x"), 0);
	CHECK_INT(doctor_command_check(&cli, "/nothing/here serve"), -ENOENT);
	CHECK_INT(doctor_command_check(&cli, "capturepi serve"), 0);
	CHECK_INT(doctor_command_check(&cli, "capturepi --name porch serve --client a"), 0);
	CHECK_INT(doctor_command_check(&cli, "capturepi --name=porch serve"), 0);
	CHECK_INT(doctor_command_check(&cli, "capturepi --name attic serve --client a"), -ENODEV);
	CHECK_INT(doctor_command_check(&cli, "capturepi --name ../porch serve"), -ENODEV);
	CHECK_INT(doctor_command_check(&cli, "capturepi --name"), -ENODEV);
	test_remove_folder(folder);
}

/* Two services of one user. */
TEST(rivals)
{
	static const struct {
		const char *mine, *its, *my_camera, *its_camera;
		enum doctor_verdict want;
		const char *text;
	} cases[] = {
		{ "/c", "/c-porch", "imx219", "imx708", DOCTOR_OK, "" },
		{ "/c", "/c-porch", "test", "test", DOCTOR_OK, "" },
		{ "/c", "/c", "test", "imx708", DOCTOR_FAIL, "capturepi@porch has /c, too" },
		{ "/c", "/c/porch", "test", "imx708", DOCTOR_FAIL, "one is in the other" },
		{ "/c/porch", "/c/", "test", "imx708", DOCTOR_FAIL, "one is in the other" },
		{ "/c", "/d", "imx219", "imx219", DOCTOR_FAIL, "which is the same camera" },
		{ "/c", "/d", "auto", "auto", DOCTOR_FAIL, "which is the same camera" },
		{ "/c", "/d", "auto", "imx219", DOCTOR_WARN, "which may be" },
		{ "/c", "/d", "/base/i2c@1/imx219@10", "imx219", DOCTOR_WARN, "which may be" },
		{ "/c", "/d", "/base/i2c@1/imx219@10", "/base/i2c@0/imx219@10", DOCTOR_OK, "" },
	};
	static struct capture_settings mine, its;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got;

		strcpy(mine.archive.path, cases[i].mine);
		strcpy(its.archive.path, cases[i].its);
		strcpy(mine.camera.source, cases[i].my_camera);
		strcpy(its.camera.source, cases[i].its_camera);
		got = rivals_judge(&mine, &its, "capturepi@porch");
		check_finding(cases[i].its, &got, cases[i].want, cases[i].text,
			got.verdict == DOCTOR_OK ? "" : "its own");
	}
}
