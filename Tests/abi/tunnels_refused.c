/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in tunnels that cannot be sent: what is dropped and counted, and what vionet_tx_prepare() says. */
#include "../support/tunnel_frame.h"

/* A packet with one thing wrong. */
static struct vionet_packet *spoilt(const struct shape *s, int how)
{
	struct vionet_packet *p = made(pool, s);
	p->flags |= VIONET_PACKET_CHECKSUM_PARTIAL;
	p->checksum_start = (uint16_t)transport(s);
	p->checksum_offset = 16;
	p->header_length = (uint16_t)end(s);
	switch (how) {
	case 0: p->flags |= VIONET_PACKET_TUNNEL4 | VIONET_PACKET_TUNNEL6; break;
	case 1: p->flags &= ~VIONET_PACKET_SEGMENTS, p->flags |= VIONET_PACKET_TUNNEL4; break;
	case 2: p->flags &= ~VIONET_PACKET_SEGMENTS, p->flags |= VIONET_PACKET_TUNNEL4 | 3 << 8; break;
	case 3: p->flags &= ~VIONET_PACKET_CHECKSUM_PARTIAL; break;
	case 4: ok(vionet_packet_tunnel_set(p, (uint16_t)outer(s), (uint16_t)p->length)); break;
	case 5: ok(vionet_packet_tunnel_set(p, 65527, 65535)); break;
	case 6: ok(vionet_packet_tunnel_set(p, 34, (uint16_t)(transport(s) - 19))); break;
	case 7: p->checksum_start = (uint16_t)(inner(s) + 19); break;
	case 8: p->segment_size = 0; break;
	case 9: p->checksum_start = 65535; break;
	case 10: p->header_length = (uint16_t)(p->length + 1), p->checksum_start++; break;
	default: vionet_packet_free(p); return NULL;
	}
	return p;
}

CASE("a tunnel that cannot be right is dropped and counted, and the next packet goes")
{
	uint16_t port = up("soft:loopback,tunnel=1");
	struct vionet_packet *p;
	uint64_t dropped = 0;
	for (int how = 0; (p = spoilt(&shapes[0], how)) != NULL; how++) {
		same(vionet_tx_burst(port, 0, &p, 1), 1);
		if (stats_of(port).tx.dropped[VIONET_DROP_OFFLOAD] != ++dropped)
			FAILED("packet %d was not dropped", how);
	}
	same(dropped, 11);
	struct vionet_packet *good = made(pool, &shapes[0]), *back;
	same(vionet_tx_prepare(port, 0, &good, 1), 1);
	send_all(port, &good, 1);
	receive_all(port, &back, 1);
	vionet_packet_free(back);
	vionet_close(port);
}

CASE("what was not agreed on is refused with its name, and never done in software")
{
	static const char *const devices[] = {"soft:loopback", "soft:loopback,tx_software=1"};
	for (int n = 0; n < 2; n++) {
		uint16_t port = up(devices[n]);
		struct vionet_packet *p = made(pool, &shapes[0]);
		same(vionet_tx_prepare(port, 0, &p, 1), 0);
		says("VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO, which");
		send_all(port, &p, 1);
		same(stats_of(port).tx.dropped[VIONET_DROP_OFFLOAD], 1);
		vionet_close(port);
	}
	uint16_t port = up("soft:loopback,tunnel=1");
	struct vionet_packet *p = made(pool, &shapes[0]);
	/* No IP header there, and no UDP header there. */
	memset((char *)p->data + inner(&shapes[0]), 0, 1);
	same(vionet_tx_prepare(port, 0, &p, 1), 0);
	says("vionet_packet_tunnel_set() says its IP header");
	vionet_packet_free(p);
	p = made(pool, &shapes[4]);
	memset((char *)p->data + 23, 6, 1);
	same(vionet_tx_prepare(port, 0, &p, 1), 0);
	says("vionet_packet_tunnel_set() says the tunnel's");
	vionet_packet_free(p);
	vionet_close(port);
}
