/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every example needs and none is about: numbers from the command line, a clock, a pinned core, a clean end.
 * Include it first, after #define _GNU_SOURCE.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <bsd/stdlib.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * Turns without a packet before a loop offers its core to others: where cores are few, the thread it waits for, such
 * as that of a soft: device, may be one of them.
 */
#define POLITE_TURNS 16

/* Each program says how it is called: on standard output for status 0, else on standard error. */
_Noreturn static void usage(int status);

/* The one long option: --help, as -h. */
static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* A number between two bounds, or a sentence that says which argument is wrong and how. */
static inline long long number(const char *what, const char *text, long long lowest, long long highest)
{
	const char *wrong;
	long long value = strtonum(text, lowest, highest, &wrong);
	if (wrong != NULL) {
		warnx("%s %s is %s, it goes from %lld to %lld", what, text, wrong, lowest, highest);
		usage(2);
	}
	return value;
}

static inline double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Pin the calling thread only, and after the ports are open: the thread of a soft: device would inherit the core. */
static inline void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		err(1, "core %d", core);
}

static volatile sig_atomic_t stop_asked;

static inline void ask_stop(int number)
{
	(void)number;
	stop_asked = 1;
}

/* The first SIGINT or SIGTERM asks for a clean end, a second one ends the program at once. */
static inline void stop_on_signals(void)
{
	struct sigaction action = {.sa_handler = ask_stop, .sa_flags = SA_RESETHAND};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

#endif
