/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums and VLAN tags that the library writes because the device does not, or nobody may change the packet. Every
 * byte of what the device is given is compared, and every packet comes back to its pool.
 */
#include "../support/cases.h"
#include "../support/software.h"

POOL_OF_EACH_CASE

static void checksum_is_finished(const struct description *d, const uint32_t *pieces)
{
	struct vionet_packet *one = partial_packet(d, pieces);
	send_one(one);
	comes(whole_frame(d, want));
	/* The library finds the place if the packet does not say it. A device would need vionet_tx_prepare(). */
	if (!has(&p, F_CSUM)) {
		one = partial_packet(d, pieces);
		one->checksum_start = 0;
		send_one(one);
		comes(whole_frame(d, want));
	}
	/* Somebody else has the packet, so that nothing in it may change. */
	one = partial_packet(d, pieces);
	ok(vionet_packet_reference(one));
	send_one(one);
	comes(whole_frame(d, want));
	uint32_t length = whole_frame(d, want), at = 0;
	make_partial(d, want, length);
	for (struct vionet_packet *s = one; s != NULL; at += s->length, s = s->next)
		yes(memcmp(s->data, want + at, s->length) == 0);
	same(at, length);
	same(one->flags, VIONET_PACKET_CHECKSUM_PARTIAL);
	/* A view of it, whose bytes are its own no more. */
	struct vionet_packet *view = vionet_packet_view(one, 0, length);
	vionet_packet_free(one);
	set_partial(d, view);
	send_one(view);
	comes(whole_frame(d, want));
	vionet_tx_done(port, 0);
}

CASES(FRAMES, frame_title)
{
	struct description d = frames[row];
	for (int ring = 0; ring < RINGS; ring++) {
		up(rings[ring].options, rings[ring].features);
		for (int cut = 0; cut < CUTS; cut++)
			for (uint32_t less = 0; less < 3 && d.payload >= 3; less++) {
				d.payload = frames[row].payload - less;
				if (!fits(&d, cuts[cut]))
					d.payload = d.payload % 8;
				if (fits(&d, cuts[cut]))
					checksum_is_finished(&d, cuts[cut]);
			}
		same(dropped_in_all(), 0);
		down();
	}
}

CASE("a UDP checksum that comes out as 0 is sent as ffff")
{
	struct description d = {"", 0, 4, 0, 1, 0, 0, 4};
	uint32_t length = whole_frame(&d, frame), at = payload_at(&d), field = transport_at(&d) + 6;
	/* The last two bytes make up for the others. */
	put16(frame, at + 2, 0);
	put16(frame, field, 0);
	make_partial(&d, frame, length);
	put16(frame, at + 2, ~plain_sum(0, frame + transport_at(&d), length - transport_at(&d)) & 0xffff);
	memcpy(want, frame, length);
	put16(want, field, 0xffff);
	up(rings[0].options, 0);
	struct vionet_packet *one = packet_of(frame, length, in_one);
	set_partial(&d, one);
	send_one(one);
	comes(length);
	down();
}

CASE("vionet_tx_prepare finishes checksums, on a port without the switch too")
{
	for (int with = 0; with < 2; with++) {
		up(with ? "queue_size=64,tx_software=1" : "queue_size=64", BIT(F_INDIRECT));
		for (int i = 0; i < FRAMES; i++)
			for (int cut = 0; cut < CUTS; cut++)
				for (int says_where = 0; says_where < 2; says_where++) {
					struct description d = frames[i];
					if (!fits(&d, cuts[cut]))
						continue;
					struct vionet_packet *one = partial_packet(&d, cuts[cut]);
					if (!says_where)
						one->checksum_start = one->checksum_offset = 0;
					same(vionet_tx_prepare(port, 0, &one, 1), 1);
					same(one->flags | one->checksum_start | one->checksum_offset, 0);
					send_one(one);
					comes(whole_frame(&d, want));
				}
		same(dropped_in_all(), 0);
		down();
	}
}

CASE("vionet_tx_prepare names what it cannot do")
{
	struct description d = frames[0];
	struct vionet_packet *one = partial_packet(&d, in_one), copy;
	up("queue_size=64", 0);
	ok(vionet_packet_reference(one));
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("shared");
	vionet_packet_free(one);
	one->checksum_start = 2000;
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("checksum_start");
	one->checksum_start = 0;
	((unsigned char *)one->data)[12] = 0x88;
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("TCP or UDP");
	vionet_packet_free(one);
	/* To be cut, without the switch. */
	one = large_packet(&d, 100, in_one);
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("VIRTIO_NET_F_CSUM");
	says("tx_software=1");
	says("vionet_packet_segment");
	is_dropped(one, VIONET_DROP_OFFLOAD);
	down();
	/* With the switch it stays as it is. */
	up("queue_size=64,tx_software=1", 0);
	one = large_packet(&d, 100, in_one);
	copy = *one;
	same(vionet_tx_prepare(port, 0, &one, 1), 1);
	yes(memcmp(one, &copy, sizeof(copy)) == 0);
	one->segment_size = 7;
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("segment_size");
	one->segment_size = 100;
	one->flags ^= VIONET_PACKET_TCP4 | VIONET_PACKET_TCP6;
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("flags");
	vionet_packet_free(one);
	down();
}

/* ---- tags -------------------------------------------------------------------------------------------------------- */

CASE("a tag goes into a segment of its own where the packet's bytes may not change, with and without the switch")
{
	for (int with = 0; with < 2; with++)
		for (int indirect = 0; indirect < 2; indirect++) {
			up(with ? "queue_size=64,tx_software=1" : "queue_size=64", (indirect ? BIT(F_INDIRECT) : 0) | BIT(F_CSUM));
			for (int cut = 0; cut < CUTS; cut++)
				for (int asks = 0; asks < 2; asks++) {
					struct description d = frames[7];
					d.payload = 30;
					if (!fits(&d, cuts[cut]))
						continue;
					struct vionet_packet *one = partial_packet(&d, cuts[cut]);
					uint32_t length = whole_frame(&d, want), at = 0;
					if (!asks) {
						one->flags = 0;
						make_partial(&d, want, length);
					}
					put_tag(want, &length, 0x3005);
					one->flags |= VIONET_PACKET_VLAN;
					one->vlan = 0x3005;
					ok(vionet_packet_reference(one));
					send_one(one);
					comes(length);
					for (struct vionet_packet *s = one; s != NULL; at += s->length, s = s->next)
						yes(memcmp(s->data, frame + at, s->length) == 0);
					vionet_packet_free(one);
					vionet_tx_done(port, 0);
				}
			/* There is no room before the data. */
			memset(want, 0x33, 200);
			uint32_t length = 200;
			struct vionet_packet *one = packet_of(want, 200, in_one);
			memmove((char *)one->data - 113, one->data, 200);
			one->data = (char *)one->data - 113;
			one->headroom = 15;
			one->flags = VIONET_PACKET_VLAN;
			one->vlan = 7;
			put_tag(want, &length, 7);
			send_one(one);
			comes(length);
			same(dropped_in_all(), 0);
			down();
		}
}
