/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames at a given rate into a network interface, by a process of its own so that its time is nobody else's. Each frame
 * has a number and says when it was sent.
 */
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include <stdint.h>
#include <time.h>

enum { PACED_TYPE = 0xb588, PACED_BYTES = 60 }; /* type 0x88b5, for experiments, as it lies in memory */

struct __attribute__((packed)) paced_frame {
	uint8_t addresses[12];
	uint16_t type;
	uint64_t number, sent; /* sent: nanoseconds of the monotonic clock, the same in every process */
	uint8_t rest[PACED_BYTES - 30];
};

/* What one stretch of waiting found. */
struct awake {
	uint64_t patience;                      /* nanoseconds without a packet before it sleeps */
	uint64_t frames, strays, gaps, sleeps; /* gaps: places where numbers are missing, or out of turn */
	uint64_t expected;
	uint64_t *late; /* of the frames that woke it: from the write into the interface to the wake-up, in nanoseconds */
	uint32_t room, woken;
};

static inline uint64_t nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* To be called before there are threads. The sender runs on this core until this process ends. */
void paced_start(const char *interface, int core);
/* So many frames per second from one moment to another; returns at once. */
void paced_send(uint32_t rate, uint64_t begin, uint64_t end);
/* How many that were, when it is done. */
uint64_t paced_sent(void);

#endif
