/* SPDX-License-Identifier: BSD-2-Clause */
/* soft:generate makes frames of the length, at the rate and of the flows it is told; soft:sink counts and forgets. */
#include "../support/ok.h"

#include <sched.h>

/* Frames that come in so many milliseconds, all of this length; flows is set to how many kinds there were. */
static uint32_t frames_in(const char *device, uint32_t length, uint32_t milliseconds, uint32_t *flows)
{
	static unsigned char kinds[65536];
	struct vionet_packet *packets[64];
	uint16_t port = opened(device);
	uint64_t end = microseconds() + milliseconds * 1000ull;
	uint32_t count = 0;
	memset(kinds, 0, sizeof(kinds));
	*flows = 0;
	while (microseconds() < end) {
		uint16_t n = vionet_rx_burst(port, 0, packets, 64);
		for (uint16_t i = 0; i < n; i++) {
			/* Flows differ in their addresses or ports: bytes 26 to 37 of IPv4 and UDP. */
			const unsigned char *p = packets[i]->data;
			uint32_t x = 0;
			same(packets[i]->length, length);
			same(p[12] << 8 | p[13], 0x0800);
			same(p[14], 0x45);
			for (int b = 26; b < 38; b++)
				x = x * 31 + p[b];
			*flows += !kinds[x & 0xffff];
			kinds[x & 0xffff] = 1;
		}
		vionet_packet_free_bulk(packets, n);
		count += n;
		if (n == 0)
			sched_yield(); /* the generator's thread may have no other core */
	}
	vionet_close(port);
	return count;
}

int main(void)
{
	uint32_t flows, n;
	n = frames_in("soft:generate", 64, 300, &flows);
	printf("%u frames in 0.3 s\n", n);
	yes(n > 5000);
	same(flows, 1);
	n = frames_in("soft:generate,length=1500,flows=64", 1500, 300, &flows);
	yes(n > 2000);
	yes(flows >= 60 && flows <= 64); /* two may share a place in the table */
	n = frames_in("soft:generate,rate=1000", 64, 2000, &flows);
	printf("%u frames in 2 s at 1000 a second\n", n);
	yes(n >= 1800 && n <= 2200);

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
	return 0;
}
