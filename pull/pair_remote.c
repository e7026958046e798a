/* SPDX-License-Identifier: MIT */
/*
 * Installs the key on the camera through the system's ssh, which brings the person's own ways to log
 * in (password, agent, hardware key). What runs there is a fixed POSIX script on the standard input
 * of `sh -s`; the texts that vary stand in here-documents with quoted ends, where the shell
 * interprets nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cli.h"
#include "common/text.h"
#include "common/util.h"
#include "pull/pair.h"

#define END_OF_TEXT "PULLPI_END_OF_TEXT"
#define ARGUMENTS_MAX 40

static const char script_head[] = "umask 077\n"
				  "fail() { printf '\\npullpi-error %s\\n' \"$1\"; exit 1; }\n";

static const char script_tail[] =
	"if [ -z \"$serve$remove\" ]; then\n"
	"	PATH=$PATH:$HOME/.local/bin:/usr/local/bin:/usr/bin\n"
	"	program=$(command -v capturepi) || { printf '\\npullpi-missing\\n'; exit 1; }\n"
	"	case $program in\n"
	"	/*[!A-Za-z0-9_./+@-]* | [!/]*) fail \"odd path: $program\" ;;\n"
	"	esac\n"
	"	serve=\"$program${name:+ --name $name} serve --client $client\"\n"
	"fi\n"
	"cd \"$HOME\" || fail 'there is no home folder'\n"
	"mkdir -p .ssh || fail 'cannot make ~/.ssh'\n"
	"if command -v flock >/dev/null; then\n"
	"	exec 9<.ssh && flock -w 20 9 || fail 'somebody else has ~/.ssh locked'\n"
	"fi\n"
	"file=.ssh/authorized_keys\n"
	"[ ! -L \"$file\" ] || file=$(readlink -f \"$file\")\n"
	"temp=$(mktemp \"$file.XXXXXX\") || fail 'cannot write in ~/.ssh'\n"
	"trap 'rm -f \"$temp\"' EXIT\n"
	"what=installed\n"
	"[ -z \"$remove\" ] || what=absent\n"
	"if [ -e \"$file\" ]; then\n"
	"	grep -qF -e \"$blob\" \"$file\" && what=${remove:-replaced}\n"
	"	grep -vF -e \"$blob\" \"$file\" >\"$temp\"\n"
	"	[ $? -le 1 ] || fail 'cannot read ~/.ssh/authorized_keys'\n"
	"fi\n"
	"if [ -z \"$remove\" ]; then\n"
	"	printf 'restrict,command=\"%s\" %s\\n' \"$serve\" \"$key\" >>\"$temp\" ||\n"
	"		fail 'cannot write in ~/.ssh'\n"
	"elif [ \"$what\" = absent ]; then\n"
	"	printf '\\npullpi-absent \\n'; exit 0\n"
	"else\n"
	"	chmod \"$(stat -c %a \"$file\")\" \"$temp\" || fail 'cannot write in ~/.ssh'\n"
	"fi\n"
	"mv -f \"$temp\" \"$file\" || fail 'cannot replace ~/.ssh/authorized_keys'\n"
	"printf '\\npullpi-%s %s\\n' \"$what\" \"$serve\"\n";

/* None of the texts has a newline in it, so none can end its own here-document. */
static int make_script(const struct install *install, char **ret)
{
	const char *blob = strchr(install->public_key, ' ');

	if (!blob || strchr(install->public_key, '\n') || strchr(install->comment, '\n') ||
		!pull_camera_name_ok(install->client) ||
		(*install->name && !cli_name_ok("capturepi", install->name)) ||
		(install->serve && !serve_command_ok(install->serve)))
		return -EINVAL;
	if (asprintf(ret,
		    "%s"
		    "IFS= read -r serve <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n"
		    "IFS= read -r name <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n"
		    "IFS= read -r client <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n"
		    "IFS= read -r key <<'" END_OF_TEXT "'\n%s %s\n" END_OF_TEXT "\n"
		    "IFS= read -r remove <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n"
		    "IFS= read -r blob <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n"
		    "%s",
		    script_head, install->serve ? install->serve : "", install->name,
		    install->client, install->public_key, install->comment,
		    install->remove ? "removed" : "", blob + 1, script_tail) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

/* ssh reads option values as words, with quotes and %-tokens. */
static int quote_path(const char *name, const char *path, char ret[static 2 * PATH_MAX])
{
	char *p = ret + snprintf(ret, PATH_MAX, "%s=\"", name);

	if (strlen(path) >= PATH_MAX - 64 || strpbrk(path, "\"\\$\n"))
		return -EINVAL;
	for (; *path; path++) {
		*p++ = *path;
		if (*path == '%')
			*p++ = '%';
	}
	*p++ = '"';
	*p = 0;
	return 0;
}

/* The strings that ssh's arguments point into. */
struct arguments {
	const char *argv[ARGUMENTS_MAX];
	size_t n;
	char port[16], alias[CAMERA_NAME_MAX + 16], known_hosts[2 * PATH_MAX];
};

static void add(struct arguments *a, const char *first, const char *second)
{
	a->argv[a->n++] = first;
	if (second)
		a->argv[a->n++] = second;
}

static int make_arguments(const struct install *install, bool agent, struct arguments *ret)
{
	const struct ssh_options *ssh = &install->reach->ssh;
	int r = quote_path("UserKnownHostsFile", ssh->known_hosts, ret->known_hosts);

	if (r < 0)
		return r;
	ret->n = 0;
	snprintf(ret->port, sizeof ret->port, "%d", ssh->port);
	snprintf(ret->alias, sizeof ret->alias, "HostKeyAlias=%s", ssh->alias);
	add(ret, "ssh", "-T");
	add(ret, "-F", "none");
	add(ret, "-o", ret->alias);
	add(ret, "-o", ret->known_hosts);
	add(ret, "-o", "GlobalKnownHostsFile=/dev/null");
	add(ret, "-o", "StrictHostKeyChecking=yes");
	add(ret, "-o", "UpdateHostKeys=no");
	add(ret, "-o", "ConnectTimeout=15");
	add(ret, "-o", "ServerAliveInterval=5");
	add(ret, "-o", "ForwardAgent=no");
	add(ret, "-o", "ClearAllForwardings=yes");
	add(ret, "-o", install->may_ask ? "BatchMode=no" : "BatchMode=yes");
	/* a person's own way to that host, with the keys and host keys of theirs */
	if (install->reach->ssh.jump)
		add(ret, "-J", install->reach->ssh.jump->jump);
	add(ret, "-p", ret->port);
	if (ssh->user)
		add(ret, "-l", ssh->user);
	/* and no other: sshd ends the connection after a few keys, those of an agent come first */
	if (install->identity) {
		add(ret, "-o", "IdentitiesOnly=yes");
		add(ret, "-i", install->identity);
	}
	if (!agent)
		add(ret, "-o", "IdentityAgent=none");
	add(ret, "--", ssh->host);
	add(ret, "sh -s", NULL);
	ret->argv[ret->n] = NULL;
	return 0;
}

/* ssh with pipes on its stdin, stdout and stderr; it asks for passwords on the terminal itself. */
struct run {
	pid_t pid;
	int in, out, err;
	size_t used; /* of the output */
	char line[1024]; /* of stderr, as far as it has come */
	size_t line_used;
	bool too_many_keys; /* stderr said so */
};

static void run_end(struct run *run)
{
	closep(&run->in);
	closep(&run->out);
	closep(&run->err);
}

static int run_start(struct run *run, const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, r = 0;
	sigset_t signals;

	for (int i = 0; i < 3 && r == 0; i++)
		r = pipe2(pipes[i], O_CLOEXEC) < 0 ? -errno : 0;
	run->in = pipes[0][1];
	run->out = pipes[1][0];
	run->err = pipes[2][0];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[0][0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipes[2][1], STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE); /* ignored here */
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = -posix_spawnp(
			&run->pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	closep(&pipes[0][0]);
	closep(&pipes[1][1]);
	closep(&pipes[2][1]);
	return r;
}

/* Some of its output; of what is more than the limit the end stays, where the result is. */
static void take_output(struct run *run, char output[static INSTALL_OUTPUT_MAX])
{
	ssize_t n;

	if (run->used == INSTALL_OUTPUT_MAX - 1) {
		run->used /= 2;
		memmove(output, output + INSTALL_OUTPUT_MAX - 1 - run->used, run->used);
	}
	n = read(run->out, output + run->used, INSTALL_OUTPUT_MAX - 1 - run->used);
	if (n > 0)
		run->used += (size_t)n;
	else if (n == 0 || errno != EINTR)
		close(TAKE_FD(run->out));
	output[run->used] = 0;
}

/* What ssh, or the shell there, complains of is for the person, cleaned. */
static void take_complaint(struct run *run)
{
	char c = '\n', clean[sizeof run->line];
	ssize_t n = read(run->err, &c, 1);

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0 && c != '\n')
		run->line[run->line_used++] = c;
	if (run->line_used > 0 && (c == '\n' || run->line_used == sizeof run->line)) {
		if (run->line[run->line_used - 1] == '\r')
			run->line_used--;
		text_clean(run->line, run->line_used, clean, sizeof clean);
		if (strstr(clean, "Too many authentication failures"))
			run->too_many_keys = true;
		fprintf(stderr, "%s\n", clean);
		run->line_used = 0;
	}
	if (n <= 0)
		close(TAKE_FD(run->err));
}

/* Feeds the script and takes the output. The script is smaller than a pipe, so this cannot block. */
static int run_ssh(const char *const *argv, const char *script,
	char ret_output[static INSTALL_OUTPUT_MAX], int *ret_status, bool *ret_too_many_keys)
{
	CLEANUP(run_end) struct run run = { .in = -1, .out = -1, .err = -1 };
	size_t bytes = strlen(script);
	int r = run_start(&run, argv);

	if (r < 0)
		return r;
	/* If ssh is gone already, its exit status says why. */
	if (write(run.in, script, bytes) != (ssize_t)bytes)
		r = 0;
	close(TAKE_FD(run.in));
	*ret_output = 0;
	while (run.out >= 0 || run.err >= 0) {
		struct pollfd fds[2] = { { run.out, POLLIN, 0 }, { run.err, POLLIN, 0 } };

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			take_output(&run, ret_output);
		if (fds[1].revents)
			take_complaint(&run);
	}
	*ret_too_many_keys = run.too_many_keys;
	while (waitpid(run.pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return r;
}

/* The script's own line among what the login shell may have said before it. */
static char *find_result(char *output)
{
	char *result = strncmp(output, "pullpi-", 7) == 0 ? output : strstr(output, "\npullpi-");

	if (!result)
		return NULL;
	result += *result == '\n';
	result[strcspn(result, "\n")] = 0;
	return result + strlen("pullpi-");
}

static int judge(char *output, int status, bool *ret_replaced,
	char ret_serve[static SERVE_COMMAND_MAX], char *error, size_t size)
{
	char *result = find_result(output), *text = result ? strchr(result, ' ') : NULL;

	if (result && strcmp(result, "missing") == 0) {
		snprintf(error, size, "capturepi is not installed there");
		return -ENOEXEC;
	}
	if (text)
		*text++ = 0;
	if (text &&
		(strcmp(result, "installed") == 0 || strcmp(result, "replaced") == 0 ||
			strcmp(result, "removed") == 0 || strcmp(result, "absent") == 0)) {
		*ret_replaced = *result == 'r';
		text_format(ret_serve, SERVE_COMMAND_MAX, "%s", text);
		return 0;
	}
	if (text && strcmp(result, "error") == 0) {
		text_format(error, size, "over there: %s", text);
		return -EPROTO;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 255) {
		snprintf(error, size, "ssh could not log in");
		return -EACCES;
	}
	text_format(error, size,
		"the login shell there did not run the script (ssh's exit status %d)%s%.*s",
		WIFEXITED(status) ? WEXITSTATUS(status) : -1, *output ? "; it says: " : "",
		(int)strcspn(output, "\r\n"), output);
	return -EPROTO;
}

int install_key(const struct install *install, bool *ret_replaced,
	char ret_serve[static SERVE_COMMAND_MAX], char *error, size_t size)
{
	CLEANUP_FREE char *script = NULL, *output = malloc(INSTALL_OUTPUT_MAX);
	struct arguments arguments;
	bool too_many_keys = false;
	int r, status = 0;

	r = output ? make_script(install, &script) : -ENOMEM;
	if (r == 0)
		r = make_arguments(install, true, &arguments);
	if (r == 0)
		r = run_ssh(arguments.argv, script, output, &status, &too_many_keys);
	/* the keys in files and a password have not had their turn */
	if (r == 0 && too_many_keys && !install->identity &&
		make_arguments(install, false, &arguments) == 0) {
		fprintf(stderr,
			"The agent here has more keys than sshd there takes; once more "
			"without it\n");
		r = run_ssh(arguments.argv, script, output, &status, &too_many_keys);
	}
	if (r == -ENOENT)
		snprintf(error, size, "there is no ssh program here; install openssh-client");
	else if (r < 0)
		snprintf(error, size, "ssh cannot be used: %s", strerror(-r));
	return r < 0 ? r : judge(output, status, ret_replaced, ret_serve, error, size);
}
