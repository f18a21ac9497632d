/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program can ask about a device before it uses it: feature bits by name, offloads, ring sizes. */
#include "../support/cases.h"
#include "../support/ok.h"

#define F(name) {VIONET_F_##name, "VIRTIO_NET_F_" #name, "VIRTIO_F_" #name}
static const struct { unsigned int bit; const char *of_network, *of_all; } features[] = {
	F(CSUM), F(GUEST_CSUM), F(CTRL_GUEST_OFFLOADS), F(MTU), F(MAC), F(GSO), F(GUEST_TSO4), F(GUEST_TSO6), F(GUEST_ECN),
	F(GUEST_UFO), F(HOST_TSO4), F(HOST_TSO6), F(HOST_ECN), F(HOST_UFO), F(MRG_RXBUF), F(STATUS), F(CTRL_VQ), F(CTRL_RX),
	F(CTRL_VLAN), F(CTRL_RX_EXTRA), F(GUEST_ANNOUNCE), F(MQ), F(CTRL_MAC_ADDR), F(NOTIFY_ON_EMPTY), F(ANY_LAYOUT),
	F(INDIRECT_DESC), F(EVENT_IDX), F(VERSION_1), F(ACCESS_PLATFORM), F(RING_PACKED), F(IN_ORDER), F(ORDER_PLATFORM),
	F(SR_IOV), F(NOTIFICATION_DATA), F(NOTIF_CONFIG_DATA), F(RING_RESET), F(ADMIN_VQ), F(SUSPEND), F(DEVICE_STATS),
	F(HASH_TUNNEL), F(VQ_NOTF_COAL), F(NOTF_COAL), F(GUEST_USO4), F(GUEST_USO6), F(HOST_USO), F(HASH_REPORT),
	F(GUEST_HDRLEN), F(RSS), F(RSC_EXT), F(STANDBY), F(SPEED_DUPLEX), F(RSS_CONTEXT), F(GUEST_UDP_TUNNEL_GSO),
	F(GUEST_UDP_TUNNEL_GSO_CSUM), F(HOST_UDP_TUNNEL_GSO), F(HOST_UDP_TUNNEL_GSO_CSUM), F(OUT_NET_HEADER), F(IPSEC),
};

CASE("every feature that has a name has a constant of that name")
{
	size_t named = 0;

	for (unsigned int bit = 0; bit < 256; bit++)
		named += vionet_feature_name(bit) != NULL;
	same(named, sizeof(features) / sizeof(features[0]));
	for (size_t i = 0; i < named; i++) {
		const char *name = vionet_feature_name(features[i].bit);
		yes(name != NULL);
		if (strcmp(name, features[i].of_network) != 0 && strcmp(name, features[i].of_all) != 0)
			FAILED("bit %u is %s, and its constant VIONET_F_%s", features[i].bit, name, features[i].of_all + 9);
	}
}

CASE("offloads are known before vionet_init, and those in use after it")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port;

	ok(vionet_probe("soft:loopback", &port));
	struct vionet_info info = info_of(port);
	yes(VIONET_HAS(info.offered, VIONET_F_CSUM) && !VIONET_HAS(info.negotiated, VIONET_F_CSUM));
	same(info.tx_offloads & VIONET_TX_CHECKSUM, VIONET_TX_CHECKSUM);
	yes((info.rx_offloads & (VIONET_RX_CHECKSUM | VIONET_RX_LRO | VIONET_RX_VLAN_STRIP)) ==
	    (VIONET_RX_CHECKSUM | VIONET_RX_LRO | VIONET_RX_VLAN_STRIP));
	same(info.max_rx_descriptors, 0);
	config.rx_offloads = VIONET_RX_CHECKSUM;
	ok(vionet_init(port, &config));
	info = info_of(port);
	same(info.rx_offloads, VIONET_RX_CHECKSUM);
	yes(VIONET_HAS(info.negotiated, VIONET_F_GUEST_CSUM) && !VIONET_HAS(info.negotiated, VIONET_F_GUEST_TSO4));
	same(info.max_rx_descriptors, 32768);
	same(info.max_tx_descriptors, 32768);
	vionet_close(port);

	ok(vionet_probe("soft:loopback,features_off=0x1", &port));
	same(info_of(port).tx_offloads, 0);
	vionet_close(port);
}

static const struct { uint32_t offload; const char *device, *names, *feature; } refusals[] = {
	{VIONET_RX_CHECKSUM, "soft:loopback,features_off=0x2", "VIONET_RX_CHECKSUM", "VIRTIO_NET_F_GUEST_CSUM"},
	{VIONET_RX_LRO, "soft:loopback,features_off=0x2", "VIONET_RX_LRO", "VIRTIO_NET_F_GUEST_TSO4"},
	{VIONET_RX_VLAN_FILTER, "soft:loopback,cq=0", "VIONET_RX_VLAN_FILTER", "VIRTIO_NET_F_CTRL_VLAN"},
	{VIONET_RX_RSS, "soft:loopback,cq=0", "VIONET_RX_RSS", "VIRTIO_NET_F_RSS"},
	{VIONET_RX_HASH, "soft:loopback,cq=0", "VIONET_RX_HASH", "VIRTIO_NET_F_HASH_REPORT"},
};

static const char *refusal(unsigned int row) { return refusals[row].names; }

CASES(5, refusal)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port;

	config.rx_offloads = refusals[row].offload;
	ok(vionet_probe(refusals[row].device, &port));
	err(vionet_init(port, &config), -ENOTSUP);
	says(refusals[row].names);
	says(refusals[row].feature);
	same(info_of(port).state, VIONET_STATE_ATTACHED);
	config.rx_offloads = 0;
	ok(vionet_init(port, &config));
	vionet_close(port);
}
