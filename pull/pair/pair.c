/* SPDX-License-Identifier: MIT */
/*
 * `pullpi pair`: makes two machines known to each other, in one command that can be repeated. It
 * makes a key here, shows and pins the camera's host key, installs our key there, connects with
 * it, and only then writes the settings. What is there of other cameras, and of other people,
 * stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "common/archive/archive.h"
#include "common/base/fs.h"
#include "pull/pair/pair.h"
#include "pull/ssh/client.h"
#include "pull/ssh/connect.h"
#include "pull/ssh/keys.h"
#include "pull/ssh/ssh.h"
#include "pull/ssh/wait.h"

const struct cli_option pair_options[] = {
	{ "camera", 0, "NAME", "what this camera is called here" },
	{ "identity", 'i', "FILE", "log in with this key to install ours" },
	{ "remote-name", 0, "NAME", "which camera over there; else the first" },
	{ "serve", 0, "COMMAND", "what our key may run there (capturepi serve)" },
	{ "fingerprint", 0, "SHA256:...", "accept this host key and no other" },
	{ "yes", 'y', NULL, "accept whatever host key there is" },
	{ "print", 0, NULL, "only print the line for authorized_keys" },
	{ .name = NULL },
};

struct pair {
	const struct cli *cli;
	const struct pull_settings *settings;
	struct camera_settings camera; /* as it will be */
	struct endpoint endpoint;
	bool key_is_new, other_camera; /* other: the key led to another one before */
	char *public_key;
	char comment[CAMERA_NAME_MAX + 80];
	char client[CAMERA_NAME_MAX];
};

static void pair_end(struct pair *pair)
{
	free(pair->public_key);
}

/* ---- what pair and unpair share */

bool pair_camera(
	const struct pull_settings *settings, const char *name, struct camera_settings *ret)
{
	const struct camera_settings *camera = pull_camera(settings, name);

	if (camera)
		*ret = *camera;
	else
		conf_instance_defaults(&pull_settings_table, ret);
	snprintf(ret->name, sizeof ret->name, "%s", name);
	return camera != NULL;
}

bool pair_ask(const char *question)
{
	char answer[16] = "";

	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

int pair_try_key(
	const struct endpoint *endpoint, struct wire_greeting *ret, char *error, size_t size)
{
	const struct client_options options = { .idle_us = 15 * US_PER_SEC,
		.deadline_ns = DEADLINE_NONE };
	CLEANUP(stream_freep) struct stream *stream = NULL;
	CLEANUP(client_freep) struct client *client = NULL;
	int r = ssh_stream_open(endpoint, "capturepi serve", DEADLINE_NONE, &stream, error, size);

	if (r < 0)
		return r;
	stream->ops->shutdown_write(stream);
	r = client_new(stream, &options, &client, error, size);
	if (r == 0)
		*ret = *client_greeting(client);
	return r;
}

/* Reads a file that need not be there. */
static int text_read(const char *path, size_t max, char **ret)
{
	int r = fs_read_file(AT_FDCWD, path, max, ret, NULL);

	if (r != -ENOENT)
		return r;
	*ret = strdup("");
	return *ret ? 0 : -ENOMEM;
}

/* Replaces a file of ours as a whole. `path` may be a symlink to the real one. */
static int text_replace(const char *path, const char *text, mode_t mode)
{
	char real[PATH_MAX], folder[PATH_MAX];
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r;

	if (!realpath(path, real) && snprintf(real, sizeof real, "%s", path) >= (int)sizeof real)
		return -ENAMETOOLONG;
	if (stat(real, &st) == 0)
		mode = st.st_mode & 07777;
	snprintf(folder, sizeof folder, "%s", real);
	dirname(folder);
	r = fs_make_folders(folder, mode & 077 ? 0777 : 0700);
	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fs_replace(&fs_real, fd, basename(real), text, strlen(text), mode);
}

int pair_pin(const struct cli *cli, const struct endpoint *endpoint, const char *key)
{
	CLEANUP_FREE char *known = NULL, *text = NULL;
	int r = text_read(endpoint->known_hosts, KNOWN_HOSTS_MAX, &known);

	if (r == 0)
		r = known_hosts_replace(known, endpoint->alias, key, &text);
	if (r == 0 && strcmp(known, text) != 0)
		r = text_replace(endpoint->known_hosts, text, 0600);
	if (r < 0)
		cli_error(cli, "%s: %s", endpoint->known_hosts, strerror(-r));
	return r < 0 ? CLI_INTERNAL : CLI_OK;
}

int pair_edit_settings(const struct cli *cli, const char *camera, const struct setting *settings,
	size_t n_settings)
{
	CLEANUP_FREE char *old = NULL, *text = NULL;
	char path[PATH_MAX];
	int r = cli_settings_path(cli, path);

	if (r != CLI_OK)
		return r;
	r = text_read(path, CONF_FILE_MAX, &old);
	if (r == 0)
		r = settings ? settings_set_camera(old, camera, settings, n_settings, &text)
			     : settings_drop_camera(old, camera, &text);
	/* an empty file counts as one that a power cut left, and the last good one would hold */
	if (r == 0 && strcmp(old, text) != 0)
		r = text_replace(path, *text ? text : "# No camera is paired.\n", 0644);
	if (r < 0) {
		cli_error(cli, "%s: %s", path, strerror(-r));
		return CLI_SETTINGS;
	}
	if (settings)
		fprintf(stderr, "Settings: [camera %s] in %s\n", camera, path);
	return CLI_OK;
}

/* ---- pair */

/* Checks against another camera of the settings. */
static int pair_check_other(const struct pair *pair, const struct camera_settings *other)
{
	const struct camera_settings *mine = &pair->camera;
	char path[PATH_MAX];

	/* they would share one line in known_hosts */
	if (strcasecmp(other->name, mine->name) == 0)
		return cli_usage(pair->cli, "--camera %s: there is a camera %s already", mine->name,
			other->name);
	/* two histories would share one journal */
	if (pull_same_archive(other, mine) && pull_archive_path(mine, path) == 0) {
		cli_error(pair->cli,
			"%s: its archive would be %s, which is that of camera %s; write another "
			"one into the settings, [camera %s] with archive = FOLDER, and pair again",
			mine->name, path, other->name, mine->name);
		return CLI_SETTINGS;
	}
	/* a key has one line over there, and so leads to one camera */
	if (strcmp(other->host, mine->host) == 0 &&
		strcmp(other->remote_name, mine->remote_name) != 0 &&
		pull_key_path(other, path) == 0 && strcmp(path, pair->endpoint.key) == 0) {
		cli_error(pair->cli,
			"%s leads to another camera there, %s; take `key` out of [camera %s], so "
			"that it has a key of its own",
			path, other->name, mine->name);
		return CLI_SETTINGS;
	}
	return CLI_OK;
}

static int pair_check_others(const struct pair *pair)
{
	const struct pull_settings *settings = pair->settings;
	int r = CLI_OK;

	for (size_t i = 0; i < settings->n_cameras && r == CLI_OK; i++)
		if (strcmp(settings->cameras[i].name, pair->camera.name) != 0)
			r = pair_check_other(pair, &settings->cameras[i]);
	return r;
}

/* Takes --remote-name, or leaves what the settings have. */
static int pair_take_remote_name(struct pair *pair)
{
	const char *name = cli_value(pair->cli, "remote-name");

	if (!name)
		return CLI_OK;
	if (cli_value(pair->cli, "serve"))
		return cli_usage(pair->cli, "--serve and --remote-name: one of them");
	if (*name && !cli_name_ok("capturepi", name))
		return cli_usage(pair->cli, "--remote-name %s: not a name: " CLI_NAME_RULE, name);
	pair->other_camera = strcmp(pair->camera.remote_name, name) != 0;
	snprintf(pair->camera.remote_name, sizeof pair->camera.remote_name, "%s", name);
	return CLI_OK;
}

/* Tells if another section has the same camera already: its pictures come twice then. */
static void pair_tell_twice(const struct pair *pair, const char *id)
{
	const struct pull_settings *settings = pair->settings;

	for (size_t i = 0; i < settings->n_cameras; i++) {
		const struct camera_settings *other = &settings->cameras[i];
		CLEANUP(archive_freep) struct archive *archive = NULL;
		char path[PATH_MAX];

		if (strcmp(other->name, pair->camera.name) != 0 &&
			pull_archive_path(other, path) == 0 &&
			archive_open(path, &(struct archive_options){ .mode = ARCHIVE_READ },
				&archive) == 0 &&
			strcmp(archive_id(archive), id) == 0)
			fprintf(stderr,
				"This is the camera of [camera %s] too: its pictures come twice; "
				"pullpi unpair %s ends one of them\n",
				other->name, other->name);
	}
}

/* Fills in the camera's settings as they will be, and its endpoint. */
static int pair_begin(struct pair *pair)
{
	const struct cli *cli = pair->cli;
	const char *name = cli_value(cli, "camera"), *serve = cli_value(cli, "serve");
	struct destination destination;
	int r;

	if (!name)
		return cli_usage(cli, "--camera NAME is missing: what is this camera called?");
	if (!pull_camera_name_ok(name))
		return cli_usage(cli,
			"--camera %s: a name has letters, digits, - _ . and no - or . in front, at "
			"most %d",
			name, CAMERA_NAME_MAX - 1);
	if (destination_parse(cli->argv[0], &destination) < 0)
		return cli_usage(cli, "%s: not [USER@]HOST[:PORT]", cli->argv[0]);
	if (serve && !serve_command_ok(serve))
		return cli_usage(cli, "--serve: one line without \" and \\");
	pair_camera(pair->settings, name, &pair->camera);
	snprintf(pair->camera.host, sizeof pair->camera.host, "%s", destination.host);
	snprintf(pair->camera.user, sizeof pair->camera.user, "%s", destination.user);
	pair->camera.port = destination.port;
	r = pair_take_remote_name(pair);
	if (r != CLI_OK)
		return r;
	r = endpoint_of(&pair->camera, &pair->endpoint);
	if (r < 0) {
		cli_error(cli, "no folder for keys: %s", strerror(-r));
		return CLI_SETTINGS;
	}
	return pair_check_others(pair);
}

/* Our name in the forced command, which the log over there shows. */
static void pair_name_client(struct pair *pair)
{
	char *host = pair->client;

	if (gethostname(host, sizeof pair->client - 1) < 0)
		host[0] = 0;
	for (char *p = host; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p))
			*p = '-';
	if (!pull_camera_name_ok(host))
		snprintf(host, sizeof pair->client, "localhost");
}

static int pair_make_key(struct pair *pair)
{
	char folder[PATH_MAX], error[PULL_ERROR_MAX];
	const char *key = pair->endpoint.key;
	int r;

	pair_name_client(pair);
	/* "pullpi-garden@archive": for whoever reads authorized_keys later */
	snprintf(pair->comment, sizeof pair->comment, "pullpi-%s@%s", pair->camera.name,
		pair->client);
	snprintf(folder, sizeof folder, "%s", key);
	r = fs_make_folders(dirname(folder), 0700);
	if (r == 0)
		r = key_make(key, pair->comment);
	pair->key_is_new = r == 0;
	if (r < 0 && r != -EEXIST) {
		cli_error(pair->cli, "%s: the key cannot be made: %s", key, strerror(-r));
		return CLI_INTERNAL;
	}
	r = key_public(key, &pair->public_key, error, sizeof error);
	if (r == 0)
		return CLI_OK;
	cli_error(pair->cli, "%s", error);
	return CLI_REFUSED;
}

static int pair_print_line(const struct pair *pair)
{
	const char *given = cli_value(pair->cli, "serve"), *name = pair->camera.remote_name;
	char serve[SERVE_COMMAND_MAX];

	snprintf(serve, sizeof serve, "capturepi%s%s serve --client %s", *name ? " --name " : "",
		name, pair->client);
	printf("restrict,command=\"%s\" %s %s\n", given ? given : serve, pair->public_key,
		pair->comment);
	fprintf(stderr,
		"Put this line into ~/.ssh/authorized_keys on the camera, then run the same "
		"command without --print.\n");
	return CLI_OK;
}

/* Asks whether to trust this host key, which is not the pinned one. */
static int pair_agree(const struct pair *pair, const char *fingerprint, bool changed)
{
	const struct cli *cli = pair->cli;
	const char *wanted = cli_value(cli, "fingerprint");

	if (wanted && strcmp(wanted, fingerprint) != 0) {
		cli_error(cli, "the host key of %s is %s, not %s: nothing was done",
			pair->camera.host, fingerprint, wanted);
		return CLI_REFUSED;
	}
	fprintf(stderr, "Host key of %s: %s\n", pair->camera.host, fingerprint);
	if (changed)
		fprintf(stderr, "This is another key than the one pinned for %s.\n",
			pair->camera.name);
	if (wanted || cli_flag(cli, "yes"))
		return CLI_OK;
	if (!isatty(STDIN_FILENO))
		return cli_usage(cli,
			"no terminal to ask on; compare the key and say --fingerprint %s, or --yes",
			fingerprint);
	fprintf(stderr,
		"On the camera, this shows it: "
		"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n");
	if (pair_ask(changed ? "Replace the pinned key?" : "Is this the camera?"))
		return CLI_OK;
	cli_error(cli, "not paired: the host key was not accepted");
	return CLI_REFUSED;
}

/* Takes the camera's host key, gets it agreed to, and pins it. */
static int pair_meet(const struct pair *pair)
{
	CLEANUP_FREE char *key = NULL, *fingerprint = NULL, *known = NULL, *pinned = NULL;
	char error[PULL_ERROR_MAX];
	int r = ssh_host_key(&pair->endpoint, &key, &fingerprint, error, sizeof error);
	bool same;

	if (r < 0) {
		cli_error(pair->cli, "%s", error);
		return connect_code(r);
	}
	if (text_read(pair->endpoint.known_hosts, KNOWN_HOSTS_MAX, &known) == 0)
		(void)known_hosts_find(known, pair->endpoint.alias, &pinned);
	same = pinned && strcmp(pinned, key) == 0;
	if (same && !cli_value(pair->cli, "fingerprint")) {
		fprintf(stderr, "Host key of %s: %s, as it was pinned\n", pair->camera.host,
			fingerprint);
		return CLI_OK;
	}
	r = pair_agree(pair, fingerprint, pinned && !same);
	return r != CLI_OK ? r : pair_pin(pair->cli, &pair->endpoint, key);
}

static int pair_install(struct pair *pair)
{
	const struct cli *cli = pair->cli;
	const struct install install = {
		.endpoint = &pair->endpoint,
		.identity = cli_value(cli, "identity"),
		.serve = cli_value(cli, "serve"),
		.name = pair->camera.remote_name,
		.client = pair->client,
		.public_key = pair->public_key,
		.comment = pair->comment,
	};
	char serve[SERVE_COMMAND_MAX], error[PULL_ERROR_MAX];
	const char *next = "";
	bool replaced;
	int r = install_key(&install, &replaced, serve, error, sizeof error);

	if (r == 0) {
		fprintf(stderr, "%s our key in ~/.ssh/authorized_keys there; it may run: %s\n",
			replaced ? "Replaced" : "Installed", serve);
		return CLI_OK;
	}
	if (r == -EACCES)
		next = "; another way in: --identity FILE, or --print and paste the line there";
	else if (r == -EPROTONOSUPPORT)
		next = "; install it, or say where it is: --serve \"/path/to/capturepi serve\"";
	cli_error(cli, "%s%s", error, next);
	return connect_code(r);
}

/* Connects with our key, which it installs first if it has to. */
static int pair_connect(struct pair *pair, struct wire_greeting *ret)
{
	const struct cli *cli = pair->cli;
	char error[PULL_ERROR_MAX];
	int r;

	/* paired before, or the line was pasted: nobody needs to type a password */
	if (!pair->key_is_new && !cli_value(cli, "serve") && !pair->other_camera &&
		pair_try_key(&pair->endpoint, ret, error, sizeof error) == 0)
		return CLI_OK;
	r = pair_install(pair);
	if (r != CLI_OK)
		return r;
	r = pair_try_key(&pair->endpoint, ret, error, sizeof error);
	if (r == 0)
		return CLI_OK;
	if (r == -EACCES)
		cli_error(cli,
			"the key was installed, but sshd there refuses it; its log tells why "
			"(AuthorizedKeysFile? PubkeyAuthentication? modes of the home folder?)");
	else
		cli_error(cli, "the key was installed, but: %s", error);
	return connect_code(r);
}

static int pair_write_settings(const struct pair *pair)
{
	const struct camera_settings *camera = &pair->camera;
	char port[16];
	const struct setting settings[] = {
		{ "host", camera->host, false },
		{ "port", port, camera->port == 22 },
		{ "user", camera->user, !*camera->user },
		{ "remote_name", camera->remote_name, !*camera->remote_name },
	};

	snprintf(port, sizeof port, "%lld", (long long)camera->port);
	return pair_edit_settings(pair->cli, camera->name, settings, ARRAY_SIZE(settings));
}

int command_pair(struct cli *cli)
{
	CLEANUP(pair_end) struct pair pair = { .cli = cli };
	CLEANUP_FREE void *settings = NULL;
	struct wire_greeting greeting;
	int r = cli_settings(cli, CLI_LENIENT, &settings);

	pair.settings = settings;
	if (r == CLI_OK)
		r = pair_begin(&pair);
	if (r == CLI_OK)
		r = pair_make_key(&pair);
	if (r == CLI_OK && cli_flag(cli, "print"))
		return pair_print_line(&pair);
	if (r == CLI_OK)
		r = pair_meet(&pair);
	if (r == CLI_OK)
		r = pair_connect(&pair, &greeting);
	if (r == CLI_OK)
		r = pair_write_settings(&pair);
	if (r != CLI_OK)
		return r;
	pair_tell_twice(&pair, greeting.id);
	printf("%s: paired with camera \"%s\", archive %.8s; next: pullpi fetch --latest %s\n",
		pair.camera.name, greeting.camera, greeting.id, pair.camera.name);
	return CLI_OK;
}
