/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large frames in a guest:
 *
 *     large-frames [-OPTIONS...] A B   vionet-fwd with buffers that hold a whole frame of 9000 bytes
 *     large-frames segments A COUNT    sends packets of 58900 bytes for the device to segment; segment-frames.py expects them
 */
#define _GNU_SOURCE
#include <vionet.h>

/* The forwarder, with ports that this program opens. */
static int open_whole(const char *device, uint16_t *port);
#define main forwarder_main
#define vionet_open open_whole
#include "../../../examples/vionet-fwd.c"
#undef main
#undef vionet_open

#include "ok.h"

#include <linux/virtio_net.h>

enum { FRAME = 9000 + 14 + 4, BUFFERS = 1024, PAYLOAD = 1900, PAYLOADS = 31, SEGMENT = 1400 };

static int open_whole(const char *device, uint16_t *port)
{
	static uint16_t pool;
	struct vionet_pool_config large = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	large.packets = 2 * BUFFERS;
	large.data_size = FRAME + 12;
	large.memory_fd = -1;
	if (pool == 0)
		ok(vionet_pool_create(&large, &pool));
	config.pool = pool;
	ok(vionet_probe(device, port));
	ok(vionet_init(*port, &config));
	ok(vionet_start(*port));
	struct vionet_info info = info_of(*port);
	same(info.mtu, 9000);
	same(info.negotiated[0] >> VIRTIO_NET_F_MRG_RXBUF & 1, 0);
	same(info.negotiated[0] >> VIRTIO_NET_F_MTU & 1, 1);
	return 0;
}

static void put(struct vionet_packet *packet, const void *bytes, uint32_t length)
{
	void *at = vionet_packet_append(packet, length);
	yes(at != NULL);
	memcpy(at, bytes, length);
}

/* Headers of Ethernet, IP and TCP. Every second packet is IPv6; two of each four have CWR, and so ECN. */
static struct vionet_packet *headers(uint32_t number)
{
	static const unsigned char ethernet[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	unsigned char v4[20] = {0x45, 0, 0, 0, 0, (unsigned char)number, 0x40, 0, 64, 6, 0, 0, 10, 99, 0, 1, 10, 99, 0, 2};
	unsigned char v6[40] = {0x60, 0, 0, 0, 0, 0, 6, 64, 0xfd, [23] = 1, 0xfd, [39] = 2};
	unsigned char tcp[20] = {0x10, (unsigned char)number, 0, 80, [12] = 0x50, 0x18, 0xff, 0xff};
	struct vionet_packet *packet = vionet_packet_alloc(0);
	uint32_t six = number & 1, ecn = number & 2, length = PAYLOAD * PAYLOADS + sizeof(tcp) + (six ? 0 : sizeof(v4));
	unsigned char *field = six ? v6 + 4 : v4 + 2;
	yes(packet != NULL);
	field[0] = (unsigned char)(length >> 8);
	field[1] = (unsigned char)length;
	tcp[13] |= ecn ? 0x80 : 0;
	put(packet, ethernet, sizeof(ethernet));
	put(packet, six ? "\x86\xdd" : "\x08\x00", 2);
	put(packet, six ? v6 : v4, six ? sizeof(v6) : sizeof(v4));
	put(packet, tcp, sizeof(tcp));
	packet->flags = (six ? VIONET_PACKET_TCP6 : VIONET_PACKET_TCP4) | (ecn ? VIONET_PACKET_ECN : 0);
	packet->segment_size = SEGMENT;
	return packet;
}

static void segments(const char *device, uint32_t count)
{
	uint16_t port = opened(device);
	for (uint32_t number = 0; number < count; number++) {
		struct vionet_packet *packet = headers(number);
		unsigned char bytes[PAYLOAD];
		for (uint32_t piece = 0; piece < PAYLOADS; piece++) {
			struct vionet_packet *next = vionet_packet_alloc(0);
			yes(next != NULL);
			for (uint32_t i = 0; i < PAYLOAD; i++)
				bytes[i] = (unsigned char)((piece * PAYLOAD + i) * 7 + number);
			put(next, bytes, PAYLOAD);
			same(vionet_packet_chain(packet, next), 0);
		}
		same(vionet_tx_prepare(port, 0, &packet, 1), 1);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
		/* Closing the port would lose packets that the device has not taken yet. */
		uint32_t done = 0;
		soon((done += vionet_tx_done(port, 0)) >= PAYLOADS + 1);
		same(done, PAYLOADS + 1);
	}
	same(stats_of(port).tx.packets, count);
	same(stats_of(port).tx.bytes, count * (54 + PAYLOAD * PAYLOADS) + count / 2 * 20);
	vionet_close(port);
}

int main(int argc, char **argv)
{
	if (argc != 4 || strcmp(argv[1], "segments") != 0)
		return forwarder_main(argc, argv);
	segments(argv[2], (uint32_t)atoi(argv[3]));
	return 0;
}
