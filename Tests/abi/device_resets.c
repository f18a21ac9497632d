/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI devices that do not do what QEMU's always do: resets that take their time, that need the PCI bus, that never come;
 * registers that read as all ones; refused vectors; a configuration that does not keep still; an IOMMU that does not reach.
 */
#if defined(__x86_64__)
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

/* Seconds of made-up time that a call takes. */
#define seconds_of(call) \
	({ \
		uint64_t began_ = kernel.now; \
		call; \
		(kernel.now - began_) / 1e9; \
	})

static void nothing_is_held(void)
{
	all_is_back(pool, PACKETS);
	same(function.mapped_count, 0);
}

/* ---- resets ------------------------------------------------------------------------------------------------------ */

static void at_once(void)
{
	uint16_t port = running();
	same(made.vectors, 3);
	ok(vionet_stop(port));
	same(made.mapped_at_reset, 2); /* memory is the device's until it is reset */
	same(function.mapped_count, 0);
	same(made.vectors, 0);
	same(made.bus_resets, 0);
	same(pool_of(pool).available, PACKETS);
	ok(vionet_start(port));
	vionet_close(port);
}

static void slowly(void)
{
	uint16_t port = running();
	made.slow = 100;
	ok(vionet_stop(port));
	same(made.bus_resets, 0);
	same(made.mapped_at_reset, 2);
	vionet_close(port);
}

static void by_the_bus(void)
{
	uint16_t port = running();
	made.deaf = 1;
	double took = seconds_of(ok(vionet_stop(port)));
	yes(took > 3 && took < 5);
	same(made.bus_resets, 1);
	same(made.mapped_at_reset, 2);
	same(function.mapped_count, 0);
	same(pool_of(pool).available, PACKETS);
	vionet_close(port);
}

/* What a device has that shows no reset at all is nobody else's, and it is not let go of until the function is. */
static void never(void)
{
	uint16_t port = running();
	made.deaf = made.deaf_to_bus = 1;
	yes(made_command() & 4);
	double took = seconds_of(err(vionet_stop(port), -EIO));
	yes(took > 3 && took < 5);
	says("shows no reset");
	says("128 buffers");
	says("the port is closed");
	yes(!(made_command() & 4)); /* bus mastering */
	same(function.mapped_count, 2);
	yes(pool_of(pool).available <= PACKETS - RING);
	err(vionet_pool_destroy(pool), -EBUSY);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	same(vionet_rx_burst(port, 0, (struct vionet_packet *[1]){NULL}, 1), 0);

	/* Brought up again the function is let go and taken anew; then an IOMMU keeps it from what it had. */
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

static void never_and_closed(void)
{
	uint16_t port = running();
	made.deaf = made.deaf_to_bus = 1;
	double took = seconds_of(vionet_close(port));
	yes(took > 3 && took < 5);
}

/* It comes to its senses while it is held. */
static void late(void)
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

static void gone(void)
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
	err(vionet_start(port), -ENODEV); /* the function is let go by now, and the port not harmed */
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

static void refusals(void)
{
	uint16_t port = probed();
	struct vionet_config without = {.size = sizeof(without), .pool = pool};
	without.features_off = BIT(F_ACCESS_PLATFORM); /* would make it take addresses in the IOMMU for physical ones */
	refuses(vionet_init(port, &without), -EINVAL, "VIRTIO_F_ACCESS_PLATFORM");
	made.refused = -1;
	refuses(initialised(port), -EBUSY, "vector 0 for changes of its configuration; it says 0xffff");
	made.refused = 1;
	refuses(initialised(port), -EBUSY, "queue 1 does not take MSI-X vector 2");
	made.refused = -2;
	made.restless = 1;
	refuses(initialised(port), -EIO, "changes faster than it can be read");
	made.restless = 0;
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

/* The system has fewer vectors left than the function. */
static void few_vectors(void)
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

/* A notification says where the next entry goes, if the device wants to know; else it has 16 bits. */
static void notifications(void)
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
	same(made.wide_words, 0); /* a device that does not know them may take them for others */
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
 * Without an IOMMU before it a device that shows no reset may write for ever, so its memory stays for as long as the
 * process does. This one is the last: what is lost is lost.
 */
static void unguarded(void)
{
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

int main(void)
{
	static void (*const tests[])(void) = {at_once, slowly, by_the_bus, never, never_and_closed, late, gone, refusals,
	                                      few_vectors, notifications};
	made_begin();
	pool = pool_made(PACKETS);
	for (size_t n = 0; n < sizeof(tests) / sizeof(tests[0]); n++) {
		made_honest();
		int files = entries("/proc/self/fd");
		tests[n]();
		nothing_is_held();
		same(entries("/proc/self/fd"), files);
	}
	made_honest();
	if (geteuid() == 0)
		unguarded();
	else
		printf("not tried, for want of root: a device without an IOMMU\n");
	return 0;
}
#else
#include "../support/ok.h"
int main(void) { skip("only x86-64 can take a single step"); }
#endif
