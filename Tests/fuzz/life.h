/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A started port on backend.h's back-end, and everything that must hold however the device writes into the rings: what
 * was received is whole and was not handed out before, a broken queue has its event, and nothing is lost.
 */
#ifndef LIFE_H
#define LIFE_H

#include "backend.h"

enum { PACKETS = 512, RING = 16, BUFFER = 1984, HELD = 400 };

static struct {
	uint16_t port, pool;
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
	config.rx_descriptors = config.tx_descriptors = RING;
	ok(vionet_init(life.port, &config));
	life.broken_events = 0;
	ok(vionet_start(life.port));
	same(backend.peer.ring[RX].size, RING);
	same(backend.peer.ring[TX].size, RING);
	life.starts++;
}

OK_UNUSED static void life_open(uint64_t more_features)
{
	backend_reset(NULL);
	backend.peer.features |= more_features;
	life.lives++;
	ok(vionet_probe(BACKEND, &life.port));
	life_start();
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

/* Takes up to count packets and looks at each. */
OK_UNUSED static uint16_t life_receive(uint16_t count)
{
	struct vionet_packet *packets[32];
	if (life.held_count + count > HELD)
		life_free(HELD);
	uint16_t got = vionet_rx_burst(life.port, 0, packets, count);
	yes(got <= count);
	for (uint16_t n = 0; n < got; n++) {
		struct vionet_packet *p = packets[n];
		for (uint32_t i = 0; i < life.held_count; i++)
			if (life.held[i] == p || life.held[i]->data == p->data)
				FAILED("a packet was handed out twice");
		/* The device may claim less than an Ethernet header, or more than was posted: that is no packet. */
		if (p->length < 14 || p->length > BUFFER || p->total_length < p->length || p->size - p->headroom < p->length)
			FAILED("a packet of %u bytes in a buffer of %u", p->length, p->size);
		same(p->port, life.port);
		const uint8_t *data = p->data; /* which can be read */
		__asm__ volatile("" : : "r"(data[0] ^ data[p->length - 1]));
		life.held[life.held_count++] = p;
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
