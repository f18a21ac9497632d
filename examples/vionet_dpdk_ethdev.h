/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet_dpdk_ethdev.h - the part of vionet_dpdk.h that stands for rte_ethdev.h
 */
#ifndef VIONET_DPDK_ETHDEV_H
#define VIONET_DPDK_ETHDEV_H

#define RTE_MAX_ETHPORTS 32
#define RTE_ETH_MQ_RX_NONE 0
#define RTE_ETH_MQ_TX_NONE 0
#define RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE (UINT64_C(1) << 16)
#define RTE_ETH_LINK_DOWN 0
#define RTE_ETH_LINK_UP 1
#define RTE_ETH_LINK_MAX_STR_LEN 40
#define RTE_PTYPE_UNKNOWN 0

struct rte_eth_rxmode {
	uint32_t mq_mode, mtu;
	uint64_t offloads;
};
struct rte_eth_txmode {
	uint32_t mq_mode;
	uint64_t offloads;
};
struct rte_eth_conf {
	struct rte_eth_rxmode rxmode;
	struct rte_eth_txmode txmode;
};
struct rte_eth_rxconf {
	uint64_t offloads;
};
struct rte_eth_txconf {
	uint64_t offloads;
};
struct rte_eth_dev_info {
	const char *driver_name;
	uint16_t max_mtu, max_rx_queues, max_tx_queues;
	uint64_t rx_offload_capa, tx_offload_capa;
	struct rte_eth_rxconf default_rxconf;
	struct rte_eth_txconf default_txconf;
};
struct rte_eth_link {
	uint32_t link_speed; /* Mbit/s */
	uint8_t link_duplex, link_autoneg, link_status;
};
struct rte_eth_stats {
	uint64_t ipackets, opackets, ibytes, obytes, imissed, ierrors, oerrors, rx_nombuf;
};

/* What a program has asked for since rte_eth_dev_configure(). */
static struct vionet_config rte_dpdk_configs[RTE_MAX_ETHPORTS];

#define RTE_ETH_FOREACH_DEV(p) \
	for (p = vionet_port_next(0); p < RTE_MAX_ETHPORTS; p = vionet_port_next((uint16_t)((p) + 1)))
#define rte_eth_dev_is_valid_port(port) ((port) < RTE_MAX_ETHPORTS && vionet_port_next((uint16_t)(port)) == (port))
#define rte_eth_dev_socket_id(port) SOCKET_ID_ANY
#define rte_eth_dev_set_ptypes(port, mask, list, count) 0
#define rte_eth_promiscuous_enable(port) vionet_promiscuous_set(port, 1)
#define rte_eth_promiscuous_disable(port) vionet_promiscuous_set(port, 0)
#define rte_eth_allmulticast_enable(port) vionet_all_multicast_set(port, 1)
#define rte_eth_stats_reset(port) vionet_stats_reset(port)
#define rte_eth_dev_stop(port) vionet_stop(port)
#define rte_eth_tx_burst(port, queue, packets, count) vionet_tx_burst(port, queue, packets, count)
#define rte_eth_tx_prepare(port, queue, packets, count) vionet_tx_prepare(port, queue, packets, count)

/* A loop that finds nothing gives the processor away, which the thread of a soft: device may need. */
rte_dpdk uint16_t rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	static __thread unsigned int idle;
	uint16_t received = vionet_rx_burst(port, queue, packets, count);
	if ((idle = received > 0 ? 0 : idle + 1) >= 16)
		sched_yield();
	return received;
}

rte_dpdk int rte_eth_dev_close(uint16_t port)
{
	vionet_close(port);
	return 0;
}

rte_dpdk uint16_t rte_eth_dev_count_avail(void)
{
	uint16_t port, count = 0;
	RTE_ETH_FOREACH_DEV(port)
		count++;
	return count;
}

rte_dpdk int rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
	struct vionet_info now = VIONET_SIZED(struct vionet_info);
	int result = vionet_info(port, &now);
	*info = (struct rte_eth_dev_info){.driver_name = "vionet", .max_mtu = now.mtu, .max_rx_queues = now.max_queue_pairs,
	                                  .max_tx_queues = now.max_queue_pairs};
	return result;
}

/* Offloads are none of these: they are bits of vionet_config and flags of packets. */
rte_dpdk int rte_eth_dev_configure(uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf)
{
	if (!rte_eth_dev_is_valid_port(port))
		return -ENODEV;
	if (conf->rxmode.offloads != 0 || conf->txmode.offloads != 0)
		return -EINVAL;
	rte_dpdk_configs[port] = VIONET_SIZED(struct vionet_config);
	rte_dpdk_configs[port].queue_pairs = RTE_MAX(rx, tx);
	/* With small rings for now: from here on the port has its MAC address and its limits. */
	struct vionet_config first = rte_dpdk_configs[port];
	first.rx_descriptors = first.tx_descriptors = 64;
	return vionet_init(port, &first);
}

/* Rings have a power of two of descriptors. */
rte_dpdk int rte_eth_dev_adjust_nb_rx_tx_desc(uint16_t port, uint16_t *rx, uint16_t *tx)
{
	struct vionet_info now = VIONET_SIZED(struct vionet_info);
	int result = vionet_info(port, &now);
	uint16_t *sizes[] = {rx, tx}, limits[] = {now.max_rx_descriptors, now.max_tx_descriptors};
	for (int i = 0; i < 2; i++) {
		uint16_t size = 2;
		while (size < *sizes[i] && size < limits[i] && size < 32768)
			size *= 2;
		*sizes[i] = size;
	}
	return result;
}

rte_dpdk int rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t size, int socket, const struct rte_eth_rxconf *conf,
                                    struct rte_mempool *pool)
{
	struct vionet_config *config = &rte_dpdk_configs[port];
	(void)socket, (void)conf;
	config->rx_descriptors = size;
	if (config->pool == 0)
		config->pool = pool->number;
	return vionet_rx_pool_set(port, queue, pool->number);
}

rte_dpdk int rte_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t size, int socket,
                                    const struct rte_eth_txconf *conf)
{
	(void)queue, (void)socket, (void)conf;
	rte_dpdk_configs[port].tx_descriptors = size;
	return 0;
}

/* Any packet may leave through any port, so each pool is shared with the port. */
rte_dpdk int rte_eth_dev_start(uint16_t port)
{
	struct vionet_config *config = &rte_dpdk_configs[port];
	int result = config->size != 0 ? vionet_init(port, config) : 0;
	config->size = 0;
	for (int i = 0; result == 0 && i < VIONET_MAX_POOLS && rte_dpdk_pools[i].number != 0; i++)
		result = vionet_pool_share(rte_dpdk_pools[i].number, port);
	return result == 0 ? vionet_start(port) : result;
}

rte_dpdk int rte_eth_macaddr_get(uint16_t port, struct rte_ether_addr *address)
{
	struct vionet_info now = VIONET_SIZED(struct vionet_info);
	int result = vionet_info(port, &now);
	memcpy(address->addr_bytes, now.mac, 6);
	return result;
}

rte_dpdk int rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *link)
{
	struct vionet_info now = VIONET_SIZED(struct vionet_info);
	vionet_event_handle(port);
	int result = vionet_info(port, &now);
	*link = (struct rte_eth_link){now.speed, now.duplex == VIONET_DUPLEX_FULL, 0, now.link_up};
	return result;
}

rte_dpdk int rte_eth_link_to_str(char *text, size_t room, const struct rte_eth_link *link)
{
	return snprintf(text, room, link->link_status ? "Link up at %u Mbps" : "Link down", link->link_speed);
}

rte_dpdk int rte_eth_stats_get(uint16_t port, struct rte_eth_stats *stats)
{
	struct vionet_stats now = VIONET_SIZED(struct vionet_stats);
	int result = vionet_stats(port, &now);
	*stats = (struct rte_eth_stats){.ipackets = now.rx.packets, .opackets = now.tx.packets, .ibytes = now.rx.bytes,
	                                .obytes = now.tx.bytes, .rx_nombuf = now.rx.no_buffer};
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++) {
		stats->ierrors += now.rx.dropped[reason];
		stats->oerrors += now.tx.dropped[reason];
	}
	return result;
}

/* ---- transmit buffers: of one thread, as DPDK's; vionet_tx_buffer_put() is for many ---------------------------------- */

typedef void (*buffer_tx_error_fn)(struct rte_mbuf **unsent, uint16_t count, void *user);
struct rte_eth_dev_tx_buffer {
	buffer_tx_error_fn error;
	void *user;
	uint16_t room, length;
	struct rte_mbuf *packets[];
};
#define RTE_ETH_TX_BUFFER_SIZE(room) (sizeof(struct rte_eth_dev_tx_buffer) + (room) * sizeof(struct rte_mbuf *))

rte_dpdk void rte_eth_tx_buffer_count_callback(struct rte_mbuf **unsent, uint16_t count, void *user)
{
	vionet_packet_free_bulk(unsent, count);
	*(uint64_t *)user += count;
}

rte_dpdk void rte_eth_tx_buffer_drop_callback(struct rte_mbuf **unsent, uint16_t count, void *user)
{
	(void)user;
	vionet_packet_free_bulk(unsent, count);
}

rte_dpdk int rte_eth_tx_buffer_init(struct rte_eth_dev_tx_buffer *buffer, uint16_t room)
{
	*buffer = (struct rte_eth_dev_tx_buffer){.error = rte_eth_tx_buffer_drop_callback, .room = room};
	return 0;
}

rte_dpdk int rte_eth_tx_buffer_set_err_callback(struct rte_eth_dev_tx_buffer *buffer, buffer_tx_error_fn error, void *user)
{
	buffer->error = error;
	buffer->user = user;
	return 0;
}

rte_dpdk uint16_t rte_eth_tx_buffer_flush(uint16_t port, uint16_t queue, struct rte_eth_dev_tx_buffer *buffer)
{
	uint16_t count = buffer->length, sent = vionet_tx_burst(port, queue, buffer->packets, count);
	buffer->length = 0;
	if (sent < count)
		buffer->error(buffer->packets + sent, count - sent, buffer->user);
	return sent;
}

rte_dpdk uint16_t rte_eth_tx_buffer(uint16_t port, uint16_t queue, struct rte_eth_dev_tx_buffer *buffer, struct rte_mbuf *m)
{
	buffer->packets[buffer->length++] = m;
	return buffer->length < buffer->room ? 0 : rte_eth_tx_buffer_flush(port, queue, buffer);
}

#endif
