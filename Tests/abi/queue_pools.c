/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pools a port uses: one of the program's from vionet_open_config(), one for each receive queue, the shared one of a
 * chosen size; and what is said when one is too small. */
#include "../support/cases.h"
#include "../support/frame.h"

static uint16_t pool_with(uint32_t packets, uint32_t data_size)
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	uint16_t pool;
	config.packets = packets;
	config.data_size = data_size;
	ok(vionet_pool_create(&config, &pool));
	return pool;
}

CASE("vionet_open_config opens a port with a pool and rings of the program's")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port, pool = pool_with(1000, 0);

	config.pool = pool;
	config.rx_descriptors = 64;
	ok(vionet_open_config("soft:loopback", &config, &port));
	same(info_of(port).pool, pool);
	same(info_of(port).rx_descriptors, 64);
	same(info_of(port).tx_descriptors, 256);
	same(info_of(port).state, VIONET_STATE_STARTED);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
	ok(vionet_open_config("soft:loopback", NULL, &port));
	vionet_close(port);
	config.pool = 63;
	err(vionet_open_config("soft:loopback", &config, &port), -EBADF);
	same(vionet_port_next(0), VIONET_PORT_NONE);
}

CASE("each receive queue has buffers of the pool that it was given")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[64];
	uint16_t port, pools[2] = {pool_with(1000, 0), pool_with(800, 4000)}, from_own = 0, from_other = 0;

	ok(vionet_probe("soft:generate,flows=64,queues=2", &port));
	config.pool = pools[0];
	config.queue_pairs = 2;
	config.rx_descriptors = 128;
	ok(vionet_rx_pool_set(port, 1, pools[1]));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	err(vionet_rx_pool_set(port, 1, 0), -EBUSY);
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while ((from_own < 300 || from_other < 300) && microseconds() < end)
		for (uint16_t queue = 0; queue < 2; queue++) {
			uint16_t n = vionet_rx_burst(port, queue, packets, 64);
			for (uint16_t i = 0; i < n; i++)
				same(packets[i]->pool, pools[queue]);
			*(queue == 0 ? &from_own : &from_other) += n;
			vionet_packet_free_bulk(packets, n);
		}
	yes(from_own >= 300 && from_other >= 300);

	/* Another choice holds from the next start on. */
	ok(vionet_stop(port));
	same(pool_of(pools[1]).available, 800);
	ok(vionet_rx_pool_set(port, 1, 0));
	ok(vionet_start(port));
	soon(vionet_rx_burst(port, 1, packets, 1) == 1);
	same(packets[0]->pool, pools[0]);
	vionet_packet_free(packets[0]);
	ok(vionet_stop(port));
	err(vionet_rx_pool_set(port, VIONET_MAX_QUEUE_PAIRS, pools[1]), -EINVAL);
	err(vionet_rx_pool_set(port, 1, 63), -EBADF);
	vionet_close(port);
	err(vionet_rx_pool_set(port, 0, 0), -ENODEV);
	ok(vionet_pool_destroy(pools[0]));
	ok(vionet_pool_destroy(pools[1]));
}

CASE("a queue's pool that is too small is named")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port, pool = pool_with(1000, 0), few = pool_with(16, 0), small = pool_with(1000, 64);

	ok(vionet_probe("soft:loopback", &port));
	config.pool = pool;
	ok(vionet_rx_pool_set(port, 0, few));
	err(vionet_init(port, &config), -ENOBUFS);
	says("16");
	ok(vionet_rx_pool_set(port, 0, small));
	err(vionet_init(port, &config), -EINVAL);
	says("data_size");
	says("64");
	ok(vionet_rx_pool_set(port, 0, 0));
	ok(vionet_init(port, &config));
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
	ok(vionet_pool_destroy(few));
	ok(vionet_pool_destroy(small));
}

CASE("the first port says how large the shared pool is, and the one too many what to do")
{
	uint16_t port, ports[8], n = 0;

	err(vionet_open("soft:loopback,pool_packets=15", &port), -EINVAL);
	says("pool_packets");
	ok(vionet_open("soft:loopback,pool_packets=2048", &port));
	same(pool_of(0).packets, 2048);
	while (n < 8 && vionet_open("soft:loopback", &ports[n]) == 0)
		n++;
	yes(n < 8);
	same(vionet_open("soft:loopback,pool_packets=9000", &ports[n]), -ENOBUFS);
	says("the pool that ports share has 2048 packets");
	says("pool_packets=");
	while (n > 0)
		vionet_close(ports[--n]);
	vionet_close(port);
}
