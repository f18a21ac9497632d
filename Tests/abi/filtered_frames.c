/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames that our own device gives back or not, as its filters are set, over every kind of ring. */
#include "../support/cases.h"

static uint16_t port;

static const uint8_t own[6] = {2, 0, 0, 0, 0, 0x10}, broadcast[6] = {255, 255, 255, 255, 255, 255}, other[6] = {2, 7},
                     station[6] = {2, 0, 0, 0, 1, 1}, group[6] = {1, 0, 0x5e, 0, 0, 1}, unlisted[6] = {3, 9};
enum { OWN = 1, BROADCAST = 2, OTHER = 4, STATION = 8, GROUP = 16, STRANGER = 32, VLAN_5 = 64, VLAN_6 = 128 };

static struct vionet_packet *made(int number)
{
	static const uint8_t *const target[] = {own, broadcast, other, station, group, unlisted, broadcast, broadcast};
	struct vionet_packet *packet = vionet_packet_alloc(0);
	yes(packet != NULL && vionet_packet_append(packet, 64) != NULL);
	uint8_t *frame = packet->data;
	memset(frame, 0, 64);
	memcpy(frame, target[number], 6);
	frame[6] = 2;
	frame[12] = 0x88;
	frame[13] = 0xb5;
	if (number >= 6)
		memcpy(frame + 12, (uint8_t[6]){0x81, 0, 0, (uint8_t)(number - 1), 0x88, 0xb5}, 6);
	frame[20] = (uint8_t)number;
	return packet;
}

/* A mask of the kinds of frames that come back. */
static int back(void)
{
	struct vionet_packet *packet;
	int mask = 0, rounds = 0;
	for (int number = 0; number < 8; number++) {
		packet = made(number);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
	}
	/* One more at the end passes every filter: when it is back, the others are through. */
	packet = made(0);
	((uint8_t *)packet->data)[20] = 99;
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	for (;;) {
		yes(rounds++ < 50000);
		if (vionet_rx_burst(port, 0, &packet, 1) == 0) {
			usleep(100);
			continue;
		}
		int number = ((uint8_t *)packet->data)[20];
		vionet_packet_free(packet);
		if (number == 99)
			return mask;
		mask |= 1 << number;
	}
}

static void over(const char *keys)
{
	const uint8_t list[2][6] = {{1, 0, 0x5e, 0, 0, 1}, {2, 0, 0, 0, 1, 1}};
	char address[128];
	snprintf(address, sizeof(address), "soft:loopback,cq=1,vlan_filter=1%s", keys);
	port = opened(address);
	same(back(), 255);
	ok(vionet_mac_set(port, own));
	ok(vionet_promiscuous_set(port, 0));
	same(back(), OWN | BROADCAST);
	ok(vionet_mac_list_set(port, list[0], 2));
	ok(vionet_vlan_filter_set(port, 5, 1));
	same(back(), OWN | BROADCAST | STATION | GROUP | VLAN_5);
	ok(vionet_vlan_filter_set(port, 6, 1));
	ok(vionet_vlan_filter_set(port, 5, 0));
	ok(vionet_all_multicast_set(port, 1));
	same(back(), OWN | BROADCAST | STATION | GROUP | STRANGER | VLAN_6);
	ok(vionet_all_multicast_set(port, 0));
	ok(vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST | VIONET_FILTER_ALL_UNICAST));
	same(back(), OWN | OTHER | STATION | GROUP);
	ok(vionet_rx_filter_set(port, VIONET_FILTER_NO_MULTICAST));
	same(back(), OWN | BROADCAST | STATION | VLAN_6);
	/* A hundred commands and a restart later. */
	for (int i = 0; i < 50; i++)
		ok(vionet_all_multicast_set(port, i % 2 == 0));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	same(back(), OWN | BROADCAST | STATION | VLAN_6);
	ok(vionet_promiscuous_set(port, 1));
	same(back(), 255);
	vionet_close(port);
}

static const char *const keys[] = {"", ",in_order=0", ",packed_vq=1", ",packed_vq=1,in_order=0",
                                   ",packed_vq=1,queue_size=100"};
static const char *title(unsigned int row)
{
	static char text[120];
	snprintf(text, sizeof(text), "the device's filters pass the frames they should, soft:loopback%s", keys[row]);
	return text;
}

CASES(sizeof(keys) / sizeof(keys[0]), title) { over(keys[row]); }
