/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions called with a port, queue, pool or device that does not exist, and with NULL where a pointer is required. */
#include "../support/cases.h"

static void an_event(uint16_t port, int event, void *user)
{
	(void)port, (void)event, (void)user;
}

static void no_such_port(uint16_t port)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	struct vionet_queue_stats queue = VIONET_SIZED(struct vionet_queue_stats);
	struct vionet_packet *packets[4] = {0};

	err(vionet_init(port, NULL), -ENODEV);
	err(vionet_init(port, &config), -ENODEV);
	says("port");
	err(vionet_start(port), -ENODEV);
	err(vionet_stop(port), -ENODEV);
	err(vionet_info(port, &info), -ENODEV);
	err(vionet_stats(port, &stats), -ENODEV);
	err(vionet_rx_queue_stats(port, 0, &queue), -ENODEV);
	err(vionet_tx_queue_stats(port, 0, &queue), -ENODEV);
	err(vionet_stats_reset(port), -ENODEV);
	err(vionet_rx_fd(port, 0), -ENODEV);
	err(vionet_rx_arm(port, 0), -ENODEV);
	err(vionet_rx_wait(port, 0, -1), -ENODEV);
	err(vionet_tx_fd(port, 0), -ENODEV);
	err(vionet_tx_arm(port, 0), -ENODEV);
	err(vionet_tx_wait(port, 0, -1), -ENODEV);
	err(vionet_pool_share(0, port), -ENODEV);
	same(vionet_rx_burst(port, 0, packets, 4), 0);
	same(vionet_tx_burst(port, 0, packets, 4), 0);
	yes(packets[0] == NULL);
	vionet_close(port);
}

static void no_such_queue(uint16_t port)
{
	static const uint16_t queues[] = {1, 2, 127, 128, 65535};
	struct vionet_queue_stats queue = VIONET_SIZED(struct vionet_queue_stats);
	struct vionet_packet *p = vionet_packet_alloc(0), *out[1];

	yes(p != NULL);
	yes(vionet_packet_append(p, 60) != NULL);
	for (unsigned int i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		err(vionet_rx_queue_stats(port, queues[i], &queue), -EINVAL);
		says("queue");
		err(vionet_tx_queue_stats(port, queues[i], &queue), -EINVAL);
		err(vionet_rx_fd(port, queues[i]), -EINVAL);
		err(vionet_rx_arm(port, queues[i]), -EINVAL);
		err(vionet_tx_fd(port, queues[i]), -EINVAL);
		err(vionet_tx_arm(port, queues[i]), -EINVAL);
		says("transmit queue");
		err(vionet_tx_wait(port, queues[i], -1), -EINVAL);
		same(vionet_rx_burst(port, queues[i], out, 1), 0);
		same(vionet_tx_burst(port, queues[i], &p, 1), 0);
	}
	vionet_packet_free(p);
}

static void null_arguments(uint16_t port)
{
	struct vionet_packet *none[4] = {0}, *p = vionet_packet_alloc(0);

	yes(p != NULL);
	same(vionet_rx_burst(port, 0, NULL, 4), 0);
	same(vionet_tx_burst(port, 0, NULL, 4), 0);
	same(vionet_rx_burst(port, 0, none, 0), 0);
	same(vionet_tx_burst(port, 0, &p, 0), 0);
	same(vionet_packet_alloc_bulk(0, NULL, 4), 0);
	same(vionet_packet_alloc_bulk(0, none, 0), 0);
	vionet_packet_free(NULL);
	vionet_packet_free_bulk(NULL, 4);
	vionet_packet_free_bulk(none, 4);
	err(vionet_packet_reference(NULL), -EINVAL);
	vionet_packet_free(p);

	/* A NULL among packets is dropped and counted, and those after it go out. */
	struct vionet_packet *mixed[3] = {vionet_packet_alloc(0), NULL, vionet_packet_alloc(0)};
	yes(mixed[0] != NULL && mixed[2] != NULL);
	yes(vionet_packet_append(mixed[0], 60) != NULL && vionet_packet_append(mixed[2], 60) != NULL);
	uint64_t sent = stats_of(port).tx.packets;
	same(vionet_tx_burst(port, 0, mixed, 3), 3);
	same(stats_of(port).tx.packets, sent + 2);
	same(stats_of(port).tx.dropped[VIONET_DROP_FOREIGN], 1);
}

static void no_such_pool(uint16_t port)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_pool_info info = VIONET_SIZED(struct vionet_pool_info);
	struct vionet_packet *packets[4] = {0};
	static const uint16_t pools[] = {63, 64, 65, 255, 256, 65535};

	for (unsigned int i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		err(vionet_pool_destroy(pools[i]), -EBADF);
		says("pool");
		err(vionet_pool_info(pools[i], &info), -EBADF);
		err(vionet_pool_share(pools[i], port), -EBADF);
		yes(vionet_packet_alloc(pools[i]) == NULL);
		same(vionet_packet_alloc_bulk(pools[i], packets, 4), 0);
		config.pool = pools[i];
		err(vionet_init(port, &config), -EBADF);
	}
}

CASE("functions refuse a port that does not exist")
{
	static const uint16_t ports[] = {0, 1, 255, 256, 257, 0x7fff, 0xfffe, VIONET_PORT_NONE};
	uint16_t other;

	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		no_such_port(ports[i]);
	ok(vionet_probe("soft:sink", &other));
	no_such_port((uint16_t)(other + 1));
	vionet_close(other);
	no_such_port(other);
}

CASE("functions refuse a queue that does not exist")
{
	uint16_t port = opened("soft:sink");
	no_such_queue(port);
	vionet_close(port);
}

CASE("functions refuse a pool that does not exist")
{
	uint16_t port;
	ok(vionet_probe("soft:sink", &port));
	no_such_pool(port);
	vionet_close(port);
}

CASE("bursts and packet functions take NULL and lists of none")
{
	uint16_t port = opened("soft:sink");
	null_arguments(port);
	vionet_close(port);
}

CASE("event and soft device functions refuse NULL and what does not exist")
{
	struct vionet_soft_stats device = VIONET_SIZED(struct vionet_soft_stats);
	uint16_t number = 0;

	err(vionet_event_add(NULL, NULL), -EINVAL);
	err(vionet_event_remove(NULL, NULL), -ENOENT);
	err(vionet_event_remove(an_event, &number), -ENOENT);
	err(vionet_watch_set(0xffff, NULL, NULL), -ENODEV);
	err(vionet_soft_stats(0xffff, &device), -ENODEV);
	err(vionet_soft_stats(3, &device), -ENODEV);
	vionet_soft_stop(3);
	vionet_soft_stop(0xffff);
	err(vionet_soft_serve(NULL, "sink", &number), -EINVAL);
	err(vionet_soft_serve("/tmp/vionet-none.sock", NULL, &number), -EINVAL);
	err(vionet_soft_serve("/tmp/vionet-none.sock", "sink", NULL), -EINVAL);
}
