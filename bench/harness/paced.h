/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends frames into a network interface at a given rate, from a process of its own, so that its time is counted apart.
 * Each frame has a number and says when it was sent.
 */
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include <stdint.h>
#include <time.h>

enum { PACED_TYPE = 0xb588, PACED_BYTES = 60 }; /* type 0x88b5, for experiments, in memory order */

struct __attribute__((packed)) paced_frame {
	uint8_t addresses[12];
	uint16_t type;
	uint64_t number, sent; /* sent: nanoseconds of the monotonic clock, the same in every process */
	uint8_t rest[PACED_BYTES - 30];
};

/* What a stretch of waiting found. */
struct awake {
	uint64_t patience;                      /* nanoseconds without a packet before a sleep */
	uint64_t frames, strays, gaps, sleeps; /* gaps: places where numbers are missing or out of order */
	uint64_t expected;
	uint64_t *late; /* nanoseconds from the write into the interface to the wake-up, of frames that woke it */
	uint32_t room, woken;
};

static inline uint64_t nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Starts the sender on this core, until this process ends. Call it before there are threads. */
void paced_start(const char *interface, int core);
/* Sends at this rate per second from one moment to another; returns at once. */
void paced_send(uint32_t rate, uint64_t begin, uint64_t end);
/* Waits for the end and returns how many frames were sent. */
uint64_t paced_sent(void);

#endif
