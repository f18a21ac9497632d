/* SPDX-License-Identifier: BSD-2-Clause */
/* What a vhost-user device is told, and in which order; what the library takes from it; which memory it gets. */
#include "../support/cases.h"
#include "../support/device.h"

static char address[120];

static uint16_t port_of(struct peer *p, const char *keys)
{
	uint16_t port = VIONET_PORT_NONE;
	snprintf(address, sizeof(address), "vhost-user:%s%s", p->path, keys);
	ok(vionet_probe(address, &port));
	return port;
}

/* The place of the first such message from `after` on. */
static int place(struct peer *p, uint32_t request, int after)
{
	for (int i = after; i < p->seen_count; i++)
		if (p->seen[i] == request)
			return i;
	FAILED("message %u was not sent after place %d", request, after);
}

CASE("messages come in the order that vhost-user requires")
{
	struct peer p;
	peer_start(&p);
	uint16_t port = port_of(&p, "");
	same(p.negotiated, 0);
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	yes(place(&p, GET_FEATURES, 0) < place(&p, SET_FEATURES, 0));
	yes(place(&p, SET_OWNER, 0) < place(&p, SET_FEATURES, 0));
	yes(place(&p, SET_PROTOCOL_FEATURES, 0) < place(&p, SET_FEATURES, 0));
	yes(place(&p, SET_FEATURES, 0) < place(&p, SET_VRING_KICK, 0));
	yes(place(&p, SET_MEM_TABLE, 0) < place(&p, SET_VRING_ADDR, 0));
	yes(place(&p, SET_VRING_NUM, 0) < place(&p, SET_VRING_ADDR, 0));
	yes(place(&p, SET_VRING_ADDR, 0) < place(&p, SET_VRING_KICK, 0));
	yes(place(&p, SET_VRING_KICK, 0) < place(&p, SET_VRING_ENABLE, 0));
	for (int i = 0; i < 2; i++) {
		same(p.ring[i].size, 256);
		same(p.ring[i].enabled, 1);
		yes(p.ring[i].kick >= 0 && p.ring[i].call >= 0);
	}
	same(p.status, 15);
	same(p.negotiated & ~p.features, 0);
	yes((p.negotiated & BIT(F_VERSION_1)) != 0);
	same(p.agreed & ~p.protocol, 0);
	soon(waiting(&p, RX) == 256);

	int so_far = p.seen_count;
	ok(vionet_stop(port));
	yes(place(&p, GET_VRING_BASE, so_far) < p.seen_count);
	same(p.ring[RX].started, 0);
	same(p.ring[TX].started, 0);
	ok(vionet_start(port));
	same(p.ring[RX].enabled, 1);
	soon(waiting(&p, RX) == 256);
	vionet_close(port);
	soon(p.gone == 1);
	peer_end(&p);
}

CASE("what the device says of itself is checked before it is used")
{
	struct peer p;
	struct vionet_info info;

	peer_start(&p);
	p.config[10] = 0x28, p.config[11] = 0x05; /* MTU 1320 */
	uint16_t port = port_of(&p, ",queue_size=64");
	same(info_of(port).offered[0] & BIT(F_VERSION_1), BIT(F_VERSION_1));
	ok(vionet_init(port, NULL));
	info = info_of(port);
	yes(memcmp(info.mac, p.config, 6) == 0);
	same(info.mac_random, 0);
	same(info.mtu, 1320);
	same(info.link_up, 1);
	same(info.rx_descriptors, 64);
	same(info.negotiated[0] & BIT(F_MTU), BIT(F_MTU));
	vionet_close(port);

	/* A MAC address of a group, a link that is down, an MTU below the lowest. */
	memcpy(p.config, "\x01\xff\xff\xff\xff\xff\x00\x00\x01\x00\x10\x00", 12);
	port = port_of(&p, "");
	ok(vionet_init(port, NULL));
	info = info_of(port);
	same(info.mac_random, 1);
	same(info.mac[0] & 3, 2);
	same(info.link_up, 0);
	yes(info.mtu >= 1500);
	same(info.negotiated[0] & BIT(F_MTU), 0);
	vionet_close(port);

	/* The user's own MAC address wins, and no random one comes twice. */
	uint8_t last[6];
	memcpy(last, info.mac, 6);
	port = port_of(&p, ",mac=02:01:02:03:04:05");
	ok(vionet_init(port, NULL));
	yes(memcmp(info_of(port).mac, "\x02\x01\x02\x03\x04\x05", 6) == 0);
	same(info_of(port).mac_random, 0);
	vionet_close(port);
	port = port_of(&p, "");
	ok(vionet_init(port, NULL));
	yes(memcmp(info_of(port).mac, last, 6) != 0);
	vionet_close(port);

	/* Features that the user switches off are not accepted. */
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.features_off = BIT(F_MAC) | BIT(F_STATUS);
	port = port_of(&p, "");
	ok(vionet_init(port, &config));
	same(p.negotiated & config.features_off, 0);
	same(info_of(port).negotiated[0] & config.features_off, 0);
	vionet_close(port);
	peer_end(&p);
}

CASE("a device without VERSION_1, or that rejects the features, is refused")
{
	struct peer p;
	peer_start(&p);
	p.features &= ~BIT(F_VERSION_1);
	uint16_t port = port_of(&p, "");
	err(vionet_init(port, NULL), -ENOTSUP);
	says("VIRTIO_F_VERSION_1");
	same(info_of(port).state, VIONET_STATE_ATTACHED);
	vionet_close(port);

	p.features |= BIT(F_VERSION_1);
	p.drop_features_ok = 1;
	port = port_of(&p, "");
	err(vionet_init(port, NULL), -EINVAL);
	says("features");
	same(info_of(port).state, VIONET_STATE_ATTACHED);
	yes((p.status & 128) != 0); /* FAILED tells the device */
	p.drop_features_ok = 0;
	ok(vionet_init(port, NULL)); /* and again, now that it agrees */
	ok(vionet_start(port));
	same(p.status & 128, 0);
	vionet_close(port);
	peer_end(&p);

	/* A back-end without protocol features and without configuration space. */
	peer_start(&p);
	p.features = BIT(F_VERSION_1) | BIT(F_MAC);
	port = port_of(&p, "");
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	soon(p.ring[TX].started == 1);
	same(info_of(port).mac_random, 1);
	same(p.negotiated, BIT(F_VERSION_1));
	vionet_close(port);
	peer_end(&p);
}

CASE("rings and packet data are shared and sealed, packet structs are not shared")
{
	struct peer p;
	peer_start(&p);
	uint16_t port = port_of(&p, "");
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	struct vionet_packet *packet = vionet_packet_alloc(0);
	yes(packet != NULL);
	int data_shared = 0;
	yes(p.regions > 0);
	for (uint32_t i = 0; i < p.regions; i++) {
		const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
		same(p.region[i].seals & wanted, wanted);
		uint64_t start = p.region[i].user, end = start + p.region[i].length;
		yes((uintptr_t)packet < start || (uintptr_t)packet >= end);
		data_shared |= (uintptr_t)packet->data >= start && (uintptr_t)packet->data < end;
	}
	yes(data_shared);
	vionet_packet_free(packet);
	vionet_close(port);
	peer_end(&p);
}
