/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The back-end that copies nothing as a program of its own, for front-ends that are programs too.
 *
 *   serve --core N [--packed] [--mergeable] [--in-order] [--bytes N] SOCKET...
 *
 * Fills every receive ring and empties every transmit ring of every socket. Once all are in use, prints a line five
 * times a second: frames taken from the transmit rings, nanoseconds, and the share of the time with nothing to do.
 */
#define _GNU_SOURCE 1
#include "worker.h"

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS = 2 };

static volatile sig_atomic_t stop;

static void ask_to_stop(int signal)
{
	(void)signal;
	stop = 1;
}

static uint64_t nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t frames(struct backend *backends, int count)
{
	uint64_t sum = 0;
	for (int i = 0; i < count; i++)
		sum += __atomic_load_n(&transmit_ring(&backends[i], 0)->frames, __ATOMIC_RELAXED);
	return sum;
}

static void report(struct worker *w, struct backend *backends)
{
	uint64_t last = frames(backends, (int)w->ports), then = nanoseconds(), idle = w->idle, busy = w->busy;
	while (!stop && backends[0].connected) {
		usleep(200000);
		uint64_t now = nanoseconds(), total = frames(backends, (int)w->ports), i = w->idle, b = w->busy;
		printf("frames=%llu ns=%llu idle=%.3f\n", (unsigned long long)(total - last), (unsigned long long)(now - then),
		       (double)(i - idle) / (double)(i - idle + b - busy + 1));
		fflush(stdout);
		last = total;
		then = now;
		idle = i;
		busy = b;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"core", 1, NULL, 'c'}, {"packed", 0, NULL, 'p'}, {"mergeable", 0, NULL, 'm'}, {"in-order", 0, NULL, 'i'},
		{"bytes", 1, NULL, 'b'}, {0},
	};
	static struct backend backends[SOCKETS];
	struct worker worker = {.backends = backends, .pairs = 1, .bytes = 64, .core = -1, .fill = 1, .drain = 1};
	uint64_t offer = BIT(F_INDIRECT_DESC);
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 'c': worker.core = atoi(optarg); break;
		case 'p': offer |= BIT(F_RING_PACKED); break;
		case 'm': offer |= BIT(F_MRG_RXBUF); break;
		case 'i': offer |= BIT(F_IN_ORDER); break;
		case 'b': worker.bytes = (uint32_t)atoi(optarg); break;
		default: return 1;
		}
	worker.ports = (uint32_t)(argc - optind);
	if (worker.ports < 1 || worker.ports > SOCKETS)
		errx(1, "there must be one socket or two");
	signal(SIGTERM, ask_to_stop);
	for (uint32_t i = 0; i < worker.ports; i++)
		backend_open(&backends[i], argv[optind + (int)i], offer, 1, 0);
	printf("ready\n");
	fflush(stdout);
	for (uint32_t i = 0; i < worker.ports && !stop;)
		if (backend_wait(&backends[i], 0.2) == 0)
			i++;
	if (!stop) {
		worker_start(&worker);
		report(&worker, backends);
		worker_stop(&worker);
	}
	for (uint32_t i = 0; i < worker.ports; i++)
		backend_close(&backends[i]);
	return 0;
}
