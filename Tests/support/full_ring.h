/* SPDX-License-Identifier: BSD-2-Clause */
/* A port whose transmit ring is full, on every kind of ring, and its back-end in single steps. */
#ifndef FULL_RING_H
#define FULL_RING_H

#include "frame.h"
#include "rings.h"

enum { SIZE = 32, ROOM = SIZE / 4 };

static const struct kind {
	const char *name, *keys;
	uint64_t features;
} kinds[] = {
	{"split", "", 0},
	{"split, EVENT_IDX", "", BIT(F_EVENT_IDX)},
	{"split, IN_ORDER", ",in_order=1", BIT(F_IN_ORDER)},
	{"split, EVENT_IDX, IN_ORDER", ",in_order=1", BIT(F_EVENT_IDX) | BIT(F_IN_ORDER)},
	{"packed", ",packed_vq=1", BIT(F_PACKED)},
	{"packed, EVENT_IDX", ",packed_vq=1", BIT(F_PACKED) | BIT(F_EVENT_IDX)},
	{"packed, IN_ORDER", ",packed_vq=1,in_order=1", BIT(F_PACKED) | BIT(F_IN_ORDER)},
	{"packed, EVENT_IDX, IN_ORDER", ",packed_vq=1,in_order=1", BIT(F_PACKED) | BIT(F_EVENT_IDX) | BIT(F_IN_ORDER)},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static struct peer p;
static uint16_t pool, port;
static struct vionet_packet *packets[4 * SIZE];
static struct buffer taken[4 * SIZE];
static uint32_t taken_count, used_count;

/* A port with rings of this kind. */
static void start(const struct kind *kind, const char *more)
{
	uint64_t bits = BIT(F_EVENT_IDX) | BIT(F_PACKED) | BIT(F_IN_ORDER);
	peer_start(&p);
	p.features = (p.features & ~bits) | kind->features;
	pool = pool_made(512);
	port = peer_port(&p, pool, 0, "queue_size=%d%s%s", SIZE, kind->keys, more);
	same(p.negotiated & bits, kind->features);
	taken_count = used_count = 0;
}

OK_UNUSED static void end(void)
{
	peer_port_end(&p, port, pool);
}

OK_UNUSED static uint64_t ring_full(void)
{
	return stats_of(port).tx.ring_full;
}

OK_UNUSED static int readable(int fd, int milliseconds)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	return poll(&one, 1, milliseconds);
}

/* How often the device has signalled the transmit queue since the last look. Nobody reads that file. */
OK_UNUSED static uint64_t signals(void)
{
	static uint64_t before;
	uint64_t now = 0, since;
	char name[64], line[128];
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", p.ring[TX].call);
	FILE *f = fopen(name, "re");
	yes(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "eventfd-count:", 14) == 0)
			now = strtoull(line + 14, NULL, 16);
	fclose(f);
	since = now - before;
	before = now;
	return since;
}

static void device_takes(void)
{
	while (next_buffer(&p, TX, &taken[taken_count]))
		taken_count++;
	yes(taken_count <= 4 * SIZE);
}

/* Uses that many of the buffers that were taken, one after the other. */
OK_UNUSED static void device_uses(uint32_t count)
{
	for (; count > 0; count--, used_count++) {
		yes(used_count < taken_count);
		use_buffers(&p, TX, &taken[used_count], 1, 0);
	}
}

static void make(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		packets[i] = frame_packet(pool, 60, i);
		yes(packets[i] != NULL);
	}
}

/* Makes a packet of that many segments. */
OK_UNUSED static struct vionet_packet *chain_of(uint32_t segments)
{
	struct vionet_packet *head = frame_packet(pool, 60, 0);
	yes(head != NULL);
	for (uint32_t i = 1; i < segments; i++)
		same(vionet_packet_chain(head, frame_packet(pool, 60, i)), 0);
	return head;
}

/* Fills the ring; the device has taken all of it and sent nothing. */
OK_UNUSED static void fill(void)
{
	make(SIZE);
	same(vionet_tx_burst(port, 0, packets, SIZE), SIZE);
	taken_count = used_count = 0;
	device_takes();
	same(taken_count, SIZE);
	(void)signals();
}

OK_UNUSED static const char *kind_name(unsigned int row, const char *what)
{
	static char name[200];
	snprintf(name, sizeof(name), "%s: %s", kinds[row].name, what);
	return name;
}

static uint32_t to_use;

static void *use_late(void *unused)
{
	usleep(30000);
	device_uses(to_use);
	return unused;
}

OK_UNUSED static void used_late(pthread_t *thread, uint32_t count)
{
	to_use = count;
	same(pthread_create(thread, NULL, use_late, NULL), 0);
}

#endif
