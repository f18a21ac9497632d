/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of software offloads share: packets made from a description, a port whose device has few offloads or
 * none, and the comparison of what that device is given with frames made from the description.
 */
#ifndef SOFTWARE_H
#define SOFTWARE_H

#include "rings.h"
#include "tcp_udp.h"

enum { PACKETS = 2048, ROOM = 70000 };

static struct peer p;
static uint16_t port, pool;
static unsigned char frame[ROOM], want[ROOM], got[ROOM];

OK_UNUSED static void up(const char *options, uint64_t features)
{
	peer_start(&p);
	p.features |= features;
	port = peer_port(&p, pool, 0, "%s", options);
}

OK_UNUSED static void down(void) { peer_port_end(&p, port, pool); }

/* ---- packets ----------------------------------------------------------------------------------------------------- */

/* A packet of these bytes, in segments whose lengths are those of the list in turn; 0 ends the list. */
OK_UNUSED static struct vionet_packet *packet_of(const unsigned char *bytes, uint32_t length, const uint32_t *pieces)
{
	struct vionet_packet *head = NULL;
	for (uint32_t at = 0, i = 0; at < length; i++) {
		if (pieces[i] == 0)
			i = 0;
		uint32_t n = pieces[i] < length - at ? pieces[i] : length - at;
		struct vionet_packet *segment = vionet_packet_alloc(pool);
		yes(segment != NULL);
		unsigned char *data = vionet_packet_append(segment, n);
		yes(data != NULL);
		memcpy(data, bytes + at, n);
		at += n;
		if (head == NULL)
			head = segment;
		else
			same(vionet_packet_chain(head, segment), 0);
	}
	return head;
}

static const uint32_t in_one[] = {1984, 0};

OK_UNUSED static uint32_t kind_of(const struct description *d)
{
	return d->udp ? VIONET_PACKET_UDP : d->version == 4 ? VIONET_PACKET_TCP4 : VIONET_PACKET_TCP6;
}

OK_UNUSED static void set_partial(const struct description *d, struct vionet_packet *one)
{
	one->flags = VIONET_PACKET_CHECKSUM_PARTIAL;
	one->checksum_start = (uint16_t)transport_at(d);
	one->checksum_offset = d->udp ? 6 : 16;
}

/* The packet of a description, which asks for its checksum. */
OK_UNUSED static struct vionet_packet *partial_packet(const struct description *d, const uint32_t *pieces)
{
	uint32_t length = whole_frame(d, frame);
	make_partial(d, frame, length);
	struct vionet_packet *one = packet_of(frame, length, pieces);
	set_partial(d, one);
	return one;
}

/* The packet of a description, to be cut. What is said about its headers is wrong, as a device may do. */
OK_UNUSED static struct vionet_packet *large_packet(const struct description *d, uint32_t size, const uint32_t *pieces)
{
	struct vionet_packet *one = partial_packet(d, pieces);
	one->flags |= kind_of(d) | (d->flags & CWR ? VIONET_PACKET_ECN : 0);
	one->segment_size = (uint16_t)size;
	one->header_length = 14;
	return one;
}

OK_UNUSED static void put_tag(unsigned char *bytes, uint32_t *length, uint16_t tag)
{
	memmove(bytes + 16, bytes + 12, *length - 12);
	put16(bytes, 12, 0x8100);
	put16(bytes, 14, tag);
	*length += 4;
}

/* ---- the device's side ------------------------------------------------------------------------------------------- */

/* Completes what the header asks of a device that has only VIRTIO_NET_F_CSUM. */
OK_UNUSED static void device_finishes(unsigned char *bytes, uint32_t length)
{
	uint32_t start = bytes[6] | (uint32_t)bytes[7] << 8, field = start + (bytes[8] | (uint32_t)bytes[9] << 8);
	yes(bytes[0] == 1 && bytes[1] == 0 && has(&p, F_CSUM) && field + 2 <= length);
	uint32_t sum = ~plain_sum(0, bytes + HEADER + start, length - start) & 0xffff;
	put16(bytes + HEADER, field, sum == 0 && field - start == 6 ? 0xffff : sum);
}

/* The next frame is `want`; its descriptors are given back. */
OK_UNUSED static void comes(uint32_t length)
{
	static struct buffer b;
	uint32_t n = collect_in(&p, TX, &b, got, sizeof(got));
	same(n, HEADER + length);
	if (got[0] != 0)
		device_finishes(got, length);
	else
		for (int i = 1; i < HEADER; i++)
			same(got[i], 0);
	for (uint32_t i = 0; i < length; i++)
		if (got[HEADER + i] != want[i])
			FAILED("byte %u of %u is %02x, not %02x", i, length, got[HEADER + i], want[i]);
	use_buffers(&p, TX, &b, 1, 0);
}

OK_UNUSED static void nothing_comes(void)
{
	struct buffer b;
	same(next_buffer(&p, TX, &b), 0);
}

OK_UNUSED static uint64_t dropped_in_all(void)
{
	struct vionet_stats s = stats_of(port);
	uint64_t n = 0;
	for (int i = 0; i < VIONET_DROP_REASONS; i++)
		n += s.tx.dropped[i];
	return n;
}

OK_UNUSED static void send_one(struct vionet_packet *one) { same(vionet_tx_burst(port, 0, &one, 1), 1); }

/* Every segment comes, right and in order. `tag`: one that was put in; -1 for none. */
OK_UNUSED static uint64_t segments_come(const struct description *d, uint32_t size, int tag)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < segments_of(d, size); i++) {
		uint32_t length = segment_frame(d, want, size, i);
		if (tag >= 0)
			put_tag(want, &length, (uint16_t)tag);
		comes(length);
		bytes += length;
	}
	return bytes;
}

OK_UNUSED static void is_dropped(struct vionet_packet *one, int reason)
{
	uint64_t before = stats_of(port).tx.dropped[reason], all = dropped_in_all();
	send_one(one);
	if (stats_of(port).tx.dropped[reason] != before + 1)
		FAILED("not dropped as %s", vionet_drop_name((unsigned int)reason));
	same(dropped_in_all(), all + 1);
	nothing_comes();
}

/* ---- rings and frames -------------------------------------------------------------------------------------------- */

static const struct { const char *options; uint64_t features; } rings[] = {
	{"queue_size=256,tx_software=1", 0},
	{"queue_size=256,tx_software=1", BIT(F_INDIRECT)},
	{"queue_size=256,tx_software=1", BIT(F_CSUM)},
	{"queue_size=256,tx_software=1,packed_vq=1", BIT(F_PACKED) | BIT(F_IN_ORDER)},
	{"queue_size=256,tx_software=1,packed_vq=1", BIT(F_PACKED) | BIT(F_INDIRECT) | BIT(F_CSUM)},
};
enum { RINGS = sizeof(rings) / sizeof(rings[0]) };

static const struct description frames[] = {
	{"TCP over IPv4", 0, 4, 0, 0, 12, ACK | PSH, 1000},
	{"TCP over IPv4, odd", 0, 4, 0, 0, 0, ACK | PSH | FIN, 1001},
	{"TCP over IPv4 with options", 0, 4, 40, 0, 40, ACK | CWR | PSH, 777},
	{"TCP over IPv6", 0, 6, 0, 0, 12, ACK | FIN, 1003},
	{"TCP over IPv6 with extension headers", 0, 6, 8, 0, 0, ACK | CWR, 900},
	{"TCP over IPv6 with long extension headers", 0, 6, 264, 0, 32, ACK | FIN | PSH | CWR, 501},
	{"TCP with a tag", 1, 4, 4, 0, 8, ACK, 911},
	{"TCP with two tags", 2, 6, 16, 0, 12, ACK | PSH, 912},
	{"UDP over IPv4", 0, 4, 0, 1, 0, 0, 1000},
	{"UDP over IPv4, odd", 0, 4, 24, 1, 0, 0, 555},
	{"UDP over IPv6", 0, 6, 0, 1, 0, 0, 999},
	{"UDP over IPv6 with two tags", 2, 6, 24, 1, 0, 0, 1000},
	{"TCP without payload", 0, 4, 0, 0, 12, ACK, 0},
	{"UDP with one byte", 1, 6, 0, 1, 0, 0, 1},
};
enum { FRAMES = sizeof(frames) / sizeof(frames[0]) };

static const uint32_t cuts[][6] = {{1984, 0}, {1, 0}, {13, 7, 0}, {14, 20, 11, 400, 0}, {53, 3, 0}, {60, 1, 2, 3, 1984, 0}};
enum { CUTS = sizeof(cuts) / sizeof(cuts[0]) };

OK_UNUSED static const char *frame_title(unsigned int row) { return description_name(&frames[row]); }

/* Whether a packet in these pieces has few enough segments. */
OK_UNUSED static int fits(const struct description *d, const uint32_t *pieces)
{
	uint32_t average = 0, n = 0;
	for (; pieces[n] != 0; n++)
		average += pieces[n];
	return (payload_at(d) + d->payload) * n / average < VIONET_MAX_SEGMENTS - 2;
}

/* In a test: the pool of each case. */
#define POOL_OF_EACH_CASE \
	BEFORE_EACH { pool = pool_made(PACKETS); } \
	AFTER_EACH { ok(vionet_pool_destroy(pool)); }

#endif
