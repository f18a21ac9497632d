/* SPDX-License-Identifier: BSD-2-Clause */
/* A port's life in right and wrong orders. */
#include "../support/cases.h"

static uint16_t port;

static void expect_state(uint32_t state)
{
	same(info_of(port).state, state);
}

CASE("a port goes from attached to closed in the right order")
{
	ok(vionet_probe("soft:loopback", &port));
	expect_state(VIONET_STATE_ATTACHED);
	same(info_of(port).ring, VIONET_RING_NONE);
	same(info_of(port).negotiated[0], 0);
	yes((info_of(port).offered[0] & 1ull << 32) != 0);
	yes(strcmp(info_of(port).device, "soft:loopback") == 0);

	ok(vionet_init(port, NULL));
	expect_state(VIONET_STATE_INITIALISED);
	struct vionet_info info = info_of(port);
	same(info.ring, VIONET_RING_SPLIT);
	same(info.rx_descriptors, 256);
	same(info.tx_descriptors, 256);
	same(info.queue_pairs, 1);
	same(info.header_size, 12);
	yes(info.mtu >= 1500);
	yes(info.pool != 0);
	yes((info.negotiated[0] & 1ull << 32) != 0);
	same(info.negotiated[0] & ~info.offered[0], 0);
	same(info.negotiated[1] & ~info.offered[1], 0);
	same(info.rx_path[0], 0);

	ok(vionet_start(port));
	expect_state(VIONET_STATE_STARTED);
	info = info_of(port);
	yes(strncmp(info.rx_path, "rx-split", 8) == 0);
	yes(strncmp(info.tx_path, "tx-split", 8) == 0);
	yes(info.start_microseconds > 0);
	same(info.link_up, 1);
	same(info.mac[0] & 1, 0);

	ok(vionet_stop(port));
	expect_state(VIONET_STATE_STOPPED);
	ok(vionet_start(port));
	expect_state(VIONET_STATE_STARTED);
	ok(vionet_stop(port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	vionet_close(port);
	err(vionet_stop(port), -ENODEV);
}

CASE("calls in a wrong order are refused and change nothing")
{
	struct vionet_packet *packets[4];

	ok(vionet_probe("soft:loopback", &port));
	err(vionet_start(port), -EINVAL);
	says("init");
	ok(vionet_stop(port));
	expect_state(VIONET_STATE_ATTACHED);
	same(vionet_rx_burst(port, 0, packets, 4), 0);
	ok(vionet_init(port, NULL));
	ok(vionet_init(port, NULL));
	ok(vionet_stop(port));
	expect_state(VIONET_STATE_INITIALISED);
	same(vionet_rx_burst(port, 0, packets, 4), 0);
	ok(vionet_start(port));
	err(vionet_start(port), -EALREADY);
	says("start");
	err(vionet_init(port, NULL), -EBUSY);
	err(vionet_pool_share(pool_made(64), port), -EBUSY);
	expect_state(VIONET_STATE_STARTED);
	ok(vionet_stop(port));
	ok(vionet_stop(port));
	same(vionet_rx_burst(port, 0, packets, 4), 0);
	vionet_close(port);
	vionet_close(port);
	vionet_close(port);
}

CASE("settings of vionet_init() are checked and used")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	static const uint16_t bad[] = {1, 3, 100, 255, 32769, 65535};

	ok(vionet_probe("soft:loopback,queue_size=512,mac=02:11:22:33:44:55", &port));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config.rx_descriptors = bad[i];
		config.tx_descriptors = 0;
		err(vionet_init(port, &config), -EINVAL);
		config.rx_descriptors = 0;
		config.tx_descriptors = bad[i];
		err(vionet_init(port, &config), -EINVAL);
		says("descriptors");
		expect_state(VIONET_STATE_ATTACHED);
	}
	config.tx_descriptors = 0;
	ok(vionet_init(port, &config));
	same(info_of(port).rx_descriptors, 512);
	same(info_of(port).tx_descriptors, 512);
	config.rx_descriptors = 64;
	config.tx_descriptors = 32768;
	ok(vionet_init(port, &config));
	same(info_of(port).rx_descriptors, 64);
	same(info_of(port).tx_descriptors, 32768);
	ok(vionet_start(port));
	ok(vionet_stop(port));
	config.tx_descriptors = 2;
	config.rx_descriptors = 2;
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	yes(memcmp(info_of(port).mac, "\x02\x11\x22\x33\x44\x55", 6) == 0);
	same(info_of(port).mac_random, 0);
	ok(vionet_stop(port));

	/* A pool that cannot fill the ring, and back to one that can. */
	config.rx_descriptors = 256;
	config.pool = pool_made(32);
	err(vionet_init(port, &config), -ENOBUFS);
	says("pool");
	config.pool = 0;
	ok(vionet_init(port, &config));

	/* VERSION_1 is required: a refusal names it. */
	config.features_off = 1ull << 32;
	err(vionet_init(port, &config), -EINVAL);
	says("VERSION_1");
	config.features_off = ~0ull & ~(1ull << 32);
	ok(vionet_init(port, &config));
	same(info_of(port).negotiated[0], 1ull << 32);
	ok(vionet_start(port));
	vionet_close(port);
}

CASE("a failed vionet_init() leaves a port as vionet_probe() did")
{
	struct vionet_config bad = VIONET_SIZED(struct vionet_config);

	bad.rx_descriptors = 100;
	ok(vionet_probe("soft:loopback", &port));
	ok(vionet_init(port, NULL));
	err(vionet_init(port, &bad), -EINVAL);
	expect_state(VIONET_STATE_ATTACHED);
	err(vionet_start(port), -EINVAL);
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	err(vionet_init(port, &bad), -EBUSY);
	expect_state(VIONET_STATE_STARTED);
	ok(vionet_stop(port));
	err(vionet_init(port, &bad), -EINVAL);
	expect_state(VIONET_STATE_ATTACHED);
	same(info_of(port).pool, 0);
	same(info_of(port).negotiated[0], 0);
	vionet_close(port);
}

CASE("a port that would starve another of its pool is refused by vionet_init()")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t first, second;

	config.pool = pool_made(500); /* for one ring of 256 */
	ok(vionet_probe("soft:sink", &first));
	ok(vionet_probe("soft:sink", &second));
	ok(vionet_init(first, &config));
	ok(vionet_start(first));
	err(vionet_init(second, &config), -ENOBUFS);
	says("pool");
	same(info_of(second).state, VIONET_STATE_ATTACHED);
	vionet_close(first);
	ok(vionet_init(second, &config));
	ok(vionet_start(second));
	vionet_close(second);
	same(pool_of(config.pool).available, 500);
	ok(vionet_pool_destroy(config.pool));
}

AFTER_EACH { same(vionet_port_next(0), VIONET_PORT_NONE); }
