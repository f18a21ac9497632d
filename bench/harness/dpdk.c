/* SPDX-License-Identifier: BSD-2-Clause */
/* DPDK's virtio-user as a front-end, through the public ethdev functions, in the process of the back-end. */
#include "front.h"

#include <err.h>
#include <rte_eal.h>
#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_version.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct rte_mbuf packet_t;
static struct rte_mempool *pool;
static uint32_t port_count;
static char *log_text;
static size_t log_length;
static FILE *log_stream;

static inline uint16_t take(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	return rte_eth_rx_burst((uint16_t)port, pair, packets, count);
}

static inline uint16_t give(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	return rte_eth_tx_burst((uint16_t)port, pair, packets, count);
}

static inline uint16_t allocate(packet_t **packets, uint16_t count)
{
	return rte_pktmbuf_alloc_bulk(pool, packets, count) == 0 ? count : 0;
}

static inline void release(packet_t **packets, uint16_t count)
{
	rte_pktmbuf_free_bulk(packets, count);
}

static inline void set_length(packet_t *packet, uint32_t bytes)
{
	rte_pktmbuf_append(packet, (uint16_t)bytes);
}

static inline uint8_t *data_of(packet_t *packet)
{
	return rte_pktmbuf_mtod(packet, uint8_t *);
}

/* Like DPDK's example l3fwd-power, but looks once more after asking: that example may sleep while a packet waits. */
static inline uint16_t look_again(packet_t **packets, uint16_t count)
{
	rte_eth_dev_rx_intr_enable(0, 0);
	count = take(0, 0, packets, count);
	if (count > 0)
		rte_eth_dev_rx_intr_disable(0, 0);
	return count;
}

static inline int fall_asleep(int milliseconds)
{
	struct rte_epoll_event event;
	int count = rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, milliseconds);
	rte_eth_dev_rx_intr_disable(0, 0);
	return count > 0;
}

#include "adaptive.h"
#include "trips.h"

const char front_name[] = "dpdk";

static void check(int result, const char *what)
{
	if (result < 0) {
		fflush(log_stream);
		errx(2, "DPDK: %s: %s\n%s", what, rte_strerror(-result), log_text);
	}
}

/* Starts the environment layer, with hugepages if BENCH_HUGEPAGES is set. Its log is kept: it names the paths. */
static void start_environment(const struct front_options *w)
{
	char lcores[16], memory[16], prefix[32], devices[MAX_PORTS][256];
	int huge = getenv("BENCH_HUGEPAGES") != NULL;
	uint32_t megabytes = 48 + w->packets / 340; /* about 3 kB for each packet */
	char *arguments[24] = {"dpdk", "--no-pci", "--single-file-segments", "--no-telemetry", "--no-shconf",
	                       "--iova-mode=va"};
	int count = 6;
	snprintf(lcores, sizeof(lcores), "0@%d", w->core);
	snprintf(memory, sizeof(memory), "%u", megabytes & ~1u);
	snprintf(prefix, sizeof(prefix), "vionet-bench-%d", getpid());
	arguments[count++] = huge ? "--in-memory" : "--no-huge";
	arguments[count++] = "--lcores";
	arguments[count++] = lcores;
	arguments[count++] = "-m";
	arguments[count++] = memory;
	arguments[count++] = "--file-prefix";
	arguments[count++] = prefix;
	arguments[count++] = "--log-level=pmd.net.virtio.*:info";
	if (w->vectorized)
		arguments[count++] = "--force-max-simd-bitwidth=512";
	for (uint32_t i = 0; i < w->ports; i++) {
		snprintf(devices[i], sizeof(devices[i]), "net_virtio_user%u,path=%s,queues=%u,queue_size=%u,mrg_rxbuf=%d,"
		         "in_order=%d,packed_vq=%d,vectorized=%d", i, w->path[i], w->pairs, w->ring, w->mergeable,
		         w->in_order, w->packed, w->vectorized);
		arguments[count++] = "--vdev";
		arguments[count++] = devices[i];
	}
	log_stream = open_memstream(&log_text, &log_length);
	rte_openlog_stream(log_stream);
	check(rte_eal_init(count, arguments) < 0 ? -rte_errno : 0, "rte_eal_init");
}

static void start_port(uint16_t port, const struct front_options *w)
{
	struct rte_eth_conf config = {.intr_conf.rxq = (uint32_t)w->interrupts};
	struct rte_eth_rxconf receive = {0};
	struct rte_eth_txconf transmit = {0};
	check(rte_eth_dev_configure(port, (uint16_t)w->pairs, (uint16_t)w->pairs, &config), "rte_eth_dev_configure");
	for (uint16_t pair = 0; pair < w->pairs; pair++) {
		check(rte_eth_rx_queue_setup(port, pair, (uint16_t)w->ring, 0, &receive, pool), "rte_eth_rx_queue_setup");
		check(rte_eth_tx_queue_setup(port, pair, (uint16_t)w->ring, 0, &transmit), "rte_eth_tx_queue_setup");
	}
	check(rte_eth_dev_start(port), "rte_eth_dev_start");
	if (w->interrupts)
		check(rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
		      "rte_eth_dev_rx_intr_ctl_q");
}

void front_start(const struct front_options *w)
{
	start_environment(w);
	front_pairs = w->pairs;
	/* The largest cache there is. */
	pool = rte_pktmbuf_pool_create("packets", w->packets, 512, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	check(pool == NULL ? -rte_errno : 0, "rte_pktmbuf_pool_create");
	if (w->use_packets)
		use_packets();
	for (port_count = 0; port_count < w->ports; port_count++)
		start_port((uint16_t)port_count, w);
}

void front_stop(void)
{
	while (port_count > 0) {
		rte_eth_dev_stop((uint16_t)--port_count);
		rte_eth_dev_close((uint16_t)port_count);
	}
	rte_eal_cleanup();
}

/* This version names them in its log only. */
uint64_t front_features(void)
{
	static const char words[] = "set features: ";
	uint64_t found = 0;
	fflush(log_stream);
	for (const char *at = log_text; (at = strstr(at, words)) != NULL; at++)
		found = strtoull(at + sizeof(words) - 1, NULL, 16);
	return found;
}

/* Prints the name of the path, from the log: "virtio: using NAME on port 0". */
static void path(FILE *out, const char *key, const char *direction)
{
	const char *found = "", *line = log_text;
	int length = 0;
	while ((line = strstr(line, "using ")) != NULL) {
		const char *end = strstr(line, " on port"), *name = line + 6;
		line = name;
		if (end == NULL)
			break;
		const char *word = strstr(name, direction);
		if (word != NULL && word < end) {
			found = name;
			length = (int)(end - name);
		}
	}
	fprintf(out, "\"%s\":\"%.*s\",", key, length, found);
}

void front_describe(FILE *out)
{
	fflush(log_stream);
	path(out, "rx_path", "Rx path");
	path(out, "tx_path", "Tx path");
	fprintf(out, "\"version\":\"%s\",\"hugepages\":%u", rte_version(), getenv("BENCH_HUGEPAGES") != NULL ? 2 << 20 : 0);
}
