/* SPDX-License-Identifier: MIT */
/* Opens the stream to a camera, and turns errors into exit codes. */
#include "pull/ssh/connect.h"

#include <errno.h>
#include <string.h>

#include "common/commands/cli.h"
#include "pull/ssh/endpoint.h"
#include "pull/ssh/ssh.h"

int connect_code(int error)
{
	switch (-error) {
	case 0:
		return CLI_OK;
	case EKEYREJECTED:
	case ENOKEY:
	case EACCES:
	case EPERM:
		return CLI_REFUSED;
	case EPROTO:
	case EPROTONOSUPPORT:
	case EBADMSG:
		return CLI_PROTOCOL;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOSYS:
		return CLI_INTERNAL;
	default: /* the many ways in which a network is not there */
		return CLI_TEMPFAIL;
	}
}

static enum connect_why connect_judge(int error)
{
	const int code = connect_code(error);

	/* turned away before the login, or dropped in it */
	if (error == -EBUSY || error == -ECONNRESET || error == -EPIPE)
		return CONNECT_ANSWERED;
	if (code == CLI_OK)
		return CONNECT_DONE;
	return code == CLI_INTERNAL    ? CONNECT_HERE
		: code == CLI_TEMPFAIL ? CONNECT_SILENT
				       : CONNECT_ANSWERED;
}

int connect_try(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, enum connect_why *ret_why, char *error, size_t size)
{
	struct endpoint endpoint;
	char pair[512];
	int r = endpoint_of(camera, &endpoint), code;
	size_t n;

	if (r < 0) {
		*ret_why = CONNECT_HERE;
		snprintf(error, size, "no folder for keys: %s", strerror(-r));
		return CLI_SETTINGS;
	}
	r = ssh_stream_open(&endpoint, command, deadline_ns, ret_stream, error, size);
	*ret_why = connect_judge(r);
	code = connect_code(r);
	if (code != CLI_REFUSED)
		return code;
	n = strlen(error);
	snprintf(error + n, size - n,
		r == -EKEYREJECTED ? "; once you have it, pair again and give it: %s --fingerprint"
				   : "; to pair it again: %s",
		endpoint_pair_command(camera, pair, sizeof pair));
	return code;
}
