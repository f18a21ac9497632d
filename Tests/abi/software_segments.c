/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that the library cuts into segments because the device does not, in a burst and in vionet_packet_segment().
 * Every byte of every segment is compared, and every packet comes back to its pool.
 */
#include "../support/cases.h"
#include "../support/software.h"

POOL_OF_EACH_CASE

static char segment_title[100];
static const char *title_of_segments(unsigned int row)
{
	snprintf(segment_title, sizeof(segment_title), "segments: %s", frames[row].name);
	return segment_title;
}

static void is_cut(const struct description *d, uint32_t size, const uint32_t *pieces)
{
	struct vionet_stats before = stats_of(port);
	send_one(large_packet(d, size, pieces));
	uint64_t bytes = segments_come(d, size, -1);
	same(stats_of(port).tx.packets - before.tx.packets, segments_of(d, size));
	same(stats_of(port).tx.bytes - before.tx.bytes, bytes);
	/* A tag that goes in on the way. */
	struct vionet_packet *one = large_packet(d, size, pieces);
	one->flags |= VIONET_PACKET_VLAN;
	one->vlan = 0x6123;
	send_one(one);
	segments_come(d, size, 0x6123);
	vionet_tx_done(port, 0);
	nothing_comes();
}

CASES(FRAMES, title_of_segments)
{
	static const uint32_t sizes[] = {100, 333, 8, 1400, 65535, 0};
	struct description d = frames[row];
	for (int ring = 0; ring < RINGS; ring++) {
		up(rings[ring].options, rings[ring].features);
		for (int i = 0; sizes[i] != 0; i++)
			for (int cut = 0; cut < CUTS; cut++) {
				d.payload = frames[row].payload;
				if (sizes[i] == 8 || !fits(&d, cuts[cut]))
					d.payload %= 64;
				if (fits(&d, cuts[cut]))
					is_cut(&d, sizes[i], cuts[cut]);
			}
		same(dropped_in_all(), 0);
		same(stats_of(port).tx.ring_full, 0);
		down();
	}
}

CASE("64 KiB in 34 buffers become 45 segments of 1448 bytes, whose payload is not copied")
{
	struct description d = {"", 0, 4, 0, 0, 12, ACK | PSH, 65000};
	for (int ring = 0; ring < RINGS; ring++) {
		static struct buffer b;
		up(rings[ring].options, rings[ring].features);
		for (int turn = 0; turn < 3; turn++) {
			struct vionet_packet *one = large_packet(&d, 1448, in_one);
			unsigned char *first = (unsigned char *)one->data + payload_at(&d), *at = NULL;
			send_one(one);
			if (turn == 2) {
				yes(collect_in(&p, TX, &b, got, sizeof(got)) == HEADER + 66 + 1448);
				at = b.piece[1].at;
				same(b.piece[0].length, HEADER + 66);
				/* The device sees the packet's own bytes: a change shows. */
				yes(*at == payload_byte(0));
				*first ^= 0x55;
				yes(*at == (payload_byte(0) ^ 0x55));
				use_buffers(&p, TX, &b, 1, 0);
				for (uint32_t i = 1; i < 45; i++)
					comes(segment_frame(&d, want, 1448, i));
			} else {
				segments_come(&d, 1448, -1);
			}
			vionet_tx_done(port, 0);
		}
		same(stats_of(port).tx.packets, 3 * 45);
		down();
	}
}

CASE("segments of a packet that somebody else has too leave it as it was")
{
	struct description d = frames[2];
	for (int ring = 0; ring < RINGS; ring++) {
		up(rings[ring].options, rings[ring].features);
		struct vionet_packet *one = large_packet(&d, 100, cuts[3]);
		ok(vionet_packet_reference(one));
		send_one(one);
		segments_come(&d, 100, -1);
		/* The second time the whole frame is needed again. */
		send_one(one);
		segments_come(&d, 100, -1);
		vionet_tx_done(port, 0);
		same(dropped_in_all(), 0);
		down();
	}
}

/* Headers of the program's own before a view of a payload that lies in other packets: what a TCP stack sends. */
CASE("the payload may be views already")
{
	struct description d = {"", 0, 6, 0, 0, 12, ACK | PSH, 3000};
	for (int ring = 0; ring < RINGS; ring++) {
		up(rings[ring].options, rings[ring].features);
		struct vionet_packet *whole = large_packet(&d, 700, cuts[5]);
		for (uint32_t cut = payload_at(&d); cut > 30; cut -= 29) {
			struct vionet_packet *head = packet_of(frame, cut, in_one);
			struct vionet_packet *view = vionet_packet_view(whole, cut, whole->total_length - cut);
			yes(view != NULL);
			same(vionet_packet_chain(head, view), 0);
			head->flags = VIONET_PACKET_TCP6 | VIONET_PACKET_CHECKSUM_PARTIAL;
			head->segment_size = 700;
			send_one(head);
			segments_come(&d, 700, -1);
			whole_frame(&d, frame);
		}
		/* Nothing but views. */
		struct vionet_packet *view = vionet_packet_view(whole, 0, whole->total_length);
		view->flags = VIONET_PACKET_TCP6 | VIONET_PACKET_VLAN;
		view->segment_size = 700;
		view->vlan = 5;
		vionet_packet_free(whole);
		send_one(view);
		segments_come(&d, 700, 5);
		same(dropped_in_all(), 0);
		down();
	}
}

CASE("a segment with too many references is not cut")
{
	static struct vionet_packet *list[100];
	struct description d = frames[1];
	struct vionet_packet *one = large_packet(&d, 100, in_one);
	for (int i = 0; i < 65535 - 11; i++)
		ok(vionet_packet_reference(one));
	err(vionet_packet_segment(one, list, 100), -EINVAL);
	says("references");
	vionet_packet_free(one);
	vionet_packet_free(one);
	same(vionet_packet_segment(one, list, 100), 11);
	vionet_packet_free_bulk(list, 11);
	for (int i = 0; i < 65535 - 12; i++)
		vionet_packet_free(one);
	same(pool_of(pool).available, PACKETS);
}

CASE("what cannot be cut is dropped as an offload, and a segment above the MTU as long")
{
	struct description d = frames[0], large = {"", 0, 4, 0, 0, 12, ACK, 4000};
	static const struct { uint32_t at, value; const char *what; } wrong[] = {
		{12, 0x0806, "EtherType"}, {14, 0x4400, "IPv4 header of 4 words"}, {20, 0x2000, "a fragment"},
		{20, 0x0001, "the rest of a fragment"}, {22, 0x4001, "ICMP"}, {46, 0x4010, "TCP header of 4 words"},
	};
	up("queue_size=64,tx_software=1", 0);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vionet_packet *one = large_packet(&d, 100, in_one);
		put16(one->data, wrong[i].at, wrong[i].value);
		is_dropped(one, VIONET_DROP_OFFLOAD);
	}
	for (uint32_t size = 0; size < 8; size++)
		is_dropped(large_packet(&d, size, in_one), VIONET_DROP_OFFLOAD);
	for (uint32_t kind = 0; kind < 0x80; kind++) {
		struct vionet_packet *one = large_packet(&d, 500, in_one);
		one->flags = kind << 8 | 1;
		one->checksum_start = 34;
		if (kind == VIONET_PACKET_TCP4 >> 8 || kind == 0)
			vionet_packet_free(one);
		else
			is_dropped(one, VIONET_DROP_OFFLOAD);
	}
	struct vionet_packet *one = large_packet(&d, 100, in_one);
	one->flags |= 1 << 18;
	is_dropped(one, VIONET_DROP_OFFLOAD);
	one = partial_packet(&d, in_one);
	one->checksum_start = 1100;
	is_dropped(one, VIONET_DROP_OFFLOAD);
	/* Tags do not count: none, a customer's, a provider's with a customer's. */
	for (large.tags = 0; large.tags < 3; large.tags++) {
		is_dropped(large_packet(&large, 1449, in_one), VIONET_DROP_LONG);
		one = large_packet(&large, 1448, in_one);
		same(vionet_tx_prepare(port, 0, &one, 1), 1);
		send_one(one);
		segments_come(&large, 1448, -1);
	}
	same(pool_of(pool).refused, 0);
	down();
}

/* ---- vionet_packet_segment() ------------------------------------------------------------------------------------- */

static void has_bytes(struct vionet_packet *one, uint32_t length)
{
	uint32_t at = 0;
	uint16_t segments = 0;
	same(one->total_length, length);
	same(one->flags | one->checksum_start | one->segment_size, 0);
	for (struct vionet_packet *s = one; s != NULL; at += s->length, s = s->next, segments++)
		yes(at + s->length <= length && memcmp(s->data, want + at, s->length) == 0);
	same(at, length);
	same(one->segments, segments);
}

CASE("a program cuts packets by itself")
{
	static struct vionet_packet *list[2000];
	for (int i = 0; i < FRAMES; i++)
		for (int cut = 0; cut < CUTS; cut++) {
			struct description d = frames[i];
			if (!fits(&d, cuts[cut]))
				continue;
			struct vionet_packet *one = large_packet(&d, 100, cuts[cut]);
			int count = vionet_packet_segment(one, list, 2000);
			same(count, segments_of(&d, 100));
			vionet_packet_free(one);
			for (int n = 0; n < count; n++)
				has_bytes(list[n], segment_frame(&d, want, 100, (uint32_t)n));
			vionet_packet_free_bulk(list, (uint16_t)count);
			/* One with a checksum and a tag. */
			one = partial_packet(&d, cuts[cut]);
			one->flags |= VIONET_PACKET_VLAN;
			one->vlan = 9;
			same(vionet_packet_segment(one, list, 1), 1);
			vionet_packet_free(one);
			uint32_t length = whole_frame(&d, want);
			put_tag(want, &length, 9);
			has_bytes(list[0], length);
			vionet_packet_free(list[0]);
			same(pool_of(pool).available, PACKETS);
		}
	same(pool_of(pool).refused, 0);
}

CASE("a packet that cannot be cut stays as it is, with the reason")
{
	static struct vionet_packet *list[100], *all[PACKETS];
	struct description d = frames[1];
	struct vionet_packet *one = large_packet(&d, 100, in_one), foreign = *one;
	int n = 0;
	err(vionet_packet_segment(NULL, list, 100), -EINVAL);
	says("packet is NULL");
	err(vionet_packet_segment(&foreign, list, 100), -EINVAL);
	says("caller holds");
	err(vionet_packet_segment(one, list, 10), -ENOSPC);
	says("11 segments");
	err(vionet_packet_segment(one, NULL, 0), -ENOSPC);
	err(vionet_packet_segment(one, NULL, 100), -ENOSPC);
	one->segment_size = 7;
	err(vionet_packet_segment(one, list, 100), -EINVAL);
	says("segment_size");
	one->segment_size = 100;
	one->flags |= 1 << 20;
	err(vionet_packet_segment(one, list, 100), -EINVAL);
	says("flags");
	one->flags ^= 1 << 20;
	one->segments = 2;
	err(vionet_packet_segment(one, list, 100), -EINVAL);
	one->segments = 1;
	while (pool_of(pool).available > 21)
		all[n++] = vionet_packet_alloc(pool);
	err(vionet_packet_segment(one, list, 100), -ENOBUFS);
	same(pool_of(pool).available, 21);
	vionet_packet_free(all[--n]);
	same(vionet_packet_segment(one, list, 11), 11);
	same(pool_of(pool).available, 0);
	vionet_packet_free_bulk(all, (uint16_t)n);
	vionet_packet_free_bulk(list, 11);
	vionet_packet_free(one);
	same(pool_of(pool).available, PACKETS);
	same(pool_of(pool).refused, 0);
}
