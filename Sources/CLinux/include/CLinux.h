/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CLinux: what Swift cannot import by itself.
 *
 *   - Kernel headers, with their structs and constants.
 *   - System calls that return a result or -errno: Swift may run code between a call and a read of errno. Some are
 *     variadic (open, fcntl, ioctl, syscall), which Swift does not import; some take constants that are casts or sizeof
 *     expressions, or structs with flexible arrays or macros for their parts (SCM_RIGHTS, VFIO_DEVICE_SET_IRQS).
 *   - Accessors of shared memory (shared_memory.h): Swift ignores volatile.
 *   - The processor: pause, prefetch, the thread's own address.
 *   - sentence.c, log.c: text for each thread, since Embedded Swift has no thread-local storage, and the environment.
 *   - static_storage.c: tables at fixed addresses, and what is done when the library is unloaded.
 *   - membarrier.c: what is done when the library is loaded.
 *   - forked.c: what a forked child forgets.
 *   - tap.c: structs that end in arrays.
 *   - thread.c, signals.c, memory_guard.c, directory.c: signal sets are macros, a handler is C, and struct dirent ends in an
 *     array of unknown length.
 *
 * What is marked SHIM is always inlined: no such function survives in the library (a test looks).
 */
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bsd/string.h>
#include <linux/if_tun.h>
#include <linux/membarrier.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>

/* Feature bits that kernel headers before 6.2 have no name for. */
#ifndef VIRTIO_NET_F_VQ_NOTF_COAL
#define VIRTIO_NET_F_VQ_NOTF_COAL 52
#endif
#ifndef VIRTIO_NET_F_DEVICE_STATS
#define VIRTIO_NET_F_DEVICE_STATS 50
#endif
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#endif
#ifndef VIRTIO_NET_F_GUEST_HDRLEN
#define VIRTIO_NET_F_GUEST_HDRLEN 59
#endif

#define SHIM static inline __attribute__((always_inline, unused))

/* What a system call returned, or -errno. */
#define RESULT(call) ({ __typeof__(call) result_ = (call); result_ < 0 ? (__typeof__(call))-errno : result_; })

#include "shared_memory.h"
#include "forked.h"
#include "memory.h"
#include "sockets.h"
#include "devices.h"
#include "files.h"
#include "vhost.h"
#include "memory_guard.h"

#pragma clang assume_nonnull begin

/* ---- system calls: a result, or -errno ---------------------------------------------------------------------------- */

SHIM int sys_open(const char *path, int flags, unsigned int mode) { return OWN(open(path, flags | O_CLOEXEC, mode)); }
SHIM int sys_close(int fd)
{
	descriptor_disown(fd);
	return RESULT(close(fd));
}
SHIM int sys_set_blocking(int fd) { return RESULT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK)); }
SHIM int sys_dup(int fd) { return OWN(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)); }
SHIM ssize_t sys_read(int fd, void *buffer, size_t length) { return RESULT(read(fd, buffer, length)); }
SHIM ssize_t sys_write(int fd, const void *buffer, size_t length) { return RESULT(write(fd, buffer, length)); }
SHIM int sys_change_mode(int fd, unsigned int mode) { return RESULT(fchmod(fd, (mode_t)mode)); }
/* A write whose reader may be gone, or which ulimit -f may end: -EPIPE or -EFBIG, and no signal. In signals.c. */
ssize_t sys_write_quietly(int fd, const void *buffer, size_t length);
SHIM int64_t sys_file_size(int fd)
{
	struct stat s;
	return fstat(fd, &s) < 0 ? -(int64_t)errno : (int64_t)s.st_size;
}
/* 1 if path is a socket, 0 if it is something else, or -errno. */
SHIM int sys_is_socket(const char *path)
{
	struct stat s;
	return stat(path, &s) < 0 ? -errno : S_ISSOCK(s.st_mode);
}
/* 0 if this process, by its effective user, may read and write the file, or -errno. */
SHIM int sys_may_use(const char *path) { return RESULT(faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS)); }
SHIM int sys_eventfd(unsigned int value) { return OWN(eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK)); }
SHIM int sys_eventfd_signal(int fd) { return eventfd_write(fd, 1) < 0 ? -errno : 0; }
/* The count, 0 when there was none. */
SHIM uint64_t sys_eventfd_drain(int fd)
{
	eventfd_t value = 0;
	return eventfd_read(fd, &value) < 0 ? 0 : value;
}
/* A timer, whose count of expirations is drained as an eventfd's; first 0 stops it, every 0 lets it expire once. */
SHIM int sys_timer(void) { return OWN(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)); }
SHIM int sys_timer_set(int fd, unsigned int first_ms, unsigned int every_ms)
{
	struct itimerspec when = {{every_ms / 1000, (long)(every_ms % 1000) * 1000000},
	                          {first_ms / 1000, (long)(first_ms % 1000) * 1000000}};
	return RESULT(timerfd_settime(fd, 0, &when, NULL));
}
SHIM int sys_poll(struct pollfd *fds, unsigned int count, int milliseconds) { return RESULT(poll(fds, count, milliseconds)); }
SHIM int sys_epoll_create(void) { return OWN(epoll_create1(EPOLL_CLOEXEC)); }
SHIM int sys_epoll_add(int epoll, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = {.events = events, .data.u64 = tag};
	return RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}
SHIM int sys_epoll_change(int epoll, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = {.events = events, .data.u64 = tag};
	return RESULT(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
}
SHIM int sys_epoll_remove(int epoll, int fd) { return RESULT(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL)); }
SHIM int sys_epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	return RESULT(epoll_wait(epoll, events, count, milliseconds));
}
/* The tags of the files that are ready, or'ed: one bit for each file, of which there are four at most. 0: none in that time. */
SHIM int sys_epoll_marks(int epoll, int milliseconds)
{
	struct epoll_event events[4];
	int marks = 0, count = epoll_wait(epoll, events, 4, milliseconds);
	for (int i = 0; i < count; i++)
		marks |= (int)events[i].data.u64;
	return count < 0 ? -errno : marks;
}
/* Up to 32 files that are ready now, by their tags, and for what. How many, or -errno. */
SHIM int sys_epoll_ready(int epoll, uint64_t *tags, uint32_t *ready, int room)
{
	struct epoll_event events[32];
	int count = RESULT(epoll_wait(epoll, events, room < 32 ? room : 32, 0));
	for (int i = 0; i < count; i++) {
		tags[i] = events[i].data.u64;
		ready[i] = events[i].events;
	}
	return count;
}
SHIM uint64_t epoll_tag(const struct epoll_event *event) { return event->data.u64; }
SHIM int sys_ioctl(int fd, unsigned long request, void *_Nullable argument) { return RESULT(ioctl(fd, request, argument)); }
SHIM int sys_ioctl_value(int fd, unsigned long request, unsigned long value) { return RESULT(ioctl(fd, request, value)); }
/* Monotonic. */
SHIM uint64_t sys_nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
SHIM void sys_sleep_microseconds(uint32_t us)
{
	struct timespec t = {us / 1000000, (long)(us % 1000000) * 1000};
	nanosleep(&t, NULL);
}
/* Fills up to 256 bytes with random ones; 0, or -errno: nothing waits for them, and nothing ends the process. */
SHIM int sys_random(void *bytes, size_t length)
{
	ssize_t result = RESULT(getrandom(bytes, length, GRND_NONBLOCK));
	return result == (ssize_t)length ? 0 : result < 0 ? (int)result : -EIO;
}

/*
 * Every thread of the process passes a full barrier before this returns. The kernel must have been told once, which
 * takes it microseconds in a process of one thread and tens of milliseconds in others. 0, or -errno where it has none.
 */
SHIM int sys_membarrier(void) { return RESULT((int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)); }
int sys_membarrier_register(void);
/* It was told: already when the library was loaded, if the process had one thread then. */
bool sys_membarrier_is_ready(void);

/* ---- threads ------------------------------------------------------------------------------------------------------ */

/* Tells threads apart: where this one's own storage is, a multiple of 16. */
SHIM uint64_t thread_address(void)
{
#if defined(__x86_64__)
	uint64_t address;
	__asm__("mov %%fs:0, %0" : "=r"(address));
	return address;
#else
	return (uint64_t)(uintptr_t)pthread_self();
#endif
}

/*
 * A thread that blocks all signals but those of its own faults, so that handlers run on the program's own threads. 0 or
 * -errno.
 */
int sys_thread_start(pthread_t *thread, const char *name, void *_Nullable (*_Nonnull body)(void *_Nullable),
                     void *_Nullable argument);
/* From keep to release, which nest, dlclose() leaves the library where it is: a thread of its own runs in it. */
void library_keep(void);
void library_release(void);

/* ---- static storage ------------------------------------------------------------------------------------------------ */

/* Blocks for tables whose layout Swift declares; unit tests compare the sizes. Zero when the library is loaded. */
enum {
	STORAGE_PORTS_BYTES = 16 * 1024 + 64,
	STORAGE_EVENTS_BYTES = 256,
	STORAGE_POOLS_BYTES = 64 * 1024,
	STORAGE_GROUPS_BYTES = 64,
	STORAGE_SERVED_BYTES = 1024,
};
#define STORAGE_BLOCK(name, bytes)                                                                                           \
	extern char storage_##name##_block[bytes] __attribute__((visibility("hidden")));                                     \
	SHIM void *storage_##name(void) { return storage_##name##_block; }
STORAGE_BLOCK(ports, STORAGE_PORTS_BYTES)
STORAGE_BLOCK(events, STORAGE_EVENTS_BYTES)
STORAGE_BLOCK(pools, STORAGE_POOLS_BYTES)
STORAGE_BLOCK(groups, STORAGE_GROUPS_BYTES)
STORAGE_BLOCK(served, STORAGE_SERVED_BYTES)

/* Zeroed memory on its own cache lines that stays for as long as the library is loaded; NULL if there is none. */
void *_Nullable storage_retain(size_t bytes);
/* Asked when the library is unloaded: while it returns non-zero, nothing is freed. One caller. */
void storage_keep_while(int (*callback)(void));
/* Called when the library is unloaded and nothing is in use, before retained memory is freed. One caller. */
void storage_on_unload(void (*callback)(void));

/* ---- TAP ---------------------------------------------------------------------------------------------------------- */

static const unsigned long SYS_TUNSETIFF = TUNSETIFF;
static const unsigned long SYS_TUNSETOFFLOAD = TUNSETOFFLOAD;
static const unsigned long SYS_TUNSETVNETHDRSZ = TUNSETVNETHDRSZ;
static const unsigned long SYS_TUNSETQUEUE = TUNSETQUEUE;
SHIM void tap_request(struct ifreq *request, const char *name, short flags)
{
	memset(request, 0, sizeof(*request));
	strlcpy(request->ifr_name, name, sizeof(request->ifr_name));
	request->ifr_flags = flags;
}

/* ---- sentences: per-thread text, of the last error and of a log line in the making -------------------------------- */

enum { SENTENCE_ERROR = 0, SENTENCE_LOG = 1 };
void sentence_begin(int which);
void sentence_text(int which, const char *text, size_t length);
void sentence_signed(int which, int64_t number);
void sentence_hex(int which, uint64_t number);
void sentence_errno(int which, int error);
const char *sentence_get(int which);
/* A copy of this thread's error sentence, to be put back after others had their turn. */
struct saved_sentence { char text[400]; };
void sentence_save(struct saved_sentence *kept);
void sentence_restore(const struct saved_sentence *kept);
/* Between hold(1) and hold(0), which nest, this thread's error sentence does not change. */
void sentence_hold(int on);

/* Whether lines of this level are wanted, from the callback or VIONET_LOG. */
int log_wanted(int level);
void log_set(int level, void (*_Nullable callback)(int level, const char *line, void *_Nullable user),
             void *_Nullable user);
/* Delivers this thread's SENTENCE_LOG. */
void log_deliver(int level);

#pragma clang assume_nonnull end

#endif
