/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device side of one ring, split or packed, without moving data: it takes what the driver made available and
 * marks it used, as many entries at a time as it is told. So what is measured is the front-end's own cost.
 *
 * In a receive buffer it touches only the header line, and only with MRG_RXBUF, where every driver reads num_buffers.
 * All front-ends find the same lines in the same state.
 */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { HEADER_BYTES = 12, MAX_REGIONS = 16, AHEAD = 8 };

/* Memory that the driver shares: its address `start` is mapped here at start + shift. */
struct region {
	uint64_t start, length, shift;
};

struct ring {
	int packed, in_order, headers, event_index;
	uint32_t size;
	struct vring_desc *descriptors; /* split */
	uint16_t *available;            /* flags, index, entries, used event */
	struct vring_used *used;
	uint16_t *available_event; /* after the used entries */
	struct vring_packed_desc *packed_ring;
	struct vring_packed_desc_event *device_event;
	uint32_t next; /* split: available entries taken, a count that wraps; packed: slot */
	uint16_t wrap; /* packed: AVAIL and USED bits of a used descriptor in this round */
	const struct region *regions;
	uint32_t region_count;
	_Atomic int started, enabled;
	uint64_t frames; /* returned so far */
};

enum { AVAIL_BIT = 1 << VRING_PACKED_DESC_F_AVAIL, USED_BIT = 1 << VRING_PACKED_DESC_F_USED };

static inline void *ring_at(const struct ring *r, uint64_t address)
{
	for (uint32_t i = 0; i < r->region_count; i++)
		if (address - r->regions[i].start < r->regions[i].length)
			return (void *)(uintptr_t)(address + r->regions[i].shift);
	return NULL;
}

/* Writes what every device writes before a frame (virtio 1.4, 5.1.9.4.1). */
static inline void write_header(const struct ring *r, uint64_t address)
{
	struct virtio_net_hdr_v1 header = {.num_buffers = 1};
	void *at = ring_at(r, address);
	if (at != NULL)
		memcpy(at, &header, HEADER_BYTES);
}

/* Prefetches the line of a header that will be written soon: the front-end's core has it. */
static inline void expect_header(const struct ring *r, uint64_t address)
{
	void *at = ring_at(r, address);
	if (at != NULL)
		__builtin_prefetch(at, 1);
}

/* ---- split ------------------------------------------------------------------------------------------------------- */

static inline uint32_t split_waiting(const struct ring *r)
{
	return (uint16_t)(__atomic_load_n(&r->available[1], __ATOMIC_ACQUIRE) - (uint16_t)r->next);
}

static inline void split_publish(struct ring *r, uint32_t count)
{
	r->next += count;
	r->frames += count;
	if (r->event_index) /* half a round away: never reached, so no kick */
		*r->available_event = (uint16_t)(r->next + 0x8000);
	__atomic_store_n(&r->used->idx, (uint16_t)r->next, __ATOMIC_RELEASE);
}

/* The loops work on copies: the compiler cannot know that a store to the ring is not one to *r. */
static inline void split_fill(struct ring *r, uint32_t count, uint32_t length)
{
	const uint32_t mask = r->size - 1, next = r->next;
	const int headers = r->headers;
	const uint16_t *entries = r->available + 2;
	struct vring_used_elem *used = r->used->ring;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = entries[(next + i) & mask];
		if (headers) {
			if (i + AHEAD < count)
				expect_header(r, r->descriptors[entries[(next + i + AHEAD) & mask] & mask].addr);
			write_header(r, r->descriptors[id & mask].addr);
		}
		used[(next + i) & mask] = (struct vring_used_elem){id, length};
	}
	split_publish(r, count);
}

static inline void split_drain(struct ring *r, uint32_t count)
{
	const uint32_t mask = r->size - 1, next = r->next;
	const uint16_t *entries = r->available + 2;
	struct vring_used_elem *used = r->used->ring;
	if (r->in_order) /* one entry, for the last buffer, covers all of them (2.7.9) */
		used[next & mask] = (struct vring_used_elem){entries[(next + count - 1) & mask], 0};
	else
		for (uint32_t i = 0; i < count; i++)
			used[(next + i) & mask] = (struct vring_used_elem){entries[(next + i) & mask], 0};
	split_publish(r, count);
}

/* ---- packed ------------------------------------------------------------------------------------------------------ */

/* The position of a loop; a copy of *r for the reason above. */
struct place {
	struct vring_packed_desc *ring;
	uint32_t slot, size;
	uint16_t wrap; /* AVAIL and USED bits of a used descriptor in this round */
};

static inline struct place place_of(const struct ring *r)
{
	return (struct place){r->packed_ring, r->next, r->size, r->wrap};
}

static inline void step(struct place *p, uint32_t slots)
{
	p->slot += slots;
	if (p->slot >= p->size) {
		p->slot -= p->size;
		p->wrap ^= AVAIL_BIT | USED_BIT;
	}
}

/* Length, id and flags of a descriptor are one aligned word: one load reads and one store writes all three. */
static inline uint64_t load_word(const struct place *p)
{
	return __atomic_load_n((uint64_t *)(void *)&p->ring[p->slot].len, __ATOMIC_ACQUIRE);
}

static inline int is_available(const struct place *p, uint64_t word)
{
	return (word >> 48 & (AVAIL_BIT | USED_BIT)) == (uint64_t)((p->wrap & AVAIL_BIT) + (~p->wrap & USED_BIT));
}

static inline void use(const struct place *p, uint32_t length, uint16_t id)
{
	uint16_t flags = (uint16_t)(p->wrap | (length > 0 ? VRING_DESC_F_WRITE : 0));
	uint64_t word = (uint64_t)length | (uint64_t)id << 32 | (uint64_t)flags << 48;
	__atomic_store_n((uint64_t *)(void *)&p->ring[p->slot].len, word, __ATOMIC_RELEASE);
}

static inline void packed_leave(struct ring *r, const struct place *p, uint32_t done)
{
	r->next = p->slot;
	r->wrap = p->wrap;
	r->frames += done;
}

/*
 * The first descriptor of a call is written last, as back-ends do that handle many at a time. Otherwise a driver that
 * polls would compete for each line of the ring while it is written.
 */
static inline uint32_t packed_fill(struct ring *r, uint32_t most, uint32_t length)
{
	struct place p = place_of(r), first = p;
	const int headers = r->headers;
	uint32_t done = 0;
	uint16_t first_id = 0;
	for (; done < most; done++) {
		uint64_t word = load_word(&p);
		if (!is_available(&p, word))
			break;
		if (headers) {
			if (p.slot + AHEAD < p.size)
				expect_header(r, p.ring[p.slot + AHEAD].addr);
			write_header(r, p.ring[p.slot].addr);
		}
		if (done == 0)
			first_id = (uint16_t)(word >> 32);
		else
			use(&p, length, (uint16_t)(word >> 32));
		step(&p, 1);
	}
	if (done > 0)
		use(&first, length, first_id);
	packed_leave(r, &p, done);
	return done;
}

/* A buffer of several descriptors has its id in the last one and is used in the slot of the first (2.8.6). */
static inline uint32_t packed_drain(struct ring *r, uint32_t most)
{
	struct place p = place_of(r), first = p;
	const int in_order = r->in_order;
	uint32_t done = 0;
	uint16_t first_id = 0, id = 0;
	for (; done < most; done++) {
		struct place head = p;
		uint64_t word = load_word(&p);
		if (!is_available(&p, word))
			break;
		for (uint32_t slots = 1; word >> 48 & VRING_DESC_F_NEXT && slots < p.size; slots++) {
			step(&p, 1);
			word = load_word(&p);
		}
		id = (uint16_t)(word >> 32);
		step(&p, 1);
		if (done == 0)
			first_id = id;
		else if (!in_order)
			use(&head, 0, id);
	}
	if (done > 0) /* in order: one used descriptor, for the last buffer, covers all of them (2.8.8) */
		use(&first, 0, in_order ? id : first_id);
	packed_leave(r, &p, done);
	return done;
}

/* Whether that many slots are available. Drivers make them available in order, so the last one decides. */
static inline int packed_has(const struct ring *r, uint32_t slots)
{
	struct place p = place_of(r);
	step(&p, slots - 1);
	return is_available(&p, load_word(&p));
}

/* ---- either ------------------------------------------------------------------------------------------------------ */

/* Puts frames of that length into receive buffers, up to a count. Returns how many there were. */
static inline uint32_t ring_fill(struct ring *r, uint32_t most, uint32_t bytes)
{
	if (r->packed)
		return packed_fill(r, most, bytes + HEADER_BYTES);
	uint32_t waiting = split_waiting(r), count = waiting < most ? waiting : most;
	if (count > 0)
		split_fill(r, count, bytes + HEADER_BYTES);
	return count;
}

/* Returns sent frames, up to a count, and says how many there were. */
static inline uint32_t ring_drain(struct ring *r, uint32_t most)
{
	if (r->packed)
		return packed_drain(r, most);
	uint32_t waiting = split_waiting(r), count = waiting < most ? waiting : most;
	if (count > 0)
		split_drain(r, count);
	return count;
}

/* Whether at least that many wait. */
static inline int ring_has(const struct ring *r, uint32_t count)
{
	return r->packed ? packed_has(r, count) : split_waiting(r) >= count;
}

#endif
