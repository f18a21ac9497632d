/* SPDX-License-Identifier: BSD-2-Clause */
/* Structs that start with their size: shorter, equal, longer, and invalid; and the packet's layout. */
#include "../support/cases.h"

#include <stddef.h>

struct newer_config {
	struct vionet_config known;
	uint64_t unknown[4];
};
struct newer_pool_config {
	struct vionet_pool_config known;
	uint64_t unknown[4];
};

CASE("the layout of struct vionet_packet")
{
	static const size_t layout[][2] = {
#define at(member, offset) {offsetof(struct vionet_packet, member), offset}
		at(data, 0), at(next, 8), at(length, 16), at(total_length, 20), at(flags, 24), at(hash, 28), at(port, 32),
		at(segments, 34), at(references, 36), at(pool, 38), at(owner, 39), at(header_length, 40), at(segment_size, 42),
		at(checksum_start, 44), at(checksum_offset, 46), at(reserved, 48), at(size, 56), at(vlan, 60),
		at(headroom, 62),
	};
	for (size_t i = 0; i < sizeof(layout) / sizeof(layout[0]); i++)
		same(layout[i][0], layout[i][1]);
	same(sizeof(struct vionet_packet), 64);
}

static void config_sizes(uint16_t port)
{
	struct newer_config newer = {.known.size = sizeof(newer)};
	struct vionet_config config = VIONET_SIZED(struct vionet_config);

	ok(vionet_init(port, &config));
	ok(vionet_init(port, NULL));
	ok(vionet_init(port, &newer.known));
	newer.unknown[3] = 1ull << 63;
	err(vionet_init(port, &newer.known), -E2BIG);

	/* The struct of an older program ends after the ring sizes. */
	config.size = offsetof(struct vionet_config, pool);
	config.rx_descriptors = 64;
	config.pool = 999;
	config.features_off = ~0ull;
	ok(vionet_init(port, &config));
	same(info_of(port).rx_descriptors, 64);

	config = VIONET_SIZED(struct vionet_config);
	for (size_t size = 0; size < sizeof(size_t); size++) {
		config.size = size;
		err(vionet_init(port, &config), -EINVAL);
		says("size");
	}
	config = VIONET_SIZED(struct vionet_config);
	config.reserved[2] = 1;
	err(vionet_init(port, &config), -EINVAL);
	says("reserved");
}

CASE("sizes of struct vionet_pool_config")
{
	struct newer_pool_config newer = {.known.size = sizeof(newer), .known.packets = 64, .known.memory_fd = -1};
	uint16_t pool = 0;

	ok(vionet_pool_create(&newer.known, &pool));
	ok(vionet_pool_destroy(pool));
	newer.unknown[0] = 1;
	err(vionet_pool_create(&newer.known, &pool), -E2BIG);
	newer.known.size = offsetof(struct vionet_pool_config, data_size);
	ok(vionet_pool_create(&newer.known, &pool));
	same(pool_of(pool).packets, 64);
	ok(vionet_pool_destroy(pool));
	newer.known.size = 0;
	err(vionet_pool_create(&newer.known, &pool), -EINVAL);
	says("size");
	err(vionet_pool_create(NULL, NULL), -EINVAL);
	newer.known.size = sizeof(newer.known);
	newer.known.reserved = 5;
	err(vionet_pool_create(&newer.known, &pool), -EINVAL);
}

/* Requires that a call fills a struct of any size, and writes no byte beyond it. */
#define check_filled(type, call) \
	do { \
		union { type known; unsigned char bytes[sizeof(type) + 64]; } room, whole; \
		memset(&whole, 0, sizeof(whole)); \
		whole.known.size = sizeof(type); \
		type *into = &whole.known; \
		ok(call); \
		for (size_t size = sizeof(size_t); size <= sizeof(room); size += 4) { \
			memset(&room, 0xa5, sizeof(room)); \
			room.known.size = size; \
			into = &room.known; \
			ok(call); \
			same(room.known.size, size); \
			size_t filled = size < sizeof(type) ? size : sizeof(type); \
			yes(memcmp(room.bytes + sizeof(size_t), whole.bytes + sizeof(size_t), filled - sizeof(size_t)) == 0); \
			for (size_t i = size; i < sizeof(room); i++) \
				same(room.bytes[i], 0xa5); \
		} \
		room.known.size = 0; \
		into = &room.known; \
		err(call, -EINVAL); \
		into = NULL; \
		err(call, -EINVAL); \
	} while (0)

CASE("sizes of struct vionet_config")
{
	uint16_t port = VIONET_PORT_NONE;
	ok(vionet_probe("soft:sink", &port));
	config_sizes(port);
	vionet_close(port);
}

CASE("structs that calls fill in are written up to their size")
{
	uint16_t port = VIONET_PORT_NONE, device = 0, pool = pool_made(64);
	char path[64];

	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	check_filled(struct vionet_info, vionet_info(port, into));
	check_filled(struct vionet_stats, vionet_stats(port, into));
	check_filled(struct vionet_queue_stats, vionet_rx_queue_stats(port, 0, into));
	check_filled(struct vionet_queue_stats, vionet_tx_queue_stats(port, 0, into));
	check_filled(struct vionet_pool_info, vionet_pool_info(pool, into));
	snprintf(path, sizeof(path), "/tmp/vionet-sizes-%d.sock", getpid());
	ok(vionet_soft_serve(path, "sink", &device));
	check_filled(struct vionet_soft_stats, vionet_soft_stats(device, into));
	vionet_soft_stop(device);
	vionet_close(port);
}
