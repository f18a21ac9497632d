/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLOSE_SENT_H
#define CLOSE_SENT_H

#include "ok.h"

#include <pthread.h>
#include <time.h>

static void *close_here(void *file)
{
	close((int)(intptr_t)file);
	return NULL;
}

/*
 * Closes a file that was sent, before the rest of its message is: the other side closes it last. Where it has refused and closed
 * it already, this close is the last, and may take minutes: nobody waits for that.
 */
OK_UNUSED static void close_sent(int file)
{
	pthread_t thread;
	struct timespec end;
	same(pthread_create(&thread, NULL, close_here, (void *)(intptr_t)file), 0);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 2;
	if (pthread_timedjoin_np(thread, NULL, &end) != 0)
		same(pthread_detach(thread), 0);
}

#endif
