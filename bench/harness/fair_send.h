/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending in ring order: sent packets are taken back in runs, and new ones checked and posted. */
#ifndef BENCH_FAIR_SEND_H
#define BENCH_FAIR_SEND_H

#include "fair.h"

static inline __attribute__((always_inline)) void reclaim_split(struct queue *q, int in_order)
{
	uint32_t pending = (uint16_t)(__atomic_load_n(&q->used_ring->idx, __ATOMIC_ACQUIRE) - (uint16_t)q->used);
	if (__builtin_expect(pending > q->posted - q->used, 0)) {
		q->broken = 1;
		return;
	}
	while (pending > 0) {
		const uint32_t place = q->used & q->mask;
		uint32_t n = pending < q->size - place ? pending : q->size - place, i = 0;
		n = n < BULK ? n : BULK;
		if (!in_order) /* in order, everything before the used index is sent */
			while (i < n && __atomic_load_n(&q->used_ring->ring[place + i].id, __ATOMIC_RELAXED) == place + i)
				i++;
		else
			i = n;
		put_back(&q->slots[place], i);
		q->used += i;
		pending -= i;
		if (__builtin_expect(i < n, 0)) {
			fair_leave_ring_order(q);
			return;
		}
	}
}

static inline __attribute__((always_inline)) void reclaim_packed(struct queue *q, int in_order)
{
	uint32_t left = q->posted - q->used;
	while (left > 0) {
		const uint32_t place = q->used_slot;
		uint32_t most = left < q->size - place ? left : q->size - place, i = 0;
		most = most < BULK ? most : BULK;
		if (in_order) { /* everything up to that id is sent */
			uint64_t word = look(&q->packed[place]);
			if (!is_used(word, q->used_wrap))
				return;
			uint32_t id = (uint16_t)(word >> 32), n = 1 + (id >= place ? id - place : id + q->size - place);
			if (__builtin_expect(id >= q->size || n > left, 0)) {
				q->broken = 1;
				return;
			}
			for (; n > 0; n -= i) {
				uint32_t end = q->size - q->used_slot;
				i = n < end ? n : end;
				i = i < BULK ? i : BULK;
				put_back(&q->slots[q->used_slot], i);
				pass(q, &q->used_slot, &q->used_wrap, i);
				q->used += i;
				left -= i;
			}
			continue;
		}
		uint64_t word = 0;
		while (i < most && is_used(word = look(&q->packed[place + i]), q->used_wrap) && (uint16_t)(word >> 32) == place + i)
			i++;
		put_back(&q->slots[place], i);
		pass(q, &q->used_slot, &q->used_wrap, i);
		q->used += i;
		left -= i;
		if (i < most) {
			if (__builtin_expect(is_used(word, q->used_wrap), 0))
				fair_leave_ring_order(q);
			return;
		}
	}
}

/* Posts packets, up to the end of the ring. */
static inline __attribute__((always_inline)) uint32_t
post_split(struct queue *q, struct fair_packet **packets, uint32_t n)
{
	const uint32_t place = q->posted & q->mask;
	struct vring_desc *ring = &q->descriptors[place];
	struct fair_packet **slots = &q->slots[place];
	uint64_t total = 0, address;
	uint32_t i = 0, length;
	n = n < q->size - place ? n : q->size - place;
	for (; i < n && __builtin_expect(prepare(packets[i], &address, &length), 1); i++) {
		slots[i] = packets[i];
		ring[i].addr = address;
		ring[i].len = length + HEADER_BYTES;
		total += length;
	}
	q->packets += i;
	q->bytes += total;
	q->posted += i;
	return i;
}

static inline void
post_checked(struct vring_packed_desc *d, struct fair_packet *packet, struct fair_packet **slot, uint64_t id_and_flags)
{
	const uint64_t length = packet->length + HEADER_BYTES;
	*slot = packet;
	d->addr = (uint64_t)(uintptr_t)packet->data - HEADER_BYTES;
	__atomic_store_n(word_at(d), id_and_flags | length, __ATOMIC_RELEASE);
}

/*
 * The same. The device's core has the ring's lines: they are fetched while packets are checked, since stores alone would
 * wait for one after the other. The first descriptor is written last: a device that polls sees all or none, and leaves
 * the lines alone till then.
 */
static inline __attribute__((always_inline)) uint32_t
post_packed(struct queue *q, struct fair_packet **packets, uint32_t n)
{
	const uint32_t place = q->post_slot;
	const uint64_t flags = (uint64_t)q->post_wrap << 48;
	struct vring_packed_desc *ring = &q->packed[place];
	struct fair_packet **slots = &q->slots[place];
	uint64_t total = 0, address;
	uint32_t i = 0, length;
	n = n < q->size - place ? n : q->size - place;
	for (uint32_t ahead = 0; ahead < n; ahead += 4)
		fetch_to_write(&ring[ahead]);
	for (; i < n && __builtin_expect(prepare(packets[i], &address, &length), 1); i++)
		total += length;
	if (i == 0)
		return 0;
	for (uint32_t ahead = 1; ahead < i; ahead++)
		post_checked(&ring[ahead], packets[ahead], &slots[ahead], flags | (uint64_t)(place + ahead) << 32);
	post_checked(ring, packets[0], slots, flags | (uint64_t)place << 32);
	q->packets += i;
	q->bytes += total;
	q->posted += i;
	pass(q, &q->post_slot, &q->post_wrap, i);
	return i;
}

static inline __attribute__((always_inline)) uint16_t
transmit(struct queue *q, struct fair_packet **packets, uint16_t count, int is_packed, int in_order)
{
	uint32_t done = 0;
	if (__builtin_expect(q->broken | q->out_of_order, 0))
		return fair_send_any(q, packets, count);
	if (q->size - (q->posted - q->used) < (count > q->size / 2 ? count : q->size / 2)) {
		if (is_packed)
			reclaim_packed(q, in_order);
		else
			reclaim_split(q, in_order);
		if (__builtin_expect(q->broken | q->out_of_order, 0))
			return fair_send_any(q, packets, count);
	}
	const uint32_t room = q->size - (q->posted - q->used), most = count < room ? count : room;
	while (done < most) {
		const uint32_t left = most - done;
		uint32_t taken = is_packed ? post_packed(q, packets + done, left) : post_split(q, packets + done, left);
		done += taken;
		if (__builtin_expect(taken == 0, 0)) {
			q->refused++;
			break;
		}
	}
	if (!is_packed)
		__atomic_store_n(&q->available[1], (uint16_t)q->posted, __ATOMIC_RELEASE);
	ask(q);
	return (uint16_t)done;
}

#endif
