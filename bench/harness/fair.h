/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue of the fair front-end, and its bursts as functions that fair.c specialises for each kind of ring.
 *
 * As long as the device uses every buffer in turn, ids are positions: nothing but the id has to be compared, and the
 * available entries of a split ring stay as they are. That is "in ring order". With IN_ORDER it cannot end; without,
 * the first buffer out of turn ends it for good, and the functions of fair_any.c go on.
 */
#ifndef BENCH_FAIR_H
#define BENCH_FAIR_H

#include "fair_pool.h"
#include "ring.h"

enum { ASK_AFTER = 64 }; /* fresh receive buffers after which the device is asked whether it wants to know */
enum { MOST_DATA = HEADROOM + DATA_BYTES - HEADER_BYTES, POSTED_BYTES = HEADER_BYTES + DATA_BYTES };
enum end { ENOUGH, ODD, OUT_OF_TURN }; /* why a run of received packets ends */

struct queue {
	uint32_t size, mask;
	struct vring_desc *descriptors; /* split */
	uint16_t *available;
	struct vring_used *used_ring;
	uint16_t *available_event;
	struct vring_packed_desc *packed; /* packed */
	struct vring_packed_desc_event *device_event;
	struct fair_packet **slots;     /* by id: the packet in the ring */
	uint32_t used, posted, asked;   /* counts that wrap by themselves; at `asked` the device was asked last */
	uint32_t used_slot, post_slot;  /* packed */
	uint16_t used_wrap, post_wrap;  /* packed: AVAIL and USED bits of a used, and of an available descriptor */
	uint16_t *idle;                 /* out of ring order: idle ids, a queue */
	uint32_t idle_first, idle_last;
	uint32_t skip; /* entries that belong to a frame that is dropped */
	int is_packed, receives, header, event_index, in_order, out_of_order, broken;
	int kick_fd;
	uint64_t packets, bytes, dropped, refused, kicks;
};

/* What the fast paths leave to others: all in fair_any.c. */
uint16_t fair_receive_any(struct queue *q, struct fair_packet **packets, uint16_t count);
uint16_t fair_send_any(struct queue *q, struct fair_packet **packets, uint16_t count);
void fair_leave_ring_order(struct queue *q);
/* Drops the used entry at the front, in ring order: its buffer goes back into its place. */
void fair_drop(struct queue *q);
void fair_kick(struct queue *q);

/* Where a device puts the header of a received frame, and the number of its buffers. */
static inline uint64_t address_of(const struct fair_packet *packet)
{
	return (uint64_t)(uintptr_t)(packet->buffer + HEADROOM - HEADER_BYTES);
}

static inline uint16_t buffers_of(const struct fair_packet *packet)
{
	const struct virtio_net_hdr_v1 *header = (const void *)(packet->buffer + HEADROOM - HEADER_BYTES);
	return __atomic_load_n(&header->num_buffers, __ATOMIC_RELAXED);
}

/* The instruction is in every processor of the last fifteen years; compilers use it only if told so. */
static inline void fetch_to_write(const void *at)
{
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
}

static inline uint64_t *word_at(struct vring_packed_desc *d)
{
	return (uint64_t *)(void *)&d->len;
}

static inline uint64_t word_of(uint32_t length, uint32_t id, uint32_t flags)
{
	return (uint64_t)length | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

static inline uint64_t look(struct vring_packed_desc *d)
{
	return __atomic_load_n(word_at(d), __ATOMIC_ACQUIRE);
}

static inline int is_used(uint64_t word, uint16_t wrap)
{
	return (word >> 48 & (AVAIL_BIT | USED_BIT)) == wrap;
}

/* Puts packets back on the thread's stack. The caller's writes are void: who takes them writes them anew. */
static inline void put_back(struct fair_packet **from, uint32_t count)
{
	struct fair_stack *s = &fair_stack;
	if (s->count + count > STACK)
		fair_spill();
	memcpy(&s->free[s->count], from, count * sizeof(*from));
	s->count += count;
}

/* Whether a packet can be sent as one descriptor; marks it taken, so that one that is in a list twice is found. */
static inline int prepare(struct fair_packet *packet, uint64_t *address, uint32_t *length)
{
	const uint64_t start = (uint64_t)(packet->data - HEADER_BYTES - packet->buffer), bytes = packet->length;
	if (!is_plain(packet) || bytes - FRAME_LEAST > MOST_DATA - FRAME_LEAST || start > MOST_DATA - bytes)
		return 0;
	uint8_t *header = packet->data - HEADER_BYTES;
	memset(header, 0, HEADER_BYTES);
	packet->owner = WITH_LIBRARY;
	*address = (uint64_t)(uintptr_t)header;
	*length = (uint32_t)bytes;
	return 1;
}

static inline void pass(const struct queue *q, uint32_t *slot, uint16_t *wrap, uint32_t count)
{
	*slot += count;
	if (*slot >= q->size) {
		*slot -= q->size;
		*wrap ^= AVAIL_BIT | USED_BIT;
	}
}

/* Whether the device wants to know what was posted since it was asked last (virtio 1.4, 2.7.13.4 and 2.8.21). */
static inline void ask(struct queue *q)
{
	uint16_t before = (uint16_t)q->asked, now = (uint16_t)q->posted;
	int wants;
	q->asked = q->posted;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->is_packed) /* one that names a descriptor is told too early, which it must bear */
		wants = __atomic_load_n(&q->device_event->flags, __ATOMIC_RELAXED) != VRING_PACKED_EVENT_FLAG_DISABLE;
	else if (q->event_index)
		wants = vring_need_event(__atomic_load_n(q->available_event, __ATOMIC_RELAXED), now, before);
	else
		wants = !(__atomic_load_n(&q->used_ring->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
	if (__builtin_expect(wants, 0))
		fair_kick(q);
}

#endif
