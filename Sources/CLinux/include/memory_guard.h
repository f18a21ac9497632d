/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that another process can take away: a mapped file that may be shortened, or for whose pages there may be no
 * room. Touching what is not there raises SIGBUS, which would end the process. A thread that touches such memory has a
 * guard: the handler finds the range of the address in it, puts zeroes in its place, and the thread finds out with
 * memory_guard_hit(). Part of CLinux.h.
 */
#include <sys/vfs.h>

#pragma clang assume_nonnull begin

enum { MEMORY_GUARD_RANGES = 130 };

/* Zero at first. Used by its thread alone, whose own faults are all that the handler looks up there. */
struct memory_guard {
	uint32_t hit;
	uint32_t count;
	struct { uintptr_t start; size_t length; } range[MEMORY_GUARD_RANGES];
};

/*
 * Watches a range from now on. The first one of a process installs the handler for SIGBUS, which passes on what is not in
 * a range to the handler before it. 0, -ENOSPC if there are too many ranges or threads, or -errno.
 */
int memory_guard_watch(struct memory_guard *guard, const void *start, size_t length);
/* Forgets the range that begins there, if it is watched. */
void memory_guard_forget(struct memory_guard *guard, const void *start);
/*
 * Hugepages of this process's own that another process has too, and can take out of their file: whichever thread touches a
 * missing one finds zeroes. 0 or -errno, -ENOSPC if there are too many.
 */
int memory_guard_share(const void *start, size_t length);
/* Forgets the range that begins there, if it is shared; before it is unmapped. */
void memory_guard_unshare(const void *start);
/* Before the guard goes, in its thread. */
void memory_guard_end(struct memory_guard *guard);

SHIM bool sys_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & F_SEAL_SHRINK);
}
/* True if no process can make a page of the file disappear: it is sealed against shrinking, and no hugepages are needed. */
SHIM bool sys_is_lasting(int fd)
{
	enum { HUGETLBFS = 0x958458f6 };
	struct statfs system;
	return sys_is_sealed(fd) && fstatfs(fd, &system) == 0 && (uint32_t)system.f_type != HUGETLBFS;
}

#pragma clang assume_nonnull end
