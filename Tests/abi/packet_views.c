/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets made of other packets without copying, on every kind of ring: views, attached memory, packets cut in two. Every
 * byte that comes back is compared, and every packet and every reference is accounted for.
 */
#include "../support/cases.h"
#include "../support/view_port.h"

static const char *const kinds[] = {
	"soft:loopback", "soft:loopback,in_order=1", "soft:loopback,packed_vq=1", "soft:loopback,packed_vq=1,in_order=1",
	"soft:loopback,mrg_rxbuf=0", "soft:loopback,features_off=0x10000000", /* no indirect descriptors */
};

static unsigned int given_back;
static unsigned char bytes[4000];

static const char *kind(unsigned int row) { return kinds[row]; }

static void taken_back(void *data, void *user)
{
	yes(data == memory + 100);
	++*(unsigned int *)user;
}

/* A part of a packet, sent as it is: the virtio-net header has a descriptor of its own. */
static void parts_of_one(void)
{
	uint32_t there = pool_of(pool).available;
	struct vionet_packet *p = frame_packet(pool, 1000, 7), *q, *view, *part;

	memcpy(bytes, p->data, 1000);
	view = vionet_packet_view(p, 0, 600);
	yes(view != NULL);
	yes(view->data == p->data && view->length == 600 && view->total_length == 600 && view->segments == 1);
	same(view->headroom, 0);
	same(vionet_packet_tailroom(view), 0);
	same(p->references, 2);
	comes_back(view, bytes, 600);
	comes_back(vionet_packet_view(p, 400, 600), bytes + 400, 600);

	/* Headers of its own before it, and a view of a view. */
	view = vionet_packet_view(p, 200, 700);
	part = vionet_packet_view(view, 100, 500);
	yes(part != NULL && part->data == (char *)p->data + 300);
	vionet_packet_free(view);
	q = vionet_packet_alloc(pool);
	frame_fill(bytes + 2000, 18, 9);
	memcpy(vionet_packet_append(q, 14), bytes + 2000, 14);
	same(vionet_packet_chain(q, part), 0);
	memcpy(bytes + 2014, bytes + 300, 500);
	comes_back(q, bytes + 2000, 514);

	/* The original goes first; the bytes stay until the last view is sent. */
	view = vionet_packet_view(p, 0, 1000);
	vionet_packet_free(p);
	comes_back(view, bytes, 1000);
	soon((fetch_sent(), pool_of(pool).available >= there - 128));
}

/* A view of a chain has a segment for each one that it shows a part of; a cut is inside a segment or between two. */
static void parts_of_chains(void)
{
	struct vionet_packet *p = frame_packet(pool, 300, 11), *q = frame_packet(pool, 300, 12), *view, *part;

	memcpy(bytes, p->data, 300);
	memcpy(bytes + 300, q->data, 300);
	same(vionet_packet_chain(p, q), 0);
	view = vionet_packet_view(p, 250, 100);
	same(view->segments, 2);
	same(view->total_length, 100);
	same(view->next->length, 50);
	comes_back(view, bytes + 250, 100);

	q = vionet_packet_split(p, 500);
	yes(q != NULL && p->total_length == 500 && p->segments == 2 && q->total_length == 100 && q->segments == 1);
	part = vionet_packet_split(p, 300);
	yes(part != NULL && p->total_length == 300 && p->segments == 1 && part->total_length == 200);
	comes_back(p, bytes, 300);
	comes_back(part, bytes + 300, 200);
	comes_back(q, bytes + 500, 100);
}

static void attached_memory(void)
{
	struct vionet_packet *p, *view;

	frame_fill(memory + 100, 1400, 21);
	given_back = 0;
	p = vionet_packet_attach(pool, memory + 100, 1400, taken_back, &given_back);
	yes(p != NULL);
	same(pool_of(region).attached, 1);
	err(vionet_pool_destroy(region), -EBUSY);
	view = vionet_packet_view(p, 700, 700);
	vionet_packet_free(p);
	same(given_back, 0);
	comes_back(view, memory + 800, 700);
	soon((fetch_sent(), given_back == 1));
	same(pool_of(region).attached, 0);
	p = vionet_packet_attach(pool, memory + 100, 1400, taken_back, &given_back);
	comes_back(p, memory + 100, 1400);
	soon((fetch_sent(), given_back == 2));
	vionet_packet_free(vionet_packet_attach(pool, memory + 100, 1, taken_back, &given_back));
	same(given_back, 3);
}

/* More than the ring has descriptors, with plain packets between them. */
static void many(void)
{
	struct vionet_packet *p = frame_packet(pool, 1000, 30), *q;

	memcpy(bytes, p->data, 1000);
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t length = 100 + i;
		q = i % 3 == 0 ? frame_packet(pool, length, i) : vionet_packet_view(p, i % 500, length);
		yes(q != NULL);
		if (i % 3 == 0)
			frame_fill(bytes + 2000, length, i);
		else
			memcpy(bytes + 2000, bytes + i % 500, length);
		comes_back(q, bytes + 2000, length);
	}
	vionet_packet_free(p);
}

CASES(6, kind)
{
	open_all(kinds[row]);
	parts_of_one();
	parts_of_chains();
	attached_memory();
	many();
	/* What is still in the ring comes back at the stop. */
	struct vionet_packet *p = vionet_packet_attach(pool, memory + 100, 1400, taken_back, &given_back);
	send_all(port, &p, 1);
	close_all();
	same(given_back, 4);
}

CASE("memory that a port does not share is not sent, and is given back")
{
	struct vionet_packet *p;
	uint16_t other;
	unsigned int freed = 0;

	open_all(kinds[0]);
	ok(vionet_probe("soft:sink", &other));
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	with.pool = pool;
	ok(vionet_init(other, &with));
	ok(vionet_start(other));
	p = vionet_packet_attach(pool, memory + 100, 100, taken_back, &freed);
	same(vionet_tx_burst(other, 0, &p, 1), 1);
	same(freed, 1);
	same(stats_of(other).tx.dropped[VIONET_DROP_FOREIGN], 1);
	/* An end outside the region. */
	p = vionet_packet_attach(pool, memory + 100, 100, taken_back, &freed);
	p->length = p->total_length = REGION;
	same(vionet_tx_burst(port, 0, &p, 1), 1);
	same(freed, 2);
	same(stats_of(port).tx.dropped[VIONET_DROP_LONG], 1);
	vionet_close(other);
	close_all();
}
