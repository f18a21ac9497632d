/* SPDX-License-Identifier: BSD-2-Clause */
/* What counts as refused: each packet that a full ring gave back, once. */
#include "../support/cases.h"
#include "../support/full_ring.h"

static const char *refused(unsigned int row) { return kind_name(row, "a packet is refused once, however often it is offered"); }

CASES(KINDS, refused)
{
	start(&kinds[row], row % 2 == 0 ? "" : ",size_stats=1");
	fill();
	make(100);
	for (int i = 0; i < 10; i++)
		same(vionet_tx_burst(port, 0, packets, 20), 0);
	same(ring_full(), 20);
	/* More behind the same ones, and fewer of them. */
	same(vionet_tx_burst(port, 0, packets, 30), 0);
	same(ring_full(), 30);
	same(vionet_tx_burst(port, 0, packets, 5), 0);
	same(vionet_tx_burst(port, 0, packets, 30), 0);
	same(ring_full(), 30);
	/* What is taken was refused before; so was the rest. */
	device_uses(10);
	same(vionet_tx_burst(port, 0, packets, 30), 10);
	same(vionet_tx_burst(port, 0, packets + 10, 20), 0);
	same(ring_full(), 30);
	device_uses(4);
	same(vionet_tx_burst(port, 0, packets + 10, 25), 4);
	same(ring_full(), 35);
	/* In smaller bursts, all of which are taken but the last: 21 were refused and are not sent. */
	device_takes();
	device_uses(12);
	same(vionet_tx_burst(port, 0, packets + 14, 6), 6);
	same(vionet_tx_burst(port, 0, packets + 20, 6), 6);
	same(vionet_tx_burst(port, 0, packets + 26, 6), 0);
	same(ring_full(), 35);
	same(vionet_tx_burst(port, 0, packets + 26, 12), 0);
	same(ring_full(), 38);
	/* A caller that drops what it is given back and sends something else is refused again. */
	same(vionet_tx_burst(port, 0, packets + 50, 20), 0);
	same(ring_full(), 58);
	same(vionet_tx_burst(port, 0, packets + 70, 30), 0);
	same(ring_full(), 88);
	/* So is the first burst after everything was taken. */
	device_takes();
	device_uses(taken_count - used_count);
	same(vionet_tx_burst(port, 0, packets + 70, 30), 30);
	same(vionet_tx_burst(port, 0, packets + 26, 12), 2);
	same(ring_full(), 98);
	vionet_packet_free_bulk(packets + 28, 42);
	struct vionet_queue_stats queue = VIONET_SIZED(struct vionet_queue_stats);
	ok(vionet_tx_queue_stats(port, 0, &queue));
	same(queue.ring_full, 98);
	device_takes();
	end();
}

CASE("with size_stats=1 a burst of more than 64 counts all that it gives back")
{
	start(&kinds[0], ",size_stats=1");
	make(4 * SIZE);
	same(vionet_tx_burst(port, 0, packets, 4 * SIZE), SIZE);
	same(ring_full(), 3 * SIZE);
	same(vionet_tx_burst(port, 0, packets + SIZE, 3 * SIZE), 0);
	same(ring_full(), 3 * SIZE);
	vionet_packet_free_bulk(packets + SIZE, 3 * SIZE);
	end();
}
