/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * size_stats=1: every frame that is sent or received is counted in one bin by its length, and by its destination; what is
 * dropped or is no packet at all is in none. Without the key there are no such counts.
 */
#include "../support/cases.h"
#include "../support/frame.h"

enum { BINS = 8 };
static const char *const bins[BINS] = {"undersize_packets", "size_64_packets", "size_65_127_packets",
	"size_128_255_packets", "size_256_511_packets", "size_512_1023_packets", "size_1024_1518_packets",
	"size_1519_max_packets"};
/* The lengths at which bins begin and end, and the bin of each. */
static const struct { uint32_t length; int bin; } lengths[] = {{14, 0}, {63, 0}, {64, 1}, {65, 2}, {127, 2}, {128, 3},
	{255, 3}, {256, 4}, {511, 4}, {512, 5}, {1023, 5}, {1024, 6}, {1518, 6}, {1519, 7}, {3000, 7}};
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static uint64_t valued(uint16_t port, const char *way, const char *what)
{
	uint64_t values[64];
	char name[VIONET_XSTAT_NAME];
	snprintf(name, sizeof(name), "%s_q0_%s", way, what);
	int id = vionet_xstat_id(port, name);
	if (id < 0 || id >= 64)
		FAILED("no %s", name);
	ok(vionet_xstats(port, values, 64));
	return values[id];
}

/* A packet of each length to a station, to a group and to all. */
static struct vionet_packet *made(uint16_t pool, int number)
{
	static const unsigned char targets[3][6] = {
		{2, 0, 0, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct vionet_packet *packet = vionet_packet_alloc(pool);
	yes(packet != NULL);
	unsigned char *data = vionet_packet_append(packet, lengths[number / 3].length);
	yes(data != NULL);
	memset(data, 0x55, lengths[number / 3].length);
	memcpy(data, targets[number % 3], 6);
	return packet;
}

static void counted(uint16_t port, const char *way, uint64_t times)
{
	for (int bin = 0; bin < BINS; bin++) {
		uint64_t wanted = 0;
		for (int i = 0; i < LENGTHS; i++)
			wanted += lengths[i].bin == bin ? 3 * times : 0;
		if (valued(port, way, bins[bin]) != wanted)
			FAILED("%s: %" PRIu64 " in %s, not %" PRIu64, way, valued(port, way, bins[bin]), bins[bin], wanted);
	}
	same(valued(port, way, "multicast_packets"), LENGTHS * times);
	same(valued(port, way, "broadcast_packets"), LENGTHS * times);
	same(valued(port, way, "good_packets"), 3 * LENGTHS * times);
}

/* Sends and receives all of them; with_invalid, each is followed by a packet that cannot be sent, of each kind in turn. */
static void round_trip(uint16_t port, uint16_t pool, int with_invalid)
{
	static unsigned char foreign[64];
	struct vionet_packet *packets[6 * LENGTHS], *back[3 * LENGTHS];
	uint16_t count = 0;
	for (int i = 0; i < 3 * LENGTHS; i++) {
		packets[count++] = made(pool, i);
		if (!with_invalid)
			continue;
		struct vionet_packet *bad = made(pool, i);
		if (i % 5 == 0)
			bad->length = bad->total_length = 3;
		else if (i % 5 == 1)
			bad->length = bad->total_length = 100000;
		else if (i % 5 == 2)
			bad->data = (void *)(uintptr_t)64;
		else if (i % 5 == 3)
			bad->segments = 60;
		packets[count++] = bad;
		if (i % 5 == 4) {
			vionet_packet_free(bad);
			packets[count - 1] = i % 2 != 0 ? NULL : (struct vionet_packet *)(void *)foreign;
		}
	}
	send_all(port, packets, count);
	receive_all(port, back, 3 * LENGTHS);
	vionet_packet_free_bulk(back, 3 * LENGTHS);
}

/* Each of the two pools has the head once. */
CASE("a packet of two segments from two pools counts as one frame")
{
	uint16_t port, pool = pool_made(1024);
	ok(vionet_probe("soft:loopback,size_stats=1", &port));
	ok(vionet_init(port, NULL));
	ok(vionet_pool_share(pool, port));
	ok(vionet_start(port));
	for (int i = 0; i < 2; i++) {
		struct vionet_packet *head = vionet_packet_alloc(i == 0 ? pool : 0), *tail = vionet_packet_alloc(i == 0 ? 0 : pool);
		struct vionet_packet *back;
		yes(head != NULL && tail != NULL);
		frame_fill(vionet_packet_append(head, 100), 100, 1);
		memset(head->data, 0xff, 6);
		frame_fill(vionet_packet_append(tail, 100), 100, 2);
		same(vionet_packet_chain(head, tail), 0);
		send_all(port, &head, 1);
		receive_all(port, &back, 1);
		same(back->total_length, 200);
		vionet_packet_free(back);
	}
	same(valued(port, "tx", bins[3]), 2);
	same(valued(port, "rx", bins[3]), 2);
	same(valued(port, "tx", "broadcast_packets"), 2);
	same(valued(port, "rx", "broadcast_packets"), 2);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

static void counts(const char *keys)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_pool_config with = VIONET_SIZED(struct vionet_pool_config);
	char address[VIONET_DEVICE_LENGTH];
	uint16_t port, pool;
	snprintf(address, sizeof(address), "soft:loopback,mtu=9000,size_stats=1%s", keys);
	with.packets = 4096;
	with.data_size = 4096;
	with.memory_fd = -1;
	ok(vionet_pool_create(&with, &pool));
	config.pool = pool;
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	ok(vionet_pool_share(pool, port));
	ok(vionet_start(port));
	for (int i = 0; i < 20; i++)
		round_trip(port, pool, 0);
	counted(port, "tx", 20);
	counted(port, "rx", 20);
	for (int i = 0; i < 10; i++)
		round_trip(port, pool, 1);
	counted(port, "tx", 30);
	counted(port, "rx", 30);
	same(stats_of(port).tx.dropped[VIONET_DROP_FOREIGN] + stats_of(port).tx.dropped[VIONET_DROP_LONG] +
	     stats_of(port).tx.dropped[VIONET_DROP_EMPTY] + stats_of(port).tx.dropped[VIONET_DROP_SEGMENTS],
	     10 * 3 * LENGTHS);

	/* The counts stay when the port stops and when a queue restarts, until they are reset. */
	ok(vionet_stop(port));
	ok(vionet_start(port));
	counted(port, "tx", 30);
	round_trip(port, pool, 1);
	counted(port, "rx", 31);
	ok(vionet_rx_queue_restart(port, 0, 64));
	counted(port, "rx", 31);
	ok(vionet_stats_reset(port));
	counted(port, "rx", 0);
	round_trip(port, pool, 0);
	counted(port, "rx", 1);
	counted(port, "tx", 1);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

CASE("size_stats=1 adds the counts, and other values are refused")
{
	uint16_t port = opened("soft:loopback");
	err(vionet_xstat_id(port, "rx_q0_size_64_packets"), -ENOENT);
	int plain = vionet_xstats(port, NULL, 0);
	vionet_close(port);
	port = opened("soft:loopback,size_stats=1");
	same(vionet_xstats(port, NULL, 0), plain + 20); /* ten sizes and kinds in each direction */
	vionet_close(port);
	err(vionet_probe("soft:loopback,size_stats=2", &port), -EINVAL);
	says("size_stats");
}

static const char *const keys[] = {"", ",in_order=0", ",packed_vq=1", ",packed_vq=1,in_order=0", ",mrg_rxbuf=1",
	",packed_vq=1,mrg_rxbuf=1,rx_csum=1"};
static const char *title(unsigned int row)
{
	static char text[120];
	snprintf(text, sizeof(text), "each frame is counted in one bin, soft:loopback%s", keys[row]);
	return text;
}

CASES(sizeof(keys) / sizeof(keys[0]), title) { counts(keys[row]); }
