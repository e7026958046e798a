/* SPDX-License-Identifier: MIT */
/*
 * A fork for each camera. Nothing is open and no thread runs when it happens, so the child begins
 * like a program of its own; a crash, a leak or a hanging library call is that camera's alone.
 *
 * The processes share the memory of the list, where each one says that it is connected.
 */
#include "pull/commands/all.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/contact/peer_state.h"

#define GRACE_NS NS_PER_SEC /* time for a living camera to be connected */
#define LOOK_NS (NS_PER_SEC / 10)
#define LINE_BUFFER 16384

struct worker {
	const struct camera_settings *camera;
	pid_t pid; /* 0: not started, or over */
	int64_t start_ns;
	int code;
	atomic_bool connected; /* the one thing that its process writes */
};

struct run {
	const struct all_options *options;
	struct worker workers[CONF_CAMERAS_MAX];
	size_t n, started, running;
	sigset_t signals; /* as they were */
};

void worker_connected(struct worker *worker, bool yes)
{
	if (worker)
		atomic_store(&worker->connected, yes);
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

/* Puts those that did not answer last time last. */
static void run_line_up(struct run *run)
{
	const struct pull_settings *settings = run->options->settings;

	for (int late = 0; late < 2; late++) {
		for (size_t i = 0; i < settings->n_cameras; i++) {
			struct peer_state peer;

			peer_state_load(settings->cameras[i].name, &peer);
			if ((peer.camera.code == CLI_TEMPFAIL) == late)
				run->workers[run->n++].camera = &settings->cameras[i];
		}
	}
}

/* The camera's process, from its first to its last breath. */
static void worker_run(const struct run *run, struct worker *worker, pid_t parent)
{
	int code;

	sigprocmask(SIG_SETMASK, &run->signals, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(CLI_INTERNAL);
	/* a line is one write, so those of several processes never mix */
	setvbuf(stdout, NULL, _IOLBF, LINE_BUFFER);
	code = run->options->work(run->options->data, worker->camera, worker);
	if (fflush(stdout) != 0 || ferror(stdout))
		code = code == CLI_OK ? CLI_INTERNAL : code;
	_exit(code);
}

/* Counts those that are connected, and those that cannot be expected to be connected yet. */
static unsigned run_connected(const struct run *run)
{
	int64_t now_ns = clock_mono_ns(&clock_real);
	unsigned n = 0;

	for (size_t i = 0; i < run->started; i++) {
		const struct worker *worker = &run->workers[i];

		n += worker->pid &&
			(atomic_load(&worker->connected) || now_ns - worker->start_ns < GRACE_NS);
	}
	return n;
}

static void run_start_some(struct run *run)
{
	while (run->started < run->n && run_connected(run) < run->options->jobs) {
		struct worker *worker = &run->workers[run->started];
		pid_t parent = getpid(), pid = fork();

		if (pid == 0)
			worker_run(run, worker, parent);
		if (pid < 0 && run->running > 0)
			return; /* there may be room when one of them ends */
		run->started++;
		if (pid < 0) {
			cli_error(run->options->cli, "%s: no process for it: %s",
				worker->camera->name, strerror(errno));
			worker->code = CLI_INTERNAL;
			continue;
		}
		worker->pid = pid;
		worker->start_ns = clock_mono_ns(&clock_real);
		run->running++;
	}
}

static void worker_ended(const struct run *run, struct worker *worker, int status)
{
	worker->pid = 0;
	worker->code = WIFEXITED(status) ? WEXITSTATUS(status) : CLI_INTERNAL;
	if (!WIFEXITED(status))
		cli_error(run->options->cli, "%s: its process was ended by signal %d (%s)",
			worker->camera->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
}

/* Takes in the processes that ended. */
static void run_reap(struct run *run)
{
	int status;
	pid_t pid;

	while (run->running > 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < run->started; i++)
			if (run->workers[i].pid == pid) {
				worker_ended(run, &run->workers[i], status);
				run->running--;
			}
}

static void run_work(struct run *run)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	sigset_t child;

	signal(SIGCHLD, SIG_DFL); /* if it is ignored, nobody learns how a process ended */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &run->signals);
	for (;;) {
		run_reap(run);
		run_start_some(run);
		if (run->running == 0 && run->started == run->n)
			break;
		/* while some wait, look now and then who is connected */
		if (run->started < run->n)
			sigtimedwait(&child, NULL, &look);
		else
			sigwaitinfo(&child, NULL);
	}
	sigprocmask(SIG_SETMASK, &run->signals, NULL);
}

/* Adds up the codes, and prints the sum for a person. */
static int run_result(const struct run *run)
{
	const bool quiet = cli_flag(run->options->cli, "json") || log_is_journal();
	size_t good = 0;
	int code = CLI_OK;

	for (size_t i = 0; i < run->n; i++) {
		good += run->workers[i].code == CLI_OK;
		code = all_code(code, run->workers[i].code);
	}
	if (quiet)
		return code;
	text_print(stdout, "%zu of %zu cameras%s", good, run->n, good < run->n ? "; not:" : "");
	for (size_t i = 0; i < run->n; i++)
		if (run->workers[i].code != CLI_OK)
			text_print(stdout, " %s", run->workers[i].camera->name);
	fputs("\n", stdout);
	return code;
}

int all_cameras(const struct all_options *options)
{
	struct run *run =
		mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int code;

	if (run == MAP_FAILED) {
		cli_error(options->cli, "out of memory");
		return CLI_INTERNAL;
	}
	run->options = options;
	run_line_up(run);
	fflush(stdout); /* or each child would write it once more */
	run_work(run);
	code = run_result(run);
	munmap(run, sizeof *run);
	return code;
}
