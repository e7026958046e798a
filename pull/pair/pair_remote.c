/* SPDX-License-Identifier: MIT */
/*
 * Installs the key on the camera through the system's ssh, which has the person's own ways to log
 * in (password, agent, hardware key). A fixed POSIX script runs there on the standard input of
 * `sh -s`; the texts that vary are here-documents with quoted ends, where the shell interprets
 * nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/child.h"
#include "common/base/fs.h"
#include "common/base/text.h"
#include "common/base/util.h"
#include "common/commands/cli.h"
#include "pull/pair/pair.h"
#include "pull/ssh/jump.h"

#define END_OF_TEXT "PULLPI_END_OF_TEXT"
#define SHOWN_MAX 100 /* lines of ssh, or of a login shell, that a person is shown */

static const char script_head[] = "umask 077\n"
				  "fail() { printf '\\npullpi-error %s\\n' \"$1\"; exit 1; }\n";

static const char script_tail[] =
	/* a key that replaces another one may run what that one ran */
	"if [ -z \"$serve$remove\" ] && [ -n \"$before\" ]; then\n"
	"	serve=$(grep -F -e \"$before\" \"$HOME/.ssh/authorized_keys\" |\n"
	"		sed -n 's/^restrict,command=\"\\([^\"\\]*\\)\" .*/\\1/p' | head -n 1)\n"
	"fi\n"
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
	"	exec 9<.ssh && flock -w 60 9 || fail 'somebody else has ~/.ssh locked'\n"
	"fi\n"
	"file=.ssh/authorized_keys\n"
	"[ ! -L \"$file\" ] || file=$(readlink -f \"$file\")\n"
	"temp=$(mktemp \"$file.XXXXXX\") && seen=$(mktemp \"$file.XXXXXX\") ||\n"
	"	fail 'cannot write in ~/.ssh'\n"
	"trap 'rm -f \"$temp\" \"$seen\"' EXIT\n"
	"[ -e \"$file\" ] || [ -n \"$remove\" ] || : >>\"$file\" || fail 'cannot write in ~/.ssh'\n"
	/* $temp gets the lines that stay; the numbers of lines with our key, and with our name */
	"split() {\n"
	"	awk -v blob=\"$blob\" -v before=\"$before\" -v end=\" $comment\" \\\n"
	"		-v kept=\"$temp\" '\n"
	"		{ tail = substr($0, length($0) - length(end) + 1) }\n"
	"		{ named = end != \" \" && tail == end }\n"
	"		index($0, blob) { ours++; next }\n"
	"		before != \"\" && index($0, before) { ours++; next }\n"
	"		named { older++ }\n"
	"		!named || before == \"\" { print >kept }\n"
	"		END { print ours + 0, older + 0 }' \"$seen\"\n"
	"}\n"
	/* again if the file changed meanwhile: an editor without our lock loses nothing */
	"key=\"$type_blob $comment\"\n"
	"while [ -e \"$file\" ]; do\n"
	"	cat \"$file\" >\"$seen\" && : >\"$temp\" && set -- $(split) && [ $# -eq 2 ] ||\n"
	"		fail 'cannot edit ~/.ssh/authorized_keys'\n"
	"	[ -n \"$remove\" ] ||\n"
	"		printf 'restrict,command=\"%s\" %s\\n' \"$serve\" \"$key\" >>\"$temp\" ||\n"
	"		fail 'cannot write in ~/.ssh'\n"
	"	! cmp -s \"$file\" \"$seen\" || break\n"
	"done\n"
	"what=installed\n"
	"[ \"${1:-0}\" -eq 0 ] || what=replaced\n"
	"[ \"${2:-0}\" -eq 0 ] || printf '\\npullpi-older %s\\n' \"$2\"\n"
	"if [ -n \"$remove\" ]; then\n"
	"	[ $what = replaced ] || { printf '\\npullpi-absent \\n'; exit 0; }\n"
	"	what=removed\n"
	"	chmod \"$(stat -c %a \"$file\")\" \"$temp\" || fail 'cannot write in ~/.ssh'\n"
	"fi\n"
	"mv -f \"$temp\" \"$file\" || fail 'cannot replace ~/.ssh/authorized_keys'\n"
	"printf '\\npullpi-%s %s\\n' \"$what\" \"$serve\"\n";

/* A text for the script, in a variable there. A text with a newline could end its own frame. */
static bool put_text(FILE *script, const char *name, const char *text)
{
	fprintf(script, "IFS= read -r %s <<'" END_OF_TEXT "'\n%s\n" END_OF_TEXT "\n", name, text);
	return !strchr(text, '\n');
}

/* The base64 of a public key. */
static const char *key_blob(const char *public_key)
{
	const char *blob = strchr(public_key, ' ');

	return blob ? blob + 1 : "";
}

static int make_script(const struct install *install, char **ret)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *script = open_memstream(&text, &size);
	bool ok;

	if (!script)
		return -ENOMEM;
	ok = *key_blob(install->public_key) && pull_camera_name_ok(install->client) &&
		(!*install->name || cli_name_ok("capturepi", install->name)) &&
		(!install->serve || serve_command_ok(install->serve));
	fputs(script_head, script);
	ok &= put_text(script, "serve", install->serve ? install->serve : "");
	ok &= put_text(script, "name", install->name);
	ok &= put_text(script, "client", install->client);
	ok &= put_text(script, "type_blob", install->public_key);
	ok &= put_text(script, "comment", install->comment);
	ok &= put_text(script, "remove", install->remove ? "yes" : "");
	ok &= put_text(script, "blob", key_blob(install->public_key));
	ok &= put_text(script, "before", install->replaces ? key_blob(install->replaces) : "");
	fputs(script_tail, script);
	if (fclose(script) != 0)
		return -ENOMEM;
	if (!ok)
		return -EINVAL;
	*ret = TAKE_PTR(text);
	return 0;
}

/* What ssh's output said. */
struct install_result {
	char line[SERVE_COMMAND_MAX +
		32]; /* the answer of the script, after "pullpi-"; "": there was none */
	char first[200]; /* line of anybody else: of ssh, or of the login shell there */
	unsigned shown, older; /* older: lines there of other keys with our name */
	bool too_many_keys;
	int code; /* exit status */
};

static int make_command(
	const struct install *install, bool agent, char alias[static 80], struct ssh_command *ret)
{
	const struct endpoint *to = install->endpoint;
	const struct camera_settings *camera = to->camera;
	int r = ssh_command_begin(ret, to->known_hosts, (int)camera->port, camera->user);

	if (r < 0)
		return r;
	snprintf(alias, 80, "HostKeyAlias=%s", to->alias);
	ssh_command_add(ret, "-T", NULL);
	ssh_command_add(ret, "-o", alias);
	ssh_command_add(ret, "-o", "ForwardAgent=no");
	ssh_command_add(ret, "-o", "ClearAllForwardings=yes");
	ssh_command_add(ret, "-o", isatty(STDIN_FILENO) ? "BatchMode=no" : "BatchMode=yes");
	/* the person's own way to that host, with their keys and host keys */
	if (*camera->proxy_jump)
		ssh_command_add(ret, "-J", camera->proxy_jump);
	/* and no other key: sshd hangs up after a few, and those of an agent come first */
	if (install->identity) {
		ssh_command_add(ret, "-o", "IdentitiesOnly=yes");
		ssh_command_add(ret, "-i", install->identity);
	}
	if (!agent)
		ssh_command_add(ret, "-o", "IdentityAgent=none");
	ssh_command_add(ret, "--", camera->host);
	ssh_command_add(ret, "sh -s", NULL);
	return 0;
}

/* Shows the person a line that is not the script's, cleaned. */
static void take_words(struct install_result *result, const char *line)
{
	char clean[1024];

	text_clean(line, strcspn(line, "\r\n"), clean, sizeof clean);
	if (strstr(clean, "Too many authentication failures"))
		result->too_many_keys = true;
	if (!*result->first)
		snprintf(result->first, sizeof result->first, "%.199s", clean);
	if (*clean && result->shown++ < SHOWN_MAX)
		text_print(stderr, "%s\n", clean);
}

/* Reads stdout and stderr of ssh, which are one pipe. The script's answer is a line of its own. */
static void take_output(FILE *output, struct install_result *result)
{
	char line[1024];
	bool begins = true;

	while (fgets(line, sizeof line, output)) {
		if (begins && sscanf(line, "pullpi-older %u", &result->older) == 1)
			;
		else if (begins && strncmp(line, "pullpi-", 7) == 0)
			text_clean(line + 7, strcspn(line + 7, "\n"), result->line,
				sizeof result->line);
		else
			take_words(result, line);
		begins = strchr(line, '\n') != NULL;
	}
}

/* Runs the script there. ssh asks for passwords on the terminal itself. */
static int run_script(const char *const *argv, const char *script, struct install_result *ret)
{
	CLEANUP_FD int script_fd = memfd_create("script", MFD_CLOEXEC), write_fd = -1;
	CLEANUP_FILE FILE *output = NULL;
	int fds[2], r;
	pid_t pid;

	if (script_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	write_fd = fds[1];
	output = fdopen(fds[0], "r");
	if (!output) {
		close(fds[0]);
		return -ENOMEM;
	}
	r = fs_write_all(&fs_real, script_fd, script, strlen(script));
	if (r < 0)
		return r;
	lseek(script_fd, 0, SEEK_SET);
	r = child_start("ssh", argv, script_fd, write_fd, write_fd, &pid);
	if (r < 0)
		return r;
	close(TAKE_FD(write_fd));
	*ret = (struct install_result){ .code = 0 };
	take_output(output, ret);
	ret->code = child_wait(pid);
	return 0;
}

static int judge_result(
	struct install_result *result, struct installed *ret, char *error, size_t size)
{
	static const char *const good[] = { "installed", "replaced", "removed", "absent" };
	char *text = result->line, *word = strsep(&text, " ");

	for (size_t i = 0; text && i < ARRAY_SIZE(good); i++)
		if (strcmp(word, good[i]) == 0) {
			ret->was_there = *word == 'r';
			ret->older = result->older;
			snprintf(ret->serve, sizeof ret->serve, "%.511s", text);
			return 0;
		}
	if (strcmp(word, "missing") == 0) {
		snprintf(error, size, "capturepi is not installed there");
		return -EPROTONOSUPPORT;
	}
	if (text && strcmp(word, "error") == 0) {
		snprintf(error, size, "over there: %s", text);
		return -EPROTO;
	}
	if (result->code == 255) {
		snprintf(error, size, "ssh could not log in");
		return -EACCES;
	}
	snprintf(error, size,
		"the login shell there did not run the script (ssh's exit status %d)%s%s",
		result->code, *result->first ? "; it says: " : "", result->first);
	return -EPROTO;
}

static int install_try(
	const struct install *install, bool agent, const char *script, struct install_result *ret)
{
	struct ssh_command command;
	char alias[80];
	int r = make_command(install, agent, alias, &command);

	return r < 0 ? r : run_script(command.argv, script, ret);
}

int install_key(const struct install *install, struct installed *ret, char *error, size_t size)
{
	CLEANUP_FREE char *script = NULL;
	struct install_result result;
	int r = make_script(install, &script);

	if (r == 0)
		r = install_try(install, true, script, &result);
	/* the keys in files and a password have not had their turn */
	if (r == 0 && result.too_many_keys && !install->identity) {
		fputs("The agent here has more keys than sshd there takes; once more without "
		      "it\n",
			stderr);
		r = install_try(install, false, script, &result);
	}
	if (r == -ENOENT)
		snprintf(error, size, "there is no ssh program here; install openssh-client");
	else if (r < 0)
		snprintf(error, size, "ssh cannot be used: %s", strerror(-r));
	return r < 0 ? -ENOSYS : judge_result(&result, ret, error, size);
}
