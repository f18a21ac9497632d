/* SPDX-License-Identifier: BSD-2-Clause */
/* Filters: each command byte by byte, the error when there is none, and what a restart keeps. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static const uint64_t filters = BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA) | BIT(F_CTRL_MAC_ADDR) | BIT(F_CTRL_VLAN);
static uint16_t port;

static void modes(struct control *c)
{
	commands(c, ""); /* nothing is set by itself */
	ok(vionet_promiscuous_set(port, 0));
	commands(c, "00 00 00\n");
	ok(vionet_promiscuous_set(port, 0));
	commands(c, "");
	ok(vionet_promiscuous_set(port, 7));
	ok(vionet_all_multicast_set(port, 1));
	ok(vionet_all_multicast_set(port, 0));
	commands(c, "00 00 01\n 00 01 01\n 00 01 00\n");
	ok(vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST));
	commands(c, "00 02 00\n 00 03 00\n 00 04 00\n 00 05 01\n");
	ok(vionet_rx_filter_set(port, VIONET_FILTER_ALL_UNICAST | VIONET_FILTER_NO_MULTICAST | VIONET_FILTER_NO_UNICAST));
	commands(c, "00 02 01\n 00 03 01\n 00 04 01\n 00 05 00\n");
	ok(vionet_rx_filter_set(port, 0));
	commands(c, "00 02 00\n 00 03 00\n 00 04 00\n");
	for (uint32_t bit = 0; bit < 32; bit++)
		if ((1u << bit & 0x3cu) == 0)
			err(vionet_rx_filter_set(port, 1u << bit), -EINVAL);
	says("flags");
	commands(c, "");
}

static void addresses(struct control *c)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x42}, group[6] = {3, 0, 0, 0, 0, 1}, zero[6] = {0};
	const uint8_t list[5][6] = {
		{1, 0, 0x5e, 0, 0, 1}, {2, 0, 0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {2, 0, 0, 0, 0, 2}, {0},
	};
	ok(vionet_mac_set(port, mac));
	commands(c, "01 01 020000000042\n");
	yes(memcmp(info_of(port).mac, mac, 6) == 0);
	err(vionet_mac_set(port, group), -EINVAL);
	err(vionet_mac_set(port, zero), -EINVAL);
	err(vionet_mac_set(port, NULL), -EINVAL);
	yes(memcmp(info_of(port).mac, mac, 6) == 0);

	ok(vionet_mac_list_set(port, list[0], 4));
	commands(c, "01 00 02000000 020000000001 020000000002 02000000 01005e000001 ffffffffffff\n");
	ok(vionet_mac_list_set(port, list[1], 1));
	commands(c, "01 00 01000000 020000000001 00000000\n");
	ok(vionet_mac_list_set(port, NULL, 0));
	commands(c, "01 00 00000000 00000000\n");
	err(vionet_mac_list_set(port, NULL, 1), -EINVAL);
	err(vionet_mac_list_set(port, list[0], 5), -EINVAL);
	says("address 4");
	err(vionet_mac_list_set(port, list[0], 65536), -EINVAL);
	says("65535");
	err(vionet_mac_list_set(port, list[0], (size_t)-1), -EINVAL);
	commands(c, "");
}

static void vlans(struct control *c)
{
	ok(vionet_vlan_filter_set(port, 5, 1));
	ok(vionet_vlan_filter_set(port, 4095, 1));
	ok(vionet_vlan_filter_set(port, 5, 0));
	commands(c, "02 00 0500\n 02 00 ff0f\n 02 01 0500\n");
	err(vionet_vlan_filter_set(port, 4096, 1), -EINVAL);
	says("4095");
	commands(c, "");
}

static void each(uint64_t more, uint32_t pairs)
{
	struct control c;
	control_start(&c, filters | more, pairs);
	port = control_port(&c, pairs > 1 ? ",cq=1,vlan_filter=1,queues=3" : ",cq=1,vlan_filter=1");
	if (pairs > 1)
		commands(&c, "04 00 0300\n");
	modes(&c);
	ok(vionet_start(port));
	addresses(&c);
	vlans(&c);
	vionet_close(port);
	control_end(&c);
}

/* A restart and a lost connection bring back what was set, once, and nothing else. */
static const char *const all_again =
	"01 01 020000000042\n 00 00 00\n 00 01 01\n 00 02 00\n 00 03 00\n 00 04 00\n 00 05 01\n"
	"01 00 01000000 020000000001 01000000 01005e000001\n 02 00 0300\n 02 00 4000\n";

static void set_all(struct control *c)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x42}, list[2][6] = {{1, 0, 0x5e, 0, 0, 1}, {2, 0, 0, 0, 0, 1}};
	ok(vionet_mac_set(port, mac));
	ok(vionet_promiscuous_set(port, 0));
	ok(vionet_all_multicast_set(port, 1));
	ok(vionet_mac_list_set(port, list[0], 2));
	for (uint16_t id = 3; id < 66; id++)
		ok(vionet_vlan_filter_set(port, id, 1));
	for (uint16_t id = 4; id < 66; id++)
		if (id != 64)
			ok(vionet_vlan_filter_set(port, id, 0));
	control_forget(c);
}

CASE("a restart and a lost connection bring back what was set, once")
{
	struct control c;
	control_start(&c, filters & ~BIT(F_CTRL_RX_EXTRA), 1);
	port = control_port(&c, ",cq=1,vlan_filter=1");
	set_all(&c);
	ok(vionet_start(port));
	ok(vionet_stop(port));
	commands(&c, "");
	err(vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST), -ENOTSUP);
	c.peer.features |= BIT(F_CTRL_RX_EXTRA);
	/* The end of a connection has the effect of a stop. */
	c.peer.mischief = CLOSE_BEFORE;
	c.peer.at = c.peer.seen_count;
	err(vionet_start(port), -ECONNRESET);
	ok(vionet_start(port));
	ok(vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST));
	control_forget(&c);
	ok(vionet_stop(port));
	/* What is set while the port is stopped is sent at the start. */
	ok(vionet_vlan_filter_set(port, 7, 1));
	ok(vionet_vlan_filter_set(port, 7, 0));
	ok(vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST));
	commands(&c, "");
	ok(vionet_start(port));
	commands(&c, all_again);
	same(info_of(port).mac[5], 0x42);
	ok(vionet_stop(port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	commands(&c, "");
	same(info_of(port).mac[5], 0xee); /* the device's */
	vionet_close(port);
	control_end(&c);
}

CASE("a MAC address from the options is sent to the device")
{
	struct control c;
	control_start(&c, BIT(F_CTRL_MAC_ADDR), 1);
	port = control_port(&c, ",cq=1,mac=02:00:00:00:00:07");
	commands(&c, "01 01 020000000007\n");
	vionet_close(port);
	control_end(&c);
}

/* ---- what is not available ------------------------------------------------------------------------------------------ */

static void refuses(int code, const char *rx, const char *extra, const char *mac, const char *vlan)
{
	const uint8_t address[6] = {2, 0, 0, 0, 0, 1};
	err(vionet_promiscuous_set(port, 1), code);
	says(rx);
	err(vionet_all_multicast_set(port, 1), code);
	says(rx);
	err(vionet_mac_list_set(port, address, 1), code);
	says(rx);
	err(vionet_rx_filter_set(port, 0), code);
	says(extra);
	err(vionet_mac_set(port, address), code);
	says(mac);
	err(vionet_vlan_filter_set(port, 1, 1), code);
	says(vlan);
}

CASE("what the device or the options lack is named")
{
	struct control c;
	control_start(&c, filters, 1);
	port = control_port(&c, ",cq=1");
	same(info_of(port).negotiated[0] & BIT(F_CTRL_VLAN), 0);
	err(vionet_vlan_filter_set(port, 1, 1), -ENOTSUP);
	says("offers VIRTIO_NET_F_CTRL_VLAN");
	says("vlan_filter=1");
	vionet_close(port);

	port = control_port(&c, "");
	refuses(-ENOTSUP, "cq=1", "VIRTIO_NET_F_CTRL_VQ", "cq=1", "cq=1");
	vionet_close(port);

	port = control_port(&c, ",cq=1");
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.features_off = BIT(F_CTRL_RX);
	ok(vionet_init(port, &config));
	err(vionet_promiscuous_set(port, 1), -ENOTSUP);
	says("VIRTIO_NET_F_CTRL_RX, which features_off forbids");
	vionet_close(port);

	c.peer.features &= ~filters;
	port = control_port(&c, ",cq=1,vlan_filter=1");
	refuses(-ENOTSUP, "not offer VIRTIO_NET_F_CTRL_RX", "VIRTIO_NET_F_CTRL_RX_EXTRA", "VIRTIO_NET_F_CTRL_MAC_ADDR",
	        "not offer VIRTIO_NET_F_CTRL_VLAN");
	commands(&c, "");
	vionet_close(port);
	refuses(-ENODEV, "port", "port", "port", "port");
	ok(vionet_probe("soft:sink", &port));
	refuses(-EINVAL, "vionet_init", "vionet_init", "vionet_init", "vionet_init");
	vionet_close(port);
	control_end(&c);
}

/* A device that refuses every command. */
static uint8_t no(const uint8_t *command, uint32_t length)
{
	(void)command;
	return length == 0 ? 0 : 1;
}

CASE("a refused command is an error, and what was set before stays")
{
	const uint8_t address[6] = {2, 0, 0, 0, 0, 1};
	struct control c;
	control_start(&c, filters, 1);
	port = control_port(&c, ",cq=1,vlan_filter=1");
	c.answer = no;
	refuses(-EIO, "", "ALLUNI", "MAC_ADDR_SET", "VLAN_ADD");
	commands(&c, "00 00 01\n 00 01 01\n 01 00 01000000 020000000001 00000000\n 00 02 01\n 00 02 00\n"
	             "01 01 020000000001\n 02 00 0100\n");
	yes(memcmp(info_of(port).mac, address, 6) != 0);
	c.answer = NULL;
	ok(vionet_start(port));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(&c, "");
	ok(vionet_promiscuous_set(port, 1));
	commands(&c, "00 00 01\n");
	/* A device that refuses at a start what it took before keeps the port from starting. */
	ok(vionet_stop(port));
	c.answer = no;
	err(vionet_start(port), -EIO);
	says("PROMISC");
	c.answer = NULL;
	ok(vionet_start(port));
	vionet_close(port);
	control_end(&c);
}

CASE("each setting is one command") { each(0, 1); }
CASE("each setting is one command, in order") { each(BIT(F_IN_ORDER), 1); }
CASE("each setting is one command, behind three pairs of queues") { each(BIT(F_MQ), 3); }
