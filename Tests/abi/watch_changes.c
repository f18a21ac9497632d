/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A watcher comes and goes while bursts run and while a back-end is away. It is one for each port, and no later port of the
 * number has it.
 */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/frame.h"
#include "../support/watcher.h"

/* What was received before a back-end went is handed out later, and seen then, once. */
static void seen_after_return(int watched_first)
{
	struct vionet_packet *packets[8];
	struct peer p;
	unsigned char frame[100];
	pool = pool_made(4096);
	peer_start(&p);
	port = peer_port(&p, pool, 0, "recover=auto");
	if (watched_first)
		ok(vionet_watch_set(port, watch, &seen));
	for (uint32_t i = 1; i <= 4; i++) {
		frame_fill(frame, sizeof(frame), i);
		(void)deliver(&p, frame, sizeof(frame));
	}
	packets[0] = frame_packet(pool, 100, 9);
	same(vionet_tx_burst(port, 0, packets, 1), 1);
	p.absent = 1;
	p.leave = 1;
	while (info_of(port).state != VIONET_STATE_WAITING)
		(void)vionet_event_handle(port);
	if (!watched_first)
		ok(vionet_watch_set(port, watch, &seen));
	same(vionet_rx_burst(port, 0, packets, 2), 2);
	vionet_packet_free_bulk(packets, 2);
	same(seen.received, 2);
	p.absent = 0;
	while (info_of(port).state != VIONET_STATE_STARTED)
		(void)vionet_event_handle(port);
	soon(waiting(&p, TX) == 1 && p.ring[RX].enabled);
	for (int i = 0; i < 2; i++) {
		same(vionet_rx_burst(port, 0, packets, 1), 1);
		vionet_packet_free(packets[0]);
	}
	soon(waiting(&p, RX) > 0);
	frame_fill(frame, sizeof(frame), 5);
	(void)deliver(&p, frame, sizeof(frame));
	soon(vionet_rx_burst(port, 0, packets, 1) == 1);
	vionet_packet_free(packets[0]);
	same(seen.received, 5);
	same(seen.received_numbers, 1 + 2 + 3 + 4 + 5);
	same(seen.taken, (unsigned)watched_first); /* sent again by the library, not by a burst */
	same(collect(&p, frame, sizeof(frame)), 100);
	peer_port_end(&p, port, pool);
}

CASE("a watcher stays while the back-end is away") { seen_after_return(1); }
CASE("a watcher may come while the back-end is away") { seen_after_return(0); }

/* ---- threads ---- */

static _Atomic int done, is_late;
static _Atomic uint64_t watched_packets;

/* A watcher that must not be called once it was removed. */
static void count(const struct vionet_watched *watched, void *user)
{
	struct { _Atomic int removed; } *mine = user;
	is_late |= mine->removed;
	if (watched->what == VIONET_WATCH_RECEIVED || watched->what == VIONET_WATCH_TAKEN)
		watched_packets += watched->count;
}

static void *receives(void *queue)
{
	struct vionet_packet *packets[32];
	while (!done)
		vionet_packet_free_bulk(packets, vionet_rx_burst(port, (uint16_t)(uintptr_t)queue, packets, 32));
	return queue;
}

static void *sends(void *queue)
{
	while (!done) {
		struct vionet_packet *packet = frame_packet(pool, 100, 1);
		if (packet != NULL && vionet_tx_burst(port, (uint16_t)(uintptr_t)queue, &packet, 1) != 1)
			vionet_packet_free(packet);
	}
	return queue;
}

CASE("a watcher comes and goes while four threads are in bursts, and is not called after that")
{
	pthread_t threads[4];
	open_port("soft:loopback,queues=2");
	for (uintptr_t n = 0; n < 4; n++)
		same(pthread_create(&threads[n], NULL, n % 2 == 0 ? receives : sends, (void *)(n / 2)), 0);
	for (int i = 0; i < 100; i++) {
		struct { _Atomic int removed; } *mine = calloc(1, sizeof(*mine));
		uint64_t before = watched_packets;
		ok(vionet_watch_set(port, count, mine));
		if (i % 10 == 0)
			soon(watched_packets > before);
		ok(vionet_watch_set(port, NULL, NULL));
		mine->removed = 1;
		before = watched_packets;
		if (i % 10 == 1) {
			uint64_t moved = stats_of(port).tx.packets;
			soon(stats_of(port).tx.packets > moved);
		}
		same(watched_packets, before);
		free(mine);
	}
	done = 1;
	for (int n = 0; n < 4; n++)
		pthread_join(threads[n], NULL);
	same(is_late, 0);
	close_port();
}

/* ---- what is refused ---- */

CASE("a port has one watcher, in any state, and a later port of its number has none")
{
	uint16_t again;
	err(vionet_watch_set(9, watch, NULL), -ENODEV);
	err(vionet_watch_set(9, NULL, NULL), -ENODEV);
	err(vionet_watch_set(VIONET_PORT_NONE, watch, NULL), -ENODEV);
	ok(vionet_probe("soft:loopback", &port));
	ok(vionet_watch_set(port, NULL, NULL));
	ok(vionet_watch_set(port, watch, &seen));
	err(vionet_watch_set(port, watch, &seen), -EBUSY);
	err(vionet_watch_set(port, count, NULL), -EBUSY);
	err(vionet_watch_set(port, NULL, &port), -EBUSY); /* another's is not removed by its user */
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	err(vionet_watch_set(port, count, NULL), -EBUSY);
	back_and_forth(port);
	uint64_t received = seen.received;
	yes(received > 0);
	vionet_close(port);
	again = opened("soft:loopback");
	same(again, port);
	back_and_forth(port);
	same(seen.received, received);
	ok(vionet_watch_set(port, watch, &seen));
	ok(vionet_watch_set(port, NULL, &seen));
	ok(vionet_watch_set(port, NULL, &seen));
	ok(vionet_watch_set(port, watch, &seen));
	ok(vionet_watch_set(port, NULL, NULL));
	ok(vionet_watch_set(port, NULL, NULL));
	vionet_close(port);
}
