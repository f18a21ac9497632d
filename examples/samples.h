/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet counter read in equal intervals, and the median of its rate: one slow second does not count. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "program.h"

#define MAX_SAMPLES 4096 /* of a longer run the last so many count */

struct samples {
	double interval;        /* seconds */
	double time;            /* of the last look */
	uint64_t first, packets; /* the counter at the start and at the last look */
	size_t count;
	double mpps[MAX_SAMPLES];
};

static inline void samples_start(struct samples *s, double interval, uint64_t packets)
{
	*s = (struct samples){.interval = interval, .time = now(), .first = packets, .packets = packets};
}

/* Millions of packets per second since the last look. */
static inline double samples_add(struct samples *s, double time, uint64_t packets)
{
	double mpps = (double)(packets - s->packets) / (time - s->time) / 1e6;
	s->mpps[s->count++ % MAX_SAMPLES] = mpps;
	s->time = time;
	s->packets = packets;
	return mpps;
}

static inline int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* One line for people and scripts: median 12.345 Mpps, 5 samples, 61725000 packets */
static inline void samples_print(struct samples *s)
{
	size_t n = s->count < MAX_SAMPLES ? s->count : MAX_SAMPLES;
	qsort(s->mpps, n, sizeof(s->mpps[0]), compare_doubles);
	double median = n == 0 ? 0 : (s->mpps[(n - 1) / 2] + s->mpps[n / 2]) / 2;
	printf("median %.3f Mpps, %zu samples, %" PRIu64 " packets\n", median, n, s->packets - s->first);
}

#endif
