/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The road of a packet through the forwarder: from a receive burst to a transmit burst, and when to sleep.
 * The library is reached through a table of functions, so that it does not matter who found them, linker or dlsym().
 */
#ifndef FWD_LOOP_H
#define FWD_LOOP_H

#include "program.h"

#include <poll.h>
#include <string.h>
#include <vionet-control.h>

/* Every function the forwarder calls, once; the programs make a table of it. */
#define VIONET_CALLS(CALL)                                                                                             \
	CALL(open) CALL(close) CALL(error) CALL(info) CALL(stats) CALL(rx_queue_stats) CALL(tx_queue_stats)                    \
	CALL(drop_name) CALL(rx_burst) CALL(tx_burst) CALL(rx_fd) CALL(rx_arm) CALL(event_fd)                 \
	CALL(event_add) CALL(event_remove) CALL(event_handle) CALL(announce) CALL(packet_free_bulk)

/* And of libvionet-control, which a program may do without. */
#define CONTROL_CALLS(CALL)                                                                                            \
	CALL(control_open) CALL(control_fd) CALL(control_process) CALL(control_close) CALL(control_error)

#define MEMBER(name) __typeof__(vionet_##name) *name;
struct vionet_calls {
	VIONET_CALLS(MEMBER)
};
struct control_calls {
	CONTROL_CALLS(MEMBER)
};
#undef MEMBER

#define MAX_BURST 512
#define PATIENCE 50    /* microseconds without a packet before -w sleeps: a wake-up takes about as long */
#define CLOCK_TURNS 64 /* turns between two looks at the clock */

enum mode { MODE_IO, MODE_MACSWAP, MODE_MAC };

/* One of the two devices, and what was lost on the way into it. */
struct end {
	const char *device;
	uint16_t port;
	uint16_t queues;
	uint8_t mac[6];
	uint64_t ring_full;
};

/* What went one way, from one end to the other. */
struct way {
	uint64_t packets, bytes, drops;
};

struct forwarder {
	const struct vionet_calls *vionet;
	const struct control_calls *calls; /* NULL in a program without them */
	const char *control_path;
	struct vionet_control *control; /* NULL: nobody may look at us */
	enum mode mode;
	uint16_t burst;
	bool waiting, quiet;
	double patience; /* seconds */
	int core;
	double seconds;
	int ends; /* 1: packets go back to where they came from */
	struct end end[2];
	struct way last[2]; /* as of the last live line */
	/* First the news of each end, then the control socket if there is one, then packets. */
	struct pollfd sleep_on[3 + 2 * VIONET_MAX_QUEUE_PAIRS];
	nfds_t news_count, sleep_count;
};

static inline void rewrite(enum mode mode, const struct end *out, struct vionet_packet *packet)
{
	uint8_t *destination = packet->data, *source = destination + 6, kept[6];
	if (packet->length < 14)
		return; /* the Ethernet header is split over segments: too odd to care for here */
	if (mode == MODE_MACSWAP) {
		memcpy(kept, destination, 6);
		memcpy(destination, source, 6);
		memcpy(source, kept, 6);
	} else {
		memcpy(source, out->mac, 6);
	}
}

/* One burst from a queue of one end to the other. What tx_burst() does not take is still ours: try again, then drop. */
static inline unsigned int forward(struct forwarder *f, struct end *in, struct end *out, uint16_t queue)
{
	struct vionet_packet *packets[MAX_BURST];
	uint16_t count = f->vionet->rx_burst(in->port, queue, packets, f->burst);
	if (count == 0)
		return 0;
	if (f->mode != MODE_IO)
		for (uint16_t i = 0; i < count; i++)
			rewrite(f->mode, out, packets[i]);
	queue = (uint16_t)(queue % out->queues);
	uint16_t sent = f->vionet->tx_burst(out->port, queue, packets, count);
	uint16_t left = (uint16_t)(count - sent);
	if (left > 0)
		left = (uint16_t)(left - f->vionet->tx_burst(out->port, queue, packets + sent, left));
	if (left > 0)
		f->vionet->packet_free_bulk(packets + count - left, left);
	out->ring_full += left;
	return count;
}

static inline struct end *other(struct forwarder *f, int i)
{
	return &f->end[f->ends - 1 - i];
}

static unsigned int forward_all(struct forwarder *f)
{
	unsigned int moved = 0;
	for (int i = 0; i < f->ends; i++)
		for (uint16_t queue = 0; queue < f->end[i].queues; queue++)
			moved += forward(f, &f->end[i], other(f, i), queue);
	return moved;
}

/*
 * What a device has sent comes back to the pool in a transmit burst and nowhere else. So have one now and then even
 * with nothing to send, or the last packets sent may be those that the receive ring is short of.
 */
static void collect_sent(struct forwarder *f)
{
	struct vionet_packet *none[1];
	for (int i = 0; i < f->ends; i++)
		for (uint16_t queue = 0; queue < f->end[i].queues; queue++)
			f->vionet->tx_burst(f->end[i].port, queue, none, 0);
}

/*
 * A device that has moved to another machine, or whose cable was out, wants its station announced, so that switches find
 * it anew: the port's own address, on which replies to `-m mac` come. Whom we forward for, nobody told us, and they teach
 * the switches with every frame. It is vionet_event_handle() that calls, so this is the sending thread.
 */
static void announce(uint16_t port, int event, void *user)
{
	struct forwarder *f = user;
	if (event == VIONET_EVENT_ANNOUNCE && f->vionet->announce(port, 0, NULL, 0) != 0)
		warnx("port %u: %s", port, f->vionet->error());
}

/*
 * A back-end came or went, a device wants a reset, somebody asks on the control socket: the library sees to it, but it
 * is for us to say when. `ready` is what poll() has returned.
 */
static bool handle_news(struct forwarder *f, int ready)
{
	bool well = true;
	if (ready <= 0)
		return true;
	for (int i = 0; i < f->ends; i++) {
		int result = f->sleep_on[i].revents == 0 ? 0 : f->vionet->event_handle(f->end[i].port);
		if (result < 0)
			warnx("%s: %s", f->end[i].device, f->vionet->error());
		well = well && result != -ENODEV; /* a function that is unplugged does not come back to this port */
	}
	if (f->control != NULL && f->sleep_on[f->ends].revents != 0)
		f->calls->control_process(f->control);
	return well;
}

/*
 * Arms every queue, then sleeps until packets or news come or the time is over. A queue that has packets by now forbids
 * it; one without a back-end cannot be armed. Returns what poll() does.
 */
static int sleep_until(struct forwarder *f, double time)
{
	for (int i = 0; i < f->ends; i++)
		for (uint16_t queue = 0; queue < f->end[i].queues; queue++)
			if (f->vionet->rx_arm(f->end[i].port, queue) > 0)
				return 0;
	double left = time - now();
	return left > 0 && !stop_asked ? poll(f->sleep_on, f->sleep_count, (int)(left * 1000) + 1) : 0;
}

#endif
