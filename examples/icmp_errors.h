/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP errors, each of which quotes the packet that somebody could not deliver: for a NAT, which translates both. */
#ifndef ICMP_ERRORS_H
#define ICMP_ERRORS_H

#include "connections.h"
#include "ipv4.h"

enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };

static inline bool is_error(const uint8_t *icmp)
{
	return icmp[0] == UNREACHABLE || icmp[0] == TIME_EXCEEDED || icmp[0] == PARAMETER_PROBLEM;
}

/*
 * Finds the ports in what an error quotes: an IPv4 header and at least the 8 bytes behind it. False unless the error's
 * checksum and that of the quoted header are right, which tell that nobody changed them on the way (RFC 5508, 4.1). The rest
 * of the packet may be missing, and with it the quoted checksum.
 */
static inline bool find_quoted(uint8_t *icmp, uint32_t payload, struct transport *t)
{
	uint32_t header, length;
	uint8_t *ip = icmp + 8;
	if (payload < 8 + 20 + 8 || sum_of(icmp, payload, 0) != 0xffff ||
	    !is_ipv4(ip, payload - 8, UINT16_MAX, &header, &length) || (get16(ip + IP_FRAGMENT) & 0x1fff) != 0 ||
	    payload - 8 - header < 8)
		return false;
	uint8_t *start = ip + header;
	*t = (struct transport){.ip = ip, .ports = start, .protocol = ip[IP_PROTOCOL_AT]};
	switch (t->protocol) {
	case PROTOCOL_TCP: t->sum = payload - 8 - header >= 18 ? start + 16 : NULL; return true;
	case PROTOCOL_UDP: t->sum = get16(start + 6) != 0 ? start + 6 : NULL; return true;
	case PROTOCOL_ICMP: t->icmp_type = start[0], t->ports = start + 4, t->sum = start + 2; return true;
	default: return false;
	}
}

/* The checksum of an error whose quoted packet was changed. */
static inline void sum_error(uint8_t *icmp, uint32_t payload)
{
	put16(icmp + 2, 0);
	put16(icmp + 2, (uint16_t)~sum_of(icmp, payload, 0));
}

/*
 * A router, or the far end, tells of a packet that went out: it gets the host's address and port again. Returns its
 * connection, which an error does not keep alive (RFC 5508, 4.2); NULL if there is none.
 */
static inline struct connection *error_in(uint8_t *ip, const struct transport *quoted, uint32_t address)
{
	bool echo = quoted->protocol == PROTOCOL_ICMP;
	struct connection *c = find_outside(get16(quoted->ports), quoted->protocol, get32(quoted->ip + IP_TO),
	                                    echo ? 0 : get16(quoted->ports + 2));
	if (c == NULL || get32(ip + IP_TO) != address || get32(quoted->ip + IP_FROM) != address ||
	    (echo && quoted->icmp_type != 8))
		return NULL;
	translate(quoted, IP_FROM, c->flow.host, quoted->ports, c->flow.host_port);
	replace_address(ip, IP_TO, c->flow.host);
	return c;
}

/* A host tells of an answer that it does not want: that gets this address and the port outside again. */
static inline struct connection *error_out(uint8_t *ip, const struct transport *quoted, uint32_t address)
{
	bool echo = quoted->protocol == PROTOCOL_ICMP;
	uint8_t *port = quoted->ports + (echo ? 0 : 2);
	struct flow f = {get32(ip + IP_FROM), get32(ip + IP_TO), get16(port), echo ? 0 : get16(quoted->ports), quoted->protocol};
	struct connection *c = find(&f);
	if (c == NULL || f.host != get32(quoted->ip + IP_TO) || f.remote != get32(quoted->ip + IP_FROM) ||
	    (echo && quoted->icmp_type != 0))
		return NULL;
	translate(quoted, IP_TO, address, port, port_of(c));
	replace_address(ip, IP_FROM, address);
	return c;
}

#endif
