/* SPDX-License-Identifier: BSD-2-Clause */
/* What newer PCI devices offer: numbers for notifications, and feature bits in a third word. */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/trapped_function.h"

static uint16_t pool;
enum { PACKETS = 1024, RING = 128 };

static uint16_t probed(void)
{
	uint16_t port;
	ok(vionet_probe("pci:0000:00:05.0", &port));
	return port;
}

static uint16_t running(void)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	uint16_t port = probed();
	with.pool = pool;
	with.rx_descriptors = RING;
	ok(vionet_init(port, &with));
	ok(vionet_start(port));
	return port;
}

BEFORE_EACH
{
	made_begin();
	pool = pool_made(PACKETS);
	made_correct();
}

/* Offset of queue_notif_config_data in the common configuration. */
enum { NOTIFY_NUMBER = 56 };

CASE("a notification names its queue by the number that the device gives, if it gives one")
{
	made.offered[0] |= BIT(VIONET_F_NOTIF_CONFIG_DATA);
	trapped_put(NOTIFY_NUMBER, 0x4321, 2);
	for (int data = 0; data < 2; data++) {
		if (data)
			made.offered[0] |= BIT(F_NOTIFICATION_DATA);
		trapped_put(NOTIFY_OFFSET, data ? 0 : 1, 2);
		uint16_t port = running();
		same(made.accepted[0] >> VIONET_F_NOTIF_CONFIG_DATA & 1, 1);
		struct vionet_packet *packet = vionet_packet_alloc(pool);
		yes(packet != NULL && vionet_packet_append(packet, 60) != NULL);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
		same(made.notified, data ? 0x14321 : 0xeeee4321);
		vionet_close(port);
	}
}

CASE("features above bit 63 are read and accepted in words of their own")
{
	struct vionet_config tunnels = {.size = sizeof(tunnels), .pool = pool};
	tunnels.rx_offloads = VIONET_RX_TUNNEL;
	tunnels.tx_offloads = VIONET_TX_TUNNEL;
	made.offered[0] |= BIT(VIONET_F_CSUM) | BIT(VIONET_F_HOST_TSO4) | BIT(VIONET_F_HOST_TSO6) | BIT(VIONET_F_HOST_USO) |
	                   BIT(VIONET_F_GUEST_CSUM) | BIT(VIONET_F_GUEST_TSO4) | BIT(VIONET_F_GUEST_TSO6) |
	                   BIT(VIONET_F_GUEST_USO4) | BIT(VIONET_F_GUEST_USO6) | BIT(VIONET_F_MRG_RXBUF);
	made.offered[1] = UINT64_MAX;
	uint16_t port = probed();
	ok(vionet_init(port, &tunnels));
	same(made.accepted[1], 0x1e);
	same(info_of(port).negotiated[1], 0x1e);
	same(info_of(port).header_size, 24);
	made.offered[0] &= ~BIT(VIONET_F_GUEST_USO6);
	err(vionet_init(port, &tunnels), -ENOTSUP);
	says("VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO");
	vionet_close(port);
}
#else
#include "../support/cases.h"
CASE("features of newer PCI devices") { skip("only x86-64 can take a single step"); }
#endif
