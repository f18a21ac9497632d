/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI functions through VFIO and sysfs: requests, positioned reads and writes, links. Part of CLinux.h. */
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_pci.h>
#include <sys/file.h>

#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38 /* since Linux 6.4 */
#endif

#pragma clang assume_nonnull begin

static const unsigned long SYS_VFIO_GET_API_VERSION = VFIO_GET_API_VERSION;
static const unsigned long SYS_VFIO_CHECK_EXTENSION = VFIO_CHECK_EXTENSION;
static const unsigned long SYS_VFIO_SET_IOMMU = VFIO_SET_IOMMU;
static const unsigned long SYS_VFIO_GROUP_GET_STATUS = VFIO_GROUP_GET_STATUS;
static const unsigned long SYS_VFIO_GROUP_SET_CONTAINER = VFIO_GROUP_SET_CONTAINER;
static const unsigned long SYS_VFIO_GROUP_GET_DEVICE_FD = VFIO_GROUP_GET_DEVICE_FD;
static const unsigned long SYS_VFIO_DEVICE_GET_REGION_INFO = VFIO_DEVICE_GET_REGION_INFO;
static const unsigned long SYS_VFIO_DEVICE_RESET = VFIO_DEVICE_RESET;
static const unsigned long SYS_VFIO_IOMMU_GET_INFO = VFIO_IOMMU_GET_INFO;
static const unsigned long SYS_VFIO_IOMMU_MAP_DMA = VFIO_IOMMU_MAP_DMA;
static const unsigned long SYS_VFIO_IOMMU_UNMAP_DMA = VFIO_IOMMU_UNMAP_DMA;

SHIM ssize_t sys_pread(int fd, void *buffer, size_t length, uint64_t offset)
{
	return RESULT(pread(fd, buffer, length, (off_t)offset));
}
SHIM ssize_t sys_pwrite(int fd, const void *buffer, size_t length, uint64_t offset)
{
	return RESULT(pwrite(fd, buffer, length, (off_t)offset));
}
SHIM ssize_t sys_readlink(const char *path, char *target, size_t room) { return RESULT(readlink(path, target, room)); }
SHIM int sys_lock_memory(const void *p, size_t length) { return RESULT(mlock(p, length)); }
/* The file is this process's for as long as it is open; -EWOULDBLOCK if it is another's. */
SHIM int sys_claim(int fd) { return RESULT(flock(fd, LOCK_EX | LOCK_NB)); }
SHIM int sys_release(int fd) { return RESULT(flock(fd, LOCK_UN)); }

/*
 * VFIO_DEVICE_SET_IRQS for `count` interrupts from the first on, of MSI-X or INTx, each signalling one descriptor; count
 * 0 switches that kind off. A positive result is how many vectors the system has left: none is connected then.
 */
SHIM int vfio_set_interrupts(int device, unsigned int kind, const int *_Nullable fds, unsigned int count)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + 257 * sizeof(int)];
	} request;
	if (count > 257)
		return -EINVAL;
	request.set.argsz = (uint32_t)(sizeof(struct vfio_irq_set) + count * sizeof(int));
	request.set.flags = count == 0 ? VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER
	                               : VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	request.set.index = kind;
	request.set.start = 0;
	request.set.count = count;
	if (count > 0)
		memcpy(request.set.data, fds, count * sizeof(int));
	return RESULT(ioctl(device, VFIO_DEVICE_SET_IRQS, &request.set));
}
/* Lets INTx come once more: VFIO masks the line with each. */
SHIM int vfio_unmask_line(int device)
{
	struct vfio_irq_set set = {.argsz = sizeof(set), .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
	                           .index = VFIO_PCI_INTX_IRQ_INDEX, .count = 1};
	return RESULT(ioctl(device, VFIO_DEVICE_SET_IRQS, &set));
}

/* The names in a directory but the two dots, in no order. 0 or -errno; NULL after the last. */
int directory_open(const char *path, void *_Nullable *_Nonnull directory);
const char *_Nullable directory_next(void *directory);
void directory_close(void *directory);

#pragma clang assume_nonnull end
