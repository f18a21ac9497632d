/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI devices that do what QEMU's never do: resets that take their time, that need the PCI bus, that never come;
 * registers that read as all ones; refused vectors; a configuration that keeps changing; an IOMMU with a short reach.
 */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/trapped_function.h"

static uint16_t pool;
enum { PACKETS = 1024, RING = 128 };
static const char *const device = "pci:0000:00:05.0";

static uint16_t probed(void)
{
	uint16_t port;
	ok(vionet_probe(device, &port));
	return port;
}

static int initialised(uint16_t port)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	with.pool = pool;
	with.rx_descriptors = RING;
	return vionet_init(port, &with);
}

static uint16_t running(void)
{
	uint16_t port = probed();
	ok(initialised(port));
	ok(vionet_start(port));
	same(trapped_get(DEVICE_STATUS, 1), 15);
	yes(function.mapped_count == 2); /* rings and pool */
	return port;
}

/* How many seconds pass on the simulated clock while the call runs. */
#define seconds_of(call) \
	({ \
		uint64_t began_ = kernel.now; \
		call; \
		(kernel.now - began_) / 1e9; \
	})

/* Each case but the last ends with all packets in the pool, nothing mapped for the device and no file left open. */
static int files, is_left;

BEFORE_EACH
{
	made_begin();
	pool = pool_made(PACKETS);
	made_correct();
	files = entries("/proc/self/fd");
}

AFTER_EACH
{
	if (is_left)
		return;
	all_is_back(pool, PACKETS);
	same(function.mapped_count, 0);
	same(entries("/proc/self/fd"), files);
}

/* ---- resets ------------------------------------------------------------------------------------------------------ */

CASE("a device that resets at once")
{
	uint16_t port = running();
	same(made.vectors, 3);
	ok(vionet_stop(port));
	same(made.mapped_at_reset, 2); /* the device may use memory until it is reset */
	same(function.mapped_count, 0);
	same(made.vectors, 0);
	same(made.bus_resets, 0);
	same(pool_of(pool).available, PACKETS);
	ok(vionet_start(port));
	vionet_close(port);
}

CASE("a device that takes its time for a reset")
{
	uint16_t port = running();
	made.slow = 100;
	ok(vionet_stop(port));
	same(made.bus_resets, 0);
	same(made.mapped_at_reset, 2);
	vionet_close(port);
}

CASE("a device that only the bus can reset")
{
	uint16_t port = running();
	made.deaf = 1;
	double took = seconds_of(ok(vionet_stop(port)));
	yes(took > 2.4 && took < 3.5 * 1.1);
	same(made.bus_resets, 1);
	same(made.mapped_at_reset, 2);
	same(function.mapped_count, 0);
	same(pool_of(pool).available, PACKETS);
	vionet_close(port);
}

/* What the device was given stays mapped and unused until the function is let go. */
CASE("a device that shows no reset keeps its memory until the function is let go")
{
	uint16_t port = running();
	made.deaf = made.deaf_to_bus = 1;
	yes(made_command() & 4);
	double took = seconds_of(err(vionet_stop(port), -EIO));
	yes(took > 2.4 && took < 3.5 * 1.1);
	says("shows no reset");
	says("128 buffers");
	says("the port is closed");
	yes(!(made_command() & 4)); /* bus mastering */
	same(function.mapped_count, 2);
	yes(pool_of(pool).available <= PACKETS - RING);
	err(vionet_pool_destroy(pool), -EBUSY);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	same(vionet_rx_burst(port, 0, (struct vionet_packet *[1]){NULL}, 1), 0);

	/* A start lets the function go and opens it anew: then the IOMMU keeps the device from its old memory. */
	int opened_before = made.groups_opened;
	err(vionet_start(port), -ETIMEDOUT);
	same(made.groups_opened, opened_before + 1);
	same(function.mapped_count, 0);
	same(pool_of(pool).available, PACKETS);
	made.deaf = 0;
	ok(vionet_start(port));
	same(info_of(port).state, VIONET_STATE_STARTED);
	made.deaf = 1;
	vionet_close(port);
}

CASE("a device that shows no reset when its port is closed")
{
	uint16_t port = running();
	made.deaf = made.deaf_to_bus = 1;
	double took = seconds_of(vionet_close(port));
	yes(took > 2.4 && took < 3.5 * 1.1);
}

/* It becomes able to reset while the port holds its memory. */
CASE("a device that can be reset again after it could not")
{
	uint16_t port = running();
	made.deaf = made.deaf_to_bus = 1;
	err(vionet_stop(port), -EIO);
	made.deaf = 0;
	int opened_before = made.groups_opened;
	ok(vionet_start(port));
	same(made.groups_opened, opened_before);
	ok(vionet_stop(port));
	same(pool_of(pool).available, PACKETS);
	vionet_close(port);
}

/* ---- a device that is gone --------------------------------------------------------------------------------------- */

CASE("a device that is gone is recognised by its registers, and can come back")
{
	uint16_t port = running();
	made_bus(0);
	made.gone = 1;
	same(info_of(port).state, VIONET_STATE_BROKEN);
	double took = seconds_of(ok(vionet_stop(port)));
	yes(took < 0.5);
	same(function.mapped_count, 0);
	same(pool_of(pool).available, PACKETS);
	err(vionet_start(port), -ENODEV);
	says("all ones");
	err(vionet_start(port), -ENODEV); /* the function is let go by now, and the port is unharmed */
	same(info_of(port).state, VIONET_STATE_BROKEN);
	made_bus(1);
	made.gone = 0;
	made_reset();
	trapped_put(QUEUES, 3, 2);
	trapped_put(QUEUE_SIZE, 256, 2);
	trapped_put(NOTIFY_OFFSET, 1, 2);
	ok(vionet_start(port));
	same(info_of(port).state, VIONET_STATE_STARTED);
	vionet_close(port);
}

/* ---- at the start ------------------------------------------------------------------------------------------------ */

static void refuses(int result, int code, const char *words)
{
	err(result, code);
	says(words);
	same(function.mapped_count, 0);
	same(pool_of(pool).available, PACKETS);
}

CASE("what the device or the IOMMU refuses at the start is named")
{
	uint16_t port = probed();
	struct vionet_config without = {.size = sizeof(without), .pool = pool};
	without.features_off = BIT(F_ACCESS_PLATFORM); /* it would take IOMMU addresses for physical ones */
	refuses(vionet_init(port, &without), -EINVAL, "VIRTIO_F_ACCESS_PLATFORM");
	struct vionet_config pairs = {.size = sizeof(pairs), .pool = pool, .queue_pairs = 2};
	refuses(vionet_init(port, &pairs), -EINVAL, "queues: 2 were asked for, and the device has 1");
	made.refused = -1;
	refuses(initialised(port), -EBUSY, "vector 0 for changes of its configuration; it says 0xffff");
	made.refused = 1;
	refuses(initialised(port), -EBUSY, "queue 1 does not take MSI-X vector 2");
	made.refused = -2;
	made.restless = 1;
	refuses(initialised(port), -EIO, "changes faster than it can be read");
	made.restless = 0;
	made.halves = 1;
	refuses(initialised(port), -EIO, "does not take");
	made.halves = 0;
	made.reach = 0xfffffffff;
	refuses(initialised(port), -ERANGE, "out of reach of this IOMMU, whose addresses end at 0xfffffffff");
	made.reach = 0x7fffffffff;
	ok(initialised(port));
	ok(vionet_stop(port));
	trapped_put(NOTIFY_OFFSET, 0x400, 2); /* times 4: just beyond */
	refuses(initialised(port), -EIO, "notify offset 1024");
	trapped_put(NOTIFY_OFFSET, 0x3ff, 2);
	ok(initialised(port));
	vionet_close(port);
}

/* The system has fewer vectors left than the function has. */
CASE("fewer vectors than queues")
{
	for (int left = 2; left >= 0; left--) {
		made.vectors_left = left;
		uint16_t port = running();
		same(made.vectors, left);
		same(vionet_rx_arm(port, 0) == -ENOTSUP, left == 0);
		vionet_close(port);
		same(made.vectors, 0);
	}
}

/* With NOTIFICATION_DATA a notification carries the place of the next entry, else 16 bits. */
CASE("a notification carries the next entry if the device wants that")
{
	uint16_t port = running();
	same(made.accepted[0] >> F_NOTIFICATION_DATA & 1, 0);
	same(made.notified, 0xeeee0001); /* of the queue that was started last */
	vionet_close(port);
	made.offered[0] |= BIT(F_NOTIFICATION_DATA);
	made.offered[1] = 0xffffffffffffffff;
	trapped_put(NOTIFY_OFFSET, 0, 2);
	port = running();
	same(made.accepted[0] >> F_NOTIFICATION_DATA & 1, 1);
	same(made.accepted[1], 0);
	same(made.wide_words, 0); /* a device that does not know these words may take them for others */
	same(info_of(port).offered[1], made.offered[1]);
	same(info_of(port).negotiated[1], 0);
	same(made.notified, 1); /* nothing to send yet */
	struct vionet_packet *packet = vionet_packet_alloc(pool);
	yes(packet != NULL && vionet_packet_append(packet, 60) != NULL);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(made.notified, 1 | 1 << 16);
	vionet_close(port);
}

/*
 * Without an IOMMU a device that shows no reset may write for ever, so the memory it was given stays until the process
 * ends.
 */
CASE("without an IOMMU a device that shows no reset keeps its memory for the life of the process")
{
	if (geteuid() != 0)
		skip("physical addresses want root");
	is_left = 1;
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	made.offered[0] &= ~BIT(F_ACCESS_PLATFORM);
	with.pool = pool_made(PACKETS);
	with.rx_descriptors = with.tx_descriptors = 16; /* each ring in one page */
	uint16_t port = probed();
	ok(vionet_init(port, &with));
	ok(vionet_start(port));
	made.deaf = made.deaf_to_bus = 1;
	err(vionet_stop(port), -EIO);
	says("16 buffers");
	says("the process ends");
	yes(!(made_command() & 4));
	err(vionet_start(port), -EIO); /* let go and taken anew, and still no reset */
	says("shows no reset");
	int maps = count_maps();
	uint32_t left = pool_of(with.pool).available;
	vionet_close(port);
	same(pool_of(with.pool).available, left);
	err(vionet_pool_destroy(with.pool), -EBUSY);
	yes(count_maps() <= maps); /* the registers, which were mapped */
}
#else
#include "../support/cases.h"
CASE("resets of a PCI device") { skip("only x86-64 can take a single step"); }
#endif
