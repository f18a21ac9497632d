/* SPDX-License-Identifier: BSD-2-Clause */
/* The device side on a core of its own: fills every receive ring and empties every transmit ring without a pause. */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include "backend.h"
#include "cycles.h"

struct worker {
	struct backend *backends;
	uint32_t ports, pairs, bytes;
	int core, fill, drain;
	pthread_t thread;
	_Atomic int stop, running;
	_Atomic uint64_t idle, busy; /* cycles without and with work, so that it shows which side waits for which */
	clockid_t clock;             /* of its processor time */
};

void pin_to(int core);
/* Ahead of every ordinary program on this core, if we have the right to; or an ordinary one again. */
void hurry(int on);
/* Cycles a cache line takes to another core and back, at its quickest: how far apart the two are. */
uint64_t round_trip(int core);
void worker_start(struct worker *w);
void worker_stop(struct worker *w);

#endif
