/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile device on packed rings, in order and not, and in the headers of merged frames: the queue is broken and says
 * so, no packet is handed out twice, nothing is lost, and the port comes back when it is started again.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/rings.h"

enum { PACKETS = 1024, RING = 61 };

static struct peer p;
static uint16_t port, pool;
static int broken_events;
static unsigned char frame[2000], bytes[4096];
static const unsigned char no_header[HEADER];

static void on_event(uint16_t which, int event, void *user)
{
	(void)user;
	if (which == port && event == VIONET_EVENT_BROKEN)
		broken_events++;
}

static void up(uint64_t features)
{
	peer_start(&p);
	p.features |= features | BIT(F_PACKED);
	port = peer_port(&p, pool, 0, "queue_size=%d,packed_vq=1,mrg_rxbuf=1", RING);
	broken_events = 0;
}

static void down(void) { peer_port_end(&p, port, pool); }

static uint16_t receive(void)
{
	struct vionet_packet *packets[32];
	uint16_t n = vionet_rx_burst(port, 0, packets, 32);
	for (uint16_t i = 0; i < n; i++)
		for (uint16_t j = 0; j < i; j++)
			yes(packets[i] != packets[j] && packets[i]->data != packets[j]->data);
	vionet_packet_free_bulk(packets, n);
	return n;
}

/* The port is broken, stays so, and comes back. */
static void is_broken(const char *what, int direction)
{
	for (int i = 0; i < 3; i++) {
		receive();
		struct vionet_packet *one = frame_packet(pool, 60, 1);
		if (vionet_tx_burst(port, 0, &one, 1) == 0)
			vionet_packet_free(one);
		vionet_tx_done(port, 0);
	}
	struct vionet_stats stats = stats_of(port);
	if ((direction == RX ? stats.rx.broken : stats.tx.broken) != 1 || broken_events != 1)
		FAILED("%s: the queue is not broken, or said so %d times", what, broken_events);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	for (int i = 0; i < 100; i++)
		same(direction == RX ? receive() : vionet_tx_done(port, 0), 0);
	ok(vionet_stop(port));
	ok(vionet_start(port));
	soon(p.ring[TX].enabled && p.ring[RX].enabled);
	frame_fill(frame, 100, 7);
	deliver_in(&p, RX, 1, no_header, frame, 100);
	same(receive(), 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	broken_events = 0;
}

static void wrong_ids(uint64_t features)
{
	static const uint32_t ids[] = {RING, RING + 1, 0x7fff, 0x8000, 0xffff};
	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		up(features);
		deliver_in(&p, RX, 1, no_header, frame, 60);
		use_entry(&p, RX, ids[i], 100, 1);
		is_broken("a received id beyond the ring", RX);
		for (uint32_t n = 0; n < 4; n++) {
			struct vionet_packet *one = frame_packet(pool, 60, n);
			send_all(port, &one, 1);
		}
		use_entry(&p, TX, ids[i], 0, 1);
		is_broken("a sent id beyond the ring", TX);
		down();
	}
}

/* Sent: the same id twice, and one that was not sent. */
static void wrong_completions(uint64_t features)
{
	for (int way = 0; way < 2; way++) {
		struct buffer b;
		up(features);
		for (uint32_t n = 0; n < 4; n++) {
			struct vionet_packet *one = frame_packet(pool, 60, n);
			send_all(port, &one, 1);
			yes(collect_in(&p, TX, &b, bytes, sizeof(bytes)) == HEADER + 60);
			yes(frame_right(bytes + HEADER, 60, n));
			if (n == 0)
				use_buffers(&p, TX, &b, 1, 0);
		}
		same(vionet_tx_done(port, 0), 1);
		use_entry(&p, TX, way == 0 ? 0 : 30, 0, 1);
		is_broken(way == 0 ? "an id given back twice" : "an id that was not sent", TX);
		down();
	}
}

/* num_buffers is 0, more than a packet has, more than the ring has. */
static void wrong_buffer_counts(uint64_t features)
{
	static const uint16_t counts[] = {0, RING + 1, 64, 65, 65535};
	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct buffer b;
		up(features | BIT(F_MRG_RXBUF));
		yes(next_buffer(&p, RX, &b));
		memset(b.piece[0].at, 0, HEADER);
		memcpy(b.piece[0].at + 10, &counts[i], 2);
		use_buffers(&p, RX, &b, 1, 100);
		is_broken("a wrong number of buffers", RX);
		down();
	}
}

/* Flags that no used descriptor has, and lengths that no packet has. */
static void invalid_descriptors(uint64_t features)
{
	static const uint32_t lengths[] = {0, HEADER - 1, HEADER + 13, 1997, 65536 + 100, UINT32_MAX};
	struct buffer b;
	up(features);
	struct vring_packed_desc *d = packed_ring(&p, RX);
	for (uint32_t flags = 0; flags < 3; flags++) {
		uint16_t before = d[0].flags;
		d[0].flags = (uint16_t[]){0, 0x80, 0x8000}[flags];
		same(receive(), 0);
		d[0].flags = before;
	}
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		yes(next_buffer(&p, RX, &b));
		use_buffers(&p, RX, &b, 1, lengths[i]);
		same(receive(), 0);
		same(stats_of(port).rx.dropped[VIONET_DROP_SHORT] + stats_of(port).rx.dropped[VIONET_DROP_LONG], i + 1);
	}
	frame_fill(frame, 100, 7);
	deliver_in(&p, RX, 1, no_header, frame, 100);
	same(receive(), 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	down();
}

static const uint64_t sets[] = {0, BIT(F_IN_ORDER), BIT(F_EVENT_IDX), BIT(F_IN_ORDER) | BIT(F_EVENT_IDX)};
enum { SETS = sizeof(sets) / sizeof(sets[0]) };

static const char *titled(const char *what, unsigned int row)
{
	static const char *const names[SETS] = {"", ", IN_ORDER", ", EVENT_IDX", ", IN_ORDER and EVENT_IDX"};
	static char text[100];
	snprintf(text, sizeof(text), "%s%s", what, names[row]);
	return text;
}

static const char *ids_title(unsigned int row) { return titled("a used id beyond the ring breaks its queue", row); }
static const char *sent_title(unsigned int row) { return titled("a used entry that was not sent breaks the queue", row); }
static const char *frames_title(unsigned int row) { return titled("an impossible number of buffers breaks the queue", row); }
static const char *invalid_title(unsigned int row) { return titled("flags and lengths that cannot be are no packet", row); }

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

CASES(SETS, ids_title) { wrong_ids(sets[row]); }
CASES(SETS, sent_title) { wrong_completions(sets[row]); }
CASES(SETS, frames_title) { wrong_buffer_counts(sets[row]); }
CASES(SETS, invalid_title) { invalid_descriptors(sets[row]); }
