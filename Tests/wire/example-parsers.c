/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What vionet-gateway and vionet-responder do with a frame, called with made-up frames, each in a block of memory that is as
 * long as its first segment, so that the address sanitizer sees every byte read or written beyond. GATEWAY says which one.
 */
#include <vionet.h>
static struct vionet_packet answer_packet;
static unsigned char answer_room[2048];
static struct vionet_packet *answer_made(void)
{
	answer_packet = (struct vionet_packet){.data = answer_room, .segments = 1, .size = sizeof(answer_room)};
	return &answer_packet;
}
/* The packets are no packets of a pool. */
#define vionet_packet_alloc(pool) answer_made()
#define vionet_packet_free(packet) ((void)(packet))
#define vionet_packet_linearise(packet) ((packet)->segments == 1 ? 0 : -1)
#define main example_main
#ifdef GATEWAY
#include "../../examples/vionet-gateway.c"
#else
#include "../../examples/vionet-responder.c"
#endif
#undef main

static uint32_t seed = 1;
static uint32_t chance(uint32_t below) { return (seed = seed * 1664525u + 1013904223u) / 256 % below; }

/* Ethernet and IPv4 with TCP, UDP, an echo or DHCP; or ARP. Returns the length. */
static uint32_t good(uint8_t *f)
{
	static const uint8_t protocols[4] = {PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_UDP};
	uint32_t kind = chance(5), options = chance(4) == 0 ? 4 * chance(11) : 0, header = 20 + options;
	uint32_t payload = kind == 3 ? 248 + chance(80) : 20 + chance(60);
	uint8_t *ip = f + AT_IP, *start = ip + header;
	memset(f, 0, 600);
	memcpy(f, chance(3) == 0 ? "\xff\xff\xff\xff\xff\xff" : "\2\0\0\0\0\1", 6);
	memcpy(f + 6, "\2\0\0\0\0\2", 6);
	if (kind == 4) {
		memcpy(f + AT_TYPE, "\x08\6\0\1\x08\0\6\4\0\1", 10);
		put32(ip + ARP_TARGET_IP, chance(2) ? 0x0a000001 : chance(1u << 24));
		return 60;
	}
	put16(f + AT_TYPE, TYPE_IPV4);
	ip[0] = (uint8_t)(0x40 | header / 4), ip[IP_LIFE] = 64, ip[IP_PROTOCOL_AT] = protocols[kind];
	put16(ip + IP_LENGTH, header + payload);
	put32(ip + IP_FROM, 0x0a000000 | chance(256));
	put32(ip + IP_TO, kind == 3 ? INADDR_BROADCAST : chance(2) ? 0x0a000001 : 0xc0000200 | chance(256));
	for (uint32_t i = 0; i < payload; i++)
		start[i] = (uint8_t)chance(256);
	if (kind == 0)
		start[0] = chance(2) ? 8 : 0, start[1] = 0;
	if (kind == 1)
		start[13] = (uint8_t)(chance(2) ? 2 : chance(64));
	if (kind == 2)
		put16(start + 2, 10000 + chance(20));
	if (kind == 3) {
		put32(start, 68 << 16 | 67);
		put16(start + 4, payload), put16(start + 6, 0);
		memcpy(start + 8, "\1\1\6\0", 4);
		memset(start + 8 + 24, 0, 4);
		memcpy(start + 8 + 236, "\x63\x82\x53\x63\x35\1", 6);
		start[8 + 242] = (uint8_t)chance(10);
	}
	return AT_IP + header + payload;
}

static void try(void)
{
	uint8_t bytes[600];
	uint32_t length = good(bytes), first;
	for (uint32_t i = chance(4); i > 0; i--)
		bytes[12 + chance(length - 12)] = (uint8_t)chance(256);
	if (chance(3) == 0)
		length = 14 + chance(length - 13);
	if (chance(4) != 0 && length >= 34 && 14 + 4u * (bytes[14] & 15) <= length) {
		put16(bytes + AT_IP + IP_SUM, 0);
		put16(bytes + AT_IP + IP_SUM, (uint16_t)~sum_of(bytes + AT_IP, 4u * (bytes[14] & 15), 0));
	}
	first = chance(8) == 0 ? chance(length + 1) : length;
	uint8_t *block = malloc(first > 0 ? first : 1);
	memcpy(block, bytes, first);
	struct vionet_packet p = {.data = block, .length = first, .total_length = length, .size = first, .references = 1};
	p.segments = first == length ? 1 : 2;
	if (chance(3) == 0) {
		p.flags = VIONET_PACKET_CHECKSUM_PARTIAL;
		p.checksum_start = (uint16_t)(chance(2) ? 34 : chance(65536)), p.checksum_offset = (uint16_t)(chance(2) ? 6 : chance(65536));
	}
#ifdef GATEWAY
	struct side *in = chance(2) ? &inside : &outside;
	in->counts[carry(in, &p)]++;
	inside.waiting = outside.waiting = 0;
	now += chance(100) == 0;
	if (chance(1000) == 0)
		forget_silent(now);
#else
	struct vionet_packet *place = &p;
	counts[answer(&place)]++;
#endif
	free(block);
}

int main(int argc, char **argv)
{
	long turns = argc > 1 ? atol(argv[1]) : 1000;
#ifdef GATEWAY
	inside.address = outside.address = 0x0a000001, inside.mask = outside.mask = 0xffffff00, router_known = true;
	memcpy(inside.info.mac, "\2\0\0\0\0\1", 6), memcpy(outside.info.mac, "\2\0\0\0\0\1", 6);
	inside.address = 0x0a0000fe, patience = 5;
	limit_connections(20);
#else
	address = 0x0a000001, first = 0x0a000064, lease_count = 100, mask = 0xffffff00, router = name_server = address;
	memcpy(mac, "\2\0\0\0\0\1", 6);
#endif
	for (long i = 0; i < turns; i++)
		try();
	for (int fate = 0; fate < FATES; fate++) {
#ifdef GATEWAY
		uint64_t number = inside.counts[fate] + outside.counts[fate];
#else
		uint64_t number = counts[fate];
#endif
		printf("  %s: %" PRIu64 "\n", fates[fate], number);
	}
	return 0;
}
