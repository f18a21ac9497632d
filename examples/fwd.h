/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program around fwd-loop.h that vionet-fwd.c and vionet-fwd-dlopen.c share: its reports, arguments and ends.
 */
#ifndef FWD_H
#define FWD_H

#include "fwd-loop.h"

#include <unistd.h>

/* ---- reports ----------------------------------------------------------------------------------------------------- */

static uint64_t sum_drops(const struct vionet_queue_stats *stats)
{
	uint64_t sum = 0;
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		sum += stats->dropped[reason];
	return sum;
}

/* The way out of end i, as counted by the port it leads into. */
static struct way way_from(struct forwarder *f, int i)
{
	struct vionet_stats in = VIONET_SIZED(struct vionet_stats), out = VIONET_SIZED(struct vionet_stats);
	f->vionet->stats(f->end[i].port, &in);
	f->vionet->stats(other(f, i)->port, &out);
	uint64_t drops = sum_drops(&in.rx) + sum_drops(&out.tx) + other(f, i)->ring_full;
	return (struct way){out.tx.packets, out.tx.bytes, drops};
}

static void print_rate(double rate, const char *unit)
{
	static const char scales[] = " kMGT";
	int scale = 0;
	for (; rate >= 1000 && scale < 4; scale++)
		rate /= 1000;
	printf(" %5.1f%c %s/s", rate, scales[scale], unit);
}

/* Packets, bytes and drops each way since the last call; on a terminal the line stays where it is. */
static void print_live(struct forwarder *f, double seconds)
{
	bool terminal = isatty(STDOUT_FILENO);
	printf("%s", terminal ? "\r\033[K" : "");
	for (int i = 0; i < f->ends; i++) {
		struct way is = way_from(f, i), was = f->last[i];
		printf("%s", i == 0 ? "->" : "  <-");
		print_rate((double)(is.packets - was.packets) / seconds, "pkt");
		print_rate((double)(is.bytes - was.bytes) / seconds, "B");
		print_rate((double)(is.drops - was.drops) / seconds, "drop");
		f->last[i] = is;
	}
	printf("%s", terminal ? "" : "\n");
	fflush(stdout);
}

static void print_reasons(struct forwarder *f, const char *direction, const struct vionet_queue_stats *stats)
{
	for (unsigned int reason = 0; reason < VIONET_DROP_REASONS; reason++) {
		const char *name = f->vionet->drop_name(reason);
		uint64_t dropped = stats->dropped[reason];
		if (dropped != 0)
			printf("  %s, %s: %" PRIu64 "\n", direction, name != NULL ? name : "other", dropped);
	}
	if (stats->no_buffer != 0)
		printf("  %s, out of buffers: %" PRIu64 " times, no drop by itself\n", direction, stats->no_buffer);
}

static void print_queues(struct forwarder *f, const struct end *end)
{
	for (uint16_t queue = 0; end->queues > 1 && queue < end->queues; queue++) {
		struct vionet_queue_stats rx = VIONET_SIZED(struct vionet_queue_stats), tx = rx;
		if (f->vionet->rx_queue_stats(end->port, queue, &rx) == 0 && f->vionet->tx_queue_stats(end->port, queue, &tx) == 0)
			printf("  %s, queue %u: %" PRIu64 " received, %" PRIu64 " sent\n", end->device, queue, rx.packets, tx.packets);
	}
}

static void print_summary(struct forwarder *f)
{
	for (int i = 0; i < f->ends; i++) {
		print_queues(f, &f->end[i]);
		struct vionet_stats in = VIONET_SIZED(struct vionet_stats), out = VIONET_SIZED(struct vionet_stats);
		struct way way = way_from(f, i);
		printf("%s -> %s: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " drops\n", f->end[i].device,
		       other(f, i)->device, way.packets, way.bytes, way.drops);
		if (f->vionet->stats(f->end[i].port, &in) == 0)
			print_reasons(f, "received", &in.rx);
		if (f->vionet->stats(other(f, i)->port, &out) == 0)
			print_reasons(f, "to send", &out.tx);
		if (other(f, i)->ring_full != 0)
			printf("  to send, ring full: %" PRIu64 "\n", other(f, i)->ring_full);
	}
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

/* Bursts on a broken port return 0 for ever, so somebody has to ask. One that waits will have a back-end again. */
static bool all_well(struct forwarder *f)
{
	for (int i = 0; i < f->ends; i++) {
		struct vionet_info info = VIONET_SIZED(struct vionet_info);
		if (f->vionet->info(f->end[i].port, &info) != 0 ||
		    (info.state != VIONET_STATE_STARTED && info.state != VIONET_STATE_WAITING)) {
			warnx("%s: the device is gone or broke the rules", f->end[i].device);
			return false;
		}
		memcpy(f->end[i].mac, info.mac, 6); /* known once a back-end is there */
	}
	return true;
}

static bool run(struct forwarder *f)
{
	double start = now(), end = f->seconds > 0 ? start + f->seconds : 1e300;
	double line = start, next = start + 1 < end ? start + 1 : end;
	double idle_since = start;
	unsigned int turns = 0, idle = 0;
	bool well = true;

	while (!stop_asked && well) {
		idle = forward_all(f) != 0 ? 0 : idle + 1;
		if (f->waiting && idle == 1)
			idle_since = now();
		if (f->waiting && idle > 1 && now() - idle_since >= f->patience) {
			collect_sent(f);
			well = handle_news(f, sleep_until(f, next));
			idle = 0;
		} else {
			if (idle >= POLITE_TURNS)
				sched_yield();
			if (++turns % CLOCK_TURNS != 0)
				continue;
			collect_sent(f);
			well = handle_news(f, poll(f->sleep_on, f->news_count, 0));
		}
		double time = now();
		if (time < next)
			continue;
		if (!f->quiet)
			print_live(f, time - line);
		if (time >= end)
			break;
		well = all_well(f) && well;
		line = time;
		next = time + 1 < end ? time + 1 : end;
	}
	if (!f->quiet && isatty(STDOUT_FILENO))
		putchar('\n');
	return well;
}

static bool open_control(struct forwarder *f)
{
	if (f->control_path == NULL)
		return true;
	if (f->calls == NULL)
		warnx("--control: this program is without libvionet-control");
	else if (f->calls->control_open(f->control_path, &f->control) != 0)
		warnx("%s", f->calls->control_error());
	else
		f->sleep_on[f->ends] = (struct pollfd){.fd = f->calls->control_fd(f->control), .events = POLLIN};
	return f->control != NULL;
}

static bool open_end(struct forwarder *f, struct end *end)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	if (f->vionet->open(end->device, &end->port) != 0 || f->vionet->info(end->port, &info) != 0)
		return false;
	end->queues = info.queue_pairs;
	memcpy(end->mac, info.mac, 6);
	f->sleep_on[end - f->end] = (struct pollfd){.fd = f->vionet->event_fd(end->port), .events = POLLIN};
	for (uint16_t queue = 0; f->waiting && queue < end->queues; queue++) {
		int fd = f->vionet->rx_fd(end->port, queue);
		if (fd < 0)
			return false;
		f->sleep_on[f->sleep_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	return true;
}

_Noreturn static void usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
	        "usage: %s [-hqw] [-p microseconds] [-m io|macswap|mac] [-b burst] [-t seconds] [-c core] [--control path] DEVICE_A [DEVICE_B]\n"
	        "  -m  io: leave frames alone (default); macswap: swap addresses; mac: the out port's as source\n"
	        "  -b  packets per burst, 1 to %d (32)\n"
	        "  -t  stop after so many seconds (0: at SIGINT or SIGTERM)\n"
	        "  -c  run on this core\n"
	        "  -w  adaptive: ask for packets while they come, sleep until the next when none came for a while\n"
	        "  -p  that while, in microseconds (%d); 0: sleep at once\n"
	        "  -q  no line each second\n"
	        "  --control  a socket to be made there, for vionetctl stats, set and events, and for Prometheus\n"
	        "With one device its packets go back into it. A vhost-user device with recover=auto or server=1 may come\n"
	        "and go: the program waits for it.\n",
	        program_invocation_short_name, MAX_BURST, PATIENCE);
	exit(status);
}

static enum mode mode_named(const char *name)
{
	static const char *const names[] = {"io", "macswap", "mac"};
	for (int mode = MODE_IO; mode <= MODE_MAC; mode++)
		if (strcmp(name, names[mode]) == 0)
			return (enum mode)mode;
	warnx("mode %s is none of io, macswap, mac", name);
	usage(2);
}

static void read_arguments(struct forwarder *f, int argc, char **argv)
{
	static const struct option longer[] = {{"control", required_argument, NULL, 'C'}, {"help", no_argument, NULL, 'h'}, {0}};
	for (int option; (option = getopt_long(argc, argv, "b:c:hm:p:qt:w", longer, NULL)) != -1;) {
		switch (option) {
		case 'b': f->burst = (uint16_t)number("burst", optarg, 1, MAX_BURST); break;
		case 'C': f->control_path = optarg; break;
		case 'c': f->core = (int)number("core", optarg, 0, CPU_SETSIZE - 1); break;
		case 'm': f->mode = mode_named(optarg); break;
		case 'p': f->patience = (double)number("patience", optarg, 0, 1000000) / 1e6; break;
		case 'q': f->quiet = true; break;
		case 't': f->seconds = (double)number("time", optarg, 0, 1000000000); break;
		case 'w': f->waiting = true; break;
		default: usage(option == 'h' ? 0 : 2);
		}
	}
	f->ends = argc - optind;
	if (f->ends < 1 || f->ends > 2)
		usage(2);
	f->news_count = (nfds_t)f->ends + (f->control_path != NULL);
	f->sleep_count = f->news_count;
	for (int i = 0; i < f->ends; i++)
		f->end[i] = (struct end){.device = argv[optind + i], .port = VIONET_PORT_NONE};
}

static int forwarder_main(int argc, char **argv, const struct vionet_calls *vionet,
                          const struct control_calls *control)
{
	struct forwarder f = {.vionet = vionet, .calls = control, .burst = 32, .core = -1,
	                      .patience = PATIENCE / 1e6};
	bool good = vionet->event_add(announce, &f) == 0;

	read_arguments(&f, argc, argv);
	stop_on_signals();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < f.ends && good; i++)
		good = open_end(&f, &f.end[i]);
	if (!good) {
		warnx("%s", vionet->error());
	} else if ((good = open_control(&f))) {
		if (f.core >= 0)
			pin(f.core);
		good = run(&f);
		print_summary(&f);
	}
	if (f.control != NULL)
		control->control_close(f.control);
	for (int i = 0; i < f.ends; i++) /* also what was not opened: any number may be closed */
		vionet->close(f.end[i].port);
	vionet->event_remove(announce, &f);
	return good ? 0 : 1;
}

#endif
