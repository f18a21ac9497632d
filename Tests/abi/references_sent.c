/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet with more than one reference is sent and stays the caller's until the last free. */
#include "../support/cases.h"
#include "../support/frame.h"

CASE("a burst of no packets collects what the device has sent")
{
	uint16_t port, other = pool_made(64);
	struct vionet_packet *p = frame_packet(other, 100, 1), *back;

	ok(vionet_probe("soft:loopback", &port));
	ok(vionet_init(port, NULL));
	ok(vionet_pool_share(other, port));
	ok(vionet_start(port));
	ok(vionet_packet_reference(p));
	back = p;
	send_all(port, &back, 1);
	receive_all(port, &back, 1);
	vionet_packet_free(back);
	vionet_packet_free(p); /* the ring has the last reference */
	soon((vionet_tx_burst(port, 0, NULL, 0), pool_of(other).available == 64));
	same(pool_of(other).refused, 0);
	vionet_close(port);
	ok(vionet_pool_destroy(other));
}

CASE("a packet with another reference is sent and stays the caller's")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port, pool = pool_made(512);
	unsigned char *data;

	ok(vionet_probe("soft:loopback", &port));
	config.pool = pool;
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	struct vionet_packet *p = frame_packet(pool, 400, 5), *back;
	ok(vionet_packet_reference(p));
	data = p->data;
	struct vionet_packet *one = p;
	send_all(port, &one, 1);
	receive_all(port, &back, 1);
	yes(back != p && frame_right(back->data, 400, 5));
	vionet_packet_free(back);
	yes(p->data == data && p->length == 400 && frame_right(p->data, 400, 5));
	ok(vionet_stop(port)); /* by now the library has freed its reference */
	yes(frame_right(p->data, 400, 5));
	same(pool_of(pool).available, 511);
	vionet_packet_free(p);
	same(pool_of(pool).available, 512);
	same(pool_of(pool).refused, 0);
	vionet_packet_free(p);
	same(pool_of(pool).refused, 1);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}
