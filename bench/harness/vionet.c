/* SPDX-License-Identifier: BSD-2-Clause */
/* This library as a front-end. */
#include "front.h"

#include <err.h>
#include <stdlib.h>
#include <vionet.h>

typedef struct vionet_packet packet_t;
static uint16_t ports[MAX_PORTS], pool;
static uint32_t port_count;

static inline uint16_t take(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	return vionet_rx_burst(ports[port], pair, packets, count);
}

static inline uint16_t give(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	return vionet_tx_burst(ports[port], pair, packets, count);
}

static inline uint16_t allocate(packet_t **packets, uint16_t count)
{
	return vionet_packet_alloc_bulk(pool, packets, count);
}

static inline void release(packet_t **packets, uint16_t count)
{
	vionet_packet_free_bulk(packets, count);
}

static inline void set_length(packet_t *packet, uint32_t bytes)
{
	vionet_packet_append(packet, bytes);
}

static inline uint8_t *data_of(packet_t *packet)
{
	return packet->data;
}

static inline uint16_t look_again(packet_t **packets, uint16_t count)
{
	(void)packets, (void)count;
	return 0; /* vionet_rx_wait() looks again after it has asked for the signal */
}

static inline int fall_asleep(int milliseconds)
{
	return vionet_rx_wait(ports[0], 0, milliseconds) > 0;
}

#include "adaptive.h"
#include "trips.h"

const char front_name[] = "vionet";

static void check(int result)
{
	if (result != 0)
		errx(2, "%s", vionet_error());
}

void front_start(const struct front_options *w)
{
	struct vionet_pool_config settings = VIONET_SIZED(struct vionet_pool_config);
	settings.packets = w->packets;
	settings.memory_fd = -1;
	if (getenv("BENCH_HUGEPAGES") == NULL)
		settings.flags = VIONET_POOL_NO_HUGEPAGES;
	check(vionet_pool_create(&settings, &pool));
	if (w->use_packets)
		use_packets();
	front_pairs = w->pairs;
	for (port_count = 0; port_count < w->ports; port_count++) {
		struct vionet_config config = VIONET_SIZED(struct vionet_config);
		char device[256];
		config.pool = pool;
		/*
		 * Where another program offers them, neither front-end has what DPDK's has not: it knows no EVENT_IDX, and
		 * asks for checksums only when an application does. With them a back-end reads a header for every packet.
		 */
		config.features_off = w->event_index ? 0 : BIT(F_EVENT_IDX) | BIT(F_CSUM);
		if (!w->joined)
			config.features_off |= BIT(F_GUEST_CSUM);
		snprintf(device, sizeof(device),
		         "vhost-user:%s,queues=%u,queue_size=%u,packed_vq=%d,mrg_rxbuf=%d,in_order=%d,size_stats=%d,lro=%d",
		         w->path[port_count], w->pairs, w->ring, w->packed, w->mergeable, w->in_order, w->size_stats,
		         w->joined);
		check(vionet_probe(device, &ports[port_count]));
		check(vionet_init(ports[port_count], &config));
		check(vionet_start(ports[port_count]));
	}
}

void front_stop(void)
{
	while (port_count > 0)
		vionet_close(ports[--port_count]);
	check(vionet_pool_destroy(pool));
}

uint64_t front_features(void)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	check(vionet_info(ports[0], &info));
	return info.negotiated[0];
}

void front_describe(FILE *out)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	struct vionet_pool_info memory = VIONET_SIZED(struct vionet_pool_info);
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	check(vionet_info(ports[0], &info));
	check(vionet_pool_info(pool, &memory));
	check(vionet_stats(ports[0], &stats));
	fprintf(out, "\"version\":\"%s\",\"rx_path\":\"%s\",\"tx_path\":\"%s\",\"hugepages\":%u,\"kicks\":%llu,\"broken\":%llu,"
	        "\"dropped\":%llu",
	        vionet_version(), info.rx_path, info.tx_path, memory.hugepages,
	        (unsigned long long)(stats.rx.kicks + stats.tx.kicks),
	        (unsigned long long)(stats.rx.broken + stats.tx.broken), (unsigned long long)stats.rx.dropped[0]);
}
