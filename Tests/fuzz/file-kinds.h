/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of every kind, which a peer may send with any message, asked for or not. */
#ifndef FILE_KINDS_H
#define FILE_KINDS_H

#include "fuzz.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { FILE_KINDS = 12, MOST_FILES = 8 };
static int file_kinds[FILE_KINDS];

OK_UNUSED static void file_kinds_begin(void)
{
	int pipes[2], pair[2], status = 0;
	uint8_t noise[4096] = {0};
	same(pipe2(pipes, O_CLOEXEC), 0);
	same(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	while (write(pair[0], noise, sizeof(noise)) > 0) /* full: a blocking write would wait for ever */
		status++;
	yes(status > 0);
	same(fcntl(pair[0], F_SETFL, 0), 0);
	int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	same(ftruncate(sealed, 4096), 0);
	same(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	const int all[FILE_KINDS] = {
		memfd_create("empty", MFD_CLOEXEC), sealed, eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pipes[0],
		pipes[1], pair[0], open("/dev/null", O_RDWR | O_CLOEXEC), open("/dev/zero", O_RDWR | O_CLOEXEC),
		open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), epoll_create1(EPOLL_CLOEXEC),
	};
	memcpy(file_kinds, all, sizeof(file_kinds)); /* the other ends stay open */
	for (int n = 0; n < FILE_KINDS; n++)
		yes(file_kinds[n] >= 0);
}

#endif
