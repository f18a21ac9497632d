/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "paced.h"
#include "worker.h"

#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct order {
	uint64_t rate, begin, end;
};

enum { MOST_TICKS = 10000 }; /* per second; at a higher rate each tick sends several frames */

static int orders[2], answers[2];

static int open_interface(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET};
	struct ifreq request = {.ifr_flags = IFF_UP};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1; /* protocol 0: receives nothing */
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	at.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(2, "cannot send on interface %s", name);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return fd;
}

static void sleep_until(uint64_t time)
{
	struct timespec t = {(time_t)(time / 1000000000), (long)(time % 1000000000)};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

/* Between half and one and a half of the gap that the rate gives, so that frames keep no step with anything else. */
static uint64_t carry_out(int fd, const struct order *o)
{
	struct paced_frame frame = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1}, PACED_TYPE, 0, 0, {0}};
	uint64_t at_once = o->rate > MOST_TICKS ? o->rate / MOST_TICKS : 1;
	uint64_t gap = o->rate == 0 ? 0 : at_once * 1000000000 / o->rate;
	uint64_t sent = 0, next = o->begin;
	uint32_t x = 1;
	while (o->rate > 0 && next < o->end) {
		sleep_until(next);
		for (uint64_t i = 0; i < at_once; i++) {
			frame.number = sent;
			frame.sent = nanoseconds();
			sent += send(fd, &frame, sizeof(frame), 0) == sizeof(frame);
		}
		x = x * 1664525u + 1013904223u;
		next += gap / 2 + (gap * (x >> 8) >> 24);
	}
	sleep_until(o->end);
	return sent;
}

void paced_start(const char *interface, int core)
{
	struct order order;
	if (pipe(orders) < 0 || pipe(answers) < 0)
		err(1, "pipe");
	pid_t child = fork();
	if (child < 0)
		err(1, "fork");
	if (child > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct sched_param ahead_of_the_device = {.sched_priority = 2};
	int fd = open_interface(interface);
	pin_to(core);
	(void)!sched_setscheduler(0, SCHED_FIFO, &ahead_of_the_device);
	while (read(orders[0], &order, sizeof(order)) == sizeof(order)) {
		uint64_t sent = carry_out(fd, &order);
		if (write(answers[1], &sent, sizeof(sent)) != sizeof(sent))
			_exit(1);
	}
	_exit(0);
}

void paced_send(uint32_t rate, uint64_t begin, uint64_t end)
{
	struct order order = {rate, begin, end};
	if (write(orders[1], &order, sizeof(order)) != sizeof(order))
		err(1, "the sender");
}

uint64_t paced_sent(void)
{
	uint64_t sent;
	if (read(answers[0], &sent, sizeof(sent)) != sizeof(sent))
		errx(2, "the sender has ended");
	return sent;
}
