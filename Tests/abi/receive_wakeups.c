/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Sleeping until packets come: the descriptor, arming, and no wake-up lost in 25000 rounds, or as many as the program's
 * argument says, against a sender that sends at every possible moment.
 */
#include "../support/cases.h"
#include "../support/frame.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <pthread.h>
#include <stdatomic.h>

static uint32_t rounds = 25000;
static uint16_t from, to;
static _Atomic uint32_t received;

static void *sender(void *unused)
{
	uint32_t x = 1;
	for (uint32_t i = 0; i < rounds; i++) {
		struct vionet_packet *p = frame_packet(0, 60 + i % 900, i);
		yes(p != NULL);
		send_all(from, &p, 1);
		uint64_t end = microseconds() + LONG_WAIT * 1000ull;
		for (unsigned int turns = 0; atomic_load(&received) <= i; turns++) {
			if (turns % 1024 == 1023 && microseconds() > end)
				FAILED("frame %u was sent and does not come", i);
			if (turns > 200)
				usleep(1); /* the two may have one core between them */
		}
		/* The next one is sent at a moment between now and well into the receiver's sleep. */
		x = x * 1664525u + 1013904223u;
		if ((x >> 29) == 0)
			usleep((x >> 8) % 100);
		else
			for (uint32_t spin = (x >> 8) % 6000; spin > 0; spin--)
				atomic_signal_fence(memory_order_seq_cst);
	}
	return unused;
}

/* The library's calls that sleep, poll or read come here first, and those of this thread are counted. */
static _Thread_local unsigned int calls;

int epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	calls++;
	return (int)syscall(SYS_epoll_pwait, epoll, events, count, milliseconds, NULL, 0);
}

int poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	calls++;
	return (int)syscall(SYS_ppoll, files, count, milliseconds < 0 ? NULL : &left, NULL, 0);
}

ssize_t read(int fd, void *data, size_t count)
{
	calls++;
	return syscall(SYS_read, fd, data, count);
}

int eventfd_read(int fd, uint64_t *value)
{
	return read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

static int readable(int fd, int milliseconds)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	return poll(&one, 1, milliseconds);
}

/* One packet after the other. */
static void in_steps(void)
{
	struct vionet_packet *p, *out[8];
	int fd = vionet_rx_fd(to, 0);
	yes(fd >= 0);
	same(vionet_rx_fd(to, 0), fd);
	same(vionet_rx_burst(to, 0, out, 8), 0);
	same(vionet_rx_arm(to, 0), 0);
	same(readable(fd, 50), 0);
	p = frame_packet(0, 60, 1);
	send_all(from, &p, 1);
	same(readable(fd, LONG_WAIT), 1);
	same(vionet_rx_arm(to, 0), 1); /* a packet waits: the caller must not sleep */
	receive_all(to, out, 1);
	vionet_packet_free(out[0]);
	same(vionet_rx_arm(to, 0), 0); /* clears the descriptor */
	same(readable(fd, 50), 0);
	same(vionet_rx_arm(to, 0), 0); /* arming twice changes nothing */
	p = frame_packet(0, 60, 2);
	send_all(from, &p, 1);
	same(readable(fd, LONG_WAIT), 1);
	receive_all(to, out, 1);
	vionet_packet_free(out[0]);
}

static void *send_late(void *unused)
{
	struct vionet_packet *p = frame_packet(0, 60, 3);
	usleep(30000);
	send_all(from, &p, 1);
	return unused;
}

/* A sleep is one system call, and so is arming. */
static void in_one_call(void)
{
	struct vionet_packet *packet;
	pthread_t thread;
	same(vionet_rx_wait(to, 0, 0), 0);
	/* A packet that comes before the sleep needs no call. */
	for (unsigned int slept = 0, tries = 0; slept < 5; slept += calls, tries++) {
		yes(tries < 500);
		same(pthread_create(&thread, NULL, send_late, NULL), 0);
		calls = 0;
		same(vionet_rx_wait(to, 0, LONG_WAIT), 1);
		unsigned int during_wait = calls;
		yes(during_wait <= 1);
		receive_all(to, &packet, 1);
		vionet_packet_free(packet);
		same(pthread_join(thread, NULL), 0);
		calls = during_wait;
	}
	/* A signal from before is no packet. */
	same(vionet_rx_wait(to, 0, 20), 0);
	calls = 0;
	same(vionet_rx_wait(to, 0, 20), 0);
	same(vionet_rx_arm(to, 0), 0);
	same(calls, 2);
}

/* Receives what the sender sends, asleep between frames. Returns the number of sleeps. */
static uint64_t receive_asleep(void)
{
	struct vionet_packet *packets[32];
	uint64_t slept = 0;
	int fd = vionet_rx_fd(to, 0);
	uint32_t next = 0;
	while (next < rounds) {
		uint16_t n = vionet_rx_burst(to, 0, packets, 32);
		for (uint16_t i = 0; i < n; i++, next++) {
			same(packets[i]->length, 60 + next % 900);
			yes(frame_right(packets[i]->data, packets[i]->length, next));
		}
		vionet_packet_free_bulk(packets, n);
		atomic_store(&received, next);
		if (n > 0 || next == rounds)
			continue;
		int armed = vionet_rx_arm(to, 0);
		yes(armed == 0 || armed == 1);
		if (armed == 1)
			continue;
		slept++;
		if (readable(fd, LONG_WAIT) == 0)
			FAILED("asleep for ever after frame %u: a wake-up was lost", next);
	}
	return slept;
}

static void steps(const char *device)
{
	from = opened(device);
	to = opened(device);
	in_steps();
	in_one_call();
	vionet_close(to);
	vionet_close(from);
}

static void race(const char *name, const char *device)
{
	pthread_t thread;
	uint64_t began = microseconds();
	from = opened(device);
	to = opened(device);
	int fd = vionet_rx_fd(to, 0);
	atomic_store(&received, 0);
	same(pthread_create(&thread, NULL, sender, NULL), 0);
	uint64_t slept = receive_asleep();
	pthread_join(thread, NULL);
	printf("%s: %" PRIu32 " rounds, %" PRIu64 " sleeps, %" PRIu64 " ms\n", name, rounds, slept,
	       (microseconds() - began) / 1000);
	yes(slept > rounds / 100); /* else the race was not tried */

	/* The descriptor stays the same while the port lives, and goes with it. */
	same(vionet_rx_fd(to, 0), fd);
	vionet_close(to);
	vionet_close(from);
	err(vionet_rx_fd(to, 0), -ENODEV);
}

static uint32_t argument(void)
{
	rounds = (uint32_t)case_argument(0, rounds);
	yes(rounds > 0);
	return rounds;
}

BEFORE_EACH { argument(); }

CASE("no wake-up is lost, split ring") { race("split", "soft:pipe=sleeping,packed_vq=0"); }
CASE("no wake-up is lost, packed ring") { race("packed", "soft:pipe=sleeping,packed_vq=1"); }
CASE("a sleep is one system call, and so is arming, split ring") { steps("soft:pipe=sleeping,packed_vq=0"); }
CASE("a sleep is one system call, and so is arming, packed ring") { steps("soft:pipe=sleeping,packed_vq=1"); }
