/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves one of this library's devices on one core until it is ended.
 *
 *     device --core N SOCKET WIRE
 */
#define _GNU_SOURCE 1
#include "worker.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vionet.h>

int main(int argc, char **argv)
{
	uint16_t device;
	if (argc != 5 || strcmp(argv[1], "--core") != 0)
		errx(1, "usage: device --core N SOCKET WIRE");
	pin_to(atoi(argv[2]));
	if (vionet_soft_serve(argv[3], argv[4], &device) != 0)
		errx(1, "%s", vionet_error());
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
