/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device side of rings as they were negotiated: split or packed, in order or not, with several queue pairs, in single
 * steps, correct or not. device.h has the same for split rings with one descriptor per buffer.
 */
#ifndef RINGS_H
#define RINGS_H

#include "device.h"

enum {
	F_CSUM = 0, F_GUEST_CSUM = 1, F_GUEST_TSO4 = 7, F_GUEST_TSO6 = 8, F_HOST_TSO4 = 11, F_HOST_TSO6 = 12, F_HOST_ECN = 13,
	F_MRG_RXBUF = 15, F_MQ = 22, F_INDIRECT = 28, F_EVENT_IDX = 29, F_PACKED = 34, F_IN_ORDER = 35, F_GUEST_USO4 = 54,
	F_HOST_USO = 56,
};

/* A buffer that the driver made available: its pieces, with those of an indirect table. */
struct buffer {
	uint16_t id;
	uint32_t descriptors, count;
	struct { unsigned char *at; uint32_t length; uint16_t flags; } piece[64];
};

OK_UNUSED static int has(struct peer *p, int bit)
{
	return (int)(p->negotiated >> bit & 1);
}

static struct vring_packed_desc *packed_ring(struct peer *p, int ring)
{
	return peer_at(p, p->ring[ring].descriptors, p->ring[ring].size * sizeof(struct vring_packed_desc), 0);
}

/* The AVAIL and USED flags of a packed descriptor in the lap of that count: available, or used. */
static uint16_t packed_flags(struct peer *p, int ring, uint32_t count, int used)
{
	int first = count / p->ring[ring].size % 2 == 0;
	return used ? (first ? 0x8080 : 0) : (first ? 0x80 : 0x8000);
}

static void add_piece(struct peer *p, struct buffer *b, uint64_t address, uint32_t length, uint16_t flags)
{
	yes(b->count < 64 && length > 0);
	b->piece[b->count].at = peer_at(p, address, length, 1);
	b->piece[b->count].length = length;
	b->piece[b->count++].flags = flags & VRING_DESC_F_WRITE;
}

/* An indirect table: in a split ring it is a chain, in a packed one it is read in order. In a receive ring it is writable. */
static void add_table(struct peer *p, int ring, struct buffer *b, uint64_t address, uint32_t length)
{
	unsigned char *table = peer_at(p, address, length, 1);
	uint16_t kind = ring % 2 == RX ? VRING_DESC_F_WRITE : 0;
	yes(has(p, F_INDIRECT) && length % 16 == 0 && length >= 16);
	for (uint32_t i = 0; i < length / 16; i++) {
		struct vring_desc split;
		struct vring_packed_desc packed;
		memcpy(&split, table + 16 * i, 16);
		memcpy(&packed, table + 16 * i, 16);
		if (has(p, F_PACKED))
			same(packed.flags, kind);
		else
			same(split.flags, kind | (i + 1 < length / 16 ? VRING_DESC_F_NEXT : 0));
		if (!has(p, F_PACKED) && split.flags & VRING_DESC_F_NEXT)
			same(split.next, i + 1);
		add_piece(p, b, split.addr, split.len, kind);
	}
}

static int next_packed(struct peer *p, int ring, struct buffer *b)
{
	struct ring *r = &p->ring[ring];
	struct vring_packed_desc *d;
	do {
		uint32_t count = r->taken_all + b->descriptors;
		d = &packed_ring(p, ring)[count % r->size];
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
		if ((flags & 0x8080) != packed_flags(p, ring, count, 0)) {
			same(b->descriptors, 0); /* else it is half a list */
			return 0;
		}
		if (flags & VRING_DESC_F_INDIRECT)
			add_table(p, ring, b, d->addr, d->len);
		else
			add_piece(p, b, d->addr, d->len, flags);
		b->descriptors++;
		yes(b->descriptors <= r->size);
	} while (d->flags & VRING_DESC_F_NEXT);
	b->id = d->id;
	r->taken_all += b->descriptors;
	return 1;
}

static int next_split(struct peer *p, int ring, struct buffer *b)
{
	if (waiting(p, ring) == 0)
		return 0;
	uint16_t id = b->id = take(p, ring);
	for (;;) {
		struct vring_desc *d = &descriptors(p, ring)[id];
		b->descriptors++;
		yes(b->descriptors <= p->ring[ring].size);
		if (d->flags & VRING_DESC_F_INDIRECT)
			add_table(p, ring, b, d->addr, d->len);
		else
			add_piece(p, b, d->addr, d->len, d->flags);
		if (!(d->flags & VRING_DESC_F_NEXT))
			return 1;
		id = d->next;
		yes(id < p->ring[ring].size);
	}
}

/* The next available buffer; 0 if there is none. */
OK_UNUSED static int next_buffer(struct peer *p, int ring, struct buffer *b)
{
	b->descriptors = b->count = 0;
	return has(p, F_PACKED) ? next_packed(p, ring, b) : next_split(p, ring, b);
}

/* Whether the driver wants a notification for the entries from `before` on. */
static int wants_signal(struct peer *p, int ring, uint32_t before, uint32_t now)
{
	uint32_t size = p->ring[ring].size;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint16_t *request = peer_at(p, p->ring[ring].available, 4, 0);
	if (!has(p, F_PACKED) && !has(p, F_EVENT_IDX))
		return !(request[0] & 1);
	if (has(p, F_PACKED) && request[1] != 2)
		return request[1] != 1;
	for (uint32_t i = before; i != now; i++)
		if (has(p, F_PACKED) ? request[0] == (i % size | (i / size % 2 == 0 ? 0x8000u : 0))
		                     : available(p, ring)[2 + size] == (uint16_t)i)
			return 1;
	return 0;
}

/* Writes one used entry, correct or not, that covers that many entries (split) or descriptors (packed). */
OK_UNUSED static void use_entry(struct peer *p, int ring, uint32_t id, uint32_t length, uint32_t entries)
{
	struct ring *r = &p->ring[ring];
	uint32_t before = r->used_all;
	uint64_t one = 1;
	if (has(p, F_PACKED)) {
		struct vring_packed_desc *d = &packed_ring(p, ring)[before % r->size];
		d->addr = 0xdead;
		d->len = length;
		d->id = (uint16_t)id;
		__atomic_store_n(&d->flags, packed_flags(p, ring, before, 1), __ATOMIC_RELEASE);
	} else {
		used(p, ring)->ring[before % r->size] = (struct vring_used_elem){id, length};
		__atomic_store_n(&used(p, ring)->idx, (uint16_t)(before + entries), __ATOMIC_RELEASE);
	}
	r->used_all = before + entries;
	if (r->call >= 0 && wants_signal(p, ring, before, r->used_all))
		(void)!write(r->call, &one, 8);
}

/* Gives all buffers back with one entry, which names the last. */
OK_UNUSED static void use_buffers(struct peer *p, int ring, const struct buffer *b, uint32_t count, uint32_t length)
{
	uint32_t entries = 0;
	for (uint32_t i = 0; i < count; i++)
		entries += has(p, F_PACKED) ? b[i].descriptors : 1;
	use_entry(p, ring, b[count - 1].id, length, entries);
}

/* Writes header and frame into the pieces of one buffer, and gives it back. */
static void deliver_into(struct peer *p, int ring, const unsigned char *header, const unsigned char *frame,
                         uint32_t length)
{
	static unsigned char whole[70000];
	static struct buffer b;
	uint32_t at = 0, end = HEADER + length;
	memcpy(whole, header, HEADER);
	whole[10] = 1;
	memcpy(whole + HEADER, frame, length);
	yes(next_buffer(p, ring, &b));
	for (uint32_t i = 0; at < end; i++) {
		yes(i < b.count && b.piece[i].flags == VRING_DESC_F_WRITE);
		uint32_t n = b.piece[i].length < end - at ? b.piece[i].length : end - at;
		memcpy(b.piece[i].at, whole + at, n);
		at += n;
	}
	use_entry(p, ring, b.id, end, has(p, F_PACKED) ? b.descriptors : 1);
}

/* Writes header and frame into that many buffers, all but the last one full, and gives them back. */
OK_UNUSED static void deliver_in(struct peer *p, int ring, uint32_t buffers, const unsigned char *header,
                                 const unsigned char *frame, uint32_t length)
{
	static struct buffer b[64];
	static unsigned char whole[70000];
	uint32_t at = 0, end = HEADER + length;
	if (buffers == 1) {
		deliver_into(p, ring, header, frame, length);
		return;
	}
	memcpy(whole, header, HEADER);
	whole[10] = (unsigned char)buffers;
	memcpy(whole + HEADER, frame, length);
	for (uint32_t i = 0; i < buffers; i++) {
		yes(next_buffer(p, ring, &b[i]));
		same(b[i].count, 1);
		same(b[i].piece[0].flags, VRING_DESC_F_WRITE);
		uint32_t n = i + 1 < buffers ? b[i].piece[0].length : end - at;
		yes(n <= b[i].piece[0].length && at + n <= end);
		memcpy(b[i].piece[0].at, whole + at, n);
		at += n;
	}
	if (has(p, F_IN_ORDER))
		use_buffers(p, ring, b, buffers, end - (buffers - 1) * b[0].piece[0].length);
	else
		for (uint32_t i = 0; i < buffers; i++)
			use_buffers(p, ring, &b[i], 1,
			            i + 1 < buffers ? b[0].piece[0].length : end - i * b[0].piece[0].length);
}

/* Takes one packet with its header from a transmit ring, without giving it back. Returns the bytes; 0: there is none. */
OK_UNUSED static uint32_t collect_in(struct peer *p, int ring, struct buffer *b, unsigned char *bytes, uint32_t room)
{
	uint32_t length = 0;
	if (!next_buffer(p, ring, b))
		return 0;
	for (uint32_t i = 0; i < b->count; i++) {
		same(b->piece[i].flags, 0);
		yes(length + b->piece[i].length <= room);
		memcpy(bytes + length, b->piece[i].at, b->piece[i].length);
		length += b->piece[i].length;
	}
	yes(length > HEADER);
	return length;
}

#endif
