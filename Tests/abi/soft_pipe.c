/* SPDX-License-Identifier: BSD-2-Clause */
/* soft:pipe: two ports of one name see each other's frames, ports of another name do not, and a third is refused. */
#include "../support/cases.h"
#include "../support/frame.h"

static uint16_t a, b, c, d;

static void cross(uint16_t from, uint16_t to, uint32_t number)
{
	struct vionet_packet *packets[32];
	for (uint32_t i = 0; i < 32; i++)
		packets[i] = frame_packet(0, 64 + i * 40, number + i);
	send_all(from, packets, 32);
	receive_all(to, packets, 32);
	for (uint32_t i = 0; i < 32; i++) {
		same(packets[i]->length, 64 + i * 40);
		same(packets[i]->port, to);
		yes(frame_right(packets[i]->data, packets[i]->length, number + i));
	}
	vionet_packet_free_bulk(packets, 32);
}

CASE("the two ports of a pipe see each other's frames, other ports do not")
{
	struct vionet_packet *packets[32];
	uint16_t third;

	a = opened("soft:pipe=one");
	c = opened("soft:pipe=two");
	b = opened("soft:pipe=one");
	d = opened("soft:pipe=two");
	yes(vionet_open("soft:pipe=one", &third) < 0);
	says("one");
	for (uint32_t i = 0; i < 200; i++) {
		cross(a, b, i * 100);
		cross(d, c, i * 100 + 32);
		cross(b, a, i * 100 + 64);
	}
	for (int i = 0; i < 4; i++)
		same(vionet_rx_burst((uint16_t[]){a, b, c, d}[i], 0, packets, 32), 0);
	vionet_close(a);
	vionet_close(b);
	vionet_close(c);
	vionet_close(d);
}

CASE("a port whose other end is closed stays, and a new one takes its place")
{
	struct vionet_packet *packet;
	uint32_t number;

	a = opened("soft:pipe=one");
	b = opened("soft:pipe=one");
	cross(a, b, 1);
	vionet_close(b);
	packet = frame_packet(0, 60, 100);
	send_all(a, &packet, 1);
	b = opened("soft:pipe=one");
	/* The frame that was sent to no port may have waited: then it comes before the next one. */
	packet = frame_packet(0, 60, 101);
	send_all(a, &packet, 1);
	do {
		receive_all(b, &packet, 1);
		number = frame_number(packet->data);
		vionet_packet_free(packet);
	} while (number == 100);
	same(number, 101);
	cross(a, b, 7);
	cross(b, a, 8);
	vionet_close(a);
	vionet_close(b);
}
