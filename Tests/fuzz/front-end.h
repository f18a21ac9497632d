/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A front-end of a served device: a connection, memory in one file, rings in it, and messages that bring a device up. Of the
 * file the device is given two regions; what lies between and behind them it must never write.
 */
#ifndef FRONT_END_H
#define FRONT_END_H

#include "file-kinds.h"
#include "send-files.h"

#include <linux/vhost_types.h>
#include <linux/virtio_ring.h>

enum {
	REGION = 256 << 10, SECOND = 2 * REGION, MEMORY = 4 * REGION, /* regions begin at 0 and at SECOND */
	RING_ROOM = 16 << 10, QUEUES = 5, BUFFER = 2048, BUFFERS = REGION / BUFFER, CANARY = 0xa5,
};
#define GUEST 0x100000000ull
#define USER 0x700000000000ull

/* Requests that peer.h does not name. */
enum {
	SET_VRING_ERR = 14, SET_BACKEND_REQ = 21, GET_INFLIGHT = 31, SET_INFLIGHT = 32, RESET_DEVICE = 34, MAX_SLOTS = 36,
	ADD_REGION = 37, REMOVE_REGION = 38, LAST_REQUEST = 48,
};

struct front {
	int socket, memory;
	uint8_t *base;
	int kick[QUEUES], call[QUEUES];
	uint64_t features, protocol; /* that it wants */
	uint16_t size, next[QUEUES]; /* of each ring; next entry that the driver writes */
	uint8_t wrap[QUEUES];        /* packed */
	int pairs;
	unsigned int step;           /* of bringing up: the next message */
	int asked;                   /* for GET_FEATURES, not answered yet */
	int is_whole;                /* all that was sent were whole messages */
	int is_intact;               /* nothing was done to the file since the canary was laid */
};

static int front_queues(const struct front *f) { return 2 * f->pairs + (f->features >> 17 & 1); }

static uint64_t ring_offset(int queue) { return (uint64_t)queue * RING_ROOM; }

/* Where a byte of the file is for the device: its address among the front-end's own, or the driver's. */
static uint64_t address_of(uint64_t offset, uint64_t base)
{
	return base + (offset < REGION ? offset : offset - SECOND + REGION);
}

OK_UNUSED static void front_make(struct front *f)
{
	memset(f, 0, sizeof(*f));
	f->socket = -1;
	f->memory = memfd_create("front-end", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	same(ftruncate(f->memory, MEMORY), 0);
	f->base = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, f->memory, 0);
	yes(f->base != MAP_FAILED);
	memset(f->base + REGION, CANARY, REGION);
	memset(f->base + SECOND + REGION, CANARY, REGION);
	f->is_intact = 1;
	for (int q = 0; q < QUEUES; q++) {
		f->kick[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->call[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->wrap[q] = 1;
	}
}

/* Requires that the device wrote to no byte that it was not given. */
OK_UNUSED static void front_end(struct front *f)
{
	for (size_t at = 0; at < REGION && f->is_intact; at++)
		if (f->base[REGION + at] != CANARY || f->base[SECOND + REGION + at] != CANARY)
			FAILED("the device wrote behind a region, at %zu", at);
	if (f->socket >= 0)
		close(f->socket);
	for (int q = 0; q < QUEUES; q++) {
		close(f->kick[q]);
		close(f->call[q]);
	}
	munmap(f->base, MEMORY);
	close(f->memory);
}

/* Connects anew; the device sees the old connection's end. */
OK_UNUSED static void front_connect(struct front *f, const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	if (f->socket >= 0)
		close(f->socket);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	f->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The queue of those who wait is short, and the device takes one only when it has seen the last one's end. */
	soon(connect(f->socket, (struct sockaddr *)&name, sizeof(name)) == 0);
	f->step = 0;
	f->asked = 0;
	f->is_whole = 1;
	memset(f->next, 0, sizeof(f->next));
	memset(f->wrap, 1, sizeof(f->wrap));
}

/* Sends bytes and files, if the socket has room; 0 if the device has gone. */
OK_UNUSED static int front_send(struct front *f, const void *bytes, size_t length, const int *files, int count)
{
	uint32_t request = 0;
	memcpy(&request, bytes, length < 4 ? length : 4);
	f->asked += request == GET_FEATURES && length == 12;
	return send_files(f->socket, bytes, length, files, count) == (ssize_t)length;
}

/* Reads until the answer to the last request of a kind is there, which has `payload` bytes; 0 if the device has gone. */
OK_UNUSED static int front_answer(struct front *f, uint32_t request, struct message *m)
{
	for (;;) {
		size_t got = 0, want = 12;
		while (got < want) {
			struct pollfd file = {.fd = f->socket, .events = POLLIN};
			yes(poll(&file, 1, LONG_WAIT) == 1);
			ssize_t n = recv(f->socket, (uint8_t *)m + got, want - got, 0);
			if (n <= 0)
				return 0;
			got += (size_t)n;
			if (got == 12)
				want = 12 + m->size;
			yes(want <= sizeof(*m));
		}
		f->asked -= m->request == GET_FEATURES;
		if (m->request == request && (request != GET_FEATURES || f->asked == 0))
			return 1;
	}
}

/* Asks for a number; 0 if the device has gone. */
OK_UNUSED static uint64_t front_number(struct front *f, uint32_t request)
{
	struct message m = {.request = request, .flags = 1};
	return front_send(f, &m, 12, NULL, 0) && front_answer(f, request, &m) ? m.u.u64 : 0;
}

/* Whether the device is there: it answers, or has ended the connection. A half message would make it wait. */
OK_UNUSED static int front_is_answered(struct front *f)
{
	return front_number(f, GET_FEATURES) != 0;
}

/* ---- messages that bring a device up, in order -------------------------------------------------------------------- */

static void say_number(struct message *m, uint32_t request, uint64_t number)
{
	m->request = request;
	m->size = 8;
	m->u.u64 = number;
}

/* Messages that bring a device up. */
static unsigned int front_steps(const struct front *f) { return 6 + 6 * (unsigned int)front_queues(f) + 1; }

static int message_of_ring(struct front *f, struct message *m, int *files, int queue, unsigned int which)
{
	uint64_t at = ring_offset(queue), rings = f->features >> 34 & 1 ? 8192 : f->size * 16u;
	m->size = 8;
	m->u.state.index = (uint32_t)queue;
	switch (which) {
	case 0: m->request = SET_VRING_NUM; m->u.state.number = f->size; return 0;
	case 1: m->request = SET_VRING_BASE; m->u.state.number = f->features >> 34 & 1 ? 0x80008000 : 0; return 0;
	case 2:
		m->request = SET_VRING_ADDR;
		m->size = 40;
		m->u.address.flags = 0;
		m->u.address.descriptors = address_of(at, USER);
		m->u.address.available = address_of(at + rings, USER);
		m->u.address.used = address_of(at + rings + 2048, USER);
		m->u.address.log = 0;
		return 0;
	case 3: m->request = SET_VRING_CALL; files[0] = f->call[queue]; return 1;
	case 4: m->request = SET_VRING_KICK; files[0] = f->kick[queue]; return 1;
	default: m->request = SET_VRING_ENABLE; m->u.state.number = 1; return 0;
	}
}

/* Makes message number `step`; returns the number of its files. Behind the last one comes GET_CONFIG. */
OK_UNUSED static int front_message(struct front *f, struct message *m, int *files, unsigned int step)
{
	memset(m, 0, sizeof(*m));
	m->flags = 1;
	switch (step) {
	case 0: m->request = GET_FEATURES; return 0;
	case 1: m->request = SET_OWNER; return 0;
	case 2: m->request = GET_PROTOCOL_FEATURES; return 0;
	case 3: say_number(m, SET_PROTOCOL_FEATURES, f->protocol); return 0;
	case 4: say_number(m, SET_FEATURES, f->features); return 0;
	case 5:
		m->request = SET_MEM_TABLE;
		m->size = 8 + 2 * 32;
		m->u.memory.count = 2;
		for (uint64_t r = 0; r < 2; r++) {
			m->u.memory.region[r].guest = GUEST + r * REGION;
			m->u.memory.region[r].user = USER + r * REGION;
			m->u.memory.region[r].length = REGION;
			m->u.memory.region[r].offset = r * SECOND;
			files[r] = f->memory;
		}
		return 2;
	default:
		if (step < front_steps(f) - 1)
			return message_of_ring(f, m, files, (int)(step - 6) / 6, (step - 6) % 6);
		if (step == front_steps(f) - 1) { /* with DRIVER_OK */
			say_number(m, SET_STATUS, 15);
			return 0;
		}
		m->request = GET_CONFIG;
		m->size = 12 + 12;
		m->u.config.length = 12;
		return 0;
	}
}

/* ---- rings ---------------------------------------------------------------------------------------------------------- */

/* Makes a buffer available: with a frame in a transmit ring, empty in a receive ring. */
OK_UNUSED static void front_publish(struct front *f, int queue, uint16_t buffer, uint32_t length, uint16_t flags)
{
	uint64_t address = GUEST + REGION + (uint64_t)(buffer % BUFFERS) * BUFFER;
	uint8_t *ring = f->base + ring_offset(queue);
	if (queue % 2 == 0)
		flags |= VRING_DESC_F_WRITE;
	if (f->features >> 34 & 1) {
		struct vring_packed_desc *d = (struct vring_packed_desc *)(void *)ring + f->next[queue];
		*d = (struct vring_packed_desc){address, length, buffer % f->size, 0};
		__atomic_store_n(&d->flags, flags | (f->wrap[queue] ? 1 << 7 : 1 << 15), __ATOMIC_RELEASE);
		if (++f->next[queue] >= f->size) {
			f->next[queue] = 0;
			f->wrap[queue] ^= 1;
		}
		return;
	}
	uint16_t *available = (uint16_t *)(void *)(ring + f->size * 16u), id = buffer % f->size;
	((struct vring_desc *)(void *)ring)[id] = (struct vring_desc){address, length, flags, (uint16_t)(id + 1)};
	available[2 + f->next[queue]++ % f->size] = id;
	__atomic_store_n(&available[1], f->next[queue], __ATOMIC_RELEASE);
}

OK_UNUSED static void front_kick(struct front *f, int queue, uint64_t value)
{
	struct pollfd room = {.fd = f->kick[queue], .events = POLLOUT}; /* it may be full, and its flag cleared */
	if (poll(&room, 1, 0) == 1)
		(void)!write(f->kick[queue], &value, sizeof(value));
}

#endif
