/* SPDX-License-Identifier: BSD-2-Clause */
/* The least that a front-end can do, as functions that lean.c specialises for each kind of ring. */
#ifndef BENCH_LEAN_H
#define BENCH_LEAN_H

#include "ring.h"

enum { STRIDE = 2048 + 192 }; /* an odd number of cache lines, so that headers are spread over cache sets */

struct lane {
	struct ring *ring; /* the device's view, for the pointers in it */
	uint32_t mask, size;
	uint32_t used, posted; /* counts that wrap by themselves */
	uint32_t used_slot, post_slot;
	uint16_t used_wrap, post_wrap; /* packed: AVAIL and USED bits of a used, and of an available descriptor */
	uint64_t buffers;
	uint64_t sum; /* of what is read, so that the compiler keeps the reads */
};

static inline uint64_t buffer(const struct lane *l, uint32_t id)
{
	return l->buffers + (uint64_t)id * STRIDE;
}

static inline uint16_t merged(const struct lane *l, uint32_t id)
{
	return ((const struct virtio_net_hdr_v1 *)(uintptr_t)buffer(l, id))->num_buffers;
}

/* ---- split ------------------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint16_t
take_split(struct lane *l, uint16_t count, int mergeable, int in_order)
{
	struct ring *r = l->ring;
	uint16_t pending = (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - (uint16_t)l->used);
	uint32_t used = l->used, mask = l->mask;
	uint64_t sum = 0;
	if (count > pending)
		count = pending;
	for (uint16_t i = 0; i < count; i++, used++) {
		uint32_t id = in_order ? used & mask : r->used->ring[used & mask].id;
		sum += r->used->ring[used & mask].len;
		if (mergeable)
			sum += merged(l, id);
		if (!in_order)
			r->available[2 + (used & mask)] = (uint16_t)id;
	}
	l->used = used;
	l->sum += sum;
	l->posted += count;
	__atomic_store_n(&r->available[1], (uint16_t)l->posted, __ATOMIC_RELEASE);
	return count;
}

static inline __attribute__((always_inline)) uint16_t
send_split(struct lane *l, uint16_t count, uint32_t bytes, int in_order)
{
	struct ring *r = l->ring;
	uint32_t posted = l->posted, mask = l->mask;
	if ((uint32_t)(uint16_t)(posted - l->used) + count > l->size)
		l->used += (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - (uint16_t)l->used);
	uint32_t room = l->size - (posted - l->used);
	if (count > room)
		count = (uint16_t)room;
	for (uint16_t i = 0; i < count; i++, posted++) {
		/* The used entry of this slot names a buffer that is free again; in order, it is the slot's own. */
		uint32_t id = in_order || posted <= mask ? posted & mask : r->used->ring[posted & mask].id;
		r->descriptors[id].len = bytes + HEADER_BYTES;
		if (!in_order)
			r->available[2 + (posted & mask)] = (uint16_t)id;
	}
	l->posted = posted;
	__atomic_store_n(&r->available[1], (uint16_t)posted, __ATOMIC_RELEASE);
	return count;
}

/* ---- packed ------------------------------------------------------------------------------------------------------ */

static inline void go_on(const struct lane *l, uint32_t *slot, uint16_t *wrap, uint32_t count)
{
	*slot += count;
	if (*slot >= l->size) {
		*slot -= l->size;
		*wrap ^= AVAIL_BIT | USED_BIT;
	}
}

static inline uint64_t word(uint32_t length, uint32_t id, uint32_t flags)
{
	return (uint64_t)length | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

static inline uint64_t *word_of(struct vring_packed_desc *d)
{
	return (uint64_t *)(void *)&d->len;
}

static inline __attribute__((always_inline)) uint16_t
take_packed(struct lane *l, uint16_t count, int mergeable, int in_order)
{
	uint32_t slot = l->used_slot;
	uint16_t wrap = l->used_wrap, done = 0;
	uint64_t sum = 0;
	for (; done < count; done++) {
		struct vring_packed_desc *d = &l->ring->packed_ring[slot];
		uint64_t found = __atomic_load_n(word_of(d), __ATOMIC_ACQUIRE);
		if ((found >> 48 & (AVAIL_BIT | USED_BIT)) != wrap)
			break;
		uint32_t id = in_order ? slot : (uint16_t)(found >> 32);
		sum += (uint32_t)found;
		if (mergeable)
			sum += merged(l, id);
		if (!in_order)
			d->addr = buffer(l, id);
		/* Available in the next round, whose bits are inverted: AVAIL equals its wrap counter, USED does not. */
		uint32_t flags = (~wrap & AVAIL_BIT) | (wrap & USED_BIT) | VRING_DESC_F_WRITE;
		__atomic_store_n(word_of(d), word(STRIDE, id, flags), __ATOMIC_RELEASE);
		go_on(l, &slot, &wrap, 1);
	}
	l->used_slot = slot;
	l->used_wrap = wrap;
	l->sum += sum;
	return done;
}

static inline void reclaim_packed(struct lane *l, int in_order)
{
	while (l->posted != l->used) {
		uint64_t found = __atomic_load_n(word_of(&l->ring->packed_ring[l->used_slot]), __ATOMIC_ACQUIRE);
		if ((found >> 48 & (AVAIL_BIT | USED_BIT)) != l->used_wrap)
			return;
		uint32_t slots = 1;
		if (in_order) { /* ids are slots: everything up to that one is used */
			uint32_t id = (uint16_t)(found >> 32);
			slots += id >= l->used_slot ? id - l->used_slot : id + l->size - l->used_slot;
		}
		l->used += slots;
		go_on(l, &l->used_slot, &l->used_wrap, slots);
	}
}

static inline __attribute__((always_inline)) uint16_t
send_packed(struct lane *l, uint16_t count, uint32_t bytes, int in_order)
{
	if (l->posted - l->used + count > l->size)
		reclaim_packed(l, in_order);
	uint32_t room = l->size - (l->posted - l->used), slot = l->post_slot;
	uint16_t wrap = l->post_wrap;
	if (count > room)
		count = (uint16_t)room;
	for (uint16_t i = 0; i < count; i++) {
		struct vring_packed_desc *d = &l->ring->packed_ring[slot];
		if (!in_order)
			d->addr = buffer(l, slot);
		__atomic_store_n(word_of(d), word(bytes + HEADER_BYTES, slot, wrap), __ATOMIC_RELEASE);
		go_on(l, &slot, &wrap, 1);
	}
	l->posted += count;
	l->post_slot = slot;
	l->post_wrap = wrap;
	return count;
}

#endif
