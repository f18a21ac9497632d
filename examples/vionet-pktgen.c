/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-pktgen - send or receive as many packets as a device takes or gives, and say how many that was
 *
 * Shows a port with a pool and ring sizes of its own, packets made from scratch, and both bursts at full speed.
 *
 *     vionet-pktgen -m tx -l 64 -t 5 soft:sink
 *     vionet-pktgen -m rx -b 64 -n 1024 -t 5 vhost-user:/run/x.sock
 */
#define _GNU_SOURCE
#include "frame.h"
#include "pktgen-options.h"
#include "samples.h"

#include <vionet.h>

#define CLOCK_TURNS 64 /* bursts between two looks at the clock, which costs as much as some packets */

static uint16_t port = VIONET_PORT_NONE, pool;
static struct vionet_packet *packets[MAX_BURST];
static uint16_t made, sent; /* to transmit: packets in the array, and how many of them the device has */
static double owed;         /* to transmit at a rate: packets that may be made */
static uint8_t headers[FRAME_HEADERS];

/* Fresh packets once the device has the last ones; when its ring is full, the rest of a burst waits its turn. */
static uint16_t transmit(void)
{
	if (sent == made) {
		sent = 0;
		made = vionet_packet_alloc_bulk(pool, packets, owed < wish.burst ? (uint16_t)owed : wish.burst);
		owed -= wish.rate > 0 ? made : 0;
		for (uint16_t i = 0; i < made; i++) {
			uint8_t *frame = vionet_packet_append(packets[i], wish.length);
			if (frame != NULL) /* always: the pool was made for this length */
				memcpy(frame, headers, FRAME_HEADERS);
		}
	}
	/* Called with nothing to send too: that is when sent packets come back to the pool. */
	uint16_t taken = vionet_tx_burst(port, 0, packets + sent, (uint16_t)(made - sent));
	sent = (uint16_t)(sent + taken);
	return taken;
}

static uint16_t receive(void)
{
	uint16_t count = vionet_rx_burst(port, 0, packets, wish.burst);
	vionet_packet_free_bulk(packets, count);
	return count;
}

/* The packets so far; if the device has gone, a sentence and the end. */
static uint64_t counted(void)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	if (vionet_stats(port, &stats) != 0 || vionet_info(port, &info) != 0)
		errx(1, "%s", vionet_error());
	if (info.state != VIONET_STATE_STARTED)
		errx(1, "%s: the device is gone or broke the rules", info.device);
	return wish.transmit ? stats.tx.packets : stats.rx.packets;
}

static void run(struct samples *samples)
{
	unsigned int turns = 0, idle = 0;
	samples_start(samples, wish.seconds > 0 && wish.seconds < 5 ? 0.5 : 1, counted());
	double start = samples->time, before = start;
	owed = wish.rate > 0 ? 0 : wish.burst;

	while (!stop_asked && (wish.seconds <= 0 || samples->time - start < wish.seconds - 0.01)) {
		idle = (wish.transmit ? transmit() : receive()) != 0 ? 0 : idle + 1;
		if (idle >= POLITE_TURNS)
			sched_yield();
		if (wish.rate <= 0 && ++turns % CLOCK_TURNS != 0)
			continue;
		double time = now();
		if (wish.rate > 0 && owed < 1e6) /* a device that is slower than the rate is not flooded later */
			owed += (time - before) * wish.rate;
		before = time;
		if (time - samples->time < samples->interval)
			continue;
		double mpps = samples_add(samples, time, counted());
		if (!wish.quiet)
			printf("%.3f Mpps\n", mpps);
	}
}

/* vionet_open() with a pool and ring sizes of our own. */
static void open_port(const char *device)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_pool_config pool_config = VIONET_SIZED(struct vionet_pool_config);

	/* More packets than both rings hold, so that there is always a burst to fill. */
	pool_config.packets = 2u * wish.descriptors + 9216;
	pool_config.data_size = wish.length > 1984 ? wish.length : 1984;
	pool_config.memory_fd = -1;
	if (vionet_pool_create(&pool_config, &pool) != 0 || vionet_probe(device, &port) != 0)
		errx(1, "%s", vionet_error());
	config.pool = pool;
	config.rx_descriptors = config.tx_descriptors = wish.descriptors;
	if (vionet_init(port, &config) != 0 || vionet_start(port) != 0 || vionet_info(port, &info) != 0)
		errx(1, "%s", vionet_error());
	frame_headers(headers, info.mac, wish.length);
}

static void print_drops(void)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	vionet_stats(port, &stats);
	const uint64_t *dropped = wish.transmit ? stats.tx.dropped : stats.rx.dropped;
	for (unsigned int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		if (dropped[reason] != 0)
			printf("dropped, %s: %" PRIu64 "\n", vionet_drop_name(reason), dropped[reason]);
}

int main(int argc, char **argv)
{
	static struct samples samples;
	read_arguments(argc, argv);
	stop_on_signals();
	open_port(argv[optind]);
	if (wish.core >= 0)
		pin(wish.core);
	run(&samples);
	vionet_packet_free_bulk(packets + sent, (uint16_t)(made - sent));
	print_drops();
	samples_print(&samples);
	vionet_close(port);
	vionet_pool_destroy(pool);
	return 0;
}
