/* SPDX-License-Identifier: MIT */
/* A bus over one end of a socket pair, whose other end a test plays. */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base/util.h"

/* Takes the socket over, also on failure. */
__attribute__((unused)) static int userbus_open_fd(int fd, sd_bus **ret)
{
	CLEANUP(sd_bus_unrefp) sd_bus *bus = NULL;
	CLEANUP_FD int own = fd;
	int r = sd_bus_new(&bus);

	if (r < 0)
		return r;
	r = sd_bus_set_fd(bus, own, own);
	if (r < 0)
		return r;
	own = -1; /* the bus closes it */
	r = sd_bus_start(bus);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bus);
	return 0;
}
