/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of transmit buffers share: a pool and a port, a buffer for its first queue, and that all packets come back. */
#ifndef TX_BUFFER_H
#define TX_BUFFER_H

#include "cases.h"
#include "frame.h"

enum { PACKETS = 16384 };

static uint16_t pool, port;
static struct vionet_tx_buffer *buffer;

OK_UNUSED static uint16_t open_port(const char *device, uint16_t descriptors)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t number = VIONET_PORT_NONE;
	config.pool = pool;
	config.rx_descriptors = 256;
	config.tx_descriptors = descriptors;
	ok(vionet_open_config(device, &config, &number));
	return number;
}

static struct vionet_tx_buffer *made(uint32_t room, uint32_t burst, uint32_t deadline)
{
	struct vionet_tx_buffer_config config = VIONET_SIZED(struct vionet_tx_buffer_config);
	struct vionet_tx_buffer *it = NULL;
	config.port = port;
	config.room = room;
	config.burst = burst;
	config.deadline = deadline;
	ok(vionet_tx_buffer_create(&config, &it));
	yes(it != NULL);
	return it;
}

static struct vionet_tx_buffer_stats buffer_stats(void)
{
	struct vionet_tx_buffer_stats stats = VIONET_SIZED(struct vionet_tx_buffer_stats);
	ok(vionet_tx_buffer_stats(buffer, &stats));
	return stats;
}

OK_UNUSED static void put_frames(uint16_t count, uint32_t number)
{
	struct vionet_packet *packets[64];
	yes(count <= 64);
	for (uint16_t i = 0; i < count; i++)
		yes((packets[i] = frame_packet(pool, 60, number + i)) != NULL);
	same(vionet_tx_buffer_put(buffer, packets, count), count);
}

BEFORE_EACH { pool = pool_made(PACKETS); }

/* Whatever was done: every packet is back. */
AFTER_EACH
{
	vionet_close(port);
	same(pool_of(pool).available, PACKETS);
	same(pool_of(pool).refused, 0);
	ok(vionet_pool_destroy(pool));
}

#endif
