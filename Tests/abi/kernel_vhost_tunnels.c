/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in UDP tunnels on the kernel's vhost: features above bit 63, the tap's header and its offloads. The kernel is simulated. */
#include "../support/cases.h"
#include "../support/kernel_lives.h"

/* What a port negotiates with this vhost and this tap if its address asks for tunnels. */
static void tunnels(int words, uint64_t above, uintptr_t known, uint64_t agreed, int offloads)
{
	uint16_t port;
	char address[160];
	has_words = words;
	net_above = above;
	tap_knows = known;
	snprintf(address, sizeof(address), "%s,tunnel=1,lro=1", tap_device);
	ok(up(address, &port));
	same(info_of(port).negotiated[1], agreed);
	same(info_of(port).header_size, agreed ? 24 : 12);
	same(tap_header, agreed ? 24 : 12);
	same(tap_offloads, offloads & ~0x10); /* no UFO */
	ok(vionet_stop(port));
	ok(vionet_start(port));
	same(tap_header, agreed ? 24 : 12);
	vionet_close(port);
	same(tap_header, 10);
	same(opened_files, 0);
}

CASE("packets in tunnels, where vhost and the tap both know them")
{
	enum { OLD = 0x1f, DATAGRAMS = 0x7f, ALL = 0x1ff };
	pool = pool_made(1024);
	as_new();
	tunnels(1, 0x1e, ALL, 0x1e, ALL);
	tunnels(1, 0xa, ALL, 0xa, 0xff);       /* without the tunnel's own checksum */
	tunnels(1, UINT64_MAX, ALL, 0x1e, ALL); /* and with bits that nobody knows */
	tunnels(1, 0, ALL, 0, DATAGRAMS);
	tunnels(0, 0x1e, ALL, 0, DATAGRAMS);   /* vhost before 6.17 */
	tunnels(1, 0x1e, DATAGRAMS, 0, DATAGRAMS);
	tunnels(1, 0x1e, OLD, 0, OLD);
	uint16_t port;
	has_words = 1;
	tap_knows = ALL;
	ok(up(tap_device, &port)); /* it was not asked for */
	same(info_of(port).offered[1], 0x1e);
	same(info_of(port).negotiated[1], 0);
	same(tap_header, 12);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

CASE("each refusal of the kernel in a life with tunnels is an error or harmless")
{
	pool = pool_made(1024);
	has_words = 1;
	net_above = 0x1e;
	tap_knows = 0x1ff;
	all_refusals("vhost-net:vt-none,queues=2,tunnel=1,lro=1", 40);
	ok(vionet_pool_destroy(pool));
}
