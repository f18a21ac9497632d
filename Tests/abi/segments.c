/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of many segments, of uneven lengths and from two pools: they come back as one frame, whole. */
#include "../support/cases.h"
#include "../support/frame.h"

static uint16_t port, pool, other;

/* A frame in pieces whose lengths follow from the number. */
static struct vionet_packet *in_pieces(uint32_t length, int pieces, uint32_t number)
{
	unsigned char whole[2000];
	struct vionet_packet *head = NULL;
	uint32_t at = 0, x = number + 1;

	frame_fill(whole, length, number);
	for (int i = 0; i < pieces; i++) {
		uint32_t most = length - at - (uint32_t)(pieces - i - 1); /* a byte at least for each that follows */
		x = x * 1664525u + 1013904223u;
		uint32_t n = i + 1 == pieces ? most : 1 + (x >> 8) % (most < 200 ? most : 200);
		struct vionet_packet *p = vionet_packet_alloc(i % 2 ? other : pool);
		yes(p != NULL);
		memcpy(vionet_packet_append(p, n), whole + at, n);
		at += n;
		if (head == NULL)
			head = p;
		else
			same(vionet_packet_chain(head, p), 0);
	}
	same(at, length);
	same(head->segments, pieces);
	same(head->total_length, length);
	return head;
}

static void one_by_one(void)
{
	static const int pieces[] = {1, 2, 3, 5, 17, 63, 64};
	uint64_t bytes = 0, frames = 0;

	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t length = 78 + round % 1437;
		struct vionet_packet *p = in_pieces(length, pieces[round % 7], round), *back;
		send_all(port, &p, 1);
		receive_all(port, &back, 1);
		same(back->total_length, length);
		same(back->segments, 1);
		yes(frame_right(back->data, length, round));
		vionet_packet_free(back);
		bytes += length;
		frames++;
	}
	same(stats_of(port).tx.packets, frames);
	same(stats_of(port).tx.bytes, bytes);
	same(stats_of(port).rx.bytes, bytes);
}

static void more_than_the_ring(void)
{
	struct vionet_packet *burst[8], *back[8];
	for (uint32_t i = 0; i < 8; i++)
		burst[i] = in_pieces(500, 64, i);
	uint64_t full = stats_of(port).tx.ring_full;
	uint16_t sent = vionet_tx_burst(port, 0, burst, 8);
	yes(sent >= 1 && sent <= 8);
	same(stats_of(port).tx.ring_full, full + 8u - sent);
	send_all(port, burst + sent, (uint16_t)(8 - sent));
	receive_all(port, back, 8);
	for (uint32_t i = 0; i < 8; i++)
		yes(back[i]->length == 500 && frame_right(back[i]->data, 500, i));
	vionet_packet_free_bulk(back, 8);
}

static void longer_than_the_ring(void)
{
	struct vionet_packet *burst[2], *back[1];
	burst[0] = in_pieces(500, 17, 1);
	burst[1] = in_pieces(500, 16, 2);
	send_all(port, burst, 2);
	same(stats_of(port).tx.dropped[VIONET_DROP_SEGMENTS], 1);
	receive_all(port, back, 1);
	yes(frame_right(back[0]->data, 500, 2));
	vionet_packet_free(back[0]);
}

static void begin(uint16_t tx_descriptors)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	pool = pool_made(1024);
	other = pool_made(1024);
	ok(vionet_probe("soft:loopback", &port));
	config.pool = pool;
	config.tx_descriptors = tx_descriptors;
	ok(vionet_init(port, &config));
	ok(vionet_pool_share(other, port));
	ok(vionet_start(port));
}

AFTER_EACH
{
	vionet_close(port);
	same(pool_of(pool).available, 1024);
	same(pool_of(other).available, 1024);
}

CASE("packets of up to 64 segments come back as one frame")
{
	begin(0);
	one_by_one();
}

CASE("what does not fit into the ring stays the caller's")
{
	begin(0);
	more_than_the_ring();
}

CASE("a packet with more segments than the ring has descriptors is dropped")
{
	begin(16);
	longer_than_the_ring();
}
