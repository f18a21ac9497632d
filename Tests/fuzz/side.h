/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a ring, split or packed, in order or not: what it has been given, and giving it back. What it
 * believes is true only as long as it has been honest; afterwards it merely stays within the ring.
 */
#ifndef SIDE_H
#define SIDE_H

#include "life.h"

enum { MOST = 16, PACKED_AVAILABLE = 1 << 7, PACKED_USED = 1 << 15 };

struct side {
	int honest, packed, in_order;
	uint16_t size;
	uint16_t next, used;          /* split: counters that run freely; packed: places */
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

OK_UNUSED static void side_begin(struct side *s, int which, uint64_t features)
{
	struct ring *r = &backend.peer.ring[which];
	*s = (struct side){.honest = 1, .packed = features >> 34 & 1, .in_order = features >> 35 & 1,
	                   .size = (uint16_t)r->size, .next_wrap = 1, .used_wrap = 1};
	yes(s->size <= MOST);
	s->table = peer_at(&backend.peer, r->descriptors, s->size * 16u, 0);
	s->packed_ring = (void *)s->table;
	s->driver = peer_at(&backend.peer, r->available, s->packed ? 4 : 6 + 2 * s->size, 0);
	s->device = peer_at(&backend.peer, r->used, s->packed ? 4 : 6 + 8 * s->size, 0);
}

static struct vring_used_elem *side_entry(struct side *s, uint16_t at)
{
	return (struct vring_used_elem *)(void *)(s->device + 2) + at % s->size;
}

static void side_note(struct side *s, struct buffer b)
{
	if (s->waiting_count == MOST || (!s->honest && (b.id >= s->size || s->has[b.id])))
		return;
	if (b.id >= s->size || s->has[b.id])
		FAILED("buffer %u was made available, which is %s", b.id, b.id >= s->size ? "beyond the ring" : "here already");
	s->has[b.id] = 1;
	s->waiting[s->waiting_count++] = b;
}

/* Of an indirect table the buffer is the first piece; a device that writes no more than a header needs no other. */
static struct buffer side_piece(uint64_t address, uint32_t length, uint16_t flags)
{
	struct vring_desc first;
	if (!(flags & VRING_DESC_F_INDIRECT) || length < sizeof(first))
		return (struct buffer){.address = address, .length = length, .descriptors = 1};
	memcpy(&first, peer_at(&backend.peer, address, sizeof(first), 1), sizeof(first));
	return (struct buffer){.address = first.addr, .length = first.len, .descriptors = 1};
}

static void side_look_packed(struct side *s)
{
	for (int tries = 0; tries < s->size; tries++) {
		struct vring_packed_desc *d = &s->packed_ring[s->next];
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
		if ((flags >> 7 & 1) != s->next_wrap || (flags >> 15 & 1) == s->next_wrap)
			return;
		struct buffer b = side_piece(d->addr, d->len, s->honest ? flags : 0);
		for (uint16_t at = s->next; s->packed_ring[at].flags & VRING_DESC_F_NEXT && b.descriptors < s->size;) {
			at = (uint16_t)((at + 1) % s->size);
			b.descriptors++;
		}
		b.id = s->packed_ring[(s->next + b.descriptors - 1) % s->size].id;
		side_note(s, b);
		s->next = (uint16_t)(s->next + b.descriptors);
		s->next_wrap ^= s->next >= s->size;
		s->next = (uint16_t)(s->next % s->size);
	}
}

/* Takes up what the driver has made available since the last time. */
OK_UNUSED static void side_look(struct side *s)
{
	if (s->packed) {
		side_look_packed(s);
		return;
	}
	for (int tries = 0; tries < s->size && s->next != __atomic_load_n(&s->driver[1], __ATOMIC_ACQUIRE); tries++) {
		uint16_t id = s->driver[2 + s->next++ % s->size];
		struct vring_desc d = s->table[id % s->size];
		struct buffer b = side_piece(d.addr, d.len, s->honest ? d.flags : 0);
		b.id = id;
		side_note(s, b);
	}
}

/* One used entry, which stands for buffers of so many descriptors (split: so many buffers). */
OK_UNUSED static void side_use(struct side *s, uint32_t id, uint32_t length, uint16_t advance)
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
		*side_entry(s, s->used) = (struct vring_used_elem){id, length};
		s->used = (uint16_t)(s->used + advance);
		__atomic_store_n(&s->device[1], s->used, __ATOMIC_RELEASE);
	}
}

/* Gives a waiting buffer back; in order only the oldest can be. */
OK_UNUSED static void side_give(struct side *s, uint16_t place, uint32_t length)
{
	place = s->in_order ? 0 : (uint16_t)(place % s->waiting_count);
	struct buffer b = s->waiting[place];
	s->waiting_count--;
	memmove(s->waiting + place, s->waiting + place + 1, (size_t)(s->waiting_count - place) * sizeof(b));
	s->has[b.id] = 0;
	side_use(s, b.id, length, s->packed ? b.descriptors : 1);
}

/* In order, one entry for several buffers: it names the last of them, the others were used as a whole. */
OK_UNUSED static void side_give_batch(struct side *s, uint16_t count, uint32_t length)
{
	uint16_t advance = 0, id = 0;
	for (uint16_t i = 0; i < count; i++) {
		advance = (uint16_t)(advance + (s->packed ? s->waiting[i].descriptors : 1));
		id = s->waiting[i].id;
		s->has[id] = 0;
	}
	s->waiting_count = (uint16_t)(s->waiting_count - count);
	memmove(s->waiting, s->waiting + count, s->waiting_count * sizeof(s->waiting[0]));
	side_use(s, id, length, advance);
}

#endif
