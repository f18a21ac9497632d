/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP and UDP frames made from a description, byte by byte, with checksums computed in the plainest way: what software
 * offloads are compared with. A segment is made from the description too, never by changing the frame.
 */
#ifndef TCP_UDP_H
#define TCP_UDP_H

#include "ok.h"

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16, CWR = 128 };

struct description {
	const char *name;
	int tags;         /* VLAN tags in the frame, 0 to 2 */
	int version;      /* 4 or 6 */
	int options;      /* bytes of IPv4 options, or of IPv6 extension headers: multiples of 8 there */
	int udp;
	int tcp_options;  /* bytes, a multiple of 4 */
	int flags;        /* of TCP */
	uint32_t payload; /* bytes */
};

static const char *description_name(const struct description *d) { return d->name; }

static uint32_t put16(unsigned char *p, uint32_t at, uint32_t value)
{
	p[at] = (unsigned char)(value >> 8);
	p[at + 1] = (unsigned char)value;
	return at + 2;
}

static uint32_t plain_sum(uint32_t sum, const unsigned char *p, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The byte of a frame's payload at that place. */
static unsigned char payload_byte(uint32_t place) { return (unsigned char)((place * 2654435761u) >> 21 ^ place); }

static uint32_t network_at(const struct description *d) { return 14 + 4 * (uint32_t)d->tags; }
static uint32_t transport_at(const struct description *d)
{
	return network_at(d) + (d->version == 4 ? 20 : 40) + (uint32_t)d->options;
}
static uint32_t payload_at(const struct description *d)
{
	return transport_at(d) + (d->udp ? 8 : 20 + (uint32_t)d->tcp_options);
}

/* Writes one frame with that part of the payload and those fields; returns its length. */
static uint32_t write_frame(const struct description *d, unsigned char *p, uint32_t from, uint32_t count, uint32_t id,
                            int flags)
{
	static const unsigned char macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	uint32_t network = network_at(d), transport = transport_at(d), data = payload_at(d), sum, at = 12;
	memset(p, 0, data);
	memcpy(p, macs, 12);
	for (int i = 0; i < d->tags; i++) {
		at = put16(p, at, d->tags == 2 && i == 0 ? 0x88a8 : 0x8100);
		at = put16(p, at, 0x2100 + (uint32_t)i);
	}
	put16(p, at, d->version == 4 ? 0x0800 : 0x86dd);
	if (d->version == 4) {
		p[network] = (unsigned char)(0x45 + d->options / 4);
		p[network + 1] = 0x12;
		put16(p, network + 2, data - network + count);
		put16(p, network + 4, id);
		p[network + 6] = 0x40; /* not to be fragmented */
		p[network + 8] = 64;
		p[network + 9] = d->udp ? 17 : 6;
		memcpy(p + network + 12, "\x0a\x01\x02\x03\xc0\xa8\xff\xfe", 8);
		memset(p + network + 20, 1, (size_t)d->options);
		put16(p, network + 10, ~plain_sum(0, p + network, transport - network) & 0xffff);
	} else {
		put16(p, network, 0x6001);
		put16(p, network + 2, 0x2345);
		put16(p, network + 4, data - network - 40 + count);
		p[network + 6] = d->options ? 0 : d->udp ? 17 : 6;
		p[network + 7] = 64;
		for (uint32_t i = 8; i < 40; i++)
			p[network + i] = (unsigned char)(0xfd + i * 7);
		/* Two headers if there is room: hop-by-hop of 8 bytes, then destination options. */
		if (d->options == 8) {
			p[network + 40] = d->udp ? 17 : 6;
		} else if (d->options > 8) {
			p[network + 40] = 60;
			p[network + 48] = d->udp ? 17 : 6;
			p[network + 49] = (unsigned char)(d->options / 8 - 2);
		}
	}
	put16(p, transport, 40000);
	put16(p, transport + 2, 443);
	if (d->udp) {
		put16(p, transport + 4, 8 + count);
	} else {
		uint32_t sequence = 0xfffffe00u + from; /* it wraps around */
		put16(p, transport + 4, sequence >> 16);
		put16(p, transport + 6, sequence);
		put16(p, transport + 8, 0x89ab);
		put16(p, transport + 10, 0xcdef);
		p[transport + 12] = (unsigned char)((5 + d->tcp_options / 4) << 4 | 1);
		p[transport + 13] = (unsigned char)flags;
		put16(p, transport + 14, 0x7210);
		memset(p + transport + 20, 1, (size_t)d->tcp_options);
	}
	for (uint32_t i = 0; i < count; i++)
		p[data + i] = payload_byte(from + i);
	sum = plain_sum(0, p + network + (d->version == 4 ? 12 : 8), d->version == 4 ? 8 : 32);
	sum += (d->udp ? 17u : 6u) + (data - transport + count);
	sum = plain_sum((sum & 0xffff) + (sum >> 16), p + transport, data - transport + count);
	sum = ~sum & 0xffff;
	put16(p, transport + (d->udp ? 6 : 16), d->udp && sum == 0 ? 0xffff : sum);
	return data + count;
}

/* The frame in one piece. */
OK_UNUSED static uint32_t whole_frame(const struct description *d, unsigned char *p)
{
	return write_frame(d, p, 0, d->payload, 0xfffe, d->flags);
}

OK_UNUSED static uint32_t segments_of(const struct description *d, uint32_t size)
{
	return d->payload == 0 ? 1 : (d->payload + size - 1) / size;
}

/* One of its segments of `size` bytes of payload. */
OK_UNUSED static uint32_t segment_frame(const struct description *d, unsigned char *p, uint32_t size, uint32_t index)
{
	uint32_t last = segments_of(d, size) - 1;
	int flags = d->flags & ~(index < last ? FIN | PSH : 0) & ~(index > 0 ? CWR : 0);
	return write_frame(d, p, index * size, index < last ? size : d->payload - last * size, (0xfffe + index) & 0xffff, flags);
}

/* The sum of the pseudo-header in place of the checksum, as a packet has it whose checksum is incomplete. */
OK_UNUSED static void make_partial(const struct description *d, unsigned char *p, uint32_t length)
{
	uint32_t network = network_at(d), transport = transport_at(d);
	uint32_t sum = plain_sum(0, p + network + (d->version == 4 ? 12 : 8), d->version == 4 ? 8 : 32);
	sum += (d->udp ? 17u : 6u) + (length - transport);
	put16(p, transport + (d->udp ? 6 : 16), (sum & 0xffff) + (sum >> 16));
}

#endif
