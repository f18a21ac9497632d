/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a call of the library waits. The library's calls of libc that may wait come to the functions below first, which
 * count those of this thread.
 */
#ifndef BLOCKING_CALLS_H
#define BLOCKING_CALLS_H

#include "ok.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

static _Thread_local unsigned int blocking_calls;

int poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	blocking_calls += milliseconds != 0;
	return (int)syscall(SYS_ppoll, files, count, milliseconds < 0 ? NULL : &left, NULL, 0);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	blocking_calls += milliseconds != 0;
	return (int)syscall(SYS_epoll_pwait, epoll, events, count, milliseconds, NULL, 0);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	blocking_calls++;
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

#endif
