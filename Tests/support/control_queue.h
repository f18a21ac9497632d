/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device side of a control queue on a split ring: it records each command and answers as a test sets. It is served in
 * the peer's thread, so that the test's own thread may wait in a call.
 */
#ifndef CONTROL_QUEUE_H
#define CONTROL_QUEUE_H

#include "device.h"

enum {
	F_GUEST_CSUM = 1, F_CTRL_GUEST_OFFLOADS = 2, F_GUEST_TSO4 = 7, F_GUEST_TSO6 = 8, F_MRG_RXBUF = 15, F_CTRL_VQ = 17,
	F_CTRL_RX = 18, F_CTRL_VLAN = 19, F_CTRL_RX_EXTRA = 20, F_MQ = 22, F_CTRL_MAC_ADDR = 23, F_IN_ORDER = 35,
	F_VQ_NOTF_COAL = 52, F_NOTF_COAL = 53, F_HASH_REPORT = 57, F_RSS = 60,
};
enum { COMMAND_ROOM = 80000, COMMANDS = 600 };

struct control {
	struct peer peer;
	/* The status that answers a command; without this function it is 0, VIRTIO_NET_OK. */
	uint8_t (*answer)(const uint8_t *command, uint32_t length);
	/* For a device whose answer has more than the status. */
	uint8_t (*result)(const uint8_t *command, uint32_t length, uint8_t *result, uint32_t room);
	_Atomic int silent;
	_Atomic uint32_t wrong_id; /* is added to the id of each answer */
	_Atomic int count; /* commands so far */
	struct { uint8_t *bytes; uint32_t length; } seen[COMMANDS];
	uint16_t next_id; /* in a ring of 64 whose ids come in order */
	int in_order;
};

/* Reads one command from its descriptors. Returns the length; the descriptor of the answer goes to *last. */
static uint32_t control_read(struct peer *p, uint16_t id, uint8_t *bytes, struct vring_desc *last, uint16_t *pieces)
{
	uint32_t length = 0;
	for (*pieces = 1;; ++*pieces) {
		struct vring_desc d = descriptors(p, p->served)[id];
		yes(*pieces <= p->ring[p->served].size && d.len > 0);
		if (d.flags & VRING_DESC_F_WRITE) {
			same(d.flags, VRING_DESC_F_WRITE); /* it is the last */
			*last = d;
			return length;
		}
		yes(length + d.len <= COMMAND_ROOM);
		memcpy(bytes + length, peer_at(p, d.addr, d.len, 1), d.len);
		length += d.len;
		same(d.flags, VRING_DESC_F_NEXT);
		id = d.next;
	}
}

static void control_serve(struct peer *p)
{
	static uint8_t bytes[COMMAND_ROOM];
	struct control *c = p->context;
	if (p->ring[p->served].taken == 0) /* a new ring */
		c->next_id = 0;
	while (!c->silent && waiting(p, p->served) > 0) {
		struct vring_desc last;
		uint16_t pieces, id = take(p, p->served);
		uint32_t length = control_read(p, id, bytes, &last, &pieces);
		yes(length >= 2 && c->count < COMMANDS);
		if (c->in_order)
			same(id, c->next_id);
		c->next_id = (uint16_t)((id + pieces) % 64);
		c->seen[c->count].bytes = malloc(length);
		memcpy(c->seen[c->count].bytes, bytes, length);
		c->seen[c->count].length = length;
		c->count++;
		uint8_t *answer = peer_at(p, last.addr, last.len, 1);
		same(answer[0], 0xff);
		answer[0] = c->answer ? c->answer(bytes, length) : 0;
		if (c->result)
			answer[0] = c->result(bytes, length, answer + 1, last.len - 1);
		give_back(p, p->served, id + c->wrong_id, 1);
	}
}

/* A back-end with a control queue, these features and that many pairs of queues. */
OK_UNUSED static void control_start(struct control *c, uint64_t features, uint32_t pairs)
{
	*c = (struct control){.in_order = (features & BIT(F_IN_ORDER)) != 0};
	peer_start(&c->peer);
	c->peer.features |= BIT(F_CTRL_VQ) | features;
	c->peer.pairs = pairs;
	c->peer.config[8] = (uint8_t)pairs;
	c->peer.served = (int)(features & (BIT(F_MQ) | BIT(F_RSS)) ? 2 * pairs : 2);
	c->peer.context = c;
	c->peer.serve = control_serve;
}

OK_UNUSED static void control_forget(struct control *c)
{
	for (int i = 0; i < c->count; i++)
		free(c->seen[i].bytes);
	c->count = 0;
}

OK_UNUSED static void control_end(struct control *c)
{
	peer_end(&c->peer);
	control_forget(c);
}

/* Requires these commands since the last time: hexadecimal digits, one command per line, spaces are ignored. */
OK_UNUSED static void commands_are(struct control *c, const char *file, int line, const char *wanted)
{
	static char said[400000];
	size_t at = 0;
	for (int i = 0; i < c->count; i++) {
		for (uint32_t k = 0; k < c->seen[i].length; k++)
			at += (size_t)snprintf(said + at, sizeof(said) - at, "%02x", c->seen[i].bytes[k]);
		said[at++] = '\n';
	}
	said[at] = 0;
	const char *s = said, *w = wanted;
	while (*s != 0 || *w != 0) {
		if (*w == ' ') {
			w++;
		} else if (*s != *w) {
			failed(file, line, "the commands were\n%.600s\nnot\n%s", said, wanted);
		} else {
			s++;
			w++;
		}
	}
	control_forget(c);
}
#define commands(c, wanted) commands_are(c, __FILE__, __LINE__, wanted)

OK_UNUSED static uint16_t control_port(struct control *c, const char *keys)
{
	char address[160];
	uint16_t port = VIONET_PORT_NONE;
	snprintf(address, sizeof(address), "vhost-user:%s%s", c->peer.path, keys);
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, NULL));
	return port;
}

#endif
