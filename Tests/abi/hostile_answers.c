/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers of a hostile device to questions outside of the packet rings: on the control queue, on the channel on which a
 * back-end speaks first, and when a ring is stopped. Each ends what it belongs to, with a sentence, and nothing else.
 */
#include "../support/cases.h"
#include "../support/control_queue.h"
#include "../support/frame.h"
#include "../support/peer_requests.h"

#include <sys/time.h>

static uint16_t port;

static void frames_pass(struct peer *p)
{
	unsigned char frame[100];
	struct vionet_packet *packet;
	frame_fill(frame, sizeof(frame), 9);
	deliver(p, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	yes(frame_right(packet->data, sizeof(frame), 9));
	vionet_packet_free(packet);
}

/* No later command is sent, since the device may still write into what an earlier one gave it. */
CASE("an answer to a command that was not given breaks the control queue until the next start")
{
	static const uint32_t ids[] = {1, 2, 63, 64, 0x10000, 0xffffffff};
	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct control c;
		control_start(&c, BIT(F_CTRL_RX), 1);
		port = control_port(&c, ",cq=1");
		ok(vionet_start(port));
		ok(vionet_promiscuous_set(port, 1));
		int before = c.count;
		c.wrong_id = ids[i];
		yes(vionet_promiscuous_set(port, 0) < 0);
		yes(vionet_error()[0] != 0);
		same(c.count, before + 1);
		c.wrong_id = 0;
		err(vionet_all_multicast_set(port, 1), -EIO);
		says("restart the port");
		same(c.count, before + 1);
		frames_pass(&c.peer);
		ok(vionet_stop(port));
		ok(vionet_init(port, NULL));
		ok(vionet_start(port));
		ok(vionet_all_multicast_set(port, 1));
		frames_pass(&c.peer);
		vionet_close(port);
		control_end(&c);
	}
}

/* A channel that is closed at our end takes nothing more. */
static void channel_ends(struct peer *p, const uint32_t *head, int ends)
{
	char byte;
	uint32_t right[3] = {2, 1, 0};
	char address[150];
	peer_start(p);
	p->protocol = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG | PROTOCOL_STATUS | PROTOCOL_BACKEND_REQ;
	p->more = optional_request;
	snprintf(address, sizeof(address), "vhost-user:%s", p->path);
	ok(vionet_open(address, &port));
	soon(channel >= 0);
	same(write(channel, head, 12), 12);
	for (int i = 0; i < 3; i++)
		yes(vionet_event_handle(port) >= 0);
	ssize_t result = recv(channel, &byte, 1, MSG_DONTWAIT);
	if (ends)
		same(result, 0);
	else
		yes(result < 0 && errno == EAGAIN && write(channel, right, 12) == 12);
	frames_pass(p);
	vionet_close(port);
	peer_end(p);
	peer_keep_fd(&channel, -1);
}

CASE("a message of the back-end's own ends its channel if its version or its length cannot be")
{
	static const uint32_t heads[][3] = {
		{2, 0, 0}, {2, 2, 0}, {2, 3, 0}, {2, 1, 0x10000}, {2, 1, 0x7fffffff}, {2, 1, 0x80000000}, {2, 1, 0xffffffff},
	};
	struct peer p;
	for (unsigned int i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		channel_ends(&p, heads[i], 1);
	channel_ends(&p, (const uint32_t[]){77, 1, 0}, 0);
}

/* Its ring may still be written, so the connection ends, and with it what the back-end may reach. */
CASE("a back-end that says that it stopped another ring loses its connection")
{
	struct peer p;
	char address[150];
	for (int wrong = 0; wrong < 3; wrong++) {
		peer_start(&p);
		snprintf(address, sizeof(address), "vhost-user:%s", p.path);
		ok(vionet_open(address, &port));
		frames_pass(&p);
		p.wrong_ring = wrong;
		vionet_stop(port);
		if (wrong != 0)
			soon(p.gone == 1);
		same(p.gone, wrong != 0);
		vionet_close(port);
		peer_end(&p);
	}
}

/* The rings of a connection are its own: the memory that the last back-end has mapped is no part of them. */
CASE("what a former back-end goes on writing reaches no ring of its successor")
{
	static const char *const keys[] = {"packed_vq=0", "packed_vq=1"};
	for (int packed = 0; packed < 2; packed++) {
		struct peer p;
		peer_start(&p);
		p.features |= packed ? BIT(34) : 0;
		/* Hugepages cannot be mapped a second time in this way. */
		uint16_t pool = pool_made_with(2048, VIONET_POOL_NO_HUGEPAGES);
		port = peer_port(&p, pool, 0, "recover=auto,%s", keys[packed]);
		same(p.negotiated >> 34 & 1, packed);
		for (int round = 0; round < 5; round++) {
			uint8_t *kept[2];
			size_t length[2];
			same(p.regions, 2);
			for (int i = 0; i < 2; i++) { /* a second mapping of the same pages, which stays */
				length[i] = p.region[i].mapped_length;
				kept[i] = mremap(p.region[i].mapped, 0, length[i], MREMAP_MAYMOVE);
				yes(kept[i] != MAP_FAILED);
			}
			p.leave = 1;
			soon(p.gone == round + 1);
			soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED && p.connections == round + 2);
			for (int i = 0; i < 4; i++) {
				memset(kept[i & 1], 0x11 * round + i, length[i & 1]);
				same(vionet_rx_burst(port, 0, &(struct vionet_packet *){NULL}, 1), 0);
				same(stats_of(port).rx.broken + stats_of(port).tx.broken, 0);
			}
			for (int i = 0; i < 2; i++)
				same(munmap(kept[i], length[i]), 0);
			if (!packed)
				frames_pass(&p);
		}
		vionet_close(port);
		peer_end(&p);
	}
}

CASE("features that change between two questions are those of the first")
{
	struct peer p;
	char address[150];
	peer_start(&p);
	uint64_t first = p.features;
	snprintf(address, sizeof(address), "vhost-user:%s,packed_vq=1,mrg_rxbuf=1", p.path);
	ok(vionet_probe(address, &port));
	p.features = UINT64_MAX;
	ok(vionet_init(port, NULL));
	same(p.negotiated & ~first, 0);
	ok(vionet_start(port));
	frames_pass(&p);
	vionet_close(port);
	peer_end(&p);
}

/* Only NEEDS_RESET (64) asks for something. */
CASE("a status that changes by itself takes no packet and no queue away")
{
	static const uint32_t values[] = {0, 1, 7, 11, 0x80, 0xbf};
	struct peer p;
	char address[150];
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	ok(vionet_open(address, &port));
	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		p.status = values[i];
		same(vionet_event_handle(port), 0);
		frames_pass(&p);
		ok(vionet_stop(port));
		ok(vionet_start(port));
		frames_pass(&p);
	}
	p.status |= 64;
	same(vionet_event_handle(port), 1);
	frames_pass(&p);
	vionet_close(port);
	peer_end(&p);
}

static _Atomic unsigned int signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* Without SA_RESTART each of them ends a call of the kernel that waits. */
CASE("a storm of signals changes no call's result")
{
	struct sigaction action = {.sa_handler = count_signal};
	struct itimerval every = {{0, 500}, {0, 500}};
	struct vionet_packet *packet;
	sigset_t alarm_only;
	struct control c;
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL); /* in the threads of the back-end, too */
	control_start(&c, BIT(F_CTRL_RX), 1);
	same(sigaction(SIGALRM, &action, NULL), 0);
	same(setitimer(ITIMER_REAL, &every, NULL), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	for (unsigned int i = 0; i < 30 || signals < 200; i++) {
		port = control_port(&c, ",cq=1");
		ok(vionet_start(port));
		ok(vionet_promiscuous_set(port, 1));
		same(vionet_rx_wait(port, 0, 5), 0);
		frames_pass(&c.peer);
		same(vionet_rx_burst(port, 0, &packet, 1), 0);
		same(vionet_event_handle(port), 0);
		ok(vionet_stop(port));
		vionet_close(port);
		control_forget(&c);
	}
	same(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
	printf("%u signals\n", signals);
	control_end(&c);
}

CASE("a back-end that has no room for any memory is refused")
{
	struct peer p;
	char address[150];
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	p.protocol |= PROTOCOL_SLOTS;
	p.more = optional_request;
	slots = 0;
	err(vionet_probe(address, &port), -EPROTO);
	says("takes no memory");
	slots = 64;
	ok(vionet_open(address, &port));
	frames_pass(&p);
	vionet_close(port);
	peer_end(&p);
}
