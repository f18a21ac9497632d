/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-pktgen - send or receive as many packets as a device takes or gives, and say how many that were
 *
 * Shows a port with a pool and ring sizes of its own, packets made from scratch, and both bursts at full speed.
 *
 *     cc vionet-pktgen.c $(pkg-config --cflags --libs vionet) -o vionet-pktgen
 *     vionet-pktgen -m tx -l 64 -t 5 soft:sink
 *     vionet-pktgen -m rx -b 64 -n 1024 -t 5 vhost-user:/run/x.sock
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
#include <vionet.h>

#define MAX_BURST 512
#define MAX_SAMPLES 4096
#define HEADERS 42     /* bytes: Ethernet 14, IPv4 20, UDP 8 */
#define IDLE_TURNS 16  /* turns without a packet before other threads may have the core: a soft: device may need it */
#define CLOCK_TURNS 64 /* turns between two looks at the clock, which costs as much as some packets */

static const char usage[] =
	"usage: vionet-pktgen -m tx|rx [-hq] [-l LENGTH] [-b BURST] [-r RATE] [-t SECONDS] [-n SIZE] DEVICE\n"
	"  -m  tx: send; rx: receive\n"
	"  -l  bytes of a frame without its checksum, 64 to 9000 (64)\n"
	"  -b  packets per burst, 1 to 512 (32)\n"
	"  -r  packets per second to send (0: as many as the device takes)\n"
	"  -t  stop after this time (0: at SIGINT or SIGTERM)\n"
	"  -n  descriptors per ring, a power of two, 2 to 32768 (0: as the device address says)\n"
	"  -q  no line for each sample";

static struct {
	bool transmit, receive; /* one of them */
	bool quiet;
	uint32_t length;
	uint16_t burst, descriptors;
	double rate, seconds;
} options = {.length = 64, .burst = 32};

static uint16_t port = VIONET_PORT_NONE, pool;
static struct vionet_packet *packets[MAX_BURST];
static uint16_t made, sent; /* to transmit: packets in the array, and how many of them the device has */
static double owed;         /* to transmit at a rate: packets that are due */
static uint8_t headers[HEADERS];
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

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The headers of a frame of that length. There is no UDP checksum, so that any bytes may follow. */
static void make_headers(const uint8_t source[6], uint32_t length)
{
	static const uint8_t start[HEADERS] = {
		0x02, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0x08, 0x00, /* a local address, the port's own (below), IPv4 */
		0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0,           /* 20 bytes, do not fragment, 64 hops, UDP */
		198, 18, 0, 1, 198, 18, 0, 2,                         /* addresses set aside for measuring (RFC 2544) */
		0x04, 0x00, 0, 9, 0, 0, 0, 0,                         /* port 1024 to the discard port */
	};
	uint32_t sum = 0;
	memcpy(headers, start, HEADERS);
	memcpy(headers + 6, source, 6);
	put16(headers + 16, length - 14);
	put16(headers + 38, length - 34);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)headers[i] << 8 | headers[i + 1];
	put16(headers + 24, ~((sum & 0xffff) + (sum >> 16)));
}

/* New packets once the device has the last ones. While its ring is full, the rest of a burst waits. */
static uint16_t transmit(void)
{
	if (sent == made) {
		sent = 0;
		made = vionet_packet_alloc_bulk(pool, packets, owed < options.burst ? (uint16_t)owed : options.burst);
		owed -= options.rate > 0 ? made : 0;
		for (uint16_t i = 0; i < made; i++) {
			uint8_t *frame = vionet_packet_append(packets[i], options.length);
			if (frame != NULL) /* always: the pool was made for this length */
				memcpy(frame, headers, HEADERS);
		}
	}
	/* Also called with nothing to send: that is when sent packets come back to the pool. */
	uint16_t taken = vionet_tx_burst(port, 0, packets + sent, (uint16_t)(made - sent));
	sent = (uint16_t)(sent + taken);
	return taken;
}

static uint16_t receive(void)
{
	uint16_t count = vionet_rx_burst(port, 0, packets, options.burst);
	vionet_packet_free_bulk(packets, count);
	return count;
}

/* ---- samples: the packet counter in equal intervals, of which the median counts ------------------------------------------ */

static double samples[MAX_SAMPLES]; /* millions of packets per second; the latest ones of a long run */
static size_t sample_count;

/* The packets so far; the program ends if the device has gone. */
static uint64_t counted(void)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	if (vionet_stats(port, &stats) != 0 || vionet_info(port, &info) != 0)
		errx(1, "%s", vionet_error());
	if (info.state != VIONET_STATE_STARTED)
		errx(1, "%s: the device is gone or broke the rules", info.device);
	return options.transmit ? stats.tx.packets : stats.rx.packets;
}

static void add_sample(double mpps)
{
	samples[sample_count++ % MAX_SAMPLES] = mpps;
	if (!options.quiet)
		printf("%.3f Mpps\n", mpps);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(void)
{
	size_t count = sample_count < MAX_SAMPLES ? sample_count : MAX_SAMPLES;
	qsort(samples, count, sizeof(samples[0]), compare);
	return count == 0 ? 0 : (samples[(count - 1) / 2] + samples[count / 2]) / 2;
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

/* Returns how many packets went, by the port's counter. */
static uint64_t run(void)
{
	double interval = options.seconds > 0 && options.seconds < 5 ? 0.5 : 1;
	double start = now(), before = start, sampled = start;
	uint64_t first = counted(), last = first;
	unsigned int turns = 0, idle = 0;

	owed = options.rate > 0 ? 0 : options.burst;
	while (!stopped && (options.seconds <= 0 || sampled - start < options.seconds - 0.01)) {
		idle = (options.transmit ? transmit() : receive()) != 0 ? 0 : idle + 1;
		if (idle >= IDLE_TURNS)
			sched_yield();
		if (options.rate <= 0 && ++turns % CLOCK_TURNS != 0)
			continue;
		double time = now();
		if (options.rate > 0 && owed < 1e6) /* a device that was slower than the rate is not flooded later */
			owed += (time - before) * options.rate;
		before = time;
		if (time - sampled < interval)
			continue;
		uint64_t packets_now = counted();
		add_sample((double)(packets_now - last) / (time - sampled) / 1e6);
		last = packets_now;
		sampled = time;
	}
	return last - first;
}

/* Does what vionet_open() does, with a pool and ring sizes of our own. */
static void open_port(const char *device)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_pool_config pool_config = VIONET_SIZED(struct vionet_pool_config);

	/* More packets than both rings hold, so that there is always a burst to fill. */
	pool_config.packets = 2u * options.descriptors + 9216;
	pool_config.data_size = options.length > 1984 ? options.length : 1984;
	pool_config.memory_fd = -1;
	if (vionet_pool_create(&pool_config, &pool) != 0 || vionet_probe(device, &port) != 0)
		errx(1, "%s", vionet_error());
	config.pool = pool;
	config.rx_descriptors = config.tx_descriptors = options.descriptors;
	if (vionet_init(port, &config) != 0 || vionet_start(port) != 0 || vionet_info(port, &info) != 0)
		errx(1, "%s", vionet_error());
	make_headers(info.mac, options.length);
}

static void print_drops(void)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	vionet_stats(port, &stats);
	const uint64_t *dropped = options.transmit ? stats.tx.dropped : stats.rx.dropped;
	for (unsigned int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		if (dropped[reason] != 0)
			printf("dropped, %s: %" PRIu64 "\n", vionet_drop_name(reason), dropped[reason]);
}

static uint32_t number(const char *what, const char *text, uint32_t least, uint32_t most)
{
	char *end;
	long long value = strtoll(text, &end, 10);
	if (*end != '\0' || value < least || value > most)
		errx(2, "%s goes from %u to %u, and %s does not\n%s", what, least, most, text, usage);
	return (uint32_t)value;
}

static void read_arguments(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	for (int option; (option = getopt_long(argc, argv, "b:hl:m:n:qr:t:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'b': options.burst = (uint16_t)number("-b", optarg, 1, MAX_BURST); break;
		case 'h': puts(usage); exit(0);
		case 'l': options.length = number("-l", optarg, 64, 9000); break;
		case 'm':
			options.transmit = strcmp(optarg, "tx") == 0;
			options.receive = strcmp(optarg, "rx") == 0;
			break;
		case 'n': options.descriptors = (uint16_t)number("-n", optarg, 0, 32768); break;
		case 'q': options.quiet = true; break;
		case 'r': options.rate = number("-r", optarg, 0, 1000000000); break;
		case 't': options.seconds = number("-t", optarg, 0, 1000000000); break;
		default: errx(2, "%s", usage);
		}
	}
	if (argc - optind != 1 || options.transmit == options.receive)
		errx(2, "%s", usage);
}

int main(int argc, char **argv)
{
	read_arguments(argc, argv);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	open_port(argv[optind]);
	uint64_t count = run();
	vionet_packet_free_bulk(packets + sent, (uint16_t)(made - sent));
	print_drops();
	printf("median %.3f Mpps, %zu samples, %" PRIu64 " packets\n", median(), sample_count, count);
	vionet_close(port);
	vionet_pool_destroy(pool);
	return 0;
}
