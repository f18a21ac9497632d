/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets in a UDP tunnel that the device cuts (virtio 1.4, 5.1.9): what is agreed on, what vionet_tx_prepare() finds, what
 * is refused, and that a packet comes back from a device as it was sent.
 */
#include "../support/tunnel_frame.h"

static const char *title(unsigned int row) { return shapes[row].name; }

static uint64_t above(uint16_t port) { return info_of(port).negotiated[1]; }

CASE("tunnels are agreed on if they are asked for, each with what it needs")
{
	static const struct { uint64_t off, left; } rows[] = {
		{0, TUNNELS}, {1ull << VIONET_F_GUEST_TSO4, 0x18}, {1ull << VIONET_F_GUEST_TSO6, 0x18},
		{1ull << VIONET_F_GUEST_USO4, 0x18}, {1ull << VIONET_F_GUEST_USO6, 0x18}, {1ull << VIONET_F_GUEST_CSUM, 0x18},
		{1ull << VIONET_F_HOST_TSO4, 0x06}, {1ull << VIONET_F_HOST_TSO6, 0x06}, {1ull << VIONET_F_HOST_USO, 0x06},
		{1ull << VIONET_F_CSUM, 0x06},
	};
	uint16_t port = up("soft:loopback");
	same(info_of(port).offered[1], TUNNELS);
	same(above(port), 0);
	same(info_of(port).header_size, 12);
	same(info_of(port).tx_offloads & VIONET_TX_TUNNEL, 0);
	vionet_close(port);
	for (unsigned int row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		port = up_with("soft:loopback,tunnel=1", rows[row].off, 0, 0);
		struct vionet_info i = info_of(port);
		same(i.negotiated[1], rows[row].left);
		same(i.header_size, 24);
		same(!!(i.rx_offloads & VIONET_RX_TUNNEL), !!(rows[row].left & 6));
		same(!!(i.tx_offloads & VIONET_TX_TUNNEL), !!(rows[row].left & 24));
		vionet_close(port);
	}
	port = up_with("soft:loopback", 0, VIONET_RX_TUNNEL, 0);
	same(above(port), 6);
	vionet_close(port);
	port = up_with("soft:loopback", 0, 0, VIONET_TX_TUNNEL);
	same(above(port), 24);
	vionet_close(port);
}

CASE("a port that must have tunnels and cannot is not initialised")
{
	struct vionet_config c = VIONET_SIZED(struct vionet_config);
	uint16_t port;
	c.pool = pool, c.rx_offloads = VIONET_RX_TUNNEL, c.features_off = 1ull << VIONET_F_GUEST_USO6;
	err(vionet_open_config("soft:loopback", &c, &port), -ENOTSUP);
	says("VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO");
	c.rx_offloads = 0, c.tx_offloads = VIONET_TX_TUNNEL, c.features_off = 1ull << VIONET_F_HOST_TSO6;
	err(vionet_open_config("soft:loopback", &c, &port), -ENOTSUP);
	says("VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO");
	c.tx_offloads |= VIONET_TX_SOFTWARE;
	err(vionet_open_config("soft:loopback", &c, &port), -ENOTSUP);
}

/* A packet that is sent comes back as it was. */
static void comes_back(uint16_t port, const struct shape *s)
{
	struct vionet_packet *p = made(pool, s), *back;
	uint16_t a, b;
	uint32_t length = p->length, protocol = s->is_udp ? 17 : 6;
	unsigned char *d = p->data, sent[8192];

	same(vionet_tx_prepare(port, 0, &p, 1), 1);
	same(p->checksum_start, transport(s));
	same(p->checksum_offset, field(s) - transport(s));
	same(p->header_length, end(s));
	same(p->flags, flags(s) | VIONET_PACKET_CHECKSUM_PARTIAL);
	same(get16(d + field(s)), pseudo(d + inner(s), s->inner6, protocol, length - transport(s)));
	same(get16(d + outer(s) + 6), s->own_checksum ? pseudo(d + 14, s->outer6, 17, length - outer(s)) : 0);
	memcpy(sent, d, length);
	send_all(port, &p, 1);
	receive_all(port, &back, 1);
	same(back->total_length, length);
	same(back->flags, flags(s) | VIONET_PACKET_CHECKSUM_PARTIAL);
	same(back->segment_size, 1000);
	same(back->checksum_start, transport(s));
	same(back->checksum_offset, field(s) - transport(s));
	ok(vionet_packet_tunnel(back, &a, &b));
	same(a, outer(s));
	same(b, inner(s));
	ok(vionet_packet_linearise(back));
	yes(memcmp(back->data, sent, length) == 0);
	/* A received packet can be sent as it is, whatever its header said of the length of its headers. */
	back->header_length = 60;
	send_all(port, &back, 1);
	receive_all(port, &back, 1);
	same(back->flags, flags(s) | VIONET_PACKET_CHECKSUM_PARTIAL);
	same(back->header_length, end(s));
	vionet_packet_free(back);
	same(stats_of(port).tx.dropped[VIONET_DROP_OFFLOAD], 0);
	same(stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD], 0);
}

CASES(SHAPES, title)
{
	static const char *const devices[] = {
		"soft:loopback,tunnel=1", "soft:loopback,tunnel=1,packed_vq=1", "soft:loopback,tunnel=1,in_order=0",
		"soft:loopback,tunnel=1,mrg_rxbuf=1",
	};
	for (unsigned int n = 0; n < sizeof(devices) / sizeof(devices[0]); n++) {
		uint16_t port = up(devices[n]);
		same(above(port), TUNNELS);
		comes_back(port, &shapes[row]);
		vionet_close(port);
	}
}

CASE("the places of a tunnel's headers are kept with a packet, and refused where they cannot be right")
{
	struct vionet_packet *p = made(pool, &shapes[0]), *copy, fake = *p;
	uint16_t a = 0, b = 0;
	err(vionet_packet_tunnel_set(p, 33, 64), -EINVAL);
	says("outer_transport");
	err(vionet_packet_tunnel_set(p, 34, 41), -EINVAL);
	says("inner_network");
	err(vionet_packet_tunnel_set(p, 34, 0), -EINVAL);
	err(vionet_packet_tunnel_set(p, 65535, 0), -EINVAL);
	err(vionet_packet_tunnel_set(NULL, 34, 64), -EINVAL);
	err(vionet_packet_tunnel_set(&fake, 34, 64), -EINVAL);
	err(vionet_packet_tunnel(NULL, &a, &b), -EINVAL);
	err(vionet_packet_tunnel(&fake, &a, &b), -EINVAL);
	ok(vionet_packet_tunnel(p, NULL, NULL));
	copy = vionet_packet_copy(p, pool);
	yes(copy != NULL);
	ok(vionet_packet_tunnel(copy, &a, &b));
	same(a, 34);
	same(b, 64);
	copy->flags = 0;
	err(vionet_packet_tunnel(copy, &a, &b), -EINVAL);
	says("name no tunnel");
	vionet_packet_free(copy);
	vionet_packet_free(p);
}

CASE("a VLAN tag before a tunnel moves it, in place and in a segment of its own")
{
	uint16_t port = up("soft:loopback,tunnel=1"), strips = up("soft:pipe=t,tunnel=1,vlan_strip=1");
	uint16_t sends = up("soft:pipe=t,tunnel=1"), a, b;
	for (int shared = 0; shared < 2; shared++) {
		for (int stripped = 0; stripped < 2; stripped++) {
			uint16_t from = stripped ? sends : port, to = stripped ? strips : port;
			struct vionet_packet *p = made(pool, &shapes[0]), *back;
			same(vionet_tx_prepare(from, 0, &p, 1), 1);
			p->flags |= VIONET_PACKET_VLAN;
			p->vlan = 5;
			struct vionet_packet *kept = p;
			if (shared)
				ok(vionet_packet_reference(p));
			send_all(from, &p, 1);
			receive_all(to, &back, 1);
			ok(vionet_packet_tunnel(back, &a, &b));
			same(a, stripped ? 34 : 38);
			same(b, stripped ? 64 : 68);
			same(back->checksum_start, stripped ? 84 : 88);
			same(!!(back->flags & VIONET_PACKET_VLAN), stripped);
			vionet_packet_free(back);
			while (vionet_tx_done(from, 0) != 0)
				;
			if (shared)
				vionet_packet_free(kept);
		}
	}
	same(stats_of(port).tx.dropped[VIONET_DROP_OFFLOAD] + stats_of(sends).tx.dropped[VIONET_DROP_OFFLOAD], 0);
	vionet_close(port);
	vionet_close(sends);
	vionet_close(strips);
}

CASE("a device keeps a tunnelled packet from a driver that has not agreed to it, or takes none at the moment")
{
	uint16_t sends = up("soft:pipe=t,tunnel=1"), takes = up("soft:pipe=t,lro=1,cq=1");
	struct vionet_packet *p = made(pool, &shapes[0]), *packets[4];
	same(vionet_tx_prepare(sends, 0, &p, 1), 1);
	send_all(sends, &p, 1);
	for (int pause = 0; pause < 2; pause++) {
		struct timespec t = {0, 100000000};
		nanosleep(&t, NULL);
		same(vionet_rx_burst(takes, 0, packets, 4), 0);
	}
	vionet_close(takes);
	takes = up("soft:pipe=t,tunnel=1,cq=1");
	ok(vionet_rx_offloads_set(takes, VIONET_RX_CHECKSUM | VIONET_RX_TUNNEL));
	p = made(pool, &shapes[0]);
	same(vionet_tx_prepare(sends, 0, &p, 1), 1);
	send_all(sends, &p, 1);
	struct timespec t = {0, 100000000};
	nanosleep(&t, NULL);
	same(vionet_rx_burst(takes, 0, packets, 4), 0);
	ok(vionet_rx_offloads_set(takes, VIONET_RX_CHECKSUM | VIONET_RX_LRO | VIONET_RX_TUNNEL));
	p = made(pool, &shapes[0]);
	same(vionet_tx_prepare(sends, 0, &p, 1), 1);
	send_all(sends, &p, 1);
	receive_all(takes, packets, 1);
	same(packets[0]->flags & VIONET_PACKET_SEGMENTS, VIONET_PACKET_TUNNEL4 | VIONET_PACKET_TCP4);
	vionet_packet_free(packets[0]);
	vionet_close(sends);
	vionet_close(takes);
}
