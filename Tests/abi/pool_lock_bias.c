/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool's lock is biased towards the thread that uses it most, and the bias is revoked when another thread comes, at most
 * 15 times. Here each of many pools goes through that: threads work in spells, mostly alone, and some spells overlap.
 */
#include "../support/cases.h"

#include <pthread.h>

enum { THREADS = 3, PACKETS = 64, POOLS = 40, SPELLS = 40, MOST = 20 };

static uint16_t pool;
static pthread_barrier_t all_here;

static void *work(void *argument)
{
	uint32_t x = ((uint32_t)(uintptr_t)argument + pool) * 2654435761u + 1;

	pthread_barrier_wait(&all_here);
	for (int spell = 0; spell < SPELLS; spell++) {
		x = x * 1664525u + 1013904223u;
		int rounds = 1 << (x >> 28);
		for (int i = 0; i < rounds; i++) {
			struct vionet_packet *some[MOST];
			x = x * 1664525u + 1013904223u;
			uint16_t want = (uint16_t)(1 + (x >> 8) % MOST);
			/* There are packets for all, so that a count gone wrong shows here too. */
			same(vionet_packet_alloc_bulk(pool, some, want), want);
			for (uint16_t n = 0; n < want; n++)
				*(uintptr_t *)some[n]->data = (uintptr_t)argument;
			for (uint16_t n = 0; n < want; n++)
				same(*(uintptr_t *)some[n]->data, (uintptr_t)argument);
			vionet_packet_free_bulk(some, want);
		}
		usleep((x >> 16) % 200);
	}
	return NULL;
}

CASE("packets are conserved while a pool's lock is biased, revoked and biased again")
{
	uint16_t pools[POOLS];

	yes(THREADS * MOST <= PACKETS);
	for (int i = 0; i < POOLS; i++) {
		pthread_t threads[THREADS];
		/* Another number each time: the count of biases stays with the number. */
		pool = pools[i] = pool_made(PACKETS);
		pthread_barrier_init(&all_here, NULL, THREADS);
		for (uintptr_t n = 0; n < THREADS; n++)
			same(pthread_create(&threads[n], NULL, work, (void *)(n + 1)), 0);
		for (int n = 0; n < THREADS; n++)
			pthread_join(threads[n], NULL);
		pthread_barrier_destroy(&all_here);
		same(pool_of(pool).available, PACKETS);
		same(pool_of(pool).refused, 0);
	}
	for (int i = 0; i < POOLS; i++)
		ok(vionet_pool_destroy(pools[i]));
}
