/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet_dpdk.h - DPDK's names for small programs that move over to vionet
 *
 * A program that uses what its skeleton and l2fwd examples use of rte_ethdev.h, rte_mbuf.h and the EAL compiles against this
 * file, put in place of its rte_*.h, and against vionet.h:
 *     cc -D_GNU_SOURCE l2fwd.c $(pkg-config --cflags --libs vionet) -pthread -o l2fwd
 *     l2fwd vhost-user:/run/a.sock vhost-user:/run/b.sock -- -p 3
 *
 * It is a first step, after which docs/porting-from-dpdk.md says what to write instead. It is not DPDK: no drivers but
 * vionet's, no offloads, flow rules, multi-process or primary and secondary, timers, rings or hash tables. What is not here
 * does not compile. Where it differs:
 *   - Arguments up to "--" are device addresses (vionet-address(7)), and no EAL options. Ports have numbers from 0.
 *   - Lcores are threads, as many as there are processors, which nothing pins. They start when a function is launched.
 *   - An mbuf is a struct vionet_packet: rte_pktmbuf_pkt_len(m) and not m->pkt_len, and no ol_flags.
 *   - A pool is shared with the ports that are started after it was made.
 *   - A cycle is a nanosecond of CLOCK_MONOTONIC.
 *   - Promiscuous mode needs a control queue: cq=1 in the address where that is not the default.
 * One source file of a program may include it: it holds state.
 */
#ifndef VIONET_DPDK_H
#define VIONET_DPDK_H

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vionet.h>

/* ---- rte_common.h, rte_log.h, rte_cycles.h, rte_malloc.h ------------------------------------------------------------ */

#define __rte_unused __attribute__((unused))
#define __rte_noreturn __attribute__((noreturn))
#define __rte_cache_aligned __attribute__((aligned(64)))
#define rte_dpdk static inline __attribute__((unused))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define rte_prefetch0(p) __builtin_prefetch(p)
#define RTE_MAX(a, b) ((a) > (b) ? (a) : (b))
#define RTE_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RTE_DIM(a) (sizeof(a) / sizeof((a)[0]))
#define RTE_LOGTYPE_USER1 24
#define RTE_LOG(level, type, ...) fprintf(stderr, #type ": " __VA_ARGS__)
#define US_PER_S 1000000

#define rte_strerror(e) strerror(e)
#define rte_delay_ms(ms) usleep((ms) * 1000)
#define rte_zmalloc_socket(name, size, align, socket) calloc(1, size)
#define rte_zmalloc(name, size, align) calloc(1, size)
#define rte_free(p) free(p)
#define rte_get_timer_hz() UINT64_C(1000000000)
#define rte_get_tsc_hz() rte_get_timer_hz()

rte_dpdk uint64_t rte_rdtsc(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * rte_get_timer_hz() + (uint64_t)now.tv_nsec;
}

__rte_noreturn static inline void rte_exit(int code, const char *format, ...)
{
	va_list rest;
	va_start(rest, format);
	vfprintf(stderr, format, rest);
	va_end(rest);
	if (code != 0 && vionet_error()[0] != 0)
		fprintf(stderr, "vionet: %s\n", vionet_error());
	exit(code);
}

/* Cuts a text at a delimiter into at most max parts and returns how many there are. */
rte_dpdk int rte_strsplit(char *text, int length, char **parts, int max, char delimiter)
{
	int count = 0;
	for (char *at = text, *end = text + strnlen(text, length); count < max && at <= end;) {
		char *next = memchr(at, count + 1 < max ? delimiter : 0, end - at);
		parts[count++] = at;
		if (next == NULL)
			break;
		*next = 0;
		at = next + 1;
	}
	return count;
}

/* ---- rte_eal.h, rte_lcore.h, rte_launch.h: lcore 0 is the thread that calls rte_eal_init() -------------------------- */

#define RTE_MAX_LCORE 128
#define SOCKET_ID_ANY (-1)
#define SKIP_MAIN 0
#define CALL_MAIN 1
typedef int lcore_function_t(void *);

static struct rte_dpdk_lcore {
	pthread_t thread;
	unsigned int number;
	int runs, result;
	lcore_function_t *function;
	void *argument;
} rte_dpdk_lcores[RTE_MAX_LCORE];
static __thread unsigned int rte_dpdk_lcore;

#define rte_lcore_count() RTE_MIN((unsigned int)sysconf(_SC_NPROCESSORS_ONLN), (unsigned int)RTE_MAX_LCORE)
#define rte_lcore_is_enabled(n) ((n) < rte_lcore_count())
#define rte_lcore_id() rte_dpdk_lcore
#define rte_get_main_lcore() 0u
#define rte_socket_id() 0u
#define RTE_LCORE_FOREACH_WORKER(n) for (n = 1; n < rte_lcore_count(); n++)

/* Opens a port for each argument before "--" and returns the place of the last one. */
rte_dpdk int rte_eal_init(int argc, char **argv)
{
	int used = 1;
	uint16_t port;
	for (; used < argc && strcmp(argv[used], "--") != 0; used++)
		if (vionet_probe(argv[used], &port) != 0)
			return -1;
	if (used == argc)
		used--;
	argv[used] = argv[0];
	return used;
}

rte_dpdk int rte_eal_cleanup(void)
{
	VIONET_FOREACH_PORT(port)
		vionet_close(port);
	return 0;
}

static void *rte_dpdk_run(void *argument)
{
	struct rte_dpdk_lcore *lcore = argument;
	rte_dpdk_lcore = lcore->number;
	lcore->result = lcore->function(lcore->argument);
	return NULL;
}

rte_dpdk int rte_eal_remote_launch(lcore_function_t *function, void *argument, unsigned int number)
{
	struct rte_dpdk_lcore *lcore = &rte_dpdk_lcores[number];
	if (lcore->runs)
		return -EBUSY;
	*lcore = (struct rte_dpdk_lcore){.number = number, .runs = 1, .function = function, .argument = argument};
	int error = pthread_create(&lcore->thread, NULL, rte_dpdk_run, lcore);
	lcore->runs = error == 0;
	return -error;
}

rte_dpdk int rte_eal_wait_lcore(unsigned int number)
{
	struct rte_dpdk_lcore *lcore = &rte_dpdk_lcores[number];
	if (lcore->runs)
		pthread_join(lcore->thread, NULL);
	lcore->runs = 0;
	return lcore->result;
}

rte_dpdk int rte_eal_mp_remote_launch(lcore_function_t *function, void *argument, int call_main)
{
	unsigned int number;
	RTE_LCORE_FOREACH_WORKER(number)
		if (rte_eal_remote_launch(function, argument, number) != 0)
			return -EBUSY;
	if (call_main)
		rte_dpdk_lcores[0].result = function(argument);
	return 0;
}

/* ---- rte_mempool.h, rte_mbuf.h, rte_ether.h -------------------------------------------------------------------------- */

#define RTE_PKTMBUF_HEADROOM VIONET_HEADROOM
#define RTE_MBUF_DEFAULT_BUF_SIZE (2048 + RTE_PKTMBUF_HEADROOM)
#define rte_mbuf vionet_packet
#define rte_pktmbuf_pkt_len(m) ((m)->total_length)
#define rte_pktmbuf_data_len(m) ((m)->length)
#define rte_pktmbuf_headroom(m) ((m)->headroom)
#define rte_pktmbuf_tailroom(m) vionet_packet_tailroom(m)
#define rte_pktmbuf_mtod(m, type) ((type)(m)->data)
#define rte_pktmbuf_mtod_offset(m, type, offset) ((type)((char *)(m)->data + (offset)))
#define rte_pktmbuf_alloc(pool) vionet_packet_alloc((pool)->number)
#define rte_pktmbuf_free(m) vionet_packet_free(m)
#define rte_pktmbuf_free_bulk(list, count) vionet_packet_free_bulk(list, count)
#define rte_pktmbuf_prepend(m, n) ((char *)vionet_packet_prepend(m, n))
#define rte_pktmbuf_append(m, n) ((char *)vionet_packet_append(m, n))
#define rte_pktmbuf_adj(m, n) ((char *)vionet_packet_adjust(m, n))
#define rte_pktmbuf_trim(m, n) vionet_packet_trim(m, n)

struct rte_mempool {
	uint16_t number; /* of the vionet pool; 0: not in use */
};
static struct rte_mempool rte_dpdk_pools[VIONET_MAX_POOLS];

rte_dpdk struct rte_mempool *rte_pktmbuf_pool_create(const char *name, unsigned int count, unsigned int cache, uint16_t priv,
                                                     uint16_t room, int socket)
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	struct rte_mempool *pool = rte_dpdk_pools;
	(void)name, (void)cache, (void)socket;
	config.packets = count;
	config.data_size = room - RTE_PKTMBUF_HEADROOM;
	config.private_size = priv;
	while (pool < rte_dpdk_pools + VIONET_MAX_POOLS && pool->number != 0)
		pool++;
	return pool < rte_dpdk_pools + VIONET_MAX_POOLS && vionet_pool_create(&config, &pool->number) == 0 ? pool : NULL;
}

struct rte_ether_addr {
	uint8_t addr_bytes[6];
} __attribute__((aligned(2)));
struct rte_ether_hdr {
	struct rte_ether_addr dst_addr, src_addr;
	uint16_t ether_type; /* big-endian */
} __attribute__((aligned(2)));
#define RTE_ETHER_ADDR_PRT_FMT "%02X:%02X:%02X:%02X:%02X:%02X"
#define RTE_ETHER_ADDR_BYTES(a) \
	(a)->addr_bytes[0], (a)->addr_bytes[1], (a)->addr_bytes[2], (a)->addr_bytes[3], (a)->addr_bytes[4], (a)->addr_bytes[5]
#define rte_ether_addr_copy(from, to) ((void)(*(to) = *(from)))

#include "vionet_dpdk_ethdev.h"

#endif
