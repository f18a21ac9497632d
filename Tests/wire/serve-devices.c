/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves devices of our own on sockets until SIGTERM, then prints what each has counted.
 *
 *     serve-devices SOCKET WIRE [SOCKET WIRE...]
 */
#include "../support/ok.h"

#include <signal.h>

static volatile sig_atomic_t stop_asked;

static void ask_stop(int number)
{
	stop_asked = number;
}

static void print_counts(uint16_t device)
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	ok(vionet_soft_stats(device, &stats));
	printf("to_driver=%" PRIu64 " from_driver=%" PRIu64 " to_driver_drops=%" PRIu64 " from_driver_drops=%" PRIu64
	       " connections=%" PRIu64 "\n",
	       stats.to_driver, stats.from_driver, stats.to_driver_drops, stats.from_driver_drops, stats.connections);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = ask_stop};
	uint16_t devices[4];
	int count = (argc - 1) / 2;
	if (count < 1 || count > 4 || argc % 2 == 0)
		FAILED("usage: serve-devices SOCKET WIRE [SOCKET WIRE...]");
	sigaction(SIGTERM, &action, NULL);
	for (int i = 0; i < count; i++)
		ok(vionet_soft_serve(argv[2 * i + 1], argv[2 * i + 2], &devices[i]));
	printf("ready\n");
	fflush(stdout);
	while (!stop_asked)
		usleep(20000);
	for (int i = 0; i < count; i++)
		print_counts(devices[i]);
	for (int i = 0; i < count; i++)
		vionet_soft_stop(devices[i]);
	return 0;
}
