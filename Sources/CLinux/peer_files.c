/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that another process has too, or has sent. Flags such as O_NONBLOCK belong to the open file, which both share, so
 * that a plain read, write or close of such a file may wait for as long as the other process likes. None of these does.
 */
#include "CLinux.h"

#include <linux/aio_abi.h>
#include <signal.h>
#include <stdio.h>

/* ---- signals ------------------------------------------------------------------------------------------------------ */

/*
 * The kernel signals an eventfd by itself (IOCB_FLAG_RESFD) when a request of asynchronous I/O is done. It then never waits,
 * whatever the eventfd's count and flags are. The request is one that fails as soon as it is made: a read of no bytes.
 */
static _Atomic aio_context_t requests; /* one for the process, made with the first signal */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int cannot_make;

static void leave(void);

static aio_context_t context(void)
{
	aio_context_t made = requests;
	if (made != 0)
		return made;
	fork_leaves(FORK_FILES, leave);
	pthread_mutex_lock(&making);
	made = requests;
	if (made == 0 && !cannot_make) {
		cannot_make = syscall(SYS_io_setup, 256, &made) < 0;
		requests = cannot_make ? 0 : made;
	}
	pthread_mutex_unlock(&making);
	return made;
}

static int signal_by_kernel(int fd)
{
	struct io_event done[64];
	struct timespec now = {0, 0};
	struct iocb request = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)fd, .aio_flags = IOCB_FLAG_RESFD,
	                       .aio_resfd = (uint32_t)fd};
	struct iocb *list = &request;
	aio_context_t made = context();
	if (made == 0)
		return -ENOSYS;
	/* Notes of what was done are taken when the kernel has room for no more. */
	for (int tries = 0; tries < 4; tries++) {
		if (syscall(SYS_io_submit, made, 1L, &list) == 1)
			return 0;
		if (errno != EAGAIN)
			return -errno;
		syscall(SYS_io_getevents, made, 0L, 64L, done, &now);
	}
	return -EAGAIN;
}

int sys_shared_signal(int fd)
{
	if (signal_by_kernel(fd) == 0)
		return 0;
	/* Without asynchronous I/O: only a process that refills the eventfd at this moment can make the write wait. */
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
		return -EAGAIN;
	return sys_eventfd_signal(fd);
}

/* Runs when the library is unloaded, and at exit. */
__attribute__((destructor)) static void forget_requests(void)
{
	aio_context_t made = requests;
	requests = 0;
	cannot_make = 1;
	if (made != 0)
		syscall(SYS_io_destroy, made);
}

/* Reads the start of the name that /proc has for a file; false without /proc. */
static bool name_of(int fd, char *name, size_t room)
{
	char link[40];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, name, room - 1);
	name[length < 0 ? 0 : length] = 0;
	return length >= 0;
}

/* The file's type, by a look that asks nobody: the file may be one of a file system that a process serves. */
static uint16_t type_of(int fd)
{
	struct statx status;
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0 ? status.stx_mode & S_IFMT : 0;
}

int sys_is_eventfd(int fd)
{
	char name[32];
	if (type_of(fd) != 0)
		return 0;
	return !name_of(fd, name, sizeof(name)) || strcmp(name, "anon_inode:[eventfd]") == 0;
}

/* ---- channels ----------------------------------------------------------------------------------------------------- */

/* Whether both ends have the same name, and have one. */
static int same_name(const struct sockaddr_un *a, socklen_t a_length, const struct sockaddr_un *b, socklen_t b_length)
{
	socklen_t head = offsetof(struct sockaddr_un, sun_path);
	return a_length > head && a_length == b_length && memcmp(a, b, a_length) == 0;
}

int sys_take_channel(int fd, int connection)
{
	struct sockaddr_un ours = {0}, theirs = {0}, near = {0}, far = {0};
	socklen_t ours_length = sizeof(ours), theirs_length = sizeof(theirs), near_length = sizeof(near);
	socklen_t far_length = sizeof(far);
	char bytes[64];
	unsigned int files = 0;
	if (getsockname(fd, (struct sockaddr *)&near, &near_length) < 0 ||
	    getpeername(fd, (struct sockaddr *)&far, &far_length) < 0 || near.sun_family != AF_UNIX)
		return -ENOTSOCK;
	if (getsockname(connection, (struct sockaddr *)&ours, &ours_length) < 0 ||
	    getpeername(connection, (struct sockaddr *)&theirs, &theirs_length) < 0)
		return -ENOTCONN;
	if (same_name(&far, far_length, &ours, ours_length) || same_name(&near, near_length, &theirs, theirs_length))
		return -EINVAL;
	/* Nothing is read from it: what lies in it, files included, would stay there. */
	if (shutdown(fd, SHUT_RD) < 0)
		return -errno;
	for (int messages = 0; messages < 16; messages++)
		if (sys_receive(fd, bytes, sizeof(bytes), NULL, 0, &files) == 0)
			return 0;
	return -EPROTO;
}

/* ---- closing ------------------------------------------------------------------------------------------------------ */

/*
 * close() waits for unsent data of a socket with SO_LINGER, and for the process that serves a file's file system. A thread
 * that waits there runs libc's close() and nothing of this library, so that it may outlast it.
 */
enum { CLOSERS = 64, MOST_STACK = 16 << 20 };
static pthread_mutex_t closing = PTHREAD_MUTEX_INITIALIZER;
static pthread_t closer[CLOSERS];
static bool is_used[CLOSERS];
/*
 * Bytes of a stack. libc wants 128 KiB at least on arm64, and room for the thread-local variables of the program everywhere.
 * Pages that nobody touches are not there.
 */
static size_t stack_bytes = 256 * 1024;
static char *stacks; /* not freed once they are used: a thread may outlast the library */

/* Those that found no thread, until the next call, which the end of a connection makes at the latest. */
enum { MOST_LEFT = 1024 };
static int left[MOST_LEFT];
static int left_count;

static int is_pipe(int fd)
{
	char name[8];
	return type_of(fd) == S_IFIFO && name_of(fd, name, sizeof(name)) && strncmp(name, "pipe:[", 6) == 0;
}

/*
 * Memory of the kernel's own, eventfds and pipes: nobody can delay their end. Sockets may have other files in them, which end
 * with them.
 */
static int closes_at_once(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0 || sys_is_eventfd(fd) || is_pipe(fd);
}

/* 0, or an error of pthread_create(). */
static int start_closer(int place, int fd)
{
	void *(*body)(void *) = (void *(*)(void *))(void (*)(void))close;
	pthread_attr_t with;
	sigset_t all, before;
	if (pthread_attr_init(&with) != 0)
		return ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_attr_setstack(&with, stacks + (size_t)place * stack_bytes, stack_bytes);
	if (error == 0)
		error = pthread_create(&closer[place], &with, body, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&with);
	return error;
}

static char *stacks_made(void)
{
	return sys_map(NULL, CLOSERS * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* False if no thread can be had for it now. */
static bool close_elsewhere(int fd)
{
	static bool has_run;
	if (stacks == NULL)
		stacks = stacks_made();
	int place = stacks == NULL ? CLOSERS : 0;
	while (place < CLOSERS && is_used[place] && pthread_tryjoin_np(closer[place], NULL) != 0)
		place++;
	if (place == CLOSERS)
		return false;
	int error = start_closer(place, fd);
	/* The first thread shows how large a stack has to be. */
	while (error == EINVAL && !has_run && stack_bytes < MOST_STACK) {
		sys_unmap(stacks, CLOSERS * stack_bytes);
		stack_bytes *= 4;
		stacks = stacks_made();
		error = stacks == NULL ? ENOMEM : start_closer(place, fd);
	}
	is_used[place] = error == 0;
	has_run |= is_used[place];
	return is_used[place];
}

/* In a forked child there are neither the parent's requests nor its threads, whichever of them held a lock. */
static void leave(void)
{
	requests = 0;
	making = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	closing = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	memset(is_used, 0, sizeof(is_used));
}

void sys_close_received(int fd)
{
	fork_leaves(FORK_FILES, leave);
	if (fd >= 0 && closes_at_once(fd)) {
		sys_close(fd);
		fd = -1;
	}
	if (fd >= 0)
		descriptor_disown(fd);
	pthread_mutex_lock(&closing);
	while (left_count > 0 && close_elsewhere(left[left_count - 1]))
		left_count--;
	/* If more than MOST_LEFT wait, the file stays open: better than a wait. */
	if (fd >= 0 && !close_elsewhere(fd) && left_count < MOST_LEFT)
		left[left_count++] = fd;
	pthread_mutex_unlock(&closing);
}
