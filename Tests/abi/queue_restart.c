/* SPDX-License-Identifier: BSD-2-Clause */
/* Single queues taken from the device and given back, smaller and as large as before, while all others run. */
#include "../support/cases.h"
#include "../support/device.h"

static uint16_t port;
static const unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0};

static uint64_t dropped(int receive)
{
	struct vionet_queue_stats s = VIONET_SIZED(struct vionet_queue_stats);
	ok(receive ? vionet_rx_queue_stats(port, 0, &s) : vionet_tx_queue_stats(port, 0, &s));
	return s.dropped[VIONET_DROP_STOPPED];
}

static void frame_comes(struct peer *p)
{
	struct vionet_packet *packet;
	deliver(p, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	vionet_packet_free(packet);
}

static void frame_goes(void)
{
	struct vionet_packet *packet = vionet_packet_alloc(0);
	yes(packet != NULL && vionet_packet_append(packet, 60) != NULL);
	memcpy(packet->data, frame, 60);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
}

/* The ring is new on the device's side, too: three laps from the first entry on. */
static void receives(struct peer *p, uint16_t size)
{
	uint64_t before = stats_of(port).rx.packets;
	same(p->ring[RX].size, size);
	same(p->ring[RX].enabled, 1);
	same(waiting(p, RX), size);
	same(used(p, RX)->idx, 0);
	for (int i = 0; i < 3 * size; i++)
		frame_comes(p);
	same(stats_of(port).rx.packets, before + 3u * size);
}

static void receive_queue(struct peer *p)
{
	struct vionet_packet *packet;
	frame_comes(p);
	for (int i = 0; i < 5; i++) /* not fetched */
		deliver(p, frame, sizeof(frame));
	ok(vionet_rx_queue_restart(port, 0, 16));
	same(dropped(1), 5);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	receives(p, 16);
	ok(vionet_rx_queue_restart(port, 0, 0));
	receives(p, 16);
	ok(vionet_rx_queue_restart(port, 0, 64));
	receives(p, 64);
	ok(vionet_rx_queue_restart(port, 0, 2));
	receives(p, 2);
	same(p->ring[TX].size, 64);

	/* A broken queue works again. */
	give_back(p, RX, 70000, 100);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	ok(vionet_rx_queue_restart(port, 0, 64));
	same(info_of(port).state, VIONET_STATE_STARTED);
	receives(p, 64);
}

/* A sleeper is woken, and the descriptor stays. */
static void sleeper(struct peer *p)
{
	struct vionet_packet *packet;
	struct pollfd wake = {.fd = vionet_rx_fd(port, 0), .events = POLLIN};
	same(vionet_rx_arm(port, 0), 0);
	same(poll(&wake, 1, 0), 0);
	ok(vionet_rx_queue_restart(port, 0, 32));
	same(vionet_rx_fd(port, 0), wake.fd);
	same(poll(&wake, 1, LONG_WAIT), 1);
	same(vionet_rx_arm(port, 0), 0);
	same(poll(&wake, 1, 20), 0);
	deliver(p, frame, sizeof(frame));
	same(poll(&wake, 1, LONG_WAIT), 1);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	vionet_packet_free(packet);
}

static void transmit_queue(struct peer *p)
{
	unsigned char back[60];
	frame_goes();
	same(collect(p, back, sizeof(back)), 60); /* the first is sent, the next two may be or not */
	uint64_t before = dropped(0), sent = stats_of(port).tx.packets;
	frame_goes();
	frame_goes();
	ok(vionet_tx_queue_restart(port, 0, 8));
	same(dropped(0), before + 2);
	same(stats_of(port).tx.packets, sent + 2);
	same(p->ring[TX].size, 8);
	same(waiting(p, TX), 0);
	for (int i = 0; i < 30; i++) {
		frame_goes();
		same(collect(p, back, sizeof(back)), 60);
		yes(memcmp(back, frame, 60) == 0);
	}
	for (int i = 0; i < 8; i++)
		frame_goes();
	struct vionet_packet *more = vionet_packet_alloc(0);
	yes(more != NULL && vionet_packet_append(more, 60) != NULL);
	same(vionet_tx_burst(port, 0, &more, 1), 0);
	ok(vionet_tx_queue_restart(port, 0, 64));
	same(vionet_tx_burst(port, 0, &more, 1), 1);
	same(collect(p, back, sizeof(back)), 60);
	/* The largest packet stays what it was set to. */
	ok(vionet_mtu_set(port, 100));
	ok(vionet_tx_queue_restart(port, 0, 0));
	more = vionet_packet_alloc(0);
	yes(vionet_packet_append(more, 115) != NULL);
	same(vionet_tx_burst(port, 0, &more, 1), 1);
	same(waiting(p, TX), 0);
}

static void wrong(struct peer *p)
{
	err(vionet_rx_queue_restart(port, 1, 0), -EINVAL);
	says("queue 1");
	err(vionet_rx_queue_restart(port, 0, 128), -EINVAL);
	says("64");
	err(vionet_tx_queue_restart(port, 0, 48), -EINVAL);
	says("power of two");
	err(vionet_tx_queue_restart(port, 0, 1), -EINVAL);
	frame_comes(p);
	ok(vionet_stop(port));
	err(vionet_rx_queue_restart(port, 0, 0), -EINVAL);
	says("not started");
	/* A start brings the size back. */
	ok(vionet_start(port));
	soon(waiting(p, RX) == 64);
	/* A back-end that goes away in the middle has broken the queue, and a stop gets over it. */
	p->mischief = CLOSE_BEFORE;
	p->at = p->seen_count + 1;
	err(vionet_rx_queue_restart(port, 0, 0), -ECONNRESET);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	ok(vionet_stop(port));
	ok(vionet_start(port));
	soon(waiting(p, RX) == 64);
	frame_comes(p);
}

CASE("restarted queues work, in other sizes, broken or not, asleep or not")
{
	struct peer p;
	char address[128];
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s,queue_size=64", p.path);
	port = opened(address);
	soon(waiting(&p, RX) == 64);
	receive_queue(&p);
	sleeper(&p);
	transmit_queue(&p);
	wrong(&p);
	uint16_t pool = info_of(port).pool;
	ok(vionet_stop(port));
	same(pool_of(pool).available, pool_of(pool).packets);
	vionet_close(port);
	err(vionet_rx_queue_restart(port, 0, 0), -ENODEV);
	peer_end(&p);
}

/* ---- under load -------------------------------------------------------------------------------------------------- */

static _Atomic int stop;
static _Atomic uint64_t sent, received;

static void *sends(void *unused)
{
	while (!stop) {
		struct vionet_packet *burst[32];
		uint16_t count = vionet_packet_alloc_bulk(info_of(port).pool, burst, 32), taken;
		for (uint16_t i = 0; i < count; i++) {
			yes(vionet_packet_append(burst[i], 60) != NULL);
			memcpy(burst[i]->data, frame, 60);
		}
		taken = vionet_tx_burst(port, 0, burst, count);
		sent += taken;
		for (uint16_t i = taken; i < count; i++)
			vionet_packet_free(burst[i]);
	}
	return unused;
}

static void *gets(void *unused)
{
	while (!stop) {
		struct vionet_packet *burst[32];
		uint16_t count = vionet_rx_burst(port, 0, burst, 32);
		for (uint16_t i = 0; i < count; i++) {
			same(burst[i]->length, 60);
			yes(memcmp(burst[i]->data, frame, 60) == 0);
			vionet_packet_free(burst[i]);
		}
		received += count;
	}
	return unused;
}

/* The device loops frames back in order: after each restart more have to come. */
static void under_load(const char *keys, const uint16_t sizes[4])
{
	pthread_t threads[2];
	char address[128];
	snprintf(address, sizeof(address), "soft:loopback%s", keys);
	port = opened(address);
	uint16_t pool = info_of(port).pool;
	stop = 0;
	sent = received = 0;
	same(pthread_create(&threads[0], NULL, sends, NULL), 0);
	same(pthread_create(&threads[1], NULL, gets, NULL), 0);
	for (int i = 0; i < 50; i++) {
		uint64_t before = received;
		ok(i % 2 ? vionet_tx_queue_restart(port, 0, sizes[i / 2 % 4]) : vionet_rx_queue_restart(port, 0, sizes[i / 2 % 4]));
		soon(received >= before + 100);
	}
	stop = 1;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	printf("%s: %" PRIu64 " frames sent, %" PRIu64 " received over 50 restarts\n", address, (uint64_t)sent,
	       (uint64_t)received);
	struct vionet_stats stats = stats_of(port);
	same(stats.rx.packets, received);
	same(stats.tx.packets, sent);
	same(stats.rx.broken + stats.tx.broken, 0);
	ok(vionet_stop(port));
	/* Packets are in the pool, on a ring or with a thread: after the stop all are in the pool. */
	same(pool_of(pool).available, pool_of(pool).packets);
	same(pool_of(pool).refused, 0);
	vionet_close(port);
}

CASE("50 restarts under load, split") { under_load(",packed_vq=0,in_order=0", (const uint16_t[4]){64, 256, 2, 32}); }
CASE("50 restarts under load, split in order") { under_load(",packed_vq=0", (const uint16_t[4]){256, 16, 128, 0}); }
CASE("50 restarts under load, packed") { under_load(",packed_vq=1,in_order=0", (const uint16_t[4]){100, 256, 33, 0}); }
CASE("50 restarts under load, packed in order") { under_load(",packed_vq=1", (const uint16_t[4]){256, 77, 0, 64}); }
