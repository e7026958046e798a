/* SPDX-License-Identifier: MIT */
/* From a camera's settings to a stream, and from errors to exit codes. */
#include "pull/connect.h"

#include <errno.h>
#include <string.h>

#include "common/cli.h"
#include "pull/reach.h"
#include "pull/ssh.h"

int connect_code(int error)
{
	switch (-error) {
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
	default: /* all the ways in which a network is not there */
		return CLI_TEMPFAIL;
	}
}

int connect_code_of_transfer(int error)
{
	switch (-error) {
	case EPROTO:
	case EPROTONOSUPPORT:
	case EBADMSG:
	case EEXIST:
	case ELOOP:
	case EINVAL:
	case EFBIG:
		return CLI_PROTOCOL;
	case ETIMEDOUT:
	case ECONNRESET:
	case EPIPE:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
		return CLI_TEMPFAIL;
	default:
		return CLI_INTERNAL;
	}
}

static enum connect_why why_of(int error)
{
	switch (-error) {
	case EBUSY: /* by sshd, before the login */
	case ECONNRESET: /* in the login */
	case EPIPE:
		return CONNECT_ANSWERED;
	default:
		switch (connect_code(error)) {
		case CLI_INTERNAL:
			return CONNECT_HERE;
		case CLI_TEMPFAIL:
			return CONNECT_SILENT;
		default:
			return CONNECT_ANSWERED;
		}
	}
}

int connect_try(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, enum connect_why *ret_why, char *error, size_t size)
{
	struct reach reach;
	char pair[512];
	int r = reach_camera(camera, &reach), code;
	size_t n;

	if (r < 0) {
		*ret_why = CONNECT_HERE;
		snprintf(error, size, "no folder for keys: %s", strerror(-r));
		return CLI_SETTINGS;
	}
	reach.ssh.command = command;
	reach.ssh.deadline_ns = deadline_ns;
	r = ssh_stream_open(&reach.ssh, ret_stream, error, size);
	*ret_why = r == 0 ? CONNECT_DONE : why_of(r);
	if (r == 0)
		return CLI_OK;
	code = connect_code(r);
	n = strlen(error);
	if (code == CLI_REFUSED)
		snprintf(error + n, size - n, "; to pair it again: %s",
			reach_pair_command(camera, pair, sizeof pair));
	return code;
}

int connect_camera(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, bool *ours, char *error, size_t size)
{
	enum connect_why why;
	int code = connect_try(camera, command, deadline_ns, ret_stream, &why, error, size);

	if (why == CONNECT_HERE)
		*ours = true;
	return code;
}
