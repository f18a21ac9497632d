/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scripted vhost-user back-end in a thread: it answers correctly until a test makes it misbehave, and records what it
 * was sent. Written from QEMU's docs/interop/vhost-user.rst alone.
 */
#ifndef PEER_H
#define PEER_H

#include "close_sent.h"
#include "ok.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10, GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17, SET_VRING_ENABLE = 18, GET_CONFIG = 24, SET_STATUS = 39,
	GET_STATUS = 40,
};
enum { PROTOCOL_MQ = 1 << 0, PROTOCOL_REPLY_ACK = 1 << 3, PROTOCOL_CONFIG = 1 << 9, PROTOCOL_STATUS = 1 << 16 };
enum { F_MTU = 3, F_MAC = 5, F_STATUS = 16, F_PROTOCOL = 30, F_VERSION_1 = 32 };
enum { PEER_RINGS = 16 };
#define BIT(n) (1ull << (n))

/* What the peer does wrong at message number `at`. */
enum mischief {
	BEHAVE, CLOSE_BEFORE, CLOSE_AFTER, SILENT, WRONG_REQUEST, WRONG_VERSION, NO_REPLY_FLAG, TOO_SHORT, TOO_LONG,
	HUGE_SIZE, CUT_OFF, WITH_FILES, REFUSE, NOISE, MISCHIEFS,
};

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct { uint32_t index, number; } state;
		struct { uint32_t index, flags; uint64_t descriptors, used, available, log; } address;
		struct { uint32_t count, padding; struct { uint64_t guest, length, user, offset; } region[8]; } memory;
		struct { uint32_t offset, length, flags; uint8_t bytes[64]; } config;
		uint8_t bytes[600];
	} u;
} __attribute__((packed));

struct ring {
	uint32_t size, enabled, started;
	uint64_t descriptors, used, available;
	int kick, call;
	uint16_t taken;              /* of the available ring, by the device side: device.h */
	uint32_t taken_all, used_all; /* entries or packed descriptors since the start: rings.h */
};

struct peer {
	char path[64];
	int listener;
	pthread_t thread;
	uint64_t features, protocol;
	uint8_t config[64]; /* struct virtio_net_config */
	uint8_t config_read[64]; /* 1 for each byte of it that was read */
	enum mischief mischief;
	int at;               /* message the mischief happens at, counted over all connections; -1: never */
	int drop_features_ok; /* the device rejects the features */
	_Atomic int wrong_ring; /* it says that it stopped another ring */
	_Atomic int stop, seen_count, connections, gone;
	_Atomic int handled; /* messages that were read and, where that is due, answered */
	_Atomic int leave, absent; /* end the connection there is; take none meanwhile */
	_Atomic int asleep;        /* stopped: it keeps its connection and does nothing; 2 as soon as that is so */
	int dials;                 /* it connects to a front-end that listens */
	int remembers_rings;       /* as libvhost-user: each table of memory must have the rings that it knows */
	uint32_t seen[512];
	uint8_t replied[512];
	uint64_t negotiated, agreed;
	_Atomic uint32_t status;
	uint32_t pairs; /* pairs of queues that it says it has */
	struct ring ring[PEER_RINGS];
	/* What is done in the peer's thread when this ring is kicked while it is enabled: control_queue.h. */
	int served;
	void (*serve)(struct peer *p);
	void *context;
	struct { uint64_t guest, length, user, offset; unsigned char *mapped; size_t mapped_length; int seals; } region[64];
	uint32_t regions;
	/* Handles messages that this file does not know, as peer_obey() does; and how many files go with the next reply. */
	int (*more)(struct peer *p, struct message *m, const int *fds, int fd_count);
	int reply_files;
	int file; /* goes with it in place of the connection itself; 0: none */
};

static void peer_forget_memory(struct peer *p)
{
	for (uint32_t i = 0; i < p->regions; i++)
		munmap(p->region[i].mapped, p->region[i].mapped_length);
	p->regions = 0;
}

static void peer_memory(struct peer *p, const struct message *m, const int *fds, int fd_count)
{
	peer_forget_memory(p);
	yes(m->u.memory.count <= 8 && (int)m->u.memory.count == fd_count);
	for (uint32_t i = 0; i < m->u.memory.count; i++) {
		p->region[i].guest = m->u.memory.region[i].guest;
		p->region[i].user = m->u.memory.region[i].user;
		p->region[i].length = m->u.memory.region[i].length;
		p->region[i].offset = m->u.memory.region[i].offset;
		p->region[i].seals = fcntl(fds[i], F_GET_SEALS);
		p->region[i].mapped_length = m->u.memory.region[i].length + m->u.memory.region[i].offset;
		p->region[i].mapped = mmap(NULL, p->region[i].mapped_length, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
		yes(p->region[i].mapped != MAP_FAILED);
	}
	p->regions = m->u.memory.count;
}

/* As libvhost-user does, which never forgets where a ring was: with each table it looks for all of them. */
static void peer_find_rings(const struct peer *p)
{
	for (int i = 0; i < PEER_RINGS && p->remembers_rings; i++) {
		int found = p->ring[i].descriptors == 0;
		for (uint32_t r = 0; r < p->regions; r++)
			found |= p->ring[i].descriptors - p->region[r].user < p->region[r].length;
		if (!found)
			FAILED("ring %d is not in the new table of memory", i);
	}
}

static void peer_keep_fd(int *place, int fd)
{
	if (*place >= 0)
		close(*place);
	*place = fd;
}

/* Does what a message asks for. Returns the length of the reply's payload, -1 for no reply. */
static int peer_obey(struct peer *p, struct message *m, int *fds, int fd_count)
{
	struct ring *ring = &p->ring[m->u.state.index % PEER_RINGS];
	switch (m->request) {
	case GET_FEATURES: m->u.u64 = p->features; return 8;
	case SET_FEATURES: p->negotiated = m->u.u64; return -1;
	case GET_PROTOCOL_FEATURES: m->u.u64 = p->protocol; return 8;
	case SET_PROTOCOL_FEATURES: p->agreed = m->u.u64; return -1;
	case GET_QUEUE_NUM: m->u.u64 = p->pairs; return 8;
	case SET_MEM_TABLE: peer_memory(p, m, fds, fd_count), peer_find_rings(p); return -1;
	case SET_VRING_NUM: ring->size = m->u.state.number; return -1;
	case SET_VRING_BASE: ring->taken = (uint16_t)m->u.state.number, ring->taken_all = ring->used_all = 0; return -1;
	case SET_VRING_ADDR:
		ring = &p->ring[m->u.address.index % PEER_RINGS];
		ring->descriptors = m->u.address.descriptors;
		ring->used = m->u.address.used;
		ring->available = m->u.address.available;
		return -1;
	case SET_VRING_KICK:
		peer_keep_fd(&ring->kick, fd_count > 0 ? fcntl(fds[0], F_DUPFD_CLOEXEC, 0) : -1);
		ring->started = 1;
		return -1;
	case SET_VRING_CALL: peer_keep_fd(&ring->call, fd_count > 0 ? fcntl(fds[0], F_DUPFD_CLOEXEC, 0) : -1); return -1;
	case SET_VRING_ENABLE: ring->enabled = m->u.state.number; return -1;
	case GET_VRING_BASE:
		m->u.state.number = ring->taken;
		m->u.state.index += (uint32_t)p->wrong_ring;
		ring->started = 0;
		return 8;
	case GET_CONFIG:
		memcpy(m->u.config.bytes, p->config + (m->u.config.offset & 31), m->u.config.length & 31);
		memset(p->config_read + (m->u.config.offset & 31), 1, m->u.config.length & 31);
		return (int)m->size;
	case SET_STATUS:
		p->status = (uint32_t)(p->drop_features_ok ? m->u.u64 & ~8ull : m->u.u64);
		for (int i = 0; i < PEER_RINGS && m->u.u64 == 0; i++)
			p->ring[i].enabled = 0;
		return -1;
	case GET_STATUS: m->u.u64 = p->status; return 8;
	default: return p->more != NULL ? p->more(p, m, fds, fd_count) : -1;
	}
}

static void peer_send(int s, const void *bytes, size_t length, const int *fds, size_t fd_count)
{
	union { char room[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } control = {{0}};
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd_count > 0) {
		head.msg_control = control.room;
		head.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&head);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	(void)!sendmsg(s, &head, MSG_NOSIGNAL);
}

/* Sends the reply, correct or not. Returns 0 to close the connection. */
static int peer_reply(struct peer *p, int s, struct message *m, int length, int now)
{
	enum mischief mischief = now ? p->mischief : BEHAVE;
	int files[2] = {p->file > 0 ? p->file : s, p->file > 0 ? p->file : s};
	m->flags = 5;
	m->size = (uint32_t)length;
	switch (mischief) {
	case SILENT: return 1;
	case WRONG_REQUEST: m->request++; break;
	case WRONG_VERSION: m->flags = 6; break;
	case NO_REPLY_FLAG: m->flags = 1; break;
	case TOO_SHORT: m->size -= 4; break;
	case TOO_LONG: m->size += 8; break;
	case HUGE_SIZE: m->size = 0xfffffff0; break;
	case REFUSE: m->u.u64 = 1; break;
	case NOISE: memset(m, 0xee, sizeof(*m)); peer_send(s, m, sizeof(*m), NULL, 0); return 1;
	case CUT_OFF: peer_send(s, m, 15, NULL, 0); return 0;
	default: break;
	}
	size_t bytes = 12 + (m->size > 500 ? 500 : m->size);
	size_t begun = 0, count = mischief == WITH_FILES ? 2 : (size_t)p->reply_files;
	if (count > 0 && p->file > 0) { /* the front-end closes it last: it keeps half a reply until the rest is here */
		begun = 6;
		peer_send(s, m, begun, files, count);
		close_sent(p->file);
		p->file = 0;
		count = 0;
	}
	peer_send(s, (const char *)m + begun, bytes - begun, files, count);
	p->reply_files = 0;
	return mischief != CLOSE_AFTER;
}

/* Reads one message and answers it if that is due. Returns 0 when the connection is over. */
static int peer_message(struct peer *p, int s)
{
	union { char room[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } control;
	struct message m = {0};
	struct iovec part = {&m, 12};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
	                      .msg_controllen = sizeof(control.room)};
	int fds[8], fd_count = 0;

	if (recvmsg(s, &head, MSG_CMSG_CLOEXEC | MSG_WAITALL) != 12)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);
	if (c != NULL) {
		fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)fd_count * sizeof(int));
	}
	yes(m.size <= sizeof(m.u));
	if (m.size > 0 && recv(s, &m.u, m.size, MSG_WAITALL) != (ssize_t)m.size)
		return 0;
	same(m.flags & 3, 1);
	int number = p->seen_count, now = number == p->at, need_reply = (m.flags & 8) != 0, length = -1;
	if (number < 512)
		p->seen[number] = m.request;
	if (!(now && p->mischief == CLOSE_BEFORE))
		length = peer_obey(p, &m, fds, fd_count);
	for (int i = 0; i < fd_count; i++)
		close(fds[i]);
	p->seen_count++;
	if (now && p->mischief == CLOSE_BEFORE)
		return 0;
	if (length < 0 && need_reply) {
		m.u.u64 = 0;
		length = 8;
	}
	if (length < 0)
		return !(now && p->mischief == CLOSE_AFTER);
	if (number < 512)
		p->replied[number] = 1;
	return peer_reply(p, s, &m, length, now);
}

/* Waits a moment for a message or a kick, and handles it. Returns 0 when the connection is over. */
static int peer_turn(struct peer *p, int s)
{
	struct ring *served = &p->ring[p->served];
	struct pollfd waiting[2] = {{.fd = s, .events = POLLIN}, {.fd = p->serve ? served->kick : -1, .events = POLLIN}};
	uint64_t kicks;

	if (p->asleep) {
		p->asleep = 2;
		usleep(200);
		return 1;
	}
	if (poll(waiting, 2, 2) <= 0)
		return 1;
	if (waiting[1].revents & POLLIN && read(served->kick, &kicks, 8) == 8 && served->started && served->enabled)
		p->serve(p);
	if (waiting[0].revents == 0)
		return 1;
	int goes_on = peer_message(p, s);
	p->handled = p->seen_count;
	return goes_on;
}

#include "peer_connection.h"

#endif
