/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_CYCLES_H
#define BENCH_CYCLES_H

#include <stdint.h>
#include <x86intrin.h>

/* The time stamp counter, when all before it is done and nothing after it has begun. */
static inline uint64_t cycles(void)
{
	_mm_lfence();
	uint64_t now = __rdtsc();
	_mm_lfence();
	return now;
}

/* What reading it twice takes, at its quickest. */
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
 * What 4800 additions take that need not wait for one another. On a core that is shared with a neighbour unseen from
 * here (the other hyperthread, which may be another machine's) they take half as long again, and so does everything
 * else: this tells such a moment from a quiet one.
 */
static inline uint64_t cycles_of_additions(void)
{
	uint64_t begin = cycles();
	for (int i = 0; i < 600; i++)
		__asm__ volatile("add $1, %%rax\n\tadd $1, %%rcx\n\tadd $1, %%rdx\n\tadd $1, %%rsi\n\t"
		                 "add $1, %%r8\n\tadd $1, %%r9\n\tadd $1, %%r10\n\tadd $1, %%r11"
		                 : : : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc");
	return cycles() - begin;
}

#endif
