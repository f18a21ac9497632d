/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Sleeping until there is room to send: no wake-up is lost in 10000 sleeps, or as many as the program's argument says,
 * against a device that goes on at every possible moment; and what a sleep saves.
 */
#include "../support/cases.h"
#include "../support/frame.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 64, BURST = 32 };

static uint64_t rounds = 10000;
static uint16_t port;
static _Atomic uint64_t received;
static _Atomic int finished;

/* Calls of the library that sleep, of this thread. */
static _Thread_local uint64_t sleeps;

int epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	sleeps++;
	return (int)syscall(SYS_epoll_pwait, epoll, events, count, milliseconds, NULL, 0);
}

/* soft:loopback sends a frame when there is a receive buffer for it, so that this thread says when the sender has room. */
static void *receiver(void *slow)
{
	struct vionet_packet *packets[BURST];
	uint32_t x = 1, number = 0;
	while (!finished) {
		x = x * 1664525u + 1013904223u;
		uint16_t n = vionet_rx_burst(port, 0, packets, 1 + (x >> 24) % BURST);
		for (uint16_t i = 0; i < n; i++, number++)
			yes(frame_number(packets[i]->data) == number);
		vionet_packet_free_bulk(packets, n);
		atomic_fetch_add(&received, n);
		if (slow != NULL)
			usleep(500);
		else if (n == 0 || x >> 29 == 0)
			usleep((x >> 8) % 60);
		else
			for (uint32_t spin = (x >> 8) % 3000; spin > 0; spin--)
				atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

/* What a sender did. */
struct account {
	uint64_t sent, bursts, in_vain, sleeps, woken;
	uint64_t refused; /* packets that were given back at least once */
};

static struct vionet_packet *burst[BURST];
static uint32_t made, next;

/* Sends numbered frames until `enough` of them went and slept as often as that. `how`: what it does while the ring is full. */
enum how { SPIN, SLEEP_FD, SLEEP_WAIT, SLEEP_MANY };

static int room(enum how how, struct account *a)
{
	struct pollfd one = {.events = POLLIN};
	struct vionet_wait_queue list[] = {{.port = port, .direction = VIONET_WAIT_TX}, {.port = port, .direction = VIONET_WAIT_EVENT}};
	int result;
	switch (how) {
	case SPIN: return 1;
	case SLEEP_FD:
		one.fd = vionet_tx_fd(port, 0);
		result = vionet_tx_arm(port, 0);
		if (result != 0)
			return result;
		a->sleeps++;
		return poll(&one, 1, LONG_WAIT);
	case SLEEP_WAIT: a->sleeps++; return vionet_tx_wait(port, 0, LONG_WAIT);
	default: a->sleeps++; return vionet_wait(list, 2, LONG_WAIT);
	}
}

static struct account send(enum how how, uint64_t frames, uint64_t sleeps_wanted)
{
	struct account a = {0};
	uint32_t known = 0; /* packets at the head that were refused already */
	uint64_t end = microseconds() + 500000000ull;
	while (a.sent < frames || a.sleeps < sleeps_wanted) {
		for (; made < BURST; made++) {
			burst[made] = frame_packet(0, 60, next);
			if (burst[made] == NULL)
				break;
			next++;
		}
		uint16_t n = vionet_tx_burst(port, 0, burst, (uint16_t)made);
		a.bursts++;
		a.in_vain += n == 0;
		a.sent += n;
		known = known > n ? known - n : 0;
		made -= n;
		memmove(burst, burst + n, made * sizeof(burst[0]));
		if (made == 0)
			continue;
		a.refused += made > known ? made - known : 0;
		known = made > known ? made : known;
		int result = room(how, &a);
		yes(result >= 0);
		if (result == 0)
			FAILED("asleep for ever after frame %" PRIu64 ": a wake-up was lost", a.sent);
		yes(microseconds() < end);
		a.woken++;
	}
	return a;
}

static void finish(pthread_t thread)
{
	uint64_t sent = stats_of(port).tx.packets;
	soon(received == sent);
	finished = 1;
	same(pthread_join(thread, NULL), 0);
	vionet_packet_free_bulk(burst, (uint16_t)made);
	vionet_close(port);
}

static struct {
	const char *keys;
	enum how how;
	const char *name;
} rows[] = {
	{"packed_vq=0,event_idx=1,in_order=0", SLEEP_FD, "split, EVENT_IDX, descriptor"},
	{"packed_vq=0,event_idx=1,in_order=1", SLEEP_WAIT, "split, EVENT_IDX, IN_ORDER, vionet_tx_wait"},
	{"packed_vq=0,event_idx=0,in_order=0", SLEEP_MANY, "split, vionet_wait"},
	{"packed_vq=0,event_idx=0,in_order=1", SLEEP_FD, "split, IN_ORDER, descriptor"},
	{"packed_vq=1,event_idx=1,in_order=0", SLEEP_FD, "packed, EVENT_IDX, descriptor"},
	{"packed_vq=1,event_idx=1,in_order=1", SLEEP_MANY, "packed, EVENT_IDX, IN_ORDER, vionet_wait"},
	{"packed_vq=1,event_idx=0,in_order=0", SLEEP_WAIT, "packed, vionet_tx_wait"},
	{"packed_vq=1,event_idx=0,in_order=1", SLEEP_FD, "packed, IN_ORDER, descriptor"},
};

static void start(const char *keys, pthread_t *thread, int slow)
{
	char address[100];
	snprintf(address, sizeof(address), "soft:loopback,queue_size=%d,%s", SIZE, keys);
	port = opened(address);
	same(pthread_create(thread, NULL, receiver, slow ? &rounds : NULL), 0);
}

static const char *race(unsigned int row)
{
	static char name[100];
	snprintf(name, sizeof(name), "no wake-up is lost: %s", rows[row].name);
	return name;
}

CASES(sizeof(rows) / sizeof(rows[0]), race)
{
	pthread_t thread;
	rounds = (uint64_t)case_argument(0, (long long)rounds);
	uint64_t began = microseconds();
	start(rows[row].keys, &thread, 0);
	struct account a = send(rows[row].how, 0, rounds);
	finish(thread);
	printf("%" PRIu64 " frames, %" PRIu64 " sleeps, %" PRIu64 " bursts in vain, %" PRIu64 " ms\n", a.sent, a.sleeps,
	       a.in_vain, (microseconds() - began) / 1000);
}

/* The same frames against a slow receiver, once with a sender that spins and once with one that sleeps. */
CASE("a sender that sleeps asks less often than one that spins, and as many packets are refused as it was given back")
{
	static const enum how hows[] = {SPIN, SLEEP_WAIT};
	struct account a[2];
	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		finished = 0;
		received = 0;
		made = next = 0;
		start("packed_vq=0,event_idx=1", &thread, 1);
		a[i] = send(hows[i], 3000, 0);
		same(stats_of(port).tx.ring_full, a[i].refused);
		finish(thread);
		printf("%s: %" PRIu64 " frames, %" PRIu64 " bursts, of which %" PRIu64 " in vain, %" PRIu64 " sleeps, %" PRIu64
		       " packets refused\n", i == 0 ? "spins" : "sleeps", a[i].sent, a[i].bursts, a[i].in_vain, a[i].sleeps,
		       a[i].refused);
	}
	yes(a[0].in_vain > 10 * a[1].in_vain);
	yes(a[1].sleeps > 0);
	/* One sleep is for a quarter of the ring, not for a descriptor. */
	yes(a[1].sleeps <= a[1].sent / (SIZE / 4) + 1);
}
