/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-fwd-control - forward packets between two devices while others look at the ports and set them
 *
 * Three calls open a control socket and serve it from the program's own loop.
 *
 *     cc vionet-fwd-control.c $(pkg-config --cflags --libs vionet-control) -o vionet-fwd-control
 *     vionet-fwd-control /run/fwd.sock vhost-user:/run/a.sock soft:tap=tap0
 *     vionetctl stats --watch /run/fwd.sock
 */
#include <err.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <vionet-control.h>

#define BURST 32
#define LOOK_TURNS 64 /* turns from one look() to the next, which costs a system call */

struct forwarder {
	const char *device[2];
	uint16_t port[2];
	struct vionet_info info[2];
	int ports; /* 1: packets go back to where they came from */
	struct vionet_control *control;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = signal;
}

/* Forwards one burst, and drops what the other port refuses twice. */
static bool forward(uint16_t in, uint16_t out, uint16_t rx_queue, uint16_t tx_queue)
{
	struct vionet_packet *packets[BURST];
	uint16_t received = vionet_rx_burst(in, rx_queue, packets, BURST), sent = 0;
	for (int attempt = 0; attempt < 2 && sent < received; attempt++)
		sent += vionet_tx_burst(out, tx_queue, packets + sent, received - sent);
	if (sent < received)
		vionet_packet_free_bulk(packets + sent, received - sent);
	return received > 0;
}

static bool forward_all(const struct forwarder *f)
{
	bool moved = false;
	for (int i = 0; i < f->ports; i++) {
		int other = f->ports - 1 - i;
		for (uint16_t queue = 0; queue < f->info[i].queue_pairs; queue++)
			moved |= forward(f->port[i], f->port[other], queue, queue % f->info[other].queue_pairs);
	}
	return moved;
}

/* Sees to what has happened to the ports and to requests on the socket. False if a device is gone for good. */
static bool look(struct forwarder *f)
{
	struct pollfd watched[3] = {{.fd = vionet_control_fd(f->control), .events = POLLIN}};
	bool well = true;
	for (int i = 0; i < f->ports; i++)
		watched[1 + i] = (struct pollfd){.fd = vionet_event_fd(f->port[i]), .events = POLLIN};
	if (poll(watched, 1 + f->ports, 0) <= 0)
		return true;
	if (watched[0].revents != 0)
		vionet_control_process(f->control);
	for (int i = 0; i < f->ports; i++) {
		if (watched[1 + i].revents != 0 && vionet_event_handle(f->port[i]) < 0)
			warnx("%s: %s", f->device[i], vionet_error());
		/* A request may have changed the number of queue pairs. */
		well = vionet_info(f->port[i], &f->info[i]) == 0 && f->info[i].state != VIONET_STATE_BROKEN && well;
	}
	return well;
}

/* Returns sent packets to their pool, which else happens only when more are sent: the receive rings may need them. */
static void collect_sent(const struct forwarder *f)
{
	for (int i = 0; i < f->ports; i++)
		for (uint16_t queue = 0; queue < f->info[i].queue_pairs; queue++)
			vionet_tx_done(f->port[i], queue);
}

static void run(struct forwarder *f)
{
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	for (unsigned int turn = 1; !stopped; turn++) {
		if (!forward_all(f))
			sched_yield(); /* the thread of a soft: device may need this core */
		if (turn % LOOK_TURNS != 0)
			continue;
		collect_sent(f);
		if (!look(f))
			errx(1, "a device is gone or broke the rules");
	}
}

int main(int argc, char **argv)
{
	struct forwarder f = {.ports = argc - 2};
	if (argc < 3 || argc > 4 || argv[1][0] == '-')
		errx(2, "usage: vionet-fwd-control SOCKET DEVICE_A [DEVICE_B]");
	for (int i = 0; i < f.ports; i++) {
		f.device[i] = argv[2 + i];
		f.info[i] = VIONET_SIZED(struct vionet_info);
		if (vionet_open(f.device[i], &f.port[i]) != 0 || vionet_info(f.port[i], &f.info[i]) != 0)
			errx(1, "%s", vionet_error());
	}
	if (vionet_control_open(argv[1], &f.control) != 0)
		errx(1, "%s", vionet_control_error());
	run(&f);
	vionet_control_close(f.control);
	for (int i = 0; i < f.ports; i++)
		vionet_close(f.port[i]);
	return 0;
}
