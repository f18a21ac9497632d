/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device side on a core of its own, in a thread or in a process: fills all receive rings and empties all transmit
 * rings without a pause.
 */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include "backend.h"
#include "cycles.h"

struct worker {
	struct backend *backends;
	uint32_t ports, pairs, bytes;
	uint32_t complete; /* entries that are marked used at a time; 0: all that are taken */
	uint32_t look;     /* entries for which it waits before it takes any; 0: a quarter of the ring, 256 at most */
	uint32_t slow;     /* ticks that an entry takes */
	int core, fill, drain;
	pthread_t thread;
	pid_t process;
	_Atomic int wanted; /* in a process: work, until `stop` */
	_Atomic int stop, running;
	_Atomic uint64_t idle, busy; /* cycles without and with work, which show which side waits for the other */
	clockid_t clock;             /* of its processor time */
};

void pin_to(int core);
/* Gives the caller priority over ordinary programs on this core, if permitted, or takes it away again. */
void hurry(int on);
/* The least cycles that a cache line takes to another core and back: the distance of the two. */
uint64_t round_trip(int core);
/*
 * Makes a process that opens the back-ends and works when told to. Everything that both sides know lies in memory they
 * share. Called before the program has any other thread.
 */
void worker_fork(struct worker *w, void (*listen)(void));
void worker_end_process(struct worker *w);
void worker_start(struct worker *w);
void worker_stop(struct worker *w);

#endif
