/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device asks for an announcement: the event comes, vionet_announce() sends the frames of RFC 903 and RFC 5227, and the
 * device is told once. And the link speed that a device gives.
 */
#include "../support/cases.h"
#include "../support/blocking_calls.h"
#include "../support/control_queue.h"

enum { F_GUEST_ANNOUNCE = 21, F_SPEED_DUPLEX = 63, ADDRESSES = 2 };

static const uint8_t addresses[4 * ADDRESSES] = {192, 0, 2, 7, 198, 51, 100, 255};
static int requests, result;

static void hear(uint16_t port, int event, void *user)
{
	(void)user;
	if (event == VIONET_EVENT_ANNOUNCE) {
		requests++;
		result = vionet_announce(port, 0, addresses, ADDRESSES);
	}
}

/* ANNOUNCE_ACK clears the request. */
static struct control c;
static uint8_t acknowledged(const uint8_t *command, uint32_t length)
{
	if (length == 2 && command[0] == 3)
		c.peer.config[6] &= (uint8_t)~2;
	return 0;
}

static void announced(const uint8_t *mac, const uint8_t *address)
{
	uint8_t frame[100], wanted[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	memcpy(wanted + 6, mac, 6);
	memcpy(wanted + 12, address == NULL ? "\x80\x35\0\x01\x08\0\x06\x04\0\x03" : "\x08\x06\0\x01\x08\0\x06\x04\0\x01", 10);
	memcpy(wanted + 22, mac, 6);
	if (address == NULL) {
		memcpy(wanted + 32, mac, 6);
	} else {
		memcpy(wanted + 28, address, 4);
		memcpy(wanted + 38, address, 4);
	}
	same(collect(&c.peer, frame, sizeof(frame)), 60);
	for (int i = 0; i < 60; i++)
		same(frame[i], wanted[i]);
}

static void says_speed(uint16_t port, uint32_t speed, uint8_t duplex, uint32_t is, uint8_t is_duplex)
{
	memcpy(c.peer.config + 12, &speed, 4);
	c.peer.config[16] = duplex;
	ok(vionet_event_handle(port));
	same(info_of(port).speed, is);
	same(info_of(port).duplex, is_duplex);
}

/* A started port. Before the start an announcement is refused. */
static uint16_t started(void)
{
	uint16_t port = control_port(&c, ",cq=1");
	err(vionet_announce(port, 0, NULL, 0), -EINVAL);
	ok(vionet_start(port));
	return port;
}

BEFORE_EACH
{
	ok(vionet_event_add(hear, NULL));
	control_start(&c, BIT(F_CTRL_RX) | BIT(F_CTRL_MAC_ADDR) | BIT(F_STATUS) | BIT(F_GUEST_ANNOUNCE) | BIT(F_SPEED_DUPLEX), 1);
	c.answer = acknowledged;
	c.peer.config[6] = 1;
}

AFTER_EACH
{
	control_end(&c);
	ok(vionet_event_remove(hear, NULL));
}

CASE("an announcement needs a started port, a queue and its addresses")
{
	uint16_t port = started();
	ok(vionet_announce(port, 0, NULL, 0));
	announced(info_of(port).mac, NULL);
	err(vionet_announce(port, 1, NULL, 0), -EINVAL);
	err(vionet_announce(port, 0, NULL, 1), -EINVAL);
	vionet_close(port);
	err(vionet_announce(port, 0, NULL, 0), -ENODEV);
}

CASE("a device that asks for an announcement gets it, and is told once that it was sent")
{
	uint16_t port = started();
	for (int i = 1; i <= 3; i++) {
		c.peer.config[6] |= 2;
		same(vionet_event_handle(port), 1);
		same(requests, i);
		ok(result);
		commands(&c, "03 00\n");
		announced(info_of(port).mac, NULL);
		announced(info_of(port).mac, addresses);
		announced(info_of(port).mac, addresses + 4);
		same(vionet_event_handle(port), 0);
		same(waiting(&c.peer, TX), 0);
	}
	vionet_close(port);
}

CASE("a device that does not take the answer to its request delays nobody, and is told later")
{
	uint16_t port = started();
	c.silent = 1;
	c.peer.config[6] |= 2;
	waits_at_most(1000, same(vionet_event_handle(port), 1));
	same(requests, 1);
	/* The request is still there and was heeded: nothing is announced twice. */
	for (int i = 0; i < 3; i++)
		same(vionet_event_handle(port), 0);
	same(requests, 1);
	c.silent = 0;
	same(eventfd_write(c.peer.ring[2].kick, 1), 0);
	soon(c.count == 1);
	soon(!(c.peer.config[6] & 2));
	same(vionet_event_handle(port), 0);
	ok(vionet_promiscuous_set(port, 1));
	commands(&c, "03 00\n 00 00 01\n");
	c.peer.config[6] |= 2;
	same(vionet_event_handle(port), 1);
	same(requests, 2);
	vionet_close(port);
}

CASE("an announcement is acknowledged once, also if another command has the queue")
{
	uint16_t port = started();
	c.silent = 1;
	err(vionet_promiscuous_set(port, 1), -ETIMEDOUT);
	c.peer.config[6] |= 2;
	same(vionet_event_handle(port), 1);
	same(vionet_event_handle(port), 0);
	same(requests, 1);
	c.silent = 0;
	same(eventfd_write(c.peer.ring[2].kick, 1), 0);
	soon(c.count == 1);
	same(vionet_event_handle(port), 0);
	soon(!(c.peer.config[6] & 2));
	same(vionet_event_handle(port), 0);
	same(requests, 1);
	commands(&c, "00 00 01\n 03 00\n");
	vionet_close(port);
}

CASE("an announcement has the MAC address that was set")
{
	uint16_t port = started();
	ok(vionet_mac_set(port, (const uint8_t[6]){2, 0, 0, 0, 0, 0x99}));
	control_forget(&c);
	ok(vionet_announce(port, 0, addresses, 1));
	announced((const uint8_t[6]){2, 0, 0, 0, 0, 0x99}, NULL);
	announced((const uint8_t[6]){2, 0, 0, 0, 0, 0x99}, addresses);
	vionet_close(port);
}

CASE("an announcement from an empty pool is refused")
{
	static struct vionet_packet *all[20000];
	uint32_t held = 0;
	uint16_t port = started();
	while (held < 20000 && (all[held] = vionet_packet_alloc(0)) != NULL)
		held++;
	err(vionet_announce(port, 0, NULL, 0), -ENOBUFS);
	says("pool");
	while (held > 0)
		vionet_packet_free(all[--held]);
	vionet_close(port);
}

CASE("speed and duplex are what the device says, unknown if it says nothing of use")
{
	uint16_t port = started();
	says_speed(port, 25000, 1, 25000, VIONET_DUPLEX_FULL);
	says_speed(port, 10, 0, 10, VIONET_DUPLEX_HALF);
	says_speed(port, 0xffffffff, 0xff, 0, VIONET_DUPLEX_UNKNOWN);
	says_speed(port, 0x80000000, 2, 0, VIONET_DUPLEX_UNKNOWN);
	vionet_close(port);
}

CASE("the option speed wins over the device's speed")
{
	uint16_t port = control_port(&c, ",cq=1,speed=40000");
	same(info_of(port).speed, 40000);
	same(info_of(port).duplex, VIONET_DUPLEX_FULL);
	vionet_close(port);
}
