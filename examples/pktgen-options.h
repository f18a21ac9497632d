/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user of vionet-pktgen wishes, and how to say it. */
#ifndef PKTGEN_OPTIONS_H
#define PKTGEN_OPTIONS_H

#include "program.h"

#include <string.h>
#include <unistd.h>

#define MAX_BURST 512

static struct {
	bool transmit, receive; /* one of them */
	bool quiet;
	uint32_t length;
	uint16_t burst, descriptors;
	double rate, seconds;
	int core;
} wish = {.length = 64, .burst = 32, .core = -1};

_Noreturn static void usage(int status)
{
	fputs("usage: vionet-pktgen -m tx|rx [-hq] [-l length] [-b burst] [-r rate] [-t seconds] [-c core] [-n size]\n"
	      "                     DEVICE\n"
	      "  -m  tx: send; rx: receive\n"
	      "  -l  bytes of a frame without its checksum, 64 to 9000 (64)\n"
	      "  -b  packets per burst, 1 to 512 (32)\n"
	      "  -r  packets per second to send (0: as many as go)\n"
	      "  -t  stop after so many seconds (0: at SIGINT or SIGTERM)\n"
	      "  -c  run on this core\n"
	      "  -n  descriptors per ring, a power of two, 2 to 32768 (0: as the address says)\n"
	      "  -q  no line for each sample\n",
	      status == 0 ? stdout : stderr);
	exit(status);
}

static void read_arguments(int argc, char **argv)
{
	for (int option; (option = getopt_long(argc, argv, "b:c:hl:m:n:qr:t:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'b': wish.burst = (uint16_t)number("burst", optarg, 1, MAX_BURST); break;
		case 'c': wish.core = (int)number("core", optarg, 0, CPU_SETSIZE - 1); break;
		case 'l': wish.length = (uint32_t)number("length", optarg, 64, 9000); break;
		case 'm':
			wish.transmit = strcmp(optarg, "tx") == 0;
			wish.receive = strcmp(optarg, "rx") == 0;
			break;
		case 'n': wish.descriptors = (uint16_t)number("size", optarg, 0, 32768); break;
		case 'q': wish.quiet = true; break;
		case 'r': wish.rate = (double)number("rate", optarg, 0, 1000000000); break;
		case 't': wish.seconds = (double)number("time", optarg, 0, 1000000000); break;
		default: usage(option == 'h' ? 0 : 2);
		}
	}
	if (wish.transmit == wish.receive)
		warnx("-m tx or -m rx is needed");
	if (argc - optind != 1 || wish.transmit == wish.receive)
		usage(2);
}

#endif
