/* SPDX-License-Identifier: MIT */
/* What is offered, and what is asked of libssh. */
#include "pull/ssh/offer.h"

#include <errno.h>
#include <libssh/server.h>
#include <stdbool.h>

#include "common/base/util.h"

/* ChaCha20 first: a Pi 4 has no AES instructions. */
#define CIPHERS "chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr"
#define CIPHERS_GCM CIPHERS ",aes256-gcm@openssh.com,aes128-gcm@openssh.com"
#define HOST_KEYS                                                                                  \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"                 \
	"rsa-sha2-512,rsa-sha2-256"

/*
 * Offers AES-GCM to servers that have nothing else, unless the libssh that runs is older than
 * 0.11.5: it never checked the tag (CVE-2026-59847). Debian's 0.10.6-0+deb12u3 does, but cannot
 * be told from its predecessors.
 */
static const char *ssh_ciphers(void)
{
	return ssh_version(SSH_VERSION_INT(0, 11, 5)) ? CIPHERS_GCM : CIPHERS;
}

/* What a server asks of this side libssh would keep for ever, until somebody takes it. */
static int request_refuse(ssh_session session, ssh_message message, void *data)
{
	(void)session, (void)message, (void)data;
	return 1; /* libssh answers no */
}

int ssh_offer_set(ssh_session session, const struct endpoint *to, int fd)
{
	const char *user = *to->camera->user ? to->camera->user : NULL; /* NULL: the local one */
	const bool no = false;
	const int on = 1, quiet = SSH_LOG_NOLOG;
	const struct {
		enum ssh_options_e name;
		const void *value;
	} list[] = {
		{ SSH_OPTIONS_PROCESS_CONFIG, &no },
		{ SSH_OPTIONS_LOG_VERBOSITY, &quiet },
		{ SSH_OPTIONS_HOST, to->alias },
		{ SSH_OPTIONS_USER, user },
		{ SSH_OPTIONS_KNOWNHOSTS, to->known_hosts },
		{ SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null" },
		{ SSH_OPTIONS_STRICTHOSTKEYCHECK, &on },
		{ SSH_OPTIONS_NODELAY, &on },
		{ SSH_OPTIONS_CIPHERS_C_S, ssh_ciphers() },
		{ SSH_OPTIONS_CIPHERS_S_C, ssh_ciphers() },
		/* "no" only asks for it last; what unpacks grows as the peer likes */
		{ SSH_OPTIONS_COMPRESSION_C_S, "none" },
		{ SSH_OPTIONS_COMPRESSION_S_C, "none" },
		{ SSH_OPTIONS_HOSTKEYS, HOST_KEYS },
		{ SSH_OPTIONS_FD, &fd },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (ssh_options_set(session, list[i].name, list[i].value) != SSH_OK)
			return -ENOSYS;
	ssh_set_message_callback(session, request_refuse, NULL);
	return 0;
}
