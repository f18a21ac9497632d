/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves a device of our own on a socket until SIGTERM, then prints what it counted.
 *
 *     serve SOCKET WIRE
 */
#include "../abi/ok.h"

#include <signal.h>

static volatile sig_atomic_t stop_asked;

static void ask_stop(int number)
{
	stop_asked = number;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = ask_stop};
	struct vionet_device_stats stats = VIONET_SIZED(struct vionet_device_stats);
	uint16_t device;
	if (argc < 3)
		FAILED("usage: serve SOCKET WIRE");
	sigaction(SIGTERM, &action, NULL);
	ok(vionet_device_serve(argv[1], argv[2], &device));
	printf("ready\n");
	fflush(stdout);
	while (!stop_asked)
		usleep(20000);
	ok(vionet_device_stats(device, &stats));
	printf("to_driver=%" PRIu64 " from_driver=%" PRIu64 " to_driver_drops=%" PRIu64 " from_driver_drops=%" PRIu64
	       " connections=%" PRIu64 "\n",
	       stats.to_driver, stats.from_driver, stats.to_driver_drops, stats.from_driver_drops, stats.connections);
	vionet_device_stop(device);
	return 0;
}
