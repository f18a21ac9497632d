/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VLAN tags are not part of the MTU: frames with none, one and two of them, of either kind, are sent and received at full
 * length, and one byte more is dropped and counted.
 */
#include "../support/cases.h"
#include "../support/frame.h"

enum { PAYLOAD = 1500 };

static const struct { const char *name; uint16_t types[2]; } rows[] = {
	{"no tag", {0}}, {"a tag", {0x8100}}, {"a provider's tag", {0x88a8}}, {"a provider's and a customer's tag", {0x88a8, 0x8100}},
	{"two tags of one kind", {0x8100, 0x8100}}, {"two provider's tags", {0x88a8, 0x88a8}},
};

static const char *title(unsigned int row) { return rows[row].name; }

/* A frame with the row's tags and that many bytes of payload. */
static struct vionet_packet *tagged(uint16_t pool, unsigned int row, uint32_t payload)
{
	struct vionet_packet *p = vionet_packet_alloc(pool);
	unsigned char head[22] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	uint32_t length = 12;

	for (int i = 0; i < 2 && rows[row].types[i] != 0; i++) {
		head[length] = (unsigned char)(rows[row].types[i] >> 8);
		head[length + 1] = (unsigned char)rows[row].types[i];
		head[length + 3] = (unsigned char)(5 + i);
		length += 4;
	}
	head[length] = 0x88, head[length + 1] = 0xb5;
	length += 2;
	memcpy(vionet_packet_append(p, length), head, length);
	memset(vionet_packet_append(p, payload), 0x5a, payload);
	return p;
}

static void crosses(const char *device, unsigned int row)
{
	struct vionet_packet *p, *back;
	uint16_t port = opened(device), pool = info_of(port).pool;

	same(info_of(port).mtu, PAYLOAD);
	p = tagged(pool, row, PAYLOAD);
	uint32_t length = p->length;
	same(vionet_tx_prepare(port, 0, &p, 1), 1);
	send_all(port, &p, 1);
	receive_all(port, &back, 1);
	same(back->total_length, length);
	vionet_packet_free(back);
	same(stats_of(port).tx.dropped[VIONET_DROP_LONG], 0);

	p = tagged(pool, row, PAYLOAD + 1);
	same(vionet_tx_prepare(port, 0, &p, 1), 0);
	says("MTU");
	send_all(port, &p, 1);
	same(stats_of(port).tx.dropped[VIONET_DROP_LONG], 1);
	vionet_close(port);
}

CASES(6, title)
{
	crosses("soft:loopback,mtu=1500", row);
	crosses("soft:loopback,mtu=1500,packed_vq=1", row);
	crosses("soft:loopback,mtu=1500,mrg_rxbuf=1", row);
}

CASE("a buffer holds the largest frame with two tags where the device has no MTU")
{
	struct vionet_packet *p, *back;
	uint16_t port = opened("soft:loopback,features_off=0x8"), pool = info_of(port).pool; /* no MTU */
	uint32_t payload = info_of(port).mtu;

	p = tagged(pool, 3, payload > 1958 ? 1958 : payload); /* as much as a packet of the pool holds */
	uint32_t length = p->length;
	send_all(port, &p, 1);
	receive_all(port, &back, 1);
	same(back->total_length, length);
	vionet_packet_free(back);
	vionet_close(port);
}
