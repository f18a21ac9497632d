/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that both sides have: flags like O_NONBLOCK and the count of an eventfd are the other side's to change, and a close
 * may wait for it. No call of the library waits for that.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/peer_requests.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Lets the next write of 1 to an eventfd wait. */
static void fill(int fd)
{
	uint64_t count, most = UINT64_MAX - 1;
	(void)!read(fd, &count, 8);
	same(write(fd, &most, 8), 8);
	same(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static uint16_t opened_to(struct peer *p, uint64_t protocol)
{
	char address[150];
	peer_start(p);
	p->protocol = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG | protocol;
	p->more = optional_request;
	slots = 64;
	snprintf(address, sizeof(address), "vhost-user:%s", p->path);
	return opened(address);
}

CASE("a kick that is full and waits: bursts, info, stop and close do not")
{
	struct peer p;
	unsigned char frame[200];
	uint16_t port = opened_to(&p, 0);
	fill(p.ring[TX].kick);
	fill(p.ring[RX].kick);
	for (uint32_t i = 0; i < 600; i++) {
		struct vionet_packet *packet = frame_packet(0, 100, i);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
		same(collect(&p, frame, sizeof(frame)), 100);
		soon(waiting(&p, RX) > 0);
		(void)deliver(&p, frame, 100);
		same(vionet_rx_burst(port, 0, &packet, 1), 1);
		same(frame_number(packet->data), i);
		vionet_packet_free(packet);
	}
	yes(stats_of(port).tx.kicks > 0);
	same(info_of(port).state, VIONET_STATE_STARTED);
	ok(vionet_stop(port));
	vionet_close(port);
	peer_end(&p);
}

CASE("an error file that waits for its next signal: events, info and close do not")
{
	struct peer p;
	uint16_t port = opened_to(&p, PROTOCOL_STATUS);
	struct pollfd event = {.fd = vionet_event_fd(port), .events = POLLIN};
	uint64_t count = 1;
	for (int i = 0; i < 2; i++)
		same(fcntl(errors[i], F_SETFL, fcntl(errors[i], F_GETFL) & ~O_NONBLOCK), 0);
	same(vionet_event_handle(port), 0);
	for (int i = 0; i < 3; i++) { /* told of again and again, each once */
		same(poll(&event, 1, 0), 0);
		same(write(errors[0], &count, 8), 8);
		same(poll(&event, 1, LONG_WAIT), 1);
		same(vionet_event_handle(port), 1);
		same(vionet_event_handle(port), 0);
	}
	(void)info_of(port);
	vionet_close(port);
	peer_end(&p);
}

/* A TCP socket whose last close waits for minutes, since the other end, which is left open, reads nothing. */
static int lingering(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	struct linger linger = {.l_onoff = 1, .l_linger = 1000};
	static char bytes[65536];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	same(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	same(listen(listener, 1), 0);
	same(getsockname(listener, (struct sockaddr *)&at, &length), 0);
	same(connect(s, (struct sockaddr *)&at, sizeof(at)), 0);
	yes(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0);
	same(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(s, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	close(listener);
	return s;
}

CASE("a file that closes slowly, sent by a back-end: no call waits for it")
{
	struct peer p;
	char address[150];
	uint16_t port;
	peer_start(&p);
	p.protocol = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG | PROTOCOL_INFLIGHT;
	p.more = optional_request;
	inflight_size = 0;
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	for (inflight_files = 1; inflight_files <= 2; inflight_files++) {
		p.file = lingering();
		same(vionet_open(address, &port), inflight_files == 2 ? -EPROTO : 0);
		vionet_close(port);
	}
	peer_end(&p);
}

/* Sends a file of which the device has the last descriptor when the message is whole. */
static void request_with(int s, uint32_t number, int file)
{
	uint32_t head[3] = {number, 1, 0};
	peer_send(s, head, 6, &file, 1);
	close_sent(file);
	peer_send(s, (const char *)head + 6, 6, NULL, 0);
}

static int request(int s, uint32_t number, uint64_t *answer)
{
	uint32_t head[3] = {number, 1, 0}, reply[5];
	peer_send(s, head, sizeof(head), NULL, 0);
	struct pollfd waiting = {.fd = s, .events = POLLIN};
	same(poll(&waiting, 1, LONG_WAIT), 1);
	ssize_t got = recv(s, reply, sizeof(reply), MSG_WAITALL);
	memcpy(answer, reply + 3, 8);
	return got == sizeof(reply);
}

CASE("files that close slowly, sent to a served device: it answers, takes the next front-end, and stops")
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint16_t device;
	uint64_t features;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/vionet-shared-%d.sock", getpid());
	ok(vionet_soft_serve(at.sun_path, "sink", &device));
	for (int round = 0; round < 2; round++) {
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		same(connect(s, (struct sockaddr *)&at, sizeof(at)), 0);
		yes(request(s, GET_FEATURES, &features));
		request_with(s, 7, lingering()); /* SET_LOG_FD */
		yes(request(s, GET_FEATURES, &features));
		request_with(s, SET_OWNER, lingering()); /* where none belongs, which ends the connection */
		close(s);
	}
	vionet_soft_stop(device);
}
