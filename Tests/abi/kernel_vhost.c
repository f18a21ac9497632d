/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports on the kernel's vhost and on vDPA devices, with a simulated kernel under them: what is negotiated, what cannot be used
 * is named, and each refusal of the kernel once. Real devices are tested in a guest.
 */
#include "../support/cases.h"
#include "../support/forked.h"
#include "../support/kernel_lives.h"

static void fails_with(const char *device, int code, const char *word)
{
	uint16_t port = VIONET_PORT_NONE;
	err(up(device, &port), code);
	says(word);
	vionet_close(port);
	same(opened_files, 0);
	as_new();
}

CASE("what is offered and negotiated, and what cannot be used is named")
{
	uint16_t port;
	pool = pool_made(1024);
	as_new();
	ok(up(tap_device, &port));
	uint64_t bits = info_of(port).negotiated[0];
	same(info_of(port).queue_pairs, 2);
	yes(bits & BIT(VIRTIO_NET_F_MQ) && bits & BIT(VIRTIO_NET_F_GUEST_CSUM) && bits & BIT(VIRTIO_NET_F_CSUM));
	yes(!(bits & BIT(27)) && !(bits & BIT(VIRTIO_F_ACCESS_PLATFORM)) && !(info_of(port).offered[0] & BIT(56)));
	err(vionet_mac_set(port, (uint8_t[]){2, 0, 0, 0, 0, 1}), -ENOTSUP);
	vionet_close(port);
	ok(up(vdpa_device, &port));
	bits = info_of(port).negotiated[0];
	yes(bits & BIT(VIRTIO_F_ACCESS_PLATFORM) && !(bits & BIT(VIRTIO_F_RING_RESET)));
	same(info_of(port).rx_descriptors, 64); /* what the device has */
	for (int fd = 0; fd < 64; fd++)
		yes(files[fd].kind != VDPA || files[fd].spaces_set == 1);
	err(vionet_rx_queue_restart(port, 0, 0), -ENOTSUP);
	vionet_close(port);
	/* A control queue that does not answer is a timeout. */
	vdpa_offers |= BIT(VIRTIO_NET_F_CTRL_RX);
	ok(up(vdpa_device, &port));
	err(vionet_promiscuous_set(port, 0), -ETIMEDOUT);
	vionet_close(port);
	same(opened_files, 0);
	as_new();

	struct vionet_config more = {.size = sizeof(more), .pool = pool, .queue_pairs = 3, .rx_descriptors = 64, .tx_descriptors = 64};
	static const char *const two[] = {"vhost-net:vt-none,queues=2", "vhost-vdpa:/dev/vhost-vdpa-7,queues=2"};
	for (int i = 0; i < 2; i++) {
		ok(vionet_probe(two[i], &port));
		err(vionet_init(port, &more), -EINVAL);
		says(i == 0 ? "queues: 3 were asked for, and the device has 2" : "queues: 3 were asked for, and the device has 1");
		vionet_close(port);
	}
	as_new();

	net_offers &= ~BIT(VIRTIO_F_VERSION_1);
	fails_with(tap_device, -ENOTSUP, "VIRTIO_F_VERSION_1");
	vdpa_kind = 2;
	fails_with(vdpa_device, -ENODEV, "of kind 2, not a network device");
	vdpa_backend = 0x1c;
	fails_with(vdpa_device, -ENOTSUP, "IOTLB_MSG_V2");
	vdpa_last = 0xfff;
	fails_with(vdpa_device, -ERANGE, "0x0 to 0xfff");
	is_driver_ok_refused = 1;
	fails_with(vdpa_device, -EIO, "reset right after DRIVER_OK");
	ok(vionet_pool_destroy(pool));
}

/*
 * A device that cannot reach the addresses that memory usually has: rings and the default pool are made within its range.
 * The simulated kernel refuses all other addresses.
 */
static void reaches(uint64_t first, uint64_t last)
{
	uint16_t port = VIONET_PORT_NONE;
	as_new();
	vdpa_first = first;
	vdpa_last = last;
	ok(up(vdpa_device, &port));
	/* From the second start on with the pool that there is. */
	vionet_close(port);
	same(life(vdpa_device), 0);
	same(opened_files, 0);
}

static const char *const ranges[][2] = {{"0", "0xffffffff"},
                                        {"0x100000000", "0xfffffffff"},
                                        {"0x10000", "0x1fffffffff"},
                                        {"0x4000000000", "0xffffffffffffffff"},
                                        {"0x20000000", "0x23ffffff"}};

static const char *range_title(unsigned int row)
{
	static char text[100];
	snprintf(text, sizeof(text), "memory is made from %s to %s", ranges[row][0], ranges[row][1]);
	return text;
}

/* The default pool is made once in a process. */
CASES(sizeof(ranges) / sizeof(ranges[0]), range_title)
{
	reaches(strtoull(ranges[row][0], NULL, 0), strtoull(ranges[row][1], NULL, 0));
}

CASE("each refusal of the kernel in a life on vhost-net is an error or harmless")
{
	pool = pool_made(1024);
	all_refusals(tap_device, 60);
	ok(vionet_pool_destroy(pool));
}

CASE("each refusal of the kernel in a life on vDPA is an error or harmless")
{
	pool = pool_made(1024);
	all_refusals(vdpa_device, 50);
	ok(vionet_pool_destroy(pool));
}

CASE("a tap gets its header of 12 bytes, and the one it had before when the port is closed")
{
	uint16_t port;
	pool = pool_made(1024);
	as_new();
	same(up(tap_device, &port), 0);
	same(tap_header, 12);
	vionet_close(port);
	same(tap_header, 10);
	same(opened_files, 0);
	ok(vionet_pool_destroy(pool));
}

CASE("a tap has its carrier while the port runs, and one that another program serves keeps its own")
{
	pool = pool_made(1024);
	for (int served = 0; served < 2; served++) {
		uint16_t port;
		as_new();
		carrier_calls = 0;
		tap_carrier = served;
		same(up("vhost-net:lo,queue_size=64", &port), 0); /* an interface that exists */
		same(tap_carrier, 1);
		ok(vionet_stop(port));
		same(tap_carrier, served);
		ok(vionet_start(port));
		vionet_close(port);
		same(tap_carrier, served);
		same(carrier_calls > 0, !served);
		same(opened_files, 0);
	}
	ok(vionet_pool_destroy(pool));
}

static void child_leaves_device(const char *device)
{
	uint16_t port;
	pool = pool_made(1024);
	int files = entries("/proc/self/fd") - 1; /* the pool's file is the library's */
	as_new();
	same(up(device, &port), 0);
	int steps = asked;
	child_leaves(port, files);
	same(asked, steps);
	same(info_of(port).state, VIONET_STATE_STARTED);
	vionet_close(port);
	same(opened_files, 0);
	ok(vionet_pool_destroy(pool));
}

CASE("a forked child leaves a port on vhost-net alone") { child_leaves_device(tap_device); }
CASE("a forked child leaves a port on vDPA alone") { child_leaves_device(vdpa_device); }
