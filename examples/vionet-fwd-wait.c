/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-fwd-wait - forward packets between two devices: poll while they come, sleep while none do
 *
 * Everything that is not a packet is a descriptor to poll: a timer, what happens to each port, and for each queue packets
 * that come, or room for those that the other port had none for.
 *
 *     cc vionet-fwd-wait.c $(pkg-config --cflags --libs vionet) -o vionet-fwd-wait
 *     vionet-fwd-wait vhost-user:/run/a.sock,recover=auto soft:tap=tap0
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <vionet.h>

#define BURST 32
#define IDLE_TURNS 16 /* turns without a packet before other threads may have the core: a soft: device may need it */
#define LOOK_TURNS 64 /* turns from one look() to the next, which costs a system call */

static const char usage[] =
	"usage: vionet-fwd-wait [-hq] [-p MICROSECONDS] [-t SECONDS] DEVICE_A DEVICE_B\n"
	"  -p  sleep after this time without a packet (50): a wake-up takes about as long\n"
	"  -q  no line each second\n"
	"  -t  stop after this time, not only at SIGINT or SIGTERM";

/* What one receive queue gave and the other port has yet to take: packets from sent to count. */
struct batch {
	struct vionet_packet *packets[BURST];
	uint16_t sent, count;
};

static struct side {
	uint16_t port;
	struct vionet_info info;
	struct batch batches[VIONET_MAX_QUEUE_PAIRS];
	struct pollfd *watched;              /* of the first queue */
	uint64_t refused;                    /* packets dropped because it is gone and its ring is full */
	uint64_t shown_packets, shown_drops; /* as of the last line */
} sides[2] = {{.port = VIONET_PORT_NONE}, {.port = VIONET_PORT_NONE}};

/* The timer, the two ports' events, and all queues. Only before a sleep are all of them looked at. */
static struct pollfd watched[3 + 2 * VIONET_MAX_QUEUE_PAIRS];
static nfds_t watched_count = 3;

static bool quiet;
static uint64_t seconds; /* since the start */
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = signal;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Forwards one burst. The other port takes all of it before the queue is asked for the next one. */
static bool forward(struct side *in, const struct side *out, uint16_t queue)
{
	struct batch *b = &in->batches[queue];
	if (b->sent == b->count) {
		b->sent = 0;
		b->count = vionet_rx_burst(in->port, queue, b->packets, BURST);
	}
	if (b->sent == b->count)
		return false;
	uint16_t sent = vionet_tx_burst(out->port, queue % out->info.queue_pairs, b->packets + b->sent, b->count - b->sent);
	b->sent += sent;
	return sent > 0;
}

static bool forward_all(void)
{
	bool moved = false;
	for (int i = 0; i < 2; i++)
		for (uint16_t queue = 0; queue < sides[i].info.queue_pairs; queue++)
			moved |= forward(&sides[i], &sides[1 - i], queue);
	return moved;
}

/*
 * A device that moved to another machine wants its address announced, so that switches learn where it is now. Called by
 * vionet_event_handle(), so on the thread that sends.
 */
static void announce(uint16_t port, int event, void *user)
{
	(void)user;
	if (event == VIONET_EVENT_ANNOUNCE && vionet_announce(port, 0, NULL, 0) != 0)
		warnx("port %u: %s", port, vionet_error());
}

static bool is_gone(struct side *s)
{
	bool gone = vionet_info(s->port, &s->info) != 0 || s->info.state == VIONET_STATE_BROKEN;
	if (gone)
		warnx("%s: the device is gone or broke the rules", s->info.device);
	return gone;
}

/* What went from one side to the other: each second as a rate, at the end in all. */
static void report(const struct side *in, struct side *out, bool live)
{
	struct vionet_stats from = VIONET_SIZED(struct vionet_stats), to = from;
	vionet_stats(in->port, &from);
	vionet_stats(out->port, &to);
	uint64_t packets = to.tx.packets, drops = out->refused;
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		drops += from.rx.dropped[reason] + to.tx.dropped[reason];
	if (live)
		printf("%s %9" PRIu64 " packets/s %9" PRIu64 " drops/s", in == sides ? "->" : "  <-", packets - out->shown_packets,
		       drops - out->shown_drops);
	else
		printf("%s -> %s: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " drops\n", in->info.device,
		       out->info.device, packets, to.tx.bytes, drops);
	out->shown_packets = packets;
	out->shown_drops = drops;
}

/* Says what the device of a soft: port lost, by the reason, and why its wire carries no more frames. */
static void report_device(struct side *s)
{
	uint64_t values[64];
	char name[VIONET_XSTAT_NAME];
	int count = vionet_xstats(s->port, values, 64);
	for (int id = 0; id < count && id < 64; id++)
		if (values[id] != 0 && vionet_xstat_name(s->port, id, name, sizeof(name)) == 0 && strstr(name, "x_device_drop_"))
			printf("  %s, %s: %" PRIu64 "\n", s->info.device, name, values[id]);
	if (vionet_info(s->port, &s->info) == 0 && s->info.reason[0] != 0)
		printf("  %s: %s\n", s->info.device, s->info.reason);
}

/* Each second. On a terminal the line stays where it is. */
static void report_live(void)
{
	bool terminal = isatty(STDOUT_FILENO);
	fputs(terminal ? "\r" : "", stdout);
	report(&sides[0], &sides[1], true);
	report(&sides[1], &sides[0], true);
	fputs(terminal ? " " : "\n", stdout);
	fflush(stdout);
}

static void drop(struct batch *b)
{
	vionet_packet_free_bulk(b->packets + b->sent, b->count - b->sent);
	b->sent = b->count;
}

/*
 * Asks for a signal when packets come or, while a burst waits for the other port's ring, when that has room. False if that
 * is so already. What waits for a port that is gone is dropped.
 */
static bool prepare_queue(struct side *in, struct side *out, uint16_t queue)
{
	struct batch *b = &in->batches[queue];
	uint16_t out_queue = queue % out->info.queue_pairs;
	int room = b->sent < b->count ? vionet_tx_arm(out->port, out_queue) : -1;
	in->watched[queue].fd = room == 0 ? vionet_tx_fd(out->port, out_queue) : vionet_rx_fd(in->port, queue);
	if (room >= 0)
		return room == 0;
	out->refused += b->count - b->sent;
	drop(b);
	return vionet_rx_arm(in->port, queue) <= 0;
}

/*
 * Prepares all queues for a sleep. Returns sent packets to their pool, too, since no transmit burst does that meanwhile, and
 * receive rings may need them.
 */
static bool prepare_to_sleep(void)
{
	bool idle = true;
	for (int i = 0; i < 2; i++)
		for (uint16_t queue = 0; queue < sides[i].info.queue_pairs; queue++) {
			vionet_tx_done(sides[i].port, queue);
			idle = prepare_queue(&sides[i], &sides[1 - i], queue) && idle;
		}
	return idle;
}

/* Sleeps if there is nothing else to do, then sees to events and the timer. False if a device is gone for good. */
static bool look(bool idle)
{
	bool sleep = idle && prepare_to_sleep() && !stopped, well = true;
	uint64_t ticks;
	/* A signal that comes right before the sleep is seen at the next tick. */
	if (poll(watched, sleep ? watched_count : 3, sleep ? -1 : 0) <= 0)
		return true;
	for (int i = 0; i < 2; i++)
		if (watched[1 + i].revents != 0 && vionet_event_handle(sides[i].port) < 0) {
			warnx("%s: %s", sides[i].info.device, vionet_error());
			well = !is_gone(&sides[i]) && well;
		}
	if (watched[0].revents == 0 || read(watched[0].fd, &ticks, sizeof(ticks)) < 0)
		return well;
	seconds += ticks;
	if (!quiet)
		report_live();
	return !is_gone(&sides[0]) && !is_gone(&sides[1]) && well;
}

static bool run(double patience, uint64_t limit)
{
	unsigned int idle = 0;
	double last_packet = now();
	bool well = true;
	for (unsigned int turn = 1; !stopped && well && seconds < limit; turn++) {
		idle = forward_all() ? 0 : idle + 1;
		if (idle >= IDLE_TURNS)
			sched_yield();
		if (turn % LOOK_TURNS != 0)
			continue;
		double time = now();
		if (idle < LOOK_TURNS)
			last_packet = time;
		well = look(time - last_packet >= patience);
	}
	return well;
}

static bool open_side(int i, const char *device)
{
	struct side *s = &sides[i];
	s->info = VIONET_SIZED(struct vionet_info);
	if (vionet_open(device, &s->port) != 0 || vionet_info(s->port, &s->info) != 0)
		return false;
	watched[1 + i] = (struct pollfd){.fd = vionet_event_fd(s->port), .events = POLLIN};
	s->watched = watched + watched_count;
	for (uint16_t queue = 0; queue < s->info.queue_pairs; queue++) {
		int fd = vionet_rx_fd(s->port, queue);
		if (fd < 0)
			return false;
		watched[watched_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	static const struct itimerspec second = {{1, 0}, {1, 0}};
	int patience = 50, limit = INT32_MAX;
	for (int option; (option = getopt_long(argc, argv, "hp:qt:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'h': puts(usage); return 0;
		case 'p': patience = atoi(optarg); break;
		case 'q': quiet = true; break;
		case 't': limit = atoi(optarg); break;
		default: errx(2, "%s", usage);
		}
	}
	if (argc - optind != 2 || patience < 0 || limit < 1)
		errx(2, "%s", usage);

	bool well = vionet_event_add(announce, NULL) == 0;
	for (int i = 0; i < 2 && well; i++)
		well = open_side(i, argv[optind + i]);
	if (well) {
		signal(SIGINT, stop);
		signal(SIGTERM, stop);
		watched[0] = (struct pollfd){.fd = timerfd_create(CLOCK_MONOTONIC, 0), .events = POLLIN};
		timerfd_settime(watched[0].fd, 0, &second, NULL);
		well = run(patience / 1e6, (uint64_t)limit);
		report(&sides[0], &sides[1], false);
		report(&sides[1], &sides[0], false);
		report_device(&sides[0]);
		report_device(&sides[1]);
	} else {
		warnx("%s", vionet_error());
	}
	for (int i = 0; i < 2; i++) {
		for (uint16_t queue = 0; queue < VIONET_MAX_QUEUE_PAIRS; queue++)
			drop(&sides[i].batches[queue]);
		vionet_close(sides[i].port); /* also what was not opened: any number may be closed */
	}
	return well ? 0 : 1;
}
