/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that does not answer its control queue: the call returns in its time, and packets flow meanwhile, also to
 * threads that sleep until they come, and look at the port now and then.
 */
#include "../support/cases.h"
#include "../support/blocking_calls.h"
#include "../support/control_queue.h"

static const unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0};
static uint16_t port;
static _Atomic int done;
static int answer;
static uint64_t took;

static void *ask(void *unused)
{
	(void)unused;
	uint64_t began = microseconds();
	answer = vionet_promiscuous_set(port, 1);
	took = microseconds() - began;
	if (answer == -ETIMEDOUT)
		says("PROMISC");
	done = 1;
	return NULL;
}

/* One frame in, which wakes a sleeper, and the same one out again. */
static void round_trip(struct peer *p)
{
	struct vionet_packet *packet;
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	unsigned char back[60];
	same(vionet_rx_arm(port, 0), 0);
	yes(vionet_rx_fd(port, 0) >= 0 && vionet_event_fd(port) >= 0);
	deliver(p, frame, sizeof(frame));
	same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	ok(vionet_stats(port, &stats));
	same(collect(p, back, sizeof(back)), sizeof(frame));
	yes(memcmp(back, frame, sizeof(frame)) == 0);
}

CASE("packets flow while a call waits for the device, and the call ends in its time")
{
	pthread_t thread;
	struct control c;
	uint64_t trips = 0;

	control_start(&c, BIT(F_CTRL_RX), 1);
	port = control_port(&c, ",cq=1");
	ok(vionet_start(port));
	ok(vionet_all_multicast_set(port, 1));
	for (int i = 0; i < 1000; i++)
		round_trip(&c.peer);
	commands(&c, "00 01 01\n");

	c.silent = 1;
	same(pthread_create(&thread, NULL, ask, NULL), 0);
	soon(c.silent && waiting(&c.peer, 2) > 0); /* the call waits for its answer */
	while (!done) {
		round_trip(&c.peer);
		trips += !done;
	}
	pthread_join(thread, NULL);
	same(answer, -ETIMEDOUT);
	printf("%" PRIu64 " frames in the %" PRIu64 " ms of the call\n", trips, took / 1000);
	/* The call waits for 3 s; ten times that is a hang, however slow the machine. */
	yes(took > 2900000 && took < 30000000);
	/* Had a round trip waited for the port's lock, only the first would have ended before the call, or none. */
	yes(trips > 2);

	/* A device that still has a command gets no other one, and its late answer lets the queue go on. */
	at_once(err(vionet_all_multicast_set(port, 0), -ETIMEDOUT));
	says("PROMISC");
	says("unanswered");
	c.silent = 0;
	same(eventfd_write(c.peer.ring[2].kick, 1), 0);
	soon(vionet_all_multicast_set(port, 0) == 0);
	ok(vionet_all_multicast_set(port, 1));
	commands(&c, "00 00 01\n 00 01 00\n 00 01 01\n");
	round_trip(&c.peer);

	/* One that has not answered when the port stops does not answer for the next start. */
	c.silent = 1;
	err(vionet_promiscuous_set(port, 1), -ETIMEDOUT);
	c.silent = 0;
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(&c, "00 01 01\n");
	round_trip(&c.peer);
	vionet_close(port);
	control_end(&c);
}

/* An answer that is neither VIRTIO_NET_OK nor VIRTIO_NET_ERR. */
static uint8_t neither(const uint8_t *command, uint32_t length)
{
	return (uint8_t)(command[0] + length * 0 + 0xff);
}

CASE("an answer that means nothing is an error")
{
	struct control c;
	control_start(&c, BIT(F_CTRL_RX), 1);
	port = control_port(&c, ",cq=1");
	c.answer = neither;
	err(vionet_promiscuous_set(port, 1), -EIO);
	c.answer = NULL;
	ok(vionet_promiscuous_set(port, 1));
	vionet_close(port);
	control_end(&c);
}
