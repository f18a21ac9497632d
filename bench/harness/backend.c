/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "backend.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
	GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_PROTOCOL_FEATURES = 15, GET_QUEUE_NUM = 17, SET_VRING_ENABLE = 18,
	GET_CONFIG = 24, SET_STATUS = 39, GET_STATUS = 40,
};
enum { PROTOCOL_MQ = 1 << 0, PROTOCOL_REPLY_ACK = 1 << 3, PROTOCOL_CONFIG = 1 << 9, PROTOCOL_STATUS = 1 << 16 };
enum { REPLY = 5, NEED_REPLY = 8 };

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct { uint32_t index, value; } ring;
		struct { uint32_t index, flags; uint64_t descriptors, used, available, log; } address;
		struct { uint32_t count, padding; struct { uint64_t guest, length, user, offset; } region[8]; } memory;
		struct { uint32_t offset, length, flags; uint8_t bytes[256]; } config;
	};
} __attribute__((packed));

static void forget_memory(struct backend *b)
{
	for (uint32_t i = 0; i < b->region_count; i++)
		if (b->mapped[i] != NULL)
			munmap(b->mapped[i], b->mapped_length[i]);
	b->region_count = 0;
}

static void find_rings(struct backend *b);

static void take_memory(struct backend *b, const struct message *m, const int *files, uint32_t file_count)
{
	forget_memory(b);
	if (m->memory.count > 8 || m->memory.count != file_count)
		errx(1, "back-end: a memory table of %u regions with %u files", m->memory.count, file_count);
	for (uint32_t i = 0; i < file_count; i++) {
		uint64_t guest = m->memory.region[i].guest, user = m->memory.region[i].user, shift = 0;
		uint64_t length = m->memory.region[i].length, offset = m->memory.region[i].offset;
		b->mapped[i] = NULL;
		if (!b->direct) {
			b->mapped_length[i] = length + offset;
			b->mapped[i] = mmap(NULL, length + offset, PROT_READ | PROT_WRITE, MAP_SHARED, files[i], 0);
			if (b->mapped[i] == MAP_FAILED)
				err(1, "back-end: cannot map a region of %llu bytes", (unsigned long long)length);
			shift = (uint64_t)(uintptr_t)b->mapped[i] + offset - user;
		}
		b->user[i] = (struct region){user, length, shift};
		b->guest[i] = (struct region){guest, length, shift + user - guest};
	}
	b->region_count = file_count;
	find_rings(b);
}

static void *translated(const struct backend *b, uint64_t address)
{
	for (uint32_t i = 0; i < b->region_count; i++)
		if (address - b->user[i].start < b->user[i].length)
			return (void *)(uintptr_t)(address + b->user[i].shift);
	return NULL;
}

/* Memory that came again may lie elsewhere. A ring is then in it, or is not used before its addresses come. */
static void find_rings(struct backend *b)
{
	for (uint32_t i = 0; i <= 2 * MAX_PAIRS; i++) {
		struct ring *r = &b->ring[i];
		r->regions = b->guest;
		r->region_count = b->region_count;
		r->descriptors = translated(b, b->at[i].descriptors);
		r->packed_ring = (void *)r->descriptors;
		r->available = translated(b, b->at[i].available);
		r->used = translated(b, b->at[i].used);
		r->device_event = (void *)r->used;
		r->available_event = r->used != NULL ? (void *)&r->used->ring[r->size] : NULL;
	}
}

static uint64_t position_of(uint64_t index)
{
	return index < 2 * MAX_PAIRS ? index : 2 * MAX_PAIRS;
}

static struct ring *ring_of(struct backend *b, uint64_t index)
{
	return &b->ring[position_of(index)];
}

static void place_ring(struct backend *b, const struct message *m)
{
	struct ring *r = ring_of(b, m->address.index);
	r->packed = (b->negotiated & BIT(F_RING_PACKED)) != 0;
	r->in_order = (b->negotiated & BIT(F_IN_ORDER)) != 0;
	r->headers = (b->negotiated & BIT(F_MRG_RXBUF)) != 0;
	r->event_index = (b->negotiated & BIT(F_EVENT_IDX)) != 0;
	uint64_t index = position_of(m->address.index);
	b->at[index].descriptors = m->address.descriptors;
	b->at[index].available = m->address.available;
	b->at[index].used = m->address.used;
	find_rings(b);
	if (r->descriptors == NULL || r->available == NULL || r->used == NULL)
		errx(1, "back-end: ring %llu is in no region", (unsigned long long)index);
	if (r->packed) { /* its base is a slot and, in bit 15, the wrap counter */
		r->wrap = r->next & 0x8000 ? AVAIL_BIT | USED_BIT : 0;
		r->next &= 0x7fff;
		r->device_event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	} else {
		r->used->flags = VRING_USED_F_NO_NOTIFY;
		if (r->event_index)
			split_publish(r, 0);
	}
}

static void take_call(struct backend *b, uint64_t index, const int *files, uint32_t file_count)
{
	int *call = &b->call[index < 2 * MAX_PAIRS ? index : 2 * MAX_PAIRS];
	if (*call >= 0)
		close(*call);
	*call = file_count == 1 ? fcntl(files[0], F_DUPFD_CLOEXEC, 0) : -1;
}

static int give_config(struct message *m)
{
	static const struct virtio_net_config config = {
		.mac = {2, 0xaa, 0xbb, 0xcc, 0xdd, 1}, .status = VIRTIO_NET_S_LINK_UP, .max_virtqueue_pairs = MAX_PAIRS, .mtu = 1500,
	};
	if (m->config.offset + m->config.length <= sizeof(config))
		memcpy(m->config.bytes, (const char *)&config + m->config.offset, m->config.length);
	return (int)m->size;
}

/* Handles a message. Returns the bytes of the reply's payload, or -1 for no reply. */
static int obey(struct backend *b, struct message *m, const int *files, uint32_t file_count)
{
	static uint64_t status;
	struct ring *r = ring_of(b, m->ring.index);
	switch (m->request) {
	case GET_FEATURES: m->number = b->offer; return 8;
	case SET_FEATURES: b->negotiated = m->number; return -1;
	case GET_PROTOCOL_FEATURES:
		m->number = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG | PROTOCOL_STATUS;
		return 8;
	case GET_QUEUE_NUM: m->number = b->pairs; return 8;
	case SET_MEM_TABLE: take_memory(b, m, files, file_count); return -1;
	case SET_VRING_NUM: r->size = m->ring.value; return -1;
	case SET_VRING_BASE: r->next = m->ring.value & 0xffff; return -1;
	case SET_VRING_ADDR: place_ring(b, m); return -1;
	case SET_VRING_KICK: ring_of(b, m->number & 0xff)->started = 1; return -1;
	case SET_VRING_CALL: take_call(b, m->number & 0xff, files, file_count); return -1;
	case SET_VRING_ENABLE: r->enabled = (int)m->ring.value; return -1;
	case GET_VRING_BASE:
		r->started = r->enabled = 0;
		m->ring.value = r->next | (r->packed && r->wrap ? 0x8000 : 0);
		return 8;
	case GET_CONFIG: return give_config(m);
	case SET_STATUS: status = m->number; return -1;
	case GET_STATUS: m->number = status; return 8;
	default: return -1;
	}
}

/* Receives one message and sends at most one. Returns 0 when the front-end is gone. */
static int serve_message(struct backend *b, int s)
{
	union { char room[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } control;
	struct message m = {0};
	struct iovec part = {&m, 12};
	struct msghdr head = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room),
	};
	int files[8];
	uint32_t file_count = 0;

	if (recvmsg(s, &head, MSG_CMSG_CLOEXEC | MSG_WAITALL) != 12)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);
	if (c != NULL) {
		file_count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(files, CMSG_DATA(c), file_count * sizeof(int));
	}
	if (m.size > sizeof(m) - 12)
		errx(1, "back-end: message %u has %u bytes", m.request, m.size);
	if (m.size > 0 && recv(s, &m.number, m.size, MSG_WAITALL) != (ssize_t)m.size)
		return 0;
	int need_reply = (m.flags & NEED_REPLY) != 0, length = obey(b, &m, files, file_count);
	for (uint32_t i = 0; i < file_count; i++)
		close(files[i]);
	if (length < 0 && !need_reply)
		return 1;
	if (length < 0) {
		m.number = 0;
		length = 8;
	}
	m.flags = REPLY;
	m.size = (uint32_t)length;
	return send(s, &m, 12 + (size_t)length, MSG_NOSIGNAL) == 12 + length;
}

static void *serve(void *argument)
{
	struct backend *b = argument;
	while (!b->stop) {
		struct pollfd waiting = {.fd = b->listener, .events = POLLIN};
		if (poll(&waiting, 1, 50) <= 0)
			continue;
		int s = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
		b->connected = 1;
		while (!b->stop) {
			waiting = (struct pollfd){.fd = s, .events = POLLIN};
			if (poll(&waiting, 1, 50) > 0 && !serve_message(b, s))
				break;
		}
		b->connected = 0;
		close(s);
	}
	return NULL;
}

void *shared_memory(size_t bytes)
{
	enum { ALL = 1 << 30, HUGE = 2 << 20 };
	static char *arena;
	static size_t taken;
	if (arena == NULL) {
		const int kind = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, huge = getenv("BENCH_HUGEPAGES") ? MAP_HUGETLB : 0;
		arena = mmap(NULL, ALL, PROT_READ | PROT_WRITE, kind | huge, -1, 0);
		if (arena == MAP_FAILED)
			err(1, "no memory");
	}
	size_t at = (taken + HUGE - 1) / HUGE * HUGE;
	if (at + bytes > ALL)
		errx(1, "no memory is left");
	taken = at + bytes;
	return arena + at;
}

void backend_open(struct backend *b, const char *path, uint64_t offer, uint32_t pairs, int direct)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	*b = (struct backend){.offer = offer | BIT(F_PROTOCOL) | BIT(F_VERSION_1), .pairs = pairs, .direct = direct};
	for (int i = 0; i <= 2 * MAX_PAIRS; i++)
		b->call[i] = -1;
	if (pairs > 1)
		b->offer |= BIT(F_MQ) | BIT(F_CTRL_VQ);
	snprintf(b->path, sizeof(b->path), "%s", path);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (b->listener < 0 || bind(b->listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(b->listener, 4) < 0)
		err(1, "back-end: cannot listen on %s", path);
	if (pthread_create(&b->thread, NULL, serve, b) != 0)
		err(1, "back-end: no thread");
}

static int all_in_use(struct backend *b)
{
	for (uint32_t i = 0; i < 2 * b->pairs; i++)
		if (!b->ring[i].started || !b->ring[i].enabled)
			return 0;
	return 1;
}

int backend_wait(struct backend *b, double seconds)
{
	for (int left = (int)(seconds * 1000); left > 0; left--) {
		if (all_in_use(b))
			return 0;
		usleep(1000);
	}
	return -1;
}

void backend_close(struct backend *b)
{
	b->stop = 1;
	pthread_join(b->thread, NULL);
	close(b->listener);
	unlink(b->path);
	for (int i = 0; i <= 2 * MAX_PAIRS; i++)
		if (b->call[i] >= 0)
			close(b->call[i]);
	forget_memory(b);
}
