/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory, the files behind it, and the limits of a process. Part of CLinux.h, which defines SHIM and RESULT. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* since Linux 6.3 */
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26) /* the logarithm of the size */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since Linux 5.14 */
#endif

#pragma clang assume_nonnull begin

/* A limit of this process; UINT64_MAX for none. */
enum {
	LIMIT_FILE_BYTES = RLIMIT_FSIZE, LIMIT_FILES = RLIMIT_NOFILE, LIMIT_ADDRESSES = RLIMIT_AS, LIMIT_DATA = RLIMIT_DATA,
	LIMIT_LOCKED = RLIMIT_MEMLOCK, LIMIT_THREADS = RLIMIT_NPROC,
};
SHIM uint64_t sys_limit(int which)
{
	struct rlimit limit;
	int result = getrlimit((__rlimit_resource_t)which, &limit);
	return result < 0 || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}
/* Not beyond the limit of ulimit -f, where the kernel would end the process by SIGXFSZ. */
SHIM int sys_ftruncate(int fd, int64_t length)
{
	return (uint64_t)length > sys_limit(LIMIT_FILE_BYTES) ? -EFBIG : RESULT(ftruncate(fd, length));
}
/* Memory or room for bytes of a file, all of it or an error. A signal interrupts it, and it begins anew, but not for ever. */
SHIM int sys_allocate(int fd, int64_t offset, int64_t length)
{
	int result = RESULT(fallocate(fd, 0, offset, length));
	for (int tries = 0; result == -EINTR && tries < 1000; tries++)
		result = RESULT(fallocate(fd, 0, offset, length));
	return result;
}
/* vm.memfd_noexec=2 refuses a file that could be executed, up to Linux 6.6 also one that does not say that it cannot. */
SHIM int sys_memfd(const char *name, unsigned int flags)
{
	int fd = RESULT(memfd_create(name, flags | MFD_NOEXEC_SEAL));
	return descriptor_own(fd == -EINVAL ? RESULT(memfd_create(name, flags)) : fd);
}
/* Lets nobody map or write the file for writing from now on; mappings that there are stay as they are. */
SHIM int sys_seal_future_writes(int fd) { return RESULT(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)); }
SHIM int sys_seal(int fd) { return RESULT(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)); }
SHIM void *_Nullable sys_map(void *_Nullable hint, size_t length, int protection, int flags, int fd, int64_t offset)
{
	void *p = mmap(hint, length, protection, flags, fd, offset);
	if (p == MAP_FAILED)
		return NULL;
	/* What a device reads is not for a forked child to write. */
	if (flags & MAP_SHARED)
		(void)madvise(p, length, MADV_DONTFORK);
	return p;
}
SHIM int sys_unmap(void *p, size_t length) { return RESULT(munmap(p, length)); }
SHIM int sys_advise(void *p, size_t length, int advice) { return RESULT(madvise(p, length, advice)); }
SHIM size_t sys_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

#pragma clang assume_nonnull end
