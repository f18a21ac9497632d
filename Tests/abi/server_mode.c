/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server=1: the port listens and no call waits. Back-ends come before or after vionet_start(), leave, and others come;
 * connections that say nothing hinder no others; the socket's file is made and removed.
 */
#include "../support/cases.h"
#include "../support/blocking_calls.h"
#include "../support/device.h"
#include "../support/frame.h"

#include <sys/stat.h>

static int counts[16];
static char path[64], address[120];

static void count(uint16_t port, int event, void *user)
{
	(void)port, (void)user;
	counts[event]++;
}

static int is_socket(void)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISSOCK(s.st_mode);
}

static void until_started(uint16_t port)
{
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (info_of(port).state != VIONET_STATE_STARTED) {
		if (microseconds() > end)
			FAILED("no back-end comes");
		if (poll(&change, 1, 100) > 0)
			ok(vionet_event_handle(port));
	}
}

static void moves(struct peer *p, uint16_t port, uint32_t number)
{
	unsigned char frame[200];
	struct vionet_packet *packet = frame_packet(0, 100, number);
	yes(packet != NULL);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(collect(p, frame, sizeof(frame)), 100);
	same(frame_number(frame), number);
	(void)deliver(p, frame, 100);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(frame_number(packet->data), number);
	vionet_packet_free(packet);
}

/* While there is no back-end no call waits, and none fails that need not. */
static void waits(void)
{
	struct peer p;
	struct vionet_packet *packet = vionet_packet_alloc(0);
	memset(counts, 0, sizeof(counts));
	uint16_t port = VIONET_PORT_NONE;
	at_once(ok(vionet_open(address, &port)));
	yes(is_socket());
	struct vionet_info info = info_of(port);
	same(info.state, VIONET_STATE_WAITING);
	same(info.queue_pairs, 1);
	same(info.negotiated[0], 0);
	same(info.link_up, 0);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	yes(vionet_packet_append(packet, 60) != NULL);
	same(vionet_tx_burst(port, 0, &packet, 1), 0);
	vionet_packet_free(packet);
	same(vionet_event_handle(port), 0);
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	int rx_fd = vionet_rx_fd(port, 0);
	yes(change.fd >= 0 && rx_fd >= 0);
	err(vionet_rx_fd(port, 1), -EINVAL);
	err(vionet_rx_arm(port, 0), -ENOTCONN);
	same(poll(&change, 1, 50), 0);
	peer_dial(&p, path, 0);
	same(poll(&change, 1, LONG_WAIT), 1);
	until_started(port);
	same(counts[VIONET_EVENT_CONNECTED], 1);
	same(counts[VIONET_EVENT_GONE], 0);
	same(poll(&change, 1, 50), 0);
	same(vionet_event_fd(port), change.fd);
	same(vionet_rx_fd(port, 0), rx_fd);
	same(info_of(port).mac[1], 0xaa);
	moves(&p, port, 1);
	for (int i = 2; i < 100; i++) { /* the same back-end or another: there is no difference */
		p.leave = 1;
		same(poll(&change, 1, LONG_WAIT), 1);
		soon(vionet_event_handle(port) > 0);
		until_started(port);
		same(counts[VIONET_EVENT_CONNECTED], i);
		same(counts[VIONET_EVENT_GONE], i - 1);
		soon(waiting(&p, RX) > 0);
		moves(&p, port, (uint32_t)i);
	}
	peer_end(&p);
	same(poll(&change, 1, LONG_WAIT), 1);
	vionet_close(port);
	yes(!is_socket());
}

static void any_order(void)
{
	struct peer p;
	uint16_t port;
	ok(vionet_probe(address, &port));
	same(info_of(port).state, VIONET_STATE_ATTACHED);
	same(info_of(port).offered[0], 0);
	peer_dial(&p, path, 0);
	soon(p.connections == 1);
	ok(vionet_init(port, NULL));
	same(info_of(port).state, VIONET_STATE_INITIALISED);
	soon(p.seen_count > 0); /* asked by vionet_init() */
	soon(p.handled == p.seen_count);
	ok(vionet_start(port)); /* it has answered by now */
	same(info_of(port).state, VIONET_STATE_STARTED);
	moves(&p, port, 1);
	ok(vionet_stop(port));
	same(info_of(port).state, VIONET_STATE_STOPPED);
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	same(info_of(port).state, VIONET_STATE_STARTED);
	moves(&p, port, 2);
	ok(vionet_stop(port));
	p.absent = 1;
	p.leave = 1;
	soon(p.gone == 1);
	ok(vionet_start(port));
	same(info_of(port).state, VIONET_STATE_WAITING);
	ok(vionet_stop(port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	p.absent = 0;
	until_started(port);
	moves(&p, port, 3);
	vionet_close(port);
	peer_end(&p);
}

static int connection(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	same(connect(s, (struct sockaddr *)&at, sizeof(at)), 0);
	return s;
}

static void useless_connections(void)
{
	struct peer p;
	char noise[100];
	uint16_t port = opened(address);
	memset(noise, 0xee, sizeof(noise));
	for (int i = 0; i < 40; i++) {
		int s = connection();
		if (i % 2)
			same(write(s, noise, sizeof(noise)), sizeof(noise));
		int result = vionet_event_handle(port);
		yes(result == 0 || result == -EPROTO);
		close(s);
	}
	same(info_of(port).state, VIONET_STATE_WAITING);
	peer_dial(&p, path, 0);
	until_started(port);
	moves(&p, port, 1);
	int other = connection(); /* the next connection is not looked at while there is a back-end */
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	same(poll(&change, 1, 50), 0);
	same(vionet_event_handle(port), 0);
	moves(&p, port, 2);
	close(other);
	vionet_close(port);
	peer_end(&p);

	snprintf(address + strlen(address), 20, ",queues=4");
	port = opened(address);
	address[strlen(address) - 9] = 0;
	peer_dial(&p, path, 0);
	int result = 0;
	soon((result = vionet_event_handle(port)) < 0);
	same(result, -EINVAL);
	says("queues");
	same(info_of(port).state, VIONET_STATE_WAITING);
	vionet_close(port);
	peer_end(&p);
}

/* Another program has removed the file and listens at the path itself: its file stays. */
static void taken(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint16_t device = 0;
	uint16_t port = 0;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	for (int served = 0; served < 2; served++) {
		if (served)
			ok(vionet_soft_serve(path, "sink", &device));
		else
			ok(vionet_probe(address, &port));
		same(unlink(path), 0);
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		same(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
		same(listen(s, 1), 0);
		if (served)
			vionet_soft_stop(device);
		else
			vionet_close(port);
		yes(is_socket());
		close(s);
		same(unlink(path), 0);
	}
}

/* A socket that a killed program left is replaced; a socket in use and any other file are left alone. */
static void files(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint16_t port, second;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	same(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	close(s);
	yes(is_socket());
	ok(vionet_probe(address, &port));
	err(vionet_probe(address, &second), -EADDRINUSE);
	says(path);
	vionet_close(port);
	yes(!is_socket());
	taken();
	FILE *f = fopen(path, "we");
	yes(f != NULL);
	fclose(f);
	err(vionet_probe(address, &port), -EADDRINUSE);
	same(access(path, F_OK), 0);
	unlink(path);
	err(vionet_probe("vhost-user:/tmp/no/such/folder/s,server=1", &port), -ENOENT);
	says("/tmp/no/such/folder/s");
	err(vionet_probe("soft:sink,server=1", &port), -EINVAL);
	says("server");
	err(vionet_probe("pci:0000:7f:1f.7,server=1", &port), -EINVAL);
	says("server");
}

static struct holdings before;

/* The first round makes what a process makes once; the others must leave nothing behind. */
static void leaves_nothing(void (*life)(void))
{
	for (int i = 0; i < 3; i++) {
		life();
		if (i == 0)
			before = holdings();
	}
	held_as_before(before, 300);
}

BEFORE_EACH
{
	snprintf(path, sizeof(path), "/tmp/vionet-server-%d.sock", getpid());
	snprintf(address, sizeof(address), "vhost-user:%s,server=1", path);
	ok(vionet_event_add(count, NULL));
}

AFTER_EACH { ok(vionet_event_remove(count, NULL)); }

CASE("a port that listens waits for back-ends without holding up its caller") { leaves_nothing(waits); }
CASE("a back-end may come and go before or after each step of the port") { leaves_nothing(any_order); }
CASE("connections that say nothing, nothing valid or too much make way for the next") { leaves_nothing(useless_connections); }
CASE("the socket's file is made, replaced and removed, other files are left alone") { leaves_nothing(files); }
