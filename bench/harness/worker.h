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
	uint64_t round_trip;         /* cycles a line takes there and back: how far apart the two cores are */
};

void pin_to(int core);
/* Ahead of every ordinary program on this core, if we have the right to; or an ordinary one again. */
void hurry(int on);
void worker_start(struct worker *w);
void worker_stop(struct worker *w);

#endif
