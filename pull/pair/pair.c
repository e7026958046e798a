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

#include "common/archive/archive.h"
#include "common/base/fs.h"
#include "common/base/text.h"
#include "pull/pair/pair.h"
#include "pull/ssh/client.h"
#include "pull/ssh/connect.h"
#include "pull/ssh/keys.h"
#include "pull/ssh/ssh.h"
#include "pull/ssh/wait.h"

const struct cli_option pair_options[] = {
	{ "camera", 0, "NAME", "what this camera is called here" },
	{ "from", 0, "FILE", "many: NAME [USER@]HOST[:PORT] [REMOTE-NAME|-] [SHA256:...] a line" },
	{ "identity", 'i', "FILE", "log in with this key to install ours" },
	{ "remote-name", 0, "NAME", "which camera over there; else the first" },
	{ "serve", 0, "COMMAND", "what our key may run there (capturepi serve)" },
	{ "fingerprint", 0, "SHA256:...", "accept this host key and no other" },
	{ "yes", 'y', NULL, "accept whatever host key there is" },
	{ "print", 0, NULL, "only print the line for authorized_keys" },
	{ "rotate", 0, NULL,
		"replace the camera's key by a new one, and remove the old one there" },
	{ "json", 0, NULL, "one JSON object a camera" },
	{ .name = NULL },
};

struct pair {
	const struct cli *cli;
	const struct pair_request *request;
	const struct pull_settings *settings;
	struct camera_settings camera; /* as it will be */
	struct endpoint endpoint;
	bool key_is_new, other_camera; /* other: the key led to another one before */
	bool rotates; /* endpoint.key is that of the next key, until it is installed */
	char key[PATH_MAX]; /* where the camera's key belongs */
	char *public_key, *old_key; /* old: the public key that is replaced */
	char comment[CAMERA_NAME_MAX + 80];
	char client[CAMERA_NAME_MAX];
};

static void pair_end(struct pair *pair)
{
	free(pair->public_key);
	free(pair->old_key);
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

int pair_next_key(const char *key, char ret[static PATH_MAX])
{
	char folder[PATH_MAX], name[PATH_MAX];

	snprintf(folder, sizeof folder, "%s", key);
	snprintf(name, sizeof name, "%s", key);
	return snprintf(ret, PATH_MAX, "%s/next-%s", dirname(folder), basename(name)) < PATH_MAX
		? 0
		: -ENAMETOOLONG;
}

bool pair_ask(const char *question)
{
	char answer[16] = "";

	text_print(stderr, "%s [y/N] ", question);
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
	const char *name = pair->request->remote_name;

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
			text_print(stderr,
				"This is the camera of [camera %s] too: its pictures come twice; "
				"pullpi unpair %s ends one of them\n",
				other->name, other->name);
	}
}

/* Takes [USER@]HOST[:PORT]; a rotation goes to where the camera is. */
static int pair_take_destination(struct pair *pair, bool known)
{
	const struct cli *cli = pair->cli;
	struct destination destination;

	if (cli_flag(cli, "rotate"))
		return known ? CLI_OK
			     : cli_usage(cli, "--rotate %s: no such camera is paired",
				       pair->request->destination);
	if (destination_parse(pair->request->destination, &destination) < 0)
		return cli_usage(cli, "%s: not [USER@]HOST[:PORT]", pair->request->destination);
	snprintf(pair->camera.host, sizeof pair->camera.host, "%s", destination.host);
	snprintf(pair->camera.user, sizeof pair->camera.user, "%s", destination.user);
	pair->camera.port = destination.port;
	return CLI_OK;
}

/*
 * Looks whether a new key replaces the old one: it is asked for, or an earlier run did not end. The
 * new one is made beside the old, which goes when the camera has the new one in its place.
 */
static int pair_begin_rotation(struct pair *pair)
{
	const struct cli *cli = pair->cli;
	char next[PATH_MAX], error[PULL_ERROR_MAX];
	const bool asked = cli_flag(cli, "rotate");

	snprintf(pair->key, sizeof pair->key, "%s", pair->endpoint.key);
	if (pair_next_key(pair->key, next) < 0)
		return asked ? cli_usage(cli, "%s: too long a path", pair->key) : CLI_OK;
	pair->rotates = asked || access(next, F_OK) == 0;
	if (!pair->rotates)
		return CLI_OK;
	if (cli_flag(cli, "print"))
		return cli_usage(cli, "--print: first end the change of keys, with --rotate alone");
	if (pull_key_is_used(pair->settings, pair->key, pair->camera.name)) {
		cli_error(cli,
			"%s is the key of another camera too; take `key` out of [camera %s], pair "
			"again, and it has a key of its own",
			pair->key, pair->camera.name);
		return CLI_SETTINGS;
	}
	if (key_public(pair->key, &pair->old_key, error, sizeof error) < 0) {
		cli_error(cli, "%s; pair again without --rotate", error);
		return CLI_SETTINGS;
	}
	snprintf(pair->endpoint.key, sizeof pair->endpoint.key, "%s", next);
	return CLI_OK;
}

/* The camera has the new key: from now on it is the one. */
static int pair_end_rotation(struct pair *pair)
{
	char next[PATH_MAX + 8], key[PATH_MAX + 8];

	snprintf(next, sizeof next, "%s.pub", pair->endpoint.key);
	snprintf(key, sizeof key, "%s.pub", pair->key);
	if (rename(next, key) < 0 || rename(pair->endpoint.key, pair->key) < 0) {
		cli_error(pair->cli, "%s: %s", pair->key, strerror(errno));
		return CLI_INTERNAL;
	}
	snprintf(pair->endpoint.key, sizeof pair->endpoint.key, "%s", pair->key);
	pair->rotates = false;
	text_print(stderr, "%s has a new key\n", pair->camera.name);
	return CLI_OK;
}

/* Fills in the camera's settings as they will be, and its endpoint. */
static int pair_begin(struct pair *pair)
{
	const struct cli *cli = pair->cli;
	const char *name = pair->request->name, *serve = cli_value(cli, "serve");
	int r;

	if (cli_flag(cli, "rotate") && name)
		return cli_usage(cli, "--rotate CAMERA takes no --camera");
	if (cli_flag(cli, "rotate"))
		name = pair->request->destination;
	if (!name)
		return cli_usage(cli, "--camera NAME is missing: what is this camera called?");
	if (!pull_camera_name_ok(name))
		return cli_usage(cli,
			"%s: a name has letters, digits, - _ . and no - or . in front, at "
			"most %d",
			name, CAMERA_NAME_MAX - 1);
	if (serve && !serve_command_ok(serve))
		return cli_usage(cli, "--serve: one line without \" and \\");
	r = pair_take_destination(pair, pair_camera(pair->settings, name, &pair->camera));
	if (r == CLI_OK)
		r = pair_take_remote_name(pair);
	if (r != CLI_OK)
		return r;
	r = endpoint_of(&pair->camera, &pair->endpoint);
	if (r < 0) {
		cli_error(cli, "no folder for keys: %s", strerror(-r));
		return CLI_SETTINGS;
	}
	r = pair_check_others(pair);
	return r != CLI_OK ? r : pair_begin_rotation(pair);
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
	text_print(stdout, "restrict,command=\"%s\" %s %s\n", given ? given : serve,
		pair->public_key, pair->comment);
	fputs("Put this line into ~/.ssh/authorized_keys on the camera, then run the same "
	      "command without --print.\n",
		stderr);
	return CLI_OK;
}

/* Asks whether to trust this host key, which is not the pinned one. */
static int pair_agree(const struct pair *pair, const char *fingerprint, bool changed)
{
	const struct cli *cli = pair->cli;
	const char *wanted = pair->request->fingerprint;

	if (wanted && strcmp(wanted, fingerprint) != 0) {
		cli_error(cli, "the host key of %s is %s, not %s: nothing was done",
			pair->camera.host, fingerprint, wanted);
		return CLI_REFUSED;
	}
	text_print(stderr, "Host key of %s: %s\n", pair->camera.host, fingerprint);
	if (changed)
		text_print(stderr, "This is another key than the one pinned for %s.\n",
			pair->camera.name);
	if (wanted || cli_flag(cli, "yes"))
		return CLI_OK;
	if (!isatty(STDIN_FILENO))
		return cli_usage(cli,
			"no terminal to ask on; say --fingerprint with what the camera itself "
			"shows: " HOST_KEY_SHOW "%s",
			changed ? "" : ", or --yes to trust whoever answered");
	text_print(stderr, "On the camera, this shows it: %s\n", HOST_KEY_SHOW);
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
	if (fs_read_file(AT_FDCWD, pair->endpoint.known_hosts, KNOWN_HOSTS_MAX, &known, NULL) == 0)
		(void)known_hosts_find(known, pair->endpoint.alias, &pinned);
	same = pinned && strcmp(pinned, key) == 0;
	if (same && !pair->request->fingerprint) {
		text_print(stderr, "Host key of %s: %s, as it was pinned\n", pair->camera.host,
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
		.replaces = pair->old_key,
	};
	struct installed installed;
	char error[PULL_ERROR_MAX];
	const char *next = "";
	int r = install_key(&install, &installed, error, sizeof error);

	if (r == 0) {
		text_print(stderr, "%s our key in ~/.ssh/authorized_keys there; it may run: %s\n",
			installed.was_there ? "Replaced" : "Installed", installed.serve);
		if (installed.older > 0)
			text_print(stderr,
				pair->old_key ? "Removed %u more with our name there\n"
					      : "%u more with our name can log in there; "
						"`pullpi pair --rotate %s` removes them\n",
				installed.older, pair->camera.name);
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
	int r = -EACCES;

	/* paired before, or the line was pasted: nobody needs to type a password */
	if (!pair->key_is_new && !cli_value(cli, "serve") && !pair->other_camera)
		r = pair_try_key(&pair->endpoint, ret, error, sizeof error);
	if (r == 0)
		return pair->rotates ? pair_end_rotation(pair) : CLI_OK;
	/* another way to log in would wait for the same silence */
	if (r == -ETIMEDOUT) {
		cli_error(cli, "%s", error);
		return connect_code(r);
	}
	r = pair_install(pair);
	if (r == CLI_OK && pair->rotates)
		r = pair_end_rotation(pair);
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

int pair_one(struct cli *cli, const struct pair_request *request, struct wire_greeting *ret)
{
	CLEANUP(pair_end) struct pair pair = { .cli = cli, .request = request };
	CLEANUP_FREE void *settings = NULL;
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
		r = pair_connect(&pair, ret);
	if (r == CLI_OK)
		r = pair_write_settings(&pair);
	if (r == CLI_OK)
		pair_tell_twice(&pair, ret->id);
	return r;
}

int command_pair(struct cli *cli)
{
	const struct pair_request request = { .name = cli_value(cli, "camera"),
		.destination = cli->argc > 0 ? cli->argv[0] : NULL,
		.remote_name = cli_value(cli, "remote-name"),
		.fingerprint = cli_value(cli, "fingerprint") };
	const char *name = cli_flag(cli, "rotate") ? request.destination : request.name;
	struct wire_greeting greeting;
	int r;

	if (cli_value(cli, "from"))
		return pair_many(cli, cli_value(cli, "from"));
	if (!request.destination)
		return cli_usage(cli, "where is the camera? [USER@]HOST[:PORT], or --from FILE");
	r = pair_one(cli, &request, &greeting);
	if (cli_flag(cli, "print"))
		return r;
	if (cli_flag(cli, "json"))
		pair_print_program(name, r, &greeting);
	else if (r == CLI_OK)
		text_print(stdout,
			"%s: paired with camera \"%s\", archive %.8s; next: pullpi fetch "
			"--latest %s\n",
			name, greeting.camera, greeting.id, name);
	return r;
}
