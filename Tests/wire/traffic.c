/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One direction, counted: sends frames and waits until the device has them all, or receives until SIGTERM and then until
 * none is left in the ring. Prints its own counts, which must be those of the library's statistics.
 *
 *     traffic DEVICE tx FRAMES LENGTH
 *     traffic DEVICE rx
 */
#include "../support/frame.h"

#include <sched.h>
#include <signal.h>

enum { BURST = 128 };

static volatile sig_atomic_t stop_asked;
static uint16_t port;

static void ask_stop(int number)
{
	stop_asked = number;
}

static void report(const char *what, uint64_t packets, uint64_t bytes, const struct vionet_queue_stats *stats)
{
	uint64_t drops = 0;
	for (int i = 0; i < VIONET_DROP_REASONS; i++)
		drops += stats->dropped[i];
	same(stats->packets, packets);
	same(stats->bytes, bytes);
	printf("%s packets=%" PRIu64 " bytes=%" PRIu64 " drops=%" PRIu64 "\n", what, packets, bytes, drops);
	fflush(stdout);
}

/* Each burst waits until the device has taken the one before: vionet_stop() would drop frames that it has not taken. */
static void transmit(uint32_t frames, uint32_t length)
{
	struct vionet_packet *packets[BURST];
	uint32_t sent = 0;
	while (sent < frames) {
		uint16_t n = 0, taken = 0;
		while (n < BURST && sent + n < frames) {
			packets[n] = frame_packet(0, length, sent + n);
			yes(packets[n] != NULL);
			n++;
		}
		send_all(port, packets, n);
		for (uint64_t end = microseconds() + LONG_WAIT * 1000ull; taken < n; sched_yield()) {
			taken = (uint16_t)(taken + vionet_tx_done(port, 0));
			if (microseconds() > end)
				FAILED("the device took only %u frames of a burst of %u", taken, n);
		}
		sent += n;
	}
	ok(vionet_stop(port));
	struct vionet_stats stats = stats_of(port);
	report("sent", sent, (uint64_t)sent * length, &stats.tx);
}

static void receive(void)
{
	struct vionet_packet *packets[32];
	uint64_t count = 0, bytes = 0;
	/* When it is asked to end, frames may still be on their way. */
	for (uint16_t n = 1; !stop_asked || n > 0 || vionet_rx_wait(port, 0, 1000) > 0;) {
		n = vionet_rx_burst(port, 0, packets, 32);
		for (uint16_t i = 0; i < n; i++)
			bytes += packets[i]->length;
		count += n;
		vionet_packet_free_bulk(packets, n);
	}
	struct vionet_stats stats = stats_of(port);
	report("received", count, bytes, &stats.rx);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = ask_stop};
	if (argc < 3)
		FAILED("usage: traffic DEVICE tx FRAMES LENGTH | traffic DEVICE rx");
	sigaction(SIGTERM, &action, NULL);
	port = opened(argv[1]);
	printf("ready\n");
	fflush(stdout);
	if (strcmp(argv[2], "rx") == 0)
		receive();
	else
		transmit((uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	vionet_close(port);
	return 0;
}
