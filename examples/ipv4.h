/* SPDX-License-Identifier: BSD-2-Clause */
/* ARP, IPv4, UDP, TCP and ICMP in a frame without a tag, for the examples that look into frames. */
#ifndef IPV4_H
#define IPV4_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vionet.h>

/* Bytes from the start of a frame, or of ARP, IPv4, TCP, UDP or ICMP. */
enum { AT_TYPE = 12, AT_IP = 14 };
enum { ARP_OPERATION = 6, ARP_SENDER = 8, ARP_SENDER_IP = 14, ARP_TARGET = 18, ARP_TARGET_IP = 24, ARP_LENGTH = 28,
       ARP_FRAME = 60 };
enum { IP_LENGTH = 2, IP_FRAGMENT = 6, IP_LIFE = 8, IP_PROTOCOL_AT = 9, IP_SUM = 10, IP_FROM = 12, IP_TO = 16 };
enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }
static inline void put16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static inline void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value & 0xffff); }

/* Ones' complement sum of these bytes and another sum, folded to 16 bits (RFC 1071). */
static inline uint16_t sum_of(const uint8_t *at, uint32_t length, uint32_t sum)
{
	for (uint32_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum of an IPv4 header's addresses, the protocol and the length, which the checksums of UDP and TCP cover too. */
static inline uint32_t pseudo_header(const uint8_t *ip, uint32_t length)
{
	return sum_of(ip + IP_FROM, 8, ip[IP_PROTOCOL_AT] + length);
}

/*
 * Whether IPv4 begins here with a header that is whole and has the right checksum, in a packet whose first segment has
 * `first` bytes from here on and which has `all`. Then *header and *payload are lengths, the latter without padding.
 */
static inline bool is_ipv4(const uint8_t *ip, uint32_t first, uint32_t all, uint32_t *header, uint32_t *payload)
{
	uint8_t version = first < 20 ? 0 : ip[0];
	uint32_t total = first < 20 ? 0 : get16(ip + IP_LENGTH); /* read once: a device might change it meanwhile */
	*header = 4u * (version & 15);
	*payload = total - *header;
	return version >> 4 == 4 && *header >= 20 && *header <= first && total >= *header && total <= all &&
	       sum_of(ip, *header, 0) == 0xffff;
}

static inline bool is_fragment(const uint8_t *ip) { return (get16(ip + IP_FRAGMENT) & 0x3fff) != 0; }

/* Makes an ARP request for this address an answer with this MAC address. False if it is none. */
static inline bool answer_arp(uint8_t *frame, uint32_t length, uint32_t address, const uint8_t *mac)
{
	uint8_t *arp = frame + AT_IP;
	if (length < AT_IP + ARP_LENGTH || memcmp(arp, "\0\1\x08\0\6\4\0\1", 8) != 0 || get32(arp + ARP_TARGET_IP) != address)
		return false;
	arp[ARP_OPERATION + 1] = 2;
	memcpy(arp + ARP_TARGET, arp + ARP_SENDER, 10); /* the address of IPv4 is right behind */
	memcpy(arp + ARP_SENDER, mac, 6);
	put32(arp + ARP_SENDER_IP, address);
	memcpy(frame, arp + ARP_TARGET, 6);
	memcpy(frame + 6, mac, 6);
	return true;
}

/* Writes an ARP request, in a frame of ARP_FRAME bytes. */
static inline void ask_arp(uint8_t *frame, const uint8_t *mac, uint32_t from, uint32_t to)
{
	uint8_t *arp = frame + AT_IP;
	memset(frame, 0, ARP_FRAME);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + AT_TYPE, "\x08\6\0\1\x08\0\6\4\0\1", 10);
	memcpy(arp + ARP_SENDER, mac, 6);
	put32(arp + ARP_SENDER_IP, from);
	put32(arp + ARP_TARGET_IP, to);
}

/* Reads "10.0.0.1", or "10.0.0.1/24" if mask is not NULL. Returns 0 if that is not what the text is. */
static inline uint32_t read_address(const char *text, uint32_t *mask)
{
	char copy[16] = "";
	struct in_addr in;
	const char *end = mask != NULL ? strchr(text, '/') : text + strlen(text);
	long bits = end != NULL && mask != NULL ? atol(end + 1) : 24;
	if (end == NULL || end - text >= (long)sizeof(copy) || bits < 1 || bits > 31)
		return 0;
	memcpy(copy, text, (size_t)(end - text));
	if (mask != NULL)
		*mask = ~0u << (32 - bits);
	return inet_pton(AF_INET, copy, &in) == 1 ? ntohl(in.s_addr) : 0;
}

/* ---- what a NAT replaces ----------------------------------------------------------------------------------------- */

/* A TCP, UDP or echo packet: its ports, or an echo's identifier, and its checksum, NULL if it has none. */
struct transport {
	uint8_t *ip, *ports, *sum;
	uint8_t protocol, icmp_type, tcp_flags;
	bool partial; /* the checksum is that of the pseudo-header, not inverted, and somebody else finishes it */
};

/* Finds them in a packet that begins with Ethernet. False if they are not whole or not where the packet's fields say. */
static inline bool find_transport(const struct vionet_packet *p, uint32_t header, uint32_t payload, struct transport *t)
{
	uint8_t *ip = (uint8_t *)p->data + AT_IP, *start = ip + header, protocol = ip[IP_PROTOCOL_AT];
	uint32_t at_sum = protocol == PROTOCOL_TCP ? 16 : protocol == PROTOCOL_UDP ? 6 : 2;
	uint32_t needed = protocol == PROTOCOL_TCP ? 20 : 8;
	*t = (struct transport){.ip = ip, .ports = start, .sum = start + at_sum, .protocol = protocol};
	if (payload < needed || p->length - AT_IP < header + needed)
		return false;
	if (t->protocol == PROTOCOL_TCP)
		t->tcp_flags = start[13];
	if (t->protocol == PROTOCOL_ICMP)
		t->icmp_type = start[0], t->ports = start + 4;
	t->partial = p->flags & VIONET_PACKET_CHECKSUM_PARTIAL;
	if (t->protocol == PROTOCOL_UDP && get16(t->sum) == 0 && !t->partial)
		t->sum = NULL;
	return !t->partial || (p->checksum_start == AT_IP + header && p->checksum_offset == at_sum);
}

/* What is left of a sum without the old 16 bits and with the new ones (RFC 1624, equation 3). */
static inline uint16_t sum_with(uint16_t sum, uint16_t old, uint16_t value)
{
	uint32_t all = (uint32_t)sum + (uint16_t)~old + value;
	all = (all & 0xffff) + (all >> 16);
	return (uint16_t)(all + (all >> 16));
}

static inline void replace16(uint8_t *at, uint16_t value, uint8_t *sum)
{
	put16(sum, (uint16_t)~sum_with((uint16_t)~get16(sum), get16(at), value));
	put16(at, value);
}

/* Writes an address, at IP_FROM or IP_TO, into an IPv4 header alone. */
static inline void replace_address(uint8_t *ip, uint32_t at, uint32_t address)
{
	replace16(ip + at, (uint16_t)(address >> 16), ip + IP_SUM);
	replace16(ip + at + 2, (uint16_t)address, ip + IP_SUM);
}

/* Writes an address, at IP_FROM or IP_TO, and a port in place of those that are there, and mends all checksums. */
static inline void translate(const struct transport *t, uint32_t at, uint32_t address, uint8_t *port, uint16_t number)
{
	for (uint32_t i = 0; i < 4; i += 2) {
		uint16_t old = get16(t->ip + at + i), half = (uint16_t)(address >> (16 - 8 * i));
		if (t->sum != NULL && t->protocol != PROTOCOL_ICMP && t->partial)
			put16(t->sum, sum_with(get16(t->sum), old, half));
		else if (t->sum != NULL && t->protocol != PROTOCOL_ICMP)
			put16(t->sum, (uint16_t)~sum_with((uint16_t)~get16(t->sum), old, half));
		replace16(t->ip + at + i, half, t->ip + IP_SUM);
	}
	if (t->sum != NULL && !t->partial)
		replace16(port, number, t->sum);
	else
		put16(port, number);
	if (t->protocol == PROTOCOL_UDP && t->sum != NULL && !t->partial && get16(t->sum) == 0)
		put16(t->sum, 0xffff); /* 0 would mean that there is none */
}

#endif
