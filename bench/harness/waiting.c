/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of waiting for packets: how late a sleeping front-end wakes, and the processor time of polling while packets
 * come and sleeping in between.
 *
 *   waiting-NAME --socket PATH --interface NAME --core N --sender-core N [--patience MICROSECONDS] RATE/MILLISECONDS...
 *
 * A device must listen on PATH with the TAP interface as its other side. Frames are written into the interface at each
 * rate (per second) for that time. Prints one line of JSON about the front-end, and one for each rate.
 */
#define _GNU_SOURCE 1
#include "front.h"
#include "paced.h"
#include "worker.h"

#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { LEAD = 20000000, GRACE = 100000000, MOST_LATE = 1 << 20 }; /* nanoseconds before the first frame, after the last */

static int sender_core = -1;
static const char *interface;
static uint64_t patience = 20000;

static void parse_options(int argc, char **argv, struct front_options *w)
{
	static const struct option options[] = {
		{"socket", 1, NULL, 's'}, {"interface", 1, NULL, 'i'}, {"core", 1, NULL, 'c'}, {"sender-core", 1, NULL, 'b'},
		{"patience", 1, NULL, 'p'}, {0},
	};
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 's': snprintf(w->path[0], sizeof(w->path[0]), "%s", optarg); break;
		case 'i': interface = optarg; break;
		case 'c': w->core = atoi(optarg); break;
		case 'b': sender_core = atoi(optarg); break;
		case 'p': patience = (uint64_t)atoi(optarg) * 1000; break;
		default: exit(1);
		}
	if (w->path[0][0] == 0 || interface == NULL || optind == argc)
		errx(1, "--socket, --interface and a RATE/MILLISECONDS are needed");
}

static uint64_t processor_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static double percentile(const struct awake *a, double part)
{
	return (double)a->late[(uint32_t)(part * (double)(a->woken - 1))] / 1e3;
}

/* Measures one rate for one stretch of time. Lost frames are an error, since they would falsify the figure. */
static void wait_for(uint32_t rate, uint32_t milliseconds, struct awake *a)
{
	*a = (struct awake){.patience = patience, .late = a->late, .room = MOST_LATE};
	uint64_t before = processor_time(), begin = nanoseconds(), end = begin + LEAD + (uint64_t)milliseconds * 1000000;
	paced_send(rate, begin + LEAD, end);
	front_adaptive(a, end + GRACE);
	uint64_t cpu = processor_time() - before, wall = nanoseconds() - begin, sent = paced_sent();
	qsort(a->late, a->woken, sizeof(*a->late), by_size);
	printf("{\"rate\":%u,\"sent\":%llu,\"received\":%llu,\"gaps\":%llu,\"strays\":%llu,\"sleeps\":%llu,\"woken\":%u,"
	       "\"cpu_ns\":%llu,\"wall_ns\":%llu", rate, (unsigned long long)sent, (unsigned long long)a->frames,
	       (unsigned long long)a->gaps, (unsigned long long)a->strays, (unsigned long long)a->sleeps, a->woken,
	       (unsigned long long)cpu, (unsigned long long)wall);
	if (a->woken > 0)
		printf(",\"p50_us\":%.3f,\"p99_us\":%.3f", percentile(a, 0.5), percentile(a, 0.99));
	printf("}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct front_options w = {.ring = 1024, .pairs = 1, .ports = 1, .packets = 16384, .core = -1, .event_index = 1,
	                          .interrupts = 1};
	static uint64_t late[MOST_LATE];
	struct awake awake = {.late = late};
	parse_options(argc, argv, &w);
	paced_start(interface, sender_core);
	front_start(&w);
	printf("{\"front\":\"%s\",\"negotiated\":%llu,", front_name, (unsigned long long)front_features());
	front_describe(stdout);
	printf("}\n");
	pin_to(w.core);
	hurry(1);
	for (int i = optind; i < argc; i++) {
		uint32_t rate, milliseconds;
		if (sscanf(argv[i], "%u/%u", &rate, &milliseconds) != 2)
			errx(1, "%s is not RATE/MILLISECONDS", argv[i]);
		wait_for(rate, milliseconds, &awake);
	}
	front_stop();
	return 0;
}
