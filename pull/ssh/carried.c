/* SPDX-License-Identifier: MIT */
/* TCP_INFO, tcp(7). The C library's own struct tcp_info lacks what is asked for here. */
#include "pull/ssh/carried.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#define TCP_HEADER 32 /* with time stamps */

int64_t carried_bytes(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof info, domain_size = sizeof(int);
	int domain = AF_INET;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	if (size < offsetof(struct tcp_info, tcpi_bytes_retrans)) /* before Linux 4.19 */
		return -EOPNOTSUPP;
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size);
	return (int64_t)(info.tcpi_bytes_sent + info.tcpi_bytes_received) +
		((int64_t)info.tcpi_segs_in + info.tcpi_segs_out) *
		((domain == AF_INET6 ? 40 : 20) + TCP_HEADER);
}
