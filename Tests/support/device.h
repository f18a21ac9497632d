/* SPDX-License-Identifier: BSD-2-Clause */
/* The device side of the split rings of peer.h, in single steps, correct or not. */
#ifndef DEVICE_H
#define DEVICE_H

#include "peer.h"

#include <linux/virtio_ring.h>
#include <stdarg.h>

enum { RX = 0, TX = 1, HEADER = 12 };

/* A started port on this back-end with this pool, its rings enabled; the rest of its address is formatted. */
__attribute__((format(printf, 4, 5))) OK_UNUSED static uint16_t
peer_port(struct peer *p, uint16_t pool, uint32_t rx_offloads, const char *format, ...)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[160];
	uint16_t port = VIONET_PORT_NONE;
	va_list list;
	int n = snprintf(address, sizeof(address), "vhost-user:%s,", p->path);
	va_start(list, format);
	vsnprintf(address + n, sizeof(address) - (size_t)n, format, list);
	va_end(list);
	ok(vionet_probe(address, &port));
	config.pool = pool;
	config.rx_offloads = rx_offloads;
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	for (uint32_t ring = 0; ring < 2 * p->pairs; ring++)
		soon(p->ring[ring].enabled);
	return port;
}

/* Ends both. Requires that every packet is back in the pool, and no foreign one. */
OK_UNUSED static void peer_port_end(struct peer *p, uint16_t port, uint16_t pool)
{
	vionet_close(port);
	soon(pool_of(pool).available == pool_of(pool).packets);
	same(pool_of(pool).refused, 0);
	peer_end(p);
}

/* An address of the driver in our mapping of its memory. Fails the test if the driver did not share it. */
OK_UNUSED static void *peer_at(struct peer *p, uint64_t address, uint64_t length, int guest)
{
	for (uint32_t i = 0; i < p->regions; i++) {
		uint64_t start = guest ? p->region[i].guest : p->region[i].user;
		if (address >= start && address + length <= start + p->region[i].length)
			return p->region[i].mapped + p->region[i].offset + (address - start);
	}
	FAILED("address %#" PRIx64 " + %" PRIu64 " is in no region that was shared", address, length);
}

OK_UNUSED static struct vring_desc *descriptors(struct peer *p, int ring)
{
	return peer_at(p, p->ring[ring].descriptors, p->ring[ring].size * sizeof(struct vring_desc), 0);
}

OK_UNUSED static uint16_t *available(struct peer *p, int ring) /* flags, index, entries */
{
	return peer_at(p, p->ring[ring].available, 6 + 2 * p->ring[ring].size, 0);
}

OK_UNUSED static struct vring_used *used(struct peer *p, int ring)
{
	return peer_at(p, p->ring[ring].used, 6 + 8 * p->ring[ring].size, 0);
}

/* How many buffers the driver has made available and we have not taken. */
OK_UNUSED static uint16_t waiting(struct peer *p, int ring)
{
	return (uint16_t)(__atomic_load_n(&available(p, ring)[1], __ATOMIC_ACQUIRE) - p->ring[ring].taken);
}

/* The first descriptor of the next available buffer. */
OK_UNUSED static uint16_t take(struct peer *p, int ring)
{
	yes(waiting(p, ring) > 0);
	uint16_t id = available(p, ring)[2 + (p->ring[ring].taken++ & (p->ring[ring].size - 1))];
	yes(id < p->ring[ring].size);
	return id;
}

OK_UNUSED static void publish(struct peer *p, int ring, uint16_t index)
{
	uint64_t one = 1;
	__atomic_store_n(&used(p, ring)->idx, index, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (p->ring[ring].call >= 0 && !(__atomic_load_n(&available(p, ring)[0], __ATOMIC_RELAXED) & 1))
		(void)!write(p->ring[ring].call, &one, 8);
}

/* Writes a used entry, with any id and length. */
OK_UNUSED static void give_back(struct peer *p, int ring, uint32_t id, uint32_t length)
{
	struct vring_used *u = used(p, ring);
	u->ring[u->idx & (p->ring[ring].size - 1)] = (struct vring_used_elem){id, length};
	publish(p, ring, (uint16_t)(u->idx + 1));
}

/* Delivers a frame correctly. Returns the id of its buffer. */
OK_UNUSED static uint16_t deliver(struct peer *p, const void *frame, uint32_t length)
{
	uint16_t id = take(p, RX);
	struct vring_desc *d = &descriptors(p, RX)[id];
	yes(d->flags == VRING_DESC_F_WRITE && d->len >= HEADER + length);
	unsigned char *buffer = peer_at(p, d->addr, d->len, 1);
	memset(buffer, 0, HEADER);
	buffer[10] = 1; /* num_buffers */
	memcpy(buffer + HEADER, frame, length);
	give_back(p, RX, id, HEADER + length);
	return id;
}

/* Takes one frame from the transmit ring, and checks header and descriptors. Returns its length. */
OK_UNUSED static uint32_t collect(struct peer *p, unsigned char *frame, uint32_t room)
{
	static unsigned char whole[70000];
	uint32_t length = 0, count = 0;
	uint16_t first = take(p, TX), id = first;
	for (;;) {
		struct vring_desc *d = &descriptors(p, TX)[id];
		yes((d->flags & ~VRING_DESC_F_NEXT) == 0); /* no buffer for the device to write into */
		yes(d->len > 0 && length + d->len <= sizeof(whole));
		memcpy(whole + length, peer_at(p, d->addr, d->len, 1), d->len);
		length += d->len;
		yes(++count <= p->ring[TX].size);
		if (!(d->flags & VRING_DESC_F_NEXT))
			break;
		id = d->next;
		yes(id < p->ring[TX].size);
	}
	give_back(p, TX, first, 0);
	yes(length > HEADER && length - HEADER <= room);
	for (int i = 0; i < HEADER - 2; i++)
		same(whole[i], 0);
	memcpy(frame, whole + HEADER, length - HEADER);
	return length - HEADER;
}

#endif
