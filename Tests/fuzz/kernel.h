/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel under the library, in the same process: the calls that the library makes of libc come here first. A program
 * that links the library defines them as functions of its own, which the dynamic linker prefers; where the library is
 * linked in, with libFuzzer, its objects call them kernel_*.
 *
 * Time is what this says it is: nobody sleeps, and a wait of five seconds is over at once. So each input is soon done,
 * does the same every time, and how long a call would have taken can be compared with what vionet.h promises.
 */
#ifndef KERNEL_H
#define KERNEL_H

#ifdef KERNEL_ALONE /* for a test that is no fuzzer */
#include "../support/peer.h"
#include <sys/syscall.h>
static uint64_t real_nanoseconds(clockid_t clock)
{
	struct timespec t;
	syscall(SYS_clock_gettime, clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#else
#include "fuzz.h"
#endif

#include <dirent.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifdef FUZZ_GUIDED
#define KERNEL(name) kernel_##name
#else
#define KERNEL(name) name
#endif

/* What is plugged into it; all may be left NULL. Those that return int answer whether the call was theirs. */
static struct kernel {
	uint64_t now;   /* nanoseconds; 0: this kernel is not in use */
	uint64_t spent; /* of the processor's time, in what is plugged in here for PCI functions */
	int (*open)(const char *path, int *file);
	int (*link)(const char *path, const char **target);
	int (*control)(int file, unsigned long request, void *argument, int *result);
	int (*connect)(int file, const char *path, int *result);
	int (*send)(int file, struct msghdr *message, ssize_t *result); /* may change the message, or answer for it */
	void (*sent)(int file);
	int (*receive)(int file, struct msghdr *message, ssize_t *result);
	int (*wait)(struct pollfd *file, int milliseconds); /* true: something may be ready now */
	int (*map)(int file, size_t length, off_t *offset);
	void (*mapped)(int file, void *address, size_t length);
	void (*close)(int file);
	DIR *(*folder)(const char *path);
} kernel;

/* Notes how long a call of such a thing took. */
#define SPENT(call) \
	({ \
		uint64_t began_ = real_nanoseconds(CLOCK_THREAD_CPUTIME_ID); \
		__typeof__(call) result_ = (call); \
		kernel.spent += real_nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began_; \
		result_; \
	})

static int fails(int error)
{
	errno = error;
	return -1;
}

int KERNEL(clock_gettime)(clockid_t clock, struct timespec *t)
{
	if (kernel.now == 0 || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, t);
	kernel.now += 1000; /* or somebody who only looks at the clock would do so for ever */
	*t = (struct timespec){(time_t)(kernel.now / 1000000000u), (long)(kernel.now % 1000000000u)};
	return 0;
}

int KERNEL(nanosleep)(const struct timespec *t, struct timespec *left)
{
	if (kernel.now == 0)
		return (int)syscall(SYS_nanosleep, t, left);
	kernel.now += (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
	return 0;
}

int KERNEL(poll)(struct pollfd *files, nfds_t count, int milliseconds)
{
	if (kernel.now == 0)
		return (int)syscall(SYS_poll, files, count, milliseconds);
	if (milliseconds < 0)
		FAILED("the library waits without a deadline");
	int ready = (int)syscall(SYS_poll, files, count, 0);
	if (milliseconds == 0)
		return ready;
	if (kernel.wait != NULL && count >= 1 && kernel.wait(files, milliseconds))
		return (int)syscall(SYS_poll, files, count, 0);
	if (ready > 0)
		return ready;
	kernel.now += (uint64_t)milliseconds * 1000000u;
	return 0;
}

int KERNEL(open)(const char *path, int flags, ...)
{
	int file;
	va_list list;
	if (kernel.now != 0 && kernel.open != NULL && SPENT(kernel.open(path, &file)))
		return file;
	va_start(list, flags);
	unsigned int mode = flags & O_CREAT ? va_arg(list, unsigned int) : 0;
	va_end(list);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int KERNEL(close)(int file)
{
	if (kernel.now != 0 && kernel.close != NULL)
		kernel.close(file);
	return (int)syscall(SYS_close, file);
}

ssize_t KERNEL(readlink)(const char *restrict path, char *restrict target, size_t room)
{
	const char *found;
	if (kernel.now == 0 || kernel.link == NULL || !kernel.link(path, &found))
		return syscall(SYS_readlink, path, target, room);
	if (found == NULL)
		return fails(ENOENT);
	size_t length = strlen(found) < room ? strlen(found) : room;
	memcpy(target, found, length);
	return (ssize_t)length;
}

DIR *KERNEL(opendir)(const char *path)
{
	DIR *theirs = kernel.now != 0 && kernel.folder != NULL ? SPENT(kernel.folder(path)) : NULL;
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
	if (kernel.now != 0 && kernel.control != NULL && SPENT(kernel.control(file, request, argument, &result)))
		return result;
	return (int)syscall(SYS_ioctl, file, request, argument);
}

void *KERNEL(mmap)(void *hint, size_t length, int protection, int flags, int file, off_t offset)
{
	if (kernel.now != 0 && kernel.map != NULL && file >= 0 && !kernel.map(file, length, &offset))
		return fails(ENOMEM), MAP_FAILED;
	long result = syscall(SYS_mmap, hint, length, protection, flags, file, offset);
	if (kernel.now != 0 && kernel.mapped != NULL && file >= 0)
		kernel.mapped(file, (void *)result, length);
	return (void *)result; // NOLINT: -1 is MAP_FAILED
}

/* All files that are made here for a device's are one to the real kernel. */
int KERNEL(flock)(int file, int operation)
{
	return kernel.now != 0 ? 0 : (int)syscall(SYS_flock, file, operation);
}

int KERNEL(stat)(const char *restrict path, struct stat *restrict s)
{
	int ignored;
	if (kernel.now == 0 || kernel.connect == NULL || !kernel.connect(-1, path, &ignored))
		return (int)syscall(SYS_newfstatat, AT_FDCWD, path, s, 0);
	*s = (struct stat){.st_mode = S_IFSOCK | 0600};
	return 0;
}

int KERNEL(connect)(int file, const struct sockaddr *address, socklen_t length)
{
	int result;
	const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)address;
	if (kernel.now != 0 && kernel.connect != NULL && kernel.connect(file, local->sun_path, &result))
		return result;
	return (int)syscall(SYS_connect, file, address, length);
}

ssize_t KERNEL(sendmsg)(int file, const struct msghdr *message, int flags)
{
	ssize_t result;
	struct iovec part = message->msg_iov[0];
	struct msghdr changed = *message;
	changed.msg_iov = &part;
	if (kernel.now != 0 && kernel.send != NULL && kernel.send(file, &changed, &result))
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
	if (kernel.now == 0 || kernel.receive == NULL || !kernel.receive(file, message, &result))
		result = syscall(SYS_recvmsg, file, message, flags);
	message->msg_iov = parts;
	return result;
}

/* ---- what a test wants to know of the library's calls ----------------------------------------------------------- */

/* What every failure must be: an errno of those listed (0 ends them), and a sentence. */
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

/* Everything is back when the last port has gone. */
OK_UNUSED static void all_is_back(uint16_t pool, uint32_t packets)
{
	same(vionet_port_next(0), VIONET_PORT_NONE);
	same(pool_of(pool).available, packets);
	same(pool_of(pool).refused, 0);
}

#endif
