/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets copied and made one piece, the program's own bytes of a packet, and what is refused with a sentence. */
#include "../support/cases.h"
#include "../support/view_port.h"

CASE("a copy has the same bytes and requests, a linearised packet one segment")
{
	unsigned char bytes[3000];
	struct vionet_packet *p, *q, *copy;

	open_all("soft:loopback");
	p = frame_packet(pool, 1500, 1);
	q = frame_packet(pool, 1500, 2);
	memcpy(bytes, p->data, 1500);
	memcpy(bytes + 1500, q->data, 1500);
	same(vionet_packet_chain(p, q), 0);
	p->flags = VIONET_PACKET_HASH;
	p->hash = 77;
	p->vlan = 5;
	p->checksum_start = 34;
	copy = vionet_packet_copy(p, pool);
	yes(copy != NULL);
	same(copy->segments, 2);
	same(copy->length, 1984);
	same(copy->total_length, 3000);
	yes(copy->flags == VIONET_PACKET_HASH && copy->hash == 77 && copy->vlan == 5 && copy->checksum_start == 34);
	yes(memcmp(copy->data, bytes, 1984) == 0 && memcmp(copy->next->data, bytes + 1984, 3000 - 1984) == 0);
	err(vionet_packet_linearise(copy), -EMSGSIZE);
	says("3000");
	vionet_packet_free(copy);

	/* A view of both parts becomes one segment; the original is free of it then. */
	copy = vionet_packet_view(p, 1000, 1000);
	same(copy->segments, 2);
	same(p->references, 2);
	ok(vionet_packet_linearise(copy));
	yes(copy->segments == 1 && copy->next == NULL && copy->length == 1000 && copy->headroom == VIONET_HEADROOM);
	yes(memcmp(copy->data, bytes + 1000, 1000) == 0);
	same(vionet_packet_tailroom(copy), 984);
	same(p->references, 1);
	same(q->references, 1);
	comes_back(copy, bytes + 1000, 1000);

	/* Data that starts late in its buffer moves, so that the whole packet fits. */
	yes(vionet_packet_adjust(p, 1499) != NULL);
	ok(vionet_packet_linearise(p));
	yes(p->length == 1501 && p->headroom == VIONET_HEADROOM);
	yes(memcmp(p->data, bytes + 1499, 1501) == 0);
	comes_back(p, bytes + 1499, 1501);

	p = frame_packet(pool, 100, 3);
	ok(vionet_packet_reference(p));
	ok(vionet_packet_linearise(p)); /* it is one segment already */
	same(vionet_packet_chain(p, frame_packet(pool, 100, 4)), 0);
	err(vionet_packet_linearise(p), -EBUSY);
	says("references");
	vionet_packet_free(p->next);
	p->next = NULL;
	vionet_packet_free(p);
	vionet_packet_free(p);
	close_all();
}

CASE("each packet has bytes of the program's own")
{
	struct vionet_packet *p[64];

	open_all("soft:loopback");
	same(pool_of(pool).private_size, 48);
	same(vionet_packet_alloc_bulk(pool, p, 64), 64);
	for (int i = 0; i < 64; i++) {
		unsigned char *own = vionet_packet_private(p[i]);
		yes(own != NULL && (uintptr_t)own % 16 == 0);
		for (int b = 0; b < 48; b++)
			same(own[b], 0);
		memset(own, i + 1, 48);
	}
	for (int i = 0; i < 64; i++)
		for (int b = 0; b < 48; b++)
			same(((unsigned char *)vionet_packet_private(p[i]))[b], i + 1);
	vionet_packet_free_bulk(p, 64);
	yes(vionet_packet_private(NULL) == NULL);
	yes(vionet_packet_private((struct vionet_packet *)(void *)&p) == NULL);
	p[0] = vionet_packet_alloc(0);
	yes(p[0] != NULL && vionet_packet_private(p[0]) == NULL); /* the shared pool has none */
	vionet_packet_free(p[0]);
	close_all();
}

static void refused(struct vionet_packet *packet, const char *needle)
{
	yes(packet == NULL);
	says(needle);
}

CASE("what cannot be shown, attached, copied or cut is refused with a sentence")
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_packet *all[PACKETS], *p;
	uint16_t other, n = 0;

	open_all("soft:loopback");
	p = frame_packet(pool, 100, 1);
	refused(vionet_packet_view(p, 50, 51), "100 bytes");
	refused(vionet_packet_view(p, 0, 0), "length is 0");
	refused(vionet_packet_view(p, 0xffffffff, 2), "outside");
	refused(vionet_packet_view(NULL, 0, 1), "packet is NULL");
	refused(vionet_packet_view((struct vionet_packet *)(void *)memory, 0, 1), "not a packet");
	refused(vionet_packet_split(p, 0), "offset 0");
	refused(vionet_packet_split(p, 100), "offset 100");
	refused(vionet_packet_copy(p, 60), "no pool 60");
	refused(vionet_packet_attach(pool, NULL, 1, NULL, NULL), "data is NULL");
	refused(vionet_packet_attach(pool, memory, 0, NULL, NULL), "length");
	refused(vionet_packet_attach(pool, memory + REGION - 10, 11, NULL, NULL), "VIONET_POOL_REGION");
	refused(vionet_packet_attach(pool, all, 11, NULL, NULL), "VIONET_POOL_REGION");
	p->total_length = 99;
	refused(vionet_packet_view(p, 0, 10), "99");
	p->total_length = p->length = 5000;
	refused(vionet_packet_copy(p, pool), "outside its buffer");
	p->total_length = p->length = 100;

	/* With no packet left nothing is half made. */
	while ((all[n] = vionet_packet_alloc(pool)) != NULL)
		n++;
	refused(vionet_packet_view(p, 0, 10), "no free packet");
	refused(vionet_packet_copy(p, pool), "no free packet");
	refused(vionet_packet_split(p, 10), "no free packet");
	refused(vionet_packet_attach(pool, memory, 10, NULL, NULL), "no free packet");
	yes(p->references == 1 && p->length == 100 && p->total_length == 100 && p->segments == 1);
	same(pool_of(region).attached, 0);
	vionet_packet_free_bulk(all, n);
	vionet_packet_free(p);

	config.flags = VIONET_POOL_REGION;
	err(vionet_pool_create(&config, &other), -EINVAL);
	says("VIONET_POOL_REGION");
	config.memory = memory;
	config.memory_length = REGION;
	config.memory_fd = -1;
	config.packets = 100;
	err(vionet_pool_create(&config, &other), -EINVAL);
	says("VIONET_POOL_REGION");
	config.flags = 0;
	config.packets = 0;
	config.private_size = 65537;
	err(vionet_pool_create(&config, &other), -EINVAL);
	says("private_size");
	close_all();
}
