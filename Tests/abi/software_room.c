/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Software offloads where there is too little room: in the ring, for the ring, in the pool. A packet is sent whole or not
 * at all. And headers of any kind, from which every packet comes back.
 */
#include "../support/cases.h"
#include "../support/software.h"

POOL_OF_EACH_CASE

static void fill_ring(uint32_t leave)
{
	struct vionet_packet *one;
	for (uint32_t i = leave; i < 64; i++) {
		one = packet_of(want, 60, in_one);
		send_one(one);
	}
}

CASE("a packet whose segments do not all fit into the ring is given back unchanged, and sent later")
{
	struct description d = frames[1]; /* 11 segments of 100 bytes, two descriptors each */
	for (int ring = 0; ring < RINGS; ring++) {
		char options[100];
		uint32_t each = rings[ring].features & BIT(F_INDIRECT) ? 1 : 2, need = 11 * each;
		static struct buffer b[64];
		snprintf(options, sizeof(options), "queue_size=64%s", rings[ring].options + strlen("queue_size=256"));
		up(options, rings[ring].features);
		memset(want, 0x99, 60);
		struct vionet_packet *one = large_packet(&d, 100, in_one), before = *one;
		fill_ring(need - 1);
		for (int i = 0; i < 3; i++) {
			same(vionet_tx_burst(port, 0, &one, 1), 0);
			same(stats_of(port).tx.ring_full, 1);
			yes(memcmp(one, &before, sizeof(before)) == 0);
			yes(memcmp(one->data, frame, one->length) == 0);
		}
		for (uint32_t i = 0; i < 64 - need + 1; i++)
			yes(next_buffer(&p, TX, &b[i]));
		nothing_comes();
		use_buffers(&p, TX, &b[0], 1, 0);
		send_one(one);
		for (uint32_t i = 1; i < 64 - need + 1; i++)
			use_buffers(&p, TX, &b[i], 1, 0);
		segments_come(&d, 100, -1);
		same(dropped_in_all(), 0);
		down();
	}
}

CASE("a packet with more segments than the ring has descriptors is dropped")
{
	struct description d = frames[1];
	up("queue_size=16,tx_software=1", 0);
	is_dropped(large_packet(&d, 100, in_one), VIONET_DROP_SEGMENTS);
	send_one(large_packet(&d, 200, in_one));
	segments_come(&d, 200, -1);
	down();
	up("queue_size=16,tx_software=1", BIT(F_INDIRECT));
	send_one(large_packet(&d, 100, in_one));
	segments_come(&d, 100, -1);
	is_dropped(large_packet(&d, 50, in_one), VIONET_DROP_SEGMENTS);
	down();
}

CASE("an empty pool is a reason of its own, once no packet is on its way")
{
	static struct vionet_packet *all[PACKETS];
	struct description d = frames[1];
	for (int ring = 0; ring < RINGS; ring++) {
		uint16_t receiving = pool, other = pool_made(64), n = 0;
		static struct buffer b;
		up(rings[ring].options, rings[ring].features);
		ok(vionet_stop(port));
		ok(vionet_pool_share(other, port));
		ok(vionet_start(port));
		soon(p.ring[TX].enabled);
		pool = other;
		memset(want, 0x77, 60);
		struct vionet_packet *large = large_packet(&d, 100, in_one), *small = packet_of(want, 60, in_one);
		while ((all[n] = vionet_packet_alloc(pool)) != NULL)
			n++;
		/* Something is in the ring: it may bring packets back. */
		send_one(small);
		same(vionet_tx_burst(port, 0, &large, 1), 0);
		same(dropped_in_all(), 0);
		yes(next_buffer(&p, TX, &b));
		use_buffers(&p, TX, &b, 1, 0);
		same(vionet_tx_done(port, 0), 1);
		while ((all[n] = vionet_packet_alloc(pool)) != NULL)
			n++;
		is_dropped(large, VIONET_DROP_NO_BUFFER);
		/* As many as there must be, less one. */
		vionet_packet_free_bulk(all, 24);
		for (int i = 24; i < n; i++)
			all[i - 24] = all[i];
		n -= 24;
		large = large_packet(&d, 100, in_one);
		while (pool_of(pool).available > 21)
			all[n++] = vionet_packet_alloc(pool);
		is_dropped(large, VIONET_DROP_NO_BUFFER);
		same(pool_of(pool).available, 22);
		large = large_packet(&d, 100, in_one);
		vionet_packet_free(all[--n]);
		same(pool_of(pool).available, 22);
		send_one(large);
		segments_come(&d, 100, -1);
		vionet_tx_done(port, 0);
		vionet_packet_free_bulk(all, n);
		vionet_close(port);
		peer_end(&p);
		soon(pool_of(other).available == 64);
		same(pool_of(other).refused, 0);
		pool = receiving;
		ok(vionet_pool_destroy(other));
	}
}

CASE("vionet_config and vionet_info name the switch")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint32_t hardware = VIONET_TX_CHECKSUM | VIONET_TX_TCP4 | VIONET_TX_TCP6 | VIONET_TX_UDP | VIONET_TX_ECN;
	for (int with = 0; with < 2; with++) {
		struct description d = frames[0];
		up("queue_size=64", with ? BIT(F_CSUM) | BIT(F_HOST_TSO4) : 0);
		same(info_of(port).tx_offloads, with ? VIONET_TX_CHECKSUM | VIONET_TX_TCP4 : 0);
		ok(vionet_stop(port));
		config.pool = pool;
		config.tx_offloads = 128; /* no offload has that bit */
		err(vionet_init(port, &config), -EINVAL);
		says("tx_offloads");
		config.tx_offloads = VIONET_TX_UDP;
		err(vionet_init(port, &config), -ENOTSUP);
		says("VIRTIO_NET_F_HOST_USO");
		config.tx_offloads = VIONET_TX_TCP4;
		if (with)
			ok(vionet_init(port, &config));
		else
			err(vionet_init(port, &config), -ENOTSUP);
		config.tx_offloads = VIONET_TX_SOFTWARE | hardware;
		ok(vionet_init(port, &config));
		ok(vionet_start(port));
		same(info_of(port).tx_offloads & VIONET_TX_SOFTWARE, VIONET_TX_SOFTWARE);
		soon(p.ring[TX].enabled);
		if (!with) {
			send_one(large_packet(&d, 100, in_one));
			segments_come(&d, 100, -1);
		}
		down();
	}
}

CASE("frames are counted by size as they leave")
{
	struct description d = frames[1];
	static const char *const names[] = {"tx_q0_size_128_255_packets", "tx_q0_size_1024_1518_packets", "tx_q0_undersize_packets",
	                                    "tx_q0_size_65_127_packets"};
	static const uint64_t counts[] = {10 * 3, 0, 3 + 2, 0};
	struct vionet_packet *five[5];
	uint64_t values[100];
	up("queue_size=256,tx_software=1,size_stats=1", BIT(F_INDIRECT));
	memset(want, 0x99, 60);
	for (int i = 0; i < 5; i++)
		five[i] = i % 2 ? packet_of(want, 60, in_one) : large_packet(&d, 100, in_one);
	same(vionet_tx_burst(port, 0, five, 5), 5);
	same(stats_of(port).tx.packets, 3 * 11 + 2);
	ok(vionet_xstats(port, values, 100));
	for (int i = 0; i < 4; i++) {
		int id = vionet_xstat_id(port, names[i]);
		ok(id);
		if (values[id] != counts[i])
			FAILED("%s is %" PRIu64, names[i], values[id]);
	}
	static struct buffer b;
	while (next_buffer(&p, TX, &b))
		use_buffers(&p, TX, &b, 1, 0);
	down();
}

/* ---- anything else ----------------------------------------------------------------------------------------------- */

static uint32_t any(void)
{
	static uint32_t x = 12345;
	x = x * 1664525u + 1013904223u;
	return x >> 8;
}

CASE("headers and numbers of any kind are sent or dropped, and every packet comes back")
{
	static struct buffer b;
	for (int ring = 0; ring < RINGS; ring++) {
		up(rings[ring].options, rings[ring].features);
		for (int i = 0; i < 3000; i++) {
			struct description d = frames[any() % FRAMES];
			uint32_t length = whole_frame(&d, frame), pieces[3] = {1 + any() % 300, 1 + any() % 300, 0};
			for (uint32_t n = any() % 4; n > 0; n--)
				frame[12 + any() % (payload_at(&d) - 12)] = (unsigned char)(any() % 3 ? any() : 0xff);
			if (any() % 4 == 0)
				length = 14 + any() % (length - 14);
			if (length / ((pieces[0] + pieces[1]) / 2 + 1) > 30)
				pieces[0] = 300;
			struct vionet_packet *one = packet_of(frame, length, pieces);
			static const uint32_t kinds[] = {0, 1, 0x101, 0x401, 0x501, 0x8101, 0x100, 0x10001, 0x10101, 0xffff};
			one->flags = kinds[any() % 10];
			one->segment_size = (uint16_t)(any() % 3 ? any() % 300 : any());
			one->checksum_start = (uint16_t)(any() % 2 ? transport_at(&d) : any() % 3 ? 0 : any());
			one->checksum_offset = (uint16_t)(any() % 3 ? 16 : any());
			one->header_length = (uint16_t)(any() % 2 ? payload_at(&d) : any());
			if (any() % 3 == 0) {
				struct vionet_packet *list[300];
				int n = vionet_packet_segment(one, list, 300);
				if (n > 0)
					vionet_packet_free_bulk(list, (uint16_t)n);
			}
			if (any() % 3 == 0)
				vionet_tx_prepare(port, 0, &one, 1);
			if (any() % 5 == 0) {
				ok(vionet_packet_reference(one));
				send_one(one);
				vionet_packet_free(one);
			} else {
				send_one(one);
			}
			while (collect_in(&p, TX, &b, got, sizeof(got)) > 0)
				use_buffers(&p, TX, &b, 1, 0);
			vionet_tx_done(port, 0);
		}
		yes(stats_of(port).tx.packets > 1000 && dropped_in_all() > 100);
		down();
	}
}
