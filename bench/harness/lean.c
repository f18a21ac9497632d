/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit: the least that a front-end can do on each kind of ring. It trusts the device, has no packets, no pool
 * and no statistics, and a buffer stays with its id. So it moves the cache lines that must move, and nothing else.
 */
#include "front.h"
#include "lean.h"

#include <stdlib.h>

typedef char packet_t;
static struct lane lanes[MAX_PORTS][MAX_PAIRS][2];
static uint16_t (*take_burst)(struct lane *, uint16_t), (*send_burst)(struct lane *, uint16_t, uint32_t);
static uint32_t send_bytes;
static uint64_t offered;

static inline uint16_t take(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	(void)packets;
	return take_burst(&lanes[port][pair][0], count);
}

static inline uint16_t give(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	(void)packets;
	return send_burst(&lanes[port][pair][1], count, send_bytes);
}

static inline uint16_t allocate(packet_t **packets, uint16_t count)
{
	static packet_t none;
	packets[0] = &none;
	return count;
}

#define release(packets, count) ((void)(count))
#define set_length(packet, bytes) (send_bytes = (bytes))

static inline uint8_t *data_of(packet_t *packet)
{
	static uint8_t frame[64];
	(void)packet;
	return frame;
}

#include "loops.h"

const char front_name[] = "lean";

#define KIND(name, mergeable, in_order)                                                                                \
	static uint16_t take_split_##name(struct lane *l, uint16_t count)                                                  \
	{                                                                                                                  \
		return take_split(l, count, mergeable, in_order);                                                              \
	}                                                                                                                  \
	static uint16_t take_packed_##name(struct lane *l, uint16_t count)                                                 \
	{                                                                                                                  \
		return take_packed(l, count, mergeable, in_order);                                                             \
	}
KIND(plain, 0, 0)
KIND(mergeable, 1, 0)
KIND(in_order, 0, 1)
KIND(in_order_mergeable, 1, 1)

static uint16_t send_split_plain(struct lane *l, uint16_t count, uint32_t bytes)
{
	return send_split(l, count, bytes, 0);
}

static uint16_t send_split_in_order(struct lane *l, uint16_t count, uint32_t bytes)
{
	return send_split(l, count, bytes, 1);
}

static uint16_t send_packed_plain(struct lane *l, uint16_t count, uint32_t bytes)
{
	return send_packed(l, count, bytes, 0);
}

static uint16_t send_packed_in_order(struct lane *l, uint16_t count, uint32_t bytes)
{
	return send_packed(l, count, bytes, 1);
}

/* Lays out a ring, split or packed, and fills it if it receives. */
static void lay_out(struct lane *l, struct ring *r, const struct front_options *w, int receive,
                    struct region *everything)
{
	char *m = shared_memory(64 * (size_t)w->ring + 4096);
	*r = (struct ring){.packed = w->packed, .in_order = w->in_order, .headers = w->mergeable, .size = w->ring,
	                   .regions = everything, .region_count = 1, .started = 1, .enabled = 1};
	*l = (struct lane){.ring = r, .mask = w->ring - 1, .size = w->ring};
	l->buffers = (uint64_t)(uintptr_t)shared_memory((size_t)w->ring * STRIDE);
	r->descriptors = (void *)m;
	r->packed_ring = (void *)m;
	r->available = (void *)(m + 16 * (size_t)w->ring);
	r->used = (void *)(m + 32 * (size_t)w->ring);
	r->device_event = (void *)r->used;
	r->wrap = AVAIL_BIT | USED_BIT;
	l->used_wrap = AVAIL_BIT | USED_BIT;
	l->post_wrap = AVAIL_BIT;
	for (uint32_t id = 0; id < w->ring; id++) {
		if (w->packed) {
			uint16_t flags = receive ? AVAIL_BIT | VRING_DESC_F_WRITE : 0;
			r->packed_ring[id] = (struct vring_packed_desc){buffer(l, id), STRIDE, (uint16_t)id, flags};
		} else {
			r->descriptors[id] = (struct vring_desc){buffer(l, id), STRIDE, receive ? VRING_DESC_F_WRITE : 0, 0};
			r->available[2 + id] = (uint16_t)id;
		}
	}
	if (receive && !w->packed)
		r->available[1] = (uint16_t)(l->posted = w->ring);
}

void front_start(const struct front_options *w)
{
	static struct region everything = {0, ~0ull, 0};
	uint16_t (*const takes[2][2][2])(struct lane *, uint16_t) = {
		{{take_split_plain, take_split_in_order}, {take_split_mergeable, take_split_in_order_mergeable}},
		{{take_packed_plain, take_packed_in_order}, {take_packed_mergeable, take_packed_in_order_mergeable}},
	};
	uint16_t (*const sends[2][2])(struct lane *, uint16_t, uint32_t) = {
		{send_split_plain, send_split_in_order}, {send_packed_plain, send_packed_in_order},
	};
	take_burst = takes[w->packed][w->mergeable][w->in_order];
	send_burst = sends[w->packed][w->in_order];
	front_pairs = w->pairs;
	offered = w->backend[0].offer;
	for (uint32_t port = 0; port < w->ports; port++) {
		w->backend[port].negotiated = w->backend[port].offer;
		for (uint32_t pair = 0; pair < w->pairs; pair++) {
			lay_out(&lanes[port][pair][0], receive_ring(&w->backend[port], pair), w, 1, &everything);
			lay_out(&lanes[port][pair][1], transmit_ring(&w->backend[port], pair), w, 0, &everything);
		}
	}
}

void front_stop(void)
{
}

uint64_t front_features(void)
{
	return offered;
}

void front_describe(FILE *out)
{
	uint64_t sum = 0;
	for (uint32_t pair = 0; pair < front_pairs; pair++)
		sum += lanes[0][pair][0].sum;
	fprintf(out, "\"version\":\"\",\"rx_path\":\"lean\",\"tx_path\":\"lean\",\"sum\":%llu", (unsigned long long)sum);
}
