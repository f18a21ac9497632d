/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clock that is made up, for calls of the library: it stands still, but for the time that a call waits for a scripted
 * back-end, which answers at the last moment from one message on. So hours pass in seconds, whatever the machine does.
 */
#ifndef MADE_UP_CLOCK_H
#define MADE_UP_CLOCK_H

#include "peer.h"

#include <sys/syscall.h>

static _Atomic uint64_t passed = 1000000000; /* nanoseconds of the made-up clock */
static _Thread_local int in_call;
static struct peer *waited_for; /* whose answers the call waits for */
static int slow_from = -1;      /* its first message that is answered at the last moment; -1: none */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	uint64_t now = passed;
	if (!in_call || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, time);
	*time = (struct timespec){(time_t)(now / 1000000000), (long)(now % 1000000000)};
	return 0;
}

static int look(struct pollfd *files, nfds_t count, int microseconds)
{
	return (int)syscall(SYS_ppoll, files, count, &(struct timespec){0, microseconds * 1000L}, NULL, 0);
}

static int is_silent(struct peer *p)
{
	return p->handled == p->seen_count && p->mischief == SILENT && p->at >= 0 && p->seen_count > p->at;
}

int poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	if (!in_call || milliseconds < 0 || waited_for == NULL)
		return (int)syscall(SYS_ppoll, files, count, milliseconds < 0 ? NULL : &time, NULL, 0);
	if (milliseconds == 0)
		return look(files, count, 0);
	for (int ready;;) {
		int silent = is_silent(waited_for);
		if ((ready = look(files, count, silent ? 0 : 500)) > 0) {
			if (slow_from >= 0 && waited_for->seen_count > slow_from)
				passed += (uint64_t)(milliseconds - 1) * 1000000;
			return ready;
		}
		if (silent) {
			passed += (uint64_t)milliseconds * 1000000;
			return 0;
		}
	}
}

/* Sleeps a little, so that a thread that answers gets its turn. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	if (in_call)
		passed += (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
	return (int)syscall(SYS_nanosleep, in_call ? &(struct timespec){0, 20000} : time, left);
}

#endif
