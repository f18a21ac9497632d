/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watcher of a port is told of every packet that bursts receive, take and drop, in all kinds of queues, once, and with
 * the reason of a drop.
 */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/frame.h"
#include "../support/watcher.h"

static const char *const kinds[] = {"", ",packed_vq=1", ",in_order=0", ",size_stats=1", ",check_threads=1",
	",packed_vq=1,in_order=0,size_stats=1,check_threads=1", ",tx_software=1,rx_csum=0", ",mrg_rxbuf=0"};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), ROUNDS = 50, IN_ROUND = 100 };

static const char *kind_title(unsigned int row)
{
	static char title[120];
	snprintf(title, sizeof(title), "a watcher sees all that is sent and received: soft:loopback%s", kinds[row]);
	return title;
}

/* Packets with the numbers from `number` on go round once. */
static void round_trip(uint32_t number, uint16_t count)
{
	struct vionet_packet *packets[256];
	yes(count <= 256);
	for (uint16_t i = 0; i < count; i++)
		packets[i] = frame_packet(pool, 60 + i, number + i);
	send_all(port, packets, count);
	receive_all(port, packets, count);
	vionet_packet_free_bulk(packets, count);
}

CASES(KINDS, kind_title)
{
	char address[128];
	uint64_t sum = 0;
	snprintf(address, sizeof(address), "soft:loopback%s", kinds[row]);
	open_port(address);
	round_trip(7, IN_ROUND); /* unseen */
	ok(vionet_watch_set(port, watch, &seen));
	for (uint32_t i = 0; i < ROUNDS; i++) {
		round_trip(1000 * i, IN_ROUND);
		sum += IN_ROUND * 1000ull * i + IN_ROUND * (IN_ROUND - 1) / 2;
		if (i == ROUNDS / 2) { /* it stays through a stop */
			ok(vionet_stop(port));
			ok(vionet_start(port));
		}
	}
	ok(vionet_watch_set(port, NULL, NULL));
	round_trip(7, IN_ROUND); /* unseen */
	same(seen.received, ROUNDS * IN_ROUND);
	same(seen.taken, ROUNDS * IN_ROUND);
	yes(seen.offered >= seen.taken);
	same(seen.received_numbers, sum);
	same(seen.taken_numbers, sum);
	same(seen.tx_dropped + seen.rx_dropped + seen.unreadable, 0);
	same(stats_of(port).rx.packets, (ROUNDS + 2) * IN_ROUND);
	close_port();
}

/* Six packets that cannot be sent, and what the watcher is to be told; four more are sent. */
static void send_mixed(void)
{
	static unsigned char foreign[64];
	struct vionet_packet *packets[10];
	for (uint32_t i = 0; i < 10; i++)
		packets[i] = frame_packet(pool, 60, 100 + i);
	packets[1]->length = packets[1]->total_length = 3;
	packets[3]->length = packets[3]->total_length = 100000;
	packets[4]->data = (void *)(uintptr_t)64;
	packets[6]->segments = 60;
	vionet_packet_free(packets[7]);
	packets[7] = NULL;
	vionet_packet_free(packets[9]);
	packets[9] = (struct vionet_packet *)(void *)foreign;
	same(vionet_tx_burst(port, 0, packets, 10), 10);
}

static const char *drops_title(unsigned int row)
{
	static char title[120];
	snprintf(title, sizeof(title), "a watcher is told which packets are dropped, and why: soft:sink%s", kinds[row]);
	return title;
}

CASES(KINDS, drops_title)
{
	char address[128];
	snprintf(address, sizeof(address), "soft:sink%s", kinds[row]);
	open_port(address);
	send_mixed();
	ok(vionet_watch_set(port, watch, &seen));
	send_mixed();
	ok(vionet_watch_set(port, NULL, NULL));
	same(seen.offered, 10);
	same(seen.unreadable, 5); /* 1 is short and can be read */
	same(seen.taken, 4);
	same(seen.taken_numbers, 100 + 102 + 105 + 108);
	same(seen.tx_dropped, 6);
	same(seen.tx_reasons[VIONET_DROP_EMPTY], 1);
	same(seen.tx_reasons[VIONET_DROP_LONG], 2);
	same(seen.tx_reasons[VIONET_DROP_SEGMENTS], 1);
	same(seen.tx_reasons[VIONET_DROP_FOREIGN], 2);
	same(stats_of(port).tx.dropped[VIONET_DROP_LONG], 4);
	close_port();
}

CASE("a full ring gives packets back, which are offered again and taken once; a dropped frame has its reason")
{
	struct vionet_packet *packets[600], *back;
	struct peer p;
	unsigned char frame[100];
	pool = pool_made(4096);
	peer_start(&p);
	port = peer_port(&p, pool, 0, "size_stats=1");
	ok(vionet_watch_set(port, watch, &seen));
	for (uint32_t i = 0; i < 600; i++)
		packets[i] = frame_packet(pool, 100, i);
	uint16_t sent = vionet_tx_burst(port, 0, packets, 600);
	yes(sent > 64 && sent < 600);
	same(seen.taken, sent);
	yes(seen.offered > seen.taken && seen.offered <= seen.taken + 64);
	same(stats_of(port).tx.ring_full, 600u - sent);
	for (int i = 0; i < 10; i++)
		same(collect(&p, frame, sizeof(frame)), 100);
	same(vionet_tx_burst(port, 0, packets + sent, 10), 10);
	same(seen.taken, sent + 10u);
	same(seen.taken_numbers, (sent + 10ull) * (sent + 9) / 2);
	vionet_packet_free_bulk(packets + sent + 10, (uint16_t)(600 - sent - 10));

	frame_fill(frame, sizeof(frame), 5);
	give_back(&p, RX, take(&p, RX), 20);
	give_back(&p, RX, take(&p, RX), 20);
	(void)deliver(&p, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &back, 1), 1);
	vionet_packet_free(back);
	same(seen.received, 1);
	same(seen.received_numbers, 5);
	same(seen.rx_dropped, 2);
	same(seen.rx_reasons[VIONET_DROP_SHORT], 2);
	peer_port_end(&p, port, pool);
}
