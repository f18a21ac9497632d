/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A started port on the back-end of vhost-user-backend.h, and everything that must hold whatever the device writes into
 * the rings: a received packet is complete and was not handed out before, a broken queue brings its event, and no packet
 * is lost.
 */
#ifndef PORT_SESSION_H
#define PORT_SESSION_H

#include "vhost-user-backend.h"

enum { PACKETS = 512, RING = 16, BUFFER = 1984, HELD = 400 };
enum { RING_PACKED = 34, IN_ORDER = 35, MERGED = 15 }; /* feature bits */

static struct {
	uint16_t port, pool, size; /* size: of both rings */
	uint16_t mtu;              /* the device's; 0: 1500 */
	int broken_events;
	struct vionet_packet *held[HELD];
	uint32_t held_count;
	uint32_t opened, starts, received, broken; /* totals */
} session;

static void on_event(uint16_t port, int event, void *user)
{
	(void)user;
	if (port == session.port && event == VIONET_EVENT_BROKEN)
		session.broken_events++;
}

OK_UNUSED static void session_begin(void)
{
	backend_begin();
	session.pool = pool_made(PACKETS);
	ok(vionet_event_add(on_event, NULL));
	backend_reset(NULL);
}

/* Starts the port from any state but started. */
OK_UNUSED static void session_start(void)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = session.pool;
	config.rx_descriptors = config.tx_descriptors = session.size;
	ok(vionet_init(session.port, &config));
	session.broken_events = 0;
	ok(vionet_start(session.port));
	same(backend.peer.ring[RX].size, session.size);
	same(backend.peer.ring[TX].size, session.size);
	session.starts++;
}

/* Opens a port on a back-end with these additional features. Only a packed ring may have any size. */
OK_UNUSED static void session_open(uint64_t more_features, uint16_t size)
{
	backend_reset(NULL);
	backend.peer.features |= more_features;
	if (session.mtu != 0) {
		backend.peer.config[10] = session.mtu & 0xff;
		backend.peer.config[11] = (uint8_t)(session.mtu >> 8);
	}
	session.opened++;
	session.size = more_features & BIT(RING_PACKED) ? size : RING;
	ok(vionet_probe(BACKEND ",packed_vq=1,mrg_rxbuf=1,rx_csum=1,lro=1", &session.port));
	session_start();
	same(backend.peer.negotiated & more_features & (BIT(RING_PACKED) | BIT(IN_ORDER) | BIT(MERGED)),
	     more_features & (BIT(RING_PACKED) | BIT(IN_ORDER) | BIT(MERGED)));
}

OK_UNUSED static void session_free(uint32_t count)
{
	for (; count > 0 && session.held_count > 0; count--)
		vionet_packet_free(session.held[--session.held_count]);
}

OK_UNUSED static void session_close(void)
{
	vionet_close(session.port);
	session_free(HELD);
	backend_reset(NULL);
	all_is_back(session.pool, PACKETS);
}

/* Checks one segment: it lies inside its buffer, can be read, and is in no packet that is still held. */
static void session_look(const struct vionet_packet *p, uint32_t least, uint32_t most)
{
	const uint8_t *data = p->data;
	for (uint32_t i = 0; i < session.held_count; i++)
		for (const struct vionet_packet *held = session.held[i]; held != NULL; held = held->next)
			if (held == p || held->data == p->data)
				FAILED("a packet was handed out twice");
	if (p->length < least || p->length > most || p->headroom > p->size || p->size - p->headroom < p->length)
		FAILED("%u bytes behind %u in a buffer of %u", p->length, p->headroom, p->size);
	__asm__ volatile("" : : "r"(data[0] ^ data[p->length - 1]));
}

/* Receives up to count packets and checks each: whatever the device writes, a packet that comes is well-formed. */
OK_UNUSED static uint16_t session_receive(uint16_t count)
{
	struct vionet_packet *packets[32];
	if (session.held_count + count > HELD)
		session_free(HELD);
	uint16_t got = vionet_rx_burst(session.port, 0, packets, count);
	yes(got <= count);
	for (uint16_t n = 0; n < got; n++) {
		uint32_t total = 0, segments = 0;
		for (const struct vionet_packet *p = packets[n]; p != NULL; p = p->next, segments++) {
			session_look(p, segments == 0 ? 14 : 1, segments == 0 ? BUFFER : BUFFER + HEADER);
			total += p->length;
			yes(segments < session.size);
		}
		same(segments, packets[n]->segments);
		same(total, packets[n]->total_length);
		same(packets[n]->port, session.port);
		if (packets[n]->flags & VIONET_PACKET_CHECKSUM_PARTIAL)
			yes((uint32_t)packets[n]->checksum_start + packets[n]->checksum_offset + 2 <= total);
		session.held[session.held_count++] = packets[n];
	}
	session.received += got;
	return got;
}

/* Sends packets of the pool, some of them chains, and frees those that were not taken. */
OK_UNUSED static void session_send(uint16_t count, uint8_t chained)
{
	struct vionet_packet *packets[32], *tail;
	uint16_t made = vionet_packet_alloc_bulk(session.pool, packets, count), sent;
	for (uint16_t n = 0; n < made; n++) {
		vionet_packet_append(packets[n], 60);
		for (int more = chained >> (n & 7) & 1 ? 3 : 0; more > 0; more--)
			if ((tail = vionet_packet_alloc(session.pool)) != NULL) {
				vionet_packet_append(tail, 20);
				same(vionet_packet_chain(packets[n], tail), 0);
			}
	}
	sent = vionet_tx_burst(session.port, 0, packets, made);
	yes(sent <= made);
	vionet_packet_free_bulk(packets + sent, (uint16_t)(made - sent));
}

/* Returns the number of broken queues, and requires as many events and the right state. */
OK_UNUSED static int session_is_broken(void)
{
	struct vionet_stats stats = stats_of(session.port);
	int broken = (int)(stats.rx.broken + stats.tx.broken);
	same(session.broken_events, broken);
	same(info_of(session.port).state, broken > 0 ? VIONET_STATE_BROKEN : VIONET_STATE_STARTED);
	same(pool_of(session.pool).refused, 0);
	return broken;
}

OK_UNUSED static void session_restart(void)
{
	session.broken += (uint32_t)session.broken_events;
	ok(vionet_stop(session.port));
	session_start();
}

#endif
