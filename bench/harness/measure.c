/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a front-end costs per packet, against a back-end in the same process that copies nothing.
 *
 *   measure-NAME [options] FORM/DIRECTION/BURST/BYTES...
 *
 * FORM       inline  one thread: the back-end does its part between two timed stretches of bursts
 *            cores   the back-end on a core of its own: the cache lines travel, both sides run at once
 *            parts   as inline, each call timed by itself, what the clock takes subtracted
 * DIRECTION  rx, tx; or io, macswap: forwarding both ways between two back-ends
 *
 * Prints one line of JSON about the front-end, and one for each point: nanoseconds per packet, the median over groups
 * of packets and the tenths at both ends. A group is long enough for a ring to go round a few times and short enough
 * to be undisturbed most of the time. Only groups count whose core was not shared while they ran (cycles.h); when
 * there are too few of them the point takes up to eight times as long, and then says how few there were.
 */
#define _GNU_SOURCE 1
#include "cycles.h"
#include "front.h"
#include "worker.h"

#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { GROUP_PACKETS = 8192, MAX_GROUPS = 20000, LEAST_GROUPS = 15, PROLONGED = 8 };
enum form { INLINE, CORES, PARTS };
enum direction { RX, TX, IO, MACSWAP };

struct point {
	enum form form;
	enum direction direction;
	uint16_t burst;
	uint32_t bytes;
	const char *text;
};

static struct wish wish = {.ring = 1024, .pairs = 1, .ports = 1, .core = -1};
static struct backend backends[MAX_PORTS];
static int peer_core = -1;
static uint32_t milliseconds = 60, fixed_groups;
static double hertz;
static uint64_t nothing, least_noise = ~0ull;

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void find_frequency(void)
{
	double begin = seconds(CLOCK_MONOTONIC_RAW);
	uint64_t first = cycles();
	while (seconds(CLOCK_MONOTONIC_RAW) < begin + 0.02)
		;
	hertz = (double)(cycles() - first) / (seconds(CLOCK_MONOTONIC_RAW) - begin);
	nothing = cycles_of_nothing();
}

/* ---- one stretch ------------------------------------------------------------------------------------------------- */

/* The back-end's part, for every ring the direction uses. */
static void device_step(const struct point *p, uint32_t frames)
{
	for (uint32_t port = 0; port < wish.ports; port++)
		for (uint32_t pair = 0; pair < wish.pairs; pair++) {
			if (p->direction != TX)
				ring_fill(receive_ring(&backends[port], pair), frames, p->bytes);
			if (p->direction != RX)
				ring_drain(transmit_ring(&backends[port], pair), wish.ring);
		}
}

static uint64_t bursts(const struct point *p, uint32_t count, struct parts *parts)
{
	switch (p->direction) {
	case RX: return parts ? front_receive_parts(count, p->burst, parts) : front_receive(count, p->burst);
	case TX: return parts ? front_send_parts(count, p->burst, p->bytes, parts) : front_send(count, p->burst, p->bytes);
	case IO: return front_forward(count, p->burst, 0);
	default: return front_forward(count, p->burst, 1);
	}
}

struct group {
	uint64_t packets, cycles, noise; /* noise: cycles of additions before or after, whichever took longer */
	struct parts parts;
};

/* Stretches of a quarter of a ring, or 256 packets, until the group is full. */
static struct group measure_group(const struct point *p)
{
	uint32_t lot = wish.ring / 4 < 256 ? wish.ring / 4 : 256, count = lot / p->burst > 0 ? lot / p->burst : 1;
	uint64_t least = 4ull * wish.ring * wish.pairs;
	struct group g = {.noise = cycles_of_additions()};
	if (least < GROUP_PACKETS)
		least = GROUP_PACKETS;
	for (uint32_t in_vain = 0; g.packets < least; in_vain++) {
		if (p->form != CORES)
			device_step(p, count * p->burst);
		uint64_t begin = cycles();
		uint64_t moved = bursts(p, count, p->form == PARTS ? &g.parts : NULL);
		g.cycles += cycles() - begin - nothing;
		g.packets += moved;
		if (moved > 0)
			in_vain = 0;
		if (in_vain > 100 && (p->form != CORES || in_vain > 10000000))
			errx(2, "%s: no packets", p->text);
	}
	uint64_t noise = cycles_of_additions();
	if (noise > g.noise)
		g.noise = noise;
	if (g.noise < least_noise)
		least_noise = g.noise;
	return g;
}

/* ---- one point --------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void print_quantiles(const char *name, double *samples, uint32_t count)
{
	qsort(samples, count, sizeof(*samples), by_size);
	printf(",\"%s\":%.4f,\"%s_p10\":%.4f,\"%s_p90\":%.4f", name, samples[count / 2], name, samples[count / 10], name,
	       samples[count - 1 - count / 10]);
}

/* How one of a group's times is told: 0 all of it, 1 the first part, 2 the second. */
static double nanoseconds(const struct point *p, const struct group *g, int part)
{
	uint64_t spent = part == 0 ? g->cycles : part == 1 ? g->parts.first : g->parts.second;
	double clock = part == 0 ? 0 : (double)nothing / p->burst;
	return ((double)spent / (double)g->packets - clock) / hertz * 1e9;
}

static void print_times(const struct point *p, const struct group *groups, uint32_t count)
{
	static const char *const names[2][3] = {{"ns", "receive", "free"}, {"ns", "allocate", "send"}};
	static double samples[MAX_GROUPS];
	for (int part = 0; part < (p->form == PARTS ? 3 : 1); part++) {
		for (uint32_t i = 0; i < count; i++)
			samples[i] = nanoseconds(p, &groups[i], part);
		print_quantiles(names[p->direction == TX][part], samples, count);
	}
}

/* Quiet groups brought to the front. Returns how many there are. */
static uint32_t sort_out(struct group *groups, uint32_t count)
{
	uint32_t quiet = 0;
	for (uint32_t i = 0; i < count; i++)
		if (groups[i].noise * 8 <= least_noise * 9) {
			struct group g = groups[i];
			groups[i] = groups[quiet];
			groups[quiet++] = g;
		}
	return quiet;
}

/* Groups until the time is over and enough of them were quiet. Returns how many; *packets: moved in all. */
static uint32_t collect(const struct point *p, struct group *groups, uint64_t *packets)
{
	double begin = seconds(CLOCK_MONOTONIC), limit = milliseconds * 1e-3;
	uint32_t count = 0, enough = fixed_groups > 0 ? fixed_groups : MAX_GROUPS;
	while (count < enough) {
		groups[count] = measure_group(p);
		*packets += groups[count++].packets;
		double took = seconds(CLOCK_MONOTONIC) - begin;
		if (fixed_groups == 0 && count >= LEAST_GROUPS && took >= limit &&
		    (took >= PROLONGED * limit || sort_out(groups, count) >= LEAST_GROUPS))
			break;
	}
	return count;
}

static void measure(const struct point *p)
{
	static struct group groups[MAX_GROUPS];
	struct worker worker = {.backends = backends, .ports = wish.ports, .pairs = wish.pairs, .bytes = p->bytes,
	                        .core = peer_core, .fill = p->direction != TX, .drain = p->direction != RX};
	uint64_t packets = 0;
	if (p->form == CORES)
		worker_start(&worker);
	hurry(1);
	for (int warm = 0; warm < 3; warm++)
		packets += measure_group(p).packets;
	double begin = seconds(CLOCK_MONOTONIC), own = seconds(CLOCK_THREAD_CPUTIME_ID), peer = 0;
	if (p->form == CORES) {
		peer = seconds(worker.clock);
		worker.idle = worker.busy = 0;
	}
	uint32_t count = collect(p, groups, &packets);
	hurry(0);
	double took = seconds(CLOCK_MONOTONIC) - begin, share = (seconds(CLOCK_THREAD_CPUTIME_ID) - own) / took;
	uint32_t quiet = sort_out(groups, count);
	printf("{\"point\":\"%s\",\"groups\":%u,\"quiet\":%u,\"packets\":%llu", p->text, count, quiet,
	       (unsigned long long)packets);
	if (p->form == CORES) {
		double peer_share = (seconds(worker.clock) - peer) / took;
		share = peer_share < share ? peer_share : share;
		printf(",\"peer_idle\":%.3f,\"round_trip_ns\":%.0f", (double)worker.idle / (double)(worker.idle + worker.busy),
		       (double)worker.round_trip / hertz * 1e9);
		worker_stop(&worker);
	}
	printf(",\"share\":%.3f,\"noise\":%llu", share, (unsigned long long)least_noise);
	print_times(p, groups, quiet >= LEAST_GROUPS ? quiet : count);
	printf("}\n");
	fflush(stdout);
}

#include "measure_main.h"
