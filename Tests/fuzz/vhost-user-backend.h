/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user back-end for simulated_kernel.h, on a real socket pair. It runs when the library has sent something: it
 * obeys like the back-end of peer.h and then answers as the input says, correctly or not.
 */
#ifndef VHOST_USER_BACKEND_H
#define VHOST_USER_BACKEND_H

#include "send-files.h"
#include "../support/simulated_kernel.h"
#include "../support/device.h"
#define BACKEND "vhost-user:/fuzz/socket"
enum { ANSWER_SECONDS = 5 }; /* vionet_probe() waits for an answer at most that long */

enum answer {
	CORRECT, LEAVE, STAY_SILENT, OTHER_REQUEST, OTHER_FLAGS, OTHER_SIZE, OTHER_LENGTH, OTHER_VALUE, ONE_BIT,
	CUT_AND_LEAVE, CUT, MANY_FILES, LATE, TWICE, NOISE_FIRST, ANSWER_AND_LEAVE, UNASKED, SINGLE_BYTES, INTERRUPTED,
	FULL_SOCKET, SHORT_SENDS, SAY_NO, DRIBBLE, ANSWERS,
};

static struct {
	struct peer peer;
	struct input *script;  /* NULL: every answer is correct */
	void (*answers)(struct message *m, int length); /* answers in its place, unless NULL */
	int front, back;       /* the library's end and ours; -1 */
	uint64_t allowed_wait; /* milliseconds that the answers so far may have made the library wait */
	uint32_t messages, wrong_answers;
	int unacceptable; /* one answer on this connection cannot be valid, so the library must close it */
	int ahead; /* bytes that nobody asked for were sent: the library may not have read up to the last answer */
	/* A message that has not come in full. */
	uint8_t bytes[12 + 600];
	size_t count;
	int fds[8], fd_count;
	/* A late answer: sent when the library has waited `late` milliseconds, whole or one byte at each `step`. */
	uint64_t late, step;
	struct message answer;
	size_t answer_length, answered;
	/* Troubles of the socket. */
	int full, interruptions;
	size_t most_sent, most_received; /* in one call; 0: no limit */
} backend = {.front = -1, .back = -1};

static void backend_leave(void)
{
	if (backend.back >= 0)
		syscall(SYS_close, backend.back);
	backend.back = -1;
	for (; backend.fd_count > 0; backend.fd_count--)
		syscall(SYS_close, backend.fds[backend.fd_count - 1]);
	backend.count = 0;
	backend.late = 0;
}

/* The files are all the connection itself. */
static void backend_send(const void *bytes, size_t length, int file_count)
{
	int files[MOST_SENT];
	for (int i = 0; i < file_count; i++)
		files[i] = backend.back;
	if (backend.back >= 0 && length > 0)
		send_files(backend.back, bytes, length, files, file_count);
}

/* Answers as the input says. `length` is the size of the payload, -1 if the request has no answer. */
static void backend_answer(struct message *m, int length, struct input *script)
{
	enum answer how = script != NULL ? (enum answer)next8(script) : CORRECT;
	int file_count = 0;
	uint32_t request = m->request;
	m->flags = 5;
	m->size = (uint32_t)length;
	size_t bytes = length < 0 ? 0 : 12 + (size_t)length;
	if (how > CORRECT && how < ANSWERS) {
		backend.wrong_answers++;
		backend.allowed_wait += ANSWER_SECONDS * 1000 + 100;
	}
	switch (how) {
	case LEAVE: backend_leave(); return;
	case STAY_SILENT: return;
	case OTHER_REQUEST: m->request = (uint32_t)next_number(script); break;
	case OTHER_FLAGS: m->flags = (uint32_t)next_number(script); break;
	case OTHER_SIZE: m->size = (uint32_t)next_number(script); break;
	case OTHER_LENGTH:
		m->size = (uint32_t)next_number(script) % 500;
		bytes = 12 + m->size;
		break;
	case OTHER_VALUE: m->u.u64 = next_number(script); break;
	case SAY_NO: m->u.u64 = 1; break;
	case ONE_BIT: ((uint8_t *)m)[next8(script) % 24] ^= (uint8_t)(1 << next8(script) % 8); break;
	case CUT_AND_LEAVE: case CUT: bytes = bytes == 0 ? 0 : next8(script) % bytes; break;
	case MANY_FILES: file_count = 1 + next8(script) % 16; break;
	case LATE: case DRIBBLE:
		if (bytes == 0)
			break;
		backend.late = next_bytes(script, 2) % (2 * ANSWER_SECONDS * 1000) + 1;
		backend.step = how == DRIBBLE ? backend.late % 1000 : 0;
		break;
	case TWICE: case UNASKED: case NOISE_FIRST: {
		backend.ahead = 1;
		uint64_t noise[3] = {how == NOISE_FIRST ? next_number(script) : 5ull << 32 | next8(script), 8, 0};
		if (how == NOISE_FIRST)
			backend_send(noise, 1 + next8(script) % 24, 0);
		backend_send(m, bytes, 0);
		backend_send(how == TWICE ? (void *)m : noise, how == TWICE ? bytes : sizeof(noise), 0);
		return;
	}
	case SINGLE_BYTES: backend.most_received = 1 + next8(script) % 16; break;
	case INTERRUPTED: backend.interruptions = next8(script) % 32; break;
	case FULL_SOCKET: backend.full = 1; break;
	case SHORT_SENDS: backend.most_sent = 1 + next8(script) % 16; break;
	default: break;
	}
	backend.unacceptable |= !backend.ahead && length >= 0 && bytes >= 12 &&
	                 (m->request != request || m->flags != 5 || m->size != (uint32_t)length);
	if (backend.late > 0) {
		backend.answer = *m;
		backend.answer_length = bytes;
		backend.answered = 0;
		return;
	}
	backend_send(m, bytes, file_count);
	if (how == CUT_AND_LEAVE || how == ANSWER_AND_LEAVE)
		backend_leave();
}

static void backend_message(void)
{
	struct message m = {0};
	memcpy(&m, backend.bytes, backend.count);
	backend.count = 0;
	same(m.flags & 3, 1);
	backend.messages++;
	int need_reply = (m.flags & 8) != 0, length = peer_obey(&backend.peer, &m, backend.fds, backend.fd_count);
	for (; backend.fd_count > 0; backend.fd_count--)
		syscall(SYS_close, backend.fds[backend.fd_count - 1]);
	if (length < 0 && need_reply) {
		m.u.u64 = 0;
		length = 8;
	}
	if (backend.answers != NULL)
		return backend.answers(&m, length);
	backend_answer(&m, length, backend.script);
}

/* Reads what the library has sent so far: a header, then the payload that it announces. */
static void backend_turn(int file)
{
	while (file == backend.front && backend.back >= 0) {
		union { char room[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } control;
		uint32_t size = 0;
		if (backend.count >= 12)
			memcpy(&size, backend.bytes + 8, 4);
		yes(size <= 600);
		struct iovec part = {backend.bytes + backend.count, 12 + size - backend.count};
		struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
		                      .msg_controllen = sizeof(control.room)};
		ssize_t got = syscall(SYS_recvmsg, backend.back, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (got <= 0)
			return;
		struct cmsghdr *c = CMSG_FIRSTHDR(&head);
		if (c != NULL) {
			same(backend.fd_count, 0);
			backend.fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(backend.fds, CMSG_DATA(c), (size_t)backend.fd_count * sizeof(int));
		}
		backend.count += (size_t)got;
		if (backend.count < 12)
			continue;
		memcpy(&size, backend.bytes + 8, 4);
		if (backend.count == 12 + size)
			backend_message();
	}
}

/* ---- hooks of the simulated kernel ----------------------------------------------------------------------------- */

static int backend_connect(int file, const char *path, int *result)
{
	int pair[2];
	if (strncmp(path, "/fuzz/", 6) != 0)
		return 0;
	if (file < 0)
		return 1;
	backend_leave();
	same(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	yes(dup3(pair[0], file, O_CLOEXEC) == file);
	syscall(SYS_close, pair[0]);
	backend.front = file;
	backend.back = pair[1];
	backend.unacceptable = backend.ahead = 0;
	backend.full = backend.interruptions = 0;
	backend.most_sent = backend.most_received = 0;
	*result = 0;
	return 1;
}

static void backend_close(int file)
{
	if (file < 0 || file != backend.front)
		return;
	backend.front = -1;
	backend_leave();
}

static int interrupted(void)
{
	return backend.interruptions > 0 && backend.interruptions-- > 0;
}

static int backend_before_send(int file, struct msghdr *message, ssize_t *result)
{
	if (file < 0 || file != backend.front)
		return 0;
	if (interrupted() || backend.full) {
		*result = fails(backend.full ? EAGAIN : EINTR);
		return 1;
	}
	if (backend.most_sent > 0 && message->msg_iov->iov_len > backend.most_sent)
		message->msg_iov->iov_len = backend.most_sent;
	return 0;
}

static int backend_before_receive(int file, struct msghdr *message, ssize_t *result)
{
	if (file < 0 || file != backend.front)
		return 0;
	if (interrupted()) {
		*result = fails(EINTR);
		return 1;
	}
	if (backend.most_received > 0 && message->msg_iov->iov_len > backend.most_received)
		message->msg_iov->iov_len = backend.most_received;
	return 0;
}

/* The library waits. A late answer comes if the wait is long enough; a full socket stays full. */
static int backend_wait(struct pollfd *file, int milliseconds)
{
	if (file->fd < 0 || file->fd != backend.front)
		return 0;
	if (backend.full && file->events & POLLOUT) {
		kernel.now += (uint64_t)milliseconds * 1000000u;
		file->revents = 0;
		file->fd = -1;
		return 1;
	}
	if (backend.late == 0 || backend.late > (uint64_t)milliseconds) {
		backend.late -= backend.late == 0 ? 0 : (uint64_t)milliseconds;
		return 0;
	}
	kernel.now += backend.late * 1000000u;
	size_t left = backend.answer_length - backend.answered, now = backend.step > 0 ? 1 : left;
	backend.late = left > now ? backend.step : 0;
	backend_send((uint8_t *)&backend.answer + backend.answered, now, 0);
	backend.answered += now;
	return 1;
}

static int backend_more(struct peer *p, struct message *m, const int *fds, int fd_count)
{
	m->u.u64 = p != NULL && fds != NULL && fd_count >= 0 && m->request == 36 ? 64 : m->u.u64;
	return m->request == 36 ? 8 : m->request == 31 ? 24 : -1; /* GET_MAX_MEM_SLOTS; GET_INFLIGHT_FD: none */
}

/* ---- for tests -------------------------------------------------------------------------------------------------- */

OK_UNUSED static void backend_begin(void)
{
	kernel = (struct kernel){.now = 1000000000, .connect = backend_connect, .close = backend_close,
	                         .send = backend_before_send, .sent = backend_turn, .receive = backend_before_receive, .wait = backend_wait};
}

/* Resets the back-end. Its answers are correct if script is NULL, or when the script has ended. */
OK_UNUSED static void backend_reset(struct input *script)
{
	backend_leave();
	for (int i = 0; i < PEER_RINGS && backend.peer.pairs != 0; i++) { /* not at first: a zero is standard input */
		peer_keep_fd(&backend.peer.ring[i].kick, -1);
		peer_keep_fd(&backend.peer.ring[i].call, -1);
	}
	peer_forget_memory(&backend.peer);
	backend.peer = (struct peer){.at = -1, .pairs = 1, .more = backend_more};
	for (int i = 0; i < PEER_RINGS; i++)
		backend.peer.ring[i].kick = backend.peer.ring[i].call = -1;
	backend.peer.features = BIT(F_VERSION_1) | BIT(F_PROTOCOL) | BIT(F_MAC) | BIT(F_STATUS) | BIT(F_MTU);
	backend.peer.protocol = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG | PROTOCOL_STATUS;
	memcpy(backend.peer.config, "\x02\xaa\xbb\xcc\xdd\xee\x01\x00\x01\x00\xdc\x05", 12);
	backend.script = script;
	backend.messages = backend.wrong_answers = 0;
	backend.allowed_wait = 0;
}

#endif
