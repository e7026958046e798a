/* SPDX-License-Identifier: MIT */
/*
 * An emulated IP link between two network namespaces, for machines without netem.
 *
 *   linkem NETNS_A NETNS_B DELAY_MS RATE_AB RATE_BA QUEUE_BYTES LOSS_PERCENT [SEED]
 *
 * Makes a TUN device `tl0` in each namespace (names of `ip netns`) and carries packets between them
 * with a one-way delay, a rate in bit/s for each direction (0: no limit), a drop-tail queue (0: no
 * limit) and random loss. Prints `ready` when the devices exist; they have no addresses and are
 * down: kit.bash does the rest. SIGUSR1 makes the link dark, where packets vanish as behind a NAT
 * that forgot the flow, SIGUSR2 light again; what is under way when it becomes dark is lost. Ends
 * with SIGTERM. Needs root and /dev/net/tun.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/util.h"

#define DEVICE "tl0"
#define SLOTS (1 << 13) /* packets under way in one direction at most */
#define MTU_MAX 2048
#define IDLE_NS NS_PER_SEC
#define AGAIN_NS (NS_PER_SEC / 1000)

struct packet {
	int64_t due_ns;
	size_t bytes;
	uint8_t data[MTU_MAX];
};

struct direction {
	int from, to;
	int64_t rate; /* bit/s, 0: no limit */
	int64_t free_at_ns; /* when the last queued bit has left */
	unsigned head, tail;
	struct packet *ring;
};

struct link {
	int64_t delay_ns, queue_bytes;
	double loss_percent;
	struct direction ways[2];
};

static volatile sig_atomic_t is_dark;

static void on_signal(int signal)
{
	is_dark = signal == SIGUSR1;
}

static int64_t now_ns(void)
{
	return clock_mono_ns(&clock_real);
}

static int tun_in(const char *netns)
{
	struct ifreq request = { .ifr_name = DEVICE, .ifr_flags = IFF_TUN | IFF_NO_PI };
	CLEANUP_FD int ns = -1;
	char path[256];
	int fd;

	snprintf(path, sizeof path, "/run/netns/%s", netns);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
		fprintf(stderr, "linkem: cannot enter network namespace %s: %s\n", netns,
			strerror(errno));
		return -1;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
		fprintf(stderr, "linkem: cannot make %s in %s: %s\n", DEVICE, netns,
			strerror(errno));
		return -1;
	}
	return fd;
}

/* When a packet that comes now has left the queue; -1: it finds no room there, or is lost. */
static int64_t leaves_ns(const struct link *link, const struct direction *way, size_t bytes)
{
	int64_t now = now_ns(), start = way->free_at_ns > now ? way->free_at_ns : now;
	int64_t queued = (start - now) / NS_PER_US * way->rate / (8 * US_PER_SEC);

	if (is_dark || (way->tail + 1) % SLOTS == way->head ||
		drand48() * 100 < link->loss_percent ||
		(link->queue_bytes > 0 && queued > link->queue_bytes))
		return -1;
	return way->rate > 0 ? start + (int64_t)bytes * 8 * NS_PER_SEC / way->rate : start;
}

static void take(const struct link *link, struct direction *way)
{
	for (;;) {
		struct packet *packet = &way->ring[way->tail];
		ssize_t n = read(way->from, packet->data, sizeof packet->data);
		int64_t leaves;

		if (n <= 0)
			return;
		leaves = leaves_ns(link, way, (size_t)n);
		if (leaves < 0)
			continue;
		way->free_at_ns = leaves;
		packet->due_ns = leaves + link->delay_ns;
		packet->bytes = (size_t)n;
		way->tail = (way->tail + 1) % SLOTS;
	}
}

/* Hands over what is due, and makes `wake_ns` earlier where the next is due before that. */
static void give(struct direction *way, int64_t *wake_ns)
{
	while (way->head != way->tail) {
		const struct packet *packet = &way->ring[way->head];
		int64_t due = packet->due_ns;

		if (due <= now_ns()) {
			if (is_dark || write(way->to, packet->data, packet->bytes) >= 0 ||
				errno != EAGAIN) {
				way->head = (way->head + 1) % SLOTS;
				continue;
			}
			due = now_ns() + AGAIN_NS;
		}
		if (due < *wake_ns)
			*wake_ns = due;
		return;
	}
}

static void run(struct link *link)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = link->ways[0].from, .events = POLLIN },
			{ .fd = link->ways[1].from, .events = POLLIN } };
		int64_t wake_ns = now_ns() + IDLE_NS, left;
		struct timespec t;

		for (int i = 0; i < 2; i++) {
			take(link, &link->ways[i]);
			give(&link->ways[i], &wake_ns);
		}
		left = wake_ns - now_ns();
		left = left > 0 ? left : 0;
		t = (struct timespec){ left / NS_PER_SEC, left % NS_PER_SEC };
		ppoll(fds, 2, &t, NULL);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct link link;
	int a, b;

	if (argc < 8) {
		fprintf(stderr,
			"usage: linkem NETNS_A NETNS_B DELAY_MS RATE_AB RATE_BA "
			"QUEUE_BYTES LOSS_PERCENT [SEED]\n");
		return 2;
	}
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	srand48(argc > 8 ? atol(argv[8]) : 1);
	link = (struct link){
		.delay_ns = (int64_t)(atof(argv[3]) * 1e6),
		.queue_bytes = atoll(argv[6]),
		.loss_percent = atof(argv[7]),
	};
	a = tun_in(argv[1]);
	b = tun_in(argv[2]);
	if (a < 0 || b < 0)
		return 1;
	link.ways[0] = (struct direction){ .from = a, .to = b, .rate = atoll(argv[4]) };
	link.ways[1] = (struct direction){ .from = b, .to = a, .rate = atoll(argv[5]) };
	for (int i = 0; i < 2; i++) {
		link.ways[i].ring = calloc(SLOTS, sizeof *link.ways[i].ring);
		if (!link.ways[i].ring)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	run(&link);
}
