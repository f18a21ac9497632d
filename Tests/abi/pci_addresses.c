/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual functions, which have ids of all ones and may want a token; VFIO without an IOMMU; and which addresses a device
 * is given, by what it offers and by iova=.
 */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/trapped_function.h"

#include <fcntl.h>
#include <linux/virtio_ring.h>

#define UUID "14d63f20-8445-11ea-8900-1f9ce7d5650d"
#define PCI "pci:0000:00:05.0"
enum { PACKETS = 1024, RING = 16 }; /* each ring in one page */
static uint16_t pool;
static char asked_for[128], group_file[128];
static int kind_of_iommu, mappings, group_error, device_error, is_forbidden, risks;

static int recorded_open(const char *path, int *file)
{
	if (strncmp(path, "/dev/vfio/", 10) == 0 && strcmp(path, "/dev/vfio/vfio") != 0) {
		snprintf(group_file, sizeof(group_file), "%s", path);
		if (group_error != 0) {
			*file = fails(group_error);
			return 1;
		}
	}
	return function_open(path, file);
}

static int recorded_control(int file, unsigned long request, void *argument, int *result)
{
	int role = file >= 0 && file < FILES ? function.role[file] : ROLE_NONE;
	if (role == ROLE_NONE)
		return 0;
	if (request == VFIO_GROUP_GET_DEVICE_FD)
		snprintf(asked_for, sizeof(asked_for), "%s", (const char *)argument);
	if (request == VFIO_SET_IOMMU)
		kind_of_iommu = (int)(uintptr_t)argument;
	mappings += request == VFIO_IOMMU_MAP_DMA;
	if (request == VFIO_GROUP_GET_DEVICE_FD && device_error != 0)
		*result = fails(device_error);
	else if (request == VFIO_CHECK_EXTENSION && is_forbidden)
		*result = 0;
	else
		return made_control(file, request, argument, result);
	return 1;
}

static void count_risks(int level, const char *line, void *user)
{
	(void)user;
	risks += level == VIONET_LOG_INFO && strstr(line, "no IOMMU stands before 0000:00:05.0") != NULL;
}

BEFORE_EACH
{
	made_begin();
	pool = pool_made(PACKETS);
	made_correct();
	kernel.open = recorded_open;
	kernel.control = recorded_control;
	vionet_log_set(VIONET_LOG_INFO, count_risks, NULL);
}

static uint16_t running(const char *address)
{
	struct vionet_config with = {.size = sizeof(with), .pool = pool, .rx_descriptors = RING, .tx_descriptors = RING};
	uint16_t port;
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &with));
	ok(vionet_start(port));
	same(trapped_get(DEVICE_STATUS, 1), 15);
	return port;
}

static void refused(const char *address, int code, const char *words)
{
	uint16_t port;
	err(vionet_probe(address, &port), code);
	says(words);
	same(vionet_port_next(0), VIONET_PORT_NONE);
}

static uint64_t physical(const char *address)
{
	uint64_t entry = 0;
	int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	yes(file >= 0);
	same(pread(file, &entry, 8, (off_t)((uintptr_t)address / 4096 * 8)), 8);
	close(file);
	return entry >> 63 ? (entry & ((1ull << 55) - 1)) * 4096 : 0;
}

/* Where in this process the byte is that the device is given by this address, if that is a physical one; else NULL. */
static char *by_physical(uint64_t wanted)
{
	char line[512], *found = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");
	yes(maps != NULL);
	while (found == NULL && fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t first = 0, end = 0;
		if (strstr(line, "memfd:vionet") == NULL || sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &first, &end) != 2)
			continue;
		for (char *at = (char *)first; at < (char *)end && found == NULL; at += 4096) // NOLINT: an address as text
			if (physical(at) == wanted / 4096 * 4096)
				found = at + wanted % 4096;
	}
	fclose(maps);
	return found;
}

/* The same, if it is an address of ours that was mapped for the device. */
static char *by_mapping(uint64_t wanted)
{
	for (int i = 0; i < function.mapped_count; i++)
		if (wanted >= function.mapped[i].address && wanted - function.mapped[i].address < function.mapped[i].length)
			return (char *)(uintptr_t)wanted; // NOLINT: the device's address is ours
	return NULL;
}

/* The device finds its rings, and in them a frame that is sent, by this kind of address. */
static void finds_all_by(char *(*place)(uint64_t), uint16_t port)
{
	static const char text[] = "found by its address";
	for (int ring = 0; ring < 2; ring++)
		for (int part = 0; part < 3; part++)
			yes(place(made.ring[ring][part]) != NULL);
	struct vionet_packet *packet = vionet_packet_alloc(pool);
	yes(packet != NULL);
	memcpy(vionet_packet_append(packet, 60), text, sizeof(text));
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	const struct vring_desc *table = (const void *)place(made.ring[1][0]);
	const uint16_t *available = (const void *)place(made.ring[1][1]);
	same(available[1], 1);
	const char *frame = place(table[available[2]].addr);
	yes(frame != NULL);
	same(memcmp(frame + 12, text, sizeof(text)), 0);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip("physical addresses want root");
}

/* ---- virtual functions ------------------------------------------------------------------------------------------- */

CASE("a function whose ids are all ones is what sysfs says")
{
	memset(function.config, 0xff, 4);
	made_bus(1);
	uint16_t port = running(PCI);
	vionet_close(port);
	function.uio = 1;
	ok(vionet_probe(PCI, &port));
	vionet_close(port);
}

CASE("a function whose ids are all ones is not taken for one that is gone")
{
	memset(function.config, 0xff, 4);
	made_bus(1);
	uint16_t port = running(PCI);
	made.deaf = 1;
	ok(vionet_stop(port)); /* the device may use its memory until the bus has reset it */
	same(made.bus_resets, 1);
	same(made.mapped_at_reset, 2);
	vionet_close(port);
}

CASE("a function that is gone shows in its status, whatever its ids are")
{
	static const uint8_t gone[] = {0xf4, 0x1a, 0x41, 0x10, 0xff, 0xff, 0xff, 0xff};
	uint16_t port = running(PCI);
	made.gone = 1;
	same(pwrite(function.memory, gone, 8, (off_t)REGION(VFIO_PCI_CONFIG_REGION_INDEX)), 8);
	ok(vionet_stop(port));
	same(made.bus_resets, 0);
	vionet_close(port);
	refused(PCI, -ENODEV, "all ones");
}

CASE("a token is told to the kernel with the function's name")
{
	uint16_t port = running(PCI ",vf_token=" UUID);
	same(strcmp(asked_for, "0000:00:05.0 vf_token=" UUID), 0);
	/* A start opens the function anew if it shows no reset, with its token. */
	made.deaf = made.deaf_to_bus = 1;
	err(vionet_stop(port), -EIO);
	asked_for[0] = 0;
	err(vionet_start(port), -ETIMEDOUT);
	same(strcmp(asked_for, "0000:00:05.0 vf_token=" UUID), 0);
	made.deaf = 0;
	vionet_close(port);
	vionet_close(running(PCI ",vf_token=14D63F20-8445-11EA-8900-1F9CE7D5650D"));
	vionet_close(running(PCI));
	same(strcmp(asked_for, "0000:00:05.0"), 0);
}

CASE("a token that is no UUID, or that the kernel refuses, is named")
{
	static const char *const wrong[] = {
		"", "0", "14d63f20-8445-11ea-8900-1f9ce7d5650", UUID "0", "14d63f2008445-11ea-8900-1f9ce7d5650d",
		"14d63f20-8445-11ea-8900-1f9ce7d5650g", "-4d63f20-8445-11ea-8900-1f9ce7d5650d",
	};
	char address[128];
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(address, sizeof(address), PCI ",vf_token=%s", wrong[i]);
		refused(address, -EINVAL, "\"vf_token\" takes a UUID");
	}
	same(asked_for[0], 0);
	device_error = EACCES;
	refused(PCI, -EACCES, "vf_token=UUID has to be that of the owner");
	refused(PCI ",vf_token=" UUID, -EACCES, "vf_token=UUID has to be that of the owner");
	device_error = EINVAL;
	refused(PCI ",vf_token=" UUID, -EINVAL, "vf_token= is for functions of SR-IOV");
	device_error = 0;
	function.uio = 1;
	refused(PCI ",vf_token=" UUID, -EINVAL, "vf_token: PCI function 0000:00:05.0 is bound to uio_pci_generic");
}

/* ---- VFIO without an IOMMU --------------------------------------------------------------------------------------- */

CASE("without an IOMMU the device is given physical addresses, and the log names the risk once")
{
	needs_root();
	function.no_iommu = 1;
	uint16_t port = running(PCI);
	same(strcmp(group_file, "/dev/vfio/noiommu-7"), 0);
	same(kind_of_iommu, VFIO_NOIOMMU_IOMMU);
	same(made.vectors, 3);
	same(info_of(port).negotiated[0] >> F_ACCESS_PLATFORM & 1, 1);
	finds_all_by(by_physical, port);
	vionet_close(port);
	vionet_close(running(PCI ",iova=pa"));
	same(mappings, 0);
	same(risks, 1);
}

CASE("with an IOMMU there is no such risk")
{
	uint16_t port = running(PCI);
	same(strcmp(group_file, "/dev/vfio/7"), 0);
	same(kind_of_iommu, VFIO_TYPE1v2_IOMMU);
	finds_all_by(by_mapping, port);
	vionet_close(port);
	same(risks, 0);
}

CASE("what keeps a function without an IOMMU away is named")
{
	function.no_iommu = 1;
	is_forbidden = 1;
	refused(PCI, -EPERM, "echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	same(group_file[0], 0);
	is_forbidden = 0;
	group_error = EPERM;
	refused(PCI, -EPERM, "cannot open /dev/vfio/noiommu-7");
	says("CAP_SYS_RAWIO");
	group_error = EACCES;
	refused(PCI, -EACCES, "chown");
	group_error = 0;
	refused(PCI ",iova=va", -EINVAL, "iova=va: no IOMMU stands before PCI function 0000:00:05.0");
	same(risks, 0);
}

/* ---- iova= ------------------------------------------------------------------------------------------------------- */

CASE("a device without ACCESS_PLATFORM gets physical addresses, and with iova=va those of the IOMMU")
{
	needs_root();
	made.offered[0] &= ~BIT(F_ACCESS_PLATFORM);
	uint16_t port = running(PCI ",iova=va");
	same(function.mapped_count, 2); /* rings and pool */
	finds_all_by(by_mapping, port);
	vionet_close(port);
	same(function.mapped_count, 0);
	for (int asked = 0; asked < 2; asked++) {
		made_reset();
		pool = pool_made(PACKETS);
		port = running(asked ? PCI ",iova=pa" : PCI);
		finds_all_by(by_physical, port);
		vionet_close(port);
	}
}

CASE("addresses that the device cannot be given are refused")
{
	refused(PCI ",iova=pa", -EINVAL, "iova=pa: PCI function 0000:00:05.0 offers VIRTIO_F_ACCESS_PLATFORM");
	vionet_close(running(PCI ",iova=va"));
	refused(PCI ",iova=dc", -EINVAL, "\"iova\" takes va or pa, not \"dc\"");
	function.uio = 1;
	refused(PCI ",iova=va", -EINVAL, "iova=va: no IOMMU stands before PCI function 0000:00:05.0");
}
#else
#include "../support/cases.h"
CASE("addresses of a PCI device") { skip("only x86-64 can take a single step"); }
#endif
