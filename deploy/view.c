/* SPDX-License-Identifier: MIT */
/*
 * deploypi view: the socket at which systemd starts viewpi when somebody looks. On localhost nobody
 * else can reach it; for the network a password is asked for.
 */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/systemd/unit.h"
#include "deploy/commands.h"
#include "deploy/setup.h"

#define VIEW_SOCKET "viewpi.socket"
#define VIEW_PORT "8484"
#define VIEW_LAN_TEXT                                                                              \
	"# Written by deploypi: the pages are for the network, not only for this machine.\n"       \
	"[Socket]\nListenStream=\nListenStream=" VIEW_PORT "\n"

const struct cli_option view_options[] = {
	SETUP_OPTIONS,
	{ "lan", 0, NULL, "for the network; asks for a password. Without: localhost" },
	{ "no-password", 0, NULL, "with --lan: everybody there may look" },
	{ "password", 0, NULL, "asks for a password on localhost, too: see HTTPS in viewpi(1)" },
	{ 0 },
};

/* One line of a person's, or of a script's. -EINVAL it is empty or too long; -EIO there is none. */
static int password_read(char ret[static 256])
{
	if (isatty(STDIN_FILENO)) {
		const char *typed = getpass("Password for the pages: ");

		if (!typed)
			return -EIO;
		if (strlen(typed) > 255)
			return -EINVAL;
		strcpy(ret, typed);
	} else if (!fgets(ret, 256, stdin)) {
		return -EIO;
	}
	ret[strcspn(ret, "\r\n")] = '\0';
	return *ret ? 0 : -EINVAL;
}

/* Its hash into `password` in the folder, which only its owner can read. -errno. */
static int password_write(int folder, const char *password)
{
	CLEANUP_FREE struct crypt_data *data = calloc(1, sizeof(*data));
	char salt[CRYPT_GENSALT_OUTPUT_SIZE], line[CRYPT_OUTPUT_SIZE + 2];
	const char *hash;

	/* $y$ is yescrypt */
	if (!data || !crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)))
		return -ENOMEM;
	hash = crypt_r(password, salt, data);
	if (!hash || *hash == '*')
		return -EIO;
	snprintf(line, sizeof(line), "%s\n", hash);
	return fs_replace(&fs_real, folder, "password", line, strlen(line), 0600);
}

/* The password is there where it has to be, and gone where it was not wanted. */
static int view_settle_password(struct deploy *deploy, bool wanted, bool none)
{
	CLEANUP_FD int folder = -1;
	char path[PATH_MAX], password[256];
	struct stat st;
	int r = setup_settings_path("viewpi", NULL, path);

	if (r != CLI_OK)
		return r;
	*strrchr(path, '/') = '\0';
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "password", NULL, deploy->again,
			"%s: %s", path, strerror(errno));
	if (none) {
		unlinkat(folder, "password", 0);
		report_ok(&deploy->report, "password", NULL, "none: whoever reaches it may look");
		return CLI_OK;
	}
	if (!wanted)
		return CLI_OK;
	if (fstatat(folder, "password", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		report_ok(&deploy->report, "password", NULL,
			"stays as it is; for another one delete %s/password first", path);
		return CLI_OK;
	}
	r = password_read(password);
	if (r == 0)
		r = password_write(folder, password);
	explicit_bzero(password, sizeof(password));
	if (r < 0)
		return report_failed(&deploy->report, CLI_SETTINGS, "password", NULL,
			"type one, or give it as a line on stdin; or --no-password",
			"no password was set: %s",
			r == -EINVAL ? "it is empty, or longer than 255 bytes" : strerror(-r));
	report_ok(&deploy->report, "password", NULL, "its hash is in %s/password; any user name",
		path);
	return CLI_OK;
}

/* The drop-in that opens the socket to the network, or none. `ret_changed`: it was otherwise. */
static int view_settle_socket(struct deploy *deploy, bool lan, bool *ret_changed)
{
	CLEANUP_FREE char *old = NULL;
	char units[PATH_MAX], folder[PATH_MAX + 32] = "", path[PATH_MAX + 64];
	bool was_lan = false;
	int r = userunits_folder(units);

	if (r == 0) {
		snprintf(folder, sizeof(folder), "%s/" VIEW_SOCKET ".d", units);
		snprintf(path, sizeof(path), "%s/" USERUNITS_DROP_IN, folder);
		was_lan = fs_read_file(AT_FDCWD, path, 4096, &old, NULL) == 0;
	}
	*ret_changed = was_lan != lan;
	if (r == 0 && !lan)
		r = drop_in_remove(folder);
	else if (r == 0 && (!was_lan || strcmp(old, VIEW_LAN_TEXT) != 0))
		r = drop_in_write(folder, USERUNITS_DROP_IN, VIEW_LAN_TEXT);
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "socket", VIEW_SOCKET,
			deploy->again, "%s: %s", folder, strerror(-r));
	report_ok(&deploy->report, "socket", VIEW_SOCKET, "port " VIEW_PORT " of %s",
		lan ? "every network of this machine" : "this machine alone");
	return CLI_OK;
}

static void view_tell_address(struct deploy *deploy, bool lan)
{
	char host[256] = "localhost";

	if (lan && gethostname(host, sizeof(host) - 1) < 0)
		strcpy(host, "ADDRESS");
	report_ok(&deploy->report, "open", NULL, "http://%s:" VIEW_PORT "/", host);
	if (lan)
		report_step(&deploy->report,
			&(struct step){ "network", NULL, STEP_WARN,
				"where others share the network, put TLS in front: see HTTPS in "
				"viewpi(1)",
				NULL },
			"what passes between a browser and this machine is not encrypted");
}

int command_view(struct cli *cli)
{
	const bool lan = cli_flag(cli, "lan"), none = cli_flag(cli, "no-password");
	const bool wanted = cli_flag(cli, "password");
	struct unit_task socket = { .job.unit = VIEW_SOCKET, .reason = "its address was changed" };
	struct json_object *dump = NULL;
	struct deploy deploy;
	bool changed = false;
	int r;

	if (none && (!lan || wanted))
		return cli_usage(cli, "--no-password: only with --lan, and without --password");
	r = setup_begin(cli, true, NULL, &deploy);
	if (r != CLI_OK)
		return r;
	r = setup_settings(&deploy, "viewpi", &dump);
	json_object_put(dump);
	if (r == CLI_OK)
		r = setup_folders(&deploy, "viewpi");
	if (r == CLI_OK)
		r = view_settle_password(&deploy, lan || wanted, none);
	if (r == CLI_OK)
		r = setup_manager(&deploy);
	if (r == CLI_OK)
		r = view_settle_socket(&deploy, lan, &changed);
	if (r == CLI_OK)
		r = units_start(&deploy, &socket, changed, "listens already");
	if (r == CLI_OK)
		view_tell_address(&deploy, lan);
	setup_end(&deploy);
	return r;
}
