/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a call of the library waits. The library's calls of libc that may wait come to the functions below first, which
 * count those of this thread, and the milliseconds that they may wait.
 */
#ifndef BLOCKING_CALLS_H
#define BLOCKING_CALLS_H

#include "ok.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

static _Thread_local unsigned int blocking_calls;
static _Thread_local double blocking_milliseconds;

int poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	blocking_calls += milliseconds != 0;
	blocking_milliseconds += milliseconds < 0 ? 1e9 : milliseconds;
	return (int)syscall(SYS_ppoll, files, count, milliseconds < 0 ? NULL : &left, NULL, 0);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	blocking_calls += milliseconds != 0;
	blocking_milliseconds += milliseconds < 0 ? 1e9 : milliseconds;
	return (int)syscall(SYS_epoll_pwait, epoll, events, count, milliseconds, NULL, 0);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	blocking_calls++;
	blocking_milliseconds += (double)time->tv_sec * 1e3 + (double)time->tv_nsec / 1e6;
	return (int)syscall(SYS_nanosleep, time, left);
}

int usleep(useconds_t microseconds)
{
	struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000L};
	return nanosleep(&time, NULL);
}

/* Requires that the statement waits for nothing. */
#define at_once(statement) \
	do { \
		unsigned int before_ = blocking_calls; \
		statement; \
		if (blocking_calls != before_) \
			FAILED("%u calls that wait in: %s", blocking_calls - before_, #statement); \
	} while (0)

/* Requires that the statement waits for that long at most, whatever the machine's speed. */
#define waits_at_most(milliseconds, statement) \
	do { \
		double before_ = blocking_milliseconds; \
		statement; \
		if (blocking_milliseconds - before_ > (milliseconds)) \
			FAILED("up to %.0f ms of waiting in: %s", blocking_milliseconds - before_, #statement); \
	} while (0)

#endif
