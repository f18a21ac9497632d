/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end that returns every frame and may be killed at any moment: with split or packed rings, as server or as client.
 * It puts a frame into the receive ring before it returns the buffer in the transmit ring. So a back-end that is killed
 * loses no frame, but the next one may return some of them again.
 */
#ifndef ECHO_BACKEND_H
#define ECHO_BACKEND_H

#include "device.h"

enum { F_PACKED = 34, ECHO_BATCH = 32, AVAILABLE_BIT = 1 << 7, USED_BIT = 1 << 15 };

/* What the back-end tells the test, in shared memory. */
struct notes {
	_Atomic uint64_t there; /* microseconds: when it listened, or was connected */
	_Atomic uint64_t echoed;
	_Atomic int backend; /* its process */
};

struct packed_descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t id, flags;
};

struct echo_buffer {
	unsigned char *data;
	uint32_t length;
	uint16_t id;
};

/* How far one ring has been read. In a packed ring bits 0 to 14 are the place, and bit 15 is the wrap counter. */
struct echo_ring {
	struct peer *peer;
	int index, packed;
	uint16_t read, written;
};

static uint16_t echo_step(const struct echo_ring *r, uint16_t place)
{
	if (!r->packed)
		return (uint16_t)(place + 1);
	uint32_t next = (place & 0x7fffu) + 1;
	return next == r->peer->ring[r->index].size ? (place & 0x8000u) ^ 0x8000u : (uint16_t)(next | (place & 0x8000u));
}

static struct packed_descriptor *packed_at(const struct echo_ring *r, uint16_t place)
{
	const struct ring *ring = &r->peer->ring[r->index];
	struct packed_descriptor *all = peer_at(r->peer, ring->descriptors, ring->size * sizeof(*all), 0);
	return &all[place & 0x7fff];
}

/* Reads the next available buffer, which has one descriptor. Returns 0 if there is none. */
static int echo_read(struct echo_ring *r, struct echo_buffer *b)
{
	struct peer *p = r->peer;
	if (r->packed) {
		struct packed_descriptor *d = packed_at(r, r->read);
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE), wrap = r->read >> 15;
		if (!!(flags & AVAILABLE_BIT) != wrap || !!(flags & USED_BIT) == wrap)
			return 0;
		*b = (struct echo_buffer){peer_at(p, d->address, d->length, 1), d->length, d->id};
	} else {
		if (__atomic_load_n(&available(p, r->index)[1], __ATOMIC_ACQUIRE) == r->read)
			return 0;
		uint16_t id = available(p, r->index)[2 + (r->read & (p->ring[r->index].size - 1))];
		yes(id < p->ring[r->index].size);
		struct vring_desc *d = &descriptors(p, r->index)[id];
		*b = (struct echo_buffer){peer_at(p, d->addr, d->len, 1), d->len, id};
	}
	r->read = echo_step(r, r->read);
	return 1;
}

/* Marks a buffer as used. In a split ring the driver sees that after echo_publish. */
static void echo_write(struct echo_ring *r, uint16_t id, uint32_t length)
{
	struct peer *p = r->peer;
	if (r->packed) {
		struct packed_descriptor *d = packed_at(r, r->written);
		d->id = id;
		d->length = length;
		__atomic_store_n(&d->flags, r->written & 0x8000 ? AVAILABLE_BIT | USED_BIT : 0, __ATOMIC_RELEASE);
	} else {
		used(p, r->index)->ring[r->written & (p->ring[r->index].size - 1)] = (struct vring_used_elem){id, length};
	}
	r->written = echo_step(r, r->written);
}

static void echo_publish(struct echo_ring *r)
{
	if (!r->packed)
		__atomic_store_n(&used(r->peer, r->index)->idx, r->written, __ATOMIC_RELEASE);
}

/* Moves at most ECHO_BATCH frames from one ring to the other. Returns how many. */
static int echo_frames(struct echo_ring *tx, struct echo_ring *rx)
{
	struct echo_buffer from, to;
	uint16_t ids[ECHO_BATCH];
	int count = 0;
	while (count < ECHO_BATCH) {
		struct echo_ring rx_before = *rx;
		if (!echo_read(rx, &to))
			break;
		if (!echo_read(tx, &from)) {
			*rx = rx_before;
			break;
		}
		yes(from.length <= to.length && from.length > HEADER);
		memset(to.data, 0, HEADER);
		to.data[10] = 1;
		memcpy(to.data + HEADER, from.data + HEADER, from.length - HEADER);
		echo_write(rx, to.id, from.length);
		ids[count++] = from.id;
	}
	echo_publish(rx);
	for (int i = 0; i < count; i++)
		echo_write(tx, ids[i], 0);
	echo_publish(tx);
	return count;
}

/* Runs the back-end until it is killed. */
__attribute__((noreturn)) OK_UNUSED static void echo_for_ever(const char *path, int dials, int packed, struct notes *notes)
{
	static struct peer p;
	if (dials) {
		peer_dial(&p, path, 1);
	} else {
		peer_prepare(&p);
		snprintf(p.path, sizeof(p.path), "%s", path);
		unlink(path);
		peer_listen(&p);
		notes->there = microseconds();
		p.absent = 1;
		same(pthread_create(&p.thread, NULL, peer_thread, &p), 0);
	}
	if (packed)
		p.features |= BIT(F_PACKED);
	p.absent = 0;
	struct echo_ring rx = {.peer = &p, .index = RX}, tx = {.peer = &p, .index = TX};
	for (int known = 0, runs = 0;;) {
		if (dials && p.connections > 0 && !known) {
			known = 1;
			notes->there = microseconds();
		}
		if (!p.ring[RX].enabled || !p.ring[TX].enabled || !p.ring[RX].started || !p.ring[TX].started) {
			runs = 0;
			usleep(200);
			continue;
		}
		if (!runs) { /* by now the features are what was negotiated */
			runs = 1;
			rx.packed = tx.packed = (p.negotiated & BIT(F_PACKED)) != 0;
			rx.read = rx.written = tx.read = tx.written = rx.packed ? 0x8000 : 0;
		}
		int count = echo_frames(&tx, &rx);
		notes->echoed += (uint64_t)count;
		if (count == 0)
			usleep(50);
	}
}

#endif
