/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every kind of ring, end to end against a scripted device: what is negotiated and how the paths are called, frames of all
 * lengths both ways, chains and tables, merged buffers, one used entry for many buffers, collecting on demand, sleep.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/rings.h"

#include <poll.h>

enum { PACKETS = 2048 };

static const struct row {
	const char *options, *rx, *tx;
	uint64_t features;
	uint32_t ring, size;
} rows[] = {
	{"queue_size=64", "rx-split-plain", "tx-split-plain", 0, VIONET_RING_SPLIT, 64},
	{"queue_size=64,in_order=0,mrg_rxbuf=1", "rx-split-mergeable", "tx-split-plain",
	 BIT(F_MRG_RXBUF) | BIT(F_IN_ORDER) | BIT(F_PACKED) | BIT(F_EVENT_IDX), VIONET_RING_SPLIT, 64},
	{"queue_size=64,event_idx=1", "rx-split-in-order", "tx-split-in-order",
	 BIT(F_IN_ORDER) | BIT(F_INDIRECT) | BIT(F_EVENT_IDX), VIONET_RING_SPLIT, 64},
	{"queue_size=64,event_idx=0", "rx-split-in-order", "tx-split-in-order",
	 BIT(F_IN_ORDER) | BIT(F_INDIRECT) | BIT(F_EVENT_IDX), VIONET_RING_SPLIT, 64},
	{"queue_size=64,mrg_rxbuf=1", "rx-split-in-order-mergeable", "tx-split-in-order",
	 BIT(F_IN_ORDER) | BIT(F_MRG_RXBUF) | BIT(F_INDIRECT) | BIT(F_EVENT_IDX), VIONET_RING_SPLIT, 64},
	{"queue_size=64,packed_vq=1", "rx-packed-plain", "tx-packed-plain", BIT(F_PACKED), VIONET_RING_PACKED, 64},
	{"queue_size=60,packed_vq=1,mrg_rxbuf=1,in_order=0", "rx-packed-mergeable", "tx-packed-plain",
	 BIT(F_PACKED) | BIT(F_IN_ORDER) | BIT(F_MRG_RXBUF) | BIT(F_EVENT_IDX) | BIT(F_INDIRECT), VIONET_RING_PACKED, 60},
	{"queue_size=61,packed_vq=1", "rx-packed-in-order", "tx-packed-in-order",
	 BIT(F_PACKED) | BIT(F_IN_ORDER) | BIT(F_INDIRECT), VIONET_RING_PACKED, 61},
	/* The device says that its MTU is 9000. */
	{"queue_size=64,mrg_rxbuf=0", "rx-split-scatter", "tx-split-plain", BIT(F_MRG_RXBUF) | BIT(F_INDIRECT),
	 VIONET_RING_SPLIT, 64},
	{"queue_size=64", "rx-split-in-order-scatter", "tx-split-in-order", BIT(F_IN_ORDER) | BIT(F_INDIRECT),
	 VIONET_RING_SPLIT, 64},
	{"queue_size=61,packed_vq=1", "rx-packed-scatter", "tx-packed-plain", BIT(F_PACKED) | BIT(F_INDIRECT),
	 VIONET_RING_PACKED, 61},
	{"queue_size=61,packed_vq=1", "rx-packed-in-order-scatter", "tx-packed-in-order",
	 BIT(F_PACKED) | BIT(F_IN_ORDER) | BIT(F_INDIRECT), VIONET_RING_PACKED, 61},
	{"queue_size=255,packed_vq=1,mrg_rxbuf=1", "rx-packed-in-order-mergeable", "tx-packed-in-order",
	 BIT(F_PACKED) | BIT(F_IN_ORDER) | BIT(F_MRG_RXBUF) | BIT(F_EVENT_IDX), VIONET_RING_PACKED, 255},
};

static struct peer p;
static uint16_t port, pool;
static const unsigned char no_header[HEADER];
static unsigned char bytes[70000], frame[70000];

static void up(const struct row *row)
{
	peer_start(&p);
	p.features |= row->features;
	if (strstr(row->rx, "scatter") != NULL) {
		p.config[10] = 9000 & 0xff;
		p.config[11] = 9000 >> 8;
	}
	port = peer_port(&p, pool, 0, "%s", row->options);
	struct vionet_info info = info_of(port);
	same(info.ring, row->ring);
	same(info.rx_descriptors, row->size);
	same(info.tx_descriptors, row->size);
	same(p.ring[RX].size, row->size);
	if (strcmp(info.rx_path, row->rx) != 0 || strcmp(info.tx_path, row->tx) != 0)
		FAILED("%s: the paths are %s and %s", row->options, info.rx_path, info.tx_path);
	/* Features that the options forbid or the ring does not need are not accepted. */
	same(has(&p, F_PACKED), row->ring == VIONET_RING_PACKED);
	same(has(&p, F_IN_ORDER), strstr(row->rx, "in-order") != NULL);
	same(has(&p, F_MRG_RXBUF), strstr(row->rx, "mergeable") != NULL);
	same(has(&p, F_INDIRECT), (row->features & BIT(F_INDIRECT)) != 0);
	same(has(&p, F_EVENT_IDX), (row->features & BIT(F_EVENT_IDX)) != 0 && strstr(row->options, "event_idx=0") == NULL);
	same(info.negotiated[0] & ~p.negotiated, 0);
}

static void down(void) { peer_port_end(&p, port, pool); }

static void is_frame(struct vionet_packet *packet, uint32_t number)
{
	uint32_t at = 0;
	for (struct vionet_packet *s = packet; s != NULL; at += s->length, s = s->next)
		memcpy(bytes + at, s->data, s->length);
	same(at, packet->total_length);
	same(frame_number(bytes), number);
	yes(frame_right(bytes, at, number));
}

/* Frames from the device in groups of all sizes, some of them in several buffers, fetched in bursts of all sizes. */
static void receives(uint32_t frames)
{
	struct vionet_packet *packets[64];
	uint32_t sent = 0, got = 0;
	while (got < frames) {
		for (uint32_t group = 1 + sent % 17; group > 0 && sent < frames; group--, sent++) {
			int scattered = info_of(port).mtu == 9000, long_too = scattered || has(&p, F_MRG_RXBUF);
			uint32_t length = long_too && sent % 5 == 0 ? 1900 + sent % 7100 : 60 + sent % 1455;
			frame_fill(frame, length, sent);
			deliver_in(&p, RX, scattered ? 1 : (HEADER + length + 1995) / 1996, no_header, frame, length);
		}
		while (got < sent) {
			uint16_t n = vionet_rx_burst(port, 0, packets, (uint16_t)(1 + got % 40));
			if (n == 0)
				FAILED("%u frames were delivered and %u arrived", sent, got);
			for (uint16_t i = 0; i < n; i++)
				is_frame(packets[i], got++);
			vionet_packet_free_bulk(packets, n);
		}
	}
	same(stats_of(port).rx.packets, frames);
	same(stats_of(port).rx.no_buffer, 0);
	same(info_of(port).state, VIONET_STATE_STARTED);
}

/* A frame in pieces of nearly equal length. */
static struct vionet_packet *in_pieces(uint32_t pieces, uint32_t length, uint32_t number)
{
	struct vionet_packet *head = NULL;
	frame_fill(frame, length, number);
	for (uint32_t i = 0; i < pieces; i++) {
		uint32_t from = length * i / pieces, to = length * (i + 1) / pieces;
		struct vionet_packet *s = vionet_packet_alloc(pool);
		yes(s != NULL);
		memcpy(vionet_packet_append(s, to - from), frame + from, to - from);
		if (head == NULL)
			head = s;
		else
			same(vionet_packet_chain(head, s), 0);
	}
	return head;
}

/* Packets of 1 to 12 segments; with IN_ORDER the device uses them in batches. */
static void sends(uint32_t frames)
{
	static struct buffer b[64];
	static const uint32_t pieces[] = {1, 1, 2, 8, 9, 1, 3, 12};
	uint32_t sent = 0, got = 0;
	while (got < frames) {
		uint32_t batch = 0, descriptors = 0;
		for (uint32_t group = 1 + got % 5; group > 0 && sent < frames; group--, sent++) {
			struct vionet_packet *one = in_pieces(pieces[sent % 8], 60 + sent % 1455, sent);
			send_all(port, &one, 1);
		}
		for (uint32_t n; (n = collect_in(&p, TX, &b[batch], bytes, sizeof(bytes))) > 0; batch++, got++) {
			same(n, HEADER + 60 + got % 1455);
			yes(memcmp(bytes, no_header, HEADER) == 0);
			same(frame_number(bytes + HEADER), got);
			yes(frame_right(bytes + HEADER, n - HEADER, got));
			int in_table = has(&p, F_INDIRECT) && pieces[got % 8] > 1 && pieces[got % 8] <= 8;
			same(b[batch].descriptors, in_table ? 1 : pieces[got % 8]);
			descriptors += b[batch].descriptors;
		}
		same(got, sent);
		same(vionet_tx_done(port, 0), 0);
		if (has(&p, F_IN_ORDER))
			use_buffers(&p, TX, b, batch, 0);
		else
			for (uint32_t i = batch; i > 0; i--) /* backwards: any order is right */
				use_buffers(&p, TX, &b[i - 1], 1, 0);
		same(vionet_tx_done(port, 0), descriptors);
		same(vionet_tx_done(port, 0), 0);
	}
	same(stats_of(port).tx.packets, frames);
	same(vionet_tx_done(port, 1), 0);
}

/* The device signals once when the queue is armed, and not while it is polled. */
static void sleeps(uint32_t already)
{
	struct vionet_packet *packets[8];
	struct pollfd one = {.fd = vionet_rx_fd(port, 0), .events = POLLIN};
	for (uint32_t round = 0; round < 100; round++) {
		same(vionet_rx_arm(port, 0), 0);
		if (round % 10 == 0)
			same(poll(&one, 1, 1), 0);
		frame_fill(frame, 60, round);
		deliver_in(&p, RX, 1, no_header, frame, 60);
		same(poll(&one, 1, LONG_WAIT), 1);
		same(vionet_rx_arm(port, 0), 1);
		same(vionet_rx_burst(port, 0, packets, 8), 1);
		vionet_packet_free(packets[0]);
		deliver_in(&p, RX, 1, no_header, frame, 60);
		if (round % 10 == 0)
			same(poll(&one, 1, 1), 0);
		same(vionet_rx_burst(port, 0, packets, 8), 1);
		vionet_packet_free(packets[0]);
	}
	same(stats_of(port).rx.packets, already + 200);
}

static const char *title(unsigned int row)
{
	static char text[120];
	snprintf(text, sizeof(text), "%s and %s, %s", rows[row].rx, rows[row].tx, rows[row].options);
	return text;
}

CASES(sizeof(rows) / sizeof(rows[0]), title)
{
	pool = pool_made(PACKETS);
	up(&rows[row]);
	receives(1500);
	sends(1500);
	sleeps(1500);
	/* And again after a stop: the rings are new. */
	ok(vionet_stop(port));
	ok(vionet_start(port));
	soon(p.ring[TX].enabled && p.ring[RX].enabled);
	ok(vionet_stats_reset(port));
	receives(300);
	sends(300);
	down();
	ok(vionet_pool_destroy(pool));
}
