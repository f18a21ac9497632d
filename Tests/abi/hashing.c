/* SPDX-License-Identifier: BSD-2-Clause */
/* RSS and hash reports: the commands byte by byte, what a device's limits allow, and a hash that arrives in a packet. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static uint16_t port;
static uint8_t own_key[40], key_room[255];
static uint16_t table_room[32768];

#define KEY "28 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627\n"

/* A device with four queues that hashes with keys of up to 40 bytes and tables of up to 128 entries. */
static void hashing_start(struct control *c, uint64_t features)
{
	control_start(c, features, 4);
	memcpy(c->peer.config + 17, "\x28\x80\x00\x3f\x02\x00\x00", 7);
	for (uint8_t i = 0; i < 40; i++)
		own_key[i] = i;
}

static struct vionet_rss got(uint8_t key, uint16_t table)
{
	struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
	memset(key_room, 0xee, sizeof(key_room));
	memset(table_room, 0xee, sizeof(table_room));
	rss.key = key_room;
	rss.key_length = key;
	rss.table = table_room;
	rss.table_length = table;
	ok(vionet_rss_get(port, &rss));
	return rss;
}

static int set(uint32_t types, uint8_t *key, uint8_t key_length, uint16_t *table, uint16_t length, uint16_t other)
{
	struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
	rss.hash_types = types;
	rss.key = key;
	rss.key_length = key_length;
	rss.table = table;
	rss.table_length = length;
	rss.unclassified_queue = other;
	return vionet_rss_set(port, &rss);
}

/* From the start: all types, the queues in turn, a random key. */
static void unasked(struct control *c)
{
	uint8_t wanted[2 + 4 + 4 + 256 + 3], first[40];
	same(c->count, 1);
	memcpy(wanted, "\x04\x01\x3f\x00\x00\x00\x7f\x00\x00\x00", 10);
	for (int i = 0; i < 128; i++) {
		wanted[10 + 2 * i] = (uint8_t)(i % 4);
		wanted[11 + 2 * i] = 0;
	}
	memcpy(wanted + 266, "\x04\x00\x28", 3);
	same(c->seen[0].length, sizeof(wanted) + 40);
	yes(memcmp(c->seen[0].bytes, wanted, sizeof(wanted)) == 0);
	memcpy(first, c->seen[0].bytes + sizeof(wanted), 40);
	control_forget(c);

	struct vionet_rss rss = got(255, 32768);
	same(rss.hash_types, 0x3f);
	same(rss.supported_hash_types, 0x3f); /* a bit without a meaning is left out */
	same(rss.key_length, 40);
	same(rss.max_key_length, 40);
	same(rss.table_length, 128);
	same(rss.max_table_length, 128);
	same(rss.unclassified_queue, 0);
	yes(memcmp(key_room, first, 40) == 0 && key_room[40] == 0xee);
	for (int i = 0; i < 128; i++)
		same(table_room[i], i % 4);
	same(table_room[128], 0xeeee);
	ok(vionet_init(port, NULL));
	same(c->count, 1);
	yes(memcmp(c->seen[0].bytes + sizeof(wanted), first, 40) != 0);
	control_forget(c);
}

static void chosen(struct control *c)
{
	uint16_t table[] = {3, 2, 1, 0};
	static const char *const said = "04 01 03000000 0300 0200 0300 0200 0100 0000 0400" KEY;
	ok(set(VIONET_HASH_IPV4 | VIONET_HASH_TCP4, own_key, 40, table, 4, 2));
	commands(c, said);
	struct vionet_rss rss = got(3, 2);
	same(rss.hash_types, 3);
	same(rss.key_length, 40);
	same(rss.table_length, 4);
	same(rss.unclassified_queue, 2);
	yes(memcmp(key_room, own_key, 3) == 0 && key_room[3] == 0xee);
	yes(table_room[0] == 3 && table_room[1] == 2 && table_room[2] == 0xeeee);
	ok(vionet_start(port));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(c, said);
	/* Left out: all types, the same key, an even table. A table may have one entry. */
	ok(set(0, NULL, 0, table, 1, 0));
	commands(c, "04 01 3f000000 0000 0000 0300 0400" KEY);
	ok(set(VIONET_HASH_UDP6, own_key, 2, table, 2, 3));
	commands(c, "04 01 20000000 0100 0300 0300 0200 0400 02 0001\n");
}

static uint8_t no(const uint8_t *command, uint32_t length)
{
	return (uint8_t)(command[0] + length > 0);
}

static void wrong(struct control *c)
{
	static uint8_t key[41];
	static uint16_t table[256] = {[1] = 4};
	struct vionet_rss before = got(0, 0);
	err(set(0, key, 41, NULL, 0, 0), -EINVAL);
	says("key_length is 41");
	err(set(0, NULL, 1, NULL, 0, 0), -EINVAL);
	says("key is NULL");
	err(set(0, NULL, 0, NULL, 1, 0), -EINVAL);
	says("table is NULL");
	err(set(0, NULL, 0, table, 3, 0), -EINVAL);
	says("table_length is 3");
	err(set(0, NULL, 0, table, 256, 0), -EINVAL);
	says("128");
	err(set(0, NULL, 0, table, 2, 0), -EINVAL);
	says("entry 1");
	err(set(0, NULL, 0, NULL, 0, 4), -EINVAL);
	says("unclassified_queue");
	err(set(VIONET_HASH_IPV6_EX, NULL, 0, NULL, 0, 0), -EINVAL);
	says("hash_types");
	err(vionet_rss_set(port, NULL), -EINVAL);
	err(vionet_rss_get(port, NULL), -EINVAL);
	commands(c, "");
	c->answer = no;
	err(set(0, own_key, 40, NULL, 0, 0), -EIO);
	says("MQ_RSS_CONFIG");
	c->answer = NULL;
	control_forget(c);
	struct vionet_rss after = got(0, 0);
	before.key = after.key;
	yes(memcmp(&before, &after, sizeof(before)) == 0);
}

/* One command sets the pairs in use and the table, so they never disagree. */
static void with_pairs(struct control *c)
{
	uint16_t table[] = {0, 1};
	ok(set(1, own_key, 1, table, 2, 1));
	control_forget(c);
	err(vionet_queue_pairs_set(port, 1), -EINVAL);
	says("of 1 queues in use");
	commands(c, "");
	ok(vionet_queue_pairs_set(port, 2));
	commands(c, "04 01 01000000 0100 0100 0000 0100 0200 01 00\n");
	ok(set(1, NULL, 0, NULL, 0, 0));
	same(c->seen[0].length, 2 + 8 + 256 + 3 + 1);
	for (int i = 0; i < 128; i++)
		same(c->seen[0].bytes[10 + 2 * i], i % 2);
	control_forget(c);
	ok(vionet_queue_pairs_set(port, 3));
	for (int i = 0; i < 128; i++)
		same(c->seen[0].bytes[10 + 2 * i], i % 3);
	same(c->seen[0].bytes[266], 3);
	control_forget(c);
}

CASE("the largest table and the longest key that there can be")
{
	struct control c;
	hashing_start(&c, BIT(F_RSS));
	memcpy(c.peer.config + 17, "\xff\x00\x80", 3);
	port = control_port(&c, ",cq=1,queues=2,rss=1");
	for (int i = 0; i < 32768; i++)
		table_room[i] = (uint16_t)(i / 3 % 2);
	for (int i = 0; i < 255; i++)
		key_room[i] = (uint8_t)(255 - i);
	control_forget(&c);
	ok(set(1, key_room, 255, table_room, 32768, 1));
	same(c.seen[0].length, 2 + 8 + 65536 + 3 + 255);
	yes(memcmp(c.seen[0].bytes + 10, table_room, 65536) == 0);
	yes(memcmp(c.seen[0].bytes + 65549, key_room, 255) == 0);
	struct vionet_rss rss = got(255, 32768);
	same(rss.table_length, 32768);
	for (int i = 0; i < 32768; i++)
		same(table_room[i], i / 3 % 2);
	same(key_room[0], 255);
	vionet_close(port);
	control_end(&c);
}

/* ---- hash reports ------------------------------------------------------------------------------------------------ */

static void deliver_hashed(struct peer *p, uint32_t hash, uint16_t report)
{
	static const unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	uint16_t id = take(p, RX);
	struct vring_desc *d = &descriptors(p, RX)[id];
	unsigned char *buffer = peer_at(p, d->addr, d->len, 1);
	memset(buffer, 0, 20);
	buffer[10] = 1;
	memcpy(buffer + 12, &hash, 4);
	memcpy(buffer + 16, &report, 2);
	memcpy(buffer + 20, frame, sizeof(frame));
	give_back(p, RX, id, 20 + sizeof(frame));
}

static void reported(struct peer *p, uint16_t report, int valid)
{
	struct vionet_packet *packet;
	deliver_hashed(p, 0xcafe0000u + report, report);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same((packet->flags & VIONET_PACKET_HASH) != 0, valid);
	if (valid) {
		same(packet->hash, 0xcafe0000u + report);
		same(packet->flags >> 24, report);
	}
	same(packet->length, 60);
	vionet_packet_free(packet);
}

CASE("a hash that the device reports arrives in the packet")
{
	uint16_t table[1] = {0};
	struct control c;
	hashing_start(&c, BIT(F_HASH_REPORT) | BIT(F_MQ));
	port = control_port(&c, ",cq=1,queues=2,rx_hash=1");
	same(info_of(port).header_size, 20);
	yes(memcmp(c.peer.config_read + 17, "\1\0\0\1", 4) == 0); /* the size of a table is there with RSS only */
	same(c.count, 2);
	same(c.seen[1].length, 2 + 4 + 8 + 1 + 40);
	yes(memcmp(c.seen[1].bytes, "\x04\x02\x3f\0\0\0\0\0\0\0\0\0\0\0\x28", 15) == 0);
	control_forget(&c);
	ok(set(VIONET_HASH_TCP6, own_key, 40, NULL, 0, 0));
	commands(&c, "04 02 10000000 0000000000000000" KEY);
	err(set(0, NULL, 0, table, 1, 0), -ENOTSUP);
	says("not offer VIRTIO_NET_F_RSS");
	err(set(0, NULL, 0, NULL, 0, 1), -ENOTSUP);
	struct vionet_rss rss = got(0, 0);
	same(rss.table_length, 0);
	same(rss.max_table_length, 0);
	same(rss.max_key_length, 40);
	/* Another number of pairs may have switched it off in the device. */
	ok(vionet_queue_pairs_set(port, 1));
	commands(&c, "04 00 0100\n 04 02 10000000 0000000000000000" KEY);
	ok(vionet_start(port));
	for (uint16_t report = 0; report < 12; report++)
		reported(&c.peer, report, report >= 1 && report <= 9);
	vionet_close(port);
	control_end(&c);
}

/* ---- what is not available ------------------------------------------------------------------------------------------ */

static void negotiates(const char *config, const char *keys, uint64_t wanted)
{
	struct control c;
	hashing_start(&c, BIT(F_RSS) | BIT(F_HASH_REPORT));
	memcpy(c.peer.config + 17, config, 7);
	c.peer.served = wanted & BIT(F_RSS) ? 8 : 2; /* only with RSS there are more pairs than one */
	port = control_port(&c, keys);
	same(info_of(port).negotiated[0] & (BIT(F_RSS) | BIT(F_HASH_REPORT)), wanted);
	if (wanted == 0) {
		struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
		err(vionet_rss_get(port, &rss), -ENOTSUP);
		says("VIRTIO_NET_F_");
		err(set(0, NULL, 0, NULL, 0, 0), -ENOTSUP);
		same(c.count, 0);
	}
	vionet_close(port);
	control_end(&c);
}

CASE("hashing is negotiated if the device and the options allow it")
{
	static const char good[] = "\x28\x80\x00\x3f\x02\x00\x00";
	negotiates(good, ",cq=1,rss=1,rx_hash=1", BIT(F_RSS) | BIT(F_HASH_REPORT));
	negotiates(good, ",cq=1,rss=1", BIT(F_RSS));
	negotiates(good, ",cq=1,rx_hash=1", BIT(F_HASH_REPORT));
	negotiates(good, ",cq=1", 0);
	says("rss=1");
	negotiates(good, ",rss=1,rx_hash=1", 0);
	says("cq=1");
	negotiates("\x27\x80\x00\x3f\x00\x00\x00", ",cq=1,rss=1,rx_hash=1", 0);
	negotiates("\x28\x7f\x00\x3f\x00\x00\x00", ",cq=1,rss=1,rx_hash=1", BIT(F_HASH_REPORT));
	negotiates("\x28\x80\x00\x00\xfe\xff\xff", ",cq=1,rss=1,rx_hash=1", 0);
}

/* These go on where the one before has ended: a key that was set is kept. */
CASE("hash settings: the first, chosen ones, wrong ones, and those that follow the queue pairs")
{
	struct control c;
	hashing_start(&c, BIT(F_RSS) | BIT(F_HASH_REPORT) | BIT(F_MQ));
	port = control_port(&c, ",cq=1,queues=4,rss=1");
	unasked(&c);
	chosen(&c);
	wrong(&c);
	with_pairs(&c);
	vionet_close(port);
	control_end(&c);
}
