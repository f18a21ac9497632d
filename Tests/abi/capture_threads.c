/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture of several queues, each in a thread of its own, which share the ring. */
#include "../support/cases.h"
#include "../support/control_client.h"
#include "../support/capture_client.h"
#include "../support/frame.h"

#include <pthread.h>

static uint16_t port, pool;
static _Atomic int done;
static _Atomic uint64_t moved;

static void *round_and_round(void *queue)
{
	struct vionet_packet *packets[32];
	uint16_t number = (uint16_t)(uintptr_t)queue, count;
	uint64_t mine = 0;
	while (!done) {
		struct vionet_packet *packet = frame_packet(pool, 100, number);
		count = packet == NULL ? 0 : vionet_tx_burst(port, number, &packet, 1);
		if (packet != NULL && count == 0)
			vionet_packet_free(packet);
		mine += count;
		count = vionet_rx_burst(port, number, packets, 32);
		vionet_packet_free_bulk(packets, count);
		mine += count;
	}
	moved += mine;
	return queue;
}

CASE("two queues in two threads: every packet is in the ring or counted as lost")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct capture c;
	pthread_t threads[2];
	uint64_t records = 0;
	config.pool = pool = pool_made(4096);
	ok(vionet_open_config("soft:loopback,queues=2", &config, &port));
	control_made("capture");
	c.connection = caller();
	capture_begin(&c, "capture ring=64");
	for (uintptr_t n = 0; n < 2; n++)
		same(pthread_create(&threads[n], NULL, round_and_round, (void *)n), 0);
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (records < 50000 && microseconds() < end)
		records += capture_next(&c) != NULL;
	done = 1;
	for (int n = 0; n < 2; n++)
		pthread_join(threads[n], NULL);
	while (capture_next(&c) != NULL)
		records++;
	yes(records >= 50000);
	/* Packets that were lost last are told of with the next that is not. */
	struct vionet_packet *packet = frame_packet(pool, 100, 1);
	send_all(port, &packet, 1);
	receive_all(port, &packet, 1);
	vionet_packet_free(packet);
	while (capture_next(&c) != NULL)
		;
	same(records + capture_lost(&c), moved);
	capture_forget(&c);
	close(c.connection);
	served();
	vionet_control_close(control);
	vionet_close(port);
	same(pool_of(pool).available, 4096);
}
