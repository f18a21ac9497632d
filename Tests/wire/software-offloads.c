/* SPDX-License-Identifier: BSD-2-Clause */
/* Forwards between two devices until SIGTERM, then says what each port sent, and what it dropped for which reason. */
#include "../support/ok.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>

static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }

/* Moves one burst, and waits for room in the ring, so that nothing is lost here. */
static int forward(uint16_t in, uint16_t out)
{
	struct vionet_packet *packets[32];
	uint16_t n = vionet_rx_burst(in, 0, packets, 32), sent = 0;
	while (sent < n && !stopped) {
		uint16_t taken = vionet_tx_burst(out, 0, packets + sent, (uint16_t)(n - sent));
		sent = (uint16_t)(sent + taken);
		if (taken == 0)
			sched_yield();
	}
	vionet_packet_free_bulk(packets + sent, (uint16_t)(n - sent));
	vionet_tx_done(out, 0);
	return n;
}

int main(int argc, char **argv)
{
	uint16_t port[2];
	if (argc != 3)
		return 2;
	for (int i = 0; i < 2; i++)
		ok(vionet_open(argv[i + 1], &port[i]));
	signal(SIGTERM, stop);
	while (!stopped) {
		if (forward(port[0], port[1]) + forward(port[1], port[0]) > 0)
			continue;
		struct pollfd fds[2] = {{vionet_rx_fd(port[0], 0), POLLIN, 0}, {vionet_rx_fd(port[1], 0), POLLIN, 0}};
		if (vionet_rx_arm(port[0], 0) == 0 && vionet_rx_arm(port[1], 0) == 0)
			poll(fds, 2, 20);
	}
	for (int i = 0; i < 2; i++) {
		struct vionet_stats s = VIONET_SIZED(struct vionet_stats);
		ok(vionet_stats(port[i], &s));
		printf("port %d sent %" PRIu64, i, s.tx.packets);
		for (unsigned int reason = 0; reason < VIONET_DROP_REASONS; reason++)
			if (s.tx.dropped[reason] != 0)
				printf(", dropped %" PRIu64 " as %s", s.tx.dropped[reason], vionet_drop_name(reason));
		puts("");
		vionet_close(port[i]);
	}
	return 0;
}
