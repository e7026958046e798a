/* SPDX-License-Identifier: MIT */
/* What the doctors of both programs share: facts in, verdicts out, and how they are told. */
#include "common/doctor/doctor.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "common/commands/cli.h"
#include "tests/unit/doctor_kit.h"

#define NOW_US INT64_C(1795190460000000)

TEST(user)
{
	static const struct {
		const char *name;
		struct doctor_user user;
		enum doctor_verdict linger, manager;
		const char *linger_fix, *manager_text;
	} cases[] = {
		{ "all well", { .name = "pi", .lingers = true }, DOCTOR_OK, DOCTOR_OK, "",
			"answers" },
		{ "no linger", { .name = "pi" }, DOCTOR_FAIL, DOCTOR_OK,
			"loginctl enable-linger pi", "answers" },
		{ "linger not readable", { .name = "pi", .linger_error = -EACCES }, DOCTOR_WARN,
			DOCTOR_OK, "", "answers" },
		{ "no manager", { .name = "pi", .lingers = true, .manager_error = -ENOENT },
			DOCTOR_OK, DOCTOR_FAIL, "", "no systemd manager" },
		{ "a dead manager", { .name = "pi", .lingers = true, .manager_error = -ETIMEDOUT },
			DOCTOR_OK, DOCTOR_FAIL, "", "does not answer: Connection timed out" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding linger = doctor_linger(&cases[i].user, "deploypi capture");
		struct doctor_finding manager = doctor_manager(&cases[i].user);

		check_finding(cases[i].name, &linger, cases[i].linger, "", cases[i].linger_fix);
		check_finding(cases[i].name, &manager, cases[i].manager, cases[i].manager_text,
			cases[i].manager == DOCTOR_OK ? "" : "user@0");
	}
}

struct unit_case {
	const char *name;
	int error;
	const char *load, *active, *sub, *file_state, *result;
	unsigned restarts;
	uint64_t next_us;
	enum doctor_verdict want;
	const char *text, *fix;
};

static struct unit_state unit_of(const struct unit_case *c, const char *name)
{
	struct unit_state unit = { .restarts = c->restarts,
		.next_us = c->next_us,
		.condition_ok = true,
		.exit_status = 1 };

	snprintf(unit.name, sizeof unit.name, "%s", name);
	snprintf(unit.load, sizeof unit.load, "%s", c->load);
	snprintf(unit.active, sizeof unit.active, "%s", c->active);
	snprintf(unit.sub, sizeof unit.sub, "%s", c->sub);
	snprintf(unit.file_state, sizeof unit.file_state, "%s", c->file_state);
	snprintf(unit.result, sizeof unit.result, "%s", c->result);
	return unit;
}

TEST(service)
{
	static const struct unit_case cases[] = {
		{ "well", 0, "loaded", "active", "running", "enabled", "success", 0, 0, DOCTOR_OK,
			"enabled and runs", "" },
		{ "not asked", -ETIMEDOUT, "", "", "", "", "", 0, 0, DOCTOR_FAIL, "timed out", "" },
		{ "not there", 0, "not-found", "inactive", "dead", "", "", 0, 0, DOCTOR_FAIL,
			"no such unit", "install" },
		{ "masked", 0, "masked", "inactive", "dead", "masked", "", 0, 0, DOCTOR_FAIL,
			"masked", "unmask" },
		{ "a bad file", 0, "bad-setting", "inactive", "dead", "bad", "", 0, 0, DOCTOR_FAIL,
			"cannot be used", "verify u.service" },
		{ "never enabled", 0, "loaded", "inactive", "dead", "disabled", "success", 0, 0,
			DOCTOR_FAIL, "not enabled", "enable --now" },
		{ "stopped", 0, "loaded", "inactive", "dead", "enabled", "success", 0, 0,
			DOCTOR_FAIL, "does not run", "start u" },
		{ "started by hand", 0, "loaded", "active", "running", "disabled", "success", 0, 0,
			DOCTOR_WARN, "will not after", "enable u" },
		{ "failed", 0, "loaded", "failed", "failed", "enabled", "exit-code", 0, 0,
			DOCTOR_FAIL, "status 1", "journalctl" },
		{ "again and again", 0, "loaded", "activating", "auto-restart", "enabled",
			"watchdog", 3, 0, DOCTOR_FAIL, "started again", "journalctl" },
		{ "starting", 0, "loaded", "activating", "start", "enabled", "success", 0, 0,
			DOCTOR_WARN, "still starting", "" },
		{ "many restarts", 0, "loaded", "active", "running", "enabled", "success", 5, 0,
			DOCTOR_WARN, "5 times", "journalctl" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit_state unit = unit_of(&cases[i], "u.service");
		struct doctor_finding got = doctor_service(cases[i].error, "u.service", &unit);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(timer)
{
	static const struct unit_case cases[] = {
		{ "waits", 0, "loaded", "active", "waiting", "enabled", "success", 0,
			NOW_US + 60000000, DOCTOR_OK, "next in 1 min", "" },
		{ "its service runs", 0, "loaded", "active", "running", "enabled", "success", 0, 0,
			DOCTOR_OK, "at work", "" },
		{ "it is time", 0, "loaded", "active", "waiting", "enabled", "success", 0, NOW_US,
			DOCTOR_OK, "at work", "" },
		{ "dead: never", 0, "loaded", "active", "waiting", "enabled", "success", 0,
			UNIT_TIME_NONE, DOCTOR_FAIL, "never fires", "restart u" },
		{ "dead: elapsed", 0, "loaded", "active", "elapsed", "enabled", "success", 0, 0,
			DOCTOR_FAIL, "never fires", "cat u.timer" },
		{ "dead and disabled", 0, "loaded", "active", "elapsed", "disabled", "success", 0,
			0, DOCTOR_FAIL, "never fires", "cat u.timer" },
		{ "failed", 0, "loaded", "failed", "failed", "enabled", "resources", 0, 0,
			DOCTOR_FAIL, "missing or full", "journalctl" },
		{ "by hand", 0, "loaded", "active", "waiting", "disabled", "success", 0,
			NOW_US + 60000000, DOCTOR_WARN, "will not after", "enable u" },
		{ "off", 0, "loaded", "inactive", "dead", "disabled", "success", 0, 0, DOCTOR_FAIL,
			"not enabled", "enable --now u" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit_state unit = unit_of(&cases[i], "u.timer");
		struct doctor_finding got = doctor_timer(cases[i].error, "u.timer", &unit, NOW_US);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(real_disk)
{
	static const struct {
		const char *name;
		struct doctor_disk disk;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "ext4", { .path = "/data", .type = 0xef53 }, DOCTOR_OK, "/data is on ext4", "" },
		{ "unknown", { .path = "/data", .type = 0x1234 }, DOCTOR_OK, "0x1234", "" },
		{ "tmpfs", { .path = "/tmp", .type = 0x01021994 }, DOCTOR_FAIL, "in memory",
			"disk" },
		{ "overlay", { .path = "/", .type = 0x794c7630 }, DOCTOR_FAIL, "overlay",
			"recurse" },
		{ "vfat", { .path = "/u", .type = 0x4d44 }, DOCTOR_WARN, "no journal", "ext4" },
		{ "FUSE", { .path = "/u", .type = 0x65735546 }, DOCTOR_WARN, "program", "ext4" },
		{ "nfs", { .path = "/n", .type = 0x6969 }, DOCTOR_WARN, "network", "" },
		{ "read-only", { .path = "/data", .type = 0xef53, .read_only = true }, DOCTOR_FAIL,
			"read-only", "dmesg" },
		{ "an error", { .path = "/data", .error = -EIO }, DOCTOR_FAIL, "Input/output", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_real_disk(&cases[i].disk);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

/* What is tried leaves nothing behind. */
TEST(publish)
{
	struct doctor_finding got;
	struct doctor_trial trial;
	char path[64], file[100];

	test_make_folder(path);
	snprintf(file, sizeof file, "%s/.doctor.jpg.part", path);
	CHECK_INT(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	doctor_trial_run(path, &trial);
	CHECK_INT(trial.error, 0);
	CHECK(trial.has_symlinks);
	CHECK_INT(rmdir(path), 0);
	got = doctor_publish(&trial);
	check_finding("works", &got, DOCTOR_OK, path, "");
	trial.has_symlinks = false;
	got = doctor_publish(&trial);
	check_finding("no symlinks", &got, DOCTOR_OK, "latest.jpg is a copy", "");
	doctor_trial_run(path, &trial);
	CHECK_INT(trial.error, -ENOENT);
	doctor_trial_run("/proc/self", &trial);
	CHECK(trial.error < 0);
	got = doctor_publish(&trial);
	check_finding("no files", &got, DOCTOR_FAIL, "/proc/self: cannot make a file", "written");
	trial.error = -ENOLCK;
	got = doctor_publish(&trial);
	check_finding("no locks", &got, DOCTOR_FAIL, "locks", "rpc.statd");
}

TEST(space)
{
	static const struct {
		const char *name;
		int64_t free_mb, free_inodes, inodes;
		double per_day, frame_mb;
		bool makes_room;
		double held;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "a month", 43200, 1000000, 2000000, 1440, 1, false, 0, DOCTOR_OK,
			"space for 30 days", "" },
		{ "six days", 8640, 1000000, 2000000, 1440, 1, false, 0, DOCTOR_WARN,
			"space for 6 days only", "reserve" },
		{ "six days, and then the oldest go", 8640, 1000000, 2000000, 1440, 1, true, 0,
			DOCTOR_OK, "room for 6 days, then the oldest", "" },
		{ "nearly full with what is held", 10, 1000000, 2000000, 1440, 1, true, 14400,
			DOCTOR_OK, "room for 10 days", "" },
		{ "too small a disk", 100, 1000000, 2000000, 1440, 1, true, 0, DOCTOR_WARN,
			"room for 1.7 hours only", "larger" },
		{ "inodes go first", 43200, 14400, 2000000, 1440, 0.01, false, 0, DOCTOR_OK,
			"inodes for 10 days", "" },
		{ "few inodes", 43200, 1440, 2000000, 1440, 0.01, false, 0, DOCTOR_WARN,
			"inodes for 24.0 hours only", "reserve" },
		{ "no inodes at all is no limit", 43200, 0, 0, 1440, 1, false, 0, DOCTOR_OK,
			"43.2 GB free: space for 30 days", "" },
		{ "no size", -1, 0, 0, 1440, 1, true, 0, DOCTOR_OK, "does not tell", "" },
		{ "full", 0, 1000, 2000000, 1440, 1, true, 0, DOCTOR_FAIL, "no space left",
			"remove" },
		{ "out of inodes", 100, 0, 2000000, 1440, 1, true, 0, DOCTOR_FAIL, "no inodes left",
			"remove" },
		{ "rate not known", 43200, 1000, 2000000, 0, 0, false, 0, DOCTOR_OK, "43.2 GB",
			"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_disk disk = { .path = "/data",
			.bytes = cases[i].free_mb < 0 ? 0 : INT64_C(1000000000000),
			.free_bytes = cases[i].free_mb * 1000000,
			.inodes = cases[i].inodes,
			.free_inodes = cases[i].free_inodes };
		struct doctor_use use = { cases[i].per_day, cases[i].frame_mb * 1e6,
			cases[i].makes_room, cases[i].held };
		struct doctor_finding got = doctor_space(&disk, &use);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

/* The real thing: a path that is not there is that of the nearest folder. */
TEST(shell)
{
	static const struct {
		const char *name;
		struct doctor_shell shell;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "silent", { "/bin/bash", "/home/pi", 0, 0, "" }, DOCTOR_OK, "prints nothing",
			"" },
		{ "greets", { "/bin/bash", "/home/pi", 0, 0, "hi\nthere\n" }, DOCTOR_WARN,
			"prints \"hi\" before", "/home/pi/.bashrc" },
		{ "a blank line first", { "/usr/bin/zsh", "/home/pi", 0, 0, "\r\nhi\r\n" },
			DOCTOR_WARN, "prints \"hi\" before", "/home/pi/.zshenv" },
		{ "steers", { "/usr/bin/fish", "/home/pi", 0, 0, "\033[2J\xe2\x80\xae" },
			DOCTOR_WARN, "prints \"?[2J?\" before", "config.fish" },
		{ "unknown", { "/opt/sh", "/home/pi", 0, 0, "hi" }, DOCTOR_WARN, "hi", "start-up" },
		{ "over there", { "", "", 0, 0, "hi" }, DOCTOR_WARN, "hi", "~/.bashrc" },
		{ "no login", { "/usr/sbin/nologin", "/home/pi", 0, 1, "This account ..." },
			DOCTOR_FAIL, "exit status 1", "chsh -s" },
		{ "for ever", { "/bin/bash", "/home/pi", -ETIMEDOUT, 0, "" }, DOCTOR_FAIL,
			"in time", ".bashrc" },
		{ "much", { "/bin/bash", "/home/pi", -EFBIG, 0, "" }, DOCTOR_FAIL, "without an end",
			".bashrc" },
		{ "gone", { "/bin/ksh", "/home/pi", -ENOENT, 0, "" }, DOCTOR_FAIL, "cannot be run",
			"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_shell(&cases[i].shell);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(disk_read)
{
	struct doctor_disk disk;
	char *text = NULL;

	doctor_disk_read("/proc/self/nothing/of/the/kind", &disk);
	CHECK_INT(disk.error, 0);
	CHECK_STR(disk.path, "/proc/self");
	CHECK_INT(disk.type, 0x9fa0);
	doctor_disk_read("/nothing/of/the/kind", &disk);
	CHECK_STR(disk.path, "/");
	CHECK(disk.bytes > 0 && disk.free_bytes <= disk.bytes);
	CHECK_INT(doctor_read_file("/proc/self/status", &text), 0);
	CHECK(text && strstr(text, "\nGroups:"));
	free(text);
	CHECK_INT(doctor_read_file("/nothing/of/the/kind", &text), -ENOENT);
}

/* What is printed, as text. */
static void capture_output(bool json, char *ret, size_t size, int *ret_code)
{
	struct cli cli = { 0 };
	struct doctor doctor = { .cli = &cli, .json = json };
	int saved = dup(STDOUT_FILENO), fd = memfd_create("out", MFD_CLOEXEC);
	ssize_t n;

	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	doctor_tell(&doctor, "linger", doctor_find(DOCTOR_OK, "pi lingers"));
	doctor.camera = "garden";
	doctor_tell(&doctor, "key", doctor_find(DOCTOR_WARN, "a \033[31mred one\npair again"));
	doctor.camera = NULL;
	*ret_code = doctor_end(&doctor);
	doctor_tell(&doctor, "disk", doctor_find(DOCTOR_FAIL, "gone"));
	*ret_code = *ret_code * 10 + doctor_end(&doctor);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fd, ret, size - 1, 0);
	ret[n > 0 ? n : 0] = '\0';
	close(fd);
}

TEST(told)
{
	char text[2000];
	int code;

	capture_output(false, text, sizeof text, &code);
	CHECK_STR(text,
		"ok    linger         pi lingers\n"
		"warn  garden key     a ?[31mred one; pair again\n"
		"1 ok, 0 to know, 1 to look at, 0 to mend\n"
		"fail  disk           gone\n"
		"1 ok, 0 to know, 1 to look at, 1 to mend\n");
	CHECK_INT(code, CLI_OK * 10 + CLI_INTERNAL);
	capture_output(true, text, sizeof text, &code);
	CHECK_STR(text,
		"{\"check\":\"linger\",\"verdict\":\"ok\",\"text\":\"pi lingers\"}\n"
		"{\"check\":\"key\",\"camera\":\"garden\",\"verdict\":\"warn\","
		"\"text\":\"a ?[31mred one\",\"fix\":\"pair again\"}\n"
		"{\"ok\":1,\"info\":0,\"warn\":1,\"fail\":0}\n"
		"{\"check\":\"disk\",\"verdict\":\"fail\",\"text\":\"gone\"}\n"
		"{\"ok\":1,\"info\":0,\"warn\":1,\"fail\":1}\n");
	CHECK_INT(code, CLI_OK * 10 + CLI_INTERNAL);
}

TEST(units_that_deploypi_sets_up)
{
	static const struct {
		const char *unit, *fix;
	} cases[] = {
		{ "capturepi.service", "run `deploypi capture`" },
		{ "capturepi@porch.service", "run `deploypi capture --name porch`" },
		{ "capturepi-tunnel.service",
			"run `systemctl --user enable --now capturepi-tunnel.service`" },
		{ "pullpi-latest@garden.timer", "run `deploypi pull --camera garden`" },
		{ "pullpi-sync@gate.2.timer", "run `deploypi pull --camera gate.2`" },
		{ "pullpi-follow@garden.service", "run `deploypi pull --follow --camera garden`" },
		{ "pullpi.timer", "run `systemctl --user enable --now pullpi.timer`" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct unit_state unit = {
			.load = "loaded", .active = "inactive", .file_state = "disabled"
		};
		struct doctor_finding got = doctor_service(0, cases[i].unit, &unit);

		CHECK_STR(got.fix, cases[i].fix);
	}
}
