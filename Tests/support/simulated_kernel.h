/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated kernel under the library, in the same process: the library's calls of libc come here first. A program that
 * links the library defines these functions itself, and the dynamic linker prefers them. A program that has the library's
 * objects linked in, with libFuzzer or without, renames their calls to kernel_*.
 *
 * The clock is simulated, too: no call sleeps, and a wait of five seconds is over at once. So an input takes little time
 * and does the same every time, and a test can compare how long a call would have waited with what vionet.h promises.
 */
#ifndef SIMULATED_KERNEL_H
#define SIMULATED_KERNEL_H

#include "peer.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(FUZZ_GUIDED) || defined(FUZZ_RENAMED)
#define KERNEL(name) kernel_##name
#else
#define KERNEL(name) name
#endif

/* What a test plugs in; any of it may be NULL. Functions that return int answer whether they handled the call. */
static struct kernel {
	uint64_t now;   /* nanoseconds on the simulated clock; 0: the library talks to the real kernel */
	uint64_t calls; /* how often the library has called the kernel */
	int (*open)(const char *path, int *file);
	int (*link)(const char *path, const char **target);
	int (*control)(int file, unsigned long request, void *argument, int *result);
	int (*connect)(int file, const char *path, int *result);
	int (*send)(int file, struct msghdr *message, ssize_t *result); /* may change the message, or return the result */
	void (*sent)(int file);
	int (*receive)(int file, struct msghdr *message, ssize_t *result);
	int (*wait)(struct pollfd *file, int milliseconds); /* true: something may be ready now */
	int (*map)(int file, size_t length, off_t *offset);
	void (*mapped)(int file, void *address, size_t length);
	void (*close)(int file);
	DIR *(*folder)(const char *path);
} kernel;

/* Counts a call, and tells whether the simulated kernel is in use. */
static int simulates(void)
{
	kernel.calls++;
	return kernel.now != 0;
}

static int fails(int error)
{
	errno = error;
	return -1;
}

int KERNEL(clock_gettime)(clockid_t clock, struct timespec *t)
{
	if (!simulates() || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, t);
	kernel.now += 1000; /* without this a loop that waits for the clock would never end */
	*t = (struct timespec){(time_t)(kernel.now / 1000000000u), (long)(kernel.now % 1000000000u)};
	return 0;
}

int KERNEL(nanosleep)(const struct timespec *t, struct timespec *left)
{
	if (!simulates())
		return (int)syscall(SYS_nanosleep, t, left);
	kernel.now += (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
	return 0;
}

/* Not every kind of processor has a system call poll. */
static int true_poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000l};
	return (int)syscall(SYS_ppoll, files, count, milliseconds < 0 ? NULL : &t, NULL, 0);
}

int KERNEL(poll)(struct pollfd *files, nfds_t count, int milliseconds)
{
	if (!simulates())
		return true_poll(files, count, milliseconds);
	if (milliseconds < 0)
		FAILED("the library waits without a deadline");
	int ready = true_poll(files, count, 0);
	if (milliseconds == 0)
		return ready;
	if (kernel.wait != NULL && count >= 1 && kernel.wait(files, milliseconds))
		return true_poll(files, count, 0);
	if (ready > 0)
		return ready;
	kernel.now += (uint64_t)milliseconds * 1000000u;
	return 0;
}

int KERNEL(open)(const char *path, int flags, ...)
{
	int file;
	va_list list;
	if (simulates() && kernel.open != NULL && kernel.open(path, &file))
		return file;
	va_start(list, flags);
	unsigned int mode = flags & O_CREAT ? va_arg(list, unsigned int) : 0;
	va_end(list);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int KERNEL(close)(int file)
{
	if (simulates() && kernel.close != NULL)
		kernel.close(file);
	return (int)syscall(SYS_close, file);
}

ssize_t KERNEL(readlink)(const char *restrict path, char *restrict target, size_t room)
{
	const char *found;
	if (!simulates() || kernel.link == NULL || !kernel.link(path, &found))
		return syscall(SYS_readlinkat, AT_FDCWD, path, target, room);
	if (found == NULL)
		return fails(ENOENT);
	size_t length = strlen(found) < room ? strlen(found) : room;
	memcpy(target, found, length);
	return (ssize_t)length;
}

DIR *KERNEL(opendir)(const char *path)
{
	DIR *theirs = simulates() && kernel.folder != NULL ? kernel.folder(path) : NULL;
	int file = theirs != NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return file < 0 ? theirs : fdopendir(file);
}

int KERNEL(ioctl)(int file, unsigned long request, ...)
{
	int result;
	va_list list;
	va_start(list, request);
	void *argument = va_arg(list, void *);
	va_end(list);
	if (simulates() && kernel.control != NULL && kernel.control(file, request, argument, &result))
		return result;
	return (int)syscall(SYS_ioctl, file, request, argument);
}

void *KERNEL(mmap)(void *hint, size_t length, int protection, int flags, int file, off_t offset)
{
	if (simulates() && kernel.map != NULL && file >= 0 && !kernel.map(file, length, &offset))
		return fails(ENOMEM), MAP_FAILED;
	long result = syscall(SYS_mmap, hint, length, protection, flags, file, offset);
	if (kernel.now != 0 && kernel.mapped != NULL && file >= 0)
		kernel.mapped(file, (void *)result, length);
	return (void *)result; // NOLINT: -1 is MAP_FAILED
}

/* The files that stand for a device's all belong to this process, so the real kernel would not keep its users apart. */
int KERNEL(flock)(int file, int operation)
{
	return simulates() ? 0 : (int)syscall(SYS_flock, file, operation);
}

int KERNEL(stat)(const char *restrict path, struct stat *restrict s)
{
	int ignored;
	if (!simulates() || kernel.connect == NULL || !kernel.connect(-1, path, &ignored))
		return (int)syscall(SYS_newfstatat, AT_FDCWD, path, s, 0);
	*s = (struct stat){.st_mode = S_IFSOCK | 0600};
	return 0;
}

int KERNEL(connect)(int file, const struct sockaddr *address, socklen_t length)
{
	int result;
	const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)address;
	if (simulates() && kernel.connect != NULL && kernel.connect(file, local->sun_path, &result))
		return result;
	return (int)syscall(SYS_connect, file, address, length);
}

ssize_t KERNEL(sendmsg)(int file, const struct msghdr *message, int flags)
{
	ssize_t result;
	struct iovec part = message->msg_iov[0];
	struct msghdr changed = *message;
	changed.msg_iov = &part;
	if (simulates() && kernel.send != NULL && kernel.send(file, &changed, &result))
		return result;
	result = syscall(SYS_sendmsg, file, &changed, flags);
	if (kernel.now != 0 && kernel.sent != NULL && result > 0)
		kernel.sent(file);
	return result;
}

ssize_t KERNEL(recvmsg)(int file, struct msghdr *message, int flags)
{
	ssize_t result;
	struct iovec part = message->msg_iov[0], *parts = message->msg_iov;
	message->msg_iov = &part;
	if (!simulates() || kernel.receive == NULL || !kernel.receive(file, message, &result))
		result = syscall(SYS_recvmsg, file, message, flags);
	message->msg_iov = parts;
	return result;
}

ssize_t KERNEL(read)(int file, void *bytes, size_t length)
{
	(void)simulates();
	return syscall(SYS_read, file, bytes, length);
}

ssize_t KERNEL(pread)(int file, void *bytes, size_t length, off_t offset)
{
	(void)simulates();
	return syscall(SYS_pread64, file, bytes, length, offset);
}

ssize_t KERNEL(pwrite)(int file, const void *bytes, size_t length, off_t offset)
{
	(void)simulates();
	return syscall(SYS_pwrite64, file, bytes, length, offset);
}

/* ---- checks of the library's calls ----------------------------------------------------------------------------- */

/* Requires of a failure that its errno is in the list, which 0 ends, and that it left a sentence. */
OK_UNUSED static void right_failure(const char *call, int result, const int *errors)
{
	if (result == 0)
		return;
	while (*errors != 0 && *errors != -result)
		errors++;
	if (*errors == 0)
		FAILED("%s gave %d (%s)", call, result, strerror(-result));
	if (vionet_error()[0] == 0)
		FAILED("%s failed without a sentence: %d", call, result);
}

/* Requires that no port is left and every packet is back in the pool. */
OK_UNUSED static void all_is_back(uint16_t pool, uint32_t packets)
{
	same(vionet_port_next(0), VIONET_PORT_NONE);
	same(pool_of(pool).available, packets);
	same(pool_of(pool).refused, 0);
}

#endif
