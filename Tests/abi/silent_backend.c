/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end that is stopped while it keeps its connection: vionet_event_handle() asks it once and takes the answer when
 * that comes. Nobody sleeps badly or is told that it is gone meanwhile. After 5 s it is given up.
 */
#include "../support/cases.h"
#include "../support/blocking_calls.h"
#include "../support/device.h"

static struct peer p;
static uint16_t port;
static _Atomic int events[16];

static void hear(uint16_t number, int event, void *user)
{
	(void)number, (void)user;
	events[event]++;
}

static int signalled(int milliseconds)
{
	struct pollfd file = {.fd = vionet_event_fd(port), .events = POLLIN};
	return (int)syscall(SYS_ppoll, &file, 1, &(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL, 0);
}

BEFORE_EACH
{
	char address[128];
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s,recover=auto", p.path);
	ok(vionet_event_add(hear, NULL));
	port = opened(address);
	for (int ring = 0; ring < 2; ring++)
		soon(p.ring[ring].enabled);
	events[VIONET_EVENT_NEW] = 0;
}

AFTER_EACH
{
	vionet_close(port);
	peer_end(&p);
}

static void falls_asleep(void)
{
	p.asleep = 1;
	soon(p.asleep == 2);
}

static void frame_comes(void)
{
	static const unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0};
	struct vionet_packet *packet;
	deliver(&p, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	vionet_packet_free(packet);
}

static int nothing_heard(void)
{
	int sum = 0;
	for (int event = 0; event < 16; event++)
		sum += events[event];
	return sum == 0;
}

CASE("a stopped back-end is asked once, and its answer is taken when it comes")
{
	falls_asleep();
	waits_at_most(1000, same(vionet_event_handle(port), 0));
	for (int i = 0; i < 100; i++)
		at_once(same(vionet_event_handle(port), 0));
	same(info_of(port).state, VIONET_STATE_STARTED);
	frame_comes();
	yes(nothing_heard());
	p.config[6] = 0; /* the link goes down before the answer */
	int before = p.handled;
	p.asleep = 0;
	same(signalled(LONG_WAIT), 1);
	soon(vionet_event_handle(port) == 1);
	same(events[VIONET_EVENT_LINK], 1);
	same(p.handled, before + 2); /* status and configuration, once */
	frame_comes();
	p.config[6] = 1;
	same(vionet_event_handle(port), 1);
	same(events[VIONET_EVENT_LINK], 2);
	same(info_of(port).state, VIONET_STATE_STARTED);
}

CASE("an answer that nobody has taken yet wakes no sleeper and is no end")
{
	falls_asleep();
	same(vionet_event_handle(port), 0);
	int before = p.handled;
	p.asleep = 0;
	soon(p.handled == before + 2);
	unsigned int sleeps = blocking_calls;
	same(vionet_rx_wait(port, 0, 50), 0);
	yes(blocking_calls - sleeps <= 3);
	same(vionet_rx_arm(port, 0), 0);
	same(info_of(port).state, VIONET_STATE_STARTED);
	same(vionet_event_handle(port), 0);
	yes(nothing_heard());
}

static void *wakes_up(void *unused)
{
	(void)unused;
	usleep(50000);
	p.asleep = 0;
	return NULL;
}

CASE("another call waits for the answers, which come before its own")
{
	pthread_t thread;
	falls_asleep();
	same(vionet_event_handle(port), 0);
	same(pthread_create(&thread, NULL, wakes_up, NULL), 0);
	ok(vionet_stop(port));
	pthread_join(thread, NULL);
	ok(vionet_start(port));
	same(vionet_event_handle(port), 0);
	yes(nothing_heard());
	same(info_of(port).state, VIONET_STATE_STARTED);
}

CASE("a back-end that stays silent is given up after 5 s, and may come back")
{
	falls_asleep();
	same(vionet_event_handle(port), 0);
	same(signalled(1), 0);
	same(signalled(LONG_WAIT), 1);
	waits_at_most(1000, same(vionet_event_handle(port), 1));
	same(events[VIONET_EVENT_GONE], 1);
	same(info_of(port).state, VIONET_STATE_WAITING);
	p.asleep = 0;
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
	for (int ring = 0; ring < 2; ring++)
		soon(p.ring[ring].enabled);
	frame_comes();
}

CASE("a broken queue is recovered when its back-end answers")
{
	struct vionet_packet *packet;
	publish(&p, 0, 9999);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(events[VIONET_EVENT_BROKEN], 1);
	falls_asleep();
	waits_at_most(1000, same(vionet_event_handle(port), 0));
	at_once(same(vionet_event_handle(port), 0));
	same(info_of(port).state, VIONET_STATE_BROKEN);
	p.asleep = 0;
	soon(vionet_event_handle(port) > 0);
	same(events[VIONET_EVENT_RECOVERED], 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	for (int ring = 0; ring < 2; ring++)
		soon(p.ring[ring].enabled);
	frame_comes();
}
