/* SPDX-License-Identifier: BSD-2-Clause */
/* A scripted back-end with the optional messages that peer.h leaves out, and with a channel on which it speaks first. */
#ifndef PEER_REQUESTS_H
#define PEER_REQUESTS_H

#include "device.h"

enum {
	SET_VRING_ERR = 14, SEND_RARP = 19, NET_SET_MTU = 20, SET_BACKEND_REQ_FD = 21, GET_INFLIGHT_FD = 31, SET_INFLIGHT_FD = 32,
	RESET_DEVICE = 34, GET_MAX_MEM_SLOTS = 36, ADD_MEM_REG = 37, REM_MEM_REG = 38,
};
enum {
	PROTOCOL_RARP = 1 << 2, PROTOCOL_MTU = 1 << 4, PROTOCOL_BACKEND_REQ = 1 << 5, PROTOCOL_INFLIGHT = 1 << 12,
	PROTOCOL_RESET = 1 << 13, PROTOCOL_SLOTS = 1 << 15,
	PROTOCOL_ALL = PROTOCOL_RARP | PROTOCOL_MTU | PROTOCOL_BACKEND_REQ | PROTOCOL_INFLIGHT | PROTOCOL_RESET | PROTOCOL_SLOTS,
};

static uint64_t slots, mtu, announced, inflight_size;
static uint32_t inflight_queues, removed;
static int channel = -1, errors[2] = {-1, -1}, inflight_files, resets, asks_first;

static void add_region(struct peer *p, const struct message *m, const int *fds, int fd_count)
{
	uint64_t slot[5]; /* nothing, guest address, length, user address, offset */
	same(m->size, 40);
	same(fd_count, 1);
	yes(p->regions < slots);
	memcpy(slot, m->u.bytes, sizeof(slot));
	uint32_t i = p->regions++;
	p->region[i].guest = slot[1];
	p->region[i].length = slot[2];
	p->region[i].user = slot[3];
	p->region[i].offset = slot[4];
	p->region[i].mapped_length = slot[2] + slot[4];
	p->region[i].mapped = mmap(NULL, slot[2] + slot[4], PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	yes(p->region[i].mapped != MAP_FAILED);
}

static void remove_region(struct peer *p, const struct message *m, int fd_count)
{
	uint64_t slot[5];
	same(m->size, 40);
	same(fd_count, 0);
	memcpy(slot, m->u.bytes, sizeof(slot));
	for (uint32_t i = 0; i < p->regions; i++)
		if (p->region[i].guest == slot[1] && p->region[i].length == slot[2] && p->region[i].user == slot[3]) {
			munmap(p->region[i].mapped, p->region[i].mapped_length);
			p->region[i] = p->region[--p->regions];
			removed++;
			return;
		}
	FAILED("a slot is removed that was not added");
}

/* Sends a message on the back-end's own channel. Returns the answer. */
static int backend_request(uint32_t request, int needs_reply)
{
	uint32_t head[3] = {request, needs_reply ? 9 : 1, 0}, reply[5] = {0};
	same(write(channel, head, 12), 12);
	if (!needs_reply)
		return 0;
	same(recv(channel, reply, sizeof(reply), MSG_WAITALL), 20);
	same(reply[0], request);
	same(reply[1], 5);
	same(reply[2], 8);
	return (int)reply[3];
}

static int optional_request(struct peer *p, struct message *m, const int *fds, int fd_count)
{
	switch (m->request) {
	case GET_MAX_MEM_SLOTS: m->u.u64 = slots; return 8;
	case ADD_MEM_REG: add_region(p, m, fds, fd_count); return -1;
	case REM_MEM_REG: remove_region(p, m, fd_count); return -1;
	case SET_VRING_ERR:
		same(fd_count, 1);
		peer_keep_fd(&errors[m->u.u64 & 1], fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
		return -1;
	case NET_SET_MTU:
		mtu = m->u.u64;
		if (asks_first) /* and waits for the answer */
			same(backend_request(2, 1), 0);
		return -1;
	case SEND_RARP: announced = m->u.u64; return -1;
	case SET_BACKEND_REQ_FD:
		same(fd_count, 1);
		peer_keep_fd(&channel, fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
		return -1;
	case GET_INFLIGHT_FD:
		inflight_queues = m->u.state.index == 0 ? *(uint32_t *)(void *)(m->u.bytes + 16) : 0;
		memcpy(m->u.bytes, &inflight_size, 8);
		p->reply_files = inflight_files;
		return 24;
	case SET_INFLIGHT_FD: same(fd_count, 1); return -1;
	case RESET_DEVICE: resets++; return -1;
	default: return -1;
	}
}

#endif
