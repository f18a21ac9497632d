/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timed loops, for the front-end that includes this and has defined packet_t and
 *
 *   take(port, pair, packets, count)   the receive burst          allocate(packets, count)         count or 0
 *   give(port, pair, packets, count)   the transmit burst         release(packets, count)
 *   set_length(packet, bytes)                                     data_of(packet)
 *
 * Any application does at least that: receive and free, or allocate, set a length and send.
 */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include "cycles.h"
#include "front.h"

enum { PATIENCE = 1 << 20 }; /* turns without room before a burst is abandoned */

static uint32_t front_pairs;

uint64_t front_receive(uint32_t bursts, uint16_t burst)
{
	packet_t *packets[MAX_BURST];
	uint64_t total = 0;
	for (uint32_t i = 0; i < bursts; i++)
		for (uint32_t pair = 0; pair < front_pairs; pair++) {
			uint16_t count = take(0, (uint16_t)pair, packets, burst);
			release(packets, count);
			total += count;
		}
	return total;
}

static inline uint16_t send_all(uint32_t port, uint32_t pair, packet_t **packets, uint16_t count)
{
	uint16_t sent = give(port, (uint16_t)pair, packets, count);
	for (uint32_t turn = 0; sent < count && turn < PATIENCE; turn++) {
		_mm_pause();
		sent = (uint16_t)(sent + give(port, (uint16_t)pair, packets + sent, (uint16_t)(count - sent)));
	}
	if (sent < count)
		release(packets + sent, (uint16_t)(count - sent));
	return sent;
}

uint64_t front_send(uint32_t bursts, uint16_t burst, uint32_t bytes)
{
	packet_t *packets[MAX_BURST];
	uint64_t total = 0;
	for (uint32_t i = 0; i < bursts; i++)
		for (uint32_t pair = 0; pair < front_pairs; pair++) {
			uint16_t count = allocate(packets, burst);
			for (uint16_t k = 0; k < count; k++)
				set_length(packets[k], bytes);
			total += send_all(0, pair, packets, count);
		}
	return total;
}

uint64_t front_receive_parts(uint32_t bursts, uint16_t burst, struct parts *parts)
{
	packet_t *packets[MAX_BURST];
	uint64_t total = 0;
	for (uint32_t i = 0; i < bursts; i++)
		for (uint32_t pair = 0; pair < front_pairs; pair++) {
			uint64_t begin = cycles();
			uint16_t count = take(0, (uint16_t)pair, packets, burst);
			uint64_t middle = cycles();
			release(packets, count);
			parts->second += cycles() - middle;
			parts->first += middle - begin;
			total += count;
		}
	return total;
}

uint64_t front_send_parts(uint32_t bursts, uint16_t burst, uint32_t bytes, struct parts *parts)
{
	packet_t *packets[MAX_BURST];
	uint64_t total = 0;
	for (uint32_t i = 0; i < bursts; i++)
		for (uint32_t pair = 0; pair < front_pairs; pair++) {
			uint64_t begin = cycles();
			uint16_t count = allocate(packets, burst);
			for (uint16_t k = 0; k < count; k++)
				set_length(packets[k], bytes);
			uint64_t middle = cycles();
			total += send_all(0, pair, packets, count);
			parts->second += cycles() - middle;
			parts->first += middle - begin;
		}
	return total;
}

uint64_t front_echo(uint32_t bursts, uint16_t burst, uint32_t bytes)
{
	packet_t *packets[MAX_BURST];
	uint64_t total = 0;
	for (uint32_t i = 0; i < bursts; i++)
		for (uint32_t pair = 0; pair < front_pairs; pair++) {
			uint16_t count = allocate(packets, burst);
			for (uint16_t k = 0; k < count; k++)
				set_length(packets[k], bytes);
			uint16_t sent = give(0, (uint16_t)pair, packets, count);
			release(packets + sent, (uint16_t)(count - sent));
			count = take(0, (uint16_t)pair, packets, burst);
			release(packets, count);
			total += count;
		}
	return total;
}

static inline void swap_addresses(packet_t *packet)
{
	uint8_t kept[6], *frame = data_of(packet);
	memcpy(kept, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, kept, 6);
}

uint64_t front_forward(uint32_t bursts, uint16_t burst, int swap)
{
	packet_t *packets[MAX_BURST];
	uint64_t total = 0;
	for (uint32_t i = 0; i < bursts; i++)
		for (uint32_t port = 0; port < MAX_PORTS; port++)
			for (uint32_t pair = 0; pair < front_pairs; pair++) {
				uint16_t count = take(port, (uint16_t)pair, packets, burst);
				if (swap)
					for (uint16_t k = 0; k < count; k++)
						swap_addresses(packets[k]);
				total += send_all(1 - port, pair, packets, count);
			}
	return total;
}

static inline void use_packets(void)
{
	static packet_t *packets[1 << 16];
	uint32_t count = 0;
	while (count + MAX_BURST <= 1 << 16 && allocate(packets + count, MAX_BURST) == MAX_BURST)
		count += MAX_BURST;
	for (uint32_t i = 0; i < count; i++)
		*data_of(packets[i]) = 0;
	for (uint32_t i = 0; i < count; i += MAX_BURST)
		release(packets + i, MAX_BURST);
}

#endif
