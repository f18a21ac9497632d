/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens rarely in the fair front-end: devices that use buffers out of turn, odd frames and packets, the pool. */
#include "fair.h"

#include <unistd.h>

struct fair_pool fair_pool;
__thread struct fair_stack fair_stack;

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

void fair_fill(uint32_t wanted)
{
	struct fair_pool *p = &fair_pool;
	struct fair_stack *s = &fair_stack;
	uint32_t n = wanted + BULK < STACK ? wanted + BULK - s->count : STACK - s->count;
	pthread_spin_lock(&p->lock);
	n = n < p->count ? n : p->count;
	p->count -= n;
	memcpy(&s->free[s->count], &p->free[p->count], n * sizeof(*p->free));
	pthread_spin_unlock(&p->lock);
	s->count += n;
}

void fair_spill(void)
{
	struct fair_pool *p = &fair_pool;
	struct fair_stack *s = &fair_stack;
	pthread_spin_lock(&p->lock);
	memcpy(&p->free[p->count], &s->free[BULK], (s->count - BULK) * sizeof(*p->free));
	p->count += s->count - BULK;
	pthread_spin_unlock(&p->lock);
	s->count = BULK;
}

void fair_release_odd(struct fair_packet *packet)
{
	if (packet->owner != WITH_CALLER || packet->pool != 0) {
		__atomic_fetch_add(&fair_pool.refused, 1, __ATOMIC_RELAXED);
		return;
	}
	for (struct fair_packet *next; packet != NULL; packet = next) {
		next = packet->segments > 1 ? packet->next : NULL;
		if (packet->references > 1 && __atomic_sub_fetch(&packet->references, 1, __ATOMIC_ACQ_REL) > 0)
			continue;
		packet->owner = WITH_LIBRARY;
		put_back(&packet, 1);
	}
}

/* ---- out of ring order ------------------------------------------------------------------------------------------- */

void fair_kick(struct queue *q)
{
	const uint64_t one = 1;
	q->kicks++;
	if (q->kick_fd >= 0)
		(void)!write(q->kick_fd, &one, sizeof(one));
}

/* From here on idle ids are a queue, and a slot without a packet is idle. */
void fair_leave_ring_order(struct queue *q)
{
	uint32_t count = q->size - (q->posted - q->used), first = q->is_packed ? q->post_slot : q->posted & q->mask;
	q->out_of_order = 1;
	if (q->in_order) /* a device that was to use buffers in turn, or joined several of what it received */
		q->broken = 1;
	if (q->receives) {
		q->post_slot = q->used_slot;
		q->post_wrap = (~q->used_wrap & AVAIL_BIT) | (q->used_wrap & USED_BIT);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = (first + i) % q->size;
		q->slots[id] = NULL;
		q->idle[q->idle_last++ & q->mask] = (uint16_t)id;
	}
}

/* The next used entry and its packet, whose id is idle then; NULL if there is none, or an invalid one. */
static struct fair_packet *next_used(struct queue *q, uint32_t *length)
{
	uint32_t id;
	if (q->used == q->posted)
		return NULL;
	if (q->is_packed) {
		uint64_t word = look(&q->packed[q->used_slot]);
		if (!is_used(word, q->used_wrap))
			return NULL;
		id = (uint16_t)(word >> 32);
		*length = (uint32_t)word;
	} else {
		if (__atomic_load_n(&q->used_ring->idx, __ATOMIC_ACQUIRE) == (uint16_t)q->used)
			return NULL;
		const struct vring_used_elem *entry = &q->used_ring->ring[q->used & q->mask];
		id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);
		*length = __atomic_load_n(&entry->len, __ATOMIC_RELAXED);
	}
	if (id >= q->size || q->slots[id] == NULL) {
		q->broken = 1;
		return NULL;
	}
	struct fair_packet *packet = q->slots[id];
	q->slots[id] = NULL;
	q->idle[q->idle_last++ & q->mask] = (uint16_t)id;
	q->used++;
	if (q->is_packed)
		pass(q, &q->used_slot, &q->used_wrap, 1);
	return packet;
}

static void post_one(struct queue *q, struct fair_packet *packet, uint64_t address, uint32_t length)
{
	uint16_t id = q->idle[q->idle_first++ & q->mask];
	q->slots[id] = packet;
	if (q->is_packed) {
		struct vring_packed_desc *d = &q->packed[q->post_slot];
		uint16_t flags = q->post_wrap | (q->receives ? VRING_DESC_F_WRITE : 0);
		d->addr = address;
		__atomic_store_n(word_at(d), word_of(length, id, flags), __ATOMIC_RELEASE);
		pass(q, &q->post_slot, &q->post_wrap, 1);
	} else {
		q->descriptors[id].addr = address;
		q->descriptors[id].len = length;
		q->available[2 + (q->posted & q->mask)] = id;
	}
	q->posted++;
}

static void publish(struct queue *q)
{
	if (!q->is_packed)
		__atomic_store_n(&q->available[1], (uint16_t)q->posted, __ATOMIC_RELEASE);
	ask(q);
}

/* Whether a frame is dropped. One in several buffers is dropped with all of them. */
static int is_odd(struct queue *q, const struct fair_packet *packet, uint32_t length)
{
	if (q->skip > 0) {
		q->skip--;
		return 1;
	}
	uint16_t buffers = q->header ? buffers_of(packet) : 1;
	if (buffers > 1)
		q->skip = (buffers < q->size ? buffers : q->size) - 1;
	return buffers != 1 || length - HEADER_BYTES - FRAME_LEAST > DATA_BYTES - FRAME_LEAST;
}

void fair_drop(struct queue *q)
{
	uint64_t entry = q->is_packed ? look(&q->packed[q->used_slot]) : 0;
	uint32_t place = q->is_packed ? q->used_slot : q->used & q->mask;
	uint32_t id = q->is_packed ? (uint16_t)(entry >> 32) : q->used_ring->ring[place].id;
	uint32_t length = q->is_packed ? (uint32_t)entry : q->used_ring->ring[place].len;
	if (id != place) {
		fair_leave_ring_order(q);
		return;
	}
	(void)is_odd(q, q->slots[place], length);
	q->dropped++;
	q->used++;
	q->posted++;
	if (q->is_packed) {
		uint16_t flags = (~q->used_wrap & AVAIL_BIT) | (q->used_wrap & USED_BIT) | VRING_DESC_F_WRITE;
		__atomic_store_n(word_at(&q->packed[place]), word_of(POSTED_BYTES, place, flags), __ATOMIC_RELEASE);
		pass(q, &q->used_slot, &q->used_wrap, 1);
	}
}

uint16_t fair_receive_any(struct queue *q, struct fair_packet **packets, uint16_t count)
{
	struct fair_packet *packet;
	uint16_t done = 0;
	uint32_t length;
	for (uint32_t most = 2 * q->size; !q->broken && done < count && most-- > 0;) {
		if ((packet = next_used(q, &length)) == NULL)
			break;
		if (is_odd(q, packet, length)) {
			q->dropped++;
			put_back(&packet, 1);
			continue;
		}
		hand_over(packet, length - HEADER_BYTES, 0);
		q->packets++;
		q->bytes += packet->length;
		packets[done++] = packet;
	}
	for (; !q->broken && q->idle_first != q->idle_last; post_one(q, packet, address_of(packet), POSTED_BYTES)) {
		if (fair_stack.count == 0)
			fair_fill(1);
		if (fair_stack.count == 0)
			break;
		packet = fair_stack.free[--fair_stack.count];
	}
	publish(q);
	return done;
}

uint16_t fair_send_any(struct queue *q, struct fair_packet **packets, uint16_t count)
{
	struct fair_packet *sent;
	uint64_t address;
	uint16_t done = 0;
	uint32_t length;
	while (!q->broken && (sent = next_used(q, &length)) != NULL)
		put_back(&sent, 1);
	for (; !q->broken && done < count && q->idle_first != q->idle_last; done++) {
		if (!prepare(packets[done], &address, &length)) {
			q->refused++;
			break;
		}
		post_one(q, packets[done], address, length + HEADER_BYTES);
		q->packets++;
		q->bytes += length;
	}
	publish(q);
	return done;
}
