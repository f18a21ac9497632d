/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A receiver that polls while packets come and sleeps when none came for a while. A front-end includes this after
 * loops.h and has defined
 *
 *   look_again(packets, count)   asks for a signal where sleeping does not, then receives a burst
 *   fall_asleep(milliseconds)    sleeps until packets wait or the time is over; 1 if something woke it
 */
#ifndef BENCH_ADAPTIVE_H
#define BENCH_ADAPTIVE_H

#include "loops.h"
#include "paced.h"

static inline void account(struct awake *a, packet_t **packets, uint16_t count, uint64_t woken)
{
	for (uint16_t i = 0; i < count; i++) {
		const struct paced_frame *frame = (const void *)data_of(packets[i]);
		if (frame->type != PACED_TYPE) {
			a->strays++;
			continue;
		}
		if (frame->number != a->expected)
			a->gaps++;
		a->expected = frame->number + 1;
		a->frames++;
		/* Only the first frame found it asleep. */
		if (woken != 0 && i == 0 && a->woken < a->room)
			a->late[a->woken++] = woken - frame->sent;
	}
	release(packets, count);
}

void front_adaptive(struct awake *a, uint64_t end)
{
	packet_t *packets[MAX_BURST];
	uint64_t woken = 0, idle_since = 0;
	for (;;) {
		uint16_t count = take(0, 0, packets, 32);
		if (count == 0) {
			uint64_t now = nanoseconds();
			if (now >= end)
				return;
			if (idle_since == 0)
				idle_since = now;
			if (now - idle_since < a->patience)
				continue;
			count = look_again(packets, 32);
			if (count == 0) {
				int milliseconds = (int)((end - now) / 1000000) + 1;
				woken = fall_asleep(milliseconds < 1000 ? milliseconds : 1000) ? nanoseconds() : 0;
				a->sleeps++;
				idle_since = 0;
				continue;
			}
		}
		account(a, packets, count, woken);
		woken = idle_since = 0;
	}
}

#endif
