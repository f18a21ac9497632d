/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-info - what a device is and offers, and what was agreed with it
 *
 * Shows the steps of a port's life one by one: vionet_probe, vionet_init, with -s vionet_start, vionet_close.
 *
 *     cc vionet-info.c $(pkg-config --cflags --libs vionet) -o vionet-info
 *     vionet-info soft:loopback
 *     vionet-info -s vhost-user:/run/x.sock,queues=2 soft:tap=tap0
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <vionet.h>

static const char usage[] =
	"usage: vionet-info [-hs] DEVICE...\n"
	"  -s  start each device too, which chooses the burst functions\n"
	"DEVICE is scheme:target,key=value,... such as soft:loopback or vhost-user:/run/x.sock,queues=2";

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {"unknown", "attached", "initialised", "started", "stopped", "broken",
	                                    "waiting"};
	return names[state < sizeof(names) / sizeof(names[0]) ? state : 0];
}

static const char *ring_name(uint32_t ring)
{
	static const char *const names[] = {"none yet", "split", "packed"};
	return ring < sizeof(names) / sizeof(names[0]) ? names[ring] : "unknown";
}

static bool has(const uint64_t bits[2], unsigned int bit)
{
	return (bits[bit / 64] >> (bit % 64) & 1) != 0;
}

static void print_features(const struct vionet_info *info)
{
	const char *label = "features";
	for (unsigned int bit = 0; bit < 128; bit++) {
		if (!has(info->offered, bit) && !has(info->negotiated, bit))
			continue;
		const char *name = vionet_feature_name(bit);
		printf("  %-12s %3u %-32s %s\n", label, bit, name != NULL ? name : "(no name)",
		       has(info->negotiated, bit) ? "in use" : "offered");
		label = "";
	}
}

static void print_link(const struct vionet_info *info)
{
	static const char *const duplex[] = {"", ", half duplex", ", full duplex"};
	printf("  %-12s %s", "link", info->link_up ? "up" : "down");
	if (info->speed != 0)
		printf(", %" PRIu32 " Mbit/s", info->speed);
	printf("%s\n", info->duplex < 3 ? duplex[info->duplex] : "");
}

static void print_info(const struct vionet_info *info)
{
	static bool again;
	const uint8_t *mac = info->mac;
	printf("%s%s\n", again ? "\n" : "", info->device);
	again = true;
	printf("  %-12s %s\n", "state", state_name(info->state));
	printf("  %-12s %02x:%02x:%02x:%02x:%02x:%02x%s\n", "MAC", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
	       info->mac_random ? " (random)" : "");
	printf("  %-12s %u\n", "MTU", info->mtu);
	print_link(info);
	printf("  %-12s %u of %u\n", "queue pairs", info->queue_pairs, info->max_queue_pairs);
	printf("  %-12s %s, %u descriptors to receive, %u to transmit\n", "rings", ring_name(info->ring),
	       info->rx_descriptors, info->tx_descriptors);
	printf("  %-12s %u bytes before each frame\n", "header", info->header_size);
	printf("  %-12s %u\n", "pool", info->pool);
	if (info->rx_path[0] != 0 || info->tx_path[0] != 0)
		printf("  %-12s %s, %s\n", "paths", info->rx_path, info->tx_path);
	else
		printf("  %-12s chosen by a start (-s)\n", "paths");
	printf("  %-12s %" PRIu32 " us\n", "ready after", info->start_microseconds);
	print_features(info);
}

/* Goes as far as it can and prints what is known then: a device that refuses to start may still be worth a look. */
static bool show(const char *device, bool start)
{
	uint16_t port;
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	bool good = vionet_probe(device, &port) == 0;
	if (!good) {
		warnx("%s", vionet_error());
		return false;
	}
	good = vionet_init(port, NULL) == 0 && (!start || vionet_start(port) == 0);
	if (!good)
		warnx("%s", vionet_error());
	if (vionet_info(port, &info) == 0)
		print_info(&info);
	vionet_close(port);
	return good;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	bool start = false, good = true;
	for (int option; (option = getopt_long(argc, argv, "hs", long_options, NULL)) != -1;) {
		switch (option) {
		case 'h': puts(usage); return 0;
		case 's': start = true; break;
		default: errx(2, "%s", usage);
		}
	}
	if (optind == argc)
		errx(2, "%s", usage);
	for (int i = optind; i < argc; i++) {
		if (!show(argv[i], start))
			good = false;
	}
	return good ? 0 : 1;
}
