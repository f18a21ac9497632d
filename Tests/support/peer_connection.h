/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections of a scripted back-end: it listens or connects, in a thread. Part of peer.h. */
#ifndef PEER_CONNECTION_H
#define PEER_CONNECTION_H

/* The next connection, or -1. */
static int peer_connection(struct peer *p)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (!p->dials) {
		struct pollfd waiting = {.fd = p->listener, .events = POLLIN};
		return poll(&waiting, 1, 5) > 0 ? accept4(p->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	}
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", p->path);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(s, (struct sockaddr *)&at, sizeof(at)) == 0)
		return s;
	close(s);
	usleep(1000);
	return -1;
}

static void *peer_thread(void *argument)
{
	struct peer *p = argument;
	while (!p->stop) {
		if (p->absent) {
			usleep(200);
			continue;
		}
		int s = peer_connection(p);
		if (s < 0)
			continue;
		peer_forget_memory(p); /* a new one may have the same addresses */
		p->connections++;
		while (!p->stop && !p->leave && peer_turn(p, s))
			;
		for (int i = 0; i < PEER_RINGS; i++)
			p->ring[i].started = p->ring[i].enabled = 0;
		close(s);
		p->leave = 0;
		p->gone++;
	}
	return NULL;
}

static void peer_prepare(struct peer *p)
{
	*p = (struct peer){.at = -1, .listener = -1, .pairs = 1};
	p->features = BIT(F_VERSION_1) | BIT(F_PROTOCOL) | BIT(F_MAC) | BIT(F_STATUS) | BIT(F_MTU);
	p->protocol = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG | PROTOCOL_STATUS;
	memcpy(p->config, "\x02\xaa\xbb\xcc\xdd\xee\x01\x00\x01\x00\xdc\x05", 12);
	for (int i = 0; i < PEER_RINGS; i++)
		p->ring[i].kick = p->ring[i].call = -1;
}

static void peer_listen(struct peer *p)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", p->path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	same(bind(p->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	same(listen(p->listener, 8), 0);
}

/* A correct back-end that listens. A test sets `mischief` and `at` before the first connection. */
OK_UNUSED static void peer_start(struct peer *p)
{
	static _Atomic int number;
	peer_prepare(p);
	snprintf(p->path, sizeof(p->path), "/tmp/vionet-peer-%d-%d.sock", getpid(), number++);
	unlink(p->path); /* of a process that had this number before and was killed */
	peer_listen(p);
	same(pthread_create(&p->thread, NULL, peer_thread, p), 0);
}

/* A back-end that connects to a front-end, unless `absent` is set. */
OK_UNUSED static void peer_dial(struct peer *p, const char *path, int absent)
{
	peer_prepare(p);
	snprintf(p->path, sizeof(p->path), "%s", path);
	p->dials = 1;
	p->absent = absent;
	same(pthread_create(&p->thread, NULL, peer_thread, p), 0);
}

OK_UNUSED static void peer_end(struct peer *p)
{
	p->stop = 1;
	pthread_join(p->thread, NULL);
	if (p->listener >= 0) {
		close(p->listener);
		unlink(p->path);
	}
	for (int i = 0; i < PEER_RINGS; i++) {
		peer_keep_fd(&p->ring[i].kick, -1);
		peer_keep_fd(&p->ring[i].call, -1);
	}
	peer_forget_memory(p);
}

#endif
