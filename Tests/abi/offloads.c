/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums and segmentation: which requests lead to which features, what a device's header becomes in a packet and a
 * packet's flags in a header, vionet_tx_prepare() and its sentences.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/rings.h"

enum { PACKETS = 4096 };
#define SENDING (BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_HOST_TSO6) | BIT(F_HOST_ECN) | BIT(F_HOST_USO))
#define JOINED (BIT(F_GUEST_TSO4) | BIT(F_GUEST_TSO6) | BIT(F_GUEST_USO4))

static struct peer p;
static uint16_t port, pool;
static unsigned char bytes[4096];

static void up(const char *options, uint64_t features, uint32_t rx_offloads)
{
	peer_start(&p);
	p.features |= features;
	port = peer_port(&p, pool, rx_offloads, "queue_size=64%s", options);
}

static void down(void) { peer_port_end(&p, port, pool); }

CASE("receive offloads are negotiated as far as they make sense together")
{
	static const struct { const char *options; uint64_t offered; uint32_t requested; uint64_t negotiated; } rows[] = {
		{"", BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF), 0, 0},
		{"", BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF), VIONET_RX_CHECKSUM, BIT(F_GUEST_CSUM)},
		{",rx_csum=1", BIT(F_GUEST_CSUM) | JOINED, 0, BIT(F_GUEST_CSUM)},
		{"", BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF), VIONET_RX_LRO, BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF)},
		{",lro=1", BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO6) | BIT(F_MRG_RXBUF), VIONET_RX_VLAN_STRIP,
		 BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO6) | BIT(F_MRG_RXBUF)},
		/* Joined packets fit into no buffer of these, and need the checksum. */
		{",lro=1", BIT(F_GUEST_CSUM) | JOINED, 0, BIT(F_GUEST_CSUM)},
		{",lro=1,mrg_rxbuf=0", BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF), 0, BIT(F_GUEST_CSUM)},
		/* They fit into several, where one entry may be several. */
		{",mrg_rxbuf=0", BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF) | BIT(F_INDIRECT), VIONET_RX_LRO,
		 BIT(F_GUEST_CSUM) | JOINED},
		{",lro=1", JOINED | BIT(F_MRG_RXBUF), 0, 0},
	};
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		up(rows[i].options, rows[i].offered, rows[i].requested);
		uint64_t about = BIT(F_GUEST_CSUM) | JOINED | BIT(F_MRG_RXBUF);
		if ((p.negotiated & about) != rows[i].negotiated)
			FAILED("row %u: %#" PRIx64 " were accepted", i, p.negotiated & about);
		down();
	}
	peer_start(&p);
	ok(vionet_probe((snprintf((char *)bytes, 100, "vhost-user:%s", p.path), (char *)bytes), &port));
	config.pool = pool;
	for (int bit = 7; bit < 32; bit++) {
		config.rx_offloads = 1u << bit | 1;
		err(vionet_init(port, &config), -EINVAL);
		says("rx_offloads");
	}
	vionet_close(port);
	peer_end(&p);
}

/* Delivers a frame of 100 bytes with that header, and requires those flags; UINT32_MAX: it is dropped. */
static void received(uint8_t flags, uint8_t type, uint16_t size, uint16_t start, uint32_t expected)
{
	struct vionet_packet *packets[4];
	unsigned char header[HEADER] = {flags, type, 54, 0}, frame[100];
	memcpy(header + 4, &size, 2);
	memcpy(header + 6, &start, 2);
	header[8] = 16;
	frame_fill(frame, 100, start);
	uint64_t before = stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD];
	deliver_in(&p, RX, 1, header, frame, 100);
	uint16_t n = vionet_rx_burst(port, 0, packets, 4);
	same(stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD] - before, expected == UINT32_MAX);
	same(n, expected != UINT32_MAX);
	if (n == 0)
		return;
	same(packets[0]->flags, expected);
	same(packets[0]->checksum_start, flags & 1 ? start : 0);
	same(packets[0]->segment_size, type || flags & 1 ? size : 0);
	yes(frame_right(packets[0]->data, 100, start));
	vionet_packet_free(packets[0]);
}

CASE("a received header becomes flags of the packet, and an invalid one a drop")
{
	up(",lro=1", BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_MRG_RXBUF), 0);
	received(0, 0, 9, 9, 0);
	received(2, 0, 9, 9, VIONET_PACKET_CHECKSUM_GOOD);
	received(1, 0, 0, 34, VIONET_PACKET_CHECKSUM_PARTIAL);
	received(1, 0, 0, 82, VIONET_PACKET_CHECKSUM_PARTIAL);
	received(1, 0, 0, 83, UINT32_MAX);
	received(1, 0, 0, 65535, UINT32_MAX);
	received(1, 1, 1000, 34, VIONET_PACKET_CHECKSUM_PARTIAL | VIONET_PACKET_TCP4);
	received(1, 1, 0, 34, UINT32_MAX);
	received(1, 4, 1000, 34, UINT32_MAX);
	received(1, 0x81, 1000, 34, UINT32_MAX);
	received(0x80, 0, 0, 0, 0);
	down();
}

/* A small pool does not have enough buffers: then nothing is joined. */
CASE("joined frames of up to 64 KiB come in as many buffers as they take")
{
	static unsigned char frame[65550], got[65550];
	unsigned char header[HEADER] = {0, 1, 54, 0, 0x78, 5};
	struct vionet_packet *packets[4];
	uint16_t large = pool;
	uint32_t at;
	up(",lro=1", BIT(F_GUEST_CSUM) | JOINED | BIT(F_INDIRECT), 0);
	yes(strcmp(info_of(port).rx_path, "rx-split-scatter") == 0);
	for (uint32_t number = 0; number < 300; number++) {
		uint32_t length = number % 2 ? 60 + number : sizeof(frame) - number;
		frame_fill(frame, length, number);
		deliver_in(&p, RX, 1, header, frame, length);
		same(vionet_rx_burst(port, 0, packets, 4), 1);
		same(packets[0]->segments, (length + 1983) / 1984);
		same(packets[0]->flags, VIONET_PACKET_TCP4);
		at = 0;
		for (struct vionet_packet *s = packets[0]; s != NULL; at += s->length, s = s->next)
			memcpy(got + at, s->data, s->length);
		yes(frame_right(got, length, number));
		vionet_packet_free(packets[0]);
	}
	down();
	pool = pool_made(PACKETS / 4);
	up(",lro=1", BIT(F_GUEST_CSUM) | JOINED | BIT(F_INDIRECT), 0);
	same(p.negotiated & JOINED, 0);
	same(info_of(port).mtu, 1500);
	vionet_close(port);
	peer_end(&p);
	ok(vionet_pool_destroy(pool));
	pool = large;
}

/* Ethernet, IPv4 and a TCP header, addresses all 1 but for the last byte. */
static struct vionet_packet *tcp_packet(uint32_t payload, uint32_t flags)
{
	struct vionet_packet *one = vionet_packet_alloc(pool);
	unsigned char *d = vionet_packet_append(one, 54 + payload);
	yes(d != NULL);
	memset(d, 1, 54 + payload);
	memcpy(d + 12, "\x08\x00\x45\x00", 4);
	d[16] = (unsigned char)((40 + payload) >> 8);
	d[17] = (unsigned char)(40 + payload);
	memcpy(d + 18, "\x00\x00\x40\x00\x40\x06\x00\x00\x01\x01\x01\x07\x01\x01\x01\x09", 16);
	d[46] = 0x50;
	memset(d + 50, 0xee, 2);
	one->flags = flags;
	return one;
}

static uint32_t sum(const unsigned char *d, uint32_t length)
{
	uint32_t s = 0;
	for (uint32_t i = 0; i < length; i++)
		s += i & 1 ? d[i] : (uint32_t)d[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Sent after vionet_tx_prepare, a packet's checksum is right once the device has completed it. */
static void prepared_and_sent(void)
{
	struct vionet_packet *packets[3] = {tcp_packet(11, VIONET_PACKET_CHECKSUM_PARTIAL), tcp_packet(400, VIONET_PACKET_TCP4),
	                                    tcp_packet(0, 0)};
	struct buffer b;
	packets[1]->segment_size = 100;
	same(vionet_tx_prepare(port, 0, packets, 3), 3);
	same(vionet_tx_burst(port, 0, packets, 3), 3);
	for (int i = 0; i < 3; i++) {
		uint32_t n = collect_in(&p, TX, &b, bytes, sizeof(bytes));
		uint32_t payload = i == 0 ? 11 : i == 1 ? 400 : 0;
		unsigned char *f = bytes + HEADER, pseudo[12];
		same(n, HEADER + 54 + payload);
		same(bytes[0], i < 2);
		same(bytes[1], i == 1);
		same(bytes[2], i == 1 ? 54 : 0);
		same(bytes[4], i == 1 ? 100 : 0);
		same(bytes[6], i < 2 ? 34 : 0);
		same(bytes[8], i < 2 ? 16 : 0);
		same(bytes[10] | bytes[11], 0);
		use_buffers(&p, TX, &b, 1, 0);
		if (i == 2)
			continue;
		uint32_t whole = ~sum(f + 34, n - HEADER - 34) & 0xffff;
		f[50] = (unsigned char)(whole >> 8);
		f[51] = (unsigned char)whole;
		memcpy(pseudo, f + 26, 8);
		memcpy(pseudo + 8, "\x00\x06", 2);
		pseudo[10] = (unsigned char)((20 + payload) >> 8);
		pseudo[11] = (unsigned char)(20 + payload);
		/* A right packet sums up to all ones. */
		uint32_t all = sum(f + 34, n - HEADER - 34) + sum(pseudo, 12);
		same((all & 0xffff) + (all >> 16), 0xffff);
	}
	same(vionet_tx_done(port, 0), 3);
}

static void prepared_on(const char *options)
{
	int packed = options[0] != 0;
	up(options, SENDING | BIT(F_PACKED) | (packed ? BIT(F_IN_ORDER) : 0), 0);
	prepared_and_sent();
	down();
}

/* Packets before the wrong one are prepared, those after it are not touched. */
CASE("an offload that was not negotiated is named")
{
	static const struct { int bit; uint32_t flags; const char *name; } rows[] = {
		{F_CSUM, VIONET_PACKET_TCP4, "VIRTIO_NET_F_CSUM"},
		{F_HOST_TSO4, VIONET_PACKET_TCP4, "VIRTIO_NET_F_HOST_TSO4"},
		{F_HOST_TSO6, VIONET_PACKET_TCP6, "VIRTIO_NET_F_HOST_TSO6"},
		{F_HOST_USO, VIONET_PACKET_UDP, "VIRTIO_NET_F_HOST_USO"},
		{F_HOST_ECN, VIONET_PACKET_TCP4 | VIONET_PACKET_ECN, "VIRTIO_NET_F_HOST_ECN"},
	};
	for (unsigned int i = 0; i < 5; i++) {
		struct vionet_packet *packets[3];
		up("", SENDING & ~BIT(rows[i].bit), 0);
		packets[0] = tcp_packet(10, i == 0 ? 0 : VIONET_PACKET_CHECKSUM_PARTIAL);
		packets[1] = tcp_packet(400, rows[i].flags);
		packets[1]->segment_size = 100;
		packets[2] = tcp_packet(10, VIONET_PACKET_CHECKSUM_PARTIAL);
		same(vionet_tx_prepare(port, 0, packets, 3), 1);
		says(rows[i].name);
		same(packets[0]->checksum_start, i == 0 ? 0 : 34);
		same(packets[2]->checksum_start, 0);
		/* When it is sent in spite of that it is dropped and counted. */
		same(vionet_tx_burst(port, 0, packets + 1, 1), 1);
		same(stats_of(port).tx.dropped[VIONET_DROP_OFFLOAD], 1);
		vionet_packet_free(packets[0]);
		vionet_packet_free(packets[2]);
		down();
	}
}

CASE("packets that cannot be prepared are refused with the reason")
{
	struct vionet_packet *one = tcp_packet(10, VIONET_PACKET_CHECKSUM_PARTIAL), *none = NULL;
	up("", SENDING, 0);
	memset((char *)one->data + 12, 0x88, 2);
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("TCP or UDP");
	same(vionet_tx_prepare(port, 0, &none, 1), 0);
	says("caller holds");
	same(vionet_tx_prepare(port, 0, NULL, 5), 0);
	says("packets is NULL");
	same(vionet_tx_prepare(port, 0, NULL, 0), 0);
	same(vionet_tx_prepare(port, 0, &one, 0), 0);
	same(vionet_tx_prepare(port, 1, &one, 1), 0);
	says("queue 1");
	ok(vionet_stop(port));
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	says("started");
	vionet_packet_free(one);
	down();
	same(vionet_tx_prepare(port, 0, &one, 1), 0);
	same(vionet_tx_done(port, 0), 0);
}

BEFORE_EACH { pool = pool_made(PACKETS); }
AFTER_EACH { ok(vionet_pool_destroy(pool)); }

CASE("prepared packets have right checksums, split ring") { prepared_on(""); }
CASE("prepared packets have right checksums, packed ring in order") { prepared_on(",packed_vq=1"); }
