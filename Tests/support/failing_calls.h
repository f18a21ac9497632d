/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's calls of libc come to the functions below first, from its own threads too. When `countdown` has come to its
 * end, one fails, or with `interrupts` is interrupted if it may be.
 */
#ifndef FAILING_CALLS_H
#define FAILING_CALLS_H

#include "peer.h"

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/timerfd.h>

static _Thread_local int in_library; /* 2: in a thread of its own, which blocks all signals */
static _Atomic long countdown = -1; /* calls until one fails; below 0: none does */
static _Atomic int fired;           /* the line of the one that did */
static int interrupts;              /* calls are interrupted, and do not fail */

static int is_due(int line)
{
	if (!in_library || (interrupts && in_library == 2) || countdown < 0 || countdown-- != 0)
		return 0;
	fired = line;
	return 1;
}

#define NEXT(name) ((__typeof__(&name))(uintptr_t)next(#name))
static void *next(const char *name)
{
	int was = in_library;
	in_library = 0;
	void *found = dlsym(RTLD_NEXT, name);
	in_library = was;
	return found;
}

/* A function of libc that fails with this errno when its turn comes; or is interrupted then, if it may be. */
#define FAILS(type, name, parameters, arguments, code, failure) \
	type name parameters \
	{ \
		static __typeof__(&name) real; \
		if (!interrupts && is_due(__LINE__)) { \
			errno = code; \
			return failure; \
		} \
		if (real == NULL) \
			real = NEXT(name); \
		return real arguments; \
	}
#define WAITS(type, name, parameters, arguments) \
	type name parameters \
	{ \
		static __typeof__(&name) real; \
		if (interrupts && is_due(__LINE__)) { \
			errno = EINTR; \
			return -1; \
		} \
		if (real == NULL) \
			real = NEXT(name); \
		return real arguments; \
	}

void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *calloc(size_t count, size_t size) { return !interrupts && is_due(__LINE__) ? NULL : __libc_calloc(count, size); }
void *aligned_alloc(size_t alignment, size_t size)
{
	return !interrupts && is_due(__LINE__) ? NULL : __libc_memalign(alignment, size);
}
FAILS(void *, mmap, (void *at, size_t length, int access, int flags, int fd, off_t offset),
      (at, length, access, flags, fd, offset), ENOMEM, MAP_FAILED)
FAILS(int, memfd_create, (const char *name, unsigned int flags), (name, flags), EMFILE, -1)
FAILS(int, socket, (int family, int type, int protocol), (family, type, protocol), EMFILE, -1)
FAILS(int, socketpair, (int family, int type, int protocol, int pair[2]), (family, type, protocol, pair), EMFILE, -1)
FAILS(int, eventfd, (unsigned int value, int flags), (value, flags), EMFILE, -1)
FAILS(int, timerfd_create, (__clockid_t clock, int flags), (clock, flags), EMFILE, -1)
FAILS(int, epoll_create1, (int flags), (flags), ENOMEM, -1)
FAILS(int, bind, (int fd, __CONST_SOCKADDR_ARG at, socklen_t length), (fd, at, length), ENOMEM, -1)
FAILS(int, listen, (int fd, int room), (fd, room), EADDRINUSE, -1)
FAILS(int, accept4, (int fd, __SOCKADDR_ARG at, socklen_t *length, int flags), (fd, at, length, flags), EMFILE, -1)
FAILS(int, connect, (int fd, __CONST_SOCKADDR_ARG at, socklen_t length), (fd, at, length), ECONNREFUSED, -1)
FAILS(int, ftruncate, (int fd, off_t length), (fd, length), ENOSPC, -1)
FAILS(ssize_t, getrandom, (void *bytes, size_t length, unsigned int flags), (bytes, length, flags), EAGAIN, -1)

struct start {
	void *(*body)(void *);
	void *argument;
};

static void *library_thread(void *argument)
{
	struct start start = *(struct start *)argument;
	free(argument);
	in_library = 2;
	return start.body(start.argument);
}

/* A thread of the library's is the library, too. */
int pthread_create(pthread_t *thread, const pthread_attr_t *with, void *(*body)(void *), void *argument)
{
	static __typeof__(&pthread_create) real;
	if (!interrupts && is_due(__LINE__))
		return EAGAIN;
	if (real == NULL)
		real = NEXT(pthread_create);
	if (!in_library)
		return real(thread, with, body, argument);
	struct start *start = __libc_calloc(1, sizeof(*start));
	*start = (struct start){body, argument};
	int result = real(thread, with, library_thread, start);
	if (result != 0)
		free(start);
	return result;
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	static __typeof__(&epoll_ctl) real;
	if (operation == EPOLL_CTL_ADD && !interrupts && is_due(__LINE__)) {
		errno = ENOSPC;
		return -1;
	}
	if (real == NULL)
		real = NEXT(epoll_ctl);
	return real(epoll, operation, fd, event);
}

static int fails_or_is_interrupted(int line, int code)
{
	if (!is_due(line))
		return 0;
	errno = interrupts ? EINTR : code;
	return 1;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static __typeof__(&recvmsg) real;
	if (real == NULL)
		real = NEXT(recvmsg);
	return fails_or_is_interrupted(__LINE__, ENOMEM) ? -1 : real(fd, message, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static __typeof__(&sendmsg) real;
	if (real == NULL)
		real = NEXT(sendmsg);
	return fails_or_is_interrupted(__LINE__, ENOBUFS) ? -1 : real(fd, message, flags);
}
int fcntl(int fd, int operation, ...)
{
	static int (*real)(int, int, ...);
	__builtin_va_list list;
	__builtin_va_start(list, operation);
	long argument = __builtin_va_arg(list, long);
	__builtin_va_end(list);
	if ((operation == F_DUPFD_CLOEXEC || operation == F_ADD_SEALS) && !interrupts && is_due(__LINE__)) {
		errno = operation == F_ADD_SEALS ? EBUSY : EMFILE;
		return -1;
	}
	if (real == NULL)
		*(void **)(void *)&real = next("fcntl");
	return real(fd, operation, argument);
}
int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, ...);
	__builtin_va_list list;
	__builtin_va_start(list, request);
	void *argument = __builtin_va_arg(list, void *);
	__builtin_va_end(list);
	if (!interrupts && is_due(__LINE__)) {
		errno = EIO;
		return -1;
	}
	if (real == NULL)
		*(void **)(void *)&real = next("ioctl");
	return real(fd, request, argument);
}
int open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	__builtin_va_list list;
	__builtin_va_start(list, flags);
	int mode = __builtin_va_arg(list, int);
	__builtin_va_end(list);
	if (!interrupts && is_due(__LINE__)) {
		errno = ENFILE;
		return -1;
	}
	if (real == NULL)
		*(void **)(void *)&real = next("open");
	return real(path, flags, mode);
}
WAITS(int, poll, (struct pollfd *files, nfds_t count, int milliseconds), (files, count, milliseconds))
WAITS(int, epoll_wait, (int epoll, struct epoll_event *events, int count, int milliseconds),
      (epoll, events, count, milliseconds))
WAITS(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))

#define lib(call) \
	({ \
		in_library = 1; \
		__typeof__(call) result_ = (call); \
		in_library = 0; \
		result_; \
	})

#endif
