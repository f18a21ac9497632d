/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture at its edges: the ring's end, and the end of a port that is captured. */
#include "../support/cases.h"
#include "../support/control_client.h"
#include "../support/captured_port.h"

static uint16_t second;
static void leave_while_closing(uint16_t number, int event, void *nothing)
{
	struct vionet_packet *packet;
	if (event != VIONET_EVENT_CLOSED || number != second)
		return;
	over();
	/* The port is not closed yet, and its bursts go on. */
	packet = frame_packet(pool, 100, 1);
	same(vionet_tx_burst(second, 0, &packet, 1), 1);
	(void)nothing;
}

CASE("a client may go while a captured port is being closed")
{
	second = opened_with("soft:sink");
	capture_begin(&c, "capture");
	ok(vionet_event_add(leave_while_closing, NULL));
	vionet_close(second);
	ok(vionet_event_remove(leave_while_closing, NULL));
	capture_forget(&c);
}

/* Half full, at any place of the ring: its end is skipped in the middle of a burst, with a few bytes or many left. */
CASE("reasons of drops lie in their records, wherever the ring ends")
{
	struct vionet_packet *packets[64];
	uint32_t drops = 0;
	capture_begin(&c, "capture ring=64 direction=tx");
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t length = 60 + round * 7 % 600;
		for (uint16_t i = 0; i < 32; i++) {
			packets[i] = frame_packet(pool, length, round * 32 + i);
			packets[i]->flags |= i % 2 ? VIONET_PACKET_SEGMENTS : 0; /* without a size: dropped */
		}
		for (uint16_t sent = 0; sent < 32; )
			sent += vionet_tx_burst(port, 0, packets + sent, 32 - sent);
		for (uint16_t i = 0; i < 16; i++) {
			soon(vionet_rx_burst(port, 0, packets, 1) == 1);
			vionet_packet_free(packets[0]);
		}
		for (const struct record *record; (record = capture_next(&c)) != NULL; drops += record->reason != 255) {
			yes(frame_number(record->data) / 32 == round && record->length == length);
			same(record->reason != 255, frame_number(record->data) % 2);
		}
	}
	same(capture_lost(&c), 0);
	same(drops, 300 * 16);
	capture_forget(&c);
	over();
}
