/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Threads: two ports carry traffic on two threads while another asks, counts, probes and closes; ports are stopped and
 * closed under threads that burst; and ports and pools come and go in several threads. Nothing crashes, no packet is lost, and
 * a burst on a closed port gives 0.
 */
#include "../support/cases.h"
#include "../support/frame.h"

#include <pthread.h>
#include <stdatomic.h>

enum { FRAMES = 300000, CLOSINGS = 300, LIVES = 150 };

static _Atomic int done;

static void *carry(void *argument)
{
	uint16_t port = opened("soft:loopback"), n, burst = 32;
	uint32_t sent = 0, back = 0;
	struct vionet_packet *packets[32];
	(void)argument;
	uint64_t last = microseconds();
	while (back < FRAMES) {
		for (n = 0; n < burst && sent - back + n < 128 && sent + n < FRAMES; n++)
			yes((packets[n] = frame_packet(0, 60 + (sent + n) % 600, sent + n)) != NULL);
		uint16_t taken = vionet_tx_burst(port, 0, packets, n);
		sent += taken;
		vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
		n = vionet_rx_burst(port, 0, packets, burst);
		for (uint16_t i = 0; i < n; i++, back++) {
			same(packets[i]->length, 60 + back % 600);
			yes(frame_right(packets[i]->data, packets[i]->length, back));
			last = microseconds();
		}
		vionet_packet_free_bulk(packets, n);
		if (n == 0 && microseconds() - last > LONG_WAIT * 1000ull)
			FAILED("%u sent, %u back", sent, back);
	}
	vionet_close(port);
	done++;
	return NULL;
}

static void *ask(void *argument)
{
	uint16_t other;
	(void)argument;
	while (done < 2) {
		VIONET_FOREACH_PORT(port) {
			struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
			struct vionet_info info = VIONET_SIZED(struct vionet_info);
			int result = vionet_stats(port, &stats);
			yes(result == 0 || result == -ENODEV);
			result = vionet_info(port, &info);
			yes(result == 0 || result == -ENODEV);
		}
		if (vionet_open("soft:sink", &other) == 0)
			vionet_close(other);
		yes(vionet_open("soft:nothing", &other) == -EINVAL);
		yes(strstr(vionet_error(), "nothing") != NULL);
	}
	return NULL;
}

static _Atomic uint32_t target; /* the port to burst on */
static _Atomic int over;

static void *receive_for_ever(void *unused)
{
	struct vionet_packet *packets[32];
	while (!over) {
		uint16_t n = vionet_rx_burst((uint16_t)target, 0, packets, 32);
		vionet_packet_free_bulk(packets, n);
	}
	return unused;
}

static void *send_for_ever(void *unused)
{
	struct vionet_packet *packets[32];
	while (!over) {
		uint16_t n = 0, taken;
		while (n < 32 && (packets[n] = frame_packet(0, 60, n)) != NULL)
			n++;
		taken = vionet_tx_burst((uint16_t)target, 0, packets, n);
		vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
	}
	return unused;
}

static void close_under_bursts(void)
{
	pthread_t threads[2];
	uint16_t port = opened("soft:loopback");
	target = port;
	same(pthread_create(&threads[0], NULL, receive_for_ever, NULL), 0);
	same(pthread_create(&threads[1], NULL, send_for_ever, NULL), 0);
	for (int i = 0; i < CLOSINGS; i++) {
		usleep((unsigned int)(i * 7919 % 1500));
		if (i % 3 == 0) {
			ok(vionet_stop(port));
			ok(vionet_start(port));
		} else {
			vionet_close(port);
			port = opened("soft:loopback");
			target = port;
		}
	}
	over = 1;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	vionet_close(port);
}

/* A pool and a port of this thread's own, which sends. */
static void *come_and_go(void *unused)
{
	struct vionet_pool_config small = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packet;
	uint16_t port;
	small.packets = 512;
	config.rx_descriptors = config.tx_descriptors = 64;
	for (int i = 0; i < LIVES; i++) {
		ok(vionet_pool_create(&small, &config.pool));
		ok(vionet_open_config("soft:sink", &config, &port));
		for (int n = 0; n < 20; n++)
			if ((packet = frame_packet(config.pool, 60, 0)) != NULL && vionet_tx_burst(port, 0, &packet, 1) == 0)
				vionet_packet_free(packet);
		vionet_close(port);
		ok(vionet_pool_destroy(config.pool));
	}
	done++;
	return unused;
}

/* Looks at whatever there is, receives from all of it, and frees packets of the pool that stays. */
static void *look_around(void *unused)
{
	struct vionet_packet *packets[8];
	while (done < 2) {
		VIONET_FOREACH_PORT(port)
			vionet_packet_free_bulk(packets, vionet_rx_burst(port, 0, packets, 8));
		for (uint16_t number = 0; number < 6; number++) {
			struct vionet_pool_info info = VIONET_SIZED(struct vionet_pool_info);
			int result = vionet_pool_info(number, &info);
			yes(result == 0 || result == -EBADF);
		}
		if (vionet_packet_alloc_bulk(0, packets, 8) == 8)
			vionet_packet_free_bulk(packets, 8);
		yes(vionet_packet_private((const struct vionet_packet *)(const void *)packets) == NULL);
	}
	return unused;
}

/* A port that stays, so that the shared pool does. */
static uint16_t keeper, pool;
static uint32_t available;

BEFORE_EACH
{
	keeper = opened("soft:sink");
	pool = info_of(keeper).pool;
	available = pool_of(pool).available;
}

AFTER_EACH
{
	same(vionet_port_next(0), keeper);
	same(vionet_port_next((uint16_t)(keeper + 1)), VIONET_PORT_NONE);
	same(pool_of(pool).available, available);
	same(pool_of(pool).refused, 0);
	vionet_close(keeper);
	same(vionet_port_next(0), VIONET_PORT_NONE);
}

CASE("two threads carry traffic while a third asks, counts, probes and closes")
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		same(pthread_create(&threads[i], NULL, i < 2 ? carry : ask, NULL), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

CASE("ports are stopped and closed while threads burst on them") { close_under_bursts(); }

CASE("ports and pools come and go in two threads while a third looks at them")
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		same(pthread_create(&threads[i], NULL, i < 2 ? come_and_go : look_around, NULL), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}
