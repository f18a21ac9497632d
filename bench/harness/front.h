/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a front-end is to the measuring program: made for a row's options, then driven by loops that are the same
 * source for all (loops.h). Each front-end gives a program of its own: measure-vionet, measure-dpdk, measure-lean.
 */
#ifndef BENCH_FRONT_H
#define BENCH_FRONT_H

#include "backend.h"

#include <stdio.h>

enum { MAX_BURST = 64, MAX_PORTS = 2 };

struct wish {
	int packed, mergeable, in_order, event_index, vectorized, size_stats, joined, interrupts;
	uint32_t ring, pairs, ports, packets; /* descriptors, queue pairs, back-ends, packets in the pool */
	int core;
	char path[MAX_PORTS][64]; /* of the back-ends, which listen there already */
	struct backend *backend;  /* those of our own; the lean one knows no other */
};

/* Cycles per part of a loop: {receive, free} or {allocate, send}. */
struct parts {
	uint64_t first, second;
};

extern const char front_name[];

/* Brings all ports up; ends the program with a sentence if it cannot. */
void front_start(const struct wish *w);
void front_stop(void);
/* Feature bits in use, as the front-end knows it. */
uint64_t front_features(void);
/* What it uses: one JSON member or several, "rx_path" and "tx_path" among them. */
void front_describe(FILE *out);

/*
 * So many bursts on every pair of port 0; they return how many packets moved. Sending waits for room, but not for ever.
 * With parts, the cycles of each call are added up there.
 */
uint64_t front_receive(uint32_t bursts, uint16_t burst);
uint64_t front_send(uint32_t bursts, uint16_t burst, uint32_t bytes);
uint64_t front_receive_parts(uint32_t bursts, uint16_t burst, struct parts *parts);
uint64_t front_send_parts(uint32_t bursts, uint16_t burst, uint32_t bytes, struct parts *parts);
/* Each burst is sent as far as there is room, then one received: what comes back from the other side counts. */
uint64_t front_echo(uint32_t bursts, uint16_t burst, uint32_t bytes);
/* Both ways between two ports, as a forwarder on one core does. swap: the frame's two addresses change places. */
uint64_t front_forward(uint32_t bursts, uint16_t burst, int swap);

struct awake;
/* Of pair 0 of port 0: polls while packets come, sleeps else, until a moment on the monotonic clock (adaptive.h). */
void front_adaptive(struct awake *awake, uint64_t end);

#endif
