/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread stays inside a burst for longer than a close waits. The port goes, later bursts and ports of its number are as
 * ever, and whoever takes the watcher's memory back is told that the thread may still call it.
 */
#include "../support/capture_client.h"
#include "../support/cases.h"
#include "../support/frame.h"

#include <pthread.h>

static uint16_t port, pool;
static _Atomic int is_inside, may_leave;
static int user;

static void stays(const struct vionet_watched *watched, void *mine)
{
	yes(mine == &user && watched->port == port);
	is_inside = 1;
	while (!may_leave)
		usleep(1000);
}

static void *sends(void *unused)
{
	struct vionet_packet *packet = frame_packet(pool, 100, 1);
	if (vionet_tx_burst(port, 0, &packet, 1) != 1)
		vionet_packet_free(packet);
	return unused;
}

/* Opens a port, and closes it while a thread is inside its watcher. */
static pthread_t closed_around_thread(void)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	pthread_t thread;
	config.pool = pool = pool_made(4096);
	ok(vionet_open_config("soft:loopback", &config, &port));
	ok(vionet_watch_set(port, stays, &user));
	same(pthread_create(&thread, NULL, sends, NULL), 0);
	while (!is_inside)
		usleep(1000);
	vionet_close(port);
	return thread;
}

CASE("a port closed around a thread moves nothing, and its number serves the next port")
{
	struct vionet_packet *packet;
	pthread_t thread = closed_around_thread();
	uint16_t again;
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(vionet_tx_burst(port, 0, &packet, 0), 0);
	again = opened("soft:loopback");
	same(again, port);
	packet = frame_packet(0, 100, 5);
	send_all(again, &packet, 1);
	receive_all(again, &packet, 1);
	vionet_packet_free(packet);
	vionet_close(again);
	may_leave = 1;
	pthread_join(thread, NULL);
}

CASE("the watcher's memory is not free before the thread has left")
{
	pthread_t thread = closed_around_thread();
	err(vionet_watch_set(port, NULL, NULL), -ENODEV);
	err(vionet_watch_set(port, NULL, &pool), -ENODEV);
	err(vionet_watch_set(port, NULL, &user), -ETIMEDOUT);
	yes(strstr(vionet_error(), "stayed inside a burst") != NULL);
	same(opened("soft:loopback"), port);
	err(vionet_watch_set(port, NULL, &user), -ETIMEDOUT); /* the one of the port before */
	ok(vionet_watch_set(port, NULL, NULL));
	vionet_close(port);
	may_leave = 1;
	pthread_join(thread, NULL);
	err(vionet_watch_set(port, NULL, &user), -ENODEV);
}
