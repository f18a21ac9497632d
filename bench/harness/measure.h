/* SPDX-License-Identifier: BSD-2-Clause */
/* What main.c sets and measure.c uses. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "front.h"
#include "worker.h"

enum form { INLINE, CORES, PARTS, PEER, PROCESS, FORMS };
enum direction { RX, TX, ECHO, IO, MACSWAP, DIRECTIONS };

struct point {
	enum form form;
	enum direction direction;
	uint16_t burst;
	uint32_t bytes;
	const char *text;
};

struct setting {
	struct front_options options;
	struct backend *backends; /* MAX_PORTS */
	struct worker *worker;
	int peer_core, peers; /* peers: how many back-ends are other programs */
	int apart;            /* the back-ends are in a process of their own */
	uint32_t milliseconds, fixed_groups; /* how long a point lasts, or how many groups it has */
	double quiet_crowd;                  /* in a quiet moment (cycles.h) */
	long resident_before;                /* KiB without the front-end */
	double hertz;                        /* of the time stamp counter */
};
extern struct setting setting;

double seconds(clockid_t clock);
long resident_kib(void);
/* Prints JSON members: resident memory in files that a device sees, small (rings) and large (packets), and in no file. */
void print_memory(FILE *out);
void find_frequency(void);
void find_quiet(void);
/* Measures a point and prints its line. */
void measure(const struct point *p);

#endif
