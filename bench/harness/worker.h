/* SPDX-License-Identifier: BSD-2-Clause */
/* The device side on a core of its own: fills all receive rings and empties all transmit rings without a pause. */
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
	_Atomic uint64_t idle, busy; /* cycles without and with work, which show which side waits for the other */
	clockid_t clock;             /* of its processor time */
};

void pin_to(int core);
/* Gives the caller priority over ordinary programs on this core, if permitted, or takes it away again. */
void hurry(int on);
/* The least cycles that a cache line takes to another core and back: the distance of the two. */
uint64_t round_trip(int core);
void worker_start(struct worker *w);
void worker_stop(struct worker *w);

#endif
