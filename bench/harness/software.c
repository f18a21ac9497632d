/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Offloads in software: this library beside DPDK's librte_net and librte_gso, on one core, in turns. A line of JSON for
 * each measurement. Checksums: vionet_tx_prepare() for a device without VIRTIO_NET_F_CSUM, rte_ipv4_udptcp_cksum().
 * Segments: vionet_packet_segment(); rte_gso_segment(), which leaves the checksums to a device, and the same with the
 * checksums, which vionet's segments have.
 */
#define _GNU_SOURCE 1
#define ALLOW_EXPERIMENTAL_API 1 /* rte_ipv4_udptcp_cksum_mbuf() */
#include <err.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_gso.h>
#include <rte_ip.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vionet.h>

enum { HEADERS = 66, MSS = 1448, BATCH = 32, ROOM = 64, MOST = 65226, SAMPLE = 100000 /* ns */, SAMPLES = 201 };

static uint8_t frame[HEADERS + MOST];
static struct rte_mempool *direct, *indirect;
static uint16_t port, pool;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Ethernet, IPv4 and TCP with 12 bytes of options. */
static void make_frame(uint32_t payload)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0};
	memset(frame, 1, HEADERS);
	memcpy(frame, head, sizeof(head));
	frame[16] = (uint8_t)((HEADERS - 14 + payload) >> 8);
	frame[17] = (uint8_t)(HEADERS - 14 + payload);
	memcpy(frame + 18, "\0\0\x40\0\x40\6\0\0\x0a\0\0\1\x0a\0\0\2", 16);
	frame[46] = 0x80;
	frame[47] = 0x18;
	for (uint32_t i = 0; i < payload; i++)
		frame[HEADERS + i] = (uint8_t)(i * 31 >> 3);
}

/* ---- vionet ------------------------------------------------------------------------------------------------------ */

static struct vionet_packet *vionet_frame(uint32_t length)
{
	struct vionet_packet *head = NULL;
	for (uint32_t at = 0; at < length;) {
		struct vionet_packet *one = vionet_packet_alloc(pool);
		uint32_t n = length - at < 1984 ? length - at : 1984;
		if (one == NULL)
			errx(1, "the pool is empty");
		memcpy(vionet_packet_append(one, n), frame + at, n);
		at += n;
		if (head == NULL)
			head = one;
		else
			vionet_packet_chain(head, one);
	}
	return head;
}

static void vionet_checksums(struct vionet_packet **packets, uint16_t count)
{
	for (int i = 0; i < count; i++) {
		uint8_t *field = (uint8_t *)packets[i]->data + 50;
		memcpy(field, "\x12\x34", 2);
		packets[i]->flags = VIONET_PACKET_CHECKSUM_PARTIAL;
		packets[i]->checksum_start = 34;
		packets[i]->checksum_offset = 16;
	}
	if (vionet_tx_prepare(port, 0, packets, count) != count)
		errx(1, "vionet_tx_prepare: %s", vionet_error());
}

static void vionet_segments(struct vionet_packet *packet, int *count)
{
	struct vionet_packet *out[ROOM];
	*count = vionet_packet_segment(packet, out, ROOM);
	if (*count < 0)
		errx(1, "vionet_packet_segment: %s", vionet_error());
	vionet_packet_free_bulk(out, (uint16_t)*count);
}

/* ---- DPDK -------------------------------------------------------------------------------------------------------- */

static struct rte_mbuf *dpdk_frame(uint32_t length)
{
	struct rte_mbuf *head = NULL;
	for (uint32_t at = 0; at < length;) {
		struct rte_mbuf *one = rte_pktmbuf_alloc(direct);
		uint16_t n = (uint16_t)(length - at < 1984 ? length - at : 1984);
		if (one == NULL)
			errx(1, "DPDK's pool is empty");
		memcpy(rte_pktmbuf_append(one, n), frame + at, n);
		at += n;
		if (head == NULL)
			head = one;
		else
			rte_pktmbuf_chain(head, one);
	}
	head->l2_len = 14;
	head->l3_len = 20;
	head->l4_len = 32;
	head->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	head->tso_segsz = MSS;
	return head;
}

static void dpdk_checksum(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, 34);
	tcp->cksum = 0;
	tcp->cksum = m->nb_segs == 1 ? rte_ipv4_udptcp_cksum(ip, tcp) : rte_ipv4_udptcp_cksum_mbuf(m, ip, 34);
}

static void dpdk_checksums(struct rte_mbuf **packets, uint16_t count)
{
	for (int i = 0; i < count; i++)
		dpdk_checksum(packets[i]);
}

static void dpdk_segments(struct rte_mbuf *packet, int *count, int with_checksums)
{
	struct rte_gso_ctx context = {.direct_pool = direct, .indirect_pool = indirect,
	                              .gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO, .gso_size = HEADERS + MSS};
	struct rte_mbuf *out[ROOM];
	uint64_t flags = packet->ol_flags;
	*count = rte_gso_segment(packet, &context, out, ROOM);
	if (*count < 1)
		errx(1, "rte_gso_segment: %d", *count);
	for (int i = 0; with_checksums && i < *count; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(out[i], struct rte_ipv4_hdr *, 14);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		dpdk_checksum(out[i]);
	}
	rte_pktmbuf_free_bulk(out, (unsigned int)*count);
	packet->ol_flags = flags;
	if (rte_mbuf_refcnt_read(packet) != 1)
		errx(1, "rte_gso_segment kept the packet");
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

/* Prints the median of many short samples, so that what another program takes in between does not count. */
#define MEASURE(row, front, items, call) \
	do { \
		double samples[SAMPLES]; \
		call; \
		for (int s = 0; s < SAMPLES; s++) { \
			uint64_t done = 0, begin = now(), end; \
			do { \
				call; \
				done += (uint64_t)(items); \
			} while ((end = now()) < begin + SAMPLE); \
			samples[s] = (double)(end - begin) / (double)done; \
		} \
		qsort(samples, SAMPLES, sizeof(samples[0]), ascending); \
		printf("{\"row\": \"%s\", \"front\": \"%s\", \"ns\": %.3f}\n", row, front, samples[SAMPLES / 2]); \
	} while (0)

static void checksums(const char *row, uint32_t payload, uint16_t count)
{
	struct vionet_packet *ours[BATCH];
	struct rte_mbuf *theirs[BATCH];
	make_frame(payload);
	for (int i = 0; i < count; i++) {
		ours[i] = vionet_frame(HEADERS + payload);
		theirs[i] = dpdk_frame(HEADERS + payload);
	}
	MEASURE(row, "vionet", count, vionet_checksums(ours, count));
	MEASURE(row, "dpdk", count, dpdk_checksums(theirs, count));
	vionet_packet_free_bulk(ours, count);
	rte_pktmbuf_free_bulk(theirs, count);
}

static void segments(void)
{
	int count = 0;
	make_frame(MOST);
	struct vionet_packet *ours = vionet_frame(HEADERS + MOST);
	struct rte_mbuf *theirs = dpdk_frame(HEADERS + MOST);
	ours->flags = VIONET_PACKET_TCP4 | VIONET_PACKET_CHECKSUM_PARTIAL;
	ours->segment_size = MSS;
	MEASURE("segments", "vionet", count, vionet_segments(ours, &count));
	MEASURE("segments", "dpdk", count, dpdk_segments(theirs, &count, 1));
	MEASURE("segments", "dpdk-cut-only", count, dpdk_segments(theirs, &count, 0));
	vionet_packet_free(ours);
	rte_pktmbuf_free(theirs);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0], "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=1", "-l", "0", "-m", "256"};
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	int rounds = argc > 1 ? atoi(argv[1]) : 5, core = argc > 2 ? atoi(argv[2]) : 0;
	char number[12];
	snprintf(number, sizeof(number), "%d", core);
	eal[7] = number;
	if (rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) < 0)
		errx(1, "DPDK's environment does not start");
	direct = rte_pktmbuf_pool_create("direct", 4095, 256, 0, RTE_PKTMBUF_HEADROOM + 2048, 0);
	indirect = rte_pktmbuf_pool_create("indirect", 4095, 256, 0, 0, 0);
	config.packets = 8192;
	if (direct == NULL || indirect == NULL || vionet_pool_create(&config, &pool) != 0)
		errx(1, "a pool: %s", vionet_error());
	/* A device with no offloads. */
	if (vionet_probe("soft:sink,features_off=0x100000000007801", &port) != 0 || vionet_pool_share(pool, port) != 0 ||
	    vionet_init(port, NULL) != 0 || vionet_start(port) != 0)
		errx(1, "%s", vionet_error());
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (int round = 0; round < rounds; round++) {
		checksums("checksum-66", 0, BATCH);
		checksums("checksum-512", 512 - HEADERS, BATCH);
		checksums("checksum-1514", MSS, BATCH);
		segments();
	}
	vionet_close(port);
	return 0;
}
