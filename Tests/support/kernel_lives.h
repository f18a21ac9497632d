/* SPDX-License-Identifier: BSD-2-Clause */
/* Lives of ports on kernel_vhost.h's devices, one with each refusal of the kernel. */
#ifndef KERNEL_LIVES_H
#define KERNEL_LIVES_H

#include "cases.h"
#include "kernel_vhost.h"

BEFORE_EACH
{
	kernel.now = 1;
	kernel.open = my_open;
	kernel.close = my_close;
	kernel.control = my_control;
}

static uint16_t pool;
static const char *const tap_device = "vhost-net:vt-none,queues=2,mac=02:00:00:00:00:05,rx_csum=1,queue_size=64";
OK_UNUSED static const char *const vdpa_device = "vhost-vdpa:/dev/vhost-vdpa-7";

static void as_new(void)
{
	refuse_at = asked = is_driver_ok_refused = 0;
	net_offers = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(27) | BIT(28) | BIT(29) | BIT(26) |
	             BIT(VIRTIO_F_ACCESS_PLATFORM);
	vdpa_offers = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_RING_RESET);
	vdpa_offers |= BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_STATUS);
	vdpa_backend = 0x1e;
	vdpa_kind = 1;
	vdpa_first = 0;
	vdpa_last = UINT64_MAX;
}

static int up(const char *device, uint16_t *port)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	with.pool = pool;
	int result = vionet_probe(device, port);
	if (result < 0)
		return result;
	result = vionet_init(*port, &with);
	if (result == 0)
		result = vionet_start(*port);
	return result;
}

/* A whole life. Returns its first failure. */
OK_UNUSED static int life(const char *device)
{
	uint16_t port = VIONET_PORT_NONE;
	struct vionet_packet *packet = vionet_packet_alloc(pool);
	int result = up(device, &port);
	yes(vionet_packet_append(packet, 60) != NULL);
	if (result != 0 || vionet_tx_burst(port, 0, &packet, 1) == 0)
		vionet_packet_free(packet);
	if (result == 0) {
		result = vionet_event_handle(port);
		ok(vionet_stop(port));
		if (vionet_start(port) == 0)
			ok(vionet_stop(port));
	}
	vionet_close(port);
	return result < 0 ? result : 0;
}

/* Requires that each refusal is an error with a sentence or harmless, and that nothing is left open. */
OK_UNUSED static void all_refusals(const char *device, int least)
{
	static const int errors[] = {EINVAL, ENOMEM, EFAULT, EBUSY, EPERM};
	as_new();
	same(life(device), 0);
	struct holdings before = holdings();
	int steps = asked, failures = 0;
	if (steps < least)
		FAILED("a life has only %d steps", steps);
	for (int step = 1; step <= steps; step++)
		for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
			as_new();
			refusal = errors[e];
			refuse_at = step;
			int result = life(device);
			if (result != 0 && vionet_error()[0] == 0)
				FAILED("step %d refused with %d: no sentence", step, refusal);
			failures += result != 0;
			same(opened_files, 0);
			same(pool_of(pool).available, 1024);
		}
	held_as_before(before, 1024);
	yes(failures > steps); /* of five times as many */
	printf("%s: %d steps, %d of %d refusals are failures\n", device, steps, failures, 5 * steps);
}

#endif
