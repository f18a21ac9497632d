/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that does not answer its control queue: the call comes back in its time, and packets flow as if nothing were,
 * also to those who sleep until they come, and look at the port now and then.
 */
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

/* One frame in, of which a sleeper is told, and the same one out again. Returns what the library's calls took. */
static uint64_t round_trip(struct peer *p)
{
	struct vionet_packet *packet;
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	unsigned char back[60];
	uint64_t took, began = microseconds();
	same(vionet_rx_arm(port, 0), 0);
	yes(vionet_rx_fd(port, 0) >= 0 && vionet_event_fd(port) >= 0);
	took = microseconds() - began;
	deliver(p, frame, sizeof(frame));
	began = microseconds();
	same(vionet_rx_wait(port, 0, 2000), 1);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(info_of(port).state, VIONET_STATE_STARTED);
	ok(vionet_stats(port, &stats));
	took += microseconds() - began;
	same(collect(p, back, sizeof(back)), sizeof(frame));
	yes(memcmp(back, frame, sizeof(frame)) == 0);
	return took;
}

static void silent(void)
{
	pthread_t thread;
	struct control c;
	uint64_t trips = 0, slow = 0, before = 0, end;

	control_start(&c, BIT(F_CTRL_RX), 1);
	port = control_port(&c, ",cq=1");
	ok(vionet_start(port));
	ok(vionet_all_multicast_set(port, 1));
	for (end = microseconds() + 1000000; microseconds() < end; before++)
		round_trip(&c.peer);
	commands(&c, "00 01 01\n");

	c.silent = 1;
	same(pthread_create(&thread, NULL, ask, NULL), 0);
	while (!done) {
		slow += round_trip(&c.peer) > 1500000;
		trips++;
	}
	pthread_join(thread, NULL);
	same(answer, -ETIMEDOUT);
	printf("%" PRIu64 " frames in the second before, %" PRIu64 " in the %" PRIu64 " ms of the call\n", before, trips,
	       took / 1000);
	yes(took > 2900000 && took < 4500000);
	/* Whoever took the port's lock would stand still for three seconds; a crowded machine may hold it up for one. */
	same(slow, 0);
	yes(trips * 1000000 / took > before / 2);

	/* Nothing more is asked of a device that still has a command. */
	took = microseconds();
	err(vionet_all_multicast_set(port, 0), -ETIMEDOUT);
	says("unanswered");
	yes(microseconds() - took < 500000);
	c.silent = 0;
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(&c, "00 01 01\n");
	round_trip(&c.peer);
	vionet_close(port);
	control_end(&c);
}

/* A device that says something, but nothing that makes sense, has not answered either. */
static uint8_t neither(const uint8_t *command, uint32_t length)
{
	return (uint8_t)(command[0] + length * 0 + 0xff);
}

static void nonsense(void)
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

int main(void)
{
	silent();
	nonsense();
	return 0;
}
