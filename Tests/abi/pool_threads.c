/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocation and freeing from several threads at once, packets changing hands: none lost, none handed out twice. */
#include "../support/cases.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, PACKETS = 2048, ROUNDS = 200000, SLOTS = 256 };

static uint16_t pool;
static _Atomic(struct vionet_packet *) slots[SLOTS]; /* where one thread leaves packets for another to free */

static void *work(void *argument)
{
	uint32_t x = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
	struct vionet_packet *some[32];

	for (int i = 0; i < ROUNDS; i++) {
		x = x * 1664525u + 1013904223u;
		uint16_t want = (uint16_t)(1 + (x >> 27)), got;
		if (x & 0x1000) {
			got = vionet_packet_alloc_bulk(pool, some, want);
			yes(got == 0 || got == want);
		} else {
			some[0] = vionet_packet_alloc(pool);
			got = some[0] != NULL;
		}
		for (uint16_t n = 0; n < got; n++) {
			/* Another holder of the same packet would overwrite this. */
			*(uintptr_t *)some[n]->data = (uintptr_t)argument;
		}
		for (uint16_t n = 0; n < got; n++) {
			same(*(uintptr_t *)some[n]->data, (uintptr_t)argument);
			some[n] = atomic_exchange(&slots[(x >> 8) % SLOTS], some[n]);
			x = x * 1664525u + 1013904223u;
		}
		if (x & 0x2000)
			vionet_packet_free_bulk(some, got);
		else
			for (uint16_t n = 0; n < got; n++)
				vionet_packet_free(some[n]);
	}
	return NULL;
}

CASE("packets that several threads allocate, exchange and free are all there in the end")
{
	pthread_t threads[THREADS];

	pool = pool_made(PACKETS);
	for (uintptr_t i = 0; i < THREADS; i++)
		same(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SLOTS; i++)
		vionet_packet_free(slots[i]);
	same(pool_of(pool).available, PACKETS);
	same(pool_of(pool).refused, 0);

	/* Every packet is there once. */
	static struct vionet_packet *all[PACKETS];
	same(vionet_packet_alloc_bulk(pool, all, PACKETS), PACKETS);
	for (int i = 0; i < PACKETS; i++) {
		same(all[i]->flags, 0);
		all[i]->flags = 1;
	}
	for (int i = 0; i < PACKETS; i++)
		all[i]->flags = 0;
	vionet_packet_free_bulk(all, PACKETS);
	ok(vionet_pool_destroy(pool));
}
