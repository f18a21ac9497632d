/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters: per queue and in all, ring full, no buffer, unsent at a stop, reset; and that a stop keeps them. */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/frame.h"

static struct vionet_queue_stats queue_of(uint16_t port, int direction)
{
	struct vionet_queue_stats stats = VIONET_SIZED(struct vionet_queue_stats);
	ok(direction == RX ? vionet_rx_queue_stats(port, 0, &stats) : vionet_tx_queue_stats(port, 0, &stats));
	return stats;
}

static void agree(struct vionet_queue_stats *a, struct vionet_queue_stats *b)
{
	a->size = b->size = 0;
	yes(memcmp(a, b, sizeof(*a)) == 0);
}

/* The device takes nothing at first: the ring fills, and the rest stays ours. */
CASE("a full ring is counted, and packets unsent at a stop")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[64];
	unsigned char frame[2000];
	struct peer p;
	char address[100];
	uint16_t port, pool = pool_made(256);

	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s,queue_size=32", p.path);
	ok(vionet_probe(address, &port));
	config.pool = pool;
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	for (uint32_t i = 0; i < 64; i++)
		packets[i] = frame_packet(pool, 60, i);
	same(vionet_tx_burst(port, 0, packets, 64), 32);
	same(stats_of(port).tx.ring_full, 32);
	same(vionet_tx_burst(port, 0, packets + 32, 10), 0);
	same(stats_of(port).tx.ring_full, 32); /* the same packets again */
	yes(stats_of(port).tx.kicks >= 1);
	for (uint32_t i = 0; i < 5; i++) {
		same(collect(&p, frame, sizeof(frame)), 60);
		yes(frame_right(frame, 60, i));
	}
	same(vionet_tx_burst(port, 0, packets + 32, 10), 5);
	vionet_packet_free_bulk(packets + 37, 64 - 37);
	ok(vionet_stop(port));
	struct vionet_stats stats = stats_of(port);
	same(stats.tx.dropped[VIONET_DROP_STOPPED], 32);
	same(stats.tx.packets, 37); /* handed over; of those the 32 may never have been sent */
	vionet_close(port);
	same(pool_of(pool).available, 256);
	peer_end(&p);
	ok(vionet_pool_destroy(pool));
}

CASE("receiving without buffers is counted, and goes on when buffers are back")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[64], *held[64];
	uint16_t port, held_count = 0, pool = pool_made(64), other = pool_made(1024);
	const uint16_t ring = 32;
	uint32_t next = 0;

	ok(vionet_probe("soft:loopback", &port));
	config.pool = pool;
	config.rx_descriptors = ring;
	ok(vionet_init(port, &config));
	ok(vionet_pool_share(other, port));
	ok(vionet_start(port));
	while ((held[held_count] = vionet_packet_alloc(pool)) != NULL)
		held_count++;
	/* What is received is kept until no buffer can take its place. */
	while (stats_of(port).rx.no_buffer < 10) {
		yes(held_count < 64);
		packets[0] = frame_packet(other, 60, next++);
		yes(packets[0] != NULL);
		send_all(port, packets, 1);
		receive_all(port, &held[held_count++], 1);
	}
	for (int i = 0; i < held_count; i++)
		vionet_packet_free(held[i]);
	/* Buffers are back: receiving works again, for many times the ring. */
	for (int i = 0; i < 200; i++) {
		packets[0] = frame_packet(other, 60, next);
		send_all(port, packets, 1);
		receive_all(port, packets, 1);
		yes(frame_right(packets[0]->data, 60, next++));
		vionet_packet_free(packets[0]);
	}
	vionet_close(port);
	same(pool_of(pool).available, 64);
	same(pool_of(other).available, 1024);
	ok(vionet_pool_destroy(pool));
	ok(vionet_pool_destroy(other));
}

CASE("frames that were not fetched are counted at a stop")
{
	struct vionet_packet *packets[10];
	struct vionet_soft_stats device = VIONET_SIZED(struct vionet_soft_stats);
	char path[64], address[80];
	uint16_t number;
	snprintf(path, sizeof(path), "/tmp/vionet-statistics-%d.sock", getpid());
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	ok(vionet_soft_serve(path, "loopback", &number));
	uint16_t port = opened(address);
	for (uint32_t i = 0; i < 10; i++)
		packets[i] = frame_packet(0, 60, i);
	send_all(port, packets, 10);
	soon((vionet_soft_stats(number, &device), device.to_driver == 10));
	receive_all(port, packets, 1);
	vionet_packet_free(packets[0]);
	ok(vionet_stop(port));
	struct vionet_stats stats = stats_of(port);
	same(stats.tx.packets, 10);
	same(stats.tx.dropped[VIONET_DROP_STOPPED], 0);
	same(stats.rx.packets, 1);
	same(stats.rx.dropped[VIONET_DROP_STOPPED], 9);
	vionet_close(port);
	vionet_soft_stop(number);
}

CASE("queues and port count the same, over a stop, until a reset")
{
	struct vionet_packet *packets[32];
	uint16_t port = opened("soft:loopback");

	for (uint32_t i = 0; i < 32; i++)
		packets[i] = frame_packet(0, 100, i);
	send_all(port, packets, 32);
	receive_all(port, packets, 32);
	vionet_packet_free_bulk(packets, 32);
	struct vionet_queue_stats rx = queue_of(port, RX), tx = queue_of(port, TX);
	struct vionet_stats all = stats_of(port);
	same(rx.packets, 32);
	same(tx.bytes, 3200);
	same(rx.broken, 0);
	agree(&rx, &all.rx);
	agree(&tx, &all.tx);
	ok(vionet_stop(port));
	same(stats_of(port).rx.packets, 32);
	ok(vionet_start(port));
	same(stats_of(port).rx.packets, 32);
	ok(vionet_stats_reset(port));
	struct vionet_stats zero = stats_of(port), none = {0};
	zero.size = zero.rx.size = zero.tx.size = 0;
	yes(memcmp(&zero, &none, sizeof(none)) == 0);
	packets[0] = frame_packet(0, 77, 1);
	send_all(port, packets, 1);
	receive_all(port, packets, 1);
	vionet_packet_free(packets[0]);
	same(stats_of(port).rx.packets, 1);
	same(stats_of(port).rx.bytes, 77);
	vionet_close(port);
}
