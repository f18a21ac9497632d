/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of TCP or UDP in a VXLAN tunnel, and ports that may send them. */
#ifndef TUNNEL_FRAME_H
#define TUNNEL_FRAME_H

#include "cases.h"
#include "frame.h"

enum { PAYLOAD = 4000 };
#define TUNNELS ((uint64_t)0x1e) /* bits 65 to 68, in the second word */

/* Places of headers in a frame: VXLAN has eight bytes, and the packet inside an Ethernet header. */
struct shape { const char *name; int outer6, inner6, is_udp, own_checksum; };
static const struct shape shapes[] = {
	{"TCP over IPv4 in IPv4", 0, 0, 0, 0}, {"TCP over IPv6 in IPv6", 1, 1, 0, 0}, {"TCP over IPv4 in IPv6", 1, 0, 0, 0},
	{"UDP over IPv4 in IPv4", 0, 0, 1, 0}, {"TCP over IPv4 in IPv4, with a checksum of the tunnel's", 0, 0, 0, 1},
	{"UDP over IPv6 in IPv6, with a checksum of the tunnel's", 1, 1, 1, 1},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

OK_UNUSED static uint32_t outer(const struct shape *s) { return s->outer6 ? 54 : 34; }
OK_UNUSED static uint32_t inner(const struct shape *s) { return outer(s) + 8 + 8 + 14; }
OK_UNUSED static uint32_t transport(const struct shape *s) { return inner(s) + (s->inner6 ? 40 : 20); }
OK_UNUSED static uint32_t end(const struct shape *s) { return transport(s) + (s->is_udp ? 8 : 20); }
OK_UNUSED static uint32_t field(const struct shape *s) { return transport(s) + (s->is_udp ? 6 : 16); }
OK_UNUSED static uint32_t flags(const struct shape *s)
{
	uint32_t kind = s->is_udp ? VIONET_PACKET_UDP : s->inner6 ? VIONET_PACKET_TCP6 : VIONET_PACKET_TCP4;
	return kind | (s->outer6 ? VIONET_PACKET_TUNNEL6 : VIONET_PACKET_TUNNEL4) |
	       (s->own_checksum ? VIONET_PACKET_TUNNEL_CHECKSUM : 0);
}

OK_UNUSED static void put16(unsigned char *at, uint32_t value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* An IP header of `bytes` bytes behind it, which are of that protocol. */
OK_UNUSED static unsigned char *ip(unsigned char *at, int is6, unsigned char protocol, uint32_t bytes)
{
	memset(at, 0, is6 ? 40 : 20);
	at[0] = is6 ? 0x60 : 0x45;
	put16(at + (is6 ? 4 : 2), is6 ? bytes : bytes + 20);
	at[is6 ? 6 : 9] = protocol;
	for (int n = 0; n < (is6 ? 32 : 8); n++)
		at[(is6 ? 8 : 12) + n] = (unsigned char)(n * 7 + 3);
	return at + (is6 ? 40 : 20);
}

OK_UNUSED static struct vionet_packet *made(uint16_t pool, const struct shape *s)
{
	uint32_t length = end(s) + PAYLOAD;
	struct vionet_packet *p = vionet_packet_alloc(pool);
	unsigned char *d = p ? vionet_packet_append(p, length) : NULL;
	yes(d != NULL);
	for (uint32_t n = 0; n < length; n++)
		d[n] = (unsigned char)(n * 13 + 1);
	put16(d + 12, s->outer6 ? 0x86dd : 0x0800);
	ip(d + 14, s->outer6, 17, length - outer(s));
	put16(d + outer(s) + 2, 4789);
	put16(d + outer(s) + 4, length - outer(s));
	put16(d + outer(s) + 6, 0);
	put16(d + inner(s) - 2, s->inner6 ? 0x86dd : 0x0800);
	ip(d + inner(s), s->inner6, s->is_udp ? 17 : 6, length - transport(s));
	if (s->is_udp)
		put16(d + transport(s) + 4, length - transport(s));
	else
		d[transport(s) + 12] = 0x50;
	p->flags = flags(s);
	p->segment_size = 1000;
	ok(vionet_packet_tunnel_set(p, (uint16_t)outer(s), (uint16_t)inner(s)));
	return p;
}

OK_UNUSED static uint32_t sum(uint32_t total, const unsigned char *d, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		total += i & 1 ? d[i] : (uint32_t)d[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

/* What the pseudo-header of a transport header adds up to. */
OK_UNUSED static uint32_t pseudo(const unsigned char *network, int is6, uint32_t protocol, uint32_t bytes)
{
	return sum(protocol + bytes, network + (is6 ? 8 : 12), is6 ? 32 : 8);
}

OK_UNUSED static uint32_t get16(const unsigned char *at) { return (uint32_t)at[0] << 8 | at[1]; }

static uint16_t pool;
BEFORE_EACH
{
	struct vionet_pool_config c = VIONET_SIZED(struct vionet_pool_config);
	c.packets = 2048, c.data_size = 8192, c.memory_fd = -1;
	ok(vionet_pool_create(&c, &pool));
}
AFTER_EACH { ok(vionet_pool_destroy(pool)); }

OK_UNUSED static uint16_t up_with(const char *device, uint64_t features_off, uint32_t rx, uint32_t tx)
{
	uint16_t port;
	struct vionet_config c = VIONET_SIZED(struct vionet_config);
	c.pool = pool, c.features_off = features_off, c.rx_offloads = rx, c.tx_offloads = tx;
	ok(vionet_open_config(device, &c, &port));
	return port;
}
OK_UNUSED static uint16_t up(const char *device) { return up_with(device, 0, 0, 0); }

#endif
