/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fair limit: a front-end that does a user's work as a good C programmer would write it. It has packets with an
 * owner, a stack of free ones, and statistics, and it believes no id and no length that a device writes. It knows no
 * chains, no offloads and no ports that come and go, and is in one piece with the program, so that the compiler sees
 * both sides of every call but the bursts'.
 */
#define _GNU_SOURCE 1
#include "fair_receive.h"
#include "fair_send.h"
#include "front.h"

#include <err.h>
#include <stdlib.h>

typedef struct fair_packet packet_t;
static struct queue queues[MAX_PORTS][MAX_PAIRS][2];
static uint16_t (*take_burst)(struct queue *, packet_t **, uint16_t);
static uint16_t (*send_burst)(struct queue *, packet_t **, uint16_t);
static uint64_t offered;

static inline uint16_t take(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	return take_burst(&queues[port][pair][0], packets, count);
}

static inline uint16_t give(uint32_t port, uint16_t pair, packet_t **packets, uint16_t count)
{
	return send_burst(&queues[port][pair][1], packets, count);
}

#define allocate fair_allocate
#define release fair_release
#define set_length fair_append

static inline uint8_t *data_of(packet_t *packet)
{
	return packet->data;
}

#include "loops.h"

const char front_name[] = "fair";

#define TAKE(name, is_packed, header)                                                                                  \
	static uint16_t take_##name(struct queue *q, packet_t **packets, uint16_t count)                                   \
	{                                                                                                                  \
		return receive(q, packets, count, is_packed, header);                                                          \
	}
#define SEND(name, is_packed, in_order)                                                                                \
	static uint16_t send_##name(struct queue *q, packet_t **packets, uint16_t count)                                   \
	{                                                                                                                  \
		return transmit(q, packets, count, is_packed, in_order);                                                       \
	}
TAKE(split, 0, 0)
TAKE(split_mergeable, 0, 1)
TAKE(packed, 1, 0)
TAKE(packed_mergeable, 1, 1)
SEND(split, 0, 0)
SEND(split_in_order, 0, 1)
SEND(packed, 1, 0)
SEND(packed_in_order, 1, 1)

static void make_pool(uint32_t count)
{
	struct fair_pool *p = &fair_pool;
	uint8_t *buffers = shared_memory((size_t)count * BUFFER_STRIDE);
	pthread_spin_init(&p->lock, 0);
	p->free = shared_memory(count * sizeof(*p->free));
	p->packets = shared_memory(count * sizeof(*p->packets));
	p->count = p->size = count;
	for (uint32_t i = 0; i < count; i++) {
		p->packets[i] = (packet_t){.buffer = buffers + (size_t)i * BUFFER_STRIDE};
		p->free[count - 1 - i] = &p->packets[i];
	}
}

/* Lays out a ring, split or packed, and fills it if it receives. */
static void lay_out(struct queue *q, struct ring *r, const struct front_options *w, int receives)
{
	static struct region everything = {0, ~0ull, 0};

	char *m = shared_memory(64 * (size_t)w->ring + 4096);
	uint32_t room = 1;
	while (room < w->ring)
		room *= 2;
	*r = (struct ring){.packed = w->packed, .in_order = w->in_order, .headers = w->mergeable,
	                   .event_index = w->event_index, .size = w->ring, .regions = &everything, .region_count = 1, .wrap = AVAIL_BIT | USED_BIT,
	                   .descriptors = (void *)m, .packed_ring = (void *)m, .available = (void *)(m + 16 * (size_t)w->ring),
	                   .used = (void *)(m + 32 * (size_t)w->ring), .started = 1, .enabled = 1};
	r->device_event = (void *)r->used;
	r->available_event = (void *)&r->used->ring[r->size];
	if (w->packed)
		r->device_event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	else
		r->used->flags = VRING_USED_F_NO_NOTIFY;
	if (!w->packed && w->event_index)
		split_publish(r, 0);
	*q = (struct queue){.size = w->ring, .mask = room - 1, .is_packed = w->packed, .receives = receives,
	                    .header = w->mergeable, .event_index = w->event_index, .in_order = w->in_order, .kick_fd = -1,
	                    .descriptors = r->descriptors, .available = r->available, .used_ring = r->used,
	                    .available_event = r->available_event, .packed = r->packed_ring, .device_event = r->device_event,
	                    .used_wrap = AVAIL_BIT | USED_BIT, .post_wrap = AVAIL_BIT};
	q->slots = calloc(w->ring, sizeof(*q->slots));
	q->idle = calloc(room, sizeof(*q->idle));
	for (uint32_t id = 0; id < w->ring && !w->packed; id++) {
		q->descriptors[id].flags = receives ? VRING_DESC_F_WRITE : 0;
		q->available[2 + id] = (uint16_t)id;
	}
	for (uint32_t id = 0; id < w->ring && receives; id++) {
		if (fair_stack.count == 0)
			fair_fill(BULK);
		if (fair_stack.count == 0)
			errx(2, "fair: too few packets for a ring of %u", w->ring);
		packet_t *packet = q->slots[id] = fair_stack.free[--fair_stack.count];
		if (w->packed)
			q->packed[id] = (struct vring_packed_desc){address_of(packet), POSTED_BYTES, (uint16_t)id,
			                                           AVAIL_BIT | VRING_DESC_F_WRITE};
		else
			q->descriptors[id] = (struct vring_desc){address_of(packet), POSTED_BYTES, VRING_DESC_F_WRITE, 0};
	}
	if (receives)
		q->posted = q->asked = w->ring;
	if (receives && !w->packed)
		q->available[1] = (uint16_t)w->ring;
}

void front_start(const struct front_options *w)
{
	uint16_t (*const takes[2][2])(struct queue *, packet_t **, uint16_t) = {
		{take_split, take_split_mergeable}, {take_packed, take_packed_mergeable},
	};
	uint16_t (*const sends[2][2])(struct queue *, packet_t **, uint16_t) = {
		{send_split, send_split_in_order}, {send_packed, send_packed_in_order},
	};
	take_burst = takes[w->packed][w->mergeable];
	send_burst = sends[w->packed][w->in_order];
	front_pairs = w->pairs;
	offered = w->backend[0].offer;
	make_pool(w->packets);
	for (uint32_t port = 0; port < w->ports; port++) {
		w->backend[port].negotiated = w->backend[port].offer;
		for (uint32_t pair = 0; pair < w->pairs; pair++) {
			lay_out(&queues[port][pair][0], receive_ring(&w->backend[port], pair), w, 1);
			lay_out(&queues[port][pair][1], transmit_ring(&w->backend[port], pair), w, 0);
		}
	}
}

/* With the bench's back-end nothing is odd, so a figure with anything odd in it is wrong. */
void front_stop(void)
{
	uint64_t odd = fair_pool.refused;
	for (uint32_t lane = 0; lane < MAX_PORTS * 2 * front_pairs; lane++) {
		const struct queue *q = &queues[lane / 2 / front_pairs][lane / 2 % front_pairs][lane % 2];
		odd += q->dropped + q->refused + q->kicks + (uint64_t)(q->broken | q->out_of_order);
	}
	if (odd > 0)
		errx(2, "fair: %llu packets were odd, or the device was", (unsigned long long)odd);
}

uint64_t front_features(void)
{
	return offered;
}

void front_describe(FILE *out)
{
	fprintf(out, "\"version\":\"\",\"rx_path\":\"fair\",\"tx_path\":\"fair\"");
}
