/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control queues of the device's size: too small for a command, as small as one, as large as QEMU 10 makes those of a
 * legacy device. A port that wants no control queue, on a device that has one. And receive rings that are too small for one
 * frame.
 */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/kept.h"
#include "../support/trapped_function.h"

static const char *const device = "pci:0000:00:05.0";
static uint16_t pool, port;

/* The device takes every command. */
static void answer(uint32_t queue)
{
	if (queue != 2)
		return;
	struct vring_desc { uint64_t addr; uint32_t len; uint16_t flags, next; } *table = (void *)(uintptr_t)made.ring[2][0], *d;
	uint16_t *available = (void *)(uintptr_t)made.ring[2][1], *used = (void *)(uintptr_t)made.ring[2][2];
	uint16_t size = made.size[2], index = used[1], id = available[2 + index % size];
	uint32_t element[2] = {id, 1};

	yes(id < size);
	for (d = &table[id]; d->flags & 1; d = &table[d->next])
		yes(d->next < size);
	*(uint8_t *)(uintptr_t)d->addr = 0;
	memcpy(used + 2 + 4 * (index % size), element, sizeof(element));
	__atomic_store_n(&used[1], (uint16_t)(index + 1), __ATOMIC_RELEASE);
}

static int initialised(const char *address)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);

	ok(vionet_probe(address, &port));
	with.pool = pool;
	with.rx_descriptors = 64;
	with.tx_descriptors = 64;
	return vionet_init(port, &with);
}

static void modern(uint16_t size)
{
	made_begin();
	pool = pool_made(1024);
	made_correct();
	made.serve = answer;
	made.control_size = size;
	made.offered[0] |= BIT(17) | BIT(18); /* CTRL_VQ, CTRL_RX */
}

static const uint16_t too_small[] = {1, 2, 3};

static const char *small_title(unsigned int row)
{
	static char text[60];
	snprintf(text, sizeof(text), "a control queue of %u descriptors is refused", too_small[row]);
	return text;
}

CASES(3, small_title)
{
	modern(too_small[row]);
	err(initialised(device), -EINVAL);
	says("control queue");
	says("cq=0");
	vionet_close(port);
	/* Without it the port runs. */
	ok(initialised("pci:0000:00:05.0,cq=0"));
	ok(vionet_start(port));
	err(vionet_promiscuous_set(port, 1), -ENOTSUP);
	vionet_close(port);
	same(pool_of(pool).available, 1024);
}

static const uint16_t usable[] = {4, 8, 64, 256, 1024};

static const char *usable_title(unsigned int row)
{
	static char text[60];
	snprintf(text, sizeof(text), "a control queue of %u descriptors takes commands", usable[row]);
	return text;
}

CASES(5, usable_title)
{
	modern(usable[row]);
	ok(initialised(device));
	ok(vionet_start(port));
	for (int i = 0; i < 200; i++)
		ok(vionet_promiscuous_set(port, i & 1));
	vionet_close(port);
	same(pool_of(pool).available, 1024);
}

CASE("cq=0 leaves a device's control queue alone")
{
	modern(64);
	ok(initialised("pci:0000:00:05.0,cq=0"));
	same(made.accepted[0] & BIT(17), 0);
	same(made.size[2], 0);
	err(vionet_promiscuous_set(port, 1), -ENOTSUP);
	says("cq=1");
	vionet_close(port);
	ok(initialised("pci:0000:00:05.0,cq=1"));
	same(made.accepted[0] & BIT(17), BIT(17));
	vionet_close(port);
}

/* 9000 bytes fill five buffers of a table, and no chain is longer than its ring (virtio 1.4, 2.7.5.3.1). */
CASE("a device whose rings are shorter than the table of one frame is refused")
{
	static const uint16_t mtu = 9000;
	for (int size = 4; size <= 8; size += 4) {
		modern(0);
		memcpy(trapped_registers + DEVICE + 10, &mtu, sizeof(mtu));
		made.offered[0] |= BIT(28); /* INDIRECT_DESC */
		made.data_size = (uint16_t)size;
		if (size == 4) {
			err(initialised(device), -EINVAL);
			says("queue_size: a frame takes 5 buffers, the ring has 4 descriptors");
		} else {
			ok(initialised(device));
			same(info_of(port).rx_descriptors, 8);
			same(info_of(port).mtu, 9000);
		}
		vionet_close(port);
	}
}

/* A legacy device is given physical addresses, and only a hugepage is sure to hold a ring in one piece. */
static void take_hugepages(void)
{
	static const char *const pages = HUGEPAGES;
	char value[64];
	if (!keep(pages))
		skip("the number of hugepages wants root to change");
	int wanted = atoi(kept.value) + 24;
	snprintf(value, sizeof(value), "%d", wanted);
	setting_write(pages, value);
	if (setting_read(pages, value, sizeof(value)) && atoi(value) >= wanted)
		return;
	skip("this system has no room for 24 hugepages now");
}

/* Registers of a legacy function, which plain memory is enough for: all queues have one size. */
static void legacy(uint16_t size)
{
	static const uint8_t head[] = {0xf4, 0x1a, 0x00, 0x10, 0, 0, 0, 0};
	const uint32_t offered = BIT(5) | BIT(16) | BIT(17) | BIT(18) | BIT(27); /* MAC, STATUS, CTRL_VQ, CTRL_RX, ANY_LAYOUT */

	memset(&function, 0, sizeof(function));
	memcpy(function.config, head, sizeof(head));
	function.config[0x10] = 1;
	function.config[0x2e] = 1; /* subsystem: a network device */
	function.transitional = 1;
	function.bar[0].kind = BAR_PORTS;
	function.bar[0].length = 64;
	function_begin();
	function_reset();
	function_put(0, 0, &offered, 4);
	function_put(0, 12, &size, 2);
	function_put(0, 20, "\x02\xaa\xbb\xcc\xdd\xee\x01\x00", 8);
}

static const uint16_t legacy_sizes[] = {64, 256, 1024, 4096};

static const char *legacy_title(unsigned int row)
{
	static char text[80];
	snprintf(text, sizeof(text), "a legacy device whose queues have %u descriptors, the control queue too", legacy_sizes[row]);
	return text;
}

CASES(4, legacy_title)
{
	struct vionet_pool_config pages = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config with = VIONET_SIZED(struct vionet_config);

	legacy(legacy_sizes[row]);
	ok(vionet_probe(device, &port));
	pages.packets = 8192;
	take_hugepages();
	int made_pool = vionet_pool_create(&pages, &pool);
	with.pool = pool;
	int result = made_pool == 0 ? vionet_init(port, &with) : made_pool;
	give_back(); /* those in use stay until they are free */
	ok(result);
	same(info_of(port).rx_descriptors, legacy_sizes[row]);
	same(info_of(port).max_rx_descriptors, legacy_sizes[row]);
	yes(VIONET_HAS(info_of(port).negotiated, VIONET_F_CTRL_VQ));
	ok(vionet_start(port));
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

#else
#include "../support/cases.h"
CASE("sizes of control queues") { skip("only x86-64 can take a single step"); }
#endif
