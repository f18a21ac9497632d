/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving in ring order: a fresh packet takes the place of each used one. */
#ifndef BENCH_FAIR_RECEIVE_H
#define BENCH_FAIR_RECEIVE_H

#include "fair.h"

/* Takes what is used, up to the end of the ring. Stops before an entry that cannot be taken, and says why. */
static inline __attribute__((always_inline)) uint32_t
take_run(struct queue *q, struct fair_packet **packets, uint32_t n, int is_packed, int header, enum end *why)
{
	struct fair_stack *s = &fair_stack;
	const uint32_t place = is_packed ? q->used_slot : q->used & q->mask;
	const uint16_t wrap = q->used_wrap;
	/* Available in the next lap: AVAIL is the inverse of now's, USED is now's. */
	const uint64_t posted = word_of(POSTED_BYTES, 0, (~wrap & AVAIL_BIT) | (wrap & USED_BIT) | VRING_DESC_F_WRITE);
	const uint64_t *used = (const uint64_t *)(const void *)&q->used_ring->ring[place];
	struct vring_desc *descriptors = &q->descriptors[place];
	struct vring_packed_desc *ring = &q->packed[place];
	struct fair_packet **slots = &q->slots[place], **top = &s->free[s->count];
	uint64_t bytes = 0;
	uint32_t i = 0;
	n = n < q->size - place ? n : q->size - place;
	for (; i < n; i++) {
		const uint64_t found = is_packed ? look(&ring[i]) : __atomic_load_n(&used[i], __ATOMIC_RELAXED);
		const uint32_t id = is_packed ? (uint16_t)(found >> 32) : (uint32_t)found;
		const uint32_t length = (uint32_t)(is_packed ? found : found >> 32) - HEADER_BYTES;
		if (is_packed && !is_used(found, wrap))
			break;
		if (__builtin_expect(id != place + i, 0)) {
			*why = OUT_OF_TURN;
			break;
		}
		struct fair_packet *packet = slots[i];
		if (__builtin_expect(length - FRAME_LEAST > DATA_BYTES - FRAME_LEAST || (header && buffers_of(packet) != 1), 0)) {
			*why = ODD;
			break;
		}
		struct fair_packet *fresh = *--top;
		slots[i] = fresh;
		if (is_packed) {
			ring[i].addr = address_of(fresh);
			__atomic_store_n(word_at(&ring[i]), posted | (uint64_t)id << 32, __ATOMIC_RELEASE);
		} else {
			descriptors[i].addr = address_of(fresh);
		}
		hand_over(packet, length, 0);
		packets[i] = packet;
		bytes += length;
	}
	s->count -= i;
	q->packets += i;
	q->bytes += bytes;
	q->used += i;
	q->posted += i;
	if (is_packed)
		pass(q, &q->used_slot, &q->used_wrap, i);
	return i;
}

/* How many entries there may be, of at most n; of a packed ring each is looked at by itself. */
static inline __attribute__((always_inline)) uint32_t waiting(struct queue *q, uint32_t n, int is_packed)
{
	if (is_packed)
		return is_used(look(&q->packed[q->used_slot]), q->used_wrap) ? n : 0;
	uint32_t pending = (uint16_t)(__atomic_load_n(&q->used_ring->idx, __ATOMIC_ACQUIRE) - (uint16_t)q->used);
	if (__builtin_expect(pending > q->size, 0)) {
		q->broken = 1;
		return 0;
	}
	return n < pending ? n : pending;
}

static inline __attribute__((always_inline)) uint16_t
receive(struct queue *q, struct fair_packet **packets, uint16_t count, int is_packed, int header)
{
	uint32_t done = 0, most = 2 * q->size; /* a device that sends only what is dropped does not keep us */
	if (__builtin_expect(q->broken | q->out_of_order, 0))
		return fair_receive_any(q, packets, count);
	while (done < count && most-- > 0) {
		uint32_t n = waiting(q, count - done, is_packed);
		enum end why = ENOUGH;
		if (__builtin_expect(fair_stack.count < n, 0)) {
			fair_fill(n);
			n = n < fair_stack.count ? n : fair_stack.count;
		}
		if (n == 0)
			break;
		if (__builtin_expect(q->skip > 0, 0)) {
			fair_drop(q);
			continue;
		}
		uint32_t taken = take_run(q, packets + done, n, is_packed, header, &why);
		done += taken;
		if (why == ODD)
			fair_drop(q);
		else if (why == OUT_OF_TURN)
			fair_leave_ring_order(q);
		if (q->out_of_order | q->broken || (is_packed && taken < n && why == ENOUGH && q->used_slot != 0))
			break;
	}
	if (!is_packed)
		__atomic_store_n(&q->available[1], (uint16_t)q->posted, __ATOMIC_RELEASE);
	if (done == 0 || q->posted - q->asked >= ASK_AFTER)
		ask(q);
	return (uint16_t)done;
}

#endif
