/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile device that writes invalid values into the used ring: the queue is broken and says so, no packet is handed
 * out twice or with more bytes than were posted, nothing is lost, and the port can be brought up again.
 */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/frame.h"

enum { PACKETS = 1024, RING = 64 };

static struct peer p;
static uint16_t port, pool;
static int broken_events;
static unsigned char frame[2000];

static void on_event(uint16_t which, int event, void *user)
{
	(void)user;
	if (which == port && event == VIONET_EVENT_BROKEN)
		broken_events++;
}

static void up(void)
{
	peer_start(&p);
	port = peer_port(&p, pool, 0, "queue_size=%d", RING);
	soon(waiting(&p, RX) == RING);
	broken_events = 0;
}

static void down(void) { peer_port_end(&p, port, pool); }

static uint16_t receive(struct vionet_packet **packets)
{
	return vionet_rx_burst(port, 0, packets, 32);
}

/* Frames from before the fault may have come. The port is broken, stays so, and comes back when it is started. */
static void is_broken(const char *what, int direction)
{
	struct vionet_packet *packets[32];
	uint16_t n = 0;
	if (direction == RX)
		for (int i = 0; i < 3; i++)
			for (n = receive(packets); n > 0; n--)
				vionet_packet_free(packets[n - 1]);
	else
		for (int i = 0; i < 3; i++) {
			packets[0] = frame_packet(pool, 60, 1);
			if (vionet_tx_burst(port, 0, packets, 1) == 0)
				vionet_packet_free(packets[0]);
		}
	struct vionet_stats stats = stats_of(port);
	if ((direction == RX ? stats.rx.broken : stats.tx.broken) != 1)
		FAILED("%s: the queue is not counted as broken", what);
	if (info_of(port).state != VIONET_STATE_BROKEN)
		FAILED("%s: the port's state is %u", what, info_of(port).state);
	if (broken_events != 1)
		FAILED("%s: %d events", what, broken_events);
	for (int i = 0; i < 100; i++)
		same(receive(packets), 0);

	ok(vionet_stop(port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	soon(p.ring[TX].enabled && waiting(&p, RX) > 0);
	frame_fill(frame, 100, 7);
	deliver(&p, frame, 100);
	same(receive(packets), 1);
	yes(frame_right(packets[0]->data, 100, 7));
	vionet_packet_free(packets[0]);
	same(info_of(port).state, VIONET_STATE_STARTED);
}

CASE("a used id or index beyond the ring breaks the receive queue")
{
	static const uint32_t ids[] = {RING, RING + 1, 0xffff, 0x10000, 0x80000000, 0xffffffff};
	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		up();
		give_back(&p, RX, ids[i], 100);
		is_broken("an id beyond the ring", RX);
		down();
	}
	static const uint16_t jumps[] = {RING + 1, 1000, 0x8000, 0xffff};
	for (unsigned int i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		up();
		publish(&p, RX, jumps[i]);
		is_broken("an index that jumps", RX);
		down();
	}
}

/* What was handed out does not change either. */
CASE("a buffer that is given back twice is handed out once")
{
	struct vionet_packet *packets[RING * 4];
	uint16_t got = 0;
	up();
	frame_fill(frame, 200, 3);
	uint16_t id = deliver(&p, frame, 200);
	for (int i = 0; i < 40; i++) {
		give_back(&p, RX, id, HEADER + 60);
		if (i % 3 == 0)
			got = (uint16_t)(got + receive(packets + got));
	}
	yes(got >= 1);
	yes(frame_right(packets[0]->data, 200, 3));
	for (uint16_t i = 0; i < got; i++)
		for (uint16_t j = 0; j < i; j++) {
			yes(packets[i] != packets[j]);
			yes(packets[i]->data != packets[j]->data);
		}
	vionet_packet_free_bulk(packets, got);
	same(pool_of(pool).refused, 0);
	down();
}

/* Too short for both headers, or longer than the buffer. */
CASE("a length that cannot be is dropped and counted")
{
	struct vionet_packet *packets[32];
	static const uint32_t lengths[] = {0, 1, HEADER - 1, HEADER, HEADER + 13, 0, 65536, 0x7fffffff, 0xffffffff};
	up();
	for (unsigned int i = 0; i < 9; i++) {
		uint16_t id = take(&p, RX);
		give_back(&p, RX, id, i == 5 ? descriptors(&p, RX)[id].len + 1 : lengths[i]);
	}
	frame_fill(frame, 60, 9);
	deliver(&p, frame, 60);
	uint16_t got = 0;
	for (int i = 0; i < 10 && got == 0; i++)
		got = receive(packets);
	same(got, 1);
	yes(frame_right(packets[0]->data, 60, 9));
	vionet_packet_free(packets[0]);
	same(stats_of(port).rx.dropped[VIONET_DROP_SHORT], 5);
	same(stats_of(port).rx.dropped[VIONET_DROP_LONG], 4);
	same(stats_of(port).rx.packets, 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	down();
}

CASE("a used entry that was not sent breaks the transmit queue")
{
	for (int way = 0; way < 3; way++) {
		struct vionet_packet *packets[8];
		up();
		for (uint32_t i = 0; i < 8; i++)
			packets[i] = frame_packet(pool, 60, i);
		send_all(port, packets, 8);
		for (uint32_t i = 0; i < 4; i++) {
			same(collect(&p, frame, sizeof(frame)), 60);
			yes(frame_right(frame, 60, i));
		}
		if (way == 0)
			give_back(&p, TX, RING + 5, 0);
		else if (way == 1)
			publish(&p, TX, (uint16_t)(used(&p, TX)->idx + RING + 1));
		else
			for (int i = 0; i < RING; i++)
				give_back(&p, TX, 0, 0);
		/* The driver may look at the used ring only when it needs room. */
		for (int i = 0; i < 3 * RING && stats_of(port).tx.broken == 0; i++) {
			packets[0] = frame_packet(pool, 60, 1);
			if (vionet_tx_burst(port, 0, packets, 1) == 0)
				vionet_packet_free(packets[0]);
		}
		is_broken("an entry that was not sent", TX);
		down();
	}
}

BEFORE_EACH
{
	pool = pool_made(PACKETS);
	ok(vionet_event_add(on_event, NULL));
}

AFTER_EACH
{
	ok(vionet_event_remove(on_event, NULL));
	ok(vionet_pool_destroy(pool));
}
