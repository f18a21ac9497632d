/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-l2fwd - forward between pairs of devices and write addresses as DPDK's l2fwd does:
 *     cc vionet-l2fwd.c $(pkg-config --cflags --libs vionet) -pthread -o vionet-l2fwd
 *     vionet-l2fwd -q 2 vhost-user:/run/a.sock vhost-user:/run/b.sock
 *
 * What the first device receives the second one sends, and the other way round; and so on in pairs. A last device without
 * a partner gets its own frames back.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vionet.h>

#define BURST 32
#define MAX_DEVICES 32

static const char usage[] =
	"usage: vionet-l2fwd [-hn] [-q COUNT] [-T SECONDS] DEVICE...\n"
	"  -n  leave addresses alone, instead of the sending port's as source and 02:00:00:00:00:PORT as destination\n"
	"  -q  devices per thread (1)\n"
	"  -T  print statistics every so many seconds; 0: at the end only (10)";

static struct side {
	uint16_t port, to; /* to: the place in this list of the device that sends what this one receives */
	struct vionet_info info;
	_Atomic uint64_t refused; /* packets dropped because this port's ring was full */
} sides[MAX_DEVICES];
static int count, per_thread = 1;
static bool keep_addresses;
static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }

static bool forward(const struct side *in, struct side *out)
{
	struct vionet_packet *packets[BURST];
	uint16_t received = vionet_rx_burst(in->port, 0, packets, BURST);
	for (int i = 0; !keep_addresses && i < received; i++) {
		if (packets[i]->length < 14)
			continue;
		const uint8_t destination[6] = {2, 0, 0, 0, 0, (uint8_t)out->port};
		memcpy(packets[i]->data, destination, 6);
		memcpy((uint8_t *)packets[i]->data + 6, out->info.mac, 6);
	}
	uint16_t sent = vionet_tx_burst(out->port, 0, packets, received);
	vionet_packet_free_bulk(packets + sent, received - sent);
	out->refused += received - sent;
	return received > 0;
}

/* One thread receives from its devices. It alone sends to their partners, so no queue has two threads. */
static void *run(void *first)
{
	for (unsigned int idle = 0; !stopped;) {
		bool moved = false;
		for (struct side *in = first; in < sides + count && in < (struct side *)first + per_thread; in++)
			moved |= forward(in, &sides[in->to]);
		if ((idle = moved ? 0 : idle + 1) >= 16)
			sched_yield(); /* the thread of a soft: device may need this core */
	}
	return NULL;
}

static void report(void)
{
	for (struct side *s = sides; s < sides + count; s++) {
		struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
		vionet_stats(s->port, &stats);
		uint64_t dropped = s->refused;
		for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
			dropped += stats.tx.dropped[reason];
		printf("port %u: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " dropped: %s\n", s->port, stats.tx.packets,
		       stats.rx.packets, dropped, s->info.device);
	}
	fflush(stdout);
}

/* Lets the library reconnect or recover; false if a device is gone. */
static bool look_after(struct side *s)
{
	struct vionet_info now = VIONET_SIZED(struct vionet_info);
	if (vionet_event_handle(s->port) < 0 || vionet_info(s->port, &now) < 0)
		warnx("%s: %s", s->info.device, vionet_error());
	return now.state != VIONET_STATE_BROKEN;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	pthread_t threads[MAX_DEVICES];
	int period = 10, started = 0;
	bool well = true;
	for (int option; (option = getopt_long(argc, argv, "hnq:T:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'h': puts(usage); return 0;
		case 'n': keep_addresses = true; break;
		case 'q': per_thread = atoi(optarg); break;
		case 'T': period = strcmp(optarg, "0") == 0 ? INT32_MAX : atoi(optarg); break;
		default: errx(2, "%s", usage);
		}
	}
	count = argc - optind;
	if (count < 1 || count > MAX_DEVICES || per_thread < 1 || per_thread > MAX_DEVICES || period < 1)
		errx(2, "%s", usage);
	for (int i = 0; i < count; i++) {
		sides[i].info = VIONET_SIZED(struct vionet_info);
		sides[i].to = (uint16_t)((i ^ 1) < count ? i ^ 1 : i);
		if (vionet_open(argv[optind + i], &sides[i].port) != 0 || vionet_info(sides[i].port, &sides[i].info) != 0)
			errx(1, "%s", vionet_error());
	}
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	for (int i = 0; i < count; i += per_thread)
		if ((errno = pthread_create(&threads[started++], NULL, run, &sides[i])) != 0)
			err(1, "pthread_create");
	fputs("forwarding\n", stderr);
	for (int second = 1; !stopped && well; second++) {
		sleep(1);
		for (int i = 0; i < count; i++)
			well = look_after(&sides[i]) && well;
		if (second % period == 0)
			report();
	}
	stopped = 1;
	while (started > 0)
		pthread_join(threads[--started], NULL);
	report();
	for (int i = 0; i < count; i++)
		vionet_close(sides[i].port);
	return well ? 0 : 1;
}
