/* SPDX-License-Identifier: BSD-2-Clause */
/* Event callbacks: which event comes when, in which state of the port, to which callback. */
#include "../support/cases.h"
#include "../support/device.h"

static struct { uint16_t port; int event; uint32_t state; } seen[64];
static _Atomic int seen_count;

static void keep(uint16_t port, int event, void *user)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	same((uintptr_t)user, 7);
	yes(seen_count < 64);
	ok(vionet_info(port, &info)); /* it may read the port */
	seen[seen_count].port = port;
	seen[seen_count].event = event;
	seen[seen_count].state = info.state;
	seen_count++;
}

static void also(uint16_t port, int event, void *user)
{
	(void)port, (void)event;
	++*(int *)user;
}

CASE("a port is announced when it is new and when it is closed, once each")
{
	uint16_t port;
	int others = 0;
	ok(vionet_event_add(also, &others));
	ok(vionet_probe("soft:sink", &port));
	same(seen_count, 1);
	same(others, 1);
	same(seen[0].port, port);
	same(seen[0].event, VIONET_EVENT_NEW);
	yes(seen[0].state != VIONET_STATE_ATTACHED); /* that comes after the callbacks */
	same(info_of(port).state, VIONET_STATE_ATTACHED);
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	ok(vionet_stop(port));
	same(seen_count, 1);
	ok(vionet_event_remove(also, &others));
	vionet_close(port);
	same(seen_count, 2);
	same(others, 1);
	same(seen[1].event, VIONET_EVENT_CLOSED);
	same(seen[1].port, port);
	vionet_close(port);
	same(seen_count, 2);
	yes(vionet_open("soft:nothing", &port) < 0);
	same(seen_count, 2);
}

CASE("there is room for eight callbacks")
{
	int users[9] = {0};
	for (int i = 0; i < 7; i++)
		ok(vionet_event_add(also, &users[i]));
	err(vionet_event_add(also, &users[8]), -ENOSPC);
	err(vionet_event_remove(also, &users[8]), -ENOENT);
	for (int i = 0; i < 7; i++)
		ok(vionet_event_remove(also, &users[i]));
	err(vionet_event_remove(also, &users[0]), -ENOENT);
}

CASE("a back-end that leaves wakes sleepers and is reported once")
{
	struct peer p;
	struct vionet_packet *packets[4];
	char address[100];
	uint16_t port;
	int gone = 0;

	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	port = opened(address);
	soon(waiting(&p, RX) > 0);
	seen_count = 0;
	struct pollfd wake = {.fd = vionet_rx_fd(port, 0), .events = POLLIN};
	same(vionet_rx_arm(port, 0), 0);
	same(poll(&wake, 1, 50), 0);
	peer_end(&p);
	same(poll(&wake, 1, LONG_WAIT), 1); /* a sleeper wakes up */
	err(vionet_rx_arm(port, 0), -ENOTCONN);
	says("back-end");
	err(vionet_rx_arm(port, 0), -ENOTCONN);
	for (int i = 0; i < seen_count; i++)
		gone += seen[i].event == VIONET_EVENT_GONE && seen[i].port == port;
	same(gone, 1);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	same(info_of(port).link_up, 0);
	same(vionet_rx_burst(port, 0, packets, 4), 0);
	yes(vionet_stop(port) == 0);
	yes(vionet_init(port, NULL) < 0); /* there is no back-end */
	yes(vionet_error()[0] != 0);
	vionet_close(port);
	same(vionet_port_next(0), VIONET_PORT_NONE);
}

CASE("vionet_info() notices a back-end that has left")
{
	struct peer p;
	char address[100];
	int gone = 0;

	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	uint16_t port = opened(address);
	soon(waiting(&p, RX) > 0);
	seen_count = 0;
	same(info_of(port).state, VIONET_STATE_STARTED);
	peer_end(&p);
	soon(info_of(port).state == VIONET_STATE_BROKEN);
	(void)info_of(port);
	for (int i = 0; i < seen_count; i++)
		gone += seen[i].event == VIONET_EVENT_GONE && seen[i].port == port;
	same(gone, 1);
	vionet_close(port);
}

BEFORE_EACH { ok(vionet_event_add(keep, (void *)(uintptr_t)7)); }
AFTER_EACH { ok(vionet_event_remove(keep, (void *)(uintptr_t)7)); }
