/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end that is made with libvhost-user (passt) never forgets where a ring was: with each new table of memory it looks
 * for all of them, and ends if one is not there. So rings that are made again lie where the last ones were.
 */
#include "../support/cases.h"
#include "../support/device.h"

static struct peer p;
static uint16_t port;

static void begin(const char *keys)
{
	char address[200];
	peer_start(&p);
	p.remembers_rings = 1;
	snprintf(address, sizeof(address), "vhost-user:%s%s", p.path, keys);
	port = opened(address);
}

static void end(void)
{
	vionet_close(port);
	peer_end(&p);
}

/* A frame each way, and the tables of memory that came so far. */
static int works(void)
{
	unsigned char frame[60] = {2}, back[100];
	struct vionet_packet *packet;
	int tables = 0;
	soon(p.ring[RX].enabled && p.ring[TX].enabled);
	deliver(&p, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(collect(&p, back, sizeof(back)), 60);
	for (int i = 0; i < p.seen_count; i++)
		tables += p.seen[i] == SET_MEM_TABLE;
	return tables;
}

CASE("a port that is stopped and started")
{
	begin("");
	for (int i = 1; i < 10; i++) {
		same(works(), i);
		ok(vionet_stop(port));
		ok(vionet_start(port));
	}
	end();
}

CASE("a port that shares one more pool")
{
	uint16_t pool;
	begin("");
	for (int i = 1; i < 6; i++) {
		same(works(), i);
		ok(vionet_stop(port));
		pool = pool_made(512);
		ok(vionet_pool_share(pool, port));
		ok(vionet_start(port));
	}
	end();
}

CASE("a port whose rings become smaller and larger")
{
	static const uint16_t sizes[] = {1024, 64, 2, 256, 1024, 8};
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	begin("");
	for (int i = 0; i < 6; i++) {
		same(works(), i + 1);
		ok(vionet_stop(port));
		config.rx_descriptors = config.tx_descriptors = sizes[i];
		ok(vionet_init(port, &config));
		ok(vionet_start(port));
		same(p.ring[RX].size, sizes[i]);
	}
	end();
}

CASE("a port while others come and go")
{
	uint16_t others[8];
	begin("");
	for (int i = 0; i < 8; i++) {
		same(works(), i + 1);
		others[i] = opened("soft:loopback");
		ok(vionet_stop(port));
		if (i % 2 == 1)
			vionet_close(others[i - 1]);
		ok(vionet_start(port));
	}
	end();
}
