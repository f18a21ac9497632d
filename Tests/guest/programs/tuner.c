/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port in the guest that obeys one line of input at a time and counts what it receives meanwhile:
 *
 *     tuner DEVICE
 *
 * Frames of EtherType 0x88b5 carry a number in their first byte; "marks" prints how many of each came. TCP and UDP packets
 * over IPv4 are flows: their hash and queue are compared with what the port's key and table make of them, and "flows"
 * prints the result. "forget" sets these counts to zero. The output of every command ends with a line "done N", which is
 * the result of its call.
 */
#include "received-counts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static int mac(const char *text)
{
	unsigned b[6];
	uint8_t bytes[6];
	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)b[i];
	return vionet_mac_set(port, bytes);
}

/* The filter list: `stations` addresses from 02:00:00:00:01:00 on, and `groups` from 03:00:00:00:01:00 on. */
static int list(unsigned stations, unsigned groups)
{
	uint8_t bytes[512][6];
	unsigned count = 0;
	for (unsigned i = 0; i < stations + groups && i < 512; i++) {
		unsigned group = i >= stations, number = group ? i - stations : i;
		memcpy(bytes[count++], (uint8_t[6]){(uint8_t)(2 + group), 0, 0, 0, (uint8_t)(1 + number / 256), (uint8_t)number},
		       6);
	}
	return vionet_mac_list_set(port, bytes[0], count);
}

/* Reads the port's key and table, with which the flows are compared. */
static int read_rss(void)
{
	struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
	rss.key = key;
	rss.key_length = sizeof(key);
	rss.table = table;
	rss.table_length = TABLE;
	int result = vionet_rss_get(port, &rss);
	table_length = result == 0 ? rss.table_length : 0;
	unclassified = rss.unclassified_queue;
	return result;
}

/*
 * Sets RSS: a table of `length` entries that skips from queue to queue, the types of packets, a key made from `seed` (0: the
 * port's own), and the queue of packets without a hash.
 */
static int rss(unsigned length, unsigned types, unsigned seed, unsigned other)
{
	struct vionet_rss settings = VIONET_SIZED(struct vionet_rss);
	uint8_t bytes[40];
	uint16_t entries[TABLE];
	for (unsigned i = 0; i < 40; i++)
		bytes[i] = (uint8_t)(seed * 2654435761u >> (i % 17) ^ i * 37);
	for (unsigned i = 0; i < length && i < TABLE; i++)
		entries[i] = (uint16_t)((i * 7 + i / 5) % queues);
	settings.hash_types = types;
	settings.key = bytes;
	settings.key_length = seed != 0 ? 40 : 0;
	settings.table = entries;
	settings.table_length = (uint16_t)length;
	settings.unclassified_queue = (uint16_t)other;
	int result = vionet_rss_set(port, &settings);
	return result == 0 ? read_rss() : result;
}

static int restart(void)
{
	int result = vionet_stop(port);
	return result == 0 ? vionet_start(port) : result;
}

/* Restarts receive and transmit queues in turn, `rounds` of them, with different sizes, while packets are received. */
static int restart_queues(unsigned rounds)
{
	static const uint16_t sizes[] = {64, 256, 16, 0, 128};
	int result = 0;
	for (unsigned i = 0; i < rounds && result == 0; i++) {
		uint16_t queue = (uint16_t)(i / 2 % queues), size = sizes[i / 3 % 5];
		result = i % 2 ? vionet_tx_queue_restart(port, queue, size) : vionet_rx_queue_restart(port, queue, size);
		receive();
	}
	return result;
}

/* Checks that after a stop every packet is in the pool; then starts the port again. */
static int pool_complete(void)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	struct vionet_pool_info pool = VIONET_SIZED(struct vionet_pool_info);
	int result = vionet_stop(port);
	if (result == 0)
		result = vionet_info(port, &info);
	if (result == 0)
		result = vionet_pool_info(info.pool, &pool);
	if (result == 0 && (pool.available != pool.packets || pool.refused != 0))
		result = -EIO;
	printf("%u of %u packets in the pool\n", pool.available, pool.packets);
	return result == 0 ? vionet_start(port) : result;
}

/*
 * Sets the lengths of all descriptors of a receive ring to 0. QEMU then breaks the device and asks for a reset. The length
 * has the same place in split and in packed rings.
 */
static int spoil(const char *address)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	int result = vionet_info(port, &info);
	uint8_t *ring = (uint8_t *)(uintptr_t)strtoull(address, NULL, 0);
	for (unsigned i = 0; result == 0 && i < info.rx_descriptors; i++)
		memset(ring + 16 * i + 8, 0, 4);
	return result;
}

/*
 * Sends that many frames on a transmit queue, asleep whenever its ring has no room. The device signals the queue by its own
 * interrupt or by one that it shares. Fails if it does not within the given milliseconds, or if the ring was never full.
 */
static int flood(unsigned count, unsigned queue, unsigned milliseconds)
{
	struct vionet_queue_stats stats = VIONET_SIZED(struct vionet_queue_stats);
	unsigned sleeps = 0;
	int result = 0;
	for (unsigned i = 0; i < count && result == 0; i++) {
		struct vionet_packet *packet = vionet_packet_alloc(0);
		uint8_t *frame = packet != NULL ? vionet_packet_append(packet, 1000) : NULL;
		if (frame == NULL)
			return -ENOBUFS;
		memset(frame, 0xff, 12);
		memcpy(frame + 12, (const uint8_t[2]){0x88, 0xb5}, 2);
		while (result == 0 && vionet_tx_burst(port, (uint16_t)queue, &packet, 1) == 0) {
			int room = vionet_tx_wait(port, (uint16_t)queue, (int)milliseconds);
			result = room == 0 ? -ETIMEDOUT : room < 0 ? room : 0;
			sleeps++;
		}
		if (result != 0)
			vionet_packet_free(packet);
	}
	vionet_tx_queue_stats(port, (uint16_t)queue, &stats);
	printf("%u sleeps, %u packets refused\n", sleeps, (unsigned)stats.ring_full);
	return result != 0 ? result : sleeps == 0 ? -EAGAIN : 0;
}

/* Waits for the event descriptor to be readable. */
static int wait_event(unsigned milliseconds)
{
	struct pollfd file = {.fd = vionet_event_fd(port), .events = POLLIN};
	return poll(&file, 1, (int)milliseconds) == 1 ? 0 : -ETIMEDOUT;
}

/* The numbers of the events since the last "events". */
static char events[64];

static void hear(uint16_t which, int event, void *unused)
{
	(void)unused;
	snprintf(events + strlen(events), sizeof(events) - strlen(events), " %d", event);
	if (event == VIONET_EVENT_ANNOUNCE && vionet_announce(which, 0, (const uint8_t[4]){192, 0, 2, 7}, 1) != 0)
		strcat(events, "!");
}

static int print_events(void)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	int result = vionet_event_handle(port);
	vionet_info(port, &info);
	printf("events%s link %d speed %u\n", events, info.link_up, info.speed);
	events[0] = 0;
	return result;
}

static int obey(const char *word, const char *rest)
{
	unsigned a = 0, b = 0, c = 0, d = 0;
	sscanf(rest, "%u %u %u %u", &a, &b, &c, &d);
	if (strcmp(word, "promiscuous") == 0)
		return vionet_promiscuous_set(port, (int)a);
	if (strcmp(word, "all-multicast") == 0)
		return vionet_all_multicast_set(port, (int)a);
	if (strcmp(word, "filter") == 0)
		return vionet_rx_filter_set(port, a);
	if (strcmp(word, "mac") == 0)
		return mac(rest);
	if (strcmp(word, "list") == 0)
		return list(a, b);
	if (strcmp(word, "vlan") == 0)
		return vionet_vlan_filter_set(port, (uint16_t)a, (int)b);
	if (strcmp(word, "pairs") == 0)
		return vionet_queue_pairs_set(port, (uint16_t)a);
	if (strcmp(word, "rss") == 0)
		return rss(a, b, c, d);
	if (strcmp(word, "read-rss") == 0)
		return read_rss();
	if (strcmp(word, "offloads") == 0)
		return vionet_rx_offloads_set(port, a);
	if (strcmp(word, "coalesce") == 0)
		return vionet_rx_coalesce_set(port, (uint16_t)a, b, c);
	if (strcmp(word, "restart") == 0)
		return restart();
	if (strcmp(word, "restart-queues") == 0)
		return restart_queues(a);
	if (strcmp(word, "pool-complete") == 0)
		return pool_complete();
	if (strcmp(word, "events") == 0)
		return print_events();
	if (strcmp(word, "wait-event") == 0)
		return wait_event(a);
	if (strcmp(word, "spoil") == 0)
		return spoil(rest);
	if (strcmp(word, "arm") == 0)
		return vionet_rx_arm(port, 0);
	if (strcmp(word, "wait") == 0) {
		printf("waiting\n"); /* once it sleeps after this line, the queue is armed */
		return vionet_rx_wait(port, (uint16_t)b, (int)a);
	}
	if (strcmp(word, "flood") == 0)
		return flood(a, b, c);
	if (strcmp(word, "announce") == 0)
		return vionet_announce(port, 0, NULL, 0);
	if (strcmp(word, "marks") == 0)
		return say_marks(), 0;
	if (strcmp(word, "flows") == 0)
		return say_flows(), 0;
	if (strcmp(word, "forget") == 0)
		return forget(), 0;
	return -EOPNOTSUPP;
}

static int fail(const char *what)
{
	printf("tuner: %s: %s\n", what, vionet_error());
	return 1;
}

int main(int argc, char **argv)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	char line[256], word[32];
	setvbuf(stdout, NULL, _IOLBF, 0);
	vionet_event_add(hear, NULL);
	if (argc != 2 || vionet_open(argv[1], &port) != 0 || vionet_info(port, &info) != 0)
		return fail("open");
	queues = info.queue_pairs;
	events[0] = 0;
	read_rss();
	printf("ready with %u queues\n", queues);
	for (;;) {
		struct pollfd input = {.fd = 0, .events = POLLIN};
		receive();
		if (poll(&input, 1, 1) == 0)
			continue;
		ssize_t length = read(0, line, sizeof(line) - 1);
		if (length <= 0)
			continue;
		line[length] = 0;
		if (sscanf(line, "%31s", word) != 1)
			continue;
		if (strcmp(word, "end") == 0)
			break;
		int result = obey(word, line + strlen(word));
		printf("%sdone %d\n", result < 0 ? vionet_error() : "", result);
	}
	vionet_close(port);
	return 0;
}
