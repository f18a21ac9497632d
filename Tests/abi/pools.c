/* SPDX-License-Identifier: BSD-2-Clause */
/* Packet pools on one thread: limits, all or none, references, helpers, a pool in use, and the counts. */
#include "../support/cases.h"
#include "../support/frame.h"

static struct vionet_packet *all[20000];

CASE("sizes and numbers of pools have limits that are named")
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	uint16_t pool = 0, pools[VIONET_MAX_POOLS], n = 0;

	config.memory_fd = -1;
	static const uint32_t bad_counts[] = {1, 15, 16777217, 0xffffffff}, bad_sizes[] = {1, 63, 65537, 0xffffffff};
	for (int i = 0; i < 4; i++) {
		config.packets = bad_counts[i];
		err(vionet_pool_create(&config, &pool), -EINVAL);
		says("packets");
		config.packets = 16;
		config.data_size = bad_sizes[i];
		err(vionet_pool_create(&config, &pool), -EINVAL);
		says("data_size");
		config.data_size = 0;
	}
	config.flags = 0x80000000;
	err(vionet_pool_create(&config, &pool), -EINVAL);
	config.flags = VIONET_POOL_NO_HUGEPAGES;
	ok(vionet_pool_create(&config, &pool));
	same(pool_of(pool).hugepages, 0);
	ok(vionet_pool_destroy(pool));
	err(vionet_pool_destroy(pool), -EBADF);

	config.packets = 0;
	ok(vionet_pool_create(&config, &pool));
	same(pool_of(pool).packets, 16384);
	same(pool_of(pool).data_size, 1984);
	same(pool_of(pool).refused, 0);
	yes(pool_of(pool).memory >= 16384ull * (1984 + VIONET_HEADROOM));
	ok(vionet_pool_destroy(pool));

	config.packets = 16;
	config.data_size = 65536;
	ok(vionet_pool_create(&config, &pool));
	struct vionet_packet *p = vionet_packet_alloc(pool);
	yes(p != NULL);
	yes(vionet_packet_tailroom(p) >= 65536);
	memset(vionet_packet_append(p, 65536), 0x5a, 65536);
	vionet_packet_free(p);
	ok(vionet_pool_destroy(pool));
	config.data_size = 64;
	while (n < VIONET_MAX_POOLS && vionet_pool_create(&config, &pools[n]) == 0)
		n++;
	yes(n >= VIONET_MAX_POOLS - 2); /* the shared pool is one of them */
	if (n < VIONET_MAX_POOLS)
		err(vionet_pool_create(&config, &pool), -ENFILE);
	while (n > 0)
		ok(vionet_pool_destroy(pools[--n]));
}

CASE("a bulk allocation gives all packets or none, and none overlap")
{
	uint16_t pool = pool_made(1000);

	same(pool_of(pool).available, 1000);
	same(vionet_packet_alloc_bulk(pool, all, 1001), 0);
	same(pool_of(pool).available, 1000);
	same(vionet_packet_alloc_bulk(pool, all, 999), 999);
	same(pool_of(pool).available, 1);
	same(vionet_packet_alloc_bulk(pool, all + 999, 2), 0);
	all[999] = vionet_packet_alloc(pool);
	yes(all[999] != NULL);
	yes(vionet_packet_alloc(pool) == NULL);
	same(pool_of(pool).available, 0);

	/* A thousand packets, each its own memory, none overlapping another. */
	for (uint32_t i = 0; i < 1000; i++) {
		struct vionet_packet *p = all[i];
		same((uintptr_t)p % 64, 0);
		yes(p->headroom >= VIONET_HEADROOM);
		same(p->length, 0);
		same(p->total_length, 0);
		same(p->segments, 1);
		same(p->flags, 0);
		same(p->pool, pool);
		yes(p->next == NULL);
		yes(vionet_packet_tailroom(p) >= 1984);
		unsigned char *start = (unsigned char *)p->data - p->headroom;
		for (uint32_t b = 0; b < p->size; b++)
			start[b] = (unsigned char)(i * 31 + b);
	}
	for (uint32_t i = 0; i < 1000; i++)
		for (uint32_t b = 0; b < all[i]->size; b++)
			if (((unsigned char *)all[i]->data - all[i]->headroom)[b] != (unsigned char)(i * 31 + b))
				FAILED("packets overlap at packet %u byte %u", i, b);
	err(vionet_pool_destroy(pool), -EBUSY);
	vionet_packet_free_bulk(all, 1000);
	same(pool_of(pool).available, 1000);
	same(pool_of(pool).refused, 0);
	ok(vionet_pool_destroy(pool));
	yes(vionet_packet_alloc(pool) == NULL);
}

CASE("a packet with references goes back with the last one")
{
	uint16_t pool = pool_made(16);
	struct vionet_packet *p = vionet_packet_alloc(pool), *q = vionet_packet_alloc(pool);

	ok(vionet_packet_reference(p));
	vionet_packet_free(p);
	same(pool_of(pool).available, 14);
	vionet_packet_free(p);
	same(pool_of(pool).available, 15);
	p = vionet_packet_alloc(pool);
	yes(vionet_packet_append(p, 20) != NULL && vionet_packet_append(q, 20) != NULL);
	same(vionet_packet_chain(p, q), 0);
	ok(vionet_packet_reference(p)); /* of both segments */
	vionet_packet_free(p);
	same(pool_of(pool).available, 14);
	vionet_packet_free(p);
	same(pool_of(pool).available, 16);

	p = vionet_packet_alloc(pool);
	int n = 1;
	while (vionet_packet_reference(p) == 0)
		yes(++n < 70000);
	err(vionet_packet_reference(p), -EOVERFLOW);
	while (n-- > 0)
		vionet_packet_free(p);
	same(pool_of(pool).available, 16);
	same(pool_of(pool).refused, 0);
	ok(vionet_pool_destroy(pool));
}

CASE("the helpers move data, length and headroom together")
{
	uint16_t pool = pool_made(16);
	struct vionet_packet *p = vionet_packet_alloc(pool);
	uint16_t room = p->headroom;
	char *start = p->data;

	yes(vionet_packet_append(p, vionet_packet_tailroom(p) + 1) == NULL);
	yes(vionet_packet_append(p, 100) == start);
	same(p->length, 100);
	same(p->total_length, 100);
	yes(vionet_packet_prepend(p, (uint16_t)(room + 1)) == NULL);
	yes(vionet_packet_prepend(p, room) == start - room);
	same(p->headroom, 0);
	same(p->length, 100 + room);
	yes(vionet_packet_adjust(p, room) == start);
	yes(vionet_packet_adjust(p, 101) == NULL);
	same(vionet_packet_trim(p, 101), -1);
	same(vionet_packet_trim(p, 40), 0);
	same(p->length, 60);
	same(p->total_length, 60);
	yes(vionet_packet_append(p, vionet_packet_tailroom(p)) != NULL);
	same(vionet_packet_tailroom(p), 0);
	vionet_packet_free(p);
	p = vionet_packet_alloc(pool); /* fresh again, whatever was done to it */
	same(p->headroom, room);
	same(p->length, 0);
	vionet_packet_free(p);
	ok(vionet_pool_destroy(pool));
}

CASE("a pool in use is not destroyed")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port, pool = pool_made(512);

	ok(vionet_probe("soft:sink", &port));
	config.pool = pool;
	ok(vionet_init(port, &config));
	same(info_of(port).pool, pool);
	err(vionet_pool_destroy(pool), -EBUSY);
	ok(vionet_start(port));
	err(vionet_pool_destroy(pool), -EBUSY);
	vionet_close(port);
	same(pool_of(pool).available, 512);
	ok(vionet_pool_destroy(pool));

	/* A pool shared with a port, whose packets may then be sent there. */
	pool = pool_made(64);
	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	ok(vionet_pool_share(pool, port));
	ok(vionet_start(port));
	struct vionet_packet *p = frame_packet(pool, 100, 1);
	send_all(port, &p, 1);
	same(stats_of(port).tx.packets, 1);
	same(stats_of(port).tx.dropped[VIONET_DROP_FOREIGN], 0);
	vionet_close(port);
	same(pool_of(pool).available, 64);
	ok(vionet_pool_destroy(pool));
}
