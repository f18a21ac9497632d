/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a ring, split or packed, with IN_ORDER or without: it takes available buffers and returns them as
 * used. Its state is right as long as all that it wrote was valid; afterwards it only stays inside the ring.
 */
#ifndef DEVICE_RING_H
#define DEVICE_RING_H

#include "port-session.h"

enum { MOST = 16, PACKED_AVAILABLE = 1 << 7, PACKED_USED = 1 << 15 };

struct device_ring {
	int is_valid, packed, in_order;
	uint16_t size;
	uint16_t next, used;          /* split: free-running indices; packed: places */
	uint16_t next_wrap, used_wrap;
	struct buffer {
		uint16_t id, descriptors;
		uint64_t address;         /* of the first descriptor */
		uint32_t length;
	} waiting[MOST];              /* oldest first */
	uint16_t waiting_count;
	uint8_t has[MOST];            /* by id */
	struct vring_packed_desc *packed_ring;
	struct vring_desc *table;
	uint16_t *driver, *device;    /* available and used ring, or event structures */
};

OK_UNUSED static void device_begin(struct device_ring *s, int which, uint64_t features)
{
	struct ring *r = &backend.peer.ring[which];
	*s = (struct device_ring){.is_valid = 1, .packed = features >> 34 & 1, .in_order = features >> 35 & 1,
	                   .size = (uint16_t)r->size, .next_wrap = 1, .used_wrap = 1};
	yes(s->size <= MOST);
	s->table = peer_at(&backend.peer, r->descriptors, s->size * 16u, 0);
	s->packed_ring = (void *)s->table;
	s->driver = peer_at(&backend.peer, r->available, s->packed ? 4 : 6 + 2 * s->size, 0);
	s->device = peer_at(&backend.peer, r->used, s->packed ? 4 : 6 + 8 * s->size, 0);
}

static struct vring_used_elem *device_entry(struct device_ring *s, uint16_t at)
{
	return (struct vring_used_elem *)(void *)(s->device + 2) + at % s->size;
}

static void device_note(struct device_ring *s, struct buffer b)
{
	if (s->waiting_count == MOST || (!s->is_valid && (b.id >= s->size || s->has[b.id])))
		return;
	if (b.id >= s->size || s->has[b.id])
		FAILED("buffer %u was made available, which is %s", b.id, b.id >= s->size ? "beyond the ring" : "here already");
	s->has[b.id] = 1;
	s->waiting[s->waiting_count++] = b;
}

/* The first descriptor of an indirect table: a device that writes only a header needs no other. */
static struct buffer device_piece(uint64_t address, uint32_t length, uint16_t flags)
{
	struct vring_desc first;
	if (!(flags & VRING_DESC_F_INDIRECT) || length < sizeof(first))
		return (struct buffer){.address = address, .length = length, .descriptors = 1};
	memcpy(&first, peer_at(&backend.peer, address, sizeof(first), 1), sizeof(first));
	return (struct buffer){.address = first.addr, .length = first.len, .descriptors = 1};
}

static void device_look_packed(struct device_ring *s)
{
	for (int tries = 0; tries < s->size; tries++) {
		struct vring_packed_desc *d = &s->packed_ring[s->next];
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
		if ((flags >> 7 & 1) != s->next_wrap || (flags >> 15 & 1) == s->next_wrap)
			return;
		struct buffer b = device_piece(d->addr, d->len, s->is_valid ? flags : 0);
		for (uint16_t at = s->next; s->packed_ring[at].flags & VRING_DESC_F_NEXT && b.descriptors < s->size;) {
			at = (uint16_t)((at + 1) % s->size);
			b.descriptors++;
		}
		b.id = s->packed_ring[(s->next + b.descriptors - 1) % s->size].id;
		device_note(s, b);
		s->next = (uint16_t)(s->next + b.descriptors);
		s->next_wrap ^= s->next >= s->size;
		s->next = (uint16_t)(s->next % s->size);
	}
}

/* Takes the buffers that the driver has made available since the last call. */
OK_UNUSED static void device_look(struct device_ring *s)
{
	if (s->packed) {
		device_look_packed(s);
		return;
	}
	for (int tries = 0; tries < s->size && s->next != __atomic_load_n(&s->driver[1], __ATOMIC_ACQUIRE); tries++) {
		uint16_t id = s->driver[2 + s->next++ % s->size];
		struct vring_desc d = s->table[id % s->size];
		struct buffer b = device_piece(d.addr, d.len, s->is_valid ? d.flags : 0);
		b.id = id;
		device_note(s, b);
	}
}

/* Writes one used entry that covers `advance` descriptors (packed) or buffers (split). */
OK_UNUSED static void device_use(struct device_ring *s, uint32_t id, uint32_t length, uint16_t advance)
{
	if (s->packed) {
		struct vring_packed_desc *d = &s->packed_ring[s->used];
		d->id = (uint16_t)id;
		d->len = length;
		__atomic_store_n(&d->flags, s->used_wrap ? PACKED_AVAILABLE | PACKED_USED : 0, __ATOMIC_RELEASE);
		s->used = (uint16_t)(s->used + advance);
		s->used_wrap ^= s->used >= s->size;
		s->used = (uint16_t)(s->used % s->size);
	} else {
		*device_entry(s, s->used) = (struct vring_used_elem){id, length};
		s->used = (uint16_t)(s->used + advance);
		__atomic_store_n(&s->device[1], s->used, __ATOMIC_RELEASE);
	}
}

/* Returns a waiting buffer. With IN_ORDER that is always the oldest. */
OK_UNUSED static void device_give(struct device_ring *s, uint16_t place, uint32_t length)
{
	place = s->in_order ? 0 : (uint16_t)(place % s->waiting_count);
	struct buffer b = s->waiting[place];
	s->waiting_count--;
	memmove(s->waiting + place, s->waiting + place + 1, (size_t)(s->waiting_count - place) * sizeof(b));
	s->has[b.id] = 0;
	device_use(s, b.id, length, s->packed ? b.descriptors : 1);
}

/* With IN_ORDER, writes one entry for a batch of buffers. It names the last one; the others were used in full. */
OK_UNUSED static void device_give_batch(struct device_ring *s, uint16_t count, uint32_t length)
{
	uint16_t advance = 0, id = 0;
	for (uint16_t i = 0; i < count; i++) {
		advance = (uint16_t)(advance + (s->packed ? s->waiting[i].descriptors : 1));
		id = s->waiting[i].id;
		s->has[id] = 0;
	}
	s->waiting_count = (uint16_t)(s->waiting_count - count);
	memmove(s->waiting, s->waiting + count, s->waiting_count * sizeof(s->waiting[0]));
	device_use(s, id, length, advance);
}

#endif
