/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of many flows and lengths. Every byte of a frame follows from its number. */
#ifndef FLOW_FRAMES_H
#define FLOW_FRAMES_H

#include "frame.h"

enum { HEAD = 42, LONGEST = 1600 };

static uint32_t next_number;

/* UDP over IPv4 with the number behind the headers. There are 64 flows, so that interfaces spread them over queues. */
OK_UNUSED static uint32_t fill(unsigned char *frame, uint32_t number)
{
	static const unsigned char ip[10] = {0x08, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0};
	uint32_t length = HEAD + 18 + number * 37 % 1455, rest = length - HEAD;
	frame_fill(frame + HEAD - 14, rest + 14, number);
	memset(frame, 0, HEAD);
	memcpy(frame, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	memcpy(frame + 12, ip, sizeof(ip));
	frame[16] = (unsigned char)((length - 14) >> 8);
	frame[17] = (unsigned char)(length - 14);
	frame[22] = 64;
	frame[23] = 17;
	memcpy(frame + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	frame[34] = (unsigned char)(number % 64);
	frame[36] = 9;
	frame[38] = (unsigned char)((rest + 8) >> 8);
	frame[39] = (unsigned char)(rest + 8);
	return length;
}

OK_UNUSED static void compare(const unsigned char *frame, uint32_t length, uint32_t number)
{
	unsigned char want[LONGEST];
	uint32_t wanted = fill(want, number);
	if (length != wanted || memcmp(frame, want, wanted) != 0)
		FAILED("frame %u of %u bytes arrived with %u, or changed", number, wanted, length);
}

OK_UNUSED static uint32_t number_in(const unsigned char *frame)
{
	return frame_number(frame + HEAD - 14);
}

OK_UNUSED static struct vionet_packet *packet_of(uint16_t pool, uint32_t number)
{
	unsigned char frame[LONGEST];
	uint32_t length = fill(frame, number);
	struct vionet_packet *packet = vionet_packet_alloc(pool);
	yes(packet != NULL);
	void *data = vionet_packet_append(packet, length);
	yes(data != NULL);
	memcpy(data, frame, length);
	return packet;
}

/*
 * Sends frames that nobody waits for, asleep while the ring is full. A device on another processor may be as fast as this,
 * so each burst is more than a ring holds, and they go on until a ring was full.
 */
OK_UNUSED static void sends_asleep(uint16_t port)
{
	enum { MANY = 1024 };
	struct vionet_packet *packets[MANY];
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint32_t sleeps = 0, number = 0;
	while (sleeps == 0 || number < 20000) {
		uint16_t sent = 0;
		yes(microseconds() < end);
		for (int i = 0; i < MANY; i++)
			packets[i] = packet_of(0, number++);
		while ((sent += vionet_tx_burst(port, 0, packets + sent, (uint16_t)(MANY - sent))) < MANY) {
			same(vionet_tx_wait(port, 0, LONG_WAIT), 1);
			sleeps++;
		}
	}
	printf("%u sleeps, %" PRIu64 " packets refused\n", sleeps, stats_of(port).tx.ring_full);
}

#endif
