/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For comparison: a forwarder between two kernel interfaces over AF_PACKET sockets, and frames for it. Both
 * interfaces are TAPs, made here in a network namespace of this process.
 *
 *   afpacket --core N --peer-core N [--seconds N] [--bytes N]
 *
 * One thread writes frames into the first TAP and reads them from the second, the other forwards with recvmmsg() and
 * sendmmsg(), 64 frames per call. Prints one line of JSON.
 */
#define _GNU_SOURCE 1
#include "worker.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FRAME = 2048, IN_FLIGHT = 256 };

static int core = -1, peer_core = -1, bytes = 64, taps[2];
static _Atomic int stop;
static _Atomic uint64_t written, arrived;

static int tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		err(2, "cannot make a TAP");
	request.ifr_mtu = 1600;
	if (ioctl(any, SIOCSIFMTU, &request) < 0)
		err(2, "cannot set the MTU of %s", name);
	request.ifr_flags = IFF_UP;
	if (ioctl(any, SIOCSIFFLAGS, &request) < 0)
		err(2, "cannot bring %s up", name);
	close(any);
	return fd;
}

static int packet_socket(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)), on = 1, room = 8 << 20;
	at.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(2, "cannot open a packet socket on %s", name);
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

/* Few frames are in flight at a time, so that none is dropped. */
static void *far_end(void *argument)
{
	static uint8_t frame[FRAME] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, room[FRAME];
	(void)argument;
	pin_to(peer_core);
	hurry(1);
	while (!stop) {
		while (written - arrived < IN_FLIGHT && write(taps[0], frame, (size_t)bytes) == bytes)
			written++;
		while (read(taps[1], room, sizeof(room)) > 0)
			arrived += memcmp(room, frame, ETH_HLEN) == 0; /* the kernel may send frames of its own */
	}
	return NULL;
}

static void forward(int in, int out)
{
	static uint8_t frames[BATCH][FRAME];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){frames[i], FRAME};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	while (!stop) {
		int count = recvmmsg(in, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++)
			parts[i].iov_len = messages[i].msg_len;
		for (int sent = 0, now; sent < count && !stop; sent += now > 0 ? now : 0)
			now = sendmmsg(out, messages + sent, (unsigned int)(count - sent), MSG_DONTWAIT);
		for (int i = 0; i < count; i++)
			parts[i].iov_len = FRAME;
	}
}

static void *measure(void *argument)
{
	double seconds = *(double *)argument;
	usleep(200000);
	uint64_t first = arrived;
	usleep((useconds_t)(seconds * 1e6));
	uint64_t frames = arrived - first;
	stop = 1;
	printf("{\"mpps\":%.4f,\"bytes\":%d,\"lost\":%lld}\n", (double)frames / seconds / 1e6, bytes,
	       (long long)(written - arrived) > IN_FLIGHT ? (long long)(written - arrived) : 0);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"core", 1, NULL, 'c'}, {"peer-core", 1, NULL, 'p'}, {"seconds", 1, NULL, 's'}, {"bytes", 1, NULL, 'b'}, {0},
	};
	double seconds = 1;
	pthread_t far, clock;
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 'c': core = atoi(optarg); break;
		case 'p': peer_core = atoi(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'b': bytes = atoi(optarg); break;
		default: return 1;
		}
	if (unshare(CLONE_NEWNET) != 0)
		err(2, "a network namespace needs root");
	taps[0] = tap("in0");
	taps[1] = tap("out0");
	int in = packet_socket("in0"), out = packet_socket("out0");
	if (pthread_create(&far, NULL, far_end, NULL) != 0 || pthread_create(&clock, NULL, measure, &seconds) != 0)
		errx(2, "no threads");
	usleep(10000); /* let the other threads leave this core first */
	pin_to(core);
	hurry(1);
	forward(in, out);
	pthread_join(clock, NULL);
	pthread_join(far, NULL);
	return 0;
}
