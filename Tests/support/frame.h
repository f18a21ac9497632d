/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames whose every byte follows from a number, so that what comes back can be compared in full. */
#ifndef FRAME_H
#define FRAME_H

#include "ok.h"

/* An Ethernet header of a type for experiments, the number, and bytes that follow from it. */
OK_UNUSED static void frame_fill(unsigned char *p, uint32_t length, uint32_t number)
{
	static const unsigned char head[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	memcpy(p, head, sizeof(head));
	memcpy(p + 14, &number, 4);
	uint32_t x = number * 2654435761u + length;
	for (uint32_t i = 18; i < length; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (unsigned char)(x >> 24);
	}
}

OK_UNUSED static uint32_t frame_number(const unsigned char *p)
{
	uint32_t number;
	memcpy(&number, p + 14, 4);
	return number;
}

/* Whether every byte behind the two addresses is that of the frame with this number and length. */
OK_UNUSED static int frame_right(const unsigned char *p, uint32_t length, uint32_t number)
{
	static __thread unsigned char want[66000];
	frame_fill(want, length, number);
	return memcmp(p + 12, want + 12, length - 12) == 0;
}

/* A packet from the pool with that frame in it; NULL if the pool is empty. */
OK_UNUSED static struct vionet_packet *frame_packet(uint16_t pool, uint32_t length, uint32_t number)
{
	struct vionet_packet *p = vionet_packet_alloc(pool);
	if (p == NULL)
		return NULL;
	unsigned char *data = (unsigned char *)vionet_packet_append(p, length);
	yes(data != NULL);
	frame_fill(data, length, number);
	return p;
}

/* Sends all packets, in as many calls as that takes. */
OK_UNUSED static void send_all(uint16_t port, struct vionet_packet **packets, uint16_t count)
{
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint16_t sent = 0;
	while (sent < count) {
		sent = (uint16_t)(sent + vionet_tx_burst(port, 0, packets + sent, (uint16_t)(count - sent)));
		if (sent < count && microseconds() > end)
			FAILED("only %u of %u packets went out", sent, count);
	}
}

/* Receives exactly that many packets. */
OK_UNUSED static void receive_all(uint16_t port, struct vionet_packet **packets, uint16_t count)
{
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint16_t got = 0;
	while (got < count) {
		uint16_t n = vionet_rx_burst(port, 0, packets + got, (uint16_t)(count - got));
		got = (uint16_t)(got + n);
		if (n > 0)
			end = microseconds() + LONG_WAIT * 1000ull;
		else if (microseconds() > end)
			FAILED("only %u of %u packets came", got, count);
	}
}

/* Sends 16 frames of several lengths to a device that returns them, and compares what comes back. */
OK_UNUSED static void back_and_forth_in(uint16_t port, uint16_t pool)
{
	struct vionet_packet *packets[16];
	for (uint32_t i = 0; i < 16; i++)
		packets[i] = frame_packet(pool, 60 + i * 50, i);
	send_all(port, packets, 16);
	receive_all(port, packets, 16);
	for (uint32_t i = 0; i < 16; i++)
		yes(packets[i]->length == 60 + i * 50 && frame_right((unsigned char *)packets[i]->data, 60 + i * 50, i));
	vionet_packet_free_bulk(packets, 16);
}

OK_UNUSED static void back_and_forth(uint16_t port) { back_and_forth_in(port, 0); }

#endif
