/* SPDX-License-Identifier: BSD-2-Clause */
/* As many ports as there may be, at once: numbers, iteration, the limit, and traffic on each. */
#include "../support/cases.h"
#include "../support/frame.h"

#include <sys/resource.h>

/* A queue may keep some hundred packets in its caches, apart from those in its ring. */
enum { PACKETS = VIONET_MAX_PORTS * 1024 };

static uint16_t iterate(uint16_t *last)
{
	uint16_t count = 0;
	VIONET_FOREACH_PORT(port) {
		yes(count == 0 || port > *last);
		*last = port;
		count++;
	}
	return count;
}

CASE("as many ports as there may be carry frames, and one more is refused")
{
	static uint16_t ports[VIONET_MAX_PORTS];
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct rlimit limit;
	uint16_t last = 0, extra;

	same(vionet_port_next(0), VIONET_PORT_NONE);
	same(vionet_port_next(VIONET_PORT_NONE), VIONET_PORT_NONE);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 8192)
		skip("256 soft ports want more than this system's limit of open files (ulimit -Hn below 8192)");

	config.pool = pool_made(PACKETS);
	config.rx_descriptors = config.tx_descriptors = 16;
	for (int i = 0; i < VIONET_MAX_PORTS; i++) {
		ok(vionet_probe("soft:loopback", &ports[i]));
		yes(ports[i] < VIONET_MAX_PORTS);
		ok(vionet_init(ports[i], &config));
		ok(vionet_start(ports[i]));
	}
	same(iterate(&last), VIONET_MAX_PORTS);
	err(vionet_probe("soft:loopback", &extra), -ENFILE);
	says("port");

	for (uint32_t i = 0; i < VIONET_MAX_PORTS; i++) {
		struct vionet_packet *p = frame_packet(config.pool, 100, i);
		yes(p != NULL);
		send_all(ports[i], &p, 1);
	}
	for (uint32_t i = 0; i < VIONET_MAX_PORTS; i++) {
		struct vionet_packet *p;
		receive_all(ports[i], &p, 1);
		same(p->port, ports[i]);
		yes(frame_right(p->data, 100, i));
		vionet_packet_free(p);
	}

	/* Every third is closed: iteration passes over the gaps, and a new port fills one. */
	for (int i = 0; i < VIONET_MAX_PORTS; i += 3)
		vionet_close(ports[i]);
	same(iterate(&last), VIONET_MAX_PORTS - (VIONET_MAX_PORTS + 2) / 3);
	same(vionet_port_next(ports[3]), ports[3] + 1);
	ok(vionet_probe("soft:sink", &extra));
	yes(extra < VIONET_MAX_PORTS);
	for (int i = 0; i < VIONET_MAX_PORTS; i++)
		vionet_close(ports[i]);
	vionet_close(extra);
	same(vionet_port_next(0), VIONET_PORT_NONE);
	same(pool_of(config.pool).available, PACKETS);
	ok(vionet_pool_destroy(config.pool));
}
