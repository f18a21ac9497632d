/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a frame of 64 bytes takes to a peer in another process and back, polling or sleeping, and what a receive
 * burst costs that finds nothing.
 *
 *   latency-NAME --socket PATH --core N [--packed] [--sleep] [--trips N] [--less MICROSECONDS]
 *
 * A program that returns every frame (reflect.c) must listen on PATH. What it holds each frame for is subtracted. Prints
 * a line of JSON: microseconds, and cycles of the core for the call.
 */
#define _GNU_SOURCE 1
#include "cycles.h"
#include "front.h"
#include "worker.h"

#include <err.h>
#include <getopt.h>
#include <stdlib.h>

enum { WARM = 1000, MOST_TRIPS = 1 << 20, CALLS = 32, CALL_SAMPLES = 2001 };

static uint32_t trips = 100000;
static double held;

static void parse_options(int argc, char **argv, struct front_options *w)
{
	const struct option options[] = {
		{"socket", 1, NULL, 's'}, {"core", 1, NULL, 'c'}, {"trips", 1, NULL, 't'}, {"less", 1, NULL, 'l'},
		{"packed", 0, &w->packed, 1}, {"sleep", 0, &w->interrupts, 1}, {0},
	};
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 0: break;
		case 's': snprintf(w->path[0], sizeof(w->path[0]), "%s", optarg); break;
		case 'c': w->core = atoi(optarg); break;
		case 't': trips = (uint32_t)atoi(optarg); break;
		case 'l': held = atof(optarg); break;
		default: exit(1);
		}
	if (w->path[0][0] == 0 || trips < 1 || trips > MOST_TRIPS)
		errx(1, "--socket and at most %d --trips are needed", MOST_TRIPS);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Cycles of the core for a call: the median, so that no interrupt counts. */
static double cycles_for_nothing(void)
{
	static uint64_t samples[CALL_SAMPLES];
	uint64_t nothing = cycles_of_nothing();
	for (uint32_t i = 0; i < CALL_SAMPLES; i++)
		if ((samples[i] = front_find_nothing(CALLS)) == 0)
			errx(2, "%s: frames that nobody sent", front_name);
	qsort(samples, CALL_SAMPLES, sizeof(*samples), by_size);
	return (double)(samples[CALL_SAMPLES / 2] - nothing) / CALLS / look_around().clock;
}

int main(int argc, char **argv)
{
	static struct front_options w = {.ring = 1024, .pairs = 1, .ports = 1, .packets = 16384, .core = -1};
	static uint64_t ticks[MOST_TRIPS];
	parse_options(argc, argv, &w);
	const double hertz = ticks_per_second();
	front_start(&w);
	pin_to(w.core);
	if (front_trips(ticks, WARM, w.interrupts) != WARM)
		errx(2, "%s: a frame did not come back", front_name);
	hurry(1);
	uint32_t done = front_trips(ticks, trips, w.interrupts);
	if (done != trips)
		errx(2, "%s: frame %u did not come back", front_name, done);
	double calls = cycles_for_nothing();
	hurry(0);
	qsort(ticks, trips, sizeof(*ticks), by_size);
	printf("{\"front\":\"%s\",\"negotiated\":%llu,\"nothing_cycles\":%.2f,\"nothing_ns\":%.3f,\"least_us\":%.4f", front_name,
	       (unsigned long long)front_features(), calls, calls * look_around().clock / hertz * 1e9,
	       (double)ticks[0] / hertz * 1e6 - held);
	static const struct { const char *name; double part; } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};
	for (int i = 0; i < 3; i++)
		printf(",\"%s_us\":%.4f", quantiles[i].name,
		       (double)ticks[(uint32_t)(quantiles[i].part * (trips - 1))] / hertz * 1e6 - held);
	printf("}\n");
	front_stop();
	return 0;
}
