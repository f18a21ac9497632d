/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames out and back, one at a time, and calls that find nothing. A front-end includes this after adaptive.h, whose
 * look_again() and fall_asleep() it needs too.
 */
#ifndef BENCH_TRIPS_H
#define BENCH_TRIPS_H

#include "loops.h"

#include <string.h>

enum { TRIP_BYTES = 64, TRIP_NUMBER = 16, PATIENCE_TICKS = 1u << 31 };

/* Receives one frame. Returns 0 if none came. */
static inline uint16_t take_one(packet_t **packet, int sleeps)
{
	uint64_t begin = __rdtsc();
	do {
		uint16_t count = take(0, 0, packet, 1);
		if (count == 0 && sleeps && (count = look_again(packet, 1)) == 0)
			fall_asleep(1000);
		if (count > 0)
			return count;
	} while (__rdtsc() - begin < PATIENCE_TICKS);
	return 0;
}

/* Sends a frame with that number and waits until it is back. Returns the ticks that it took; 0 if it did not come. */
static inline uint64_t trip(uint64_t number, int sleeps)
{
	packet_t *packet;
	uint64_t found;
	if (allocate(&packet, 1) != 1)
		return 0;
	set_length(packet, TRIP_BYTES);
	memset(data_of(packet), 0, TRIP_NUMBER);
	memcpy(data_of(packet) + TRIP_NUMBER, &number, sizeof(number));
	uint64_t begin = cycles();
	if (send_all(0, 0, &packet, 1) != 1 || take_one(&packet, sleeps) != 1)
		return 0;
	uint64_t took = cycles() - begin;
	memcpy(&found, data_of(packet) + TRIP_NUMBER, sizeof(found));
	release(&packet, 1);
	return found == number ? took : 0;
}

uint32_t front_trips(uint64_t *ticks, uint32_t count, int sleeps)
{
	for (uint32_t i = 0; i < count; i++)
		if ((ticks[i] = trip(i, sleeps)) == 0)
			return i;
	return count;
}

/* Ticks for that many receive bursts, which must find nothing; 0 if one found something. */
uint64_t front_find_nothing(uint32_t calls)
{
	packet_t *packets[32];
	uint16_t found = 0;
	uint64_t begin = cycles();
	for (uint32_t i = 0; i < calls; i++)
		found |= take(0, 0, packets, 32);
	return found == 0 ? cycles() - begin : 0;
}

#endif
