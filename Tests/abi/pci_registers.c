/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a modern PCI function as its device sees them used (virtio 1.4, 3.1.1 and 4.1.4): which are written, when
 * and in which width, and how a driver waits for what takes its time.
 */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/trapped_function.h"

enum { PACKETS = 1024, RING = 128, FAILED_BIT = 0x80, F_RING_RESET = 40 };
static uint16_t pool, port;
static const char *const device = "pci:0000:00:05.0";
static uint32_t accesses, status_writes, enables, notifies, waits;
static uint8_t status, enabled[4];
static int is_reset_awaited;

static int started(void)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	with.pool = pool;
	with.rx_descriptors = RING;
	int result = vionet_init(port, &with);
	return result == 0 ? vionet_start(port) : result;
}

static void sends(void)
{
	struct vionet_packet *packet = vionet_packet_alloc(pool);
	yes(packet != NULL && vionet_packet_append(packet, 60) != NULL);
	memset(packet->data, 0, 60);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
}

BEFORE_EACH
{
	made_begin();
	pool = pool_made(PACKETS);
	made_correct();
	ok(vionet_probe(device, &port));
}

AFTER_EACH
{
	made.watch = NULL;
	vionet_close(port);
	all_is_back(pool, PACKETS);
}

/* ---- what is accessed -------------------------------------------------------------------------------------------- */

/* The width of a register's field; 0 if the driver has no business there. */
static unsigned int width_at(unsigned int at)
{
	static const uint8_t common[] = {
		[0] = 4, [4] = 4, [8] = 4, [12] = 4, [16] = 2, [18] = 2, [20] = 1, [21] = 1, [22] = 2, [24] = 2, [26] = 2,
		[28] = 2, [30] = 2, [32] = 4, [36] = 4, [40] = 4, [44] = 4, [48] = 4, [52] = 4, [58] = 2,
	};
	static const uint8_t configuration[] = {1, 1, 1, 1, 1, 1, 2, 0, 0, 0, 2, 0};
	if (at < sizeof(common))
		return common[at];
	if (at >= NOTIFY)
		return made.accepted[0] >> F_NOTIFICATION_DATA & 1 ? 4 : 2;
	return at >= DEVICE && at < DEVICE + sizeof(configuration) ? configuration[at - DEVICE] : 0;
}

static void in_its_width(unsigned int at, int write, unsigned int bytes)
{
	accesses++;
	if (bytes != width_at(at))
		FAILED("%u bytes at %#x were %s", bytes, at, write ? "written" : "read");
	if (!write)
		return;
	/* Registers that are the device's to write, and the configuration. */
	yes(at != OFFERED && at != QUEUES && at != GENERATION && at != NOTIFY_OFFSET && (at < STATUS || at >= NOTIFY));
	if (at == QUEUE_ENABLE)
		same(trapped_get(QUEUE_ENABLE, 2), 1);
	if (at == QUEUE_SIZE) {
		uint64_t size = trapped_get(QUEUE_SIZE, 2);
		yes(size != 0 && (size & (size - 1)) == 0);
	}
}

CASE("each register is accessed in the width of its field, and none that is the device's is written")
{
	made.watch = in_its_width;
	for (int data = 0; data < 2; data++) {
		trapped_put(NOTIFY_OFFSET, 0, 2);
		made.offered[0] |= BIT(F_RING_RESET) | (data ? BIT(F_NOTIFICATION_DATA) : 0);
		ok(started());
		sends();
		same(vionet_event_handle(port), 0);
		ok(vionet_rx_queue_restart(port, 0, 0));
		ok(vionet_stop(port));
	}
	yes(accesses > 200);
}

CASE("any revision is driven, and of the configuration space only the command register is written")
{
	static const uint8_t revisions[] = {0, 1, 0x7f, 0xff};
	uint8_t space[256];
	const off_t place = (off_t)REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	for (size_t i = 0; i < sizeof(revisions); i++) {
		vionet_close(port);
		function.config[8] = revisions[i];
		same(pwrite(function.memory, function.config, 256, place), 256);
		ok(vionet_probe(device, &port));
		ok(started());
		sends();
		yes(made_command() & 4);
		ok(vionet_stop(port));
		vionet_close(port);
		same(pread(function.memory, space, 256, place), 256);
		memcpy(space + 4, function.config + 4, 2);
		yes(memcmp(space, function.config, 256) == 0);
		ok(vionet_probe(device, &port));
	}
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

static void in_its_order(unsigned int at, int write, unsigned int bytes)
{
	(void)bytes;
	if (!write)
		return;
	if (at == DEVICE_STATUS) {
		uint8_t next = (uint8_t)trapped_get(DEVICE_STATUS, 1);
		yes(next == 0 || ((next & status) == status && next != status)); /* bits are only added */
		yes(!(status & FAILED_BIT) || next == 0);
		status = next;
		status_writes++;
		if (next == 0)
			memset(enabled, 0, sizeof(enabled));
	} else if (at == DRIVER_SELECT || at == ACCEPTED) {
		same(status, 3);
	} else if (at >= CONFIG_VECTOR && at < STATUS) {
		unsigned int queue = (unsigned int)trapped_get(QUEUE_SELECT, 2) & 3;
		same(status, 0xb);
		yes(at == QUEUE_SELECT || at == CONFIG_VECTOR || !enabled[queue]); /* all else comes before it is enabled */
		enabled[queue] |= at == QUEUE_ENABLE;
		enables += at == QUEUE_ENABLE;
	} else if (at >= NOTIFY) {
		same(status, 0xf);
		notifies++;
	}
}

CASE("status bits are only added, features come before FEATURES_OK, queues before DRIVER_OK, notifications behind it")
{
	made.watch = in_its_order;
	for (int round = 1; round <= 3; round++) {
		ok(started());
		sends();
		same(status, 0xf);
		same(enables, 2u * (uint32_t)round);
		yes(notifies >= 2u * (uint32_t)round);
		ok(vionet_stop(port));
		same(status, 0);
	}
	same(status_writes, 3 * 6); /* 0, 1, 3, 0xb, 0xf, 0 */
}

CASE("a failure sets FAILED, and nothing but a reset follows it")
{
	made.watch = in_its_order;
	made.halves = 1; /* a queue does not take its size */
	for (int round = 1; round <= 3; round++) {
		err(started(), -EIO);
		same(status, 0);
		same(status_writes, (uint32_t)round * 6); /* 0, 1, 3, 0xb, 0x8b, 0 */
		same(enables + notifies, 0);
	}
	made.halves = 0;
	ok(started());
}

/* ---- what takes its time ----------------------------------------------------------------------------------------- */

/* Each change is of all bytes of the address. */
static void changes_address(unsigned int at, int write, unsigned int bytes)
{
	(void)bytes;
	if (at == GENERATION && !write)
		memset(trapped_registers + DEVICE, 2 * ++waits & 0xfe, 6);
}

CASE("a configuration that changes while it is read is read again, until nothing of it is mixed")
{
	for (int stirs = 1; stirs <= 9; stirs++) {
		waits = 0;
		made.watch = changes_address;
		made.stirs = stirs;
		struct vionet_config with = {.size = sizeof(with), .pool = pool};
		ok(vionet_init(port, &with));
		uint8_t mac[6];
		memcpy(mac, info_of(port).mac, 6);
		for (int i = 1; i < 6; i++)
			same(mac[i], mac[0]);
		yes(waits > (uint32_t)stirs);
		same(made.stirs, 0);
	}
}

static void waits_for_reset(unsigned int at, int write, unsigned int bytes)
{
	(void)bytes;
	if (at == QUEUE_RESET) {
		is_reset_awaited = write || trapped_get(QUEUE_RESET, 2) != 0;
		waits += (uint32_t)!write;
	} else {
		yes(!is_reset_awaited || (at == DEVICE_STATUS && !write));
	}
}

CASE("a queue is used again only when the device shows that its reset is done")
{
	made.offered[0] |= BIT(F_RING_RESET);
	ok(started());
	made.watch = waits_for_reset;
	for (int reads = 1; reads <= 100; reads += 33) {
		waits = 0;
		made.lazy = reads;
		ok(reads & 1 ? vionet_rx_queue_restart(port, 0, 64) : vionet_tx_queue_restart(port, 0, 64));
		same(waits, reads);
		sends();
	}
	made.lazy = 1 << 30; /* never */
	uint64_t began = kernel.now;
	err(vionet_rx_queue_restart(port, 0, 64), -ETIMEDOUT);
	yes(kernel.now - began > 2900000000 && kernel.now - began < 5000000000);
	made.lazy = is_reset_awaited = 0;
	ok(vionet_stop(port));
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

CASE("of all features only those are accepted that a PCI function can have and the driver knows")
{
	/* Unused, NOTIFY_ON_EMPTY, a bit of vhost-user, SR_IOV, ADMIN_VQ, an old one, STANDBY. */
	static const int never[] = {4, 24, 25, 26, 30, 31, 37, 41, 42, 44, 49, 51, 58, 61, 62};
	static const int always[] = {F_VERSION_1, F_ACCESS_PLATFORM, 34, 36, 39, F_MAC, F_STATUS, F_MTU, 28, 29};
	made.offered[0] = made.offered[1] = UINT64_MAX;
	ok(started());
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		same(made.accepted[0] >> never[i] & 1, 0);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		same(made.accepted[0] >> always[i] & 1, 1);
	same(made.accepted[1], 0);
}
#else
#include "../support/cases.h"
CASE("registers of a PCI device") { skip("only x86-64 can take a single step"); }
#endif
