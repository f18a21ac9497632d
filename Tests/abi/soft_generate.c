/* SPDX-License-Identifier: BSD-2-Clause */
/* soft:generate makes frames of the length, at the rate and of the flows that it is told; soft:sink counts frames. */
#include "../support/cases.h"

#include <sched.h>

/* Receives that many frames, all of this length. Returns how many flows they belong to. */
static uint32_t frames_until(const char *device, uint32_t length, uint32_t wanted)
{
	static unsigned char kinds[65536];
	struct vionet_packet *packets[64];
	uint16_t port = opened(device);
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint32_t count = 0, flows = 0;
	memset(kinds, 0, sizeof(kinds));
	while (count < wanted) {
		uint16_t n = vionet_rx_burst(port, 0, packets, 64);
		for (uint16_t i = 0; i < n; i++) {
			/* Flows differ in addresses or ports: bytes 26 to 37 of IPv4 and UDP. */
			const unsigned char *p = packets[i]->data;
			uint32_t x = 0;
			same(packets[i]->length, length);
			same(p[12] << 8 | p[13], 0x0800);
			same(p[14], 0x45);
			for (int b = 26; b < 38; b++)
				x = x * 31 + p[b];
			flows += !kinds[x & 0xffff];
			kinds[x & 0xffff] = 1;
		}
		vionet_packet_free_bulk(packets, n);
		count += n;
		if (microseconds() > end)
			FAILED("only %u of %u frames came", count, wanted);
		if (n == 0)
			sched_yield(); /* the generator's thread may have no other core */
	}
	vionet_close(port);
	return flows;
}

CASE("frames have the length and the flows that were asked for")
{
	uint32_t flows = frames_until("soft:generate", 64, 5000);
	same(flows, 1);
	flows = frames_until("soft:generate,length=1500,flows=64", 1500, 5000);
	yes(flows >= 60 && flows <= 64); /* two may share a place in the table */
}

/* The generator may be late, but never early: a lower bound holds on any machine. */
CASE("a rate is not exceeded")
{
	uint64_t began = microseconds();
	frames_until("soft:generate,rate=1000", 64, 1000);
	uint64_t took = microseconds() - began;
	printf("1000 frames in %" PRIu64 " ms at 1000 a second\n", took / 1000);
	yes(took >= 900000);
}

CASE("a sink counts what it is sent and gives nothing back")
{
	struct vionet_packet *p;
	uint16_t port = opened("soft:sink");
	for (int i = 0; i < 100000; i++) {
		p = vionet_packet_alloc(0);
		yes(p != NULL);
		memset(vionet_packet_append(p, 60), 0, 60);
		while (vionet_tx_burst(port, 0, &p, 1) == 0)
			usleep(1);
	}
	same(vionet_rx_burst(port, 0, &p, 1), 0);
	same(stats_of(port).tx.packets, 100000);
	vionet_close(port);
}
