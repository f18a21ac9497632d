/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A front-end as the measuring program sees it: started with a row's options, then driven by loops whose source is the
 * same for all (loops.h). Each front-end makes a program of its own: measure-vionet, measure-dpdk, measure-lean.
 */
#ifndef BENCH_FRONT_H
#define BENCH_FRONT_H

#include "backend.h"

#include <stdio.h>

enum { MAX_BURST = 64, MAX_PORTS = 2 };

struct front_options {
	int packed, mergeable, in_order, event_index, vectorized, size_stats, joined, interrupts;
	int use_packets; /* write into each packet's buffer once before the port is there: so the pool has all its memory */
	uint32_t ring, pairs, ports, packets; /* descriptors, queue pairs, back-ends, packets in the pool */
	int core;
	char path[MAX_PORTS][64]; /* sockets on which the back-ends listen */
	struct backend *backend;  /* those in this process; the lean front-end has no others */
};

/* Cycles per part of a loop: {receive, free} or {allocate, send}. */
struct parts {
	uint64_t first, second;
};

extern const char front_name[];

/* Starts all ports. If it cannot, the program ends with a sentence. */
void front_start(const struct front_options *w);
void front_stop(void);
/* Feature bits in use, according to the front-end. */
uint64_t front_features(void);
/* Prints JSON members about what it uses, among them "rx_path" and "tx_path". */
void front_describe(FILE *out);

/*
 * Bursts on every pair of port 0; both return how many packets moved. Sending waits for room, but not forever. If parts
 * is given, the cycles of each call are added there.
 */
uint64_t front_receive(uint32_t bursts, uint16_t burst);
uint64_t front_send(uint32_t bursts, uint16_t burst, uint32_t bytes);
uint64_t front_receive_parts(uint32_t bursts, uint16_t burst, struct parts *parts);
uint64_t front_send_parts(uint32_t bursts, uint16_t burst, uint32_t bytes, struct parts *parts);
/* Sends a burst as far as there is room, then receives one: what comes back from the other side counts. */
uint64_t front_echo(uint32_t bursts, uint16_t burst, uint32_t bytes);
/* Forwards between two ports, both ways, on one core. swap: swaps the frame's two addresses. */
uint64_t front_forward(uint32_t bursts, uint16_t burst, int swap);

/*
 * Sends frames one by one and waits for each to come back, polling or sleeping; the ticks of each. Returns how many came
 * back before one did not.
 */
uint32_t front_trips(uint64_t *ticks, uint32_t count, int sleeps);
/* Ticks for that many receive bursts, which must find nothing; 0 if one found something. */
uint64_t front_find_nothing(uint32_t calls);

struct awake;
/* Receives on pair 0 of port 0 until a monotonic time: polls while packets come, else sleeps (adaptive.h). */
void front_adaptive(struct awake *awake, uint64_t end);

#endif
