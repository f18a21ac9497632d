/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * musl.c - what libvionet.a uses of glibc and libbsd and musl has not, or has in another form
 *
 * A program that is linked with musl compiles this file beside its own:
 *     musl-gcc -static program.c musl.c $(pkg-config --cflags vionet) /usr/lib/libvionet.a -o program
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define strerror_r strerror_r_of_musl
#include <string.h>
#undef strerror_r
#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 1 would say that no second thread was ever started. Musl does not tell, and 0 is right in either case. */
char __libc_single_threaded;

void arc4random_buf(void *memory, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = getrandom((char *)memory + done, length - done, 0);
		if (got < 0 && errno != EINTR)
			__builtin_trap();
		done += got > 0 ? (size_t)got : 0;
	}
}

struct cmsghdr *__cmsg_nxthdr(struct msghdr *message, struct cmsghdr *header)
{
	return CMSG_NXTHDR(message, header);
}

__attribute__((weak)) int statx(int folder, const char *path, int flags, unsigned int mask, void *about)
{
	return (int)syscall(SYS_statx, folder, path, flags, mask, about);
}

/* That of musl returns a number, glibc's the text. */
char *strerror_r(int error, char *room, size_t length)
{
	if (length > 0) {
		strncpy(room, strerror(error), length - 1);
		room[length - 1] = 0;
	}
	return room;
}
