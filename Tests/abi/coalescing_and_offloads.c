/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt coalescing and receive offloads of a running port: the commands byte by byte, and what a restart keeps. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static uint16_t port;

CASE("coalescing: commands, refusals, and what a restart keeps")
{
	struct control c;
	control_start(&c, BIT(F_MQ) | BIT(F_NOTF_COAL) | BIT(F_VQ_NOTF_COAL), 3);
	port = control_port(&c, ",cq=1,queues=3");
	control_forget(&c);
	ok(vionet_rx_coalesce_set(port, VIONET_ALL_QUEUES, 0x01020304, 0x0a0b0c0d));
	ok(vionet_tx_coalesce_set(port, VIONET_ALL_QUEUES, 64, 0));
	ok(vionet_rx_coalesce_set(port, 2, 1, 0xffffffff));
	ok(vionet_tx_coalesce_set(port, 0, 0, 0));
	commands(&c, "06 01 04030201 0d0c0b0a\n 06 00 40000000 00000000\n"
	             "06 02 0400 0000 01000000 ffffffff\n 06 02 0100 0000 00000000 00000000\n");
	err(vionet_rx_coalesce_set(port, 3, 1, 1), -EINVAL);
	says("queue 3");
	err(vionet_tx_coalesce_set(port, 0xfffe, 1, 1), -EINVAL);
	ok(vionet_start(port));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(&c, "04 00 0300\n 06 01 04030201 0d0c0b0a\n 06 00 40000000 00000000\n"
	             "06 02 0100 0000 00000000 00000000\n 06 02 0400 0000 01000000 ffffffff\n");
	/* A queue that was out of use has lost its setting; one that is out of use takes none. */
	ok(vionet_queue_pairs_set(port, 2));
	err(vionet_rx_coalesce_set(port, 2, 1, 1), -EINVAL);
	ok(vionet_queue_pairs_set(port, 3));
	commands(&c, "04 00 0200\n 04 00 0300\n 06 02 0400 0000 01000000 ffffffff\n");
	/* A setting of all queues holds for each. */
	ok(vionet_rx_coalesce_set(port, VIONET_ALL_QUEUES, 2, 3));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(&c, "06 01 02000000 03000000\n 04 00 0300\n 06 01 02000000 03000000\n 06 00 40000000 00000000\n"
	             "06 02 0100 0000 00000000 00000000\n");
	vionet_close(port);
	err(vionet_rx_coalesce_set(port, 0, 1, 1), -ENODEV);

	c.peer.features &= ~BIT(F_VQ_NOTF_COAL);
	port = control_port(&c, ",cq=1,queues=3");
	err(vionet_rx_coalesce_set(port, 0, 1, 1), -ENOTSUP);
	says("VIRTIO_NET_F_VQ_NOTF_COAL");
	ok(vionet_rx_coalesce_set(port, VIONET_ALL_QUEUES, 1, 1));
	vionet_close(port);
	c.peer.features &= ~BIT(F_NOTF_COAL);
	c.peer.features |= BIT(F_VQ_NOTF_COAL);
	port = control_port(&c, ",cq=1,queues=3");
	err(vionet_tx_coalesce_set(port, VIONET_ALL_QUEUES, 1, 1), -ENOTSUP);
	says("VIRTIO_NET_F_NOTF_COAL");
	ok(vionet_tx_coalesce_set(port, 0, 1, 1));
	vionet_close(port);
	control_end(&c);
}

/* ---- offloads ---------------------------------------------------------------------------------------------------- */

/* A frame with a checked checksum, or joined from several: 1 if it arrives as such, 0 if it is dropped. */
static int arrives(struct peer *p, uint8_t flags, uint8_t type)
{
	static const unsigned char frame[100] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	struct vionet_packet *packet;
	uint16_t id = take(p, RX);
	struct vring_desc *d = &descriptors(p, RX)[id];
	unsigned char *buffer = peer_at(p, d->addr, d->len, 1);
	memset(buffer, 0, HEADER);
	memcpy(buffer, (unsigned char[]){flags, type, 54, 0, 10, 0, 34, 0, 16, 0, 1, 0}, HEADER);
	memcpy(buffer + HEADER, frame, sizeof(frame));
	give_back(p, RX, id, HEADER + sizeof(frame));
	if (vionet_rx_burst(port, 0, &packet, 1) == 0)
		return 0;
	same(packet->flags & 0xff, flags);
	same(packet->flags >> 8 & 0xff, type);
	vionet_packet_free(packet);
	return 1;
}

CASE("receive offloads: commands, refusals, and frames that were on their way")
{
	const uint32_t both = VIONET_RX_CHECKSUM | VIONET_RX_LRO;
	struct control c;
	control_start(&c, BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_GUEST_TSO6) | BIT(F_MRG_RXBUF)
	                  | BIT(F_CTRL_GUEST_OFFLOADS), 1);
	port = control_port(&c, ",cq=1,rx_csum=1,lro=1");
	ok(vionet_start(port));
	commands(&c, "");
	yes(arrives(&c.peer, 2, 0) && arrives(&c.peer, 1, 1));
	ok(vionet_rx_offloads_set(port, VIONET_RX_CHECKSUM));
	ok(vionet_rx_offloads_set(port, 0));
	commands(&c, "05 00 0200000000000000\n 05 00 0000000000000000\n");
	/* Frames that the device had on their way are still understood. */
	yes(arrives(&c.peer, 2, 0) && arrives(&c.peer, 1, 1) && arrives(&c.peer, 1, 4) && arrives(&c.peer, 0, 0));
	same(stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD], 0);
	yes(!arrives(&c.peer, 1, 5)); /* UDP was not negotiated */
	ok(vionet_rx_offloads_set(port, VIONET_RX_LRO));
	commands(&c, "05 00 8201000000000000\n");
	ok(vionet_stop(port));
	ok(vionet_rx_offloads_set(port, 0));
	ok(vionet_start(port));
	commands(&c, "05 00 0000000000000000\n");
	err(vionet_rx_offloads_set(port, both | VIONET_RX_VLAN_STRIP), -EINVAL);
	says("VIONET_RX_LRO");
	err(vionet_rx_offloads_set(port, 1u << 31), -EINVAL);
	commands(&c, "");
	vionet_close(port);

	/* Only what was negotiated can be switched on. */
	port = control_port(&c, ",cq=1,rx_csum=1,vlan_strip=1");
	err(vionet_rx_offloads_set(port, both | VIONET_RX_VLAN_STRIP), -ENOTSUP);
	says("VIRTIO_NET_F_GUEST_TSO4");
	says("lro=1");
	ok(vionet_rx_offloads_set(port, VIONET_RX_VLAN_STRIP));
	commands(&c, "05 00 0000000000000000\n");
	vionet_close(port);
	port = control_port(&c, ",cq=1");
	err(vionet_rx_offloads_set(port, VIONET_RX_CHECKSUM), -ENOTSUP);
	says("rx_csum=1");
	vionet_close(port);
	c.peer.features &= ~BIT(F_CTRL_GUEST_OFFLOADS);
	port = control_port(&c, ",cq=1,rx_csum=1");
	err(vionet_rx_offloads_set(port, 0), -ENOTSUP);
	says("VIRTIO_NET_F_CTRL_GUEST_OFFLOADS");
	vionet_close(port);
	control_end(&c);
}
