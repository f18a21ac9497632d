/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device reports by itself: its link, the need of a reset, broken queues; and what recover=auto does about it. */
#include "../support/cases.h"
#include "../support/device.h"

static int counts[16];

static void count(uint16_t port, int event, void *user)
{
	(void)port, (void)user;
	yes(event > 0 && event < 16);
	counts[event]++;
}

static uint16_t started(struct peer *p, const char *keys)
{
	char address[150];
	peer_start(p);
	snprintf(address, sizeof(address), "vhost-user:%s%s", p->path, keys);
	uint16_t port = opened(address);
	soon(waiting(p, RX) > 0);
	memset(counts, 0, sizeof(counts));
	return port;
}

static void frame_comes(struct peer *p, uint16_t port)
{
	unsigned char frame[64] = {2, 0, 0, 0, 0, 1};
	struct vionet_packet *packet;
	(void)deliver(p, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	vionet_packet_free(packet);
}

CASE("a link that changes a thousand times is reported each time")
{
	struct peer p;
	uint16_t port = started(&p, "");
	same(vionet_event_handle(port), 0);
	for (int i = 0; i < 1000; i++) {
		p.config[6] = (uint8_t)(i & 1);
		same(vionet_event_handle(port), 1);
		same(info_of(port).link_up, i & 1);
		same(vionet_event_handle(port), 0);
	}
	same(counts[VIONET_EVENT_LINK], 1000);
	frame_comes(&p, port);
	vionet_close(port);
	err(vionet_event_handle(port), -ENODEV);
	err(vionet_event_fd(port), -ENODEV);
	peer_end(&p);
}

CASE("a device without VIRTIO_NET_F_STATUS has a link that is always up")
{
	struct peer p;
	char address[150];
	peer_start(&p);
	p.features &= ~BIT(F_STATUS);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	uint16_t port = opened(address);
	memset(counts, 0, sizeof(counts));
	for (int i = 0; i < 4; i++) {
		p.config[6] = (uint8_t)i;
		same(vionet_event_handle(port), 0);
		same(info_of(port).link_up, 1);
	}
	same(counts[VIONET_EVENT_LINK] + counts[VIONET_EVENT_ANNOUNCE], 0);
	vionet_close(port);
	peer_end(&p);
}

CASE("a device that needs a reset is reported once, and recover=auto resets it")
{
	struct peer p;
	uint16_t port = started(&p, "");
	p.status |= 64;
	same(vionet_event_handle(port), 1);
	same(vionet_event_handle(port), 0);
	same(counts[VIONET_EVENT_NEEDS_RESET], 1);
	ok(vionet_stop(port));
	err(vionet_event_handle(port), -EINVAL);
	ok(vionet_start(port));
	same(vionet_event_handle(port), 0);
	vionet_close(port);
	peer_end(&p);

	port = started(&p, ",recover=auto");
	for (int i = 1; i <= 100; i++) {
		p.status |= 64;
		same(vionet_event_handle(port), 2);
		same(counts[VIONET_EVENT_RECOVERED], i);
		same(info_of(port).state, VIONET_STATE_STARTED);
		soon(waiting(&p, RX) > 0);
		frame_comes(&p, port);
	}
	vionet_close(port);
	peer_end(&p);
}

CASE("a broken queue makes the event descriptor readable")
{
	struct peer p;
	struct vionet_packet *packet;
	uint16_t port = started(&p, ",recover=auto");
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	yes(change.fd >= 0);
	same(poll(&change, 1, 50), 0);
	give_back(&p, RX, 70000, 100);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(counts[VIONET_EVENT_BROKEN], 1);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	same(poll(&change, 1, LONG_WAIT), 1);
	same(vionet_event_handle(port), 1);
	same(counts[VIONET_EVENT_RECOVERED], 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	soon(waiting(&p, RX) > 0);
	frame_comes(&p, port);
	change.fd = vionet_event_fd(port);
	same(poll(&change, 1, 50), 0);
	peer_end(&p); /* and so does the end of the connection */
	same(poll(&change, 1, LONG_WAIT), 1);
	same(vionet_event_handle(port), 1);
	same(counts[VIONET_EVENT_GONE], 1);
	vionet_close(port);
}

static struct peer *late_peer;
static void *deliver_late(void *nothing)
{
	unsigned char frame[64] = {2, 0, 0, 0, 0, 1};
	usleep(100000);
	(void)deliver(late_peer, frame, sizeof(frame));
	return nothing;
}

CASE("vionet_rx_wait() waits for its time, or until a packet comes")
{
	struct peer p;
	pthread_t thread;
	struct vionet_packet *packet;
	uint16_t port = started(&p, "");
	uint64_t begin = microseconds();
	same(vionet_rx_wait(port, 0, 50), 0);
	yes(microseconds() - begin >= 45000);
	late_peer = &p;
	same(pthread_create(&thread, NULL, deliver_late, NULL), 0);
	same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	vionet_packet_free(packet);
	same(pthread_join(thread, NULL), 0);
	err(vionet_rx_wait(port, 1, 0), -EINVAL);
	vionet_close(port);
	err(vionet_rx_wait(port, 0, 0), -ENODEV);
	peer_end(&p);
}

BEFORE_EACH { ok(vionet_event_add(count, NULL)); }
AFTER_EACH { ok(vionet_event_remove(count, NULL)); }
