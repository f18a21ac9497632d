/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI function made of memory, for simulated_kernel.h: sysfs and VFIO, or UIO, show its configuration space and its BARs
 * as a test filled them in. Registers are plain memory, so they read as the library or the test wrote them last.
 */
#ifndef PCI_FUNCTION_H
#define PCI_FUNCTION_H

#include "simulated_kernel.h"

#include <linux/vfio.h>

enum bar_kind { BAR_ABSENT, BAR_MEMORY, BAR_PORTS, BAR_UNMAPPABLE };
enum role { ROLE_NONE, ROLE_CONTAINER, ROLE_GROUP, ROLE_DEVICE, ROLE_BAR };
enum { FILES = 1024 };
#define REGION(n) ((uint64_t)(n) << 40)
/* The longest BAR that a process can map, here and with a real device. */
#define LONGEST_BAR ((uint64_t)1 << 46)

static struct function {
	uint8_t config[256];
	struct { uint64_t length; enum bar_kind kind; } bar[6];
	int uio;
	int transitional; /* the device ID in sysfs is that of a transitional device */
	int no_vectors, no_mappings; /* VFIO_DEVICE_SET_IRQS, VFIO_IOMMU_MAP_DMA fail */
	int no_iommu;     /* the function's group is one of VFIO without an IOMMU */
	int memory;       /* a file with region n, and the configuration space as the 7th, each at its REGION() */
	uint8_t role[FILES];
	struct { uint64_t address, length; } mapped[16]; /* for DMA */
	int mapped_count;
} function;

/* A new file with these few bytes. */
static int file_of(const char *text, size_t length)
{
	int file = memfd_create("fuzz", MFD_CLOEXEC);
	if (file < 0 || write(file, text, length) != (ssize_t)length)
		FAILED("no memfd");
	lseek(file, 0, SEEK_SET);
	return file;
}

/* Opens the function's memory again: the file has the same bytes and an offset of its own. */
static int memory_again(enum role role, int bar)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", function.memory);
	int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	yes(file >= 0 && file < FILES);
	function.role[file] = (uint8_t)(role + bar);
	return file;
}

static int resource_table(void)
{
	char text[7 * 57 + 1];
	size_t length = 0;
	for (int n = 0; n < 7; n++) {
		int is_there = n < 6 && function.bar[n].kind != BAR_ABSENT;
		uint64_t bytes = is_there ? function.bar[n].length : 0; /* 0 where it is there: 2^64 */
		uint64_t start = bytes == 0 || bytes >> 63 ? 0 : n == 0 ? 0xc000 : 0xfe000000;
		uint64_t flags = !is_there ? 0 : function.bar[n].kind == BAR_PORTS ? 0x40101 : 0x40200;
		length += (size_t)sprintf(text + length, "0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n", start,
		                          is_there ? start + bytes - 1 : 0, flags);
	}
	return file_of(text, length);
}

static int function_open(const char *path, int *file)
{
	const char *leaf = strrchr(path, '/') + 1;
	if (strncmp(path, "/dev/", 5) == 0) {
		*file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*file >= 0 && *file < FILES)
			function.role[*file] = strcmp(path, "/dev/vfio/vfio") == 0 ? ROLE_CONTAINER : ROLE_GROUP;
		function.mapped_count = 0;
	} else if (strncmp(path, "/sys/bus/pci/devices/", 21) != 0)
		return 0;
	else if (strcmp(leaf, "vendor") == 0)
		*file = file_of("0x1af4\n", 7);
	else if (strcmp(leaf, "device") == 0)
		*file = file_of(function.transitional ? "0x1000\n" : "0x1041\n", 7);
	else if (strcmp(leaf, "name") == 0)
		*file = function.no_iommu ? file_of("vfio-noiommu\n", 13) : fails(ENOENT);
	else if (strcmp(leaf, "config") == 0)
		*file = file_of((char *)function.config, 256);
	else if (strcmp(leaf, "resource") == 0)
		*file = resource_table();
	else if (strncmp(leaf, "resource", 8) == 0 && leaf[8] >= '0' && leaf[8] < '6')
		*file = memory_again(ROLE_BAR, leaf[8] - '0');
	else
		*file = fails(ENOENT);
	return 1;
}

static int function_link(const char *path, const char **target)
{
	const char *leaf = strrchr(path, '/') + 1;
	if (strncmp(path, "/sys/bus/pci/devices/", 21) != 0)
		return 0;
	*target = NULL;
	if (strcmp(leaf, "driver") == 0)
		*target = function.uio ? "../../../bus/pci/drivers/uio_pci_generic" : "../../../bus/pci/drivers/vfio-pci";
	if (strcmp(leaf, "iommu_group") == 0 && !function.uio)
		*target = "../../../kernel/iommu_groups/7";
	return 1;
}

/* The uio folder has one entry, the name of the UIO device. This stands for it and has one entry, too. */
static DIR *function_folder(const char *path)
{
	if (strncmp(path, "/sys/bus/pci/devices/", 21) != 0)
		return NULL;
	return fdopendir(open("/proc/self/task", O_RDONLY | O_CLOEXEC));
}

static void function_close(int file)
{
	if (file >= 0 && file < FILES)
		function.role[file] = ROLE_NONE;
}

/* Requires that a mapping of a BAR is allowed and lies inside the BAR. */
static int function_map(int file, size_t length, off_t *offset)
{
	int role = file < FILES ? function.role[file] : ROLE_NONE;
	if (role != ROLE_DEVICE && role < ROLE_BAR)
		return 1;
	if (role >= ROLE_BAR)
		*offset += (off_t)REGION(role - ROLE_BAR);
	int bar = (int)((uint64_t)*offset >> 40);
	if (bar > 5 || function.bar[bar].kind != BAR_MEMORY)
		FAILED("region %d, which cannot be mapped, was", bar);
	if ((uint64_t)*offset != REGION(bar) || length > function.bar[bar].length)
		FAILED("%zu bytes at %#llx of BAR %d were mapped", length, (unsigned long long)*offset, bar);
	return length <= LONGEST_BAR;
}

static int region_info(struct vfio_region_info *info)
{
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		info->size = 256;
	} else if (info->index < 6 && function.bar[info->index].kind != BAR_ABSENT) {
		int is_memory = function.bar[info->index].kind == BAR_MEMORY;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE
		              | (is_memory ? VFIO_REGION_INFO_FLAG_MMAP : 0);
		info->size = function.bar[info->index].length;
	} else if (info->index == VFIO_PCI_ROM_REGION_INDEX) { /* it looks like a BAR and is none */
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
		info->size = 1 << 20;
	} else
		return info->index > 8 ? fails(EINVAL) : 0;
	info->offset = REGION(info->index);
	return 0;
}

static int map_for_dma(const struct vfio_iommu_type1_dma_map *m)
{
	if (function.no_mappings || function.mapped_count == 16)
		return fails(ENOMEM);
	for (int i = 0; i < function.mapped_count; i++)
		if (m->iova < function.mapped[i].address + function.mapped[i].length &&
		    function.mapped[i].address < m->iova + m->size)
			return fails(EEXIST);
	function.mapped[function.mapped_count].address = m->iova;
	function.mapped[function.mapped_count++].length = m->size;
	return 0;
}

static int unmap_for_dma(const struct vfio_iommu_type1_dma_unmap *m)
{
	for (int i = 0; i < function.mapped_count; i++)
		if (function.mapped[i].address == m->iova && function.mapped[i].length == m->size) {
			function.mapped[i] = function.mapped[--function.mapped_count];
			return 0;
		}
	return 0;
}

static int function_control(int file, unsigned long request, void *argument, int *result)
{
	if (file < 0 || file >= FILES || function.role[file] == ROLE_NONE)
		return 0;
	switch (request) {
	case VFIO_CHECK_EXTENSION:
		*result = (uintptr_t)argument == (function.no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU);
		return 1;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
		*result = 0;
		return 1;
	case VFIO_GROUP_GET_DEVICE_FD: *result = memory_again(ROLE_DEVICE, 0); return 1;
	case VFIO_DEVICE_GET_REGION_INFO: *result = region_info(argument); return 1;
	case VFIO_IOMMU_MAP_DMA: *result = map_for_dma(argument); return 1;
	case VFIO_IOMMU_UNMAP_DMA: *result = unmap_for_dma(argument); return 1;
	case VFIO_DEVICE_SET_IRQS: *result = function.no_vectors ? fails(EINVAL) : 0; return 1;
	default: *result = 0; return 1; /* the interface's version, and the container and IOMMU of a group */
	}
}

/* ---- for tests -------------------------------------------------------------------------------------------------- */

/* Makes this function the only device of the simulated kernel. */
OK_UNUSED static void function_use(void)
{
	kernel = (struct kernel){.now = 1000000000, .open = function_open, .link = function_link, .map = function_map,
	                         .control = function_control, .close = function_close, .folder = function_folder};
}

OK_UNUSED static void function_begin(void)
{
	function_use();
	function.memory = memfd_create("function", MFD_CLOEXEC);
	yes(function.memory >= 0);
	same(ftruncate(function.memory, (off_t)(REGION(8) + LONGEST_BAR)), 0);
}

/* Sets all BARs to zero, and what VFIO shows as configuration space to the current bytes. */
OK_UNUSED static void function_reset(void)
{
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	same(fallocate(function.memory, hole, 0, (off_t)(REGION(8) + LONGEST_BAR)), 0);
	same(pwrite(function.memory, function.config, 256, (off_t)REGION(VFIO_PCI_CONFIG_REGION_INDEX)), 256);
}

OK_UNUSED static void function_put(int bar, uint64_t offset, const void *bytes, size_t length)
{
	same(pwrite(function.memory, bytes, length, (off_t)(REGION(bar) + offset)), (ssize_t)length);
}

#endif
