/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A receiver that polls while packets come and sleeps when there have been none for a while, for the front-end that
 * includes this after loops.h. It has defined
 *
 *   look_again(packets, count)   asks for a signal where that is apart from sleeping, then a receive burst
 *   fall_asleep(milliseconds)    until packets wait or the time is over; 1 if something woke it
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
		/* Only the first one found it asleep. */
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
