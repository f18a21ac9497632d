/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A started port on backend.h's back-end, and everything that must hold however the device writes into the rings: what
 * was received is whole and was not handed out before, a broken queue has its event, and nothing is lost.
 */
#ifndef LIFE_H
#define LIFE_H

#include "backend.h"

enum { PACKETS = 512, RING = 16, BUFFER = 1984, HELD = 400 };
enum { RING_PACKED = 34, IN_ORDER = 35, MERGED = 15 }; /* feature bits */

static struct {
	uint16_t port, pool, size; /* of both rings */
	uint16_t mtu;              /* what the device says; 0: 1500 */
	int broken_events;
	struct vionet_packet *held[HELD];
	uint32_t held_count;
	uint32_t lives, starts, received, broken; /* totals */
} life;

static void on_event(uint16_t port, int event, void *user)
{
	(void)user;
	if (port == life.port && event == VIONET_EVENT_BROKEN)
		life.broken_events++;
}

OK_UNUSED static void life_begin(void)
{
	backend_begin();
	life.pool = pool_made(PACKETS);
	ok(vionet_event_add(on_event, NULL));
	backend_reset(NULL);
}

/* From anything but started to started. */
OK_UNUSED static void life_start(void)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = life.pool;
	config.rx_descriptors = config.tx_descriptors = life.size;
	config.rx_offloads = VIONET_RX_CHECKSUM | VIONET_RX_LRO;
	ok(vionet_init(life.port, &config));
	life.broken_events = 0;
	ok(vionet_start(life.port));
	same(backend.peer.ring[RX].size, life.size);
	same(backend.peer.ring[TX].size, life.size);
	life.starts++;
}

/* A back-end that offers more than the usual; a packed ring may have any size. */
OK_UNUSED static void life_open(uint64_t more_features, uint16_t size)
{
	backend_reset(NULL);
	backend.peer.features |= more_features;
	if (life.mtu != 0) {
		backend.peer.config[10] = life.mtu & 0xff;
		backend.peer.config[11] = (uint8_t)(life.mtu >> 8);
	}
	life.lives++;
	life.size = more_features & BIT(RING_PACKED) ? size : RING;
	ok(vionet_probe(BACKEND ",packed_vq=1,mrg_rxbuf=1", &life.port));
	life_start();
	same(backend.peer.negotiated & more_features & (BIT(RING_PACKED) | BIT(IN_ORDER) | BIT(MERGED)),
	     more_features & (BIT(RING_PACKED) | BIT(IN_ORDER) | BIT(MERGED)));
}

OK_UNUSED static void life_free(uint32_t count)
{
	for (; count > 0 && life.held_count > 0; count--)
		vionet_packet_free(life.held[--life.held_count]);
}

OK_UNUSED static void life_close(void)
{
	vionet_close(life.port);
	life_free(HELD);
	backend_reset(NULL);
	all_is_back(life.pool, PACKETS);
}

/* One segment: inside its buffer, to be read, and of no packet that is still held. */
static void life_look(const struct vionet_packet *p, uint32_t least, uint32_t most)
{
	const uint8_t *data = p->data;
	for (uint32_t i = 0; i < life.held_count; i++)
		for (const struct vionet_packet *held = life.held[i]; held != NULL; held = held->next)
			if (held == p || held->data == p->data)
				FAILED("a packet was handed out twice");
	if (p->length < least || p->length > most || p->headroom > p->size || p->size - p->headroom < p->length)
		FAILED("%u bytes behind %u in a buffer of %u", p->length, p->headroom, p->size);
	__asm__ volatile("" : : "r"(data[0] ^ data[p->length - 1]));
}

/* Takes up to count packets and looks at each; the device may claim anything, but not make a packet of it. */
OK_UNUSED static uint16_t life_receive(uint16_t count)
{
	struct vionet_packet *packets[32];
	if (life.held_count + count > HELD)
		life_free(HELD);
	uint16_t got = vionet_rx_burst(life.port, 0, packets, count);
	yes(got <= count);
	for (uint16_t n = 0; n < got; n++) {
		uint32_t total = 0, segments = 0;
		for (const struct vionet_packet *p = packets[n]; p != NULL; p = p->next, segments++) {
			life_look(p, segments == 0 ? 14 : 1, segments == 0 ? BUFFER : BUFFER + HEADER);
			total += p->length;
			yes(segments < life.size);
		}
		same(segments, packets[n]->segments);
		same(total, packets[n]->total_length);
		same(packets[n]->port, life.port);
		if (packets[n]->flags & VIONET_PACKET_CHECKSUM_PARTIAL)
			yes((uint32_t)packets[n]->checksum_start + packets[n]->checksum_offset + 2 <= total);
		life.held[life.held_count++] = packets[n];
	}
	life.received += got;
	return got;
}

/* Sends packets of the pool, chains among them; what is not taken is freed. */
OK_UNUSED static void life_send(uint16_t count, uint8_t chained)
{
	struct vionet_packet *packets[32], *tail;
	uint16_t made = vionet_packet_alloc_bulk(life.pool, packets, count), sent;
	for (uint16_t n = 0; n < made; n++) {
		vionet_packet_append(packets[n], 60);
		for (int more = chained >> (n & 7) & 1 ? 3 : 0; more > 0; more--)
			if ((tail = vionet_packet_alloc(life.pool)) != NULL) {
				vionet_packet_append(tail, 20);
				same(vionet_packet_chain(packets[n], tail), 0);
			}
	}
	sent = vionet_tx_burst(life.port, 0, packets, made);
	yes(sent <= made);
	vionet_packet_free_bulk(packets + sent, (uint16_t)(made - sent));
}

/* A queue that the device broke has its event and its state, and no other has. */
OK_UNUSED static int life_is_broken(void)
{
	struct vionet_stats stats = stats_of(life.port);
	int broken = (int)(stats.rx.broken + stats.tx.broken);
	same(life.broken_events, broken);
	same(info_of(life.port).state, broken > 0 ? VIONET_STATE_BROKEN : VIONET_STATE_STARTED);
	same(pool_of(life.pool).refused, 0);
	return broken;
}

OK_UNUSED static void life_restart(void)
{
	life.broken += (uint32_t)life.broken_events;
	ok(vionet_stop(life.port));
	life_start();
}

#endif
