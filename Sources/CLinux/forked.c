/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a forked child does before anything else: it leaves to its parent what is the parent's. Each table forgets its
 * entries, and whatever lock another thread held at that moment is free again. Descriptors are closed, since a peer learns
 * of its driver's end only when no process has the connection any more. Memory shared with a device is not there at all
 * (sys_map).
 */
#include "CLinux.h"

#include <stdatomic.h>

enum { WORD = 64, MOST = 1 << 20 }; /* numbers of descriptors, as many as a process may have by default (fs.nr_open) */

/* The descriptors that the library has open, a bit each. */
static _Atomic uint64_t owned[MOST / WORD];
static atomic_int highest;
static _Atomic(void (*)(void)) parts[FORK_PARTS];
static uint32_t generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Only functions that are safe in a signal handler: the parent may have had other threads. */
static void in_child(void)
{
	generation++;
	sentence_in_child();
	for (int part = 0; part < FORK_PARTS; part++) {
		void (*leave)(void) = atomic_load(&parts[part]);
		if (leave != NULL)
			leave();
	}
	for (int word = 0; word <= atomic_load(&highest) / WORD; word++) {
		uint64_t bits = atomic_exchange(&owned[word], 0);
		for (; bits != 0; bits &= bits - 1)
			close(word * WORD + __builtin_ctzll(bits));
	}
}

static void watch(void)
{
	(void)pthread_atfork(NULL, NULL, in_child);
}

void fork_leaves(int part, void (*leave)(void))
{
	pthread_once(&once, watch);
	atomic_store(&parts[part], leave);
}

uint32_t fork_generation(void)
{
	pthread_once(&once, watch);
	return generation;
}

static int beyond_standard(int fd)
{
	int moved = RESULT(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
	close(fd);
	return moved;
}

int descriptor_own(int fd)
{
	if (fd >= 0 && fd <= STDERR_FILENO)
		fd = beyond_standard(fd);
	if (fd < 0 || fd >= MOST)
		return fd;
	pthread_once(&once, watch);
	atomic_fetch_or(&owned[fd / WORD], (uint64_t)1 << fd % WORD);
	int before = atomic_load(&highest);
	while (before < fd && !atomic_compare_exchange_weak(&highest, &before, fd))
		continue;
	return fd;
}

/* Before the descriptor is closed: its number may be another file's at once. */
void descriptor_disown(int fd)
{
	if (fd >= 0 && fd < MOST)
		atomic_fetch_and(&owned[fd / WORD], ~((uint64_t)1 << fd % WORD));
}
