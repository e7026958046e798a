/* SPDX-License-Identifier: MIT */
/*
 * A fork per camera. Nothing is open and no thread runs when it happens, so the child begins like a
 * program of its own; a crash, a leak or a hanging library call is that camera's alone.
 *
 * Who is connected stands in memory that all share: one flag per process, written by it alone.
 */
#include "pull/all.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "pull/contact.h"

#define GRACE_NS NS_PER_SEC /* within that a living camera is connected */
#define LOOK_NS (NS_PER_SEC / 10)
#define LINE_BUFFER 16384

struct lane {
	atomic_bool connected;
};

struct job {
	const struct camera_settings *camera;
	struct lane *lane; /* shared with its process */
	pid_t pid; /* 0: not started, or over */
	int64_t start_ns;
	int code;
};

struct run {
	const struct all_options *options;
	struct job jobs[CONF_CAMERAS_MAX];
	size_t n, started, running;
	sigset_t signals; /* as they were */
};

void lane_connected(struct lane *lane, bool yes)
{
	if (lane)
		atomic_store(&lane->connected, yes);
}

int all_code(int a, int b)
{
	static const int gravest[] = { CLI_INTERNAL, CLI_USAGE, CLI_SETTINGS, CLI_REFUSED,
		CLI_PROTOCOL, CLI_TEMPFAIL };

	for (size_t i = 0; i < ARRAY_SIZE(gravest); i++) {
		if (a == gravest[i] || b == gravest[i])
			return gravest[i];
	}
	return a == CLI_OK && b == CLI_OK ? CLI_OK : CLI_INTERNAL;
}

int all_jobs(const struct cli *cli, unsigned *ret)
{
	int64_t jobs;
	int r;

	if (cli_value(cli, "jobs") && !cli_flag(cli, "all"))
		return cli_usage(cli, "--jobs goes with --all");
	r = cli_number(cli, "jobs", 1, CONF_CAMERAS_MAX, ALL_JOBS_DEFAULT, &jobs);
	if (r == CLI_OK)
		*ret = (unsigned)jobs;
	return r;
}

/* Those that did not answer last time come last. */
static void line_up(struct run *run, struct lane *lanes)
{
	const struct pull_settings *settings = run->options->settings;

	for (int late = 0; late < 2; late++) {
		for (size_t i = 0; i < settings->n_cameras; i++) {
			struct contact contact;

			contact_load(settings->cameras[i].name, &contact);
			if ((contact.code == CLI_TEMPFAIL) != late)
				continue;
			run->jobs[run->n] = (struct job){ .camera = &settings->cameras[i],
				.lane = &lanes[run->n] };
			run->n++;
		}
	}
}

/* The camera's process, from its first to its last breath. */
static void be_child(const struct run *run, const struct job *job, pid_t parent)
{
	int code;

	sigprocmask(SIG_SETMASK, &run->signals, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(CLI_INTERNAL);
	/* a line is one write, so those of several processes never mix */
	setvbuf(stdout, NULL, _IOLBF, LINE_BUFFER);
	code = run->options->work(run->options->data, job->camera, job->lane);
	if (fflush(stdout) != 0 || ferror(stdout))
		code = code == CLI_OK ? CLI_INTERNAL : code;
	_exit(code);
}

/* -errno where there is no process for it (now). */
static int start(struct run *run)
{
	struct job *job = &run->jobs[run->started];
	pid_t parent = getpid();

	job->pid = fork();
	if (job->pid == 0)
		be_child(run, job, parent);
	if (job->pid < 0) {
		job->pid = 0;
		return -errno;
	}
	job->start_ns = clock_mono_ns(&clock_real);
	run->started++;
	run->running++;
	return 0;
}

/* Those that are connected, and those that cannot be expected to be it yet. */
static unsigned busy(const struct run *run)
{
	int64_t now_ns = clock_mono_ns(&clock_real);
	unsigned n = 0;

	for (size_t i = 0; i < run->started; i++) {
		const struct job *job = &run->jobs[i];

		n += job->pid &&
			(atomic_load(&job->lane->connected) || now_ns - job->start_ns < GRACE_NS);
	}
	return n;
}

static void start_some(struct run *run)
{
	while (run->started < run->n && busy(run) < run->options->jobs) {
		int r = start(run);

		if (r < 0 && run->running > 0)
			return; /* when one of them is over there may be room */
		if (r < 0) {
			cli_error(run->options->cli, "%s: no process for it: %s",
				run->jobs[run->started].camera->name, strerror(-r));
			run->jobs[run->started++].code = CLI_INTERNAL;
		}
	}
}

static void note_end(struct run *run, struct job *job, int status)
{
	job->pid = 0;
	run->running--;
	if (WIFEXITED(status)) {
		job->code = WEXITSTATUS(status);
		return;
	}
	job->code = CLI_INTERNAL;
	cli_error(run->options->cli, "%s: its process was ended by signal %d (%s)",
		job->camera->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
}

/* Takes in those that are over. */
static void reap(struct run *run)
{
	int status;
	pid_t pid;

	while (run->running > 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < run->started; i++) {
			if (run->jobs[i].pid == pid)
				note_end(run, &run->jobs[i], status);
		}
	}
}

static void print_person(const struct run *run)
{
	size_t good = 0;

	for (size_t i = 0; i < run->n; i++)
		good += run->jobs[i].code == CLI_OK;
	printf("%zu of %zu cameras%s", good, run->n, good < run->n ? "; not:" : "\n");
	for (size_t i = 0; i < run->n; i++) {
		if (run->jobs[i].code != CLI_OK)
			printf(" %s", run->jobs[i].camera->name);
	}
	if (good < run->n)
		putchar('\n');
}

static int run_all(struct run *run)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	sigset_t child;
	int code = CLI_OK;

	signal(SIGCHLD, SIG_DFL); /* where it is ignored nobody learns how a process ended */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &run->signals);
	for (;;) {
		reap(run);
		start_some(run);
		if (run->running == 0 && run->started == run->n)
			break;
		/* while some wait, a look now and then at who is connected */
		if (run->started < run->n)
			sigtimedwait(&child, NULL, &look);
		else
			sigwaitinfo(&child, NULL);
	}
	sigprocmask(SIG_SETMASK, &run->signals, NULL);
	for (size_t i = 0; i < run->n; i++)
		code = all_code(code, run->jobs[i].code);
	return code;
}

int all_cameras(const struct all_options *options)
{
	const size_t bytes = CONF_CAMERAS_MAX * sizeof(struct lane);
	CLEANUP_FREE struct run *run = calloc(1, sizeof *run);
	struct lane *lanes =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int code;

	if (!run || lanes == MAP_FAILED) {
		cli_error(options->cli, "out of memory");
		return CLI_INTERNAL;
	}
	run->options = options;
	line_up(run, lanes);
	fflush(stdout); /* or each child would write it once more */
	code = run_all(run);
	munmap(lanes, bytes);
	if (!cli_flag(options->cli, "json") && !log_is_journal())
		print_person(run);
	return code;
}
