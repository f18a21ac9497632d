/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "measure.h"
#include "cycles.h"
#include "worker.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>

enum { GROUP_PACKETS = 8192, MAX_GROUPS = 20000, LEAST_GROUPS = 15, PROLONGED = 4 };

struct setting setting = {
	.options = {.ring = 1024, .pairs = 1, .ports = 1, .core = -1}, .peer_core = -1, .milliseconds = 60,
	.quiet_crowd = 1e9,
};
static uint64_t nothing; /* cycles between two readings of the clock */

double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void find_frequency(void)
{
	double begin = seconds(CLOCK_MONOTONIC_RAW);
	uint64_t first = cycles();
	while (seconds(CLOCK_MONOTONIC_RAW) < begin + 0.02)
		;
	setting.hertz = (double)(cycles() - first) / (seconds(CLOCK_MONOTONIC_RAW) - begin);
	nothing = cycles_of_nothing();
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* A tenth of the moments are this quiet, unless the option --crowd gives a lower value. */
void find_quiet(void)
{
	double crowds[300];
	for (int i = 0; i < 300; i++)
		crowds[i] = look_around().crowd;
	qsort(crowds, 300, sizeof(*crowds), by_size);
	if (crowds[30] < setting.quiet_crowd)
		setting.quiet_crowd = crowds[30];
}

/* ---- one stretch ------------------------------------------------------------------------------------------------- */

/* Does the back-end's part, on every ring of the direction. */
static void device_step(const struct point *p, uint32_t frames)
{
	for (uint32_t port = 0; port < setting.options.ports; port++)
		for (uint32_t pair = 0; pair < setting.options.pairs; pair++) {
			if (p->direction != TX)
				ring_fill(receive_ring(&setting.backends[port], pair), frames, p->bytes);
			if (p->direction != RX)
				ring_drain(transmit_ring(&setting.backends[port], pair), setting.options.ring);
		}
}

static uint64_t bursts(const struct point *p, uint32_t count, struct parts *parts)
{
	switch (p->direction) {
	case RX: return parts ? front_receive_parts(count, p->burst, parts) : front_receive(count, p->burst);
	case TX: return parts ? front_send_parts(count, p->burst, p->bytes, parts) : front_send(count, p->burst, p->bytes);
	case ECHO: return front_echo(count, p->burst, p->bytes);
	case IO: return front_forward(count, p->burst, 0);
	default: return front_forward(count, p->burst, 1);
	}
}

struct group {
	uint64_t packets, cycles;
	struct parts parts;
	double crowd, clock; /* the worse of before and after; the mean of both */
};

/* Runs stretches of a quarter of a ring, 256 packets at most, until the group is full. */
static struct group measure_group(const struct point *p)
{
	uint32_t chunk = setting.options.ring / 4 < 256 ? setting.options.ring / 4 : 256;
	uint32_t count = chunk / p->burst > 0 ? chunk / p->burst : 1;
	uint64_t least = (setting.options.ring > 4096 ? 1ull : 4ull) * setting.options.ring * setting.options.pairs;
	const int waits = p->form == CORES || p->form == PEER || p->form == PROCESS;
	struct group g = {0};
	struct moment before = look_around();
	if (least < GROUP_PACKETS)
		least = GROUP_PACKETS;
	double patience = 0;
	for (uint32_t in_vain = 0; g.packets < least; in_vain++) {
		if (!waits)
			device_step(p, count * p->burst);
		uint64_t begin = cycles();
		uint64_t moved = bursts(p, count, p->form == PARTS ? &g.parts : NULL);
		g.cycles += cycles() - begin - nothing;
		g.packets += moved;
		if (moved > 0)
			in_vain = 0;
		if (in_vain == 1)
			patience = seconds(CLOCK_MONOTONIC) + 0.3;
		if (in_vain > 100 && (!waits || seconds(CLOCK_MONOTONIC) > patience))
			break;
	}
	struct moment after = look_around();
	g.crowd = before.crowd > after.crowd ? before.crowd : after.crowd;
	g.clock = (before.clock + after.clock) / 2;
	return g;
}

/* ---- one point --------------------------------------------------------------------------------------------------- */

static void print_quantiles(const char *name, double *samples, uint32_t count)
{
	qsort(samples, count, sizeof(*samples), by_size);
	printf(",\"%s\":%.4f,\"%s_p10\":%.4f,\"%s_p90\":%.4f", name, samples[count / 2], name, samples[count / 10], name,
	       samples[count - 1 - count / 10]);
}

/*
 * One of a group's times per packet: 0 the whole, 1 the first part, 2 the second. In cycles where one core works alone,
 * since its clock is not always the same; else in nanoseconds.
 */
static double time_of(const struct point *p, const struct group *g, int part)
{
	uint64_t spent = part == 0 ? g->cycles : part == 1 ? g->parts.first : g->parts.second;
	double clock = part == 0 ? 0 : (double)nothing / p->burst;
	double ticks = (double)spent / (double)g->packets - clock;
	return p->form == INLINE || p->form == PARTS ? ticks / g->clock : ticks / setting.hertz * 1e9;
}

static void print_times(const struct point *p, const struct group *groups, uint32_t count)
{
	static const char *const names[2][3] = {{"all", "receive", "free"}, {"all", "allocate", "send"}};
	static double samples[MAX_GROUPS];
	for (int part = 0; part < (p->form == PARTS ? 3 : 1); part++) {
		for (uint32_t i = 0; i < count; i++)
			samples[i] = time_of(p, &groups[i], part);
		print_quantiles(names[p->direction == TX][part], samples, count);
	}
}

/* Moves quiet groups to the front and returns how many there are. */
static uint32_t sort_out(struct group *groups, uint32_t count)
{
	uint32_t quiet = 0;
	for (uint32_t i = 0; i < count; i++)
		if (groups[i].crowd <= setting.quiet_crowd * 1.125) {
			struct group g = groups[i];
			groups[i] = groups[quiet];
			groups[quiet++] = g;
		}
	return quiet;
}

/* Runs groups until the time is over and enough were quiet. Returns how many; *packets: how many packets moved. */
static uint32_t collect(const struct point *p, struct group *groups, uint64_t *packets)
{
	double begin = seconds(CLOCK_MONOTONIC), limit = setting.milliseconds * 1e-3;
	uint32_t count = 0, enough = setting.fixed_groups > 0 ? setting.fixed_groups : MAX_GROUPS;
	while (count < enough) {
		groups[count] = measure_group(p);
		*packets += groups[count++].packets;
		double took = seconds(CLOCK_MONOTONIC) - begin;
		if (setting.fixed_groups == 0 && count >= LEAST_GROUPS && took >= limit &&
		    (took >= PROLONGED * limit || sort_out(groups, count) >= LEAST_GROUPS))
			break;
	}
	return count;
}

void measure(const struct point *p)
{
	static struct group groups[MAX_GROUPS];
	struct worker *worker = setting.worker;
	uint64_t packets = 0;
	const int works = p->form == CORES || p->form == PROCESS;
	const int two = (works || p->form == PEER) && setting.peer_core >= 0;
	worker->bytes = p->bytes;
	worker->fill = p->direction != TX;
	worker->drain = p->direction != RX;
	uint64_t far_before = two ? round_trip(setting.peer_core) : 0;
	if (works)
		worker_start(worker);
	/*
	 * A first group like any program's: testpmd lets its queues move only after it has answered the last message, in a
	 * thread that may have to share this core, and would not get it from one that runs ahead of all others.
	 */
	packets += measure_group(p).packets;
	hurry(1);
	for (int warm = 0; warm < 2; warm++)
		packets += measure_group(p).packets;
	const int moves = packets > 0; /* a vectorized path may refuse small bursts */
	double begin = seconds(CLOCK_MONOTONIC), own = seconds(CLOCK_THREAD_CPUTIME_ID), peer = 0;
	if (works) {
		peer = seconds(worker->clock);
		worker->idle = worker->busy = 0;
	}
	uint32_t count = moves ? collect(p, groups, &packets) : 0;
	hurry(0);
	double took = seconds(CLOCK_MONOTONIC) - begin + 1e-9, share = (seconds(CLOCK_THREAD_CPUTIME_ID) - own) / took;
	uint32_t quiet = sort_out(groups, count);
	printf("{\"point\":\"%s\",\"groups\":%u,\"quiet\":%u,\"packets\":%llu", p->text, count, quiet,
	       (unsigned long long)packets);
	if (works) {
		double peer_share = (seconds(worker->clock) - peer) / took;
		share = peer_share < share ? peer_share : share;
		printf(",\"peer_idle\":%.3f", (double)worker->idle / (double)(worker->idle + worker->busy + 1));
		worker_stop(worker);
	}
	if (two)
		printf(",\"round_trip_ns\":[%.0f,%.0f]", (double)far_before / setting.hertz * 1e9,
		       (double)round_trip(setting.peer_core) / setting.hertz * 1e9);
	printf(",\"share\":%.3f,\"crowd\":%.4f,\"ghz\":%.3f,\"resident_kib\":%ld", share, setting.quiet_crowd,
	       moves ? setting.hertz / groups[0].clock / 1e9 : 0, resident_kib() - setting.resident_before);
	print_memory(stdout);
	if (moves)
		print_times(p, groups, quiet >= LEAST_GROUPS ? quiet : count);
	printf("}\n");
	fflush(stdout);
}
