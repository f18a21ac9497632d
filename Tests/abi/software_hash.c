/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Toeplitz hash: vionet_toeplitz() against the published vectors, and rss=soft, which gives each received packet the
 * hash that a device with HASH_REPORT would report (virtio 1.4, 5.1.9.4.3).
 */
#include "../support/cases.h"
#include "../support/frame.h"

/* Microsoft's "Verifying the RSS Hash Calculation": the key, and inputs of addresses and ports. */
static const uint8_t known_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};
static const uint8_t ipv4[12] = {66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
static const uint8_t ipv6[36] = {
	0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
	0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1,
	2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255,
};

CASE("the hash of the published vectors")
{
	same(vionet_toeplitz(known_key, 40, ipv4, 8), 0x323e8fc2);
	same(vionet_toeplitz(known_key, 40, ipv4, 12), 0x51ccc178);
	same(vionet_toeplitz(known_key, 40, ipv6, 32), 0x2cc18cd5);
	same(vionet_toeplitz(known_key, 40, ipv6, 36), 0x40207d3d);
	same(vionet_toeplitz(known_key, 40, ipv4, 0), 0);
	same(vionet_toeplitz(NULL, 40, ipv4, 12), 0);
	same(vionet_toeplitz(known_key, 40, NULL, 12), 0);
	/* A short key goes on with zeroes. */
	uint8_t longer[60] = {0x80};
	same(vionet_toeplitz(longer, 1, ipv4, 1), (uint32_t)(66 >> 7) << 31);
	longer[3] = 1;
	same(vionet_toeplitz(longer, 4, ipv4, 12), vionet_toeplitz(longer, 60, ipv4, 12));
}

/* Frames of each kind: what lies behind the addresses of Ethernet, how many bytes are hashed from where, and the report. */
struct kind { const char *name; uint32_t tags, network, transport; uint16_t type; uint8_t protocol, fragment, report; };
static const struct kind kinds[] = {
	{"TCP over IPv4", 0, 20, 20, 0x0800, 6, 0, 2}, {"UDP over IPv4", 0, 20, 8, 0x0800, 17, 0, 3},
	{"ICMP over IPv4", 0, 20, 0, 0x0800, 1, 0, 1}, {"a fragment of UDP over IPv4", 0, 20, 8, 0x0800, 17, 1, 1},
	{"TCP over IPv6", 0, 40, 20, 0x86dd, 6, 0, 5}, {"UDP over IPv6", 0, 40, 8, 0x86dd, 17, 0, 6},
	{"ICMP over IPv6", 0, 40, 0, 0x86dd, 58, 0, 4}, {"TCP over IPv4 behind a tag", 1, 20, 20, 0x0800, 6, 0, 2},
	{"UDP over IPv6 behind two tags", 2, 40, 8, 0x86dd, 17, 0, 6}, {"ARP", 0, 28, 0, 0x0806, 0, 0, 0},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
static const char *title(unsigned int row) { return kinds[row].name; }

static uint32_t expected(const uint8_t *key, const uint8_t *frame, const struct kind *k)
{
	uint8_t input[36];
	uint32_t addresses = k->network == 40 ? 32 : 8, at = 14 + 4 * k->tags;
	int ports = k->report == 2 || k->report == 3 || k->report > 4;
	if (k->report == 0)
		return 0;
	memcpy(input, frame + at + (addresses == 32 ? 8 : 12), addresses);
	memcpy(input + addresses, frame + at + k->network, 4);
	return vionet_toeplitz(key, 40, input, addresses + (ports ? 4 : 0));
}

static void hashed(const char *device, const struct kind *k)
{
	uint16_t port = opened(device);
	uint8_t key[64];
	struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
	rss.key = key, rss.key_length = sizeof(key);
	ok(vionet_rss_get(port, &rss));
	same(rss.key_length, 40);
	same(rss.hash_types, 0x3f);
	same(rss.table_length, 0);
	same(!!(info_of(port).rx_offloads & VIONET_RX_HASH), 1);
	for (uint32_t number = 0; number < 50; number++) {
		struct vionet_packet *p = frame_packet(0, 120 + number, number), *back;
		uint8_t *d = p->data, sent[200];
		for (uint32_t tag = 0; tag < k->tags; tag++)
			memcpy(d + 12 + 4 * tag, tag + 1 == k->tags ? "\x81\x00\x00\x05" : "\x88\xa8\x00\x06", 4);
		uint32_t at = 14 + 4 * k->tags;
		d[at - 2] = (uint8_t)(k->type >> 8), d[at - 1] = (uint8_t)k->type;
		d[at] = k->network == 40 ? 0x60 : 0x45;
		if (k->network == 40)
			d[at + 6] = k->protocol;
		else
			d[at + 6] = 0, d[at + 7] = k->fragment, d[at + 9] = k->protocol;
		d[at + k->network + 12] = 0x50;
		memcpy(sent, d, p->length);
		send_all(port, &p, 1);
		receive_all(port, &back, 1);
		same(!!(back->flags & VIONET_PACKET_HASH), k->report != 0);
		same(back->flags >> 24, k->report);
		same(back->hash, expected(key, sent, k));
		vionet_packet_free(back);
	}
	vionet_close(port);
}

CASES(KINDS, title)
{
	static const char *const devices[] = {
		"soft:loopback,rss=soft", "soft:loopback,rss=soft,packed_vq=1", "soft:loopback,rss=soft,mrg_rxbuf=1",
		"soft:loopback,rss=soft,lro=1", "soft:loopback,rss=soft,in_order=0",
	};
	for (unsigned int n = 0; n < sizeof(devices) / sizeof(devices[0]); n++)
		hashed(devices[n], &kinds[row]);
}

CASE("headers that are cut short or lie are hashed as far as they are there")
{
	uint16_t port = opened("soft:loopback,rss=soft");
	for (uint32_t length = 14; length < 90; length++) {
		for (int six = 0; six < 2; six++) {
			struct vionet_packet *p = frame_packet(0, 90, length), *back;
			uint8_t *d = p->data;
			memcpy(d + 12, six ? "\x86\xdd" : "\x08\x00", 2);
			d[14] = six ? 0x60 : (uint8_t)(0x40 | length % 16);
			d[six ? 20 : 23] = six && length % 3 == 0 ? 0 : 6; /* an extension header, or TCP */
			d[six ? 21 : 20] = 0;
			ok(vionet_packet_trim(p, 90 - length));
			send_all(port, &p, 1);
			receive_all(port, &back, 1);
			same(!!(back->flags & VIONET_PACKET_HASH), length >= (six ? 54u : 34u));
			vionet_packet_free(back);
		}
	}
	vionet_close(port);
}

CASE("without the key packets have no hash, and the key takes three values")
{
	uint16_t port = opened("soft:loopback,rss=1");
	struct vionet_packet *p = frame_packet(0, 60, 1), *back;
	struct vionet_rss rss = VIONET_SIZED(struct vionet_rss);
	memcpy((uint8_t *)p->data + 12, "\x08\x00\x45", 3);
	send_all(port, &p, 1);
	receive_all(port, &back, 1);
	same(back->flags, 0);
	vionet_packet_free(back);
	same(info_of(port).rx_offloads & (VIONET_RX_HASH | VIONET_RX_RSS), 0);
	err(vionet_rss_get(port, &rss), -ENOTSUP);
	vionet_close(port);
	err(vionet_open("soft:loopback,rss=2", &port), -EINVAL);
	says("0, 1 or soft");
	port = opened("soft:loopback,rss=soft");
	err(vionet_rss_set(port, &rss), -ENOTSUP); /* the key stays for the port's life */
	vionet_close(port);
}
