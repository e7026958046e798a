/* SPDX-License-Identifier: MIT */
/*
 * Installs the key on the camera through the system's ssh, which brings the person's own ways to log
 * in (password, agent, hardware key). What runs there is a fixed POSIX script on the standard input
 * of `sh -s`; the texts that vary stand in here-documents with quoted ends, where the shell
 * interprets nothing.
 */
#include <errno.h>
#include <fcntl.h>
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
	"if [ -z \"$serve\" ]; then\n"
	"	PATH=$PATH:$HOME/.local/bin:/usr/local/bin:/usr/bin\n"
	"	program=$(command -v capturepi) || { printf '\\npullpi-missing\\n'; exit 1; }\n"
	"	case $program in\n"
	"	/*[!A-Za-z0-9_./+@-]* | [!/]*) fail \"odd path: $program\" ;;\n"
	"	esac\n"
	"	serve=\"$program${name:+ --name $name} serve --client $client\"\n"
	"fi\n"
	"cd \"$HOME\" || fail 'there is no home folder'\n"
	"mkdir -p .ssh || fail 'cannot make ~/.ssh'\n"
	"file=.ssh/authorized_keys\n"
	"[ ! -L \"$file\" ] || file=$(readlink -f \"$file\")\n"
	"temp=$(mktemp \"$file.XXXXXX\") || fail 'cannot write in ~/.ssh'\n"
	"trap 'rm -f \"$temp\"' EXIT\n"
	"what=installed\n"
	"if [ -e \"$file\" ]; then\n"
	"	grep -qF -e \"$blob\" \"$file\" && what=replaced\n"
	"	grep -vF -e \"$blob\" \"$file\" >\"$temp\"\n"
	"	[ $? -le 1 ] || fail 'cannot read ~/.ssh/authorized_keys'\n"
	"fi\n"
	"printf 'restrict,command=\"%s\" %s\\n' \"$serve\" \"$key\" >>\"$temp\" ||\n"
	"	fail 'cannot write in ~/.ssh'\n"
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
		    "IFS= read -r blob <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n"
		    "%s",
		    script_head, install->serve ? install->serve : "", install->name,
		    install->client, install->public_key, install->comment, blob + 1,
		    script_tail) >= 0)
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

static int make_arguments(const struct install *install, struct arguments *ret)
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
	if (install->identity)
		add(ret, "-i", install->identity);
	add(ret, "--", ssh->host);
	add(ret, "sh -s", NULL);
	ret->argv[ret->n] = NULL;
	return 0;
}

/* Starts ssh with pipes on its stdin and stdout; stderr stays the person's. */
static int spawn_ssh(const char *const *argv, pid_t *ret_pid, int *ret_in, int *ret_out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int in[2], out[2], r;
	sigset_t signals;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		r = -errno;
		close(in[0]);
		close(in[1]);
		return r;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE); /* ignored here */
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	r = -posix_spawnp(ret_pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	if (r < 0) {
		close(in[1]);
		close(out[0]);
		return r;
	}
	*ret_in = in[1];
	*ret_out = out[0];
	return 0;
}

/* Its output; of what is more than the limit the end, where the result is. */
static int read_output(int fd, char ret[static INSTALL_OUTPUT_MAX])
{
	size_t have = 0;

	for (;;) {
		ssize_t n;

		if (have == INSTALL_OUTPUT_MAX - 1) {
			have /= 2;
			memmove(ret, ret + INSTALL_OUTPUT_MAX - 1 - have, have);
		}
		n = read(fd, ret + have, INSTALL_OUTPUT_MAX - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	ret[have] = 0;
	return 0;
}

/* Feeds the script and takes the output. The script is smaller than a pipe, so this cannot block. */
static int run_ssh(const char *const *argv, const char *script,
	char ret_output[static INSTALL_OUTPUT_MAX], int *ret_status)
{
	CLEANUP_FD int in = -1, out = -1;
	size_t bytes = strlen(script);
	pid_t pid;
	int r = spawn_ssh(argv, &pid, &in, &out);

	if (r < 0)
		return r;
	/* If ssh is gone already, its exit status says why. */
	if (write(in, script, bytes) != (ssize_t)bytes)
		r = 0;
	close(TAKE_FD(in));
	r = read_output(out, ret_output);
	while (waitpid(pid, ret_status, 0) < 0)
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
	if (text && (strcmp(result, "installed") == 0 || strcmp(result, "replaced") == 0)) {
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
	int r, status = 0;

	r = output ? make_script(install, &script) : -ENOMEM;
	if (r == 0)
		r = make_arguments(install, &arguments);
	if (r == 0)
		r = run_ssh(arguments.argv, script, output, &status);
	if (r == -ENOENT)
		snprintf(error, size, "there is no ssh program here; install openssh-client");
	else if (r < 0)
		snprintf(error, size, "ssh cannot be used: %s", strerror(-r));
	return r < 0 ? r : judge(output, status, ret_replaced, ret_serve, error, size);
}
