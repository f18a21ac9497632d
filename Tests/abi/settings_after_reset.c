/* SPDX-License-Identifier: BSD-2-Clause */
/* recover=auto: the device gets all settings of the port again after each reset, and packets flow on. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static uint16_t port;
static uint32_t recoveries;

static void count(uint16_t number, int event, void *user)
{
	(void)number, (void)user;
	recoveries += event == VIONET_EVENT_RECOVERED;
}

#define KEY "28 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627\n"

/* In the order of the calls below, except that the MAC address comes first. */
static const char *const all =
	"01 01 020000000042\n 04 01 03000000 0100 0100 0100 0000 0200" KEY
	"06 01 08000000 10000000\n 06 00 02000000 03000000\n 06 02 0200 0000 01000000 04000000\n 05 00 0200000000000000\n"
	"00 00 00\n 00 01 01\n 00 02 00\n 00 03 00\n 00 04 00\n 00 05 01\n"
	"01 00 01000000 020000000001 01000000 01005e000001\n 02 00 0500\n 02 00 ff0f\n";

static void set_all(void)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x42}, list[2][6] = {{1, 0, 0x5e, 0, 0, 1}, {2, 0, 0, 0, 0, 1}};
	uint16_t table[2] = {1, 0};
	uint8_t key[40];
	struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
	for (uint8_t i = 0; i < 40; i++)
		key[i] = i;
	rss.hash_types = VIONET_HASH_IPV4 | VIONET_HASH_TCP4;
	rss.key = key;
	rss.key_length = 40;
	rss.table = table;
	rss.table_length = 2;
	rss.unclassified_queue = 1;
	ok(vionet_mac_set(port, mac));
	ok(vionet_queue_pairs_set(port, 2));
	ok(vionet_rss_set(port, &rss));
	ok(vionet_rx_coalesce_set(port, VIONET_ALL_QUEUES, 8, 16));
	ok(vionet_tx_coalesce_set(port, VIONET_ALL_QUEUES, 2, 3));
	ok(vionet_rx_coalesce_set(port, 1, 1, 4));
	ok(vionet_rx_offloads_set(port, VIONET_RX_CHECKSUM | VIONET_RX_RSS | VIONET_RX_VLAN_FILTER));
	ok(vionet_promiscuous_set(port, 0));
	ok(vionet_all_multicast_set(port, 1));
	ok(vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST));
	ok(vionet_mac_list_set(port, list[0], 2));
	ok(vionet_vlan_filter_set(port, 5, 1));
	ok(vionet_vlan_filter_set(port, 6, 1));
	ok(vionet_vlan_filter_set(port, 4095, 1));
	ok(vionet_vlan_filter_set(port, 6, 0));
	ok(vionet_mtu_set(port, 1200));
}

/* A frame in and out again; none that is longer than the MTU, none on a pair that is not in use. */
static void flows(struct peer *p)
{
	unsigned char frame[1500] = {2, 0, 0, 0, 0, 0x42, 2};
	struct vionet_packet *packet;
	deliver(p, frame, 60);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(collect(p, frame, sizeof(frame)), 60);
	packet = vionet_packet_alloc(0);
	yes(packet != NULL && vionet_packet_append(packet, 1215) != NULL);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(waiting(p, TX), 0);
	packet = vionet_packet_alloc(0);
	yes(packet != NULL && vionet_packet_append(packet, 60) != NULL);
	same(vionet_tx_burst(port, 2, &packet, 1), 0); /* a pair that is not in use */
	vionet_packet_free(packet);
}

static void again(struct control *c)
{
	same(recoveries, 1);
	recoveries = 0;
	same(info_of(port).state, VIONET_STATE_STARTED);
	same(info_of(port).mac[5], 0x42);
	same(info_of(port).mtu, 1200);
	commands(c, all);
	flows(&c->peer);
}

/* No packet is missing: each is in the pool or on a ring. */
static void whole(uint32_t before)
{
	(void)vionet_tx_done(port, 0);
	same(pool_of(info_of(port).pool).available, before);
}

static uint8_t no(const uint8_t *command, uint32_t length)
{
	return (uint8_t)(command[0] + length > 0);
}

static void recovered(struct control *c)
{
	uint32_t before = 0;
	flows(&c->peer);
	control_forget(c);
	for (int i = 0; i < 100; i++) {
		c->peer.status |= 64;
		same(vionet_event_handle(port), 2);
		again(c);
		if (i == 0)
			before = pool_of(info_of(port).pool).available;
		whole(before);
	}
	/* A broken queue. */
	struct vionet_packet *packet;
	give_back(&c->peer, RX, 70000, 100);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(vionet_event_handle(port), 1);
	again(c);
	/* A control queue that did not answer works again, too. */
	c->silent = 1;
	err(vionet_promiscuous_set(port, 1), -ETIMEDOUT);
	c->silent = 0;
	c->peer.status |= 64;
	same(vionet_event_handle(port), 2);
	again(c);
	/* If the device refuses a setting, the port stops, and can be started when the device takes it. */
	c->answer = no;
	c->peer.status |= 64;
	err(vionet_event_handle(port), -EIO);
	says("MAC_ADDR_SET");
	same(info_of(port).state, VIONET_STATE_STOPPED);
	c->answer = NULL;
	control_forget(c);
	recoveries = 1;
	ok(vionet_start(port));
	again(c);
}

/* A back-end that returns gets all settings, including those made while it was away. */
static void comes_back(struct control *c)
{
	int gone = c->peer.gone;
	c->peer.absent = 1;
	c->peer.leave = 1;
	soon(c->peer.gone > gone);
	soon(vionet_event_handle(port) > 0);
	same(info_of(port).state, VIONET_STATE_WAITING);
	ok(vionet_promiscuous_set(port, 1));
	ok(vionet_promiscuous_set(port, 0));
	err(vionet_rx_queue_restart(port, 0, 0), -EINVAL);
	commands(c, "");
	c->peer.absent = 0;
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
	commands(c, all);
	flows(&c->peer);
}

/* These steps go on where the one before has ended: the settings stay the same. */
CASE("all settings are sent again after resets, refusals and a new connection")
{
	struct control c;
	ok(vionet_event_add(count, NULL));
	control_start(&c, BIT(F_MQ) | BIT(F_RSS) | BIT(F_NOTF_COAL) | BIT(F_VQ_NOTF_COAL) | BIT(F_GUEST_CSUM)
	                  | BIT(F_CTRL_GUEST_OFFLOADS) | BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA) | BIT(F_CTRL_MAC_ADDR)
	                  | BIT(F_CTRL_VLAN), 3);
	memcpy(c.peer.config + 17, "\x28\x80\x00\x3f\x00\x00\x00", 7);
	port = control_port(&c, ",cq=1,queues=3,rss=1,vlan_filter=1,rx_csum=1,recover=auto");
	ok(vionet_start(port));
	set_all();
	recovered(&c);
	comes_back(&c);
	vionet_close(port);
	control_end(&c);
	ok(vionet_event_remove(count, NULL));
}
