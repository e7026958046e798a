/* SPDX-License-Identifier: MIT */
/* What a TCP connection costs on a metered link. */
#pragma once

#include <stdint.h>

/*
 * The bytes that the connection has carried both ways, with the headers of TCP and IP, what was
 * sent again, and acknowledgements; as Linux counts them. -errno: it is no TCP connection.
 */
int64_t carried_bytes(int fd);
