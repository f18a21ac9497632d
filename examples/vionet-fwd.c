/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-fwd - forward packets between two devices, or send those of one device back into it:
 *     cc vionet-fwd.c $(pkg-config --cflags --libs vionet) -o vionet-fwd
 *     vionet-fwd -m macswap vhost-user:/run/a.sock soft:tap=tap0
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vionet.h>

#define MAX_BURST 512

static const char usage[] =
	"usage: vionet-fwd [-h] [-b BURST] [-m io|macswap|mac] [-t SECONDS] DEVICE_A [DEVICE_B]\n"
	"  -b  packets per burst, 1 to 512 (32)\n"
	"  -m  io: leave frames alone (default); macswap: swap their addresses; mac: the sending port's as source\n"
	"  -t  stop after this time, not only at SIGINT or SIGTERM";

struct side {
	uint16_t port;
	struct vionet_info info;
	time_t handled;   /* when its events were */
	uint64_t refused; /* packets dropped because its ring was full */
};

static bool swap, own_source;
static int burst = 32;
static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }

static void rewrite(uint8_t *header, const uint8_t *mac)
{
	uint8_t destination[6];
	memcpy(destination, header, 6);
	if (swap)
		memcpy(header, header + 6, 6);
	memcpy(header + 6, swap ? destination : mac, 6);
}

/* Forwards one burst. What the other port refuses twice is dropped. */
static bool forward(const struct side *in, struct side *out, uint16_t queue)
{
	struct vionet_packet *packets[MAX_BURST];
	uint16_t received = vionet_rx_burst(in->port, queue, packets, burst), sent = 0;
	for (int i = 0; (swap || own_source) && i < received; i++)
		if (packets[i]->length >= 14)
			rewrite(packets[i]->data, out->info.mac);
	for (int attempt = 0; attempt < 2 && sent < received; attempt++)
		sent += vionet_tx_burst(out->port, queue % out->info.queue_pairs, packets + sent, received - sent);
	if (sent < received)
		vionet_packet_free_bulk(packets + sent, received - sent);
	out->refused += received - sent;
	return received > 0;
}

/* Returns sent packets to the pool. Each second lets the library reconnect or recover; false if the device is gone. */
static bool look_after(struct side *s)
{
	for (uint16_t queue = 0; queue < s->info.queue_pairs; queue++)
		vionet_tx_done(s->port, queue);
	if (s->handled == time(NULL))
		return true;
	s->handled = time(NULL);
	if (vionet_event_handle(s->port) < 0)
		warnx("%s: %s", s->info.device, vionet_error());
	vionet_info(s->port, &s->info);
	if (s->info.state == VIONET_STATE_BROKEN)
		warnx("%s: the device is gone or broke the rules", s->info.device);
	return s->info.state != VIONET_STATE_BROKEN;
}

/* Says what went from one side to the other, by queue if there are several; and what a soft: device lost, and why. */
static void report(struct side *in, const struct side *out)
{
	char name[VIONET_XSTAT_NAME];
	uint64_t values[64] = {0};
	struct vionet_stats from = VIONET_SIZED(struct vionet_stats), to = from;
	struct vionet_queue_stats rx = VIONET_SIZED(struct vionet_queue_stats);
	vionet_stats(in->port, &from);
	vionet_stats(out->port, &to);
	uint64_t drops = out->refused;
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		drops += from.rx.dropped[reason] + to.tx.dropped[reason];
	for (uint16_t queue = 0; in->info.queue_pairs > 1 && vionet_rx_queue_stats(in->port, queue, &rx) == 0; queue++)
		printf("  %s, queue %u: %" PRIu64 " received\n", in->info.device, queue, rx.packets);
	for (int id = 0, known = vionet_xstats(in->port, values, 64); id < known && id < 64; id++)
		if (values[id] != 0 && vionet_xstat_name(in->port, (uint32_t)id, name, sizeof(name)) == 0 && strstr(name, "x_device_drop_"))
			printf("  %s, %s: %" PRIu64 "\n", in->info.device, name, values[id]);
	if (vionet_info(in->port, &in->info) == 0 && in->info.reason[0] != 0)
		printf("  %s: %s\n", in->info.device, in->info.reason);
	printf("%s -> %s: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " drops\n", in->info.device, out->info.device,
	       to.tx.packets, to.tx.bytes, drops);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	struct side sides[2] = {{.info = VIONET_SIZED(struct vionet_info)}, {.info = VIONET_SIZED(struct vionet_info)}};
	const char *mode = "io";
	int seconds = INT32_MAX;
	bool well = true;
	for (int option; (option = getopt_long(argc, argv, "b:hm:t:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'b': burst = atoi(optarg); break;
		case 'h': puts(usage); return 0;
		case 'm': mode = optarg; break;
		case 't': seconds = atoi(optarg); break;
		default: errx(2, "%s", usage);
		}
	}
	swap = strcmp(mode, "macswap") == 0;
	own_source = strcmp(mode, "mac") == 0;
	int count = argc - optind;
	if (count < 1 || count > 2 || burst < 1 || burst > MAX_BURST || seconds < 1 ||
	    (!swap && !own_source && strcmp(mode, "io") != 0))
		errx(2, "%s", usage);
	for (int i = 0; i < count; i++)
		if (vionet_open(argv[optind + i], &sides[i].port) != 0 || vionet_info(sides[i].port, &sides[i].info) != 0)
			errx(1, "%s", vionet_error());
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGALRM, stop);
	alarm(seconds);
	fputs("forwarding\n", stderr);
	for (unsigned int turn = 1, idle = 0; !stopped && well; turn++) {
		bool moved = false;
		for (int i = 0; i < count; i++)
			for (uint16_t queue = 0; queue < sides[i].info.queue_pairs; queue++)
				moved |= forward(&sides[i], &sides[count - 1 - i], queue);
		if ((idle = moved ? 0 : idle + 1) >= 16)
			sched_yield(); /* the thread of a soft: device may need this core */
		for (int i = 0; turn % 64 == 0 && i < count; i++)
			well = look_after(&sides[i]) && well;
	}
	for (int i = 0; i < count; i++)
		report(&sides[i], &sides[count - 1 - i]);
	for (int i = 0; i < count; i++)
		vionet_close(sides[i].port);
	return well ? 0 : 1;
}
