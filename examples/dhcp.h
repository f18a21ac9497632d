/* SPDX-License-Identifier: BSD-2-Clause */
/* DHCP (RFC 2131) for vionet-responder: who has which address, and what a client is answered. */
#ifndef DHCP_H
#define DHCP_H

#include <time.h>
#include "ipv4.h"

#define MAX_LEASES 256
#define OFFER_SECONDS 30 /* for which an address stays offered to one client */

static struct lease {
	uint8_t mac[6];
	time_t until; /* 0: nobody has it */
} leases[MAX_LEASES];

/* What the responder has and what its clients are told. */
static uint8_t mac[6];
static uint32_t address, mask, first, lease_count, router, name_server, lease_seconds = 3600;

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };
/* Bytes from the start of a frame, whose IPv4 header has no options, and of BOOTP. */
enum { AT_UDP = AT_IP + 20, AT_BOOTP = AT_UDP + 8, ANSWER = AT_BOOTP + 300, CLIENT_IP = 12, YOUR_IP = 16, RELAY = 24,
       CLIENT = 28, COOKIE = 236, OPTIONS = 240 };

/* Returns the value of an option that is as long as that; NULL if there is none. */
static const uint8_t *option(const uint8_t *at, const uint8_t *end, uint8_t code, uint8_t length)
{
	while (at < end && *at != 255) {
		if (*at == 0) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at - 2 < at[1])
			return NULL;
		if (at[0] == code)
			return at[1] == length ? at + 2 : NULL;
		at += 2 + at[1];
	}
	return NULL;
}

/* The lease of the client; else a free one, that which the client wants if possible; NULL if all are in use. */
static struct lease *lease_of(const uint8_t *client, uint32_t wanted, time_t now)
{
	struct lease *found = NULL;
	for (struct lease *l = leases; l < leases + lease_count; l++) {
		if (l->until != 0 && memcmp(l->mac, client, 6) == 0)
			return l;
		if (l->until < now && (found == NULL || wanted == first + (uint32_t)(l - leases)))
			found = l;
	}
	return found;
}

/* Which message answers that of a client, and which address the client gets; 0: none. */
static int decide(const uint8_t *bootp, const uint8_t *end, uint32_t *yours)
{
	const uint8_t *type = option(bootp + OPTIONS, end, 53, 1), *wish = option(bootp + OPTIONS, end, 50, 4);
	const uint8_t *server = option(bootp + OPTIONS, end, 54, 4), *client = bootp + CLIENT;
	uint32_t wanted = get32(wish != NULL ? wish : bootp + CLIENT_IP);
	time_t now = time(NULL);
	struct lease *l = lease_of(client, wanted, now);
	*yours = 0;
	if (type == NULL || (server != NULL && get32(server) != address) || get32(bootp + RELAY) != 0)
		return 0;
	if (*type == INFORM) /* it has an address already */
		return ACK;
	if (*type == REQUEST && (l == NULL || wanted != first + (uint32_t)(l - leases)))
		return NAK;
	if (l != NULL && (*type == RELEASE || *type == DECLINE) && memcmp(l->mac, client, 6) == 0)
		*l = (struct lease){.until = *type == DECLINE ? now + lease_seconds : 0}; /* declined: somebody else has it */
	if (l == NULL || (*type != DISCOVER && *type != REQUEST))
		return 0;
	if (*type == REQUEST || l->until < now + OFFER_SECONDS) /* a lease is not shortened by who only asks for one */
		l->until = now + (*type == DISCOVER ? OFFER_SECONDS : (time_t)lease_seconds);
	memcpy(l->mac, client, 6);
	*yours = first + (uint32_t)(l - leases);
	return *type == DISCOVER ? OFFER : ACK;
}

static uint8_t *add(uint8_t *at, uint8_t code, uint32_t value)
{
	if (value == 0)
		return at;
	at[0] = code, at[1] = 4;
	put32(at + 2, value);
	return at + 6;
}

/* Writes the answer of that type into ANSWER bytes: with the shortest BOOTP there may be, which has room for the options. */
static void write_answer(uint8_t *frame, const uint8_t *asked, uint8_t type, uint32_t yours)
{
	uint8_t *ip = frame + AT_IP, *udp = frame + AT_UDP, *bootp = frame + AT_BOOTP, *at = bootp + OPTIONS;
	bool direct = get32(asked + CLIENT_IP) != 0 && type != NAK, all = !direct && (type == NAK || asked[10] & 0x80);
	memset(frame, 0, ANSWER);
	memcpy(frame, all ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : asked + CLIENT, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + AT_TYPE, "\x08\0\x45", 3);
	put16(ip + IP_LENGTH, ANSWER - AT_IP);
	ip[IP_LIFE] = 64, ip[IP_PROTOCOL_AT] = PROTOCOL_UDP;
	put32(ip + IP_FROM, address);
	put32(ip + IP_TO, direct ? get32(asked + CLIENT_IP) : all ? INADDR_BROADCAST : yours);
	put16(ip + IP_SUM, (uint16_t)~sum_of(ip, 20, 0));
	put32(udp, 67 << 16 | 68);
	put16(udp + 4, ANSWER - AT_UDP);
	memcpy(bootp, asked, 44); /* the number by which the client knows its answer, its flags and addresses */
	bootp[0] = 2;
	put32(bootp + YOUR_IP, yours);
	memcpy(bootp + COOKIE, "\x63\x82\x53\x63", 4);
	at[0] = 53, at[1] = 1, at[2] = type;
	at = add(add(at + 3, 54, address), 51, yours != 0 ? lease_seconds : 0);
	if (type != NAK)
		at = add(add(add(at, 1, mask), 3, router), 6, name_server);
	*at = 255;
}

#endif
