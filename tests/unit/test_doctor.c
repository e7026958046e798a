/* SPDX-License-Identifier: MIT */
/* What the doctors of both programs share: facts in, verdicts out, and how they are told. */
#include "common/doctor/doctor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "common/commands/cli.h"
#include "tests/unit/doctor_kit.h"

#define NOW_US INT64_C(1795190460000000)

TEST(user)
{
	static const struct {
		const char *name;
		int lingers, manager_error;
		enum doctor_verdict linger, manager;
		const char *linger_fix, *manager_text;
	} cases[] = {
		{ "all well", 1, 0, DOCTOR_OK, DOCTOR_OK, "", "answers" },
		{ "no linger", 0, 0, DOCTOR_FAIL, DOCTOR_OK, "loginctl enable-linger pi",
			"answers" },
		{ "linger not readable", -EACCES, 0, DOCTOR_WARN, DOCTOR_OK, "", "answers" },
		{ "no manager", 1, -ENOENT, DOCTOR_OK, DOCTOR_FAIL, "", "no systemd manager" },
		{ "a dead manager", 1, -ETIMEDOUT, DOCTOR_OK, DOCTOR_FAIL, "",
			"does not answer: Connection timed out" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding linger =
			doctor_linger("pi", cases[i].lingers, "deploypi capture");
		struct doctor_finding manager = doctor_manager("pi", 0, cases[i].manager_error);

		check_finding(cases[i].name, &linger, cases[i].linger, "", cases[i].linger_fix);
		check_finding(cases[i].name, &manager, cases[i].manager, cases[i].manager_text,
			cases[i].manager == DOCTOR_OK ? "" : "user@0");
	}
}

struct unit_case {
	const char *name;
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
		{ "well", "loaded", "active", "running", "enabled", "success", 0, 0, DOCTOR_OK,
			"enabled and runs", "" },
		{ "not there", "not-found", "inactive", "dead", "", "", 0, 0, DOCTOR_FAIL,
			"no such unit", "install" },
		{ "masked", "masked", "inactive", "dead", "masked", "", 0, 0, DOCTOR_FAIL, "masked",
			"unmask" },
		{ "a bad file", "bad-setting", "inactive", "dead", "bad", "", 0, 0, DOCTOR_FAIL,
			"cannot be used", "verify u.service" },
		{ "never enabled", "loaded", "inactive", "dead", "disabled", "success", 0, 0,
			DOCTOR_FAIL, "not enabled", "enable --now" },
		{ "stopped", "loaded", "inactive", "dead", "enabled", "success", 0, 0, DOCTOR_FAIL,
			"does not run", "start u" },
		{ "started by hand", "loaded", "active", "running", "disabled", "success", 0, 0,
			DOCTOR_WARN, "will not after", "enable u" },
		{ "failed", "loaded", "failed", "failed", "enabled", "exit-code", 0, 0, DOCTOR_FAIL,
			"status 1", "journalctl" },
		{ "again and again", "loaded", "activating", "auto-restart", "enabled", "watchdog",
			3, 0, DOCTOR_FAIL, "started again", "journalctl" },
		{ "starting", "loaded", "activating", "start", "enabled", "success", 0, 0,
			DOCTOR_WARN, "still starting", "" },
		{ "many restarts", "loaded", "active", "running", "enabled", "success", 5, 0,
			DOCTOR_WARN, "5 times", "journalctl" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit_state unit = unit_of(&cases[i], "u.service");
		struct doctor_finding got = doctor_unit(&unit, NOW_US);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

/* What cannot be asked is a finding, and no unit in use. */
TEST(unit_that_cannot_be_read)
{
	struct doctor_finding got;
	struct unit_state unit;

	doctor_unit_read(NULL, "u.timer", &unit);
	CHECK(!doctor_unit_is_used(&unit));
	got = doctor_unit(&unit, NOW_US);
	check_finding("not asked", &got, DOCTOR_FAIL,
		"u.timer: its load state is not known: ", "journalctl");
}

TEST(timer)
{
	static const struct unit_case cases[] = {
		{ "waits", "loaded", "active", "waiting", "enabled", "success", 0,
			NOW_US + 60000000, DOCTOR_OK, "next in 1 min", "" },
		{ "its service runs", "loaded", "active", "running", "enabled", "success", 0, 0,
			DOCTOR_OK, "at work", "" },
		{ "it is time", "loaded", "active", "waiting", "enabled", "success", 0, NOW_US,
			DOCTOR_OK, "at work", "" },
		{ "dead: never", "loaded", "active", "waiting", "enabled", "success", 0,
			UNIT_TIME_NONE, DOCTOR_FAIL, "never fires", "restart u" },
		{ "dead: elapsed", "loaded", "active", "elapsed", "enabled", "success", 0, 0,
			DOCTOR_FAIL, "never fires", "cat u.timer" },
		{ "dead and disabled", "loaded", "active", "elapsed", "disabled", "success", 0, 0,
			DOCTOR_FAIL, "never fires", "cat u.timer" },
		{ "failed", "loaded", "failed", "failed", "enabled", "resources", 0, 0, DOCTOR_FAIL,
			"missing or full", "journalctl" },
		{ "by hand", "loaded", "active", "waiting", "disabled", "success", 0,
			NOW_US + 60000000, DOCTOR_WARN, "will not after", "enable u" },
		{ "off", "loaded", "inactive", "dead", "disabled", "success", 0, 0, DOCTOR_FAIL,
			"not enabled", "enable --now u" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit_state unit = unit_of(&cases[i], "u.timer");
		struct doctor_finding got = doctor_unit(&unit, NOW_US);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(disk)
{
	static const struct {
		const char *name, *path;
		int64_t type, flags;
		int error;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "ext4", "/data", 0xef53, 0, 0, DOCTOR_OK, "/data is on ext4", "" },
		{ "unknown", "/data", 0x1234, 0, 0, DOCTOR_OK, "0x1234", "" },
		{ "tmpfs", "/tmp", 0x01021994, 0, 0, DOCTOR_FAIL, "in memory", "disk" },
		{ "overlay", "/", 0x794c7630, 0, 0, DOCTOR_FAIL, "overlay", "recurse" },
		{ "vfat", "/u", 0x4d44, 0, 0, DOCTOR_WARN, "no journal", "ext4" },
		{ "FUSE", "/u", 0x65735546, 0, 0, DOCTOR_WARN, "program", "ext4" },
		{ "nfs", "/n", 0x6969, 0, 0, DOCTOR_WARN, "network", "" },
		{ "read-only", "/data", 0xef53, ST_RDONLY, 0, DOCTOR_FAIL, "read-only", "dmesg" },
		{ "an error", "/data", 0, 0, -EIO, DOCTOR_FAIL, "Input/output", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct statfs fs = { .f_type = cases[i].type, .f_flags = cases[i].flags };
		struct doctor_finding got = doctor_disk(cases[i].path, cases[i].error, &fs);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

/* What is tried leaves nothing behind. */
TEST(publish)
{
	struct doctor_finding got;
	char path[64], file[100];
	const char *step;
	int r;

	test_make_folder(path);
	snprintf(file, sizeof file, "%s/.doctor.jpg.part", path);
	CHECK_INT(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	CHECK_INT(doctor_trial_run(path, &step), 1);
	CHECK_INT(rmdir(path), 0);
	CHECK_INT(doctor_trial_run(path, &step), -ENOENT);
	got = doctor_publish(path, 1, "");
	check_finding("works", &got, DOCTOR_OK, path, "");
	got = doctor_publish(path, 0, "");
	check_finding("no symlinks", &got, DOCTOR_OK, "latest.jpg is a copy", "");
	r = doctor_trial_run("/proc/self", &step);
	got = doctor_publish("/proc/self", r, step);
	check_finding("no files", &got, DOCTOR_FAIL, "/proc/self: cannot make a file", "may write");
	got = doctor_publish("/data", -ENOLCK, "lock it (flock)");
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
		const struct statfs fs = { .f_frsize = 1000,
			.f_blocks = cases[i].free_mb < 0 ? 0 : 1000000000,
			.f_bavail = (fsblkcnt_t)cases[i].free_mb * 1000,
			.f_files = (fsfilcnt_t)cases[i].inodes,
			.f_ffree = (fsfilcnt_t)cases[i].free_inodes };
		struct doctor_use use = { cases[i].per_day, cases[i].frame_mb * 1e6,
			cases[i].makes_room, cases[i].held };
		struct doctor_finding got = doctor_space("/data", 0, &fs, &use);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

TEST(shell)
{
	static const struct {
		const char *name, *shell, *home;
		int error, code;
		const char *said;
		enum doctor_verdict want;
		const char *text, *fix;
	} cases[] = {
		{ "silent", "/bin/bash", "/home/pi", 0, 0, "", DOCTOR_OK, "prints nothing", "" },
		{ "greets", "/bin/bash", "/home/pi", 0, 0, "hi\nthere\n", DOCTOR_WARN,
			"prints \"hi\" before", "/home/pi/.bashrc" },
		{ "a blank line first", "/usr/bin/zsh", "/home/pi", 0, 0, "\r\nhi\r\n", DOCTOR_WARN,
			"prints \"hi\" before", "/home/pi/.zshenv" },
		{ "steers", "/usr/bin/fish", "/home/pi", 0, 0, "\033[2J\xe2\x80\xae", DOCTOR_WARN,
			"prints \"?[2J?\" before", "config.fish" },
		{ "unknown", "/opt/sh", "/home/pi", 0, 0, "hi", DOCTOR_WARN, "hi", "start-up" },
		{ "over there", "", "", 0, 0, "hi", DOCTOR_WARN, "hi", "~/.bashrc" },
		{ "no login", "/usr/sbin/nologin", "/home/pi", 0, 1, "This account ...",
			DOCTOR_FAIL, "exit status 1", "chsh -s" },
		{ "for ever", "/bin/bash", "/home/pi", -ETIMEDOUT, 0, "", DOCTOR_FAIL, "in time",
			".bashrc" },
		{ "much", "/bin/bash", "/home/pi", -EFBIG, 0, "", DOCTOR_FAIL, "without an end",
			".bashrc" },
		{ "gone", "/bin/ksh", "/home/pi", -ENOENT, 0, "", DOCTOR_FAIL, "cannot be run",
			"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_finding got = doctor_shell(cases[i].shell, cases[i].home,
			cases[i].error, cases[i].code, cases[i].said);

		check_finding(cases[i].name, &got, cases[i].want, cases[i].text, cases[i].fix);
	}
}

/* The real thing: a path that is not there is that of the nearest folder. */
TEST(disk_read)
{
	char path[PATH_MAX], *text = NULL;
	struct statfs fs;

	CHECK(doctor_disk_read("/proc/self/nothing/of/the/kind", path, &fs) == 0);
	CHECK_STR(path, "/proc/self");
	CHECK_INT(fs.f_type, 0x9fa0);
	CHECK(doctor_disk_read("/nothing/of/the/kind", path, &fs) == 0);
	CHECK_STR(path, "/");
	CHECK(fs.f_blocks > 0 && fs.f_bavail <= fs.f_blocks);
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

/* What is to be done names the camera that --name means. */
TEST(told_of_another_camera)
{
	static const struct cli_program program = { .name = "capturepi" };
	struct cli cli = { .program = &program, .name = "porch" };
	struct doctor doctor = { .cli = &cli };
	char text[500];
	int saved = dup(STDOUT_FILENO), fd = memfd_create("out", MFD_CLOEXEC);

	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	doctor_tell(&doctor, "newest", doctor_find(DOCTOR_WARN, "none\ntry `capturepi shot`"));
	doctor_tell(&doctor, "quiet", (struct doctor_finding){ .text = "" });
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	text[pread(fd, text, sizeof text - 1, 0)] = '\0';
	close(fd);
	CHECK_STR(text, "warn  newest         none; try `capturepi --name porch shot`\n");
	CHECK_INT(doctor.counts[DOCTOR_OK], 0);
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
		struct unit_state unit = {
			.load = "loaded", .active = "inactive", .file_state = "disabled"
		};
		struct doctor_finding got;

		strcpy(unit.name, cases[i].unit);
		got = doctor_unit(&unit, NOW_US);
		CHECK_STR(got.fix, cases[i].fix);
	}
}
