/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end as a program of its own that returns each frame: it copies what the front-end sends into the receive ring.
 *
 *   reflect --core N [--packed] [--hold MICROSECONDS] SOCKET
 *
 * It polls. A frame that is held comes back that much later, so that the front-end has gone to sleep; a front-end that
 * asked for an interrupt gets one.
 */
#define _GNU_SOURCE 1
#include "worker.h"

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t stop;
static struct backend backend;
static uint64_t hold; /* ticks of the time stamp counter */

static void ask_to_stop(int signal)
{
	(void)signal;
	stop = 1;
}

/* A buffer of up to two descriptors, as one that is to be read or written: the header, and the frame behind it. */
struct buffer {
	void *header, *frame;
	uint32_t bytes; /* of the frame */
	uint32_t id, slots;
};

static struct buffer buffer_of(const struct ring *r, uint64_t first, uint32_t length, uint64_t second, uint32_t rest)
{
	struct buffer b = {.header = ring_at(r, first), .slots = 1};
	if (b.header == NULL || length < HEADER_BYTES)
		errx(1, "reflect: no header at %#llx", (unsigned long long)first);
	b.frame = (char *)b.header + HEADER_BYTES;
	b.bytes = length - HEADER_BYTES;
	if (b.bytes == 0) {
		b.frame = ring_at(r, second);
		b.bytes = rest;
		b.slots = 2;
	}
	if (b.frame == NULL)
		errx(1, "reflect: no frame");
	return b;
}

/* The next available buffer. Returns 0 if there is none. */
static int next_buffer(const struct ring *r, struct buffer *b)
{
	if (!r->packed) {
		if (split_waiting(r) == 0)
			return 0;
		uint32_t mask = r->size - 1, id = r->available[2 + (r->next & mask)] & mask;
		const struct vring_desc *d = &r->descriptors[id], *e = &r->descriptors[d->next & mask];
		*b = buffer_of(r, d->addr, d->len, e->addr, e->len);
		b->id = id;
		return 1;
	}
	struct place p = place_of(r), q = p;
	uint64_t word = load_word(&p);
	if (!is_available(&p, word))
		return 0;
	const struct vring_packed_desc *d = &r->packed_ring[p.slot], *e = d;
	if (word >> 48 & VRING_DESC_F_NEXT) { /* the id is in the last one */
		step(&q, 1);
		e = &r->packed_ring[q.slot];
	}
	*b = buffer_of(r, d->addr, d->len, e->addr, e->len);
	b->id = e->id;
	return 1;
}

static void use_buffer(struct ring *r, const struct buffer *b, uint32_t length)
{
	if (!r->packed) {
		r->used->ring[r->next & (r->size - 1)] = (struct vring_used_elem){b->id, length};
		split_publish(r, 1);
		return;
	}
	struct place p = place_of(r);
	use(&p, length, (uint16_t)b->id);
	step(&p, b->slots);
	packed_leave(r, &p, 1);
}

/* Interrupts the front-end if it wants that (virtio 1.4, 2.7.7 and 2.8.7). */
static void interrupt(const struct ring *r, int call)
{
	atomic_thread_fence(memory_order_seq_cst);
	uint16_t flags = __atomic_load_n(&r->available[r->packed ? 1 : 0], __ATOMIC_RELAXED);
	uint16_t off = r->packed ? VRING_PACKED_EVENT_FLAG_DISABLE : VRING_AVAIL_F_NO_INTERRUPT;
	uint64_t one = 1;
	if (flags != off && call >= 0 && write(call, &one, sizeof(one)) < 0)
		err(1, "reflect: cannot interrupt");
}

static void reflect(struct ring *receive, struct ring *transmit, int call)
{
	static const struct virtio_net_hdr_v1 header = {.num_buffers = 1};
	struct buffer from, to;
	if (!next_buffer(transmit, &from))
		return;
	uint64_t begin = __rdtsc();
	if (!next_buffer(receive, &to))
		errx(1, "reflect: no room to return a frame");
	while (__rdtsc() - begin < hold)
		_mm_pause();
	memcpy(to.header, &header, HEADER_BYTES);
	memcpy(to.frame, from.frame, from.bytes < to.bytes ? from.bytes : to.bytes);
	use_buffer(receive, &to, HEADER_BYTES + from.bytes);
	interrupt(receive, call);
	use_buffer(transmit, &from, 0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"core", 1, NULL, 'c'}, {"packed", 0, NULL, 'p'}, {"hold", 1, NULL, 'h'}, {0}};
	uint64_t offer = 0;
	int core = -1;
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 'c': core = atoi(optarg); break;
		case 'p': offer |= BIT(F_RING_PACKED); break;
		case 'h': hold = (uint64_t)(ticks_per_second() * atof(optarg) * 1e-6); break;
		default: return 1;
		}
	if (argc - optind != 1)
		errx(1, "there must be one socket");
	signal(SIGTERM, ask_to_stop);
	backend_open(&backend, argv[optind], offer, 1, 0);
	puts("ready");
	fflush(stdout);
	while (!stop && backend_wait(&backend, 0.2) < 0)
		;
	pin_to(core);
	hurry(1);
	struct ring *receive = receive_ring(&backend, 0), *transmit = transmit_ring(&backend, 0);
	while (!stop && backend.connected)
		if (receive->started && transmit->started && transmit->enabled)
			reflect(receive, transmit, backend.call[0]);
	hurry(0);
	backend_close(&backend);
	return 0;
}
