/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user back-end for one front-end at a time, which offers exactly the features it is given. The handshake has a
 * thread of its own; whoever includes ring.h works the rings. Written from QEMU's docs/interop/vhost-user.rst.
 */
#ifndef BENCH_BACKEND_H
#define BENCH_BACKEND_H

#include "ring.h"

#include <pthread.h>

enum { MAX_PAIRS = 8 };

/* Feature bits by number (virtio 1.4, 5.1.3 and 6). */
enum {
	F_CSUM = 0, F_GUEST_CSUM = 1, F_MAC = 5, F_GUEST_TSO4 = 7, F_MRG_RXBUF = 15, F_STATUS = 16, F_CTRL_VQ = 17, F_MQ = 22,
	F_INDIRECT_DESC = 28, F_EVENT_IDX = 29, F_PROTOCOL = 30, F_VERSION_1 = 32, F_RING_PACKED = 34, F_IN_ORDER = 35,
};
#define BIT(n) (1ull << (n))

struct backend {
	char path[48];
	uint64_t offer, negotiated;
	uint32_t pairs;
	int direct; /* the front-end is in this process: its addresses are valid here */
	int listener;
	pthread_t thread;
	_Atomic int stop, connected;
	struct region guest[MAX_REGIONS], user[MAX_REGIONS]; /* by addresses in descriptors, and by addresses in messages */
	uint32_t region_count;
	int call[2 * MAX_PAIRS + 1]; /* by ring: the eventfd of its interrupt; -1 without */
	void *mapped[MAX_REGIONS];
	size_t mapped_length[MAX_REGIONS];
	struct { uint64_t descriptors, used, available; } at[2 * MAX_PAIRS + 1]; /* of the rings, by messages */
	struct ring ring[2 * MAX_PAIRS + 1]; /* pair n: receive 2n, transmit 2n + 1; then an unused control ring */
};

/* Zeroed memory that a process made later shares; taken before that is made, or by the front-end from what is left. */
void *shared_memory(size_t bytes);
/* Listens. If it cannot, the program ends with a sentence. */
void backend_open(struct backend *b, const char *path, uint64_t offer, uint32_t pairs, int direct);
/* Waits until the rings of all pairs are in use. Returns 0, or -1 when the time is over. */
int backend_wait(struct backend *b, double seconds);
void backend_close(struct backend *b);

static inline struct ring *receive_ring(struct backend *b, uint32_t pair)
{
	return &b->ring[2 * pair];
}

static inline struct ring *transmit_ring(struct backend *b, uint32_t pair)
{
	return &b->ring[2 * pair + 1];
}

#endif
