/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets and their pool. A packet is a line of its own, beside the memory that a device sees, and says who has it: so
 * one that is freed or sent twice is found. Free packets lie in a stack of the thread, and in one of the pool behind a
 * lock. Whoever hands a packet to the caller writes its fields; nothing in the pool or in a ring relies on them.
 */
#ifndef BENCH_FAIR_POOL_H
#define BENCH_FAIR_POOL_H

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { HEADROOM = 128, DATA_BYTES = 1984, FRAME_LEAST = 14 };
/* An odd number of cache lines, so that headers are spread over cache sets. */
enum { BUFFER_STRIDE = HEADROOM + DATA_BYTES + 128 };
enum { WITH_LIBRARY, WITH_CALLER }; /* owners */
enum { STACK = 2048, BULK = 256 };  /* of a thread; packets moved to or from the pool at once */

struct fair_packet {
	uint8_t *data;
	struct fair_packet *next;
	uint32_t length, total_length; /* of this segment, of all */
	uint32_t flags, hash;
	union {
		struct {
			uint16_t port, segments, references;
			uint8_t pool, owner;
		};
		uint64_t word;
	};
	uint64_t offloads;
	uint8_t *buffer;
	uint64_t user;
};
_Static_assert(sizeof(struct fair_packet) == 64, "a packet is a cache line");

/* One segment, one reference, pool 0, with the caller: all of the word but the port. */
enum { PLAIN_SHIFT = 16 };
#define PLAIN (1ull | 1ull << 16 | (uint64_t)WITH_CALLER << 40)

struct fair_pool {
	pthread_spinlock_t lock;
	uint32_t count, size;
	struct fair_packet **free, *packets;
	uint64_t refused; /* freed without being the caller's */
};

struct fair_stack {
	uint32_t count;
	struct fair_packet *free[STACK];
};

extern struct fair_pool fair_pool;
extern __thread struct fair_stack fair_stack;

/* Makes the thread's stack hold `wanted` and a bulk more, as far as the pool has them. */
void fair_fill(uint32_t wanted);
/* Leaves a bulk in the thread's stack. */
void fair_spill(void);
/* Drops a reference of a packet that is not plain, or refuses one that is not the caller's. */
void fair_release_odd(struct fair_packet *packet);

/* Hands a packet of one segment to the caller. */
static inline void hand_over(struct fair_packet *packet, uint32_t length, uint16_t port)
{
	packet->data = packet->buffer + HEADROOM;
	packet->next = NULL;
	packet->length = packet->total_length = length;
	packet->flags = packet->hash = 0;
	packet->word = PLAIN << PLAIN_SHIFT | port;
}

static inline int is_plain(const struct fair_packet *packet)
{
	return packet->word >> PLAIN_SHIFT == PLAIN;
}

static inline uint16_t fair_allocate(struct fair_packet **packets, uint16_t count)
{
	struct fair_stack *s = &fair_stack;
	if (s->count < count)
		fair_fill(count);
	if (s->count < count)
		return 0;
	s->count -= count;
	struct fair_packet **from = &s->free[s->count];
	for (uint16_t i = 0; i < count; i++) {
		packets[i] = from[i];
		hand_over(packets[i], 0, 0);
	}
	return count;
}

static inline void fair_release(struct fair_packet **packets, uint16_t count)
{
	struct fair_stack *s = &fair_stack;
	if (s->count + count > STACK)
		fair_spill();
	struct fair_packet **top = &s->free[s->count];
	for (uint16_t i = 0; i < count; i++) {
		struct fair_packet *packet = packets[i];
		if (__builtin_expect(!is_plain(packet), 0)) {
			s->count = (uint32_t)(top - s->free);
			fair_release_odd(packet);
			top = &s->free[s->count];
			continue;
		}
		packet->owner = WITH_LIBRARY;
		*top++ = packet;
	}
	s->count = (uint32_t)(top - s->free);
}

/* Adds bytes at the end of a packet. */
static inline void *fair_append(struct fair_packet *packet, uint32_t bytes)
{
	uint8_t *end = packet->data + packet->length;
	if ((uint64_t)bytes > (uint64_t)(packet->buffer + HEADROOM + DATA_BYTES - end))
		return NULL;
	packet->length += bytes;
	packet->total_length += bytes;
	return end;
}

#endif
