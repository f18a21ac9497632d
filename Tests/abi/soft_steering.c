/* SPDX-License-Identifier: BSD-2-Clause */
/* RSS and hash reports of our own device, set by our own driver: each packet's hash, and the queue that the table says. */
#include "../support/cases.h"
#include "../support/frame.h"

enum { QUEUES = 4, FLOWS = 64 };

static uint16_t port, table[512];
static uint8_t key[40];
static struct vionet_rss rss;

/* Reads what is in use. */
static void ask(void)
{
	rss = VIONET_SIZED(struct vionet_rss);
	rss.key = key, rss.key_length = sizeof(key);
	rss.table = table, rss.table_length = 512;
	ok(vionet_rss_get(port, &rss));
	same(rss.key_length, 40);
}

static struct vionet_packet *datagram(uint32_t flow)
{
	struct vionet_packet *p = frame_packet(0, 120, flow);
	uint8_t *d = p->data;
	uint32_t mixed = flow * 2654435761u; /* so that any key tells the flows apart */
	memcpy(d + 12, "\x08\x00\x45\x00\x00\x6a\x00\x00\x40\x00\x40\x11", 12);
	memcpy(d + 26, "\xc6\x12\x00\x01\xc6\x13\x00\x01", 8);
	memcpy(d + 30, &mixed, 4);
	d[34] = (uint8_t)(flow >> 8), d[35] = (uint8_t)flow, d[36] = 0, d[37] = 9;
	return p;
}

/* The next packet of any queue, after waiting for it. */
static struct vionet_packet *next(uint16_t *queue)
{
	struct vionet_packet *p;
	for (int rounds = 0;; rounds++) {
		yes(rounds < 50000);
		for (*queue = 0; *queue < QUEUES; ++*queue)
			if (vionet_rx_burst(port, *queue, &p, 1) == 1)
				return p;
		usleep(100);
	}
}

/* Whether a packet has the hash of what is asked for, and came on the queue of its entry. */
static void judge(struct vionet_packet *p, uint16_t queue, int reports)
{
	const uint8_t *d = p->data;
	uint32_t hash = vionet_toeplitz(key, 40, d + 26, 12);
	same(queue, table[hash & (uint32_t)(rss.table_length - 1)]);
	same(!!(p->flags & VIONET_PACKET_HASH), reports);
	if (reports) {
		same(p->hash, hash);
		same(p->flags >> 24, 3);
	}
}

static uint32_t seen[QUEUES], senders;

static void flows(int reports)
{
	memset(seen, 0, sizeof(seen));
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		struct vionet_packet *p = datagram(flow);
		uint16_t queue;
		same(vionet_tx_burst(port, (uint16_t)(flow % senders), &p, 1), 1);
		p = next(&queue);
		judge(p, queue, reports);
		seen[queue]++;
		vionet_packet_free(p);
	}
}

static void over(const char *keys)
{
	static uint16_t own[8] = {3, 3, 1, 3, 1, 1, 3, 1};
	char address[160];
	int reports = strstr(keys, "rx_hash=1") != NULL;
	snprintf(address, sizeof(address), "soft:loopback,cq=1,queues=4,rss=1%s", keys);
	port = opened(address);
	senders = QUEUES;
	yes(info_of(port).rx_offloads & VIONET_RX_RSS);
	same(info_of(port).header_size, reports ? 20 : 12);
	ask();
	same(rss.max_table_length, 512);
	same(rss.max_key_length, 40);
	same(rss.supported_hash_types, 0x1ff);
	flows(reports);
	for (int queue = 0; queue < QUEUES; queue++)
		yes(seen[queue] > 0);

	struct vionet_rss set = VIONET_SIZED(struct vionet_rss);
	set.table = own, set.table_length = 8, set.unclassified_queue = 2;
	ok(vionet_rss_set(port, &set));
	ask();
	same(rss.table_length, 8);
	flows(reports);
	yes(seen[1] > 0 && seen[3] > 0 && seen[0] + seen[2] == 0);
	/* What has no hash goes where that goes. */
	uint16_t queue;
	struct vionet_packet *p = frame_packet(0, 60, 1);
	memcpy((uint8_t *)p->data + 12, "\x88\xb5", 2);
	same(vionet_tx_burst(port, 0, &p, 1), 1);
	p = next(&queue);
	same(queue, 2);
	same(p->flags & VIONET_PACKET_HASH, 0);
	vionet_packet_free(p);
	/* A restarted port has it all still. */
	ok(vionet_stop(port));
	ok(vionet_start(port));
	flows(reports);
	yes(seen[1] > 0 && seen[3] > 0 && seen[0] + seen[2] == 0);
	/* Fewer pairs, and a table of the driver's for them. */
	set.table_length = 0, set.unclassified_queue = 0;
	ok(vionet_rss_set(port, &set));
	ok(vionet_queue_pairs_set(port, 2));
	senders = 2;
	ask();
	flows(reports);
	yes(seen[0] > 0 && seen[1] > 0 && seen[2] + seen[3] == 0);
	vionet_close(port);
}

CASE("our own device spreads packets as the table says: split rings") { over(""); }
CASE("our own device spreads packets as the table says: split rings, with hashes") { over(",rx_hash=1"); }
CASE("our own device spreads packets as the table says: packed rings, with hashes") { over(",rx_hash=1,packed_vq=1"); }
CASE("our own device spreads packets as the table says: merged buffers, with hashes") { over(",rx_hash=1,mrg_rxbuf=1"); }
CASE("our own device spreads packets as the table says: without order") { over(",rx_hash=1,in_order=0"); }

CASE("frames that a device makes, or has from a pipe, are spread and hashed")
{
	static const char *const devices[] = {
		"soft:generate,flows=64,cq=1,queues=4,rss=1,rx_hash=1", "soft:pipe=spread-hashed,cq=1,queues=4,rss=1,rx_hash=1",
	};
	for (int n = 0; n < 2; n++) {
		uint16_t queue, other = n == 1 ? opened("soft:pipe=spread-hashed") : VIONET_PORT_NONE;
		port = opened(devices[n]);
		ask();
		memset(seen, 0, sizeof(seen));
		for (uint32_t flow = 0; flow < 200; flow++) {
			struct vionet_packet *p;
			if (n == 1) {
				p = datagram(flow);
				send_all(other, &p, 1);
			}
			p = next(&queue);
			judge(p, queue, 1);
			seen[queue]++;
			vionet_packet_free(p);
		}
		for (queue = 0; queue < QUEUES && n == 1; queue++)
			yes(seen[queue] > 0);
		vionet_close(port);
		if (n == 1)
			vionet_close(other);
	}
}

CASE("one queue has hashes alone, over what is asked for")
{
	static const char *const devices[] = {"soft:loopback,cq=1,rx_hash=1", "soft:loopback,cq=1,rx_hash=1,rss=1"};
	for (int n = 0; n < 2; n++) {
		struct vionet_packet *p = datagram(5);
		port = opened(devices[n]);
		ask();
		same(rss.table_length, 0);
		same(info_of(port).rx_offloads & VIONET_RX_RSS, 0);
		send_all(port, &p, 1);
		receive_all(port, &p, 1);
		same(p->hash, vionet_toeplitz(key, 40, (uint8_t *)p->data + 26, 12));
		same(p->flags >> 24, 3);
		vionet_packet_free(p);
		struct vionet_rss set = VIONET_SIZED(struct vionet_rss);
		set.hash_types = VIONET_HASH_IPV4;
		ok(vionet_rss_set(port, &set));
		p = datagram(5);
		send_all(port, &p, 1);
		receive_all(port, &p, 1);
		same(p->hash, vionet_toeplitz(key, 40, (uint8_t *)p->data + 26, 8));
		same(p->flags >> 24, 1);
		vionet_packet_free(p);
		vionet_close(port);
	}
}
