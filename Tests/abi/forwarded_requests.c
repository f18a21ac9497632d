/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was received can be sent: a frame of several TCP segments goes from one device to another, whatever the first one
 * said about its headers. The length of the headers is a hint (virtio 1.4, 5.1.9.4.2), and a device that has checked the
 * checksum leaves none to complete. The second device is told what is true.
 */
#include "../support/cases.h"
#include "../support/rings.h"

enum { HEADERS = 54, F_GUEST_HDRLEN_BIT = 59, SEGMENT = 1448 };

static struct peer a, b;
static uint16_t from, to, pool;
static unsigned char frame[70000], sent[70000];

static void tcp_frame(uint32_t length)
{
	memset(frame, 0, length);
	memcpy(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0\x45\0\0\0\0\0\x40\0\x40\6\0\0\x0a\0\0\1\x0a\0\0\2", 34);
	frame[16] = (unsigned char)((length - 14) >> 8);
	frame[17] = (unsigned char)(length - 14);
	memcpy(frame + 34, "\x10\0\x20\0\0\0\0\1\0\0\0\1\x50\x18\x10\0\xaa\xbb\0\0", 20);
	for (uint32_t i = HEADERS; i < length; i++)
		frame[i] = (unsigned char)i;
}

/* The sum over the pseudo-header, as a device that finishes the checksum wants it. */
static uint16_t pseudo_sum(uint32_t length)
{
	uint32_t sum = 6 + length - 34;
	for (int i = 26; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static const struct { const char *name, *keys; uint64_t features; uint32_t buffers, length; } ways[] = {
	{"in one buffer", "lro=1", BIT(F_INDIRECT), 1, 1900},
	{"in several descriptors", "lro=1", BIT(F_INDIRECT), 1, 5000},
	{"in merged buffers", "lro=1,queue_size=256", BIT(F_MRG_RXBUF), 3, 5000},
	{"on packed rings", "lro=1,packed_vq=1", BIT(F_INDIRECT) | BIT(F_PACKED), 1, 5000},
};

static const char *way(unsigned int row) { return ways[row].name; }

/* Delivers the frame with these words about it, forwards it, and looks at what the second device is told. */
static void crosses(unsigned int row, uint8_t flags, uint16_t hint)
{
	uint32_t length = ways[row].length, got;
	uint16_t segment = SEGMENT, start = 34, offset = 16, said[4];
	unsigned char header[HEADER] = {flags, 1};
	struct vionet_packet *packet;
	struct buffer buffer;

	tcp_frame(length);
	memcpy(header + 2, &hint, 2);
	memcpy(header + 4, &segment, 2);
	if (flags & 1) {
		memcpy(header + 6, &start, 2);
		memcpy(header + 8, &offset, 2);
		frame[50] = (unsigned char)(pseudo_sum(length) >> 8);
		frame[51] = (unsigned char)pseudo_sum(length);
	}
	deliver_in(&a, RX, ways[row].buffers, header, frame, length);
	same(vionet_rx_burst(from, 0, &packet, 1), 1);
	same(packet->total_length, length);
	same(vionet_tx_burst(to, 0, &packet, 1), 1);
	got = collect_in(&b, TX, &buffer, sent, sizeof(sent));
	if (got == 0)
		FAILED("flags %u, hint %u: nothing was sent, %" PRIu64 " dropped as offload", flags, hint,
		       stats_of(to).tx.dropped[VIONET_DROP_OFFLOAD]);
	use_buffers(&b, TX, &buffer, 1, 0);
	same(got, HEADER + length);
	memcpy(said, sent + 2, sizeof(said));
	same(sent[0], 1);
	same(sent[1], 1);
	same(said[0], HEADERS);
	same(said[1], SEGMENT);
	same(said[2], 34);
	same(said[3], 16);
	same((sent[HEADER + 50] << 8 | sent[HEADER + 51]), pseudo_sum(length));
	memcpy(frame + 50, sent + HEADER + 50, 2);
	yes(memcmp(sent + HEADER, frame, length) == 0);
}

CASES(4, way)
{
	static const uint16_t hints[] = {HEADERS, 0, 14, 34, 40, 53, 66, 128, 1000, 1900, 1984, 3000, 60000};

	peer_start(&a);
	peer_start(&b);
	a.features |= BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | ways[row].features;
	b.features |= BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_GUEST_HDRLEN_BIT) | BIT(F_INDIRECT);
	pool = pool_made(16384);
	from = peer_port(&a, pool, 0, "%s", ways[row].keys);
	to = peer_port(&b, pool, 0, "queue_size=256");
	for (unsigned int i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		for (uint8_t flags = 1; flags < 4; flags++)
			crosses(row, flags, hints[i]);
	same(stats_of(to).tx.dropped[VIONET_DROP_OFFLOAD], 0);
	vionet_close(from);
	vionet_close(to);
	same(pool_of(pool).available, 16384);
	peer_end(&a);
	peer_end(&b);
}
