/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets that must not be sent or freed: each is dropped or refused, counted under its reason, and comes back. */
#include "../support/cases.h"
#include "../support/frame.h"

static uint16_t port, pool;
static const uint32_t packets_in_pool = 512;

static uint64_t dropped(int reason)
{
	return stats_of(port).tx.dropped[reason];
}

static uint64_t dropped_in_all(void)
{
	uint64_t n = 0;
	for (int i = 0; i < VIONET_DROP_REASONS; i++)
		n += dropped(i);
	return n;
}

/* The packet is taken, not sent, and counted under this reason alone. */
static void is_dropped(struct vionet_packet *packet, int reason)
{
	uint64_t before = dropped(reason), all = dropped_in_all(), sent = stats_of(port).tx.packets;
	/* What a burst drops vionet_tx_prepare() refuses, and says why. */
	same(vionet_tx_prepare(port, 0, &packet, 1), 0);
	yes(vionet_error()[0] != 0);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	if (dropped(reason) != before + 1)
		FAILED("not dropped as %s", vionet_drop_name((unsigned int)reason));
	same(dropped_in_all(), all + 1);
	same(stats_of(port).tx.packets, sent);
}

static void is_sent(struct vionet_packet *packet)
{
	uint64_t all = dropped_in_all(), sent = stats_of(port).tx.packets;
	same(vionet_tx_prepare(port, 0, &packet, 1), 1);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(dropped_in_all(), all);
	same(stats_of(port).tx.packets, sent + 1);
}

static struct vionet_packet *plain(void)
{
	struct vionet_packet *p = frame_packet(pool, 60, 1);
	yes(p != NULL);
	return p;
}

CASE("a packet of a wrong length is dropped")
{
	struct vionet_packet *p = vionet_packet_alloc(pool);
	uint32_t longest = info_of(port).mtu + 14u;

	is_dropped(p, VIONET_DROP_EMPTY);
	p = plain();
	yes(vionet_packet_trim(p, 60 - 13) == 0);
	is_dropped(p, VIONET_DROP_EMPTY);
	p = plain();
	yes(vionet_packet_trim(p, 60 - 14) == 0);
	is_sent(p);

	/* A length that exceeds the buffer. */
	p = plain();
	p->length = p->total_length = p->size - p->headroom + 1;
	is_dropped(p, VIONET_DROP_LONG);
	p = plain();
	p->length = p->total_length = 0xffffffff;
	is_dropped(p, VIONET_DROP_LONG);

	/* Data outside its buffer, and too little headroom for the header. */
	p = plain();
	p->data = (char *)p->data + 100000;
	is_dropped(p, VIONET_DROP_LONG);
	p = plain();
	p->data = &p;
	is_dropped(p, VIONET_DROP_LONG);
	/* The data is in place: wrong values beside it do no harm. */
	p = plain();
	p->headroom = 0xffff;
	is_sent(p);
	p = plain();
	yes(vionet_packet_prepend(p, (uint16_t)(p->headroom - 12)) != NULL);
	is_sent(p);
	p = plain();
	yes(vionet_packet_prepend(p, (uint16_t)(p->headroom - 11)) != NULL);
	is_dropped(p, VIONET_DROP_LONG);

	/* Longer than the device takes. */
	p = frame_packet(pool, longest, 2);
	yes(p != NULL);
	is_sent(p);
	p = frame_packet(pool, longest + 19, 3);
	yes(p != NULL);
	is_dropped(p, VIONET_DROP_LONG);
}

CASE("a chain whose counts are wrong is dropped")
{
	struct vionet_packet *p = plain(), *q = plain();

	p->segments = 2;
	is_dropped(p, VIONET_DROP_SEGMENTS);
	p = plain();
	p->next = q; /* not counted in segments */
	is_dropped(p, VIONET_DROP_SEGMENTS);
	vionet_packet_free(q); /* refused if the library found it, too */
	p = plain();
	p->segments = 0;
	is_dropped(p, VIONET_DROP_SEGMENTS);

	/* A segment without data, and one too many segments. */
	p = plain();
	q = vionet_packet_alloc(pool);
	same(vionet_packet_chain(p, q), 0);
	is_dropped(p, VIONET_DROP_EMPTY);
	p = plain();
	for (int i = 1; i < VIONET_MAX_SEGMENTS; i++) {
		q = vionet_packet_alloc(pool);
		yes(vionet_packet_append(q, 1) != NULL);
		same(vionet_packet_chain(p, q), 0);
	}
	q = vionet_packet_alloc(pool);
	yes(vionet_packet_append(q, 1) != NULL);
	same(vionet_packet_chain(p, q), -1);
	p->segments++; /* what chain refuses, done by hand */
	p->total_length++;
	struct vionet_packet *last = p;
	while (last->next != NULL)
		last = last->next;
	last->next = q;
	is_dropped(p, VIONET_DROP_SEGMENTS);
	vionet_packet_free(q);

	p = plain();
	p->flags = 3 << 8; /* UFO: no device of ours does that */
	is_dropped(p, VIONET_DROP_OFFLOAD);
}

CASE("a foreign pointer is dropped or refused, and freeing twice is refused")
{
	_Alignas(64) static struct vionet_packet foreign;
	uint16_t other = pool_made(64);
	struct vionet_packet *p = frame_packet(other, 60, 4), *twice[2];
	uint64_t refused, all;

	is_dropped(p, VIONET_DROP_FOREIGN); /* its pool is not shared with the port */
	same(pool_of(other).available, 64);
	ok(vionet_pool_destroy(other));

	foreign = (struct vionet_packet){.data = &foreign, .length = 64, .total_length = 64, .segments = 1, .size = 64};
	is_dropped(&foreign, VIONET_DROP_FOREIGN);
	is_dropped((struct vionet_packet *)(uintptr_t)64, VIONET_DROP_FOREIGN);
	is_dropped((struct vionet_packet *)~(uintptr_t)63, VIONET_DROP_FOREIGN);
	p = plain();
	is_dropped((struct vionet_packet *)((char *)p + 8), VIONET_DROP_FOREIGN);

	refused = pool_of(0).refused;
	vionet_packet_free(&foreign);
	vionet_packet_free((struct vionet_packet *)(uintptr_t)64);
	vionet_packet_free((struct vionet_packet *)((char *)p + 8));
	err(vionet_packet_reference(&foreign), -EINVAL);
	same(pool_of(0).refused, refused + 3);

	/* Free twice, send what is free, send twice in one burst, free what is in a ring. */
	refused = pool_of(pool).refused;
	vionet_packet_free(p);
	vionet_packet_free(p);
	same(pool_of(pool).refused, refused + 1);
	err(vionet_packet_reference(p), -EINVAL);
	is_dropped(p, VIONET_DROP_FOREIGN);
	twice[0] = twice[1] = plain();
	all = dropped(VIONET_DROP_FOREIGN);
	same(vionet_tx_burst(port, 0, twice, 2), 2);
	same(dropped(VIONET_DROP_FOREIGN), all + 1);
	p = plain();
	is_sent(p);
	refused = pool_of(pool).refused;
	vionet_packet_free(p);
	same(pool_of(pool).refused, refused + 1);
	err(vionet_packet_reference(p), -EINVAL);
}

BEFORE_EACH
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);

	/* The port receives into shorter buffers, which limit its MTU. */
	config.packets = packets_in_pool;
	config.data_size = 4096;
	config.memory_fd = -1;
	ok(vionet_pool_create(&config, &pool));
	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	ok(vionet_pool_share(pool, port));
	ok(vionet_start(port));
	yes(info_of(port).mtu + 18 < 4096);
}

/* Nothing was lost. */
AFTER_EACH
{
	ok(vionet_stop(port));
	same(pool_of(pool).available, packets_in_pool);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}
