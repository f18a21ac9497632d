/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers of a valid Ethernet frame with IPv4 and UDP, for programs that make packets. */
#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>
#include <string.h>

#define FRAME_HEADERS 42 /* Ethernet 14, IPv4 20, UDP 8 */

static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/*
 * Fills the first 42 bytes of a frame of length bytes, which may be sent as often as wanted: it has no UDP checksum,
 * so whatever stands behind them is its payload.
 */
static inline void frame_headers(uint8_t headers[FRAME_HEADERS], const uint8_t source[6], uint32_t length)
{
	static const uint8_t start[FRAME_HEADERS] = {
		0x02, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0x08, 0x00, /* to some local address, from the port's, IPv4 */
		0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0,           /* 20 bytes, not to be fragmented, 64 hops, UDP */
		198, 18, 0, 1, 198, 18, 0, 2,                         /* addresses that RFC 2544 sets aside for this */
		0x04, 0x00, 0, 9, 0, 0, 0, 0,                         /* from 1024 to the discard port */
	};
	uint32_t sum = 0;

	memcpy(headers, start, FRAME_HEADERS);
	memcpy(headers + 6, source, 6);
	put16(headers + 16, length - 14);
	put16(headers + 38, length - 34);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)headers[i] << 8 | headers[i + 1];
	put16(headers + 24, ~((sum & 0xffff) + (sum >> 16)));
}

#endif
