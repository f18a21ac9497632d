/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "worker.h"

#include <err.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THROWS = 100, GAMES = 50 };
enum { IDLE_TURNS = 64 }; /* turns without work after which less than a chunk is taken */

void pin_to(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (core >= 0 && pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		errx(1, "cannot run on core %d", core);
}

void hurry(int on)
{
	struct sched_param p = {.sched_priority = on ? 1 : 0};
	(void)!pthread_setschedparam(pthread_self(), on ? SCHED_FIFO : SCHED_OTHER, &p);
}

static void take_time(uint64_t ticks)
{
	if (ticks == 0)
		return;
	for (uint64_t end = __rdtsc() + ticks; __rdtsc() < end;)
		_mm_pause();
}

/* Handles up to that many entries of a ring, as many at a time as they are to be marked used. */
static uint32_t serve_ring(const struct worker *w, struct ring *r, uint32_t most, int fills)
{
	uint32_t done = 0, each = w->complete > 0 ? w->complete : most;
	while (done < most) {
		uint32_t piece = most - done < each ? most - done : each;
		uint32_t count = fills ? ring_fill(r, piece, w->bytes) : ring_drain(r, piece);
		if (count == 0)
			break;
		take_time((uint64_t)w->slow * count);
		done += count;
	}
	return done;
}

/*
 * Takes frames in chunks of a quarter of a ring, 256 at most, unless it is told otherwise. A back-end that takes each as
 * it comes competes with the front-end for the line of the index, and little but that is measured.
 */
static uint32_t turn(struct worker *w, int impatient)
{
	uint32_t done = 0;
	for (uint32_t port = 0; port < w->ports; port++)
		for (uint32_t pair = 0; pair < w->pairs; pair++) {
			struct ring *receive = receive_ring(&w->backends[port], pair);
			struct ring *transmit = transmit_ring(&w->backends[port], pair);
			uint32_t chunk = receive->size / 4 < 256 ? receive->size / 4 : 256;
			uint32_t least = impatient ? 1 : w->look > 0 ? w->look : chunk;
			if (w->fill && receive->enabled && ring_has(receive, least))
				done += serve_ring(w, receive, chunk, 1);
			if (w->drain && transmit->enabled && ring_has(transmit, least))
				done += serve_ring(w, transmit, chunk, 0);
		}
	return done;
}

/* Passes two lines back and forth. Cores of a virtual machine move, and may at times be halves of one core. */
static _Alignas(256) _Atomic uint32_t there;
static _Alignas(256) _Atomic uint32_t back;

static void *throw_back(void *argument)
{
	struct sched_param ahead_of_testpmd = {.sched_priority = 2};
	pin_to(*(const int *)argument);
	(void)!pthread_setschedparam(pthread_self(), SCHED_FIFO, &ahead_of_testpmd);
	for (uint32_t i = 0; i <= THROWS * GAMES; i++) {
		while (there < i)
			_mm_pause();
		back = i + 1;
	}
	return NULL;
}

uint64_t round_trip(int core)
{
	pthread_t other;
	uint64_t least = ~0ull;
	there = back = 0;
	if (pthread_create(&other, NULL, throw_back, &core) != 0)
		errx(1, "no thread");
	while (back == 0) /* until it has left this core */
		sched_yield();
	for (uint32_t i = 1; i <= THROWS * GAMES;) {
		uint64_t begin = cycles();
		for (uint32_t end = i + THROWS; i < end; i++) {
			there = i;
			while (back <= i)
				_mm_pause();
		}
		uint64_t took = (cycles() - begin) / THROWS;
		least = took < least ? took : least;
	}
	pthread_join(other, NULL);
	return least;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	uint32_t in_vain = 0;
	pin_to(w->core);
	hurry(1);
	w->running = 1;
	uint64_t last = cycles();
	while (!w->stop) {
		uint32_t done = turn(w, in_vain > IDLE_TURNS);
		uint64_t now = __rdtsc();
		if (done > 0) {
			w->busy += now - last;
			in_vain = 0;
		} else {
			w->idle += now - last;
			in_vain++;
			for (int i = 0; i < 4; i++) /* each look takes a line from the front-end */
				_mm_pause();
		}
		last = now;
	}
	return NULL;
}

/* A process of its own, until the program that made it ends. */
static _Noreturn void serve_process(struct worker *w, void (*listen)(void))
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	listen();
	w->running = 1;
	for (;;) {
		while (!w->wanted)
			usleep(1000);
		work(w);
		w->wanted = 0;
	}
}

void worker_fork(struct worker *w, void (*listen)(void))
{
	w->running = 0;
	pid_t process = fork();
	if (process < 0)
		err(1, "no process");
	if (process == 0)
		serve_process(w, listen);
	w->process = process;
	while (!w->running && waitpid(w->process, NULL, WNOHANG) == 0)
		usleep(1000);
	if (clock_getcpuclockid(w->process, &w->clock) != 0)
		errx(1, "the back-end's process has ended");
}

void worker_end_process(struct worker *w)
{
	kill(w->process, SIGTERM);
	waitpid(w->process, NULL, 0);
}

void worker_start(struct worker *w)
{
	w->stop = w->running = 0;
	w->idle = w->busy = 0;
	if (w->process > 0) {
		w->wanted = 1;
		while (!w->running)
			usleep(100);
		return;
	}
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		errx(1, "no thread");
	pthread_getcpuclockid(w->thread, &w->clock);
	while (!w->running) /* until it has left this core */
		sched_yield();
}

void worker_stop(struct worker *w)
{
	w->stop = 1;
	if (w->process > 0)
		while (w->wanted)
			usleep(100);
	else
		pthread_join(w->thread, NULL);
}
