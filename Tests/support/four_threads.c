/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four threads, one for each direction of two queue pairs, take turns at bursts, with pools of their own; the main thread
 * is the device between the turns. For a tracer of memory accesses: each turn begins and ends with a store to a place of
 * marks[], whose address is printed, with what else the reader of the trace must know (Tests/gates/cache_lines.py).
 */
#define _GNU_SOURCE 1
#include "../../bench/harness/backend.h"

#include <err.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vionet.h>

enum { PAIRS = 2, SIDES = 2 * PAIRS, RING = 256, BURST = 32, PACKETS = 2048, WARM = 8, BYTES = 60 };

/* Place 0: nobody's turn; 1 to 4: a thread's; 5 to 8: the device's, for the same ring. */
static _Alignas(4096) volatile uint64_t marks[512];
/* What "planted" makes threads share: two write parts of the first line; of the second line one thread writes, another reads. */
static _Alignas(64) volatile uint64_t planted[16];

static struct backend back;
static uint16_t port, pool[SIDES];
static struct side {
	_Alignas(128) sem_t turn, done;
	pthread_t thread;
	int number, bursts, is_over, is_planted;
	uint64_t moved;
} sides[SIDES];

static void check(int result)
{
	if (result != 0)
		errx(1, "%s", vionet_error());
}

static uint16_t receive(int side)
{
	struct vionet_packet *packets[BURST];
	uint16_t count = vionet_rx_burst(port, (uint16_t)(side / 2), packets, BURST);
	vionet_packet_free_bulk(packets, count);
	return count;
}

static uint16_t send(int side)
{
	struct vionet_packet *packets[BURST];
	uint16_t count = vionet_packet_alloc_bulk(pool[side], packets, BURST);
	for (uint16_t i = 0; i < count; i++)
		vionet_packet_append(packets[i], BYTES);
	uint16_t sent = vionet_tx_burst(port, (uint16_t)(side / 2), packets, count);
	vionet_packet_free_bulk(packets + sent, (uint16_t)(count - sent));
	return sent;
}

static void *work(void *argument)
{
	struct side *s = argument;
	for (;;) {
		sem_wait(&s->turn);
		if (s->is_over)
			return NULL;
		uint64_t moved = 0;
		marks[1 + s->number] = 1;
		for (int i = 0; i < s->bursts; i++)
			moved += s->number % 2 ? send(s->number) : receive(s->number);
		if (s->is_planted && s->number < 3)
			planted[4 * s->number]++;
		if (s->is_planted && s->number == 3)
			moved += planted[9] & 0;
		marks[0] = 1;
		s->moved += moved;
		sem_post(&s->done);
	}
}

/* The device takes what is there, then each thread has bursts for half a ring. */
static void round_of(int is_measured)
{
	for (int i = 0; i < SIDES; i++) {
		struct ring *ring = &back.ring[i];
		marks[is_measured ? 5 + i : 0] = 1;
		if (i % 2)
			ring_drain(ring, RING);
		else
			ring_fill(ring, RING / 2, BYTES);
		marks[0] = 1;
	}
	for (int i = 0; i < SIDES; i++) {
		sem_post(&sides[i].turn);
		sem_wait(&sides[i].done);
	}
}

static void start(const char *kind, int one_pool)
{
	char path[48], device[256];
	uint64_t offer = BIT(F_INDIRECT_DESC) | (strstr(kind, "packed") ? BIT(F_RING_PACKED) : 0) |
	                 (strstr(kind, "mergeable") ? BIT(F_MRG_RXBUF) : 0) |
	                 (strstr(kind, "in-order") ? BIT(F_IN_ORDER) : 0) | (strstr(kind, "event") ? BIT(F_EVENT_IDX) : 0);
	snprintf(path, sizeof(path), "/tmp/vionet-lines-%d", getpid());
	backend_open(&back, path, offer, PAIRS, 1);
	struct vionet_pool_config settings = VIONET_SIZED(struct vionet_pool_config);
	settings.packets = PACKETS;
	settings.memory_fd = -1;
	for (int i = 0; i < SIDES; i++) {
		pool[i] = pool[0];
		if (i == 0 || !one_pool)
			check(vionet_pool_create(&settings, &pool[i]));
	}
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool[0];
	snprintf(device, sizeof(device), "vhost-user:%s,queues=%d,queue_size=%d,packed_vq=1,mrg_rxbuf=1,in_order=1", path,
	         PAIRS, RING);
	check(vionet_probe(device, &port));
	check(vionet_rx_pool_set(port, 1, pool[2]));
	check(vionet_pool_share(pool[1], port));
	check(vionet_pool_share(pool[3], port));
	check(vionet_init(port, &config));
	check(vionet_start(port));
	if (backend_wait(&back, 60) < 0)
		errx(1, "the rings are not used");
	for (int i = 0; i < SIDES; i++) {
		sides[i].number = i;
		sem_init(&sides[i].turn, 0, 0);
		sem_init(&sides[i].done, 0, 0);
		if (pthread_create(&sides[i].thread, NULL, work, &sides[i]) != 0)
			errx(1, "no thread");
	}
}

static void print_range(const char *name, pthread_t thread)
{
	pthread_attr_t attributes;
	void *low;
	size_t length;
	if (pthread_getattr_np(thread, &attributes) != 0 || pthread_attr_getstack(&attributes, &low, &length) != 0)
		errx(1, "a stack is nowhere");
	pthread_attr_destroy(&attributes);
	printf("%s %p %p\n", name, low, (void *)((char *)low + length));
}

/* What the reader of the trace must know. */
static void print_map(void)
{
	char line[512];
	printf("marks %p\n", (const void *)(uintptr_t)marks);
	print_range("ignored", back.thread);
	FILE *f = fopen("/proc/self/maps", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		printf("map %s", line);
	if (f != NULL)
		fclose(f);
	fflush(stdout);
}

/* four_threads KIND ROUNDS [one-pool|planted] */
int main(int argc, char **argv)
{
	if (argc < 3)
		errx(1, "usage: four_threads KIND ROUNDS [one-pool|planted]");
	const char *fault = argc > 3 ? argv[3] : "";
	start(argv[1], strcmp(fault, "one-pool") == 0);
	for (int i = 0; i < SIDES; i++)
		sides[i].bursts = RING / 2 / BURST;
	for (int i = 0; i < WARM; i++)
		round_of(0);
	print_map();
	uint64_t before[SIDES];
	for (int i = 0; i < SIDES; i++) {
		sides[i].is_planted = strcmp(fault, "planted") == 0;
		before[i] = sides[i].moved;
	}
	marks[16] = 1; /* from here on */
	for (int i = 0; i < atoi(argv[2]); i++)
		round_of(1);
	marks[17] = 1;
	for (int i = 0; i < SIDES; i++) {
		printf("moved %d %llu\n", i, (unsigned long long)(sides[i].moved - before[i]));
		sides[i].is_over = 1;
		sem_post(&sides[i].turn);
		pthread_join(sides[i].thread, NULL);
	}
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	check(vionet_info(port, &info));
	printf("paths %s %s\n", info.rx_path, info.tx_path);
	vionet_close(port);
	backend_close(&back);
	return 0;
}
