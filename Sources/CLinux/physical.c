/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

/* /proc/self/pagemap has 8 bytes a page: the frame in bits 0 to 54, "present" in bit 63 (Documentation/admin-guide/mm). */
int64_t sys_physical_address(const void *p)
{
	uint64_t page = (uint64_t)sys_page_size(), entry = 0, address = (uint64_t)(uintptr_t)p;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t got = pread(fd, &entry, sizeof(entry), (off_t)(address / page * sizeof(entry)));
	int64_t result = got == sizeof(entry) ? 0 : -EIO;
	close(fd);
	uint64_t frame = entry & ((UINT64_C(1) << 55) - 1);
	if (result == 0 && !(entry >> 63))
		result = -ENOENT;
	else if (result == 0 && frame == 0) /* what a process without CAP_SYS_ADMIN is shown */
		result = -EPERM;
	return result < 0 ? result : (int64_t)(frame * page + address % page);
}
