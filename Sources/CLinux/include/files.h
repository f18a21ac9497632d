/* SPDX-License-Identifier: BSD-2-Clause */
#pragma clang assume_nonnull begin

/* Kinds of files. Part of CLinux.h, which defines SHIM. */

/* 1 if the file is of that kind, 0 if it is another, or -errno. */
SHIM int sys_is_regular(int fd)
{
	struct stat s;
	return fstat(fd, &s) < 0 ? -errno : S_ISREG(s.st_mode);
}
SHIM int sys_is_fifo(int fd)
{
	struct stat s;
	return fstat(fd, &s) < 0 ? -errno : S_ISFIFO(s.st_mode);
}
SHIM int sys_is_fifo_path(const char *path)
{
	struct stat s;
	return stat(path, &s) < 0 ? -errno : S_ISFIFO(s.st_mode);
}

#pragma clang assume_nonnull end
