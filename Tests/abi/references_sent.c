/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet with more than one reference is sent, and stays ours until the last free; a burst of none collects. */
#include "../support/frame.h"

/* What a device has sent comes back with the next burst, be it of none. */
static void burst_of_none(void)
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
	usleep(20000);
	same(vionet_tx_burst(port, 0, NULL, 0), 0);
	vionet_packet_free(p); /* the last reference, if the ring's is gone */
	same(pool_of(other).available, 64);
	same(pool_of(other).refused, 0);
	vionet_close(port);
	ok(vionet_pool_destroy(other));
}

int main(void)
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
	ok(vionet_stop(port)); /* by now the library has let go of its reference */
	yes(frame_right(p->data, 400, 5));
	same(pool_of(pool).available, 511);
	vionet_packet_free(p);
	same(pool_of(pool).available, 512);
	same(pool_of(pool).refused, 0);
	vionet_packet_free(p);
	same(pool_of(pool).refused, 1);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
	burst_of_none();
	return 0;
}
