/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device side of one ring, split or packed, that moves no data: it takes what the driver made available and says
 * it was used, as many at a time as it is told to. Whatever a front-end costs is then its own cost.
 *
 * Of a receive buffer it touches the header line alone, and that only where a header is read by any driver: with
 * MRG_RXBUF (num_buffers). Both front-ends find the same lines in the same state.
 */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { HEADER_BYTES = 12, MAX_REGIONS = 16 };

/* Memory the driver shares: what it calls `start` lies here at start + shift. */
struct region {
	uint64_t start, length, shift;
};

struct ring {
	int packed, in_order, headers, event_index;
	uint32_t size;
	struct vring_desc *descriptors; /* split */
	uint16_t *available;            /* flags, index, entries, used event */
	struct vring_used *used;
	uint16_t *available_event; /* behind the used entries */
	struct vring_packed_desc *packed_ring;
	struct vring_packed_desc_event *device_event;
	uint32_t next; /* split: available entries taken, free running; packed: slot */
	uint16_t wrap; /* packed: AVAIL and USED bits of a used descriptor in this round */
	const struct region *regions;
	uint32_t region_count;
	_Atomic int started, enabled;
	uint64_t frames; /* given back so far */
};

enum { AVAIL_BIT = 1 << VRING_PACKED_DESC_F_AVAIL, USED_BIT = 1 << VRING_PACKED_DESC_F_USED };

static inline void *ring_at(const struct ring *r, uint64_t address)
{
	for (uint32_t i = 0; i < r->region_count; i++)
		if (address - r->regions[i].start < r->regions[i].length)
			return (void *)(uintptr_t)(address + r->regions[i].shift);
	return NULL;
}

/* What every device writes before a frame (virtio 1.4, 5.1.9.4.1). */
static inline void write_header(const struct ring *r, uint64_t address)
{
	struct virtio_net_hdr_v1 header = {.num_buffers = 1};
	void *at = ring_at(r, address);
	if (at != NULL)
		memcpy(at, &header, HEADER_BYTES);
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
	if (r->event_index) /* half a round away: never crossed, so never a kick */
		*r->available_event = (uint16_t)(r->next + 0x8000);
	__atomic_store_n(&r->used->idx, (uint16_t)r->next, __ATOMIC_RELEASE);
}

static inline void split_fill(struct ring *r, uint32_t count, uint32_t length)
{
	const uint32_t mask = r->size - 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = r->available[2 + ((r->next + i) & mask)];
		if (r->headers)
			write_header(r, r->descriptors[id & mask].addr);
		r->used->ring[(r->next + i) & mask] = (struct vring_used_elem){id, length};
	}
	split_publish(r, count);
}

static inline void split_drain(struct ring *r, uint32_t count)
{
	const uint32_t mask = r->size - 1;
	if (r->in_order) { /* one entry, that of the last, for all of them (2.7.9) */
		uint32_t last = r->available[2 + ((r->next + count - 1) & mask)];
		r->used->ring[r->next & mask] = (struct vring_used_elem){last, 0};
	} else {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t id = r->available[2 + ((r->next + i) & mask)];
			r->used->ring[(r->next + i) & mask] = (struct vring_used_elem){id, 0};
		}
	}
	split_publish(r, count);
}

/* ---- packed ------------------------------------------------------------------------------------------------------ */

/* Whether the slot this far ahead is available; drivers make slots available in order, so all before it are too. */
static inline int packed_is_available(const struct ring *r, uint32_t ahead)
{
	uint32_t slot = r->next + ahead;
	uint16_t wrap = r->wrap;
	if (slot >= r->size) {
		slot -= r->size;
		wrap ^= AVAIL_BIT | USED_BIT;
	}
	uint16_t flags = __atomic_load_n(&r->packed_ring[slot].flags, __ATOMIC_ACQUIRE);
	return (flags & (AVAIL_BIT | USED_BIT)) == (wrap & AVAIL_BIT) + (~wrap & USED_BIT);
}

static inline void packed_advance(struct ring *r, uint32_t slots)
{
	r->next += slots;
	if (r->next >= r->size) {
		r->next -= r->size;
		r->wrap ^= AVAIL_BIT | USED_BIT;
	}
}

/* Length, id and flags are one aligned word, so that one store shows all three. */
static inline void packed_use(struct ring *r, uint32_t slot, uint16_t wrap, uint32_t length, uint16_t id)
{
	uint64_t word = (uint64_t)length | (uint64_t)id << 32 |
	                (uint64_t)(uint16_t)(wrap | (length > 0 ? VRING_DESC_F_WRITE : 0)) << 48;
	__atomic_store_n((uint64_t *)(void *)&r->packed_ring[slot].len, word, __ATOMIC_RELEASE);
}

static inline uint32_t packed_fill(struct ring *r, uint32_t most, uint32_t length)
{
	uint32_t done = 0;
	for (; done < most && packed_is_available(r, 0); done++) {
		if (r->headers)
			write_header(r, r->packed_ring[r->next].addr);
		packed_use(r, r->next, r->wrap, length, r->packed_ring[r->next].id);
		packed_advance(r, 1);
	}
	r->frames += done;
	return done;
}

/* A buffer of several descriptors has its id in the last and is used in the slot of the first (2.8.6). */
static inline uint32_t packed_drain(struct ring *r, uint32_t most)
{
	uint32_t done = 0, batch = r->next;
	uint16_t batch_wrap = r->wrap, id = 0;
	for (; done < most && packed_is_available(r, 0); done++) {
		uint32_t head = r->next, slots = 1;
		uint16_t head_wrap = r->wrap;
		while (r->packed_ring[r->next].flags & VRING_DESC_F_NEXT && slots++ < r->size)
			packed_advance(r, 1);
		id = r->packed_ring[r->next].id;
		packed_advance(r, 1);
		if (!r->in_order)
			packed_use(r, head, head_wrap, 0, id);
	}
	if (r->in_order && done > 0) /* one used descriptor, that of the last, for all of them (2.8.8) */
		packed_use(r, batch, batch_wrap, 0, id);
	r->frames += done;
	return done;
}

/* ---- either ------------------------------------------------------------------------------------------------------ */

/* Frames of so many bytes into at most so many receive buffers. Returns how many there were. */
static inline uint32_t ring_fill(struct ring *r, uint32_t most, uint32_t bytes)
{
	if (r->packed)
		return packed_fill(r, most, bytes + HEADER_BYTES);
	uint32_t waiting = split_waiting(r), count = waiting < most ? waiting : most;
	if (count > 0)
		split_fill(r, count, bytes + HEADER_BYTES);
	return count;
}

/* At most so many sent frames given back. Returns how many there were. */
static inline uint32_t ring_drain(struct ring *r, uint32_t most)
{
	if (r->packed)
		return packed_drain(r, most);
	uint32_t waiting = split_waiting(r), count = waiting < most ? waiting : most;
	if (count > 0)
		split_drain(r, count);
	return count;
}

/* At least so many wait. */
static inline int ring_has(const struct ring *r, uint32_t count)
{
	return r->packed ? packed_is_available(r, count - 1) : split_waiting(r) >= count;
}

#endif
