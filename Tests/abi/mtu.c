/* SPDX-License-Identifier: BSD-2-Clause */
/* The MTU: what limits it, that nothing longer is sent, and what a restart makes of it. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static uint16_t port;

/* Whether a frame of that length, Ethernet header included, is sent; the device fetches it. */
static int sends(struct peer *p, uint32_t length)
{
	static unsigned char frame[70000];
	struct vionet_packet *packet = vionet_packet_alloc(0);
	yes(packet != NULL && vionet_packet_append(packet, length) != NULL);
	memset(packet->data, 0, length);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	if (waiting(p, TX) == 0)
		return 0;
	same(collect(p, frame, sizeof(frame)), length);
	return 1;
}

static void limited_to(struct peer *p, uint16_t mtu)
{
	uint64_t before = stats_of(port).tx.dropped[VIONET_DROP_LONG];
	same(info_of(port).mtu, mtu);
	yes(sends(p, mtu + 14u));
	yes(!sends(p, mtu + 15u));
	same(stats_of(port).tx.dropped[VIONET_DROP_LONG], before + 1);
}

CASE("the MTU that the device gives is the limit")
{
	struct peer p;
	char address[128];
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	ok(vionet_probe(address, &port));
	err(vionet_mtu_set(port, 1000), -EINVAL);
	says("vionet_init");
	ok(vionet_init(port, NULL));
	err(vionet_mtu_set(port, 67), -EINVAL);
	says("68");
	err(vionet_mtu_set(port, 1501), -EINVAL);
	says("VIRTIO_NET_F_MTU");
	says("1500");
	ok(vionet_start(port));
	limited_to(&p, 1500);
	ok(vionet_mtu_set(port, 68));
	limited_to(&p, 68);
	ok(vionet_mtu_set(port, 1000));
	limited_to(&p, 1000);
	ok(vionet_stop(port));
	ok(vionet_start(port));
	limited_to(&p, 1000);
	/* A device that gives less from now on. */
	ok(vionet_stop(port));
	p.config[10] = 900 & 0xff;
	p.config[11] = 900 >> 8;
	ok(vionet_start(port));
	limited_to(&p, 900);
	ok(vionet_stop(port));
	ok(vionet_init(port, NULL));
	same(info_of(port).mtu, 900);
	vionet_close(port);
	err(vionet_mtu_set(port, 1000), -ENODEV);
	peer_end(&p);
}

/* Buffers have 1984 bytes. */
static void by_buffers(const char *keys, uint64_t more, uint32_t limit)
{
	struct peer p;
	char address[128];
	peer_start(&p);
	p.features = (p.features & ~BIT(F_MTU)) | more;
	snprintf(address, sizeof(address), "vhost-user:%s%s", p.path, keys);
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	same(info_of(port).mtu, 1962);
	if (limit < 65535) {
		err(vionet_mtu_set(port, (uint16_t)(limit + 1)), -EINVAL);
		says("1962");
		says("data_size");
	}
	ok(vionet_mtu_set(port, (uint16_t)limit));
	same(info_of(port).mtu, limit);
	ok(vionet_mtu_set(port, 1400));
	limited_to(&p, 1400);
	vionet_close(port);
	peer_end(&p);
}

CASE("without an MTU of the device the size of a buffer is the limit") { by_buffers("", 0, 1962); }
CASE("without an MTU of the device merged buffers have no limit") { by_buffers(",mrg_rxbuf=1", BIT(F_MRG_RXBUF), 65535); }
