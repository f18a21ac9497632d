/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections that vionet-gateway knows: a table with a limit, from which those that are silent go. */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include <time.h>
#include "ipv4.h"

#define MAX_CONNECTIONS 50000
#define FIRST_PORT 10000 /* a connection's port outside is this and its place in the table */
#define BUCKETS 16384 /* a power of two */

/* Who talks to whom. An echo has its identifier for a port. */
struct flow {
	uint32_t host, remote;
	uint16_t host_port, remote_port, protocol;
};

static struct connection {
	struct flow flow;
	uint8_t mac[6];                  /* the host's */
	bool answered, closing;
	time_t until;                    /* 0: free */
	struct connection *next;         /* in its bucket, or free */
} connections[MAX_CONNECTIONS], *buckets[BUCKETS], *free_list;
static uint32_t connection_limit;

static void limit_connections(uint32_t limit)
{
	connection_limit = limit;
	for (uint32_t place = limit; place-- > 0; free_list = &connections[place])
		connections[place].next = free_list;
}

static struct connection **bucket_of(const struct flow *f)
{
	uint64_t hash = (uint64_t)f->host << 32 | f->remote, ports = (uint64_t)f->host_port << 32 | (uint32_t)f->remote_port << 16;
	hash = (hash ^ (ports | f->protocol) * 0xc2b2ae3d27d4eb4f) * 0x9e3779b97f4a7c15;
	return &buckets[hash >> 32 & (BUCKETS - 1)];
}

static bool is_same(const struct flow *a, const struct flow *b)
{
	return a->host == b->host && a->remote == b->remote && a->host_port == b->host_port &&
	       a->remote_port == b->remote_port && a->protocol == b->protocol;
}

static struct connection *find(const struct flow *f)
{
	struct connection *c = *bucket_of(f);
	while (c != NULL && !is_same(&c->flow, f))
		c = c->next;
	return c;
}

/* Returns NULL if there are as many as there may be. */
static struct connection *make(const struct flow *f)
{
	struct connection *c = free_list, **bucket = bucket_of(f);
	if (c == NULL)
		return NULL;
	free_list = c->next;
	*c = (struct connection){.flow = *f, .next = *bucket};
	return *bucket = c;
}

static uint16_t port_of(const struct connection *c) { return (uint16_t)(FIRST_PORT + (c - connections)); }

/* The connection whose port outside this is, with that protocol and that far end; NULL if there is none. */
static struct connection *find_outside(uint16_t port, uint16_t protocol, uint32_t remote, uint16_t remote_port)
{
	uint32_t place = port - (uint32_t)FIRST_PORT;
	struct connection *c = &connections[place < connection_limit ? place : 0];
	bool is_it = place < connection_limit && c->until != 0 && c->flow.protocol == protocol && c->flow.remote == remote &&
	             c->flow.remote_port == remote_port;
	return is_it ? c : NULL;
}

/* Frees what was silent for too long. Takes a look at each, so once a second is often enough. */
static void forget_silent(time_t now)
{
	for (struct connection *c = connections; c < connections + connection_limit; c++) {
		if (c->until == 0 || c->until > now)
			continue;
		struct connection **place = bucket_of(&c->flow);
		while (*place != c)
			place = &(*place)->next;
		*place = c->next;
		*c = (struct connection){.next = free_list};
		free_list = c;
	}
}

/* Begins the time anew after which it is forgotten: `patience`, or 0 for what suits the protocol (RFC 5382, RFC 4787). */
static void keep(struct connection *c, uint8_t tcp_flags, time_t now, int patience)
{
	c->closing |= (tcp_flags & 5) != 0; /* FIN or RST */
	int seconds = c->flow.protocol == PROTOCOL_UDP ? 300 : c->flow.protocol == PROTOCOL_TCP && c->answered ? 7440 : 60;
	c->until = now + (c->closing ? 60 : patience != 0 ? patience : seconds);
}

#endif
