/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device writes into headers though nobody agreed to it is treated alike on every kind of ring and path: what asks
 * for work is dropped and counted, "checked" is believed only with rx_csum=trust, and buffers that were merged are
 * dropped together, so that no frame begins in the middle of another.
 */
#include "../support/cases.h"
#include "../support/rings.h"

struct ring_kind { const char *name, *keys; uint64_t features; };
static const struct ring_kind rings[] = {
	{"split", "in_order=0", 0},
	{"split in order", "in_order=1", BIT(F_IN_ORDER)},
	{"packed", "in_order=0,packed_vq=1", BIT(F_PACKED)},
	{"packed in order", "in_order=1,packed_vq=1", BIT(F_PACKED) | BIT(F_IN_ORDER)},
};
struct path { const char *name, *keys; uint64_t features; int checks, merges; };
static const struct path paths[] = {
	{"plain", "mrg_rxbuf=0", 0, 0, 0},
	{"with checksums", "rx_csum=1", BIT(F_GUEST_CSUM), 1, 0},
	{"with merged buffers", "mrg_rxbuf=1", BIT(F_MRG_RXBUF), 0, 1},
	{"joined", "lro=1,mrg_rxbuf=0,queue_size=64", BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO6) | BIT(F_INDIRECT), 1, 0},
	{"with tags taken out", "vlan_strip=1", 0, 0, 0},
};
enum { RING_KINDS = 4, PATHS = 5 };

static struct peer p;
static uint16_t port, pool;
static unsigned char frame[70000];

static const char *named(unsigned int row, const char *what)
{
	static char text[120];
	snprintf(text, sizeof(text), "%s: %s, %s", what, rings[row % RING_KINDS].name, paths[row / RING_KINDS].name);
	return text;
}

/* A port of that kind. */
static void begin(unsigned int row, const char *more)
{
	const struct ring_kind *ring = &rings[row % RING_KINDS];
	const struct path *path = &paths[row / RING_KINDS];
	peer_start(&p);
	p.features |= ring->features | path->features;
	pool = pool_made(8192);
	port = peer_port(&p, pool, 0, "%s,%s%s", ring->keys, path->keys, more);
	same(p.negotiated & (ring->features | path->features), ring->features | path->features);
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(i % 251);
	memcpy(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\xb5", 14);
}

/* One frame with that header: received, with those flags, or (-1) dropped and counted for its header. */
static void gives(uint8_t flags, uint8_t gso, int want)
{
	uint8_t header[HEADER] = {flags, gso, 54, 0, 0xe8, 3, 34, 0, 16, 0, 1, 0};
	struct vionet_packet *packets[4];
	uint64_t before = stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD];
	deliver_in(&p, RX, 1, header, frame, 1200);
	uint16_t count = vionet_rx_burst(port, 0, packets, 4);
	same(stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD], before + (want < 0));
	same(count, want >= 0);
	if (count == 0)
		return;
	same(packets[0]->flags, want);
	same(packets[0]->total_length, 1200);
	vionet_packet_free(packets[0]);
}

static const char *work_title(unsigned int row) { return named(row, "work that was not agreed is dropped and counted"); }

CASES(RING_KINDS * PATHS, work_title)
{
	const struct path *path = &paths[row / RING_KINDS];
	begin(row, "");
	int partial = path->checks ? VIONET_PACKET_CHECKSUM_PARTIAL : -1, good = path->checks ? VIONET_PACKET_CHECKSUM_GOOD : 0;
	for (int lap = 0; lap < 300; lap++) {
		gives(0, 0, 0);
		gives(2, 0, good);                         /* DATA_VALID */
		gives(1, 0, partial);                      /* NEEDS_CSUM */
		gives(3, 0, partial < 0 ? -1 : partial | good);
		gives(1, 1, -1);                           /* joined frames of TCP over IPv4 */
		gives(0, 5, -1);
		gives(0xf8, 0, 0);                         /* flags that mean nothing */
	}
	peer_port_end(&p, port, pool);
}

/* ---- several of them in one burst ----------------------------------------------------------------------------------- */

static const char *burst_title(unsigned int row) { return named(row, "from the first on, all of a burst are looked at"); }

CASES(RING_KINDS * PATHS, burst_title)
{
	uint8_t asks[HEADER] = {1, 1, 54, 0, 0xe8, 3, 34, 0, 16, 0, 1, 0}, plain[HEADER] = {0};
	struct vionet_packet *packets[32];
	begin(row, "");
	deliver_in(&p, RX, 1, asks, frame, 100);
	same(vionet_rx_burst(port, 0, packets, 32), 0);
	for (int i = 0; i < 32; i++)
		deliver_in(&p, RX, 1, i % 3 == 1 ? asks : plain, frame, 100);
	uint16_t count = vionet_rx_burst(port, 0, packets, 32);
	same(count + stats_of(port).rx.dropped[VIONET_DROP_OFFLOAD], 33);
	same(count, 21);
	vionet_packet_free_bulk(packets, count);
	peer_port_end(&p, port, pool);
}

/* ---- merged buffers that were not agreed ---------------------------------------------------------------------------- */

/* Fills `count` buffers with one frame, as VPP does, the last with `last` bytes, of which the first `now` come back. */
static struct buffer merged[8];
static uint32_t merge_room, merge_last;
static uint16_t said;

static void merge(uint32_t count, uint32_t last)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < count; i++) {
		yes(next_buffer(&p, RX, &merged[i]));
		merge_room = 0;
		for (uint32_t k = 0; k < merged[i].count; k++) {
			unsigned char *to = merged[i].piece[k].at;
			uint32_t skip = i == 0 && k == 0 ? HEADER : 0;
			merge_room += merged[i].piece[k].length;
			for (uint32_t b = skip; b < merged[i].piece[k].length; b++)
				to[b] = frame[at++ % 60000];
			if (skip > 0) {
				memset(to, 0, HEADER);
				memcpy(to + 10, &said, 2);
			}
		}
	}
	merge_last = last;
}

static void use_merged(uint32_t from, uint32_t to, uint32_t count)
{
	for (uint32_t i = from; i < to; i++)
		use_buffers(&p, RX, &merged[i], 1, i + 1 == count ? merge_last : merge_room);
}

static void drops(uint64_t longs, const char *when)
{
	struct vionet_stats s = stats_of(port);
	if (s.rx.dropped[VIONET_DROP_LONG] != longs || s.rx.broken)
		FAILED("%s: %" PRIu64 " dropped as long, not %" PRIu64 ", broken %" PRIu64, when, s.rx.dropped[VIONET_DROP_LONG], longs,
		       s.rx.broken);
}

/* A burst gives one frame of that length, which begins as one; with 0, nothing. */
static void burst_gives(uint32_t length)
{
	struct vionet_packet *packets[8];
	uint16_t count = vionet_rx_burst(port, 0, packets, 8);
	same(count, length > 0);
	if (count == 0)
		return;
	same(packets[0]->total_length, length);
	same(memcmp(packets[0]->data, frame, 64), 0);
	vionet_packet_free(packets[0]);
}

static const char *merged_title(unsigned int row)
{
	return named(row < 2 * RING_KINDS ? row : row + RING_KINDS, "buffers that nobody agreed to merge are dropped together");
}

CASES(RING_KINDS * (PATHS - 1), merged_title)
{
	unsigned int kind = row < 2 * RING_KINDS ? row : row + RING_KINDS; /* not the path that has agreed */
	uint8_t plain[HEADER] = {0};
	begin(kind, "");
	uint64_t longs = 0;
	for (int lap = 0; lap < 60; lap++)
		for (uint32_t count = 2; count <= 4; count++) {
			uint32_t last = lap % 2 == 0 ? 100 : 1; /* the next header of a frame, if it were one, or too short for it */
			said = (uint16_t)count;
			merge(count, last);
			use_merged(0, count, count);
			deliver_in(&p, RX, 1, plain, frame, 100);
			burst_gives(100);
			drops(++longs, "at once");
			merge(count, last);
			use_merged(0, 1, count);
			burst_gives(0);
			drops(longs, "while the rest is missing");
			use_merged(1, count, count);
			deliver_in(&p, RX, 1, plain, frame, 64);
			burst_gives(64);
			drops(++longs, "in two steps");
		}
	if (has(&p, F_IN_ORDER)) {
		said = 3;
		merge(3, 100);
		use_buffers(&p, RX, merged, 3, 100); /* one entry for all of them */
		deliver_in(&p, RX, 1, plain, frame, 100);
		burst_gives(100);
		drops(++longs, "as a batch");
	}
	peer_port_end(&p, port, pool);
}

static const char *garbage_title(unsigned int row)
{
	return named(row < 2 * RING_KINDS ? row : row + RING_KINDS, "num_buffers alone means nothing");
}

CASES(RING_KINDS * (PATHS - 1), garbage_title)
{
	static const uint16_t values[] = {0, 1, 2, 65, 0xffff};
	begin(row < 2 * RING_KINDS ? row : row + RING_KINDS, "");
	for (int lap = 0; lap < 60; lap++)
		for (int i = 0; i < 5; i++) {
			said = values[i];
			merge(1, 200); /* memory as it was, and one frame */
			use_merged(0, 1, 1);
			burst_gives(200 - HEADER);
			if (said == 2)
				continue;
			merge(1, 0); /* the frame that fills its buffer */
			merge_last = merge_room;
			use_merged(0, 1, 1);
			burst_gives(merge_room - HEADER);
		}
	drops(0, "one frame per buffer");
	peer_port_end(&p, port, pool);
}

/* ---- rx_csum=trust -------------------------------------------------------------------------------------------------- */

static const char *trust_title(unsigned int row)
{
	static char text[100];
	snprintf(text, sizeof(text), "rx_csum=trust believes a device that agreed to nothing: %s%s", rings[row % RING_KINDS].name,
	         row / RING_KINDS ? ", merged buffers" : "");
	return text;
}

CASES(RING_KINDS * 2, trust_title)
{
	begin(row / RING_KINDS ? row % RING_KINDS + 2 * RING_KINDS : row, ",rx_csum=trust");
	same(has(&p, F_GUEST_CSUM), 0);
	yes(info_of(port).rx_offloads & VIONET_RX_CHECKSUM);
	for (int lap = 0; lap < 300; lap++) {
		gives(0, 0, 0);
		gives(2, 0, VIONET_PACKET_CHECKSUM_GOOD);
		gives(0xfe, 0, VIONET_PACKET_CHECKSUM_GOOD);
		gives(1, 0, -1); /* work is still not agreed */
		gives(3, 0, -1);
		gives(2, 1, -1);
	}
	peer_port_end(&p, port, pool);
}

CASE("rx_csum=trust asks for GUEST_CSUM where that is offered, and counts as VIONET_RX_CHECKSUM")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[120];
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	config.rx_offloads = VIONET_RX_CHECKSUM;
	ok(vionet_probe(address, &port));
	err(vionet_init(port, &config), -ENOTSUP);
	says("GUEST_CSUM");
	vionet_close(port);
	strcat(address, ",rx_csum=trust");
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	vionet_close(port);
	p.features |= BIT(F_GUEST_CSUM);
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	yes(p.negotiated >> F_GUEST_CSUM & 1);
	vionet_close(port);
	peer_end(&p);
	err(vionet_probe("soft:sink,rx_csum=yes", &port), -EINVAL);
	says("trust");
}
