/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_CYCLES_H
#define BENCH_CYCLES_H

#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

/* The time stamp counter, after everything before it and before anything after it. */
static inline uint64_t cycles(void)
{
	_mm_lfence();
	uint64_t now = __rdtsc();
	_mm_lfence();
	return now;
}

static inline double ticks_per_second(void)
{
	struct timespec then, now;
	double passed;
	clock_gettime(CLOCK_MONOTONIC_RAW, &then);
	uint64_t begin = cycles();
	do {
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		passed = (double)(now.tv_sec - then.tv_sec) + (double)(now.tv_nsec - then.tv_nsec) * 1e-9;
	} while (passed < 0.02);
	return (double)(cycles() - begin) / passed;
}

/* The least time between two readings. */
static inline uint64_t cycles_of_nothing(void)
{
	uint64_t least = ~0ull;
	for (int i = 0; i < 1000; i++) {
		uint64_t begin = cycles(), end = cycles();
		if (end - begin < least)
			least = end - begin;
	}
	return least;
}

/*
 * What a moment on this core is like. In a chain of multiplications each waits for the one before, three cycles of the
 * core: so the chain measures the core's clock. Independent additions show whether the other hyperthread is busy, which
 * may belong to another virtual machine: then they take half as long again, and so does everything else.
 */
struct moment {
	double clock; /* ticks of the time stamp counter in one cycle of the core */
	double crowd; /* cycles of the core for an addition */
};

enum { CHAIN = 800, ADDITIONS = 19200 };

static inline uint64_t chain(void)
{
	uint64_t product = 3, begin = cycles();
	for (int i = 0; i < CHAIN / 8; i++)
		__asm__ volatile("imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0\n\t"
		                 "imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0" : "+r"(product) : : "cc");
	return cycles() - begin;
}

static inline struct moment look_around(void)
{
	uint64_t one = chain(), two = chain(), begin = cycles();
	for (int i = 0; i < ADDITIONS / 8; i++)
		__asm__ volatile("add $1, %%rax\n\tadd $1, %%rcx\n\tadd $1, %%rdx\n\tadd $1, %%rsi\n\t"
		                 "add $1, %%r8\n\tadd $1, %%r9\n\tadd $1, %%r10\n\tadd $1, %%r11"
		                 : : : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc");
	uint64_t end = cycles();
	/* An interrupt makes a chain longer, never shorter. */
	struct moment m = {.clock = (double)(one < two ? one : two) / (3 * CHAIN)};
	m.crowd = (double)(end - begin) / ADDITIONS / m.clock;
	return m;
}

#endif
