/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves two joined devices, a and b, and a sink c, on sockets of these names. At SIGUSR1 device b ends, and at SIGUSR2 it
 * comes again: then the link of a goes down and up. At SIGTERM the program prints what a and c have counted.
 */
#include "../support/ok.h"

#include <signal.h>

static uint16_t served(const char *path, const char *wire)
{
	uint16_t device;
	ok(vionet_soft_serve(path, wire, &device));
	return device;
}

static struct vionet_soft_stats counted(uint16_t device)
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	ok(vionet_soft_stats(device, &stats));
	return stats;
}

int main(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	same(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	uint16_t a = served("a", "pipe=x"), b = served("b", "pipe=x"), c = served("c", "sink");
	printf("ready\n");
	fflush(stdout);
	for (int number = 0; number != SIGTERM;) {
		same(sigwait(&set, &number), 0);
		if (number == SIGUSR1)
			vionet_soft_stop(b);
		if (number == SIGUSR2)
			b = served("b", "pipe=x");
	}
	printf("to the driver of a %" PRIu64 "\n", counted(a).to_driver);
	printf("from the driver of c %" PRIu64 "\n", counted(c).from_driver);
	vionet_soft_stop(a);
	vionet_soft_stop(b);
	vionet_soft_stop(c);
	return 0;
}
