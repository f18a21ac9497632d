/* SPDX-License-Identifier: BSD-2-Clause */
/* A loopback port with a pool whose packets have private bytes, and a region of memory to attach. */
#ifndef VIEW_PORT_H
#define VIEW_PORT_H

#include "frame.h"

#include <sys/mman.h>

enum { PACKETS = 512, REGION = 1 << 20 };

static uint16_t port, pool, region;
static unsigned char *memory;

OK_UNUSED static void open_all(const char *device)
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	int fd = memfd_create("attached", MFD_CLOEXEC);

	yes(fd >= 0);
	ok(ftruncate(fd, REGION));
	memory = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	yes(memory != MAP_FAILED);
	config.packets = PACKETS;
	config.private_size = 40;
	ok(vionet_pool_create(&config, &pool));
	config = (struct vionet_pool_config)VIONET_SIZED(struct vionet_pool_config);
	config.flags = VIONET_POOL_REGION;
	config.memory = memory;
	config.memory_length = REGION;
	config.memory_fd = fd;
	ok(vionet_pool_create(&config, &region));
	close(fd);
	ok(vionet_probe(device, &port));
	with.pool = pool;
	with.rx_descriptors = 64;
	with.tx_descriptors = 64;
	ok(vionet_init(port, &with));
	ok(vionet_pool_share(region, port));
	ok(vionet_start(port));
}

OK_UNUSED static void close_all(void)
{
	vionet_close(port);
	same(pool_of(pool).available, PACKETS);
	same(pool_of(pool).refused, 0);
	same(pool_of(region).attached, 0);
	ok(vionet_pool_destroy(pool));
	ok(vionet_pool_destroy(region));
	ok(munmap(memory, REGION));
}

/* What the loopback returns is these bytes. */
OK_UNUSED static void comes_back(struct vionet_packet *packet, const void *bytes, uint32_t length)
{
	static unsigned char got[66000];
	struct vionet_packet *back;
	uint32_t at = 0;

	send_all(port, &packet, 1);
	receive_all(port, &back, 1);
	same(back->total_length, length);
	for (struct vionet_packet *s = back; s != NULL; at += s->length, s = s->next)
		memcpy(got + at, s->data, s->length);
	same(at, length);
	/* The loopback swaps the addresses. */
	yes(memcmp(got + 12, (const unsigned char *)bytes + 12, length - 12) == 0);
	vionet_packet_free(back);
}

OK_UNUSED static void fetch_sent(void) { vionet_tx_burst(port, 0, NULL, 0); }

#endif
