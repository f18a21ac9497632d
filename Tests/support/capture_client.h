/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that captures, in the thread that serves it: the ring of a control socket (vionet-control.h). */
#ifndef CAPTURE_CLIENT_H
#define CAPTURE_CLIENT_H

#include "control_client.h"

#include <sys/mman.h>

struct record {
	uint32_t bytes, captured;
	uint64_t time;
	uint32_t length;
	uint16_t port, queue;
	uint8_t direction, reason, facts, unused;
	uint16_t vlan, segment_size;
	unsigned char data[];
};

struct capture {
	int connection, files[2];
	uint64_t size, position;
	unsigned char *ring, *reader;
};

/* Sends a request. Returns its answer; two files that come along are left in the capture. */
OK_UNUSED static const char *capture_answer(struct capture *c, const char *request)
{
	static char text[4096];
	union { char room[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } space;
	struct iovec part = {text, sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space.room, .msg_controllen = sizeof(space)};
	int over;
	say(c->connection, request);
	say(c->connection, "\n");
	served();
	ssize_t count = recvmsg(c->connection, &message, MSG_CMSG_CLOEXEC);
	if (count <= 0)
		FAILED("no answer to %.60s", request);
	text[count] = 0;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (head != NULL && head->cmsg_type == SCM_RIGHTS) {
		same(head->cmsg_len, CMSG_LEN(2 * sizeof(int)));
		memcpy(c->files, CMSG_DATA(head), 2 * sizeof(int));
	}
	snprintf(text + count, sizeof(text) - (size_t)count, "%.1000s", heard(c->connection, &over));
	yes(!over);
	return text;
}

/* Begins with a request that must succeed. */
OK_UNUSED static void capture_begin(struct capture *c, const char *request)
{
	unsigned long long size;
	char end[8];
	c->files[0] = c->files[1] = -1;
	const char *answer = capture_answer(c, request);
	if (sscanf(answer, "ring %llu\n%7s", &size, end) != 2 || strcmp(end, "ok") != 0)
		FAILED("%s is answered with %s", request, answer);
	c->size = size;
	c->position = 0;
	c->ring = mmap(NULL, 4096 + size, PROT_READ, MAP_SHARED, c->files[0], 0);
	c->reader = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c->files[1], 0);
	yes(c->ring != MAP_FAILED && c->reader != MAP_FAILED);
}

/* Gives memory and files back. The connection stays, and so the capture. */
OK_UNUSED static void capture_forget(struct capture *c)
{
	same(munmap(c->ring, 4096 + c->size), 0);
	same(munmap(c->reader, 4096), 0);
	same(close(c->files[0]), 0);
	same(close(c->files[1]), 0);
}

OK_UNUSED static uint64_t capture_lost(const struct capture *c)
{
	return __atomic_load_n((const uint64_t *)(const void *)(c->ring + 8), __ATOMIC_RELAXED);
}

/* The next record, which stays until the one after it is asked for; NULL if there is none. */
OK_UNUSED static const struct record *capture_next(struct capture *c)
{
	for (;;) {
		__atomic_store_n((uint64_t *)(void *)c->reader, c->position, __ATOMIC_RELEASE);
		uint64_t end = __atomic_load_n((const uint64_t *)(const void *)c->ring, __ATOMIC_ACQUIRE);
		yes(end - c->position <= c->size);
		if (end == c->position)
			return NULL;
		uint64_t place = c->position & (c->size - 1);
		const struct record *record = (const void *)(c->ring + 4096 + place);
		yes(record->bytes >= 8 && record->bytes % 8 == 0 && record->bytes <= c->size - place);
		c->position += record->bytes;
		if (record->captured == UINT32_MAX)
			continue;
		yes(sizeof(*record) + record->captured <= record->bytes);
		return record;
	}
}

#endif
