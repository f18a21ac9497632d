/* SPDX-License-Identifier: BSD-2-Clause */
/* What newer PCI devices offer: numbers for notifications, feature bits in a third word, a rest before a reset. */
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

/* ---- SUSPEND ----------------------------------------------------------------------------------------------------- */

enum { AT_REST = 16, NEEDS_RESET = 64 };

/* Reads of the status until the device is at rest, 0: it never is; and what the status is then. */
static uint32_t reads_left;
static uint8_t in_the_end, others;

/* What the driver did since it asked. */
static int is_asked;
static uint32_t asked_at, reads, notified_at;

static void suspends(unsigned int at, int write, unsigned int bytes)
{
	uint8_t status = (uint8_t)trapped_get(DEVICE_STATUS, 1);
	(void)bytes;
	if (at == DEVICE_STATUS && write && status & AT_REST) {
		is_asked++;
		asked_at = (uint32_t)status;
		notified_at = made.notifications;
		trapped_put(DEVICE_STATUS, 15, 1); /* it goes on for now */
	} else if (at == DEVICE_STATUS && write && status == 0) {
		if (is_asked)
			same(made.notifications, notified_at);
		is_asked *= 2; /* what was asked is over */
	} else if (at == DEVICE_STATUS && is_asked == 1) {
		reads++;
		if (reads_left != 0 && reads >= reads_left)
			trapped_put(DEVICE_STATUS, in_the_end, 1);
	} else if (is_asked == 1) {
		others++; /* no other register, and no notification */
	}
}

static double stops(uint16_t port)
{
	made.watch = suspends;
	is_asked = 0;
	reads = others = 0;
	uint64_t began = kernel.now;
	ok(vionet_stop(port));
	double took = (double)(kernel.now - began) / 1e9;
	made.watch = NULL;
	same(others, 0);
	same(made.bus_resets, 0);
	same(pool_of(pool).available, PACKETS);
	return took;
}

CASE("a device that can be suspended comes to rest before it is reset")
{
	made.offered[0] |= BIT(VIONET_F_SUSPEND);
	in_the_end = 11 | AT_REST; /* without DRIVER_OK */
	for (reads_left = 1; reads_left < 200; reads_left += 66) {
		uint16_t port = running();
		same(made.accepted[0] >> VIONET_F_SUSPEND & 1, 1);
		yes(stops(port) < 0.1);
		same(is_asked, 2);
		same(asked_at, 15 | AT_REST);
		same(reads, reads_left + 1);
		vionet_close(port);
	}
}

CASE("a device that does not come to rest is reset all the same")
{
	made.offered[0] |= BIT(VIONET_F_SUSPEND);
	uint16_t port = running();
	reads_left = 0;
	double took = stops(port);
	yes(took >= 0.5 && took < 1);
	same(is_asked, 2);
	ok(vionet_start(port));
	reads_left = 10;
	in_the_end = 15 | NEEDS_RESET;
	yes(stops(port) < 0.1);
	same(reads, 11);
	ok(vionet_start(port));
	in_the_end = 0xff; /* it is gone while it is asked */
	yes(stops(port) < 0.1);
	vionet_close(port);
}

CASE("a device that cannot be suspended, or does not run, is not")
{
	uint16_t port = running();
	stops(port);
	same(is_asked, 0);
	made.offered[0] |= BIT(VIONET_F_SUSPEND);
	ok(vionet_start(port));
	trapped_put(DEVICE_STATUS, 15 | NEEDS_RESET, 1);
	stops(port);
	same(is_asked, 0);
	vionet_close(port);
}
#else
#include "../support/cases.h"
CASE("features of newer PCI devices") { skip("only x86-64 can take a single step"); }
#endif
